"""The way in: who may speak, how much, and what is told to whom."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge.metrics import Metrics
from bridge.receiver import create_app
from bridge.scim.app import outcome_of
from bridge.settings import RedisSettings, Settings
from bridge.store.commit import Transaction
from bridge.store.departures import Departure, departures_key, read_departures
from bridge.store.journal import Journal
from bridge.store.redis import Store, open_store
from bridge.tallies import Tallies
from tests.scim.conftest import TOKEN
from tests.scim.provider import ENTERPRISE, ERROR, PATCH, USER, Provider, members, person

BASE = "/scim/idp/v2"


def assert_scim_error(answer: httpx.Response, status: int) -> None:
    """An error has SCIM's shape and repeats its status (RFC 7644 3.12)."""
    assert status == answer.status_code
    assert answer.headers["content-type"] == "application/scim+json"
    assert answer.json()["schemas"] == [ERROR]
    assert answer.json()["status"] == str(status)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer token-of-the-other"},
        {b"Authorization": b"Bearer \xff\xfe"},
    ],
)
async def test_who_is_not_verified_gets_the_same_401(
    http: httpx.AsyncClient, store: Store, headers: dict[Any, Any]
) -> None:
    """Whatever is wrong, and on every path: the body is not even read."""
    answers = [
        await http.post(f"{BASE}/Users", json=person("ana"), headers=headers),
        await http.post(f"{BASE}/Users", content=b"x" * 200_000, headers=headers),
        await http.get(f"{BASE}/ServiceProviderConfig", headers=headers),
        await http.get(f"{BASE}/nonsense", headers=headers),
    ]

    for answer in answers:
        assert_scim_error(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert answer.content == answers[0].content
    assert await store.call("KEYS", f"{store.prefix}:*") == []


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8, text/plain;q=0.5", "application/json"),
        ("application/scim+json", "application/scim+json"),
        ("application/json, application/scim+json", "application/scim+json"),
        ("*/*", "application/scim+json"),
    ],
)
async def test_answers_are_plain_json_for_who_wants_that_alone(
    http: httpx.AsyncClient, idp: Provider, accept: str, kind: str
) -> None:
    """Errors too, whoever asks; what is in them is the same."""
    idp.headers["Accept"] = accept
    answers = [
        await idp.send("GET", "/Users", None, 200),
        await idp.send("GET", "/Users/nobody", None, 404),
        await http.get(f"{BASE}/Users", headers={"Accept": accept}),
        await http.get("/scim/nobody/v2/Users", headers={"Accept": accept}),
    ]
    assert {answer.headers["content-type"] for answer in answers} == {kind}
    assert [answer.status_code for answer in answers] == [200, 404, 401, 404]
    assert answers[2].json()["schemas"] == [ERROR]


async def test_any_of_the_secrets_verifies(idp: Provider) -> None:
    """So that a token can be changed; the scheme's case means nothing."""
    for value in (f"Bearer {TOKEN}", "Bearer the-next-token", f"bearer {TOKEN}"):
        idp.headers["Authorization"] = value
        await idp.send("GET", "/Users", None, 200)


@pytest.mark.parametrize("source", ["nobody", "okta"])
async def test_unknown_sources_are_404(http: httpx.AsyncClient, source: str) -> None:
    """Also one that exists and speaks no SCIM."""
    headers = {"Authorization": "Bearer flow-secret"}
    assert_scim_error(await http.get(f"/scim/{source}/v2/Users", headers=headers), 404)


async def test_source_is_not_there_for_other_networks(http: httpx.AsyncClient, metrics: Metrics) -> None:
    """Not even with the token: the answer is that to an unknown name."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    away, nobody = [await http.get(f"/scim/{name}/v2/Users", headers=headers) for name in ("away", "nobody")]
    assert (away.status_code, away.content) == (404, nobody.content)
    assert 'bridge_deliveries_total{outcome="outside",source="away"} 1.0' in metrics.text().decode()


async def test_use_of_a_token_and_refusals_are_told(settings: Settings, store: Store) -> None:
    """As of webhooks: which of the tokens is in use, the last write, and why somebody was not believed."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Journal]:
        yield Journal(store)

    tallies = Tallies(settings.sources)
    app = create_app(settings, opened, tallies=tallies)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="https://bridge.acme.test") as client,
    ):
        await Provider(client, store, "idp", "the-next-token").user("ana")
        await client.get(f"{BASE}/Users", headers={"Authorization": "Bearer wrong"})
    told = tallies.news()["idp"]
    assert told.delivered
    assert (told.refused.count, told.refused.reason) == (1, "no secret is what was sent")
    assert list(told.secrets) == ["no. 2, in the file"]


