"""Nobody becomes an admin by a rule before a person has approved it once."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.workers.calls import switched_on
from tests.workers.world import DAY, HOUR, World

ROLES = [{"group": "Admins", "role": "admin"}, {"group": "Editors", "role": "edit"}]
WAITS = "makes them an admin: only when a person approves"


@pytest.fixture
async def firm(world: World) -> World:
    """Two directories feed the target; Ana is in corp's admins, Eve only in partner's editors."""
    world.sources = [{"name": n, "kind": "okta-workflows", "secrets": [n]} for n in ("okta", "partner")]
    world.configure(teams=[], roles=ROLES)
    await world.hire("ana")
    await world.tell("user.created", ("eve", "eve@acme.test", True), directory="partner")
    await world.settle()
    return world


async def partner_group(world: World, ident: str, name: str, *members: str) -> None:
    """Let the other directory have a group."""
    await world.tell("group.created", group=(ident, name), directory="partner")
    for each in members:
        await world.tell("group.user_added", (each, None, None), (ident, None), directory="partner")


# who may name a group


async def test_a_group_that_is_named_like_the_admins_makes_nobody_an_admin(firm: World) -> None:
    """Nor does one that is renamed, or has the id that a rule names."""
    firm.configure(roles=[*ROLES, {"group": "id:g9", "role": "admin"}])
    await partner_group(firm, "p1", "Admins", "eve")
    await firm.settle()
    assert firm.members() == {"ana": "read", "eve": "read"}
    assert 'the group "Admins" (of directory partner, id p1)' in (await firm.parked())["m:eve"]
    assert (await firm.held("m:eve")).change == "set role of eve@acme.test from read to admin"
    await firm.reject()
    await partner_group(firm, "g9", "Cooks", "eve")
    await firm.tell("group.deleted", group=("p1", None), directory="partner")
    await firm.settle()
    assert firm.members()["eve"] == "read"
    assert "id g9" in (await firm.parked())["m:eve"]


async def test_a_rule_may_name_the_directory(firm: World) -> None:
    """By name, by id, for roles, teams and the scope: another directory's groups are not meant."""
    firm.configure(
        members={"groups": ["okta/Staff", "partner/id:s1", "R&D/Core"]},
        roles=[
            {"group": "Admins", "role": "create", "directory": "okta"},
            {"group": "id:g1", "role": "create", "directory": "okta"},
        ],
        teams=[{"group": "*", "team": "Corp {group}", "directory": "okta"}],
        guard={"max_removals": 0, "max_removal_percent": 0},
    )
    await firm.group("g1", "Admins", "ana")
    await firm.group("s1", "Staff", "ana")
    await firm.hire("bo")
    await firm.group("s2", "R&D/Core", "bo")
    await partner_group(firm, "g1", "Admins", "eve")
    await partner_group(firm, "s1", "Staff", "eve")
    await firm.settle()
    assert firm.members() == {"ana": "create", "bo": "read", "eve": "read"}
    assert firm.teams() == {"Corp Admins": {"ana"}, "Corp Staff": {"ana"}, "Corp R&D/Core": {"bo"}}
    await partner_group(firm, "s9", "okta/Staff", "zed")
    await firm.tell("user.created", ("zed", "zed@acme.test", True), directory="partner")
    await firm.settle()
    assert "zed" not in firm.members()


# what is held


async def test_a_joiner_is_invited_with_the_role_they_would_have_otherwise(world: World) -> None:
    """And becomes an admin when a person has approved it: exactly that one."""
    world.configure(roles=ROLES, default_role="comment")
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Admins", "ana", "bo")
    await world.group("g2", "Editors", "ana")
    await world.settle()
    assert world.members() == {"ana": "edit", "bo": "comment", "cy": "comment"}
    assert world.teams()["Admins"] == {"ana", "bo"}
    assert {name for name, why in (await world.parked()).items() if WAITS in why} == {"m:ana", "m:bo"}
    await world.approve("m:bo")
    await world.settle()
    assert world.members() == {"ana": "edit", "bo": "admin", "cy": "comment"}
    assert set(await world.parked()) == {"m:ana"}
    rows = [row for _, row in await world.past.of("m:bo@acme.test") if row["kind"] == "role"]
    assert [row["outcome"] for row in rows] == ["parked", "approved", "done"]
    assert (rows[-1]["approved_by"], WAITS in rows[-1]["held_for"]) == ("boss", True)


