"""What an auditor asks for: who joined and left, how long it took, what was held, and who decided.

All figures are about a period, from `since` up to but without `until`. They come from the evidence of each
target (joiners and removals), the audit (what people decided) and, for those who still have access, from
what is known now.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bridge.operators.desks import Desk
from bridge.operators.leavers import DUE, EXCEPTED, PARKED, Leaver, read_leavers
from bridge.operators.spans import Spans, measure
from bridge.plan.changes import Invite, Remove
from bridge.settings import Settings
from bridge.store.audit import Audit, Deed, read_deed
from bridge.store.history import Row, read_row
from bridge.store.journal import Journal
from bridge.store.redis import Store
from bridge.store.targets import MEMBER

JOINED, LEFT, INSIDE = "joined", "left", "still inside"
GONE = "gone"  # somebody else had removed them
DECISIONS = ("approved", "rejected")
_PROVEN = {Remove.verb: LEFT, Invite.verb: JOINED}
_SLICE = 1000
_SKEW = (
    3_600_000  # ms; how far the workers' clocks, which rows tell, may be from that of Redis, which finds them
)


@dataclass(frozen=True, slots=True)
class Person:
    """One person of the report. Times in unix ms, 0 for unknown or none.

    `what`: joined, left, "still inside"; `told_at`: when they came, or left, by the directory's word;
    `done_at`: when they were invited, or removed; `end`: where the period ends; `state`: of joiners and
    leavers "done" or "gone", else one of `bridge.operators.leavers.STATES`; `held_since`: since when the
    change waited for a person, `reason`: why it did, or why nothing is done; `by`, `why`, `decided_at`: who
    decided about it, their words, and when; `until`: when an exception ends.
    """

    what: str
    email: str
    target: str
    told_at: int
    done_at: int
    end: int
    state: str
    held_since: int = 0
    reason: str = ""
    decided_at: int = 0
    by: str = ""
    why: str = ""
    until: int = 0

    @property
    def milliseconds(self) -> int | None:
        """Return how long it took, or has taken by the end of the period; None for unknown.

        A sender's clock may be ahead of ours: then it took no time.
        """
        return max(0, (self.done_at or self.end) - self.told_at) if self.told_at else None


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one target, or of all together.

    `joined`: people who were invited; `left`: who lost access, `gone` of them because somebody else had
    removed them; `inside`: who had left before the period's end and had access then, `parked` and `excepted`
    of them because their removal was held or rejected. `held`: changes of any kind that wait for a person
    now, the longest since `held_since` (unix ms, 0 for none); `left_after_hold`: who left after a person had
    to approve it. `leaving`: from leaving the directory to losing access; `joining`: from the directory's
    news to the invite. `decisions`: how many changes who approved and rejected in the period.
    """

    joined: int
    left: int
    gone: int
    inside: int
    parked: int
    excepted: int
    held: int
    held_since: int
    left_after_hold: int
    leaving: Spans[Person]
    joining: Spans[Person]
    decisions: Mapping[str, Mapping[str, int]]

    @property
    def seats_added(self) -> int:
        """Return how many seats the bridge took."""
        return self.joined

    @property
    def seats_freed(self) -> int:
        """Return how many seats the bridge freed."""
        return self.left - self.gone


@dataclass(frozen=True, slots=True)
class Report:
    """The whole of it. `people`: by target, what became of them, and when; `notes`: what else to know."""

    since: int
    until: int
    everything: Figures
    targets: Mapping[str, Figures]
    people: Sequence[Person]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """What was read of one target.

    `rows`: of the evidence since the period began, also those after its end; `leavers`: who has to go now;
    `held`: since when each change has waited that waits now; `deeds`: decisions in the period; `oldest`: row
    of the evidence, unix ms, 0 for none.
    """

    rows: Sequence[Row] = ()
    leavers: Sequence[Leaver] = ()
    held: Sequence[int] = ()
    deeds: Sequence[Deed] = field(default=())
    oldest: int = 0


async def read_report(
    settings: Settings, store: Store, desks: Mapping[str, Desk], since: int, until: int, now: int
) -> Report:
    """Make the report of a period (unix ms). Raises one of STORE_ERRORS.

    `until`: now at the latest; what happened later is left out, as far as it is known what was before.
    """
    until = min(until or now, now)
    deeds = [
        deed for deed in await _deeds(store, since) if since <= deed.at < until and deed.action in DECISIONS
    ]
    found = {
        name: await _find(settings, desk, [deed for deed in deeds if deed.target == name], since, now)
        for name, desk in desks.items()
    }
    accepted, folded = await Journal(store).counters()
    notes = [*_notes(settings, found, since, now), *_unread(accepted - folded)]
    return make_report(found, since, until, notes)


# reading


