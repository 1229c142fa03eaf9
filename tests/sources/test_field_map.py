"""The field map: somebody else's body in the bridge's words, or why not."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory.events import EventName, GroupNews, News, UserNews
from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, Parsed, UnreadableError
from bridge.sources.field_map import MOST_STEPS, MapReader
from bridge.sources.registry import make_source

AT = 1_769_851_800_000
MAP: dict[str, Any] = {
    "event": "type",
    "id": "message",
    "occurred_at": "at",
    "user": {"id": "person.number", "email": "person.mail", "active": "person.status == 'ACTIVE'"},
    "group": {"id": "team.id", "name": "team.title"},
    "events": {"hired": "user.created", "joined": "group.user_added", "paid": "ignore"},
}


def settings(**changes: Any) -> SourceSettings:
    """A source with the map above and these changes to it."""
    table = {"name": "hr", "kind": "okta-workflows", "secrets": ["s"], "map": MAP | changes}
    return SourceSettings.model_validate(table)


def parse(body: Any, **changes: Any) -> Parsed:
    """Parse a body by the map."""
    return make_source(settings(**changes)).parse(Delivery({}, json.dumps(body).encode(), 0), None)


def only(parsed: Parsed) -> News:
    """The one element there is, without its key."""
    (news,) = parsed.news
    return News(news.name, news.user, news.group, news.told, news.directory_id)


def reason(body: Any, **changes: Any) -> str:
    """Why a body cannot be read."""
    with pytest.raises(UnreadableError) as caught:
        parse(body, **changes)
    assert caught.value.status == 422
    return caught.value.reason


def hired(**person: Any) -> dict[str, Any]:
    """A body of somebody else's."""
    return {"type": "hired", "person": person}


def test_a_body_is_read_as_the_map_says() -> None:
    """Each of the bridge's fields comes from where the map has it; the rest is left alone."""
    person = {"number": 17, "mail": "ana@acme.test", "status": "ACTIVE", "password": "x"}
    body = {"type": "hired", "message": "m1", "at": "2026-01-31T09:30:00Z", "person": person}

    assert only(parse(body)) == News(EventName.USER_CREATED, UserNews("17", "ana@acme.test", True), None, AT)


def test_what_the_map_does_not_name_is_not_read() -> None:
    """A body's own `id` may be a person's: it must not make two changes look like a repeat."""
    fields = {key: value for key, value in MAP.items() if key not in ("id", "occurred_at")}
    table = {"name": "hr", "kind": "okta-workflows", "secrets": ["s"], "map": fields}
    body = {**hired(number="1"), "id": "1", "message": "m1", "occurred_at": "never", "at": "never"}
    parsed = make_source(SourceSettings.model_validate(table)).parse(
        Delivery({}, json.dumps(body).encode(), 0), None
    )

    assert parsed.news[0].key is None
    assert parsed.news[0].told is None


@pytest.mark.parametrize("at", ["2026-01-31T09:30:00Z", "2026-01-31 09:30", 1_769_851_800, AT, AT / 1000])
def test_time_may_be_counted(at: Any) -> None:
    """Unix seconds and milliseconds, beside texts."""
    assert only(parse({**hired(number=1), "at": at})).told == AT


def test_membership_needs_both() -> None:
    """The user's id and the group's title, which is its id too where the map has no other."""
    body = {"type": "joined", "person": {"number": 1}, "team": {"title": "Writers"}}

    assert only(parse(body)) == News(EventName.USER_ADDED, UserNews("1"), GroupNews("Writers", "Writers"))
    assert reason({**body, "team": {}}).startswith('group.id: the map says "team.id", and there is no "id"')


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            hired(login="ana", mails=[]),
            'user.id: the map says "person.number", and there is no "number" in person; it has login, mails; '
            'user.email: the map says "person.mail", and there is no "mail" in person; it has login, mails',
        ),
        ({"type": "hired"}, 'and there is no "person" in the body; it has type;'),
        ({"type": "hired", "person": None}, 'and "person" in the body is null;'),
        ({"type": "hired", "person": "ana@acme.test"}, "and person is a string, which has no fields;"),
        ({"typ": "hired"}, 'event: the map says "type", and there is no "type" in the body; it has typ'),
        (hired(number={"a": 1}), 'user.id: the map says "person.number", which is an object: make it a text'),
        (hired(number=["a"]), 'user.id: the map says "person.number", which is a list: make it a text'),
        (hired(number=True), 'user.id: the map says "person.number", which is a boolean: make it a text'),
    ],
)
def test_reasons_name_what_was_found_instead(body: Any, told: str) -> None:
    """A person who builds a flow sees which key of the map leads nowhere, and what there is."""
    assert told in reason(body)


