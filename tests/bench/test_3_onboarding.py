"""How many calls an onboarding takes, how many are answered 429, and how long it lasts under a limit."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.sandbox import Limit, Limits, Sandbox, running_sandbox
from tests.bench.conftest import Bench
from tests.bench.load import group_event, member_event, requests, send, user_event
from tests.bench.table import Table
from tests.e2e.place import Place

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]
PEOPLE, TEAMS = 2000, 100
EVENTS = 2 * PEOPLE + TEAMS


def onboarding(people: int = PEOPLE, teams: int = TEAMS) -> list[bytes]:
    """Return 2,000 joiners and 100 groups of 20, shuffled, the same each time."""
    names = [f"{number:05}" for number in range(people)]
    bodies = [group_event("group.created", str(team)) for team in range(teams)]
    bodies += [user_event("user.created", name) for name in names]
    bodies += [member_event("group.user_added", name, str(n % teams)) for n, name in enumerate(names)]
    random.Random(7).shuffle(bodies)
    return bodies


@asynccontextmanager
async def onboarded(
    bench: Bench, limits: Limits, pace: float, latency: float, people: int = PEOPLE, teams: int = TEAMS
) -> AsyncIterator[Sandbox]:
    """Let a bridge take it all in, and wait until everybody is where they belong."""
    async with running_sandbox(Sandbox("acme", "sandbox-token-of-the-tests", limits=limits)) as sandbox:
        place = bench.place(sandbox)
        place.start()
        await place.ready()
        await place.until(place.settled, "not settled")
        sandbox.inject(latency=latency)
        made = requests(onboarding(people, teams))
        run = await asyncio.to_thread(send, place.port, made, 60.0, 32, pace)
        assert run.other == 0
        await place.until(lambda: _there(sandbox, people), "not all are in their teams", 120)
        await place.until(place.settled, "not settled", 60)
        _check(place)
        yield sandbox
        place.stop()


def _there(sandbox: Sandbox, people: int) -> bool:
    return len(sandbox.members()) == people + 1 and sum(map(len, sandbox.teams().values())) == people


def _check(place: Place) -> None:
    assert '"level":"error"' not in place.log()


async def test_calls(bench: Bench, table: Table) -> None:
    """Arriving within two seconds, GitBook answering in 100 ms; and as fast as they can be sent."""
    for pace, what, reach in ((2000.0, "2,000 events/s", 160), (0.0, "sent at once", 300)):
        async with onboarded(bench, Limits(), pace, 0.1) as sandbox:
            calls = len(sandbox.calls)
        table.add(f"calls for {EVENTS:,} events, {what}", calls, "calls", calls / EVENTS, str(reach))
        assert calls <= 2 * reach


async def test_refused_calls(bench: Bench, table: Table) -> None:
    """A fifth of it, under a limit of 20 calls in 2 seconds."""
    async with onboarded(bench, Limits(Limit(20, 2.0)), 2000.0, 0.02, 600, 60) as sandbox:
        calls = sandbox.calls
    refused = sum(call.status == 429 for call in calls)
    what = f"calls answered 429 under a limit of 20 in 2 s, {refused} of {len(calls)}"
    table.add(what, 100 * refused / len(calls), "%", None, "3")
    assert refused <= max(3, 0.1 * len(calls))
