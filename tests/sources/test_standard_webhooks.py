"""Standard Webhooks: the envelope's proof, and the three bodies it may hold."""

import base64
import hmac
import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory.events import EventName, UserNews
from bridge.settings import Secret, SettingsError, SourceSettings, parse_settings
from bridge.sources.base import Delivery, Parsed, SourceError, UnreadableError, UnverifiedError
from bridge.sources.registry import make_source
from bridge.sources.standard_webhooks import StandardWebhooks

NOW = 1_795_319_083_036
SECONDS = NOW // 1000
OLD, NEW = (base64.b64encode(byte * 32).decode() for byte in (b"\xfb", b"\x07"))


def settings(**more: Any) -> SourceSettings:
    """A [[sources]] table of this kind; the second secret has no prefix."""
    table = {"name": "std", "kind": "standard-webhooks", "secrets": [f"whsec_{OLD}", NEW]}
    return SourceSettings.model_validate(table | more)


SOURCE = StandardWebhooks(settings())


def signature(body: bytes, ident: str = "msg_1", stamp: str = str(SECONDS), secret: str = OLD) -> str:
    """One entry of webhook-signature."""
    message = f"{ident}.{stamp}.".encode("latin-1") + body
    return "v1," + base64.b64encode(hmac.digest(base64.b64decode(secret), message, "sha256")).decode()


def delivery(body: bytes, listed: str, ident: str = "msg_1", stamp: str = str(SECONDS)) -> Delivery:
    """A delivery that arrives at NOW."""
    headers = {"webhook-id": ident, "webhook-timestamp": stamp, "webhook-signature": listed}
    return Delivery(headers, body, NOW)


def parse(body: Any, ident: str = "msg_1", source: StandardWebhooks = SOURCE) -> Parsed:
    """Parse a body given as bytes or as what JSON makes of it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return source.parse(delivery(raw, "", ident), SECONDS * 1000)


def event(**more: Any) -> dict[str, Any]:
    """An event in the bridge's own shape."""
    return {"event": "user.created", "user": {"id": "u1"}, **more}


async def test_the_specification_s_own_example() -> None:
    """The test vector that its libraries share."""
    source = StandardWebhooks(settings(secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]))
    body = b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert await source.verify(Delivery(headers, body, 1_614_265_331_000)) == 1_614_265_330_000


@pytest.mark.parametrize("secret", [OLD, NEW])
async def test_either_secret_verifies(secret: str) -> None:
    """With whsec_ before it or without; the signed time comes back in milliseconds."""
    good = delivery(b"{}", signature(b"{}", secret=secret))
    assert await make_source(settings()).verify(good) == SECONDS * 1000


@pytest.mark.parametrize(
    "listed",
    [
        "v1a,AAAA " + signature(b"{}"),
        signature(b"[]") + " " + signature(b"{}"),
        signature(b"{}") + " v1,AAAA",
        " nonsense  v1, ,v1 " + signature(b"{}") + " ",
    ],
)
async def test_any_signature_of_the_list_verifies(listed: str) -> None:
    """While the sender changes its secret there are several; those of other versions do no harm."""
    assert await SOURCE.verify(delivery(b"{}", listed)) == SECONDS * 1000


@pytest.mark.parametrize(
    "listed",
    [
        "",
        " ",
        "v1",
        "v1,",
        ",",
        signature(b"[]"),
        signature(b"{}", ident="msg_2"),
        signature(b"{}", stamp=str(SECONDS - 1)),
        signature(b"{}", secret=base64.b64encode(b"nobody's").decode()),
        signature(b"{}").replace("v1,", "v1a,"),
        signature(b"{}").replace("v1,", "v1="),
        signature(b"{}")[3:],
        signature(b"{}").rstrip("="),
        "v1,x " * 1000 + signature(b"{}"),
    ],
)
async def test_other_signatures_are_refused(listed: str) -> None:
    """Another body, id, time, secret or version; malformed lists; lists without end."""
    with pytest.raises(UnverifiedError):
        await SOURCE.verify(delivery(b"{}", listed))


