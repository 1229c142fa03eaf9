"""The guard: what waits for a person, and what becomes of it."""

import pytest

from bridge.plan.guard import parked_id
from bridge.plan.steps import GATHERS
from bridge.targets.base import Removal
from tests.workers.world import DAY, HOUR, MINUTE, SECOND, World

PEOPLE = [f"p{number:02}" for number in range(20)]
TIGHT = {"guard": {"max_removals": 3, "max_removal_percent": 0, "on_limit": "hold-rest"}}


@pytest.fixture
async def firm(world: World) -> World:
    """Twenty people in the team "Writers", three removals a day."""
    world.configure(**TIGHT)
    await world.hire(*PEOPLE)
    await world.group("g1", "Writers", *PEOPLE)
    await world.settle()
    return world


def names(parked: dict[str, str]) -> set[str]:
    """Whose removal is held."""
    return {name[2:] for name in parked if name.startswith("m:")}


# removals


async def test_beyond_the_limit_removals_are_parked_and_the_rest_flows(firm: World) -> None:
    """Three go, two wait and keep role and team; joiners come in meanwhile."""
    for name in PEOPLE[:5]:
        await firm.active(name, False)
    await firm.hire("new")
    await firm.settle()
    assert names(await firm.parked()) == {"p03", "p04"}
    assert "3 removals within 24 h are the limit" in (await firm.parked())["m:p03"]
    assert set(firm.members()) == {*PEOPLE[3:], "new"}
    assert firm.teams() == {"Writers": set(PEOPLE[3:])}
    assert await firm.due() == []


async def test_neither_time_nor_news_nor_a_restart_frees_what_is_parked(firm: World) -> None:
    """Only a person does, or the end of its cause."""
    await firm.fire(*PEOPLE[:5])
    await firm.settle()
    before = await firm.docs.parked()
    firm.sleep(3 * DAY)
    await firm.active("p03", False)
    await firm.take_out("g1", "p04")
    await firm.rename("g1", "Authors")
    firm.configure()
    await firm.settle()
    assert names(await firm.parked()) == {"p03", "p04"}
    assert (await firm.docs.parked()).keys() == before.keys()
    assert {held.since for held in (await firm.docs.parked()).values()} == {h.since for h in before.values()}
    assert firm.removals() == 3


async def test_approved_removals_go_and_are_not_counted(firm: World) -> None:
    """The window has three of its own, after as before."""
    await firm.fire(*PEOPLE[:8])
    await firm.settle()
    await firm.approve()
    await firm.settle()
    assert (set(firm.members()), await firm.parked()) == (set(PEOPLE[8:]), {})
    firm.sleep(DAY + HOUR)
    await firm.fire(*PEOPLE[8:12])
    await firm.settle()
    assert set(firm.members()) == set(PEOPLE[11:])


async def test_a_rejected_removal_is_an_exception_until_they_come_and_go_again(firm: World) -> None:
    """No-ops do not undo it; inactive, active, inactive does."""
    await firm.fire(*PEOPLE[:3])
    await firm.active("p05", False)
    await firm.settle()
    await firm.reject("m:p05")
    await firm.settle()
    assert await firm.parked() == {}
    firm.sleep(2 * DAY)
    await firm.active("p05", False)
    await firm.take_out("g1", "p05")
    firm.configure()
    await firm.settle()
    assert ("p05" in firm.members(), await firm.parked()) == (True, {})
    await firm.active("p05", True)
    await firm.active("p05", False)
    await firm.settle()
    assert "p05" not in firm.members()


async def test_an_exception_ends_at_its_time(firm: World) -> None:
    """Without any news."""
    await firm.fire(*PEOPLE[:4])
    await firm.settle()
    await firm.reject("m:p03", until=firm.now + 5 * DAY)
    await firm.settle()
    firm.sleep(5 * DAY - 10 * MINUTE)
    await firm.settle()
    assert ("p03" in firm.members(), await firm.parked()) == (True, {})
    firm.sleep(10 * MINUTE)
    await firm.settle()
    assert ("p03" in firm.members(), await firm.parked()) == (False, {})


@pytest.mark.parametrize("how", ["back", "excluded", "removed by hand"])
async def test_what_is_parked_is_released_when_its_cause_is_gone(firm: World, how: str) -> None:
    """And a later leaving is judged anew."""
    await firm.fire(*PEOPLE[:3])
    await firm.active("p05", False)
    await firm.settle()
    assert names(await firm.parked()) == {"p05"}
    if how == "back":
        await firm.active("p05", True)
    elif how == "excluded":
        firm.configure(members={"exclude": ["p05@*"]})
    else:
        firm.sandbox.state.leave(firm.sandbox.members()["p05@acme.test"].id)
        await firm.tell("user.updated", ("p05", None, False))
        await firm.take_out("g1", "p05")
    await firm.settle()
    assert await firm.parked() == {}


