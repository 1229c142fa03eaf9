"""What has long been over is forgotten, and nothing that anybody still works with."""

import uuid

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.directory.events import (
    DirectoryEvent,
    EventName,
    GroupNews,
    UserNews,
    encode_event,
    make_stamp,
)
from bridge.plan.members import want
from bridge.store.journal import Entry, Submission
from bridge.store.lease import acquire
from bridge.store.mirror import MirrorStore, split_ref
from bridge.store.tombstones import Tombstones, too_old
from tests.workers.world import DAY, World, address
from workers import fold
from workers.forgetting import forget_old
from workers.retention import trim

PEOPLE = [f"p{number}" for number in range(12)]
NOTHING = dict.fromkeys(("users", "groups", "members", "memberships", "address", "unresolved", "over"), 0)


@pytest.fixture(autouse=True)
def short_memory(world: World) -> None:
    """Five days, and a directory of twelve people."""
    world.retention = {"journal": "5d"}
    world.configure()


async def mirror_size(world: World) -> dict[str, int]:
    """How many rows the mirror has: users, groups, memberships, both indexes, counters, notes."""
    found = dict(NOTHING)
    for what in found:
        for key in await world.store.call("KEYS", f"{world.store.key(what)}:*"):
            kind = await world.store.call("TYPE", key)
            found[what] += await world.store.call(
                {"hash": "HLEN", "set": "SCARD", "zset": "ZCARD"}[kind], key
            )
    return found


async def tell_members(world: World, ident: str, *names: str) -> None:
    """Tell a whole list, as PUT-style providers do."""
    await world.tell("group.updated", group=(ident, None, names))


async def forget(world: World) -> None:
    """Let the time of everything that is over pass, and let go."""
    world.sleep(6 * DAY)
    await trim(world.worker)


async def test_who_left_is_forgotten(world: World) -> None:
    """With their memberships and all their addresses, and not a day before."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.tell("user.updated", ("ana", "a.ng@acme.test", None))
    await world.settle()
    await world.approve()
    await world.fire("ana")
    await world.settle()
    assert world.members() == {"bo": "read"}
    before = await mirror_size(world)
    world.sleep(4 * DAY)
    await trim(world.worker)
    assert await mirror_size(world) == before
    await forget(world)
    after = await mirror_size(world)
    assert after == {**NOTHING, "users": 1, "groups": 1, "members": 1, "memberships": 1, "address": 1}
    await world.active("bo", True)
    await world.settle()
    assert (world.members(), world.teams()) == ({"bo": "read"}, {"Writers": {"bo"}})


async def test_a_group_that_went_is_forgotten(world: World) -> None:
    """With all its memberships, its lists and its name; a user of whom no more was told, too."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana", "nobody-knows")
    await world.settle()
    await world.tell("group.deleted", group=("g1", None))
    await world.settle()
    await forget(world)
    await forget(world)
    assert await mirror_size(world) == {**NOTHING, "users": 1, "address": 1}
    assert await world.store.call("EXISTS", world.store.key("lists", "okta")) == 0


async def test_a_membership_that_ended_is_forgotten(world: World) -> None:
    """The one that goes on is not, nor one that began again."""
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers", "ana", "bo", "cy")
    await world.take_out("g1", "ana", "cy")
    await world.add("g1", "cy")
    await world.settle()
    await forget(world)
    after = await mirror_size(world)
    assert (after["members"], after["memberships"], after["users"], after["over"]) == (2, 2, 3, 0)
    await world.rename("g1", "Authors")
    await world.settle()
    assert world.teams() == {"Authors": {"bo", "cy"}}