@pytest.mark.parametrize(
    "stamp", ["", "now", "-1", "1e9", str(NOW), "9" * 400, "\u00b2", str(SECONDS - 301), str(SECONDS + 301)]
)
async def test_other_times_are_refused(stamp: str) -> None:
    """No number, milliseconds, too old, too far ahead: also when they are signed."""
    with pytest.raises(UnverifiedError):
        await SOURCE.verify(delivery(b"{}", signature(b"{}", stamp=stamp), stamp=stamp))


async def test_headers_of_svix_are_the_same() -> None:
    """Its own names, as many products on it send them; the specification's come first where both are."""
    good = delivery(b"{}", signature(b"{}"))
    svix = {name.replace("webhook-", "svix-"): value for name, value in good.headers.items()}
    other = {"webhook-id": "msg_2", **svix}

    assert await SOURCE.verify(Delivery(svix, b"{}", NOW)) == SECONDS * 1000
    with pytest.raises(UnverifiedError):
        await SOURCE.verify(Delivery(other, b"{}", NOW))
    first, again = (
        SOURCE.parse(Delivery(headers, json.dumps(event()).encode(), NOW), NOW).news[0].key
        for headers in (good.headers, svix)
    )
    assert first == again


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_every_header_is_needed(missing: str) -> None:
    """An empty id is none, however well it is signed."""
    good = delivery(b"{}", signature(b"{}"))
    headers = {name: value for name, value in good.headers.items() if name != missing}
    with pytest.raises(UnverifiedError, match=r"webhook-|no secret"):
        await SOURCE.verify(Delivery(headers, b"{}", NOW))
    with pytest.raises(UnverifiedError, match="webhook-id"):
        await SOURCE.verify(delivery(b"{}", signature(b"{}", ident=""), ident=""))


HEADERS = st.text() | st.text(st.characters(max_codepoint=255)) | st.just(str(SECONDS))


@given(HEADERS, HEADERS, st.text() | st.text().map(lambda text: f"v1,{text}"), st.binary())
async def test_hostile_deliveries_are_refused(ident: str, stamp: str, listed: str, body: bytes) -> None:
    """Any headers over any body: UnverifiedError and nothing else."""
    with pytest.raises(UnverifiedError):
        await SOURCE.verify(delivery(body, listed, ident, stamp))


async def test_rotation_to_nonsense_verifies_nothing(tmp_path: Path) -> None:
    """A secret that turns into no key is passed over, also when it turns into an empty one."""
    (tmp_path / "secret").write_text(NEW)
    secret = Secret("file:secret", tmp_path)
    source = StandardWebhooks(settings().model_copy(update={"secrets": (secret, Secret(OLD))}))
    for text in ("not base64!", "whsec_"):
        (tmp_path / "secret").write_text(text)
        secret.reload()
        with pytest.raises(UnverifiedError):
            await source.verify(delivery(b"{}", signature(b"{}", secret=NEW)))
        assert await source.verify(delivery(b"{}", signature(b"{}"))) == SECONDS * 1000


@pytest.mark.parametrize("secret", ["whsec_", "whsec_über", "whsec_a_b", "whpk_AAAA", "whsec_A"])
def test_secret_that_is_no_key_is_a_mistake_of_the_configuration(secret: str) -> None:
    """It is said at the start which one it is, and not what it is."""
    table = {"name": "std", "kind": "standard-webhooks", "secrets": [OLD, secret]}
    with pytest.raises(SettingsError, match=r"sources\[0\]\.secrets\[1\]: is .*: write the secret") as caught:
        parse_settings({"sources": [table]}, Path("bridge.toml"))
    assert secret not in str(caught.value).replace("whsec_<base64>", "")


