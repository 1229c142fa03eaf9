"""How long an answer asks to be left alone."""

from email.utils import formatdate

import pytest

from bridge.rate_limit_headers import LONGEST_WAIT, reset_wait, retry_after, told_wait

NOW = 1_795_319_083.4
RESET = "x-ratelimit-reset"
DAY = 86_400


def date(ahead: float = 0.0) -> str:
    """A moment in HTTP's words."""
    return formatdate(NOW + ahead, usegmt=True)


def epoch(ahead: float, unit: int = 1) -> str:
    """A moment as a number."""
    return str(int((NOW + ahead) * unit))


@pytest.mark.parametrize("ahead", [0, 30, -30, 3000, -3000, DAY, -DAY])
def test_a_reset_is_by_the_clock_of_who_tells_it(ahead: float) -> None:
    """Date and reset are of one clock, however wrong."""
    assert reset_wait({RESET: epoch(ahead + 40), "date": date(ahead)}, RESET, NOW) == 40


@pytest.mark.parametrize("off", [DAY, -DAY, 3000, -3000])
def test_a_date_that_is_off_does_not_count(off: float) -> None:
    """Where our own clock finds the reset plausible."""
    assert reset_wait({RESET: epoch(40), "date": date(off)}, RESET, NOW) == pytest.approx(40, abs=1)


@pytest.mark.parametrize("text", ["soon", "", "nan", "inf", "-40", "0"])
def test_what_is_no_time_is_not_told(text: str) -> None:
    """As if it were not there."""
    assert told_wait({RESET: text, "date": date()}, RESET, NOW) is None


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("40", 40),  # the seconds that are left
        (str(LONGEST_WAIT), LONGEST_WAIT),
        (str(DAY), None),
        (epoch(40, 1000), 40),  # milliseconds
        (epoch(-40, 1000), None),
        (epoch(-40), None),  # over
        (epoch(-DAY), None),
        (epoch(0), 1),
    ],
)
def test_a_reset_in_another_unit(text: str, wait: float | None) -> None:
    """Is understood; one that is over says nothing of the next window."""
    found = told_wait({RESET: text, "date": date()}, RESET, NOW)
    assert found == (None if wait is None else pytest.approx(wait, abs=1))


@pytest.mark.parametrize("unit", [1, 1000])
@pytest.mark.parametrize(("asked", "wait"), [(None, LONGEST_WAIT), ("30", 30)])
def test_a_reset_far_away_counts_only_on_its_own(asked: str | None, wait: float, unit: int) -> None:
    """Then as an hour."""
    told = {RESET: epoch(DAY, unit), "date": date()} | ({"retry-after": asked} if asked else {})
    assert told_wait(told, RESET, NOW) == wait


@pytest.mark.parametrize(
    ("reset", "asked", "wait"),
    [
        (epoch(30), "90", 90), (epoch(30), "5", 30), (epoch(-30), "90", 90), (epoch(30), "soon", 30),
        (epoch(30), "-90", 30), ("30", "90", 90), (epoch(30, 1000), "5", 30), (epoch(30), str(DAY), 3600),
        (epoch(-30), "0", 1), (epoch(30), date(90), 90), (epoch(30), date(-90), 30),
    ],
)  # fmt: skip
def test_the_longer_of_the_sane_ones_counts(reset: str, asked: str, wait: float) -> None:
    """Whatever is wrong with the other."""
    told = {RESET: reset, "retry-after": asked, "date": date()}
    assert told_wait(told, RESET, NOW) == pytest.approx(wait, abs=1)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("7", 7), ("0", 0), ("2.9", 2), ("-3", None), ("soon", None), (str(DAY), LONGEST_WAIT),
        (date(60), 60), (date(-60), None), (date(DAY), LONGEST_WAIT),
    ],
)  # fmt: skip
def test_retry_after(text: str, wait: float | None) -> None:
    """Seconds or a date, an hour at most."""
    found = retry_after({"retry-after": text, "date": date()}, NOW)
    assert found == (None if wait is None else pytest.approx(wait, abs=1))


@pytest.mark.parametrize("off", [DAY, -DAY])
def test_retry_after_with_a_date_that_is_off(off: float) -> None:
    """As with the reset; where both are of one wrong clock, that clock counts."""
    assert retry_after({"retry-after": date(60), "date": date(off)}, NOW) == pytest.approx(60, abs=1)
    assert retry_after({"retry-after": date(off + 60), "date": date(off)}, NOW) == 60
