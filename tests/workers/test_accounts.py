"""Several accounts with one address, written otherwise: all of them are the person's."""

import pytest

from bridge.operators.decisions import write_retry
from bridge.sandbox.state import Member
from bridge.store.counts import REMOVALS
from bridge.targets.lists import PAGE
from tests.workers.calls import switched_on
from tests.workers.world import DAY, HOUR, World

DUP, TWIN = "dup@acme.test", "Dup@acme.test"
OPEN = {"guard": {"max_removals": 100}}


def twin_of(world: World, role: str | None = "read") -> Member:
    """A second account: its own id, and an address that is the first one's but for a capital."""
    member = world.sandbox.seed_member("twin@acme.test", role)
    return world.sandbox.state.change(member, email=TWIN)


@pytest.fixture
async def pair(world: World) -> World:
    """Both were there before the directory named the person."""
    world.configure(**OPEN)
    world.sandbox.seed_member(DUP)
    twin_of(world)
    await world.hire("dup", "bo")
    await world.settle()
    assert set(world.members()) == {"dup", "Dup", "bo"}
    world.sleep(DAY)  # then who was adopted is removed like anybody else
    return world


async def lost(world: World) -> list[str]:
    """The outcomes of removals in the evidence."""
    return [row["outcome"] for row in await world.past.evidence(100) if row["kind"] == "remove"]


def inside(world: World) -> set[str]:
    """Which of the two are members."""
    return set(world.members()) & {"dup", "Dup"}


async def test_a_leaver_is_removed_with_all_accounts(pair: World) -> None:
    """It counts once, and is on record once."""
    await pair.fire("dup")
    await pair.settle()
    assert (set(pair.members()), pair.removals(), await lost(pair)) == ({"bo"}, 2, ["done"])
    assert await pair.store.call("ZCARD", pair.docs.key(REMOVALS)) == 1
    assert (await pair.docs.members([DUP]), await pair.due(), await pair.dead()) == ({}, [], {})


async def test_an_account_that_came_later_goes_too(world: World) -> None:
    """The bridge invited one, somebody else the other."""
    await world.hire("dup")
    await world.settle()
    twin_of(world)
    await world.fire("dup")
    await world.settle()
    assert (inside(world), await lost(world)) == (set(), ["done"])


@pytest.mark.parametrize("fault", ["503", "reset", "403", "404", "gateway_403", "429"])
@pytest.mark.parametrize("which", [0, 1])
async def test_nobody_has_lost_access_while_one_account_is_left(pair: World, fault: str, which: int) -> None:
    """One of the two calls fails: nothing is on record, until the last one is gone."""
    binding = (await pair.docs.members([DUP]))[DUP]
    ident = binding.accounts[which].id
    pair.sandbox.inject(next=[{"match": f"DELETE .*/{ident}", "fault": fault, "times": 5}])
    await pair.fire("dup")
    await pair.turn()
    assert (bool(inside(pair)), await lost(pair)) == (True, [])
    assert DUP in await pair.docs.members([DUP]), "shown as no member"
    pair.sandbox.heal()
    for held in (await pair.docs.dead()).values():
        assert await write_retry(pair.desk, held, "boss", "", pair.now)
    await pair.settle()
    assert (inside(pair), await lost(pair)) == (set(), ["done"])


async def test_a_removal_that_is_only_requested_for_one(pair: World) -> None:
    """It is held, with nothing on record."""
    pair.sandbox.inject(removal_202=True)
    await pair.fire("dup")
    await pair.settle()
    assert (inside(pair), await lost(pair), set(await pair.parked())) == ({"dup", "Dup"}, [], {"m:dup"})


async def test_an_account_that_no_list_shows_is_asked_for_by_its_id(pair: World) -> None:
    """Pages shift, and a search may miss someone."""
    binding = (await pair.docs.members([DUP]))[DUP]
    hidden = binding.others[0].id
    member = pair.sandbox.state.members[hidden]
    pair.sandbox.state.change(member, email="somebody@else.test", name="Somebody")
    await pair.fire("dup")
    await pair.settle()
    assert set(pair.members()) == {"bo"}


async def test_accounts_on_different_pages(world: World) -> None:
    """Of a wave of leavers in a long list, the second account is far behind the first."""
    world.configure(guard={"max_removals": 100})
    twin_of(world)
    for number in range(PAGE + 20):
        world.sandbox.seed_member(f"m{number}@else.test")
    people = [f"p{number}" for number in range(10)]
    await world.hire("dup", *people)
    await world.settle()
    world.sandbox.seed_member(DUP)
    world.sleep(DAY)
    world.configure()
    await world.fire("dup", *people)
    await world.settle()
    assert not {"dup", "Dup", *people} & set(world.members())


# the guard


@pytest.mark.parametrize("which", [DUP, TWIN])
async def test_an_admin_among_the_accounts_is_held(pair: World, which: str) -> None:
    """Whichever it is; an approval is for all of them."""
    pair.sandbox.state.change(pair.sandbox.members()[which], role="admin")
    await pair.fire("dup")
    await pair.settle()
    assert "an admin of the organisation" in (await pair.parked())["m:dup"]
    assert inside(pair) == {"dup", "Dup"}
    await pair.approve()
    await pair.settle()
    assert (inside(pair), await lost(pair)) == (set(), ["done"])


async def test_the_last_admins_are_one_person(pair: World) -> None:
    """All admins there are would go with their accounts: not even an approval does that."""
    state = pair.sandbox.state
    for email in (DUP, TWIN):
        state.change(pair.sandbox.members()[email], role="admin")
    await pair.fire("dup")
    await pair.turn()
    state.change(pair.sandbox.owner, role="create")  # and removals would be requests only
    await pair.approve()
    await pair.settle()
    assert "the last admin" in (await pair.parked())["m:dup"]
    assert pair.removals() == 0