async def test_sources_do_not_see_one_another(http: httpx.AsyncClient, store: Store, idp: Provider) -> None:
    """Each has its own resources and its own journal."""
    other = Provider(http, store, "other", "token-of-the-other")
    ana = await idp.user("ana")
    await other.send("GET", f"/Users/{ana}", None, 404)
    await other.user("ana")

    assert (await idp.read("/Users"))["totalResults"] == 1
    assert [len(await one.events()) for one in (idp, other)] == [1, 1]


async def test_bodies_over_the_limit_are_413(idp: Provider) -> None:
    """receiver.max_body counts for SCIM too."""
    answer = await idp.send("POST", "/Users", person("ana", title="x" * 100_000))
    assert_scim_error(answer, 413)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"userName": "\\ud800"}', b"[" * 5000, b'{"a":' * 5000]
)
async def test_what_is_no_json_is_400(idp: Provider, http: httpx.AsyncClient, body: bytes) -> None:
    """For every method that has a body."""
    for method, path in (
        ("POST", "/Users"),
        ("PUT", "/Users/x"),
        ("PATCH", "/Groups/x"),
        ("POST", "/Users/.search"),
    ):
        answer = await http.request(method, BASE + path, content=body, headers=idp.headers)
        assert_scim_error(answer, 400)
        assert answer.json()["scimType"] == "invalidSyntax"


@pytest.mark.parametrize("query", ["filter=" + "x" * 8000, "&".join(["a=b"] * 21)])
async def test_long_queries_are_400(http: httpx.AsyncClient, idp: Provider, query: str) -> None:
    """Before anything reads them."""
    assert_scim_error(await http.get(f"{BASE}/Users?{query}", headers=idp.headers), 400)


async def test_other_content_types(http: httpx.AsyncClient, idp: Provider) -> None:
    """JSON by any of its names, and nothing else."""
    for name, status in (
        ("application/json", 201),
        ("application/scim+json; charset=utf-8", 409),
        ("text/xml", 415),
    ):
        headers = {**idp.headers, "Content-Type": name}
        answer = await http.post(f"{BASE}/Users", json=person("ana"), headers=headers)
        assert status == answer.status_code


async def test_webhooks_of_a_scim_source_say_where_to_go(http: httpx.AsyncClient) -> None:
    """Who has mixed up the two addresses is told, once verified."""
    answer = await http.post("/webhooks/idp", content=b"{}", headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 422
    assert "/scim/idp/v2" in answer.json()["detail"]
    assert (await http.post("/webhooks/idp", content=b"{}")).status_code == 401


async def test_locations_behind_a_proxy(idp: Provider) -> None:
    """They have the scheme and the host that the provider used."""
    idp.headers["X-Forwarded-Proto"] = "https"
    idp.headers["Host"] = "scim.acme.test"
    created = await idp.send("POST", "/Users", person("ana"), 201)

    assert created.headers["location"].startswith("https://scim.acme.test/scim/idp/v2/Users/")


async def test_without_redis_it_is_503(settings: Settings, store: Store) -> None:
    """Reads and writes; the provider is told to come again."""
    away = settings.model_copy(update={"redis": RedisSettings(url="redis://127.0.0.1:1/0")})

    @asynccontextmanager
    async def opened() -> AsyncIterator[Journal]:
        yield Journal(store)

    app = create_app(away, opened)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://bridge.acme.test") as http,
    ):
        idp = Provider(http, store, "idp", TOKEN)
        answers = [await idp.send("POST", "/Users", person("ana")), await idp.send("GET", "/Users")]
    for answer in answers:
        assert_scim_error(answer, 503)
        assert int(answer.headers["retry-after"]) > 0


