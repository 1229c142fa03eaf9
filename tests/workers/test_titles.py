"""Titles that are wanted and not free: every wait has an end, and keeps back nothing else."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from bridge.operators.decisions import write_retry
from bridge.plan.changes import CreateTeam
from bridge.plan.teams import TeamBinding
from bridge.store.targets import Intent
from bridge.targets.base import RemoteTeam
from tests.workers.calls import shown, switched_on
from tests.workers.world import MINUTE, SECOND, World, address
from workers import bound
from workers.look import look_for_some_teams
from workers.run import Run

PATCH = "PATCH .*/teams/"


async def start(world: World) -> None:
    """Alpha is of g1, and Other of g3."""
    await world.hire("u1", "u2", "u3")
    await world.group("g1", "Alpha", "u1")
    await world.group("g3", "Other", "u2", "u3")
    await world.settle()


async def replace_group(world: World) -> None:
    """The group of Alpha gets another name and goes, and another group gets that name."""
    await world.tell("group.deleted", group=("g1", None))
    await world.group("g2", "Alpha", "u1", "u2")
    await world.take_out("g3", "u2")


def refuse(world: World, call: str, fault: str = "503", times: int = 999) -> None:
    """Let calls be answered so."""
    world.sandbox.inject(next=[{"match": call, "fault": fault, "times": times}])


@pytest.mark.parametrize("between", [True, False])
@pytest.mark.parametrize("fault", ["503", "400", "hang"])
async def test_a_title_whose_team_was_to_be_renamed_for_a_group_that_is_gone(
    world: World, fault: str, between: bool
) -> None:
    """The renaming fails, and then nobody wants it any more: who wants the title has it, and the team."""
    await start(world)
    world.configure(timeout="200ms")
    refuse(world, PATCH, fault)
    await world.rename("g1", "Beta")
    if between:
        await world.turn()
    await replace_group(world)
    await world.turn()
    world.sandbox.heal()
    await world.settle()
    assert world.teams() == {"Alpha": {"u1", "u2"}, "Other": {"u3"}}
    assert (await world.due(), await world.dead()) == ([], {})


async def test_a_title_in_a_dry_run_before_the_renaming_was_made(world: World) -> None:
    """The plan shows what is done when the mode is switched: the team stays, and who is in it changes."""
    await start(world)
    before = len(world.writes())
    world.configure(mode="dry-run")
    await world.rename("g1", "Beta")
    await world.settle()
    await replace_group(world)
    plan, told, made = await switched_on(world)
    assert (told, [step.held for step in plan.steps]) == (made, [None, None])
    assert world.teams() == {"Alpha": {"u1", "u2"}, "Other": {"u3"}}
    assert {line.rpartition("/")[2] for line in world.writes()[before:]} == {"members"}


async def test_a_title_that_was_blocked_by_an_earlier_version(world: World) -> None:
    """What it had written down: the team is bound under a title without groups. Any work heals it."""
    await start(world)
    teams = await world.docs.teams()
    alpha = teams["Alpha"]
    old = [
        world.docs.put_team("Beta", replace(alpha, groups=())),
        world.docs.put_team("Alpha", TeamBinding(groups=alpha.groups)),
    ]
    await world.store.calls(old)
    await world.add("g1", "u2")
    await world.settle()
    assert world.teams() == {"Alpha": {"u1", "u2"}, "Other": {"u2", "u3"}}
    assert set(await world.docs.teams()) == {"Alpha", "Other"}


@pytest.mark.parametrize("fault", ["503", "400"])
async def test_who_waits_for_a_title_waits_for_nothing_else(world: World, fault: str) -> None:
    """The team cannot be renamed: its people follow all the same, and who wants its title gets all else."""
    await start(world)
    refuse(world, PATCH, fault)
    await world.rename("g1", "Beta")
    await world.group("g2", "Alpha", "u2")
    await world.group("g4", "Docs", "u2")
    await world.add("g1", "u3")
    await world.take_out("g3", "u2")
    for _ in range(4):
        await world.turn()
        world.sleep(5 * SECOND)
    assert world.teams() == {"Alpha": {"u1", "u3"}, "Other": {"u3"}, "Docs": {"u2"}}
    reasons = {row.reason for row in (await world.docs.waiting(["t:Alpha", "m:u2@acme.test"])).values()}
    given_up = ", given up: Made to fail by the sandbox" if fault == "400" else ""
    assert reasons == {f"the team Alpha is to become Beta first{given_up}"}
    plan = await world.plan()
    world.sandbox.heal()
    if fault == "400":
        assert [step.change.object for step in plan.steps if step.held in reasons] == ["Alpha"]
        assert set(await world.dead()) == {"t:Beta"}
        [dead] = (await world.docs.dead()).values()
        assert await write_retry(world.desk, dead, "boss", "", world.now)
    await world.settle()
    assert world.teams() == {"Beta": {"u1", "u3"}, "Alpha": {"u2"}, "Other": {"u3"}, "Docs": {"u2"}}
    assert (await world.due(), await world.dead()) == ([], {})


async def test_a_title_that_a_team_keeps_since_its_new_one_is_too_long(world: World) -> None:
    """Nobody else gets into it; they wait, and get the title when the team has a rule."""
    await start(world)
    await world.rename("g1", "W" * 65)
    await world.group("g2", "Alpha", "u2")
    await world.settle(MINUTE)
    assert world.teams() == {"Alpha": {"u1"}, "Other": {"u2", "u3"}}
    [waiting] = (await world.docs.waiting(["t:Alpha"])).values()
    assert waiting.reason.startswith(f"the team Alpha is to become {'W' * 65} first, given up: the title has")
    world.configure(teams=[{"group": "*"}, {"group": "id:g1", "team": "W…"}])
    await world.settle()
    assert world.teams() == {"W…": {"u1"}, "Alpha": {"u2"}, "Other": {"u2", "u3"}}
    assert (await world.due(), await world.dead()) == ([], {})


async def test_many_who_wait_for_one_title_cost_few_calls(world: World) -> None:
    """All of them are looked at together, less and less often."""
    names = [f"p{number:02}" for number in range(30)]
    await world.hire("u1", *names)
    await world.group("g1", "Alpha", "u1")
    await world.settle()
    refuse(world, PATCH, "400")
    await world.rename("g1", "Beta")
    await world.group("g2", "Alpha", *names)
    await world.settle(MINUTE)
    calls = len(world.sandbox.calls_like("GET .*/teams"))
    await world.settle(20 * MINUTE)
    assert len(world.sandbox.calls_like("GET .*/teams")) - calls < 30
    assert (await world.dead()).keys() == {"t:Beta"}


@pytest.mark.parametrize("size", [2, 3, 4])
async def test_teams_that_are_to_have_each_other_s_titles_before_any_was_renamed(
    world: World, size: int
) -> None:
    """Rings of any length: all keep their titles and change their people."""
    names = [f"T{number}" for number in range(size)]
    await world.hire(*(f"u{number}" for number in range(size)), "extra")
    for number, name in enumerate(names):
        await world.group(f"g{number}", name, f"u{number}")
    await world.settle()
    refuse(world, PATCH)
    for number in range(size):
        await world.rename(f"g{number}", f"Between {number}")
    await world.turn()
    for number in range(size):
        await world.rename(f"g{number}", names[(number + 1) % size])
    await world.turn()
    world.sandbox.heal()
    await world.settle()
    assert world.teams() == {names[(number + 1) % size]: {f"u{number}"} for number in range(size)}
    for number in range(size):
        await world.tell("group.deleted", group=(f"g{number}", None))
    await world.settle()
    assert (world.teams(), await world.docs.teams()) == ({}, {}), "all are still known as the bridge's own"


async def test_a_chain_of_titles_that_move_on(world: World) -> None:
    """Each team gets the title that the next one gives up, though no renaming was answered at first."""
    await world.hire("a", "b", "c")
    for number, name in enumerate(("A", "B", "C")):
        await world.group(f"g{number}", name, name.lower())
    await world.settle()
    refuse(world, PATCH)
    for number, name in ((2, "D"), (1, "C"), (0, "B")):
        await world.rename(f"g{number}", name)
        await world.turn()
    world.sandbox.heal()
    await world.settle()
    assert world.teams() == {"B": {"a"}, "C": {"b"}, "D": {"c"}}


@pytest.mark.parametrize("fault", [None, "503"])
async def test_a_group_that_goes_and_comes_again_with_its_name(world: World, fault: str | None) -> None:
    """The team is the same, with whoever is in the new group, whatever was under way."""
    await start(world)
    if fault:
        refuse(world, "(PUT|DELETE|PATCH) .*/teams/", fault)
    await world.tell("group.deleted", group=("g1", None))
    await world.turn()
    await world.group("g9", "Alpha", "u2")
    await world.turn()
    world.sandbox.heal()
    await world.settle()
    assert world.teams() == {"Alpha": {"u2"}, "Other": {"u2", "u3"}}


async def test_a_team_deleted_by_hand_before_its_renaming(world: World) -> None:
    """Both titles are made, each with its people."""
    await start(world)
    refuse(world, PATCH)
    await world.rename("g1", "Beta")
    await world.group("g2", "Alpha", "u2")
    await world.turn()
    [gone] = [team.id for team in world.sandbox.state.teams.values() if team.title == "Alpha"]
    del world.sandbox.state.teams[gone]
    world.sandbox.heal()
    await world.settle()
    assert world.teams() == {"Beta": {"u1"}, "Alpha": {"u2"}, "Other": {"u2", "u3"}}


async def test_a_team_that_somebody_renamed_to_a_title_that_is_wanted(world: World) -> None:
    """It gets the title of its own group again, and then there is one of the wanted title."""
    await start(world)
    next(team for team in world.sandbox.state.teams.values() if team.title == "Alpha").title = "Docs"
    await world.group("g2", "Docs", "u2")
    await world.settle()
    assert world.teams() == {"Alpha": {"u1"}, "Docs": {"u2"}, "Other": {"u2", "u3"}}


async def test_one_of_two_groups_of_a_title_is_renamed(world: World) -> None:
    """The other keeps the team, whatever fails meanwhile."""
    world.configure(teams=[{"group": "A*", "team": "Alpha"}, {"group": "Beta"}])
    await world.hire("u1", "u2")
    await world.group("g1", "A1", "u1")
    await world.group("g2", "A2", "u2")
    await world.settle()
    refuse(world, "(PATCH|PUT) .*/teams", times=4)
    await world.rename("g1", "Beta")
    await world.settle()
    assert world.teams() == {"Alpha": {"u2"}, "Beta": {"u1"}}


async def test_a_team_that_cannot_be_filled_keeps_nobody_out_of_others(world: World) -> None:
    """Ana gets into each team but the first one, which always fails, and leaves the last one."""
    await world.hire("ana", "bo")
    await world.group("g0", "A", "bo")
    await world.group("g9", "Z", "ana", "bo")
    await world.settle()
    ident = next(team.id for team in world.sandbox.state.teams.values() if team.title == "A")
    refuse(world, f"PUT .*/teams/{ident}/members")
    await world.add("g0", "ana")
    await world.group("g1", "B", "ana")
    await world.take_out("g9", "ana")
    await world.turn()
    assert world.teams() == {"A": {"bo"}, "B": {"ana"}, "Z": {"bo"}}
    world.sandbox.heal()
    await world.settle()
    assert world.teams()["A"] == {"ana", "bo"}


async def test_a_role_that_cannot_be_set_keeps_nobody_out_of_a_team(world: World) -> None:
    """One call fails for now; the others are made."""
    world.configure(roles=[{"group": "Editors", "role": "edit"}])
    await world.hire("ana")
    await world.settle()
    refuse(world, "PATCH .*/members/")
    await world.group("g1", "Editors", "ana")
    await world.turn()
    assert (world.teams(), world.members()) == ({"Editors": {"ana"}}, {"ana": "read"})
    world.sandbox.heal()
    await world.settle()
    assert world.members() == {"ana": "edit"}


async def test_who_leaves_a_team_whose_last_call_has_no_end_yet_leaves_it_afterwards(world: World) -> None:
    """A worker died in a call about the team; Bo, of whom that call says nothing, is not forgotten."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    intent = Intent("team Writers: add 1, take out 0", 1, world.now, "a dead worker")
    await world.store.calls(world.docs.intend(["t:Writers"], intent))
    await world.take_out("g1", "bo")
    await world.turn()
    assert world.teams() == {"Writers": {"ana", "bo"}}
    await world.settle()
    assert world.teams() == {"Writers": {"ana"}}


