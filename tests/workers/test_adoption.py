"""A team that is there already and has members nobody named is used for a group when a person says so."""

import pytest

from bridge.operators.filters import Filter
from bridge.operators.person import PersonAnswer, read_person
from bridge.plan.changes import AdoptTeam
from tests.workers.calls import switched_on
from tests.workers.world import DAY, HOUR, World, address

GUEST = "guest@else.test"
REASON = "the team is there already, and no directory named 1 of its members"


async def start(world: World) -> None:
    """The board is there, with a guest; a group of that name comes, and Ana's other things go on."""
    world.sandbox.seed_member(GUEST)
    world.sandbox.seed_team("Board", [GUEST])
    await world.hire("ana", "bo")
    await world.group("g1", "Board", "ana")
    await world.group("g2", "Docs", "ana", "bo")
    await world.settle(0)


def take_away(world: World, title: str) -> None:
    """Delete a team by hand."""
    [ident] = [team.id for team in world.sandbox.state.teams.values() if team.title == title]
    del world.sandbox.state.teams[ident]


async def about(world: World, name: str) -> PersonAnswer:
    """What `bridge person` knows."""
    found = await read_person(
        world.settings, world.store, {"docs": world.desk}, address(name), Filter(), world.now
    )
    assert found
    return found


async def test_a_team_is_known_to_be_of_a_group_that_is_looked_at_later(world: World) -> None:
    """A person may be due before their group: with much to do, or when the clock was set back between."""
    world.sandbox.seed_team("Board")
    await world.hire("ana")
    await world.group("g1", "Board", "ana")
    await world.fold()
    await world.store.call("ZADD", world.docs.key("work"), world.now + HOUR, "g:okta\x1fg1")
    await world.converge()
    assert (world.teams(), await world.due()) == ({"Board": {"ana"}}, [])


async def test_a_team_with_strangers_waits_for_a_person_and_holds_nothing_else_up(world: World) -> None:
    """Held once, shown in the plan and at whom it keeps out; nobody of the group gets in."""
    await start(world)
    assert world.teams() == {"Board": {GUEST}, "Docs": {"ana", "bo"}}
    held = await world.held("t:Board")
    assert (held.kind, held.final, held.change) == (
        "adopt-team",
        False,
        "adopt team Board, which has 1 member(s) whom no directory named",
    )
    assert held.reason.startswith(REASON)
    [step] = (await world.plan()).steps
    assert isinstance(step.change, AdoptTeam)
    assert (step.change.object, step.held) == ("Board", held.reason)
    [because] = (await about(world, "ana")).why
    assert (because.reason, held.id in because.what) == (held.reason, True)
    assert not (await about(world, "bo")).why
    await world.add("g1", "bo")
    await world.settle(0)
    assert world.teams()["Board"] == {GUEST}
    assert (await world.held("t:Board")).since == held.since
    assert await world.due() == []


async def test_an_approved_adoption_lets_everyone_in_and_is_not_asked_again(world: World) -> None:
    """Whoever came in the meantime, too; the stranger stays, also when the group goes and comes again."""
    await start(world)
    await world.add("g1", "bo")
    await world.settle(0)
    await world.approve("t:Board")
    await world.settle()
    assert world.teams()["Board"] == {GUEST, "ana", "bo"}
    rows = [row for _, row in await world.past.of("t:Board")]
    done = [row for row in rows if row["kind"] == "adopt-team" and row["outcome"] == "done"]
    assert [row["approved_by"] for row in done] == ["boss"]
    await world.tell("group.deleted", group=("g1", None))
    await world.settle()
    assert world.teams()["Board"] == {GUEST}
    await world.group("g9", "Board", "bo")
    await world.settle()
    assert (world.teams()["Board"], await world.parked()) == ({GUEST, "bo"}, {})


async def test_a_rejected_adoption_keeps_its_people_out_and_nothing_else(world: World) -> None:
    """It is remembered, told of those whom it keeps out, and asked no more; the rest goes on."""
    await start(world)
    await world.reject("t:Board")
    await world.settle()
    await world.add("g1", "bo")
    await world.group("g3", "News", "ana")
    await world.settle(2 * DAY)
    assert world.teams() == {"Board": {GUEST}, "Docs": {"ana", "bo"}, "News": {"ana"}}
    assert await world.parked() == {}
    [because] = (await about(world, "ana")).why
    assert because.what == "team Board rejected at docs by boss at"
    plan = await world.plan()
    assert plan.steps == []
    assert plan.notes == ["team Board: boss decided that it is not adopted, so nobody gets into it"]


async def test_a_rejection_that_ends_is_asked_again(world: World) -> None:
    """At its time, though nothing happens."""
    await start(world)
    await world.reject("t:Board", until=world.now + DAY)
    await world.settle(0)
    assert await world.parked() == {}
    world.sleep(DAY + 1000)
    await world.turn()
    assert (await world.parked())["t:Board"].startswith(REASON)


