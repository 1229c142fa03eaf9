"""The version of what is stored."""

import asyncio

import pytest

from bridge.settings import RedisSettings
from bridge.store import schema
from bridge.store.lease import acquire
from bridge.store.redis import Store
from bridge.store.schema import SchemaError, prepare, prepare_schema, read_version


async def version(store: Store) -> str | None:
    """What is written."""
    found: str | None = await store.call("GET", store.key("schema"))
    return found


async def append(store: Store, word: str) -> None:
    """Write down that a migration was here."""
    await store.call("RPUSH", store.key("steps"), word)


async def to_two(store: Store) -> None:
    """The first migration."""
    await append(store, "two")


async def to_three(store: Store) -> None:
    """The second one."""
    await append(store, "three")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge two versions later."""
    monkeypatch.setattr(schema, "MIGRATIONS", (to_two, to_three))
    monkeypatch.setattr(schema, "_PAUSE", 0.01)


async def steps(store: Store) -> list[str]:
    """The migrations that were made."""
    made: list[str] = await store.call("LRANGE", store.key("steps"), 0, -1)
    return made


async def test_the_first_start_writes_the_version(store: Store, redis_settings: RedisSettings) -> None:
    """And later ones leave it."""
    for _ in range(2):
        await prepare(redis_settings)
        assert await version(store) == "1"


async def test_data_without_a_version_is_of_the_first(store: Store) -> None:
    """It was written before there was one."""
    await store.call("SADD", store.key("directories"), "okta")
    assert await read_version(store) == 1
    await prepare_schema(store)
    assert await version(store) == "1"


async def test_newer_data_is_refused(store: Store) -> None:
    """It says which version it has and what to do, and changes nothing."""
    await store.call("SET", store.key("schema"), 7)
    with pytest.raises(SchemaError, match=r"newer bridge \(schema 7, this one knows 1\): start that version"):
        await prepare_schema(store)
    assert await version(store) == "7"


async def test_older_data_is_migrated_step_by_step(store: Store, later: None) -> None:
    """Only by the steps that are missing, each once."""
    await store.call("SADD", store.key("directories"), "okta")
    for _ in range(2):
        await prepare_schema(store)
    assert (await version(store), await steps(store)) == ("3", ["two", "three"])
    await store.call("SET", store.key("schema"), 2)
    await prepare_schema(store)
    assert await steps(store) == ["two", "three", "three"]


async def test_a_first_start_migrates_nothing(store: Store, later: None) -> None:
    """There is nothing yet."""
    await prepare_schema(store)
    assert (await version(store), await steps(store)) == ("3", [])


async def test_one_migrates_and_the_others_wait(store: Store, later: None) -> None:
    """Receivers and workers start together."""
    await store.call("SET", store.key("schema"), 1)
    lease = await acquire(store, "schema", "somebody")
    assert lease
    waiting = [asyncio.create_task(prepare_schema(store)) for _ in range(5)]
    await asyncio.wait(waiting, timeout=0.1)
    assert (await version(store), await steps(store)) == ("1", [])
    await lease.close()
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting)
    assert (await version(store), await steps(store)) == ("3", ["two", "three"])
