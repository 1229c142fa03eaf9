"""The HTTP face: every answer of the interface's table, over a real Valkey."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from bridge.directory.events import EventName, UserNews, stamp_time
from bridge.intake import JournalStore
from bridge.metrics import Metrics
from bridge.receiver import FrontDoor, create_app, create_operators_app
from bridge.settings import OperatorSettings, Settings
from bridge.store.journal import Journal, Receipt, Submission
from bridge.store.redis import Store

SETTINGS = Settings.model_validate(
    {
        "receiver": {"max_body": "10KB"},
        "sources": [
            {"name": "polis", "kind": "jackson", "secrets": ["one", "two"]},
            {"name": "okta", "kind": "okta-workflows", "secrets": ["flow-secret"]},
            {"name": "hooks", "kind": "okta-event-hooks", "secrets": ["hook-secret"]},
            {"name": "workos", "kind": "workos", "secrets": ["work-secret"]},
            {"name": "std", "kind": "standard-webhooks", "secrets": ["whsec_c3RhbmRhcmQta2V5"]},
        ],
    }
)
WITH_OPERATORS = SETTINGS.model_copy(update={"operators": OperatorSettings.model_validate({})})
FLOW = {"authorization": "Bearer flow-secret"}


def jackson(body: bytes, t: int | None = None, secret: str = "one") -> dict[str, str]:
    """The headers of a delivery signed now."""
    at = int(time.time() * 1000) if t is None else t
    mac = hmac.new(secret.encode(), b"%d." % at + body, "sha256").hexdigest()
    return {"boxyhq-signature": f"t={at},s={mac}"}


def workos(body: bytes, t: int | None = None) -> dict[str, str]:
    """The headers of WorkOS."""
    at = int(time.time() * 1000) if t is None else t
    mac = hmac.new(b"work-secret", b"%d." % at + body, "sha256").hexdigest()
    return {"workos-signature": f"t={at}, v1={mac}"}


def standard(body: bytes, ident: str = "msg_1", t: int | None = None) -> dict[str, str]:
    """The headers of Standard Webhooks."""
    at = int(time.time()) if t is None else t
    mac = hmac.digest(b"standard-key", f"{ident}.{at}.".encode() + body, "sha256")
    signature = "v1,AAAA v1," + base64.b64encode(mac).decode()
    return {"webhook-id": ident, "webhook-timestamp": str(at), "webhook-signature": signature}


def hook_body(*kinds: str, result: str = "SUCCESS") -> bytes:
    """A delivery of Okta's event hooks: one event of each kind, about one user and one group."""
    targets = [
        {"id": "00g1", "type": "UserGroup", "alternateId": "unknown", "displayName": "Writers"},
        {"id": "00u1", "type": "User", "alternateId": "ana@acme.test", "displayName": "Ana Ng"},
    ]
    events = [
        {
            "uuid": f"{kind}-1",
            "published": f"2026-01-31T09:30:0{at}.000Z",
            "eventType": kind,
            "outcome": {"result": result},
            "target": targets,
        }
        for at, kind in enumerate(kinds)
    ]
    return json.dumps({"eventType": "com.okta.event_hook", "data": {"events": events}}).encode()


def raw(headers: dict[str, str]) -> dict[bytes, bytes]:
    """Headers as bytes, so that they may hold more than ASCII."""
    return {name.encode(): value.encode() for name, value in headers.items()}


def person(number: int) -> dict[str, Any]:
    """One event of Jackson's."""
    return {
        "event": "user.created",
        "directory_id": "d",
        "data": {"id": f"u{number}", "email": f"u{number}@acme.test"},
    }


class Broken:
    """A journal that never stores anything."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def accept(self, _submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        """Fail."""
        raise self.error

    async def not_ready(self) -> str | None:
        """Say why."""
        return "Redis does not answer: ConnectionError"

    async def warnings(self) -> list[str]:
        """Nothing."""
        return []


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that runs."""
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://bridge.test") as client,
    ):
        yield client


def application(journal: JournalStore, **more: Any) -> Starlette:
    """The application over a journal."""

    @asynccontextmanager
    async def open_journal() -> AsyncIterator[JournalStore]:
        yield journal

    return create_app(more.pop("settings", SETTINGS), open_journal, **more)


@pytest.fixture
async def client(journal: Journal) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application over a Valkey of the test's own."""
    async with serving(application(journal)) as one:
        yield one


