"""Requests that two servers may read differently, sent through each proxy to a real receiver.

What the receiver answers its sender gets, in the same order: no request comes in behind another one, nothing
is left in a connection of the proxy's for the next sender, and no address is believed but the proxy's. See
RFC 9112: 3.2 (targets), 6.1 and 6.3 (lengths), 9.3 (connections), 11.2 (request smuggling).
"""

import asyncio
import contextlib
import re
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.metrics import Metrics
from bridge.receiver import create_app
from bridge.settings import Settings
from tests.deploy.fronts import FRONTS, Front
from tests.deploy.places import wait_until
from tests.door import BODY, FLOW, GOOD, NEAR, OFFICE, POST, SOURCES, Place, length, serving
from tests.fuzz.wire import Memory

HIDDEN = b"GET /webhooks/hidden HTTP/1.1\r\nHost: bridge.test\r\nConnection: close\r\n\r\n"
HIDDEN_LENGTH = b"Content-Length: %d" % len(HIDDEN)
INSIDE = b"GET /metrics HTTP/1.1\r\nHost: bridge.test\r\n\r\n"
OLD = GOOD.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
CHUNKED = b"Transfer-Encoding: chunked"
PATIENCE = (
    1.0  # seconds for a proxy that waits for the rest of a request; it has answered what it will before
)


