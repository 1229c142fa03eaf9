"""Folding: the end depends on what is told and when it happened, never on how it was delivered."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.directory.events import (
    DirectoryEvent,
    EventName,
    GroupNews,
    UserNews,
    make_stamp,
    negative,
    positive,
)
from bridge.directory.fold import Mirror, Touched, fold, needs
from bridge.directory.groups import MOST_LISTS, Group, Membership
from bridge.directory.users import User

USERS, GROUPS = ("u1", "u2", "u3"), ("g1", "g2")
CREATED, UPDATED, DELETED = EventName.USER_CREATED, EventName.USER_UPDATED, EventName.USER_DELETED
MADE, CHANGED, GONE = EventName.GROUP_CREATED, EventName.GROUP_UPDATED, EventName.GROUP_DELETED
ADDED, REMOVED = EventName.USER_ADDED, EventName.USER_REMOVED


def of_user(
    name: EventName, time: int, email: str | None = None, active: bool | None = None
) -> DirectoryEvent:
    """An event about the user u1."""
    return DirectoryEvent(name, make_stamp(time, 0, False), UserNews("u1", email, active))


def of_group(
    name: EventName, time: int, title: str | None = None, members: str | None = None
) -> DirectoryEvent:
    """An event about the group g1; `members`: the numbers of users, where it tells a list."""
    listed = None if members is None else tuple(f"u{number}" for number in members)
    return DirectoryEvent(name, make_stamp(time, 0, False), None, GroupNews("g1", title, listed))


def of_member(name: EventName, time: int, user: UserNews | None = None) -> DirectoryEvent:
    """An event about u1 in g1."""
    return DirectoryEvent(name, make_stamp(time, 0, False), user or UserNews("u1"), GroupNews("g1"))


def folded(*events: DirectoryEvent) -> tuple[Mirror, Touched]:
    """A new mirror with these events in it."""
    mirror = Mirror()
    return mirror, fold(mirror, list(events))


# -- what an event only quotes


def test_quote_is_no_newer_than_its_own_time() -> None:
    """A membership told at 41 s with the user as of 1 s does not bring back who left at 40 s."""
    ana = UserNews("u1", "a@x.test", True, 1000)
    left = of_user(UPDATED, 40_000, active=False)
    for name in (ADDED, REMOVED):
        for events in ([left, of_member(name, 41_000, ana)], [of_member(name, 41_000, ana), left]):
            mirror, _ = folded(of_user(CREATED, 1000), *events)
            assert not mirror.users["u1"].active
    back = UserNews("u1", "a@x.test", True, 50_000)
    mirror, _ = folded(of_user(CREATED, 1000), left, of_member(ADDED, 41_000, back))
    assert mirror.users["u1"].active, "as of the event at the latest: it was told then"


@pytest.mark.parametrize("second", range(8))
def test_quote_without_a_time_says_what_it_says_at_any_time(second: int) -> None:
    """Whatever bit of its time comes to stand where others have their sign."""
    at = 1_795_822_710_000 + second * 1024
    mirror, _ = folded(of_member(ADDED, at, UserNews("u1", "a@x.test", True)))
    assert mirror.users["u1"].active
    mirror, _ = folded(of_member(ADDED, at, UserNews("u1", "a@x.test", False)))
    assert not mirror.users["u1"].active


@pytest.mark.parametrize("active", [True, False])
def test_quote_without_a_time_fills_gaps_only(active: bool) -> None:
    """Whatever is told, before or after, counts more; a newer quote counts more than an older one."""
    first = of_member(ADDED, 10_000, UserNews("u1", "old@x.test", not active))
    quote = of_member(ADDED, 41_000, UserNews("u1", "new@x.test", active))
    for events in ([first, quote], [quote, first]):
        mirror, _ = folded(*events)
        assert (mirror.users["u1"].active, mirror.users["u1"].email) == (active, "new@x.test")
    told = of_user(UPDATED, 40_000, "told@x.test", not active)
    for events in ([told, quote], [quote, told]):
        mirror, _ = folded(*events)
        assert (mirror.users["u1"].active, mirror.users["u1"].email) == (not active, "told@x.test")


def test_quoted_name_of_a_group_fills_a_gap_only() -> None:
    """A late event of a membership does not give a group its old name back."""
    writers, authors = GroupNews("g1", "Writers"), GroupNews("g1", "Authors")
    added = DirectoryEvent(ADDED, make_stamp(41_000, 0, False), UserNews("u1"), writers)
    renamed = DirectoryEvent(CHANGED, make_stamp(40_000, 0, False), None, authors)
    assert folded(added)[0].groups["g1"].name == "Writers"
    for events in ([added, renamed], [renamed, added]):
        assert folded(*events)[0].groups["g1"].name == "Authors"


def test_what_takes_somebody_out_gives_nothing() -> None:
    """No address, no name, and nobody is active by it; that they are inactive counts."""
    quoted = DirectoryEvent(
        REMOVED,
        make_stamp(41_000, 0, False),
        UserNews("u1", "a@x.test", True, 41_000),
        GroupNews("g1", "Writers"),
    )
    mirror, _ = folded(of_user(UPDATED, 1000, active=False), quoted)
    assert not mirror.users["u1"].active
    assert (mirror.users["u1"].email, mirror.groups["g1"].name) == (None, None)
    mirror, _ = folded(
        of_user(UPDATED, 1000, active=True), of_member(REMOVED, 41_000, UserNews("u1", None, False, 2000))
    )
    assert not mirror.users["u1"].active


# -- what counts in the end: exists, active and address of each user, name of each group, who is in it

State = tuple[
    dict[str, tuple[bool, bool, str | None]], dict[str, tuple[bool, str | None]], set[tuple[str, str]]
]


def effective(mirror: Mirror) -> State:
    """What a plan would see."""
    users = {uid: mirror.users.get(uid, User()) for uid in USERS}
    groups = {gid: mirror.groups.get(gid, Group()) for gid in GROUPS}
    held = {
        (gid, uid) for (gid, uid), row in mirror.memberships.items() if row.holds(users[uid], groups[gid])
    }
    return (
        {uid: (user.exists, user.active, user.email) for uid, user in users.items()},
        {gid: (group.exists, group.name) for gid, group in groups.items()},
        held,
    )


@dataclass
class Model:
    """The same worked out naively: all news is put in order of time and then simply happens."""

    exists: dict[str, bool] = field(default_factory=lambda: dict.fromkeys((*USERS, *GROUPS), True))
    active: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(USERS, True))
    names: dict[str, str | None] = field(default_factory=lambda: dict.fromkeys((*USERS, *GROUPS)))
    inside: set[tuple[str, str]] = field(default_factory=set)

    def state(self) -> State:
        """What a plan would see."""
        live = {uid: self.exists[uid] and self.active[uid] for uid in USERS}
        return (
            {uid: (self.exists[uid], live[uid], self.names[uid]) for uid in USERS},
            {gid: (self.exists[gid], self.names[gid]) for gid in GROUPS},
            {(gid, uid) for gid, uid in self.inside if self.exists[gid] and live[uid]},
        )

    def begin(self, ident: str) -> None:
        """A user or group is made."""
        self.exists[ident] = True

    def end(self, ident: str) -> None:
        """A user or group is gone, and with it all its memberships."""
        self.exists[ident] = False
        self.inside = {pair for pair in self.inside if ident not in pair}

    def switch(self, ident: str, active: bool) -> None:
        """A user is active or not."""
        self.active[ident] = active

    def call(self, ident: str, name: str) -> None:
        """A user has this address, a group this name."""
        self.names[ident] = name

    def move(self, group: str, user: str, inside: bool) -> None:
        """A user belongs to a group or does not."""
        (self.inside.add if inside else self.inside.discard)((group, user))


Step = tuple[int, str, str, tuple[Any, ...]]  # when, what breaks ties, what happens, to whom


def replay(events: Sequence[DirectoryEvent]) -> State:
    """Let everything happen in order of time; at equal times that which takes away comes last."""
    steps = [step for event in events for step in (*_of_user(event), *_of_group(event))]
    steps += [step for gid in GROUPS for step in _of_lists(gid, events)]
    model = Model()
    for _, _, verb, args in sorted(steps, key=lambda step: step[:2]):
        getattr(model, verb)(*args)
    return model.state()


def signed(stamp: int, gives: bool) -> int:
    """The moment, giving or taking away."""
    return positive(stamp) if gives else negative(stamp)


def quote(event: DirectoryEvent, updated: int | None) -> int:
    """When something is so that an event quotes: before all that was ever told, if it does not say."""
    return positive(event.stamp >> 20) if updated is None else min(event.stamp, make_stamp(updated, 0, False))


def _of_user(event: DirectoryEvent) -> Iterator[Step]:
    user, stamp, name = event.user, event.stamp, event.name
    if user is None:
        return
    if name is CREATED:
        yield stamp, "", "begin", (user.id,)
    if name is DELETED:
        yield negative(stamp), "", "end", (user.id,)
    active = True if user.active is None and name is CREATED else user.active
    gives = name is not REMOVED
    told = quote(event, user.updated) if event.group else stamp
    if active is not None and name is not DELETED and (gives or not active):
        yield signed(told, active), "", "switch", (user.id, active)
    if user.email and gives:
        yield told, user.email, "call", (user.id, user.email)
    if event.group and name in (ADDED, REMOVED):
        yield signed(stamp, name is ADDED), "", "move", (event.group.id, user.id, name is ADDED)


def _of_group(event: DirectoryEvent) -> Iterator[Step]:
    if event.group is None:
        return
    if event.name is MADE:
        yield event.stamp, "", "begin", (event.group.id,)
    if event.name is GONE:
        yield negative(event.stamp), "", "end", (event.group.id,)
    if event.group.name and event.name is not REMOVED:
        told = quote(event, event.group.updated) if event.user else event.stamp
        yield told, event.group.name, "call", (event.group.id, event.group.name)


def _of_lists(gid: str, events: Sequence[DirectoryEvent]) -> list[Step]:
    told: set[tuple[int, tuple[str, ...]]] = set()
    for event in events:
        if event.group and event.group.id == gid:
            told |= {(event.stamp, ())} if event.name is MADE else set()
            told |= {(event.stamp, event.group.members)} if event.group.members is not None else set()
    changes: dict[tuple[str, int], bool] = {}  # by user and time; of two at once the later list's
    for (_, before), (stamp, after) in pairwise(sorted(told)):
        changes |= {(uid, stamp): uid in after for uid in set(after) ^ set(before)}
    return [(signed(at, inside), "", "move", (gid, uid, inside)) for (uid, at), inside in changes.items()]


# -- the deliveries


def deliver(events: Sequence[DirectoryEvent], cuts: Iterable[int] = ()) -> Mirror:
    """Fold events in batches; each sees only the part of the mirror that it says it needs."""
    whole = Mirror()
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    for start, end in pairwise(edges):
        batch = list(events[start:end])
        user_ids, group_ids, pairs = needs(batch)
        pairs |= {
            (gid, uid) for gid in group_ids for each in whole.lists.get(gid, ()) for uid in each.members
        }
        part = Mirror(
            {uid: whole.users[uid] for uid in user_ids & whole.users.keys()},
            {gid: whole.groups[gid] for gid in group_ids & whole.groups.keys()},
            {pair: whole.memberships[pair] for pair in pairs & whole.memberships.keys()},
            {gid: whole.lists[gid] for gid in group_ids & whole.lists.keys()},
        )
        touched = fold(part, batch)
        whole.users |= {uid: part.users[uid] for uid in touched.users}
        whole.groups |= {gid: part.groups[gid] for gid in touched.groups}
        whole.memberships |= {pair: part.memberships[pair] for pair in touched.memberships}
        whole.lists |= {gid: part.lists[gid] for gid in touched.lists}
    return whole


stamps = st.builds(make_stamp, st.integers(1, 6), st.integers(0, 1), st.just(False))
emails = st.sampled_from([None, "a@x.test", "b@x.test"])
updates = st.sampled_from([None, 1, 2, 3, 9])
user_news = st.builds(UserNews, st.sampled_from(USERS), emails, st.sampled_from([None, True, False]), updates)
group_news = st.builds(GroupNews, st.sampled_from(GROUPS), st.sampled_from([None, "Writers", "Editors"]))
user_events = st.builds(DirectoryEvent, st.sampled_from([CREATED, UPDATED, DELETED]), stamps, user_news)
group_events = st.builds(
    DirectoryEvent, st.sampled_from([MADE, CHANGED, GONE]), stamps, st.none(), group_news
)
memberships = st.builds(DirectoryEvent, st.sampled_from([ADDED, REMOVED]), stamps, user_news, group_news)
told_events = st.lists(st.one_of(user_events, group_events, memberships), max_size=14)


@st.composite
def lists_of(draw: st.DrawFn) -> list[DirectoryEvent]:
    """Events of PUT-style providers: at most three different lists of a group, each at its own time."""
    events = []
    for gid in GROUPS:
        told = draw(
            st.lists(
                st.tuples(
                    st.integers(1, 6),
                    st.frozensets(st.sampled_from(USERS)),
                    st.sampled_from([MADE, CHANGED]),
                    st.sampled_from([None, "Writers"]),
                ),
                max_size=3,
                unique_by=(lambda one: one[0], lambda one: one[1]),
            )
        )
        for time, members, name, title in told:
            news = GroupNews(gid, title, tuple(sorted(members)))
            events.append(DirectoryEvent(name, make_stamp(time, 0, False), None, news))
    return events


def _first_of(events: list[DirectoryEvent], event: DirectoryEvent) -> DirectoryEvent:
    return next(each for each in events if each.group and event.group and each.group.id == event.group.id)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[DirectoryEvent], list[DirectoryEvent], list[int]]:
    """Some events, and the same in any order, with repeats, in any batches."""
    listed = draw(st.one_of(st.just([]), lists_of()))
    events = [*listed, *draw(told_events)]
    if listed:  # a group that is made more than once among lists may lose a moment, see `tell_list`
        made = [event for event in events if event.name is MADE]
        events = [each for each in events if each not in made or each is _first_of(made, each)]
    repeats = draw(st.lists(st.sampled_from(events), max_size=4)) if events else []
    order = draw(st.permutations([*events, *repeats]))
    return events, order, draw(st.lists(st.integers(0, 20), max_size=4))


@settings(max_examples=300)
@given(deliveries())
def test_deliveries_do_not_matter(case: tuple[list[DirectoryEvent], list[DirectoryEvent], list[int]]) -> None:
    """Any order, with repeats, in any batches: the mirror is what happened, in order of time."""
    events, order, cuts = case
    assert replay(events) == effective(deliver(order, cuts))


@settings(max_examples=100)
@given(deliveries())
def test_deliveries_leave_the_same_rows(
    case: tuple[list[DirectoryEvent], list[DirectoryEvent], list[int]],
) -> None:
    """Not only what counts now is the same, but everything that later news is compared with."""
    events, order, cuts = case
    one, other = deliver(events), deliver(order, cuts)
    assert one.groups == other.groups
    assert {p: r for p, r in one.memberships.items() if r != Membership()} == {
        pair: row for pair, row in other.memberships.items() if row != Membership()
    }
    assert {
        u: (x.email, x.former, x.active_at, x.created_at, x.deleted_at) for u, x in one.users.items()
    } == {u: (x.email, x.former, x.active_at, x.created_at, x.deleted_at) for u, x in other.users.items()}


@given(told_events)
def test_folding_twice_changes_nothing(events: list[DirectoryEvent]) -> None:
    """A crash that repeats a batch writes nothing new and marks nobody."""
    mirror = Mirror()
    fold(mirror, events)
    again = fold(mirror, events)
    assert (set(), set(), set()) == (again.users, again.groups, again.memberships)
    assert (set(), set()) == (again.news_of_users, again.news_of_groups)


lists_at = st.lists(
    st.tuples(st.integers(1, 30), st.frozensets(st.sampled_from(USERS))),
    max_size=2 * MOST_LISTS,
    unique_by=lambda one: one[0],
)


@given(lists_at, st.randoms(use_true_random=False), st.booleans())
def test_lists_alone_say_who_is_inside(
    told: list[tuple[int, frozenset[str]]], random: Random, made: bool
) -> None:
    """Whatever the order, whoever's place changed is where the newest list has them."""
    events = [
        DirectoryEvent(
            CHANGED, make_stamp(time, 0, False), None, GroupNews("g1", "W", tuple(sorted(members)))
        )
        for time, members in told
    ]
    if made:
        events.append(DirectoryEvent(MADE, make_stamp(0, 1, False), None, GroupNews("g1", "W", ())))
    random.shuffle(events)
    _, _, held = effective(deliver(events, [3, 5]))
    rows = [members for _, members in sorted(told)]
    first = frozenset[str]() if made else rows[0] if rows else frozenset()
    always = frozenset.intersection(first, *rows)
    assert {("g1", uid) for uid in (rows[-1] if rows else ())} - {("g1", uid) for uid in always} == held


