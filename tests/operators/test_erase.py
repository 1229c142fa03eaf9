"""Erasing a person: nothing of them is left but a keyed hash, and everything about others is as it was."""

import asyncio
import io
import re
from dataclasses import replace
from typing import Any

import orjson
import pytest

from bridge.logs import configure_logs
from bridge.operators.erasable import NotErasedError, UnknownPersonError, find_subject
from bridge.operators.erase import erase, prepare
from bridge.plan.guard import parked_id
from bridge.scim.rows import Row
from bridge.scim.shelf import Shelf
from bridge.settings import LogSettings
from bridge.store.audit import Audit, Deed
from bridge.store.commit import Transaction
from bridge.store.erasure import open_marker
from bridge.store.journal import Entry, Submission
from bridge.store.lease import acquire
from bridge.store.listings import Listing, ListingStore
from bridge.store.reads import ReadStore
from tests.operators.keys import dump, holding
from tests.workers.world import DAY, HOUR, MINUTE, World
from workers.departing import arrive
from workers.fold import fold_directory
from workers.main import sweep_once

EMAIL, ID, NAME = "zoe.quill@acme.test", "00uZQ1", "Zoe Quill"
MAIDEN = "zoe.maiden@acme.test"  # an address she had before
LIKE = "banzoe.quill@acme.test"  # somebody else's
HELD = [parked_id(kind, each) for kind in ("remove", "invite", "role") for each in (EMAIL, MAIDEN)]
ADDRESS = rf"(?<!ban){re.escape(EMAIL)}"
NEEDLES = (ADDRESS, re.escape(MAIDEN), rf"\b{ID}\b", "(?-i:Zoe)", "usr_zoe", *HELD)


async def zoe(world: World, name: str = "user.updated", **news: Any) -> None:
    """Tell of her."""
    await world.tell(
        name, (ID, news.get("email"), news.get("active")), directory=news.get("directory", "okta")
    )


async def live_through_everything(world: World) -> None:
    """She joins, moves, is held, approved, lowered and removed; others do likewise."""
    world.configure(
        guard={"protect": [EMAIL], "team_min_removals": 1, "team_max_removal_percent": 1},
        roles=[{"group": "Writers", "role": "edit"}],
    )
    await world.hire("ana", "bo", "banzoe.quill@acme.test")
    await zoe(world, "user.created", email=MAIDEN, active=True)
    await world.group("g1", "Writers", "ana", "bo", ID)
    members: Any = ("g2", None, ("ana", ID, "00uZQ12"))
    await world.tell("group.updated", group=members)
    await world.tell("group.updated", group=("g2", "Readers", ("ana", ID, "bo")))
    await world.settle()
    await zoe(world, email="Zoe.Quill@acme.test")
    await world.settle()
    await world.approve()
    await world.settle()
    world.sandbox.inject(next=[{"match": "PUT .*/teams/", "fault": "503", "times": 1}])
    await world.take_out("g1", "ana", ID)
    await world.settle()
    await world.approve()
    await world.settle()
    await world.add("g1", "ana", ID)
    await world.settle()
    await zoe(world, active=False)
    await world.settle()
    await world.fire("bo")
    await world.settle()
    await world.approve()
    await world.settle()


async def erased(
    world: World, email: str = EMAIL, by: str = "boss", why: str = "asked for it"
) -> dict[str, int]:
    """What the command does; how many entries of each place."""
    found = await erase(world.settings, world.store, email, Deed(world.now, by, "erased", why=why))
    return found.counts


def flat(held: dict[str, list[str]]) -> set[tuple[str, str]]:
    """Every entry with its key."""
    return {(key, entry) for key, entries in held.items() for entry in entries}