@dataclass
class Seen:
    """What the receiver was asked. Its answers have the place of their request in `x-number`."""

    requests: list[tuple[str, list[str]]] = field(default_factory=list)  # path, what X-Forwarded-For says
    answered: list[int] = field(default_factory=list)  # the places of those that an answer was begun to

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Return an application that notes its requests and numbers its answers."""

        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            number = len(self.requests)
            forwarded = [value.decode() for name, value in scope["headers"] if name == b"x-forwarded-for"]
            self.requests.append((scope["path"], forwarded))

            async def numbered(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self.answered.append(number)
                    message["headers"] = [*message["headers"], (b"x-number", b"%d" % number)]
                await send(message)

            return await app(scope, receive, numbered)

        return noting


@dataclass
class Way:
    """A proxy, the receiver behind it, and what that has seen."""

    front: Front
    seen: Seen
    place: Place
    paths: list[str] = field(default_factory=list)  # that were asked of the receiver by the last `send`

    def send(self, data: bytes) -> list[int]:
        """Send bytes on a connection of their own; return the statuses of the answers.

        Those that the receiver has begun are those that came back, and whoever comes next gets their own.
        """
        asked, answered = len(self.seen.requests), len(self.seen.answered)
        answers = self.exchange(data)
        wait_until(lambda: not self.place.server.server_state.tasks, "nothing is under way")
        numbers = [int(number) for number in re.findall(rb"(?i)\r\nx-number: (\d+)\r\n", answers)]
        assert numbers == self.seen.answered[answered:]
        self.paths = [path for path, _ in self.seen.requests[asked:]]
        assert all(forwarded == ["127.0.0.1"] for _, forwarded in self.seen.requests[asked:])
        for path in ("/webhooks/next", "/webhooks/one-more"):
            answer = self.front.ask("POST", path)
            assert answer
            assert (answer[0], self.seen.requests[int(answer[1]["x-number"])][0]) == (404, path)
        return [int(code) for code in re.findall(rb"HTTP/1\.[01] ([2-5]\d\d) ", answers)]

    def exchange(self, data: bytes) -> bytes:
        """Send bytes on a connection of their own; return all that comes back."""
        answers = bytearray()
        with self.front.connect(PATIENCE) as link, contextlib.suppress(OSError, ssl.SSLError):
            link.sendall(data)
            while part := link.recv(65_536):
                answers += part
        return bytes(answers)


@contextlib.contextmanager
def running_receiver(seen: Seen) -> Iterator[Place]:
    """A receiver with all kinds of sources that trusts a proxy on this machine, in a thread of its own."""
    told = {"receiver": {"trusted_proxies": ["127.0.0.1"]}, "sources": SOURCES}
    up, over, places = threading.Event(), threading.Event(), []

    @asynccontextmanager
    async def opened() -> AsyncIterator[Memory]:
        yield Memory()

    async def run() -> None:
        metrics = Metrics()
        app = seen.wrap(create_app(Settings.model_validate(told), opened, metrics))
        async with serving(app, metrics, 10.0) as place:
            places.append(place)
            up.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert up.wait(10)
        yield places[0]
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module", params=FRONTS)
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """A proxy in front of a receiver."""
    seen, folder = Seen(), tmp_path_factory.mktemp(request.param)
    with running_receiver(seen) as place, FRONTS[request.param](folder, place.port) as front:
        yield Way(front, seen, place)


def head(*fields: bytes) -> bytes:
    """The head of a POST, with these fields as they stand."""
    lines = (b"POST /webhooks/okta HTTP/1.1", b"Host: bridge.test", *fields)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def got(line: bytes) -> bytes:
    """The head of a GET, with this line."""
    return head(line).replace(b"POST", b"GET", 1)


def both(coding: bytes) -> bytes:
    """A body that is empty by its length, and hides a request by its chunks, or the other way round."""
    return head(b"Content-Length: %d" % (5 + len(HIDDEN)), coding) + b"0\r\n\r\n" + HIDDEN


LENGTHS = {
    "CL.TE": both(b"Transfer-Encoding: chunked"),
    "TE.CL": head(b"Transfer-Encoding: chunked", b"Content-Length: 4")
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
    "two codings": both(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
    "a coding twice": both(b"Transfer-Encoding: chunked, chunked"),
    "a coding and another": both(b"Transfer-Encoding: chunked, identity"),
    "a coding nobody knows": both(b"Transfer-Encoding: xchunked"),
    "a coding in capitals": both(b"TRANSFER-ENCODING: CHUNKED"),
    "a coding after a tab": both(b"Transfer-Encoding:\tchunked"),
    "a coding after a form feed": both(b"Transfer-Encoding: \x0bchunked"),
    "a coding in quotes": both(b'Transfer-Encoding: "chunked"'),
    "a coding before a space": both(b"Transfer-Encoding : chunked"),
    "a coding in a folded line": both(b"Transfer-Encoding:\r\n chunked"),
    "a coding behind a bare LF": both(b"X: y\nTransfer-Encoding: chunked"),
    "a coding behind a bare CR": both(b"X: y\rTransfer-Encoding: chunked"),
    "a coding behind NUL": both(b"X: y\0\r\nTransfer-Encoding: chunked"),
    "a coding with an underscore": both(b"Transfer_Encoding: chunked"),
    "a coding after a blank": both(b" Transfer-Encoding: chunked"),
    "a coding of HTTP/1.0": both(b"Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "two lengths": head(b"Content-Length: 0", HIDDEN_LENGTH) + HIDDEN,
    "two lengths, the long one first": head(HIDDEN_LENGTH, b"Content-Length: 0") + HIDDEN,
    "two lengths in one": head(b"Content-Length: 0, %d" % len(HIDDEN)) + HIDDEN,
    "the same length twice": head(b"Content-Length: 2", b"Content-Length: 2") + b"{}" + HIDDEN,
    "a length with a sign": head(b"Content-Length: +2") + b"{}" + HIDDEN,
    "a length below 0": head(b"Content-Length: -1") + HIDDEN,
    "a length in hex": head(b"Content-Length: 0x2") + b"{}" + HIDDEN,
    "a length with a blank in it": head(b"Content-Length: 0 2") + b"{}" + HIDDEN,
    "a length over 64 bits": head(b"Content-Length: 18446744073709551618") + b"{}" + HIDDEN,
    "a length before a space": head(b"Content-Length : %d" % len(HIDDEN)) + HIDDEN,
    "a length of GET": got(HIDDEN_LENGTH) + HIDDEN,
    "a chunk of GET": got(CHUNKED) + b"0\r\n\r\n" + HIDDEN,
    "a chunk's extension": head(CHUNKED) + b"2;a=b\r\n{}\r\n0;c\r\n\r\n" + HIDDEN,
    "a chunk's extension with a bare LF": head(CHUNKED) + b"2;a\nb\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk's extension with a bare CR": head(CHUNKED) + b"2;a\rb\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk that ends in LF": head(CHUNKED) + b"2\n{}\n0\n\n" + HIDDEN,
    "a chunk without its end": head(CHUNKED) + b"2\r\n{}XX0\r\n\r\n" + HIDDEN,
    "a chunk's size over 64 bits": head(CHUNKED) + b"10000000000000002\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk's size of 64 bits": head(CHUNKED) + b"ffffffffffffffff\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk's size with 0x": head(CHUNKED) + b"0x2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk's size with a sign": head(CHUNKED) + b"-2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk's size with a blank": head(CHUNKED) + b" 2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk's size with underscores": head(CHUNKED) + b"0_2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a trailer that is a request": head(CHUNKED) + b"0\r\n" + HIDDEN + HIDDEN,
    "a trailer that is a length": head(CHUNKED) + b"0\r\nContent-Length: 9\r\n\r\n" + HIDDEN,
}  # fmt: skip
HEADS = {
    "bare LF": GOOD.replace(b"\r\n", b"\n") + HIDDEN,
    "a bare CR": GOOD.replace(b"Host: ", b"X: a\rHost: ", 1) + HIDDEN,
    "NUL in a value": GOOD.replace(b"bridge.test", b"bridge\0.test", 1) + HIDDEN,
    "a control in a value": GOOD.replace(b"Host:", b"X: a\x08b\r\nHost:", 1) + HIDDEN,
    "NUL in a name": GOOD.replace(b"Host:", b"X\0: a\r\nHost:", 1) + HIDDEN,
    "a space before the colon": GOOD.replace(b"Host:", b"Host :", 1) + HIDDEN,
    "no colon": GOOD.replace(b"Host:", b"GET /metrics HTTP/1.1\r\nHost:", 1) + HIDDEN,
    "no name": GOOD.replace(b"Host:", b": a\r\nHost:", 1) + HIDDEN,
    "a folded line": GOOD.replace(b"Host:", b"X: a\r\n GET /metrics HTTP/1.1\r\nHost:", 1) + HIDDEN,
    "a folded line at first": GOOD.replace(b"Host:", b" X: a\r\nHost:", 1) + HIDDEN,
    "two hosts": GOOD.replace(b"Host:", b"Host: a\r\nHost:", 1) + HIDDEN,
    "no host": GOOD.replace(b"Host: bridge.test\r\n", b"", 1) + HIDDEN,
    "a host that is none": GOOD.replace(b"bridge.test", b"a/../b c", 1) + HIDDEN,
    "another host in the target": GOOD.replace(b"/webhooks", b"http://elsewhere.test/webhooks", 1) + HIDDEN,
    "an absolute target inside": INSIDE.replace(b"/metrics", b"http://bridge.test/metrics") + HIDDEN,
    "a version of one part": GOOD.replace(b"HTTP/1.1", b"HTTP/1", 1) + HIDDEN,
    "HTTP/0.9 in the line": GOOD.replace(b"HTTP/1.1", b"HTTP/0.9", 1) + HIDDEN,
    "HTTP/1.0 that stays": OLD.replace(b"Host:", b"Connection: keep-alive\r\nHost:") + HIDDEN,
    "HTTP/2.0 in the line": GOOD.replace(b"HTTP/1.1", b"HTTP/2.0", 1) + HIDDEN,
    "HTTP/1.2": GOOD.replace(b"HTTP/1.1", b"HTTP/1.2", 1) + HIDDEN,
    "blanks in the line": GOOD.replace(b" HTTP/1.1", b" a HTTP/1.1", 1) + HIDDEN,
    "a tab in the line": GOOD.replace(b" HTTP/1.1", b"\tHTTP/1.1", 1) + HIDDEN,
    "an upgrade": GOOD.replace(b"Host:", b"Upgrade: h2c\r\nConnection: Upgrade\r\nHost:", 1) + HIDDEN,
    "a WebSocket": GOOD.replace(b"Host:", b"Upgrade: websocket\r\nConnection: Upgrade\r\nHost:", 1) + HIDDEN,
    "CONNECT": b"CONNECT /webhooks/okta HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN,
    "a method that is none": GOOD.replace(b"POST", b"P/T", 1) + HIDDEN,
    "100-continue": POST + FLOW + length() + b"Expect: 100-continue\r\n\r\n" + BODY + HIDDEN,
    "an expectation nobody knows": POST + FLOW + length() + b"Expect: more\r\n\r\n" + BODY + HIDDEN,
    "the end of the connection": GOOD.replace(b"Host:", b"Connection: close\r\nHost:", 1) + HIDDEN,
    "a length for this hop": GOOD.replace(b"Host:", b"Connection: content-length\r\nHost:", 1) + HIDDEN,
    "a host for this hop": GOOD.replace(b"Host:", b"Connection: host\r\nHost:", 1) + HIDDEN,
    "a secret for this hop": GOOD.replace(b"Host:", b"Connection: authorization\r\nHost:", 1) + HIDDEN,
}  # fmt: skip
UNHEARD = {**LENGTHS, **HEADS}


@pytest.mark.parametrize("what", UNHEARD)
def test_no_request_comes_in_unanswered(way: Way, what: str) -> None:
    """Each that the receiver has seen its sender has an answer to; the next one hears nothing of it."""
    statuses = way.send(UNHEARD[what])
    assert len(statuses) <= 2
    assert set(way.paths) <= {"/webhooks/okta", "/webhooks/hidden"}
    assert not {500, 502, 503, 504} & set(statuses)


def test_delivery_gets_through(way: Way) -> None:
    """What all of these are made of, so that it is not the proxy that refuses everything."""
    assert way.send(GOOD + HIDDEN) == [200, 405]
    assert way.paths[-2:] == ["/webhooks/okta", "/webhooks/hidden"]  # one that was cut off may come late


def test_http_0_9_is_one_request_at_most(way: Way) -> None:
    """Its answer has no head, and nothing follows it."""
    asked = len(way.seen.requests)
    answers = way.exchange(b"GET /webhooks/okta\r\n" + HIDDEN).count(b"Method Not Allowed")
    way.send(GOOD)
    paths = [path for path, _ in way.seen.requests[asked:]]
    assert paths[: answers + 1] == ["/webhooks/okta"] * (answers + 1)


PLACES = (
    b"/metrics", b"/readyz", b"/livez", b"/console", b"//metrics", b"/./metrics", b"/METRICS", b"\\metrics",
    b"/webhooks/../metrics", b"/webhooks%2f..%2fmetrics", b"/webhooks/..%2fmetrics",
    b"/webhooks/%2e%2e/metrics", b"/webhooks/%252e%252e/metrics", b"/webhooks/..;/metrics",
    b"/webhooks/x/..;/..;/metrics", b"/webhooks/..\\metrics", b"/webhooks/..%5cmetrics",
    b"/webhooks/%00/../../metrics", b"/webhooks/\0",
    b"/webhooks/okta%00", b"/webhooks/okta\xff", b"/webhooks/%ff", b"/webhooks/%zz", b"/webhooks/%",
    b"/metrics/../webhooks/okta", b"/metrics%2f../webhooks/okta", b"/metrics%3f/../webhooks/okta",
    b"/metrics#/../webhooks/okta", b"/metrics%23/../webhooks/okta", b"/metrics;/../webhooks/okta",
    b"/metrics?/../webhooks/okta", b"/webhooks/#/../../metrics", b"/webhooks/?/../../metrics",
    b"/metrics%0d%0aX:%20y", b"/webhooks/%0d%0aX:%20y", b"/webhooks/a%20HTTP/1.1%0d%0aHost:%20a%0d%0a%0d%0a",
    b"*", b"", b"webhooks/okta", b"metrics", b"http:///metrics", b"http://bridge.test/metrics",
    b"http://bridge.test?/webhooks/okta", b"http://bridge.test/webhooks/../metrics",
    b"http://bridge.test#/webhooks/okta", b"http://a@bridge.test/metrics", b"http:/metrics",
    b"https://bridge.test:443/metrics", b"//bridge.test/metrics",
    b"/" + b"webhooks/" * 400 + b"../" * 400 + b"metrics",
)  # fmt: skip


@pytest.mark.parametrize("path", PLACES)
def test_what_is_for_operators_is_never_reached(way: Way, path: bytes) -> None:
    """However its path is written: what comes through is a webhook's or SCIM's, or is nothing."""
    ask = b"GET " + path + b" HTTP/1.1\r\nHost: bridge.test\r\nConnection: close\r\n\r\n"
    assert set(way.send(ask)) <= {400, 404, 405}
    assert not {"/metrics", "/readyz", "/livez", "/console"} & set(way.paths)


def test_the_receiver_itself_has_all_of_them(way: Way) -> None:
    """So that it is the proxy that keeps them away."""
    asked = asyncio.run(way.place.ask(INSIDE))
    assert asked.status == 200


FORGED = (
    b"203.0.113.9", b"203.0.113.9, 127.0.0.1", b"127.0.0.1, 203.0.113.9", b"::ffff:203.0.113.9",
    b"[::ffff:203.0.113.9]:443", b"::ffff:cb00:7109", b"203.0.113.9:443", b"203.0.113.9%lo", b"fe80::1%eth0",
    b"0313.0.0161.011", b"0xcb007109", b"3405803785", b"203.0.113.009", b"203.0.28937", b'"203.0.113.9"',
    b"for=203.0.113.9", b"203.0.113.9\t", b"", b",", b"203.0.113.9," * 400 + b"127.0.0.1",
    b"127.0.0.1," * 400, b"unknown", b"\xd9\xa2\xd9\xa0\xd9\xa3.0.113.9",
)  # fmt: skip
NAMED = (
    b"X-Forwarded-For: %b\r\n",
    b"X-Forwarded-For: 127.0.0.1\r\nX-FORWARDED-FOR: %b\r\n",
    b"Connection: X-Forwarded-For\r\nX-Forwarded-For: %b\r\n",
    b"Connection: close, x-forwarded-for\r\nX-Forwarded-For: %b\r\n",
    b"X_Forwarded_For: %b\r\nForwarded: for=%b\r\nX-Real-IP: %b\r\nTrue-Client-IP: %b\r\n",
)  # fmt: skip


@pytest.mark.parametrize("named", NAMED)
def test_no_forged_address_opens_the_gate(way: Way, named: bytes) -> None:
    """With the secret at hand: the receiver reads the address that the proxy saw, whatever stands there."""
    for forged in FORGED:
        told = named.replace(b"%b", forged)
        office = POST.replace(b"okta", b"office") + told + OFFICE + length() + b"\r\n" + BODY + HIDDEN
        assert 200 not in way.send(office)
    near = POST.replace(b"okta", b"near") + named.replace(b"%b", FORGED[0]) + NEAR + length() + b"\r\n" + BODY
    assert way.send(near + HIDDEN)[0] == 200
