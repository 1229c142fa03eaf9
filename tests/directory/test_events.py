"""When an event happened, and how the journal writes it down."""

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory.events import (
    DirectoryEvent,
    EventName,
    GroupNews,
    News,
    UserNews,
    decode_event,
    encode_event,
    is_negative,
    known_time,
    make_stamp,
    negative,
    positive,
    quoted,
    stamp_body,
    stamp_time,
)

NOW = 1_795_319_083_036
ANA = UserNews("u1", "ana@acme.test", True)
WRITERS = GroupNews("g1", "Writers")
names = st.sampled_from(list(EventName))
texts = st.text(max_size=12)


def user(name: EventName = EventName.USER_UPDATED, told: int | None = None, ident: str = "u1") -> News:
    """News of a user."""
    return News(name, UserNews(ident), told=told)


def group(name: EventName = EventName.GROUP_UPDATED, told: int | None = None) -> News:
    """News of the group."""
    return News(name, group=WRITERS, told=told)


def member(name: EventName, told: int | None = None, ident: str = "u1") -> News:
    """News of a membership in the group."""
    return News(name, UserNews(ident), WRITERS, told)


def orders(stamps: list[int]) -> list[int]:
    """The order within its body that each stamp holds."""
    return [(stamp - make_stamp(stamp_time(stamp), 0, False)) >> 1 for stamp in stamps]


# -- names


def test_names_know_what_they_are_about() -> None:
    """Three are of users, two of memberships, the rest of groups."""
    assert {"user.created", "user.updated", "user.deleted"} == {n for n in EventName if n.is_user}
    assert {"group.user_added", "group.user_removed"} == {n for n in EventName if n.is_membership}


# -- stamps


@given(st.tuples(st.integers(0, 2**43), st.integers(0, 511), st.booleans()), st.data())
def test_stamps_sort_by_time_then_order_then_sign(one: tuple[int, int, bool], data: st.DataObject) -> None:
    """Later news wins; at equal times the later element; at equal places that which takes away."""
    other = data.draw(st.tuples(st.integers(0, 2**43), st.integers(0, 511), st.booleans()))
    assert (one < other) == (make_stamp(*one) < make_stamp(*other))


@given(st.integers(0, 2**43), st.integers(0, 2000), st.booleans())
def test_stamps_can_be_taken_apart(time: int, order: int, sign: bool) -> None:
    """Time and sign come back; the sign can be set and cleared; any order fits beside them."""
    stamp = make_stamp(time, order, sign)
    assert (time, sign) == (stamp_time(stamp), is_negative(stamp))
    assert (is_negative(negative(stamp)), is_negative(positive(stamp))) == (True, False)
    assert {stamp} == {stamp, (negative if sign else positive)(stamp)}


def test_stamps_fit_into_redis_numbers() -> None:
    """Lua's and JSON's numbers hold 53 bits: enough for some two centuries."""
    assert make_stamp(NOW + 200 * 31_556_952_000, 511, True) < 2**53


# -- when


@pytest.mark.parametrize(
    ("told", "at"),
    [
        (None, NOW),
        (NOW - 5000, NOW - 5000),
        (NOW + 5000, NOW),
        (NOW + 20 * 31_556_952_000, NOW),
        (0, NOW),
        (-62_135_596_800_000, NOW),
    ],
)
def test_an_event_happened_when_told_or_when_it_arrived(told: int | None, at: int) -> None:
    """The earlier counts, so that a clock years ahead freezes nobody; year 1 or 0 is no time at all."""
    assert [at] == [stamp_time(stamp) for stamp in stamp_body([user(told=told)], NOW)]


def test_a_stamp_takes_nothing_away_by_itself() -> None:
    """The sign is set by what the news turns out to mean."""
    stamps = stamp_body([user(EventName.USER_DELETED), member(EventName.USER_REMOVED)], NOW)
    assert not any(map(is_negative, stamps))


# -- order within one body


