"""What is held or was given up, and what operators decide about it."""

import asyncio
import sys
from dataclasses import replace

import pytest

from bridge.operators import decisions
from bridge.operators.decisions import Case, Outcome, write_decision, write_retry
from bridge.operators.filters import Filter
from bridge.plan.held import Decision
from bridge.store.audit import Deed
from tests.workers.world import HOUR, World, short

STRICT = {"max_removals": 0, "max_removal_percent": 0}
ALL = Filter(limit=sys.maxsize)


async def hold(world: World, *names: str) -> None:
    """Have people leave whose removal is held, an hour apart."""
    world.configure(guard=STRICT)
    await world.hire(*names)
    await world.settle()
    for name in names:
        world.sleep(HOUR)
        await world.fire(name)
        await world.settle()


async def hold_team(world: World, *names: str) -> None:
    """Have a team lose all its people at once, which is held."""
    world.configure(guard={"team_max_removal_percent": 10, "team_min_removals": 1})
    await world.hire(*names)
    await world.group("g1", "Writers", *names)
    await world.settle()
    await world.take_out("g1", *names)
    await world.settle()


async def parked(world: World, wanted: Filter = ALL) -> list[Case]:
    """What is held."""
    return await decisions.parked({"docs": world.desk}, wanted, world.now)


async def dead(world: World, wanted: Filter = ALL) -> list[Case]:
    """What was given up."""
    return await decisions.dead({"docs": world.desk}, wanted)


async def decide(world: World, cases: list[Case], approved: bool, by: str, why: str = "") -> Outcome:
    """Approve or reject."""
    return await decisions.decide({"docs": world.desk}, cases, Decision(approved, by, world.now, why))


async def deeds(world: World) -> list[Deed]:
    """What the audit tells, the newest first."""
    return [deed for _, deed in await world.desk.audit.read()]


def names(cases: list[Case]) -> list[str]:
    """Whom cases are about."""
    return [short(case.name) for case in cases]


# what there is


async def test_what_is_held_longest_comes_first(world: World) -> None:
    """Rows know what they are about; no more are returned than asked for."""
    await hold(world, "bo", "ana")
    found = await parked(world)
    assert (names(found), [case.kind for case in found]) == (["bo", "ana"], ["member", "member"])
    assert [(case.target, case.state, case.held.kind) for case in found] == [("docs", "held", "remove")] * 2
    assert names(await parked(world, Filter(limit=1))) == ["bo"]


async def test_held_changes_are_filtered(world: World) -> None:
    """By target, kind, text and since when they are held."""
    await hold(world, "ana", "bo")
    [ana, bo] = await parked(world)
    for wanted, expected in (
        (Filter(targets=frozenset({"wiki"})), []),
        (Filter(targets=frozenset({"docs"})), ["ana", "bo"]),
        (Filter(kinds=frozenset({"member"})), ["ana", "bo"]),
        (Filter(kinds=frozenset({"remove"})), ["ana", "bo"]),
        (Filter(kinds=frozenset({"team", "invite"})), []),
        (Filter(text="BO@"), ["bo"]),
        (Filter(text="are the limit"), ["ana", "bo"]),
        (Filter(text=ana.held.id), ["ana"]),
        (Filter(since=bo.held.since), ["bo"]),
        (Filter(until=bo.held.since), ["ana"]),
        (Filter(states=frozenset({"approved"})), []),
    ):
        assert names(await parked(world, wanted)) == expected, wanted


async def test_a_team_is_found_by_its_people(world: World) -> None:
    """Its row is about the team; the text is looked for in all addresses."""
    await hold_team(world, "ana", "bo")
    [case] = await parked(world, Filter(text="bo@acme"))
    assert (case.kind, case.name, case.held.kind) == ("team", "Writers", "team-members")
    assert case.held.emails == ("ana@acme.test", "bo@acme.test")
    assert await parked(world, Filter(text="cy@acme")) == []


async def test_what_was_given_up_is_filtered_too(world: World) -> None:
    """By the same words."""
    await world.bury("ana", "bo")
    assert names(await dead(world)) == ["ana", "bo"]
    assert names(await dead(world, Filter(text="ana"))) == ["ana"]
    assert names(await dead(world, Filter(kinds=frozenset({"invite"})))) == ["ana", "bo"]
    assert await dead(world, Filter(kinds=frozenset({"team", "remove"}))) == []
    assert await dead(world, Filter(targets=frozenset({"wiki"}))) == []