async def post(client: httpx.AsyncClient, body: Any, **headers: str) -> httpx.Response:
    """Send a signed body to the source `polis`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.post("/webhooks/polis", content=raw, headers=headers or jackson(raw))


def assert_problem(answer: httpx.Response, status: int) -> None:
    """An error is a problem document that repeats its status (RFC 9457)."""
    assert status == answer.status_code
    assert answer.headers["content-type"] == "application/problem+json"
    assert status == answer.json()["status"]


async def test_stored_delivery_is_exactly_200(client: httpx.AsyncClient, journal: Journal) -> None:
    """One event, then the same again, then a list."""
    body = json.dumps(person(1)).encode()
    headers = jackson(body)
    first, again = await post(client, body, **headers), await post(client, body, **headers)
    both = await post(client, [person(2), person(3)])

    assert (first.status_code, first.json()) == (200, {"accepted": 1, "duplicates": 0})
    assert (again.status_code, again.json()) == (200, {"accepted": 0, "duplicates": 1})
    assert (both.status_code, both.json()) == (200, {"accepted": 2, "duplicates": 0})
    assert await journal.counters() == (3, 0)
    assert first.headers["content-type"] == "application/json"


async def test_any_secret_of_the_source_and_no_other(client: httpx.AsyncClient) -> None:
    """Any secret of the source verifies, none of another's."""
    body = json.dumps(person(1)).encode()
    assert (await post(client, body, **jackson(body, secret="two"))).status_code == 200
    assert (await post(client, body, **jackson(body, secret="flow-secret"))).status_code == 401


async def test_refused_and_ignored_are_told_when_there_are_any(client: httpx.AsyncClient) -> None:
    """A list with rubbish in it, Jackson's body without data, and its global hook."""
    mixed = await post(client, [person(1), 7])
    empty = await post(client, {"event": "group.user_added", "directory_id": "d"})
    other = await post(client, {"event": "dsync.created", "data": {}})

    assert mixed.json() == {"accepted": 1, "duplicates": 0, "refused": 1}
    assert (empty.status_code, empty.json()) == (200, {"accepted": 0, "duplicates": 0, "refused": 1})
    assert (other.status_code, other.json()) == (200, {"accepted": 0, "duplicates": 0, "ignored": 1})


async def test_every_forgery_gets_the_same_answer(client: httpx.AsyncClient, store: Store) -> None:
    """401 with one body for each, and nothing is stored."""
    body = json.dumps(person(1)).encode()
    now = int(time.time() * 1000)
    forgeries: list[dict[str, str]] = [
        {"x-nothing": ""},
        {"boxyhq-signature": ""},
        {"boxyhq-signature": "t=\u00e9,s=00"},
        {"authorization": "Bearer one"},
        jackson(body, now - 600_000),
        jackson(body, now + 600_000),
        jackson(body, now // 1000),
        jackson(body, secret="nobody's"),
        jackson(b"another body"),
    ]
    answers = [await client.post("/webhooks/polis", content=body, headers=raw(each)) for each in forgeries]

    for answer in answers:
        assert_problem(answer, 401)
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(answer.headers.items()) for answer in answers}) == 1
    assert await store.call("KEYS", f"{store.prefix}:*") == []


async def test_every_forgery_of_the_other_kinds_too(client: httpx.AsyncClient, store: Store) -> None:
    """The same 401 whatever the kind and whatever is wrong."""
    body = hook_body("group.lifecycle.create")
    now = int(time.time())
    good = standard(body)
    forgeries: list[tuple[str, dict[str, str]]] = [
        ("hooks", {"x-nothing": ""}),
        ("hooks", {"authorization": ""}),
        ("hooks", {"authorization": "Bearer hook-secret"}),
        ("hooks", {"authorization": "h\u00e9"}),
        ("workos", {"x-nothing": ""}),
        ("workos", workos(b"another body")),
        ("workos", workos(body, (now - 600) * 1000)),
        ("workos", workos(body, (now + 600) * 1000)),
        ("workos", workos(body, now)),
        ("workos", {"workos-signature": "t=\u00b2, v1=00"}),
        ("workos", jackson(body, secret="work-secret")),
        ("std", {"x-nothing": ""}),
        ("std", standard(b"another body")),
        ("std", standard(body, t=now - 600)),
        ("std", standard(body, t=now * 1000)),
        ("std", {**good, "webhook-id": "msg_2"}),
        ("std", {**good, "webhook-timestamp": "\u00b2"}),
        ("std", {**good, "webhook-signature": "v1,\u00e9 v1 ,"}),
    ]
    answers = [
        await client.post(f"/webhooks/{to}", content=body, headers=raw(each)) for to, each in forgeries
    ]

    for answer in answers:
        assert_problem(answer, 401)
    assert len({answer.content for answer in answers}) == 1
    assert await store.call("KEYS", f"{store.prefix}:*") == []


