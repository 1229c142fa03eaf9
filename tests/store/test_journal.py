"""The journal: what was accepted, in order."""

import time
from typing import Any

import orjson
import pytest
from arq.jobs import deserialize_job_raw
from redis.asyncio import Redis

from bridge.directory.events import DirectoryEvent, EventName, GroupNews, UserNews, encode_event, make_stamp
from bridge.settings import RedisSettings
from bridge.store.journal import SEEN_SECONDS, START, Entry, Journal, Receipt, Submission
from bridge.store.redis import STORE_ERRORS, Store, open_pool, open_store

EVENT = DirectoryEvent(
    EventName.USER_ADDED, make_stamp(1_795_319_083_036, 0, False), UserNews("u1", "ana@acme.test", True),
    GroupNews("g1", "Writers", ("u1", "u2")), "okta", "d1", 1_795_319_083_036,
)  # fmt: skip
ROW = orjson.dumps(encode_event(EVENT))


def entry(seen: bytes | None = None, directory: str = "acme") -> Entry:
    """One event to store."""
    return Entry(directory, seen, ROW)


def body(*entries: Entry, refused: tuple[bytes, ...] = ()) -> Submission:
    """What one body asks to be stored."""
    return Submission("okta", list(entries), list(refused))


def key(number: int) -> bytes:
    """A delivery key, of any bytes."""
    return bytes([number, 0, 255, 10]) * 4


async def lengths(store: Store, *directories: str) -> list[int]:
    """How many events each journal holds."""
    return await store.calls([("XLEN", store.key("journal", each)) for each in directories])


# -- accepting


async def test_what_is_accepted_can_be_read(journal: Journal) -> None:
    """In order, with ids, after a cursor."""
    assert [Receipt(2, 0)] == await journal.accept([body(entry(), entry())])
    rows = await journal.read("acme", START, 10)
    assert [EVENT, EVENT] == [event for _, event in rows]
    assert rows[1:] == await journal.read("acme", rows[0][0], 10)
    assert rows[:1] == await journal.read("acme", START, 1)
    assert [] == await journal.read("acme", rows[1][0], 10)


