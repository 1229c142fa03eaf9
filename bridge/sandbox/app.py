"""The stand-in over HTTP: a Starlette app with GitBook's routes under /v1, its switches under /sandbox."""

import asyncio
import hmac
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict
from email.utils import formatdate
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from bridge.sandbox import members, organization, teams
from bridge.sandbox.calls import Answer, Ask, Call, error, readable
from bridge.sandbox.limits import kind_of
from bridge.sandbox.sandbox import Sandbox
from bridge.sandbox.state import RefusedError

Handler = Callable[[Sandbox, Ask], Answer]
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

_NOTICE = 0.01  # seconds in which a client that left before a hang was over is noticed to have left
_ORG = "/v1/orgs/{organization}"
_MEMBER = _ORG + "/members/{user}"
_TEAM = _ORG + "/teams/{team}"
_TEAM_MEMBER = _TEAM + "/members/{user}"
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/v1/user", organization.get_user),
    ("GET", "/v1/orgs", organization.list_organizations),
    ("GET", _ORG, organization.get_organization),
    ("GET", _ORG + "/saml", organization.list_saml),
    ("GET", _ORG + "/sso", organization.list_sso),
    ("GET", _ORG + "/link-invites", organization.list_link_invites),
    ("POST", _ORG + "/invites", members.invite),
    ("GET", _ORG + "/members", members.list_members),
    ("GET", _MEMBER, members.get_member),
    ("PATCH", _MEMBER, members.update_member),
    ("DELETE", _MEMBER, members.remove_member),
    ("POST", _MEMBER + "/sso", members.mark_sso),
    ("GET", _MEMBER + "/spaces", members.list_member_spaces),
    ("GET", _MEMBER + "/teams", members.list_member_teams),
    ("GET", _ORG + "/teams", teams.list_teams),
    ("PUT", _ORG + "/teams", teams.create_team),
    ("GET", _TEAM, teams.get_team),
    ("PATCH", _TEAM, teams.rename_team),
    ("DELETE", _TEAM, teams.delete_team),
    ("GET", _TEAM + "/members", teams.list_team_members),
    ("PUT", _TEAM + "/members", teams.update_team_members),
    ("PUT", _TEAM_MEMBER, teams.put_team_member),
    ("DELETE", _TEAM_MEMBER, teams.delete_team_member),
]


class NoAnswer(Response):
    """The client gets nothing: it has gone, or its connection has been cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""


class Truncated(Response):
    """Less than was announced, and then the connection is cut."""

    def __init__(self, abort: Callable[[], None] | None) -> None:
        """`abort`: cuts the connection; None in-process, where the missing end is all that can be seen."""
        super().__init__(b'{"items": [{"object": "mem', headers={"Content-Type": "application/json"})
        self.headers["Content-Length"] = "1000"
        self._abort = abort

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the beginning."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": self._abort is not None})
        if self._abort:
            self._abort()
            await _gone(Request(scope, receive))


def create_app(sandbox: Sandbox) -> Starlette:
    """Build the app.

    Under /v1 as GitBook, every call recorded. Without a token: `GET/PUT/DELETE /sandbox/faults`
    (PUT merges, 400 for what is no fault), `GET /sandbox/calls`, `GET /sandbox/state`.
    """
    routes: list[BaseRoute] = [
        Route(path, _endpoint(sandbox, handler), methods=[method]) for method, path, handler in ROUTES
    ]
    every = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
    routes.append(Route("/v1{rest:path}", _endpoint(sandbox, _nothing_here), methods=every))
    return Starlette(routes=routes + _switches(sandbox))


def _endpoint(sandbox: Sandbox, handler: Handler) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        raw, query = await request.body(), dict(request.query_params)
        call = Call(sandbox.clock(), request.method, request.scope["path"], query, readable(raw))
        ask = Ask(request.path_params, query, raw)
        sandbox.record(call)
        response = await _answer(sandbox, request, call, lambda: _handle(sandbox, request, handler, ask))
        call.status = 0 if isinstance(response, NoAnswer) else response.status_code
        response.headers["Date"] = formatdate(sandbox.now(), usegmt=True)
        return response

    return endpoint


async def _answer(sandbox: Sandbox, request: Request, call: Call, handle: Callable[[], Response]) -> Response:
    fault = sandbox.fault_for(call)
    if sandbox.faults.latency:
        await _gone_within(request, sandbox.faults.latency)
    if fault is None:
        return handle()
    if fault.late:
        late = sandbox.carry_out(asyncio.sleep(fault.delay) if fault.delay else _over(sandbox), handle)
        await asyncio.sleep(0)  # it waits for the next change of the faults from now on
        if fault.fault == "hang":
            return await asyncio.shield(late)
        return await _play(sandbox, request, fault.fault) or NoAnswer()
    answer = handle() if fault.after else None
    lost = await _play(sandbox, request, fault.fault)
    return lost or answer or handle()


async def _play(sandbox: Sandbox, request: Request, fault: str) -> Response | None:
    """Return what the fault makes of the call; None: a hang that is over."""
    if fault == "hang":
        return NoAnswer() if await _hang(sandbox, request) else None
    if fault == "reset":
        return await _reset(request)
    if fault == "429":
        return _too_many(sandbox, request)
    if fault == "unchanged":
        return _unchanged(sandbox, request)
    return _page(sandbox, request, fault)


def _page(sandbox: Sandbox, request: Request, fault: str) -> Response:
    """Return an answer that has nothing to do with what was asked for."""
    if fault == "not_json":
        return HTMLResponse("<!doctype html><title>GitBook</title><h1>Something went wrong</h1>")
    if fault == "truncated":
        return Truncated(getattr(request.state, "abort", None))
    if fault == "error_body":
        return _response(Answer(200, error(500, "Made to fail by the sandbox")))
    if fault.startswith("gateway_"):
        return _gateway(int(fault.removeprefix("gateway_")))
    asked = sandbox.faults.retry_after if fault == "503" else None
    headers = {} if asked is None else {"Retry-After": str(asked)}
    return _response(Answer(int(fault), error(int(fault), "Made to fail by the sandbox")), headers)


def _gateway(status: int) -> Response:
    """Return the page of a proxy in front of GitBook; what leads elsewhere leads to a portal's sign-in."""
    page = f"<!doctype html><title>{status}</title><h1>{status}</h1><hr>gateway"
    place = {"Location": "https://portal.acme.test/sign-in?next=secret"} if status < 400 else None
    return HTMLResponse(page, status, place)


