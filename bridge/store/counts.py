"""What the guard has counted of one target in its window. `start`: of the window, unix ms."""

from dataclasses import dataclass

from bridge.plan.judge import Record, Window
from bridge.settings import GuardSettings
from bridge.store.targets import TargetStore

REMOVALS, INVITES = "guard", "invited"


def window_start(guard: GuardSettings, now: int) -> int:
    """Return when the guard's window began."""
    return now - int(guard.window * 1000)


async def count(target: TargetStore, what: str, start: int) -> int:
    """Return how many there were of something."""
    return int(await target.store.call("ZCOUNT", target.key(what), start, "+inf"))


async def removals(target: TargetStore, start: int) -> Window:
    """Return how many removals there were, and how many members were known when the window began."""
    key = target.key("sizes")
    rows = await target.store.call("ZREVRANGEBYSCORE", key, start, "-inf", "LIMIT", 0, 1)
    rows = rows or await target.store.call("ZRANGE", key, 0, 0)
    size = int(rows[0].partition(":")[2]) if rows else 0
    return Window(await count(target, REMOVALS, start), size)


@dataclass(frozen=True, slots=True)
class TeamWindow:
    """A team's losses and its size when its window was first looked at; `fresh`: that is now."""

    window: Window
    fresh: bool


def losses_of(team: str) -> str:
    """Return what a team's losses are counted as."""
    return f"losses:{team}"


async def losses(target: TargetStore, team: str, start: int) -> TeamWindow:
    """Return what a team has lost."""
    size = int(await target.store.call("SCARD", target.roster_key(team)))
    row = await target.store.call("HGET", target.key("teamsizes"), team)
    at, _, then = (row or "0:0").partition(":")
    lost = await count(target, losses_of(team), start)
    if int(at) >= start and lost:
        return TeamWindow(Window(lost, max(int(then), size)), False)
    return TeamWindow(Window(lost, size + lost), True)


async def record_of(target: TargetStore, idents: list[str], now: int) -> Record:
    """Return what is written down of held changes with these ids."""
    return Record(await target.parked_of(idents), await target.decisions(idents), now)
