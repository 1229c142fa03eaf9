"""What was done at the targets and decided about it."""

from typing import Any

from bridge.operators.calls import KINDS, STATES, PastCall, read_calls
from bridge.operators.filters import Filter
from bridge.operators.pauses import write_pause
from bridge.operators.timeline import CALLED, DECIDED
from bridge.store.targets import Pause
from tests.workers.world import World


async def calls(world: World, **wanted: Any) -> list[PastCall]:
    """The rows that are wanted, the newest first."""
    return list((await read_calls(world.store, {"docs": world.desk}, Filter(**wanted))).rows)


async def words(world: World, **wanted: Any) -> list[str]:
    """Kind and outcome of each."""
    return [f"{each.row['kind']} {each.row['outcome']}" for each in await calls(world, **wanted)]


async def test_calls_are_shown_the_newest_first(world: World) -> None:
    """With the event behind each, and an id to go on after."""
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    removed, invited = await calls(world)
    assert (removed.row["kind"], invited.row["kind"]) == ("remove", "invite")
    assert (removed.target, removed.row["object"], removed.row["outcome"]) == (
        "docs",
        "m:ana@acme.test",
        "done",
    )
    assert removed.row["event"].startswith("okta/")
    page = await read_calls(world.store, {"docs": world.desk}, Filter(limit=1))
    assert (list(page.rows), page.more) == ([removed], removed.id)
    assert await calls(world, after=page.more) == [invited]


async def test_filters(world: World) -> None:
    """By target, kind, outcome, text and time."""
    await world.hire("ana", "bo")
    await world.settle()
    await world.fire("bo")
    await world.settle()
    assert await words(world, kinds=frozenset({"remove"})) == ["remove done"]
    assert await words(world, states=frozenset({"parked", "dead"})) == []
    assert await words(world, text="ANA@") == ["invite done"]
    assert len(await words(world, text="bo@acme", states=frozenset({"done"}))) == 2
    assert await words(world, targets=frozenset({"wiki"})) == []
    assert await words(world, since=int((await calls(world))[0].id.split("/")[1].split("-")[0]) + 1) == []


def test_the_words_of_the_filters_are_those_of_the_rows() -> None:
    """Whatever a person's timeline may show can be asked for."""
    assert {*CALLED, *DECIDED} <= set(STATES)
    assert {"invite", "remove", "team-members"} <= set(KINDS)


async def test_by_source_is_by_who_told_the_event_behind(world: World) -> None:
    """What no event is behind is of no source."""
    world.sources = [*world.sources, {"name": "polis", "kind": "okta-workflows", "secrets": ["polis-secret"]}]
    world.configure()
    await world.hire("ana")
    await world.tell("user.created", ("b1", "bo@acme.test", True), directory="polis")
    await world.settle()
    await write_pause(world.desk, Pause("boss", world.now, ""))
    found = {
        source: [each.row["object"] for each in await calls(world, sources=frozenset({source}))]
        for source in ("okta", "polis")
    }
    assert found == {"okta": ["m:ana@acme.test"], "polis": ["m:bo@acme.test"]}
    assert len(await calls(world)) == 3
