"""What happened to a person or a group, in order: events, the guard's decisions, calls, what people did."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.directory.events import EventName
from bridge.operators.desks import Desk
from bridge.operators.events import STATES, EventLog, LoggedEvent
from bridge.operators.filters import Filter
from bridge.operators.origins import raw_events
from bridge.operators.pages import row_id, split_id
from bridge.store.history import Row, read_row
from bridge.store.mirror import split_ref
from bridge.store.targets import MEMBER
from bridge.store.told import Told

MOST_EVENTS, MOST_CALLS = 200, 200  # that are read, the newest of each
MOST_EVIDENCE = 5000  # rows of a target that are looked through for what the history has no more
EVENT, DECISION, CALL, ACTION = "event", "decision", "call", "action"
CALLED = ("done", "requested", "failed", "gone")
DECIDED = ("parked", "released", "dead")
ACTED = ("approved", "rejected", "retried", "replayed")
OUTCOMES = (*STATES, *CALLED, *DECIDED, *ACTED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, at `at` (unix ms).

    `sort`: event, decision (of the guard and the worker), call, or action (of a person); `id`: of the event,
    or of the row in a target's history; `kind`: the event's name or the change's verb; `outcome`: one of
    OUTCOMES; `why`: what it was done for; `reason`: of the target, or of the guard; `by`: the source that
    told, or the person; `event`: the id of the event behind it.
    """

    id: str
    at: int
    sort: str
    kind: str
    text: str
    outcome: str
    target: str = ""
    by: str = ""
    why: str = ""
    reason: str = ""
    event: str = ""
    status: int = 0
    milliseconds: int = 0

    @property
    def order(self) -> tuple[int, int, int]:
        """Return what sorts by time. Ids are of one clock, Redis'; an event comes before what it causes."""
        time, number = _time(split_id(self.id)[1])
        return time, int(self.sort != EVENT), number


@dataclass(frozen=True, slots=True)
class Past:
    """What is written down of a person or a group.

    `events`: by id; `others`: ids of events that are written down as the cause of a call and are not about
    them; `calls`: rows of targets' histories, the oldest first: the target's name, the row's id in the
    stream, and the row; `left_out`: that there are older ones, which were not read.
    """

    events: Mapping[str, LoggedEvent] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    calls: Sequence[tuple[str, str, Row]] = ()
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """Entries, the oldest first. `older`: there are older ones than these."""

    entries: Sequence[Entry] = ()
    older: bool = False


async def read_past(
    log: EventLog,
    desks: Iterable[Desk],
    told: Mapping[str, Collection[str]],
    objects: Collection[str],
    causes: Collection[str] = (),
    is_about: Callable[[LoggedEvent], bool] = lambda _: True,
) -> Past:
    """Read the last events about users and groups, and the last rows about objects of the work list.

    `told`: refs by `bridge.store.told.USER` and `GROUP`; `causes`: ids of events to read, as those that rows
    name are; `is_about`: what tells of one of these whether it is about them. Raises one of STORE_ERRORS.
    """
    rows = [row for desk in desks for row in await _read_rows(desk, objects)]
    calls = sorted(rows, key=lambda each: _time(each[1]))[-MOST_CALLS:]
    idents = await _told(log, told)
    behind = {*causes, *(row["event"] for _, _, row in calls if row.get("event"))} - set(idents)
    found = await read_events(log, [*idents[-MOST_EVENTS:], *sorted(behind)])
    others = frozenset(ident for ident in behind & found.keys() if not is_about(found[ident]))
    events = {ident: event for ident, event in found.items() if ident not in others}
    return Past(events, others, calls, len(calls) < len(rows) or len(idents) >= MOST_EVENTS)


