"""WorkOS: what it signs and what its ten directory events mean."""

import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.directory.events import EventName, GroupNews, News, UserNews
from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, Parsed, SourceError, UnreadableError, UnverifiedError
from bridge.sources.registry import make_source
from bridge.sources.workos import WorkOS

NOW = 1_795_319_083_036
SETTINGS = SourceSettings.model_validate({"name": "workos", "kind": "workos", "secrets": ["one", "two"]})
SOURCE = WorkOS(SETTINGS)
CREATED_AT = 1_768_478_400_000  # 2026-01-15T12:00:00.000Z
DIRECTORY = "directory_01ECAZ4NV9QMV47GW873HDCX74"
MARCELINA = UserNews("directory_user_01E1JG7J09H96KYP8HM9B0G5SJ", "marcelina.davis@acme.test", True)
DEVELOPERS = GroupNews("directory_group_01E1JJS84MFPPQ3G655FHTKX6Z", "Developers")


def fixtures() -> dict[str, Any]:
    """Events by name, as in the fixtures of workos-python."""
    lines = (Path(__file__).parent / "data" / "workos.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["event"]: row for row in map(json.loads, lines)}


FIXTURES = fixtures()


def signature(body: bytes, t: int = NOW, secret: str = "one", comma: str = ", ") -> str:
    """The header WorkOS sends."""
    return f"t={t}{comma}v1={hmac.new(secret.encode(), b'%d.' % t + body, 'sha256').hexdigest()}"


def delivery(body: bytes, header: str | None = None) -> Delivery:
    """A delivery that arrives at NOW."""
    return Delivery({} if header is None else {"workos-signature": header}, body, NOW)


def parse(body: Any, signed_at: int = NOW) -> Parsed:
    """Parse a body given as bytes or as what JSON makes of it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SOURCE.parse(delivery(raw), signed_at)


def only(parsed: Parsed) -> News:
    """The one element there is, without its key."""
    (news,) = parsed.news
    return News(news.name, news.user, news.group, news.told, news.directory_id)


def user_event(**data: Any) -> dict[str, Any]:
    """An update of a user."""
    return {"event": "dsync.user.updated", "id": "event_1", "data": {"id": "u1", **data}}


@pytest.mark.parametrize("secret", ["one", "two"])
@pytest.mark.parametrize("comma", [", ", ","])
@pytest.mark.parametrize("off", [0, -299_000, 299_000])
async def test_either_secret_verifies(secret: str, comma: str, off: int) -> None:
    """With a space after the comma or without; the signed time comes back in milliseconds."""
    header = signature(b"{}", NOW + off, secret, comma)
    assert await make_source(SETTINGS).verify(delivery(b"{}", header)) == NOW + off


@pytest.mark.parametrize("off", [-300_001, 300_001, -NOW + NOW // 1000])
async def test_time_outside_the_tolerance_is_refused(off: int) -> None:
    """Too old, too far ahead, and seconds instead of milliseconds."""
    with pytest.raises(UnverifiedError, match=r"signed .* s (ago|in the future)"):
        await SOURCE.verify(delivery(b"{}", signature(b"{}", NOW + off)))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"t={NOW}",
        signature(b"{}", secret="three"),
        signature(b"[]"),
        signature(b"{}").replace("v1=", "s="),
        signature(b"{}").replace("v1=", "v1"),
        signature(b"{}") + ", v1=00",
        signature(b"{}")[:-1],
        signature(b"{}").replace("t=", "t=+"),
    ],
)
async def test_other_headers_are_refused(header: str | None) -> None:
    """Nobody without a secret of ours is believed, and nothing malformed."""
    with pytest.raises(UnverifiedError):
        await SOURCE.verify(delivery(b"{}", header))


@given(st.text() | st.text().map(lambda text: f"t={NOW}, v1={text}"), st.binary())
async def test_hostile_deliveries_are_refused(header: str, body: bytes) -> None:
    """Any header over any body: UnverifiedError and nothing else."""
    with pytest.raises(UnverifiedError):
        await SOURCE.verify(delivery(body, header))


@pytest.mark.parametrize(
    ("event", "user", "group"),
    [
        ("user.created", MARCELINA, None),
        ("user.updated", MARCELINA, None),
        ("user.deleted", MARCELINA, None),
        ("group.created", None, DEVELOPERS),
        ("group.updated", None, DEVELOPERS),
        ("group.deleted", None, DEVELOPERS),
    ],
)
def test_user_and_group_events_are_read(event: str, user: UserNews | None, group: GroupNews | None) -> None:
    """The directory is the one in `data`, the time that of the event."""
    expected = News(EventName(event), user, group, CREATED_AT, DIRECTORY)
    assert expected == only(parse(FIXTURES[f"dsync.{event}"]))


@pytest.mark.parametrize("event", ["group.user_added", "group.user_removed"])
def test_membership_is_nested(event: str) -> None:
    """User and group stand beside the directory's id, with the times since when they are as quoted."""
    user, group = replace(MARCELINA, updated=CREATED_AT), replace(DEVELOPERS, updated=CREATED_AT)
    expected = News(EventName(event), user, group, CREATED_AT, "directory_01EHWNCE74X7JSDV0X3SZ3KJNY")
    assert expected == only(parse(FIXTURES[f"dsync.{event}"]))


@pytest.mark.parametrize(
    "event",
    [
        {"event": "dsync.token.created", "data": {}},
        {"event": "dsync.deactivated", "data": None},
        {"event": "dsync.user.exploded"},
        {"event": "user.created", "data": {"object": "user", "id": "user_1", "email": "a@acme.test"}},
        {"event": "connection.activated"},
    ],
)
def test_other_events_are_ignored(event: Any) -> None:
    """A connection that ends does not mean that everyone left; AuthKit's users are not the directory's."""
    parsed = parse(event)
    assert (len(parsed.news), len(parsed.refused), parsed.ignored) == (0, 0, 1)


@pytest.mark.parametrize("how", ["activated", "deleted"])
def test_connection_of_a_directory_is_read(how: str) -> None:
    """By the id that its users' events have; told when the event was made."""
    expected = News(
        EventName(f"connection.{how}"), told=CREATED_AT, directory_id="directory_01EHWNCE74X7JSDV0X3SZ3KJNY"
    )
    assert expected == only(parse(FIXTURES[f"dsync.{how}"]))


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            "dsync.deleted",
            ['the directory "Acme Directory" was deleted at the sender: it tells nothing more'],
        ),
        ("dsync.activated", []),
    ],
)
def test_operators_are_told_of_a_directory_that_ended(event: str, told: list[str]) -> None:
    """`data.state` is the state before; the event's name is what counts."""
    notices = parse(FIXTURES[event]).notices
    assert [notice.text.partition(" of its people")[0] for notice in notices] == told


