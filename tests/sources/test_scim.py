"""The bearer token of a SCIM source."""

from pathlib import Path

import pytest

from bridge.settings import SettingsError, parse_settings
from bridge.settings.sources import SourceSettings
from bridge.sources.base import Delivery, UnreadableError, UnverifiedError
from bridge.sources.registry import make_source
from bridge.sources.scim import Scim

SETTINGS = SourceSettings.model_validate({"name": "idp", "kind": "scim", "secrets": ["one", "two"]})


def delivery(value: str | None) -> Delivery:
    """A request with that Authorization header."""
    return Delivery({} if value is None else {"authorization": value}, b"", 0)


@pytest.mark.parametrize("value", ["Bearer one", "bearer two", "BEARER  one"])
async def test_any_secret_verifies(value: str) -> None:
    """Whatever the case of the scheme (RFC 9110 11.1)."""
    assert await Scim(SETTINGS).verify(delivery(value)) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Bearer on", "Basic one", "one", "Bearer one two", "Bearer ÿ"]
)
async def test_anything_else_does_not(value: str | None) -> None:
    """No part of the secret or of what was sent is in the reason."""
    with pytest.raises(UnverifiedError) as refused:
        await Scim(SETTINGS).verify(delivery(value))
    assert refused.value.reason in {"there is no Authorization: Bearer header", "no secret is what was sent"}


def test_webhooks_are_none_of_its() -> None:
    """Whoever sends one is told the right address."""
    with pytest.raises(UnreadableError, match="/scim/idp/v2"):
        make_source(SETTINGS).parse(delivery(None), None)


def test_a_secret_is_needed() -> None:
    """The settings say so."""
    with pytest.raises(SettingsError, match="secrets: is missing"):
        parse_settings({"sources": [{"name": "idp", "kind": "scim"}]}, Path("bridge.toml"))
