"""Okta Workflows: five ways to prove a flow, and the body a flow sends."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from bridge.directory.events import EventName, GroupNews, News, UserNews
from bridge.settings import SourceSettings
from bridge.sources.base import (
    Delivery,
    Parsed,
    SourceError,
    UnavailableError,
    UnreadableError,
    UnverifiedError,
)
from bridge.sources.okta_workflows import OktaWorkflows
from bridge.sources.registry import make_source
from bridge.sources.tokens import KeySet, Tokens
from tests.proxies import played_route

NOW = 1_795_319_083_036
ISSUER, AUDIENCE, CLIENT = "https://acme.okta.test/oauth2/default", "directory-bridge", "0oaflow"
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def settings(**more: Any) -> SourceSettings:
    """A [[sources]] table of this kind."""
    return SourceSettings.model_validate({"name": "okta", "kind": "okta-workflows", **more})


def jwt_settings(**more: Any) -> SourceSettings:
    """A table with auth = "jwt"."""
    return settings(auth="jwt", issuer=ISSUER, audience=AUDIENCE, **({"client_id": CLIENT} | more))


def delivery(body: bytes = b"{}", /, **headers: str) -> Delivery:
    """A delivery that arrives at NOW; `_` in a header's name stands for `-`."""
    return Delivery({name.replace("_", "-"): value for name, value in headers.items()}, body, NOW)


BEARER = OktaWorkflows(settings(secrets=["one", "two"]))


async def is_good(source: OktaWorkflows, **headers: str) -> bool:
    """Whether the source believes these headers."""
    try:
        await source.verify(delivery(**headers))
    except UnverifiedError:
        return False
    return True


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("Bearer one", True),
        ("bearer  two ", True),
        ("Bearer three", False),
        ("one", False),
        ("", False),
        ("Bearer", False),
        ("Basic one", False),
        ("Bearer é", False),
        ("Bearer one two", False),
    ],
)
async def test_bearer(value: str, good: bool) -> None:
    """The secret after Bearer, any of them, and nothing else."""
    assert good is await is_good(BEARER, authorization=value)


async def test_nothing_is_not_good() -> None:
    """Without headers no way of proving is satisfied."""
    for auth in ("bearer", "basic", "hmac"):
        assert not await is_good(OktaWorkflows(settings(auth=auth, secrets=["a:b"])))
    assert not await is_good(OktaWorkflows(settings(auth="header", header="X-Api-Key", secrets=["a"])))
    assert not await is_good(OktaWorkflows(jwt_settings(key="k" * 32)))


@pytest.mark.parametrize(
    ("pair", "good"),
    [(b"flow:p:w", True), (b"flow:", False), (b"", False), (b"\xff", False), (b"x:p:w", False)],
)
async def test_basic(pair: bytes, good: bool) -> None:
    """The secret is user:password, base64 in the header."""
    source = OktaWorkflows(settings(auth="basic", secrets=["flow:p:w"]))
    assert good is await is_good(source, authorization="Basic " + base64.b64encode(pair).decode())
    assert not await is_good(source, authorization="Basic " + pair.decode("latin-1"))


async def test_header() -> None:
    """The secret stands in the header that the settings name."""
    source = OktaWorkflows(settings(auth="header", header="X-Api-Key", secrets=["one"]))

    assert await is_good(source, x_api_key="one")
    assert not await is_good(source, x_api_key="two")
    assert not await is_good(source, authorization="one")


def signed(body: bytes, seconds: int, secret: str = "one") -> dict[str, str]:
    """The headers of auth = "hmac"."""
    mac = hmac.new(secret.encode(), b"%d." % seconds + body, "sha256").hexdigest()
    return {"x_bridge_timestamp": str(seconds), "x_bridge_signature": f"v1={mac}"}


