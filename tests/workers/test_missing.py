"""What Redis has lost is unknown, and nobody loses anything for it."""

import pytest

from bridge.plan.doubt import MISSING
from bridge.store.mirror import make_ref
from tests.workers.world import DAY, World, address
from workers.departing import forget_directories
from workers.retention import trim

LOST = {
    "users": ["users:okta"],
    "addresses": [f"address:{address(name)}" for name in ("ana", "bo")],
    "members": [f"members:{make_ref('okta', 'g1')}"],
    "groups": ["groups:okta"],
    "mirror": ["users:okta", "groups:okta", *(f"address:{address(name)}" for name in ("ana", "bo"))],
}


async def lose(world: World, *names: str) -> None:
    """Let Redis evict keys, and everyone be looked at again, as after a change of the rules."""
    await world.store.call("DEL", *(world.store.key(name) for name in names))
    await world.store.call("DEL", world.docs.key("plan"))
    await world.settle()


async def company(world: World) -> None:
    """Ana and Bo are writers with a right of their own; only writers are members."""
    roles = [{"group": "Writers", "role": "edit"}]
    world.configure(members={"groups": ["Writers"]}, roles=roles)
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    assert world.members() == {"ana": "edit", "bo": "edit"}


@pytest.mark.parametrize("lost", LOST)
async def test_nobody_is_removed_for_what_is_missing(world: World, lost: str) -> None:
    """Nor lowered, nor taken out of a team: it is held with a reason, and the plan shows the same."""
    await company(world)
    await lose(world, *LOST[lost])
    assert world.members() == {"ana": "edit", "bo": "edit"}
    assert world.teams() == {"Writers": {"ana", "bo"}}
    assert world.removals() == 0
    assert await world.parked() == dict.fromkeys(("m:ana", "m:bo"), MISSING)
    assert {step.held for step in (await world.plan()).steps} == {MISSING}


async def test_without_a_scope_a_lost_membership_takes_nobody_out_of_a_team(world: World) -> None:
    """Nobody is to be removed then; the team and the role stay, and whoever is told of anew moves on."""
    await company(world)
    world.configure(members={"groups": []})
    await world.settle()
    await lose(world, *LOST["members"])
    assert (world.members(), world.teams()["Writers"]) == ({"ana": "edit", "bo": "edit"}, {"ana", "bo"})
    await world.add("g1", "ana", "bo")
    await world.take_out("g1", "bo")
    await world.settle()
    assert (world.members(), world.teams()["Writers"]) == ({"ana": "edit", "bo": "read"}, {"ana"})


async def test_what_is_told_again_is_known_again(world: World) -> None:
    """The held removal is over; who has left by then is removed."""
    await company(world)
    await lose(world, *LOST["mirror"])
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    assert await world.parked() == {}
    await world.fire("bo")
    await world.settle()
    assert set(world.members()) == {"ana"}


async def test_a_person_may_approve(world: World) -> None:
    """Whoever knows that somebody has left."""
    await company(world)
    await lose(world, *LOST["mirror"])
    await world.approve("m:bo")
    await world.settle()
    assert set(world.members()) == {"ana"}


async def test_a_leaver_who_is_still_there_is_removed(world: World) -> None:
    """One user of an address is lost, the other one has left: that one says nothing of the first."""
    await world.tell("user.created", ("b1", address("boss"), True))
    await world.tell("user.created", ("b2", address("boss"), True))
    await world.settle()
    await world.store.call("HDEL", world.store.key("users", "okta"), "b1")
    await world.fire("b2")
    await world.settle()
    assert set(world.members()) == {"boss"}
    assert await world.parked() == {"m:boss": MISSING}


async def test_what_was_forgotten_on_purpose_is_not_missing(world: World) -> None:
    """Whose directory an operator let go of is removed as ever."""
    await world.hire("ana")
    await world.tell("user.created", ("cy", address("cy"), True), directory="polis")
    world.sources.append({"name": "polis", "kind": "jackson", "secrets": ["x"]})
    world.configure()
    await world.settle()
    await world.store.call("SET", world.store.key("departures"), '{"polis":{"at":1,"by":"boss"}}')
    world.sources.pop()
    world.configure()
    for _ in range(3):
        await world.settle()
        await forget_directories(world.worker)
    await world.settle()
    assert set(world.members()) == {"ana"}


async def test_the_list_of_directories_may_be_lost_too(world: World) -> None:
    """Then it is not taken for a directory that was forgotten."""
    await company(world)
    await lose(world, *LOST["mirror"], "directories")
    assert world.members() == {"ana": "edit", "bo": "edit"}


async def test_old_tombstones_that_are_gone_leave_nobody_held(world: World) -> None:
    """They go only when no target knows the person any more."""
    await company(world)
    await world.fire("bo")
    await world.settle()
    world.sleep(90 * DAY)
    await trim(world.worker)
    await world.store.call("DEL", world.docs.key("plan"))
    await world.settle()
    assert (set(world.members()), await world.parked()) == ({"ana"}, {})
    assert await world.store.call("HGET", world.store.key("users", "okta"), "bo") is None


async def test_a_lost_group_keeps_its_team(world: World) -> None:
    """It was not deleted: that would have left a tombstone."""
    await company(world)
    await lose(world, "groups:okta")
    assert set(world.teams()) == {"Writers"}
    team = (await world.docs.teams())["Writers"]
    assert team.groups == (make_ref("okta", "g1"),)