async def test_workos_delivery_is_stored_once(client: httpx.AsyncClient, journal: Journal) -> None:
    """A repeat signed anew is a repeat; that the connection ended is an event of its own."""
    event = {
        "event": "dsync.user.created",
        "id": "event_1",
        "created_at": "2026-01-31T09:30:00.250Z",
        "data": {"id": "u1", "directory_id": "d1", "email": "ana@acme.test", "state": "active"},
    }
    gone = {"event": "dsync.deleted", "id": "event_2", "data": {"object": "directory", "id": "d1"}}
    now = int(time.time() * 1000)
    answers = []
    for body, t in ((event, now), (event, now - 1), (gone, now)):
        content = json.dumps(body).encode()
        answers.append(await client.post("/webhooks/workos", content=content, headers=workos(content, t)))

    assert [answer.json() for answer in answers] == [
        {"accepted": 1, "duplicates": 0},
        {"accepted": 0, "duplicates": 1},
        {"accepted": 1, "duplicates": 0},
    ]
    (_, stored), (_, ended) = await journal.read("workos:d1", "0-0", 10)
    assert stored is not None
    assert ended is not None
    assert ended.name is EventName.CONNECTION_DELETED
    assert stored.user == UserNews("u1", "ana@acme.test", True)
    assert stamp_time(stored.stamp) == 1_769_851_800_250