# -- stories


def test_the_newest_lists_are_remembered() -> None:
    """What an older one shows counts all the same: who was in it and not in the next is out."""
    lists = [of_group(CHANGED, 10 + time, "Writers", "2" + "3" * (time % 2)) for time in range(MOST_LISTS)]
    mirror, _ = folded(of_member(ADDED, 3), *lists)
    assert ("g1", "u1") in effective(mirror)[2]
    remembered = mirror.lists["g1"]
    fold(mirror, [of_group(CHANGED, 9, "Writers", "12")])
    assert ("g1", "u1") not in effective(mirror)[2]
    assert (MOST_LISTS, remembered) == (len(remembered), mirror.lists["g1"])


def test_memberships_before_everything_else() -> None:
    """A membership may arrive before its user and its group."""
    mirror, _ = folded(of_member(ADDED, 3), of_user(CREATED, 1, "a@x.test"), of_group(MADE, 2, "Writers"))
    assert {("g1", "u1")} == effective(mirror)[2]


def test_a_new_life_starts_without_memberships() -> None:
    """Deleted and created again, also when the news comes backwards."""
    events = [
        of_user(CREATED, 1, "a@x.test"), of_member(ADDED, 2), of_user(DELETED, 3), of_user(CREATED, 4),
    ]  # fmt: skip
    for order in (events, events[::-1]):
        assert set() == effective(folded(*order)[0])[2]
        assert {("g1", "u1")} == effective(folded(*order, of_member(ADDED, 5))[0])[2]


