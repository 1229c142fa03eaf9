"""Streams read newest first, a page at a time."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.operators import pages
from bridge.operators.filters import Filter
from bridge.operators.pages import Page, Raw, newest_first, row_id, split_id
from bridge.store.redis import Store


async def ids(raw: list[Raw]) -> list[str | None]:
    """Every row is wanted."""
    return [row_id(name, ident) for name, ident, _ in raw]


async def odd(raw: list[Raw]) -> list[str | None]:
    """Only rows of odd times are."""
    return [
        each if int(each.rpartition("/")[2].partition("-")[0]) % 2 else None
        for each in await ids(raw)
        if each
    ]


async def put(store: Store, *rows: str) -> dict[str, str]:
    """Write rows by their ids; the streams they are in."""
    names = {split_id(row)[0] for row in rows}
    streams = {name: store.key("stream", name) for name in names}
    await store.calls([("DEL", key) for key in streams.values()] or [("PING",)])
    for row in sorted(rows, key=lambda row: tuple(map(int, split_id(row)[1].split("-")))):
        name, ident = split_id(row)
        await store.call("XADD", streams[name], ident, "c", "x")
    return streams


async def walk(store: Store, streams: dict[str, str], wanted: Filter) -> list[str]:
    """All pages."""
    found: list[str] = []
    for _ in range(1000):
        page = await newest_first(store, streams, wanted, ids)
        found += page.rows
        if not page.more:
            return found
        wanted = replace(wanted, after=page.more)
    raise AssertionError("no end")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.sets(st.tuples(st.sampled_from("abc"), st.integers(1, 9), st.integers(0, 2)), max_size=60),
    limit=st.integers(1, 9),
    since=st.integers(0, 9),
    until=st.integers(0, 9),
)
async def test_pages(
    store: Store, rows: set[tuple[str, int, int]], limit: int, since: int, until: int
) -> None:
    """Page by page every row of the time is seen once, the newest first, also where ids are the same."""
    streams = await put(store, *(f"{name}/{time}-{number}" for name, time, number in rows))
    inside = [row for row in rows if row[1] >= since and (not until or row[1] < until)]
    expected = [f"{n}/{t}-{i}" for n, t, i in sorted(inside, key=lambda row: (-row[1], -row[2], row[0]))]
    assert await walk(store, streams, Filter(since=since, until=until, limit=limit)) == expected


async def test_more(store: Store) -> None:
    """A page that holds the last row says that there is no more; one that is full says where to go on."""
    streams = await put(store, "a/1-0", "a/2-0", "b/3-0")
    assert await newest_first(store, streams, Filter(limit=3), ids) == Page(
        ["b/3-0", "a/2-0", "a/1-0"], "", 1
    )
    assert await newest_first(store, streams, Filter(limit=2), ids) == Page(["b/3-0", "a/2-0"], "a/2-0", 2)
    assert await newest_first(store, streams, Filter(limit=2), odd) == Page(["b/3-0", "a/1-0"], "", 1)
    assert await newest_first(store, {}, Filter(), ids) == Page([], "", 0)


async def test_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However rare what is wanted, a page reads so many rows and no more, and says where to go on."""
    monkeypatch.setattr(pages, "MOST_SCANNED", 30)
    monkeypatch.setattr(pages, "_SLICE", 20)
    streams = await put(store, *(f"a/{time}-0" for time in range(2, 202, 2)))
    page = await newest_first(store, streams, Filter(), odd)
    assert page.rows == []
    assert 2 <= page.looked_until < 202
    assert page.more == f"a/{page.looked_until}-0"
    assert await newest_first(store, streams, Filter(after="a/4-0"), odd) == Page([], "", 2)


@pytest.mark.parametrize("wrong", ["", "1-0", "okta/", "okta/1", "okta/x-1"])
def test_no_id(wrong: str) -> None:
    """What is no id is refused with an example of one."""
    with pytest.raises(ValueError, match="copy one from a list"):
        split_id(wrong)
