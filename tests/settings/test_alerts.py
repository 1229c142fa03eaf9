"""[[alerts]]: every mistake is named, and what is secret shows itself to nobody."""

from pathlib import Path
from typing import Any

import pytest

from bridge.settings import CONDITION_KINDS, Settings, SettingsError, inline_secrets, parse_settings

URL = "https://hooks.slack.com/services/T0/B0/hush"
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SLACK = {"name": "ops", "kind": "slack", "url": URL}
SIGNED = {"name": "pager", "kind": "standard-webhooks", "url": URL, "secret": KEY}


def parse(*alerts: dict[str, Any], folder: Path = Path("/etc/bridge")) -> Settings:
    """The settings of a file with these alerts."""
    return parse_settings({"alerts": list(alerts)}, folder / "bridge.toml")


def problems(*alerts: dict[str, Any]) -> list[str]:
    """What is wrong with them."""
    with pytest.raises(SettingsError) as caught:
        parse(*alerts)
    assert URL not in str(caught.value)
    return caught.value.problems


def test_defaults() -> None:
    """Told of everything, of an outage after a quarter of an hour; sources after a week of silence."""
    (alert,) = parse(SLACK).alerts
    assert (alert.on, alert.unavailable_after) == (CONDITION_KINDS, 900)
    source = {"name": "okta", "kind": "okta-workflows", "secrets": ["okta-secret"]}
    spans = [{}, {"silent_after": "12h"}, {"silent_after": "0s"}]
    sources = [
        {**source, "name": f"s{number}", "secrets": [f"s{number}"], **span}
        for number, span in enumerate(spans)
    ]
    told = parse_settings({"sources": sources}, Path("/etc/bridge/bridge.toml")).sources
    assert [each.silent_after for each in told] == [7 * 86400, 43_200, 0]


@pytest.mark.parametrize(
    ("alert", "problem"),
    [
        ({"name": "ops", "kind": "slack"}, 'alerts[0].url: is missing: write url = "env:SLACK_URL"'),
        (
            {**SLACK, "url": "hooks.slack.com/services"},
            'alerts[0].url: does not hold an http(s) URL: write url = "env:SLACK_URL"',
        ),
        ({**SLACK, "url": "env:NO_SUCH"}, "alerts[0].url: the environment variable NO_SUCH is not set"),
        ({**SLACK, "name": "Ops!"}, "alerts[0].name: string should match"),
        ({**SLACK, "kind": "email"}, "alerts[0].kind: input should be 'slack' or 'standard-webhooks'"),
        ({**SLACK, "secret": KEY}, 'alerts[0].secret: is for kind = "standard-webhooks": remove it'),
        ({**SLACK, "on": []}, "alerts[0].on: is empty, so nothing is ever told: write on = "),
        ({**SLACK, "on": ["fire"]}, "alerts[0].on[0]: input should be 'parked', 'dead', "),
        (
            {**SLACK, "unavailable_after": 15},
            'alerts[0].unavailable_after: is not a length of time: write unavailable_after = "15m"',
        ),
        (
            {key: value for key, value in SIGNED.items() if key != "secret"},
            'alerts[0].secret: is missing, messages are signed with it: write secret = "env:PAGER_SECRET"',
        ),
        ({**SIGNED, "secret": "whsec_%"}, "alerts[0].secret: is not base64: write whsec_<base64>"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(alert: dict[str, Any], problem: str) -> None:
    """With its key, what is wrong, and what to write instead."""
    (found,) = problems(alert)
    assert found.startswith(problem)


def test_all_mistakes_are_told_at_once() -> None:
    """Also those between tables."""
    found = problems(SLACK, {**SLACK, "on": ["fire"], "color": "red"}, {**SIGNED, "secret": "%", "on": []})
    assert sorted(line.partition(": ")[0] for line in found) == [
        "alerts[1].color", "alerts[1].name", "alerts[1].on[0]", "alerts[2].on", "alerts[2].secret",
    ]  # fmt: skip


def test_secrets_stay_secret() -> None:
    """Slack's address is one; that of a receiver who checks a signature is none."""
    settings = parse(SLACK, SIGNED)
    assert inline_secrets(settings) == ["alerts[0].url", "alerts[1].secret"]
    for secret in ("hush", KEY[6:]):
        assert secret not in repr(settings)


def test_secrets_are_read_again(tmp_path: Path) -> None:
    """On SIGHUP, as all others are."""
    (tmp_path / "url").write_text(URL)
    (tmp_path / "key").write_text(KEY)
    settings = parse({**SIGNED, "url": "file:url", "secret": "file:key"}, folder=tmp_path)
    (tmp_path / "url").write_text("https://elsewhere.test/")
    (tmp_path / "key").unlink()
    assert [line.rpartition("/")[2] for line in settings.reload_secrets()] == [
        "key cannot be read: FileNotFoundError"
    ]
    alert = settings.alert("pager")
    assert alert
    assert [each.reveal() for each in alert.secrets] == ["https://elsewhere.test/", KEY]