async def test_nothing_of_them_is_left(world: World) -> None:
    """In no key and no line of the log; every entry about others is the very same, ids and order included."""
    log = io.StringIO()
    configure_logs(LogSettings(), log)
    await live_through_everything(world)
    await scim(world)
    assert EMAIL not in {f"{name}@acme.test" for name in world.members()}
    before = await dump(world.store)
    assert len(await holding(world.store, *NEEDLES)) > 12
    counts = await erased(world)
    assert await holding(world.store, *NEEDLES) == {}
    after = await dump(world.store)
    gone, come = flat(before) - flat(after), flat(after) - flat(before)
    strange = [entry for entry in gone if not re.search("|".join(NEEDLES), "\n".join(entry), re.IGNORECASE)]
    assert [entry for entry in strange if not entry[0].startswith(("fences", "rings"))] == []
    changed = {key.partition(":")[0] for key, entry in come if "erased" not in entry}
    assert changed <= {"journal", "lists", "erasure", "erased", "bell", "rings", "fences", "calls", "queue"}
    assert {
        "event log",
        "mirror",
        "history",
        "evidence",
        "audit",
        "targets",
        "SCIM resources",
    } <= counts.keys()
    for stream in ("journal:okta", f"history:{world.id}", f"evidence:{world.id}", "audit"):
        ids = [re.findall(r"\d+-\d+", entry)[0] for entry in after[stream]]
        assert ids == sorted(ids, key=lambda each: [*map(int, each.split("-"))])
    assert (EMAIL in log.getvalue(), ID in log.getvalue(), MAIDEN in log.getvalue()) == (False, False, False)
    assert any(LIKE in entry for _, entry in flat(after))
    await world.settle()
    assert set(world.members()) == {"ana", "banzoe.quill"}
    assert await world.due() == []


async def scim(world: World) -> None:
    """Let a provider have written her, and somebody else, with all that SCIM tells."""
    world.sources = [
        *world.sources,
        {"name": "entra", "kind": "scim", "secrets": ["entra-secret"], "directory": "okta"},
    ]
    world.configure()
    shelf = Shelf(world.store, "entra")
    for name, full in (("zoe.quill", NAME), ("ana", "Ana Ng")):
        fields = {
            "userName": f"{name}@acme.test",
            "displayName": full,
            "externalId": name.upper(),
            "active": False,
        }
        fields["emails"] = [{"value": f"{name}@acme.test"}]
        row = Row("User", f"usr_{name:0<32}", fields, 1, 5, 5, False)
        await world.store.calls(list(shelf.put(row, None)))
        await world.store.calls(list(shelf.regroup("grp_" + 32 * "0", [row.id], ())))


async def test_that_a_leaver_was_removed_stays_proven(world: World) -> None:
    """When, and who approved it; by who has the key and the address, the hash is told to be theirs."""
    await live_through_everything(world)
    rows = await world.past.evidence(100)
    await erased(world)
    label = (await open_marker(world.store)).person(EMAIL)
    [proof] = [
        row
        for row in await world.past.evidence(100)
        if row["object"] == f"m:{label}" and row["kind"] == "remove"
    ]
    [before] = [row for row in rows if row["object"] == f"m:{EMAIL}" and row["kind"] == "remove"]
    assert proof == before | {"object": f"m:{label}", "change": f"remove member {label}"}
    assert proof["approved_by"] == "boss"
    deeds = [deed for _, deed in await Audit(world.store).read()]
    assert (deeds[0].action, deeds[0].object, deeds[0].by, deeds[0].why) == (
        "erased", f"m:{label}", "boss", "asked for it",
    )  # fmt: skip
    assert deeds[0].detail["entries"]["evidence"] > 0
    assert [deed.what for deed in deeds if deed.action == "approved" and label in deed.what]
    with pytest.raises(UnknownPersonError, match=label):
        await prepare(world.settings, world.store, EMAIL, world.now)


async def test_a_list_that_is_being_read_names_them_no_more(world: World) -> None:
    """What is kept of it goes as a whole: it is begun again."""
    await live_through_everything(world)
    lists, listing = ListingStore(world.docs), Listing("members", "members").after(1, "next", 2, world.now)
    transaction = Transaction(world.store)
    transaction.add_all(lists.keep(listing, {EMAIL: ["usr_zoe", "read", True]}))
    assert await transaction.run()
    assert any(key.startswith("listing:") for key in await holding(world.store, *NEEDLES))
    await erased(world)
    assert await holding(world.store, *NEEDLES) == {}
    assert await world.store.call("EXISTS", lists.key, lists.rows_key("members")) == 0


