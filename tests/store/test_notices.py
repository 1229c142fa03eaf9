"""Notices: what operators have to know of, out of what was kept beside the events."""

from typing import Any

import orjson

from bridge.commands.status import read_status
from bridge.settings import Settings
from bridge.store.journal import Journal, Submission
from bridge.store.notices import KeptNotice, read_notices
from bridge.store.redis import Store

SETTINGS = Settings.model_validate(
    {
        "sources": [
            {"name": name, "kind": "jackson", "secrets": [f"{name}-secret"]} for name in ("polis", "other")
        ]
    }
)


def row(at: int, **told: Any) -> bytes:
    """A row as the intake keeps it."""
    return orjson.dumps({"at": at, "source": "polis", "delivery": "d", "index": 0, **told})


async def test_each_is_told_once_the_newest_first(journal: Journal, store: Store) -> None:
    """A repeat only tells when it came last; what was refused is no notice."""
    rows = [row(1, notice="a ended"), row(2, reason="no"), row(3, notice="b ended"), row(4, notice="a ended")]
    await journal.accept([Submission("polis", refused=rows)])

    assert await read_notices(store, ["polis", "other"]) == {
        "polis": [KeptNotice(4, "a ended"), KeptNotice(3, "b ended")], "other": [],
    }  # fmt: skip
    assert await read_notices(store, []) == {}


async def test_they_are_few(journal: Journal, store: Store) -> None:
    """However many a sender tells."""
    await journal.accept([Submission("polis", refused=[row(n, notice=f"{n} ended") for n in range(50)])])
    told = (await read_notices(store, ["polis"]))["polis"]
    assert [notice.at for notice in told] == [49, 48, 47, 46, 45]


async def test_the_status_shows_them(journal: Journal, store: Store) -> None:
    """With their source, and the time as operators read it."""
    await journal.accept([Submission("polis", refused=[row(1_769_851_800_000, notice="a ended")])])
    sources = (await read_status(SETTINGS, store))["sources"]

    assert sources["polis"]["notices"] == [{"at": "2026-01-31T09:30:00.000Z", "text": "a ended"}]
    assert sources["other"]["notices"] == []
