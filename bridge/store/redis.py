"""How we reach Redis: one way for every kind of address, and scripts that survive its restarts."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import unquote, urlsplit

import hiredis
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import DataError, NoScriptError, RedisError

from bridge.settings import RedisSettings

STORE_ERRORS = (RedisError, OSError, TimeoutError)  # what any call of a Store may raise
_INCLUDES = {"accept": ("_ring",), "commit": ("_ring",), "sweep": ("_ring",)}


class Store:
    """One Redis and the prefix of all our keys in it. It connects when first used."""

    def __init__(self, client: Redis, prefix: str) -> None:
        """`client` decodes its answers to text."""
        self._client = client
        self.prefix = prefix

    def key(self, *parts: str) -> str:
        """Return a key under the prefix."""
        return ":".join((self.prefix, *parts))

    async def call(self, *words: Any) -> Any:
        """Run one command. Raises one of STORE_ERRORS."""
        return await self._client.execute_command(*words)  # type: ignore[no-untyped-call]

    async def calls(self, commands: Iterable[Sequence[Any]], one_by_one: bool = False) -> list[Any]:
        """Run commands in one round trip, in order, not as a transaction.

        `one_by_one`: an exception takes the place of an answer instead of being raised.
        """
        pipe = self._client.pipeline(transaction=False)
        for words in commands:
            pipe.execute_command(*words)
        answers: list[Any] = await pipe.execute(raise_on_error=not one_by_one)
        return answers

    async def run(self, name: str, *args: Any) -> Any:
        """Run a script of `lua/`; it is loaded again when Redis has forgotten it."""
        text, sha = script(name)
        try:
            return await self.call("EVALSHA", sha, 0, *args)
        except NoScriptError:
            return await self.call("EVAL", text, 0, *args)

    async def run_and(self, name: str, args: Sequence[Any], commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Run a script, then commands, by one connection; the script's answer and theirs.

        Raises one of STORE_ERRORS, also when any of them fails.
        """
        text, sha = script(name)
        try:
            return await self.calls([("EVALSHA", sha, 0, *args), *commands])
        except NoScriptError:
            return await self.calls([("EVAL", text, 0, *args), *commands])

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()
        await close_pool(self._client.connection_pool)


@cache
def script(name: str) -> tuple[str, str]:
    """Return a script of `lua/` and its SHA-1, as EVALSHA wants it."""
    folder = resources.files("bridge.store") / "lua"
    parts = [*_INCLUDES.get(name, ()), name]
    text = "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def open_store(settings: RedisSettings, timeout: float = 5.0, single: bool = False) -> Store:
    """Return the configured store; `timeout`: seconds for connecting and for an answer.

    `single`: all calls share one connection, one after the other, which costs each a fifth less.
    """
    client = _client(settings, timeout)
    if single:
        client = client.client()
        client.auto_close_connection_pool = True
    return Store(client, settings.prefix)


def open_pool(settings: RedisSettings, timeout: float = 20.0) -> ConnectionPool:
    """Return connections to the same Redis whose answers are bytes, for arq."""
    pool: ConnectionPool = _client(settings, timeout, decode=False).connection_pool
    return pool


async def close_pool(pool: ConnectionPool) -> None:
    """Close its connections, and those to the sentinels it asks."""
    await pool.disconnect()
    manager: Any = getattr(pool, "sentinel_manager", None)
    for sentinel in manager.sentinels if manager else ():
        await sentinel.aclose()


def _client(settings: RedisSettings, timeout: float, decode: bool = True) -> Redis:
    client = _connect(settings, timeout, decode)
    pool: Any = client.connection_pool
    pool.connection_class = _packing(pool.connection_class)
    return client


@cache
def _packing(kind: Any) -> Any:
    """Return a class of connections that hiredis packs the commands of.

    redis-py does so only without asyncio; its own Python took a quarter of the fold's time.
    """

    def pack_command(_self: object, *words: Any) -> list[bytes]:
        try:
            return [hiredis.pack_command(words)]
        except TypeError as error:
            raise DataError(str(error)) from error

    return type(kind.__name__, (kind,), {"pack_command": pack_command})


def _connect(settings: RedisSettings, timeout: float, decode: bool) -> Redis:
    options: dict[str, Any] = {
        "decode_responses": decode,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
    }
    if settings.url == "embedded":
        return Redis(unix_socket_path=str(settings.socket), **options)
    if settings.url.startswith("redis+sentinel://"):
        return _from_sentinel(settings.url, options)
    client: Redis = Redis.from_url(settings.url, **options)
    return client


def _from_sentinel(url: str, options: dict[str, Any]) -> Redis:
    """`redis+sentinel://[user:password@]host:port,host:port/service/db`"""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    nodes = [_host_and_port(host) for host in hosts.split(",")]
    logins = {"username": unquote(user) or None, "password": unquote(password) or None}
    timeouts = {"socket_timeout": options["socket_timeout"]}
    sentinel: Any = Sentinel(nodes, sentinel_kwargs=timeouts)  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(service or "mymaster", db=int(database or 0), **logins, **options)
    return client


def _host_and_port(text: str) -> tuple[str, int]:
    """Return a sentinel's address; one of IPv6 stands in brackets."""
    parts = urlsplit(f"//{text}")
    return parts.hostname or "localhost", parts.port or 26379
