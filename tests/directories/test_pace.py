"""How fast a directory's API may be called."""

from email.utils import formatdate

import pytest

from bridge.directories.pace import Pace
from bridge.rate_limit_headers import LONGEST_WAIT

NOW = 1_795_319_083.0


def headers(remaining: int, seconds: float, limit: int = 100, skew: float = 0.0) -> dict[str, str]:
    """Okta's headers: the window ends in so many seconds; its clock is `skew` seconds ahead."""
    return {
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(remaining),
        "x-rate-limit-reset": str(int(NOW + skew + seconds)),
        "date": formatdate(NOW + skew, usegmt=True),
    }


def wait_after(*answers: tuple[int, dict[str, str]]) -> float:
    """How long the next call waits after these answers: status, headers."""
    pace = Pace()
    for status, told in answers:
        pace.seen(status, told, NOW)
    return pace.wait(NOW)


def test_nothing_known_nothing_to_wait_for() -> None:
    """Go on; also where an answer has no headers."""
    assert wait_after() == 0
    assert wait_after((200, {})) == 0


def test_a_quarter_of_a_window_is_left_to_others() -> None:
    """Other programs of the organisation share the limit."""
    assert wait_after((200, headers(26, 40))) == 0
    assert wait_after((200, headers(25, 40))) == 40
    assert wait_after((200, headers(0, 40, limit=1))) == 40


@pytest.mark.parametrize("skew", [0.0, 500.0, -500.0])
def test_the_reset_is_by_the_directory_s_clock(skew: float) -> None:
    """Ours may be wrong."""
    assert wait_after((429, headers(0, 40, skew=skew))) == 40


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({}, 1.0),
        ({"retry-after": "7"}, 7.0),
        ({"x-rate-limit-reset": "soon"}, 1.0),
        ({"x-rate-limit-reset": "0"}, 1.0),
        ({"x-rate-limit-reset": "9" * 30}, LONGEST_WAIT),
        ({"x-rate-limit-reset": str(int(NOW) + 30), "date": "soon"}, 30.0),
    ],
)
def test_a_429_waits_whatever_it_says(told: dict[str, str], seconds: float) -> None:
    """At least a second, at most an hour; by our clock where the answer tells no time."""
    assert seconds == wait_after((429, told))


def test_the_longer_of_window_and_retry_after_counts() -> None:
    """Okta tells the window; a proxy before it may ask for more."""
    assert wait_after((429, headers(0, 40) | {"retry-after": "90"})) == 90


def test_a_503_may_ask_for_time() -> None:
    """Without a word the caller's own back-off does."""
    assert wait_after((503, {"retry-after": "90"})) == 90
    assert wait_after((503, {})) == 0


def test_a_clock_that_is_set_back_blocks_nothing() -> None:
    """What is further ahead than anything can be is over."""
    pace = Pace()
    pace.seen(429, headers(0, 40), NOW)
    assert pace.wait(NOW - 86_400) == 0


def test_repeated_429_without_a_word_wait_longer() -> None:
    """And one that was answered ends the row."""
    assert wait_after(*[(429, {})] * 3) == 4
    assert wait_after(*[(429, {})] * 20) == 60
    pace = Pace()
    for status in (429, 429, 200, 429):
        pace.seen(status, {}, NOW)
    assert pace.wait(NOW) == 1


def test_too_many_calls_at_once_are_no_window() -> None:
    """Okta tells a limit of 0 then: repeated ones wait longer, and the next answer is believed again."""
    crowded = headers(0, 1, limit=0)
    assert wait_after((429, crowded)) == 1
    assert wait_after(*[(429, crowded)] * 4) == 8
    assert wait_after((200, crowded)) == 0
