"""A sender's directory whose connection ended, and perhaps came again by another id."""

import pytest

from bridge.operators.forget import (
    NotForgottenError,
    find_forgettable,
    forget_directory,
    list_directories,
    preview,
)
from bridge.operators.orphans import read_directories
from bridge.store.audit import Deed
from bridge.store.mirror import read_ended
from tests.workers.world import World, address

OLD, NEW = "okta:dir_old", "okta:dir_new"


async def hire(world: World, directory: str, *names: str) -> None:
    """Create users in one connection; the id is the connection's."""
    for name in names:
        user = (f"{directory}-{name}", address(name), True)
        await world.tell("user.created", user, directory=directory)


async def active(world: World, directory: str, name: str, active: bool) -> None:
    """Switch a user of one connection on or off."""
    user = (f"{directory}-{name}", None, active)
    await world.tell("user.updated", user, directory=directory)


async def reconnect(world: World) -> None:
    """Three people in a connection, which is deleted, and two of them in the next one."""
    await hire(world, OLD, "ana", "bo", "cy")
    await world.settle()
    await world.tell("connection.deleted", directory=OLD)
    await hire(world, NEW, "ana", "bo")
    await world.settle()
    assert set(world.members()) == {"ana", "bo", "cy"}, "nobody goes because a connection ended"


async def forget(world: World, name: str) -> None:
    """What the command does."""
    view = await find_forgettable(world.settings, world.store, name)
    losses = await preview(world.settings, world.store, view, world.now)
    await forget_directory(world.settings, world.store, view, losses, Deed(world.now, "boss", "forgot"))


async def test_old_connection_does_not_outvote_the_new_one(world: World) -> None:
    """A leaver of the new one is held with that reason, and goes when a person approves."""
    await reconnect(world)
    await active(world, NEW, "bo", False)
    await world.settle()
    assert set(world.members()) == {"ana", "bo", "cy"}
    reason = (await world.parked())["m:bo"]
    assert reason.startswith("active only in a connection of the directory that has ended: approve")
    assert (await world.plan()).steps[0].held == reason
    await world.approve("m:bo")
    await world.settle()
    assert set(world.members()) == {"ana", "cy"}


async def test_who_is_back_is_released(world: World) -> None:
    """What is held is let go when its cause is gone."""
    await reconnect(world)
    await active(world, NEW, "bo", False)
    await world.settle()
    await active(world, NEW, "bo", True)
    await world.settle()
    assert await world.parked() == {}
    assert set(world.members()) == {"ana", "bo", "cy"}


async def test_end_that_is_told_after_the_leaver_is_as_good(world: World) -> None:
    """Deliveries come in any order: who stayed because of the old connection is looked at again."""
    await hire(world, OLD, "ana", "bo")
    await hire(world, NEW, "ana", "bo")
    await active(world, NEW, "bo", False)
    await world.settle()
    assert await world.parked() == {}, "the old one is alive, as far as anybody knows"
    await world.tell("connection.deleted", directory=OLD)
    await world.settle()
    assert set(await world.parked()) == {"m:bo"}


async def test_other_directory_does_not_know_better(world: World) -> None:
    """A directory of another name says nothing of who is active in this one."""
    world.sources.append({"name": "polis", "kind": "jackson", "secrets": ["polis-secret"]})
    world.configure()
    await hire(world, OLD, "ana")
    await hire(world, "polis", "ana")
    await world.settle()
    await world.tell("connection.deleted", directory=OLD)
    await active(world, "polis", "ana", False)
    await world.settle()
    assert (set(world.members()), await world.parked()) == ({"ana"}, {})


@pytest.mark.parametrize("again", ["connection.activated", "user.updated"])
async def test_connection_that_tells_something_again_is_alive(world: World, again: str) -> None:
    """Activated, or any news that gives something; a late deletion is no sign of life."""
    await reconnect(world)
    await world.tell("user.deleted", (f"{OLD}-cy", None, None), directory=OLD)
    await world.settle()
    assert (await read_ended(world.store)).keys() == {OLD}
    user = (f"{OLD}-ana", None, True) if again == "user.updated" else None
    await world.tell(again, user, directory=OLD)
    await active(world, NEW, "bo", False)
    await world.settle()
    assert await read_ended(world.store) == {}
    assert await world.parked() == {}


async def test_event_from_before_the_end_is_no_sign_of_life(world: World) -> None:
    """A delivery that was late tells what was so before."""
    await hire(world, OLD, "ana")
    before = world.now
    await world.settle()
    await world.tell("connection.deactivated", directory=OLD)
    await world.fold()
    await world.tell("user.updated", (f"{OLD}-ana", None, True), directory=OLD, at=before)
    await world.fold()
    assert (await read_ended(world.store))[OLD].how == "deactivated"


async def test_operators_see_who_stays(world: World) -> None:
    """Until somebody decides: the connection, how it ended, and how many stay active in it."""
    await reconnect(world)
    found = await read_directories(world.settings, world.store)
    assert set(found) == {"okta", OLD}
    assert (found["okta"].reason, found[OLD].active, found[OLD].targets) == (None, 3, ("docs",))
    assert found[OLD].reason == (
        "the connection was deleted at the sender, and 3 user(s) stay active in it, whoever of them leaves: "
        f"let it go: bridge directory forget {OLD}"
    )
    views = {view.name: view for view in await list_directories(world.settings, world.store)}
    assert (views[OLD].ended, views[OLD].users, views["okta"].users) == ("deleted", 3, 5)


async def test_forgetting_the_connection(world: World) -> None:
    """Whom only it knew goes, under the guard, and the new one goes on."""
    await reconnect(world)
    await active(world, NEW, "bo", False)
    await world.settle()
    view = await find_forgettable(world.settings, world.store, OLD)
    losses = (await preview(world.settings, world.store, view, world.now))["docs"]
    assert {*losses.removed, *losses.removals_held} == {address("bo"), address("cy")}
    await forget(world, OLD)
    assert set(world.members()) == {"ana", "bo", "cy"}, "the command itself calls nothing"
    await world.settle()
    await world.approve()
    await world.settle()
    assert set(world.members()) == {"ana"}
    found = await read_directories(world.settings, world.store)
    assert (found[OLD].active, found[OLD].reason) == (0, None)
    await hire(world, NEW, "dee")
    await world.settle()
    assert set(world.members()) == {"ana", "dee"}


async def test_living_connection_is_not_forgotten(world: World) -> None:
    """Its source speaks for it."""
    await reconnect(world)
    for name in (NEW, "okta"):
        with pytest.raises(NotForgottenError):
            await find_forgettable(world.settings, world.store, name)
