"""Does Redis keep what it is given?"""

from bridge.settings import RedisSettings
from bridge.store.redis import STORE_ERRORS, Store

SAFE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
_UNSAFE = {
    "appendonly": "a restart of Redis loses events that were accepted",
    "appendfsync": "a crash of its machine loses the last events that were accepted",
    "maxmemory-policy": "a full Redis throws events away",
}
_ASKED = (*SAFE, "maxmemory")


def replica_risks(redis: RedisSettings) -> list[str]:
    """Return what the configuration itself lets be lost, in words."""
    if redis.replicas or not redis.fails_over:
        return []
    return [
        "redis.replicas is 0: a failover loses what no replica had yet of the accepted events (set it to 1)"
    ]


async def durability(store: Store) -> list[str]:
    """Return what Redis may lose, in words; nothing where it does not tell its settings."""
    try:
        return risks(await read_config(store) or {})
    except STORE_ERRORS:
        return []


async def read_config(store: Store) -> dict[str, str] | None:
    """Return the settings that matter, None where Redis does not tell all of them."""
    answers = await store.calls([("CONFIG", "GET", name) for name in _ASKED], one_by_one=True)
    told = {row[0]: row[1] for row in answers if isinstance(row, list) and len(row) == 2}
    return told if set(told) == set(_ASKED) else None


def risks(told: dict[str, str]) -> list[str]:
    """Return what these settings may lose, and what to set instead."""
    return [
        f"{name} is {told[name]}: {_UNSAFE[name]} (set it to {value})"
        for name, value in SAFE.items()
        if name in told and told[name] != value and not _moot(name, told)
    ]


def _moot(name: str, told: dict[str, str]) -> bool:
    """Without a file nothing is synced to it, and without a limit nothing is thrown away."""
    if name == "appendfsync":
        return told["appendonly"] == "no"
    return name == "maxmemory-policy" and told["maxmemory"] == "0"
