"""How we reach Redis."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from bridge.settings import RedisSettings
from bridge.store.redis import STORE_ERRORS, Store, close_pool, open_pool, open_store, script
from bridge.tasks import end_task
from tests.certificates import Authority
from tests.chaos.sentinels import SERVICE, Cluster
from tests.proxies import Firewall, serving

SCRIPTS = ("accept", "acquire", "commit", "release_fold", "release_work", "renew", "sweep")


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty one."""
    with tempfile.TemporaryDirectory(prefix="bt-") as name:
        yield Path(name)


def sentinel(url: str) -> tuple[SentinelConnectionPool, list[tuple[str, int]]]:
    """The connections to a master behind sentinels, and where these are."""
    pool = open_pool(RedisSettings(url=url))
    assert isinstance(pool, SentinelConnectionPool)
    hosts = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    return pool, [(each["host"], each["port"]) for each in hosts]


# -- addresses


def test_sentinels() -> None:
    """Hosts with and without a port, the service, the database."""
    pool, hosts = sentinel("redis+sentinel://h1:26380,h2,[::1]:26381/service/3")
    assert [("h1", 26380), ("h2", 26379), ("::1", 26381)] == hosts
    assert ("service", 3) == (pool.service_name, pool.connection_kwargs["db"])
    assert (None, None) == (pool.connection_kwargs["username"], pool.connection_kwargs["password"])


def test_sentinels_with_a_login() -> None:
    """The login is the master's, percent-encoded as in any URL; the service has a usual name."""
    pool, hosts = sentinel("redis+sentinel://bridge:p%40ss%3A@h1")
    assert [("h1", 26379)] == hosts
    assert ("bridge", "p@ss:") == (pool.connection_kwargs["username"], pool.connection_kwargs["password"])
    assert ("mymaster", 0) == (pool.service_name, pool.connection_kwargs["db"])
    pool, _ = sentinel("redis+sentinel://:secret@h1/service")
    assert (None, "secret") == (pool.connection_kwargs["username"], pool.connection_kwargs["password"])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h1:6380/2", {"host": "h1", "port": 6380, "db": 2}),
        ("rediss://:secret@h1", {"host": "h1", "password": "secret"}),
        ("unix:///run/redis.sock?db=1", {"path": "/run/redis.sock", "db": 1}),
    ],
)
def test_other_addresses(url: str, expected: dict[str, object]) -> None:
    """As redis-py reads them; answers for arq are bytes, and no call is repeated behind our back."""
    told = open_pool(RedisSettings(url=url), timeout=3).connection_kwargs
    assert expected == {key: told[key] for key in expected}
    assert (False, 3, 3) == (told["decode_responses"], told["socket_timeout"], told["socket_connect_timeout"])
    assert told["retry"]._retries == 0


async def test_nobody_there(redis_settings: RedisSettings) -> None:
    """It connects when first used, and fails with one of the store's errors."""
    nowhere = open_store(redis_settings.model_copy(update={"data_dir": redis_settings.data_dir / "none"}))
    with pytest.raises(STORE_ERRORS):
        await nowhere.call("PING")
    await nowhere.close()


async def test_sentinels_and_their_primary(folder: Path) -> None:
    """The primary is found through them, and afterwards no connection to any of them stays open."""
    cluster = Cluster(folder)
    try:
        await asyncio.to_thread(cluster.start)
        store = open_store(RedisSettings(url=cluster.url), timeout=1)
        pool = open_pool(RedisSettings(url=cluster.url), timeout=1)
        connection = await pool.get_connection()
        await pool.release(connection)
        await store.call("SET", "a", 1)
        told: list[Any] = [store._client.connection_pool, pool]
        opened = [each.connection_pool for one in told for each in one.sentinel_manager.sentinels]
        await store.close()
        await close_pool(pool)
        left = [each for one in (*told, *opened) for each in one._available_connections if each.is_connected]
        assert left == []
    finally:
        await asyncio.to_thread(cluster.stop)


