"""A sender with many connections: plain sockets, requests made beforehand, so that it costs little itself."""

import hashlib
import hmac
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson

SECRET = b"jackson-secret-of-the-tests"
BODY_BYTES = 860
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_NO_CONTENT = b"HTTP/1.1 204 "


@dataclass(frozen=True, slots=True)
class Load:
    """What a run gave. `took`: milliseconds of each answer, sorted; `other`: answers of another status."""

    seconds: float
    took: list[float]
    other: int

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return len(self.took) / self.seconds

    def percentile(self, share: float) -> float:
        """Return within how many milliseconds that share of the answers came."""
        return self.took[min(int(len(self.took) * share), len(self.took) - 1)]


@dataclass(slots=True)
class _Link:
    socket: socket.socket
    since: float = 0.0
    answer: bytes = field(default=b"")

    def whole(self) -> bool:
        """Tell whether all of the answer is there."""
        head, end, body = self.answer.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0 if head.startswith(_NO_CONTENT) else None
        return bool(end) and length is not None and len(body) >= length


def send(
    port: int,
    requests: Sequence[bytes],
    seconds: float = 60.0,
    connections: int = 32,
    pace: float = 0.0,
    status: int = 200,
) -> Load:
    """Send requests over keep-alive connections until they or the seconds are used up.

    Without `pace` each connection sends its next request when it has its answer. With it, requests
    are due at that many a second and their time counts from then, whether or not a connection is free.
    `status`: of the answers that are wanted.
    """
    links = [_Link(socket.create_connection(("127.0.0.1", port))) for _ in range(connections)]
    try:
        with selectors.DefaultSelector() as selector:
            for link in links:
                link.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(link.socket, selectors.EVENT_READ, link)
            gap = 1 / pace if pace else 0.0
            return _run(selector, deque(links), requests, seconds, gap, b"HTTP/1.1 %d " % status)
    finally:
        for link in links:
            link.socket.close()


def _run(
    selector: selectors.BaseSelector,
    idle: deque[_Link],
    requests: Sequence[bytes],
    seconds: float,
    gap: float,
    wanted: bytes,
) -> Load:
    took: list[float] = []
    sent, other, all_links = 0, 0, len(idle)
    began = now = time.perf_counter()
    total = len(requests)
    while True:
        over = sent == total or now - began >= seconds
        if over and len(idle) == all_links:
            return Load(now - began, sorted(took), other)
        while not over and idle and sent < total and (due := began + sent * gap) <= now:
            link = idle.popleft()
            link.since, link.answer = due if gap else now, b""
            link.socket.sendall(requests[sent])
            sent += 1
        rest = max(0.0, began + sent * gap - now) if idle and not over else 5.0
        for key, _ in selector.select(min(rest, 5.0)):
            link = key.data
            data = link.socket.recv(65536)
            if not data:
                raise ConnectionError(f"the server closed a connection after {link.answer!r}")
            link.answer += data
            if link.whole():
                took.append((time.perf_counter() - link.since) * 1000)
                other += not link.answer.startswith(wanted)
                idle.append(link)
        now = time.perf_counter()


def request(body: bytes, at: int | None = None) -> bytes:
    """Return a whole POST of a body, signed as Jackson signs, at unix milliseconds `at`, else now."""
    stamp = str(at or time.time_ns() // 1_000_000).encode()
    mac = hmac.new(SECRET, stamp + b"." + body, hashlib.sha256).hexdigest().encode()
    return (
        b"POST /webhooks/jackson HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: axios/1.7.9\r\n"
        b"Content-Type: application/json\r\nBoxyHQ-Signature: t=%s,s=%s\r\nContent-Length: %d\r\n\r\n%s"
    ) % (stamp, mac, len(body), body)


def requests(bodies: Iterable[bytes]) -> list[bytes]:
    """Return a signed request for each body."""
    return [request(body) for body in bodies]


def joiners(count: int, batch: str = "") -> list[bytes]:
    """Return `user.created` bodies of 860 bytes, each of another user, as Jackson sends them for Okta."""
    return [user_event("user.created", f"{batch}{number:08}") for number in range(count)]


def user_event(name: str, ident: str, **more: object) -> bytes:
    """Return an event about a user, filled up to 860 bytes as the attributes of a directory do."""
    return filled({"event": name, **_HEAD, "data": {**user(ident), **more}})


def user(ident: str) -> dict[str, object]:
    """Return a user as Jackson tells it."""
    email = f"p{ident}@acme.test"
    return {
        "id": f"u-{ident}", "first_name": "Ann", "last_name": "Ng", "email": email, "active": True,
        "raw": {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": email,
            "name": {"givenName": "Ann", "familyName": "Ng"},
            "emails": [{"primary": True, "value": email, "type": "work"}], "displayName": "Ann Ng",
            "locale": "en-US", "externalId": "00u3195327ebda20ce97", "groups": [], "active": True,
            "id": f"u-{ident}",
        },
    }  # fmt: skip


def group(ident: str) -> dict[str, object]:
    """Return a group as Jackson tells it."""
    return {
        "id": f"g-{ident}",
        "name": f"Team {ident}",
        "raw": {"displayName": f"Team {ident}", "id": f"g-{ident}"},
    }


def group_event(name: str, ident: str) -> bytes:
    """Return an event about a group."""
    return orjson.dumps({"event": name, **_HEAD, "data": group(ident)})


def member_event(name: str, who: str, where: str) -> bytes:
    """Return an event about a user in a group."""
    return orjson.dumps({"event": name, **_HEAD, "data": {**user(who), "group": group(where)}})


_HEAD = {"tenant": "acme", "product": "docs-bridge", "directory_id": "2287826c-c603-4f66-8457-936cb2442fab"}


def filled(event: dict[str, object]) -> bytes:
    """Return a body of 860 bytes."""
    missing = BODY_BYTES - len(orjson.dumps({**event, "filled": ""}))
    return orjson.dumps({**event, "filled": "x" * max(0, missing)})
