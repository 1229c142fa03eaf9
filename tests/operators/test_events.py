"""The event log: what directories told, and what was refused of it."""

from typing import Any

import orjson
import pytest

from bridge.intake import notice_rows
from bridge.operators.filters import Filter
from bridge.sources.base import Notice
from bridge.store.journal import Submission
from bridge.store.tombstones import Tombstones
from tests.operators.logbook import events, log, refuse
from tests.workers.world import DAY, World


async def kinds(world: World, **wanted: Any) -> list[str]:
    """Whom each row is about, and what it tells."""
    found = await events(world, **wanted)
    return [f"{each.kind} {each.user.id if each.user else ''}".strip() for each in found]


# listing


async def test_an_event_is_pending_until_it_is_folded(world: World) -> None:
    """With all that was told; times are those of its arrival and of the sender."""
    happened = world.now - 40 * DAY
    await world.tell("user.created", ("ana", "ana@acme.test", True), at=happened)
    [event] = await events(world)
    assert (event.state, event.kind, event.source, event.directory) == (
        "pending", "user.created", "okta", "okta",
    )  # fmt: skip
    assert (event.happened_at, event.delivery, event.reason) == (happened, "d1", "")
    assert event.id == f"okta/{event.at}-0"
    await world.fold()
    assert [each.state for each in await events(world)] == ["processed"]


async def test_addresses_and_names_that_an_event_does_not_tell_are_looked_up(world: World) -> None:
    """As they are now, so that they can be searched for."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.fold()
    added, created, _ = await events(world)
    assert added.user and added.group and created.group
    assert (added.user.email, added.group.name) == ("ana@acme.test", "Writers")
    assert await kinds(world, text="ANA@acme") == ["group.user_added ana", "user.created ana"]
    assert await kinds(world, text="writ", kinds=frozenset({"group.user_added"})) == ["group.user_added ana"]


async def test_the_newest_come_first_over_all_directories(world: World) -> None:
    """Page by page; each directory's own progress tells what is pending."""
    world.sources.append({"name": "polis", "kind": "jackson", "secrets": ["polis-secret"]})
    world.configure()
    await world.hire("ana")
    await world.fold()
    await world.tell("user.created", ("bo", "bo@acme.test", True), directory="polis")
    await world.hire("cy")
    first = await log(world).page(Filter(limit=2))
    second = await log(world).page(Filter(limit=2, after=first.more))
    found = [*first.rows, *second.rows]
    assert sorted(each.user.id for each in found if each.user) == ["ana", "bo", "cy"]
    assert [each.at for each in found] == sorted((each.at for each in found), reverse=True)
    assert {each.user.id: each.state for each in found if each.user} == {
        "ana": "processed", "bo": "pending", "cy": "pending",
    }  # fmt: skip


async def test_filters(world: World) -> None:
    """By source, target, kind, state and time."""
    world.sources.append({"name": "polis", "kind": "jackson", "secrets": ["polis-secret"], "targets": []})
    world.configure()
    await world.hire("ana")
    await world.fold()
    await world.tell("user.created", ("bo", "bo@acme.test", True), directory="polis")
    await world.fire("ana")
    [left] = await events(world, kinds=frozenset({"user.deleted"}))
    [came] = await events(world, states=frozenset({"processed"}))
    assert await kinds(world, sources=frozenset({"polis"})) == ["user.created bo"]
    assert await kinds(world, targets=frozenset({"docs"})) == ["user.deleted ana", "user.created ana"]
    assert await kinds(world, kinds=frozenset({"user.deleted"})) == ["user.deleted ana"]
    assert len(await kinds(world, kinds=frozenset({"user"}))) == 3
    assert await kinds(world, states=frozenset({"processed"})) == ["user.created ana"]
    assert left.id in {each.id for each in await events(world, since=left.at)}
    assert await events(world, until=came.at) == []


async def test_a_directory_that_no_source_speaks_of_any_more_is_still_shown(world: World) -> None:
    """Its journal may hold what a source told under the directory's old name."""
    await world.tell("user.created", ("bo", "bo@acme.test", True), directory="old")
    assert await kinds(world) == ["user.created bo"]
    assert await kinds(world, sources=frozenset({"okta"})) == []


# what was refused


async def test_what_was_refused_has_its_reason_and_an_id(world: World) -> None:
    """Notices are none; the id leads to it again."""
    await refuse(world, "user.id is missing", "event is not a text")
    notices = notice_rows("okta", [Notice(0, "the directory was deleted")], world.now, "d8")
    await world.journal.accept([Submission("okta", refused=notices)])
    second, first = await events(world)
    assert (first.state, first.source, first.reason) == ("refused", "okta", "user.id is missing")
    assert (first.directory, first.kind, first.delivery) == ("", "", "d9")
    assert first.id.startswith("refused/okta/")
    assert await log(world).find(first.id) == first
    assert await events(world, text="not a text") == [second]
    assert len(await events(world, states=frozenset({"refused"}), sources=frozenset({"okta"}))) == 2
    assert await events(world, kinds=frozenset({"user"})) == []
    assert await events(world, states=frozenset({"pending", "processed", "too_old"})) == []


@pytest.mark.parametrize("directory", ["refused", "refused:okta", "refused:/okta", "okta:refused/okta"])
async def test_no_directory_is_taken_for_what_was_refused(world: World, directory: str) -> None:
    """Whatever a sender calls its directory, its events keep ids of their own."""
    await world.tell("user.created", ("ana", "ana@acme.test", True), directory=directory)
    await refuse(world, "user.id is missing")
    found = {each.state: each for each in await events(world)}
    assert found["pending"].directory == directory
    assert await log(world).find(found["pending"].id) == found["pending"]
    assert await log(world).find(found["refused"].id) == found["refused"]


async def test_what_came_too_late_says_so_once(world: World) -> None:
    """And what was folded in time stays processed when the horizon passes it."""
    await world.tell("user.created", ("ana", "ana@acme.test", True), at=world.now - 50 * DAY)
    await world.fold()
    await world.store.call("SET", Tombstones(world.store, "okta").horizon_key, (world.now - 40 * DAY) << 10)
    await world.tell("user.created", ("bo", "bo@acme.test", True), at=world.now - 45 * DAY)
    await world.fold()
    late, early = await events(world)
    assert (late.state, early.state) == ("too_old", "processed")
    assert "days before it arrived" in late.reason
    assert await events(world, states=frozenset({"too_old"})) == [late]
    assert await events(world, states=frozenset({"refused"})) == []


async def test_a_row_nobody_can_read_is_shown_as_such(world: World) -> None:
    """It stops nothing."""
    await world.hire("ana")
    await world.store.call("XADD", world.journal.key("okta"), "*", "e", orjson.dumps({"n": "what"}))
    await world.fold()
    broken, _ = await events(world)
    assert (broken.kind, broken.state, broken.reason) == (
        "", "dead_letter",
        "it could not be processed (nobody can read this row of the journal): see `bridge replay`",
    )  # fmt: skip


async def test_an_unknown_id_finds_nothing(world: World) -> None:
    """What is no id at all is refused."""
    await world.hire("ana")
    assert await log(world).find("okta/1-0") is None
    assert await log(world).find("nowhere/1-0") is None
    for wrong in ("ana@acme.test", "okta/", "/1-0", "okta/1-x", f"okta/{2**70}-0", "okta/٣-0"):
        with pytest.raises(ValueError, match="is not an id"):
            await log(world).find(wrong)
