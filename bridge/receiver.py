"""The receiver: routes and lifespan, nothing clever."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Container
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

import orjson
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.intake import ArrivalClock, Batcher, Intake, JournalStore, Outcome, StoreError
from bridge.metrics import CONTENT_TYPE, Metrics
from bridge.porter import Porter
from bridge.problems import Answer, problem
from bridge.reading import BODY_SECONDS, MOST_HELD, BodyError, BodyReader
from bridge.settings import Settings
from bridge.sources.base import Delivery, UnavailableError, UnreadableError, UnverifiedError
from bridge.sources.okta_event_hooks import CHALLENGE
from bridge.sources.okta_event_hooks import KIND as CHALLENGED_KIND
from bridge.sources.registry import make_source
from bridge.sources.scim import KIND as SCIM_KIND
from bridge.store.clock import ClockUnsetError, machine_ms
from bridge.tallies import Tallies

if TYPE_CHECKING:
    from bridge.scim.mount import ScimMount

READY_SECONDS = 1.8
RETRY_AFTER = "5"
WEBHOOKS = "/webhooks/"

OpenJournal = Callable[[], AbstractAsyncContextManager[JournalStore]]

log = structlog.get_logger()

_UNVERIFIED = problem(
    401, "The delivery could not be verified.", {"WWW-Authenticate": 'Webhook realm="directory-bridge"'}
)
_UNKNOWN = problem(404, "There is no source of that name.")
_FAULT = problem(500, "This is a fault of ours; it has been logged.")


class Webhooks:
    """/webhooks/{source}: POST as a plain ASGI application, GET for the senders that try out a new hook."""

    def __init__(
        self,
        intakes: dict[str, Intake],
        bodies: BodyReader,
        metrics: Metrics,
        porter: Porter,
        clock: Callable[[], int] = machine_ms,
    ) -> None:
        """`intakes`: by source name, filled by the lifespan; `clock`: unix milliseconds."""
        self._clock = clock
        self._intakes = intakes
        self._bodies = bodies
        self._metrics = metrics
        self._porter = porter
        self._has_gates = porter.has_gates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one delivery."""
        intake = self._intakes.get(scope["path_params"]["source"])
        if intake is None:
            self._metrics.count_delivery("", "unknown")
            return await _UNKNOWN.send(send)
        if self._has_gates and self._porter.turns_away(intake.settings.name, scope):
            return await _UNKNOWN.send(send)
        headers = _headers(scope)
        try:
            body = await self._bodies.read(headers, receive)
        except BodyError as error:
            self._metrics.count_delivery(intake.settings.name, _OUTCOMES[error.answer.status])
            self._porter.note(intake.settings.name, error.reason)
            answer = error.answer
            if answer.status == 503:
                answer = _again(intake.settings.kind, "It cannot be read now. Send it again.")
            return await answer.send(send)
        except ClientDisconnect:
            return self._metrics.count_delivery(intake.settings.name, "disconnected")
        return await (await self._take(intake, headers, body)).send(send)

    async def challenge(self, request: Request) -> Response:
        """Answer the one GET by which Okta tries out a new event hook, whoever asks; 405 to all others."""
        intake = self._intakes.get(request.path_params["source"])
        value = request.headers.get(CHALLENGE)
        if intake is not None and self._porter.turns_away(intake.settings.name, request.scope):
            intake = None
        if intake is None or intake.settings.kind != CHALLENGED_KIND or not value or request.method != "GET":
            raise HTTPException(405, headers={"Allow": "POST"})
        self._metrics.count_delivery(intake.settings.name, "challenge")
        return Response(orjson.dumps({"verification": value}), media_type="application/json")

    async def _take(self, intake: Intake, headers: dict[str, str], body: bytes) -> Answer:
        began = time.perf_counter()
        name = intake.settings.name
        try:
            delivery = Delivery(headers, body, self._clock())
            outcome = await intake.take(delivery)
        except Exception as error:
            answer = answer_to(error, intake.settings.kind)
            if isinstance(error, UnverifiedError | UnavailableError):
                self._porter.note(name, error.reason)
            self._metrics.count_delivery(name, _OUTCOMES[answer.status], time.perf_counter() - began)
            return answer
        self._porter.let_in(name, delivery.arrived)
        self._metrics.count_delivery(name, "stored", time.perf_counter() - began)
        self._metrics.count_events(name, "accepted", outcome.accepted)
        self._metrics.count_events(name, "duplicate", outcome.duplicates)
        self._metrics.count_events(name, "refused", outcome.refused)
        self._metrics.count_events(name, "ignored", outcome.ignored)
        self._metrics.count_events(name, "ahead", outcome.ahead)
        return Answer(200, told(outcome))


