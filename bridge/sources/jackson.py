"""BoxyHQ Jackson and Ory Polis: directory-sync webhooks, one event or, in batch mode, a list.

Scheme: `t=<unix MILLIseconds>,s=<hex HMAC-SHA256 of "{t}.{raw body}">`
(https://boxyhq.com/docs/directory-sync/webhooks; shapes captured from @boxyhq/saml-jackson 26.2.0).
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from bridge.directory.events import EventName, GroupNews, News, UserNews
from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, Parsed, UnverifiedError
from bridge.sources.bodies import (
    LONGEST_TEXT,
    ElementError,
    as_object,
    keys_of,
    parse_elements,
    read_name,
    read_text,
)
from bridge.sources.signatures import is_fresh, parse_stamped, signed_by_any

HEADERS = ("boxyhq-signature", "ory-polis-signature")

_ELSEWHERE = ("dsync.", "sso.")  # the global webhook's events: about connections, not about people
_FALSY = frozenset({"", "false", "0", "no", "off", "null", "none"})


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
        stamped = parse_stamped(delivery.headers[name], "s")
        if stamped is None:
            raise UnverifiedError(f"the {name} header is not of the form t=<milliseconds>,s=<hex>")
        if not is_fresh(stamped.time, delivery.arrived, self._settings.tolerance_seconds):
            raise UnverifiedError(_off(stamped.time, delivery.arrived, self._settings.tolerance_seconds))
        message = stamped.digits + b"." + delivery.body
        if not signed_by_any(self._settings.secrets, message, stamped.signature):
            raise UnverifiedError(f"no secret makes the signature in {name}")
        return stamped.time

    def parse(self, delivery: Delivery, signed_at: int | None) -> Parsed:
        """Read one event or a list of them. Raises UnreadableError."""
        return parse_elements(delivery.body, lambda index, element: _read(index, element, signed_at))


def _off(signed_at: int, now: int, tolerance: float) -> str:
    seconds = (now - signed_at) / 1000
    way = "ago" if seconds > 0 else "in the future"
    return f"it was signed {abs(seconds):.0f} s {way}: more than the tolerance of {tolerance:.0f} s"


def _read(index: int, element: Mapping[str, Any], signed_at: int | None) -> News | None:
    directory_id = _directory_id(element)
    event = element.get("event")
    if not directory_id and isinstance(event, str) and event.startswith(_ELSEWHERE):
        return None
    name = read_name(element)
    if element.get("data") is None:
        raise ElementError(f"data is missing from {name}: nothing says whom it is about", acknowledged=True)
    data = as_object(element["data"], "data")
    user = _user(data) if name.is_user or name.is_membership else None
    group = None if name.is_user else _group(name, data)
    return News(name, user, group, signed_at, directory_id, _key(directory_id, signed_at, index, element))


def _directory_id(element: Mapping[str, Any]) -> str:
    value = element.get("directory_id")
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 200:
        raise ElementError("directory_id is not a string of at most 200 characters")
    return value


def _user(data: Mapping[str, Any]) -> UserNews:
    return UserNews(_id(data, "data"), _lenient(data, "email"), _active(data.get("active")))


def _group(name: EventName, data: Mapping[str, Any]) -> GroupNews:
    """Return the group: `data` itself, or `data.group` of a membership, whose members are stale copies."""
    if name.is_membership:
        group = as_object(data.get("group"), "data.group")
        return GroupNews(_id(group, "data.group"), _lenient(group, "name"))
    members = None if name is EventName.GROUP_DELETED else _members(data.get("raw"))
    return GroupNews(_id(data, "data"), _lenient(data, "name"), members)


def _id(owner: Mapping[str, Any], where: str) -> str:
    found = read_text(owner, "id", where)
    if found is None:
        raise ElementError(f"{where}.id is missing ({keys_of(owner)})")
    return found


def _lenient(owner: Mapping[str, Any], key: str) -> str | None:
    """Return a text if it is one: an odd address must not keep a deactivation out."""
    value = owner.get(key)
    return value.strip() or None if isinstance(value, str) and len(value) <= LONGEST_TEXT else None


def _active(value: Any) -> bool | None:
    """Return whether the user is active, None when nothing usable is said.

    Entra's legacy PATCH stores the text "False", and removing the attribute stores "".
    """
    if isinstance(value, str):
        text = value.strip().lower()
        return False if text in _FALSY else text in ("true", "1", "yes", "on") or None
    return bool(value) if isinstance(value, bool | int | float) else None


def _members(raw: Any) -> tuple[str, ...] | None:
    """Return the ids in `raw.members`, as PUT-style providers list them; None when there is no list."""
    listed = raw.get("members") if isinstance(raw, dict) else None
    if not isinstance(listed, list):
        return None
    ids = (member.get("value") for member in listed if isinstance(member, dict))
    return tuple(dict.fromkeys(one for one in ids if isinstance(one, str) and 0 < len(one) <= LONGEST_TEXT))


def _key(directory_id: str, signed_at: int | None, index: int, element: Mapping[str, Any]) -> bytes:
    """Return what a retry has in common with its first attempt: Jackson sends no id, but repeats `t`."""
    head = orjson.dumps([directory_id, signed_at, index])
    return blake2b(head + orjson.dumps(element), digest_size=16).digest()
