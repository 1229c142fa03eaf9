"""Does Redis keep what it is given?"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.embedded import EmbeddedValkey
from bridge.settings import RedisSettings
from bridge.store.durability import durability, read_config
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