async def test_who_is_still_there_is_not_erased(world: World) -> None:
    """Active, a member or invited, held, due, or with a call whose end is not clear: each is said."""
    world.configure(guard={"protect": [EMAIL]})
    await zoe(world, "user.created", email=EMAIL, active=True)
    await world.settle()
    await refused(world, "still active in the directory okta", f"{EMAIL} is a member of docs still")
    await zoe(world, active=False)
    await refused(world, "events of okta are not processed yet")
    await world.turn()
    await refused(world, "is a member of docs still", "a change about them is held at docs")
    await world.approve()
    await refused(world, "something is to be done about them at docs")
    await world.settle()
    assert world.members() == {}
    await zoe(world, active=True)
    world.sandbox.inject(next=[{"match": "POST .*/invites", "fault": "reset", "times": 3}])
    await world.turn()
    await zoe(world, active=False)
    await world.settle(MINUTE)
    await world.approve()
    await world.settle(MINUTE)
    await refused(world, "had no clear end")
    for _ in range(40):
        world.sleep(HOUR)
        await world.settle()
    assert (await erased(world))["event log"] == 4


async def refused(world: World, *reasons: str) -> None:
    """It says so, and nothing has changed."""
    before = await dump(world.store)
    with pytest.raises(NotErasedError) as error:
        await erased(world)
    for reason in reasons:
        assert reason in str(error.value)
    after = await dump(world.store)
    assert {key for key, _ in flat(before) ^ flat(after)} <= {"erasure", "fences"}


async def test_an_invite_that_waits_is_no_leaving(world: World) -> None:
    """Whoever is invited could still come in."""
    world.sandbox.inject(pending_invites=["*"])
    await zoe(world, "user.created", email=EMAIL, active=True)
    await world.turn()
    await zoe(world, active=False)
    await world.turn()
    await refused(world, f"{EMAIL} is invited to docs still: revoke the invite there")
    await world.reject()
    await world.settle(MINUTE)
    await erased(world)
    assert await holding(world.store, *NEEDLES) == {}


async def test_who_is_excluded_may_be_a_member(world: World) -> None:
    """The bridge never removes them, so nothing is lost if it does not know them."""
    await zoe(world, "user.created", email=EMAIL, active=True)
    await world.settle()
    world.configure(members={"exclude": ["zoe.*"]})
    await zoe(world, active=False)
    await world.settle()
    await erased(world)
    await world.settle()
    assert set(world.members()) == {"zoe.quill"}
    assert await holding(world.store, *NEEDLES) == {}


async def test_an_address_that_moved_on_is_told_from_its_owner(world: World) -> None:
    """By a former address nobody is erased who is active with another one; a shared one stays its owner's."""
    await zoe(world, "user.created", email=EMAIL, active=True)
    await zoe(world, email="zoe@acme.test")
    await world.settle()
    await world.approve()
    await world.settle()
    await refused(world, "where the address is zoe@acme.test now")
    await zoe(world, active=False)
    await world.tell("user.created", ("00uZ9", "zoe@acme.test", True))
    await world.settle()
    assert set(world.members()) == {"zoe"}
    subject = await find_subject(world.store, EMAIL)
    assert (subject.emails, subject.shared) == (frozenset({EMAIL}), frozenset({"zoe@acme.test"}))
    await erased(world)
    await world.settle()
    assert set(world.members()) == {"zoe"}
    assert await holding(world.store, *NEEDLES) == {}
    assert await world.docs.members(["zoe@acme.test"])


