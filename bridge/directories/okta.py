"""Okta's API as far as it is read here: https://developer.okta.com/docs/api/openapi/okta-management/."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx

from bridge.directories.base import (
    DirectoryGroup,
    DirectoryUser,
    ForbiddenError,
    LimitedError,
    Reading,
    RefusedError,
    RejectedError,
    UnavailableError,
)
from bridge.directories.pace import Pace
from bridge.no_answer import CLOSED
from bridge.outbound import Route
from bridge.paths import path_segment
from bridge.plan.scope import is_address
from bridge.rate_limit_headers import told_time
from bridge.settings import Secret, SourceSettings

_NOT_FOUND = "E0000007"  # Okta's code for an object that is not there: other 404s are no answer of its API
_NO_CODE = "it gives no reason"
_PASSING = (407, 408, 421, 423, 425, 499)  # about the way there or the moment, whoever says it
_ACTIVE = {
    # PROVISIONED: activated by an admin, and about to set a password. No event tells when that is done.
    "PROVISIONED": True, "ACTIVE": True, "RECOVERY": True, "PASSWORD_EXPIRED": True, "LOCKED_OUT": True,
    "SUSPENDED": False, "DEPROVISIONED": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it went: `path` without any id; `status` is 0 when no answer came; `seconds` it took."""

    path: str
    status: int
    seconds: float


class Okta:
    """One Okta organisation, with an API token of it."""

    def __init__(
        self,
        api_url: str,
        token: Secret,
        seat_when_staged: bool = False,
        timeout: float = 10.0,
        client: httpx.AsyncClient | None = None,
        route: Route | None = None,
    ) -> None:
        """`seat_when_staged`: users count as active before they are activated; `timeout`: s, for one call."""
        self._root = f"{api_url}/api/v1"
        self._token = token
        self._active = _ACTIVE | {"STAGED": seat_when_staged}
        self._timeout = timeout
        self._route = route or Route()
        self._client = client or self._route.open_client(timeout)
        self._paces: dict[str, Pace] = {}
        self._ahead = 0.0  # how far our clock is ahead of Okta's, as far as that can be told
        self.after_call: Callable[[Call], None] = lambda _: None
        self.clock: Callable[[], float] = time.time

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def ping(self) -> None:
        """Read one user and one group, whoever they are."""
        for what in ("users", "groups"):
            answer, _ = await self._send(what, f"/{what}?limit=1")
            if answer.status_code == 403:
                raise RejectedError(f"Okta does not let the token read {what} (403): {_code(answer)}")
            if answer.status_code != 200:
                raise RejectedError(f"Okta answered {answer.status_code}: is api_url right? {_code(answer)}")

    async def user(self, ident: str) -> Reading[DirectoryUser]:
        """Read one user; `email` is the profile's, not the login."""
        row, at = await self._object("users", ident)
        if row is None:
            return Reading(None, at)
        email = _text(row, "profile", "email")
        status = _text(row, "status") or ""
        return Reading(
            DirectoryUser(ident, email if is_address(email or "") else None, self._active.get(status)), at
        )

    async def group(self, ident: str) -> Reading[DirectoryGroup]:
        """Read one group."""
        row, at = await self._object("groups", ident)
        return Reading(DirectoryGroup(ident, _text(row, "profile", "name")) if row else None, at)

    async def _object(self, what: str, ident: str) -> tuple[dict[str, Any] | None, int]:
        """Return an object as Okta tells it, None when it has none of that id; and since when that is so."""
        try:
            path = f"/{what}/{path_segment(ident)}"
        except ValueError:
            raise RefusedError("it is not an id of Okta's") from None
        answer, at = await self._send(what, path)
        if answer.status_code == 404 and _code(answer) == _NOT_FOUND:
            return None, at
        if answer.status_code == 404:
            raise RejectedError("Okta's API is not there (404): is api_url right?")
        if answer.status_code == 403:
            raise ForbiddenError(f"the token may not read it (403): {_code(answer)}")
        if answer.status_code != 200:
            self._refuse(answer)
        row = _json(answer)
        if row is None:
            raise UnavailableError("Okta answered with something that is not a JSON object")
        if row.get("id") != ident:  # /users/me and /users/<login> are somebody, too
            raise RefusedError("it is not an id of Okta's")
        return row, at

    def _refuse(self, answer: httpx.Response) -> NoReturn:
        """Raise what another status means: about the identifier it is only with a code of Okta's."""
        status = answer.status_code
        if _code(answer) == _NO_CODE or status in _PASSING:
            raise UnavailableError(f"the answer was {status}, not by Okta's API or about the moment")
        raise RefusedError(f"Okta answered {status}: {_code(answer)}")

    async def _send(self, kind: str, path: str) -> tuple[httpx.Response, int]:
        """Send one request; return its answer, and the moment that it tells of (see `Reading`)."""
        pace = self._paces.setdefault(kind, Pace())
        if wait := pace.wait(self.clock()):
            raise LimitedError(self.clock() + wait)
        headers = {"Authorization": f"SSWS {self._token.reveal()}", "Accept": "application/json"}
        sent, began, answer = self.clock(), time.perf_counter(), None
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._get(self._root + path, headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise UnavailableError(f"no answer: {self._route.describe(error)}") from None
        finally:
            status = answer.status_code if answer is not None else 0
            self.after_call(Call(f"/api/v1/{kind}", status, time.perf_counter() - began))
        pace.seen(answer.status_code, answer.headers, self.clock())
        self._judge(pace, answer)
        self._compare_clocks(answer, sent)
        return answer, int((sent - self._ahead) * 1000)

    async def _get(self, url: str, headers: dict[str, str]) -> httpx.Response:
        """Read, and once more where the connection ended without an answer: Okta had closed a kept one."""
        try:
            return await self._client.get(url, headers=headers)
        except CLOSED:
            return await self._client.get(url, headers=headers)

    def _judge(self, pace: Pace, answer: httpx.Response) -> None:
        """Raise what the status means whatever was asked for; what is left is about the object."""
        status = answer.status_code
        if status == 429:
            raise LimitedError(self.clock() + pace.wait(self.clock()))
        if status == 401:
            raise RejectedError(f"Okta does not take the token (401): {_code(answer)}")
        if status >= 500 or 300 <= status < 400:
            wait = pace.wait(self.clock()) if status == 503 else 0.0
            raise UnavailableError(f"Okta answered {status}", self.clock() + wait if wait else 0.0)

    def _compare_clocks(self, answer: httpx.Response, sent: float) -> None:
        """Narrow down how far our clock is ahead. `Date` has whole seconds, so one answer gives bounds."""
        theirs = told_time(answer.headers)
        if theirs is not None:
            self._ahead = max(0.0, min(max(self._ahead, sent - (theirs + 1)), self.clock() - theirs))


def okta_of(source: SourceSettings, timeout: float = 10.0) -> Okta:
    """Return the API that a source's `api_url` and `api_token` lead to. Raises ValueError without them."""
    if source.api_url is None or source.api_token is None:
        raise ValueError(f"the source {source.name} has no API")
    staged, route = source.provision_on == "create", source.route(source.api_url)
    return Okta(source.api_url, source.api_token, staged, timeout, route=route)


def _json(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _code(answer: httpx.Response) -> str:
    """Return Okta's error code; its text may name a person."""
    code = (_json(answer) or {}).get("errorCode")
    return code if isinstance(code, str) and code.isalnum() and len(code) < 20 else _NO_CODE


def _text(row: dict[str, Any], *path: str) -> str | None:
    value: Any = row
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) and value else None
