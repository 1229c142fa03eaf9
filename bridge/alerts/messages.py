"""One message, and the requests that the kinds of receivers take."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from bridge.alerts.conditions import Subject
from bridge.settings import AlertSettings
from bridge.sources.standard_webhooks import signed_headers

NEW, MORE, OVER, TEST = "new", "more", "over", "test"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one receiver, the same at every attempt.

    `id`: what receivers know a repeat by; `key`: of its condition; `phase`: NEW, MORE, OVER or TEST; `at`,
    `since`: unix ms; `number`: how many there are, `new`: of those that were not told before; `items`:
    what has been told once it is delivered; `attempts`: how often that failed.
    """

    id: str
    key: str
    kind: str
    subject: Subject
    phase: str
    at: int
    text: str
    since: int = 0
    number: int = 0
    new: int = 0
    items: frozenset[str] = field(default=frozenset())
    attempts: int = 0


def rfc3339(at: int) -> str | None:
    """Return unix ms as RFC 3339 text in UTC, None for 0."""
    if not at:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_request(alert: AlertSettings, message: Message, now: int) -> tuple[dict[str, str], bytes]:
    """Return headers and body of one attempt. `now`: unix ms, the real time, since it is signed."""
    headers = {"content-type": "application/json", "user-agent": "directory-bridge"}
    if alert.kind == "slack" or alert.secret is None:
        return headers, orjson.dumps({"text": escape(message.text)})
    body = orjson.dumps(as_event(message))
    return headers | signed_headers(alert.secret, message.id, now, body), body


def escape(text: str) -> str:
    """Escape what is not text in Slack's mrkdwn (https://api.slack.com/reference/surfaces/formatting)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_event(message: Message) -> dict[str, Any]:
    """Return a message as Standard Webhooks recommends: its type, its time, its data."""
    suffix = ".over" if message.phase == OVER else ""
    data: dict[str, Any] = {
        "condition": message.kind, "phase": message.phase, "text": message.text,
        "since": rfc3339(message.since), "number": message.number, "new": message.new,
    }  # fmt: skip
    about = {message.subject.about: message.subject.name} if message.subject.name else {}
    return {"type": f"bridge.{message.kind}{suffix}", "timestamp": rfc3339(message.at), "data": data | about}
