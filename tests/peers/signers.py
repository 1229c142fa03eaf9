"""Those who sign and verify webhooks by the schemes that the bridge takes, in their own packages."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import standardwebhooks
import svix.webhooks
from workos import WorkOSClient

from tests.peers.processes import HERE, Process

Headers = dict[str, str]
Sign = Callable[[str, bytes, int], Headers]  # secret, body, unix milliseconds -> headers
Verify = Callable[[str, bytes, Headers], None]  # secret, body, headers in lower case; raises


class NotVerifiedError(Exception):
    """A package in Node says no, for the reason that is its text."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One package. `kind`: of the source that speaks its scheme; `refusal`: what its verifier raises.

    `sign` is None where the package has nothing that signs a webhook.
    """

    kind: str
    verify: Verify
    sign: Sign | None
    refusal: type[Exception]


class Node:
    """The packages in Node, told what to do over a control port (see signatures.mjs)."""

    def __init__(self, log: Path) -> None:
        """Start it."""
        self._process = Process(["node", HERE / "signatures.mjs"], log, talks=True)
        try:
            port = json.loads(self._process.first_line())["port"]
        except BaseException:
            self._process.stop()
            raise
        self._control = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False)

    def peer(self, name: str, kind: str) -> Peer:
        """Return one of them."""

        def sign(secret: str, body: bytes, at: int) -> Headers:
            told = self._ask(f"/{name}/sign", {"secret": secret, "body": body.decode(), "at": at})
            return Headers(told["headers"])

        def verify(secret: str, body: bytes, headers: Headers) -> None:
            told = {"secret": secret, "body": body.decode(), "headers": headers}
            answer = self._ask(f"/{name}/verify", told)
            if not answer["verified"]:
                raise NotVerifiedError(answer["reason"])

        return Peer(kind, verify, sign, NotVerifiedError)

    def stop(self) -> None:
        """Stop it."""
        self._control.close()
        self._process.stop()

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._control.post(path, json=body)
        assert answer.status_code == 200, f"{path}: {answer.text}: {self._process.last_words()}"
        told: dict[str, Any] = answer.json()
        return told


def workos_python() -> Peer:
    """Return WorkOS's SDK for Python. It reads what it has verified, too, and signs no webhooks."""
    webhooks = WorkOSClient(api_key="sk_of_the_tests", client_id="client_of_the_tests").webhooks

    def verify(secret: str, body: bytes, headers: Headers) -> None:
        webhooks.verify_event(event_body=body, event_signature=headers["workos-signature"], secret=secret)

    return Peer("workos", verify, None, ValueError)


def standardwebhooks_python() -> Peer:
    """Return the reference library of the specification."""

    def sign(secret: str, body: bytes, at: int) -> Headers:
        return _signed(standardwebhooks.Webhook(secret).sign, "webhook-", body, at)

    def verify(secret: str, body: bytes, headers: Headers) -> None:
        standardwebhooks.Webhook(secret).verify(body, headers)

    return Peer("standard-webhooks", verify, sign, standardwebhooks.WebhookVerificationError)


def svix_python() -> Peer:
    """Return Svix's library. Its headers have names of their own; it takes the specification's, too."""

    def sign(secret: str, body: bytes, at: int) -> Headers:
        return _signed(svix.webhooks.Webhook(secret).sign, "svix-", body, at)

    def verify(secret: str, body: bytes, headers: Headers) -> None:
        svix.webhooks.Webhook(secret).verify(body, headers)

    return Peer("standard-webhooks", verify, sign, svix.webhooks.WebhookVerificationError)


def _signed(sign: Callable[[str, datetime, str], str], prefix: str, body: bytes, at: int) -> Headers:
    ident, moment = f"msg_{at}", datetime.fromtimestamp(at / 1000, UTC)
    return {
        f"{prefix}id": ident,
        f"{prefix}timestamp": str(at // 1000),
        f"{prefix}signature": sign(ident, moment, body.decode()),
    }