async def test_the_limit_is_a_share_of_many_members(world: World) -> None:
    """The larger of count and share counts, of the members known at the window's start."""
    world.configure(teams=[], guard={"max_removals": 2, "max_removal_percent": 10, "on_limit": "hold-rest"})
    people = [f"p{number:02}" for number in range(60)]
    await world.hire(*people)
    await world.settle()
    world.sleep(2 * DAY)
    await world.settle()
    world.sleep(2 * DAY)
    await world.fire(*people[:20])
    await world.settle()
    assert len(world.members()) == 54
    world.sleep(HOUR)
    await world.settle()
    world.sleep(DAY + HOUR)
    await world.fire(*people[20:30])
    await world.settle()
    assert len(world.members()) == 54 - 5


async def test_a_mapping_that_would_remove_half_the_company_is_held(firm: World) -> None:
    """The configuration is an input like any other, under the same guard."""
    await firm.group("g2", "GitBook Users", *PEOPLE[:10])
    await firm.settle()
    firm.configure(members={"groups": ["GitBook Users"]})
    await firm.settle()
    assert len(firm.members()) == 17
    assert len(names(await firm.parked())) == 7
    firm.configure(members={})
    await firm.settle()
    assert (set(firm.members()), await firm.parked()) == (set(PEOPLE), {})


async def test_ids_of_parked_items_are_stable(firm: World) -> None:
    """The same for the same object, whenever it is planned."""
    await firm.fire(*PEOPLE[:4])
    await firm.settle()
    first = (await firm.held("m:p03")).id
    await firm.hire("p03")
    await firm.settle()
    assert await firm.parked() == {}
    await firm.fire("p03")
    await firm.settle()
    assert (await firm.held("m:p03")).id == first


# waves


@pytest.fixture
async def staff(world: World) -> World:
    """Twenty people, ten removals a day."""
    world.configure(teams=[], guard={"max_removals": 10, "max_removal_percent": 0})
    await world.hire(*PEOPLE)
    await world.settle()
    return world


async def test_a_wave_of_fifteen_leavers_is_held_whole(staff: World) -> None:
    """Nobody is removed because of how their address begins; approved, all of them go."""
    await staff.fire(*PEOPLE[:15])
    await staff.settle()
    assert set(staff.members()) == set(PEOPLE)
    assert names(await staff.parked()) == set(PEOPLE[:15])
    assert "a wave of 15 removals goes beyond the limit" in (await staff.parked())["m:p00"]
    await staff.approve()
    await staff.settle()
    assert (set(staff.members()), await staff.parked()) == (set(PEOPLE[15:]), {})


async def test_one_body_after_the_other_is_one_wave(staff: World) -> None:
    """The first go at once; whoever leaves once half of the limit is used waits for those behind."""
    await staff.fire(*PEOPLE[:5])
    await staff.turn()
    assert set(staff.members()) == set(PEOPLE[5:])
    for name in PEOPLE[5:12]:
        await staff.fire(name)
        await staff.turn()
    assert set(staff.members()) == set(PEOPLE[5:])
    await staff.settle()
    assert names(await staff.parked()) == set(PEOPLE[5:12])


async def test_a_wave_that_fits_goes_when_it_has_gathered(staff: World) -> None:
    """Five seconds after its first, however many come after; meanwhile it counts as due, not as waiting."""
    await staff.fire(*PEOPLE[:6])
    await staff.turn()
    counts = await staff.docs.counts(staff.now)
    assert (counts.due, counts.waiting, staff.removals()) == (6, 0, 0)
    staff.sleep(4 * SECOND)
    await staff.fire("p06")
    await staff.turn()
    counts = await staff.docs.counts(staff.now)
    assert (counts.due, counts.waiting, staff.removals()) == (7, 0, 0)
    staff.sleep(1 * SECOND)
    await staff.turn()
    assert (set(staff.members()), await staff.parked()) == (set(PEOPLE[7:]), {})
    assert (await staff.docs.counts(staff.now)).due == 0
    assert await staff.store.call("EXISTS", staff.docs.key("gathering")) == 0


async def test_a_wave_survives_its_worker(staff: World) -> None:
    """Another one judges it when its time has come."""
    await staff.fire(*PEOPLE[:8])
    await staff.turn()
    staff.worker = staff.new_worker()
    staff.sleep(2 * SECOND)
    await staff.turn()
    assert staff.removals() == 0
    staff.sleep(3 * SECOND)
    await staff.turn()
    assert set(staff.members()) == set(PEOPLE[8:])


async def test_who_comes_back_while_the_wave_gathers_is_no_part_of_it(staff: World) -> None:
    """Eleven would be too many; a glitch that is over within seconds has done nothing."""
    for name in PEOPLE[:11]:
        await staff.active(name, False)
    await staff.turn()
    for name in PEOPLE[:9]:
        await staff.active(name, True)
    await staff.settle()
    assert (set(staff.members()), await staff.parked()) == (set(PEOPLE) - {"p09", "p10"}, {})