class TlsFront:
    """What speaks TLS before a sentinel and before the Redis that it tells of: Valkey's build speaks none.

    Behind `port` it is the sentinel, whose answers name another port for Redis: that of its own front.
    """

    def __init__(self, behind: int, told: int = 0, instead: int = 0) -> None:
        self._behind = behind
        self._told, self._instead = b"%d" % told, b"%d" % instead

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        server, to_server = await asyncio.open_connection("127.0.0.1", self._behind)
        back = asyncio.create_task(self._pass(server, to_client))
        try:
            while data := await client.read(65_536):
                to_server.write(data)
        finally:
            await end_task(back)
            to_server.close()
            to_client.close()

    async def _pass(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        while data := await server.read(65_536):
            to_client.write(data.replace(self._told, self._instead) if self._instead != b"0" else data)


async def test_sentinels_with_their_own_login_by_tls(folder: Path) -> None:
    """A company's certificates, a password of Redis', another one of the sentinels'; each is needed."""
    authority, cluster = Authority(folder), Cluster(folder, sentinels=1)
    (watch,) = cluster.sentinels
    try:
        await asyncio.to_thread(cluster.start)
        primary = cluster.ports[0]
        cluster.set(primary, "requirepass", "redis-word")
        cluster.let_in(watch, "watcher", "sentinel-word")
        tls = authority.server("127.0.0.1")
        async with serving(TlsFront(primary).serve, tls) as behind:
            told = TlsFront(watch, primary, behind)
            async with serving(told.serve, tls) as port:
                keys: dict[str, Any] = {
                    "url": f"rediss+sentinel://:redis-word@127.0.0.1:{port}/{SERVICE}/0", "replicas": 0,
                    "sentinel_user": "watcher", "sentinel_password": "sentinel-word",
                    "ca": str(authority.file),
                }  # fmt: skip
                assert await answer(keys) == "PONG"
                for wrong in (
                    {"ca": None},
                    {"sentinel_password": "x"},
                    {"url": keys["url"].replace("-word", "")},
                ):
                    assert await answer(keys | wrong) != "PONG"
    finally:
        await asyncio.to_thread(cluster.stop)


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [
        ("127.0.0.1", "", "PONG"),
        ("other.test", "", "certificate verify failed"),
        ("other.test", "?ssl_check_hostname=false", "PONG"),
        ("other.test", "?ssl_cert_reqs=none", "PONG"),
    ],
)
async def test_a_certificate_of_another_host(
    redis_settings: RedisSettings, folder: Path, name: str, query: str, said: str
) -> None:
    """It is not taken for Redis', unless the address says so."""
    authority = Authority(folder)
    async with serving(Firewall(redis_settings.socket).serve, authority.server(name)) as port:
        keys = {"url": f"rediss://127.0.0.1:{port}{query}", "ca": str(authority.file)}
        assert said in await answer(keys)


async def answer(keys: dict[str, Any]) -> str:
    """Say PONG to the Redis of these settings; return its answer, or why there is none."""
    store = open_store(RedisSettings.model_validate(keys), timeout=2)
    try:
        return str(await store.call("ECHO", "PONG"))
    except STORE_ERRORS as error:
        return str(error)
    finally:
        await store.close()


# -- commands and scripts


def test_keys_stand_under_the_prefix(store: Store) -> None:
    """All of them."""
    assert f"{store.prefix}:users:acme" == store.key("users", "acme")


async def test_several_commands_in_one_round_trip(store: Store) -> None:
    """In order; an error is raised, or takes the place of its answer."""
    key = store.key("k")
    commands: list[tuple[object, ...]] = [("SET", key, 1), ("GET", key), ("TTL", key)]
    assert [True, "1", -1] == await store.calls(commands)
    assert [] == await store.calls([])
    commands = [("SADD", key, 1), ("GET", key)]
    error, value = await store.calls(commands, one_by_one=True)
    assert ("1", True) == (value, isinstance(error, ResponseError))
    with pytest.raises(ResponseError):
        await store.calls(commands)


@pytest.mark.parametrize("name", SCRIPTS)
async def test_scripts_are_known_by_their_hash(store: Store, name: str) -> None:
    """Redis computes the same, so that EVALSHA finds what EVAL has loaded."""
    text, sha = script(name)
    assert sha == await store.call("SCRIPT", "LOAD", text)


async def test_scripts_survive_a_restart_of_redis(store: Store) -> None:
    """It forgets them; then they are loaded again, also when commands follow."""
    acquire = (store.prefix, store.key("lease", "x"), 5000, "me")
    await store.call("SCRIPT", "FLUSH")
    assert await store.run("acquire", *acquire) == "1 me"
    await store.call("SCRIPT", "FLUSH")
    for _ in range(2):
        assert ["", "there"] == await store.run_and("acquire", acquire, [("ECHO", "there")])


async def test_a_store_that_does_not_answer_in_time() -> None:
    """The timeout is for connecting and for an answer."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        store = open_store(RedisSettings(url=f"redis://127.0.0.1:{port}"), timeout=0.05)
        with pytest.raises(STORE_ERRORS):
            await store.call("PING")
        await store.close()


async def test_a_store_that_refuses_connections() -> None:
    """An error of ours to catch."""
    store = open_store(RedisSettings(url="redis://127.0.0.1:1"), timeout=1)
    with pytest.raises(RedisConnectionError):
        await store.call("PING")
    await store.close()
