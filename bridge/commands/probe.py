"""Plays a source's sender to the running receiver, by a request that is read and lets nothing in."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from bridge.commands.findings import Finding, bad, good, warn
from bridge.outbound import Route, find_route
from bridge.settings import Settings, SourceSettings
from bridge.sources.base import Playable, UntestableError
from bridge.sources.bodies import TEST_EVENT
from bridge.targets.gitbook import clock_skew

_SECONDS = 10.0  # for the answer
_SKEW_MOST = 2.0  # seconds
_SAID = (200, 400, 401, 413, 422, 429, 503)  # what a receiver says to a delivery
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - these are listened on, not called
UNTRIED = "not tried: give a body that your sender sends with --file"
_UNTOLD = "not tested: no answer tells of it"
_TAKEN = {"accepted": 0, "duplicates": 0, "ignored": 1}  # what a receiver says to a test


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    `is_ours`: whether what a 200 says (as JSON has it) is what a receiver says to this; `has_example`: there
    is something to read in the body; `untestable`: why it is not signed.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    is_ours: Callable[[Any], bool]
    has_example: bool = False
    untestable: str | None = None


def local_address(settings: Settings) -> str | None:
    """Return where the receiver of this configuration listens, None when the system chooses its port."""
    host, port = settings.receiver.host, settings.receiver.port
    host = _EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}" if port else None


def make_delivery(source: Playable, address: str, name: str, body: Any, now: int) -> Request:
    """Return a signed test for POST /webhooks/<name>.

    `address`: of the bridge, or that very URL; `body`: what is to be read, None for nothing; `now`: unix
    milliseconds.
    """
    url = _url(address, f"/webhooks/{name}")
    raw = orjson.dumps({"event": TEST_EVENT} | ({} if body is None else {"body": body}))
    headers = {"Content-Type": "application/json"}
    try:
        signed = headers | source.sign(raw, now)
    except UntestableError as error:
        return Request("POST", url, headers, raw, _is_taken, untestable=error.reason)
    return Request("POST", url, signed, raw, _is_taken, body is not None)


def make_query(settings: SourceSettings, address: str) -> Request:
    """Return what a SCIM provider asks first; `address`: of the bridge, or the source's own base URL."""
    url = _url(address, f"/scim/{settings.name}/v2") + "/ServiceProviderConfig"
    headers = {"Authorization": f"Bearer {settings.secrets[0].reveal()}"}
    return Request("GET", url, headers, b"", lambda told: isinstance(told, dict) and "schemas" in told)


def _url(address: str, path: str) -> str:
    address = address.rstrip("/")
    return address if urlsplit(address).path.endswith(path) else address + path


def _is_taken(told: Any) -> bool:
    return bool(told == _TAKEN)


async def probe(settings: SourceSettings, request: Request) -> list[Finding]:
    """Send a request; return what the answer shows: reachability, signature, clock and parsing."""
    sent, route = time.time(), find_route(request.url)
    try:
        answer = await _send(request, route)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = f"{route.describe(error)}: is `bridge run` up, and is this the right address?"
        reached = bad("reachability", f"{request.url} does not answer: {why}")
        return [reached, *(warn(name, _UNTOLD) for name in ("signature", "clock", "parsing"))]
    skew = _skew(answer, sent, time.time())
    reached = _reached(settings, request, answer)
    if not reached.ok:
        return [reached, warn("signature", _UNTOLD), _clock(settings, skew), warn("parsing", _UNTOLD)]
    proof = _signature(settings, request, answer, skew)
    return [reached, proof, _clock(settings, skew), _parsing(request, answer)]


async def _send(request: Request, route: Route) -> httpx.Response:
    async with route.open_client(_SECONDS) as client:
        headers = [(name.encode(), value.encode()) for name, value in request.headers.items()]  # any text
        return await client.request(request.method, request.url, headers=headers, content=request.body)


