"""Forgetting a directory: nobody stays because of it, nobody else is touched, and nothing of it is left."""

import fnmatch
from collections.abc import Awaitable, Callable
from itertools import count, pairwise
from typing import Any

import orjson
import pytest

from bridge.directory.events import DirectoryEvent, EventName, UserNews, encode_event
from bridge.operators.forget import (
    NotForgottenError,
    find_forgettable,
    forget_directory,
    list_directories,
    preview,
)
from bridge.scim.rows import Row, new_id
from bridge.scim.shelf import Shelf
from bridge.store.audit import Audit, Deed
from bridge.store.departures import departures_key, read_departures
from bridge.store.front import FrontNews, FrontStore
from bridge.store.journal import Entry, Submission
from bridge.store.redis import Store
from bridge.store.targets import TargetStore
from tests.operators.keys import dump, keys
from tests.workers.world import World, address
from workers.departing import arrive, forget_directories
from workers.fold import fold_directory
from workers.retention import trim

OKTA = {"name": "okta", "kind": "okta-workflows", "secrets": ["okta-secret"]}
POLIS = {"name": "polis", "kind": "okta-workflows", "secrets": ["polis-secret"]}
FADING = ("seen:", "bell:", "lease:", "probe", "renewed:")  # keys that end by themselves within 7 days
# what is counted, dated or proved of the installation and its targets, whoever it was about
KEPT = (
    "fences", "rings", "counters", "workers", "schema", "queue", "targets", "trimmed", "audit",
    "history:*", "evidence:*", "calls:*", "guard:*", "invited:*", "losses:*", "sizes:*", "teamsizes:*",
    "plan:*", "news:*", "state:*", "tally:*", "budget:*",
)  # fmt: skip


@pytest.fixture(autouse=True)
async def two_directories(world: World) -> None:
    """Two sources, each of a directory of its own."""
    world.sources = [OKTA, POLIS]
    world.configure()
    await arrive(world.worker)


async def hire(world: World, directory: str, *names: str) -> None:
    """Tell of users of one directory."""
    for name in names:
        await world.tell("user.created", (f"{directory}-{name}", address(name), True), directory=directory)


async def group(world: World, directory: str, title: str, *names: str) -> None:
    """Tell of a group of one directory and of its members."""
    ident = f"{directory}-{title}"
    await world.tell("group.created", group=(ident, title), directory=directory)
    for name in names:
        user = (f"{directory}-{name}", None, None)
        await world.tell("group.user_added", user, (ident, None), directory=directory)


async def start_without(world: World, *sources: dict[str, Any]) -> None:
    """Take all other sources out of the configuration, and start the bridge again."""
    world.sources = list(sources)
    world.configure()
    await arrive(world.worker)


async def forget(world: World, name: str = "okta", by: str = "boss") -> None:
    """What the command does."""
    view = await find_forgettable(world.settings, world.store, name)
    losses = await preview(world.settings, world.store, view, world.now)
    deed = Deed(world.now, by, "forgot", why="sold")
    await forget_directory(world.settings, world.store, view, losses, deed)


async def work(world: World, rounds: int = 4) -> None:
    """Let the workers do all they do about it."""
    for _ in range(rounds):
        await world.settle()
        await forget_directories(world.worker)


async def lasting(store: Store) -> dict[str, list[str]]:
    """What every key holds that stays and is not of the installation as a whole."""
    return {
        key: held
        for key, held in (await dump(store)).items()
        if not key.startswith(FADING) and not any(fnmatch.fnmatch(key, each) for each in KEPT)
    }


async def test_nobody_stays_because_of_a_directory_that_is_gone(world: World) -> None:
    """Before it is forgotten everybody stays; then who has nobody else's word goes, from teams, too."""
    await hire(world, "okta", "ana", "bo")
    await group(world, "okta", "Writers", "ana", "bo")
    await hire(world, "polis", "bo", "cy")
    await world.settle()
    await start_without(world, POLIS)
    await work(world)
    assert set(world.members()) == {"ana", "bo", "cy"}
    assert [note for note in (await world.plan()).notes if "bridge directory forget okta" in note]
    await forget(world)
    assert (await world.plan()).notes == []
    assert set(world.members()) == {"ana", "bo", "cy"}, "the command itself calls nothing"
    await work(world)
    assert set(world.members()) == {"bo", "cy"}
    assert world.teams() == {}
    assert not (await read_departures(world.store)).by_name


