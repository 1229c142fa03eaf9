"""Teams follow groups."""

import pytest

from tests.workers.world import World


async def test_a_team_the_bridge_made_is_deleted_with_its_group(world: World) -> None:
    """Emptied, then deleted."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    await world.tell("group.deleted", group=("g1", None))
    await world.settle()
    assert (world.teams(), set(world.members())) == ({}, {"ana", "bo"})


async def test_an_adopted_team_stays(world: World) -> None:
    """The members its group gave are taken out; the team and strangers in it stay."""
    world.sandbox.seed_member("guest@else.test")
    world.sandbox.seed_team(" Writers", ["guest@else.test"])
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await world.approve("t:Writers")
    await world.settle()
    assert world.teams() == {" Writers": {"guest@else.test", "ana"}}
    await world.tell("group.deleted", group=("g1", None))
    await world.settle()
    assert world.teams() == {" Writers": {"guest@else.test"}}
    assert not world.sandbox.calls_like("(PUT|DELETE) .*/teams$|DELETE .*/teams/")


async def test_a_team_with_spaces_stays(world: World) -> None:
    """Spaces are shared with it."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    next(iter(world.sandbox.state.teams.values())).spaces = 1
    await world.tell("group.deleted", group=("g1", None))
    await world.settle()
    assert world.teams() == {"Writers": set()}


async def test_people_in_an_adopted_team_leave_it_only_if_the_directory_named_them_for_it(
    world: World,
) -> None:
    """Bo was in the group once and leaves; Cy, of whom the group says nothing, stays."""
    for name in ("ana", "bo", "cy"):
        world.sandbox.seed_member(f"{name}@acme.test")
    world.sandbox.seed_team("Writers", ["bo@acme.test", "cy@acme.test"])
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers", "ana", "bo")
    await world.take_out("g1", "bo")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "cy"}}


async def test_renaming_a_group_renames_its_team(world: World) -> None:
    """One call; the team keeps its id."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    ident = next(iter(world.sandbox.state.teams))
    await world.rename("g1", "Authors")
    await world.rename("g1", "Scribes")
    await world.settle()
    assert (world.teams(), [*world.sandbox.state.teams]) == ({"Scribes": {"ana"}}, [ident])
    assert sum("PATCH teams" in line for line in world.writes()) == 1


async def test_renaming_onto_a_title_that_is_taken_moves_the_members(world: World) -> None:
    """The other team is adopted; ours, that nobody needs now, is deleted."""
    world.sandbox.seed_member("guest@else.test")
    world.sandbox.seed_team("Authors", ["guest@else.test"])
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await world.rename("g1", "Authors")
    await world.settle()
    await world.approve("t:Authors")
    await world.settle()
    assert world.teams() == {"Authors": {"guest@else.test", "ana"}}


async def test_two_groups_that_swap_their_names_swap_their_members(world: World) -> None:
    """No title is free, so the people move."""
    await world.hire("ana", "bo")
    await world.group("g1", "Red", "ana")
    await world.group("g2", "Blue", "bo")
    await world.settle()
    await world.rename("g1", "Blue")
    await world.rename("g2", "Red")
    await world.settle()
    assert world.teams() == {"Red": {"bo"}, "Blue": {"ana"}}


async def test_a_name_that_moves_on_to_a_new_group(world: World) -> None:
    """The old group's team is renamed first; then there is a new one of the old title."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await world.rename("g1", "Authors")
    await world.group("g2", "Writers", "bo")
    await world.settle()
    assert world.teams() == {"Authors": {"ana"}, "Writers": {"bo"}}


async def test_two_groups_can_be_one_team(world: World) -> None:
    """Out of one group is not out of the team while the other holds; the team goes with the last."""
    world.configure(teams=[{"group": "Writers*", "team": "Writers"}])
    await world.hire("ana", "bo")
    await world.group("g1", "Writers North", "ana", "bo")
    await world.group("g2", "Writers South", "ana")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo"}}
    await world.tell("group.deleted", group=("g1", None))
    await world.settle()
    assert world.teams() == {"Writers": {"ana"}}
    await world.tell("group.deleted", group=("g2", None))
    await world.settle()
    assert world.teams() == {}


async def test_one_group_can_be_several_teams(world: World) -> None:
    """Every rule that matches gives one; a rename renames those that have the group's name."""
    world.configure(teams=[{"group": "*"}, {"group": "id:g1", "team": "All"}, {"group": "W*", "team": "W"}])
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    assert world.teams() == {"Writers": {"ana"}, "All": {"ana"}, "W": {"ana"}}
    await world.rename("g1", "Whisperers")
    await world.settle()
    assert world.teams() == {"Whisperers": {"ana"}, "All": {"ana"}, "W": {"ana"}}


async def test_a_title_too_long_is_given_up_with_the_rule_to_add(world: World) -> None:
    """65 characters; the rule makes it due again."""
    await world.hire("ana", "bo")
    await world.group("g1", "W" * 65, "ana")
    await world.group("g2", "Readers", "ana")
    await world.settle()
    reason = (await world.dead())["t:" + "W" * 65]
    assert 'group = "id:g1"' in reason
    assert "65" in reason
    assert world.teams() == {"Readers": {"ana"}}
    await world.add("g1", "bo")
    await world.settle()
    assert "t:" + "W" * 65 in await world.dead()
    world.configure(teams=[{"group": "*"}, {"group": "id:g1", "team": "W…"}])
    await world.settle()
    assert (world.teams(), await world.dead()) == ({"Readers": {"ana"}, "W…": {"ana", "bo"}}, {})