async def test_a_directory_too_many_is_refused(
    client: httpx.AsyncClient, journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not to be sent again, and with the reason for whoever looks."""
    monkeypatch.setattr("bridge.store.journal.MOST_DIRECTORIES", 1)
    now = int(time.time() * 1000)
    answers = []
    for ident in ("d1", "d2"):
        data = {"id": "u1", "directory_id": ident, "email": "ana@acme.test", "state": "active"}
        event = {"event": "dsync.user.created", "id": f"event_{ident}", "data": data}
        content = json.dumps(event).encode()
        answers.append(await client.post("/webhooks/workos", content=content, headers=workos(content, now)))
    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (200, {"accepted": 1, "duplicates": 0}),
        (200, {"accepted": 0, "duplicates": 0, "refused": 1}),
    ]
    assert await journal.directories() == {"workos:d1"}
    [(_, fields)] = await store.call("XRANGE", store.key("refused", "workos"), "-", "+")
    assert "1 event(s) of new directories are not stored: workos has told of 1000" in str(fields)


async def test_standard_webhook_is_stored_once(client: httpx.AsyncClient, journal: Journal) -> None:
    """A repeat has the same id, whenever it is signed; another id is another delivery."""
    flow = {"event": "user.created", "user": {"id": "u1", "email": "ana@acme.test"}}
    body = json.dumps([flow, flow]).encode()
    now = int(time.time())
    answers = [
        await client.post("/webhooks/std", content=body, headers=standard(body, ident, t))
        for ident, t in (("msg_1", now), ("msg_1", now - 60), ("msg_2", now - 60))
    ]

    assert [answer.json() for answer in answers] == [
        {"accepted": 2, "duplicates": 0},
        {"accepted": 0, "duplicates": 2},
        {"accepted": 2, "duplicates": 0},
    ]
    rows = await journal.read("std", "0-0", 10)
    assert stamp_time([event.stamp for _, event in rows if event][-1]) == (now - 60) * 1000 + 999


async def test_event_hook_is_stored_once(client: httpx.AsyncClient, journal: Journal) -> None:
    """Of many events those with a meaning, each by its own uuid; failures are ignored."""
    headers = {"authorization": "hook-secret"}
    first = hook_body("group.lifecycle.create", "user.session.start", "group.user_membership.add")
    second = hook_body("group.lifecycle.create", "user.lifecycle.deactivate")
    failed = hook_body("user.lifecycle.delete.initiated", result="FAILURE")
    answers = [
        await client.post("/webhooks/hooks", content=body, headers=headers)
        for body in (first, second, failed)
    ]

    assert [answer.json() for answer in answers] == [
        {"accepted": 2, "duplicates": 0, "ignored": 1},
        {"accepted": 1, "duplicates": 1},
        {"accepted": 0, "duplicates": 0, "ignored": 1},
    ]
    names = [event.name for _, event in await journal.read("hooks", "0-0", 10) if event]
    assert names == ["group.created", "group.user_added", "user.updated"]


@pytest.mark.parametrize("headers", [{}, {"authorization": "hook-secret"}, {"authorization": "nobody's"}])
async def test_okta_s_challenge_is_answered(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """With the secret or without: nothing but the value comes back, and nothing is stored."""
    answer = await client.get(
        "/webhooks/hooks", headers={"X-Okta-Verification-Challenge": 'a"b\\c', **headers}
    )
    text = (await client.get("/metrics")).text

    assert (answer.status_code, answer.json()) == (200, {"verification": 'a"b\\c'})
    assert answer.headers["content-type"] == "application/json"
    assert 'bridge_deliveries_total{outcome="challenge",source="hooks"} 1.0' in text


@pytest.mark.parametrize(
    ("method", "source", "value"),
    [
        ("GET", "hooks", None),
        ("GET", "hooks", ""),
        ("GET", "polis", "x"),
        ("GET", "okta", "x"),
        ("GET", "nobody", "x"),
        ("HEAD", "hooks", "x"),
        ("PUT", "hooks", "x"),
        ("DELETE", "hooks", "x"),
    ],
)
async def test_other_challenges_are_405(
    client: httpx.AsyncClient, method: str, source: str, value: str | None
) -> None:
    """Only by GET, only with the header, only for event hooks."""
    headers = {} if value is None else {"x-okta-verification-challenge": value}
    answer = await client.request(method, f"/webhooks/{source}", headers=headers)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_challenge_needs_no_redis() -> None:
    """A hook can be set up while the store is away."""
    async with serving(application(Broken(ConnectionError("gone")))) as client:
        answer = await client.get("/webhooks/hooks", headers={"x-okta-verification-challenge": "x"})
        body = hook_body("group.lifecycle.create")
        hook = await client.post("/webhooks/hooks", content=body, headers={"authorization": "hook-secret"})

    assert answer.json() == {"verification": "x"}
    assert_problem(hook, 503)
    assert "retry-after" in hook.headers


@given(st.binary(max_size=80).filter(lambda value: not set(value) & {0, 10, 13} and bool(value.strip())))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_hostile_challenges_come_back_as_they_are(client: httpx.AsyncClient, value: bytes) -> None:
    """Whatever bytes: a JSON string of them, and no fault."""
    answer = await client.get("/webhooks/hooks", headers={b"x-okta-verification-challenge": value})
    assert answer.json() == {"verification": value.decode("latin-1")}


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"", 400), (b"\xff\xfe\x00", 400), (b'"text"', 422), (b"42", 422), (b'{"foo": 1}', 422)],
)
async def test_unreadable_bodies_say_why(client: httpx.AsyncClient, body: bytes, status: int) -> None:
    """The detail names the field."""
    answer = await post(client, body)
    assert_problem(answer, status)
    assert ": " in answer.json()["detail"]


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """A body without a length."""
    for part in parts:
        yield part


async def test_bodies_over_the_limit(client: httpx.AsyncClient, store: Store) -> None:
    """By what they declare and by what they are; the limit itself is fine."""
    too_long = b" " * 10_001
    declared = await post(client, too_long)
    chunked = await client.post(
        "/webhooks/polis", content=chunks(b" " * 6000, b" " * 6000), headers=jackson(too_long)
    )
    fits = json.dumps(person(1)).encode().ljust(10_000)

    assert_problem(declared, 413)
    assert_problem(chunked, 413)
    assert await store.call("KEYS", f"{store.prefix}:*") == []
    assert (await post(client, fits)).status_code == 200
    whole = await client.post(
        "/webhooks/polis", content=chunks(fits[:5000], fits[5000:]), headers=jackson(fits)
    )
    assert whole.status_code == 200


@pytest.mark.parametrize(
    "path", ["/webhooks/nobody", "/webhooks/polis/", "/webhooks/", "/webhooks", "/", "/console"]
)
async def test_unknown_places_are_404(client: httpx.AsyncClient, path: str) -> None:
    """Never a redirect: Jackson would follow it with GET and lose the event."""
    assert_problem(await client.post(path, content=b"{}"), 404)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/webhooks/polis"), ("PUT", "/webhooks/okta"), ("POST", "/livez")]
)
async def test_wrong_methods_are_405(client: httpx.AsyncClient, method: str, path: str) -> None:
    """And the answer says what is allowed."""
    answer = await client.request(method, path)
    assert_problem(answer, 405)
    assert "allow" in answer.headers


async def test_without_redis_the_sender_is_asked_to_repeat() -> None:
    """503 with Retry-After; 429 for Okta Workflows, which retries nothing else."""
    flow = {"event": "user.created", "user": {"id": "u"}}
    async with serving(application(Broken(ConnectionError("gone")))) as client:
        polis = await post(client, person(1))
        okta = await client.post("/webhooks/okta", json=flow, headers=FLOW)
        unreadable = await post(client, b"{")
        ready = await client.get("/readyz")

    assert_problem(polis, 503)
    assert_problem(okta, 429)
    assert_problem(unreadable, 400)
    assert_problem(ready, 503)
    assert "ConnectionError" in ready.json()["detail"]
    assert all(int(answer.headers["retry-after"]) > 0 for answer in (polis, okta, ready))


async def test_probes(client: httpx.AsyncClient) -> None:
    """Alive and ready are 200 while Redis can store."""
    assert (await client.get("/livez")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200


async def test_ready_tells_what_redis_may_lose(client: httpx.AsyncClient) -> None:
    """The tests' Valkey writes to disk once a second only: ready, with a warning."""
    ready = (await client.get("/readyz")).json()
    assert ready["status"] == "ok"
    assert [text.partition(":")[0] for text in ready["warnings"]] == ["appendfsync is everysec"]


async def test_not_ready_before_the_start(journal: Journal) -> None:
    """Without its lifespan the application has no journal."""
    transport = httpx.ASGITransport(application(journal))
    async with httpx.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
        assert_problem(await client.get("/readyz"), 503)


async def test_metrics_count_what_became_of_deliveries(client: httpx.AsyncClient) -> None:
    """By source and outcome."""
    await post(client, [person(1), 7])
    await post(client, person(2), authorization="Bearer x")
    await client.post("/webhooks/nobody")
    text = (await client.get("/metrics")).text

    assert 'bridge_deliveries_total{outcome="stored",source="polis"} 1.0' in text
    assert 'bridge_deliveries_total{outcome="unverified",source="polis"} 1.0' in text
    assert 'bridge_deliveries_total{outcome="unknown",source=""} 1.0' in text
    assert 'bridge_events_total{outcome="accepted",source="polis"} 1.0' in text
    assert 'bridge_events_total{outcome="refused",source="polis"} 1.0' in text


async def test_operators_have_a_listener_of_their_own(journal: Journal) -> None:
    """With [operators], /metrics answers only there, for what the public one counted."""

    @asynccontextmanager
    async def open_journal() -> AsyncIterator[JournalStore]:
        yield journal

    metrics = Metrics()
    public = create_app(WITH_OPERATORS, open_journal, metrics)
    async with (
        serving(public) as outside,
        serving(create_operators_app(WITH_OPERATORS, open_journal, metrics)) as inside,
    ):
        await post(outside, person(1))
        assert_problem(await outside.get("/metrics"), 404)
        assert "bridge_deliveries_total" in (await inside.get("/metrics")).text
        assert (await inside.get("/readyz")).status_code == 200
        assert_problem(await inside.post("/webhooks/polis"), 404)


async def test_fault_of_ours_is_500_and_logged_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody expected is a problem too; the body is not in the log."""

    def fault(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("bridge.sources.jackson.Jackson.parse", fault)
    async with serving(application(journal)) as client:
        with capture_logs() as lines:
            assert_problem(await post(client, person(1)), 500)

    assert [line["event"] for line in lines] == ["unexpected"]
    assert "u1@acme.test" not in str(lines)


async def call(app: Starlette, receive: Any, headers: dict[str, str]) -> list[Message]:
    """Call the application as a server does, with a `receive` of the test's own."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/webhooks/polis",
        "headers": pairs,
        "query_string": b"",
    }
    await app(scope, receive, send)
    return sent


