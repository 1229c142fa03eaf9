"""A stand-in for Okta's API on a real socket: users and groups, its rate limit, its faults."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.loopback import listening

TOKEN = "00api-token-of-the-tests"
_CODES = {401: "E0000011", 403: "E0000006", 404: "E0000007", 429: "E0000047", 400: "E0000001"}


@dataclass
class FakeOkta:
    """One organisation. `limit`: calls in a window of `window` seconds, for each of users and groups.

    `fault`: answers all calls with a status, or "hang" or "html" (a 404 of something that is no API);
    `hidden`: ids that answer 403; `ahead`: seconds its clock is ahead of ours; `calls`: (path, status);
    `more_headers`: of each answer;
    `on_call`: gets the path before the answer is made up; `least_remaining`: of any window so far.
    """

    token: str = TOKEN
    limit: int = 600
    window: float = 60.0
    fault: int | str | None = None
    more_headers: dict[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    ahead: float = 0.0
    clock: Callable[[], float] = time.time
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, int]] = field(default_factory=list)
    on_call: Callable[[str], Awaitable[None]] | None = None
    least_remaining: int = 1_000_000
    url: str = ""
    _windows: dict[str, tuple[float, int]] = field(default_factory=dict)

    def hire(self, name: str, status: str = "ACTIVE", email: str | None = None) -> None:
        """Make or change a user; the login is no mailbox of theirs."""
        profile = {"login": f"{name}@corp.acme.test", "email": email or f"{name}@acme.test"}
        self.users[f"00u{name}"] = {"id": f"00u{name}", "status": status, "profile": profile}

    def group(self, ident: str, name: str) -> None:
        """Make or rename a group."""
        self.groups[ident] = {"id": ident, "profile": {"name": name}}

    def reads(self, path: str = "") -> list[str]:
        """The answered readings of single objects, of all or of one path."""
        single = [path for path, status in self.calls if status in (200, 404) and path.count("/") == 2]
        return [each for each in single if each.startswith(path)]

    def statuses(self, status: int) -> int:
        """How many calls were answered so."""
        return sum(told == status for _, told in self.calls)

    def use_up(self, kind: str) -> None:
        """Let other programs use up the window that begins now."""
        self._windows[kind] = (float(int(self._now + self.window)), self.limit)

    async def answer(self, request: Request) -> Response:
        """Answer one call."""
        path = request.url.path.removeprefix("/api/v1")
        if self.on_call:
            await self.on_call(path)
        if self.fault == "hang":
            self.calls.append((path, 0))
            await asyncio.sleep(3600)
        response = self._answer(path, request)
        self.calls.append((path, response.status_code))
        response.headers["date"] = formatdate(self._now, usegmt=True)
        response.headers.update(self.more_headers)
        return response

    @property
    def _now(self) -> float:
        return self.clock() + self.ahead

    def _answer(self, path: str, request: Request) -> Response:
        if self.fault == "html":
            return PlainTextResponse("<h1>404</h1>", 404)
        if isinstance(self.fault, int):
            return _error(self.fault)
        if request.headers.get("authorization") != f"SSWS {self.token}":
            return _error(401)
        kind, _, ident = path.strip("/").partition("/")
        limit = self._count(kind)
        response = self._found(kind, ident) if int(limit["x-rate-limit-remaining"]) >= 0 else _error(429)
        limit["x-rate-limit-remaining"] = str(max(0, int(limit["x-rate-limit-remaining"])))
        response.headers.update(limit)
        return response

    def _count(self, kind: str) -> dict[str, str]:
        """Count one call; its headers, with -1 remaining where it was one too many."""
        ends, used = self._windows.get(kind, (0.0, 0))
        if self._now >= ends:
            ends, used = float(int(self._now + self.window)), 0
        self._windows[kind] = (ends, used + 1)
        self.least_remaining = min(self.least_remaining, self.limit - used - 1)
        told = {"limit": self.limit, "remaining": max(-1, self.limit - used - 1), "reset": int(ends)}
        return {f"x-rate-limit-{name}": str(value) for name, value in told.items()}

    def _found(self, kind: str, ident: str) -> Response:
        if kind not in ("users", "groups"):
            return _error(404)
        things = self.users if kind == "users" else self.groups
        if not ident:
            return JSONResponse(list(things.values())[:1])
        if ident in self.hidden:
            return _error(403)
        found = things.get(ident) or next(
            (each for each in things.values() if each["profile"].get("login") == ident), None
        )
        return JSONResponse(found) if found else _error(404)


def _error(status: int) -> Response:
    code = _CODES.get(status, "E0000009")
    return JSONResponse({"errorCode": code, "errorSummary": "about ana@acme.test"}, status)


@asynccontextmanager
async def running_okta(okta: FakeOkta | None = None) -> AsyncIterator[FakeOkta]:
    """Serve it while the block runs; its `url` says where, the same one when it is served again."""
    okta = okta or FakeOkta()
    app = Starlette(routes=[Route("/{path:path}", okta.answer)])
    async with listening(app, int(okta.url.rpartition(":")[2] or 0)) as bound:
        okta.url = f"http://127.0.0.1:{bound}"
        yield okta
