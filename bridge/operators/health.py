"""How the whole installation is doing: one reading, for `bridge status`, for /metrics and for alerts.

It takes a number of round trips to Redis that does not depend on how many targets, sources or directories
there are, and it reads nobody's name. (Of a directory that no source speaks for it counts the users.)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.operators.orphans import DirectoryHealth, read_directories
from bridge.operators.pages import id_time
from bridge.settings import Settings, SourceSettings, TargetSettings
from bridge.store.clock import differences_commands, read_differences
from bridge.store.dead_letters import count_dead_letters
from bridge.store.epoch import Stale, read_stale
from bridge.store.front import FrontNews, FrontStore
from bridge.store.journal import START, Journal
from bridge.store.listings import Listing, ListingStore, read_listings
from bridge.store.mirror import Command, MirrorStore
from bridge.store.presence import alive_command
from bridge.store.reads import ReadState, ReadStore, read_api_state
from bridge.store.redis import Store
from bridge.store.tally import TallyStore, read_budgets
from bridge.store.targets import (
    Counts,
    Pause,
    TargetState,
    TargetStore,
    read_counts,
    read_pause,
    read_state,
    target_id,
)
from bridge.store.tombstones import too_old
from bridge.targets.budget import BudgetLeft

TARGET_STATES = ("ok", "rate_limited", "unavailable", "credentials_rejected", "paused")
NOT_CONFIGURED = "not_configured"
API_STATES = ("ok", "rate_limited", "unavailable", "credentials_rejected", NOT_CONFIGURED)


@dataclass(frozen=True, slots=True)
class JournalHealth:
    """The event log, in numbers of events since its start.

    `unresolved`: they name an id of which nothing else is known; `too_old`: not folded, since what they
    could contradict is forgotten; `oldest_pending`: when the oldest event that is not folded arrived, unix
    ms, 0 when all are; `dead_letters`: events that could not be folded.
    """

    accepted: int = 0
    folded: int = 0
    unresolved: int = 0
    too_old: int = 0
    oldest_pending: int = 0
    dead_letters: int = 0

    @property
    def pending(self) -> int:
        """Return how many events are not folded yet."""
        return self.accepted - self.folded


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """One target. `counts`: its objects; `state`: one of TARGET_STATES, `reason` in words.

    `since`: since when it has been in that state (unix ms, 0: not known, or ever since); `resumes_at`: when
    it is tried again (unix seconds, 0: no such time); `budget`: calls it still takes, by kind of call.
    `oldest_due`: since when something has been due (unix ms, 0: nothing is); `leavers`: people who left by
    the directory and still are members, or may be, `oldest_leaver`: when the first of them left (unix ms, 0:
    nobody). Who stays because a person has rejected the removal is none of them. `reading`: the long list
    that is being read, None when none is.
    """

    name: str
    mode: str
    counts: Counts = field(default_factory=Counts)
    state: str = "ok"
    reason: str | None = None
    since: int = 0
    resumes_at: float = 0.0
    pause: Pause | None = None
    budget: Mapping[str, BudgetLeft] = field(default_factory=dict)
    oldest_due: int = 0
    leavers: int = 0
    oldest_leaver: int = 0
    reading: Listing | None = None


@dataclass(frozen=True, slots=True)
class ApiHealth:
    """How reading from a directory's own API goes. `state`: one of API_STATES, `reason` in words.

    `resumes_at`: unix seconds, 0: no such time; `unread`: people and groups of whom the events told less
    than the directory knows; `answered_at`: of its last answer, as `ReadState` has it.
    """

    state: str = "ok"
    reason: str | None = None
    resumes_at: float = 0.0
    unread: int = 0
    answered_at: int = 0


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """One source. `front`: who was let in and who was not, some seconds late; `api`: None without one.

    `silent_after`: seconds without a delivery after which it counts as silent, 0 for never.
    """

    name: str
    front: FrontNews = field(default_factory=FrontNews)
    api: ApiHealth | None = None
    silent_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Health:
    """All of it at one time (unix ms). `workers`: how many live; the rest by its configured name.

    `clocks`: by process, how many seconds its machine's clock is ahead of Redis' (less than 0: behind).
    `stale`: why the data may not act by themselves.
    """

    at: int
    journal: JournalHealth
    workers: int
    targets: Mapping[str, TargetHealth]
    sources: Mapping[str, SourceHealth]
    directories: Mapping[str, DirectoryHealth] = field(default_factory=dict)
    clocks: Mapping[str, float] = field(default_factory=dict)
    stale: Stale | None = None


async def read_health(settings: Settings, store: Store, now: int) -> Health:
    """Return how everything is doing. `now`: unix ms. Raises one of STORE_ERRORS."""
    journal = await _read_journal(store)
    workers, *told = await store.calls([alive_command(store, now), *differences_commands(store, now)])
    return Health(
        now,
        journal,
        int(workers),
        await _read_targets(settings.targets, store, now),
        await _read_sources(settings, store, now),
        await read_directories(settings, store),
        read_differences(*told),
        read_stale(await store.call("GET", store.key("stale"))),
    )


# the journal


async def _read_journal(store: Store) -> JournalHealth:
    journal = Journal(store)
    accepted, folded = await journal.counters()
    directories = sorted(await journal.directories())
    oldest = await _oldest_pending(journal, store, directories) if accepted > folded else 0
    unresolved = await MirrorStore(store).unresolved(directories)
    dead = await count_dead_letters(store, directories)
    return JournalHealth(accepted, folded, unresolved, await too_old(store), oldest, dead)


async def _oldest_pending(journal: Journal, store: Store, directories: Sequence[str]) -> int:
    cursors = await store.calls([("GET", journal.cursor_key(each)) for each in directories])
    rows = await store.calls([
        ("XRANGE", journal.key(each), f"({cursor or START}", "+", "COUNT", 1)
        for each, cursor in zip(directories, cursors, strict=True)
    ])  # fmt: skip
    return min((id_time(found[0][0]) for found in rows if found), default=0)


# targets


async def _read_targets(targets: Sequence[TargetSettings], store: Store, now: int) -> dict[str, TargetHealth]:
    asked = [_questions(TargetStore(store, target_id(target)), now) for target in targets]
    answers = iter(await store.calls([command for commands in asked for command in commands]))
    return {
        target.name: _target(target, [next(answers) for _ in commands], now)
        for target, commands in zip(targets, asked, strict=True)
    }


def _questions(target: TargetStore, now: int) -> list[Command]:
    return [
        ("GET", target.key("state")), ("GET", target.key("pause")),
        ("HGETALL", TallyStore(target.store).budget_key(target.id)),
        ("ZRANGE", target.key("work"), 0, 0, "WITHSCORES"), ("HVALS", target.key("leaving")),
        ("HGETALL", ListingStore(target).key),
        *target.count_commands(now),
    ]  # fmt: skip


def _target(target: TargetSettings, answers: Sequence[Any], now: int) -> TargetHealth:
    pause = read_pause(answers[1])
    state = present_state(read_state(answers[0]), pause, now)
    budget, due, leaving, listings, *counts = answers[2:]
    reading = None if pause else _reading(read_listings(listings).values(), now)
    oldest = int(float(due[1])) if due else now
    return TargetHealth(
        target.name, target.mode, read_counts(counts), state.state, state.reason, state.since,
        state.resumes_at, pause, read_budgets(budget), oldest if oldest < now else 0,
        len(leaving), min(map(int, leaving), default=0), reading,
    )  # fmt: skip


def _reading(listings: Iterable[Listing], now: int) -> Listing | None:
    """Return the list that was last gone on with and is not read to its end."""
    open_lists = [each for each in listings if not each.complete and each.alive(now)]
    return max(open_lists, key=lambda each: each.read_at, default=None)


def present_state(state: TargetState, pause: Pause | None, now: int) -> TargetState:
    """Return how a target is now (unix ms): a limit that ended is over, and a pause comes before all else."""
    if pause:
        return TargetState("paused", paused_by(pause), since=pause.at)
    if state.state == "rate_limited" and not state.asleep(now):
        return TargetState(since=min(now, int(state.resumes_at * 1000)))
    return state


def paused_by(pause: Pause) -> str:
    """Return in words who paused a target, and why."""
    return f"paused by {pause.by}" + (f": {pause.why}" if pause.why else "")


# sources


async def _read_sources(settings: Settings, store: Store, now: int) -> dict[str, SourceHealth]:
    """Return what is known of each source. `now`: unix ms. Raises one of STORE_ERRORS."""
    told = await FrontStore(store).read(source.name for source in settings.sources)
    apis = await _read_apis(settings, store, now)
    return {
        source.name: SourceHealth(source.name, told[source.name], apis.get(source.name), source.silent_after)
        for source in settings.sources
    }


async def _read_apis(settings: Settings, store: Store, now: int) -> dict[str, ApiHealth]:
    thin = [source for source in settings.sources if source.is_thin]
    reads = [ReadStore(store, source.directory_name) for source in thin]
    states = await store.calls([("GET", each.key("readstate")) for each in reads])
    counts = await store.calls([("ZCARD", each.list_key) for each in reads])
    return {
        source.name: _api(settings, source, read_api_state(row), unread, now)
        for source, row, unread in zip(thin, states, counts, strict=True)
    }


def _api(settings: Settings, source: SourceSettings, state: ReadState, unread: int, now: int) -> ApiHealth:
    if settings.reader_of(source.directory_name) is None:
        return ApiHealth(NOT_CONFIGURED, unread=unread)
    if state.state == "rate_limited" and not state.asleep(now):
        state = ReadState(answered_at=state.answered_at)
    return ApiHealth(state.state, state.reason, state.resumes_at, unread, state.answered_at)