def test_bridge_body_by_default() -> None:
    """The time is the event's own, else the signed second's end, so that arrival orders within it."""
    own, none = parse([event(occurred_at="2026-01-31T09:30:00Z"), event()]).news

    assert (EventName.USER_CREATED, UserNews("u1")) == (own.name, own.user)
    assert own.told == 1_769_851_800_000
    assert none.told == SECONDS * 1000 + 999


def test_mapped_body() -> None:
    """Of any shape, by the map; the envelope's time is taken where the map finds none."""
    fields = {"event": "type", "user": {"id": "data.id"}, "events": {"person.left": "user.deleted"}}
    parsed = parse(
        {"type": "person.left", "data": {"id": "u1"}}, source=StandardWebhooks(settings(map=fields))
    )

    assert (parsed.news[0].name, parsed.news[0].user) == (EventName.USER_DELETED, UserNews("u1"))
    assert parsed.news[0].told == SECONDS * 1000 + 999


def test_jackson_body() -> None:
    """The envelope's time is the only one there is."""
    source = StandardWebhooks(settings(body="jackson"))
    body = {"event": "user.updated", "directory_id": "d", "data": {"id": "u1", "active": False}}
    (news,) = parse(body, source=source).news

    assert (UserNews("u1", None, False), "d") == (news.user, news.directory_id)
    assert news.told == SECONDS * 1000 + 999


def test_workos_body() -> None:
    """The event's own time counts; what is no directory event is ignored."""
    source = StandardWebhooks(settings(body="workos"))
    told = {
        "event": "dsync.user.updated",
        "id": "event_1",
        "created_at": "2026-01-31 09:30:00.000",
        "data": {"id": "u1", "directory_id": "d", "state": "suspended"},
    }
    (news,) = parse(told, source=source).news

    assert (UserNews("u1", None, False), "d", 1_769_851_800_000) == (news.user, news.directory_id, news.told)
    assert parse({"event": "dsync.deleted", "data": {}}, source=source).ignored == 1


@pytest.mark.parametrize("body", ["bridge", "jackson", "workos"])
def test_key_is_the_webhook_s_id_and_the_place(body: str) -> None:
    """A repeat has the same id, whatever else changed; the body's own ids do not matter."""
    source = StandardWebhooks(settings(body=body))
    one = {"event": ("dsync." if body == "workos" else "") + "user.created", "id": "1", "user": {"id": "u"}}
    one["data"] = {"id": "u"}
    first = parse([one, one], source=source).news
    again = parse([one, {**one, "id": "2"}], source=source).news
    other = parse([one], "msg_2", source).news

    assert [news.key for news in again] == [news.key for news in first]
    assert len({news.key for news in (*first, *other)}) == 3
    assert all(news.key is not None and len(news.key) == 16 for news in first)


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "not JSON"),
        (b"42", 422, "the body is a number"),
        (b'{"foo": 1}', 422, "event is missing"),
        (b'{"event": "user.created"}', 422, "user is missing"),
        (
            b'{"event": "user.created", "user": {"id": "u"}, "occurred_at": "soon"}',
            422,
            "occurred_at is not a time",
        ),
    ],
)
def test_unreadable_bodies(body: bytes, status: int, reason: str) -> None:
    """The reason names the field."""
    with pytest.raises(UnreadableError, match=reason) as caught:
        parse(body)
    assert status == caught.value.status


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "event", "data", "user", "group", "occurred_at"]), inner)
    ),
    max_leaves=20,
)


@given(
    st.binary() | JSON.map(lambda body: json.dumps(body).encode()),
    st.text(string.printable),
    st.sampled_from(["bridge", "jackson", "workos"]),
)
def test_no_body_raises_anything_else(raw: bytes, ident: str, body: str) -> None:
    """Whatever a verified sender sends, it is read or there is a reason."""
    try:
        parse(raw, ident, StandardWebhooks(settings(body=body)))
    except SourceError as error:
        assert isinstance(error, UnreadableError)
