"""Calls that make teams and have no clear end."""

from dataclasses import replace

import pytest

from bridge.plan.making import CLOCK_SLACK, Making, begun, not_ours
from bridge.targets.base import RemoteTeam

NOON = 1_790_000_000_000


def team(at: str = "2026-09-21T14:13:20.000Z", spaces: int = 0) -> RemoteTeam:
    """A team of the title; made at NOON."""
    return RemoteTeam("t1", "Writers", 0, spaces, at)


def test_calls_add_up_until_each_has_an_end() -> None:
    """The first one's time and everybody's ids are kept; the looks are counted from the last one on."""
    one = begun(None, NOON, ["a"])
    two = begun(replace(one, looks=3), NOON + 9, ["b", "a"])
    assert two == Making(NOON, 2, ("a", "b"))
    rest = two.ended()
    assert rest == Making(NOON, 1, ("a", "b"))
    assert rest.ended() is None


@pytest.mark.parametrize(
    ("since", "ours"),
    [(NOON, True), (NOON - 9, True), (NOON + CLOCK_SLACK, True), (NOON + CLOCK_SLACK + 1, False)],
)
def test_a_team_of_before_the_call_is_not_of_it(since: int, ours: bool) -> None:
    """As far as the target's clock can be off."""
    assert Making(since).made(team()) is ours


def test_a_team_without_a_time_is_not_of_it() -> None:
    """What cannot be told is nobody's to delete."""
    assert not Making(NOON).made(team("soon"))


def test_whose_team_it_is() -> None:
    """Ours without spaces and with nobody but those whom the calls put in, or the token's owner."""
    making = Making(NOON, 1, ("a", "b"))
    assert not_ours(making, team(), [], "me") is None
    assert not_ours(making, team(), ["a", "me"], "me") is None
    assert not_ours(making, team(), ["a", "x"], "me") == "has 1 member(s) whom the bridge did not put there"
    assert not_ours(making, team(spaces=2), [], "me") == "has 2 space(s)"
