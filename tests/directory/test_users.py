"""A user: field by field, whatever the order of the news."""

from itertools import permutations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory.events import EventName, UserNews, make_stamp
from bridge.directory.users import User, decode_user, encode_user, tell_user

CREATED, UPDATED, DELETED = EventName.USER_CREATED, EventName.USER_UPDATED, EventName.USER_DELETED
Told = tuple[EventName, int, str | None, bool | None]  # name, time, e-mail, active


def tell(*told: Told, user: User | None = None) -> User:
    """A user after these pieces of news, in this order."""
    user = user or User()
    for name, time, email, active in told:
        user = tell_user(user, name, UserNews("u1", email, active), make_stamp(time, 0, False))
    return user


# -- there or not


def test_a_user_of_whom_little_is_known_is_there() -> None:
    """An update or a membership may come before the creation, and the creation never."""
    assert (User().exists, User().active) == (True, True)
    assert tell((UPDATED, 1, "ana@acme.test", None)).active


@pytest.mark.parametrize("order", list(permutations([(CREATED, 3), (DELETED, 2)])))
def test_created_later_than_deleted_is_alive(order: list[tuple[EventName, int]]) -> None:
    """The creation of the new life may arrive before the end of the old one."""
    assert tell(*((name, time, None, None) for name, time in order)).active


@pytest.mark.parametrize("order", list(permutations([(CREATED, 2), (DELETED, 3), (UPDATED, 4)])))
def test_an_update_never_lifts_a_deletion(order: list[tuple[EventName, int]]) -> None:
    """However late it is, and even if it says active; only a later creation does."""
    user = tell(*((name, time, None, True) for name, time in order))
    assert (user.exists, user.active) == (False, False)
    assert tell((CREATED, 5, None, None), user=user).active


@pytest.mark.parametrize("order", list(permutations([CREATED, DELETED])))
def test_at_equal_times_deleted_wins(order: list[EventName]) -> None:
    """A tie never leaves a leaver inside."""
    assert not tell(*((name, 3, None, None) for name in order)).exists


def test_within_one_body_the_later_element_wins() -> None:
    """Deleted and created again in one body: alive."""
    deleted = tell_user(User(), DELETED, UserNews("u1"), make_stamp(3, 0, False))
    assert tell_user(deleted, CREATED, UserNews("u1"), make_stamp(3, 1, False)).active


# -- active or not


@pytest.mark.parametrize("order", list(permutations([(True, 2), (False, 2)])))
def test_at_equal_times_inactive_wins(order: list[tuple[bool, int]]) -> None:
    """A tie never leaves a leaver inside."""
    assert not tell(*((UPDATED, time, None, active) for active, time in order)).active


@pytest.mark.parametrize("order", list(permutations([(False, 2), (True, 3), (None, 4)])))
def test_the_newest_word_on_active_counts(order: list[tuple[bool | None, int]]) -> None:
    """News that says nothing of it changes nothing."""
    assert tell(*((UPDATED, time, None, active) for active, time in order)).active


def test_created_means_active_unless_told_otherwise() -> None:
    """Someone who was inactive, deleted and created again is active."""
    assert tell((UPDATED, 1, None, False), (DELETED, 2, None, None), (CREATED, 3, None, None)).active
    assert not tell((CREATED, 3, None, False)).active


def test_what_a_deletion_says_of_active_means_nothing() -> None:
    """Senders put the last state of the user into it."""
    user = tell((UPDATED, 1, None, False), (DELETED, 2, None, True), (CREATED, 1, None, None))
    assert not user.exists
    assert user == tell((UPDATED, 1, None, False), (CREATED, 1, None, None), (DELETED, 2, None, False))


# -- addresses


