"""JSON bodies: one object or a list of them, each element standing alone.

Reasons go back to the sender and to operators: they name fields, types and keys, never a person.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence, Set
from hashlib import blake2b
from typing import Any

import orjson
from msgspec.structs import replace

from bridge.directory.events import EVENT_NAMES, EventName, News
from bridge.directory.identifiers import hidden_character
from bridge.sources.base import Noted, Notice, Parsed, Refused, UnreadableError

LONGEST_TEXT = 1000  # of an id, a name or an address; they become parts of Redis keys
LONGEST_DIRECTORY = 200  # of a directory's id
DEEPEST = 254  # levels of lists and objects in a body; orjson writes no more, and reads four times as many
MOST_ELEMENTS = 10_000  # of one body: reading them holds up all others, as one script in Redis does

CONNECTIONS = {  # what Jackson and WorkOS call them
    "dsync.activated": EventName.CONNECTION_ACTIVATED,
    "dsync.deactivated": EventName.CONNECTION_DEACTIVATED,
    "dsync.deleted": EventName.CONNECTION_DELETED,
}

TEST_EVENT = "bridge.test"  # what `bridge source test` sends

Read = Callable[[int, Mapping[str, Any]], News | Noted | Notice | None]  # an element and where it stood
MakeKey = Callable[[int, Mapping[str, Any]], bytes | None]  # the same -> what its repeats share, see News.key

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_PLAIN_NAME = re.compile(r"[^\W_][\w .,()&'-]{0,99}")  # of a connection: no address, no markup
_PLAIN_EVENT = re.compile(r"[A-Za-z0-9_.:-]{1,60}")


class ElementError(Exception):
    """One element cannot be read. `acknowledged`: the sender can do nothing about it, so it gets its 200."""

    def __init__(self, reason: str, acknowledged: bool = False) -> None:
        """`reason`: the field, what is wrong with it, and what to send instead."""
        super().__init__(reason)
        self.reason = reason
        self.acknowledged = acknowledged


def parse_elements(body: bytes, read: Read) -> Parsed:
    """Read every element of a body; `read` returns no news for one that means nothing to the bridge.

    Raises UnreadableError: 400 when it is not JSON, 422 when nothing in it can be read.
    """
    return parse_loaded(load_json(body), lambda whole: _parse_whole(whole, read))


def _parse_whole(whole: Any, read: Read) -> Parsed:
    return parse_list(whole, read) if isinstance(whole, list) else _parse([whole], read, "the body")


def parse_loaded(whole: Any, parse: Callable[[Any], Parsed]) -> Parsed:
    """Parse what a body holds. What a test holds is read as if it had been sent, and nothing of it let in.

    That it is a test stands in the body and not in a header, as only the sender can sign it. Raises what
    `parse` raises, and UnreadableError when any element under test cannot be read.
    """
    if not isinstance(whole, dict) or whole.get("event") != TEST_EVENT:
        return parse(whole)
    parsed = parse(whole["body"]) if "body" in whole else Parsed()
    if parsed.refused:
        first = parsed.refused[0]
        raise UnreadableError(f"element {first.index} of the body under test: {first.reason}")
    return Parsed(ignored=1, ignored_at=(0,))


def parse_list(elements: Sequence[Any], read: Read, path: str = "") -> Parsed:
    """Read every element of a list that stands at `path` of a body, "" for the body itself.

    Raises UnreadableError(422) when nothing in it can be read.
    """
    if not elements:
        raise UnreadableError(f"{path or 'the list'} is empty: send an event or a list of events")
    if len(elements) > MOST_ELEMENTS:
        many = f"{len(elements)} elements: send at most {MOST_ELEMENTS} at once"
        raise UnreadableError(f"{path or 'the list'} has {many}")
    return _parse(elements, read, path + "[{}]")


def _parse(elements: Sequence[Any], read: Read, place: str) -> Parsed:
    news: list[News] = []
    refused: list[Refused] = []
    ignored: list[int] = []
    notices: list[Notice] = []
    acknowledged = 0
    for index, element in enumerate(elements):
        try:
            item = read(index, as_object(element, place.format(index)))
            if not (item is None or _is_plain(item) or isinstance(item, Notice)):
                item = _checked(item)
        except ElementError as error:
            refused.append(Refused(index, error.reason))
            acknowledged += error.acknowledged
            continue
        if isinstance(item, News):
            news.append(item)
        elif isinstance(item, Noted):
            news.append(item.news)
            notices += [Notice(index, note) for note in item.notes]
        else:
            ignored.append(index)
            notices += [item] if item else []
    if len(elements) == len(refused) and not acknowledged:
        raise UnreadableError(_nothing(refused, place))
    return Parsed(news, refused, len(ignored), ignored, notices)


def noted(item: News | Noted, *notes: str) -> News | Noted:
    """Return an element with more of what operators have to know of it; empty notes say nothing."""
    if not any(notes):
        return item
    said = tuple(note for note in notes if note)
    return Noted(item.news, item.notes + said) if isinstance(item, Noted) else Noted(item, said)


def with_key(item: News | Noted, make_key: MakeKey, index: int, element: Mapping[str, Any]) -> News | Noted:
    """Return an element with what its repeats have in common.

    Where that cannot be read, what takes something away is let in without it. Raises ElementError.
    """
    news = item.news if isinstance(item, Noted) else item
    try:
        news = replace(news, key=make_key(index, element))
    except ElementError as error:
        if not news.takes_away:
            raise
        return noted(item, f"{error.reason}; it takes something away, so it is taken without that")
    return Noted(news, item.notes) if isinstance(item, Noted) else news


def _checked(item: News | Noted) -> News | Noted:
    """Check an element's identifiers, and leave out a group's name that cannot be one.

    Identifiers become parts of what the store looks things up by, and its separators are control characters.
    A name never keeps an element out: somebody may lose access by it. Raises ElementError.
    """
    news = item.news if isinstance(item, Noted) else item
    check_identifier(news.directory_id, "directory_id")
    if news.user is not None:
        check_identifier(news.user.id, "the user's id")
    if news.group is None:
        return item
    check_identifier(news.group.id, "the group's id")
    if news.group.name is None or not hidden_character(news.group.name):
        return item
    note = f"the group's name holds {hidden_character(news.group.name)}: it is left out"
    news = replace(news, group=replace(news.group, name=None))
    return noted(Noted(news, item.notes) if isinstance(item, Noted) else news, note)


def _is_plain(item: News | Noted | Notice) -> bool:
    """Tell at once what is so of nearly every element: none of its identifiers holds anything hidden."""
    if type(item) is not News or item.group is not None or item.user is None:
        return False
    return (item.directory_id + item.user.id).isprintable()


def check_identifier(text: str, what: str) -> None:
    """Raise ElementError when an identifier holds a control character. `what`: how the reason names it."""
    if found := hidden_character(text):
        raise ElementError(f"{what} holds {found}: send it without control characters")


def _nothing(refused: list[Refused], place: str) -> str:
    first = place.format(0)
    if first == place:
        return refused[0].reason
    return f"none of the {len(refused)} elements can be read; {first}: {refused[0].reason}"


def encoding_fault(body: bytes) -> str:
    """Return what a body is instead of JSON in UTF-8 (RFC 8259, 8.1), and the way out; "" for no guess."""
    if body.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark (BOM), send it without"
    if body.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0\0" in (body[:4:2], body[1:4:2]):
        return "it is UTF-16, send UTF-8"
    if body.startswith(b"\x1f\x8b"):
        return "it is compressed (gzip), send it as it is"
    return ""


def load_json(body: bytes) -> Any:
    """Return what the body holds. Raises UnreadableError(400) when it is not JSON (RFC 8259).

    A lone surrogate, which JavaScript's JSON.stringify writes for half an emoji, becomes "?". Of a key that
    stands twice in an object the last value counts. What is nested deeper than `DEEPEST` is not taken: it
    can be read, but not be written again.
    """
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            whole = _load_with_surrogates(body)
        except (ValueError, RecursionError):
            told = encoding_fault(body) or "send an event or a list of events"
            raise UnreadableError(f"the body is not JSON: {told}", 400) from None
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        _check_depth(whole)
    return whole


def _check_depth(whole: Any) -> None:
    """Let orjson's own limit judge: it is `DEEPEST`, and found by writing."""
    try:
        orjson.dumps(whole)
    except orjson.JSONEncodeError:
        raise UnreadableError(f"the body is nested deeper than {DEEPEST} levels", 400) from None


