"""A group, its memberships, and what lists of members tell."""

from itertools import permutations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory.events import EventName, GroupNews, UserNews, make_stamp, negative, positive
from bridge.directory.groups import (
    Group,
    MemberList,
    Membership,
    decode_group,
    decode_membership,
    encode_group,
    encode_membership,
    listed_changes,
    tell_group,
    tell_list,
    tell_membership,
)
from bridge.directory.users import User, tell_user

CREATED, UPDATED, DELETED = EventName.GROUP_CREATED, EventName.GROUP_UPDATED, EventName.GROUP_DELETED
ADDED, REMOVED = EventName.USER_ADDED, EventName.USER_REMOVED


def at(time: int, order: int = 0) -> int:
    """A stamp."""
    return make_stamp(time, order, False)


def tell(*told: tuple[EventName, int, str | None], group: Group | None = None) -> Group:
    """A group after these pieces of news, in this order."""
    group = group or Group()
    for name, time, title in told:
        group = tell_group(group, name, GroupNews("g1", title), at(time))
    return group


def member(*told: tuple[EventName, int]) -> Membership:
    """A membership after these pieces of news, in this order."""
    row = Membership()
    for name, time in told:
        row = tell_membership(row, name, at(time))
    return row


def lists(*told: tuple[int, str]) -> tuple[MemberList, ...]:
    """Lists told in this order: a time and one letter for each member."""
    rows: tuple[MemberList, ...] = ()
    for time, members in told:
        rows = tell_list(rows, members, at(time))
    return rows


def shown(rows: tuple[MemberList, ...]) -> dict[str, tuple[int, bool]]:
    """The newest change of each member: its time, and whether it is an addition."""
    return {
        who: (stamp >> 10, not stamp & 1)
        for who, stamp in listed_changes(rows).items()
        if stamp in (positive(stamp), negative(stamp))
    }


# -- the group


@pytest.mark.parametrize("order", list(permutations([(CREATED, 2), (DELETED, 3), (UPDATED, 4)])))
def test_an_update_never_lifts_a_deletion(order: list[tuple[EventName, int]]) -> None:
    """A group is gone unless created later than deleted."""
    group = tell(*((name, time, "Writers") for name, time in order))
    assert not group.exists
    assert tell((CREATED, 5, None), group=group).exists


def test_at_equal_times_deleted_wins() -> None:
    """In either order."""
    assert not tell((CREATED, 3, None), (DELETED, 3, None)).exists
    assert not tell((DELETED, 3, None), (CREATED, 3, None)).exists


@given(st.permutations([(1, "Old"), (3, " New "), (2, "Middle"), (4, None), (5, " ")]))
def test_the_newest_name_counts(order: list[tuple[int, str | None]]) -> None:
    """Stripped; news without a name says nothing of it."""
    assert tell(*((UPDATED, time, title) for time, title in order)).name == "New"


# -- memberships


@pytest.mark.parametrize("order", list(permutations([(ADDED, 2), (REMOVED, 3), (ADDED, 1)])))
def test_the_newest_word_counts(order: list[tuple[EventName, int]]) -> None:
    """A late "added" brings nobody back."""
    assert not member(*order).holds(User(), Group())


def test_at_equal_times_removed_wins() -> None:
    """In either order."""
    assert not member((ADDED, 3), (REMOVED, 3)).holds(User(), Group())
    assert not member((REMOVED, 3), (ADDED, 3)).holds(User(), Group())


def test_nothing_told_is_no_membership() -> None:
    """There is nothing to hold."""
    assert not Membership().holds(User(), Group())


def test_only_active_users_of_groups_that_exist() -> None:
    """Coming back to life brings the memberships back; they were never taken away."""
    row = member((ADDED, 5))
    inactive = tell_user(User(), EventName.USER_UPDATED, UserNews("u1", None, False), at(6))
    assert [
        row.holds(User(), Group()), row.holds(inactive, Group()), row.holds(User(), tell((DELETED, 6, None))),
    ] == [True, False, False]  # fmt: skip
    again = tell_user(inactive, EventName.USER_UPDATED, UserNews("u1", None, True), at(7))
    assert row.holds(again, Group())


