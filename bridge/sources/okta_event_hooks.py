"""Okta Event Hooks: System Log events, many in one CloudEvents 0.1 envelope.

Okta signs nothing: it repeats a fixed text in a header, gives a receiver 3 seconds and repeats once, and
never after a 4xx (https://developer.okta.com/docs/concepts/event-hooks/). Events come in any order and
more than once; Okta's own answer of who is in a group is not in them, only what changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from bridge.directory.events import EventName, GroupNews, News, UserNews
from bridge.plan.scope import is_address
from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, Noted, Parsed, UnreadableError, UnverifiedError
from bridge.sources.bodies import (
    ElementError,
    as_object,
    keys_of,
    kind_of,
    lenient_text,
    load_json,
    noted,
    parse_list,
    parse_loaded,
    plain_event,
    read_id,
    read_text,
    with_key,
)
from bridge.sources.moments import completed, read_moment
from bridge.sources.signatures import equals_any, raw_header

KIND = "okta-event-hooks"
CHALLENGE = "x-okta-verification-challenge"  # of the one GET by which Okta tries out a new hook

_APPLICATION = "AppInstance"
_HAPPENED = "SUCCESS"
_NOT_DONE = frozenset({"FAILURE", "SKIPPED", "DENY", "CHALLENGE"})  # System Log API, OutcomeResult


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an event type says. `group`: the type of the target that is the group."""

    name: EventName
    active: bool | None = None
    group: str = "UserGroup"


MEANINGS = {
    "user.lifecycle.create": Meaning(EventName.USER_CREATED),
    "user.lifecycle.activate": Meaning(EventName.USER_UPDATED, active=True),
    "user.lifecycle.reactivate": Meaning(EventName.USER_UPDATED, active=True),
    "user.lifecycle.unsuspend": Meaning(EventName.USER_UPDATED, active=True),
    "user.lifecycle.deactivate": Meaning(EventName.USER_UPDATED, active=False),
    "user.lifecycle.suspend": Meaning(EventName.USER_UPDATED, active=False),
    "user.lifecycle.delete.initiated": Meaning(EventName.USER_DELETED),
    "user.account.update_profile": Meaning(EventName.USER_UPDATED),
    "group.lifecycle.create": Meaning(EventName.GROUP_CREATED),
    "group.lifecycle.delete": Meaning(EventName.GROUP_DELETED),
    "group.profile.update": Meaning(EventName.GROUP_UPDATED),
    "group.user_membership.add": Meaning(EventName.USER_ADDED),
    "group.user_membership.remove": Meaning(EventName.USER_REMOVED),
    "application.user_membership.add": Meaning(EventName.USER_ADDED, group=_APPLICATION),
    "application.user_membership.remove": Meaning(EventName.USER_REMOVED, group=_APPLICATION),
}


class OktaEventHooks:
    """One configured event hook."""

    def __init__(self, settings: SourceSettings) -> None:
        """`settings`: its secrets are read at every delivery, so a rotation needs no restart."""
        self._settings = settings

    async def verify(self, delivery: Delivery) -> None:
        """Compare the header with the secrets, verbatim. There is no signed time. Raises UnverifiedError."""
        name = self._settings.header or "Authorization"
        given = delivery.headers.get(name.lower())
        if given is None:
            raise UnverifiedError(f"there is no {name} header")
        if not equals_any(self._settings.secrets, raw_header(given)):
            raise UnverifiedError(f"no secret is what was sent in {name}")

    def parse(self, delivery: Delivery, signed_at: int | None) -> Parsed:
        """Read the envelope's events. Raises UnreadableError."""
        whole = load_json(delivery.body)
        return parse_loaded(whole, lambda one: parse_list(_events(one), self._read, "data.events"))

    def sign(self, _body: bytes, _now: int) -> dict[str, str]:
        """Return the header that proves a body."""
        return {self._settings.header or "Authorization": self._settings.secrets[0].reveal()}

    def example(self) -> dict[str, Any]:
        """Return a leaver."""
        user = {"id": "00utest", "type": "User", "alternateId": "test@acme.test", "displayName": "Test"}
        head = {"uuid": "test", "published": "2026-01-31T09:30:00.000Z", "outcome": {"result": "SUCCESS"}}
        event = {"eventType": "user.lifecycle.deactivate", **head, "target": [user]}
        return {"eventType": "com.okta.event_hook", "cloudEventsVersion": "0.1", "data": {"events": [event]}}

    def _read(self, index: int, event: Mapping[str, Any]) -> News | Noted | None:
        kind = event.get("eventType")
        if not isinstance(kind, str):
            raise ElementError(f"eventType is {kind_of(kind)}: send a System Log event ({keys_of(event)})")
        meaning = MEANINGS.get(kind)
        happened = _happened(event)
        if meaning is None or happened is False or self._of_another_application(event, meaning):
            return None
        name = meaning.name
        if name is EventName.USER_CREATED:
            item = with_key(self._created(event), _key, index, event)
        else:
            user = self._user(event, meaning.active) if name.is_user or name.is_membership else None
            group = None if name.is_user else _group(event, meaning.group)
            item = completed(News(name, user, group), event, "published", _key, index)
        return item if happened else _in_doubt(item, event)

    def _created(self, event: Mapping[str, Any]) -> News:
        """Return a user who is known from now on, without a seat until they are activated.

        An activation may be logged within the same millisecond and must win, so this is told as one earlier.
        """
        told, active = read_moment(event, "published"), self._settings.provision_on == "create"
        at = told if active or told is None else told - 1
        return News(EventName.USER_CREATED, self._user(event, active), None, at)

    def _user(self, event: Mapping[str, Any], active: bool | None) -> UserNews:
        """Return the user. `alternateId` is their login, which counts as an e-mail when it looks like one.

        Not where the API is asked for the address itself: nobody is invited by a login that is none.
        """
        told = _target(event, "User")
        login = None if self._settings.reads_back else lenient_text(told, "alternateId")
        email = login if login and is_address(login) else None
        return UserNews(read_id(told, _path("User")), email, active)

    def _of_another_application(self, event: Mapping[str, Any], meaning: Meaning) -> bool:
        """Tell whether it is about an application other than the configured one, if one is configured."""
        wanted = self._settings.application
        if meaning.group != _APPLICATION or wanted is None:
            return False
        return read_id(_target(event, _APPLICATION), _path(_APPLICATION)) != wanted