def _load_with_surrogates(body: bytes) -> Any:
    if b"\\u" not in body:
        raise ValueError("there are no surrogates in it")
    text = json.dumps(json.loads(body), ensure_ascii=False, allow_nan=False)
    return orjson.loads(text.encode("utf-8", "replace"))


def as_object(value: Any, where: str) -> Mapping[str, Any]:
    """Return the value if it is an object. Raises ElementError."""
    if not isinstance(value, dict):
        raise ElementError(f"{where} is {kind_of(value)}: send an object")
    return value


def read_name(element: Mapping[str, Any]) -> EventName:
    """Return the element's `event`. Raises ElementError when it is none of the eight."""
    value = element.get("event")
    if isinstance(value, str) and value in EVENT_NAMES:
        return EVENT_NAMES[value]
    found = f"is {plain_event(value)}"
    if value is None:
        found = f"is missing ({keys_of(element)})"
    raise ElementError(f"event {found}: send one of {', '.join(EVENT_NAMES)}")


def plain_event(value: Any) -> str:
    """Return an event's name in quotes if it can be one, else what it is: it may be a person's data."""
    plain = isinstance(value, str) and _PLAIN_EVENT.fullmatch(value)
    return f'"{value}"' if plain else kind_of(value)


def unknown_state(owner: Mapping[str, Any], key: str, where: str, known: Set[str]) -> str:
    """Return a note that a field's text is none of those that say whether a user is active, else "".

    `known`: those texts in lower case. No text says nothing, and is no news.
    """
    value = owner.get(key)
    text = value.strip().lower() if isinstance(value, str) else ""
    if not text or text in known:
        return ""
    words = ", ".join(sorted(known - {""}))
    return f"{where}.{key} is none of {words}: whether the user is active is not known"