async def test_who_is_inactive_is_not_forgotten(world: World) -> None:
    """After a year's leave they come back to their teams."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    await world.active("ana", False)
    await world.settle()
    assert world.members() == {"bo": "read"}
    for _ in range(60):
        await forget(world)
    await world.active("ana", True)
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo"}}


async def test_a_removal_that_waits_does_not_vanish(world: World) -> None:
    """Whoever is held, or left alone with a paused or broken target, is removed when it is time."""
    world.configure(guard={"protect": ["ana@acme.test"]})
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers", "ana", "bo", "cy")
    await world.settle()
    await world.fire("ana")
    await world.take_out("g1", "cy")
    world.sandbox.inject(always="503")
    await world.turn()
    await world.fire("bo")
    await world.turn()
    for _ in range(3):
        await forget(world)
    rows = await mirror_size(world)
    assert (rows["users"], rows["members"]) == (3, 3)
    world.sandbox.heal()
    await world.settle()
    assert world.members() == {"ana": "read", "cy": "read"}
    assert world.teams() == {"Writers": {"ana"}}
    for _ in range(3):
        await forget(world)
    assert ("m:ana" in await world.parked(), (await mirror_size(world))["users"]) == (True, 2)
    await world.approve()
    await world.settle()
    assert world.members() == {"cy": "read"}
    for _ in range(3):
        await forget(world)
    assert (await mirror_size(world))["users"] == 1


async def test_a_dry_run_forgets_nobody_it_would_remove(world: World) -> None:
    """Months of reading the plan, and everybody who left is still in it."""
    world.sandbox.seed_member("ana@acme.test")
    world.configure(mode="dry-run")
    await world.hire("ana", "bo")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    for _ in range(5):
        await forget(world)
    assert "ana@acme.test" in str((await world.plan()).as_json())


async def test_a_decision_outlives_what_it_is_about(world: World) -> None:
    """A rejected removal stays one, for years."""
    world.configure(guard={"protect": ["ana@acme.test"]})
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    await world.reject("m:ana")
    await world.settle()
    for _ in range(5):
        await forget(world)
        await world.settle()
    assert (world.members(), await world.parked()) == ({"ana": "read"}, {})
    assert (await mirror_size(world))["users"] == 1


async def test_who_came_back_by_another_id_does_not_keep_the_old_one(world: World) -> None:
    """Their address is somebody else's now, as far as the target is concerned."""
    await world.hire("ana")
    await world.settle()
    for number in range(5):
        await world.tell("user.deleted", (f"ana{number}" if number else "ana", None, None))
        await world.tell("user.created", (f"ana{number + 1}", "ana@acme.test", True))
        await world.settle()
    assert (await mirror_size(world))["users"] == 6
    await forget(world)
    assert (await mirror_size(world))["users"] == 1
    assert world.members() == {"ana": "read"}


async def test_old_news_about_what_was_forgotten_is_refused(world: World) -> None:
    """A late "added" and a late "created" bring nobody back; it is counted, and its reason kept."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    old = world.now
    await world.take_out("g1", "bo")
    await world.fire("ana")
    await world.settle()
    await world.active("bo", True)
    assert await too_old(world.store) == 0
    await world.tell("user.updated", ("bo", "bo@acme.test", None), at=old - 400 * DAY)
    await world.settle()
    assert await too_old(world.store) == 0, "nothing is forgotten yet, so nothing is too old"
    await forget(world)
    await world.tell("user.created", ("ana", "ana@acme.test", True), at=old)
    await world.tell("group.user_added", ("bo", None, None), ("g1", None), at=old)
    await world.settle()
    assert (world.members(), world.teams()) == ({"bo": "read"}, {})
    assert await too_old(world.store) == 2
    assert await world.journal.counters() == (world.told, world.told)
    rows = await world.store.call("XRANGE", world.store.key("refused", "okta"), "-", "+")
    assert [f"{row['r']}".count("6 days before it arrived") for _, row in rows] == [1, 1]


async def test_news_that_is_younger_is_not_refused(world: World) -> None:
    """It may be days old; what was forgotten was older."""
    await world.hire("ana")
    await world.fire("ana")
    await world.settle()
    await forget(world)
    await world.tell("user.created", ("bo", "bo@acme.test", True), at=world.now - 5 * DAY)
    await world.tell("user.created", ("ana", "ana@acme.test", True), at=world.now - 4 * DAY)
    await world.settle()
    assert (set(world.members()), await too_old(world.store)) == ({"ana", "bo"}, 0)


async def test_lists_that_name_somebody_keep_what_was_told_of_them(world: World) -> None:
    """Else the next list would take them back in, by a change that happened before they were taken out."""
    stones = Tombstones(world.store, "okta")
    await world.hire("ana", "bo")
    await world.group("g1", "Writers")
    for members in (["ana"], ["ana", "bo"]):
        await tell_members(world, "g1", *members)
    await world.take_out("g1", "bo")
    await world.settle()
    assert world.teams() == {"Writers": {"ana"}}
    await forget(world)
    assert await world.store.call("ZCARD", stones.key) == 1
    await tell_members(world, "g1", "ana", "bo", "cy")
    await world.settle()
    assert world.teams() == {"Writers": {"ana"}}


async def test_while_somebody_folds_nothing_is_forgotten(world: World) -> None:
    """The mirror is written by whoever holds the directory's lease."""
    await world.hire("ana")
    await world.fire("ana")
    await world.settle()
    lease = await acquire(world.store, "fold:okta", "somebody")
    assert lease is not None
    await forget(world)
    assert (await mirror_size(world))["users"] == 1
    await lease.close()
    assert await forget_old(world.worker, "okta") > 0
    assert (await mirror_size(world))["users"] == 0
    await world.hire("bo")
    assert await fold.fold_directory(world.worker, "okta") == 1