def test_user_fields_within_a_membership_are_news() -> None:
    """They are worth what an update is, at their own time."""
    mirror, touched = folded(
        of_user(UPDATED, 5, "new@x.test"), of_member(ADDED, 3, UserNews("u1", "old@x.test", False))
    )
    assert effective(mirror)[0]["u1"] == (True, False, "new@x.test")
    assert {"u1"} == touched.news_of_users


def test_lists_after_patches_are_stale() -> None:
    """The list of the last PUT goes on being told after user_added and user_removed."""
    events = [
        of_group(CHANGED, 1, "W", "1"), of_member(REMOVED, 3), of_group(CHANGED, 4, "Writers", "1"),
        of_group(CHANGED, 6, "Writers", "1"),
    ]  # fmt: skip
    assert set() == effective(folded(of_member(ADDED, 0), *events)[0])[2]


@pytest.mark.parametrize("first", [None, ""])
def test_lists_of_a_group_whose_creation_was_seen(first: str | None) -> None:
    """Nobody was in it before: the first list is news, whether or not the creation told an empty one."""
    seen = [of_group(MADE, 1, "W", first), of_group(CHANGED, 5, "W", "12")]
    for order in (seen, seen[::-1]):
        assert {("g1", "u1"), ("g1", "u2")} == effective(deliver(order, [1]))[2]
    assert {("g1", "u1")} == effective(folded(of_group(MADE, 1, "W", "1"))[0])[2]


