"""BoxyHQ Jackson and Ory Polis: directory-sync webhooks, one event or, in batch mode, a list.

Scheme: `t=<unix MILLIseconds>,s=<hex HMAC-SHA256 of "{t}.{raw body}">`
(https://boxyhq.com/docs/directory-sync/webhooks; shapes captured from @boxyhq/saml-jackson 26.2.0).
"""

from collections.abc import Mapping
from functools import partial
from hashlib import blake2b
from typing import Any

import orjson

from bridge.directory.events import EventName, GroupNews, News, UserNews
from bridge.directory.identifiers import hidden_character
from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, Noted, Notice, Parsed, UnverifiedError
from bridge.sources.bodies import (
    LONGEST_TEXT,
    ElementError,
    MakeKey,
    as_object,
    lenient_text,
    noted,
    parse_elements,
    read_connection,
    read_directory_id,
    read_id,
    read_name,
    unknown_state,
)
from bridge.sources.stamped import check_stamped, sign_stamped

HEADERS = ("boxyhq-signature", "ory-polis-signature")

_ELSEWHERE = ("dsync.", "sso.")  # the global webhook's events: about connections, not about people
_FALSY = frozenset({"", "false", "0", "no", "off", "null", "none"})
_TRUTHY = frozenset({"true", "1", "yes", "on"})


class Jackson:
    """One configured Jackson or Polis."""

    def __init__(self, settings: SourceSettings) -> None:
        """`settings`: its secrets are read at every delivery, so a rotation needs no restart."""
        self._settings = settings

    async def verify(self, delivery: Delivery) -> int:
        """Return the signed time, unix milliseconds.

        Both headers carry the same scheme, computed a moment apart: only the first present one counts,
        so that time and delivery key are the same for every repeat. Raises UnverifiedError.
        """
        name = next((name for name in HEADERS if name in delivery.headers), None)
        if name is None:
            raise UnverifiedError("there is neither a BoxyHQ-Signature nor an Ory-Polis-Signature header")
        return check_stamped(delivery, name, "s", self._settings)

    def parse(self, delivery: Delivery, signed_at: int | None) -> Parsed:
        """Read one event or a list of them. Raises UnreadableError."""
        return parse_body(delivery.body, signed_at, partial(_key, signed_at, delivery.body))

    def sign(self, body: bytes, now: int) -> dict[str, str]:
        """Return the header that proves a body."""
        return {"BoxyHQ-Signature": sign_stamped(body, now, "s", self._settings)}

    def example(self) -> dict[str, Any]:
        """Return a joiner."""
        data = {"id": "test", "first_name": "Test", "email": "test@acme.test", "active": True, "raw": {}}
        head = {"event": "user.created", "tenant": "acme", "product": "docs", "directory_id": "test"}
        return {**head, "data": data}


def parse_body(body: bytes, told: int | None, make_key: MakeKey) -> Parsed:
    """Read one event or a list of them, all told at one time, unix milliseconds. Raises UnreadableError."""
    return parse_elements(body, lambda index, element: _read(index, element, told, make_key))


def _read(
    index: int, element: Mapping[str, Any], told: int | None, make_key: MakeKey
) -> News | Noted | Notice | None:
    event = element.get("event")
    if isinstance(event, str) and event.startswith(_ELSEWHERE):
        return read_connection(index, event, element.get("data"), told)
    directory_id = read_directory_id(element)
    name = read_name(element)
    if element.get("data") is None:
        raise ElementError(f"data is missing from {name}: nothing says whom it is about", acknowledged=True)
    data = as_object(element["data"], "data")
    user = _user(data) if name.is_user or name.is_membership else None
    group = None if name.is_user else _group(name, data)
    news = News(name, user, group, told, directory_id, make_key(index, element))
    unclear = user is not None and user.active is None
    return noted(news, unknown_state(data, "active", "data", _FALSY | _TRUTHY)) if unclear else news


def _user(data: Mapping[str, Any]) -> UserNews:
    return UserNews(read_id(data, "data"), lenient_text(data, "email"), _active(data.get("active")))


def _group(name: EventName, data: Mapping[str, Any]) -> GroupNews:
    """Return the group: `data` itself, or `data.group` of a membership, whose members are stale copies."""
    if name.is_membership:
        group = as_object(data.get("group"), "data.group")
        return GroupNews(read_id(group, "data.group"), lenient_text(group, "name"))
    members = None if name is EventName.GROUP_DELETED else _members(data.get("raw"))
    return GroupNews(read_id(data, "data"), lenient_text(data, "name"), members)


def _active(value: Any) -> bool | None:
    """Return whether the user is active, None when nothing usable is said.

    Entra's legacy PATCH stores the text "False", and removing the attribute stores "".
    """
    if isinstance(value, str):
        text = value.strip().lower()
        return False if text in _FALSY else text in _TRUTHY or None
    return bool(value) if isinstance(value, bool | int | float) else None


def _members(raw: Any) -> tuple[str, ...] | None:
    """Return the ids in `raw.members`, as PUT-style providers list them; None when there is no list.

    What can be nobody's id is left out: no event about such a user is let in either.
    """
    listed = raw.get("members") if isinstance(raw, dict) else None
    if not isinstance(listed, list):
        return None
    ids = (_member_id(member) for member in listed)
    return tuple(dict.fromkeys(one for one in ids if one))


def _member_id(member: Any) -> str | None:
    value = member.get("value") if isinstance(member, dict) else None
    usable = isinstance(value, str) and len(value) <= LONGEST_TEXT and not hidden_character(value)
    return value if usable else None


def _key(signed_at: int | None, body: bytes, index: int, element: Mapping[str, Any]) -> bytes:
    """Return what a retry has in common with its first attempt: Jackson sends no id, but repeats `t`."""
    told = body if body.startswith(b"{") else orjson.dumps(element)
    return blake2b(b"%d %d " % (signed_at or 0, index) + told, digest_size=16).digest()