async def test_a_wave_whose_calls_fail_is_not_counted_twice(staff: World) -> None:
    """Ten of ten fit; that GitBook answers 503 for a while changes nothing about it."""
    await staff.fire(*PEOPLE[:10])
    await staff.turn()
    staff.sandbox.inject(next=[{"match": "DELETE .*/members/", "fault": "503", "times": 20}])
    await staff.settle()
    assert (set(staff.members()), await staff.parked()) == (set(PEOPLE[10:]), {})


async def test_a_plan_tells_of_a_wave_what_the_worker_does(staff: World) -> None:
    """Who waits for others is to be done; a wave that is too large is held."""
    await staff.fire(*PEOPLE[:6])
    await staff.fold()
    plan = await staff.plan()
    assert [(step.held, step.waits) for step in plan.steps] == [(None, GATHERS)] * 6
    await staff.fire(*PEOPLE[6:11])
    await staff.turn()
    plan = await staff.plan()
    assert [step.waits for step in plan.steps] == [GATHERS] * 11
    assert all("a wave of 11 removals" in (step.held or "") for step in plan.steps)
    assert plan.seats["removed"] == 0


async def test_a_team_is_not_deleted_before_the_wave_that_gathers_is_judged(world: World) -> None:
    """Removals come first, and both are counted."""
    world.configure(guard={"max_removals": 3, "max_removal_percent": 0})
    await world.hire(*PEOPLE[:5])
    await world.group("g1", "T", "p04")
    await world.settle()
    await world.take_out("g1", "p04")
    await world.settle()
    await world.tell("group.deleted", group=("g1", None))
    await world.fire(*PEOPLE[:3])
    await world.settle()
    assert (set(world.members()), set(await world.parked())) == ({"p03", "p04"}, {"t:T"})


# who needs a person, whatever the number


async def test_admins_and_protected_people_wait_for_a_person(world: World) -> None:
    """Each with its reason; then they go."""
    world.configure(
        guard={"protect": ["CTO@*"], "admin_grants": "allow"}, roles=[{"group": "Admins", "role": "admin"}]
    )
    await world.hire("ana", "cto")
    await world.group("g1", "Admins", "ana")
    await world.settle()
    await world.fire("ana", "cto")
    await world.settle()
    parked = await world.parked()
    assert "admin" in parked["m:ana"]
    assert "protect list" in parked["m:cto"]
    await world.approve()
    await world.settle()
    assert (world.members(), await world.parked()) == ({}, {})


@pytest.fixture
async def admins(world: World) -> World:
    """The bridge has made ana an admin, by a rule; bo is a reader."""
    world.configure(teams=[], roles=[{"group": "Admins", "role": "admin"}])
    await world.hire("ana", "bo")
    await world.group("g1", "Admins", "ana")
    await world.settle()
    await world.approve()
    await world.settle()
    assert world.members() == {"ana": "admin", "bo": "read"}
    return world


async def test_an_admin_who_is_lowered_first_is_not_removed_without_approval(admins: World) -> None:
    """Out of the admin group, then deleted: the usual order of off-boarding. Approved, they go."""
    await admins.take_out("g1", "ana")
    await admins.settle()
    assert admins.members()["ana"] == "read"
    admins.sleep(DAY - HOUR)
    await admins.fire("ana", "bo")
    await admins.settle()
    assert admins.members() == {"ana": "read"}
    assert "was an admin of the organisation within 24 h" in (await admins.parked())["m:ana"]
    await admins.approve()
    await admins.settle()
    assert (admins.members(), await admins.parked()) == ({}, {})


async def test_a_lowering_and_a_deletion_that_are_seen_at_once_are_held_too(admins: World) -> None:
    """They have the role still when they are to go."""
    await admins.add("g1", "ana")
    await admins.take_out("g1", "ana")
    await admins.fire("ana")
    await admins.settle()
    assert admins.members()["ana"] == "admin"
    assert "an admin of the organisation" in (await admins.parked())["m:ana"]


async def test_who_was_an_admin_longer_ago_is_removed_like_any_other(admins: World) -> None:
    """The window is over, and the bridge had made them an admin itself."""
    await admins.take_out("g1", "ana")
    await admins.settle()
    admins.sleep(DAY + HOUR)
    await admins.fire("ana")
    await admins.settle()
    assert (admins.members(), await admins.parked()) == ({"bo": "read"}, {})


async def test_who_was_an_admin_before_the_bridge_came_waits_for_a_person(world: World) -> None:
    """However long ago a rule has lowered them."""
    world.sandbox.seed_member("ana@acme.test", "admin")
    await world.hire("ana")
    await world.settle()
    world.sleep(30 * DAY)
    world.configure(roles=[{"group": "Writers", "role": "comment"}])
    await world.group("g1", "Writers", "ana")
    await world.settle()
    assert world.members() == {"ana": "comment"}
    world.sleep(30 * DAY)
    await world.fire("ana")
    await world.settle()
    assert world.members() == {"ana": "comment"}
    assert "was an admin before" in (await world.parked())["m:ana"]


