"""Jackson and Polis: what they sign and what their bodies mean."""

import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory.events import EventName, GroupNews, News, UserNews
from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, Parsed, SourceError, UnreadableError, UnverifiedError
from bridge.sources.jackson import Jackson

NOW = 1_795_319_083_036
SETTINGS = SourceSettings.model_validate({"name": "polis", "kind": "jackson", "secrets": ["one", "two"]})
DIRECTORY = "2287826c-c603-4f66-8457-936cb2442fab"
SOURCE = Jackson(SETTINGS)


def captures() -> dict[str, bytes]:
    """Bodies captured from @boxyhq/saml-jackson 26.2.0, by the first word of their label."""
    lines = (Path(__file__).parent / "data" / "jackson.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return {row["label"].split()[0]: row["raw_body"].encode() for row in rows}


CAPTURES = captures()


def signature(body: bytes, t: int = NOW, secret: str = "one") -> str:
    """The header Jackson sends."""
    return f"t={t},s={hmac.new(secret.encode(), b'%d.' % t + body, 'sha256').hexdigest()}"


def delivery(body: bytes, **headers: str) -> Delivery:
    """A delivery that arrives at NOW; `_` in a header's name stands for `-`."""
    return Delivery({name.replace("_", "-"): value for name, value in headers.items()}, body, NOW)


def parse(body: Any, signed_at: int = NOW) -> Parsed:
    """Parse a body given as bytes or as what JSON makes of it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SOURCE.parse(delivery(raw), signed_at)


def event(name: str, data: Any) -> dict[str, Any]:
    """An event in Jackson's envelope."""
    return {"event": name, "tenant": "acme", "product": "docs", "directory_id": DIRECTORY, "data": data}


def only(parsed: Parsed) -> News:
    """The one element there is, without its key."""
    (news,) = parsed.news
    return News(news.name, news.user, news.group, news.told, news.directory_id)


@pytest.mark.parametrize("header", ["boxyhq_signature", "ory_polis_signature"])
@pytest.mark.parametrize("secret", ["one", "two"])
async def test_either_header_and_either_secret_verifies(header: str, secret: str) -> None:
    """The signed time comes back in milliseconds."""
    body = CAPTURES["A01"]
    assert await SOURCE.verify(delivery(body, **{header: signature(body, NOW - 5, secret)})) == NOW - 5


async def test_first_header_decides_alone() -> None:
    """With both headers time comes from BoxyHQ-Signature, and a good second does not heal a bad first."""
    good, later = signature(b"{}"), signature(b"{}", NOW + 1)

    assert await SOURCE.verify(delivery(b"{}", boxyhq_signature=good, ory_polis_signature=later)) == NOW
    with pytest.raises(UnverifiedError):
        await SOURCE.verify(delivery(b"{}", boxyhq_signature="t=1,s=00", ory_polis_signature=good))


@pytest.mark.parametrize("off", [-300_001, 300_001, -NOW + NOW // 1000])
async def test_time_outside_the_tolerance_is_refused(off: int) -> None:
    """Too old, too far ahead, and seconds instead of milliseconds."""
    with pytest.raises(UnverifiedError, match=r"signed .* s (ago|in the future)"):
        await SOURCE.verify(delivery(b"{}", boxyhq_signature=signature(b"{}", NOW + off)))


async def test_missing_header_and_wrong_secret_are_refused() -> None:
    """Nobody without a secret of ours is believed."""
    for headers in (
        {},
        {"boxyhq_signature": signature(b"{}", secret="three")},
        {"authorization": "Bearer one"},
    ):
        with pytest.raises(UnverifiedError):
            await SOURCE.verify(delivery(b"{}", **headers))


@given(st.text(), st.binary())
async def test_hostile_deliveries_are_refused(header: str, body: bytes) -> None:
    """Any header over any body: UnverifiedError and nothing else."""
    with pytest.raises(UnverifiedError):
        await SOURCE.verify(delivery(body, boxyhq_signature=header))


def test_captured_user_events_are_read() -> None:
    """Created, deactivated, deleted: id, e-mail and state, nothing else."""
    ann = UserNews("94138db5-f93d-4656-b5f8-f75bddf55ec8", "ann@acme.test", True)
    off = UserNews(ann.id, ann.email, False)

    for label, name, user in (
        ("A01", EventName.USER_CREATED, ann),
        ("A05", EventName.USER_UPDATED, off),
        ("A21", EventName.USER_DELETED, ann),
    ):
        assert News(name, user, None, NOW, DIRECTORY) == only(parse(CAPTURES[label]))


def test_captured_membership_carries_user_and_group() -> None:
    """The user stands at the top of data; the group's stale list of members is left out."""
    added = only(parse(CAPTURES["A12"]))

    assert added.name == EventName.USER_ADDED
    assert UserNews("94138db5-f93d-4656-b5f8-f75bddf55ec8", "ann@acme.test", True) == added.user
    assert GroupNews("c0127ada-eb32-4677-906a-91a78f1d3e99", "Writers", None) == added.group


def test_captured_group_update_tells_its_members() -> None:
    """A PUT-style provider's list is passed on as ids."""
    group = only(parse(CAPTURES["A18"])).group

    assert group is not None
    assert group.members == (
        "94138db5-f93d-4656-b5f8-f75bddf55ec8",
        "08c23088-e26b-4291-a37c-46458ee040e2",
    )


def test_captured_group_deletion_tells_no_members() -> None:
    """The list a deleted group carries along is of no use."""
    group = only(parse(CAPTURES["A25"])).group
    assert group is not None
    assert group.members is None


def test_captured_batch_keeps_its_order() -> None:
    """A list is read element by element, each with a key of its own."""
    parsed = parse(CAPTURES["D1"])

    assert len(parsed.news) == len(json.loads(CAPTURES["D1"])) == len({news.key for news in parsed.news})
    assert not parsed.refused


def test_address_that_is_none_is_passed_on() -> None:
    """Without e-mails Jackson tells the user name."""
    user = only(parse(CAPTURES["B17"])).user
    assert user is not None
    assert user.email == "onelogin.user"


@pytest.mark.parametrize(
    ("told", "active"),
    [
        (True, True),
        (False, False),
        ("True", True),
        ("true", True),
        ("False", False),
        ("false", False),
        ("", False),
        (0, False),
        (1, True),
        (None, None),
        ("perhaps", None),
        ([], None),
    ],
)
def test_active_as_senders_write_it(told: Any, active: bool | None) -> None:
    """Entra's "False" and a removed attribute's "" are inactive; what means nothing says nothing."""
    assert (
        UserNews("u1", None, active) == only(parse(event("user.updated", {"id": "u1", "active": told}))).user
    )


def test_missing_active_says_nothing() -> None:
    """An absent field is not news."""
    assert (
        UserNews("u1", "a@acme.test")
        == only(parse(event("user.updated", {"id": "u1", "email": " a@acme.test "}))).user
    )


def test_odd_address_does_not_keep_a_deactivation_out() -> None:
    """Fields that cannot be used are left out, the rest counts."""
    told = event("user.updated", {"id": "u1", "email": {"value": "x"}, "active": False})
    assert UserNews("u1", None, False) == only(parse(told)).user


def test_missing_data_is_acknowledged() -> None:
    """Jackson would repeat a 4xx and block its queue over it, so it is refused within a 200."""
    parsed = parse(CAPTURES["A23"])

    assert parsed.news == []
    assert [one.index for one in parsed.refused] == [0]
    assert "data is missing" in parsed.refused[0].reason


def test_bad_elements_do_not_stop_good_ones() -> None:
    """Each element of a list stands alone."""
    parsed = parse(
        [event("user.created", {"id": "u1"}), 7, event("user.created", {"id": "u2"}), {"event": "x"}]
    )

    assert [news.user.id for news in parsed.news if news.user] == ["u1", "u2"]
    assert [one.index for one in parsed.refused] == [1, 3]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("dsync.created", {"id": "1"}),
        ("sso.deleted", {"id": "1"}),
        ("dsync.activated", None),
        ("dsync.deactivated", {"id": 7}),
        ("dsync.deleted", {"id": "1\x1f2"}),
    ],
)
@pytest.mark.parametrize("more", [{}, {"directory_id": "d"}])
def test_other_events_of_the_global_hook_are_ignored(name: str, data: Any, more: dict[str, Any]) -> None:
    """They are fine: nobody is taken to have left. One that names no directory can only be shown."""
    parsed = parse({"event": name, "tenant": "acme", "product": "docs", "data": data, **more})
    assert (len(parsed.news), len(parsed.refused), parsed.ignored) == (0, 0, 1)


@pytest.mark.parametrize("how", ["activated", "deactivated", "deleted"])
def test_connection_of_a_directory_is_read(how: str) -> None:
    """By its id, which stands in `data`; told when it was signed, and the same when it is repeated."""
    data = {"id": DIRECTORY, "name": "Acme Okta", "type": "okta-scim-v2"}
    body = {"event": f"dsync.{how}", "tenant": "acme", "product": "docs", "data": data}
    expected = News(EventName(f"connection.{how}"), told=NOW, directory_id=DIRECTORY)
    assert expected == only(parse(body))
    first, again, later = (parse(body, at).news[0].key for at in (NOW, NOW, NOW + 1))
    assert first == again != later


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("dsync.deleted", {"name": "Acme Okta"}, ['the directory "Acme Okta" was deleted at the sender: ']),
        ("dsync.deactivated", {"name": "Acme"}, ['the directory "Acme" was deactivated at the sender: ']),
        ("dsync.deleted", {"name": "ana@acme.test"}, ["the directory was deleted at the sender: "]),
        ("dsync.deleted", {"name": 7}, ["the directory was deleted at the sender: "]),
        ("dsync.deleted", [], ["the directory was deleted at the sender: "]),
        ("dsync.created", {"name": "Acme"}, []),
        ("dsync.activated", {"name": "Acme"}, []),
        ("sso.deleted", {"name": "Acme"}, []),
    ],
)
def test_operators_are_told_of_a_directory_that_ended(name: str, data: Any, told: list[str]) -> None:
    """It is silence from then on; its name is told where it is one."""
    parsed = parse([{"event": "sso.created", "data": {}}, {"event": name, "data": data}])
    end = "it tells nothing more of its people, and nobody is removed because of it"
    assert [notice.text for notice in parsed.notices] == [start + end for start in told]
    assert [notice.index for notice in parsed.notices] == [1] * len(told)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"no json", b"\xff\xfe\x00", b'{"a": NaN}', b"[" * 100_000, b'"\\u"']
)
def test_what_is_not_json_is_400(body: bytes) -> None:
    """The reason says so."""
    with pytest.raises(UnreadableError, match="not JSON") as caught:
        parse(body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'"text"', "the body is a string"),
        (b"42", "the body is a number"),
        (b"null", "the body is null"),
        (b"[]", "the list is empty"),
        (b"[[]]", "none of the 1 elements .* is a list"),
        (b'{"foo": 1}', "event is missing .it has foo"),
        (b'{"event": "user.exploded"}', 'event is "user.exploded": send one of user.created, '),
        (b'{"event": 7}', "event is a number"),
        (b'{"event": "user.created", "data": []}', "data is a list"),
        (b'{"event": "user.created", "data": {"email": "a@acme.test"}}', "data.id is missing .it has email"),
        (b'{"event": "group.user_added", "data": {"id": "u"}}', "data.group is null"),
        (b'{"event": "user.created", "directory_id": 7, "data": {"id": "u"}}', "directory_id"),
    ],
)
def test_nothing_of_that_kind_is_422(body: bytes, reason: str) -> None:
    """The reason names the field and what was found instead."""
    with pytest.raises(UnreadableError, match=reason) as caught:
        parse(body)
    assert caught.value.status == 422