async def test_slow_sender_is_cut_off(journal: Journal) -> None:
    """A body that does not arrive in time is 408, and the connection ends."""

    async def never() -> Message:
        await asyncio.Event().wait()
        return {}

    app = application(journal, body_seconds=0.02)
    async with app.router.lifespan_context(app):
        start, _ = await call(app, never, {})
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]


async def test_sender_that_hangs_up_gets_nothing(journal: Journal) -> None:
    """Half a body is no delivery."""
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"ev', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    app = application(journal)
    async with app.router.lifespan_context(app):
        with capture_logs() as lines:
            assert await call(app, receive, {}) == []
    assert lines == []


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "x", "\u00b2", "10001"])
async def test_absurd_lengths_do_no_harm(journal: Journal, length: str) -> None:
    """A declared length is believed only when it is a number over the limit."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    app = application(journal)
    async with app.router.lifespan_context(app):
        start, _ = await call(app, receive, {"content-length": length})
    assert start["status"] == (413 if length.isdecimal() else 401)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                b"boxyhq-signature",
                b"ory-polis-signature",
                b"authorization",
                b"x-bridge-signature",
                b"workos-signature",
                b"webhook-id",
                b"webhook-timestamp",
                b"webhook-signature",
            ]
        ),
        st.binary(max_size=80).filter(lambda value: not set(value) & {0, 10, 13}),
    ),
    st.binary(max_size=200) | st.just(json.dumps(person(1)).encode()),
    st.sampled_from(["polis", "okta", "hooks", "workos", "std", "nobody", "%00", "%ff", "..%2f"]),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_strangers_never_cause_a_fault(
    client: httpx.AsyncClient, headers: dict[bytes, bytes], body: bytes, source: str
) -> None:
    """Whatever they send: 401 or 404, and no exception in the log."""
    with capture_logs() as lines:
        answer = await client.post(f"/webhooks/{source}", content=body, headers=headers)
    assert answer.status_code in (401, 404)
    assert not [line for line in lines if line["log_level"] in ("error", "critical") or "exc_info" in line]


SIGNED: dict[str, Callable[[bytes], dict[str, str]]] = {
    "polis": jackson,
    "okta": lambda _body: FLOW,
    "hooks": lambda _body: {"authorization": "hook-secret"},
    "workos": workos,
    "std": standard,
}


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.sampled_from(sorted(SIGNED)),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_signed_nonsense_never_causes_a_fault(
    client: httpx.AsyncClient, body: Any, source: str
) -> None:
    """Whatever JSON a verified sender sends, the answer is theirs to read."""
    content = json.dumps(body).encode()
    answer = await client.post(f"/webhooks/{source}", content=content, headers=SIGNED[source](content))
    assert answer.status_code in (400, 413, 422)


# -- the front door


class Rooms:
    """Two ASGI applications that note who came."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []
        self.door = FrontDoor({"polis"}, self._room("webhooks"), self._room("app"))

    def _room(self, name: str) -> ASGIApp:
        async def enter(scope: Scope, _receive: Receive, _send: Send) -> None:
            self.came.append((name, scope.get("path_params", {}).get("source", "")))

        return enter

    async def visit(self, **scope: str) -> tuple[str, str]:
        """Where a request ends up, and for which source."""
        await self.door(dict(scope), cast("Receive", None), cast("Send", None))
        return self.came.pop()


