"""Calls that take effect after they were given up, one of each kind: the next look puts everything right."""

import asyncio

import pytest

from tests.workers.world import DAY, MINUTE, SECOND, World, on_another_day
from workers.main import sweep_once

INVITE, REMOVE, ROLE = "POST .*/invites$", "DELETE .*/members/", "PATCH .*/members/"
FILL, RENAME, DELETE = "PUT .*/teams/.*/members$", "PATCH .*/teams/", "DELETE .*/teams/"
MAKE = "PUT .*/teams$"


def lose(world: World, match: str, times: int = 1, fault: str = "reset") -> None:
    """Let the next such calls be cut, and be carried out at `take_effect`."""
    world.sandbox.inject(next=[{"match": match, "fault": fault, "late": True, "times": times}])


async def take_effect(world: World) -> None:
    """What was lost is carried out now, and some seconds later somebody looks."""
    assert world.sandbox.late, "nothing was lost"
    world.sandbox.heal()
    async with asyncio.timeout(10):
        while world.sandbox.late:
            await world.store.call("PING")
    world.sleep(20 * SECOND)
    await world.settle()


async def populate(world: World) -> None:
    """Ana, bo and cy; ana and bo are Writers."""
    world.configure(
        roles=[{"group": "Editors", "role": "edit"}],
        guard={"max_removals": 100, "max_removal_percent": 100, "team_max_removal_percent": 100},
    )
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo"}}


@pytest.fixture(params=["the next try", "a later job"])
def tries(request: pytest.FixtureRequest) -> int:
    """How many tries are lost: whether another one of the same call, or of a later job, is answered."""
    return 1 if request.param == "the next try" else 3


async def leave_for_good(world: World) -> None:
    """Di leaves, and what was lost is carried out then: nobody but those who were there before is in."""
    await world.fire("di")
    await world.settle()
    assert world.members() == dict.fromkeys(("ana", "bo", "cy"), "read")
    await take_effect(world)
    assert world.members() == dict.fromkeys(("ana", "bo", "cy"), "read")


# members


async def test_an_invite_brings_no_leaver_back(world: World, tries: int) -> None:
    """They came, left, and the first try of their invite is carried out then."""
    await populate(world)
    lose(world, INVITE, tries)
    await world.hire("di")
    await world.settle()
    await leave_for_good(world)


async def test_an_invite_gives_no_role_back(world: World, tries: int) -> None:
    """Whom an old invite has brought back with the role of that time is no member from before."""
    await populate(world)
    lose(world, INVITE, tries)
    await world.hire("di")
    await world.group("g2", "Editors", "di")
    await world.settle()
    assert world.members()["di"] == "edit"
    await world.fire("di")
    await world.settle()
    await world.hire("di")
    await world.fold()
    await take_effect(world)
    assert world.members()["di"] == "read"


async def test_a_removal_takes_nobody_who_came_back(world: World, tries: int) -> None:
    """They left, came back, and the first try of the removal is carried out then."""
    await populate(world)
    lose(world, REMOVE, tries)
    await world.fire("ana")
    await world.settle()
    await world.hire("ana")
    await world.add("g1", "ana")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo"}}
    await take_effect(world)
    assert set(world.members()) == {"ana", "bo", "cy"}
    assert world.teams() == {"Writers": {"ana", "bo"}}


async def test_a_removal_and_an_invite_take_people_out_of_their_teams(world: World) -> None:
    """Both take effect before anybody looks: they are members as before, but in no team."""
    await populate(world)
    late = {"fault": "reset", "late": True}
    world.sandbox.inject(next=[{"match": REMOVE, **late}, {"match": INVITE, **late}])
    await world.fire("ana")
    await world.settle()
    await world.hire("ana")
    await world.add("g1", "ana")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo"}}
    await take_effect(world)
    assert set(world.members()) == {"ana", "bo", "cy"}
    assert world.teams() == {"Writers": {"ana", "bo"}}


async def test_a_role_does_not_stay(world: World, tries: int) -> None:
    """They became an editor and were none again."""
    await populate(world)
    lose(world, ROLE, tries)
    await world.group("g2", "Editors", "ana")
    await world.settle()
    await world.take_out("g2", "ana")
    await world.settle()
    await take_effect(world)
    assert world.members()["ana"] == "read"


# teams


async def test_nobody_is_put_back_into_a_team(world: World, tries: int) -> None:
    """They got in and out, and the first try of the former is carried out then."""
    await populate(world)
    lose(world, FILL, tries)
    await world.add("g1", "cy")
    await world.settle()
    await world.take_out("g1", "cy")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo"}}
    await take_effect(world)
    assert world.teams() == {"Writers": {"ana", "bo"}}


async def test_nobody_is_taken_out_of_a_team_again(world: World, tries: int) -> None:
    """They got out and in again."""
    await populate(world)
    lose(world, FILL, tries)
    await world.take_out("g1", "ana")
    await world.settle()
    await world.add("g1", "ana")
    await world.settle()
    await take_effect(world)
    assert world.teams() == {"Writers": {"ana", "bo"}}


