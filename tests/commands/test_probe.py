"""`bridge source test`: a sender is played to a receiver that runs."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from bridge.cli import app
from bridge.intake import JournalStore
from bridge.receiver import create_app
from bridge.settings import RedisSettings, read_settings
from bridge.store.journal import Journal
from bridge.store.redis import Store
from tests.commands.senders import HIRED, config, listener, rewrite

__all__ = ["config", "listener"]  # fixtures

KINDS = ["okta", "signed", "basic", "keyed", "tokens", "hooks", "polis", "workos", "standard"]
NAMES = ["reachability", "signature", "clock", "parsing", "mapping"]


class Server(uvicorn.Server):
    """One that leaves signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def serving(application: ASGIApp, listener: socket.socket, lifespan: Any = "on") -> AsyncIterator[None]:
    """Serve an application on the socket while the block lasts."""
    server = Server(uvicorn.Config(application, log_config=None, lifespan=lifespan, date_header=False))
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110 - it tells nobody when it has
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def dated(application: ASGIApp, skew: float = 0.0) -> ASGIApp:
    """The application, its answers dated by a clock that is off by so many seconds."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Any) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(time.time() + skew, usegmt=True)
                message["headers"] = [*message["headers"], (b"date", date.encode())]
            await send(message)

        await application(scope, receive, send_dated)

    return serve


async def run(config: Path, *words: str) -> Result:
    """Run `bridge source test`."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["source", "test", *words, "-c", str(config)])