async def test_an_admin_whose_address_changes_on_the_way_is_held(admins: World) -> None:
    """Lowered, renamed, deleted: the account that was an admin's is held, whatever became of its user."""
    await admins.take_out("g1", "ana")
    await admins.settle()
    await admins.tell("user.updated", ("ana", "ana@new.test", None))
    await admins.settle()
    assert "address changed" in (await admins.parked())["m:ana"]
    await admins.fire("ana")
    await admins.settle()
    assert "was an admin" in (await admins.parked())["m:ana"]
    assert "ana" in admins.members()


async def test_an_admin_whose_lowering_got_no_answer_is_held(admins: World) -> None:
    """The call took effect although nobody heard of it: the reading after it finds no admin any more."""
    admins.sandbox.inject(next=[{"match": "PATCH .*/members/", "fault": "reset", "after": True, "times": 9}])
    await admins.take_out("g1", "ana")
    await admins.turn()
    admins.sandbox.heal()
    await admins.fire("ana")
    await admins.settle()
    assert "was an admin" in (await admins.parked())["m:ana"]


async def test_the_owner_of_the_token_is_never_removed(world: World) -> None:
    """Not even when a person approves."""
    owner = world.sandbox.owner.email
    await world.hire(owner)
    await world.settle()
    await world.fire(owner)
    await world.settle()
    assert (await world.held("m:owner")).final
    await world.approve()
    await world.settle()
    assert world.removals() == 0
    assert "token is theirs" in (await world.parked())["m:owner"]


async def test_of_two_admins_who_leave_at_once_one_stays(world: World) -> None:
    """The second is the last one by then. (The token's owner counts as one only in the call.)"""
    world.sandbox.seed_member("ana@acme.test", "admin")
    world.sandbox.seed_member("bo@acme.test", "admin")
    await world.hire("ana", "bo")
    await world.settle()
    await world.fire("ana", "bo")
    await world.settle()
    world.sandbox.state.change(world.sandbox.owner, role="read")
    client = world.worker.client(world.settings.targets[0])
    remove = client.remove

    async def remove_as_admin(member: str) -> Removal:
        world.sandbox.state.change(world.sandbox.owner, role="admin")
        try:
            return await remove(member)
        finally:
            world.sandbox.state.change(world.sandbox.owner, role="read")

    client.remove = remove_as_admin  # type: ignore[method-assign]
    await world.approve()
    await world.settle()
    assert (world.members(), world.removals()) == ({"bo": "admin"}, 1)
    assert "last admin" in (await world.parked())["m:bo"]


async def test_the_last_admin_keeps_the_role(world: World) -> None:
    """Two lose it at once: one does, the other is held; with another admin it is released."""
    world.configure(guard={"admin_grants": "allow"}, roles=[{"group": "Admins", "role": "admin"}])
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Admins", "ana", "bo")
    await world.settle()
    world.sandbox.state.change(world.sandbox.owner, role="read")
    await world.take_out("g1", "ana", "bo")
    await world.settle()
    assert world.members() == {"ana": "read", "bo": "admin", "cy": "read"}
    assert "last admin" in (await world.parked())["m:bo"]
    await world.add("g1", "bo")
    await world.settle()
    assert (world.members()["bo"], await world.parked()) == ("admin", {})


async def test_the_owner_keeps_the_role_and_others_lose_theirs(world: World) -> None:
    """What is held does not stand in the way of the next."""
    world.configure(guard={"admin_grants": "allow"}, roles=[{"group": "Admins", "role": "admin"}])
    owner = world.sandbox.owner.email
    await world.hire(owner, "zed")
    await world.group("g1", "Admins", owner, "zed")
    await world.settle()
    await world.take_out("g1", owner, "zed")
    await world.settle()
    assert world.members() == {"zed": "read"}
    assert world.sandbox.members()[owner].role == "admin"
    assert set(await world.parked()) == {"m:owner"}


# members who were there before


@pytest.fixture
async def boss(world: World) -> World:
    """Boss was a member before any of the two directories told of anybody."""
    world.sources = [
        {"name": name, "kind": "okta-workflows", "secrets": [f"{name}-secret"]} for name in ("okta", "hr")
    ]
    world.configure(teams=[])
    world.sandbox.seed_member("boss@acme.test", "create")
    return world


