"""`bridge erase`."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.cli import app
from bridge.store.audit import Audit
from bridge.store.commit import LeaseLostError
from tests.commands.conftest import Bridge, BridgeJson
from tests.operators.keys import holding
from tests.workers.world import World


@pytest.fixture(autouse=True)
async def somebody_left(world: World) -> None:
    """Zoe joined and left; Ana is still there."""
    await world.hire("ana", "zoe")
    await world.settle()
    await world.fire("zoe")
    await world.settle()


async def test_what_is_kept_is_shown_and_asked(world: World, bridge: Bridge, tmp_path: Path) -> None:
    """By place; "no" changes nothing."""
    line = ["erase", "zoe@acme.test", "-c", str(tmp_path / "bridge.toml")]
    done = await asyncio.to_thread(lambda: CliRunner().invoke(app, line, input="n\n"))
    assert done.exit_code == 1
    assert "event log" in done.stdout
    assert "nothing was changed" in done.stderr
    assert "Erase all of it?" in done.stdout
    assert await holding(world.store, r"zoe@acme\.test")
    done = await asyncio.to_thread(lambda: CliRunner().invoke(app, line, input="y\n"))
    assert done.exit_code == 0, done.output
    assert "stands for them now" in done.stdout
    assert await holding(world.store, r"zoe@acme\.test") == {}


async def test_as_json(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """--dry-run tells, --yes does; the address is not in what is told."""
    done = await bridge("erase", "zoe@acme.test", "--json")
    assert (done.exit_code, "add --yes, or --dry-run" in done.stderr) == (2, True)
    told = await bridge_json("erase", "zoe@acme.test", "--dry-run")
    assert (told["erased"], told["entries"]["event log"]) == (False, 2)
    assert await holding(world.store, r"zoe@acme\.test")
    done = await bridge("erase", " Zoe@ACME.test", "--yes", "--json", "--by", "boss", "--why", "GDPR")
    assert "zoe@acme.test" not in done.stdout
    assert '"erased": true' in done.stdout
    [(_, deed)] = await Audit(world.store).read()
    assert (deed.by, deed.why, deed.object) == ("boss", "GDPR", f"m:{told['person']}")
    done = await bridge("erase", "zoe@acme.test", "--yes")
    assert done.exit_code == 1
    assert f"if its person was erased, {told['person']} stands for them" in done.stderr


async def test_who_is_still_there(world: World, bridge: Bridge) -> None:
    """Exit code 1, why, and what to do."""
    done = await bridge("erase", "ana@acme.test", "--yes")
    assert done.exit_code == 1
    assert (
        "still active in the directory okta: they have to be deactivated or deleted there first"
        in done.stderr
    )
    assert "is a member of docs still" in done.stderr


async def test_one_that_was_interrupted(
    world: World, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that it can be done again."""

    async def lost(*_: object) -> None:
        raise LeaseLostError("fold:okta")

    monkeypatch.setattr("bridge.operators.erase._finish", lost)
    done = await bridge("erase", "zoe@acme.test", "--yes")
    assert (done.exit_code, "do it again" in done.stderr) == (1, True)
