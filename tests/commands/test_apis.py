"""What `bridge status` tells of the directories' own APIs."""

import time
from pathlib import Path
from typing import Any

from bridge.commands.apis import api_lines
from bridge.commands.status import read_status
from bridge.settings import RedisSettings, Settings, parse_settings
from bridge.store.commit import Transaction
from bridge.store.reads import ReadState, ReadStore
from bridge.store.redis import Store

FLOW = {"name": "flow", "kind": "okta-workflows", "secrets": ["flow-secret"]}
HOOKS = {"name": "hooks", "kind": "okta-event-hooks", "secrets": ["hooks-secret"]}
API = {"api_url": "https://acme.okta.test", "api_token": "x"}


def settings(redis: RedisSettings, *sources: dict[str, Any]) -> Settings:
    """A configuration over the test's own Redis."""
    table = {"data_dir": str(redis.data_dir), "prefix": redis.prefix}
    return parse_settings({"redis": table, "sources": list(sources)}, Path("/nowhere/bridge.toml"))


async def leave_open(store: Store, state: ReadState | None = None) -> None:
    """Have two people and a group unread, and the API in a state."""
    reads, transaction = ReadStore(store, "hooks"), Transaction(store)
    transaction.add_all(reads.mark(["u:00u1", "u:00u2", "g:00g1"], 1))
    transaction.add_all([reads.put_state(state)] if state else [])
    await transaction.run()


async def status(store: Store, made: Settings) -> dict[str, Any]:
    """What it tells of the source "hooks"."""
    told = await read_status(made, store)
    assert "api" not in told["sources"].get("flow", {})
    api: dict[str, Any] = told["sources"]["hooks"]["api"]
    return api


async def test_without_a_token_it_says_of_how_many_too_little_is_known(
    store: Store, redis_settings: RedisSettings
) -> None:
    """And what to set; where nothing was left open there is nothing to say."""
    made = settings(redis_settings, FLOW, HOOKS)
    assert await status(store, made) == {
        "state": "not_configured", "reason": None, "resumes_at": None, "unread": 0,
    }  # fmt: skip
    assert list(api_lines("hooks", await status(store, made))) == []
    await leave_open(store)
    (line,) = api_lines("hooks", await status(store, made))
    assert "hooks: of 3 people and groups only the login" in line
    assert "api_token" in line


async def test_an_api_that_rests_says_why_and_until_when(store: Store, redis_settings: RedisSettings) -> None:
    """In the JSON and for people."""
    made, until = settings(redis_settings, HOOKS | API), int(time.time()) + 60
    await leave_open(store, ReadState("credentials_rejected", "no token", until))
    told = await status(store, made)
    assert (told["state"], told["unread"]) == ("credentials_rejected", 3)
    (line,) = api_lines("hooks", told)
    assert line.startswith("hooks: 3 people and groups wait to be read from the directory: no token (tries")


async def test_a_limit_that_is_over_is_none(store: Store, redis_settings: RedisSettings) -> None:
    """Nobody had to read since."""
    made = settings(redis_settings, HOOKS | API)
    await leave_open(store, ReadState("rate_limited", "used up", time.time() + 60))
    assert (await status(store, made))["state"] == "rate_limited"
    await leave_open(store, ReadState("rate_limited", "used up", time.time() - 60))
    told = await status(store, made)
    assert (told["state"], told["reason"]) == ("ok", None)
    assert list(api_lines("hooks", told)) == []