async def findings(config: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the findings by name, in their order."""
    done = await run(config, *words, "--json")
    told = orjson.loads(done.stdout)
    assert [each["name"] for each in told] == NAMES
    return done.exit_code, {each["name"]: each for each in told}


@pytest.fixture
async def receiver(
    config: Path, listener: socket.socket, journal: Journal, redis_settings: RedisSettings
) -> AsyncIterator[None]:
    """The receiver of that configuration, running over the test's own Valkey."""
    settings = read_settings(config).model_copy(update={"redis": redis_settings})

    @asynccontextmanager
    async def open_journal() -> AsyncIterator[JournalStore]:
        yield journal

    with capture_logs():  # or they would be in what the command prints
        async with serving(dated(create_app(settings, open_journal)), listener):
            yield


async def stored(store: Store) -> list[str]:
    """What is stored of events and of bodies that could not be read."""
    keys = await store.call("KEYS", store.key("*"))
    return [key for key in keys if key.split(":")[1] in ("journal", "refused", "seen", "counters")]


@pytest.mark.parametrize("name", KINDS)
async def test_every_kind_gets_through_and_leaves_nothing(
    config: Path, receiver: None, store: Store, name: str
) -> None:
    """All is green, by the signature of its own kind, and nothing is stored."""
    code, found = await findings(config, name)

    assert code == 0
    assert [each["ok"] and not each["warning"] for each in found.values()] == [True] * 5
    assert await stored(store) == []


async def test_the_first_secret_is_tried(config: Path, receiver: None, tmp_path: Path) -> None:
    """The others may be old ones, of which is watched whether they are still in use."""
    (tmp_path / "second").write_text("unknown to the receiver")
    code, found = await findings(config, "okta")
    assert code == 0
    assert "(file:first)" in found["signature"]["detail"]


async def test_a_wrong_secret_is_red(config: Path, receiver: None, tmp_path: Path, store: Store) -> None:
    """The receiver is there, it is only the proof that it does not take; no secret is shown."""
    (tmp_path / "polis").write_text("changed-since")
    code, found = await findings(config, "polis")

    assert code == 1
    assert found["reachability"]["ok"]
    assert not found["signature"]["ok"]
    assert "(file:polis): was it changed after the bridge started?" in found["signature"]["detail"]
    assert found["parsing"]["warning"]
    assert "changed-since" not in json.dumps(found)
    assert await stored(store) == []


async def test_a_map_is_tried_by_the_running_receiver(config: Path, receiver: None, tmp_path: Path) -> None:
    """With a body that the sender sends; without one it is said that it is not."""
    (tmp_path / "hired.json").write_text(json.dumps(HIRED))
    code, found = await findings(config, "hr", "--file", str(tmp_path / "hired.json"))
    assert code == 0
    assert found["parsing"]["detail"] == "the receiver reads the body"
    words = 'user.created: user id="7" email="ana@acme.test" active=true; when it arrives'
    assert found["mapping"]["detail"] == words

    code, found = await findings(config, "hr")
    assert code == 0
    assert found["signature"]["ok"]
    assert found["parsing"]["detail"] == found["mapping"]["detail"]
    assert "--file" in found["mapping"]["detail"]


async def test_a_body_that_the_map_cannot_read_is_red(
    config: Path, receiver: None, tmp_path: Path, journal: Journal
) -> None:
    """At the receiver and here, each with the reason; what could be read of it is no event either."""
    (tmp_path / "bodies.json").write_text(json.dumps([HIRED, {"type": "employee.hired", "person": {}}]))
    code, found = await findings(config, "hr", "--file", str(tmp_path / "bodies.json"))

    assert code == 1
    assert found["signature"]["ok"]
    for name in ("parsing", "mapping"):
        assert not found[name]["ok"]
        assert 'there is no "number" in person' in found[name]["detail"]
    assert await journal.counters() == (0, 0)


async def test_it_is_the_running_bridge_that_is_tested(config: Path, receiver: None, tmp_path: Path) -> None:
    """A map that was changed since is green here and red there."""
    (tmp_path / "left.json").write_text(json.dumps({"type": "employee.left", "person": {"number": 7}}))
    rewrite(config, "employee.hired", "employee.left")
    code, found = await findings(config, "hr", "--file", str(tmp_path / "left.json"))

    assert code == 1
    assert [found["mapping"]["ok"], found["parsing"]["ok"]] == [True, False]


async def test_tokens_that_only_the_issuer_makes_are_not_tested(config: Path, receiver: None) -> None:
    """It says so; that the receiver is there and lets nobody in is seen all the same."""
    code, found = await findings(config, "theirs")
    assert code == 0
    assert found["reachability"]["ok"]
    assert found["signature"]["warning"]
    assert "with https://issuer.acme.test alone" in found["signature"]["detail"]


async def test_networks_are_named_where_they_may_be_why(config: Path, receiver: None) -> None:
    """The receiver's answer is that to an unknown source."""
    code, found = await findings(config, "near")
    assert code == 1
    assert "this machine must be in one of its networks" in found["reachability"]["detail"]


async def test_a_scim_source_is_asked_what_a_provider_asks_first(
    config: Path, receiver: None, tmp_path: Path
) -> None:
    """Its address and its token; what it would write is the provider's to try."""
    code, found = await findings(config, "idp")
    assert code == 0
    assert "/scim/idp/v2/ServiceProviderConfig is answered 200" in found["reachability"]["detail"]
    assert [name for name in NAMES if found[name]["warning"]] == ["parsing", "mapping"]

    (tmp_path / "idp").write_text("changed-since")
    code, found = await findings(config, "idp")
    assert code == 1
    assert [name for name in NAMES if not found[name]["ok"]] == ["signature"]


async def test_a_source_the_running_bridge_does_not_know_is_red(config: Path, receiver: None) -> None:
    """It was added to the file after the start."""
    rewrite(config, 'name = "okta"', 'name = "new"')
    code, found = await findings(config, "new")
    assert code == 1
    assert "is answered 404" in found["reachability"]["detail"]
    assert "it reads it when it starts" in found["reachability"]["detail"]


async def test_a_body_that_is_too_long_is_red(config: Path, receiver: None, tmp_path: Path) -> None:
    """For the receiver it is, when the test is around it; the way out is said."""
    padding = "x" * (1990 - len(orjson.dumps({**HIRED, "x": ""})))
    (tmp_path / "long.json").write_bytes(orjson.dumps({**HIRED, "x": padding}))
    code, found = await findings(config, "hr", "--file", str(tmp_path / "long.json"))
    assert code == 1
    assert found["reachability"]["ok"]
    assert "raise receiver.max_body" in found["parsing"]["detail"]


async def test_nobody_there_is_red(config: Path) -> None:
    """All but the mapping, which needs nobody, is not told then."""
    code, found = await findings(config, "okta")
    assert code == 1
    assert not found["reachability"]["ok"]
    assert "is `bridge run` up" in found["reachability"]["detail"]
    assert [name for name in NAMES if found[name]["warning"]] == ["signature", "clock", "parsing"]
    assert found["mapping"]["ok"]


def saying(status: int, body: bytes = b"", **headers: str) -> ASGIApp:
    """An application that says always the same."""

    async def serve(_scope: Scope, _receive: Receive, send: Send) -> None:
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})

    return serve


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"<html>", "not by a receiver of this version"),
        (200, b'{"accepted": 1, "duplicates": 0}', "not by a receiver of this version"),
        (302, b"", "give senders the address it leads to"),
        (502, b"", "a proxy before it cannot reach it"),
        (404, b'{"detail": "There is no source of that name."}', "(There is no source of that name.)"),
    ],
)
async def test_something_else_there_is_red(
    config: Path, listener: socket.socket, status: int, body: bytes, told: str
) -> None:
    """Whatever it answers, also 200."""
    async with serving(dated(saying(status, body)), listener, "off"):
        code, found = await findings(config, "okta")
    assert code == 1
    assert not found["reachability"]["ok"]
    assert told in found["reachability"]["detail"]


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_that_cannot_tell_is_red(config: Path, listener: socket.socket, status: int) -> None:
    """The signature was not judged."""
    async with serving(dated(saying(status)), listener, "off"):
        code, found = await findings(config, "okta")
    assert code == 1
    assert f"not tested: {status}: is Redis up" in found["signature"]["detail"]


