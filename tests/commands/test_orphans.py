"""A directory that no source speaks for: check, status and alerts say that people stay in it."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from bridge.alerts.conditions import DIRECTORY, Subject, find
from bridge.alerts.reading import read_installation
from bridge.cli import app
from bridge.commands.check import examine
from bridge.commands.findings import Finding
from bridge.commands.status import read_status
from bridge.operators.orphans import read_directories
from bridge.settings import parse_settings
from tests.workers.world import World

ALERT = {"name": "ops", "kind": "slack", "url": "https://h.test"}


@pytest.fixture
async def renamed(world: World) -> World:
    """Ana and Bo came by the source `okta`, Cy left; then the source got another name."""
    await world.hire("ana", "bo", "cy")
    await world.active("cy", False)
    await world.settle()
    world.sources[0] |= {"name": "okta-new"}
    world.configure()
    await world.settle()
    return world


async def status(world: World) -> dict[str, Any]:
    """What `bridge status --json` tells."""
    return await read_status(world.settings, world.store)


async def warned(world: World) -> dict[str, Finding]:
    """What `bridge check` warns of."""
    found = await examine(world.settings, Path("/nowhere/bridge.toml"))
    return {each.name: each for each in found if each.warning}


async def alerted(world: World) -> dict[str, int]:
    """Which directories an alert tells of, and of how many people."""
    [alert] = parse_settings({"alerts": [ALERT]}, Path("/nowhere/bridge.toml")).alerts
    found = find(await read_installation(world.settings, world.store, world.now), alert, {})
    return {each.subject.name: each.number for each in found.conditions.values() if each.kind == "orphaned"}


async def test_a_renamed_source_leaves_people_behind(renamed: World) -> None:
    """Who of them leaves is not removed: that is said with how many they are and the way out."""
    await renamed.tell("user.deleted", ("bo", None, None), directory="okta-new")
    await renamed.settle()
    assert set(renamed.members()) == {"ana", "bo"}
    told = await status(renamed)
    row = told["directories"]["okta"]
    assert (row["sources"], row["active"], row["targets"]) == ([], 2, ["docs"])
    assert 'directory = "okta"' in row["reason"]
    assert "bridge directory forget okta" in row["reason"]
    assert told["directories"]["okta-new"] == {"sources": ["okta-new"], "reason": None}
    assert "directory okta: no source speaks for it" in told["targets"]["docs"]["reason"]
    assert "2 user(s) stay active" in (await warned(renamed))["directory.okta"].detail
    assert await alerted(renamed) == {"okta": 2}


async def test_a_source_that_speaks_for_it_again_ends_it(renamed: World) -> None:
    """Under its new name."""
    renamed.sources[0] |= {"directory": "okta"}
    renamed.configure()
    await renamed.settle()
    told = await status(renamed)
    assert told["directories"]["okta"] == {"sources": ["okta-new"], "reason": None}
    assert told["targets"]["docs"]["reason"] is None
    assert "directory.okta" not in await warned(renamed)
    assert await alerted(renamed) == {}


async def test_nobody_active_is_nothing_to_tell(world: World) -> None:
    """All had left before the source went."""
    await world.hire("ana")
    await world.fire("ana")
    await world.settle()
    world.sources[0] |= {"name": "okta-new"}
    world.configure()
    assert (await read_directories(world.settings, world.store))["okta"].reason is None
    assert await alerted(world) == {}


async def test_all_parts_of_it_are_counted(world: World) -> None:
    """A directory by its configured name has several with the sender's own ids."""
    for part, name in (("polis:a", "ana"), ("polis:b", "bo")):
        await world.tell("user.created", (name, f"{name}@acme.test", True), directory=part)
    await world.fold()
    found = await read_directories(world.settings, world.store)
    assert (found["polis"].active, found["polis"].targets) == (2, ())


async def test_people_read_it(renamed: World, tmp_path: Path) -> None:
    """As the reason of the target that counts on it, and alone where no target does."""
    redis = f'[redis]\ndata_dir = "{renamed.redis.data_dir}"\nprefix = "{renamed.redis.prefix}"\n'
    (tmp_path / "bridge.toml").write_text(redis)
    words = ["status", "-c", str(tmp_path / "bridge.toml")]
    done = await asyncio.to_thread(lambda: CliRunner().invoke(app, words))
    assert "directory okta: no source speaks for it any more" in done.stdout
    done = await asyncio.to_thread(lambda: CliRunner().invoke(app, [*words, "--json"]))
    assert orjson.loads(done.stdout)["directories"]["okta"]["active"] == 2


async def test_a_target_that_no_source_tells_anything(world: World) -> None:
    """That is a mistake as well: nothing would ever happen there."""
    world.sources[0]["targets"] = []
    world.configure()
    assert "no source tells it anything" in (await warned(world))["target.docs"].detail


def test_a_directory_is_a_subject_of_its_own() -> None:
    """A source may have the same name."""
    assert Subject(DIRECTORY, "okta") != Subject("source", "okta")
