"""What the guard has counted of one target in its window. `start`: of the window, unix ms."""

from collections.abc import Collection
from dataclasses import dataclass

from bridge.plan.judge import Record, Window, grant_id
from bridge.plan.members import State
from bridge.settings import GuardSettings
from bridge.store.targets import GATHERING, MEMBER, TargetStore

REMOVALS, INVITES = "guard", "invited"


def window_start(guard: GuardSettings, now: int) -> int:
    """Return when the guard's window began."""
    return now - int(guard.window * 1000)


async def count(target: TargetStore, what: str, start: int) -> int:
    """Return how many there were of something."""
    return int(await target.store.call("ZCOUNT", target.key(what), start, "+inf"))


async def removals(target: TargetStore, guard: GuardSettings, now: int) -> Window:
    """Return which removals there were, how many members when the window began, and which removals gather.

    No wave gathers for longer than `guard.gather`: one that is to end later was begun by a wrong clock, and
    is to be judged now (`now`: unix ms).
    """
    key, start = target.key("sizes"), window_start(guard, now)
    latest = now + int(guard.gather * 1000)
    before, first, names, gathering = await target.store.calls([
        ("ZREVRANGEBYSCORE", key, start, "-inf", "LIMIT", 0, 1), ("ZRANGE", key, 0, 0),
        ("ZRANGEBYSCORE", target.key(REMOVALS), start, "+inf"),
        ("ZRANGE", target.key(GATHERING), 0, -1, "WITHSCORES"),
    ])  # fmt: skip
    rows = before or first
    size = int(rows[0].partition(":")[2]) if rows else 0
    waves = zip(gathering[::2], map(float, gathering[1::2]), strict=True)
    ends = {email: int(end) if end <= latest else now for email, end in waves}
    return Window(len(names), size, frozenset(names), ends)


@dataclass(frozen=True, slots=True)
class TeamWindow:
    """A team's losses and its size when its window was first looked at; `fresh`: that is now."""

    window: Window
    fresh: bool


ALL_LOSSES = "losses"  # of all teams together, but for those of deleted groups: see loss_of


def loss_of(team: str, email: str) -> str:
    """Return what is counted in ALL_LOSSES when somebody leaves a team."""
    return f"{team} {email}"


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


async def all_losses(target: TargetStore, teams: Collection[str], start: int) -> Window:
    """Return what all teams (ids) have lost, and how many members they had before."""
    count, *sizes = await target.store.calls([
        ("ZCOUNT", target.key(ALL_LOSSES), start, "+inf"),
        *(("SCARD", target.roster_key(team)) for team in sorted(teams)),
    ])  # fmt: skip
    return Window(count, sum(sizes) + count)


async def record_of(target: TargetStore, idents: list[str], now: int) -> Record:
    """Return what is written down of held changes with these ids."""
    return Record(await target.parked_of(idents), await target.decisions(idents), now)


async def approved_grants(target: TargetStore, emails: Collection[str]) -> dict[str, str]:
    """Return for whom a person has approved that they become an admin, with the token of that grant."""
    if not emails:
        return {}
    decided = await target.decisions([grant_id(email) for email in emails])
    found = {email: decided.get(grant_id(email)) for email in emails}
    return {email: each.token for email, each in found.items() if each and each.approved}


async def coming(target: TargetStore, but: Collection[str]) -> int:
    """Return how many were invited and are not listed as members yet, without some addresses.

    An invite without a clear end counts as long as it may still take effect.
    """
    looked_for, inviting = await target.store.calls([
        ("ZRANGE", target.key("pending"), 0, -1), ("HKEYS", target.key("inviting")),
    ])  # fmt: skip
    bindings = await target.members({*looked_for, *inviting})
    invited = {email for email, each in bindings.items() if each.state is State.INVITED}
    unclear = await target.lost_of([MEMBER + email for email in inviting if email not in bindings])
    return len((invited | {name.removeprefix(MEMBER) for name in unclear}) - set(but))
