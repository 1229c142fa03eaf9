"""The Caddyfile: what it lets through to the receiver, and what senders hear while that is away."""

import http.client
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.places import DEPLOY, Program, environment, free_port, tool, wait_until

FILE = DEPLOY / "Caddyfile"


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


@pytest.fixture
def upstream(request: pytest.FixtureRequest) -> Iterator[int]:
    """A receiver that takes everything; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), getattr(request, "param", Receiver)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def proxy(folder: Path, upstream: int, port: int) -> Program:
    """A Caddy with our Caddyfile, without TLS, in front of a port."""
    variables = {
        "BRIDGE_HOST": f"http://127.0.0.1:{port}",
        "BRIDGE_UPSTREAM": f"127.0.0.1:{upstream}",
        "BRIDGE_FLOWS": "/webhooks/okta /webhooks/second",
        "XDG_CONFIG_HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
    }
    command = [tool("caddy"), "run", "--config", str(FILE), "--adapter", "caddyfile"]
    return Program(command, folder / "caddy.log", variables)


def ask(port: int, method: str, path: str) -> http.client.HTTPResponse | None:
    """Ask for a path exactly as it is written; None when nobody answers."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        link.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        link.putheader("Host", f"127.0.0.1:{port}")
        link.putheader("Content-Length", "2")
        link.endheaders(b"{}")
        return link.getresponse()
    except OSError:
        return None
    finally:
        link.close()


def test_only_senders_get_through(tmp_path: Path, upstream: int) -> None:
    """/webhooks/ and /scim/ are forwarded with their path as it is; all else is 404, however written."""
    port = free_port()
    inside = ("/webhooks/okta", "/webhooks/polis", "/scim/v2/Users", "/webhooks/okta?a=%20b")
    outside = (
        "/", "/metrics", "/console", "/readyz", "/livez", "/webhooks", "/scim", "/webhook/okta",
        "/webhooks/../metrics", "/webhooks/%2e%2e/console", "/webhooks/..%2fmetrics", "//metrics",
        "/console/../webhooks/../metrics",
    )  # fmt: skip
    with proxy(tmp_path, upstream, port):
        wait_until(lambda: ask(port, "POST", "/"), "Caddy answers")
        for path in inside:
            answer = httpx.post(f"http://127.0.0.1:{port}{path}", content=b"{}", trust_env=False)
            assert (answer.status_code, answer.text) == (200, path)
        answers = {path: ask(port, "GET", path) for path in outside}
    assert dict.fromkeys(outside, 404) == {path: got and got.status for path, got in answers.items()}


@pytest.mark.parametrize("upstream", [Forwarded], indirect=True)
def test_sender_s_address_is_the_one_caddy_sees(tmp_path: Path, upstream: int) -> None:
    """What a sender writes into X-Forwarded-For is not passed on: `networks` of sources rely on it."""
    port = free_port()
    with proxy(tmp_path, upstream, port):
        wait_until(lambda: ask(port, "POST", "/"), "Caddy answers")
        told = {"X-Forwarded-For": "203.0.113.9"}
        answer = httpx.post(f"http://127.0.0.1:{port}/webhooks/okta", headers=told, trust_env=False)
    assert answer.text == "127.0.0.1"


def test_senders_are_asked_to_repeat_while_the_receiver_is_away(tmp_path: Path) -> None:
    """A flow gets 429, since it repeats after nothing else; others get 503."""
    port, nobody = free_port(), free_port()
    with proxy(tmp_path, nobody, port):
        wait_until(lambda: ask(port, "GET", "/"), "Caddy answers")
        answers = [ask(port, "POST", f"/webhooks/{name}") for name in ("okta", "second", "polis")]

    assert [answer and answer.status for answer in answers] == [429, 429, 503]
    assert all(answer and answer.getheader("retry-after") == "5" for answer in answers)


def test_caddyfile_is_formatted_and_valid() -> None:
    """`caddy fmt` would change nothing, and `caddy validate` accepts it."""
    caddy = tool("caddy")
    for command in (
        ["fmt", "--diff", str(FILE)],
        ["validate", "--config", str(FILE), "--adapter", "caddyfile"],
    ):
        done = subprocess.run([caddy, *command], env=environment(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()


def test_caddyfile_names_the_two_places_and_no_other() -> None:
    """Without Caddy at hand, too: what is forwarded stands in one line, and the rest is 404."""
    lines = [line.strip() for line in FILE.read_text(encoding="utf-8").splitlines()]
    assert [line for line in lines if line.startswith("@senders")] == ["@senders path /webhooks/* /scim/*"]
    assert sum(line.startswith("reverse_proxy") for line in lines) == 1
    assert "respond 404" in lines
