"""lua/accept.lua where Redis refuses a part of what it is given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import ResponseError

from bridge.store.journal import Entry, Journal, Receipt, Submission
from bridge.store.redis import Store

KEYS = (b"a" * 16, b"b" * 16, b"c" * 16)


def body(*directories: str) -> Submission:
    """A body whose elements are of these directories, each with a delivery key of its own."""
    return Submission("okta", [Entry(each, key, b"{}") for each, key in zip(directories, KEYS, strict=False)])


@asynccontextmanager
async def no_memory(store: Store) -> AsyncIterator[None]:
    """Redis takes no more while the block lasts."""
    await store.call("CONFIG", "SET", "maxmemory", 1)
    try:
        yield
    finally:
        await store.call("CONFIG", "SET", "maxmemory", 0)


async def seen(store: Store) -> list[str]:
    """The delivery keys that are kept, by directory."""
    keys = await store.call("KEYS", store.key("seen", "*"))
    return sorted(key.split(":")[2] for key in keys)


async def test_a_journal_that_is_no_stream_keeps_no_delivery_key(journal: Journal, store: Store) -> None:
    """Or the sender's repeat would be taken for a duplicate of what was never stored."""
    await store.call("SET", journal.key("okta"), "not a stream")
    (answer,) = await journal.accept([body("okta")])
    assert isinstance(answer, ResponseError)
    assert str(answer).startswith("WRONGTYPE")
    assert (await seen(store), await journal.counters()) == ([], (0, 0))
    await store.call("DEL", journal.key("okta"))
    assert [Receipt(1, 0)] == await journal.accept([body("okta")])
    assert [Receipt(0, 1)] == await journal.accept([body("okta")])


async def test_what_was_stored_before_a_refusal_is_a_duplicate_in_the_repeat(
    journal: Journal, store: Store
) -> None:
    """The first element is there, the second is not, the third is not tried; the other body is untouched."""
    await store.call("SET", journal.key("b"), "not a stream")
    other = Submission("okta", [Entry("d", b"d" * 16, b"{}")])
    first, second = await journal.accept([body("a", "b", "c"), other])
    assert (isinstance(first, ResponseError), second) == (True, Receipt(1, 0))
    assert (await seen(store), await journal.counters()) == (["a", "d"], (2, 0))
    assert await store.call("EXISTS", store.key("bell", "fold", "a")) == 1
    await store.call("DEL", journal.key("b"))
    assert [Receipt(2, 1)] == await journal.accept([body("a", "b", "c")])


@pytest.mark.parametrize("rows", [[], [b"{}"]])
async def test_a_full_redis_keeps_neither_event_nor_key(
    journal: Journal, store: Store, rows: list[bytes]
) -> None:
    """What cannot be kept of the refused fails the body as well, before any of its events."""
    full = Submission("okta", body("okta").entries, rows)
    async with no_memory(store):
        (answer,) = await journal.accept([full])
        assert isinstance(answer, ResponseError)
        assert "maxmemory" in str(answer)
    assert (await seen(store), await journal.counters()) == ([], (0, 0))
    assert [Receipt(1, 0)] == await journal.accept([full])