@pytest.mark.parametrize(
    ("state", "active"),
    [
        ("active", True),
        ("suspended", False),
        ("inactive", False),
        (" Inactive ", False),
        ("staged", None),
        (None, None),
        (1, None),
    ],
)
def test_state(state: Any, active: bool | None) -> None:
    """Suspended and inactive users must not be members; a state nobody knows says nothing."""
    assert UserNews("u1", None, active) == only(parse(user_event(state=state))).user


@pytest.mark.parametrize("email", [None, "", {"value": "a@acme.test"}, 7])
def test_address_may_be_null(email: Any) -> None:
    """An odd address does not keep a deactivation out."""
    assert UserNews("u1", None, False) == only(parse(user_event(email=email, state="inactive"))).user


@pytest.mark.parametrize(
    ("created_at", "told"),
    [
        ("2023-04-28T20:05:31.093Z", 1_682_712_331_093),
        ("2023-04-28 20:05:31.093", 1_682_712_331_093),
        (None, NOW),
        ("", NOW),
    ],
)
def test_time_is_that_of_the_event(created_at: Any, told: int) -> None:
    """As the documentation also shows it, without T and Z; the signed time where there is none."""
    assert told == only(parse({**user_event(), "created_at": created_at})).told


def test_key_is_the_id_of_the_event() -> None:
    """A repeat has the same id, whatever it was signed with; without an id nothing is a repeat."""
    event = user_event()
    keys = [
        parse(body, signed_at).news[0].key
        for body, signed_at in (
            (event, NOW),
            ({**event, "context": {}}, NOW + 1),
            ({**event, "id": "event_2"}, NOW),
            ({**event, "id": None}, NOW),
        )
    ]
    assert keys[0] == keys[1] != keys[2]
    assert keys[0] is not None
    assert len(keys[0]) == 16
    assert keys[3] is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'"text"', "the body is a string"),
        (b"[]", "the list is empty"),
        (b'{"foo": 1}', r"event is missing .it has foo.: send one of dsync.user.created, "),
        (b'{"event": ""}', "event is missing"),
        (b'{"event": 7}', "event is a number"),
        (b'{"event": "dsync.user.created"}', "data is null"),
        (b'{"event": "dsync.user.created", "data": {"email": "a@acme.test"}}', "data.id is missing"),
        (b'{"event": "dsync.group.user_added", "data": {"user": {"id": "u"}}}', "data.group is null"),
        (b'{"event": "dsync.group.user_added", "data": {"user": {}}}', "data.user.id is missing"),
        (
            b'{"event": "dsync.user.created", "data": {"id": "u", "directory_id": 7}}',
            "data.directory_id is not a string",
        ),
        (
            b'{"event": "dsync.user.created", "created_at": "soon", "data": {"id": "u"}}',
            "created_at is not a time",
        ),
        (b'{"event": "dsync.user.created", "id": [], "data": {"id": "u"}}', "id is a list"),
    ],
)
def test_nothing_of_that_kind_is_422(body: bytes, reason: str) -> None:
    """The reason names the field and what was found instead."""
    with pytest.raises(UnreadableError, match=reason) as caught:
        parse(body)
    assert caught.value.status == 422


