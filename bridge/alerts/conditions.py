"""What holds now that an operator has to know of: values and pure functions."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from bridge.alerts.reading import REFUSED_WINDOW, Items, Reading
from bridge.operators.health import JournalHealth
from bridge.settings import AlertSettings, ConditionKind
from bridge.store.clock import differs
from bridge.store.epoch import Stale
from bridge.store.front import Refusals

STUCK_AFTER = 300_000  # ms without any event processed while one waits
WELL_AFTER = 60_000  # ms that an API has to be well: one that takes every second call is not
TARGET, SOURCE, DIRECTORY, JOURNAL = "target", "source", "directory", "journal"
CLOCKS, DATA = "clocks", "data"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a condition is about.

    `about`: TARGET, SOURCE, DIRECTORY, JOURNAL, CLOCKS or DATA; `name`: as in the configuration.
    """

    about: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that holds.

    `since`: unix ms; `number`: of its items, of refusals, of people who stay, of events that wait.

    `items`: a digest of each thing that is told once; empty for what holds or does not.
    """

    kind: ConditionKind
    subject: Subject
    since: int
    number: int = 0
    items: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """What has to be remembered of a condition until the next look. Times are unix ms.

    `since`: when it began, 0: it does not hold; `last`: when it was so last; `mark`: what a counter stood
    at, or which event was the oldest; `number`: of refusals since it began, or of the last time.
    """

    since: int = 0
    last: int = 0
    mark: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of one look, by the conditions' keys: what holds, and what to remember for the next look.

    `watched`: all that was looked at; `unsure`: that of which nothing can be told now.
    """

    conditions: Mapping[str, Condition] = field(default_factory=dict)
    seen: Mapping[str, Seen] = field(default_factory=dict)
    watched: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()


class _Holds(NamedTuple):
    """As in Condition."""

    since: int
    number: int = 0
    items: frozenset[str] = frozenset()


_Answer = tuple[Seen | None, _Holds | None]  # what to remember, and what holds


class _Watch(NamedTuple):
    """One thing to look at. `look` is given what the last look remembered."""

    kind: ConditionKind
    subject: Subject
    look: Callable[[Seen | None], _Answer]
    unsure: bool = False


def condition_key(kind: str, subject: Subject) -> str:
    """Return what a condition is known as, such as `parked:target:docs`."""
    return f"{kind}:{subject.about}:{subject.name}"


def find(reading: Reading, alert: AlertSettings, seen: Mapping[str, Seen]) -> Found:
    """Return what holds of all that an alert is `on`; `seen`: as the last look returned it."""
    conditions: dict[str, Condition] = {}
    remembered: dict[str, Seen] = {}
    all_watches = {condition_key(each.kind, each.subject): each for each in _watches(reading, alert)}
    watches = {key: each for key, each in all_watches.items() if each.kind in alert.on}
    for key, each in watches.items():
        before = _not_to_come(seen.get(key), reading.health.at)
        now, holds = (before, None) if each.unsure else each.look(before)
        conditions |= {key: Condition(each.kind, each.subject, *holds)} if holds else {}
        remembered |= {key: now} if now else {}
    unsure = frozenset(key for key, each in watches.items() if each.unsure)
    return Found(conditions, remembered, frozenset(watches), unsure)


def _not_to_come(seen: Seen | None, now: int) -> Seen | None:
    """Return what a look remembered without times that are still to come: the clock was wrong then."""
    return replace(seen, since=min(seen.since, now), last=min(seen.last, now)) if seen else None


def _watches(reading: Reading, alert: AlertSettings) -> Iterator[_Watch]:
    now, after = reading.health.at, int(alert.unavailable_after * 1000)
    for name, target in reading.health.targets.items():
        here = Subject(TARGET, name)
        yield _Watch("parked", here, partial(_of_items, reading.parked.get(name, {})))
        yield _Watch("dead", here, partial(_of_items, reading.dead.get(name, {})))
        yield from _watch_api(here, target.state, target.since, now, after)
    for name, source in reading.health.sources.items():
        here, span = Subject(SOURCE, name), int(source.silent_after * 1000)
        yield _Watch("silent", here, partial(_silent, source.front.delivered, span, now))
        yield _Watch(
            "refused", here, partial(_refused, source.front.refused, reading.unread.get(name, ()), now)
        )
        if source.api:
            yield from _watch_api(here, source.api.state, 0, now, after)
    for name, directory in reading.health.directories.items():
        kind: ConditionKind = "ended" if directory.ended else "orphaned"
        yield _Watch(kind, Subject(DIRECTORY, name), partial(_orphaned, directory.active, now))
    yield _Watch("stale", Subject(DATA), partial(_stale, reading.health.stale))
    journal = reading.health.journal
    yield _Watch("dead_letter", Subject(JOURNAL), partial(_of_items, reading.dead_letters))
    yield _Watch("stuck", Subject(JOURNAL), partial(_stuck, journal, now))
    wrong = sum(differs(ahead) for ahead in reading.health.clocks.values())
    yield _Watch("clock", Subject(CLOCKS), partial(_wrong_clocks, wrong, now))


