"""A receiver with SCIM sources over a real Valkey, and a provider that talks to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette

from bridge.metrics import Metrics
from bridge.receiver import create_app
from bridge.settings import RedisSettings, Settings
from bridge.store.journal import Journal
from bridge.store.redis import Store
from tests.scim.provider import Provider

TOKEN = "scim-token-of-the-tests"


@pytest.fixture
def settings(redis_settings: RedisSettings) -> Settings:
    """Two SCIM sources and one that is none."""
    told = {
        "receiver": {"max_body": "100KB"},
        "sources": [
            {"name": "idp", "kind": "scim", "secrets": [TOKEN, "the-next-token"]},
            {"name": "other", "kind": "scim", "secrets": ["token-of-the-other"]},
            {"name": "away", "kind": "scim", "secrets": ["token-from-away"], "networks": ["203.0.113.0/24"]},
            {"name": "okta", "kind": "okta-workflows", "secrets": ["flow-secret"]},
        ],
    }
    return Settings.model_validate(told).model_copy(update={"redis": redis_settings})


@pytest.fixture
def metrics() -> Metrics:
    """What the receiver counts."""
    return Metrics()


@pytest.fixture
def app(settings: Settings, store: Store, metrics: Metrics) -> Starlette:
    """The receiver."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Journal]:
        yield Journal(store)

    return create_app(settings, opened, metrics)


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running receiver without a token."""
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://bridge.acme.test") as client,
    ):
        yield client


@pytest.fixture
def idp(http: httpx.AsyncClient, store: Store) -> Provider:
    """The provider of the first source."""
    return Provider(http, store, "idp", TOKEN)


@pytest.fixture
async def second(settings: Settings, store: Store) -> AsyncIterator[Provider]:
    """The same provider at another receiver over the same Redis."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Journal]:
        yield Journal(store)

    app = create_app(settings, opened)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://bridge.acme.test") as client,
    ):
        yield Provider(client, store, "idp", TOKEN)
