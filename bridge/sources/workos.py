"""WorkOS Directory Sync: webhooks of one event each.

Scheme: `WorkOS-Signature: t=<unix MILLIseconds>, v1=<hex HMAC-SHA256 of "{t}.{raw body}">`
(https://workos.com/docs/events/data-syncing/webhooks, https://workos.com/docs/events/directory-sync).
Deliveries come in any order and more than once. `dsync.deleted` ends a connection and says nothing of
its people: operators are told, and it never means that everyone left.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson
from msgspec.structs import replace

from bridge.directory.events import EVENT_NAMES, EventName, GroupNews, News, UserNews
from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, Noted, Notice, Parsed
from bridge.sources.bodies import (
    ElementError,
    MakeKey,
    as_object,
    keys_of,
    kind_of,
    lenient_text,
    noted,
    parse_elements,
    plain_event,
    read_connection,
    read_directory_id,
    read_id,
    read_text,
    unknown_state,
)
from bridge.sources.moments import completed, parse_moment
from bridge.sources.stamped import check_stamped, sign_stamped

HEADER = "workos-signature"

_NAMES = {f"dsync.{value}": name for value, name in EVENT_NAMES.items()}
_OURS = ("dsync.user.", "dsync.group.")  # what a new event of people and groups would be called
_STATES = {"active": True, "suspended": False, "inactive": False}


class WorkOS:
    """One configured webhook endpoint of WorkOS."""

    def __init__(self, settings: SourceSettings) -> None:
        """`settings`: its secrets are read at every delivery, so a rotation needs no restart."""
        self._settings = settings

    async def verify(self, delivery: Delivery) -> int:
        """Return the signed time, unix milliseconds. Raises UnverifiedError."""
        return check_stamped(delivery, HEADER, "v1", self._settings)

    def parse(self, delivery: Delivery, signed_at: int | None) -> Parsed:
        """Read one event (or a list of them). Raises UnreadableError."""
        return parse_body(delivery.body, signed_at, _key)

    def sign(self, body: bytes, now: int) -> dict[str, str]:
        """Return the header that proves a body."""
        return {"WorkOS-Signature": sign_stamped(body, now, "v1", self._settings).replace(",", ", ")}

    def example(self) -> dict[str, Any]:
        """Return a joiner."""
        data = {"id": "directory_user_test", "directory_id": "directory_test", "email": "test@acme.test"}
        event = {"id": "event_test", "event": "dsync.user.created", "created_at": "2026-01-31T09:30:00.000Z"}
        return {**event, "data": {**data, "state": "active"}}


def parse_body(body: bytes, told: int | None, make_key: MakeKey) -> Parsed:
    """Read one event or a list of them. Raises UnreadableError.

    `told`: unix milliseconds, of events that have no `created_at` of their own.
    """
    return parse_elements(body, lambda index, element: _read(index, element, told, make_key))


def _read(
    index: int, element: Mapping[str, Any], told: int | None, make_key: MakeKey
) -> News | Noted | Notice | None:
    name = _name(element)
    if name is None:
        return _read_other(index, element, told)
    data = as_object(element.get("data"), "data")
    user, note = None, ""
    if name.is_user or name.is_membership:
        row, where = _part(name, data, "user")
        user, note = _user(row, where), unknown_state(row, "state", where, _STATES.keys())
    group = None if name.is_user else _group(*_part(name, data, "group"))
    if name.is_membership:
        user, group = _quoted(data, user, group)
    news = News(name, user, group, told, read_directory_id(data, "data"))
    return noted(completed(news, element, "created_at", make_key, index), note)


def _read_other(index: int, element: Mapping[str, Any], told: int | None) -> News | Noted | Notice | None:
    """Read an event that is none of the eight: that a connection ended is shown, and what might be missed."""
    event: str = element["event"]
    if event.startswith(_OURS):
        return Notice(index, f"{plain_event(event)} is not known to this version: nothing is made of it")
    created_at = parse_moment(lenient_text(element, "created_at") or "")
    return read_connection(index, event, element.get("data"), told if created_at is None else created_at)


def _name(element: Mapping[str, Any]) -> EventName | None:
    """Return which of the eight it is, None for all others: WorkOS has many and adds to them."""
    event = element.get("event")
    if isinstance(event, str) and event:
        return _NAMES.get(event)
    found = "missing" if event in (None, "") else kind_of(event)
    raise ElementError(f"event is {found} ({keys_of(element)}): send one of {', '.join(_NAMES)}")


def _part(name: EventName, data: Mapping[str, Any], part: str) -> tuple[Mapping[str, Any], str]:
    """Return the user or group and its path: `data` itself, or within it for a membership."""
    if not name.is_membership:
        return data, "data"
    return as_object(data.get(part), f"data.{part}"), f"data.{part}"


def _quoted(
    data: Mapping[str, Any], user: UserNews | None, group: GroupNews | None
) -> tuple[UserNews | None, GroupNews | None]:
    """Return the user and group of a membership with the times since when they have been as quoted."""
    moments = [parse_moment(lenient_text(data[part], "updated_at") or "") for part in ("user", "group")]
    return (
        user and replace(user, updated=moments[0]),
        group and replace(group, updated=moments[1]),
    )


def _user(told: Mapping[str, Any], where: str) -> UserNews:
    return UserNews(read_id(told, where), lenient_text(told, "email"), _active(told.get("state")))


def _group(told: Mapping[str, Any], where: str) -> GroupNews:
    return GroupNews(read_id(told, where), lenient_text(told, "name"))


def _active(state: Any) -> bool | None:
    """Return whether the user is active, None for a state that is not known: it says nothing."""
    return _STATES.get(state.strip().lower()) if isinstance(state, str) else None


def _key(_index: int, element: Mapping[str, Any]) -> bytes | None:
    """Return what repeats have in common: the event's id, the same in webhooks and in the Events API."""
    ident = read_text(element, "id")
    return blake2b(orjson.dumps(["workos", ident]), digest_size=16).digest() if ident else None