@pytest.mark.parametrize(
    ("email", "told"),
    [
        ("mails[0].value", "and mails is 0 item(s)"),
        ("mail[0]", "and mail is a string, not a list"),
        ("profile.work.mail", 'and there is no "mail" in profile.work; it is empty'),
        ("mails[?primary].value | [0]", "and what it finds first is 0 item(s)"),
        ("lost || missing", 'and there is no "lost" in the body; it has mail, mails, profile'),
        ("to_string(lost)", "which is"),
        ("lost.*.x", 'and there is no "lost" in the body'),
        ("`null`", "and that finds nothing"),
        ("contains(profile, 'x')", "contains() got object and takes array or string"),
        ("sort(@)", "sort() got object and takes array-string or array-number"),
    ],
)
def test_reasons_say_where_a_path_ends(email: str, told: str) -> None:
    """Also within lists, filters and functions."""
    body = {"mail": "ana@acme.test", "mails": [], "profile": {"work": {}}}
    if "to_string" in email:  # it makes the text "null" of nothing: no reason, but no address either
        assert only(parse(body, event="user.created", user={"email": email})).user == UserNews("null", "null")
        return
    assert told in reason(body, event="user.created", user={"email": email})


SECRETS = ["ana@acme.test", "4711-0815", "+49 30 1234"]


