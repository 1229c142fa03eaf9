"""The job as a whole: dry run, configuration, crashes, leases."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.plan.changes import Change
from bridge.settings import Secret
from bridge.store.commit import Transaction
from bridge.store.targets import Intent
from tests.workers.crash import PLACES, Bomb, Crash, arm, die_and_come_back
from tests.workers.world import DAY, SECOND, WRITES, World
from workers import converge, run


async def scene(world: World) -> None:
    """A bit of everything: joiners, roles, an adopted team, a new one."""
    for name, role in (("old", "edit"), ("bo", "read"), ("stranger", "read")):
        world.sandbox.seed_member(f"{name}@acme.test", role)
    world.sandbox.seed_team("Writers", ["bo@acme.test", "stranger@acme.test"])
    world.configure(guard=world.target.get("guard", {}) | {"adopt_teams": "allow"})
    await world.hire("ana", "bo", "cy", "old")
    await world.group("g1", "Writers", "ana", "bo")
    await world.group("g2", "Editors", "cy", "bo")
    await world.group("g3", "Temps", "cy")
    await world.settle()


async def more_scene(world: World) -> None:
    """A leaver, a mover, a rename, a deletion, an address change."""
    await world.fire("old")
    await world.take_out("g1", "ana")
    await world.add("g2", "ana")
    await world.rename("g2", "Authors")
    await world.tell("group.deleted", group=("g3", None))
    await world.tell("user.updated", ("cy", "cyd@acme.test", None))


ROLES = [{"group": "Editors", "role": "edit"}, {"group": "Authors", "role": "edit"}]


def right(world: World) -> None:
    """What both scenes come to."""
    assert world.members() == {
        "ana": "edit", "bo": "edit", "cy": "edit", "cyd": "edit", "stranger": "read",
    }  # fmt: skip
    assert world.teams() == {
        "Writers": {"bo", "stranger"},
        "Authors": {"ana", "bo", "cy", "cyd"},
        "Temps": {"cy"},
    }


# dry run


def shown(changes: list[Change]) -> list[str]:
    """Return changes in words."""
    return [change.describe() for change in changes]


async def made(world: World) -> list[str]:
    """Return the changes that were made, each once."""
    rows = await world.past.rows(1000)
    return list(dict.fromkeys(row["change"] for row in reversed(rows) if row["outcome"] == "done"))


async def test_a_dry_run_calls_nothing_that_writes_and_shows_what_apply_does(world: World) -> None:
    """The plan is what is done when the mode is switched, and nothing else."""
    world.configure(mode="dry-run", roles=ROLES)
    await scene(world)
    await world.settle()
    assert not world.sandbox.calls_like(WRITES)
    plan = await world.plan()
    assert not world.sandbox.calls_like(WRITES)
    world.configure(mode="apply")
    await world.settle()
    expected = [text for text in shown([step.change for step in plan.steps]) if "invite" not in text]
    assert [text for text in await made(world) if "invite" not in text] == expected
    assert sum("invite" in text for text in shown([step.change for step in plan.steps])) == 2
    assert world.teams()["Writers"] == {"ana", "bo", "stranger"}
    assert (await world.plan()).steps == []


async def test_a_dry_run_of_changes_to_what_is_there(world: World) -> None:
    """Removals, renames, team members, deletions, and what would be held."""
    world.configure(roles=ROLES, guard={"protect": ["old@*"]})
    await scene(world)
    calls = len(world.sandbox.calls_like(WRITES))
    world.configure(mode="dry-run")
    await world.settle()
    await more_scene(world)
    await world.settle()
    assert len(world.sandbox.calls_like(WRITES)) == calls
    plan = await world.plan()
    held = {step.change.object: step.held for step in plan.steps if step.held}
    assert set(held) == {"old@acme.test"} | {"cy@acme.test"}
    before = len(await made(world))
    world.configure(mode="apply")
    await world.settle()
    done = (await made(world))[before:]
    assert sorted(done) == sorted(shown([step.change for step in plan.steps if step.held is None]))


# the configuration is an input


async def test_a_changed_rule_replans_everyone(world: World) -> None:
    """Without any news: roles, teams, scope."""
    await scene(world)
    world.configure(roles=[{"group": "Writers", "role": "comment"}])
    await world.settle()
    assert world.members()["ana"] == "comment"
    world.configure(teams=[{"group": "*", "team": "Okta {group}"}])
    await world.settle()
    assert set(world.teams()) == {"Okta Writers", "Okta Editors", "Okta Temps"}
    world.configure(teams=[{"group": "W*"}])
    await world.settle()
    assert set(world.teams()) == {"Writers"}
    world.sleep(DAY)  # then who was adopted is removed like anybody else
    world.configure(members={"groups": ["Writers"]})
    await world.settle()
    assert set(world.members()) == {"ana", "bo", "stranger"}


async def test_a_new_target_gets_everybody(world: World) -> None:
    """What was folded long ago is planned for it."""
    world.configure(organization="elsewhere")
    await tell_only(world, scene)
    await world.fold()
    world.configure(organization="acme")
    await world.settle()
    assert set(world.members()) == {"ana", "bo", "cy", "old", "stranger"}


async def test_a_changed_token_replans_nobody(world: World) -> None:
    """Nor does another name or time-out."""
    await scene(world)
    world.sandbox.calls.clear()
    world.configure(name="papers", timeout="2s", token=world.sandbox.token)
    await world.settle()
    assert world.sandbox.calls == []


async def test_a_directory_that_no_source_speaks_for_keeps_its_people(world: World) -> None:
    """Until it is forgotten on purpose."""
    await scene(world)
    world.sources[0] = {"name": "other", "kind": "jackson", "secrets": ["other-secret"]}
    world.configure(roles=ROLES)
    await world.settle()
    assert set(world.members()) == {"ana", "bo", "cy", "old", "stranger"}


# crashes


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("first", [1, 2, 3])
async def test_a_crash_anywhere_changes_nothing_about_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str, first: int
) -> None:
    """A process dies at every third step, the next one at the next: the end is right, one person removed."""
    world.configure(roles=ROLES, guard={"protect": ["cy@*"]})
    bomb = Bomb(0)
    arm(monkeypatch, where, bomb)
    for part in (scene, more_scene):
        await tell_only(world, part)
        for at in range(first, 40, 3):
            bomb.left = at
            try:
                await world.settle()
            except Crash:
                await die_and_come_back(world)
        bomb.left = 0
        await world.settle()
        world.sleep(DAY)  # then who was adopted is removed like anybody else
    right(world)
    assert {call.path for call in world.sandbox.calls_like("DELETE .*/members/")} == {
        f"/v1/orgs/acme/members/{world.sandbox.state.accounts['old@acme.test']}"
    }
    assert (await world.due(), await world.docs.intents()) == ([], {})


async def tell_only(world: World, part: Callable[[World], Awaitable[None]]) -> None:
    """Run a scene without its work."""
    settle = world.settle
    world.settle = _nothing  # type: ignore[method-assign]
    await part(world)
    world.settle = settle  # type: ignore[method-assign]


async def _nothing(most: int = 0) -> None:
    """Do nothing."""


async def test_a_worker_that_loses_its_lease_before_a_call_makes_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the intent and the call: the intent stays, and the next worker reads first."""
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.fold()
    client = world.worker.client(world.settings.targets[0])
    remove = client.remove

    async def lose(member: str) -> Any:
        monkeypatch.setattr("bridge.store.lease.Lease.lost", property(lambda _: True))
        try:
            return await remove(member)
        finally:
            monkeypatch.undo()

    monkeypatch.setattr(client, "remove", lose)
    await world.converge()
    assert (world.removals(), list(await world.docs.intents())) == (0, ["m:ana@acme.test"])