async def test_a_directory_that_names_a_member_once_does_not_evict_them(boss: World) -> None:
    """However short or long they were named, when it was within the window; nor does time free it."""
    await boss.hire("boss")
    await boss.settle()
    boss.sleep(DAY - HOUR)
    await boss.fire("boss")
    await boss.settle()
    assert "was a member before a directory named them, less than 24 h ago" in (await boss.parked())["m:boss"]
    [step] = (await boss.plan()).steps
    assert step.held == (await boss.parked())["m:boss"]
    boss.sleep(3 * DAY)
    await boss.settle()
    assert boss.members() == {"boss": "create"}
    await boss.approve()
    await boss.settle()
    assert (boss.members(), await boss.parked()) == ({}, {})


async def test_a_directory_that_only_tells_that_a_member_has_left_does_not_evict_them(boss: World) -> None:
    """It never had them in."""
    await boss.tell("user.created", ("boss", "boss@acme.test", False))
    await boss.settle()
    assert set(await boss.parked()) == {"m:boss"}


async def test_who_was_adopted_longer_ago_leaves_like_any_other(boss: World) -> None:
    """And so does whom the bridge invited just now, and who was adopted before that was written down."""
    await boss.hire("boss")
    await boss.settle()
    boss.sleep(DAY)
    await boss.hire("ana")
    await boss.settle()
    await boss.fire("boss", "ana")
    await boss.settle()
    assert (boss.members(), await boss.parked()) == ({}, {})


async def test_a_member_whom_another_directory_knows_is_not_evicted(boss: World) -> None:
    """Okta has them outside the scope and did not bring them; what hr says of them is not enough, ever."""
    boss.configure(members={"groups": ["Users"]})
    await boss.hire("boss")
    await boss.tell("user.created", ("b2", "boss@acme.test", True), directory="hr")
    await boss.tell("group.user_added", ("b2", None, None), ("g1", "Users"), directory="hr")
    await boss.settle()
    boss.sleep(30 * DAY)
    await boss.tell("user.deleted", ("b2", None, None), directory="hr")
    await boss.settle()
    assert "was a member before, and okta knows them too" in (await boss.parked())["m:boss"]
    await boss.fire("boss")
    await boss.settle()
    assert set(await boss.parked()) == {"m:boss"}


async def test_who_left_both_directories_that_had_them_is_removed(boss: World) -> None:
    """That they are inactive in one of them is its own word."""
    await boss.hire("boss")
    await boss.tell("user.created", ("b2", "boss@acme.test", True), directory="hr")
    await boss.settle()
    boss.sleep(2 * DAY)
    await boss.active("boss", False)
    await boss.settle()
    assert boss.members() == {"boss": "create"}
    await boss.tell("user.deleted", ("b2", None, None), directory="hr")
    await boss.settle()
    assert (boss.members(), await boss.parked()) == ({}, {})


async def test_a_directory_does_not_demote_a_member_whom_it_names(boss: World) -> None:
    """A lower role waits; approved, it is set; rejected, they keep theirs until the rules want another."""
    boss.configure(roles=[{"group": "Readers", "role": "read"}, {"group": "Writers", "role": "comment"}])
    await boss.hire("boss")
    await boss.group("g1", "Writers", "boss")
    await boss.settle()
    held = await boss.held("m:boss")
    assert (boss.members(), held.final, held.kind) == ({"boss": "create"}, False, "role")
    [step] = (await boss.plan()).steps
    assert step.held == held.reason
    await boss.reject()
    await boss.settle()
    assert (boss.members(), await boss.parked()) == ({"boss": "create"}, {})
    await boss.group("g2", "Readers", "boss")
    await boss.settle()
    assert "given a lower role only when a person approves" in (await boss.parked())["m:boss"]
    await boss.approve()
    await boss.settle()
    assert (boss.members(), await boss.parked()) == ({"boss": "read"}, {})
    assert await boss.store.call("HLEN", boss.docs.key("decision")) == 0


async def test_an_approved_lower_role_survives_an_outage(boss: World) -> None:
    """What a person decided is asked for until it is done."""
    boss.configure(roles=[{"group": "Writers", "role": "comment"}])
    await boss.hire("boss")
    await boss.group("g1", "Writers", "boss")
    await boss.settle()
    await boss.approve()
    boss.sandbox.inject(next=[{"match": "PATCH", "fault": "503", "times": 5}])
    await boss.settle()
    assert (boss.members(), await boss.parked()) == ({"boss": "comment"}, {})


async def test_who_was_made_the_last_admin_by_hand_keeps_the_role(world: World) -> None:
    """What the bridge has known of a role is not what counts."""
    world.configure(roles=[{"group": "Editors", "role": "edit"}])
    await world.hire("ana")
    await world.group("g1", "Editors", "ana")
    await world.settle()
    world.sandbox.state.change(world.sandbox.members()["ana@acme.test"], role="admin")
    world.sandbox.state.change(world.sandbox.owner, role="read")
    await world.take_out("g1", "ana")
    await world.settle()
    assert world.members() == {"ana": "admin"}
    assert "last admin" in (await world.parked())["m:ana"]


# removals that GitBook does not make