async def _find(settings: Settings, desk: Desk, deeds: Sequence[Deed], since: int, now: int) -> Findings:
    key = desk.history.evidence_key
    rows = [read_row(fields) for fields in await _rows(desk.target.store, key, since)]
    first = await desk.target.store.call("XRANGE", key, "-", "+", "COUNT", 1)
    held = [each.since for each in (await desk.target.parked()).values()]
    leavers = await read_leavers(settings, desk, now)
    return Findings(rows, leavers, held, deeds, read_row(first[0][1])["at"] if first else 0)


async def _deeds(store: Store, since: int) -> list[Deed]:
    return [read_deed(fields) for fields in await _rows(store, Audit(store).key, since)]


async def _rows(store: Store, key: str, since: int) -> list[dict[str, str]]:
    """Return all rows of a stream that may tell of what was at `since` (unix ms) or later."""
    found: list[dict[str, str]] = []
    first = str(max(0, since - _SKEW))
    while True:
        rows = await store.call("XRANGE", key, first, "+", "COUNT", _SLICE)
        found += [fields for _, fields in rows]
        if len(rows) < _SLICE:
            return found
        first = f"({rows[-1][0]}"


def _notes(settings: Settings, found: Mapping[str, Findings], since: int, now: int) -> list[str]:
    """Say where the period goes back further than what is kept."""
    kept = now - int(settings.retention.evidence * 1000)
    notes = []
    if since < kept:
        notes.append(
            f"the period begins before {_day(kept)}: what is older is not kept any more (retention.evidence)"
        )
    for name, findings in found.items():
        if not findings.oldest:
            notes.append(f"{name}: no joiner or removal is on record")
        elif findings.oldest > since:
            notes.append(f"{name}: the oldest joiner or removal on record is of {_day(findings.oldest)}")
    return notes


def _unread(events: int) -> list[str]:
    if not events:
        return []
    return [f"{events} event(s) are not processed yet: whom they are about is not in the report"]


def _day(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


# figuring


def make_report(found: Mapping[str, Findings], since: int, until: int, notes: Sequence[str] = ()) -> Report:
    """Work out the report from what was read of each target. Pure."""
    people = {name: _people(name, each, since, until) for name, each in found.items()}
    targets = {name: _figures(people[name], [each]) for name, each in found.items()}
    everyone = [person for each in people.values() for person in each]
    return Report(since, until, _figures(everyone, list(found.values())), targets, everyone, notes)


def _people(name: str, found: Findings, since: int, until: int) -> list[Person]:
    """Return who joined, who left, and who had left and was still inside when the period ended."""
    people = [_inside(leaver, until) for leaver in found.leavers if leaver.left_at < until]
    for row in found.rows:
        if row.get("kind") == Remove.verb and row["at"] >= until > _known_since(row) > 0:
            state = PARKED if 0 < row.get("held_since", 0) < until else DUE
            people.append(_person(INSIDE, name, row, 0, until, state))
        elif row.get("kind") in _PROVEN and since <= row["at"] < until:
            people.append(_person(_PROVEN[row["kind"]], name, row, row["at"], until, row["outcome"]))
    order = {JOINED: 0, LEFT: 1, INSIDE: 2}
    return sorted(people, key=lambda each: (order[each.what], each.done_at, each.told_at, each.email))


def _known_since(row: Row) -> int:
    """Return since when it was surely known that somebody had to go, 0 for unknown."""
    return int(row.get("since") or row.get("held_since") or 0)


def _person(what: str, target: str, row: Row, done: int, end: int, state: str) -> Person:
    return Person(
        what, row["object"].removeprefix(MEMBER), target, row.get("since", 0), done, end, state,
        row.get("held_since", 0), row.get("held_for", ""), row.get("approved_at", 0),
        row.get("approved_by", ""), row.get("approved_why", ""),
    )  # fmt: skip


def _inside(leaver: Leaver, until: int) -> Person:
    return Person(
        INSIDE, leaver.email, leaver.target, leaver.left_at, 0, until, leaver.state, leaver.held_since,
        leaver.reason, leaver.decided_at, leaver.by, leaver.said, leaver.until,
    )  # fmt: skip


def _figures(people: Sequence[Person], found: Sequence[Findings]) -> Figures:
    joined = [each for each in people if each.what == JOINED]
    left = [each for each in people if each.what == LEFT]
    states = Counter(each.state for each in people if each.what == INSIDE)
    held = [since for each in found for since in each.held]
    deeds = [deed for each in found for deed in each.deeds]
    return Figures(
        len(joined),
        len(left),
        sum(each.state == GONE for each in left),
        states.total(),
        states[PARKED],
        states[EXCEPTED],
        len(held),
        min(held, default=0),
        sum(bool(each.held_since) for each in left),
        measure(left, lambda each: each.milliseconds),
        measure(joined, lambda each: each.milliseconds),
        {action: _by_whom(deeds, action) for action in DECISIONS},
    )


def _by_whom(deeds: Iterable[Deed], action: str) -> dict[str, int]:
    counted = Counter(deed.by for deed in deeds if deed.action == action)
    return dict(sorted(counted.items()))
