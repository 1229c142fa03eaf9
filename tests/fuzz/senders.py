"""One sender of each kind and each way to prove itself, with a body of its own and how it signs."""

import hmac
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)

from bridge.settings import SourceSettings
from bridge.sources.base import Source
from bridge.sources.okta_workflows import OktaWorkflows
from bridge.sources.registry import make_source
from bridge.sources.tokens import Key, KeySet, Tokens, read_key_set

NOW = 1_800_000_000_000  # unix milliseconds, of each delivery
OLD, NEW = "the-old-secret-of-the-tests", "the-new-secret-of-the-tests"
WHSEC = "whsec_" + b64encode(b"a-key-of-the-tests-of-32-bytes!!").decode()
CLAIMS = {"iss": "https://idp.acme.test", "aud": "bridge", "sub": "flow", "exp": int(time.time()) + 36_000}
DATA = Path(__file__).parents[1] / "sources" / "data"

Headers = dict[str, str]


@dataclass(frozen=True)
class Sender:
    """A source, and the headers that prove a body; `signs`: the body, too, and not only who sent it."""

    name: str
    source: Source
    sign: Callable[[bytes], Headers]
    signs: bool
    bodies: tuple[bytes, ...]


def _settings(kind: str, **more: Any) -> SourceSettings:
    return SourceSettings.model_validate({"name": "one", "kind": kind, "secrets": [OLD, NEW], **more})


def _hex(message: bytes) -> str:
    return hmac.new(NEW.encode(), message, "sha256").hexdigest()


def _stamped(header: str, form: str) -> Callable[[bytes], Headers]:
    return lambda body: {header: form.format(NOW, _hex(b"%d." % NOW + body))}


def _standard(body: bytes) -> Headers:
    seconds = NOW // 1000
    mac = hmac.digest(b"a-key-of-the-tests-of-32-bytes!!", f"msg_1.{seconds}.".encode() + body, "sha256")
    signature = "v1,AAAA v1," + b64encode(mac).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": str(seconds), "webhook-signature": signature}


def _flow(body: bytes) -> Headers:
    seconds = NOW // 1000
    return {
        "x-bridge-timestamp": str(seconds),
        "x-bridge-signature": "v1=" + _hex(b"%d." % seconds + body),
    }


def _fixed(header: str, value: str) -> Callable[[bytes], Headers]:
    return lambda _body: {header: value}


class _Keys(KeySet):
    """A key set that was fetched already."""

    def __init__(self, private: EllipticCurvePrivateKey) -> None:
        super().__init__("https://idp.acme.test/keys")
        one = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        self._whole = read_key_set(orjson.dumps({"keys": [{**one, "kid": "k1"}]}))

    async def find(self, ident: str) -> Key | None:
        """Look it up without a network."""
        return self._whole.get(ident)


def _lines(name: str) -> tuple[bytes, ...]:
    return tuple((DATA / name).read_bytes().splitlines())


def _event(name: str, **parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"event": name, "id": f"id-{name}", "occurred_at": "2026-01-31T09:30:00.000Z", **parts}