async def test_nothing_of_it_is_left(world: World) -> None:
    """Every key of it is gone, and of those that others share its part; what others have is as it was."""
    await start_without(world, POLIS)
    await hire(world, "polis", "bo", "cy")
    await group(world, "polis", "Readers", "bo", "cy")
    await world.settle()
    await trim(world.worker)
    before = await lasting(world.store)
    await start_without(world, OKTA, POLIS)
    await hire(world, "okta", "ana", "bo")
    await world.tell("user.updated", ("okta-ana", "a.ng@acme.test", None), directory="okta")
    await group(world, "okta", "Writers", "ana", "bo")
    await world.tell("group.updated", group=("okta-Writers", "Authors"), directory="okta")
    members = ("okta-ana", "okta-stranger")
    for listed in (members[:1], members):  # the second shows somebody of whom nothing else is ever told
        await world.tell("group.updated", group=("okta-Listed", None, listed), directory="okta")
    await world.tell("group.user_removed", ("okta-bo", None, None), ("okta-Writers", None), directory="okta")
    await world.tell("group.user_added", ("okta-who", None, None), ("okta-what", None), directory="okta")
    await world.tell("user.created", ("inner-di", address("di"), True), directory="okta:inner")
    await world.settle()
    await world.approve()
    await world.settle()
    await FrontStore(world.store).tell({"okta": FrontNews(delivered=world.now)})
    await stock(world, "okta")
    assert await lasting(world.store) != before
    await start_without(world, POLIS)
    await forget(world)
    await work(world)
    await world.approve()
    await work(world)
    assert set(world.members()) == {"bo", "cy"}
    await trim(world.worker)
    after = await lasting(world.store)
    assert {key: held for key, held in after.items() if held != before.get(key)} == {}
    assert before.keys() - after.keys() == {"sources:okta"}  # which the fixture had named
    for key in await keys(world.store):
        if key.startswith(FADING):
            assert 0 < await world.store.call("TTL", world.store.key(key)) <= 7 * 86400, key


async def stock(world: World, source: str, at: int = 5) -> list[Row]:
    """Let a SCIM source of this name have written two users and a group; return the users."""
    shelf = Shelf(world.store, source)
    users = [
        Row("User", new_id("User"), {"userName": name, "emails": [{"value": address(name)}]}, 1, at, at)
        for name in (f"ana{at}", f"bo{at}")
    ]
    team = Row("Group", new_id("Group"), {"displayName": "Writers", "externalId": "w"}, 1, at, at)
    for row in (*users, team):
        await world.store.calls(list(shelf.put(row, None)))
    await world.store.calls(list(shelf.regroup(team.id, [*(row.id for row in users), "usr_unknown"], ())))
    return users


async def test_nobody_is_removed_whom_another_directory_names(world: World) -> None:
    """Neither while it is forgotten nor when its data is gone; what their groups there gave they lose."""
    await hire(world, "okta", "ana")
    await group(world, "okta", "Writers", "ana")
    await hire(world, "polis", "ana")
    await group(world, "polis", "Readers", "ana")
    await world.settle()
    assert world.teams() == {"Writers": {"ana"}, "Readers": {"ana"}}
    await start_without(world, POLIS)
    await forget(world)
    await work(world)
    assert (world.members(), world.teams()) == ({"ana": "read"}, {"Readers": {"ana"}})
    assert world.removals() == 0


async def test_the_guard_holds(world: World) -> None:
    """What is beyond its limits is held, though the mirror is gone, and goes when a person approves."""
    world.configure(guard={"max_removals": 2, "max_removal_percent": 0, "on_limit": "hold-rest"})
    people = [f"p{number}" for number in range(6)]
    await hire(world, "okta", *people)
    await world.settle()
    await start_without(world, POLIS)
    view = await find_forgettable(world.settings, world.store, "okta")
    told = (await preview(world.settings, world.store, view, world.now))["docs"]
    assert (len(told.removed), len(told.removals_held)) == (2, 4)
    await forget(world)
    await work(world)
    assert len(world.members()) == 4
    assert len(await world.parked()) == 4
    assert not (await read_departures(world.store)).by_name
    await world.approve()
    await work(world)
    assert world.members() == {}


async def test_an_exception_is_not_forgotten_with_the_directory(world: World) -> None:
    """Whose removal somebody rejected is held, not removed."""
    world.configure(guard={"protect": ["ana@acme.test"]})
    await hire(world, "okta", "ana")
    await world.settle()
    await world.tell("user.updated", ("okta-ana", None, False), directory="okta")
    await world.settle()
    await world.reject("m:ana")
    await world.settle()
    world.configure(guard={})
    await world.settle()
    assert set(world.members()) == {"ana"}
    await start_without(world, POLIS)
    await forget(world)
    await work(world)
    assert "decide again" in (await world.parked())["m:ana"]
    assert set(world.members()) == {"ana"}
    await world.approve()
    await work(world)
    assert world.members() == {}