async def test_deliveries_go_straight_in() -> None:
    """To a source there is, by POST, at exactly its path."""
    visit = Rooms().visit
    assert await visit(type="http", method="POST", path="/webhooks/polis") == ("webhooks", "polis")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/webhooks/other"), ("POST", "/webhooks/polis/"), ("POST", "/webhooks//polis"),
        ("POST", "/webhooks/"), ("POST", "polis"), ("POST", "/polis"), ("POST", "/readyz"),
        ("GET", "/webhooks/polis"), ("PUT", "/webhooks/polis"), ("HEAD", "/webhooks/polis"),
    ],
)  # fmt: skip
async def test_all_else_goes_the_long_way(method: str, path: str) -> None:
    """There it is answered 404 or 405 like anything else."""
    assert await Rooms().visit(type="http", method=method, path=path) == ("app", "")


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
async def test_what_is_no_request_goes_the_long_way(kind: str) -> None:
    """Whatever it has of a path."""
    assert await Rooms().visit(type=kind, path="/webhooks/polis") == ("app", "")


async def test_both_ways_in_answer_alike(client: httpx.AsyncClient) -> None:
    """A source's path in another spelling is no other source."""
    assert (await post(client, [person(1)])).status_code == 200
    for path, status in (("/webhooks/polis/", 404), ("/webhooks/nobody", 404), ("/webhooks/", 404)):
        assert (await client.post(path, content=b"[]")).status_code == status
    assert (await client.put("/webhooks/polis", content=b"[]")).status_code == 405
