"""How we reach Redis: one way for every kind of address, and scripts that survive its restarts."""

import asyncio
import hashlib
import socket
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import hiredis
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import DataError, NoScriptError, RedisError

from bridge.settings import RedisSettings

STORE_ERRORS = (RedisError, OSError, TimeoutError)  # what any call of a Store may raise
REST_SECONDS = 5.0  # after which a connection is looked at; most firewalls and balancers wait for minutes
PING_SECONDS = 0.5  # for that look, of the 1.7 s that a delivery has
_KEEPALIVE = {  # the kernel's own signs of life, so that firewalls do not forget a connection that rests
    getattr(socket, name): seconds
    for name, seconds in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)  # macOS has other names
}
_INCLUDES = {
    "accept": ("_ring",), "commit": ("_ring",), "sweep": ("_ring",), "beat": ("_missing",),
    "count_missing": ("_missing",),
}  # fmt: skip


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

    async def transact(self, key: str, *words: Any) -> Any:
        """Run a command as a transaction while a key is watched, as arq does. Raises one of STORE_ERRORS."""
        async with self._client.pipeline(transaction=True) as pipe:
            await pipe.watch(key)
            pipe.multi()  # type: ignore[no-untyped-call]
            pipe.execute_command(*words)
            return await pipe.execute()

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
    manager: Any = getattr(pool, "sentinel_manager", None)
    pool.connection_class = _kept(_packing(pool.connection_class))
    for sentinel in manager.sentinels if manager else ():  # redis-py writes two words of theirs as one
        sentinel.connection_pool.connection_class = _kept(sentinel.connection_pool.connection_class)
    return client


@cache
def _kept(kind: Any) -> Any:
    """Return a class of connections that are looked at before they are used again after a rest.

    A server's `timeout`, a proxy or a firewall may have ended one meanwhile, and a firewall tells neither
    side: the next command would fail, or wait for its time-out, and nobody could say whether it was carried
    out. So what is known to be closed is opened anew, and after REST_SECONDS a PING goes ahead, which may be
    lost without harm. The command itself is sent once, by a connection that is there. (A WATCH of arq's is
    lost with its connection: then two workers may start one job, and its lease lets one of them work.)
    """

    async def check_health(self: Any) -> None:
        if self.is_opening:  # that sends commands, too, and is tried once
            return
        rested = asyncio.get_running_loop().time() > self.next_health_check
        if _is_closed(self) or (rested and not await _is_there(self)):
            await self.disconnect(nowait=True)
            self.is_opening = True
            try:
                await self.connect()
            finally:
                self.is_opening = False

    return type(kind.__name__, (kind,), {"check_health": check_health, "is_opening": False})


def _is_closed(connection: Any) -> bool:
    """Tell whether it is known that the other side has closed a connection."""
    reader: asyncio.StreamReader = connection._reader
    return reader.at_eof() or reader.exception() is not None


async def _is_there(connection: Any) -> bool:
    """Tell whether a connection still leads to Redis."""
    try:
        async with asyncio.timeout(PING_SECONDS):
            await connection.send_command("PING", check_health=False)
            await connection.read_response()
    except STORE_ERRORS:
        return False
    return True


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
        "health_check_interval": REST_SECONDS,
    }
    if settings.url == "embedded":
        return Redis(unix_socket_path=str(settings.socket), **options)
    if not settings.url.startswith("unix:"):
        options |= {"socket_keepalive": True, "socket_keepalive_options": _KEEPALIVE}
    if settings.uses_tls:
        options |= _tls(settings)
    if settings.fails_over:
        return _from_sentinel(settings, options)
    client: Redis = Redis.from_url(settings.url, **options)
    return client


def _tls(settings: RedisSettings) -> dict[str, Any]:
    """Return what redis-py is told of TLS: by itself it takes the certificate of any host.

    `?ssl_check_hostname=false` after the URL lets it, as where sentinels tell addresses by number.
    """
    told = dict(parse_qsl(urlsplit(settings.url).query))
    certified = told.get("ssl_cert_reqs", "required") == "required"  # else there is no name to look at
    named = certified and told.get("ssl_check_hostname", "true").lower() not in ("false", "no", "0")
    return {"ssl_check_hostname": named} | ({"ssl_ca_certs": str(settings.ca)} if settings.ca else {})


def _from_sentinel(settings: RedisSettings, options: dict[str, Any]) -> Redis:
    """`redis+sentinel://[user:password@]host:port,host:port/service/db`, with `rediss+sentinel` by TLS.

    The login in it is Redis' own; the sentinels have the one of the settings, or none.
    """
    parts = urlsplit(settings.url)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    nodes = [_host_and_port(host) for host in hosts.split(",")]
    logins = {"username": unquote(user) or None, "password": unquote(password) or None}
    if settings.uses_tls:
        options = options | {"ssl": True}
    apart = ("decode_responses", "socket_connect_timeout", "retry")
    shared = {name: value for name, value in options.items() if name not in apart}
    if settings.sentinel_password:
        word = settings.sentinel_password.reveal()
        shared |= {"username": settings.sentinel_user, "password": word}
    sentinel: Any = Sentinel(nodes, sentinel_kwargs=shared)  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(service or "mymaster", db=int(database or 0), **logins, **options)
    return client


def _host_and_port(text: str) -> tuple[str, int]:
    """Return a sentinel's address; one of IPv6 stands in brackets."""
    parts = urlsplit(f"//{text}")
    return parts.hostname or "localhost", parts.port or 26379
