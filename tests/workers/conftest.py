"""The world of the workers' tests."""

from collections.abc import AsyncIterator

import pytest

from bridge.settings import RedisSettings
from bridge.store.redis import Store
from tests.workers.world import World, playing


@pytest.fixture
async def world(
    redis_settings: RedisSettings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """A directory "okta" without anybody and an organisation with the token's owner only."""
    async with playing(redis_settings, store, monkeypatch) as made:
        yield made
