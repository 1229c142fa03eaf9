"""Okta Workflows: whatever a flow builder puts together, in the shape that INTERFACE.md documents.

A flow can send a fixed header, Basic, a client-credentials token, a JWT of its own, or, with the
"Raw Request" and "HMAC" cards, a signature over `{timestamp}.{raw body}`
(https://help.okta.com/en/prod/Content/Topics/Workflows/function-reference/Encryption/encryption_hmac.htm).
"""

import binascii
import hmac
from base64 import b64encode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from bridge.directory.addresses import normalise_email
from bridge.directory.events import EventName, GroupNews, News, UserNews
from bridge.settings import SourceSettings
from bridge.settings.field_map import FieldMap
from bridge.sources.base import Delivery, Noted, Parsed, UnverifiedError
from bridge.sources.bodies import (
    ElementError,
    MakeKey,
    as_object,
    keys_of,
    kind_of,
    lenient_text,
    parse_elements,
    read_name,
    read_text,
)
from bridge.sources.field_map import MapReader
from bridge.sources.moments import completed
from bridge.sources.signatures import equals_any, is_fresh, parse_digits, raw_header, signed_by_any
from bridge.sources.tokens import Tokens, sign_token

_LEAVING = (EventName.USER_DELETED, EventName.USER_REMOVED, EventName.GROUP_DELETED)
_WORDS = {"true": True, "false": False}