async def test_a_worker_that_loses_its_lease_during_a_call_leaves_only_doubt(world: World) -> None:
    """Another one holds the lease by then: what the call did is for that one to read."""
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.fold()
    world.sleep(SECOND)
    client = world.worker.client(world.settings.targets[0])
    remove = client.remove
    lease = world.store.key("lease", f"converge:{world.id}")

    async def lose(member: str) -> Any:
        answer = await remove(member)
        await world.store.call("SET", lease, "999 somebody")
        return answer

    client.remove = lose  # type: ignore[method-assign]
    await world.converge()
    client.remove = remove  # type: ignore[method-assign]
    assert await world.docs.unknown(["m:ana@acme.test"])
    assert await world.docs.members(["ana@acme.test"])
    assert await world.due() == ["m:ana"]
    await die_and_come_back(world)
    await world.settle()
    assert (world.members(), await world.docs.members(["ana@acme.test"])) == ({}, {})


async def test_a_call_of_another_worker_is_waited_out(world: World) -> None:
    """It may still reach the target: nothing is planned for what it is about, nor a team made twice."""
    await world.hire("ana", "bo")
    await world.settle()
    intent = Intent("create team Writers", 1, world.now, "dead-worker")
    transaction = Transaction(world.store)
    transaction.add_all(world.docs.intend(["t:Writers", "m:ana@acme.test"], intent))
    await transaction.run()
    await world.group("g1", "Writers", "ana", "bo")
    await world.turn()
    assert world.teams() == {}
    world.sandbox.seed_team("Writers", ["ana@acme.test"])
    await world.settle()
    assert (world.teams(), await world.docs.intents()) == ({"Writers": {"ana", "bo"}}, {})


