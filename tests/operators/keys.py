"""What Redis holds, all of it: tests may walk all keys, the bridge never does."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from bridge.store.redis import Store

_READS: dict[str, Callable[[str], tuple[Any, ...]]] = {
    "string": lambda key: ("GET", key),
    "hash": lambda key: ("HGETALL", key),
    "set": lambda key: ("SMEMBERS", key),
    "zset": lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"),
    "list": lambda key: ("LRANGE", key, 0, -1),
    "stream": lambda key: ("XRANGE", key, "-", "+"),
}


async def keys(store: Store) -> dict[str, str]:
    """Every key without the prefix, and its type."""
    found = sorted(await store.call("KEYS", f"{store.prefix}:*"))
    return {key.removeprefix(store.prefix + ":"): await store.call("TYPE", key) for key in found}


async def dump(store: Store) -> dict[str, list[str]]:
    """What every key holds: its entries as texts, in order where there is one."""
    found = {}
    for key, kind in (await keys(store)).items():
        found[key] = list(_entries(kind, await store.call(*_READS[kind](store.key(key)))))
    return found


def _entries(kind: str, held: Any) -> Iterator[str]:
    if kind == "string":
        yield str(held)
    elif kind == "zset":
        yield from (f"{name} {score}" for name, score in zip(held[::2], held[1::2], strict=True))
    elif kind in ("hash", "set"):
        yield from sorted(f"{each} {held[each]}" if kind == "hash" else each for each in held)
    else:
        yield from map(str, held)


async def holding(store: Store, *patterns: str) -> dict[str, str]:
    """The keys that have one of these in their name or in what they hold, with the first place."""
    pattern, found = re.compile("|".join(patterns), re.IGNORECASE), {}
    for key, held in (await dump(store)).items():
        text = "\n".join([key, *held])
        if match := pattern.search(text):
            found[key] = text[max(0, match.start() - 60) : match.end() + 20]
    return found