# deciding


async def test_an_approval_is_written_down_for_auditors(world: World) -> None:
    """Who, when, what, why, since when it was held and why: in the audit and in the history."""
    await hold(world, "ana")
    [case] = await parked(world)
    world.sleep(HOUR)
    outcome = await decide(world, [case], True, "boss", "has left")
    assert (outcome.done, outcome.late) == ([case], [])
    [deed] = await deeds(world)
    assert deed == Deed(
        world.now, "boss", "approved", "docs", "m:ana@acme.test", "remove member ana@acme.test", "has left",
        {"id": case.held.id, "reason": case.held.reason, "held_since": case.held.since, "emails": []},
    )  # fmt: skip
    [row] = [row for row in await world.past.rows(99) if row["outcome"] == "approved"]
    assert (row["by"], row["why"], row["at"], row["kind"]) == ("boss", "has left", world.now, "remove")
    assert (row["object"], row["held_since"]) == ("m:ana@acme.test", case.held.since)
    await world.settle()
    assert world.members() == {}


async def test_a_rejection_tells_when_it_ends(world: World) -> None:
    """Unix ms, as all times."""
    await hold(world, "ana")
    [case] = await parked(world)
    ends = world.now + HOUR
    await decisions.decide(
        {"docs": world.desk}, [case], Decision(False, "boss", world.now, "on leave", ends / 1000)
    )
    [deed] = await deeds(world)
    assert (deed.action, deed.detail["until"]) == ("rejected", ends)
    assert await parked(world) == []


async def test_what_is_approved_is_shown_as_such_until_it_is_done(world: World) -> None:
    """With who approved it."""
    await hold(world, "ana", "bo")
    [ana, bo] = await parked(world)
    await decide(world, [ana], True, "boss")
    [ana, bo] = await parked(world)
    assert ana.approved and (ana.state, ana.approved.by, bo.state) == ("approved", "boss", "held")
    assert names(await parked(world, Filter(states=frozenset({"approved"})))) == ["ana"]
    await world.settle()
    assert names(await parked(world)) == ["bo"]


async def test_a_team_is_approved_for_all_whom_it_names(world: World) -> None:
    """There is one decision about each, and one deed about all."""
    await hold_team(world, "ana", "bo")
    await decide(world, await parked(world), True, "boss")
    [case] = await parked(world)
    assert case.state == "approved"
    [deed] = await deeds(world)
    assert (deed.object, deed.detail["emails"]) == ("t:Writers", ["ana@acme.test", "bo@acme.test"])
    await world.settle()
    assert (world.teams(), await parked(world)) == ({"Writers": set()}, [])


# who comes too late


async def test_of_two_who_decide_at_once_one_is_too_late(world: World) -> None:
    """What the first decided stands, and the other is told who it was; the audit has one of them."""
    await hold(world, "ana")
    cases = await parked(world)
    outcomes = await asyncio.gather(
        *(decide(world, cases, way, who) for way, who in ((True, "a"), (False, "b")))
    )
    assert sorted(len(outcome.done) for outcome in outcomes) == [0, 1]
    [loser] = [late for outcome in outcomes for late in outcome.late]
    [deed] = await deeds(world)
    assert (loser.what, loser.by, loser.at) == (deed.action, deed.by, deed.at)
    await world.settle()
    assert bool(world.members()) == (deed.action == "rejected")


@pytest.mark.parametrize("first", [True, False])
async def test_nobody_overrules_a_decision_they_have_not_seen(world: World, first: bool) -> None:
    """Neither an approval nor a rejection."""
    await hold(world, "ana")
    cases = await parked(world)
    await decide(world, cases, first, "boss")
    world.sleep(HOUR)
    for way in (True, False):
        [late] = (await decide(world, cases, way, "other")).late
        assert (late.what, late.by) == ("approved" if first else "rejected", "boss")
        assert (late.id, late.change, late.at) == (cases[0].held.id, cases[0].held.change, world.now - HOUR)
    assert len(await deeds(world)) == 1