async def test_hmac() -> None:
    """Either secret verifies; the signed seconds come back as milliseconds."""
    source = OktaWorkflows(settings(auth="hmac", secrets=["one", "two"]))
    for secret in ("one", "two"):
        assert await source.verify(delivery(**signed(b"{}", NOW // 1000, secret))) == NOW // 1000 * 1000


@pytest.mark.parametrize("off", [-481, 482, NOW])
async def test_hmac_outside_the_tolerance(off: int) -> None:
    """A flow's retry comes after five minutes, so eight are allowed, either way."""
    source = OktaWorkflows(settings(auth="hmac", secrets=["one"]))
    assert not await is_good(source, **signed(b"{}", NOW // 1000 + off))
    assert await is_good(source, **signed(b"{}", NOW // 1000 - 479))


@given(st.text(), st.text())
async def test_hostile_headers_are_refused(first: str, second: str) -> None:
    """Whatever stands in the headers: UnverifiedError and nothing else, for every way of proving."""
    sources = [
        OktaWorkflows(settings(auth=auth, secrets=["the:secret"])) for auth in ("bearer", "basic", "hmac")
    ]
    sources += [OktaWorkflows(jwt_settings(key="k" * 32))]
    for source in sources:
        assert not await is_good(
            source, authorization=first, x_bridge_timestamp=second, x_bridge_signature=f"v1={first}"
        )
        assert not await is_good(source, authorization=f"Bearer {first}", x_bridge_timestamp=first)
        assert not await is_good(source, authorization=f"Basic {second}", x_bridge_signature=second)


# -- tokens


def claims(**other: Any) -> dict[str, Any]:
    """Good claims, but for those given; None leaves one out."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 300, "cid": CLIENT}
    return {name: value for name, value in {**good, **other}.items() if value is not None}


def token(key: Any, algorithm: str, kid: str | None = None, **other: Any) -> str:
    """A signed token in an Authorization header."""
    return "Bearer " + jwt.encode(claims(**other), key, algorithm, {"kid": kid} if kid else None)


def pem(key: Any) -> str:
    """The public half, as PEM."""
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


async def test_jwt_with_a_shared_key() -> None:
    """HS256 with the key's text."""
    source = OktaWorkflows(jwt_settings(key="k" * 32))

    assert await is_good(source, authorization=token("k" * 32, "HS256"))
    assert not await is_good(source, authorization=token("x" * 32, "HS256"))


async def test_jwt_with_a_public_key() -> None:
    """RSA and elliptic curves, each by its own key."""
    for key, other, algorithm in (
        (RSA_KEY, EC_KEY, "RS256"),
        (RSA_KEY, EC_KEY, "PS256"),
        (EC_KEY, RSA_KEY, "ES256"),
    ):
        good = token(key, algorithm)
        assert await is_good(OktaWorkflows(jwt_settings(key=pem(key))), authorization=good)
        assert not await is_good(OktaWorkflows(jwt_settings(key=pem(other))), authorization=good)


async def test_public_key_is_no_shared_secret() -> None:
    """A token signed by HMAC with the public key's text is the classic forgery."""
    public = pem(RSA_KEY)
    head, payload = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256"}, claims())
    )
    mac = base64.urlsafe_b64encode(hmac.digest(public.encode(), head + b"." + payload, "sha256")).rstrip(b"=")
    forged = b".".join((head, payload, mac)).decode()

    assert not await is_good(OktaWorkflows(jwt_settings(key=public)), authorization=f"Bearer {forged}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://evil.test"},
        {"aud": "other"},
        {"exp": 1},
        {"iss": None},
        {"aud": None},
        {"exp": None},
        {"nbf": 9999999999},
        {"exp": "soon"},
        {"aud": []},
    ],
)
async def test_jwt_claims_are_all_required(wrong: dict[str, Any]) -> None:
    """Issuer, audience and expiry must be there and right."""
    source = OktaWorkflows(jwt_settings(key="k" * 32))
    payload = {**claims(**wrong)}
    raw = jwt.PyJWS().encode(json.dumps(payload).encode(), "k" * 32, "HS256", {"typ": "JWT"})
    assert not await is_good(source, authorization=f"Bearer {raw}")


OTHERS = [
    {"cid": "0oaother"},
    {"cid": None},
    {"cid": None, "sub": CLIENT},
    {"azp": "0oaother"},
    {"cid": [CLIENT]},
]


@pytest.mark.parametrize("other", OTHERS)
async def test_token_of_another_client_is_refused(other: dict[str, Any]) -> None:
    """Every client of the authorization server gets tokens for the audience: only ours speaks."""
    source = OktaWorkflows(jwt_settings(key="k" * 32))
    assert not await is_good(source, authorization=token("k" * 32, "HS256", **other))


@pytest.mark.parametrize(
    ("wanted", "good", "bad"),
    [
        ({"client_id": CLIENT}, {"cid": None, "client_id": CLIENT}, {"client_id": "0oaother"}),
        ({"client_id": CLIENT}, {"cid": None, "azp": CLIENT}, {"cid": None, "azp": "0oaother"}),
        ({"client_id": None, "subject": "flow"}, {"sub": "flow"}, {"sub": "other"}),
        ({"client_id": None, "scope": "write"}, {"scope": "read write"}, {"scope": "rewrite"}),
        ({"client_id": None, "scope": "write"}, {"scp": ["read", "write"]}, {"scp": ["read", 7]}),
        ({"scope": "write"}, {"scp": "write"}, {}),
        ({"scope": "write"}, {"scp": "write"}, {"scp": "write", "cid": "0oaother"}),
    ],
)
async def test_whose_token_it_is(wanted: dict[str, Any], good: dict[str, Any], bad: dict[str, Any]) -> None:
    """Subject, client and scope; all that are configured have to be right."""
    source = OktaWorkflows(jwt_settings(key="k" * 32, **wanted))
    assert await is_good(source, authorization=token("k" * 32, "HS256", **good))
    assert not await is_good(source, authorization=token("k" * 32, "HS256", **bad))


@pytest.mark.parametrize("off", [86_400, -86_400])
async def test_a_token_lasts_by_the_clock_that_is_given(off: int) -> None:
    """Whatever the machine's own shows."""
    config, now = jwt_settings(key="k" * 32), int(time.time()) + off
    source = OktaWorkflows(config, Tokens(config, clock=lambda: now))
    for told, good in (
        ({"exp": now + 60}, True), ({"exp": now - 29, "iat": now + 29, "nbf": now}, True),
        ({"exp": now - 31}, False), ({"exp": now + 60, "iat": now + 31}, False),
        ({"exp": now + 60, "nbf": now + 31}, False), ({"exp": now + 60, "nbf": "soon"}, False),
    ):  # fmt: skip
        assert await is_good(source, authorization=token("k" * 32, "HS256", **told)) is good


async def test_token_for_years_is_refused() -> None:
    """Nobody can take it back; a day is the most that Okta's authorization servers can set."""
    source, now = OktaWorkflows(jwt_settings(key="k" * 32)), int(time.time())
    assert await is_good(source, authorization=token("k" * 32, "HS256", exp=now + 86_400))
    assert not await is_good(source, authorization=token("k" * 32, "HS256", exp=now + 86_400 + 60))


async def test_unsigned_and_monstrous_tokens() -> None:
    """No algorithm, endless nesting, endless length."""
    source = OktaWorkflows(jwt_settings(key="k" * 32))
    deep = base64.urlsafe_b64encode(b"[" * 5000).decode()

    for text in (jwt.encode(claims(), "", "none"), f"{deep}.{deep}.{deep}", "a." * 9000, "..", "é.é.é"):
        assert not await is_good(source, authorization=f"Bearer {text}")
        with pytest.raises(UnverifiedError):
            await Tokens(jwt_settings(jwks_url="https://keys.test"), failing()).verify(text)


class Endpoint:
    """A `jwks_url` in memory: its keys, its status, and how often it was asked."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.status = 200
        self.asked = 0
        self.now = 0.0

    def answer(self, _request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.asked += 1
        return httpx.Response(self.status, json={"keys": self.keys})

    def key_set(self) -> KeySet:
        """The set behind it, on a clock of the test's own."""
        return KeySet("https://keys.test", played_route(self.answer), lambda: self.now)

    def source(self) -> OktaWorkflows:
        """A source that trusts it."""
        trusting = jwt_settings(jwks_url="https://keys.test")
        return OktaWorkflows(trusting, Tokens(trusting, self.key_set()))


def failing() -> KeySet:
    """A set that must not be asked for."""

    def fail(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("down")

    return KeySet("https://keys.test", played_route(fail))


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """The public half, as JWK."""
    make: Callable[[Any], str] = (
        RSAAlgorithm.to_jwk if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm.to_jwk
    )
    return {**json.loads(make(key.public_key())), "kid": kid, **more}


async def test_key_set_is_fetched_once() -> None:
    """Keys are found by their id and kept."""
    endpoint = Endpoint(jwk(RSA_KEY, "a", alg="RS256", use="sig"), jwk(EC_KEY, "b"))
    source = endpoint.source()

    assert await is_good(source, authorization=token(RSA_KEY, "RS256", "a"))
    assert await is_good(source, authorization=token(EC_KEY, "ES256", "b"))
    assert not await is_good(source, authorization=token(EC_KEY, "ES256", "a"))
    assert not await is_good(source, authorization=token(RSA_KEY, "RS512", "a"))
    assert endpoint.asked == 1


async def test_unknown_key_id_is_looked_for_once_a_minute() -> None:
    """A rotation is noticed, and strangers cannot make us ask all the time."""
    endpoint = Endpoint(jwk(RSA_KEY, "a"))
    source = endpoint.source()
    for _ in range(5):
        assert not await is_good(source, authorization=token(EC_KEY, "ES256", "b"))
    assert endpoint.asked == 1

    endpoint.keys, endpoint.now = [jwk(EC_KEY, "b")], 61.0
    assert await is_good(source, authorization=token(EC_KEY, "ES256", "b"))
    assert endpoint.asked == 2


async def test_withdrawn_key_ends_within_the_hour() -> None:
    """Keys are read again every hour."""
    endpoint = Endpoint(jwk(RSA_KEY, "a"))
    source = endpoint.source()
    assert await is_good(source, authorization=token(RSA_KEY, "RS256", "a"))

    endpoint.keys, endpoint.now = [jwk(EC_KEY, "b")], 3601.0
    assert not await is_good(source, authorization=token(RSA_KEY, "RS256", "a"))


async def test_unreachable_key_set_asks_for_a_repeat() -> None:
    """Nobody is called a forger because the authorization server is down; keys known before go on."""
    endpoint = Endpoint(jwk(RSA_KEY, "a"))
    endpoint.status = 500
    source = endpoint.source()
    with pytest.raises(UnavailableError, match="the answer is 500"):
        await source.verify(delivery(authorization=token(RSA_KEY, "RS256", "a")))

    endpoint.status, endpoint.now = 200, 6.0
    assert await is_good(source, authorization=token(RSA_KEY, "RS256", "a"))
    endpoint.status, endpoint.now = 500, 4000.0
    assert await is_good(source, authorization=token(RSA_KEY, "RS256", "a"))


async def test_token_without_key_id() -> None:
    """It is good with the only key there is."""
    assert await is_good(Endpoint(jwk(RSA_KEY, "a")).source(), authorization=token(RSA_KEY, "RS256"))
    several = Endpoint(jwk(RSA_KEY, "a"), jwk(EC_KEY, "b")).source()
    assert not await is_good(several, authorization=token(RSA_KEY, "RS256"))


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [{"kty": "oct", "k": "a2tr", "kid": "a"}],
        [{"kty": "RSA", "kid": "a"}],
        ["x"],
        [{"kid": "a", "kty": "?"}],
    ],
)
async def test_useless_key_sets(keys: list[Any]) -> None:
    """Shared secrets and nonsense in a key set are not keys."""
    with pytest.raises(UnavailableError, match="no key that can be used"):
        await Endpoint(*keys).source().verify(delivery(authorization=token(RSA_KEY, "RS256", "a")))


# -- bodies


def parse(body: Any) -> Parsed:
    """Parse a body given as bytes or as what JSON makes of it."""
    return BEARER.parse(delivery(body if isinstance(body, bytes) else json.dumps(body).encode()), None)


def test_documented_body() -> None:
    """The example of the interface; names are dropped."""
    (news,) = parse(
        {
            "event": "group.user_added",
            "id": "1",
            "occurred_at": "2026-01-31T10:30:00.25+01:00",
            "user": {
                "id": "00u1",
                "email": "Ana@acme.test",
                "first_name": "Ana",
                "last_name": "Ng",
                "active": True,
            },
            "group": {"id": "00g1", "name": "Writers"},
        }
    ).news

    expected = News(
        EventName.USER_ADDED,
        UserNews("00u1", "Ana@acme.test", True),
        GroupNews("00g1", "Writers"),
        1_769_851_800_250,
        "",
        news.key,
    )
    assert expected == news


def test_ids_alone_and_names_alone() -> None:
    """An e-mail alone is its own id, lower-cased; a group's name alone is its id."""
    by_id, by_name = parse(
        [
            {"event": "group.user_removed", "user": {"id": 7}, "group": {"id": " 00g1 "}},
            {
                "event": "group.user_removed",
                "user": {"email": " Ana@Acme.test "},
                "group": {"name": "Writers"},
            },
        ]
    ).news

    assert (UserNews("7"), GroupNews("00g1")) == (by_id.user, by_id.group)
    assert (UserNews("ana@acme.test", "Ana@Acme.test"), GroupNews("Writers", "Writers")) == (
        by_name.user,
        by_name.group,
    )


def test_parts_an_event_is_not_about_are_left_out() -> None:
    """A flow may send its whole form each time."""
    user, group = {"id": "u"}, {"id": "g"}
    first, second = parse(
        [
            {"event": "user.updated", "user": user, "group": None, "occurred_at": "", "id": None},
            {"event": "group.updated", "user": {}, "group": group},
        ]
    ).news

    assert (UserNews("u"), None) == (first.user, first.group)
    assert (None, GroupNews("g")) == (second.user, second.group)


def test_signature_is_the_key_of_a_signed_body_without_an_id() -> None:
    """A delivery that was overheard cannot be sent again; another moment's is another delivery."""
    source = OktaWorkflows(settings(auth="hmac", secrets=["one"]))
    one = {"event": "user.created", "user": {"id": "u"}}
    body = json.dumps([one, one, {**one, "id": "7"}]).encode()
    first, again, later = (source.parse(delivery(body), at).news for at in (NOW, NOW, NOW + 1000))
    assert [news.key for news in first] == [news.key for news in again]
    assert len({news.key for news in first}) == 3
    assert all(news.key for news in first)
    assert [news.key for news in first][2] == [news.key for news in later][2]
    assert not {news.key for news in first[:2]} & {news.key for news in later[:2]}


def test_key_needs_an_id() -> None:
    """Same id and content: same key, whatever the order of fields. No id: never a repeat."""
    one, same, other, none = parse(
        [
            {"event": "user.created", "id": "1", "user": {"id": "u", "active": True}},
            {"user": {"active": True, "id": "u"}, "id": "1", "event": "user.created"},
            {"event": "user.created", "id": "1", "user": {"id": "u", "active": False}},
            {"event": "user.created", "user": {"id": "u"}},
        ]
    ).news

    assert one.key == same.key
    assert one.key is not None
    assert len(one.key) == 16
    assert one.key != other.key
    assert none.key is None


@pytest.mark.parametrize(
    ("told", "active"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("False", False),
        (" TRUE ", True),
        ("", None),
        (None, None),
    ],
)
def test_active_as_flows_write_it(told: Any, active: bool | None) -> None:
    """Booleans and their names; nothing says nothing."""
    (news,) = parse({"event": "user.updated", "user": {"id": "u", "active": told}}).news
    assert UserNews("u", None, active) == news.user


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"event": "user.created"}, "user is missing .it has event"),
        ({"event": "user.created", "user": "u1"}, "user is a string: send an object"),
        (
            {"event": "user.created", "user": {"first_name": "Ana", "ana@acme.test": 1}},
            "it has first_name, 1 other",
        ),
        ({"event": "user.created", "user": {"id": {}}}, "user.id is an object: send a string"),
        ({"event": "user.created", "user": {"id": "x" * 1001}}, "user.id has 1001 characters"),
        (
            {"event": "user.created", "user": {"id": "u", "active": "yes"}},
            "user.active is a string that is neither",
        ),
        ({"event": "group.created", "group": {"id": " "}}, "group.id and group.name are both missing"),
        ({"event": "group.user_added", "user": {"id": "u"}}, "group is missing"),
        ({"event": "user.created", "user": {"id": "u"}, "occurred_at": "soon"}, "occurred_at is not a time"),
        ({"event": "user.created", "user": {"id": "u"}, "occurred_at": []}, "occurred_at is a list"),
        ({"event": "user.created", "user": {"id": "u"}, "id": {}}, "id is an object"),
        ({"event": "user.exploded"}, "send one of user.created, user.updated, .*group.user_removed"),
        ([{"event": "x"}, 7], "none of the 2 elements"),
        ([], "the list is empty"),
        (7, "the body is a number"),
    ],
)
def test_reasons_name_the_field(body: Any, reason: str) -> None:
    """What is missing or wrong, and what was found instead, without anything personal."""
    with pytest.raises(UnreadableError, match=reason) as caught:
        parse(body)
    assert caught.value.status == 422
    assert "Ana" not in caught.value.reason
    assert "@" not in caught.value.reason