async def test_202_is_no_removal(world: World) -> None:
    """Parked with its reason; an approval asks again; gone once an admin has confirmed it."""
    await world.hire("ana", "bo")
    await world.settle()
    world.sandbox.inject(removal_202=True)
    await world.fire("ana", "bo")
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}
    assert all("removal requested" in reason for reason in (await world.parked()).values())
    calls = world.removals()
    for _ in range(3):
        world.sleep(HOUR)
        await world.settle()
    assert (world.removals(), len(await world.parked())) == (calls, 2)
    world.sandbox.state.leave(world.sandbox.members()["ana@acme.test"].id)
    world.sleep(HOUR)
    await world.settle()
    assert set(await world.parked()) == {"m:bo"}
    world.sandbox.heal()
    await world.approve()
    await world.settle()
    assert (world.members(), await world.parked()) == ({}, {})


async def test_a_leaver_with_a_pending_invite_is_removed_when_they_appear(world: World) -> None:
    """Parked meanwhile: the API cannot revoke it."""
    world.configure(sso=False)
    world.sandbox.inject(pending_invites=["*"])
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    assert "pending invite: revoke it in GitBook" in (await world.parked())["m:ana"]
    world.sleep(2 * HOUR)
    await world.settle()
    assert set(await world.parked()) == {"m:ana"}
    world.sandbox.accept("ana@acme.test")
    world.sleep(HOUR)
    await world.settle()
    assert (world.members(), await world.parked()) == ({}, {})


# invites


async def test_invites_beyond_max_invites_are_parked(world: World) -> None:
    """They stay so until a person approves; a rejected one is not asked about again."""
    world.configure(guard={"max_invites": 2})
    await world.hire("ana", "bo", "cy", "di", "ed")
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}
    world.sleep(2 * DAY)
    await world.active("cy", True)
    await world.settle()
    assert set(await world.parked()) == {"m:cy", "m:di", "m:ed"}
    await world.approve("m:cy")
    await world.reject("m:di")
    await world.active("ed", False)
    await world.settle()
    assert (set(world.members()), await world.parked()) == ({"ana", "bo", "cy"}, {})
    await world.group("g1", "Writers", "di")
    await world.settle()
    assert (set(world.members()), await world.parked()) == ({"ana", "bo", "cy"}, {})


# teams


async def test_a_drip_of_losses_is_parked_when_it_is_too_much(firm: World) -> None:
    """One user_removed at a time: after half of the team the rest waits for a person."""
    for name in PEOPLE[:13]:
        await firm.take_out("g1", name)
        await firm.settle()
    assert firm.teams() == {"Writers": set(PEOPLE[10:])}
    held = await firm.held("t:Writers")
    assert held.emails == tuple(f"{name}@acme.test" for name in PEOPLE[10:13])
    assert "more than team_max_removal_percent = 50" in held.reason
    await firm.approve()
    await firm.settle()
    assert (firm.teams(), await firm.parked()) == ({"Writers": set(PEOPLE[13:])}, {})


async def test_a_group_deleted_by_mistake_empties_no_team(firm: World) -> None:
    """All of its members wait, the team stays; approved, they go and the team with them."""
    await firm.tell("group.deleted", group=("g1", None))
    await firm.settle()
    assert firm.teams() == {"Writers": set(PEOPLE)}
    assert len((await firm.held("t:Writers")).emails) == 20
    await firm.approve()
    await firm.settle()
    assert (firm.teams(), await firm.parked(), set(firm.members())) == ({}, {}, set(PEOPLE))


async def test_a_group_deleted_by_mistake_and_made_again_lets_go_of_them(firm: World) -> None:
    """Whoever is in the group again does not leave the team any more."""
    await firm.tell("group.deleted", group=("g1", None))
    await firm.settle()
    await firm.group("g1", "Writers", *PEOPLE)
    await firm.settle()
    assert (firm.teams(), await firm.parked()) == ({"Writers": set(PEOPLE)}, {})


@pytest.fixture
async def teams(world: World) -> World:
    """Six teams of nine, and one of four."""
    world.configure()
    people = [f"t{team}m{number}" for team in range(6) for number in range(9)]
    await world.hire(*people, *PEOPLE[:4])
    for team in range(6):
        await world.group(f"g{team}", f"Team {team}", *people[team * 9 : team * 9 + 9])
    await world.group("g6", "Small", *PEOPLE[:4])
    await world.settle()
    return world


async def test_six_teams_that_one_body_empties_keep_their_people(teams: World) -> None:
    """Each loses less than ten, and all of them lose all; approved, they go."""
    before = teams.teams()
    for team in range(6):
        await teams.take_out(f"g{team}", *(f"t{team}m{number}" for number in range(9)))
    await teams.take_out("g6", *PEOPLE[:4])
    await teams.settle()
    assert teams.teams() == before
    assert set(await teams.parked()) == {f"t:{title}" for title in before}
    await teams.approve()
    await teams.settle()
    assert (teams.teams(), await teams.parked()) == ({title: set() for title in before}, {})


