"""Whether Redis lets the bridge do all that accepting and working take: rights, version, no cluster."""

import re
import secrets
from collections.abc import Iterator
from typing import Any

from redis.exceptions import ResponseError

from bridge.store.faults import describe_error
from bridge.store.redis import Store

Command = tuple[Any, ...]
OLDEST = "6.2"  # the first that has all of the commands below
_TTL = 60_000  # ms, of what a process leaves that ends in between
_ARQ = ("job", "in-progress", "retry", "result")  # of arq 0.28: its keys are outside of our prefix


async def hindrance(store: Store) -> str | None:
    """Return what Redis refuses of all that is done with it, and the way out; None where it refuses nothing.

    It is tried out on keys of its own. Raises one of STORE_ERRORS where Redis does not answer.
    """
    token = secrets.token_hex(8)
    commands = list(_commands(store, token))
    answers = await store.calls(commands, one_by_one=True)
    for command, answer in zip(commands, answers, strict=True):
        if isinstance(answer, Exception):
            return _explain(f"{command[0]} on {_place(command)}" if command[1:] else command[0], answer)
    job = f"arq:job:{store.prefix}:{token}"
    keys = [store.key("probe", token, "script", what) for what in ("text", "stream")]
    what = "scripts (EVAL, EVALSHA)"
    try:
        await store.run("probe", *keys, job, _TTL)
        what = "transactions (WATCH, MULTI, EXEC)"
        await store.transact(job, "DEL", job)
    except ResponseError as error:
        return _explain(what, error)
    return None


def _commands(store: Store, token: str) -> Iterator[Command]:
    """Return one of each kind of command, in an order in which each of them can succeed."""
    text, stream, hash_, zset, set_, list_, copy = (
        store.key("probe", token, what) for what in ("text", "stream", "hash", "zset", "set", "list", "copy")
    )
    arq = [f"arq:{kind}:{store.prefix}:{token}" for kind in _ARQ]
    yield from (("SET", text, "1", "NX", "PX", _TTL), ("GET", text), ("MGET", text), ("EXISTS", text))
    yield from (("PERSIST", text), ("PEXPIRE", text, _TTL), ("EXPIRE", text, 60), ("PTTL", text))
    yield from (("INCR", text), ("RENAME", text, copy), ("TIME",), ("PING",), ("INFO", "server"), ("DBSIZE",))
    yield from (
        ("XADD", stream, "MAXLEN", "~", 9, "1-1", "e", "1"),
        ("XRANGE", stream, "(0-1", "+", "COUNT", 1),
    )
    yield from (("XREVRANGE", stream, "+", "-"), ("XLEN", stream), ("XDEL", stream, "1-1"))
    yield from (("XTRIM", stream, "MINID", 1), ("XSETID", stream, "2-1"), ("XINFO", "STREAM", stream))
    yield from (("HSET", hash_, "a", "1"), ("HSETNX", hash_, "b", "1"), ("HGET", hash_, "a"))
    yield from (
        ("HMGET", hash_, "a"),
        ("HGETALL", hash_),
        ("HKEYS", hash_),
        ("HVALS", hash_),
        ("HLEN", hash_),
    )
    yield from (("HSCAN", hash_, 0), ("HINCRBY", hash_, "a", 1), ("HINCRBYFLOAT", hash_, "a", 1))
    yield from (("HRANDFIELD", hash_, 1), ("HDEL", hash_, "a"))
    yield from (("ZADD", zset, "LT", 1, "a"), ("ZSCORE", zset, "a"), ("ZMSCORE", zset, "a"), ("ZCARD", zset))
    yield from (("ZCOUNT", zset, "-inf", "+inf"), ("ZRANGE", zset, 0, -1), ("ZREVRANGE", zset, 0, -1))
    yield from (("ZRANGEBYSCORE", zset, "-inf", "+inf"), ("ZREVRANGEBYSCORE", zset, "+inf", "-inf"))
    yield from (("ZRANGEBYLEX", zset, "-", "+"), ("ZSCAN", zset, 0), ("ZINCRBY", zset, 1, "a"))
    yield from (("ZINTERSTORE", zset, 1, zset), ("ZREMRANGEBYSCORE", zset, 9, 9), ("ZREM", zset, "a"))
    yield from (("SADD", set_, "a"), ("SMEMBERS", set_), ("SISMEMBER", set_, "a"), ("SMISMEMBER", set_, "a"))
    yield from (("SCARD", set_), ("SSCAN", set_, 0), ("SUNION", set_), ("SREM", set_, "a"))
    yield from (("RPUSH", list_, "a"), ("LTRIM", list_, 0, 1), ("LRANGE", list_, 0, -1))
    for key in arq:
        yield from (("PSETEX", key, _TTL, "1"), ("SETEX", key, 60, "1"))
    yield from (
        ("ZRANGE", "arq:abort", 0, 0),
        ("ZREMRANGEBYSCORE", "arq:abort", 9, 9),
        ("ZREM", "arq:abort", "-"),
    )
    yield from (
        *(("PEXPIRE", each, _TTL) for each in (stream, hash_, zset, set_, list_)),
        ("UNLINK", stream, hash_, zset, set_, list_, copy),
        ("DEL", *arq),
    )


def _place(command: Command) -> str:
    """Return the key of a command, its random part left out."""
    return re.sub(r"[0-9a-f]{16}", "…", str(command[2] if command[0] == "XINFO" else command[1]))


def _explain(what: str, error: Any) -> str:
    text = describe_error(error).partition(": ")[2] or str(error)
    return f"Redis refuses {what}: {text.rstrip('.')}{_way_out(text, error)}"


def _way_out(text: str, error: Exception) -> str:
    if "unknown command" in text.lower() or "syntax error" in text.lower():
        return f" (Redis {OLDEST} or newer, or Valkey, is needed)"
    if re.search(r"\b(MOVED|CROSSSLOT|CLUSTERDOWN)\b|cluster|same slot", f"{type(error).__name__} {text}"):
        return " (a Redis cluster cannot be used: take one primary, with replicas)"
    if "permission" in text.lower() or "NOPERM" in text or "can't run this command" in text:
        return " (give its user this right: docs/security.md#rights-in-redis)"
    return ""
