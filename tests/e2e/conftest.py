"""A sandbox and a place to run the bridge in, for each test."""

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.sandbox import Sandbox, running_sandbox
from tests.e2e.place import Place
from tests.store.catalogued import read_unlisted


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A GitBook stand-in on loopback."""
    async with running_sandbox(Sandbox("acme", "sandbox-token-of-the-tests")) as running:
        yield running


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="be-") as name:
        yield Path(name)


@pytest.fixture
def make_place(folder: Path, sandbox: Sandbox) -> Iterator[Callable[..., Place]]:
    """Make a place; what runs in it is ended with the test, and what it wrote is in the catalogue of keys."""
    places: list[Place] = []

    def make(**options: Any) -> Place:
        places.append(Place(folder, sandbox, **options))
        return places[-1]

    yield make
    unlisted = [
        each for place in places for each in read_unlisted(place.folder / "data" / "valkey.sock", "bridge")
    ]
    for place in places:
        place.end()
    assert unlisted == []