async def test_a_secret_may_be_any_text(config: Path, receiver: None, tmp_path: Path) -> None:
    """Also one that headers have to be told how to write."""
    (tmp_path / "first").write_text("geheim-ß")
    _, found = await findings(config, "okta")
    assert not found["signature"]["ok"]
    assert found["reachability"]["ok"]


TAKEN = b'{"accepted": 0, "duplicates": 0, "ignored": 1}'


@pytest.mark.parametrize(
    ("name", "skew", "ok", "warning", "told"),
    [
        ("polis", 0, True, False, "agree"),
        ("polis", 600, False, False, "ahead of this machine's, and what is signed may be 300 s off"),
        ("polis", 120, True, True, "ahead of this machine's: set both by NTP"),
        ("polis", -600, False, False, "behind this machine's, and what is signed may be 300 s off"),
        ("signed", 400, True, True, "ahead of"),
        ("signed", 900, False, False, "may be 480 s off"),
        ("okta", 4000, True, True, "ahead of"),
    ],
)
async def test_clocks_are_compared(
    config: Path, listener: socket.socket, name: str, skew: float, ok: bool, warning: bool, told: str
) -> None:
    """Red where what is signed would be too old or too new; where nothing is signed it does no harm."""
    async with serving(dated(saying(200, TAKEN), skew), listener, "off"):
        _, found = await findings(config, name)
    assert (ok, warning) == (found["clock"]["ok"], found["clock"]["warning"])
    assert told in found["clock"]["detail"]


async def test_a_clock_that_is_not_told_is_no_fault(config: Path, listener: socket.socket) -> None:
    """A proxy may leave the date out."""
    async with serving(saying(200, TAKEN), listener, "off"):
        code, found = await findings(config, "polis")
    assert code == 0
    assert found["clock"]["detail"] == "not told: the answer has no Date header"


async def test_a_refusal_is_put_down_to_the_clock_where_it_explains_it(
    config: Path, listener: socket.socket
) -> None:
    """The receiver says 401 to both, so nobody looks for the wrong secret."""
    async with serving(dated(saying(401), 4000), listener, "off"):
        code, found = await findings(config, "polis")
    assert code == 1
    assert "the clocks differ by more than the tolerance" in found["signature"]["detail"]


async def test_the_public_address_is_taken(config: Path, receiver: None, listener: socket.socket) -> None:
    """With the way to the source or without."""
    address = f"http://localhost:{listener.getsockname()[1]}"
    for url in (address, f"{address}/", f"{address}/webhooks/okta"):
        code, found = await findings(config, "okta", "--url", url)
        assert code == 0
        assert f"POST {address}/webhooks/okta is" in found["reachability"]["detail"]


async def test_it_is_readable(config: Path, receiver: None) -> None:
    """A line for each, and the end."""
    done = await run(config, "okta")
    assert [line.split()[1] for line in done.stdout.splitlines()[:5]] == NAMES
    assert done.stdout.endswith("All is in place.\n")


async def test_a_port_that_the_system_chooses_needs_an_address(config: Path, listener: socket.socket) -> None:
    """Nobody but the receiver knows it."""
    rewrite(config, f"port = {listener.getsockname()[1]}", "port = 0")
    done = await run(config, "okta")
    assert done.exit_code == 2
    assert "--url" in done.stderr
