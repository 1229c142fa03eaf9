"""`bridge events`."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson
import pytest

from bridge.directory.events import DirectoryEvent, EventName, UserNews, encode_event
from bridge.embedded import EmbeddedValkey
from bridge.settings import RedisSettings
from bridge.store.journal import Entry, Journal, Receipt, Submission
from bridge.store.redis import open_store
from tests.commands.conftest import Bridge, BridgeJson
from tests.operators.logbook import refuse
from tests.workers.world import World

pytestmark = pytest.mark.usefixtures("okta")
BRIDGE = Path(sys.executable).parent / "bridge"
DEADLINE = 30.0


# the list


async def test_events_as_json(world: World, bridge_json: BridgeJson) -> None:
    """A plain list, the newest first."""
    assert await bridge_json("events") == []
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    added, created, hired = await bridge_json("events")
    assert added["user"] == {"id": "ana", "email": None, "active": None}
    assert created["group"] == {"id": "g1", "name": "Writers", "members": None}
    ident, at = hired.pop("id"), hired.pop("at")
    assert ident.startswith("okta/") and at.endswith("Z") and hired.pop("happened_at").endswith("Z")
    assert hired == {
        "source": "okta", "directory": "okta", "kind": "user.created", "delivery": "d1", "state": "pending",
        "user": {"id": "ana", "email": "ana@acme.test", "active": True}, "group": None, "reason": "",
    }  # fmt: skip
    await world.fold()
    assert (await bridge_json("events", "--limit", "1"))[0]["user"]["email"] == "ana@acme.test"


async def test_events_for_people(world: World, bridge: Bridge) -> None:
    """Who is in it, with names, and what was refused; how to go on when there is more."""
    assert "No such events." in (await bridge("events")).output
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.fold()
    await refuse(world, "user.id is missing")
    done = await bridge("events")
    assert done.exit_code == 0
    text = " ".join(done.output.replace("│", " ").split())
    assert "ana@acme.test (active)" in text
    assert "refused" in text
    assert (await bridge("events", "--limit", "4")).stderr == ""
    done = await bridge("events", "--limit", "1", "--kind", "user")
    assert done.stderr == ""
    done = await bridge("events", "--limit", "1", "--kind", "group")
    [ident] = [word for word in done.output.split() if word.startswith("okta/")][:1]
    assert f"go on with --after {ident}" in done.stderr


async def test_wrong_options_end_with_2(bridge: Bridge) -> None:
    """And say what may be written."""
    done = await bridge("events", "--source", "polis")
    assert (done.exit_code, "write okta" in done.stderr) == (2, True)
    assert (await bridge("events", "--after", "d1")).exit_code == 2
    assert (await bridge("events", "--follow", "--until", "1h")).exit_code == 2


# as they arrive


@asynccontextmanager
async def following(folder: Path) -> AsyncIterator[Process]:
    """A `bridge events --follow` of the last hour, with its own Valkey's data in a folder."""
    config = folder / "bridge.toml"
    config.write_text('[redis]\ndata_dir = "data"\n')
    words = ("events", "--follow", "--since", "1h", "--json", "-c", str(config))
    process = await asyncio.create_subprocess_exec(BRIDGE, *words, stdout=PIPE, stderr=PIPE)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def line(stream: asyncio.StreamReader | None) -> str:
    """The next line."""
    assert stream
    async with asyncio.timeout(DEADLINE):
        return (await stream.readline()).decode()


async def told(folder: Path, name: str) -> None:
    """Let an event arrive."""
    event = DirectoryEvent(EventName.USER_CREATED, 1 << 10, UserNews(name), None, "okta", "d1", 1)
    store = open_store(RedisSettings(data_dir=folder / "data"))
    entry = Entry("okta", None, orjson.dumps(encode_event(event)))
    assert await Journal(store).accept([Submission("okta", [entry])]) == [Receipt(1, 0)]
    await store.close()


async def test_following_outlives_redis_and_ends_with_ctrl_c(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """One line of JSON for each event, in order, none twice or left out; an outage is said once."""
    folder = tmp_path_factory.mktemp("v")
    async with following(folder) as process:
        assert "Redis does not answer" in await line(process.stderr)
        for name in ("ana", "bo"):
            with EmbeddedValkey(folder / "data"):
                await told(folder, name)
                shown = orjson.loads(await line(process.stdout))
                assert (shown["user"]["id"], shown["state"]) == (name, "pending")
            if name == "ana":
                assert "Redis does not answer" in await line(process.stderr)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(DEADLINE):
            assert await process.wait() == 0
