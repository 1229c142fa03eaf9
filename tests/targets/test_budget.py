"""How many calls a target still takes."""

from email.utils import formatdate

import pytest

from bridge.rate_limit_headers import LONGEST_WAIT
from bridge.targets.budget import Budgets

NOW = 1_795_319_083.4


def headers(
    remaining: int, seconds: float, limit: int = 60, skew: float = 0.0, date: bool = True
) -> dict[str, str]:
    """GitBook's headers: the window ends in so many seconds; its clock is `skew` seconds ahead."""
    told = {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(int(NOW + skew + seconds)),
    }
    return told | ({"date": formatdate(NOW + skew, usegmt=True)} if date else {})


def after(*answers: tuple[str, int, dict[str, str]], now: float = NOW) -> Budgets:
    """What is known after these answers: kind, status, headers."""
    budgets = Budgets()
    for kind, status, told in answers:
        budgets.seen(kind, status, told, now)
    return budgets


def test_nothing_is_known_at_first() -> None:
    """Go on."""
    assert Budgets().wait("read", NOW) == 0


def test_no_headers_no_limit() -> None:
    """Go on."""
    assert after(("read", 200, {})).wait("read", NOW) == 0


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("skew", [0, 3600, -3600])
def test_an_empty_window_is_waited_out(status: int, skew: float) -> None:
    """By the target's own clock, however wrong it is."""
    budgets = after(("read", status, headers(0, 30, skew=skew)))
    assert budgets.wait("read", NOW) == 30
    assert budgets.wait("read", NOW + 29) == pytest.approx(1)
    assert budgets.wait("read", NOW + 30.1) == 0


def test_a_target_that_tells_no_time() -> None:
    """Then our own clock has to do."""
    assert after(("read", 429, headers(0, 30, date=False))).wait("read", NOW) == pytest.approx(30, abs=1)


@pytest.mark.parametrize(
    ("seconds", "wait"), [(0, 1), (-500, 1), (86_400, LONGEST_WAIT), (1e12, LONGEST_WAIT)]
)
def test_waits_are_neither_too_short_nor_too_long(seconds: float, wait: float) -> None:
    """At least a second, at most an hour."""
    assert after(("read", 429, headers(0, seconds))).wait("read", NOW) == wait


@pytest.mark.parametrize(
    ("told", "wait"),
    [("7", 7), ("0", 1), ("2.9", 2), ("86400", LONGEST_WAIT), ("-3", 1), ("soon", 1), ("nan", 1), ("inf", 1)],
)
def test_retry_after(told: str, wait: float) -> None:
    """Where there is nothing better; what cannot be read counts as not told."""
    assert after(("read", 429, {"retry-after": told})).wait("read", NOW) == wait


def test_retry_after_as_a_date() -> None:
    """RFC 9110 allows both; it is by the target's clock too."""
    told = {"retry-after": formatdate(NOW + 3620, usegmt=True), "date": formatdate(NOW + 3600, usegmt=True)}
    assert after(("read", 429, told)).wait("read", NOW) == 20


@pytest.mark.parametrize(("asked", "wait"), [("5", 30), ("90", 90)])
def test_the_longer_of_window_and_retry_after_counts(asked: str, wait: float) -> None:
    """Either may be all that the other is not."""
    assert after(("read", 429, headers(0, 30) | {"retry-after": asked})).wait("read", NOW) == wait


@pytest.mark.parametrize("off", [-86_400, -1800, 1800, 86_400])
def test_a_date_that_is_off_is_not_waited_for(off: float) -> None:
    """The reset is right by our own clock, and a cache in between may tell any date."""
    told = headers(0, 30) | {"date": formatdate(NOW + off, usegmt=True)}
    assert after(("read", 429, told)).wait("read", NOW) == pytest.approx(30, abs=1)


def test_a_clock_that_is_set_back_blocks_nothing_for_longer_than_an_hour() -> None:
    """What is further ahead than anything can be is over."""
    budgets = after(("read", 429, headers(0, 30)), ("teams", 200, headers(0, 30)))
    assert [budgets.wait(kind, NOW - 86_400) for kind in ("read", "teams")] == [0, 0]


