"""Caddyfile and nginx.conf: what they let through to the receiver, and what is heard while that is away."""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bridge.settings import ReceiverSettings
from tests.deploy.fronts import CADDYFILE, FRONTS, NGINX_CONF, Front
from tests.deploy.places import environment, free_port, tool

FLOW = {"Authorization": "Bearer a-secret"}
StartFront = Callable[[int], AbstractContextManager[Front]]


class Receiver(BaseHTTPRequestHandler):
    """Answers everything with 200 and the path it was asked for."""

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = self.path.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815 - http.server wants it so

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


class Forwarded(Receiver):
    """Answers with the X-Forwarded-For headers that came with the request."""

    def do_POST(self) -> None:
        """Answer."""
        self.path = "|".join(self.headers.get_all("x-forwarded-for", []))
        super().do_POST()


class Measured(Receiver):
    """Answers with how long the body and the secret were."""

    def do_POST(self) -> None:
        """Answer."""
        self.path = f"{self.headers['content-length']} {len(self.headers['authorization'])}"
        super().do_POST()


class Refusing(Receiver):
    """Answers 503 in words of its own."""

    def do_POST(self) -> None:
        """Answer."""
        self.send_response(503)
        self.send_header("retry-after", "7")
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"full")


@pytest.fixture
def upstream(request: pytest.FixtureRequest) -> Iterator[int]:
    """A receiver that takes everything; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), getattr(request, "param", Receiver)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(params=FRONTS)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> StartFront:
    """Starts the proxy, with our file for it, in front of a port."""
    return partial(FRONTS[request.param], tmp_path)


def test_only_senders_get_through(start: StartFront, upstream: int) -> None:
    """/webhooks/ and /scim/ are forwarded with their path as it is; all else is 404, however written."""
    inside = (
        "/webhooks/okta", "/webhooks/polis", "/scim/v2/Users", "/webhooks/okta?a=%20b", "/webhooks/a%2fb",
        "/webhooks/%6fkta", "/scim/v2/Users/a%20b",
    )  # fmt: skip
    outside = (
        "/", "/metrics", "/console", "/readyz", "/livez", "/webhooks", "/scim", "/webhook/okta",
        "/webhooks/../metrics", "/webhooks/%2e%2e/console", "/webhooks/..%2fmetrics", "//metrics",
        "/console/../webhooks/../metrics",
    )  # fmt: skip
    with start(upstream) as front:
        for path in inside:
            answer = front.ask("POST", path)
            assert answer
            assert (answer[0], answer[2].decode()) == (200, path)
        answers = {path: front.ask("GET", path) for path in outside}
    assert dict.fromkeys(outside, 404) == {path: got and got[0] for path, got in answers.items()}


@pytest.mark.parametrize("upstream", [Forwarded], indirect=True)
def test_sender_s_address_is_the_one_the_proxy_sees(start: StartFront, upstream: int) -> None:
    """What a sender writes into X-Forwarded-For is not passed on: `networks` of sources rely on it."""
    with start(upstream) as front:
        answer = front.ask("POST", "/webhooks/okta", {"X-Forwarded-For": "203.0.113.9"})
    assert answer
    assert answer[2] == b"127.0.0.1"


@pytest.mark.parametrize("upstream", [Measured], indirect=True)
def test_what_the_receiver_would_take_gets_through(start: StartFront, upstream: int) -> None:
    """The longest JWT, and more than the longest body: what is too long the receiver says."""
    length = 2 * ReceiverSettings().max_body
    with start(upstream) as front:
        answer = front.ask("POST", "/webhooks/okta", {"Authorization": f"Bearer {'a' * 8192}"}, b" " * length)
    assert answer
    assert answer[2] == f"{length} {7 + 8192}".encode()


def test_senders_are_asked_to_repeat_while_the_receiver_is_away(start: StartFront) -> None:
    """A flow gets 429, since it repeats after nothing else; others get 503."""
    with start(free_port()) as front:
        answers = [front.ask("POST", f"/webhooks/{name}") for name in ("okta", "second", "polis", "okta2")]

    assert [answer and answer[0] for answer in answers] == [429, 429, 503, 503]
    assert all(answer and answer[1]["retry-after"] == "5" for answer in answers)


@pytest.mark.parametrize("upstream", [Refusing], indirect=True)
def test_what_the_receiver_says_itself_goes_on_as_it_is(start: StartFront, upstream: int) -> None:
    """It knows which of its senders are flows."""
    with start(upstream) as front:
        answer = front.ask("POST", "/webhooks/okta")
    assert answer
    assert (answer[0], answer[1]["retry-after"], answer[2]) == (503, "7", b"full")


def test_caddyfile_is_formatted_and_valid() -> None:
    """`caddy fmt` would change nothing, and `caddy validate` accepts it."""
    caddy = tool("caddy")
    for command in (
        ["fmt", "--diff", str(CADDYFILE)],
        ["validate", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
    ):
        done = subprocess.run([caddy, *command], env=environment(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()


def test_proxies_name_the_two_places_and_no_other() -> None:
    """Without the programs at hand, too: what is forwarded stands in a line, and the rest is 404."""
    lines = [line.strip() for line in CADDYFILE.read_text(encoding="utf-8").splitlines()]
    assert [line for line in lines if line.startswith("@senders")] == ["@senders path /webhooks/* /scim/*"]
    assert sum(line.startswith("reverse_proxy") for line in lines) == 1
    assert "respond 404" in lines

    text = NGINX_CONF.read_text(encoding="utf-8")
    places = re.findall(r"location (.+) \{\s*(.+?);", text)
    forwarded = (r"~ ^/(webhooks|scim)/", "proxy_pass http://directory_bridge")
    assert places[:2] == [forwarded, ("/", "return 404")]
    assert text.count("proxy_pass ") == 1