async def test_many_go_in_slices(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several rounds, and over those that cannot go yet."""
    monkeypatch.setattr("workers.forgetting.SLICE", 4)
    monkeypatch.setattr("workers.forgetting.MOST_SLICES", 3)
    world.configure(guard={"protect": [f"{name}@acme.test" for name in PEOPLE[:5]]})
    await world.hire(*PEOPLE)
    await world.group("g1", "Writers", *PEOPLE)
    await world.settle()
    await world.fire(*PEOPLE)
    await world.tell("group.deleted", group=("g1", None))
    await world.settle()
    world.sleep(6 * DAY)
    for _ in range(8):
        await trim(world.worker)
    assert (await mirror_size(world))["users"] == 5
    await world.approve()
    await world.settle()
    await forget(world)
    await forget(world)
    assert await mirror_size(world) == NOTHING


# the same end, with and without forgetting


HOURS = 3_600_000
MOST_LATE = 29 * 24  # hours, of thirty days that are remembered
KINDS = [
    "user.created", "user.updated", "user.deleted", "group.created", "group.updated", "group.deleted",
    "group.user_added", "group.user_added", "group.user_removed", "list", "inactive",
]  # fmt: skip
Told = tuple[int, int, str, str, str, str]  # happened and arrived (hours), what, user, group, address

told = st.builds(
    lambda at, late, kind, user, group, email: (at, at + late, kind, user, group, email),
    st.integers(0, 24 * 120), st.sampled_from([0, 1, 99, 350, MOST_LATE]), st.sampled_from(KINDS),
    st.sampled_from(["u1", "u2"]), st.sampled_from(["g1", "g1", "g2"]), st.sampled_from(["ana", "bo"]),
)  # fmt: skip


def as_directories_do(history: list[Told]) -> list[Told]:
    """Leave out what no directory says: that something deleted changed before it was created anew.

    That somebody is put into a group may be told before that they are back.
    """
    gone: set[str] = set()
    kept = []
    for each in sorted(history):
        _, _, kind, user, group, _ = each
        about = {user} if kind.startswith("user") or kind == "inactive" else {group}
        if kind.endswith(".deleted"):
            gone |= about
        elif kind.endswith(".created"):
            gone -= about
        elif about & gone:
            continue
        kept.append(each)
    return kept


def event_of(begun: int, each: Told) -> DirectoryEvent:
    """Return it as the journal has it."""
    at, _, kind, user, group, email = each
    stamp = make_stamp(begun + at * HOURS, 0, False)
    if kind == "list":
        members = (user,) if at % 2 else ("u1", "u2")
        return DirectoryEvent(EventName.GROUP_UPDATED, stamp, None, GroupNews(group, None, members))
    if kind == "inactive":
        return DirectoryEvent(EventName.USER_UPDATED, stamp, UserNews(user, None, False))
    name = EventName(kind)
    if name.is_user:
        told_email = None if name is EventName.USER_DELETED else address(email)
        return DirectoryEvent(name, stamp, UserNews(user, told_email))
    return DirectoryEvent(
        name, stamp, UserNews(user) if name.is_membership else None, GroupNews(group, group.upper())
    )


async def wanted(world: World, directory: str) -> list[tuple[object, ...]]:
    """Who is to be a member by this directory, by whom, and in which teams."""
    emails = [address(name) for name in ("ana", "bo")]
    people = await MirrorStore(world.store).people(emails, {directory})
    plans = [want(person, world.settings.targets[0]) for person in people]
    return [
        (plan.email, plan.member, plan.titles, [split_ref(ref)[1] for ref in plan.holders]) for plan in plans
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(told, min_size=20, max_size=50))
async def test_forgetting_changes_no_end(world: World, history: list[Told]) -> None:
    """For whatever arrives within the time that is remembered, however late and in whatever order."""
    names = [f"{kind}{uuid.uuid4().hex[:6]}" for kind in ("keeps", "forgets")]
    world.sources = [
        {"name": name, "kind": "okta-workflows", "secrets": [f"{name}-secret"], "targets": []}
        for name in names
    ]
    world.retention = {"journal": "30d"}
    world.configure()
    begun = world.now
    for each in sorted(as_directories_do(history), key=lambda one: one[1]):
        world.now_ms[0] = begun + each[1] * HOURS
        payload = orjson.dumps(encode_event(event_of(begun, each)))
        for name in names:
            await world.journal.accept([Submission(name, [Entry(name, None, payload)])])
        await forget_old(world.worker, names[1])
        for name in names:
            await fold.fold_directory(world.worker, name)
    world.sleep(40 * DAY)
    for _ in range(3):
        await forget_old(world.worker, names[1])
    assert await wanted(world, names[1]) == await wanted(world, names[0])
    assert await too_old(world.store) == 0
