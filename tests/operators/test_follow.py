"""The event log as it grows."""

import asyncio
from dataclasses import replace

from bridge.operators.events import EventLog
from bridge.operators.filters import Filter
from bridge.operators.follow import Follower
from tests.operators.logbook import events, log, refuse
from tests.workers.world import World


async def arrived(follower: Follower) -> list[str]:
    """Who was told of since the last look."""
    return [each.user.id for each in await follower.next(20) if each.user]


async def test_following_shows_what_arrives_once_and_in_order(world: World) -> None:
    """Not what was there before; also of directories that are new."""
    await world.hire("ana")
    follower = Follower(log(world), Filter())
    assert await arrived(follower) == []
    await world.hire("bo", "cy")
    await world.tell("user.created", ("di", "di@acme.test", True), directory="okta:eu")
    names = await arrived(follower)
    assert (sorted(names), names.index("bo") < names.index("cy")) == (["bo", "cy", "di"], True)
    assert await arrived(follower) == []


async def test_following_waits_for_the_first_event_of_all(world: World) -> None:
    """There is no directory yet; what comes while it waits is told at once."""
    follower = Follower(log(world), Filter())
    assert await arrived(follower) == []
    waiting = asyncio.create_task(follower.next(60_000))
    await refuse(world, "user.id is missing")
    async with asyncio.timeout(30):
        assert [each.reason for each in await waiting] == ["user.id is missing"]
    bare = world.settings.model_copy(update={"sources": ()})
    nobody = Follower(EventLog(bare, world.store), Filter())
    assert await arrived(nobody) == []


async def test_following_can_begin_earlier_and_passes_over_what_is_not_wanted(world: World) -> None:
    """`since` tells from when."""
    await world.hire("ana")
    [event] = await events(world)
    await world.fire("ana")
    wanted = Filter(since=event.at, kinds=frozenset({"user.created"}))
    assert await arrived(Follower(log(world), wanted)) == ["ana"]
    assert await arrived(Follower(log(world), replace(wanted, kinds=frozenset({"group"})))) == []