async def test_the_owner_of_the_token_has_a_second_account(world: World) -> None:
    """Neither goes."""
    name = world.sandbox.owner.email.partition("@")[0]
    twin = twin_of(world)
    world.sandbox.state.change(twin, email=f"{name.title()}@acme.test")
    await world.hire(name)
    await world.settle()
    await world.fire(name)
    await world.settle()
    await world.approve()
    await world.settle()
    assert world.removals() == 0


# roles, SSO, teams


async def test_a_lower_role_is_for_all_accounts(world: World) -> None:
    """One stays admin otherwise, and is shown as none."""
    world.configure(roles=[{"group": "Editors", "role": "edit"}], **OPEN)
    world.sandbox.seed_member("boss@acme.test", "admin")
    world.sandbox.seed_member(DUP, "admin")
    twin_of(world, "admin")
    await world.hire("dup")
    await world.settle()
    assert world.members()["Dup"] == "admin", "a role from before is kept"
    world.sleep(DAY)
    await world.group("g1", "Editors", "dup")
    await world.settle()
    assert (world.members()["dup"], world.members()["Dup"]) == ("edit", "edit")
    binding = (await world.docs.members([DUP]))[DUP]
    assert ({account.role for account in binding.accounts}, await world.due()) == ({"edit"}, [])
    await world.fire("dup")
    await world.settle()
    assert "was an admin" in (await world.parked())["m:dup"]


async def test_only_one_account_becomes_an_admin(world: World) -> None:
    """What gives most is not given twice; any other role is."""
    world.configure(roles=[{"group": "Admins", "role": "admin"}, {"group": "Editors", "role": "edit"}])
    world.configure(guard={"admin_grants": "allow"} if "admin_grants" in guard_keys(world) else {})
    world.sandbox.seed_member(DUP)
    twin_of(world)
    await world.hire("dup")
    await world.group("g1", "Editors", "dup")
    await world.settle()
    assert (world.members()["dup"], world.members()["Dup"]) == ("edit", "edit")
    await world.group("g2", "Admins", "dup")
    await world.settle()
    assert sorted([world.members()["dup"], world.members()["Dup"]]) == ["admin", "edit"]


def guard_keys(world: World) -> set[str]:
    """The keys of the guard."""
    return set(type(world.settings.targets[0].guard).model_fields)


@pytest.mark.parametrize("existing", [True, False])
async def test_sso_is_for_all_accounts_where_it_is_for_members_from_before(
    world: World, existing: bool
) -> None:
    """GitBook cannot undo it."""
    world.configure(sso_existing=existing)
    world.sandbox.seed_member(DUP)
    twin_of(world)
    await world.hire("dup")
    await world.settle()
    assert {world.sandbox.members()[email].sso for email in (DUP, TWIN)} == {existing}
    assert await world.due() == []


async def test_all_accounts_get_into_teams_and_out(pair: World) -> None:
    """Also out of one in which only the second account was."""
    pair.sandbox.seed_team("Writers", [pair.sandbox.members()[TWIN].id])
    await pair.group("g1", "Writers", "bo")
    await pair.group("g2", "Editors", "dup")
    await pair.settle()
    assert pair.teams() == {"Writers": {"bo", "Dup"}, "Editors": {"dup", "Dup"}}
    await pair.add("g1", "dup")
    await pair.settle()
    await pair.take_out("g1", "dup")
    await pair.take_out("g2", "dup")
    await pair.settle()
    assert pair.teams() == {"Writers": {"bo"}, "Editors": set()}


async def test_the_first_account_is_removed_by_hand(pair: World) -> None:
    """The other one stands for the person, who stays a member; both teams and leaving are right after."""
    await pair.group("g1", "Writers", "dup", "bo")
    await pair.settle()
    binding = (await pair.docs.members([DUP]))[DUP]
    pair.sandbox.state.leave(binding.id or "")
    await pair.group("g2", "Editors", "dup")  # a call about somebody who is gone: everybody is read again
    await pair.settle()
    assert len(inside(pair)) == 1
    assert pair.teams() == {"Writers": {"bo", *inside(pair)}, "Editors": inside(pair)}
    await pair.take_out("g1", "dup")
    await pair.settle()
    assert pair.teams()["Writers"] == {"bo"}
    await pair.fire("dup")
    await pair.settle()
    assert set(pair.members()) == {"bo"}


# the plan


async def test_a_plan_shows_all_accounts(pair: World) -> None:
    """With as many calls as are made, and a note as long as there are two."""
    assert (await pair.plan()).notes == []
    pair.configure(mode="dry-run")
    pair.sleep(2 * DAY)
    await pair.fire("dup")
    before = pair.removals()
    plan, _, _ = await switched_on(pair)
    assert [step.change.describe() for step in plan.steps] == [f"remove member {DUP} (2 accounts)"]
    assert (plan.calls, plan.seats["removed"], pair.removals() - before) == (2, 2, 2)
    assert plan.notes == [f"{DUP}: 2 accounts have this address: all of them are theirs"]
    assert inside(pair) == set()


async def test_it_is_settled_and_nothing_is_called_again(pair: World) -> None:
    """Two accounts are no work by themselves."""
    calls = len(pair.sandbox.calls)
    pair.sleep(HOUR)
    await pair.add("g9", "bo")
    await pair.settle()
    assert (len(pair.sandbox.calls), await pair.due()) == (calls, [])