def test_half_an_emoji_is_no_reason_to_refuse() -> None:
    """JSON.stringify writes a lone surrogate for a name cut in two."""
    body = b'{"event": "group.created", "data": {"id": "g1", "name": "Team \\ud83d"}}'
    assert GroupNews("g1", "Team ?") == only(parse(body)).group


def test_key_is_that_of_the_very_delivery() -> None:
    """A retry has the same key; another time, place or content another one."""
    one, other = event("user.updated", {"id": "u1"}), event("user.updated", {"id": "u2"})
    first = parse([one, one, other]).news
    keys = [news.key for news in (*first, *parse([one], NOW + 1).news)]

    assert [news.key for news in parse([one, one, other]).news] == [news.key for news in first]
    assert len(set(keys)) == 4
    assert all(key is not None and len(key) == 16 for key in keys)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "event", "data", "group", "active", "raw", "members", "email"]), inner
        )
    ),
    max_leaves=20,
)
ELEMENTS = st.fixed_dictionaries(
    {"event": st.sampled_from([name.value for name in EventName]) | JSON, "data": JSON},
    optional={"directory_id": JSON},
)


@given(JSON | ELEMENTS | st.lists(ELEMENTS | JSON))
def test_no_body_raises_anything_else(body: Any) -> None:
    """Every element of any JSON is news, refused or ignored; or the whole is unreadable."""
    raw = json.dumps(body).encode()
    try:
        parsed = SOURCE.parse(delivery(raw), NOW)
    except SourceError as error:
        assert isinstance(error, UnreadableError)
    else:
        count = len(body) if isinstance(body, list) else 1
        assert count == len(parsed.news) + len(parsed.refused) + parsed.ignored


@given(st.binary())
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    """Whatever bytes arrive, the answer is a reason."""
    with pytest.raises(UnreadableError):
        SOURCE.parse(delivery(body), NOW)


def test_unknown_word_for_active_is_shown() -> None:
    """It says nothing of whether the user is active, and that might be missed."""
    parsed = parse(event("user.updated", {"id": "u1", "active": "archived"}))
    assert only(parsed).user == UserNews("u1", None, None)
    (notice,) = parsed.notices
    assert "whether the user is active is not known" in notice.text
    assert not parse(event("user.updated", {"id": "u1", "active": "False"})).notices


def test_listed_member_who_can_be_nobody_is_left_out() -> None:
    """An identifier with a control character is let in nowhere else either."""
    raw = {"members": [{"value": "u1"}, {"value": "u\x1f2"}, {"value": ""}, 7]}
    news = only(parse(event("group.updated", {"id": "g1", "name": "Writers", "raw": raw})))
    assert news.group == GroupNews("g1", "Writers", ("u1",))
