"""The journal becomes the mirror, and what the news is about becomes work."""

import asyncio
import contextlib

import pytest
from structlog.testing import capture_logs

import bridge.directory.fold
from bridge.directory.events import DirectoryEvent, EventName, GroupNews, make_stamp
from bridge.directory.groups import MemberList, listed_changes
from bridge.store import commit
from bridge.store.redis import Store
from tests.workers.crash import Bomb, Crash, arm, die_and_come_back
from tests.workers.world import World
from workers import fold


async def test_an_event_is_folded_once(world: World) -> None:
    """The cursor moves, the counters tell, a second job finds nothing."""
    await world.hire("ana", "bo")
    assert await fold.fold_directory(world.worker, "okta") == 2
    assert await fold.fold_directory(world.worker, "okta") == 0
    assert await world.journal.counters() == (2, 2)
    assert await world.due() == ["m:ana", "m:bo"]


async def test_many_events_take_several_batches(world: World) -> None:
    """Of 200 each."""
    await world.hire(*(f"p{number}" for number in range(450)))
    assert await fold.fold_directory(world.worker, "okta") == 450
    assert len(await world.due()) == 450


async def test_repeats_make_no_work(world: World) -> None:
    """An event that changes nothing marks nobody."""
    await world.hire("ana")
    await world.settle()
    await world.active("ana", True)
    await world.fold()
    assert await world.due() == []


async def test_news_of_a_group_is_news_of_its_members(world: World) -> None:
    """A rename marks everybody who was ever in it."""
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    await world.rename("g1", "Authors")
    await world.fold()
    assert set(await world.due()) == {"m:ana", "m:bo", "g:okta\x1fg1"}


async def test_each_person_is_marked_with_the_event_behind_it(world: World) -> None:
    """Of a batch the last one about them, or about a group of theirs as a whole; never one about another."""
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers", "ana", "cy")
    await world.settle()
    await world.tell("group.deleted", group=("g1", None))  # d7
    await world.active("cy", False)
    await world.active("bo", False)
    await world.fold()
    causes = await world.docs.causes([f"m:{name}@acme.test" for name in ("ana", "bo", "cy")])
    assert {name[2:-10]: cause.delivery for name, cause in causes.items()} == {
        "ana": "d7", "cy": "d8", "bo": "d9"
    }  # fmt: skip


async def test_whom_a_list_tells_of_is_marked_with_the_last_list(world: World) -> None:
    """The event itself names the group alone."""
    await world.hire("ana", "bo")
    await world.settle()
    lists: list[tuple[str, ...]] = [("ana",), ("ana", "bo")]
    for members in lists:
        await world.tell("group.updated", group=("g1", "Writers", members))
    await world.active("ana", False)
    await world.fold()
    causes = await world.docs.causes(["m:ana@acme.test", "m:bo@acme.test"])
    assert {name[2:-10]: cause.delivery for name, cause in causes.items()} == {"ana": "d5", "bo": "d4"}


async def test_an_address_change_marks_both_addresses(world: World) -> None:
    """The old one is to be removed, the new one invited."""
    await world.hire("ana")
    await world.settle()
    await world.tell("user.updated", ("ana", "a.ng@acme.test", None))
    await world.fold()
    assert set(await world.due()) == {"m:ana", "m:a.ng"}


async def test_one_folder_at_a_time(world: World) -> None:
    """The other leaves at once."""
    await world.hire(*(f"p{number}" for number in range(300)))
    counts = await asyncio.gather(*(fold.fold_directory(world.new_worker(), "okta") for _ in range(3)))
    assert sorted(counts) == [0, 0, 300]
    assert await world.journal.counters() == (300, 300)


async def test_a_long_list_of_people_nobody_knows_is_news_of_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes more than one script, and marks nobody; they are known once the directory tells of them."""
    await world.group("g1", "Writers")
    await world.settle()
    monkeypatch.setattr(commit, "MOST_WORDS", 200)
    people = [f"p{number}" for number in range(300)]
    await world.tell("group.updated", group=("g1", "Writers", tuple(people)))
    await world.fold()
    assert (await world.journal.counters(), await world.due()) == ((2, 2), [])
    await world.hire("p7")
    await world.settle()
    assert world.teams() == {"Writers": {"p7"}}


async def test_a_batch_is_bounded_by_its_size(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of many members come a few at a time, so that the lease is renewed and others have their turn."""
    people = [f"p{number}" for number in range(100)]
    await world.hire(*people)
    await world.group("g1", "Writers", *people)
    await world.settle()
    for number in range(41):
        await world.tell("group.updated", group=("g1", "Writers", tuple(people[number:])))
    monkeypatch.setattr(fold, "LARGEST", 4000)
    with capture_logs() as logs:
        await world.fold()
    sizes = [each["events"] for each in logs if each["event"] == "fold.batch"]
    assert sum(sizes) == 41
    assert 1 < max(sizes) < 20
    await world.settle()
    assert world.teams() == {"Writers": set(people[40:])}