async def test_marks_set_while_a_step_runs_are_not_lost(world: World) -> None:
    """News of somebody whose call is under way makes them due again."""
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.fold()
    world.sleep(SECOND)
    client = world.worker.client(world.settings.targets[0])
    remove = client.remove

    async def news(member: str) -> Any:
        client.remove = remove  # type: ignore[method-assign]
        await world.hire("ana")
        await world.fold()
        return await remove(member)

    client.remove = news  # type: ignore[method-assign]
    await world.settle()
    assert world.members() == {"ana": "read"}


async def test_one_worker_at_a_time(world: World) -> None:
    """Two that are rung for at once: one works, the other leaves."""
    await world.hire(*(f"p{number}" for number in range(5)))
    await world.fold()
    world.sleep(SECOND)
    await asyncio.gather(world.converge(), world.converge(world.new_worker()))
    assert len(world.members()) == 5
    assert world.writes() == ["POST invites"]


# slices, bursts, ends


async def test_a_slice_ends_and_rings_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is in one step: no further call is begun, and what is left stays due."""
    await world.hire("ana", "bo", "cy")
    await world.settle()
    await world.fire("ana", "bo")
    await world.fold()
    world.sleep(SECOND)
    over: list[bool] = []
    monkeypatch.setattr(run.Run, "over", property(lambda _: bool(over)))
    client = world.worker.client(world.settings.targets[0])
    remove = client.remove

    async def slow(member: str) -> Any:
        answer = await remove(member)
        over.append(True)
        return answer

    client.remove = slow  # type: ignore[method-assign]
    queued = world.store.key("queue")
    await world.store.call("DEL", queued, world.store.key("bell", "converge", world.id))
    await world.converge()
    over.clear()
    client.remove = remove  # type: ignore[method-assign]
    assert (world.removals(), len(await world.due())) == (1, 1)
    assert await world.store.call("ZCARD", queued) == 1
    await world.settle()
    assert set(world.members()) == {"cy"}


async def test_a_worker_that_is_to_end_begins_no_further_call(world: World) -> None:
    """The call under way is finished, the rest is somebody else's."""
    await world.hire("ana", "bo", "cy")
    await world.settle()
    await world.fire("ana", "bo")
    await world.fold()
    world.sleep(SECOND)
    worker = world.worker
    client = worker.client(world.settings.targets[0])
    remove = client.remove

    async def stop(member: str) -> Any:
        worker.stopping.set()
        return await remove(member)

    client.remove = stop  # type: ignore[method-assign]
    await world.converge()
    assert (world.removals(), await world.docs.intents()) == (1, {})
    world.worker = world.new_worker()
    await world.settle()
    assert set(world.members()) == {"cy"}


