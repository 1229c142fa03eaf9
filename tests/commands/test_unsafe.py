"""`bridge check` about configurations that work and are not safe."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.commands.unsafe import find_unsafe
from bridge.settings import parse_settings

LONG = "0123456789abcdef"


def source(**keys: Any) -> dict[str, Any]:
    """A source whose secret is long enough."""
    return {"name": "okta", "kind": "okta-workflows", "secrets": ["env:LONG"], **keys}


def target(**keys: Any) -> dict[str, Any]:
    """A target."""
    return {"name": "docs", "organization": "acme", "token": "env:LONG", **keys}


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], list[str]]:
    """Return what is said of a configuration."""
    monkeypatch.setenv("LONG", LONG)
    monkeypatch.setenv("SHORT", LONG[1:])
    monkeypatch.setenv("BASIC", f"bridge:{LONG[1:]}")
    monkeypatch.setenv("KEY", "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY=")  # 23 bytes
    monkeypatch.setenv("CHAT", "http://chat.test/hooks/1")
    path = tmp_path / "bridge.toml"
    path.write_text("")

    def find(raw: dict[str, Any]) -> list[str]:
        return [f"{each.name}: {each.detail}" for each in find_unsafe(parse_settings(raw, path), path)]

    return find


def test_nothing_is_said_of_what_is_safe(told: Callable[[dict[str, Any]], list[str]]) -> None:
    """Also plain HTTP within this machine, as to the sandbox."""
    here = target(api_url="http://127.0.0.1:9000/v1")
    assert told({"sources": [source(tolerance="7d")], "targets": [here]}) == []


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (
            {"targets": [target(api_url="http://api.test/v1")]},
            "target.docs: api_url has no TLS: the token can",
        ),
        (
            {
                "sources": [
                    source(auth="jwt", jwks_url="http://a.test/keys", issuer="i", audience="a", scope="s")
                ]
            },
            "source.okta: jwks_url has no TLS: whose tokens are taken can be read and changed",
        ),
        (
            {"alerts": [{"name": "chat", "kind": "slack", "url": "env:CHAT"}]},
            "alert.chat: url has no TLS: what is told can be read",
        ),
        (
            {"sources": [source(secrets=["env:SHORT"])]},
            "source.okta: secret env:SHORT: it has 15 characters, fewer",
        ),
        (
            {"sources": [source(auth="basic", secrets=["env:BASIC"])]},
            "source.okta: secret env:BASIC: it has 15 characters, fewer than 16: make a longer one",
        ),
        (
            {"sources": [source(kind="standard-webhooks", secrets=["env:KEY"])]},
            "source.okta: secret env:KEY: it has 23 bytes, fewer than 24: make a longer one",
        ),
        ({"sources": [source(tolerance="8d")]}, "source.okta: tolerance is more than 7 days, as long as"),
        ({"redis": {"url": "rediss://h.test?ssl_cert_reqs=none"}}, "redis: its certificate is not looked at"),
        ({"targets": [target(token=LONG)]}, "secrets: targets[0].token: stands in the file itself"),
    ],
)
def test_what_is_not_safe(
    raw: dict[str, Any], said: str, told: Callable[[dict[str, Any]], list[str]]
) -> None:
    """Each is named, with the way out."""
    found = told(raw)
    assert any(line.startswith(said) for line in found), found
    assert LONG[1:] not in repr(found)


@pytest.mark.parametrize(("folder", "shown"), [(0o755, True), (0o750, False)])
def test_a_file_with_a_secret_that_everybody_can_read(folder: int, shown: bool) -> None:
    """Where everybody can get to it, too."""
    with tempfile.TemporaryDirectory(prefix="bt-") as name:
        place = Path(name).resolve()
        place.chmod(folder)
        token, path = place / "token", place / "bridge.toml"
        token.write_text("there")
        token.chmod(0o644)
        settings = parse_settings({"targets": [target(token="file:token")]}, path)
        found = [each.detail for each in find_unsafe(settings, path)]
    told = f"{token} can be read by every user of this machine: chmod o-r {token}"
    assert found == ([told] if shown else [])