def test_unknown_state_is_shown() -> None:
    """It says nothing of whether the user is active, and that might be missed."""
    parsed = parse(user_event(state="archived"))
    assert only(parsed).user == UserNews("u1", None, None)
    assert [note.text for note in parsed.notices] == [
        "data.state is none of active, inactive, suspended: whether the user is active is not known"
    ]
    for state in ("active", "Suspended ", "", None):
        assert not parse(user_event(state=state)).notices


def test_unknown_event_of_a_user_is_shown() -> None:
    """WorkOS adds events; one of people or groups may be news that is missed. Others mean nothing."""
    parsed = parse({"event": "dsync.user.archived", "id": "event_1", "data": {"id": "u1"}})
    assert (parsed.news, parsed.ignored) == ([], 1)
    assert [note.text for note in parsed.notices] == [
        '"dsync.user.archived" is not known to this version: nothing is made of it'
    ]
    assert not parse({"event": "connection.activated", "id": "event_1", "data": {}}).notices


@pytest.mark.parametrize("more", [{"created_at": "soon"}, {"id": {}}])
def test_odd_time_or_id_keeps_no_leaver_in(more: Any) -> None:
    """The event counts from its signature's time, or has no key, and operators see it."""
    for event, data in (
        ("dsync.user.updated", {"id": "u1", "state": "inactive"}),
        ("dsync.user.deleted", {"id": "u1"}),
        ("dsync.group.user_removed", {"user": {"id": "u1"}, "group": {"id": "g1"}}),
    ):
        parsed = parse({"event": event, "id": "event_1", "data": data, **more})
        assert only(parsed).told == NOW
        assert len(parsed.notices) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_what_is_not_json_is_400(body: bytes) -> None:
    """The reason says so."""
    with pytest.raises(UnreadableError, match="not JSON") as caught:
        parse(body)
    assert caught.value.status == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "data", "user", "group", "state", "email", "directory_id"]), inner
        )
    ),
    max_leaves=20,
)
EVENTS = st.fixed_dictionaries(
    {"event": st.sampled_from(sorted(FIXTURES)) | JSON, "data": JSON},
    optional={"id": JSON, "created_at": JSON},
)


@given(JSON | EVENTS | st.lists(EVENTS | JSON))
def test_no_body_raises_anything_else(body: Any) -> None:
    """Every element of any JSON is news, refused or ignored; or the whole is unreadable."""
    try:
        parsed = parse(json.dumps(body).encode())
    except SourceError as error:
        assert isinstance(error, UnreadableError)
    else:
        count = len(body) if isinstance(body, list) else 1
        assert count == len(parsed.news) + len(parsed.refused) + parsed.ignored


@given(st.binary())
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    """Whatever bytes arrive, the answer is a reason."""
    with pytest.raises(UnreadableError):
        parse(body)