async def test_a_rule_that_was_changed_asks_too_and_takes_nothing_meanwhile(world: World) -> None:
    """Those whom it gave a lesser role keep that until it is decided, and after a no."""
    world.configure(roles=[{"group": "Editors", "role": "edit"}, {"group": "Docs", "role": "review"}])
    await world.hire("ana", "bo")
    await world.group("g2", "Editors", "ana", "bo")
    await world.group("g3", "Docs", "ana")
    await world.settle()
    world.configure(roles=[{"group": "Editors", "role": "admin"}, {"group": "Docs", "role": "review"}])
    await world.settle()
    assert world.members() == {"ana": "edit", "bo": "edit"}
    assert set(await world.parked()) == {"m:ana", "m:bo"}
    await world.reject("m:ana")
    await world.settle()
    assert (world.members()["ana"], set(await world.parked())) == ("edit", {"m:bo"})
    await world.take_out("g2", "ana", "bo")
    await world.settle()
    assert (world.members(), await world.parked()) == ({"ana": "review", "bo": "read"}, {})


async def test_a_default_role_of_admin_asks_too(world: World) -> None:
    """For those who were members, and for those who come."""
    await world.hire("ana")
    await world.settle()
    world.configure(default_role="admin")
    await world.hire("bo")
    await world.settle()
    assert world.members() == {"ana": "read", "bo": "read"}
    assert "default_role" in (await world.parked())["m:ana"]
    await world.approve()
    await world.settle()
    assert world.members() == {"ana": "admin", "bo": "admin"}


async def test_a_role_that_moves_along_with_an_address_asks_too(world: World) -> None:
    """It is not lost, whatever becomes of the old account meanwhile."""
    world.sandbox.seed_member("ana@acme.test", "admin")
    await world.hire("ana")
    await world.settle()
    await world.tell("user.updated", ("ana", "ana.ng@acme.test", None))
    await world.settle()
    assert world.members() == {"ana": "admin", "ana.ng": "read"}
    held = next(h for h in (await world.docs.parked()).values() if h.object == "m:ana.ng@acme.test")
    assert held.change == "set role of ana.ng@acme.test from read to admin"
    await world.approve("m:ana")
    await world.settle()
    world.configure(sso_existing=True)
    await world.settle()
    assert (world.members(), set(await world.parked())) == ({"ana.ng": "read"}, {"m:ana.ng"})
    await world.approve("m:ana.ng")
    await world.settle()
    assert (world.members(), await world.parked()) == ({"ana.ng": "admin"}, {})
    world.configure(sso_existing=False)
    await world.settle()
    assert world.members() == {"ana.ng": "admin"}


async def test_an_invite_without_a_clear_end_does_not_lose_what_waits(world: World) -> None:
    """Whoever is found afterwards still waits for their role."""
    world.sandbox.seed_member("ana@acme.test", "admin")
    await world.hire("ana")
    await world.settle()
    world.sandbox.inject(next=[{"match": "POST .*/invites", "fault": "reset", "after": True, "times": 3}])
    await world.tell("user.updated", ("ana", "ana.ng@acme.test", None))
    await world.settle()
    assert world.members()["ana.ng"] == "read"
    assert WAITS in (await world.parked())["m:ana.ng"]


# what an approval is good for


@pytest.fixture
async def approved(world: World) -> World:
    """Ana is an admin by her group, as a person has approved."""
    world.configure(roles=ROLES)
    await world.hire("ana", "bo")
    await world.group("g1", "Admins", "ana")
    await world.settle()
    await world.approve()
    await world.settle()
    assert world.members() == {"ana": "admin", "bo": "read"}
    return world


async def test_who_stays_is_not_asked_about_again(approved: World) -> None:
    """Not when they are inactive for a moment, nor when they leave the group and come back."""
    await approved.active("ana", False)
    await approved.settle()
    await approved.active("ana", True)
    await approved.settle()
    assert (approved.members()["ana"], await approved.parked()) == ("admin", {})
    await approved.take_out("g1", "ana")
    await approved.settle()
    assert approved.members()["ana"] == "read"
    approved.sleep(3 * DAY)
    await approved.add("g1", "ana")
    await approved.settle()
    assert (approved.members()["ana"], await approved.parked()) == ("admin", {})


@pytest.mark.parametrize("how", ["removed", "by hand"])
async def test_who_left_and_comes_back_is_asked_about_again(approved: World, how: str) -> None:
    """Whoever removed them."""
    await approved.fire("ana")
    await approved.settle()
    if how == "removed":
        await approved.approve()
    else:
        approved.sandbox.state.leave(approved.sandbox.members()["ana@acme.test"].id)
        await approved.store.call("HSET", approved.docs.key("unknown"), "m:ana@acme.test", 1)
    await approved.settle()
    await approved.hire("ana")
    await approved.add("g1", "ana")
    await approved.settle()
    assert approved.members()["ana"] == "read"
    assert WAITS in (await approved.parked())["m:ana"]


