"""Answers of the front door: small JSON bodies, and problem details (RFC 9457) for all that is wrong."""

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from msgspec import Struct
from starlette.types import Send

PROBLEM = b"application/problem+json"
_NO_CONTENT = int(HTTPStatus.NO_CONTENT)


class Answer(Struct, frozen=True):
    """A whole answer. `headers`: those besides content-type and content-length."""

    status: int
    body: bytes
    kind: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        """Send it as ASGI messages; a 204 has no length (RFC 9110, 8.6), and nothing that has a type."""
        headers = list(self.headers)
        if self.status != _NO_CONTENT:
            length = b"%d" % len(self.body)
            headers = [(b"content-type", self.kind), (b"content-length", length), *headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def problem(status: int, detail: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """Return a problem whose title is the status's own phrase; `detail`: what to do about it."""
    told = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    pairs = (
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()
    )
    return Answer(status, orjson.dumps(told | ({"detail": detail} if detail else {})), PROBLEM, tuple(pairs))