async def test_one_name_has_so_many_directories_at_most(
    journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are there go on, and so do other names."""
    monkeypatch.setattr("bridge.store.journal.MOST_DIRECTORIES", 3)
    told = [entry(directory=f"acme:{number}") for number in range(5)]
    assert [Receipt(2, 0), Receipt(1, 0, 2)] == await journal.accept([body(*told[:2]), body(*told[2:])])
    others = [entry(directory=name) for name in ("acme:1", "acme:9", "acme", "acm:1", "acme2:1", "zeta:1")]
    assert [Receipt(5, 0, 1)] == await journal.accept([body(*others)])
    assert await lengths(store, "acme:1", "acme:3", "acme:9") == [2, 0, 0]


async def test_what_is_read_is_bounded_by_its_size(journal: Journal) -> None:
    """One event at least, however large it is."""
    await journal.accept([body(entry(), entry(), entry())])
    size = len(entry().payload)
    sizes = {most: len(await journal.read("acme", START, 10, most)) for most in (1, size, 2 * size, 9 * size)}
    assert sizes == {1: 1, size: 1, 2 * size: 2, 9 * size: 3}


async def test_repeats_are_dropped(journal: Journal, store: Store) -> None:
    """By delivery key: within a body, between bodies of one round trip, and later; without a key never."""
    first = [body(entry(key(1)), entry(key(2)), entry(key(1))), body(entry(key(2)), entry(key(3)))]
    assert [Receipt(2, 1), Receipt(1, 1)] == await journal.accept(first)
    assert [Receipt(0, 3), Receipt(0, 2)] == await journal.accept(first)
    assert [Receipt(2, 0)] == await journal.accept([body(entry(), entry())])
    assert [5] == await lengths(store, "acme")
    assert (5, 0) == await journal.counters()


async def test_delivery_keys_are_of_one_directory_and_end(journal: Journal, store: Store) -> None:
    """Two directories may have the same; after some days it is forgotten."""
    assert [Receipt(2, 0)] == await journal.accept([body(entry(key(1)), entry(key(1), "other"))])
    seen = f"{store.prefix}:seen:acme:".encode() + key(1)
    left = await store.call("PTTL", seen)
    assert SEEN_SECONDS * 1000 - 60_000 < left <= SEEN_SECONDS * 1000


async def test_bodies_that_fail_are_judged_alone(journal: Journal, store: Store) -> None:
    """The others are stored and have their receipts."""
    await store.call("SET", store.key("journal", "broken"), "no stream")
    one, two, three = await journal.accept([body(entry()), body(entry(directory="broken")), body(entry())])
    assert [Receipt(1, 0)] * 2 == [one, three]
    assert isinstance(two, Exception)
    assert [2] == await lengths(store, "acme")


async def test_scripts_are_loaded_again(journal: Journal, store: Store) -> None:
    """A Redis that was restarted has forgotten them; nothing is stored twice."""
    for number in range(2):
        await store.call("SCRIPT", "FLUSH")
        bodies = [body(entry(key(10 * number + each))) for each in range(3)]
        assert [Receipt(1, 0)] * 3 == await journal.accept(bodies)
    assert [6] == await lengths(store, "acme")


async def test_refused_elements_are_kept(journal: Journal, store: Store) -> None:
    """Beside those that could be read, or alone; they ring for nobody."""
    assert [Receipt(0, 0)] == await journal.accept([body(refused=(b"one", b"two"))])
    assert 0 == await store.call("EXISTS", store.key("queue"), store.key("directories"))
    assert [Receipt(1, 0)] == await journal.accept([body(entry(), refused=(b"three",))])
    rows = await store.call("XRANGE", store.key("refused", "okta"), "-", "+")
    assert ["one", "two", "three"] == [fields["r"] for _, fields in rows]


async def test_refused_rows_are_bounded(journal: Journal, store: Store) -> None:
    """Somebody who sends rubbish for weeks fills nothing."""
    for _ in range(4):
        await journal.accept([body(refused=tuple(b"%d" % number for number in range(400)))])
    assert 1000 <= await store.call("XLEN", store.key("refused", "okta")) <= 1100


async def test_replicas_that_do_not_answer(store: Store) -> None:
    """Then nothing counts as stored; the sender comes again and finds its key."""
    careful = Journal(store, replicas=1)
    [answer] = await careful.accept([body(entry(key(1)))])
    assert isinstance(answer, STORE_ERRORS)
    assert [Receipt(0, 1)] == await Journal(store).accept([body(entry(key(1)))])


async def test_a_redis_that_is_gone(redis_settings: RedisSettings) -> None:
    """An error for all of them."""
    gone = open_store(redis_settings.model_copy(update={"data_dir": redis_settings.data_dir / "none"}))
    with pytest.raises(STORE_ERRORS):
        await Journal(gone).accept([body(entry())])
    assert str(await Journal(gone).not_ready()).startswith("Redis does not answer: ")
    await gone.close()


async def test_ready(journal: Journal, store: Store) -> None:
    """When something can be written, under the prefix and not for long."""
    assert await journal.not_ready() is None
    assert 0 < await store.call("PTTL", store.key("probe")) <= 60_000


# -- ringing


async def jobs(store: Store) -> list[tuple[str, tuple[Any, ...]]]:
    """The jobs in the queue as arq reads them: function and arguments."""
    ids = await store.call("ZRANGE", store.key("queue"), 0, -1)
    rows = await store.calls([("GET", f"arq:job:{ident}") for ident in ids])
    read = [deserialize_job_raw(row.encode(), deserializer=orjson.loads) for row in rows]
    return [(function, tuple(args)) for function, args, kwargs, _, _ in read if kwargs == {}]


async def test_a_bell_rings_once(journal: Journal, store: Store) -> None:
    """For each directory, until it is heard; then again, with a fresh id."""
    for _ in range(3):
        await journal.accept([body(entry(), entry(directory="other"))] * 2)
    assert [("fold", ("acme",)), ("fold", ("other",))] == sorted(await jobs(store))
    await store.call("DEL", store.key("bell", "fold", "acme"))
    await journal.accept([body(entry())])
    assert [("fold", ("acme",)), ("fold", ("acme",)), ("fold", ("other",))] == sorted(await jobs(store))


async def test_a_bell_is_not_rung_for_ever(journal: Journal, store: Store) -> None:
    """If nobody hears it, it falls silent, and the next event or the sweep rings again."""
    await journal.accept([body(entry())])
    assert 0 < await store.call("PTTL", store.key("bell", "fold", "acme")) <= 5000


async def test_duplicates_ring_for_nobody(journal: Journal, store: Store) -> None:
    """There is nothing new to fold."""
    await journal.accept([body(entry(key(1)))])
    await store.call("DEL", store.key("bell", "fold", "acme"))
    await journal.accept([body(entry(key(1)))])
    assert 1 == len(await jobs(store))


async def test_jobs_are_read_by_arq(journal: Journal, store: Store) -> None:
    """Written by our script, read by arq's own function; due now, and kept far longer than anything waits."""
    await journal.accept([body(entry())])
    ident, score = await store.call("ZRANGE", store.key("queue"), 0, 0, "WITHSCORES")
    raw = (await store.call("GET", f"arq:job:{ident}")).encode()
    function, args, kwargs, _, enqueued = deserialize_job_raw(raw, deserializer=orjson.loads)
    assert (function, list(args), kwargs) == ("fold", ["acme"], {})
    assert float(score) == 1, "a worker takes it whatever its clock shows"
    assert abs(enqueued - time.time() * 1000) < 60_000
    assert await store.call("PTTL", f"arq:job:{ident}") > 29 * 86_400_000


# -- reading


@pytest.mark.parametrize("row", [b"", b"{", b"[1]", b"7", b"null", b'{"n":"x"}', ROW[:-9]])
async def test_rows_that_nobody_can_read(journal: Journal, store: Store, row: bytes) -> None:
    """They are passed over; what comes after them is read."""
    await store.call("XADD", journal.key("acme"), "*", "e", row)
    await store.call("XADD", journal.key("acme"), "*", "other", "field")
    await journal.accept([body(entry())])
    assert [None, None, EVENT] == [event for _, event in await journal.read("acme", START, 10)]


async def test_cursor_counters_directories(journal: Journal, store: Store) -> None:
    """All start at nothing."""
    assert (START, (0, 0), set()) == (
        await journal.cursor("acme"), await journal.counters(), await journal.directories(),
    )  # fmt: skip
    await journal.accept([body(entry(), entry(directory="other"))])
    await store.calls([
        ("SET", journal.cursor_key("acme"), "5-1"), ("HINCRBY", store.key("counters"), "folded", 2),
    ])  # fmt: skip
    assert ("5-1", (2, 2), {"acme", "other"}) == (
        await journal.cursor("acme"), await journal.counters(), await journal.directories(),
    )  # fmt: skip


async def test_no_key_stands_outside_the_prefix(journal: Journal, redis_settings: RedisSettings) -> None:
    """But for the jobs, whose name arq has fixed; these carry the prefix in their ids."""
    await journal.accept([body(entry(key(1)), entry(), refused=(b"x",))])
    await journal.not_ready()
    prefix = redis_settings.prefix.encode()
    async with Redis(connection_pool=open_pool(redis_settings)) as raw:  # delivery keys are no text
        found = {each async for each in raw.scan_iter(b"*" + prefix + b"*", count=10_000)}
        await raw.connection_pool.disconnect()
    outside = {each for each in found if not each.startswith(prefix + b":")}
    assert outside == {b"arq:job:" + prefix + b":fold:1"}
