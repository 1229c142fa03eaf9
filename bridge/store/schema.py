"""The version of what is stored: an older one is migrated, a newer one is left alone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from bridge.settings import RedisSettings
from bridge.store.durability import require_safe
from bridge.store.lease import acquire
from bridge.store.redis import Store, open_store

Migration = Callable[[Store], Awaitable[None]]
MIGRATIONS: Sequence[Migration] = ()  # the first leads from version 1 to 2; each may be begun again
_PAUSE = 0.2  # seconds, while somebody else migrates


class SchemaError(Exception):
    """The data is of a newer bridge; the text says what to do."""


def newest() -> int:
    """Return the version that this bridge reads and writes."""
    return 1 + len(MIGRATIONS)


async def read_version(store: Store) -> int:
    """Return the version of what is stored; 0 where nothing is. The first data had no version: 1."""
    version, data = await store.calls([
        ("GET", store.key("schema")), ("EXISTS", store.key("directories"), store.key("fences")),
    ])  # fmt: skip
    return int(version or (1 if data else 0))


async def prepare_schema(store: Store) -> None:
    """Write the version at the first start, migrate what is older.

    Raises SchemaError where it is newer, and one of STORE_ERRORS.
    """
    while (version := await read_version(store)) != newest():
        if version > newest():
            raise SchemaError(_newer(store, version))
        if version == 0:
            await store.call("SET", store.key("schema"), newest(), "NX")
        elif not await _migrate(store):
            await asyncio.sleep(_PAUSE)
    if not await store.call("EXISTS", store.key("schema")):
        await store.call("SET", store.key("schema"), newest(), "NX")


def _newer(store: Store, version: int) -> str:
    return (
        f"the data under {store.prefix} in Redis is of a newer bridge (schema {version}, this one knows "
        f"{newest()}): start that version again, or set another redis.prefix or redis.data_dir"
    )


async def _migrate(store: Store) -> bool:
    """Go all steps that are missing, unless somebody else does."""
    lease = await acquire(store, "schema", "migration")
    if lease is None:
        return False
    try:
        version = await read_version(store)
        for number, migrate in enumerate(MIGRATIONS[version - 1 :], version + 1):
            await migrate(store)
            await store.call("SET", store.key("schema"), number)
    finally:
        await lease.close()
    return True


async def prepare(redis: RedisSettings) -> None:
    """Do the same for the configured Redis, if it keeps what it is given; UnsafeRedisError where not."""
    store = open_store(redis)
    try:
        await require_safe(store)
        await prepare_schema(store)
    finally:
        await store.close()
