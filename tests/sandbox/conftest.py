"""A sandbox with a clock that stands still, and a client that speaks to it in-process."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from bridge.sandbox import Sandbox, create_app


@dataclass
class FakeClock:
    """Unix seconds that pass only when told."""

    time: float = 1_800_000_000.25

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> FakeClock:
    """Time for the sandbox of the test."""
    return FakeClock()


@pytest.fixture
def sandbox(clock: FakeClock) -> Sandbox:
    """An organisation "acme" with nobody but the token's owner."""
    return Sandbox(clock=clock, seed=1)


@pytest.fixture
async def root(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token, at the root of the app."""
    transport = httpx.ASGITransport(create_app(sandbox))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as client:
        yield client


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the token, at the organisation."""
    transport = httpx.ASGITransport(create_app(sandbox))
    url = f"{sandbox.url}/orgs/{sandbox.organization}"
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    async with httpx.AsyncClient(transport=transport, base_url=url, headers=headers) as client:
        yield client