_OUTCOMES = {
    400: "unreadable",
    401: "unverified",
    408: "slow",
    413: "too_large",
    422: "unreadable",
    429: "not_stored",
    500: "failed",
    503: "not_stored",
}


def told(outcome: Outcome) -> bytes:
    """Return the body of a 200, exactly as the interface has it; the last two are left out when 0."""
    body = b'{"accepted": %d, "duplicates": %d' % (outcome.accepted, outcome.duplicates)
    if outcome.refused:
        body += b', "refused": %d' % outcome.refused
    if outcome.ignored:
        body += b', "ignored": %d' % outcome.ignored
    return body + b"}"


def answer_to(error: Exception, kind: str) -> Answer:
    """Return what a sender of that kind gets for an error of `Intake.take`; an unexpected one is logged."""
    match error:
        case UnverifiedError():
            return _UNVERIFIED
        case UnreadableError():
            return problem(error.status, error.reason)
        case StoreError() | ClockUnsetError():
            return _again(kind, "It could not be stored. Send it again.")
        case UnavailableError():
            return _again(kind, "It cannot be verified now. Send it again.")
    log.error("unexpected", exc_info=error)
    return _FAULT


def _again(kind: str, detail: str) -> Answer:
    """Ask for a repeat in the way the sender understands: a flow of Okta retries nothing but 429."""
    return problem(429 if kind == "okta-workflows" else 503, detail, {"Retry-After": RETRY_AFTER})


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


class Probes:
    """/livez, /readyz and /metrics, for whoever watches over the process."""

    def __init__(self, metrics: Metrics, clock: Callable[[], int] = machine_ms) -> None:
        """`journal` is set while the application runs; `clock`: unix milliseconds."""
        self.metrics = metrics
        self._clock = clock
        self.journal: JournalStore | None = None

    def routes(self, with_metrics: bool) -> list[Route]:
        """Return the routes; `with_metrics`: whether /metrics answers here."""
        shown = [Route("/metrics", self.show_metrics)] if with_metrics else []
        return [Route("/livez", self.live), Route("/readyz", self.ready), *shown]

    async def live(self, _request: Request) -> Response:
        """200 while the process serves."""
        return Response(b'{"status": "ok"}', media_type="application/json")

    async def ready(self, _request: Request) -> Response:
        """200 when Redis can store an event, with what it might lose of them; else 503 with the reason."""
        if reason := await self._not_ready():
            return as_response(problem(503, reason, {"Retry-After": RETRY_AFTER}))
        warnings = await self._warnings()
        told = {"status": "ok"} | ({"warnings": warnings} if warnings else {})
        return Response(orjson.dumps(told), media_type="application/json")

    async def _warnings(self) -> list[str]:
        try:
            async with asyncio.timeout(READY_SECONDS):
                return await self.journal.warnings() if self.journal else []
        except TimeoutError:
            return []

    async def _not_ready(self) -> str | None:
        if self.journal is None:
            return "It is starting or stopping."
        try:
            async with asyncio.timeout(READY_SECONDS):
                if reason := await self.journal.not_ready():
                    return reason
            self._clock()
        except TimeoutError:
            return f"Redis did not answer within {READY_SECONDS} s."
        except ClockUnsetError as error:
            return str(error)
        return None

    async def show_metrics(self, _request: Request) -> Response:
        """The figures of the receiver, and of the installation as far as Redis tells them."""
        return Response(await self.metrics.read(), headers={"content-type": CONTENT_TYPE})