@pytest.mark.parametrize(("time", "holds"), [(2, False), (3, False), (4, True), (6, True)])
def test_older_than_the_last_deletion_of_its_group(time: int, holds: bool) -> None:
    """A group that is deleted and made again starts empty; what came between counts."""
    group = tell((CREATED, 1, None), (DELETED, 3, None), (CREATED, 5, None))
    assert holds == member((ADDED, time)).holds(User(), group)


@pytest.mark.parametrize(("time", "holds"), [(2, False), (3, False), (4, True), (6, True)])
def test_older_than_the_last_deletion_of_its_user(time: int, holds: bool) -> None:
    """Coming back means starting without memberships."""
    user = User(created_at=at(5), deleted_at=negative(at(3)))
    assert holds == member((ADDED, time)).holds(user, Group())


def test_the_newer_of_told_and_listed_counts() -> None:
    """Whichever way a provider tells it."""
    assert Membership(at(3), negative(at(2))).holds(User(), Group())
    assert not Membership(at(3), negative(at(4))).holds(User(), Group())
    assert Membership(negative(at(3)), at(4)).holds(User(), Group())


# -- lists


def test_the_first_list_is_only_a_baseline() -> None:
    """It may be as old as the directory: it says nothing of when anybody came."""
    assert shown(lists((1, "ab"))) == {}


def test_changes_date_from_the_list_that_shows_them_first() -> None:
    """Lists that repeat it change nothing."""
    rows = lists((1, "ab"), (2, "bc"), (3, "cb"), (4, "bcd"), (5, "bcd"))
    assert shown(rows) == {"a": (2, False), "c": (2, True), "d": (4, True)}
    assert [each.members for each in rows] == [("a", "b"), ("b", "c"), ("b", "c", "d")]


def test_the_newest_change_counts() -> None:
    """Someone who came, left and came again."""
    assert shown(lists((1, ""), (2, "a"), (3, ""), (4, "a"))) == {"a": (4, True)}


def test_a_stale_list_is_no_news() -> None:
    """After PATCHes Jackson goes on telling the list of the last PUT."""
    rows = lists((1, "ab"), (9, "ab"))
    assert shown(rows) == {}
    assert len(rows) == 1


def test_members_named_twice() -> None:
    """A list is a set."""
    assert lists((1, "baab"))[0].members == ("a", "b")


@pytest.mark.parametrize(
    "told",
    [
        [(1, "ab"), (2, "bc"), (3, "b")],
        [(1, "a"), (1, "a"), (2, "b"), (3, "a")],
        [(1, "a"), (5, "a"), (1, "b"), (3, "c")],
        [(1, "b"), (5, "b"), (5, "a"), (3, "c")],
        [(1, "a"), (9, "a"), (5, "b"), (6, "b")],
        [(1, ""), (1, "a"), (3, "")],
    ],
)
def test_lists_arrive_in_any_order(told: list[tuple[int, str]]) -> None:
    """Also one that lies within, or at the edge of, the time of a list that was told twice."""
    expected = shown(lists(*sorted(told, key=lambda each: (each[0], sorted(each[1])))))
    for order in permutations(told):
        assert expected == shown(lists(*order)), order


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["", "a", "ab", "b", "bc"])), max_size=7))
def test_a_repeated_list_changes_nothing(told: list[tuple[int, str]]) -> None:
    """Every list may be delivered twice, and nobody comes or goes by it."""
    rows = lists(*told)
    inside = {who: given for who, (_, given) in shown(rows).items()}
    for time, members in told:
        again = shown(tell_list(rows, members, at(time)))
        assert inside == {who: given for who, (_, given) in again.items()}


# -- in the mirror

stamps = st.integers(0, 2**53)


@given(st.builds(Group, st.none() | st.text(max_size=9), stamps, stamps, stamps))
def test_groups_survive_the_mirror(group: Group) -> None:
    """What is read is what was written."""
    assert group == decode_group(orjson.loads(orjson.dumps(encode_group(group))))


@given(st.builds(Membership, stamps, stamps))
def test_memberships_survive_the_mirror(row: Membership) -> None:
    """What is read is what was written."""
    assert row == decode_membership(encode_membership(row))
