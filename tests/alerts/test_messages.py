"""The requests that receivers take."""

import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from bridge.alerts.conditions import JOURNAL, TARGET, Subject
from bridge.alerts.messages import NEW, OVER, Message, make_request
from bridge.settings import AlertSettings, parse_settings

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = 1_790_000_000_000
PARKED = Message(
    "msg_1", "parked:target:docs", "parked", Subject(TARGET, "docs"), NEW, AT, "docs: 3 changes are held",
    AT - 60_000, 3, 3, frozenset({"a"}),
)  # fmt: skip


def alert(**keys: Any) -> AlertSettings:
    """The settings of a receiver."""
    raw = {"name": "ops", "url": "https://hooks.acme.test/x", **keys}
    return parse_settings({"alerts": [raw]}, Path("/nowhere/bridge.toml")).alerts[0]


def test_slack_gets_a_text() -> None:
    """In which nothing is markup that was not meant so."""
    text = "docs: <!channel> & <https://evil.test|x>: see `bridge parked`"
    headers, body = make_request(alert(kind="slack"), Message(**{**_fields(), "text": text}), AT)
    assert headers["content-type"] == "application/json"
    assert not any(name.startswith("webhook-") for name in headers)
    assert orjson.loads(body) == {
        "text": "docs: &lt;!channel&gt; &amp; &lt;https://evil.test|x&gt;: see `bridge parked`"
    }


def test_others_get_an_event() -> None:
    """Its type, its time and its data; nothing that is only ours."""
    _, body = make_request(alert(kind="standard-webhooks", secret=KEY), PARKED, AT + 5000)
    assert orjson.loads(body) == {
        "type": "bridge.parked", "timestamp": "2026-09-21T14:13:20.000Z",
        "data": {
            "condition": "parked", "phase": "new", "target": "docs", "number": 3, "new": 3,
            "since": "2026-09-21T14:12:20.000Z", "text": "docs: 3 changes are held",
        },
    }  # fmt: skip


def test_what_is_over_has_a_type_of_its_own() -> None:
    """So a receiver can close what it opened; and the journal has no name."""
    stuck = {"kind": "stuck", "subject": Subject(JOURNAL), "phase": OVER, "since": 0}
    message = Message(**{**_fields(), **stuck})
    told = orjson.loads(make_request(alert(kind="standard-webhooks", secret=KEY), message, AT)[1])
    assert told["type"] == "bridge.stuck.over"
    assert told["data"].keys() == {"condition", "phase", "text", "since", "number", "new"}
    assert told["data"]["since"] is None


def test_the_library_takes_the_signature() -> None:
    """Of each attempt: the id stays, the time is that of the attempt."""
    now = time.time_ns() // 1_000_000
    settings = alert(kind="standard-webhooks", secret=KEY)
    for at in (now, now + 60_000):
        headers, body = make_request(settings, PARKED, at)
        assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("msg_1", str(at // 1000))
        assert Webhook(KEY).verify(body, headers)["type"] == "bridge.parked"
        with pytest.raises(WebhookVerificationError):
            Webhook(KEY).verify(body + b" ", headers)


def test_a_secret_that_is_none_any_more_signs_nothing(tmp_path: Path) -> None:
    """A rotation may have put in anything: the receiver refuses it, and that is told."""
    (tmp_path / "key").write_text(KEY)
    raw = {"name": "ops", "kind": "standard-webhooks", "url": "https://h.test", "secret": "file:key"}
    settings = parse_settings({"alerts": [raw]}, tmp_path / "bridge.toml")
    (tmp_path / "key").write_text("%%%")
    settings.reload_secrets()
    assert make_request(settings.alerts[0], PARKED, AT)[0]["webhook-signature"] == "v1,"


def _fields() -> dict[str, Any]:
    return {name: getattr(PARKED, name) for name in Message.__dataclass_fields__}
