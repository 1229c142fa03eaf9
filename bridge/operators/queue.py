"""What the workers have before them: under way, due, backing off, held for a person, given up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.operators import objects
from bridge.operators.desks import Desk
from bridge.operators.filters import Filter
from bridge.operators.origins import Origin, origins_of
from bridge.plan.held import Held
from bridge.plan.people import GroupView
from bridge.plan.steps import GATHERS
from bridge.store.mirror import MirrorStore, split_ref
from bridge.store.targets import GATHERING, GROUP, MEMBER, Counts, TargetStore

RUNNING, DUE, WAITING, PARKED, DEAD = STATES = ("running", "due", "waiting", "parked", "dead")
KINDS = tuple(objects.KINDS.values())
MOST_SCANNED = 5000  # of one work list, where only some of its objects are wanted


@dataclass(frozen=True, slots=True)
class Queued:
    """One object of one target. Times in unix ms, 0 for none.

    `id`: of what is held or given up the one that `approve` and `retry` take; `name`: as the work list has
    it; `object`: the e-mail, the team's title or the group's name. `next_at`: when what backs off is tried
    again, `attempts`: how often it was; `change`: what is under way, held or given up, in words; `event`:
    the id of the one that last spoke of it, `source`: who told that; "" for none, or when it is not kept.
    """

    id: str
    target: str
    name: str
    object: str
    state: str
    since: int
    next_at: int = 0
    attempts: int = 0
    reason: str = ""
    change: str = ""
    event: str = ""
    source: str = ""

    @property
    def kind(self) -> str:
        """Return "member", "team" or "group"."""
        return objects.kind_of(self.name)


@dataclass(frozen=True, slots=True)
class Queue:
    """Rows by target and state, the longest in it first; and how many there are of each state at all."""

    rows: list[Queued] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)


async def read_queue(desks: Mapping[str, Desk], wanted: Filter, now: int) -> Queue:
    """Return what is before the workers: of each target and state `wanted.limit` rows at most.

    Where only some objects of a work list are wanted, its first `MOST_SCANNED` are looked at. `now`: unix
    ms. Raises one of STORE_ERRORS.
    """
    queue = Queue()
    for name, desk in desks.items():
        if wanted.admits(target=name):
            queue.counts[name] = await desk.target.counts(now)
            reading = _Reading(name, desk.target, wanted, now)
            for state in STATES:
                if not wanted.states or state in wanted.states:
                    queue.rows.extend(await reading.read(state))
    return queue


@dataclass(frozen=True, slots=True)
class _Reading:
    """The reading of one target."""

    target_name: str
    target: TargetStore
    wanted: Filter
    now: int

    async def read(self, state: str) -> list[Queued]:
        """Return the rows of one state that are wanted."""
        if state == RUNNING:
            rows = await self._running()
        elif state in (PARKED, DEAD):
            found = await (self.target.parked() if state == PARKED else self.target.dead())
            rows = [self._held(state, held) for held in found.values()]
        else:
            rows = await self._listed(state)
        if self.wanted.sources:
            rows = await self._with_events(rows)
        kept = [row for row in await self._with_group_names(rows) if self._admits(row)]
        kept.sort(key=lambda row: (row.next_at, row.since, row.name))
        shown = kept[: self.wanted.limit]
        return shown if self.wanted.sources else await self._with_events(shown)

    def _admits(self, row: Queued) -> bool:
        texts, source = (row.object, row.id, row.change, row.reason), row.source
        return self.wanted.admits(source=source, kind=row.kind, at=row.since, texts=texts)

    def _row(self, state: str, name: str, since: int) -> Queued:
        return Queued(name, self.target_name, name, name[2:], state, since)

    def _held(self, state: str, held: Held) -> Queued:
        row = self._row(state, held.object, held.since)
        return replace(row, id=held.id, attempts=held.attempts, reason=held.reason, change=held.change)

    async def _running(self) -> list[Queued]:
        intents = await self.target.intents()
        return [
            replace(self._row(RUNNING, name, each.at), change=each.change) for name, each in intents.items()
        ]

    async def _listed(self, state: str) -> list[Queued]:
        """Return what is on the work list, due or later, without what is under way."""
        running = await self.target.intents()
        some = self.wanted != Filter(limit=self.wanted.limit)
        most = MOST_SCANNED if some else self.wanted.limit + len(running)
        later = (f"({self.now}", "+inf")
        limits = ("-inf", self.now) if state == DUE else later
        found = await self.target.store.call(
            "ZRANGEBYSCORE", self.target.key("work"), *limits, "WITHSCORES", "LIMIT", 0, most
        )
        times = _scores(found)
        waves = await self.target.store.call(
            "ZRANGEBYSCORE", self.target.key(GATHERING), *later, "WITHSCORES", "LIMIT", 0, MOST_SCANNED
        )
        gathering = {MEMBER + email: end for email, end in _scores(waves).items()}
        rows = [
            replace(self._row(state, name, 0), next_at=end, reason=GATHERS)
            for name, end in gathering.items()
            if state == DUE and name not in times and name not in running
        ]
        backing_off = await self.target.waiting(times)
        others = gathering.keys() if state == WAITING else set()
        for name in times.keys() - running.keys() - others:
            row = self._row(state, name, times[name] if state == DUE else 0)
            row = replace(row, next_at=times[name] if state == WAITING else 0)
            if tries := backing_off.get(name):
                row = replace(row, since=tries.since, attempts=tries.attempts, reason=tries.reason)
            rows.append(row)
        return rows

    async def _with_group_names(self, rows: list[Queued]) -> list[Queued]:
        refs = {row.name: row.name.removeprefix(GROUP) for row in rows if row.kind == "group"}
        if not refs:
            return rows
        groups = await MirrorStore(self.target.store).groups(set(refs.values()))
        return [_named(row, groups) if row.name in refs else row for row in rows]

    async def _with_events(self, rows: list[Queued]) -> list[Queued]:
        origins = await origins_of(self.target, [row.name for row in rows])
        told = [origins.get(row.name, Origin()) for row in rows]
        return [
            replace(row, event=each.event, source=each.source) for row, each in zip(rows, told, strict=True)
        ]


def _scores(rows: Sequence[str]) -> dict[str, int]:
    """Return names and times (unix ms) of a sorted set."""
    return {name: int(float(time)) for name, time in zip(rows[::2], rows[1::2], strict=True)}


def _named(row: Queued, groups: Mapping[str, tuple[GroupView, bool]]) -> Queued:
    """Return a group's row with its name, or the directory's id of it, in place of its reference."""
    ref = row.name.removeprefix(GROUP)
    directory, ident = split_ref(ref)
    name = groups[ref][0].name if ref in groups else None
    return replace(row, id=f"{GROUP}{directory}/{ident}", object=name or ident)
