"""Looking again at whom events told of."""

from typing import Any

import pytest

from bridge.intake import refused_rows
from bridge.operators.events import EventLog
from bridge.operators.filters import Filter
from bridge.operators.replay import Told, look_again, subjects_of, told_by, told_within
from bridge.sandbox.state import TeamChange
from bridge.sources.base import Refused
from bridge.store.audit import Audit, Deed
from bridge.store.journal import Submission
from tests.workers.world import World

WHO = {"by": "boss", "why": "GitBook was restored"}


async def told(world: World, **wanted: Any) -> Told:
    """Whom the wanted events told of."""
    return await told_within(EventLog(world.settings, world.store), Filter(**wanted))


async def replay(world: World, found: Told | None = None) -> list[str]:
    """Look again at all of them; the targets at which that is done."""
    log = EventLog(world.settings, world.store)
    subjects = await subjects_of(log, found or await told(world))
    deed = Deed(world.now, WHO["by"], "", why=WHO["why"], detail={"events": subjects.events})
    return await look_again(world.settings, {"docs": world.desk}, subjects, deed)


async def test_who_was_removed_by_hand_is_invited_again(world: World) -> None:
    """The target is read; nobody else is touched."""
    await world.hire("ana", "bo")
    await world.settle()
    world.sandbox.state.leave(world.sandbox.members()["ana@acme.test"].id)
    before, bell = len(world.writes()), world.store.key("bell", "converge", world.id)
    await world.store.call("DEL", bell)
    assert await replay(world, await told(world, text="ana@")) == ["docs"]
    assert await world.store.call("EXISTS", bell) == 1
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}
    assert len(world.writes()) == before + 1


async def test_who_was_taken_out_of_a_team_by_hand_is_put_back(world: World) -> None:
    """A group's events lead to its team, which is read."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    [team] = world.sandbox.state.teams.values()
    world.sandbox.state.update_team(team, TeamChange(remove=("ana@acme.test",)))
    assert world.teams() == {"Writers": {"bo"}}
    await replay(world, await told(world, kinds=frozenset({"group.created"})))
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo"}}


async def test_an_old_event_is_not_repeated(world: World) -> None:
    """What it said is over: looking again at a joiner's first event does not bring the leaver back."""
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    before = len(world.writes())
    assert await replay(world, await told(world, kinds=frozenset({"user.created"}))) == ["docs"]
    await world.settle()
    assert (world.members(), len(world.writes())) == ({}, before)


async def test_the_guard_holds_what_it_would_hold_anyway(world: World) -> None:
    """A replay is no approval."""
    world.configure(guard={"max_removals": 0, "max_removal_percent": 0})
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    await replay(world)
    await world.settle()
    assert set(world.members()) == {"ana"}
    assert set(await world.parked()) == {"m:ana"}


async def test_who_when_and_why_are_written_down(world: World) -> None:
    """Once in the audit, with how many; in the history of each person and team."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await replay(world)
    [(_, deed)] = await Audit(world.store).read()
    assert (deed.by, deed.why, deed.action, deed.target) == ("boss", WHO["why"], "replayed", "docs")
    assert (deed.what, deed.detail) == ("1 address(es) and 1 group(s) looked at again", {"events": 3})
    for name in ("m:ana@acme.test", "t:Writers"):
        _, row = (await world.past.of(name))[-1]
        assert (row["outcome"], row["by"], row["why"]) == ("replayed", "boss", WHO["why"])


async def test_whom_an_event_tells_of(world: World) -> None:
    """One about a group alone tells of all its members; one of a membership of that person only."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.tell("user.updated", ("bo", "b@acme.test", None))
    await world.settle()
    log = EventLog(world.settings, world.store)
    added = await subjects_of(log, await told(world, kinds=frozenset({"group.user_added"}), text="bo"))
    assert added.all_people == {"bo@acme.test", "b@acme.test"}
    created = await subjects_of(log, await told(world, kinds=frozenset({"group.created"})))
    assert (created.events, len(created.all_groups)) == (1, 1)
    assert created.all_people == {"ana@acme.test", "bo@acme.test", "b@acme.test"}


async def test_what_was_refused_or_is_unknown_is_told_apart(world: World) -> None:
    """The bodies of what was refused are not kept."""
    await world.hire("ana")
    rows = refused_rows("okta", [Refused(0, "user.id is missing")], world.now, "d9")
    await world.journal.accept([Submission("okta", refused=rows)])
    log = EventLog(world.settings, world.store)
    found = {each.state: each.id for each in (await log.page(Filter())).rows}
    refused, event = found["refused"], found["pending"]
    some = await told_by(log, [refused, event, "okta/1-0", event])
    assert (some.events, some.refused, some.unknown) == (1, [refused], ["okta/1-0"])
    assert (await told(world)).events == 1


async def test_nobody_is_left_in_doubt_whom_no_target_will_read(world: World) -> None:
    """Who is excluded is not read, and so must not be kept as unread for ever."""
    world.configure(members={"exclude": ["bo@*"]})
    await world.hire("ana", "bo")
    await world.settle()
    await replay(world)
    assert set(await world.docs.unknown(["m:ana@acme.test", "m:bo@acme.test"])) == {"m:ana@acme.test"}
    await world.settle()
    assert await world.docs.unknown(["m:ana@acme.test", "m:bo@acme.test"]) == {}


async def test_many_are_marked_slice_by_slice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction grows with the number of people; one deed tells of them all."""
    monkeypatch.setattr("bridge.operators.replay.AT_ONCE", 2)
    await world.hire("ana", "bo", "cy", "di", "ed")
    await world.settle()
    calls = len(world.sandbox.calls)
    await replay(world)
    assert len(await world.due()) == 5
    assert len(await Audit(world.store).read()) == 1
    await world.settle()
    assert len(world.sandbox.calls) > calls


async def test_directories_that_a_target_does_not_follow_are_none_of_its_business(world: World) -> None:
    """Nothing is marked there, and the target is not named."""
    world.sources.append({"name": "polis", "kind": "jackson", "secrets": ["polis-secret"], "targets": []})
    world.configure()
    await world.tell("user.created", ("bo", "bo@acme.test", True), directory="polis")
    await world.settle()
    assert await replay(world) == []
    assert (await world.due(), await Audit(world.store).read()) == ([], [])


async def test_all_pages_of_the_log_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many events there are."""
    monkeypatch.setattr("bridge.operators.replay.MOST_SCANNED", 2)
    await world.hire("ana", "bo", "cy", "di", "ed")
    assert (await told(world)).events == 5
