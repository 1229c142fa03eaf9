"""`bridge replay`."""

import asyncio
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from bridge.cli import app
from bridge.intake import refused_rows
from bridge.sources.base import Refused
from bridge.store.audit import Audit
from bridge.store.journal import Submission
from tests.commands.conftest import Bridge, BridgeJson
from tests.workers.world import World

pytestmark = pytest.mark.usefixtures("okta")


async def drift(world: World) -> None:
    """Hire two people, one of whom somebody then removes by hand."""
    await world.hire("ana", "bo")
    await world.settle()
    world.sandbox.state.leave(world.sandbox.members()["ana@acme.test"].id)


async def test_by_ids(world: World, bridge_json: BridgeJson) -> None:
    """What drifted apart is mended; the audit names who and why, and what was asked for."""
    await drift(world)
    [ident] = [row["id"] for row in await bridge_json("events", "--text", "ana@")]
    assert await bridge_json("replay", ident, "--yes", "--by", "boss", "--why", "restored") == {
        "events": 1, "tried_again": 0, "people": 1, "groups": 0, "targets": ["docs"],
        "unknown": [], "refused": [],
    }  # fmt: skip
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}
    [(_, deed)] = await Audit(world.store).read()
    assert (deed.by, deed.why, deed.action) == ("boss", "restored", "replayed")
    assert deed.detail == {"ids": [ident], "events": 1}


async def test_by_filters(world: World, bridge_json: BridgeJson) -> None:
    """All of a kind, a text, a source, or everything since then; the audit keeps the words."""
    await drift(world)
    assert (await bridge_json("replay", "--text", "bo@", "--yes"))["people"] == 1
    assert (await bridge_json("replay", "--kind", "user", "--source", "okta", "--yes"))["people"] == 2
    assert (await bridge_json("replay", "--kind", "group", "--yes"))["events"] == 0
    assert (await bridge_json("replay", "--all", "--since", "1h", "--yes"))["events"] == 2
    asked = [deed.detail for _, deed in await Audit(world.store).read()]
    assert asked[0] == {"since": "1h", "events": 2}
    assert asked[1] == {"source": ["okta"], "kind": ["user"], "events": 2}
    assert len(asked) == 3
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}


async def test_it_asks_first(world: World, tmp_path: Path) -> None:
    """With how many there are; nothing is done unless it is answered."""
    await drift(world)
    words = ["replay", "--all", "--since", "1h", "-c", str(tmp_path / "bridge.toml")]
    done = await asyncio.to_thread(lambda: CliRunner().invoke(app, words, input="n\n"))
    assert done.exit_code == 1
    assert "2 event(s) told of 2 address(es) and 0 group(s)." in done.output
    assert await world.due() == []
    done = await asyncio.to_thread(lambda: CliRunner().invoke(app, words, input="y\n"))
    assert (done.exit_code, "They are looked at again at docs." in done.output) == (0, True)
    assert sorted(await world.due()) == ["m:ana", "m:bo"]


async def test_what_cannot_be_replayed_is_named(
    world: World, bridge: Bridge, bridge_json: BridgeJson
) -> None:
    """It ends with 1; what can be is done all the same."""
    await world.hire("ana")
    await world.settle()
    rows = refused_rows("okta", [Refused(0, "user.id is missing")], world.now, "d9")
    await world.journal.accept([Submission("okta", refused=rows)])
    ids = {row["state"]: row["id"] for row in await bridge_json("events")}
    done = await bridge("replay", *ids.values(), "okta/1-0", "--json", "--yes")
    assert done.exit_code == 1
    assert orjson.loads(done.stdout)["targets"] == ["docs"]
    assert "no event okta/1-0 is known" in done.stderr
    assert f"{ids['refused']}: what was refused is not kept" in done.stderr
    assert await world.due() == ["m:ana"]


async def test_nothing_is_replayed_by_accident(world: World, bridge: Bridge) -> None:
    """What is asked for has to be narrow, or said in full."""
    await drift(world)
    for words in (
        [], ["--all"], ["--since", "1h"], ["okta/1-0", "--all"], ["okta/1-0", "--since", "1h"], ["d1"],
        ["--text", "ana", "--json"], ["--source", "polis"], ["--text", "ana", "--all"],
    ):  # fmt: skip
        assert (await bridge("replay", *words)).exit_code == 2, words
    assert await world.due() == []
    assert "No such events." in (await bridge("replay", "--text", "nobody")).output