async def test_an_approval_is_for_one_group_and_one_user(approved: World) -> None:
    """Another group of the same name asks anew, and so does another user of the same address."""
    await approved.take_out("g1", "ana")
    await approved.group("g7", "Admins", "ana")
    await approved.settle()
    assert approved.members()["ana"] == "admin"  # never lowered in between: she was one all the time
    await approved.take_out("g7", "ana")
    await approved.settle()
    await approved.add("g7", "ana")
    await approved.settle()
    assert (approved.members()["ana"], set(await approved.parked())) == ("read", {"m:ana"})
    await approved.take_out("g7", "ana")
    await approved.tell("user.created", ("ana2", "ana@acme.test", True))
    await approved.add("g1", "ana2")
    await approved.settle()
    assert approved.members()["ana"] == "read"
    assert "id g1" in (await approved.parked())["m:ana"]


async def test_who_is_an_admin_at_gitbook_needs_nothing(world: World) -> None:
    """A rule that says so is the rule's from then on."""
    world.sandbox.seed_member("ana@acme.test", "admin")
    world.configure(roles=ROLES)
    await world.hire("ana")
    await world.group("g1", "Admins", "ana")
    await world.settle()
    assert (world.members(), await world.parked()) == ({"ana": "admin"}, {})
    world.sleep(DAY)  # before that a lower role is held: they were there before
    await world.take_out("g1", "ana")
    await world.settle()
    assert world.members() == {"ana": "read"}


async def test_a_no_stays_and_may_have_an_end(world: World) -> None:
    """Neither news nor time nor a restart asks again before."""
    world.configure(roles=ROLES)
    await world.hire("ana")
    await world.group("g1", "Admins", "ana")
    await world.settle()
    await world.reject("m:ana", until=world.now + 5 * DAY)
    await world.settle()
    await world.take_out("g1", "ana")
    await world.settle()
    await world.add("g1", "ana")
    world.configure(sso_existing=True)
    world.sleep(2 * DAY)
    await world.settle()
    assert (world.members(), await world.parked()) == ({"ana": "read"}, {})
    world.sleep(3 * DAY + HOUR)
    await world.settle()
    assert set(await world.parked()) == {"m:ana"}


async def test_it_is_released_when_no_rule_says_so_any_more(world: World) -> None:
    """And what is allowed by the configuration goes at once."""
    world.configure(roles=ROLES)
    await world.hire("ana", "bo")
    await world.group("g1", "Admins", "ana", "bo")
    await world.settle()
    await world.take_out("g1", "ana")
    await world.settle()
    assert set(await world.parked()) == {"m:bo"}
    world.configure(guard={"admin_grants": "allow"})
    await world.settle()
    assert (world.members(), await world.parked()) == ({"ana": "read", "bo": "admin"}, {})


async def test_who_has_not_accepted_yet_waits_as_well(world: World) -> None:
    """An approval of that time counts when they are there."""
    world.configure(roles=ROLES, sso=False)
    world.sandbox.inject(pending_invites=["ana@acme.test"])
    await world.hire("ana", "bo")
    await world.group("g1", "Admins", "ana")
    await world.settle()
    assert set(await world.parked()) == {"m:ana"}
    await world.approve("m:ana")
    await world.settle()
    world.sandbox.heal()
    world.sandbox.seed_member("ana@acme.test", "read")
    world.sleep(2 * HOUR)
    await world.settle()
    assert (world.members()["ana"], await world.parked()) == ("admin", {})


# the plan


@pytest.mark.parametrize("decide", [None, World.approve, World.reject])
async def test_the_plan_shows_what_waits_and_what_then_goes(
    world: World, decide: Callable[[World], Any] | None
) -> None:
    """A dry run and the worker say the same."""
    world.configure(roles=ROLES)
    await world.hire("ana", "bo")
    await world.group("g1", "Admins", "ana")
    await world.settle()
    if decide:
        await decide(world)
    world.configure(mode="dry-run")
    await world.hire("cy")
    await world.add("g1", "cy", "bo")
    plan, shown, made = await switched_on(world)
    assert shown == made
    held = {step.change.object for step in plan.steps if step.held and WAITS in step.held}
    assert held == {"bo@acme.test", "cy@acme.test"} | ({"ana@acme.test"} if decide is None else set())
    role = "admin" if decide is World.approve else "read"
    assert world.members() == {"ana": role, "bo": "read", "cy": "read"}
