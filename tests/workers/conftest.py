"""The world of the workers' tests."""

import time
from collections.abc import AsyncIterator

import pytest
from tenacity import wait_none

from bridge.sandbox import Sandbox, running_sandbox
from bridge.settings import RedisSettings
from bridge.store.redis import Store
from bridge.targets import gitbook
from tests.workers.world import DAY, World, counted
from workers import converge


@pytest.fixture
async def world(
    redis_settings: RedisSettings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """A directory "okta" without anybody and an organisation with the token's owner only."""
    now = [time.time_ns() // 1_000_000 + 30 * DAY]  # decisions are marked by the real clock: in the past
    monkeypatch.setattr(gitbook, "PATIENCE", 0.0)
    monkeypatch.setattr(gitbook, "wait_random_exponential", lambda **_: wait_none())
    monkeypatch.setattr(converge, "_NAP", 0.001)
    sandbox = Sandbox("acme", "gb_api_x", clock=lambda: now[0] / 1000)
    async with running_sandbox(sandbox):
        made = World(redis_settings, store, sandbox, now)
        monkeypatch.setattr(converge, "_step", counted(lambda: made, converge._step))
        yield made
        await made.close()
