"""One stranger against everybody else: a receiver that is flooded answers others, and keeps nothing of it.

While each attack goes on /livez is asked again and again, each time on a connection of its own, and has a
second to answer. What the attackers themselves are answered is in tests/test_connections.py.
"""

import contextlib
import hmac
import http.server
import json
import os
import random
import socket
import sys
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from bridge.embedded import EmbeddedValkey
from tests.deploy.places import Program, free_port, is_ready, post_event, wait_until, write_config
from tests.deploy.prober import LATE

MOST_LEFT = 1.2  # times the memory of before the first attack
PROBES = 20  # at least, during each attack
AT_ONCE = 20
JWT_SOURCE = """
[[sources]]
name = "tokens"
kind = "okta-workflows"
auth = "jwt"
jwks_url = "{keys}"
issuer = "https://idp.test"
audience = "bridge"
subject = "flow"
"""


@dataclass
class Target:
    """A receiver as `bridge serve` runs it."""

    port: int
    pid: int
    asked: list[str]  # paths that its key set's server was asked for
    key: rsa.RSAPrivateKey  # of who issues tokens
    before: int = 0  # bytes of memory before the first attack

    def connect(self, receive_buffer: int = 0) -> socket.socket:
        """Return a connection to it."""
        link = socket.socket()
        if receive_buffer:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        link.settimeout(10)
        link.connect(("127.0.0.1", self.port))
        return link

    def memory(self) -> int:
        """Return the bytes that it holds."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


class Keys(http.server.BaseHTTPRequestHandler):
    """Serves a key set, and notes for what it was asked."""

    asked: list[str]
    body: bytes

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@contextmanager
def serving_keys(key: rsa.RSAPrivateKey, asked: list[str]) -> Iterator[str]:
    """Serve a key's public half; yields where."""
    public = {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "known"}
    handler = type("OfKey", (Keys,), {"asked": asked, "body": json.dumps({"keys": [public]}).encode()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/keys"
        server.shutdown()


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """It runs, and has done everything once that it will do."""
    port, asked = free_port(), list[str]()
    key = rsa.generate_private_key(65537, 2048)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bd-")))
        valkey = stack.enter_context(EmbeddedValkey(folder / "data"))
        keys = stack.enter_context(serving_keys(key, asked))
        config = write_config(folder, f"unix://{valkey.socket}", port)
        with config.open("a", encoding="utf-8") as file:
            file.write(JWT_SOURCE.format(keys=keys))
        serve = stack.enter_context(Program(["bridge", "serve", "-c", str(config)], folder / "serve.log", {}))
        wait_until(lambda: is_ready(port), "/readyz answers 200")
        for _ in range(50):
            assert post_event(port).status_code == 200
        one = Target(port, serve.popen.pid, asked, key)
        assert deliver(one, token({}, key, "RS256", kid="known")) == 200
        with one.connect() as link:
            send(link, b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert b" 200 " in read_all(link)[:20]
        one.before = one.memory()
        yield one


class Prober(Program):
    """The process that asks /livez, and what it has been told."""

    def answers(self) -> list[str]:
        """Return what it wrote so far."""
        return self.lines().split()

    def has_seen_enough(self) -> bool:
        """Tell whether the attack may end."""
        return len(self.answers()) >= PROBES


@contextmanager
def others_are_served(target: Target) -> Iterator[Prober]:
    """Every probe while the block runs is answered in time, and memory comes back after it."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.deploy.prober", str(target.port)]
        with Prober(command, Path(folder) / "prober.log", {}) as prober:
            wait_until(prober.answers, "/livez was asked")
            yield prober
            most = target.memory()
        answers = prober.answers()
    assert LATE not in answers
    wait_until(lambda: target.memory() <= MOST_LEFT * target.before, f"{most} bytes become {target.before}")
    figures = ", ".join(f"{each / 1e6:.0f}" for each in (target.before, most, target.memory()))
    print(f"\n/livez within {max(answers)} s, {len(answers)} times; MB before, at most, after: {figures}")


def at_once(count: int, act: Callable[[int], None]) -> None:
    """Do it in so many threads."""
    threads = [threading.Thread(target=act, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def send(link: socket.socket, data: bytes) -> None:
    """Send as much of it as is taken."""
    with contextlib.suppress(OSError):
        link.sendall(data)


def read_all(link: socket.socket) -> bytes:
    """Return what comes until the other side hangs up."""
    read = bytearray()
    with contextlib.suppress(OSError):
        while part := link.recv(65_536):
            read += part
    return bytes(read)


def hang_up(link: socket.socket) -> None:
    """Say that nothing more comes, and wait until that is heard, so that no queue is what others wait in."""
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_WR)
    read_all(link)


POST = b"POST /webhooks/okta HTTP/1.1\r\nHost: a\r\n"
AHEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
FIELDS = b"".join(b"a%d: b\r\n" % number for number in range(90))


def test_requests_sent_ahead(target: Target) -> None:
    """5 MB of them on each of 20 connections; and on hundreds that hang up."""

    def flood(_number: int) -> None:
        with target.connect() as link:
            send(link, AHEAD * (5_000_000 // len(AHEAD)))
            read_all(link)

    def flood_and_leave(_number: int) -> None:
        for _ in range(20):
            with target.connect() as link:
                send(link, AHEAD * 3000)
                hang_up(link)

    with others_are_served(target) as prober:
        while not prober.has_seen_enough():
            at_once(AT_ONCE, flood)
            at_once(AT_ONCE, flood_and_leave)


def test_heads_of_many_fields(target: Target) -> None:
    """Too many, again and again; and as many as may be, with a body that does not come."""

    def too_many(_number: int) -> None:
        for _ in range(10):
            with target.connect() as link:
                send(link, AHEAD[:-2] + FIELDS * 100 + b"\r\n")
                read_all(link)

    with others_are_served(target) as prober, ExitStack() as stack:
        for _ in range(300):
            link = stack.enter_context(target.connect())
            send(link, POST + FIELDS + b"Content-Length: 1000\r\n\r\n")
        while not prober.has_seen_enough():
            at_once(4, too_many)


def test_readers_that_do_not_read(target: Target) -> None:
    """They ask for the longest answer there is, again and again."""
    with others_are_served(target) as prober, ExitStack() as stack:
        links = [stack.enter_context(target.connect(receive_buffer=4096)) for _ in range(50)]
        for link in links:
            link.settimeout(0)
        while not prober.has_seen_enough():
            for link in links:
                send(link, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 10)


def test_senders_that_drip(target: Target) -> None:
    """A byte at a time, of heads and of bodies."""
    with others_are_served(target) as prober, ExitStack() as stack:
        links = [stack.enter_context(target.connect()) for _ in range(300)]
        for number, link in enumerate(links):
            send(link, POST + (b"X: " if number % 2 else b"Content-Length: 99999\r\n\r\n"))
        while not prober.has_seen_enough():
            for link in links:
                send(link, b"a")


def test_connections_that_ask_nothing(target: Target) -> None:
    """A thousand of them, and good deliveries beside them."""
    with others_are_served(target) as prober, ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(target.connect())
        while not prober.has_seen_enough():
            assert post_event(target.port).status_code == 200


def test_bodies_that_are_never_whole(target: Target) -> None:
    """45 MB in all, which are held until their senders leave; and beginnings of others again and again."""
    body = POST + b"Content-Length: 2000000\r\n\r\n" + b" " * 300_000

    def leave_again_and_again(_number: int) -> None:
        for _ in range(10):
            with target.connect() as link:
                send(link, body[:200_000])
                hang_up(link)

    with others_are_served(target) as prober, ExitStack() as stack:
        for _ in range(150):
            send(stack.enter_context(target.connect()), body)
        while not prober.has_seen_enough():
            at_once(4, leave_again_and_again)


CLAIMS = {"iss": "https://idp.test", "aud": "bridge", "exp": int(time.time()) + 3600, "sub": "flow"}


def token(claims: dict[str, Any], key: Any, algorithm: str | None, **header: Any) -> str:
    """Return a JWT."""
    return jwt.encode({**CLAIMS, **claims}, key, algorithm, headers=header)


def by_hand(header: dict[str, Any], secret: bytes = b"") -> str:
    """Return a JWT that no library makes, signed by HMAC with a secret whatever its header says."""
    parts = (json.dumps(header).encode(), json.dumps(CLAIMS).encode())
    signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = hmac.digest(secret, signed, "sha256") if secret else b""
    return (signed + b"." + urlsafe_b64encode(mac).rstrip(b"=")).decode()


def forged(target: Target) -> list[str]:
    """Return what somebody sends who has everything but the key."""
    stranger = rsa.generate_private_key(65537, 2048)
    public = target.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    wild = random.Random(11)
    names = ("../keys", "/etc/passwd", "http://idp.test/keys", "known\0", "known' OR 1=1", "a" * 5000, "🔑")
    return [
        token({}, None, None, kid="known"),
        by_hand({"alg": "HS256", "kid": "known"}, public),
        token({}, stranger, "RS256", kid="known"),
        *(token({}, stranger, "RS256", kid=name) for name in names),
        *(token({}, stranger, "RS256", kid=wild.randbytes(8).hex()) for _ in range(200)),
        token({}, stranger, "RS256", kid="known", jku="http://127.0.0.1:9/keys", x5u="http://127.0.0.1:9/"),
        token({}, stranger, "RS256", jwk=RSAAlgorithm.to_jwk(stranger.public_key(), as_dict=True)),
        token({"pad": "a" * 50_000}, target.key, "RS256", kid="known"),
        *(by_hand({"alg": alg, "kid": "known"}) for alg in ("none", "NONE", "", "RS256", ["RS256"], None)),
        by_hand({"alg": "RS256", "kid": {"a": 1}, "crit": ["exp"]}, b"a"),
        by_hand({"alg": "RS256", "kid": "known", "zip": "DEF"}, b"a"),
        by_hand({"alg": "RS256", "kid": "known", "deep": json.loads("[" * 900 + "]" * 900)}, b"a"),
        "a.b.c", "..", "." * 8000, "{}" * 4000,
    ]  # fmt: skip


def deliver(target: Target, bearer: str) -> int:
    """Send an event with a token; return the status of the answer."""
    body = b'{"event": "user.deleted", "user": {"id": "00u1"}}'
    post = POST.replace(b"okta", b"tokens") + b"Connection: close\r\nContent-Length: %d\r\n" % len(body)
    with target.connect() as link:
        link.sendall(post + f"Authorization: Bearer {bearer}\r\n\r\n".encode() + body)
        return int(read_all(link).split()[1])


def test_forged_tokens(target: Target) -> None:
    """None is believed, and the key set is asked for once at most, whatever keys they name."""
    tokens, answers, asked = forged(target), set[int](), len(target.asked)

    def deliver_some(number: int) -> None:
        answers.update(deliver(target, bearer) for bearer in tokens[number::AT_ONCE])

    with others_are_served(target) as prober:
        while not prober.has_seen_enough():
            at_once(AT_ONCE, deliver_some)
    assert answers == {401}
    assert target.asked[asked:] in ([], ["/keys"])
    assert deliver(target, token({}, target.key, "RS256", kid="known")) == 200
