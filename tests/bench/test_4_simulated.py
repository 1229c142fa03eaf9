"""How long an onboarding takes under GitBook's example limit: the worker's code, a clock that is turned."""

import random
from collections.abc import Awaitable, Callable

import httpx
import pytest

from bridge.sandbox import Limit, Limits, Sandbox
from bridge.settings import RedisSettings
from bridge.store.redis import Store
from bridge.targets.base import RateLimitedError
from bridge.targets.gitbook import PATIENCE, GitBook
from tests.bench.table import Table
from tests.workers.world import SECOND, World, playing

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]
PEOPLE, TEAMS = 2000, 100
EVENTS = 2 * PEOPLE + TEAMS
LIMITS = Limits(Limit(60, 60.0))  # the example in GitBook's docs, "Rate limiting"


async def test_simulated_onboarding(
    redis_settings: RedisSettings, store: Store, monkeypatch: pytest.MonkeyPatch, table: Table
) -> None:
    """2,000 joiners and 100 groups of 20 at 60 calls a minute; next to it one call for each event."""
    async with playing(redis_settings, store, monkeypatch) as world:
        world.configure(guard={"max_removals": 100_000})
        world.most_steps, world.tick = 10_000, 20  # ms, as the worker naps
        world.sandbox.limits = LIMITS
        monkeypatch.setattr(GitBook, "_await_budget", _turning(world))
        begun = world.now
        await _arrive(world)
        await world.turn()
        while (due := await _next(world)) is not None:
            world.sleep(max(1, due - world.now))
            await world.turn()
        seconds, calls = (world.now - begun) / SECOND, len(world.sandbox.calls)
        assert len(world.members()) == PEOPLE
        assert sum(map(len, world.teams().values())) == PEOPLE
        naive = await _one_call_each(world.sandbox, world)
    what = f"onboarding of {PEOPLE:,} people and {TEAMS} groups at 60 calls a minute, simulated clock"
    table.add(what, seconds / 60, "min", seconds / naive, "shown")
    table.add("the same with one call for each event", naive / 60, "min")
    table.add("calls it took", calls, "calls", calls / EVENTS)
    assert seconds < naive / 5


def _turning(world: World) -> Callable[[GitBook, str], Awaitable[None]]:
    """Return how a call waits for its budget, with the clock turned where the client would sleep."""

    async def wait(client: GitBook, kind: str) -> None:
        seconds = client.budgets.wait(kind, client.clock())
        if seconds > PATIENCE:
            raise RateLimitedError(kind, client.clock() + seconds)
        world.sleep(int(seconds * SECOND))

    return wait


async def _arrive(world: World) -> None:
    """Let it all come within some seconds, shuffled: no longer than the worker waits for a burst to end."""
    names = [f"n{number:05}" for number in range(PEOPLE)]
    told: list[tuple[Callable[..., Awaitable[None]], tuple[str, ...]]]
    told = [(world.group, (f"g{number}", f"Team {number}")) for number in range(TEAMS)]
    told += [(world.hire, (name,)) for name in names]
    told += [(world.add, (f"g{number % TEAMS}", name)) for number, name in enumerate(names)]
    random.Random(7).shuffle(told)
    for tell, words in told:
        await tell(*words)


async def _next(world: World) -> int | None:
    """Return when something is due next (unix ms)."""
    first = await world.store.call("ZRANGE", world.docs.key("work"), 0, 0, "WITHSCORES")
    return int(float(first[1])) if first else None


async def _one_call_each(sandbox: Sandbox, world: World) -> float:
    """Return the seconds in which one call for each event is let through."""
    sandbox.limits = LIMITS
    begun, head = world.now, {"Authorization": f"Bearer {sandbox.token}"}
    async with httpx.AsyncClient(trust_env=False, headers=head) as client:
        for _ in range(EVENTS):
            answer = await client.get(f"{sandbox.url}/user")
            if answer.headers["X-RateLimit-Remaining"] == "0":
                world.sleep(int(answer.headers["X-RateLimit-Reset"]) * SECOND - world.now)
            assert answer.status_code == 200
    return (world.now - begun) / SECOND