@pytest.mark.parametrize(
    "news",
    [
        [user(), user(), user()],
        [member(EventName.USER_REMOVED), member(EventName.USER_ADDED), member(EventName.USER_REMOVED)],
        [group(EventName.GROUP_CREATED), member(EventName.USER_ADDED), group(EventName.GROUP_DELETED)],
        [user(EventName.USER_CREATED), member(EventName.USER_ADDED), user(EventName.USER_DELETED)],
        [group(EventName.GROUP_DELETED), group(EventName.GROUP_CREATED), member(EventName.USER_ADDED)],
    ],
)
def test_elements_about_one_thing_keep_their_order(news: list[News]) -> None:
    """Each comes after those before it that it depends on."""
    assert orders(stamp_body(news, NOW)) == [0, 1, 2]


def test_elements_about_different_things_need_no_order() -> None:
    """Two thousand additions to one group all have the first place, and the group's end comes after."""
    added = [member(EventName.USER_ADDED, ident=f"u{n}") for n in range(2000)]
    stamps = stamp_body([*added, group(EventName.GROUP_DELETED)], NOW)
    assert orders(stamps) == [0] * 2000 + [1]


def test_times_told_go_before_places() -> None:
    """Elements of different times are ordered by these; each time starts afresh."""
    news = [user(told=NOW - 1), user(told=NOW - 2), user(told=NOW - 1), user(told=NOW - 3)]
    assert orders(stamp_body(news, NOW)) == [0, 0, 1, 0]


def test_untimed_elements_start_where_the_millisecond_stands() -> None:
    """Bodies of one millisecond follow each other; told times have nothing to do with that."""
    assert orders(stamp_body([user(), user()], NOW, 7)) == [7, 8]
    assert orders(stamp_body([user(told=NOW - 9), user(told=NOW - 8)], NOW, 7)) == [0, 0]


@given(st.lists(st.tuples(names, st.sampled_from(["u1", "u2"])), max_size=30))
def test_order_is_kept_for_every_subject(told: list[tuple[EventName, str]]) -> None:
    """Of two elements that speak of the same user, the later always has the higher stamp."""
    news = [
        member(name, ident=ident) if name.is_membership else user(name, ident=ident) for name, ident in told
    ]
    stamps = stamp_body(news, NOW)
    for ident in ("u1", "u2"):
        mine = [stamp for stamp, (_, who) in zip(stamps, told, strict=True) if who == ident]
        assert all(one < two for one, two in pairwise(mine))


# -- in the journal


events = st.builds(
    DirectoryEvent,
    names,
    st.integers(0, 2**53),
    st.none() | st.builds(UserNews, texts, st.none() | texts, st.none() | st.booleans()),
    st.none() | st.builds(GroupNews, texts, st.none() | texts, st.none() | st.lists(texts).map(tuple)),
    texts,
    texts,
    st.integers(0, 2**43),
)


@given(events)
def test_events_survive_the_journal(event: DirectoryEvent) -> None:
    """What is read is what was written."""
    assert event == decode_event(orjson.loads(orjson.dumps(encode_event(event))))


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"n": "user.renamed", "t": 1, "s": "", "d": "", "r": 0},
        {"n": "user.created", "t": "soon", "s": "", "d": "", "r": 0},
        {"n": "user.created", "t": None, "s": "", "d": "", "r": 0},
    ],
)
def test_rows_of_others_are_told_from_ours(row: dict[str, object]) -> None:
    """A row that the bridge did not write raises one of three errors."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        decode_event(row)


@given(st.integers(1_500_000_000_000, 4_000_000_000_000), st.booleans())
def test_a_quote_takes_nothing_away(milliseconds: int, taking: bool) -> None:
    """Whatever its second is: half of all people who came by a membership alone were inactive else."""
    stamp = quoted(make_stamp(milliseconds, 0, taking), None)
    assert not is_negative(stamp)
    assert known_time(stamp) == 0
