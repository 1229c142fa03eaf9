"""`bridge directory list`, `forget`."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bridge.cli import app
from bridge.store.departures import read_departures
from bridge.store.targets import Pause
from tests.commands.conftest import Bridge, BridgeJson
from tests.workers.world import World
from workers.departing import arrive, forget_directories


@pytest.fixture(autouse=True)
async def three_people(world: World) -> None:
    """Three people by a source that was taken out since, of which the configuration file knows nothing."""
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    world.sources = []
    world.configure(guard={"max_removals": 2, "max_removal_percent": 0, "on_limit": "hold-rest"})
    await arrive(world.worker)


def guarded(tmp_path: Path) -> None:
    """Put the world's guard into the file."""
    with (tmp_path / "bridge.toml").open("a") as file:
        file.write("[targets.guard]\nmax_removals = 2\nmax_removal_percent = 0\non_limit = 'hold-rest'\n")


async def answer(tmp_path: Path, text: str, *words: str) -> Result:
    """Run a command and answer what it asks."""
    line = [*words, "-c", str(tmp_path / "bridge.toml")]
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, line, input=text))


async def test_directories_are_listed(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """With who is in them, who speaks for them and who counts on them."""
    [row] = await bridge_json("directory", "list")
    assert row.pop("last_event").endswith("Z")
    assert row == {
        "directory": "okta", "sources": [], "targets": ["docs"], "users": 3, "active": 3, "groups": 1,
        "forgotten": None, "ended": None,
    }  # fmt: skip
    told = (await bridge("directory", "list")).output
    assert "okta" in told
    assert "no source speaks for it" in " ".join(told.split())


async def test_without_any_directory(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """A sentence, and an empty list."""
    await world.store.call("DEL", *await world.store.call("KEYS", f"{world.store.prefix}:*"))
    assert (await bridge("directory", "list")).output == "There are no directories.\n"
    assert await bridge_json("directory", "list") == []


async def test_what_would_be_lost_is_shown_and_asked(
    world: World, bridge: Bridge, bridge_json: BridgeJson, tmp_path: Path
) -> None:
    """Counts, held removals with their reason; "no" changes nothing, "yes" lets the workers go on."""
    guarded(tmp_path)
    done = await answer(tmp_path, "n\n", "directory", "forget", "okta")
    assert done.exit_code == 1
    told = " ".join(done.output.split())
    assert "okta: 3 user(s), 3 of them active, 1 group(s)" in told
    assert "docs: 2 removed, 0 with a lower role, 0 out of teams, 0 team(s) deleted, 2 change(s) held" in told
    assert "(1 of them removals)" in told
    assert "remove member ana@acme.test" in told
    assert "nothing was changed" in done.stderr
    assert not (await read_departures(world.store)).by_name
    done = await answer(tmp_path, "y\n", "directory", "forget", "okta", "--by", "boss", "--why", "sold")
    assert done.exit_code == 0, done.output
    assert "okta is being forgotten" in done.stdout
    [row] = await bridge_json("directory", "list")
    assert (row["forgotten"]["by"], row["forgotten"]["why"]) == ("boss", "sold")
    assert "is being forgotten" in " ".join((await bridge("directory", "list")).output.split())
    for _ in range(3):
        await world.settle()
        await forget_directories(world.worker)
    assert (len(world.members()), sorted(await world.parked())) == (1, ["m:cy", "t:Writers"])
    assert await bridge_json("directory", "list") == []


async def test_as_json(world: World, bridge: Bridge, bridge_json: BridgeJson, tmp_path: Path) -> None:
    """Nothing is asked then, so it wants to be told: --yes, or --dry-run, which only tells."""
    guarded(tmp_path)
    done = await bridge("directory", "forget", "okta", "--json")
    assert (done.exit_code, "add --yes, or --dry-run" in done.stderr) == (2, True)
    told = await bridge_json("directory", "forget", "okta", "--dry-run")
    assert {key: told["targets"]["docs"][key] for key in ("removed", "removals_held", "leaving_teams")} == {
        "removed": 2, "removals_held": 1, "leaving_teams": 0,
    }  # fmt: skip
    assert len(told["targets"]["docs"]["changes"]) == 4  # the team goes, too
    assert (told["forgotten"], (await read_departures(world.store)).by_name) == (None, {})
    told = await bridge_json("directory", "forget", "okta", "--yes", "--by", "boss")
    assert told["forgotten"]["by"] == "boss"
    again = await bridge_json("directory", "forget", "okta", "--yes", "--by", "other")
    assert again["forgotten"]["by"] == "boss", "whoever was first"


async def test_a_directory_that_may_not_be_forgotten(world: World, bridge: Bridge, tmp_path: Path) -> None:
    """Exit code 1 and the way out: of an unknown name, and where a source still speaks for it."""
    done = await bridge("directory", "forget", "entra", "--yes")
    assert (done.exit_code, "there is no directory entra: okta" in done.stderr) == (1, True)
    with (tmp_path / "bridge.toml").open("a") as file:
        file.write(
            '[[sources]]\nname = "flow"\nkind = "okta-workflows"\n'
            'secrets = ["env:PATH"]\ndirectory = "okta"\n'
        )
    done = await bridge("directory", "forget", "okta", "--yes")
    assert done.exit_code == 1
    assert "still told of by the source flow" in done.stderr
    assert not (await read_departures(world.store)).by_name


async def test_a_target_that_does_not_answer(world: World, bridge: Bridge) -> None:
    """What nobody can tell is not done."""
    world.sandbox.inject(rejected_token=True)
    done = await bridge("directory", "forget", "okta", "--yes")
    assert done.exit_code == 1
    assert "cannot be told now" in done.stderr
    assert not (await read_departures(world.store)).by_name


async def test_nobody_counts_on_it(world: World, bridge: Bridge) -> None:
    """Then nobody loses anything; events that wait are told."""
    await world.store.call("DEL", world.docs.key("followed"))
    await world.store.call(*world.docs.pause(Pause("boss", 1)))
    await world.active("ana", False)
    done = await bridge("directory", "forget", "okta", "--dry-run")
    assert "No target counts on it: nobody loses anything." in done.stdout
    assert "1 event(s) are not processed yet" in done.stderr
