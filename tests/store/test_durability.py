"""Does Redis keep what it is given?"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.embedded import EmbeddedValkey
from bridge.settings import RedisSettings
from bridge.store.durability import (
    UnsafeRedisError,
    dangers_in,
    durability,
    read_config,
    require_safe,
)
from bridge.store.journal import Journal
from bridge.store.redis import Store, open_store


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedValkey]:
    """A Valkey whose settings may be changed."""
    with tempfile.TemporaryDirectory(prefix="bv-") as folder, EmbeddedValkey(Path(folder)) as running:
        yield running


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, []),
        ({"appendfsync": "everysec"}, ["appendfsync is everysec"]),
        ({"appendonly": "no"}, ["appendonly is no"]),
        ({"appendonly": "no", "appendfsync": "everysec"}, ["appendonly is no"]),
        ({"maxmemory-policy": "allkeys-lru"}, []),
        ({"maxmemory-policy": "allkeys-lru", "maxmemory": "1gb"}, ["maxmemory-policy is allkeys-lru"]),
        ({"maxmemory": "1gb"}, []),
    ],
)
async def test_what_may_be_lost(server: EmbeddedValkey, changed: dict[str, str], told: list[str]) -> None:
    """Without a limit nothing is thrown away; without a file nothing is synced to it."""
    store = open_store(RedisSettings(data_dir=server.data_dir))
    usual = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "maxmemory": "0"}
    await store.calls([("CONFIG", "SET", name, value) for name, value in (usual | changed).items()])
    assert [text.partition(":")[0] for text in await durability(store)] == told
    await store.close()


async def test_nothing_is_said_of_a_redis_that_does_not_tell(
    store: Store, valkey_server: EmbeddedValkey
) -> None:
    """CONFIG is forbidden at many providers, and one that is away says nothing at all."""
    user = store.prefix
    await store.call("ACL", "SETUSER", user, "on", ">pass-word", "~*", "+@all", "-config")
    silent = open_store(RedisSettings(url=f"unix://{user}:pass-word@{valkey_server.socket}"))
    assert await read_config(silent) is None
    assert await durability(silent) == []
    await silent.close()
    await store.call("ACL", "DELUSER", user)
    gone = open_store(RedisSettings(url="redis://127.0.0.1:1/0"))
    assert await durability(gone) == []
    await gone.close()


# -- what nothing may start on


async def changed_to(server: EmbeddedValkey, settings: dict[str, str]) -> Store:
    """A store in a Valkey that has these settings, and otherwise the safe ones."""
    store = open_store(RedisSettings(url=f"unix://{server.socket}"))
    usual = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "maxmemory": "0"}
    await store.calls([("CONFIG", "SET", name, value) for name, value in (usual | settings).items()])
    return store


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, None),
        ({"appendfsync": "everysec"}, None),
        ({"maxmemory-policy": "allkeys-lru"}, None),
        ({"maxmemory-policy": "allkeys-lru", "maxmemory": "1gb"}, "maxmemory-policy allkeys-lru"),
        ({"maxmemory-policy": "volatile-ttl", "maxmemory": "1gb"}, "set it to noeviction"),
        ({"appendonly": "no"}, "Redis keeps nothing on disk (set appendonly to yes)"),
    ],
)
async def test_a_redis_that_throws_away_what_it_has_is_refused(
    server: EmbeddedValkey, settings: dict[str, str], text: str | None
) -> None:
    """By name, with what to set; and readiness is gone once it becomes so."""
    store = await changed_to(server, settings)
    reason = await Journal(store).not_ready()
    if text is None:
        await require_safe(store)
        assert reason is None
    else:
        with pytest.raises(UnsafeRedisError, match=re.escape(text)):
            await require_safe(store)
        assert text in str(reason)
    await store.close()


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ({}, 0),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": "10", "aof_enabled": "1"}, 1),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": "0", "aof_enabled": "0"}, 0),
        ({"aof_enabled": "1", "aof_last_write_status": "err"}, 1),
        ({"aof_enabled": "0", "aof_last_write_status": "err"}, 0),
        ({"appendonly": "no", "save": "3600 1"}, 0),
        ({"appendonly": "no", "save": "3600 1", "rdb_last_bgsave_status": "err"}, 1),
        ({"appendonly": "yes", "save": "", "rdb_last_bgsave_status": "err"}, 0),
    ],
)
def test_what_is_too_dangerous(told: dict[str, str], number: int) -> None:
    """As far as Redis tells: INFO where CONFIG is forbidden, and what is not told is no danger."""
    assert len(dangers_in(told)) == number


@pytest.mark.parametrize("command", ["run", "serve", "worker"])
async def test_nothing_starts_on_it(server: EmbeddedValkey, tmp_path: Path, command: str) -> None:
    """It ends with 1 and says what to set."""
    store = await changed_to(server, {"maxmemory-policy": "allkeys-lru", "maxmemory": "1gb"})
    config = tmp_path / "bridge.toml"
    config.write_text(f'[redis]\nurl = "unix://{server.socket}"\n[receiver]\nport = 0\n')
    bridge = Path(sys.executable).with_name("bridge")
    process = await asyncio.create_subprocess_exec(
        bridge, command, "-c", config, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"maxmemory-policy allkeys-lru" in errors
    await (await changed_to(server, {})).close()
    await store.close()
