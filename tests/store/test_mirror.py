"""The mirror in Redis."""

import uuid

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.directory.events import DirectoryEvent, EventName, GroupNews, UserNews, make_stamp
from bridge.directory.fold import Mirror, Touched, fold
from bridge.plan.people import GroupView, Person, UserView
from bridge.store.commit import Transaction
from bridge.store.mirror import MirrorStore, directory_name, make_ref, split_ref
from bridge.store.redis import Store

CREATED, UPDATED, DELETED = EventName.USER_CREATED, EventName.USER_UPDATED, EventName.USER_DELETED
MADE, CHANGED, GONE = EventName.GROUP_CREATED, EventName.GROUP_UPDATED, EventName.GROUP_DELETED
ADDED, REMOVED = EventName.USER_ADDED, EventName.USER_REMOVED
EMAIL = "ana@acme.test"


def user(name: EventName, time: int, ident: str = "u1", email: str | None = None) -> DirectoryEvent:
    """An event about a user."""
    return DirectoryEvent(name, make_stamp(time, 0, False), UserNews(ident, email))


def group(
    name: EventName, time: int, ident: str = "g1", title: str | None = None, *members: str
) -> DirectoryEvent:
    """An event about a group."""
    return DirectoryEvent(name, make_stamp(time, 0, False), None, GroupNews(ident, title, members or None))


def member(name: EventName, time: int, user: str = "u1", group: str = "g1") -> DirectoryEvent:
    """An event about a membership."""
    return DirectoryEvent(name, make_stamp(time, 0, False), UserNews(user), GroupNews(group))


async def tell(
    store: Store, *events: DirectoryEvent, directory: str = "acme"
) -> tuple[Mirror, Touched, set[str]]:
    """Fold events and write what came of it; the addresses that it is news for."""
    kept = MirrorStore(store)
    mirror = await kept.load(directory, list(events))
    touched = fold(mirror, list(events))
    emails = set[str]().union(*(await kept.addresses(directory, mirror, touched)).values())
    transaction = Transaction(store)
    transaction.add_all(kept.writes(directory, mirror, touched))
    transaction.add_all(kept.counts(directory, touched))
    assert await transaction.run()
    return mirror, touched, emails


STORY = [
    user(CREATED, 1, email=EMAIL), group(MADE, 1, title="Writers"), member(ADDED, 2),
    user(CREATED, 1, "u2", "bo@acme.test"), member(ADDED, 3, "u2"), member(REMOVED, 4, "u2"),
]  # fmt: skip


# -- names


def test_references() -> None:
    """They name the directory and the id, whatever the id holds."""
    assert split_ref(make_ref("okta:7", "a\x1fb:c")) == ("okta:7", "a\x1fb:c")
    assert (directory_name("okta:7:8"), directory_name("okta")) == ("okta", "okta")


# -- the fold


async def test_what_is_written_is_read(store: Store) -> None:
    """The part that the same events need again, and nothing of other directories."""
    mirror, _, _ = await tell(store, *STORY, group(CHANGED, 5, "g1", None, "u1", "u2"))
    kept = MirrorStore(store)
    assert await kept.load("acme", [*STORY, group(CHANGED, 5, "g1", None, "u1")]) == mirror
    assert await kept.load("other", STORY) == Mirror()
    assert await kept.load("acme", []) == Mirror()
    part = await kept.load("acme", [member(ADDED, 9, "u2")])
    assert (set(part.users), set(part.groups), set(part.memberships)) == ({"u2"}, {"g1"}, {("g1", "u2")})
    assert part.lists == {}


async def test_lists_bring_the_members_of_earlier_ones(store: Store) -> None:
    """Whoever is not in the new list any more is looked at as well."""
    await tell(store, group(MADE, 1, "g1", "W"), group(CHANGED, 2, "g1", "W", "u1", "u2"))
    part = await MirrorStore(store).load("acme", [group(CHANGED, 3, "g1", "W", "u3")])
    assert set(part.memberships) == {("g1", "u1"), ("g1", "u2")}


some, times = st.sampled_from(["u1", "u2"]), st.integers(1, 5)
emails = st.sampled_from([None, EMAIL, "bo@acme.test"])
user_events = st.builds(user, st.sampled_from([CREATED, UPDATED, DELETED]), times, some, emails)
memberships = st.builds(member, st.sampled_from([ADDED, REMOVED]), times, some)
group_events = st.builds(group, st.sampled_from([MADE, GONE]), times, st.just("g1"), st.just("W"))
lists = st.builds(lambda time, who: group(CHANGED, time, "g1", None, *who), times, st.lists(some))
events = st.lists(st.one_of(user_events, memberships, group_events, lists), max_size=8)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events, st.integers(0, 8))
async def test_batches_are_as_good_as_one(store: Store, told: list[DirectoryEvent], cut: int) -> None:
    """What a second batch finds in Redis is what the first one left."""
    directory = f"d-{uuid.uuid4()}"
    await tell(store, *told[:cut], directory=directory)
    await tell(store, *told[cut:], directory=directory)
    whole = Mirror()
    fold(whole, told)
    kept = await MirrorStore(store).load(directory, told)
    assert (kept.users, kept.groups, kept.lists) == (whole.users, whole.groups, whole.lists)
    assert kept.memberships == whole.memberships


# -- whom it is news for


async def test_addresses_of_touched_users(store: Store) -> None:
    """Current and former ones."""
    await tell(store, *STORY)
    assert (await tell(store, user(UPDATED, 9, email="ana.ng@acme.test")))[2] == {EMAIL, "ana.ng@acme.test"}
    assert (await tell(store, user(UPDATED, 9, email="ana.ng@acme.test")))[2] == set()