async def test_while_its_directory_is_deleted_it_is_503(idp: Provider, store: Store) -> None:
    """What is written then would belong to a life that ends; the repeat goes through when it is over."""
    transaction = Transaction(store)
    departure = Departure(1, "boss", ends={"idp": "0-0"})
    (await read_departures(store)).put(transaction, "idp", departure)
    await transaction.run()
    assert_scim_error(await idp.send("POST", "/Users", person("ana")), 503)
    await store.call("DEL", departures_key(store))
    await idp.send("POST", "/Users", person("ana"), 201)


async def test_full_redis_stores_nothing(idp: Provider, store: Store, redis_settings: RedisSettings) -> None:
    """Neither the resource nor its events: 503, and a repeat goes through when there is room again."""
    operator = open_store(redis_settings)
    try:
        await operator.call("CONFIG", "SET", "maxmemory", "1")
        refused = await idp.send("POST", "/Users", person("ana"))
        await operator.call("CONFIG", "SET", "maxmemory", "0")
    finally:
        await operator.call("CONFIG", "SET", "maxmemory", "0")
        await operator.close()

    assert_scim_error(refused, 503)
    assert await store.call("KEYS", f"{store.prefix}:*") == []
    await idp.user("ana")


SECRETS = [
    "hunter2-pass",
    "Docs-department-7",
    "555-0100",
    "Nickname-x",
    "Street 9",
    "Display-of-a-member",
    "SSN-1",
]


async def test_what_nobody_uses_is_never_stored_or_logged(
    http: httpx.AsyncClient, idp: Provider, store: Store
) -> None:
    """Passwords and attributes that are not kept are in no key of Redis and no line of the log."""
    extra = {
        "password": SECRETS[0],
        ENTERPRISE: {"department": SECRETS[1], "employeeNumber": SECRETS[6]},
        "phoneNumbers": [{"value": SECRETS[2]}],
        "nickName": SECRETS[3],
        "addresses": [{"streetAddress": SECRETS[4]}],
    }
    with capture_logs() as logs:
        ana = await idp.user("ana", **extra)
        await idp.send("PUT", f"/Users/{ana}", person("ana", displayName="Ana", **extra), 200)
        await idp.patch(
            f"/Users/{ana}",
            {"op": "replace", "value": {"password": SECRETS[0], "nickName": SECRETS[3], "active": False}},
            {"op": "Add", "path": f"{ENTERPRISE}:department", "value": SECRETS[1]},
            {"op": "replace", "path": "password", "value": SECRETS[0]},
        )
        group = await idp.group("Writers")
        added = [{"value": ana, "display": SECRETS[5]}]
        await idp.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": added})
        await idp.send("POST", "/Users", person("ana", **extra), 409)
        await idp.send("POST", "/Users", {"password": SECRETS[0], "nickName": 5}, 400)
        await http.post(f"{BASE}/Users", json=person("ana", **extra))

    kept = json.dumps([await content(store, key) for key in await store.call("KEYS", f"{store.prefix}:*")])
    shown = json.dumps([await idp.read("/Users"), await idp.read("/Groups"), await idp.read("/Schemas")])
    assert "ana@acme.test" in kept
    for secret in SECRETS:
        assert secret not in kept + shown + json.dumps(logs)
    assert "ana@acme.test" not in json.dumps(logs)
    assert [(one["status"], one["kind"]) for one in logs if one["event"] == "refused"] == [
        (409, "uniqueness"), (400, "invalidValue"),
    ]  # fmt: skip


async def content(store: Store, key: str) -> Any:
    """Whatever a key of Redis holds, its name included."""
    words = {
        "string": ("GET", key),
        "hash": ("HGETALL", key),
        "set": ("SMEMBERS", key),
        "zset": ("ZRANGE", key, 0, -1),
        "stream": ("XRANGE", key, "-", "+"),
    }
    found = await store.call(*words[await store.call("TYPE", key)])
    return [key, sorted(found) if isinstance(found, set) else found]