def test_lists_of_a_group_whose_creation_was_not_seen() -> None:
    """The first one is only a baseline."""
    assert set() == effective(folded(of_group(CHANGED, 5, "W", "12"))[0])[2]


def test_more_than_eight_lists() -> None:
    """What the forgotten ones showed stays known; what later ones show counts."""
    rows = [of_group(MADE, 1, "W", ""), of_group(CHANGED, 2, "W", "1")]
    rows += [of_group(CHANGED, time, "W", "12" if time % 2 else "1") for time in range(3, 20)]
    mirror = deliver(rows, range(len(rows)))
    assert {("g1", "u1"), ("g1", "u2")} == effective(mirror)[2]
    assert len(mirror.lists["g1"]) == 8
    end = deliver([*rows, of_group(CHANGED, 20, "W", "2")], range(30))
    assert {("g1", "u2")} == effective(end)[2]


def test_a_deleted_groups_list_is_not_looked_at() -> None:
    """Senders repeat the last state in it."""
    mirror, _ = folded(of_group(MADE, 1, "W", ""), of_group(GONE, 2, "W", "1"), of_group(MADE, 3, "W"))
    assert set() == effective(mirror)[2]


# -- what is marked


def test_no_news_marks_nobody() -> None:
    """Updates that change nothing a plan depends on are written, since they are newer, and no more."""
    mirror, _ = folded(of_user(CREATED, 1, "a@x.test"), of_group(MADE, 1, "W"), of_member(ADDED, 1))
    again = [of_user(UPDATED, 2, "a@x.test", True), of_group(CHANGED, 2, "W")]
    touched = fold(mirror, again)
    assert ({"u1"}, {"g1"}) == (touched.users, touched.groups)
    assert (set(), set()) == (touched.news_of_users, touched.news_of_groups)