async def test_what_is_told_is_what_happens(world: World) -> None:
    """The preview's removals, roles and teams are those of the workers; it writes nothing."""
    roles = [{"group": "Writers", "role": "edit"}]
    world.configure(roles=roles)
    await hire(world, "okta", "ana", "bo", "cy")
    await group(world, "okta", "Writers", "ana", "bo", "cy")
    await hire(world, "polis", "bo", "cy")
    await group(world, "polis", "Readers", "bo")
    await world.settle()
    assert world.members()["bo"] == "edit"
    await start_without(world, POLIS)
    await world.settle()
    before, calls = await dump(world.store), len(world.writes())
    view = await find_forgettable(world.settings, world.store, "okta")
    told = (await preview(world.settings, world.store, view, world.now))["docs"]
    assert (told.removed, told.removals_held) == (("ana@acme.test",), ())
    assert told.lowered == ("bo@acme.test", "cy@acme.test")
    assert (told.leaving, told.deleted) == ({"Writers": 2}, ("Writers",))
    assert (await dump(world.store), len(world.writes())) == (before, calls)
    await forget(world)
    await work(world)
    assert world.members() == {"bo": "read", "cy": "read"}
    assert world.teams() == {"Readers": {"bo"}}


async def test_a_source_that_still_speaks_keeps_its_directory(world: World) -> None:
    """And so does the name of one that is not there; both say what to do."""
    await hire(world, "okta", "ana")
    await world.settle()
    with pytest.raises(NotForgottenError, match="still told of by the source okta: take that out"):
        await find_forgettable(world.settings, world.store, "okta")
    with pytest.raises(NotForgottenError, match="there is no directory entra: okta, polis"):
        await find_forgettable(world.settings, world.store, "entra")


async def test_directories_are_listed(world: World) -> None:
    """With those of the configuration that nothing came from, and those that only targets know of."""
    await hire(world, "okta", "ana", "bo")
    await world.tell("user.updated", ("okta-bo", None, False), directory="okta")
    await group(world, "okta", "Writers", "ana")
    await world.settle()
    okta, polis = await list_directories(world.settings, world.store)
    assert (okta.users, okta.active, okta.groups, okta.targets) == (2, 1, 1, ("docs",))
    assert okta.last_event > 0
    assert (polis.users, polis.last_event, polis.sources) == (0, 0, ("polis",))
    await start_without(world, POLIS)
    await forget(world)
    okta = (await list_directories(world.settings, world.store))[0]
    assert (okta.sources, okta.targets) == ((), ("docs",)), "the target has not let go of it yet"
    assert okta.departure
    assert okta.departure.by == "boss"


async def test_who_when_and_why_is_in_the_audit(world: World) -> None:
    """With the figures that were shown."""
    await hire(world, "okta", "ana")
    await world.settle()
    await start_without(world, POLIS)
    at = world.now
    await forget(world)
    await forget(world, by="other")
    [(_, deed)] = await Audit(world.store).read()
    assert (deed.by, deed.action, deed.object, deed.why, deed.at) == ("boss", "forgot", "okta", "sold", at)
    assert deed.detail["targets"]["docs"]["removed"] == 1