async def test_a_team_whose_group_gets_a_name_too_long_keeps_following(world: World) -> None:
    """It cannot be renamed, but who is in it still follows the group."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await world.rename("g1", "W" * 65)
    await world.add("g1", "bo")
    await world.take_out("g1", "ana")
    await world.settle()
    assert world.teams() == {"Writers": {"bo"}}
    assert set(await world.dead()) == {"t:" + "W" * 65}


async def test_empty_groups_make_no_team(world: World) -> None:
    """A team is made with its first member."""
    await world.group("g1", "Writers")
    await world.settle()
    assert (world.teams(), world.writes()) == ({}, [])


async def test_a_team_that_vanished_is_made_again(world: World) -> None:
    """Somebody deleted it at GitBook: the next news makes it, with everybody who belongs into it."""
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    world.sandbox.state.teams.clear()
    await world.add("g1", "cy")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo", "cy"}}


async def test_a_team_that_vanished_before_its_renaming(world: World) -> None:
    """Made under the new name."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    world.sandbox.state.teams.clear()
    await world.rename("g1", "Authors")
    await world.take_out("g1", "bo")
    await world.settle()
    assert world.teams() == {"Authors": {"ana"}}


async def test_someone_missing_is_dropped_from_a_team_call_and_the_rest_is_sent(world: World) -> None:
    """Bo was removed by hand: the call names nobody, so people are read again; Bo is invited again."""
    await world.hire("ana", "bo", "cy")
    await world.settle()
    world.sandbox.state.leave(world.sandbox.members()["bo@acme.test"].id)
    await world.group("g1", "Writers", "ana", "cy")
    await world.settle()
    await world.group("g2", "Readers", "ana", "bo", "cy")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "cy"}, "Readers": {"ana", "bo", "cy"}}


@pytest.mark.parametrize("fault", ["team_404", "forbidden"])
async def test_one_person_refused_does_not_keep_others_out_of_a_team(world: World, fault: str) -> None:
    """The call is halved until the culprit stands alone, and only that one is given up."""
    names = [f"p{number}" for number in range(9)]
    await world.hire(*names)
    await world.group("g0", "Old", "p0")
    await world.settle()
    world.sandbox.inject(**{fault: ["p4@*"]})
    await world.group("g1", "New", *names)
    await world.add("g0", *names[1:])
    await world.settle()
    assert world.teams()["Old"] == set(names) - {"p4"}
    assert world.teams().get("New", set()) >= ({*names} - {"p4"} if fault == "forbidden" else {"p0"})
    assert set(await world.dead()) == {"m:p4"}
    assert await world.due() == []


async def test_a_team_that_may_not_be_changed_is_given_up_as_one(world: World) -> None:
    """Its people are not: they go on into other teams."""
    names = [f"p{number:02}" for number in range(12)]
    await world.hire(*names)
    await world.group("g1", "Secret", "p00")
    await world.settle()
    ident = next(iter(world.sandbox.state.teams))
    world.sandbox.inject(next=[{"match": f"PUT .*/teams/{ident}/members", "fault": "403", "times": 99}])
    await world.add("g1", *names[1:])
    await world.group("g2", "Open", *names)
    await world.settle()
    assert (await world.dead()).keys() == {"t:Secret"}
    assert world.teams() == {"Secret": {"p00"}, "Open": set(names)}
    world.sandbox.heal()
    await world.take_out("g1", "p00")
    await world.settle()
    assert (world.teams()["Secret"], await world.dead()) == (set(), {})


@pytest.mark.parametrize("fault", ["hang", "reset", "503", "not_json"])
async def test_a_lost_answer_to_the_making_of_a_team_never_makes_two(world: World, fault: str) -> None:
    """The title is looked up: it is there, and it is ours, so it goes with its group."""
    world.configure(timeout="200ms")
    world.sandbox.inject(next=[{"match": "PUT .*/teams$", "fault": fault, "after": True}])
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo"}}
    assert len(world.sandbox.calls_like("PUT .*/teams$")) == 1
    await world.tell("group.deleted", group=("g1", None))
    await world.settle()
    assert world.teams() == {}


async def test_a_team_made_by_a_lost_call_and_not_needed_any_more_goes(world: World) -> None:
    """The group is renamed before the title could be looked up."""
    world.sandbox.inject(next=[{"match": "PUT .*/teams$", "fault": "reset", "after": True}])
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.turn()
    await world.rename("g1", "Authors")
    await world.settle()
    assert world.teams() == {"Authors": {"ana"}}


async def test_groups_of_one_name_in_two_directories_are_one_team(world: World) -> None:
    """Titles are what teams are told apart by."""
    world.sources.append({"name": "polis", "kind": "jackson", "secrets": ["polis-secret"]})
    world.configure()
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.tell("user.created", ("u1", "bo@acme.test", True), directory="polis")
    await world.tell("group.created", group=("g1", "Writers"), directory="polis")
    await world.tell("group.user_added", ("u1", None, None), ("g1", None), directory="polis")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo"}}