async def _read_rows(desk: Desk, objects: Collection[str]) -> list[tuple[str, str, Row]]:
    """Return the rows about objects; of people without any in the history, what the evidence still has."""
    rows = [(name, *each) for name in sorted(objects) for each in await desk.history.of(name)]
    people = {name for name in objects if name.startswith(MEMBER)}  # the evidence is of nobody else
    if older := people - {name for name, _, _ in rows}:
        found = await desk.target.store.call(
            "XREVRANGE", desk.history.evidence_key, "+", "-", "COUNT", MOST_EVIDENCE
        )
        proven = [(ident, read_row(fields)) for ident, fields in found]
        rows += [(row["object"], ident, row) for ident, row in proven if row.get("object") in older]
    return [(desk.name, ident, row) for _, ident, row in rows]


async def _told(log: EventLog, told: Mapping[str, Collection[str]]) -> list[str]:
    """Return the ids of the events about some users and groups, the oldest first."""
    found: set[str] = set()
    for kind, refs in told.items():
        for directory, ident in map(split_ref, sorted(refs)):
            found |= {row_id(directory, each) for each in await Told(log.store, directory).ids(kind, ident)}
    return sorted(found, key=lambda ident: _time(split_id(ident)[1]))


async def read_events(log: EventLog, idents: Iterable[str]) -> dict[str, LoggedEvent]:
    """Return those of these events that are still kept, by id."""
    raw = await raw_events(log.store, idents)
    return {event.id: event for event in await log.read(Filter(), raw) if event}


def _time(row: str) -> tuple[int, int]:
    time, _, number = row.partition("-")
    return int(time), int(number)


def newest_event(found: Mapping[str, LoggedEvent], wanted: Callable[[LoggedEvent], bool]) -> str:
    """Return the id of the newest event that is wanted, "" for none."""
    idents = (ident for ident, event in found.items() if wanted(event))
    return max(idents, key=lambda ident: _time(split_id(ident)[1]), default="")


def make_timeline(past: Past, wanted: Filter) -> Timeline:
    """Return the newest `wanted.limit` entries that are wanted, the oldest first."""
    entries = [_of_event(event) for event in past.events.values()]
    entries += [_of_row(*call) for call in past.calls]
    found = sorted((each for each in entries if _admits(wanted, each)), key=lambda entry: entry.order)
    return Timeline(found[-wanted.limit :], past.left_out or len(found) > wanted.limit)


def _admits(wanted: Filter, entry: Entry) -> bool:
    return wanted.admits(
        source=entry.by if entry.sort == EVENT else None,
        target=entry.target or None,
        kind=entry.kind,
        state=entry.outcome,
        at=entry.at,
        texts=(entry.text, entry.why, entry.reason, entry.by, entry.id),
    )


def _of_event(event: LoggedEvent) -> Entry:
    text, sort = describe_event(event), EVENT
    return Entry(
        event.id, event.at, sort, event.kind, text, event.state, by=event.source, reason=event.reason
    )


def _of_row(target: str, ident: str, row: Row) -> Entry:
    outcome = row["outcome"]
    sort = CALL if outcome in CALLED else DECISION if outcome in DECIDED else ACTION
    return Entry(
        row_id(target, ident), row["at"], sort, row.get("kind", ""), row.get("change", ""), outcome, target,
        row.get("by", ""), row.get("why", ""), row.get("reason", ""), row.get("event", ""),
        row.get("status", 0), row.get("milliseconds", 0),
    )  # fmt: skip


def describe_event(event: LoggedEvent) -> str:
    """Return whom an event is about and what it tells of them, in words: `ana@acme.test inactive`."""
    words: list[str] = []
    if event.user:
        words.append(event.user.email or f"user {event.user.id}")
        if event.user.active is not None:
            words.append("active" if event.user.active else "inactive")
    if event.group:
        words += [*_preposition(event.kind), "group", event.group.name or event.group.id]
        if event.group.members is not None:
            words.append(f"with {len(event.group.members)} member(s)")
    return " ".join(words)


def _preposition(kind: str) -> list[str]:
    return {EventName.USER_ADDED.value: ["to"], EventName.USER_REMOVED.value: ["from"]}.get(kind, [])