async def test_a_crash_anywhere_only_begins_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any number of commands that got through; the end is the same."""
    people = [f"p{number}" for number in range(6)]
    monkeypatch.setattr("bridge.store.clearance.SLICE", 2)
    for lives in count(0, 3):
        world.sources = [OKTA, POLIS]
        world.configure(guard={"max_removals": 100})
        await arrive(world.worker)
        await hire(world, "okta", *people)
        await group(world, "okta", "Writers", *people)
        await hire(world, "polis", "bo")
        await world.settle()
        assert len(world.members()) == 7
        await start_without(world, POLIS)
        await forget(world)
        survived = await lives_through(world, lives)
        await world.store.calls([
            ("DEL", *await world.store.call("KEYS", f"{world.store.key('lease')}:*"), world.store.key("x")),
        ])  # fmt: skip
        world.configure()
        await work(world, 6)
        assert set(world.members()) == {"bo"}, lives
        assert [key for key in await keys(world.store) if "okta" in key and not key.startswith(FADING)] == []
        if survived:
            break
    assert lives > 20


async def lives_through(world: World, lives: int) -> bool:
    """Let a worker do its work until its life is over; True when it ended before."""
    with pytest.MonkeyPatch.context() as crash:
        crash.setattr(Store, "run", mortal(Store.run, lives))
        try:
            for _ in range(6):
                await world.turn()
                await forget_directories(world.worker)
        except CrashError:
            return False
    return True


class CrashError(Exception):
    """The process is gone."""


def mortal(run: Callable[..., Awaitable[Any]], lives: int) -> Callable[..., Awaitable[Any]]:
    """Let scripts run so often, and then no more."""
    left = [lives]

    async def running(store: Store, name: str, *args: Any) -> Any:
        if name == "commit":
            left[0] -= 1
            if left[0] < 0:
                raise CrashError
        return await run(store, name, *args)

    return running


async def test_a_source_that_comes_back_starts_afresh(world: World) -> None:
    """Nothing of its earlier life counts: not who was active, not a tombstone, not a repeat that was seen."""
    await hire(world, "okta", "ana", "bo")
    event = await accept(world, "okta", "cy")
    await world.settle()
    await world.tell("user.deleted", ("okta-bo", None, None), directory="okta")
    await world.settle()
    await start_without(world, POLIS)
    await forget(world)
    await work(world)
    assert world.members() == {}
    await start_without(world, OKTA, POLIS)
    await work(world)
    assert world.members() == {}
    await world.journal.accept([event])
    await hire(world, "okta", "bo")
    await work(world)
    assert set(world.members()) == {"bo", "cy"}
    accepted, folded = await world.journal.counters()
    assert accepted == folded


async def accept(world: World, directory: str, name: str) -> Submission:
    """Store a joiner's event as a delivery that is known by its key; return it, to be repeated."""
    at = world.now << 10
    news = UserNews(name, address(name), True)
    event = DirectoryEvent(EventName.USER_CREATED, at, news, None, directory, "d", world.now)
    payload = orjson.dumps(encode_event(event))
    submission = Submission(directory, [Entry(directory, b"k" * 16, payload)])
    await world.journal.accept([submission])
    return submission


async def test_a_repeat_is_new_once_its_directory_was_forgotten(world: World) -> None:
    """And a repeat again from then on; of other directories they stay repeats."""
    okta, polis = await accept(world, "okta", "ana"), await accept(world, "polis", "bo")
    await world.settle()
    await start_without(world, POLIS)
    await forget(world)
    await work(world)
    receipts = await world.journal.accept([okta, polis])
    again = await world.journal.accept([okta])
    assert [(r.accepted, r.duplicates) for r in [*receipts, *again]] == [(1, 0), (0, 1), (0, 1)]  # type: ignore[union-attr]


async def test_a_source_that_is_back_at_once_keeps_its_directory(world: World) -> None:
    """As long as nothing is deleted; a worker that was not started again calls nothing off."""
    await hire(world, "okta", "ana")
    await world.settle()
    old = world.worker
    await start_without(world, POLIS)
    await forget(world)
    await forget_directories(old)
    assert "okta" in (await read_departures(world.store)).by_name, "its configuration is older than the wish"
    await start_without(world, OKTA, POLIS)
    await work(world)
    assert set(world.members()) == {"ana"}
    assert not (await read_departures(world.store)).by_name
    assert [deed.action for _, deed in await Audit(world.store).read()] == ["kept", "forgot"]


async def test_what_comes_while_it_is_deleted_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is folded once nothing of the earlier life is left, and nobody of that comes back."""
    monkeypatch.setattr("bridge.store.clearance.SLICE", 1)
    monkeypatch.setattr("workers.departing.SLICE_SECONDS", 0.0)
    await hire(world, "okta", "ana", "bo")
    await world.settle()
    await start_without(world, POLIS)
    await forget(world)
    await world.settle()
    await forget_directories(world.worker)
    assert (await read_departures(world.store)).begun == {"okta"}
    await start_without(world, OKTA, POLIS)
    assert (await read_departures(world.store)).begun == {"okta"}
    await stock(world, "okta")
    written = await stock(world, "okta", world.now)
    await hire(world, "okta", "cy")
    await work(world, 2)
    assert await fold_directory(world.worker, "okta") == 0
    assert world.members() == {}, "neither the earlier life nor the next one counts yet"
    monkeypatch.setattr("workers.departing.SLICE_SECONDS", 5.0)
    await work(world)
    assert set(world.members()) == {"cy"}
    assert await world.store.call("HKEYS", world.store.key("users", "okta")) == ["okta-cy"]
    assert {row.id for row in await Shelf(world.store, "okta").listed("User", 0, 9)} == {
        row.id for row in written
    }


async def test_what_was_accepted_is_folded_first(world: World) -> None:
    """So nothing that waits is lost count of."""
    await hire(world, "okta", "ana")
    await world.settle()
    await start_without(world, POLIS)
    await hire(world, "okta", "bo")
    await forget(world)
    await world.converge()
    await forget_directories(world.worker)
    assert (await read_departures(world.store)).begun == set()
    await work(world)
    assert await world.journal.counters() == (world.told, world.told)
    assert await world.journal.directories() == set()


async def test_who_counts_on_it_again_at_the_last_moment_is_heeded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose configuration has the source back writes that down while another is to begin."""
    await hire(world, "okta", "ana")
    await world.settle()
    await start_without(world, POLIS)
    old = world.worker
    await forget(world)
    await world.settle()
    world.sources = [OKTA, POLIS]
    world.configure()
    converge = world.converge
    before_commit(monkeypatch, departures_key(world.store), lambda: converge(world.worker))
    await forget_directories(old)
    assert (await read_departures(world.store)).begun == set()
    assert "okta" in await world.store.call("SMEMBERS", world.docs.key("followed"))
    assert set(world.members()) == {"ana"}