async def test_titles_that_wait_show_no_team_to_be_made(world: World) -> None:
    """The plan says what is waited for, and counts no call for it."""
    await start(world)
    await world.rename("g1", "W" * 65)
    await world.group("g2", "Alpha", "u2")
    await world.settle(MINUTE)
    plan = await world.plan()
    assert not shown(step.change for step in plan.steps if step.held is None)
    [step] = plan.steps
    assert isinstance(step.change, CreateTeam)
    assert (step.change.object, step.change.members) == ("Alpha", (address("u2"),))
    assert step.held
    assert step.held.startswith(f"the team Alpha is to become {'W' * 65} first, given up")


async def test_a_list_that_is_older_than_a_renaming_renames_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows a team under the title that it had: the team is read, and the title is free."""
    await start(world)
    [stale] = [
        RemoteTeam(team.id, "Alpha", 1, 0, "") for team in world.sandbox.state.teams.values()
        if team.title == "Alpha"
    ]  # fmt: skip
    await world.rename("g1", "Beta")
    await world.settle()
    look, left = look_for_some_teams, [2]

    async def from_an_old_list(run: Run, titles: Collection[str]) -> Any:
        left[0] -= 1
        return ({"Alpha": stale}, None) if left[0] >= 0 and "Alpha" in titles else await look(run, titles)

    monkeypatch.setattr(bound, "look_for_some_teams", from_an_old_list)
    await world.group("g2", "Alpha", "u2")
    await world.settle()
    assert world.teams() == {"Alpha": {"u2"}, "Beta": {"u1"}, "Other": {"u2", "u3"}}
    assert len(world.sandbox.calls_like(PATCH)) == 1
