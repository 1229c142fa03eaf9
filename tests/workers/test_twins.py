"""A team whose making takes effect after it was given up: the title is there twice, and once in the end."""

import asyncio

import pytest

from tests.workers.world import DAY, HOUR, MINUTE, World
from workers import converge


async def late_making(world: World, *people: str) -> None:
    """The call that makes the team "Writers" hangs; the team is made by a second call."""
    world.configure(timeout="300ms")
    await world.hire("ana", "bo")
    await world.settle()
    world.sandbox.inject(next=[{"match": "PUT .*/teams$", "fault": "hang", "late": True}])
    await world.group("g1", "Writers", *(people or ("ana",)))
    await world.settle()
    assert len(world.sandbox.team_list()) == 1


async def take_effect(world: World) -> None:
    """The call that hung is carried out now."""
    before = len(world.sandbox.team_list())
    world.sandbox.heal()
    async with asyncio.timeout(10):
        while len(world.sandbox.team_list()) == before:
            await world.store.call("PING")


def titles(world: World) -> list[str]:
    """The titles of all teams."""
    return [title for title, _ in world.sandbox.team_list()]


async def test_the_second_team_is_deleted_and_the_first_one_kept(world: World) -> None:
    """Found within minutes; recorded like any other call, and counted as no removal."""
    world.configure(guard={"max_removals": 0, "max_removal_percent": 0})
    await late_making(world)
    kept = next(iter(world.sandbox.state.teams))
    await take_effect(world)
    assert titles(world) == ["Writers", "Writers"]
    world.sleep(3 * MINUTE)
    await world.settle()
    assert [*world.sandbox.state.teams] == [kept]
    assert world.teams() == {"Writers": {"ana"}}
    made = [row["change"] for row in await world.past.rows(100) if row["outcome"] == "done"]
    assert "delete team Writers, which a call without an answer has made a second time" in made
    assert await world.docs.all_makings() == {}
    assert await world.parked() == {}


async def test_it_is_looked_for_until_a_day_has_passed(world: World) -> None:
    """However late it takes effect; after a day nobody looks any more."""
    await late_making(world)
    world.sleep(10 * HOUR)
    await world.settle()
    await take_effect(world)
    world.sleep(11 * HOUR)
    await world.settle()
    assert titles(world) == ["Writers"]
    await late_again(world)
    await world.look_to_the_end()
    assert await world.docs.all_makings() == {}
    world.sandbox.calls.clear()
    world.sleep(DAY)
    await world.settle()
    assert world.sandbox.calls == []


async def late_again(world: World) -> None:
    """Another team whose call never takes effect."""
    world.sandbox.inject(next=[{"match": "PUT .*/teams$", "fault": "hang"}])
    await world.group("g2", "Readers", "bo")
    await world.settle()
    assert (await world.docs.all_makings())["Readers"].lost == 1


@pytest.mark.parametrize("what", ["spaces", "a stranger"])
async def test_one_that_somebody_uses_is_left_and_shown(world: World, what: str) -> None:
    """Spaces or people whom the call did not put there: nobody but an administrator knows what is right."""
    world.sandbox.seed_member("guest@else.test")
    await late_making(world)
    await take_effect(world)
    twin = list(world.sandbox.state.teams.values())[-1]
    if what == "spaces":
        twin.spaces = 1
    else:
        twin.members[world.sandbox.members()["guest@else.test"].id] = "member"
    world.sleep(3 * MINUTE)
    await world.settle()
    assert titles(world) == ["Writers", "Writers"]
    [note] = (await world.plan()).notes
    assert note.startswith("team Writers is there twice")
    world.sleep(3 * DAY)
    await world.settle()
    assert len(titles(world)) == 2
    world.sandbox.state.teams.pop(twin.id)
    world.sleep(2 * HOUR)
    await world.settle()
    assert (await world.plan()).notes == []


@pytest.mark.parametrize("behind", [0, DAY])
async def test_a_team_that_was_there_before_is_never_deleted(world: World, behind: int) -> None:
    """It carries the title, is empty and bound to nothing, but no call of ours made it.

    Not even when all our clocks are a day behind GitBook's: then it is younger than the call by ours.
    """
    world.sandbox.skew = behind / 1000
    await late_making(world)
    kept = next(iter(world.sandbox.state.teams))
    old = world.sandbox.seed_team("Writers")
    old.created -= 3600
    await take_effect(world)
    world.sleep(3 * MINUTE)
    await world.settle()
    assert set(world.sandbox.state.teams) == {kept, old.id}


async def test_in_a_dry_run_it_stays(world: World) -> None:
    """Nothing is written; it goes when the mode is switched back."""
    await late_making(world)
    await take_effect(world)
    world.configure(mode="dry-run")
    world.sleep(3 * MINUTE)
    await world.settle()
    assert len(titles(world)) == 2
    world.configure(mode="apply")
    await world.settle()
    assert titles(world) == ["Writers"]


async def test_one_that_nobody_needs_any_more_goes(world: World) -> None:
    """The group was renamed and the call forgotten before it took effect."""
    world.configure(timeout="300ms")
    await world.hire("ana")
    await world.settle()
    world.sandbox.inject(next=[{"match": "PUT .*/teams$", "fault": "hang", "late": True}])
    await world.group("g1", "Writers", "ana")
    await world.turn()
    await world.rename("g1", "Authors")
    await world.settle()
    await take_effect(world)
    assert sorted(titles(world)) == ["Authors", "Writers"]
    world.sleep(5 * MINUTE)
    await world.settle()
    assert titles(world) == ["Authors"]


async def test_a_call_that_surely_did_nothing_is_not_looked_for(world: World) -> None:
    """Too many calls, or refused: its end is clear."""
    await world.hire("ana")
    await world.settle()
    world.sandbox.inject(next=[{"match": "PUT .*/teams$", "fault": "429"}])
    await world.group("g1", "Writers", "ana")
    await world.settle()
    assert (titles(world), await world.docs.all_makings()) == (["Writers"], {})


@pytest.mark.parametrize("stranger", [False, True])
async def test_a_long_second_team_is_judged_when_all_of_it_was_read(
    world: World, monkeypatch: pytest.MonkeyPatch, stranger: bool
) -> None:
    """A page in each slice: who is on the last one counts as much as who is on the first."""
    people = ("ana", "bo", *(f"p{number}" for number in range(9)))
    await world.hire(*people)
    await world.settle()
    await late_making(world, *people)
    await take_effect(world)
    twin = list(world.sandbox.state.teams.values())[-1]
    assert len(twin.members) == len(people)
    if stranger:
        twin.members[world.sandbox.seed_member("guest@else.test").id] = "member"
    world.sandbox.inject(page_size=3)
    monkeypatch.setattr(converge, "SLICE_SECONDS", 0.0)
    world.sleep(3 * MINUTE)
    world.sandbox.calls.clear()
    for _ in range(20):
        await world.turn()
    pages = [call.query.get("page") for call in world.sandbox.calls_like(f"GET .*/teams/{twin.id}/members$")]
    assert len(set(pages[-4:])) == len(set(pages)) == 4  # begun again when the title came into doubt again
    assert (twin.id in world.sandbox.state.teams) is stranger