async def test_most_of_many_small_teams_is_too_much_for_all_of_them_together(teams: World) -> None:
    """Six of nine in each of six teams: none of them loses all, nor ten."""
    for team in range(6):
        await teams.take_out(f"g{team}", *(f"t{team}m{number}" for number in range(6)))
    await teams.settle()
    parked = await teams.parked()
    assert set(parked) == {f"t:Team {team}" for team in range(6)}
    assert "all teams together would lose 36 of 58 members within 24 h" in parked["t:Team 0"]
    plan = await teams.plan()
    assert [step.held for step in plan.steps] == [parked["t:Team 0"]] * 6


async def test_a_drip_of_losses_from_all_teams_is_held_beyond_the_share(teams: World) -> None:
    """One team an hour; the window has them all."""
    for team in range(6):
        await teams.take_out(f"g{team}", *(f"t{team}m{number}" for number in range(6)))
        await teams.settle()
        teams.sleep(HOUR)
    assert set(await teams.parked()) == {"t:Team 4", "t:Team 5"}


async def test_one_team_that_loses_everybody_is_held(teams: World) -> None:
    """Nine are fewer than `team_min_removals`; four are fewer than five."""
    await teams.take_out("g0", *(f"t0m{number}" for number in range(9)))
    await teams.take_out("g6", *PEOPLE[:4])
    await teams.settle()
    assert "the team would lose all of its 9 members" in (await teams.parked())["t:Team 0"]
    assert teams.teams()["Small"] == set()
    await teams.add("g0", *(f"t0m{number}" for number in range(9)))
    await teams.settle()
    assert (len(teams.teams()["Team 0"]), await teams.parked()) == (9, {})


async def test_people_who_leave_the_company_are_no_loss_of_their_teams(teams: World) -> None:
    """Eight of nine leave, the ninth changes the team."""
    teams.configure(guard={"max_removals": 100})
    await teams.fire(*(f"t0m{number}" for number in range(8)))
    await teams.take_out("g0", "t0m8")
    await teams.settle()
    assert (teams.teams()["Team 0"], await teams.parked()) == (set(), {})


async def test_small_teams_whose_groups_are_deleted_go(teams: World) -> None:
    """Somebody has deleted them on purpose, and each is too small for the guard of a single team."""
    for team in range(6):
        await teams.tell("group.deleted", group=(f"g{team}", None))
    await teams.settle()
    assert (set(teams.teams()), await teams.parked()) == ({"Small"}, {})


async def test_small_teams_that_a_rule_forgets_keep_their_people(teams: World) -> None:
    """The configuration is no deletion of groups."""
    teams.configure(teams=[{"group": "Small"}])
    await teams.settle()
    assert {len(teams.teams()[f"Team {team}"]) for team in range(6)} == {9}
    assert set(await teams.parked()) == {f"t:Team {team}" for team in range(6)}


async def test_people_who_may_not_leave_a_team_stay_until_they_come_and_go_again(firm: World) -> None:
    """A rejected loss is an exception for those it names, and for nobody else."""
    await firm.take_out("g1", *PEOPLE[:12])
    await firm.settle()
    await firm.reject()
    await firm.settle()
    assert (firm.teams(), await firm.parked()) == ({"Writers": set(PEOPLE)}, {})
    await firm.take_out("g1", "p15")
    await firm.active("p00", True)
    await firm.settle()
    assert firm.teams() == {"Writers": set(PEOPLE) - {"p15"}}
    await firm.add("g1", "p00")
    await firm.settle()
    await firm.take_out("g1", "p00")
    await firm.settle()
    assert firm.teams() == {"Writers": set(PEOPLE) - {"p15", "p00"}}


async def test_an_exception_of_a_team_ends_at_its_time(firm: World) -> None:
    """Then the losses are judged anew: they are held again."""
    await firm.take_out("g1", *PEOPLE[:12])
    await firm.settle()
    await firm.reject(until=firm.now + DAY)
    await firm.settle()
    assert await firm.parked() == {}
    firm.sleep(DAY + 1)
    await firm.settle()
    assert len((await firm.held("t:Writers")).emails) == 12


async def test_who_is_parked_keeps_the_teams(firm: World) -> None:
    """A removal that waits takes nothing away, whatever becomes of the groups."""
    await firm.fire(*PEOPLE[:4])
    await firm.settle()
    await firm.take_out("g1", "p03")
    await firm.settle()
    assert "p03" in firm.teams()["Writers"]


