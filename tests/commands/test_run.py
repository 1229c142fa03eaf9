"""`bridge run`, `serve`, `worker`: when they do not start."""

import asyncio
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette

from bridge import serving
from bridge.embedded import EmbeddedValkey
from bridge.metrics import Metrics
from bridge.settings import RedisSettings, Settings
from bridge.store.redis import Store
from bridge.store.schema import SchemaError
from workers import main
from workers.context import Worker


@pytest.mark.parametrize("command", ["run", "serve", "worker"])
async def test_none_starts_on_the_data_of_a_newer_bridge(
    store: Store, valkey_server: EmbeddedValkey, tmp_path: Path, command: str
) -> None:
    """Exit code 1 and a message that says so."""
    await store.call("SET", store.key("schema"), 99)
    config = tmp_path / "bridge.toml"
    config.write_text(
        f'[redis]\nurl = "unix://{valkey_server.socket}"\nprefix = "{store.prefix}"\n[receiver]\nport = 0\n'
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge", command, "-c", str(config),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(30):
        _, told = await child.communicate()
    assert child.returncode == 1
    assert "is of a newer bridge (schema 99" in told.decode()


class Redis:
    """One that does not answer at first, and has newer data then."""

    def __init__(self) -> None:
        self.asked = 0

    async def prepare(self, _: object) -> None:
        """Look at the version."""
        self.asked += 1
        raise ConnectionError if self.asked < 3 else SchemaError("newer")


async def test_a_receiver_that_finds_it_later_stops_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis may be away when it starts: it is asked again until it answers."""
    redis, servers = Redis(), [serving.make_server(Starlette(), Metrics(), 1000)]
    monkeypatch.setattr(serving, "prepare", redis.prepare)
    monkeypatch.setattr(serving, "_LOOK_AGAIN", 0.01)
    with pytest.raises(SchemaError):
        await serving._look_at_schema(Settings(), servers)
    assert (redis.asked, servers[0].should_exit) == (3, True)


async def test_a_worker_that_finds_it_later_does_not_begin(
    store: Store, redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Likewise; SIGTERM ends the waiting."""
    redis, worker = Redis(), Worker(Settings(redis=redis_settings), store)
    monkeypatch.setattr(main, "prepare_schema", redis.prepare)
    monkeypatch.setattr(main, "_LOOK_AGAIN", 0.01)
    with pytest.raises(SchemaError):
        await main._prepare(worker)
    worker.stopping.set()
    await main._prepare(worker)
    assert redis.asked == 3
