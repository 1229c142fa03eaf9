"""A receiver as `bridge serve` runs it, and raw connections to it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from bridge.intake import JournalStore
from bridge.metrics import Metrics
from bridge.receiver import create_app
from bridge.serving import make_server
from bridge.settings import Settings
from bridge.tallies import Tallies

MAX_BODY = 200_000
SOURCES = [
    {"name": "okta", "kind": "okta-workflows", "secrets": ["flow-secret"]},
    {"name": "hooks", "kind": "okta-event-hooks", "secrets": ["hook-secret"]},
    {"name": "polis", "kind": "jackson", "secrets": ["one", "two"]},
    {"name": "workos", "kind": "workos", "secrets": ["workos-secret"]},
    {"name": "std", "kind": "standard-webhooks", "secrets": ["whsec_c3RhbmRhcmQta2V5"]},
    {"name": "basic", "kind": "okta-workflows", "auth": "basic", "secrets": ["user:password"]},
    {"name": "hmac", "kind": "okta-workflows", "auth": "hmac", "secrets": ["hmac-secret"]},
    {
        "name": "office",
        "kind": "okta-workflows",
        "secrets": ["office-secret"],
        "networks": ["203.0.113.0/24"],
    },
    {"name": "near", "kind": "okta-workflows", "secrets": ["near-secret"], "networks": ["127.0.0.0/8"]},
    {
        "name": "lists",
        "kind": "okta-event-hooks",
        "secrets": ["lists-secret"],
        "networks": ["203.0.113.0/24"],
    },
]
BODY = b'{"event": "user.deleted", "user": {"id": "00u1"}}'
FLOW = b"Authorization: Bearer flow-secret\r\n"
NEAR = b"Authorization: Bearer near-secret\r\n"
OFFICE = b"Authorization: Bearer office-secret\r\n"
POST = b"POST /webhooks/okta HTTP/1.1\r\nHost: bridge.test\r\n"


def length(body: bytes = BODY) -> bytes:
    """The header that tells a body's length."""
    return b"Content-Length: %d\r\n" % len(body)


GOOD = POST + FLOW + length() + b"\r\n" + BODY


@dataclass
class Answer:
    """What came back. `rest`: what followed; `open`: whether the connection still is."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send it; who answers early may have hung up."""
        self.writer.write(data)
        try:
            await self.writer.drain()
        except ConnectionError:
            return

    async def answer(self, head: bool = False) -> Answer:
        """Read the next answer; `head`: it has no body."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:-2])}
        size = 0 if head or lines[0].split()[1] == "100" else int(headers["content-length"])
        return Answer(int(lines[0].split()[1]), headers, await self.reader.readexactly(size))

    async def ends(self) -> bool:
        """Wait until the other side hangs up; tell whether it said nothing more."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True


@dataclass
class Place:
    """A receiver as `bridge serve` runs it, on a port of its own."""

    server: uvicorn.Server
    port: int
    metrics: Metrics

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """A connection to it."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            yield client
        finally:
            client.writer.close()

    async def ask(self, data: bytes, head: bool = False) -> Answer:
        """The answer to one request on a connection of its own."""
        async with self.client() as client:
            await client.send(data)
            return await client.answer(head)

    def count(self, source: str, outcome: str) -> float:
        """How many requests had that outcome."""
        labels = {"source": source, "outcome": outcome}
        return self.metrics.registry.get_sample_value("bridge_deliveries_total", labels) or 0.0


async def until(holds: Callable[[], bool]) -> None:
    """Look again and again until something holds."""
    while not holds():  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(app: ASGIApp, metrics: Metrics, look_seconds: float) -> AsyncIterator[Place]:
    """Serve an application."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = make_server(app, metrics, MAX_BODY, look_seconds)
    task = asyncio.create_task(server.serve([listening]))
    await until(lambda: server.started)
    yield Place(server, listening.getsockname()[1], metrics)
    server.should_exit = True
    await task


@asynccontextmanager
async def receiver(
    journal: JournalStore,
    look_seconds: float = 10.0,
    body_seconds: float = 15.0,
    tallies: Tallies | None = None,
    **section: Any,
) -> AsyncIterator[Place]:
    """The receiver with all sources; `section`: more of [receiver]."""

    @asynccontextmanager
    async def open_journal() -> AsyncIterator[JournalStore]:
        yield journal

    told = {"receiver": {"max_body": MAX_BODY, **section}, "sources": SOURCES}
    metrics = Metrics()
    app = create_app(Settings.model_validate(told), open_journal, metrics, body_seconds, tallies)
    async with serving(app, metrics, look_seconds) as place:
        yield place


def assert_problem(answer: Answer, *statuses: int) -> None:
    """An error is a problem document (RFC 9457), and short."""
    assert answer.status in statuses
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body)["status"] == answer.status
    assert len(answer.body) < 300