async def test_deleting_teams_is_counted_and_parked_too(world: World) -> None:
    """A team is like a member there; approved it goes, needed again it is released."""
    world.configure(guard={"max_removals": 1, "max_removal_percent": 0})
    await world.hire("ana")
    for number in range(4):
        await world.group(f"g{number}", f"T{number}", "ana")
    await world.settle()
    for number in range(3):
        await world.tell("group.deleted", group=(f"g{number}", None))
    await world.settle()
    assert set(world.teams()) == {"T1", "T2", "T3"}
    assert set(await world.parked()) == {"t:T1", "t:T2"}
    world.sleep(2 * DAY)
    await world.add("g3", "ana")
    await world.take_out("g3", "ana")
    await world.settle()
    assert set(await world.parked()) == {"t:T1", "t:T2"}
    assert (await world.held("t:T1")).id == parked_id("delete", "t:T1")
    await world.approve("t:T1")
    await world.group("g2", "T2", "ana")
    await world.settle()
    assert (world.teams(), await world.parked()) == ({"T2": {"ana"}, "T3": set()}, {})


# drips, and decisions one after the other


async def test_a_drip_of_leavers_over_a_day_is_held_beyond_the_limit(firm: World) -> None:
    """One an hour: three in any 24 hours go, the others wait although the window moves on."""
    for name in PEOPLE[:10]:
        await firm.active(name, False)
        await firm.settle()
        firm.sleep(HOUR)
    assert set(firm.members()) == set(PEOPLE[3:])
    assert names(await firm.parked()) == set(PEOPLE[3:10])
    firm.sleep(DAY)
    await firm.active("p10", False)
    await firm.settle()
    assert set(firm.members()) == {*PEOPLE[3:10], *PEOPLE[11:]}
    assert names(await firm.parked()) == set(PEOPLE[3:10])


async def test_a_rejected_deletion_of_a_team_is_looked_at_again_when_that_ends(world: World) -> None:
    """At its time, though nothing happens; it is asked again while the limit is used up."""
    world.configure(guard={"max_removals": 0, "max_removal_percent": 0})
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await world.tell("group.deleted", group=("g1", None))
    await world.settle()
    await world.reject("t:Writers", until=world.now + DAY)
    await world.settle(0)
    assert await world.parked() == {}
    world.sleep(DAY + 1000)
    await world.turn()
    assert set(await world.parked()) == {"t:Writers"}


async def test_a_batch_of_wrong_group_deletions_takes_nobody_out(firm: World) -> None:
    """Every group at once: teams and their people stay until a person has looked."""
    for number in range(2, 5):
        await firm.group(f"g{number}", f"Team {number}", *PEOPLE)
    await firm.settle()
    for number in range(1, 5):
        await firm.tell("group.deleted", group=(f"g{number}", None))
    await firm.settle()
    before = {"Writers", "Team 2", "Team 3", "Team 4"}
    assert firm.teams() == {title: set(PEOPLE) for title in before}
    assert set(await firm.parked()) == {f"t:{title}" for title in before}
    await firm.hire("new")
    await firm.settle()
    assert "new" in firm.members()


async def test_a_second_decision_about_a_team_leaves_the_first_one_alone(firm: World) -> None:
    """Whoever was to stay stays, though others of the team are approved or rejected later."""
    await firm.take_out("g1", *PEOPLE[:12])
    await firm.settle()
    await firm.reject()
    await firm.settle()
    for decide, some in ((firm.reject, PEOPLE[12:14]), (firm.approve, PEOPLE[14:16])):
        firm.configure(guard={"team_max_removal_percent": 1, "team_min_removals": 1})
        await firm.take_out("g1", *some)
        await firm.settle()
        assert (await firm.held("t:Writers")).emails == tuple(f"{name}@acme.test" for name in some)
        await decide()
        await firm.settle()
    assert firm.teams() == {"Writers": {*PEOPLE[:14], *PEOPLE[16:]}}
    assert await firm.parked() == {}
    firm.sleep(3 * DAY)
    firm.configure()
    await firm.settle()
    assert firm.teams() == {"Writers": {*PEOPLE[:14], *PEOPLE[16:]}}


async def test_a_removal_counts_from_its_intent(firm: World) -> None:
    """Also one that GitBook only asked its admins for: whatever it answers, no more are asked for."""
    firm.sandbox.inject(removal_202=True)
    await firm.fire(*PEOPLE[:5])
    await firm.settle()
    assert firm.removals() == 3
    reasons = [(await firm.parked())[f"m:{name}"] for name in PEOPLE[:5]]
    assert [("removal requested" in reason) for reason in reasons] == [True] * 3 + [False] * 2


async def test_the_number_of_members_is_right_though_nothing_happened_since(world: World) -> None:
    """The share is of those who were members, not of the nobody there was before the first import."""
    world.configure(teams=[], guard={"max_removals": 0, "max_removal_percent": 25, "on_limit": "hold-rest"})
    await world.hire(*PEOPLE)
    await world.settle()
    world.sleep(9 * DAY)
    await world.fire(*PEOPLE[:8])
    await world.settle()
    assert len(world.members()) == 15