def test_429_without_headers() -> None:
    """Each time longer, up to a minute; a success starts afresh."""
    budgets, waits = Budgets(), []
    for _ in range(9):
        budgets.seen("read", 429, {}, NOW)
        waits.append(budgets.wait("read", NOW))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    budgets.seen("read", 200, {}, NOW + 100)
    budgets.seen("read", 429, {}, NOW + 200)
    assert budgets.wait("read", NOW + 200) == 1


@pytest.mark.parametrize(
    ("remaining", "wait"), [(60, 0), (30, 0), (15, 0), (14, 30 / 15), (5, 30 / 6), (1, 15)]
)
def test_the_last_quarter_is_spread(remaining: int, wait: float) -> None:
    """People share the token: what is left is spread over what is left of the window."""
    budgets = after(("read", 200, headers(remaining, 30)))
    assert budgets.wait("read", NOW) == pytest.approx(wait)
    assert budgets.wait("read", NOW + 31) == 0


def test_headers_are_read_afresh_each_time() -> None:
    """People use the token too, and windows begin again."""
    budgets = after(("read", 200, headers(1, 30)), ("read", 200, headers(59, 60)))
    assert budgets.wait("read", NOW) == 0


@pytest.mark.parametrize("name", ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"])
@pytest.mark.parametrize("value", [None, "", "many", "1e999"])
def test_headers_that_make_no_sense(name: str, value: str | None) -> None:
    """They change nothing; a 429 waits all the same."""
    told = headers(0, 30)
    told = {key: text for key, text in told.items() if key != name} | ({name: value} if value else {})
    assert after(("read", 200, told)).wait("teams", NOW) == 0
    assert after(("read", 429, told)).wait("read", NOW) >= 1


# -- kinds


def test_each_kind_has_its_budget() -> None:
    """A 429 on invites does not hold removals back, whether or not these were seen before."""
    budgets = after(("members", 200, headers(50, 10, limit=100)), ("invites", 429, headers(0, 30)))
    assert [budgets.wait(kind, NOW) for kind in ("invites", "members", "read")] == [30, 0, 0]


def test_a_second_kinds_429_puts_the_target_to_sleep() -> None:
    """It is one limit for all; also for kinds that nothing is known of."""
    budgets = after(("read", 200, {}), ("invites", 429, headers(0, 30)), ("members", 429, {}))
    assert [budgets.wait(kind, NOW) for kind in ("invites", "members", "read", "teams")] == [30] * 4
    assert [budgets.wait(kind, NOW + 31) for kind in ("invites", "members", "read", "teams")] == [0] * 4


def test_a_429_long_ago_is_no_second_one() -> None:
    """Only one that still lasts."""
    budgets = after(("invites", 429, {"retry-after": "5"}))
    budgets.seen("members", 429, {"retry-after": "30"}, NOW + 6)
    assert [budgets.wait(kind, NOW + 6) for kind in ("invites", "members", "read")] == [0, 30, 0]


def test_kinds_that_count_on_from_each_other() -> None:
    """Their windows are one: what one has used is gone for the other."""
    budgets = after(("read", 200, headers(1, 30)), ("teams", 200, headers(0, 30)))
    assert [budgets.wait(kind, NOW) for kind in ("read", "teams")] == [30, 30]


def test_kinds_whose_windows_only_look_alike() -> None:
    """Each keeps its own."""
    budgets = after(("read", 200, headers(40, 30)), ("teams", 200, headers(0, 30)))
    assert [budgets.wait(kind, NOW) for kind in ("read", "teams")] == [0, 30]


def test_what_is_left_is_told_by_kind() -> None:
    """Of those whose limit is known; in a new window all of it is there again."""
    budgets = after(("read", 200, headers(40, 30)), ("teams", 200, {}))
    (left,) = budgets.left().values()
    assert (left.remaining, left.at(NOW + 29), left.at(NOW + 31)) == (40, 40, left.limit)


def test_nothing_is_left_while_a_429_lasts() -> None:
    """Also when it lasts longer than the window."""
    budgets = after(("read", 200, headers(40, 30)), ("read", 429, {"retry-after": "90"}))
    left = budgets.left()["read"]
    assert (left.at(NOW + 89), left.at(NOW + 91)) == (0, left.limit)
