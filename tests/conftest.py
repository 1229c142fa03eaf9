"""What all tests share: a real Valkey, and a name space of its own for each test."""

import logging
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from bridge.embedded import EmbeddedValkey
from bridge.settings import RedisSettings
from bridge.store.journal import Journal
from bridge.store.redis import Store, open_store

# For `tests.…`. Behind all else, so that `bridge` is the installed package: that is what is tested.
sys.path.append(str(Path(__file__).parents[1]))

settings.register_profile("bridge", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("bridge")


CONFIGURED = (
    "", "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "arq", "httpx", "httpcore", "asyncio"
)  # fmt: skip


@pytest.fixture(autouse=True)
def logs_restored() -> Iterator[None]:
    """Leave logging as it was, whatever the test configured."""
    loggers = [logging.getLogger(name) for name in CONFIGURED]
    kept = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    yield
    structlog.reset_defaults()
    for one, handlers, level, propagate in kept:
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[EmbeddedValkey]:
    """One embedded Valkey for the whole run (fsync off the path: durability has tests of its own)."""
    with (
        tempfile.TemporaryDirectory(prefix="bv-") as folder,
        EmbeddedValkey(Path(folder), "everysec") as server,
    ):
        yield server


@pytest.fixture
def redis_settings(valkey_server: EmbeddedValkey) -> RedisSettings:
    """Settings that lead to the test's own name space in it."""
    return RedisSettings(data_dir=valkey_server.data_dir, prefix=f"t{uuid.uuid4().hex[:12]}")


@pytest.fixture
async def store(redis_settings: RedisSettings) -> AsyncIterator[Store]:
    """A store of the test's own."""
    opened = open_store(redis_settings)
    yield opened
    await opened.close()


@pytest.fixture
def journal(store: Store) -> Journal:
    """The journal in it."""
    return Journal(store)