async def test_nobody_counts_on_it_once_it_is_deleted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even who had read before that it would not be."""
    await hire(world, "okta", "ana")
    await world.settle()
    await start_without(world, POLIS)
    old = world.worker
    await forget(world)
    await world.settle()
    world.sources = [OKTA, POLIS]
    world.configure()
    before_commit(monkeypatch, world.docs.key("plan"), lambda: forget_directories(old))
    await world.converge()
    assert (await read_departures(world.store)).begun == {"okta"}
    assert await world.store.call("SMEMBERS", world.docs.key("followed")) == {"polis"}
    await work(world)
    assert world.members() == {}


def before_commit(patch: pytest.MonkeyPatch, key: str, do: Callable[[], Awaitable[None]]) -> None:
    """Do something right before the first transaction that sets a key."""
    run, done = Store.run, list[str]()

    async def racing(store: Store, name: str, *args: Any) -> Any:
        sets = any(pair == ("SET", key) for pair in pairwise(args))
        if name == "commit" and sets and not done:
            done.append(key)
            await do()
        return await run(store, name, *args)

    patch.setattr(Store, "run", racing)


async def test_a_paused_target_is_waited_for(world: World) -> None:
    """Nothing is deleted while it has not planned everyone anew."""
    await hire(world, "okta", "ana")
    await world.settle()
    await start_without(world, POLIS)
    await world.store.call("SET", world.docs.key("pause"), orjson.dumps({"by": "boss", "at": 1}))
    await forget(world)
    await work(world)
    assert await world.store.call("HLEN", world.store.key("users", "okta")) == 1
    await world.store.call("DEL", world.docs.key("pause"))
    await work(world)
    assert (world.members(), await world.store.call("HLEN", world.store.key("users", "okta"))) == ({}, 0)


@pytest.mark.parametrize("sources", [(POLIS,), (OKTA, POLIS)])
async def test_a_target_that_was_taken_out_plans_anew_when_it_is_back(
    world: World, sources: tuple[dict[str, Any], ...]
) -> None:
    """Whom it knows by a directory that was forgotten meanwhile does not stay there."""
    await hire(world, "okta", "ana")
    await hire(world, "polis", "bo")
    await world.settle()
    target = world.target
    world.target = {**target, "organization": "other"}
    await start_without(world, POLIS)
    await forget(world)
    for _ in range(3):
        await forget_directories(world.worker)
    assert not (await read_departures(world.store)).by_name
    world.target = target
    await start_without(world, *sources)
    await work(world)
    assert set(world.members()) == {"bo"}


async def test_an_invite_without_an_answer_is_found(world: World) -> None:
    """It may take effect after its directory was forgotten: whoever comes so is removed."""
    await hire(world, "okta", "ana")
    world.sandbox.inject(next=[{"match": "POST .*/invites", "fault": "reset", "after": True, "times": 3}])
    await world.turn()
    assert await world.docs.members([address("ana")]) == {}
    await start_without(world, POLIS)
    await forget(world)
    world.sandbox.heal()
    await work(world)
    assert world.members() == {}


async def test_other_targets_keep_what_they_know(world: World) -> None:
    """Of a target in dry-run mode nobody is removed; the plan shows who would be."""
    await hire(world, "okta", "ana")
    await world.settle()
    world.configure(mode="dry-run")
    await start_without(world, POLIS)
    await forget(world)
    await work(world)
    assert set(world.members()) == {"ana"}
    assert [step.change.object for step in (await world.plan()).steps] == ["ana@acme.test"]
    known = TargetStore(world.store, world.id)
    assert await world.store.call("SMEMBERS", known.key("followed")) == {"polis"}