@given(
    st.recursive(
        st.sampled_from([*SECRETS, "Ng"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(SECRETS), inner),
        max_leaves=8,
    )
)
def test_reasons_show_nothing_of_a_person(found: Any) -> None:
    """Values, and keys that may be values, are never told."""
    for body in (hired(number=found), {"type": found}, {"type": "hired", "person": found}, {"x": found}):
        try:
            parsed = parse(body)
        except UnreadableError as error:
            assert not any(text in error.reason for text in [*SECRETS, "Ng"])
        else:
            assert parsed.news


@pytest.mark.parametrize(
    ("told", "name"),
    [("hired", "user.created"), ("user.deleted", "user.deleted"), (" hired ", "user.created")],
)
def test_names_are_translated(told: str, name: str) -> None:
    """By the table, and the eight names mean what they say."""
    assert only(parse({**hired(number=1), "type": told})).name == name


def test_the_table_comes_first() -> None:
    """A sender may mean something else by one of the eight names."""
    body = {"type": "user.deleted", "person": {"number": 1}}
    assert only(parse(body, events={"user.deleted": "user.updated"})).name == "user.updated"
    assert parse(body, events={"user.deleted": "ignore"}).ignored == 1


def test_names_may_be_ignored() -> None:
    """One by one, or all that have no line of their own."""
    assert parse({"type": "paid"}).ignored == 1
    every = {"events": {"hired": "user.created", "*": "ignore"}}
    assert parse({"type": "whatever"}, **every).ignored == 1
    assert parse(hired(number=1), **every).news
    assert parse({"type": "user.deleted", "person": {"number": 1}}, **every).news


def test_other_names_are_refused_with_the_way_out() -> None:
    """The name itself is not told: by a wrong map it may be a person's."""
    assert 'the map says "type", and that string is not in [sources.map.events]' in reason({"type": "fired"})
    assert "and that number is not in" in reason({"type": 7})


def test_a_boolean_may_name_the_event() -> None:
    """A flow for both ways tells them apart by a flag."""
    changes = {"event": "on", "events": {"true": "user.created", "false": "user.deleted"}}
    assert only(parse({"on": False, **hired(number=1)}, **changes)).name == "user.deleted"


@pytest.mark.parametrize(
    ("active", "body", "expected"),
    [
        ("state == 'on'", {"state": "on"}, True),
        ("state == 'on'", {"state": "off"}, False),
        ("state == 'on'", {"state": None}, None),
        ("state == 'on'", {}, None),
        ("state != 'off'", {}, None),
        ("!disabled", {"disabled": True}, False),
        ("!disabled", {"disabled": False}, True),
        ("!disabled", {}, None),
        ("(state || status) == 'on'", {"status": "off"}, False),
        ("contains(['on', 'new'], state)", {"state": "new"}, True),
        ("contains(['on', 'new'], state)", {"state": "off"}, False),
        ("contains(['on', 'new'], state)", {}, None),
        ("state == 'on' && !locked", {"state": "on"}, None),
        ("ended == `null`", {}, True),
        ("ended == `null`", {"ended": "2026-01-31"}, False),
        ("length(roles[?state != 'off']) > `0`", {"roles": [{}]}, True),
        ("flag", {"flag": "False"}, False),
        ("flag", {"flag": ""}, None),
        ("flag", {}, None),
        (True, {}, True),
    ],
)
def test_what_a_body_does_not_speak_of_is_not_false(active: Any, body: Any, expected: bool | None) -> None:
    """Or everybody who is put into a group would be put out for want of a status.

    A comparison with null itself is meant, and within a filter JMESPath's own rule holds.
    """
    user = {"id": "id", "active": active}
    assert only(parse({"id": "u", **body}, event="user.updated", user=user)).user == UserNews(
        "u", None, expected
    )


def test_a_status_has_to_be_compared() -> None:
    """A word is neither true nor false."""
    told = reason({"id": "u", "state": "ACTIVE"}, event="user.updated", user={"id": "id", "active": "state"})
    assert told.endswith("a string that is neither true nor false: compare it, as in status == 'ACTIVE'")


def test_a_repeat_has_the_same_id_and_meaning() -> None:
    """What else changes in the body, such as the number of the attempt, does not matter."""
    body = {**hired(number=1), "message": "m1"}
    keys = [
        parse(each).news[0].key
        for each in (body, {**body, "attempt": 2}, {**body, "message": "m2"}, {**body, **hired(number=2)})
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_a_list_is_mapped_element_by_element() -> None:
    """Each stands alone."""
    parsed = parse([hired(number=1), {"type": "paid"}, hired(), 7])

    assert len(parsed.news) == 1
    assert parsed.ignored_at == [1]
    assert [one.index for one in parsed.refused] == [2, 3]


@pytest.mark.parametrize(
    ("email", "body"),
    [
        ("all.a[].b[].c[] | [0]", {"a": [{"b": [{"c": [1]}] * 100}] * 1000}),
        ("all | [@,@]" + "[]|[@,@]" * 50, {"a": 1}),
        ("all | join('', [@, @])" + " | join('', [@, @])" * 20, "x" * 100_000),
        ("max_by(all.a, &length(to_string(@))).b", {"a": [{"b": "x" * 10_000}] * 2_000}),
    ],
)
def test_no_body_makes_it_work_without_end(email: str, body: Any) -> None:
    """Projections, flattened lists and texts that double are cut off, and the whole body is refused."""
    told = reason({"all": body}, event="user.created", user={"email": email})
    assert told == "the map takes too much work for this body: send fewer events at once"


def test_work_is_counted_for_the_whole_body() -> None:
    """Many small events are as good as one large."""
    many = [hired(number=1, mail="ana@acme.test", status="ACTIVE")] * (MOST_STEPS // 10)
    reader = MapReader(settings().map)  # type: ignore[arg-type]
    with pytest.raises(UnreadableError, match="too much work"):
        for each in many:
            reader.read(each)


def test_a_deep_body_is_no_way_out() -> None:
    """What Python cannot follow is a reason, too."""
    deep: Any = "x"
    for _ in range(200):
        deep = {"a": deep}
    assert parse(
        {"deep": deep}, event="user.created", user={"email": "to_string(deep) && 'u@acme.test'"}
    ).news


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "person", "number", "mail", "team", "id", "at"]), inner)
    ),
    max_leaves=20,
)
EXPRESSIONS = st.sampled_from(
    [
        "type", "person.mail", "person.*.mail | [0]", "person[0]", "sort(@)", "max_by(person, &mail).mail",
        "person[?number > `3`].mail | [0]", "to_number(mail) || abs(number)", "keys(person)[0]", "@",
        "join('', values(person))", "number == mail", "!at", "sum(person)", "merge(person, team).mail",
        "starts_with(mail, type)", "reverse(mail)", "ceil(number)", "person[::2]", "map(&mail, person)[0]",
    ]
)  # fmt: skip


@given(JSON, EXPRESSIONS, EXPRESSIONS, EXPRESSIONS)
def test_no_body_raises_anything_else(body: Any, event: str, email: str, active: str) -> None:
    """Whatever the map and whatever the body: news, refused, ignored, or a reason for the whole."""
    fields = {"event": event, "events": {"*": "user.created"}, "user": {"email": email, "active": active}}
    try:
        parsed = parse(body, occurred_at=email, **fields)
    except UnreadableError:
        return
    count = len(body) if isinstance(body, list) else 1
    assert count == len(parsed.news) + len(parsed.refused) + parsed.ignored


def test_what_finds_nothing_can_be_listed() -> None:
    """For `bridge source try`: keys of parts that the event is not about are left out."""
    missing = MapReader(settings().map).missing(hired(number=1), ["user"])  # type: ignore[arg-type]
    assert [re.split(r"[:,]", line)[0] for line in missing] == [
        "id", "occurred_at", "user.email", "user.active",
    ]  # fmt: skip