async def test_a_second_address_of_somebody_else_is_left_alone(world: World) -> None:
    """Of somebody who is active, that is: SCIM providers tell several, the mirror knows the first."""
    world.sources = [
        *world.sources,
        {"name": "idp", "kind": "scim", "secrets": ["idp-secret"], "directory": "okta"},
    ]
    world.configure()
    shelf = Shelf(world.store, "idp")
    fields = {"userName": "ana", "emails": [{"value": "ana@acme.test"}, {"value": EMAIL}]}
    row = Row("User", f"usr_{'a' * 32}", fields, 1, 5, 5)
    await world.store.calls(list(shelf.put(row, None)))
    await zoe(world, "user.created", email=EMAIL, active=False)
    await world.settle()
    await erased(world)
    assert await shelf.row("User", row.id) == replace(row, text=row.encode())


async def test_late_news_brings_nobody_back(world: World) -> None:
    """What happened before is refused, however late it comes; what happens after counts like anybody's."""
    await zoe(world, "user.created", email=EMAIL, active=True)
    await world.hire("ana")
    await world.settle()
    old = world.now
    world.sleep(HOUR)
    await zoe(world, "user.deleted")
    await world.settle()
    await erased(world)
    await world.tell("user.created", (ID, EMAIL, True), at=old)
    await world.tell("user.updated", ("ana", "ana.ng@acme.test", True), at=old + 1)
    await world.settle()
    assert "zoe.quill" not in world.members()
    assert "ana.ng" in world.members(), "others' late news counts"
    assert await holding(world.store, *NEEDLES) == {}, "nor is it kept"
    assert await world.journal.counters() == (world.told, world.told)
    await zoe(world, "user.created", email=EMAIL, active=True)
    await world.settle()
    assert "zoe.quill" in world.members()


async def test_it_can_be_done_again_after_a_crash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it stopped, what finds them is still there, and the next time ends it."""

    async def crash(*_: object) -> None:
        raise ConnectionError

    await live_through_everything(world)
    for step in ("_write", "carry_out", "_finish"):
        with monkeypatch.context() as patch:
            patch.setattr(f"bridge.operators.erase.{step}", crash)
            with pytest.raises(ConnectionError):
                await erased(world)
        assert await holding(world.store, *NEEDLES)
    await erased(world)
    assert await holding(world.store, *NEEDLES) == {}


async def test_other_directories_and_targets_are_looked_through(world: World) -> None:
    """Also of targets that were taken out of the configuration."""
    world.sources = [*world.sources, {"name": "polis", "kind": "okta-workflows", "secrets": ["polis-secret"]}]
    world.configure()
    await arrive(world.worker)
    await zoe(world, "user.created", email=EMAIL, active=True)
    await zoe(world, "user.created", email=EMAIL, active=True, directory="polis:inner")
    await world.group("g1", "Writers", ID)
    await world.settle()
    assert world.teams() == {"Writers": {"zoe.quill"}}
    world.target = {**world.target, "organization": "other"}
    world.sources = [{**each, "targets": []} for each in world.sources]
    world.configure()
    await zoe(world, active=False)
    await zoe(world, active=False, directory="polis:inner")
    await world.settle()
    assert len(await holding(world.store, ADDRESS)) > 5
    await erased(world)
    assert await holding(world.store, *NEEDLES) == {}


async def test_while_a_worker_is_at_it_nothing_is_erased(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for a while, and then says where."""
    monkeypatch.setattr("bridge.operators.erase.PATIENCE", 0.1)
    await zoe(world, "user.created", email=EMAIL, active=False)
    await world.settle()
    for name in (f"converge:{world.id}", "fold:okta"):
        lease = await acquire(world.store, name, "somebody")
        assert lease is not None
        with pytest.raises(NotErasedError, match=f"the workers are busy with {name}"):
            await erased(world)
        await lease.close()
    await erased(world)


async def test_a_log_without_its_last_row_is_done_with(world: World) -> None:
    """Nobody goes on looking for what would follow; what does follow is folded."""
    await world.hire("ana")
    await zoe(world, "user.created", email=EMAIL, active=False)
    await world.settle()
    await erased(world)
    assert await sweep_once(world.worker) == 1, "the target's greeting"
    assert await sweep_once(world.worker) == 0
    async with asyncio.timeout(10):
        assert await fold_directory(world.worker, "okta") == 0
    await world.hire("bo")
    assert await sweep_once(world.worker) == 1
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}