USER = {"id": "00u1", "email": "ana@acme.test", "active": True, "first_name": "Ana"}
GROUP = {"id": "00g1", "name": "Writers"}
JACKSON = tuple(orjson.loads(line)["raw_body"].encode() for line in _lines("jackson.jsonl"))
WORKOS = _lines("workos.jsonl")
FLOWS = tuple(
    orjson.dumps(one)
    for one in (
        _event("user.created", user=USER),
        _event("group.user_added", user=USER, group=GROUP),
        [_event("user.updated", user={**USER, "active": "False"}), _event("group.deleted", group=GROUP), 7],
    )
)
HOOK_EVENTS = ("user.lifecycle.create", "user.lifecycle.deactivate", "group.user_membership.add")
HOOKS = (
    orjson.dumps({
        "cloudEventsVersion": "0.1",
        "data": {
            "events": [
                {
                    "uuid": f"uuid-{kind}", "published": "2026-01-31T09:30:00.000Z", "eventType": kind,
                    "outcome": {"result": "SUCCESS"},
                    "target": [
                        {"id": "00u1", "type": "User", "alternateId": "ana@acme.test", "displayName": "Ana"},
                        {"id": "00g1", "type": "UserGroup", "displayName": "Writers"},
                    ],
                }
                for kind in HOOK_EVENTS
            ]
        },
    }),
)  # fmt: skip
MAPPED = orjson.dumps([
    {"type": "joined", "who": {"key": "00u1", "mail": "ana@acme.test", "on": "yes"}, "teams": ["a", "b"]},
    {"type": "left", "who": {"key": 7}, "teams": [{"deep": [1.5, None]}]},
])  # fmt: skip
MAP = {
    "event": "type",
    "events": {"joined": "group.user_added", "left": "group.user_removed", "*": "ignore"},
    "user": {"id": "who.key", "email": "who.mail", "active": "who.on == 'yes'"},
    "group": {"name": "join('/', teams[])"},
}


def _standard_settings(body: str) -> SourceSettings:
    return _settings("standard-webhooks", secrets=["whsec_b2xk", WHSEC], body=body)


def _token_senders() -> list[Sender]:
    usual = {
        "auth": "jwt",
        "issuer": CLAIMS["iss"],
        "audience": CLAIMS["aud"],
        "secrets": [],
        "subject": CLAIMS["sub"],
    }
    private = generate_private_key(SECP256R1())
    shared = _settings("okta-workflows", **usual, key=OLD + NEW)
    public = _settings("okta-workflows", **usual, jwks_url="https://idp.acme.test/keys")
    ours = _bearer(jwt.encode(CLAIMS, OLD + NEW, "HS256"))
    theirs = _bearer(jwt.encode(CLAIMS, private, "ES256", {"kid": "k1"}))
    read = OktaWorkflows(public, Tokens(public, _Keys(private)))
    return [
        Sender("jwt, shared key", make_source(shared), ours, False, FLOWS),
        Sender("jwt, public key", read, theirs, False, FLOWS),
    ]


def _bearer(text: str) -> Callable[[bytes], Headers]:
    return _fixed("authorization", f"Bearer {text}")


def _flow_senders() -> list[Sender]:
    signs: dict[str, Callable[[bytes], Headers]] = {
        "hmac": _flow,
        "bearer": _bearer(NEW),
        "basic": _fixed("authorization", "Basic " + b64encode(NEW.encode()).decode()),
        "header": _fixed("x-api-key", NEW),
    }
    sources = {auth: _source("okta-workflows", auth=auth, header="X-Api-Key") for auth in signs}
    found = [
        Sender(f"flow, {auth}", sources[auth], sign, auth == "hmac", FLOWS) for auth, sign in signs.items()
    ]
    return [*found, Sender("flow, map", _source("okta-workflows", map=MAP), _bearer(NEW), False, (MAPPED,))]


def _source(kind: str, **more: Any) -> Source:
    return make_source(_settings(kind, **more))


def make_senders() -> list[Sender]:
    """Return all of them: each proves itself by its second secret, as in the midst of a rotation."""
    boxyhq, polis = (_stamped(f"{name}-signature", "t={},s={}") for name in ("boxyhq", "ory-polis"))
    workos = _stamped("workos-signature", "t={}, v1={}")
    bodies = {"bridge": FLOWS, "jackson": JACKSON, "workos": WORKOS}
    return [
        Sender("jackson", _source("jackson"), boxyhq, True, JACKSON),
        Sender("polis", _source("jackson"), polis, True, JACKSON),
        Sender("workos", _source("workos"), workos, True, WORKOS),
        *(
            Sender(f"standard, {body}", make_source(_standard_settings(body)), _standard, True, bodies[body])
            for body in bodies
        ),
        Sender("hooks", _source("okta-event-hooks"), _fixed("authorization", NEW), False, HOOKS),
        *_flow_senders(),
        *_token_senders(),
    ]