@pytest.mark.parametrize(
    "odd",
    [
        {"occurred_at": "soon"},
        {"id": {}},
        {"user": {"id": "u", "email": ["ana@acme.test"], "active": False}},
        {"group": {"id": "g", "name": {}}},
    ],
)
@pytest.mark.parametrize("event", ["user.updated", "user.deleted", "group.user_removed", "group.deleted"])
def test_nothing_odd_beside_it_keeps_a_leaver_in(event: str, odd: dict[str, Any]) -> None:
    """What names the user or group is needed, all else is left out; what gives is refused as ever."""
    leaver = {"event": event, "user": {"id": "u", "active": False}, "group": {"id": "g"}, **odd}
    (news,) = parse(leaver).news
    assert news.takes_away
    assert news.told is None
    with pytest.raises(UnreadableError):
        parse({**leaver, "event": "group.user_added"} | ({} if "user" not in odd else {"group": {"id": []}}))


def test_bad_elements_do_not_stop_good_ones() -> None:
    """Each element of a list stands alone."""
    parsed = parse([{"event": "user.created", "user": {"id": "u"}}, {"event": "user.created"}])
    assert (len(parsed.news), [one.index for one in parsed.refused]) == (1, [1])


def test_not_json_is_400() -> None:
    """The status tells it apart from JSON of another kind."""
    with pytest.raises(UnreadableError) as caught:
        parse(b"event=user.created")
    assert caught.value.status == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "email", "active", "name"]), inner)
    ),
    max_leaves=15,
)
ELEMENTS = st.fixed_dictionaries(
    {"event": st.sampled_from([name.value for name in EventName]) | JSON},
    optional={"user": JSON, "group": JSON, "id": JSON, "occurred_at": JSON | st.datetimes().map(str)},
)


@given(JSON | ELEMENTS | st.lists(ELEMENTS))
def test_no_body_raises_anything_else(body: Any) -> None:
    """Every element of any JSON is news or refused; or the whole is unreadable."""
    try:
        parsed = parse(body)
    except SourceError as error:
        assert isinstance(error, UnreadableError)
    else:
        assert (len(body) if isinstance(body, list) else 1) == len(parsed.news) + len(parsed.refused)


def test_registry_makes_it() -> None:
    """The kind in the settings leads here."""
    assert isinstance(make_source(settings(secrets=["x"])), OktaWorkflows)
