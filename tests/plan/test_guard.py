"""What must wait for a person."""

import pytest

from bridge.plan.changes import Remove
from bridge.plan.guard import (
    Fresh,
    needs_person,
    never,
    over_invites,
    over_limit,
    over_team_limit,
    parked_id,
    removal_limit,
)
from bridge.plan.members import MemberBinding, MemberPlan, State, Wanted
from bridge.settings import GuardSettings

GUARD = GuardSettings()
DAY = 86_400_000
NOW = 100 * DAY


def leaver(removal: Remove, binding: MemberBinding | None = None) -> MemberPlan:
    """Somebody who is to be removed."""
    return MemberPlan(Wanted(removal.object, False), binding or MemberBinding(State.KNOWN, "m1"), (removal,))


def guard(**keys: object) -> GuardSettings:
    """[targets.guard]"""
    return GuardSettings.model_validate(keys)


# -- numbers


@pytest.mark.parametrize(
    ("count", "percent", "members", "limit"),
    [
        (10, 5, 0, 10),
        (10, 5, 219, 10),
        (10, 5, 220, 11),
        (10, 5, 239, 11),
        (10, 5, 2000, 100),
        (0, 0, 2000, 0),
        (0, 100, 7, 7),
        (3, 0, 2000, 3),
        (0, 0.5, 399, 1),
        (0, 0.57, 10_000, 57),
        (0, 1.1, 1000, 11),
    ],
)
def test_the_larger_of_count_and_share(count: int, percent: float, members: int, limit: int) -> None:
    """The share is rounded down, and exact: 0.57 % of 10,000 are 57."""
    assert limit == removal_limit(guard(max_removals=count, max_removal_percent=percent), members)


def test_removals_up_to_the_limit_go_on() -> None:
    """The first beyond it waits, and the reason says the numbers."""
    assert over_limit(GUARD, 9, 100) is None
    hold = over_limit(GUARD, 10, 100)
    assert hold
    assert not hold.final
    assert hold.reason == (
        "10 removals within 24 h are the limit (10: the larger of max_removals = 10 and 5 % of 100 members)"
    )
    assert over_limit(GUARD, 10, 220) is None


def test_no_removals_at_all() -> None:
    """max_removals = 0 and 0 % park every removal."""
    hold = over_limit(guard(max_removals=0, max_removal_percent=0, window="90m"), 0, 1000)
    assert hold
    assert "within 1.5 h" in hold.reason


@pytest.mark.parametrize(
    ("losses", "lost", "size", "waits"),
    [
        (10, 0, 20, False),
        (11, 0, 20, True),
        (9, 0, 9, False),
        (10, 0, 10, True),
        (1, 10, 20, True),
        (1, 9, 20, False),
        (5, 5, 19, True),
        (500, 0, 1000, False),
        (501, 0, 1000, True),
    ],
)
def test_a_team_that_loses_many(losses: int, lost: int, size: int, waits: bool) -> None:
    """More than the share, and at least so many, what the window has seen included."""
    assert waits == (over_team_limit(GUARD, losses, lost, size) is not None)


def test_a_team_may_lose_all() -> None:
    """100 means never; the reason says the numbers."""
    assert over_team_limit(guard(team_max_removal_percent=100), 50, 0, 50) is None
    hold = over_team_limit(GUARD, 30, 5, 50)
    assert hold
    assert hold.reason == (
        "the team would lose 35 of 50 members within 24 h, more than team_max_removal_percent = 50"
    )


def test_invites_are_limited_when_asked() -> None:
    """0 means no limit."""
    assert over_invites(GUARD, 10_000) is None
    assert over_invites(guard(max_invites=3), 2) is None
    hold = over_invites(guard(max_invites=3), 3)
    assert hold
    assert hold.reason == "3 invites within 24 h are the limit (max_invites)"


# -- who


def test_owner_and_last_admin_are_never_removed() -> None:
    """Not even when a person approves; the reason says what to do first."""
    holds = [never(Fresh(is_owner=True)), never(Fresh(is_admin=True, last_admin=True))]
    assert [True, True] == [hold.final for hold in holds if hold]
    assert ["make a token of another admin first", "make another admin first"] == [
        hold.reason.partition(": ")[2] for hold in holds if hold
    ]
    assert [None, None] == [never(Fresh()), never(Fresh(is_admin=True))]


@pytest.mark.parametrize(
    ("removal", "fresh", "waits"),
    [
        (Remove("ana@acme.test", ""), Fresh(), False),
        (Remove("ana@acme.test", "", "m1", "ana@new.test"), Fresh(), True),
        (Remove("ana@acme.test", ""), Fresh(is_admin=True), True),
        (Remove("cto@acme.test", ""), Fresh(), True),
        (Remove("vip-1@acme.test", ""), Fresh(), True),
    ],
)
def test_some_removals_need_a_person(removal: Remove, fresh: Fresh, waits: bool) -> None:
    """Moved addresses, admins and the protect list, whatever the number of removals."""
    hold = needs_person(guard(protect=["CTO@acme.test", "vip-*@acme.test"]), leaver(removal), fresh, NOW)
    assert waits == (hold is not None)
    assert not (hold and hold.final)


@pytest.mark.parametrize(
    ("binding", "waits"),
    [
        (MemberBinding(State.KNOWN, "m1", "read"), False),
        (MemberBinding(State.KNOWN, "m1", "read", admin_at=NOW - DAY + 1), True),
        (MemberBinding(State.KNOWN, "m1", "read", admin_at=NOW - DAY), False),
        (MemberBinding(State.KNOWN, "m1", "read", role_before="admin"), True),
        (MemberBinding(State.KNOWN, "m1", "read", role_before="create"), False),
    ],
)
def test_who_was_an_admin_needs_a_person(binding: MemberBinding, waits: bool) -> None:
    """Within the window, or before the bridge touched them: a lower role first changes nothing."""
    plan = leaver(Remove("ana@acme.test", ""), binding)
    hold = needs_person(GUARD, plan, Fresh(), NOW)
    assert waits == (hold is not None)
    assert not hold or "was an admin" in hold.reason


# -- ids


def test_ids_are_stable() -> None:
    """People write them down: they hang on kind and object alone, and differ."""
    ids = {parked_id(kind, who) for kind in ("remove", "invite") for who in ("a@x.test", "b@x.test")}
    assert 4 == len(ids)
    assert "116019a4e0" == parked_id("remove", "ana@acme.test")
