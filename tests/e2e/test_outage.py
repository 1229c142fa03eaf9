"""GitBook away for hours and for weeks, by a clock that is turned: nobody has to do anything about it."""

import random
from typing import Any

import pytest

from tests.workers import conftest
from tests.workers.world import DAY, HOUR, MINUTE, SECOND, World

world = conftest.world  # the fixture
pytestmark = pytest.mark.timeout(300)  # thousands of probes
PROBE = 15 * SECOND
TRIES = 3  # of one probe, at once
FAULTS: dict[str, tuple[int, dict[str, Any]]] = {  # how long a worker takes at least between two looks
    "401": (0, {"rejected_token": True}),
    "404": (MINUTE, {"organization_gone": True}),
    "429": (MINUTE, {"always": "429"}),
    "503": (MINUTE, {"always": "503"}),
    "reset": (MINUTE, {"always": "reset"}),
    "not JSON": (MINUTE, {"always": "not_json"}),
}


class Office:
    """A company that goes on while GitBook is away; it knows how all should be in the end."""

    def __init__(self, world: World) -> None:
        self.world, self.chance, self.number = world, random.Random(1), 0
        self.people: dict[str, set[str]] = {}

    async def open(self) -> None:
        """Ten people, three groups."""
        for group in ("g0", "g1", "g2"):
            await self.world.group(group, f"Team {group}")
        for _ in range(10):
            await self.join()
        await self.world.settle()

    async def join(self) -> None:
        """Somebody new, in a group."""
        name, self.number = f"p{self.number}", self.number + 1
        await self.world.hire(name)
        self.people[name] = set()
        await self.move(name)

    async def move(self, name: str) -> None:
        """Into another group and out of the one before."""
        before, group = self.people[name], self.chance.choice(["g0", "g1", "g2"])
        for old in before - {group}:
            await self.world.take_out(old, name)
        await self.world.add(group, name)
        self.people[name] = {group}

    async def live(self) -> None:
        """Somebody joins, moves or leaves."""
        what = self.chance.choice(("join", "move", "move", "leave"))
        name = self.chance.choice(sorted(self.people))
        if what == "join" or len(self.people) < 5:
            await self.join()
        elif what == "move":
            await self.move(name)
        else:
            del self.people[name]
            await self.world.fire(name)

    async def is_right(self) -> None:
        """GitBook is as the company is, and nothing is left to do or to decide."""
        world = self.world
        assert set(world.members()) == set(self.people)
        wanted: dict[str, set[str]] = {}
        for name, groups in self.people.items():
            for group in groups:
                wanted.setdefault(f"Team {group}", set()).add(name)
        assert {title: names for title, names in world.teams().items() if names} == wanted
        left = await world.dead(), await world.parked(), await world.due(), (await world.state()).state
        assert left == ({}, {}, [], "ok")


async def away(world: World, office: Office, milliseconds: int, leap: int, news: int) -> int:
    """Let time pass without GitBook, a thing happening every `news`, and count the calls meanwhile.

    `leap`: at most so long between two looks of a worker, which comes when the target says so.
    """
    until, following, before = world.now + milliseconds, world.now, len(world.sandbox.calls)
    while world.now < until:
        if world.now >= following:
            await office.live()
            following = world.now + news
        await world.turn()
        state = await world.state()
        assert state.resumes_at * 1000 - world.now <= PROBE or state.state == "rate_limited"
        world.sleep(max(leap, int(state.resumes_at * 1000) - world.now + 1))
    return len(world.sandbox.calls) - before


@pytest.mark.parametrize("fault", FAULTS)
async def test_six_hours(world: World, fault: str) -> None:
    """A look is one probe, of three tries at most; then all of it is made within a minute."""
    leap, faults = FAULTS[fault]
    world.configure(guard={"max_removals": 1000, "team_max_removal_percent": 100})
    office = Office(world)
    await office.open()
    world.sandbox.inject(**faults)
    calls = await away(world, office, 6 * HOUR, leap, news=7 * MINUTE)
    # under 429 two kinds of calls are tried, since each has a limit of its own
    tries = {"401": 1, "404": 1, "429": 2}.get(fault, TRIES)
    assert calls <= tries * 6 * HOUR // max(PROBE, leap) + 50, f"{calls} calls to a target that is down"
    assert await world.dead() == {}
    world.sandbox.heal()
    await world.settle(most=HOUR if fault == "429" else MINUTE)
    await office.is_right()


@pytest.mark.parametrize("fault", ["503", "401"])
async def test_thirty_days(world: World, fault: str) -> None:
    """However long: a look is one probe, and what happened meanwhile takes no more calls for it."""
    world.configure(guard={"max_removals": 1000, "team_max_removal_percent": 100})
    office = Office(world)
    await office.open()
    world.sandbox.inject(**FAULTS[fault][1])
    calls = await away(world, office, 30 * DAY, leap=3 * HOUR, news=12 * HOUR)
    assert calls <= TRIES * 30 * DAY // (3 * HOUR) + 50
    assert await world.dead() == {}
    world.sandbox.heal()
    before = len(world.sandbox.calls)
    await world.settle(most=MINUTE)
    assert len(world.sandbox.calls) - before <= 60
    await office.is_right()
