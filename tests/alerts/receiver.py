"""Somebody who is told: a real HTTP server on loopback that keeps what came and answers as it is asked to."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.loopback import listening


@dataclass(frozen=True, slots=True)
class Got:
    """One request."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return orjson.loads(self.body)

    @property
    def id(self) -> str:
        """What a repeat is known by."""
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """What came, and how the next requests are answered.

    `answers`: a status for each, or headers and text beside it; then 200. `hold`: no answer until it is set.
    """

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: list[int | tuple[int, dict[str, str], str]] = field(default_factory=list)
    always: int = 200
    hold: asyncio.Event | None = None

    async def answer(self, request: Request) -> Response:
        """Keep a request and answer it."""
        self.got.append(Got(dict(request.headers), await request.body()))
        if self.hold:
            await self.hold.wait()
        told = self.answers.pop(0) if self.answers else self.always
        status, headers, text = told if isinstance(told, tuple) else (told, {}, "ok")
        return Response(text, status, headers)

    def texts(self) -> list[str]:
        """What Slack was told, in order."""
        return [each.json["text"] for each in self.got]

    def types(self) -> list[str]:
        """The types of what came by Standard Webhooks, in order."""
        return [each.json["type"] for each in self.got]

    def ids(self) -> Iterator[str]:
        """The ids of what came, in order."""
        return (each.id for each in self.got)


@asynccontextmanager
async def running(receiver: Receiver) -> AsyncIterator[Receiver]:
    """Serve it while the block runs; its `url` says where, the same one when it is served again."""
    port = int(receiver.url.split("/")[2].rpartition(":")[2]) if receiver.url else 0
    app = Starlette(routes=[Route("/{path:path}", receiver.answer, methods=["POST"])])
    async with listening(app, port) as bound:
        receiver.url = f"http://127.0.0.1:{bound}/services/T0/B0/hush-hush-path"
        yield receiver
