"""The workers' world, with the command line in front of it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from bridge.cli import app
from tests.workers.conftest import world
from tests.workers.world import World

__all__ = ["world"]  # a fixture
Bridge = Callable[..., Awaitable[Result]]
BridgeJson = Callable[..., Awaitable[Any]]


@pytest.fixture
def bridge(world: World, tmp_path: Path) -> Bridge:
    """Run a command with the world's configuration."""
    config = tmp_path / "bridge.toml"
    config.write_text(
        f'[redis]\ndata_dir = "{world.redis.data_dir}"\nprefix = "{world.redis.prefix}"\n'
        f'[[targets]]\nname = "docs"\napi_url = "{world.sandbox.url}"\norganization = "acme"\n'
        'token = "file:token"\nmode = "apply"\n'
    )
    (tmp_path / "token").write_text(world.sandbox.token)

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, [*words, "-c", str(config)]))

    return run


@pytest.fixture
def okta(bridge: Bridge, tmp_path: Path) -> None:
    """The configuration of `bridge` has a source."""
    add_source(tmp_path, "okta")


def add_source(folder: Path, name: str) -> None:
    """Put a source into the configuration of `bridge`."""
    (folder / name).write_text(f"{name}-secret")
    with (folder / "bridge.toml").open("a") as file:
        file.write(f'[[sources]]\nname = "{name}"\nkind = "okta-workflows"\nsecrets = ["file:{name}"]\n')


@pytest.fixture
def bridge_json(bridge: Bridge) -> BridgeJson:
    """Run a command that is to succeed, and return what it prints."""

    async def run(*words: str) -> Any:
        done = await bridge(*words, "--json")
        assert done.exit_code == 0, done.output
        return orjson.loads(done.stdout)

    return run