@pytest.mark.parametrize(
    "event", [of_user(UPDATED, 2, "b@x.test"), of_user(UPDATED, 2, None, False), of_user(DELETED, 2)]
)
def test_news_of_users_marks_them(event: DirectoryEvent) -> None:
    """Another address, another state, the end."""
    mirror, _ = folded(of_user(CREATED, 1, "a@x.test"))
    assert {"u1"} == fold(mirror, [event]).news_of_users


@pytest.mark.parametrize("event", [of_group(CHANGED, 2, "Editors"), of_group(GONE, 2)])
def test_news_of_groups_marks_them(event: DirectoryEvent) -> None:
    """Another name, the end."""
    mirror, _ = folded(of_group(MADE, 1, "W"))
    assert {"g1"} == fold(mirror, [event]).news_of_groups


def test_late_former_addresses_are_news() -> None:
    """Someone is known by that address somewhere."""
    mirror, _ = folded(of_user(CREATED, 5, "b@x.test"))
    touched = fold(mirror, [of_user(UPDATED, 1, "a@x.test")])
    assert (("a@x.test",), {"u1"}) == (mirror.users["u1"].former, touched.news_of_users)


# -- unresolved


def test_ids_of_which_nothing_is_known_are_counted() -> None:
    """A user without an address, else a group without a name."""
    _, touched = folded(of_user(CREATED, 1), of_member(ADDED, 2), of_group(MADE, 3))
    assert ({"u:u1": 2, "g:g1": 1}, set()) == (touched.unresolved, touched.resolved)


def test_ids_are_resolved_once_something_is_known() -> None:
    """In the same batch or later; once."""
    mirror, touched = folded(of_member(ADDED, 2), of_user(CREATED, 1, "a@x.test"), of_group(MADE, 1, "W"))
    assert ({"u:u1": 1}, {"u:u1", "g:g1"}) == (touched.unresolved, touched.resolved)
    after = fold(mirror, [of_user(UPDATED, 3, "b@x.test"), of_member(REMOVED, 4)])
    assert ({}, set()) == (after.unresolved, after.resolved)


def test_a_list_names_users_without_counting_them() -> None:
    """PUT-style providers list users whose own events come at their own time."""
    _, touched = folded(of_group(MADE, 1, "W", "123"))
    assert touched.unresolved == {}
