"""Bodies: what JSON may be, and how much of it."""

import gzip
import json
from typing import Any

import pytest

from bridge.directory.events import EventName, GroupNews, News, UserNews
from bridge.sources import jackson, okta_workflows
from bridge.sources.base import Parsed, UnreadableError
from bridge.sources.bodies import DEEPEST, MOST_ELEMENTS, load_json, parse_elements


def parse(body: bytes) -> Parsed:
    """Read a body whose every element is the same news."""
    return parse_elements(body, lambda _index, _element: News(EventName.USER_UPDATED, UserNews("u")))


def refusal(body: bytes) -> tuple[int, str]:
    """Why a body cannot be read."""
    with pytest.raises(UnreadableError) as told:
        parse(body)
    return told.value.status, told.value.reason


def nested(levels: int, around: bytes = b"") -> bytes:
    """An object that is as deep as that, with something in its middle."""
    return (
        b'{"event":"user.created","id":"a","deep":'
        + b"[" * (levels - 1)
        + around
        + b"]" * (levels - 1)
        + b"}"
    )


def test_deepest_body_can_be_read_and_written_again() -> None:
    """One level more is refused: a delivery's key is made by writing its elements."""
    assert len(parse(nested(DEEPEST)).news) == 1
    assert refusal(nested(DEEPEST + 1)) == (400, f"the body is nested deeper than {DEEPEST} levels")


@pytest.mark.parametrize("levels", [DEEPEST + 1, 1000, 100_000])
def test_no_depth_breaks_a_sender_s_key(levels: int) -> None:
    """With and without half an emoji in it, which takes another way through the parser."""
    for middle in (b"", b'"\\ud83d"'):
        for read in (okta_workflows.parse_body, jackson.parse_body):
            with pytest.raises(UnreadableError):
                read(nested(levels, middle), None, lambda _index, _element: None)


def test_number_of_elements_is_bounded() -> None:
    """Reading a body holds up all others."""
    assert len(parse(b"[" + b",".join([b"{}"] * MOST_ELEMENTS) + b"]").news) == MOST_ELEMENTS
    many = b"[" + b",".join([b"{}"] * (MOST_ELEMENTS + 1)) + b"]"
    assert refusal(many) == (422, "the list has 10001 elements: send at most 10000 at once")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"123456789012345678901234567890", 1.2345678901234568e29),
        (b'"\\ud83d"', "?"),
        (b'{"\\ud83d": "\\ud83d\\ude00"}', {"?": "\U0001f600"}),
        (b'"\\u0000"', "\0"),
    ],
)
def test_what_json_leaves_open(text: bytes, value: Any) -> None:
    """Of a key that stands twice the last value counts, numbers are of double precision."""
    assert load_json(text) == value


@pytest.mark.parametrize(
    "text",
    [
        b"", b"NaN", b"-Infinity", b"1e400", b'["\\ud83d", NaN]', b'["\\ud83d", 1e400]',
        b'"\xff"', b'"\xed\xa0\xbd"', b"{} {}", b"{'a': 1}", b"[1,]",
        b'["\\ud83d", ' + b"9" * 5000 + b"]", b"\0", b'"\0"',
    ],
)  # fmt: skip
def test_what_is_no_json_is_400(text: bytes) -> None:
    """RFC 8259: no NaN, no infinity, UTF-8 without a mark."""
    assert refusal(text) == (400, "the body is not JSON: send an event or a list of events")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"\xef\xbb\xbf{}", "it begins with a byte order mark (BOM), send it without"),
        (json.dumps({"a": 1}).encode("utf-16"), "it is UTF-16, send UTF-8"),
        (json.dumps({"a": 1}).encode("utf-16-le"), "it is UTF-16, send UTF-8"),
        (json.dumps({"a": 1}).encode("utf-16-be"), "it is UTF-16, send UTF-8"),
        (gzip.compress(b'{"a": 1}', mtime=0), "it is compressed (gzip), send it as it is"),
    ],
)
def test_what_it_is_instead_is_told(text: bytes, told: str) -> None:
    """Where the first bytes tell it."""
    assert refusal(text) == (400, f"the body is not JSON: {told}")


@pytest.mark.parametrize("hidden", ["\x1f", "\0", "\n", "\x7f", "\x85"])
@pytest.mark.parametrize("where", ["directory_id", "the user's id", "the group's id"])
def test_identifiers_hold_no_control_characters(where: str, hidden: str) -> None:
    """They are what the store separates identifiers by; the reason names the one, and where."""
    ids = dict.fromkeys(("directory_id", "the user's id", "the group's id"), "x1")
    ids[where] = f"x{hidden}1"
    news = News(
        EventName.USER_ADDED,
        UserNews(ids["the user's id"]),
        GroupNews(ids["the group's id"]),
        directory_id=ids["directory_id"],
    )
    with pytest.raises(UnreadableError, match=rf"{where} holds U\+00{ord(hidden):02X}: send it without"):
        parse_elements(b"{}", lambda _index, _element: news)


def test_group_name_with_a_control_character_is_left_out() -> None:
    """It could be found by another name; what the event says of the group counts all the same."""
    news = News(EventName.USER_REMOVED, UserNews("u"), GroupNews("g", "Writers\x1fg2"))
    parsed = parse_elements(b"{}", lambda _index, _element: news)
    assert [each.group for each in parsed.news] == [GroupNews("g")]
    assert [each.text for each in parsed.notices] == ["the group's name holds U+001F: it is left out"]