async def test_requests_are_counted(idp: Provider, metrics: Metrics) -> None:
    """By source and outcome, as webhooks are; events too."""
    ana = await idp.user("ana")
    await idp.read(f"/Users/{ana}")
    await idp.send("POST", "/Users", person("ana"), 409)
    await idp.group("Writers", ana)
    idp.headers["Authorization"] = "Bearer wrong"
    await idp.send("GET", "/Users", None, 401)
    text = metrics.text().decode()

    for outcome, count in (("stored", 2), ("read", 1), ("conflict", 1), ("unverified", 1)):
        assert f'bridge_deliveries_total{{outcome="{outcome}",source="idp"}} {count}.0' in text
    assert 'bridge_events_total{outcome="accepted",source="idp"} 3.0' in text


def test_outcomes() -> None:
    """What a request is counted as."""
    assert [outcome_of("POST", 201), outcome_of("GET", 200), outcome_of("DELETE", 204)] == [
        "stored",
        "read",
        "stored",
    ]
    assert [outcome_of("PUT", status) for status in (401, 408, 412, 413, 503, 404)] == [
        "unverified", "slow", "conflict", "too_large", "not_stored", "unreadable",
    ]  # fmt: skip
    assert [outcome_of("GET", status) for status in (304, 404, 400)] == ["read", "read", "unreadable"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from([
    "userName", "emails", "active", "members", "externalId", "displayName", "name", "groups", "meta", "id",
    "schemas", 'members[value eq "x"]', 'emails[type eq "work"].value', f"{USER}:active", "name.givenName",
    ENTERPRISE, "", "[", ".",
])  # fmt: skip
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "Replace", "remove", "move"]) | JSON},
        optional={"path": WORDS | JSON, "value": JSON | st.dictionaries(WORDS, JSON, max_size=3)},
    ),
    max_size=3,
)


@given(
    body=st.dictionaries(WORDS, JSON | st.just(members("x")), max_size=4),
    operations=OPERATIONS,
    kind=st.sampled_from(["Users", "Groups"]),
)
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_body_is_a_fault(
    idp: Provider, body: dict[str, Any], operations: list[dict[str, Any]], kind: str
) -> None:
    """Whatever stands where: an answer below 500, and what is stored can be read."""
    ident = await idp.user("ana", userName="ana@acme.test" + str(id(body)) + str(await unique(idp)))
    group = await idp.group(f"Writers {await unique(idp)}")
    target = f"/{kind}/{ident if kind == 'Users' else group}"
    patch = {"schemas": [PATCH], "Operations": operations}
    with capture_logs() as logs:
        for method, path, sent in (
            ("POST", f"/{kind}", body),
            ("PUT", target, body),
            ("PATCH", target, patch),
        ):
            answer = await idp.send(method, path, sent)
            assert answer.status_code < 500, (method, answer.text)
    assert [one for one in logs if one["event"] == "unexpected"] == []
    await idp.read(target)


async def unique(idp: Provider) -> int:
    """A number that grows with each write."""
    return len(await idp.told())


TERMS = [
    "userName", "eq", '"x"', "and", "or", "not", "(", ")", "emails[", "]", "members", "pr", "active", "1.5",
]  # fmt: skip
FILTERS = st.text(alphabet='userNam ()[]."\\eqorandpt1', max_size=40) | st.lists(
    st.sampled_from(TERMS), max_size=8
).map(" ".join)


@given(
    text=FILTERS, attributes=st.text(max_size=10) | WORDS, start=st.text(max_size=4) | st.integers().map(str)
)
@hypothesis_settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_query_is_a_fault(idp: Provider, text: str, attributes: str, start: str) -> None:
    """Filters, names of attributes and pages of all kinds are answered below 500."""
    for path in ("/Users", "/Groups"):
        answer = await idp.send(
            "GET", path, filter=text, attributes=attributes, startIndex=start, count=start
        )
        assert answer.status_code < 500, answer.text
        body = {"filter": text, "excludedAttributes": [attributes], "startIndex": start}
        answer = await idp.send("POST", f"{path}/.search", body)
        assert answer.status_code < 500, answer.text
        assert isinstance(orjson.loads(answer.content), dict)