async def test_an_approval_that_was_seen_can_be_taken_back(world: World) -> None:
    """By a rejection, before the worker has carried it out; a second approval changes nothing."""
    await hold(world, "ana")
    await decide(world, await parked(world), True, "boss")
    [seen] = await parked(world)
    assert [late.by for late in (await decide(world, [seen], True, "other")).late] == ["boss"]
    assert (await decide(world, [seen], False, "chief")).done == [seen]
    await world.settle()
    assert (set(world.members()), [deed.by for deed in await deeds(world)]) == ({"ana"}, ["chief", "boss"])


async def test_what_is_not_held_any_more_cannot_be_decided(world: World) -> None:
    """Its cause is gone; nothing is written."""
    await hold(world, "ana")
    cases = await parked(world)
    await world.hire("ana")
    await world.settle()
    [late] = (await decide(world, cases, True, "boss")).late
    assert (late.what, late.by, await deeds(world)) == ("gone", "", [])
    assert await world.docs.decisions([cases[0].held.id]) == {}


async def test_what_has_changed_meanwhile_is_not_decided(world: World) -> None:
    """A team that is to lose more people than somebody saw, say."""
    await hold_team(world, "ana", "bo")
    [case] = await parked(world)
    seen = replace(case, held=replace(case.held, emails=("ana@acme.test",)))
    [late] = (await decide(world, [seen], True, "boss")).late
    assert (late.what, await deeds(world)) == ("changed", [])


async def test_a_change_between_reading_and_writing_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction itself looks, so nothing slips in."""
    await hold(world, "ana")
    [case] = await parked(world)
    required = decisions._require

    async def slow(*args: object) -> bool:
        found = await required(*args)  # type: ignore[arg-type]
        await world.store.call("HDEL", world.docs.key("parked"), case.held.id)
        return found

    monkeypatch.setattr(decisions, "_require", slow)
    assert not await write_decision(world.desk, case.held, Decision(True, "boss", world.now))
    assert await deeds(world) == []


async def test_of_two_who_retry_at_once_one_is_too_late(world: World) -> None:
    """It is tried again once."""
    await world.bury("ana")
    cases = await dead(world)
    both = [decisions.retry({"docs": world.desk}, cases, who, "", world.now) for who in "ab"]
    outcomes = await asyncio.gather(*both)
    [late] = [late for outcome in outcomes for late in outcome.late]
    [deed] = await deeds(world)
    assert ({late.by, *"ab"} - {late.by}, late.what) == ({*"ab"} - {deed.by}, "retried")
    assert (deed.action, deed.detail["attempts"], deed.detail["id"]) == ("retried", 1, "m:ana@acme.test")
    assert not await write_retry(world.desk, cases[0].held, "c", "", world.now)


# choosing


async def test_ids_that_somebody_has_decided_about_are_told_from_unknown_ones(world: World) -> None:
    """With who it was and when, also after it is done."""
    await hold(world, "ana", "bo")
    [ana, bo] = await parked(world)
    await decide(world, [ana], True, "boss")
    await world.settle()
    found = await decisions.choose(
        {"docs": world.desk}, await parked(world), [ana.held.id, bo.held.id, "beef"]
    )
    assert (names(list(found.done)), found.unknown) == (["bo"], ["beef"])
    [late] = found.late
    assert (late.id, late.what, late.by) == (ana.held.id, "approved", "boss")


async def test_what_is_held_and_given_up_is_found_by_who_told_it(world: World) -> None:
    """With the event that did."""
    world.sources = [*world.sources, {"name": "polis", "kind": "okta-workflows", "secrets": ["polis-secret"]}]
    world.configure(guard=STRICT)
    world.sandbox.inject(bad_addresses=["di@acme.test", "eva@acme.test"])
    await world.hire("ana", "di")
    for name in ("bo", "eva"):
        await world.tell("user.created", (name, f"{name}@acme.test", True), directory="polis")
    await world.settle()
    await world.fire("ana")
    await world.tell("user.deleted", ("bo", None, None), directory="polis")
    await world.settle()
    for source, held, buried in (("okta", "ana", "di"), ("polis", "bo", "eva")):
        told = Filter(limit=sys.maxsize, sources=frozenset({source}))
        [case], [given_up] = await parked(world, told), await dead(world, told)
        assert (case.name, given_up.name) == (f"{held}@acme.test", f"{buried}@acme.test")
        assert (case.source, case.event.partition("/")[0]) == (source, source)
    assert len(await parked(world)) == len(await dead(world)) == 2