async def test_in_a_burst_of_news_invites_wait_and_removals_do_not(world: World) -> None:
    """At most five seconds, even if the news never ends."""
    await world.hire("ana")
    await world.settle()
    started = world.now
    await world.fire("ana")
    await world.hire("bo")
    await world.fold()
    await world.hire("x")
    await world.fold()

    async def news() -> None:
        if world.now - started < 7 * SECOND:
            await world.hire(f"x{world.now}")
            await world.fold()

    world.on_step, world.tick, world.most_steps = news, 90, 300
    await world.converge()
    removed = world.sandbox.calls_like("DELETE")[0].time * SECOND - started
    invited = world.sandbox.calls_like("POST")[1].time * SECOND - started
    assert removed < 200
    assert 4800 < invited < 5300
    assert "bo" in world.members()


async def test_a_target_taken_out_of_the_config_is_left_alone(world: World) -> None:
    """Its jobs end at once."""
    await scene(world)
    await converge.converge_target(world.worker, "gitbook-nobody-0000")


def test_the_plan_hash_knows_the_rules_and_not_the_secrets(world: World) -> None:
    """So a rotated token replans nobody."""
    target = world.settings.targets[0]
    other = target.model_copy(update={"token": Secret("another", Path())})
    assert converge.plan_hash(target, {"okta"}) == converge.plan_hash(other, {"okta"})
    assert converge.plan_hash(target, {"okta"}) != converge.plan_hash(target, {"okta", "polis"})


async def test_unread_news_holds_invites_back_while_somebody_folds(world: World) -> None:
    """Removals never; and what nobody folds for two seconds holds up nothing."""
    await world.hire("bo")
    await world.settle()
    await world.hire("ana")
    await world.fire("bo")
    await world.fold()
    await world.hire("cy")  # told, and not folded
    world.sleep(SECOND)
    world.tick = 100  # ms of each look
    seen: list[tuple[int, dict[str, str]]] = []

    async def look() -> None:
        seen.append((world.now, world.members()))

    world.on_step, folded = look, world.now - SECOND
    await world.converge()
    world.on_step = None
    assert world.members() == {"ana": "read"}
    waited = [at - folded for at, members in seen if "ana" not in members]
    assert converge.FOLDING_MS - 100 <= max(waited) <= converge.FOLDING_MS + 100
    assert [members for _, members in seen[2:] if "bo" in members] == [], "bo does not wait"
    await world.settle()
    assert set(world.members()) == {"ana", "cy"}


async def test_a_folded_event_holds_nothing_back(world: World) -> None:
    """One alone is no burst."""
    await world.hire("ana")
    await world.fold()
    await world.converge()
    assert world.members() == {"ana": "read"}


async def test_a_team_in_doubt_is_read_again_though_nobody_is_to_join_it(world: World) -> None:
    """Who was put in by the call that had no clear end is known then, and taken out like anybody."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    (team,) = world.sandbox.state.teams.values()
    team.members[world.sandbox.members()["bo@acme.test"].id] = "member"
    transaction = Transaction(world.store)
    transaction.add_all(world.docs.doubt(["t:Writers"]))
    await transaction.run()
    await world.hire("cy")
    await world.settle()
    assert await world.docs.unknown(["t:Writers"]) == {}
    roster = await world.store.call("SMEMBERS", world.docs.roster_key(team.id))
    assert sorted(roster) == ["ana@acme.test", "bo@acme.test"]


async def test_a_team_in_doubt_that_cannot_be_read_is_tried_again(world: World) -> None:
    """It stays in doubt and due, the others go on."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    transaction = Transaction(world.store)
    transaction.add_all(world.docs.doubt(["t:Writers"]))
    await transaction.run()
    world.sandbox.inject(next=[{"match": "GET .*/teams/[^/]+/members$", "fault": "503", "times": 3}])
    await world.hire("cy")
    await world.turn()
    assert (set(world.members()), await world.due()) == ({"ana", "cy"}, ["t:Writers"])
    assert await world.docs.unknown(["t:Writers"]) == {"t:Writers": "1"}
    assert (await world.docs.counts(world.now)).due == 0
    await world.settle()
    assert (await world.docs.unknown(["t:Writers"]), await world.due()) == ({}, [])