def read_text(owner: Mapping[str, Any], key: str, where: str = "") -> str | None:
    """Return a field's text, stripped; a whole number counts as text; empty counts as missing (None).

    Raises ElementError for any other type, and for text over `LONGEST_TEXT` characters.
    """
    value = owner.get(key)
    path = f"{where}.{key}" if where else key
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ElementError(f"{path} is {kind_of(value)}: send a string")
    if len(value) > LONGEST_TEXT:
        raise ElementError(f"{path} has {len(value)} characters: send at most {LONGEST_TEXT}")
    return value.strip() or None


def read_id(owner: Mapping[str, Any], where: str) -> str:
    """Return the object's `id`. Raises ElementError without one; `where`: the object's path."""
    found = read_text(owner, "id", where)
    if found is None:
        raise ElementError(f"{where}.id is missing ({keys_of(owner)})")
    return found


def read_directory_id(owner: Mapping[str, Any], where: str = "") -> str:
    """Return the sender's own id of the directory, "" without one. Raises ElementError."""
    value = owner.get("directory_id")
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_DIRECTORY:
        path = f"{where}.directory_id" if where else "directory_id"
        raise ElementError(f"{path} is not a string of at most {LONGEST_DIRECTORY} characters")
    return value


def read_connection(
    index: int, event: str, connection: Any, told: int | None
) -> News | Noted | Notice | None:
    """Read an event about a directory's connection, None for one that means nothing to the bridge.

    `connection`: what the sender tells of it, with its `id`, which is the directory's own; `told`: unix
    milliseconds. One that ends without an id can only be shown.
    """
    name = CONNECTIONS.get(event)
    if name is None:
        return None
    owner = connection if isinstance(connection, dict) else {}
    ident = lenient_text(owner, "id") or ""
    usable = 0 < len(ident) <= LONGEST_DIRECTORY and not hidden_character(ident)
    news = News(name, told=told, directory_id=ident, key=_connection_key(event, ident, told))
    if name is EventName.CONNECTION_ACTIVATED:
        return news if usable else None
    title = owner.get("name")
    named = f' "{title}"' if isinstance(title, str) and _PLAIN_NAME.fullmatch(title) else ""
    how = name.value.removeprefix("connection.")
    text = (
        f"the directory{named} was {how} at the sender: it tells nothing more of its people, "
        "and nobody is removed because of it"
    )
    return noted(news, text) if usable else Notice(index, text)


def _connection_key(event: str, ident: str, told: int | None) -> bytes:
    return blake2b(orjson.dumps(["connection", event, ident, told]), digest_size=16).digest()


def lenient_text(owner: Mapping[str, Any], key: str) -> str | None:
    """Return a text if it is one, stripped: an odd address must not keep a deactivation out."""
    value = owner.get(key)
    return value.strip() or None if isinstance(value, str) and len(value) <= LONGEST_TEXT else None


def kind_of(value: Any) -> str:
    """Return what JSON calls a value's type, with an article: "a list", "null"."""
    return _KINDS.get(type(value), "a number")


_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}


def keys_of(owner: Mapping[str, Any]) -> str:
    """Return which keys an object has, for a reason; keys that might be data are only counted."""
    plain = [key for key in owner if _PLAIN_KEY.fullmatch(key)][:8]
    others = len(owner) - len(plain)
    names = [*plain, f"{others} other(s)"] if others else plain
    return f"it has {', '.join(names)}" if names else "it is empty"