async def test_whoever_is_slow_leaves_it_to_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a worker may be at it again nothing more is written."""
    await zoe(world, "user.created", email=EMAIL, active=False)
    await world.settle()
    key = world.store.key("lease", "fold:okta")

    async def slowly(*args: Any) -> Any:
        found = await prepare(*args)
        await world.store.call("SET", key, "99 somebody")
        return found

    with monkeypatch.context() as patch:
        patch.setattr("bridge.operators.erase.prepare", slowly)
        before = await holding(world.store, *NEEDLES)
        with pytest.raises(NotErasedError):
            await erased(world)
    assert await holding(world.store, *NEEDLES) == before
    await world.store.call("DEL", key)
    await erased(world)


async def test_who_is_to_be_read_from_the_directory_is_not_erased(world: World) -> None:
    """What is read would bring them back."""
    await zoe(world, "user.created", email=EMAIL, active=False)
    await world.settle()
    reads = ReadStore(world.store, "okta")
    await world.store.calls(reads.mark([f"u:{ID}"], world.now))
    await refused(world, "still to be read from the directory okta")
    await world.store.calls(reads.unmark([f"u:{ID}"]))
    await erased(world)


async def test_events_that_come_meanwhile_stay(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is written anew loses nothing of what is accepted at that moment."""
    await live_through_everything(world)
    monkeypatch.setattr("bridge.store.streams.SLICE", 3)
    run, told = type(world.store).run, 0

    async def busy(store: Any, name: str, *args: Any) -> Any:
        nonlocal told
        if name == "swap_stream" and not told:
            told += 1
            await world.hire("cy")
        return await run(store, name, *args)

    monkeypatch.setattr(type(world.store), "run", busy)
    await erased(world)
    assert told
    assert await holding(world.store, *NEEDLES) == {}
    await world.settle()
    assert "cy" in world.members()
    await world.hire("di")
    await world.settle()
    assert "di" in world.members()


async def test_what_the_guard_has_counted_stays_counted(world: World) -> None:
    """Else a person could be removed too many; it counts under the hash."""
    world.configure(guard={"max_removals": 1, "max_removal_percent": 0})
    await world.hire("ana", "bo")
    await zoe(world, "user.created", email=EMAIL, active=True)
    await world.settle()
    await zoe(world, active=False)
    await world.settle()
    await erased(world)
    await world.fire("ana")
    await world.settle()
    assert "m:ana" in await world.parked()
    world.sleep(2 * DAY)


async def test_free_text_is_searched_for_the_address(world: World) -> None:
    """What operators wrote, and what the target answered about others."""
    await live_through_everything(world)
    deed = Deed(world.now, EMAIL, "paused", "docs", why=f"{EMAIL.upper()} asked; not {LIKE}.")
    await world.store.call(*Audit(world.store).write(deed))
    row = {"by": EMAIL, "at": 1, "why": ""}
    await world.store.call("SET", world.docs.key("pause"), orjson.dumps(row))
    await erased(world, by=EMAIL, why=f"{EMAIL} wants it")
    text = str(await Audit(world.store).read())
    assert (EMAIL in text.lower().replace(LIKE, ""), LIKE in text) == (False, True)
    pause = await world.docs.paused()
    assert pause
    assert pause.by.startswith("erased-")


async def test_a_verified_repeat_is_still_a_repeat(world: World) -> None:
    """Delivery keys are hashes of whole deliveries: they stay, so nothing is stored a second time."""
    entry = Entry(
        "okta", b"k" * 16, b'{"n":"user.deleted","t":9,"u":["00uZQ1",null,null],"s":"o","d":"d","r":1}'
    )
    await world.journal.accept([Submission("okta", [entry])])
    await world.settle()
    await world.tell("user.updated", (ID, EMAIL, False))
    await world.settle()
    await erased(world)
    [receipt] = await world.journal.accept([Submission("okta", [entry])])
    assert receipt == type(receipt)(0, 1)