def _watch_api(here: Subject, state: str, since: int, now: int, after: int) -> Iterator[_Watch]:
    """Watch an API that the bridge calls; while it is left alone nobody knows how it is doing."""
    paused = state == "paused"
    yield _Watch("rejected", here, partial(_rejected, state, since, now), paused)
    yield _Watch("unavailable", here, partial(_unavailable, state, since, now, after), paused)


def _of_items(items: Items, _seen: Seen | None) -> _Answer:
    return None, _Holds(min(items.values()), len(items), frozenset(items)) if items else None


def _rejected(state: str, since: int, now: int, seen: Seen | None) -> _Answer:
    """It holds on while the API does not answer: that says nothing of the credentials."""
    ill = state == "credentials_rejected" or (state == "unavailable" and seen is not None)
    seen = _lasting(ill, since, now, seen)
    return seen, _Holds(seen.since) if seen else None


def _unavailable(state: str, since: int, now: int, after: int, seen: Seen | None) -> _Answer:
    seen = _lasting(state == "unavailable", since, now, seen)
    return seen, _Holds(seen.since) if seen and now - seen.since >= after else None


def _lasting(ill: bool, since: int, now: int, seen: Seen | None) -> Seen | None:
    """Return since when it is so, None once it has not been for WELL_AFTER. `since`: as it says, or 0."""
    if ill:
        return Seen(seen.since if seen else since or now, now)
    return seen if seen and now - seen.last < WELL_AFTER else None


def _silent(delivered: int, span: int, now: int, seen: Seen | None) -> _Answer:
    """One that never delivered counts from when it was first looked at; `number` is then 0."""
    if not span:
        return None, None
    first = None if delivered else seen or Seen(now)
    last = first.since if first else delivered
    return first, _Holds(last, int(delivered > 0)) if now - last >= span else None


def _refused(refused: Refusals, unread: tuple[int, ...], now: int, seen: Seen | None) -> _Answer:
    """Count who was not let in and what could not be read, until there was neither for a while."""
    last = max(refused.at, *unread, 0)
    if not last or now - last >= REFUSED_WINDOW:
        return Seen(last=last, mark=refused.count, number=seen.number if seen else 0), None
    fresh = now - refused.at < REFUSED_WINDOW
    before = seen or Seen(mark=refused.count - fresh)  # the first look cannot know how many of them are new
    new = max(0, refused.count - before.mark) + sum(at > before.last for at in unread)
    since, number = (before.since, before.number + new) if before.since else (last, new)
    return Seen(since, max(last, before.last), refused.count, number), _Holds(since, max(1, number))


def _orphaned(active: int, now: int, seen: Seen | None) -> _Answer:
    """Tell whether somebody stays active in a directory that nobody speaks for."""
    if not active:
        return None, None
    seen = seen or Seen(now)
    return seen, _Holds(seen.since, active)


def _wrong_clocks(wrong: int, now: int, seen: Seen | None) -> _Answer:
    """Tell whether processes run by a clock that is not Redis'; it is over when none did for a minute."""
    number = wrong or (seen.number if seen else 0)
    seen = _lasting(wrong > 0, 0, now, seen)
    return (replace(seen, number=number), _Holds(seen.since, number)) if seen else (None, None)


def _stale(stale: Stale | None, _seen: Seen | None) -> _Answer:
    return None, _Holds(stale.since) if stale else None


def _stuck(journal: JournalHealth, now: int, seen: Seen | None) -> _Answer:
    """Tell whether the oldest event has waited for long. A long queue that gets shorter is not stuck."""
    if not journal.oldest_pending:
        return None, None
    if seen is None or seen.mark != journal.oldest_pending:
        seen = Seen(now, mark=journal.oldest_pending)
    stuck = now - seen.since >= STUCK_AFTER
    return seen, _Holds(seen.since, max(1, journal.pending)) if stuck else None
