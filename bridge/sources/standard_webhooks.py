"""Standard Webhooks: one envelope of headers around any of the bodies that other kinds know.

Scheme: `webhook-signature` lists `v1,<base64 HMAC-SHA256 of "{webhook-id}.{webhook-timestamp}.{raw body}">`,
the timestamp in unix seconds, the key behind `whsec_` in base64
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

import hmac
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from bridge.settings import Secret, SourceSettings
from bridge.sources import jackson, okta_workflows, workos
from bridge.sources.base import Delivery, Parsed, Playable, UnverifiedError
from bridge.sources.bodies import MakeKey
from bridge.sources.signatures import describe_age, is_fresh, parse_digits, raw_header

LONGEST_LIST = 4096  # characters of webhook-signature: some 80 signatures, each compared with each secret

_BODIES: dict[str, Callable[[bytes, int | None, MakeKey], Parsed]] = {
    "jackson": jackson.parse_body,
    "workos": workos.parse_body,
}
_EXAMPLES: dict[str, Callable[[SourceSettings], Playable]] = {
    "bridge": okta_workflows.OktaWorkflows,
    "jackson": jackson.Jackson,
    "workos": workos.WorkOS,
}
_SVIX = "svix-"  # what Svix, from which the specification comes, calls its headers where nothing else is set
_WITHIN = 999  # milliseconds that a timestamp in whole seconds leaves out


class StandardWebhooks:
    """One configured sender of Standard Webhooks."""

    def __init__(self, settings: SourceSettings) -> None:
        """`settings`: its secrets are read at every delivery, so a rotation needs no restart."""
        self._settings = settings

    async def verify(self, delivery: Delivery) -> int:
        """Return the signed time, unix milliseconds (whole seconds). Raises UnverifiedError."""
        headers = _headers(delivery.headers)
        ident = headers.get("webhook-id", "")
        stamp = headers.get("webhook-timestamp", "").strip()
        seconds = parse_digits(stamp)
        if not ident:
            raise UnverifiedError("there is no webhook-id header")
        if seconds is None:
            raise UnverifiedError("webhook-timestamp is missing or not unix seconds")
        signed_at, tolerance = seconds * 1000, self._settings.tolerance_seconds
        if not is_fresh(signed_at, delivery.arrived, tolerance):
            raise UnverifiedError(describe_age(signed_at, delivery.arrived, tolerance))
        message = b".".join((raw_header(ident), stamp.encode("ascii"), delivery.body))
        signatures = _list_signatures(headers.get("webhook-signature", ""))
        if not _signed_by_any(self._settings.secrets, message, signatures):
            raise UnverifiedError(f"no secret makes any of the {len(signatures)} v1 signatures")
        return signed_at

    def parse(self, delivery: Delivery, signed_at: int | None) -> Parsed:
        """Read a body of the configured shape. Raises UnreadableError.

        What tells no time of its own happened when it was signed. That is a whole second, so its end is
        taken: of two deliveries within it, the order in which they arrive then counts.
        """
        make_key = _make_key([self._settings.name, _headers(delivery.headers).get("webhook-id", "")])
        told = None if signed_at is None else signed_at + _WITHIN
        if self._settings.body == "bridge":
            return okta_workflows.parse_body(delivery.body, told, make_key, self._settings.map)
        return _BODIES[self._settings.body](delivery.body, told, make_key)

    def sign(self, body: bytes, now: int) -> dict[str, str]:
        """Return the headers that prove a body."""
        return signed_headers(self._settings.secrets[0], f"msg_{now}", now, body)

    def example(self) -> Any:
        """Return a joiner in the configured shape."""
        return _EXAMPLES[self._settings.body](self._settings).example()


def signed_headers(secret: Secret, ident: str, now: int, body: bytes) -> dict[str, str]:
    """Return the headers of one attempt to deliver a body. `ident`: of the message; `now`: unix ms.

    While the secret is no key they have no signature that anybody takes.
    """
    stamp = str(now // 1000)
    signature = _sign(secret, f"{ident}.{stamp}.".encode() + body) or b""
    return {
        "webhook-id": ident,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{signature.decode()}",
    }


def _headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers under the specification's names."""
    if "webhook-id" in headers or f"{_SVIX}id" not in headers:
        return headers
    return {name.replace(_SVIX, "webhook-", 1): value for name, value in headers.items()}


def _list_signatures(header: str) -> list[bytes]:
    """Return the v1 signatures of a space-separated list, as base64; others (v1a: Ed25519) are left out."""
    if len(header) > LONGEST_LIST:
        return []
    pairs = (each.partition(",") for each in header.split())
    return [raw_header(signature) for version, _, signature in pairs if version == "v1" and signature]


def _signed_by_any(secrets: Iterable[Secret], message: bytes, signatures: list[bytes]) -> bool:
    """Tell whether any secret makes any of the signatures. All are compared, so the time tells nothing."""
    found = False
    for secret in secrets:
        expected = _sign(secret, message)
        matches = False
        for signature in signatures:
            matches |= expected is not None and hmac.compare_digest(expected, signature)
        secret.matches += matches
        found |= matches
    return found


def _sign(secret: Secret, message: bytes) -> bytes | None:
    """Return the signature in base64, None while the secret is no key: a rotation may put in anything."""
    try:
        return b64encode(hmac.digest(secret.reveal_key(), message, "sha256"))
    except ValueError:
        return None


def _make_key(head: list[str]) -> MakeKey:
    """Return the function that makes the key of the element at an index: repeats share `webhook-id`."""

    def make(index: int, _element: Mapping[str, Any]) -> bytes:
        return blake2b(orjson.dumps([*head, index]), digest_size=16).digest()

    return make
