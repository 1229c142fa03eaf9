"""Times as senders write them."""

from typing import Any

import pytest

from bridge.sources.bodies import ElementError
from bridge.sources.moments import epoch_text, parse_moment, read_moment


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2026-01-31T09:30:00Z", 1_769_851_800_000),
        ("2026-01-31t09:30:00.123456789z", 1_769_851_800_123),
        ("2026-01-31 10:30:00+01:00", 1_769_851_800_000),
        ("2026-01-31T09:30:00.5-0000", 1_769_851_800_500),
        ("2023-04-28 20:05:31.093", 1_682_712_331_093),
        ("2026-01-31T09:30", 1_769_851_800_000),
        ("2026-01-31", None),
        ("2026-02-30T09:30:00Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("31.1.2026 09:30", None),
        ("now", None),
        ("1769851800", None),
        ("\u0662026-01-31T09:30:00Z", None),
    ],
)
def test_moments(text: str, milliseconds: int | None) -> None:
    """RFC 3339 and what flows and WorkOS make of it, to the millisecond."""
    assert milliseconds == parse_moment(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1_769_851_800, "2026-01-31T09:30:00.000+00:00"),
        (1_769_851_800_250, "2026-01-31T09:30:00.250+00:00"),
        (1_769_851_800.25, "2026-01-31T09:30:00.250+00:00"),
        (946_684_799, None),
        (0, None),
        (-1, None),
        (10**30, None),
        (float("inf"), None),
    ],
)
def test_counted_times(number: float, text: str | None) -> None:
    """Seconds or milliseconds since 1970, as their size tells; others are none."""
    assert text == epoch_text(number)


@pytest.mark.parametrize("told", [None, "", " "])
def test_missing_time_says_nothing(told: Any) -> None:
    """An empty field is none."""
    assert read_moment({"at": told}, "at") is None


@pytest.mark.parametrize("told", ["soon", 7, True, []])
def test_unreadable_time_is_refused(told: Any) -> None:
    """The reason names the field."""
    with pytest.raises(ElementError, match="at is "):
        read_moment({"at": told}, "at")
