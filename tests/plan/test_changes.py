"""Changes are values with an order."""

from random import Random

import pytest

from bridge.plan.changes import (
    Change,
    CreateTeam,
    DeleteTeam,
    Invite,
    MarkSSO,
    Remove,
    RenameTeam,
    SetRole,
    UpdateTeamMembers,
)

IN_ORDER: list[Change] = [
    Remove("a@x.test", "left", "m1"),
    Remove("b@x.test", "left", "m2"),
    SetRole("c@x.test", "no rule", "m3", "read", "admin", lowers=True),
    Invite("a@x.test", "named"),
    Invite("b@x.test", "named"),
    SetRole("a@x.test", "rule", "m1", "admin", "read"),
    MarkSSO("a@x.test", "sso", "m1"),
    RenameTeam("B", "renamed", "t1", "A"),
    CreateTeam("A", "new", ("a@x.test",)),
    UpdateTeamMembers("A", "members", "t2", ("a@x.test",), ("b@x.test", "c@x.test")),
    DeleteTeam("A", "empty", "t2"),
]


@pytest.mark.parametrize("seed", range(5))
def test_removals_first_then_what_lowers_then_what_gives(seed: int) -> None:
    """Whatever order they were found in; by object within a kind."""
    shuffled = IN_ORDER.copy()
    Random(seed).shuffle(shuffled)
    assert IN_ORDER == sorted(shuffled, key=lambda change: change.sort_key)


def test_changes_say_what_they_do() -> None:
    """In words, for people and the history."""
    assert [change.describe() for change in IN_ORDER[1:]] == [
        "remove member b@x.test",
        "set role of c@x.test from admin to read",
        "invite a@x.test as read (SSO)",
        "invite b@x.test as read (SSO)",
        "set role of a@x.test from read to admin",
        "mark a@x.test as SSO user",
        "rename team A to B",
        "create team A with 1 member(s)",
        "team A: add 1, take out 2",
        "delete team A",
    ]
    assert Invite("a@x.test", "", "guest", sso=False).describe() == "invite a@x.test as guest"
    assert ("Change", "Change A") == (Change("A", "").kind, Change("A", "").describe())
