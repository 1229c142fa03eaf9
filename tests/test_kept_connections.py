"""HTTP connections that a server closes while they are kept."""

from collections.abc import AsyncIterator

import pytest
from tenacity import wait_none

from bridge import kept_connections
from bridge.directories.okta import Okta
from bridge.settings import Secret
from bridge.targets.gitbook import GitBook
from tests.proxies import ClosingApi, running_api

USER = b'{"id": "00uana", "status": "ACTIVE", "profile": {"email": "ana@acme.test"}}'
TEAM = b'{"id": "t1", "title": "Writers", "members": 0, "spaces": 0, "createdAt": "2026-01-31T09:30:00Z"}'


@pytest.fixture
async def okta() -> AsyncIterator[tuple[Okta, ClosingApi]]:
    """Okta, which closes what is kept."""
    async with running_api(USER) as api:
        client = Okta(api.url, Secret("x"))
        yield client, api
        await client.close()


@pytest.fixture
async def gitbook(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[GitBook, ClosingApi]]:
    """GitBook, which does so, too."""
    monkeypatch.setattr("bridge.targets.gitbook.wait_random_exponential", lambda **_: wait_none())
    async with running_api(TEAM) as api:
        client = GitBook(api.url, "acme", Secret("x"))
        yield client, api
        await client.close()


async def test_a_reading_is_sent_again_by_another_connection(okta: tuple[Okta, ClosingApi]) -> None:
    """Once; it counts as no failure."""
    client, api = okta
    for number in range(1, 4):
        assert (await client.user("00uana")).found
        assert (api.answered, api.cut) == (number, number - 1)


async def test_a_call_that_may_be_repeated_is(gitbook: tuple[GitBook, ClosingApi]) -> None:
    """As after any other passing fault."""
    client, api = gitbook
    for number in range(1, 4):
        assert (await client.team("t1")).title == "Writers"
        assert (api.answered, api.cut) == (number, number - 1)


async def test_a_team_is_made_by_a_connection_that_did_not_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """That call may not be repeated: what has rested for some seconds is not used for it."""
    monkeypatch.setattr(kept_connections, "KEPT_SECONDS", 0.0)
    async with running_api(TEAM) as api:
        client = GitBook(api.url, "acme", Secret("x"))
        await client.team("t1")
        assert (await client.create_team("Writers", [])).id == "t1"
        assert (api.answered, api.cut) == (2, 0)
        await client.close()