def as_response(answer: Answer) -> Response:
    """Return an answer as Starlette wants it."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    headers["content-type"] = answer.kind.decode("latin-1")
    return Response(answer.body, answer.status, headers)


class FrontDoor:
    """Lets deliveries to a source straight in; all else goes through Starlette's middleware and routes.

    These cost a delivery more than verifying it does.
    """

    def __init__(self, sources: Container[str], webhooks: ASGIApp, app: ASGIApp) -> None:
        """`sources`: their names, filled by the lifespan; `app`: knows the way to `webhooks` too."""
        self._sources = sources
        self._webhooks = webhooks
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request, or the lifespan, on."""
        if scope["type"] == "http" and b"%2f" in scope.get("raw_path", b"").lower():
            return await _UNKNOWN.send(send)  # a slash that separates nothing (RFC 3986, 2.2)
        if scope["type"] == "http" and scope["method"] == "POST":
            source = scope["path"].removeprefix(WEBHOOKS)
            if source in self._sources and source != scope["path"]:
                scope["path_params"] = {"source": source}
                return await self._webhooks(scope, receive, send)
        return await self._app(scope, receive, send)


class Unbroken:
    """Answers 500 to what nobody expected and logs it, once, without the request's body."""

    def __init__(self, app: ASGIApp) -> None:
        """`app`: what may break."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            if scope["type"] != "http":
                raise
            log.exception("unexpected", method=scope["method"], path=scope["path"])
            if not started:
                await _FAULT.send(send)


async def _refuse(_request: Request, error: Exception) -> Response:
    """Turn Starlette's own 404 and 405 into problems."""
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    return as_response(problem(status, "", headers))


def create_app(
    settings: Settings,
    open_journal: OpenJournal,
    metrics: Metrics | None = None,
    body_seconds: float = BODY_SECONDS,
    tallies: Tallies | None = None,
    clock: Callable[[], int] = machine_ms,
    arrivals: ArrivalClock | None = None,
) -> Starlette:
    """Return the public application.

    `open_journal`: opens the store for as long as the application runs; it need not answer yet.
    `metrics`: shared with the operators' application; /metrics answers here only when there is none.
    `body_seconds`: how long a sender may take to send its body. `tallies`: what is to be told of the sources.
    `clock`: the time in unix milliseconds, of arrivals and for what is signed with a time; where it raises
    ClockUnsetError deliveries are answered 503. `arrivals`: gives the times of arrival.
    """
    probes = Probes(metrics or Metrics(), clock)
    porter = Porter(settings, probes.metrics, tallies or Tallies(settings.sources, clock), clock)
    stamps = arrivals or ArrivalClock()
    intakes: dict[str, Intake] = {}
    max_body = settings.receiver.max_body
    bodies = BodyReader(max_body, body_seconds, max(MOST_HELD, max_body))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with open_journal() as journal, Batcher(journal).running() as batcher, bodies.running():
            for one in settings.sources:
                source = make_source(one, lambda: clock() / 1000)
                intakes[one.name] = Intake(one, source, batcher, stamps)
            probes.journal = journal
            async with scim.running(stamps) if scim else nullcontext():
                yield
            probes.journal = None

    scim = _mount_scim(settings, bodies, probes.metrics, porter, clock)
    webhooks = Webhooks(intakes, bodies, probes.metrics, porter, clock)
    routes = [
        Route(f"{WEBHOOKS}{{source}}", webhooks, methods=["POST"]),
        Route(f"{WEBHOOKS}{{source}}", webhooks.challenge, methods=["GET"]),
        *([scim.route] if scim else []),
    ]
    app = _compose([*routes, *probes.routes(settings.operators is None)], lifespan)
    app.middleware_stack = FrontDoor(intakes, webhooks, app.build_middleware_stack())
    return app


def _mount_scim(
    settings: Settings, bodies: BodyReader, metrics: Metrics, porter: Porter, clock: Callable[[], int]
) -> "ScimMount | None":
    if not any(one.kind == SCIM_KIND for one in settings.sources):
        return None
    from bridge.scim.mount import ScimMount  # noqa: PLC0415 - its library takes long to load

    return ScimMount(settings, bodies, metrics, porter, clock)


def create_operators_app(
    settings: Settings,
    open_journal: OpenJournal,
    metrics: Metrics,
    clock: Callable[[], int] = machine_ms,
) -> Starlette:
    """Return the application of the operators' own listener ([operators]): probes and /metrics.

    `metrics` and `clock`: those given to `create_app` in the same process.
    """
    probes = Probes(metrics, clock)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with open_journal() as journal:
            probes.journal = journal
            yield
            probes.journal = None

    return _compose(probes.routes(settings.operators is not None), lifespan)


def _compose(
    routes: list[Route], lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]]
) -> Starlette:
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Unbroken)],
        exception_handlers={HTTPException: _refuse},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # Jackson follows a redirect with GET and loses the event
    return app
