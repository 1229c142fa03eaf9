"""What the version before has written is read as it is, and goes on from where it was."""

from collections.abc import AsyncIterator

import pytest

from bridge.operators.decisions import write_retry
from bridge.operators.filters import Filter
from bridge.operators.health import read_health
from bridge.operators.person import read_person
from bridge.operators.report import read_report
from bridge.scim.shelf import Shelf
from bridge.settings import RedisSettings
from bridge.store.redis import Store
from bridge.store.schema import prepare_schema
from tests.store.older_data import take_up
from tests.workers.world import World, playing


@pytest.fixture
async def world(
    redis_settings: RedisSettings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """One that goes on from the file's data."""
    async with playing(redis_settings, store, monkeypatch) as made:
        await take_up(made)
        await prepare_schema(store)
        yield made


async def test_what_it_shows_is_what_was_written(world: World) -> None:
    """Nothing is lost, and nothing is made up."""
    accepted, folded = await world.journal.counters()
    assert (accepted, folded) == (25, 23)
    assert set(await world.parked()) == {"m:cy", "m:fay", "m:di"}
    assert await world.dead() == {"m:ivo": "emails: one of the addresses cannot be invited"}
    health = await read_health(world.settings, world.store, world.now)
    assert (health.journal.unresolved, health.journal.dead_letters) == (1, 1)
    report = await read_report(world.settings, world.store, {"docs": world.desk}, 0, 0, world.now)
    assert (report.everything.left, report.everything.inside) == (1, 3)


async def test_it_goes_on_from_there(world: World) -> None:
    """Who came and left last comes and goes; all else stays as it is, and nothing is decided anew."""
    members, teams, held = world.members(), world.teams(), await world.parked()
    gil = world.sandbox.members()["gil@acme.test"].id
    await world.settle()
    assert sorted(world.writes()) == [f"DELETE members/{gil}", "POST invites"]
    assert members.pop("gil") == "read"
    assert world.members() == members | {"hal": "read"}
    assert (world.teams(), await world.parked()) == (teams, held)


async def test_what_was_held_can_be_decided(world: World) -> None:
    """By its old id; what was rejected stays so until its time, and what was given up can be retried."""
    await world.approve()
    await world.settle()
    members = world.members()
    assert {"cy", "fay", "bo"}.isdisjoint(members)
    assert (members["di"], members["eve"]) == ("admin", "edit")
    for held in (await world.docs.dead()).values():
        assert await write_retry(world.desk, held, "boss", "", world.now)
    await world.settle()
    assert (world.members()["ivo"], await world.dead()) == ("read", {})


async def test_scim_resources_are_there(world: World) -> None:
    """With their indexes and memberships."""
    shelf = Shelf(world.store, "idp")
    [user] = await shelf.listed("User", 0, 10)
    [group] = await shelf.listed("Group", 0, 10)
    assert (user.fields["userName"], await shelf.holder(user)) == ("una@acme.test", user.id)
    assert (await shelf.found("Group", [("displayName", "readers")]), group.version) == ({group.id}, 2)
    assert await shelf.others("Group", group.id) == [user.id]
    assert await shelf.others("User", user.id) == [group.id]


async def test_people_s_stories_are_read(world: World) -> None:
    """Of everybody there, by events, calls, evidence and decisions."""
    desks = {"docs": world.desk}
    for name in ("ana", "bo", "cy", "di", "eve", "fay", "gil", "ivo"):
        email = f"{name}@acme.test"
        answer = await read_person(world.settings, world.store, desks, email, Filter(), world.now)
        assert answer is not None and answer.timeline.entries, name