async def test_a_team_is_found_under_another_title(world: World, tries: int) -> None:
    """Its group got another name meanwhile."""
    await populate(world)
    lose(world, FILL, tries)
    await world.add("g1", "cy")
    await world.settle()
    await world.take_out("g1", "cy")
    await world.rename("g1", "Authors")
    await world.settle()
    await take_effect(world)
    assert world.teams() == {"Authors": {"ana", "bo"}}


async def test_a_team_without_a_group_is_left_again(world: World, tries: int) -> None:
    """Its group took the name of another one, so nothing tells any more that they were ever named for it."""
    await populate(world)
    world.sandbox.seed_team("Docs", ["bo@acme.test"])
    await world.group("g2", "Docs", "bo", "ana")
    await world.settle()
    lose(world, FILL, tries)
    await world.add("g2", "cy")
    await world.settle()
    await world.rename("g2", "Writers")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo", "cy"}, "Docs": set()}
    await world.take_out("g2", "cy")
    await world.settle()
    await take_effect(world)
    assert world.teams() == {"Writers": {"ana", "bo"}, "Docs": set()}


async def test_who_is_put_in_by_hand_stays(world: World) -> None:
    """A team is read again, and somebody is in it whom no call was to put there."""
    await populate(world)
    lose(world, FILL)
    await world.add("g1", "cy")
    await world.settle()
    await world.hire("di")
    await world.settle()
    team = next(iter(world.sandbox.state.teams.values()))
    team.members[world.sandbox.members()["di@acme.test"].id] = "member"
    await take_effect(world)
    assert world.teams() == {"Writers": {"ana", "bo", "cy", "di"}}


async def test_a_title_does_not_stay(world: World, tries: int) -> None:
    """A team was renamed twice; the first title comes late."""
    await populate(world)
    lose(world, RENAME, tries)
    await world.rename("g1", "Authors")
    await world.settle()
    await world.rename("g1", "Poets")
    await world.settle()
    await take_effect(world)
    assert world.teams() == {"Poets": {"ana", "bo"}}


async def test_a_team_that_is_deleted_with_people_in_it_is_made_again(world: World) -> None:
    """No try of its deletion is answered; its group comes back, and people are in it when it goes."""
    await populate(world)
    lose(world, DELETE, 60)
    await world.tell("group.deleted", group=("g1", None))
    await world.turn()
    assert world.teams() == {"Writers": set()}
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo"}}
    await take_effect(world)
    assert world.teams() == {"Writers": {"ana", "bo"}}


# looking


async def test_it_is_found_though_it_is_waited_for_anyhow(world: World) -> None:
    """They are to be looked at in 90 days, when an exception ends: that is not waited for."""
    await populate(world)
    lose(world, REMOVE)
    await world.fire("ana")
    await world.settle()
    await world.hire("ana")
    await world.settle()
    await world.store.calls(world.docs.mark(["m:ana@acme.test"], world.now + 90 * DAY))
    await take_effect(world)
    assert set(world.members()) == {"ana", "bo", "cy"}


async def test_status_counts_what_is_watched(world: World) -> None:
    """Nothing is due, and still something may take effect: `bridge status` tells of how much."""
    await populate(world)
    assert (await world.docs.counts(world.now)).unclear == 0
    lose(world, INVITE)
    await world.hire("di")
    await world.settle()
    counts = await world.docs.counts(world.now)
    assert (counts.due, counts.waiting, counts.unclear) == (0, 0, 1)
    await world.look_to_the_end()
    assert (await world.docs.counts(world.now)).unclear == 0


async def test_an_answered_call_is_not_watched(world: World) -> None:
    """Too many calls, or refused: its end is clear, and it costs no reading."""
    world.sandbox.inject(next=[{"match": INVITE, "fault": "429"}])
    await populate(world)
    assert (await world.docs.counts(world.now)).unclear == 0
    world.sandbox.calls.clear()
    world.sleep(30 * MINUTE)
    await world.settle()
    assert world.sandbox.calls == []


@pytest.mark.parametrize("jump", [DAY, -DAY])
async def test_it_is_found_when_the_clock_was_wrong_meanwhile(world: World, jump: int) -> None:
    """A day ahead or behind while a call was lost, and set right before it takes effect."""
    await populate(world)
    await world.hire("di")
    lose(world, INVITE)
    with on_another_day(world, jump):
        await world.turn()
    await sweep_once(world.worker)
    await world.settle()
    await leave_for_good(world)


@pytest.mark.parametrize("jump", [DAY, -DAY])
async def test_a_second_team_is_found_when_the_clock_was_wrong_meanwhile(world: World, jump: int) -> None:
    """Whose it is, the target's clock tells."""
    await populate(world)
    await world.group("g2", "Authors", "cy")
    lose(world, MAKE)
    with on_another_day(world, jump):
        await world.turn()
    await sweep_once(world.worker)
    await world.settle()
    await take_effect(world)
    assert world.teams() == {"Writers": {"ana", "bo"}, "Authors": {"cy"}}