class OktaWorkflows:
    """One configured flow, or several that share a URL."""

    def __init__(self, settings: SourceSettings, tokens: Tokens | None = None) -> None:
        """`settings`: its secrets are read at every delivery. `tokens`: the judge of JWTs, for tests."""
        self._settings = settings
        self._tokens = tokens or Tokens(settings)

    async def verify(self, delivery: Delivery) -> int | None:
        """Return the signed time (`auth = "hmac"`), unix milliseconds, else None.

        Raises UnverifiedError, and UnavailableError when a JWT's keys cannot be reached.
        """
        match self._settings.auth:
            case "hmac":
                return self._check_signature(delivery)
            case "basic":
                self._check_basic(_credentials(delivery, "basic"))
            case "header":
                self._check_secret(delivery.headers.get((self._settings.header or "").lower()))
            case "jwt":
                await self._tokens.verify(_credentials(delivery, "bearer"))
            case "bearer":
                self._check_secret(_credentials(delivery, "bearer"))
        return None

    def parse(self, delivery: Delivery, signed_at: int | None) -> Parsed:
        """Read one event or a list of them. Raises UnreadableError.

        The signed time counts whole seconds, so it says nothing of the order of events and is not used.
        """
        make_key = _key if signed_at is None else _signed_key(signed_at, delivery.body)
        return parse_body(delivery.body, None, make_key, self._settings.map)

    def sign(self, body: bytes, now: int) -> dict[str, str]:
        """Return the headers that prove a body. Raises UntestableError for tokens that only others make."""
        if self._settings.auth == "jwt":
            return {"Authorization": f"Bearer {sign_token(self._settings, now)}"}
        secret = self._settings.secrets[0].reveal()
        match self._settings.auth:
            case "basic":
                return {"Authorization": "Basic " + b64encode(secret.encode()).decode()}
            case "header":
                return {self._settings.header or "": secret}
            case "hmac":
                stamp = str(now // 1000)
                mac = hmac.digest(secret.encode(), f"{stamp}.".encode() + body, "sha256").hex()
                return {"X-Bridge-Timestamp": stamp, "X-Bridge-Signature": f"v1={mac}"}
        return {"Authorization": f"Bearer {secret}"}

    def example(self) -> dict[str, Any]:
        """Return a joiner."""
        user = {"id": "test", "email": "test@acme.test", "first_name": "Test", "active": True}
        return {"event": "user.created", "id": "test", "occurred_at": "2026-01-31T09:30:00Z", "user": user}

    def _check_secret(self, given: str | None) -> None:
        if given is None:
            raise UnverifiedError(f"there is no {self._settings.header} header")
        if not equals_any(self._settings.secrets, raw_header(given)):
            raise UnverifiedError("no secret is what was sent")

    def _check_basic(self, given: str) -> None:
        """RFC 7617; the secret is `user:password`."""
        try:
            pair = binascii.a2b_base64(raw_header(given), strict_mode=True)
        except ValueError:
            raise UnverifiedError("what follows Basic is not base64") from None
        if not equals_any(self._settings.secrets, pair):
            raise UnverifiedError("no secret is what was sent")

    def _check_signature(self, delivery: Delivery) -> int:
        stamp = delivery.headers.get("x-bridge-timestamp", "").strip()
        seconds = parse_digits(stamp)
        if seconds is None:
            raise UnverifiedError("X-Bridge-Timestamp is missing or not unix seconds")
        version, _, signature = delivery.headers.get("x-bridge-signature", "").strip().partition("=")
        if version != "v1" or not signature:
            raise UnverifiedError("X-Bridge-Signature is missing or not of the form v1=<hex>")
        if not is_fresh(seconds * 1000, delivery.arrived, self._settings.tolerance_seconds):
            raise UnverifiedError(
                f"X-Bridge-Timestamp is off by more than {self._settings.tolerance_seconds:.0f} s"
            )
        message = stamp.encode("ascii") + b"." + delivery.body
        if not signed_by_any(self._settings.secrets, message, raw_header(signature.lower())):
            raise UnverifiedError("no secret makes the signature")
        return seconds * 1000


def _credentials(delivery: Delivery, scheme: str) -> str:
    """Return what follows the scheme in `Authorization` (RFC 9110, 11.4)."""
    found, _, credentials = delivery.headers.get("authorization", "").strip().partition(" ")
    if found.lower() != scheme:
        raise UnverifiedError(f"Authorization is not of the form {scheme.capitalize()} <credentials>")
    return credentials.strip()


def parse_body(body: bytes, told: int | None, make_key: MakeKey, fields: FieldMap | None = None) -> Parsed:
    """Read one event or a list of them. Raises UnreadableError.

    `told`: unix milliseconds, of events that have no `occurred_at` of their own; `fields`: where the
    bridge's fields are in a body of another shape.
    """
    if fields is None:
        return parse_elements(body, lambda index, element: _read(index, element, told, make_key))
    reader = MapReader(fields)

    def read(index: int, element: Mapping[str, Any]) -> News | Noted | None:
        mapped = reader.read(element)
        return None if mapped is None else _read(index, mapped, told, make_key)

    return parse_elements(body, read)


def _read(index: int, element: Mapping[str, Any], told: int | None, make_key: MakeKey) -> News | Noted:
    name = read_name(element)
    user = _user(name, element) if name.is_user or name.is_membership else None
    group = None if name.is_user else _group(name, element)
    return completed(News(name, user, group, told), element, "occurred_at", make_key, index)


def _part(element: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    if element.get(part) is None:
        raise ElementError(f"{part} is missing ({keys_of(element)})")
    return as_object(element[part], part)


def _user(name: EventName, element: Mapping[str, Any]) -> UserNews:
    told = _part(element, "user")
    ident, active = read_text(told, "id", "user"), _active(told.get("active"))
    leaving = name in _LEAVING or active is False
    email = _beside(told, "email", "user", lenient=bool(ident) and leaving)
    ident = ident or normalise_email(email)
    if not ident:
        raise ElementError(f"user.id and user.email are both missing ({keys_of(told)})")
    return UserNews(ident, email, active)


def _group(event: EventName, element: Mapping[str, Any]) -> GroupNews:
    told = _part(element, "group")
    ident = read_text(told, "id", "group")
    name = _beside(told, "name", "group", lenient=bool(ident) and event in _LEAVING)
    ident = ident or name
    if not ident:
        raise ElementError(f"group.id and group.name are both missing ({keys_of(told)})")
    return GroupNews(ident, name)


def _beside(owner: Mapping[str, Any], key: str, where: str, lenient: bool) -> str | None:
    """Return a text that stands beside an id; one that is odd keeps nobody from leaving (`lenient`)."""
    return lenient_text(owner, key) if lenient else read_text(owner, key, where)


def _active(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else None
    if text == "":
        return None
    if text not in _WORDS:
        raise ElementError(
            f"user.active is {kind_of(value)} that is neither true nor false: send true or false"
        )
    return _WORDS[text]


def _signed_key(signed_at: int, body: bytes) -> MakeKey:
    """Return the function that makes the keys of a signed body: without ids its signature is what repeats.

    Whoever has overheard it could send it again until it is too old, and bring a leaver back.
    """
    signed: list[bytes] = []  # the digest of the whole, once it is needed

    def make(index: int, element: Mapping[str, Any]) -> bytes:
        if key := _key(index, element):
            return key
        if not signed:
            signed.append(blake2b(b"%d." % signed_at + body, digest_size=16).digest())
        return blake2b(signed[0] + b"%d" % index, digest_size=16).digest()

    return make


def _key(_index: int, element: Mapping[str, Any]) -> bytes | None:
    """Return what repeats of one id and content have in common; without an id nothing is a repeat."""
    ident = read_text(element, "id")
    if ident is None:
        return None
    head = orjson.dumps(ident)
    return blake2b(head + orjson.dumps(element, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
