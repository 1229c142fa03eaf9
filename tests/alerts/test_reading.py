"""What alerts are worked out from, as it is in Redis."""

from pathlib import Path

import pytest

from bridge.alerts import reading
from bridge.alerts.reading import REFUSED_WINDOW, read_installation
from bridge.intake import notice_rows, refused_rows
from bridge.plan.held import Held
from bridge.settings import Settings, parse_settings
from bridge.sources.base import Notice, Refused
from bridge.store.commit import Transaction
from bridge.store.redis import Store
from bridge.store.targets import TargetStore, target_id

NOW = 1_790_000_000_000
SETTINGS: Settings = parse_settings(
    {
        "sources": [{"name": "okta", "kind": "okta-workflows", "secrets": ["okta-secret"]}],
        "targets": [
            {"name": "docs", "organization": "acme", "token": "x"},
            {"name": "wiki", "organization": "other", "token": "x"},
        ],
    },
    Path("/nowhere/bridge.toml"),
)
DOCS = target_id(SETTINGS.targets[0])


def held(name: str, since: int) -> Held:
    """A removal that waits, or is given up."""
    return Held(f"m:{name}@acme.test", f"m:{name}@acme.test", "remove", "too many", since)


async def test_items_are_read_without_what_they_are_about(store: Store) -> None:
    """One digest for each, the same at every look; nothing of it is an address."""
    target, change = TargetStore(store, DOCS), Transaction(store)
    for row in (target.park(held("ana", 5)), target.park(held("ben", 6)), target.bury(held("ana", 7))):
        change.add(*row)
    await change.run()
    read = await read_installation(SETTINGS, store, NOW)
    assert sorted(read.parked["docs"].values()) == [5, 6]
    assert list(read.dead["docs"].values()) == [7]
    assert set(read.dead["docs"]) < set(read.parked["docs"])
    assert "ana" not in repr(read)
    assert (read.parked["wiki"], read.dead["wiki"]) == ({}, {})
    assert await read_installation(SETTINGS, store, NOW) == read


async def test_very_many_items_are_the_same_ones(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the same digests, and since the look that found them."""
    target, change = TargetStore(store, DOCS), Transaction(store)
    for name in ("ana", "ben", "cleo"):
        change.add(*target.park(held(name, 5)))
        change.add(*target.bury(held(name, 5)))
    await change.run()
    few = await read_installation(SETTINGS, store, NOW)
    monkeypatch.setattr(reading, "_MOST_ITEMS", 2)
    many = await read_installation(SETTINGS, store, NOW)
    for one, other in ((few.parked, many.parked), (few.dead, many.dead)):
        assert one["docs"].keys() == other["docs"].keys()
        assert (set(one["docs"].values()), set(other["docs"].values())) == ({5}, {NOW})


async def test_what_could_not_be_read_of_late(store: Store) -> None:
    """Notices, and what was longer ago, are left out."""
    start, key = NOW - REFUSED_WINDOW, store.key("refused", "okta")
    (refused,) = refused_rows("okta", [Refused(0, "no event")], NOW, "d1")
    (notice,) = notice_rows("okta", [Notice(0, "the directory was deleted")], NOW, "d2")
    for at, row in ((start - 1, refused), (start, refused), (NOW - 1, notice), (NOW, refused)):
        await store.call("XADD", key, f"{at}-0", "r", row)
    assert (await read_installation(SETTINGS, store, NOW)).unread == {"okta": (start, NOW)}


async def test_an_empty_installation(store: Store) -> None:
    """Nothing is there, and nothing fails."""
    read = await read_installation(SETTINGS, store, NOW)
    assert (read.parked, read.unread) == ({"docs": {}, "wiki": {}}, {"okta": ()})
    bare = parse_settings({}, Path("/nowhere/bridge.toml"))
    assert (await read_installation(bare, store, NOW)).unread == {}
