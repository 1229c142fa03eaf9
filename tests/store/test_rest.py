"""Connections to Redis that have rested, and were ended by a server or a firewall meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from arq.connections import ArqRedis

from bridge.directory.events import DirectoryEvent, EventName, UserNews, encode_event, make_stamp
from bridge.intake import Batcher
from bridge.settings import RedisSettings
from bridge.store import redis as redis_module
from bridge.store.journal import Entry, Journal, Receipt, Submission
from bridge.store.redis import STORE_ERRORS, Store, close_pool, open_pool, open_store
from tests.proxies import RESET, SILENCE, Firewall, running_firewall

hows = pytest.mark.parametrize("how", [RESET, SILENCE])
kinds = pytest.mark.parametrize("single", [True, False])
PING = len(b"*1\r\n$4\r\nPING\r\n")
EVENT = DirectoryEvent(
    EventName.USER_CREATED, make_stamp(1_790_000_000_000, 0, False), UserNews("ana", "ana@acme.test", True)
)


@pytest.fixture
async def firewall(redis_settings: RedisSettings) -> AsyncIterator[Firewall]:
    """Between the bridge and Redis."""
    async with running_firewall(redis_settings.socket) as running:
        yield running


@pytest.fixture
def behind(
    redis_settings: RedisSettings, firewall: Firewall, monkeypatch: pytest.MonkeyPatch
) -> RedisSettings:
    """Settings that lead through it; whatever is not used at once has rested."""
    monkeypatch.setattr(redis_module, "REST_SECONDS", 1e-9)
    return RedisSettings(url=f"redis://127.0.0.1:{firewall.port}", prefix=redis_settings.prefix)


@hows
@kinds
async def test_the_first_call_after_a_rest(
    behind: RedisSettings, firewall: Firewall, how: str, single: bool
) -> None:
    """It goes by a fresh connection, and is carried out once; only a PING was lost."""
    store = open_store(behind, 1.7, single)
    key = store.key("count")
    for number in (1, 2, 3):
        assert await store.call("INCR", key) == number
        firewall.forget(how)
    assert await store.calls([("INCR", key), ("INCR", key)]) == [4, 5]
    firewall.forget(how)
    assert await store.run("time", store.key("arrived"), 7)
    assert firewall.opened == 5
    assert firewall.forgot in (3 * PING, 4 * PING), "a pipeline has a connection of its own"
    await store.close()


@hows
async def test_the_first_delivery_after_a_quiet_time_is_stored(
    behind: RedisSettings, firewall: Firewall, how: str
) -> None:
    """Within the time that a sender waits, and its repeat is a duplicate."""
    store = open_store(behind, 1.7, single=True)
    row = orjson.dumps(encode_event(EVENT))
    async with Batcher(Journal(store)).running() as batcher:
        for number in range(3):
            body = Submission("okta", [Entry("okta", b"%016d" % number, row)])
            assert await batcher.store(body) == Receipt(1, 0)
            firewall.forget(how)
            assert await batcher.store(body) == Receipt(0, 1)
            firewall.forget(how)
    await store.close()


@hows
async def test_the_connections_of_arq(behind: RedisSettings, firewall: Firewall, how: str) -> None:
    """They are of the same kind."""
    pool = open_pool(behind, 1.7)
    arq = ArqRedis(pool)
    key = f"{behind.prefix}:queue"
    for number in range(3):
        assert await arq.zadd(key, {f"job{number}": 1}) == 1
        firewall.forget(how)
    async with arq.pipeline(transaction=True) as pipe:
        await pipe.watch(key)
        pipe.multi()  # type: ignore[no-untyped-call]
        pipe.zcard(key)
        assert await pipe.execute() == [3]
    await close_pool(pool)


@kinds
async def test_a_connection_that_redis_has_closed_is_known_without_asking(
    store: Store, redis_settings: RedisSettings, single: bool
) -> None:
    """Also when it has not rested: nothing was sent by it."""
    other = open_store(redis_settings, 1.7, single)
    key, client = store.key("count"), other._client
    for number in (1, 2, 3):
        assert await other.call("INCR", key) == number
        ident = await other.call("CLIENT", "ID")
        connection: Any = client.connection or client.connection_pool._available_connections[-1]
        assert await store.call("CLIENT", "KILL", "ID", ident) == 1
        deadline = time.monotonic() + 10
        while not redis_module._is_closed(connection):
            assert time.monotonic() < deadline
            await asyncio.sleep(0)
    await other.close()


async def test_a_redis_that_is_away_is_told_as_ever(behind: RedisSettings, firewall: Firewall) -> None:
    """One fresh connection is tried for a call, not one after the other."""
    store = open_store(behind, 1.7, single=True)
    await store.call("PING")
    firewall.forget(RESET)
    firewall.behind = firewall.behind.with_name("nobody")
    opened = firewall.opened
    with pytest.raises(STORE_ERRORS):
        await store.call("PING")
    assert firewall.opened == opened + 1
    await store.close()


async def test_one_that_is_in_use_is_not_asked(firewall: Firewall) -> None:
    """A PING before each command would cost a round trip."""
    store = open_store(RedisSettings(url=f"redis://127.0.0.1:{firewall.port}", prefix="x"), single=True)
    client = store._client
    await store.call("ECHO", "x")
    asked: list[object] = []
    connection: Any = client.connection
    send = connection.send_command

    async def note(*words: Any, **options: Any) -> Any:
        asked.append(words[0])
        return await send(*words, **options)

    connection.send_command = note
    for _ in range(5):
        await store.call("ECHO", "x")
    await store.close()
    assert asked == ["ECHO"] * 5
