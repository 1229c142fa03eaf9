"""Transactions: all of it or none."""

import orjson
import pytest
from redis.exceptions import ResponseError

from bridge.store.commit import Transaction
from bridge.store.redis import Store


def transaction(store: Store, *commands: tuple[object, ...], **required: str) -> Transaction:
    """A transaction of these commands; what keys have to hold."""
    made = Transaction(store)
    for name, value in required.items():
        made.require(store.key(name), value)
    made.add_all(commands)
    return made


async def read(store: Store, *names: str) -> list[str | None]:
    """What keys hold."""
    return list(await store.call("MGET", *(store.key(name) for name in names)))


# -- all or nothing


async def test_everything_is_run(store: Store) -> None:
    """In order, with words of any type."""
    made = transaction(
        store,
        ("SET", store.key("a"), 1),
        ("INCRBY", store.key("a"), 2),
        ("SET", store.key("b"), b"\xc3\xa4"),
    )
    assert len(made) == 12
    assert await made.run()
    assert ["3", "ä"] == await read(store, "a", "b")


async def test_nothing_is_run_when_a_requirement_fails(store: Store) -> None:
    """Whichever it is; an empty text requires that there is no such key."""
    await store.call("SET", store.key("one"), "1")
    write = ("SET", store.key("a"), 1)
    for required in ({"one": "2"}, {"one": ""}, {"one": "1", "none": "x"}, {"none": "", "one": "7"}):
        assert not await transaction(store, write, **required).run()
    assert [None] == await read(store, "a")
    assert await transaction(store, write, one="1", none="").run()
    assert ["1"] == await read(store, "a")


async def test_nothing_is_run_when_a_field_has_changed(store: Store) -> None:
    """A hash's field holds what was seen, or there is none."""
    await store.call("HSET", store.key("h"), "a", "1")
    for field, value, runs in (("a", "1", True), ("a", "2", False), ("b", "", True), ("a", "", False)):
        made = transaction(store, ("INCR", store.key("n")))
        made.require_field(store.key("h"), field, value)
        assert runs is await made.run(), (field, value)
    assert ["2"] == await read(store, "n")


async def test_an_empty_transaction(store: Store) -> None:
    """It tells whether its requirements hold."""
    assert await transaction(store).run()
    assert not await transaction(store, none="1").run()


async def test_a_command_that_fails_is_an_error(store: Store) -> None:
    """Redis rolls nothing back: such commands are ours to avoid."""
    with pytest.raises(ResponseError):
        await transaction(store, ("SET", store.key("a"), 1), ("SADD", store.key("a"), 1)).run()


async def test_a_script_that_redis_has_forgotten(store: Store) -> None:
    """It is loaded again."""
    await store.call("SCRIPT", "FLUSH")
    assert await transaction(store, ("SET", store.key("a"), 1)).run()


@pytest.mark.parametrize("count", [3_999, 9_000, 25_001])
async def test_commands_of_any_length(store: Store, count: int) -> None:
    """Lua unpacks some 8,000 words: longer commands go in as several, within the one transaction."""
    items = [f"i{number}" for number in range(count)]
    pairs = [word for item in items for word in (item, "1")]
    added = transaction(
        store,
        ("HSET", store.key("h"), *pairs),
        ("SADD", store.key("s"), *items),
        ("SADD", store.key("t"), *items),
    )
    assert await added.run()
    assert [count, count] == await store.calls([("HLEN", store.key("h")), ("SCARD", store.key("s"))])
    gone = transaction(store, ("HDEL", store.key("h"), *items), ("SREM", store.key("s"), *items[1:]))
    assert await gone.run()
    assert [0, 1] == await store.calls([("HLEN", store.key("h")), ("SCARD", store.key("s"))])


# -- the bridge's own commands


async def mark(store: Store, due: int, mark: str) -> None:
    """An object on the work list."""
    await store.calls([("ZADD", store.key("work"), due, "o"), ("HSET", store.key("marks"), "o", mark)])


async def work(store: Store) -> tuple[float | None, str | None]:
    """When the object is due, and its mark."""
    due, number = await store.calls([("ZSCORE", store.key("work"), "o"), ("HGET", store.key("marks"), "o")])
    return due, number


async def test_clear_unless_marked_again(store: Store) -> None:
    """News that came meanwhile keeps an object on the list."""
    clear = ("CLEAR", store.key("work"), store.key("marks"), "o")
    await mark(store, 5, "2")
    await transaction(store, (*clear, "1")).run()
    assert (5, "2") == await work(store)
    await transaction(store, (*clear, "2")).run()
    assert (None, None) == await work(store)
    await transaction(store, (*clear, "2")).run()
    assert (None, None) == await work(store)


async def test_defer_unless_marked_again(store: Store) -> None:
    """News that came meanwhile makes it due at once; what is done already does not come back."""
    defer = ("DEFER", store.key("work"), store.key("marks"), "o")
    await transaction(store, (*defer, "1", 9)).run()
    assert (None, None) == await work(store)
    await mark(store, 5, "2")
    await transaction(store, (*defer, "1", 9)).run()
    assert (5, "2") == await work(store)
    await transaction(store, (*defer, "2", 9)).run()
    assert (9, "2") == await work(store)


async def test_forget_unless_changed(store: Store) -> None:
    """A doubt that came up again while the target was read stays."""
    key = store.key("unknown")
    await store.call("HSET", key, "o", "2")
    await transaction(store, ("FORGET", key, "o", "1")).run()
    assert "2" == await store.call("HGET", key, "o")
    await transaction(store, ("FORGET", key, "o", "2")).run()
    assert await store.call("HGET", key, "o") is None


async def test_news_of_one_burst(store: Store) -> None:
    """`start` is when it began: news that is never far apart; after a pause a new one begins."""
    key, seen = store.key("news"), []
    for now in (1000, 1100, 1150, 1251, 1300):
        await transaction(store, ("NEWS", key, now, 100)).run()
        seen.append(await store.call("HMGET", key, "start", "last"))
    assert seen == [["1000", "1000"], ["1000", "1100"], ["1000", "1150"], ["1251", "1251"], ["1251", "1300"]]


async def test_ring(store: Store) -> None:
    """One job until it is heard."""
    for now in (1000, 2000):
        await transaction(store, ("RING", "converge", "docs", now)).run()
    ids = await store.call("ZRANGE", store.key("queue"), 0, -1)
    assert [f"{store.prefix}:converge:1"] == ids
    job = orjson.loads(await store.call("GET", f"arq:job:{ids[0]}"))
    assert {"t": None, "f": "converge", "a": ["docs"], "k": {}, "et": 1000} == job
