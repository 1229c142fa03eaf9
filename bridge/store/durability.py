"""Does Redis keep what it is given?"""

from collections.abc import Mapping

from bridge.settings import RedisSettings
from bridge.store.redis import STORE_ERRORS, Store

SAFE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
_UNSAFE = {
    "appendonly": "a restart of Redis loses events that were accepted",
    "appendfsync": "a crash of its machine loses the last events that were accepted",
    "maxmemory-policy": "a full Redis throws events away",
}
_ASKED = (*SAFE, "maxmemory")


class UnsafeRedisError(Exception):
    """Redis throws away what it is given: nothing may start on it; the text says what to set."""


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


# what is too dangerous to work with


async def require_safe(store: Store) -> None:
    """Raise UnsafeRedisError where Redis evicts keys or keeps nothing on disk; also one of STORE_ERRORS."""
    if found := await dangers(store):
        raise UnsafeRedisError("; ".join(found))


async def dangers(store: Store) -> list[str]:
    """Return what makes Redis throw away what the bridge knows, in words, as far as it tells.

    People would lose their access for what is missing then, or keep it. Raises one of STORE_ERRORS.
    """
    asked = ("maxmemory", "maxmemory-policy", "appendonly", "save")
    sections = [("INFO", "memory"), ("INFO", "persistence")]
    settings = [("CONFIG", "GET", name) for name in asked]
    answers = await store.calls([("PING",), *sections, *settings], one_by_one=True)
    if isinstance(answers[0], Exception):
        raise answers[0]
    told: dict[str, str] = {}
    for each in answers[1:]:
        if isinstance(each, dict):
            told |= {str(name): str(value) for name, value in each.items()}
        elif isinstance(each, list) and len(each) == 2:
            told[each[0]] = each[1]
    return dangers_in(told)


def dangers_in(told: Mapping[str, str]) -> list[str]:
    """Return the same of what Redis told: its settings, and INFO's lines where settings are not told."""
    found = []
    policy = told.get("maxmemory-policy", told.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction" and told.get("maxmemory", "0") != "0":
        found.append(
            f"Redis has maxmemory-policy {policy}: when it is full it throws away what the bridge knows of "
            "people (set it to noeviction)"
        )
    has_file = told.get("appendonly", "yes" if told.get("aof_enabled", "1") == "1" else "no") == "yes"
    if has_file and told.get("aof_last_write_status", "ok") != "ok":
        found.append(
            "Redis cannot write its append-only file (aof_last_write_status: see its log, and its disk)"
        )
    if not has_file and told.get("save") == "":
        found.append("Redis keeps nothing on disk (set appendonly to yes)")
    elif not has_file and told.get("rdb_last_bgsave_status", "ok") != "ok":
        found.append("Redis cannot write its snapshots (rdb_last_bgsave_status: see its log, and its disk)")
    return found