@pytest.mark.parametrize("decided", [True, False])
async def test_what_is_held_ends_with_its_cause(world: World, decided: bool) -> None:
    """Somebody takes the team away at GitBook: its group gets one of its own, within an hour."""
    await start(world)
    if decided:
        await world.reject("t:Board")
        await world.settle(0)
    world.sandbox.state.teams.pop(
        next(t.id for t in world.sandbox.state.teams.values() if t.title == "Board")
    )
    world.sleep(HOUR + 1000)
    await world.settle()
    assert (world.teams()["Board"], await world.parked()) == ({"ana"}, {})


async def test_strangers_who_leave_end_it_too(world: World) -> None:
    """Nobody whom no directory named is in it any more: it is adopted as any other."""
    await start(world)
    world.sandbox.state.leave(world.sandbox.members()[GUEST].id)
    world.sleep(HOUR + 1000)
    await world.settle()
    assert (world.teams()["Board"], await world.parked()) == ({"ana"}, {})


async def test_a_group_that_is_gone_takes_what_is_held_along(world: World) -> None:
    """Nothing is to be decided any more."""
    await start(world)
    await world.rename("g1", "Other board")
    await world.settle()
    assert await world.parked() == {}
    assert world.teams() == {"Board": {GUEST}, "Docs": {"ana", "bo"}, "Other board": {"ana"}}


async def test_another_team_of_the_title_is_another_question(world: World) -> None:
    """The decision was about the one that was there."""
    await start(world)
    await world.reject("t:Board")
    await world.settle(0)
    world.sandbox.state.teams.pop(
        next(t.id for t in world.sandbox.state.teams.values() if t.title == "Board")
    )
    world.sandbox.seed_team("Board", [GUEST])
    world.sleep(HOUR + 1000)
    await world.settle(0)
    assert (await world.parked())["t:Board"].startswith(REASON)


async def test_a_team_whose_members_the_directory_named_is_adopted_at_once(world: World) -> None:
    """Also people who are not to be members, or are not in the group: no stranger is among them."""
    for name in ("ana", "bo", "cy"):
        world.sandbox.seed_member(address(name))
    world.sandbox.seed_team("Writers", [address(name) for name in ("ana", "bo", "cy")])
    world.configure(members={"domains": ["acme.test"], "exclude": ["cy@*"]})
    await world.hire("ana", "bo", "cy")
    await world.active("bo", False)
    await world.reject("m:bo")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    assert set(await world.parked()) == {"m:bo"}, "not the team"
    assert {team.id for team in (await world.docs.teams()).values()} == {*world.sandbox.state.teams}


async def test_who_is_named_by_a_directory_of_another_target_is_a_stranger(world: World) -> None:
    """Only the directories that count for the target do."""
    await world.tell("user.created", ("x1", GUEST, True), directory="elsewhere")
    await start(world)
    assert (await world.parked())["t:Board"].startswith(REASON)


async def test_allowed_adoption_asks_nobody(world: World) -> None:
    """As configured; also what was held before."""
    await start(world)
    world.configure(guard={"adopt_teams": "allow"})
    await world.settle()
    assert (world.teams()["Board"], await world.parked()) == ({GUEST, "ana"}, {})


@pytest.mark.parametrize("strangers", [True, False])
async def test_a_team_of_a_lost_call_is_no_adoption(world: World, strangers: bool) -> None:
    """It is the bridge's own, unless somebody is in it whom the bridge cannot have put there."""
    world.sandbox.seed_member(GUEST)
    world.sandbox.inject(next=[{"match": "PUT .*/teams$", "fault": "reset", "after": True}])
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.turn()
    [made] = world.sandbox.state.teams.values()
    if strangers:
        made.members[world.sandbox.members()[GUEST].id] = "member"
    made.members[world.sandbox.owner.id] = "owner"
    await world.settle()
    assert ("t:Writers" in await world.parked()) is strangers
    assert (await world.docs.teams())["Writers"].made is not strangers


async def test_a_plan_shows_what_is_adopted(world: World) -> None:
    """Before the mode is switched: held, and then only what is allowed is called."""
    world.configure(mode="dry-run")
    world.sandbox.seed_team("Docs", [])
    await start(world)
    plan, shown, made = await switched_on(world)
    adoptions = {s.change.object: s.held for s in plan.steps if isinstance(s.change, AdoptTeam)}
    assert adoptions.keys() == {"Board", "Docs"}
    assert (adoptions["Docs"], (adoptions["Board"] or "").startswith(REASON)) == (None, True)
    assert shown == made
    assert world.teams() == {"Board": {GUEST}, "Docs": {"ana", "bo"}}