@given(st.permutations([(1, "a@x.test"), (3, "c@x.test"), (2, "b@x.test")]))
def test_the_newest_address_counts_and_all_are_kept(order: list[tuple[int, str]]) -> None:
    """Every other address ever told is a former one, also one that arrives late."""
    user = tell(*((UPDATED, time, email, None) for time, email in order))
    assert (user.email, user.former) == ("c@x.test", ("a@x.test", "b@x.test"))
    assert user.addresses == ("c@x.test", "a@x.test", "b@x.test")


def test_an_address_that_comes_back_is_former_no_more() -> None:
    """The one in between is."""
    user = tell(
        (CREATED, 1, "a@x.test", None), (UPDATED, 2, "b@x.test", None), (UPDATED, 3, "A@x.test ", None)
    )
    assert (user.email, user.former) == ("a@x.test", ("b@x.test",))


@given(st.permutations(["b@x.test", "a@x.test", "c@x.test"]))
def test_two_addresses_of_the_same_moment(order: list[str]) -> None:
    """One of them counts, the same whatever came first."""
    user = tell(*((UPDATED, 5, email, None) for email in order))
    assert (user.email, user.former) == ("c@x.test", ("a@x.test", "b@x.test"))


def test_no_address_is_no_news_of_it() -> None:
    """None and blanks leave the address alone, and someone without any has none."""
    user = tell((CREATED, 1, "a@x.test", None), (UPDATED, 2, None, None), (UPDATED, 3, " ", None))
    assert (user.email, user.former) == ("a@x.test", ())
    assert tell((DELETED, 1, None, None)).addresses == ()


def test_fields_have_different_ages() -> None:
    """An older body still brings what no newer one has told."""
    user = tell((UPDATED, 5, None, False), (UPDATED, 3, "a@x.test", True), (UPDATED, 4, "b@x.test", None))
    assert (user.email, user.active) == ("b@x.test", False)


# -- episodes


def test_no_ops_do_not_count() -> None:
    """Repeats, renames and late news leave the decisions about someone as they are."""
    left = tell((CREATED, 1, "a@x.test", None), (UPDATED, 5, None, False))
    same = tell(
        (UPDATED, 5, None, False), (UPDATED, 6, None, False), (UPDATED, 4, None, True),
        (UPDATED, 7, "b@x.test", None), (CREATED, 2, None, True), user=left,
    )  # fmt: skip
    assert (left.episode, same.episode, same.active) == (0, 0, False)


def test_coming_back_to_life_counts() -> None:
    """Inactive, active, inactive; deleted and created again: each is a new episode."""
    user = tell((CREATED, 1, None, None), (UPDATED, 2, None, False), (UPDATED, 3, None, True))
    assert user.episode == 1
    assert tell((UPDATED, 4, None, False), user=user).episode == 1
    again = tell((DELETED, 5, None, None), (CREATED, 6, None, None), user=user)
    assert again.episode == 2


# -- in the mirror


@given(
    st.builds(
        User,
        st.none() | st.text(max_size=9),
        st.integers(0, 2**53),
        st.integers(0, 2**53),
        st.integers(0, 2**53),
        st.integers(0, 2**53),
        st.lists(st.text(max_size=9), max_size=3).map(tuple),
        st.integers(0, 99),
    )
)
def test_users_survive_the_mirror(user: User) -> None:
    """What is read is what was written."""
    assert user == decode_user(orjson.loads(orjson.dumps(encode_user(user))))


@pytest.mark.parametrize("order", list(permutations([(1, "a@x.test"), (2, ""), (2, None), (1, " ")])))
def test_an_address_is_taken_away(order: tuple[tuple[int, str | None], ...]) -> None:
    """It goes on to be known as a former one; what says nothing of the address takes none away."""
    user = tell(*((UPDATED, time, email, None) for time, email in order))
    assert (user.email, user.former, user.addresses) == (None, ("a@x.test",), ("a@x.test",))
    user = tell(*((UPDATED, time, email, None) for time, email in (*order, (2, "b@x.test"))))
    assert (user.email, user.former) == ("b@x.test", ("a@x.test",))
