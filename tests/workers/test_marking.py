"""Marking everyone goes on where a slice, or a worker, has stopped."""

from collections import Counter
from typing import Any

import pytest

from bridge.store.mirror import MirrorStore
from tests.workers.crash import die_and_come_back
from tests.workers.world import World
from workers import converge, marking

PEOPLE = tuple(f"p{number:03}" for number in range(700))  # a hash of more than one piece


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Which pieces of directories were looked at."""
    seen, scan = list[tuple[str, str, int]](), MirrorStore.scan

    async def scanned(mirror: MirrorStore, directory: str, what: str, cursor: int) -> Any:
        seen.append((directory, what, cursor))
        return await scan(mirror, directory, what, cursor)

    monkeypatch.setattr(MirrorStore, "scan", scanned)
    return seen


async def company(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many people who are not provisioned, and another configuration, with slices of no length."""
    world.configure(members={"groups": ["Writers"]})
    await world.hire(*PEOPLE)
    await world.group("g1", "Writers", "p000")
    await world.settle()
    assert set(world.members()) == {"p000"}
    world.configure(members={"groups": ["Readers"]})
    monkeypatch.setattr(converge, "SLICE_SECONDS", 0.0)


async def planned(world: World) -> bool:
    """Tell whether everyone was marked."""
    target = world.settings.targets[0]
    wanted = converge.plan_hash(target, {"okta"})
    return bool(await world.store.call("GET", world.docs.key("plan")) == wanted)


async def test_no_piece_is_looked_at_twice(
    world: World, scans: list[tuple[str, str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One piece in each slice, whoever works in it."""
    await company(world, monkeypatch)
    scans.clear()
    await world.converge()
    assert len(scans) == 1
    assert not await planned(world)
    await die_and_come_back(world)
    for _ in range(10):
        await world.converge()
    assert await planned(world)
    assert len(scans) >= 3
    assert Counter(scans).most_common(1)[0][1] == 1
    assert await world.store.call("EXISTS", world.docs.key("replanning")) == 0
    await world.settle()
    assert world.members() == {}


async def test_a_piece_of_another_redis_begins_anew(
    world: World, scans: list[tuple[str, str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart or a failover a hash has another order, in which a place says nothing."""
    await company(world, monkeypatch)
    await world.converge()
    await world.converge()
    key = world.docs.key("replanning")
    row = await world.store.call("GET", key)
    assert '"cursor":0' not in row
    await world.store.call("SET", key, row.replace('"server":"', '"server":"x'))
    scans.clear()
    await world.converge()
    assert scans == [("okta", "users", 0)]


async def test_another_configuration_begins_anew(
    world: World, scans: list[tuple[str, str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was marked for the one before is not enough for it."""
    await company(world, monkeypatch)
    await world.converge()
    await world.converge()
    world.configure(members={"groups": ["Editors"]})
    scans.clear()
    await world.converge()
    assert scans == [("okta", "groups", 0)]


async def test_nothing_is_done_before_everyone_is_marked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the guard would judge a wave of removals piece by piece."""
    await company(world, monkeypatch)
    world.sandbox.calls.clear()
    while not await planned(world):
        assert world.sandbox.calls == []
        await world.converge()


def test_the_parts_are_in_order() -> None:
    """Groups before users, directory by directory, and last whom the target knows."""
    parts = marking._Progress("h", "s", {"b": "0-0", "a": "0-0"}).parts
    assert parts == [("a", "groups"), ("a", "users"), ("b", "groups"), ("b", "users"), ("", "known")]