def _unchanged(sandbox: Sandbox, request: Request) -> Response:
    """Return what a call answers that was done, with what was there before, and do nothing."""
    ids = request.path_params
    try:
        if request.method in ("PATCH", "POST") and "user" in ids:
            return _response(members.get_member(sandbox, Ask(ids, {})))
        if request.method == "PATCH":
            return _response(teams.get_team(sandbox, Ask(ids, {})))
    except RefusedError as refused:
        return _response(Answer(refused.status, error(refused.status, refused.message)))
    if request.method == "POST":
        return _response(Answer(200, {"users": [], "invited": 0}))
    return _response(Answer(204))


async def _hang(sandbox: Sandbox, request: Request) -> bool:
    """Wait until the faults change and hang is not among them, or until the client has gone (True)."""
    gone, over = asyncio.ensure_future(_gone(request)), asyncio.ensure_future(_over(sandbox))
    try:
        await asyncio.wait((gone, over), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait((gone,), timeout=_NOTICE)
        return gone.done()
    finally:
        gone.cancel()
        over.cancel()


async def _over(sandbox: Sandbox) -> None:
    await sandbox.switched()
    while sandbox.faults.always == "hang":
        await sandbox.switched()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _gone_within(request: Request, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await _gone(request)


async def _reset(request: Request) -> Response:
    """Cut the TCP connection (the runner's server knows how); in-process the client sees the error raised."""
    abort = getattr(request.state, "abort", None)
    if abort is None:
        raise ConnectionResetError("the sandbox has cut the connection")
    abort()
    await _gone(request)
    return NoAnswer()


def _handle(sandbox: Sandbox, request: Request, handler: Handler, ask: Ask) -> Response:
    quota = sandbox.limiter.spend(kind_of(request.method, request.scope["path"]), sandbox.now())
    headers = quota.headers() if quota else {}
    if quota and quota.exceeded:
        again = {"Retry-After": str(quota.wait)} if sandbox.limits.retry_after else {}
        return _limited(quota.wait, headers | again)
    try:
        _authorize(sandbox, request)
        return _response(handler(sandbox, ask), headers)
    except RefusedError as refused:
        return _response(Answer(refused.status, error(refused.status, refused.message)), headers)


def _too_many(sandbox: Sandbox, request: Request) -> Response:
    quota = sandbox.limiter.exhaust(kind_of(request.method, request.scope["path"]), sandbox.now())
    wait = sandbox.faults.retry_after
    again = {} if wait is None else {"Retry-After": str(wait)}
    return _limited(quota.wait if quota else wait or 60, (quota.headers() if quota else {}) | again)


def _limited(wait: int, headers: dict[str, str]) -> Response:
    text = f"API rate limit exceeded. Please try again in {wait} seconds"
    return _response(Answer(429, error(429, text)), headers)


def _authorize(sandbox: Sandbox, request: Request) -> None:
    given = request.headers.get("authorization", "").encode()
    right = hmac.compare_digest(given, f"Bearer {sandbox.token}".encode())
    if sandbox.faults.rejected_token or not right:
        raise RefusedError(401, "Authentication required")
    there = request.path_params.get("organization", sandbox.organization)
    gone = sandbox.faults.organization_gone and "organization" in request.path_params
    if gone or there != sandbox.organization:
        raise RefusedError(404, "Organization not found")


def _nothing_here(sandbox: Sandbox, ask: Ask) -> Answer:
    raise RefusedError(404, "Not found")


def _response(answer: Answer, headers: dict[str, str] | None = None) -> Response:
    if answer.body is None:
        return Response(status_code=answer.status, headers=headers)
    body = orjson.dumps(answer.body)
    return Response(body, answer.status, headers, media_type="application/json; charset=utf-8")


def _switches(sandbox: Sandbox) -> list[BaseRoute]:
    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            sandbox.heal()
        if request.method == "PUT":
            try:
                sandbox.inject(**Ask({}, {}, await request.body()).body())
            except (RefusedError, ValueError) as wrong:
                return _response(Answer(400, error(400, str(wrong))))
        return _response(Answer(200, asdict(sandbox.faults)))

    async def calls(request: Request) -> Response:
        return _response(Answer(200, [asdict(call) for call in sandbox.calls]))

    async def state(request: Request) -> Response:
        return _response(Answer(200, sandbox.report()))

    return [
        Route("/sandbox/faults", faults, methods=["GET", "PUT", "DELETE"]),
        Route("/sandbox/calls", calls),
        Route("/sandbox/state", state),
    ]