def _skew(answer: httpx.Response, sent: float, received: float) -> float | None:
    """Return how many seconds the receiver's clock is ahead of ours (unix seconds), as far as that is sure.

    Its time has whole seconds, and was taken at some moment between the sending and the answer.
    """
    ahead = clock_skew(answer.headers, received)
    behind = clock_skew(answer.headers, sent - 1)
    return None if ahead is None or behind is None else max(ahead, 0) or min(behind, 0)


def _reached(settings: SourceSettings, request: Request, answer: httpx.Response) -> Finding:
    status, place = answer.status_code, f"{request.method} {request.url} is answered {answer.status_code}"
    if answer.is_redirect:
        why = "give senders the address it leads to: most lose what is redirected"
    elif status in (404, 405):
        why = "is the source's name in the running bridge's configuration (it reads it when it starts)?"
        why += " And this machine must be in one of its networks" if settings.networks else ""
    elif status not in _SAID:
        why = "the receiver is not well, or a proxy before it cannot reach it"
    elif status == 200 and not request.is_ours(_json(answer)):
        why = "not by a receiver of this version: what listens there?"
    else:
        return good("reachability", place)
    return bad("reachability", f"{place}{_detail(answer)}: {why}")


def _signature(
    settings: SourceSettings, request: Request, answer: httpx.Response, skew: float | None
) -> Finding:
    match answer.status_code:
        case 200 | 400 | 422:
            return good("signature", f"the receiver takes {_proof(settings)}")
        case 401 if request.untestable:
            return warn("signature", f"not tested: {request.untestable}. Without it there is no way in")
        case 401:
            why = _why_not(settings, skew)
            return bad("signature", f"the receiver does not take {_proof(settings)}: {why}")
        case 413:
            return warn("signature", "not tested: the body is too long")
        case _:
            why = "is Redis up, and the receiver behind its proxy?"
            return bad("signature", f"not tested: {answer.status_code}{_detail(answer)}: {why}")


def _proof(settings: SourceSettings) -> str:
    if settings.kind == "okta-workflows" and settings.auth == "jwt":
        return "a token made with the key"
    return f"the first of the source's secrets ({settings.secrets[0].label(0)})"


def _why_not(settings: SourceSettings, skew: float | None) -> str:
    if skew is not None and abs(skew) > settings.tolerance_seconds and is_stamped(settings):
        return "the clocks differ by more than the tolerance"
    return "was it changed after the bridge started? A restart reads it, for files SIGHUP does too"


def _clock(settings: SourceSettings, skew: float | None) -> Finding:
    if skew is None:
        return warn("clock", "not told: the answer has no Date header")
    side = "ahead of" if skew > 0 else "behind"
    told = f"the receiver's clock is {abs(skew):.0f} s {side} this machine's"
    if abs(skew) > settings.tolerance_seconds and is_stamped(settings):
        limit = f"what is signed may be {settings.tolerance_seconds:.0f} s off"
        return bad("clock", f"{told}, and {limit}: set both by NTP")
    if abs(skew) > _SKEW_MOST:
        return warn("clock", f"{told}: set both by NTP")
    return good("clock", "the receiver's clock and this machine's agree")


def is_stamped(settings: SourceSettings) -> bool:
    """Tell whether deliveries of this source carry a signed time."""
    if settings.kind == "okta-workflows":
        return settings.auth == "hmac"
    return settings.kind in ("jackson", "workos", "standard-webhooks")


def _parsing(request: Request, answer: httpx.Response) -> Finding:
    if answer.status_code == 413:
        size = f"the body has {len(request.body)} bytes{_detail(answer)}"
        return bad("parsing", f"{size}: send less at once, or raise receiver.max_body and the proxy's limit")
    if answer.status_code in (400, 422):
        return bad("parsing", f"the receiver cannot read the body{_detail(answer)}")
    if answer.status_code == 200 and request.has_example:
        return good("parsing", "the receiver reads the body")
    return warn("parsing", _UNTOLD if request.has_example or request.untestable else UNTRIED)


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _detail(answer: httpx.Response) -> str:
    """Return what a problem says (RFC 9457), in brackets."""
    told = _json(answer)
    detail = told.get("detail") if isinstance(told, dict) else None
    return f" ({detail})" if isinstance(detail, str) and detail else ""
