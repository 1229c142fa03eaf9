"""`bridge status`: what it tells of the front door."""

import asyncio
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from bridge.cli import app
from bridge.settings import RedisSettings, read_settings
from bridge.store.front import FrontNews, FrontStore, Refusals
from bridge.store.redis import Store
from bridge.store.targets import TargetStore, target_id

AT = 1_769_851_800_000
NEWS = FrontNews(AT, Refusals(3, AT + 1000, "no secret is what was sent"), {"env:OLD_SECRET": AT})
SOURCES = """
[[sources]]
name = "okta"
kind = "okta-workflows"
secrets = ["env:OLD_SECRET", "env:NEW_SECRET", "a-text-in-the-file"]

[[sources]]
name = "polis"
kind = "jackson"
secrets = ["env:POLIS_SECRET"]

[[targets]]
name = "docs"
organization = "acme"
token = "a-text-in-the-file"
"""


@pytest.fixture
def config(tmp_path: Path, redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sources; the secret of the first is being changed."""
    monkeypatch.setenv("OLD_SECRET", "old-text")
    monkeypatch.setenv("NEW_SECRET", "new-text")
    monkeypatch.setenv("POLIS_SECRET", "polis-text")
    path = tmp_path / "bridge.toml"
    redis = f'[redis]\ndata_dir = "{redis_settings.data_dir}"\nprefix = "{redis_settings.prefix}"\n'
    path.write_text(redis + SOURCES, encoding="utf-8")
    return path


async def run(config: Path, *words: str) -> str:
    """What the command prints."""
    done = await asyncio.to_thread(lambda: CliRunner().invoke(app, ["status", *words, "-c", str(config)]))
    assert done.exit_code == 0, done.output
    assert "-text" not in done.output
    return done.stdout


async def test_it_tells_who_came_and_who_was_not_let_in(config: Path, store: Store) -> None:
    """For each source: the last delivery, refusals with the last reason, and the use of each secret."""
    await FrontStore(store).tell({"okta": NEWS})

    told = orjson.loads(await run(config, "--json"))["sources"]

    assert {key: told["okta"][key] for key in ("last_delivery", "refused", "last_refused", "reason")} == {
        "last_delivery": "2026-01-31T09:30:00.000Z",
        "refused": 3,
        "last_refused": "2026-01-31T09:30:01.000Z",
        "reason": "no secret is what was sent",
    }
    assert told["okta"]["secrets"] == [
        {"secret": "env:OLD_SECRET", "last_used": "2026-01-31T09:30:00.000Z"},
        {"secret": "env:NEW_SECRET", "last_used": None},
        {"secret": "no. 3, in the file", "last_used": None},
    ]
    assert told["polis"]["secrets"] == [{"secret": "env:POLIS_SECRET", "last_used": None}]
    assert (told["polis"]["last_delivery"], told["polis"]["refused"], told["polis"]["reason"]) == (
        None,
        0,
        None,
    )


async def test_people_read_which_secret_may_go(config: Path, store: Store) -> None:
    """Where there are several; a single one is not to be taken away."""
    await FrontStore(store).tell({"okta": NEWS})
    text = await run(config)
    assert "okta: the secret env:OLD_SECRET was last used 2026-01-31T09:30:00.000Z" in text
    assert "okta: the secret env:NEW_SECRET was not used yet" in text
    assert "okta: last not let in because no secret is what was sent" in text
    assert "polis: the secret" not in text


async def test_calls_without_a_clear_end_are_counted(config: Path, store: Store) -> None:
    """Nothing is due, and still something may change at the target."""
    known = TargetStore(store, target_id(read_settings(config).targets[0]))
    await store.calls(known.watch(["m:ana@acme.test", "m:bo@acme.test"], AT))
    assert orjson.loads(await run(config, "--json"))["targets"]["docs"]["unclear"] == 2
    assert "docs: a call about 2 people and teams had no clear end: they are watched" in await run(config)
