"""`bridge alerts`: what was said to whom, and a message to try it out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook
from typer.testing import CliRunner, Result

from bridge.alerts import sending
from bridge.cli import app
from bridge.settings import read_settings
from tests.alerts.receiver import Receiver, running
from tests.workers.world import World
from workers.alerts import tell
from workers.context import Worker

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Run = Callable[..., Awaitable[Result]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Somebody who is told."""
    async with running(Receiver()) as made:
        yield made


@pytest.fixture
def config(world: World, receiver: Receiver, tmp_path: Path) -> Path:
    """A configuration with two receivers at one address."""
    path = tmp_path / "bridge.toml"
    (tmp_path / "url").write_text(receiver.url)
    (tmp_path / "key").write_text(KEY)
    path.write_text(
        f'[redis]\ndata_dir = "{world.redis.data_dir}"\nprefix = "{world.redis.prefix}"\n'
        f'[[targets]]\nname = "docs"\napi_url = "{world.sandbox.url}"\norganization = "acme"\ntoken = "x"\n'
        '[[alerts]]\nname = "chat"\nkind = "slack"\nurl = "file:url"\non = ["rejected"]\n'
        '[[alerts]]\nname = "pager"\nkind = "standard-webhooks"\nurl = "file:url"\nsecret = "file:key"\n'
        'on = ["rejected"]\n'
    )
    return path


@pytest.fixture
def bridge(config: Path) -> Run:
    """Run a command with it."""

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, [*words, "-c", str(config)]))

    return run


async def look(world: World, config: Path, name: str) -> None:
    """Let a worker look after one receiver."""
    await tell(Worker(read_settings(config), world.store, lambda: world.now), name)


async def reject(world: World) -> None:
    """The token is not taken any more."""
    row = orjson.dumps({"state": "credentials_rejected"})
    await world.store.call("SET", world.docs.key("state"), row)


async def test_nothing_was_said(bridge: Run) -> None:
    """Each receiver has its line, and its row."""
    shown = await bridge("alerts")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines() == [
        "chat (slack): nothing holds that it was told of",
        "pager (standard-webhooks): nothing holds that it was told of",
    ]
    (row, _) = orjson.loads((await bridge("alerts", "--json")).stdout)
    assert row == {
        "name": "chat", "kind": "slack", "on": ["rejected"], "said": [], "sending": [], "failing": None,
    }  # fmt: skip


async def test_what_was_said_is_shown(
    bridge: Run, world: World, config: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To whom it was said, and to whom not, and why."""
    monkeypatch.setattr(sending, "ATTEMPTS", 1)
    await reject(world)
    await look(world, config, "chat")
    receiver.always = 404
    await look(world, config, "pager")
    chat, pager = orjson.loads((await bridge("alerts", "--json")).stdout)
    (said,), (waits,) = chat["said"], pager["sending"]
    assert said == waits | {"at": said["at"], "since": said["since"]}
    assert (said["condition"], said["about"], said["name"]) == ("rejected", "target", "docs")
    assert said["text"].startswith("docs: the target rejects the token since ")
    assert (pager["said"], chat["failing"]) == ([], None)
    assert pager["failing"]["reason"] == "it answered 404 (ok)"
    assert pager["failing"]["attempts"] == 1
    shown = (await bridge("alerts")).stdout
    assert "chat (slack) was told" in shown
    assert "pager is to be told" in shown
    assert "pager: it answered 404 (ok); 1 attempt(s) since" in shown


@pytest.fixture
def nobody(config: Path) -> None:
    """Take all receivers out of the configuration."""
    config.write_text(config.read_text().partition("[[alerts]]")[0])


@pytest.mark.usefixtures("nobody")
async def test_without_receivers(bridge: Run) -> None:
    """It says so."""
    assert "there is no [[alerts]]" in (await bridge("alerts")).stdout
    assert orjson.loads((await bridge("alerts", "--json")).stdout) == []
    tried = await bridge("alerts", "test")
    assert (tried.exit_code, "there is no [[alerts]]" in tried.stderr) == (2, True)


async def test_all_are_tried(bridge: Run, receiver: Receiver, world: World) -> None:
    """With a message that says what it is, signed as all others; nothing is noted down."""
    tried = await bridge("alerts", "test", "--json")
    assert tried.exit_code == 0
    rows = orjson.loads(tried.stdout)
    assert [(row["name"], row["ok"]) for row in rows] == [("alert.chat", True), ("alert.pager", True)]
    assert rows[0]["detail"].startswith("it answered 200 after ")
    told: dict[str, Any] = {}
    for got in receiver.got:
        told |= Webhook(KEY).verify(got.body, dict(got.headers)) if "webhook-id" in got.headers else got.json
    assert told["type"] == "bridge.test"
    assert told["data"]["text"] == told["text"]
    assert "This is a test" in told["text"]
    assert not await world.store.call("EXISTS", world.store.key("alerts", "chat"))


async def test_one_is_tried(bridge: Run, receiver: Receiver) -> None:
    """By its name; one that does not exist is refused with those there are."""
    assert (await bridge("alerts", "test", "chat")).exit_code == 0
    assert receiver.texts() == ["This is a test: what needs a person will be told here (bridge alerts test)"]
    tried = await bridge("alerts", "test", "nobody")
    assert tried.exit_code == 2
    assert 'there is no alert "nobody": write one of chat, pager' in tried.stderr


async def test_what_came_back_is_told(bridge: Run, receiver: Receiver) -> None:
    """With where the address stands, and not what it is."""
    receiver.always = 403
    tried = await bridge("alerts", "test", "chat")
    assert tried.exit_code == 1
    assert "it answered 403 (ok): is file:url right, and can it be reached?" in tried.stdout
    assert "hush-hush-path" not in tried.output
    assert len(receiver.got) == 1


async def test_check_shows_the_receivers(bridge: Run, receiver: Receiver) -> None:
    """And sends them nothing."""
    rows = {row["name"]: row for row in orjson.loads((await bridge("check", "--json")).stdout)}
    assert rows["alert.chat"]["detail"] == (
        "slack, its url is file:url; told of rejected; `bridge alerts test chat` sends a message"
    )
    assert "hush-hush-path" not in str(rows)
    assert receiver.got == []
