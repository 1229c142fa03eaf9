"""People who share an address are one member; what the first of them had is not the others'."""

import orjson
import pytest

from tests.workers.calls import switched_on
from tests.workers.world import World

ROLES = [{"group": "Admins", "role": "admin"}, {"group": "Editors", "role": "edit"}]


@pytest.fixture
async def boss(world: World) -> World:
    """Corp's c9 had `create` and a team before; partner's p9 has the same address, and came later."""
    world.sources = [{"name": n, "kind": "okta-workflows", "secrets": [n]} for n in ("okta", "partner")]
    world.sandbox.seed_member("boss@acme.test", "create")
    world.sandbox.seed_team("Board", ["boss@acme.test"])
    world.configure(roles=ROLES)
    await world.hire("ana")
    await world.group("b1", "Board", "ana")
    await world.tell("user.created", ("c9", "boss@acme.test", True))
    await world.settle()
    await partner(world, "user.created", "p9", "boss@acme.test", True)
    await world.settle()
    assert (world.members()["boss"], world.teams()["Board"]) == ("create", {"ana", "boss"})
    return world


async def partner(
    world: World, name: str, user: str, email: str | None = None, active: bool | None = None
) -> None:
    """Let the other directory tell something of a user."""
    await world.tell(name, (user, email, active), directory="partner")


async def join(world: World, user: str, ident: str, name: str) -> None:
    """Put a user of the other directory into a group of it."""
    await world.tell("group.created", group=(ident, name), directory="partner")
    await world.tell("group.user_added", (user, None, None), (ident, None), directory="partner")


@pytest.mark.parametrize("how", ["deleted", "inactive", "moved"])
async def test_what_the_first_holder_had_is_not_the_seconds(boss: World, how: str) -> None:
    """Neither the role nor the team, however the first one goes; the plan says so before."""
    boss.configure(mode="dry-run")
    if how == "deleted":
        await boss.fire("c9")
    elif how == "inactive":
        await boss.active("c9", False)
    else:
        await boss.tell("user.updated", ("c9", "c9@acme.test", None))
    plan, shown, made = await switched_on(boss)
    assert shown == made
    assert boss.members()["boss"] == "read"
    assert boss.teams()["Board"] == {"ana"}
    assert ["SetRole", "UpdateTeamMembers"] == [
        step.change.kind for step in plan.steps if step.change.kind != "Invite"
    ]


async def test_what_was_before_goes_along_with_the_first_holder_alone(boss: World) -> None:
    """Whose address changes takes it along; another one whose address it was does not."""
    await partner(boss, "user.updated", "p9", "p9@acme.test")
    await boss.settle()
    assert (boss.members()["p9"], boss.members()["boss"]) == ("read", "create")
    await boss.tell("user.updated", ("c9", "c9@acme.test", None))
    await boss.settle()
    assert boss.members()["c9"] == "create"


async def test_the_first_holder_keeps_it_when_the_second_goes(boss: World) -> None:
    """And after they were gone they are another one's."""
    await partner(boss, "user.deleted", "p9")
    await boss.settle()
    assert (boss.members()["boss"], boss.teams()["Board"]) == ("create", {"ana", "boss"})
    await partner(boss, "user.created", "p9", "boss@acme.test", True)
    await boss.settle()
    await boss.fire("c9")
    await boss.settle()
    await boss.tell("user.created", ("c9", "boss@acme.test", True))
    await boss.settle()
    assert boss.members()["boss"] == "read"


async def test_a_ruled_role_and_a_given_team_do_not_outlast_their_user(boss: World) -> None:
    """What a group of the first one gives ends with them, and with their membership."""
    await boss.tell("group.created", group=("g2", "Editors"))
    await boss.tell("group.user_added", ("c9", None, None), ("g2", None))
    await boss.settle()
    await boss.approve()  # a lower role of who was there before
    await boss.settle()
    assert (boss.members()["boss"], boss.teams()["Editors"]) == ("edit", {"boss"})
    await boss.fire("c9")
    await boss.settle()
    assert boss.members()["boss"] == "read"
    assert "boss" not in {name for each in boss.teams().values() for name in each}


@pytest.mark.parametrize("named", ["before", "after"])
async def test_the_others_rule_does_not_keep_the_first_ones_admin_role(world: World, named: str) -> None:
    """An admin from before leaves; the other one's group would make an admin, and nobody approved that."""
    world.sources = [{"name": n, "kind": "okta-workflows", "secrets": [n]} for n in ("okta", "partner")]
    world.sandbox.seed_member("boss@acme.test", "admin")
    world.configure(teams=[], roles=ROLES)
    await world.tell("user.created", ("c9", "boss@acme.test", True))
    await world.settle()
    await partner(world, "user.created", "p9", "boss@acme.test", True)
    if named == "before":
        await join(world, "p9", "p1", "Admins")
    await world.settle()
    assert (world.members(), await world.parked()) == ({"boss": "admin"}, {})
    await world.fire("c9")
    if named == "after":
        await join(world, "p9", "p1", "Admins")
    await world.settle()
    assert world.members() == {"boss": "read"}
    assert "of directory partner" in (await world.parked())["m:boss"]
    await world.approve()
    await world.settle()
    assert (world.members(), await world.parked()) == ({"boss": "admin"}, {})


async def test_an_approved_admin_role_is_not_the_others(world: World) -> None:
    """Approved for one of them; the other one's group asks when the first one has left theirs."""
    world.configure(teams=[], roles=ROLES)
    await world.tell("user.created", ("c9", "boss@acme.test", True))
    await world.tell("user.created", ("p9", "boss@acme.test", True))
    await world.group("g1", "Admins", "c9")
    await world.settle()
    await world.approve()
    await world.settle()
    assert world.members() == {"boss": "admin"}
    await world.group("g2", "Admins", "p9")
    await world.settle()
    assert (world.members(), await world.parked()) == ({"boss": "admin"}, {})
    await world.take_out("g1", "c9")
    await world.settle()
    assert (world.members(), set(await world.parked())) == ({"boss": "read"}, {"m:boss"})


async def test_rows_of_the_first_data_are_read_as_the_holders_own(boss: World) -> None:
    """A binding that does not tell who was first was last that of its holders."""
    key = boss.docs.key("binding")
    row = {
        "state": "known", "id": boss.sandbox.members()["boss@acme.test"].id, "role": "create", "sso": False,
        "ours": False, "kept": True, "failed_sso": False, "admitted": True, "holders": ["okta\x1fc9"],
        "teams": {},
    }  # fmt: skip
    await boss.store.call("HSET", key, "boss@acme.test", orjson.dumps(row))
    boss.configure(sso_existing=True)
    await boss.settle()
    assert boss.members()["boss"] == "create"
    await boss.fire("c9")
    await boss.settle()
    assert boss.members()["boss"] == "read"