def _events(whole: Any) -> list[Any]:
    """Return `data.events`. Raises UnreadableError."""
    try:
        data = as_object(as_object(whole, "the body").get("data"), "data")
    except ElementError as error:
        raise UnreadableError(error.reason) from None
    events = data.get("events")
    if not isinstance(events, list):
        raise UnreadableError(f"data.events is {kind_of(events)}: send a list of System Log events")
    return events


def _happened(event: Mapping[str, Any]) -> bool | None:
    """Tell whether what an event is about was done, None when that cannot be read."""
    outcome = event.get("outcome")
    result = outcome.get("result") if isinstance(outcome, dict) else None
    if not isinstance(result, str):
        return None
    result = result.strip().upper()
    if result == _HAPPENED:
        return True
    return False if result in _NOT_DONE else None


def _in_doubt(item: News | Noted, event: Mapping[str, Any]) -> News | Noted:
    """Judge an event that does not say whether it was done: a leaver's is taken, any other is refused.

    That of a whole group is refused, too: it is no single person's. Raises ElementError.
    """
    outcome = event.get("outcome")
    found = f"outcome is {kind_of(outcome)}"
    if isinstance(outcome, dict):
        found = f"outcome.result is {plain_event(outcome.get('result'))}"
    news = item.news if isinstance(item, Noted) else item
    if news.takes_away and news.user is not None:
        return noted(item, f"{found}: it is taken as done, since somebody leaves")
    raise ElementError(f"{found}: whether it was done cannot be told, SUCCESS is needed")


def _target(event: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return the target of that type: the order of targets differs from one event type to the next.

    Raises ElementError when there is none, or when there are several and so none is meant for certain.
    """
    targets = event.get("target")
    if not isinstance(targets, list):
        raise ElementError(f"target is {kind_of(targets)}: send a list")
    found = [each for each in targets if isinstance(each, dict) and each.get("type") == kind]
    if not found:
        raise ElementError(f"target names no {kind}")
    if len({read_id(each, _path(kind)) for each in found}) > 1:
        raise ElementError(f"target names {len(found)} of type {kind}: which one is meant is not told")
    return found[0]


def _path(kind: str) -> str:
    return f"target[{kind}]"


def _group(event: Mapping[str, Any], kind: str) -> GroupNews:
    """Return the group, or the application (its instance, "0oa…") whose users are taken as a group."""
    told = _target(event, kind)
    return GroupNews(read_id(told, _path(kind)), lenient_text(told, "displayName"))


def _key(_index: int, event: Mapping[str, Any]) -> bytes | None:
    """Return what repeats have in common: the event's `uuid`; `eventId` is that of a whole delivery."""
    ident = read_text(event, "uuid")
    return blake2b(orjson.dumps(["okta", ident]), digest_size=16).digest() if ident else None
