"""`max_members`: nobody is invited beyond the organisation's seats."""

from dataclasses import replace
from typing import Any

import pytest

from bridge.targets.base import Page, RemoteMember
from tests.workers.calls import switched_on
from tests.workers.world import DAY, HOUR, World
from workers import listings

FULL = "the organisation has as many members as max_members allows"
PEOPLE = [f"p{number:02}" for number in range(10)]


def names(parked: dict[str, str]) -> set[str]:
    """Who waits for a seat."""
    return {name[2:] for name, why in parked.items() if FULL in why}


async def test_a_burst_does_not_overshoot(world: World) -> None:
    """Strangers and the token's owner have seats, too; the rest of the work goes on."""
    world.sandbox.seed_member("stranger@else.test")
    world.configure(guard={"max_members": 6})
    await world.hire(*PEOPLE)
    await world.group("g1", "Writers", *PEOPLE)
    await world.settle()
    assert len(world.sandbox.members()) == 6
    assert names(await world.parked()) == set(PEOPLE[4:])
    assert world.teams() == {"Writers": set(PEOPLE[:4])}
    await world.hire("zed")
    await world.settle()
    assert len(world.sandbox.members()) == 6
    assert await world.due() == []


async def test_a_removal_frees_a_seat(world: World) -> None:
    """At once where the bridge removes somebody; within the hour where it was done by hand."""
    world.configure(guard={"max_members": 4})
    await world.hire(*PEOPLE[:5])
    await world.settle()
    assert names(await world.parked()) == {"p03", "p04"}
    await world.fire("p00")
    await world.settle(0)
    await world.turn()
    assert (set(world.members()), names(await world.parked())) == ({"p01", "p02", "p03"}, {"p04"})
    world.sandbox.state.leave(world.sandbox.members()["p01@acme.test"].id)
    world.sleep(HOUR)
    await world.settle(0)
    await world.turn()
    assert (set(world.members()), await world.parked()) == ({"p02", "p03", "p04"}, {})


async def test_a_person_may_approve_or_reject_and_the_configuration_may_change(world: World) -> None:
    """An approved one takes the seat it takes; a rejected one stays out when there is room."""
    world.configure(guard={"max_members": 2})
    await world.hire("ana", "bo", "cy", "di")
    await world.settle()
    assert names(await world.parked()) == {"bo", "cy", "di"}
    await world.approve("m:cy")
    await world.reject("m:di")
    await world.settle()
    assert (set(world.members()), names(await world.parked())) == ({"ana", "cy"}, {"bo"})
    world.configure(guard={"max_members": 9})
    await world.settle()
    assert (set(world.members()), await world.parked()) == ({"ana", "bo", "cy"}, {})


async def test_who_is_invited_and_not_listed_has_a_seat(world: World) -> None:
    """And so has whoever may be invited by a call that had no clear end."""
    world.configure(sso=False, guard={"max_members": 3})
    world.sandbox.inject(pending_invites=["ana@acme.test"])
    await world.hire("ana")
    await world.settle()
    await world.hire("bo", "cy")
    await world.settle()
    assert (set(world.members()), names(await world.parked())) == ({"bo"}, {"cy"})


async def test_an_invite_without_an_end_counts_as_long_as_it_may_take_effect(world: World) -> None:
    """The person may become a member late; a day after it will not."""
    world.configure(guard={"max_members": 2})
    world.sandbox.inject(next=[{"match": "POST .*/invites", "fault": "reset", "times": 3}])
    await world.hire("ana")
    await world.turn()
    await world.fire("ana")
    await world.hire("bo")
    await world.settle()
    assert (world.members(), names(await world.parked())) == ({}, {"bo"})
    await world.look_to_the_end()
    world.sleep(HOUR)
    await world.settle()
    assert set(world.members()) == {"bo"}


async def test_where_the_target_does_not_tell_the_number_the_list_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`count` may be left out of a list, which may have several pages."""
    monkeypatch.setattr(listings, "PAGE", 2)
    world.configure(guard={"max_members": 3})
    client = world.worker.client(world.settings.targets[0])
    members = client.members

    async def uncounted(*args: Any, **keys: Any) -> Page[RemoteMember]:
        return replace(await members(*args, **keys), total=None)

    monkeypatch.setattr(client, "members", uncounted)
    await world.hire(*PEOPLE[:4])
    await world.settle()
    assert len(world.members()) == 2


async def test_max_invites_and_seats_together(world: World) -> None:
    """What waited for the one is judged by the other when it is its turn."""
    world.configure(guard={"max_members": 4, "max_invites": 2})
    await world.hire(*PEOPLE[:5])
    await world.settle()
    assert len(world.members()) == 2
    assert names(await world.parked()) == set()
    world.sleep(2 * DAY)
    world.configure(guard={"max_members": 4, "max_invites": 0})
    await world.settle()
    assert (len(world.members()), names(await world.parked())) == (3, {"p03", "p04"})


async def test_the_plan_shows_seats(world: World) -> None:
    """How many there are, would be, and may be; who leaves makes room in the same plan."""
    world.configure(guard={"max_members": 4})
    await world.hire("ana", "bo")
    await world.settle()
    world.configure(mode="dry-run")
    await world.fire("ana")
    await world.hire("cy", "di", "eva")
    plan, shown, made = await switched_on(world)
    assert shown == made
    assert plan.as_json()["seats"] == {"added": 2, "removed": 1, "members": 3, "max_members": 4}
    assert [step.change.object for step in plan.steps if step.held] == ["eva@acme.test"]
    world.configure(mode="apply", guard={})
    await world.settle()
    seats = (await world.plan()).as_json()["seats"]
    assert seats == {"added": 0, "removed": 0, "members": 5, "max_members": 0}