async def test_addresses_of_touched_groups(store: Store) -> None:
    """Everyone ever named in it, though the event names nobody."""
    await tell(store, *STORY)
    assert (await tell(store, group(GONE, 9)))[2] == {EMAIL, "bo@acme.test"}
    assert sorted(await MirrorStore(store).member_ids("acme", "g1")) == ["u1", "u2"]


# -- the plan


async def people(store: Store, *emails: str, names: tuple[str, ...] = ("acme",)) -> list[Person]:
    """Who has, or had, each address."""
    return await MirrorStore(store).people(emails, names)


async def test_a_person_as_a_plan_sees_them(store: Store) -> None:
    """With the groups they belong to, and all they were ever named in."""
    await tell(store, *STORY, member(ADDED, 5, group="g9"))
    writers, unnamed = (
        GroupView("acme\x1fg1", "g1", "Writers", "acme"),
        GroupView("acme\x1fg9", "g9", None, "acme"),
    )
    ana = UserView(
        "acme\x1fu1", EMAIL, True, True, 0, (writers, unnamed), (writers, unnamed), directory="acme"
    )
    bo = UserView("acme\x1fu2", "bo@acme.test", True, True, 0, (), (writers,), directory="acme")
    assert await people(store, "bo@acme.test", EMAIL) == [
        Person("bo@acme.test", (bo,)), Person(EMAIL, (ana,)),
    ]  # fmt: skip


async def test_former_addresses_lead_to_their_user(store: Store) -> None:
    """They have it no more, and it is known who had it."""
    await tell(store, *STORY[:1], user(UPDATED, 5, email="ana.ng@acme.test"))
    ana = UserView("acme\x1fu1", "ana.ng@acme.test", True, former=(EMAIL,), directory="acme")
    assert await people(store, EMAIL, "ana.ng@acme.test") == [
        Person(EMAIL, (), (ana,)), Person("ana.ng@acme.test", (ana,)),
    ]  # fmt: skip


async def test_people_of_several_directories(store: Store) -> None:
    """Those that are asked for, by their configured name; the sender's own ids of them do not matter."""
    for directory in ("acme:1", "acme:2", "other"):
        await tell(store, user(CREATED, 1, email=EMAIL), directory=directory)
    [both] = await people(store, EMAIL)
    assert [each.ref for each in both.users] == ["acme:1\x1fu1", "acme:2\x1fu1"]
    [everyone] = await people(store, EMAIL, names=("acme", "other"))
    assert len(everyone.users) == 3
    assert await people(store, EMAIL, "none@acme.test", names=()) == [Person(EMAIL), Person("none@acme.test")]
    assert await people(store) == []


async def test_groups_and_whether_they_exist(store: Store) -> None:
    """By reference; unknown ones are left out."""
    await tell(store, group(MADE, 1, title="Writers"), group(MADE, 1, "g2", "Editors"), group(GONE, 2, "g2"))
    assert await MirrorStore(store).groups(["acme\x1fg1", "acme\x1fg2", "acme\x1fg3"]) == {
        "acme\x1fg1": (GroupView("acme\x1fg1", "g1", "Writers", "acme"), True),
        "acme\x1fg2": (GroupView("acme\x1fg2", "g2", "Editors", "acme"), False),
    }


async def test_walking_a_directory(store: Store) -> None:
    """In slices, until the cursor is 0 again: every user with their addresses, every group."""
    told = [user(CREATED, 1, f"u{number}", f"u{number}@acme.test") for number in range(1500)]
    await tell(store, *told, group(MADE, 1))
    kept, cursor, rounds = MirrorStore(store), 0, 0
    ids: set[str] = set()
    emails: set[str] = set()
    while rounds == 0 or cursor:
        cursor, some, addresses = await kept.scan("acme", "users", cursor)
        ids.update(some)
        emails |= addresses
        rounds += 1
    assert rounds > 1
    assert (len(ids), emails) == (1500, {f"u{number}@acme.test" for number in range(1500)})
    assert await kept.scan("acme", "groups", 0) == (0, ["g1"], set())


async def test_unresolved_events_are_counted(store: Store) -> None:
    """Over several directories; an id of which something is known now counts no more."""
    kept = MirrorStore(store)
    await tell(store, member(ADDED, 1), member(REMOVED, 2))
    await tell(store, group(MADE, 1), directory="other")
    assert await kept.unresolved(["acme", "other", "none"]) == 3
    await tell(store, user(CREATED, 3, email=EMAIL), member(ADDED, 4))
    assert await kept.unresolved(["acme"]) == 1
    await tell(store, group(MADE, 3, title="Writers"))
    assert await kept.unresolved(["acme"]) == 0


async def test_groups_are_found_by_name(store: Store) -> None:
    """In any case, by the whole name they have now, in the directories that are asked for."""
    await tell(store, group(MADE, 1, "g1", "Writers"), group(MADE, 2, "g\x1f2", "Writers & Co"))
    kept = MirrorStore(store)
    assert await kept.find_groups("WRITERS ", ["acme", "other"]) == ["acme\x1fg1"]
    assert await kept.find_groups("writers & co", ["acme"]) == ["acme\x1fg\x1f2"]
    assert await kept.find_groups("writers", ["other"]) == []
    await tell(store, group(CHANGED, 3, "g1", "Authors"))
    assert await kept.find_groups("writers", ["acme"]) == []
    assert await kept.find_groups("authors", ["acme"]) == ["acme\x1fg1"]
