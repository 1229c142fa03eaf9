"""/scim/{source}/v2: SCIM 2.0 (RFC 7644) for identity providers, as a plain ASGI application."""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import orjson
import structlog
from msgspec.structs import replace
from scim2_models import Error
from scim2_server.requests import ScimRequest
from scim2_server.responses import SCIM_MEDIA_TYPE, ScimResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from bridge.logs import Unverified
from bridge.metrics import Metrics
from bridge.porter import Porter
from bridge.problems import Answer
from bridge.reading import BodyError, BodyReader
from bridge.scim.service import Service
from bridge.scim.storage import LostRaceError
from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, Source, UnverifiedError
from bridge.store.clock import ClockUnsetError, machine_ms
from bridge.store.faults import describe_error
from bridge.store.redis import STORE_ERRORS

ROUTE = "/scim/{source}/v2{path:path}"
RETRY_AFTER = "5"
MOST_PARAMETERS = 20
LONGEST_QUERY = 8000  # bytes

log = structlog.get_logger()


def scim_error(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an error as SCIM shapes it (RFC 7644 3.12)."""
    return _answer(
        ScimResponse(
            HTTPStatus(status), Error(status=status, detail=detail).model_dump(), dict(headers or {})
        )
    )


def _answer(response: ScimResponse) -> Answer:
    headers = {
        name.lower(): value for name, value in response.headers.items() if name.lower() != "content-type"
    }
    body = b"" if response.body is None else orjson.dumps(response.body)
    pairs = tuple(
        (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()
    )
    return Answer(int(response.status), body, SCIM_MEDIA_TYPE.encode(), pairs)


_UNKNOWN = scim_error(404, "There is no SCIM source of that name")
_UNVERIFIED = scim_error(
    401, "The bearer token is missing or wrong", {"WWW-Authenticate": 'Bearer realm="directory-bridge"'}
)
_NOT_STORED = scim_error(503, "It could not be stored. Send it again", {"Retry-After": RETRY_AFTER})
_QUERY = scim_error(400, f"The query has more than {LONGEST_QUERY} bytes or {MOST_PARAMETERS} parameters")


class ScimSource:
    """The way in for one provider."""

    def __init__(self, settings: SourceSettings, source: Source, service: Service) -> None:
        """`source`: verifies; `service`: answers what is verified."""
        self.settings = settings
        self._source = source
        self._service = service
        self._unverified = Unverified(settings.name)

    async def verify(self, headers: Mapping[str, str], now: int) -> None:
        """Check the token. Raises UnverifiedError, and logs why, at a pace that strangers cannot raise."""
        try:
            await self._source.verify(Delivery(headers, b"", now))
        except UnverifiedError as error:
            self._unverified.say(error.reason, now)
            raise

    async def answer(self, request: ScimRequest) -> tuple[Answer, int]:
        """Serve a verified request; return the answer and how many events it stored."""
        try:
            response, events = await self._service.answer(request)
        except (*STORE_ERRORS, LostRaceError) as error:
            log.warning("not stored", source=self.settings.name, error=describe_error(error))
            return _NOT_STORED, 0
        self._say_refused(request.method, response)
        return _answer(response), events

    def _say_refused(self, method: str, response: ScimResponse) -> None:
        """Log what a provider did wrong by its kind: the detail, which it is told, may hold what it sent."""
        status = int(response.status)
        if status >= 400 and status != 404:
            kind = (response.body or {}).get("scimType", "")
            log.warning("refused", source=self.settings.name, method=method, status=status, kind=kind)


class ScimApp:
    """All SCIM sources of the process."""

    def __init__(
        self,
        sources: Mapping[str, ScimSource],
        reader: BodyReader,
        metrics: Metrics,
        porter: Porter,
        clock: Callable[[], int] = machine_ms,
    ) -> None:
        """`sources`: by name, filled by the lifespan; `clock`: unix milliseconds."""
        self._sources = sources
        self._clock = clock
        self._reader = reader
        self._metrics = metrics
        self._porter = porter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = await self._reply(scope, receive)
        if answer:
            await _as_wanted(answer, scope).send(send)

    async def _reply(self, scope: Scope, receive: Receive) -> Answer | None:
        """Return the answer, None for who is gone."""
        began = time.perf_counter()
        source = self._sources.get(scope["path_params"]["source"])
        if source is None:
            self._metrics.count_delivery("", "unknown")
            return _UNKNOWN
        name = source.settings.name
        if self._porter.turns_away(name, scope):
            return _UNKNOWN
        try:
            answer, events = await self._serve(source, scope, receive)
        except ClientDisconnect:
            self._metrics.count_delivery(name, "disconnected")
            return None
        outcome = outcome_of(scope["method"], answer.status)
        if outcome == "stored":
            self._porter.let_in(name, self._clock())
        self._metrics.count_delivery(name, outcome, time.perf_counter() - began)
        self._metrics.count_events(name, "accepted", events)
        return answer

    async def _serve(self, source: ScimSource, scope: Scope, receive: Receive) -> tuple[Answer, int]:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        try:
            await source.verify(headers, self._clock())
        except UnverifiedError as error:
            self._porter.note(source.settings.name, error.reason)
            return _UNVERIFIED, 0
        except ClockUnsetError:
            return _NOT_STORED, 0
        try:
            body = await self._reader.read(headers, receive)
            request = _request(source.settings.name, scope, headers, body)
        except BodyError as error:
            return _told_by_scim(error.answer), 0
        except ValueError:
            return _QUERY, 0
        return await source.answer(request)


def _as_wanted(answer: Answer, scope: Scope) -> Answer:
    """Return an answer as plain JSON to who takes that and not SCIM's own (RFC 7644 3.8).

    OneLogin documents that it wants all answers so (https://developers.onelogin.com/scim/implement-scim-api).
    """
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept").lower()
    plain = b"application/json" in accepted and SCIM_MEDIA_TYPE.encode() not in accepted
    return replace(answer, kind=b"application/json") if plain else answer


def _told_by_scim(answer: Answer) -> Answer:
    """Return a problem (RFC 9457) as the SCIM error that says the same."""
    told: dict[str, Any] = orjson.loads(answer.body)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    return scim_error(answer.status, told.get("detail", told["title"]), headers)


def _request(source: str, scope: Scope, headers: dict[str, str], body: bytes) -> ScimRequest:
    """Return the request as the library knows it. Raises ValueError for a query that is too long.

    The base URL is only told back to who has sent the headers that it is made of.
    """
    raw: bytes = scope["query_string"]
    if len(raw) > LONGEST_QUERY:
        raise ValueError("the query is too long")
    query = dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_PARAMETERS))
    scheme = "https" if headers.get("x-forwarded-proto") == "https" else scope["scheme"]
    base = f"{scheme}://{headers.get('host', 'localhost')}/scim/{source}/v2"
    method = "GET" if scope["method"] == "HEAD" else scope["method"]  # the server leaves the body out
    return ScimRequest(method, base, scope["path_params"]["path"], query, headers, body)


_OUTCOMES = {
    401: "unverified", 408: "slow", 409: "conflict", 412: "conflict", 413: "too_large", 503: "not_stored",
}  # fmt: skip


def outcome_of(method: str, status: int) -> str:
    """Return what a request is counted as: as those to /webhooks, `read` for what only asked, `conflict`."""
    if method in ("GET", "HEAD") and (status < 400 or status == 404):
        return "read"
    return "stored" if status < 400 else _OUTCOMES.get(status, "unreadable")