def test_the_newest_list_costs_no_more_for_those_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly all lists are newer than those before them: these are not compared with each other again."""
    compared: list[object] = []

    def changes(lists: tuple[MemberList, ...]) -> dict[str, int]:
        compared.append(lists)
        return listed_changes(lists)

    monkeypatch.setattr(bridge.directory.fold, "listed_changes", changes)
    mirror = bridge.directory.fold.Mirror()
    for number in range(1, 30):
        news = GroupNews("g1", "Writers", tuple(f"p{one}" for one in range(number)))
        event = DirectoryEvent(
            EventName.GROUP_UPDATED, make_stamp(number, 0, False), None, news, "okta", "d", 1
        )
        bridge.directory.fold.fold(mirror, [event])
    assert len(compared) == 2, "those of the first list"
    assert len(mirror.memberships) == 28, "the first list is what others are compared with"


async def test_a_large_fan_out_is_committed_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No script keeps the receivers waiting; the cursor moves with the last part."""
    people = [f"p{number}" for number in range(120)]
    await world.hire(*people)
    await world.group("g1", "Writers", *people)
    monkeypatch.setattr(commit, "MOST_WORDS", 200)
    await world.settle()
    await world.tell("group.deleted", group=("g1", None))
    await world.fold()
    assert len(await world.due()) == 121
    assert await world.journal.counters() == (world.told, world.told)


@pytest.mark.parametrize("where", ["before commit", "after commit"])
async def test_a_crash_between_two_parts_loses_no_mark(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """What is in the mirror already is no news to who folds the batch again: it was written down before.

    And what could not be resolved is counted once.
    """
    people = [f"p{number}" for number in range(12)]
    await world.hire(*people)
    await world.group("g1", "Writers", *people)
    await world.settle()
    monkeypatch.setattr(commit, "MOST_WORDS", 1)
    for number in range(1, 10):
        await world.rename("g1", f"Writers {number}")
        await world.tell("user.updated", (f"nobody{number}", None, True))
        with monkeypatch.context() as patch:
            arm(patch, where, Bomb(number))
            with contextlib.suppress(Crash):
                await world.fold()
        await die_and_come_back(world)
        await world.fold()
        assert len(await world.due()) == 13, number
        assert await world.worker.mirror.unresolved(["okta"]) == number
        assert await world.store.call("EXISTS", world.store.key("unmarked", "okta")) == 0
        monkeypatch.setattr(world, "most_steps", 500)
        await world.settle()
        assert list(world.teams()) == [f"Writers {number}"]


async def test_a_worker_that_loses_its_lease_stops(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it read is folded by whoever holds the lease now, once."""
    await world.hire("ana")
    read = world.journal.read

    async def lose(*args: object) -> object:
        await world.store.call("SET", world.store.key("lease", "fold:okta"), "999 somebody", "PX", 60_000)
        return await read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("bridge.store.journal.Journal.read", lambda _, *args: lose(*args))
    assert await fold.fold_directory(world.worker, "okta") == 0
    monkeypatch.undo()
    assert await world.journal.counters() == (1, 0)
    await world.store.call("DEL", world.store.key("lease", "fold:okta"))
    assert await fold.fold_directory(world.worker, "okta") == 1


async def test_a_target_follows_only_its_directories(world: World) -> None:
    """`targets` of a source."""
    world.sources.append({"name": "hr", "kind": "jackson", "secrets": ["hr-secret"], "targets": []})
    world.configure()
    await world.tell("user.created", ("u1", "ana@acme.test", True), directory="hr")
    await world.hire("bo")
    await world.settle()
    assert set(world.members()) == {"bo"}


async def test_a_job_that_is_rung_for_silences_its_bell(world: World, store: Store) -> None:
    """So the next event rings again."""
    await world.hire("ana")
    assert await store.call("EXISTS", store.key("bell", "fold", "okta")) == 1
    await world.fold()
    assert await store.call("EXISTS", store.key("bell", "fold", "okta")) == 0
