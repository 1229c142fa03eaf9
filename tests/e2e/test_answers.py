"""Each kind of call, and each answer it may get: DESIGN.md's table of answers, over HTTP, one by one.

tests/workers/test_run.py tells the same table as stories; here every call has its turn with every answer.
"""

import re
from typing import Any

import pytest

from bridge.operators.decisions import write_retry
from bridge.sandbox import Limit, Limits
from tests.workers import conftest
from tests.workers.world import World

world = conftest.world  # the fixture

READS = {
    "members": "GET .*/acme/members$",
    "user": "GET .*/v1/user$",
    "teams": "GET .*/acme/teams$",
    "roster": "GET .*/teams/[^/]+/members$",
    "team": "GET .*/teams/[^/]+$",
}
WRITES = {
    "invite": "POST .*/invites$",
    "remove": "DELETE .*/acme/members/",
    "set role": "PATCH .*/acme/members/",
    "mark sso": "POST .*/sso$",
    "create team": "PUT .*/acme/teams$",
    "rename team": "PATCH .*/acme/teams/",
    "update team": "PUT .*/teams/[^/]+/members$",
    "delete team": "DELETE .*/acme/teams/",
}
WHOSE = {
    "invite": "m:cy@acme.test",
    "remove": "m:ana@acme.test",
    "set role": "m:bo@acme.test",
    "mark sso": "m:eve@acme.test",
    "create team": "t:Editors",
    "rename team": "t:News",
    "update team": "m:bo@acme.test",
    "delete team": "t:Temps",
}
PASSING: dict[str, dict[str, Any]] = {
    "429": {"fault": "429", "times": 2},
    "401": {"fault": "401", "times": 2},
    "500": {"fault": "500", "times": 4},
    "503, done": {"fault": "503", "times": 2, "after": True},
    "reset": {"fault": "reset", "times": 4},
    "reset, done": {"fault": "reset", "times": 2, "after": True},
    "not JSON": {"fault": "not_json", "times": 4},
    "not JSON, done": {"fault": "not_json", "times": 2, "after": True},
    "a proxy's 404": {"fault": "gateway_404", "times": 4},
    "an error in a 200": {"fault": "error_body", "times": 4},
    "truncated": {"fault": "truncated", "times": 4},
    "truncated, done": {"fault": "truncated", "times": 2, "after": True},
    "hang": {"fault": "hang", "times": 2},
    "hang, done": {"fault": "hang", "times": 2, "after": True},
}


async def arrange(world: World, patience: str = "1s") -> None:
    """Ana, Bo and their teams; a stranger's team; Eve, whom the directory has not named yet."""
    roles = [{"group": "Editors", "role": "edit"}]
    world.configure(sso_existing=True, roles=roles, timeout=patience, guard={"adopt_teams": "allow"})
    world.sandbox.seed_member("eve@acme.test")
    world.sandbox.seed_member("stranger@acme.test")
    world.sandbox.seed_team("Design", ["stranger@acme.test"])
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana")
    await world.group("g2", "Olds", "bo")
    await world.group("g3", "Temps", "bo")
    await world.settle()
    assert set(world.teams()) == {"Design", "Writers", "Olds", "Temps"}
    world.configure()  # another process, which has asked nobody anything yet


async def tell_news(world: World) -> None:
    """What takes every kind of call."""
    await world.fire("ana")
    await world.hire("cy", "eve")
    await world.add("g1", "bo")
    await world.rename("g2", "News")
    await world.tell("group.deleted", group=("g3", None))
    await world.group("g4", "Design", "bo")
    await world.group("g5", "Editors", "bo")


async def is_right(world: World) -> None:
    """All of it has come true, once, and nobody else was touched."""
    assert world.members() == {"bo": "edit", "cy": "read", "eve": "read", "stranger": "read"}
    assert world.sandbox.members()["eve@acme.test"].sso
    assert world.teams() == {
        "Writers": {"bo"}, "News": {"bo"}, "Editors": {"bo"}, "Design": {"bo", "stranger"},
    }  # fmt: skip
    left = await world.dead(), await world.parked(), await world.due(), await world.docs.intents()
    assert left == ({}, {}, [], {})
    assert (await world.state()).state == "ok"


# what passes: 429, 401, 5xx, no answer, no JSON, what is not of GitBook, what is no success


CASES = [(call, answer) for call in WRITES for answer in PASSING]
CASES += [(call, answer) for call in READS for answer in PASSING if "done" not in answer]


@pytest.mark.parametrize(("call", "answer"), CASES)
async def test_what_passes_leaves_nothing_wrong(world: World, call: str, answer: str) -> None:
    """Without an operator: all comes true, no object is given up, and nobody is removed by mistake."""
    await arrange(world, "100ms" if "hang" in answer else "1s")
    ana = world.sandbox.members()["ana@acme.test"].id
    (fault,) = world.sandbox.inject(next=[{"match": (READS | WRITES)[call], **PASSING[answer]}]).next
    await tell_news(world)
    await world.settle()
    assert fault not in world.sandbox.faults.next, "the call was never made"
    await is_right(world)
    removed = {each.path.rpartition("/")[2] for each in world.sandbox.calls_like(WRITES["remove"])}
    assert removed == {ana}


# what does not pass: other 4xx


STATUSES = [(call, status) for call in WRITES for status in (400, 403, 409)]
STATUSES += [("invite", status) for status in (402, 412, 413, 418, 422)]


@pytest.mark.parametrize(("call", "status"), STATUSES)
async def test_one_object_that_is_refused_is_given_up_and_tried_again_when_asked(
    world: World, call: str, status: int
) -> None:
    """With GitBook's words, while all else is done; a retry finds it well again."""
    await arrange(world)
    world.sandbox.inject(next=[{"match": WRITES[call], "fault": str(status), "times": 999}])
    await tell_news(world)
    await world.settle()
    assert {name: held.reason for name, held in (await world.docs.dead()).items()} == {
        WHOSE[call]: "Made to fail by the sandbox"
    }
    assert ((await world.state()).state, await world.due()) == ("ok", [])
    world.sandbox.heal()
    for held in (await world.docs.dead()).values():
        assert await write_retry(world.desk, held, "boss", "", world.now)
    await world.settle()
    await is_right(world)


@pytest.mark.parametrize("status", [400, 403, 404, 422])
@pytest.mark.parametrize("call", [name for name in READS if name != "team"])
async def test_a_list_that_is_refused_gives_nobody_up(world: World, call: str, status: int) -> None:
    """It says nothing about an object; a token that cannot see the list is asked again by itself."""
    await arrange(world)
    (fault,) = world.sandbox.inject(next=[{"match": READS[call], "fault": str(status), "times": 2}]).next
    await tell_news(world)
    await world.settle()
    assert fault not in world.sandbox.faults.next
    await is_right(world)


# rate limits


@pytest.mark.parametrize("skew", [0.0, 3600.0, -3600.0])
@pytest.mark.parametrize("apart", [False, True])
async def test_limits_are_met_before_they_hit(world: World, apart: bool, skew: float) -> None:
    """One limit for all or one for each kind, by a clock that may be an hour off: not a single 429."""
    kinds = {"read": Limit(12, 60), "invites": Limit(2, 90), "members": Limit(3, 30), "teams": Limit(4, 60)}
    world.sandbox.limits = Limits(by_kind=kinds) if apart else Limits(Limit(10, 60))  # type: ignore[arg-type]
    world.sandbox.skew = skew
    world.configure(guard={"max_removals": 100})
    for number in range(12):
        await world.hire(f"p{number}")
        await world.group(f"g{number}", f"T{number}", f"p{number}")
    await world.settle()
    await world.fire(*(f"p{number}" for number in range(9)))
    await world.settle()
    assert set(world.members()) == {"p9", "p10", "p11"}
    assert 429 not in {call.status for call in world.sandbox.calls}
    assert await world.dead() == {}


async def test_a_429_on_one_kind_leaves_the_others_alone_until_a_second_is_hit(world: World) -> None:
    """A removal goes on while invites wait; when it is refused too, nothing is called before the reset."""
    await arrange(world)
    limits = {"invites": Limit(100, 60), "members": Limit(100, 60)}
    world.sandbox.limits = Limits(by_kind=limits)  # type: ignore[arg-type]
    world.sandbox.inject(next=[{"match": WRITES["invite"], "fault": "429"}])
    await world.hire("cy")
    await world.turn()
    await world.fire("ana")
    await world.turn()
    assert set(world.members()) == {"bo", "eve", "stranger"}
    world.sandbox.inject(next=[{"match": WRITES["set role"], "fault": "429"}])
    await world.group("g5", "Editors", "bo")
    await world.turn()
    calls = len(world.sandbox.calls)
    await world.hire("di")
    await world.turn()
    assert (len(world.sandbox.calls), (await world.state()).state) == (calls, "rate_limited")
    await world.settle()
    assert world.members()["bo"] == "edit"
    assert {"cy", "di"} <= set(world.members())


# halving


async def test_bad_addresses_in_a_batch_are_found_by_halving(world: World) -> None:
    """Two of a hundred: some 2 log2(100) calls more than one for each; the ninety-eight are members."""
    people = [f"p{number:03}" for number in range(100)]
    world.sandbox.inject(bad_addresses=["p017@*", "p081@*"])
    await world.hire(*people)
    await world.settle()
    assert set(world.members()) == set(people) - {"p017", "p081"}
    assert set(await world.dead()) == {"m:p017", "m:p081"}
    invites = world.sandbox.calls_like(WRITES["invite"])
    assert len(invites) <= 2 * 2 * 7, "1 + 2 log2(n) for each culprit, and a level they share"
    assert all(held.startswith("emails") for held in (await world.dead()).values())


async def test_someone_missing_in_a_teams_call_is_dropped_and_the_rest_is_sent(world: World) -> None:
    """The 404 names nobody: people are read again, and who is gone is invited anew."""
    people = [f"p{number:02}" for number in range(40)]
    await world.hire(*people)
    await world.settle()
    world.sandbox.state.leave(world.sandbox.members()["p07@acme.test"].id)
    await world.group("g1", "Writers", *people)
    before = len(world.sandbox.calls)
    await world.settle()
    assert world.teams() == {"Writers": set(people)}
    assert len(world.sandbox.calls) - before <= 12
    assert await world.dead() == {}


# 404


async def test_bound_ids_that_are_gone_are_found_again_or_made_again(world: World) -> None:
    """A team deleted by hand, a member who left and came back: nothing is given up."""
    await arrange(world)
    sandbox = world.sandbox
    for team in [team for team in sandbox.state.teams.values() if team.title in ("Writers", "Olds")]:
        del sandbox.state.teams[team.id]
    sandbox.state.leave(sandbox.members()["bo@acme.test"].id)
    await tell_news(world)
    await world.settle()
    await is_right(world)


@pytest.mark.parametrize("call", ["update team", "create team"])
async def test_a_team_that_goes_while_a_call_about_it_is_in_doubt(world: World, call: str) -> None:
    """It is no question of credentials: it is made again."""
    await arrange(world, "100ms")
    title = "Writers" if call == "update team" else "Editors"
    ident = next(team.id for team in world.sandbox.state.teams.values() if team.title == "Writers")
    match = WRITES[call].replace("[^/]+", ident)  # of one team: no other call of the same people is in doubt
    world.sandbox.inject(next=[{"match": match, "fault": "500", "times": 3}])
    await tell_news(world)
    await world.turn()
    for team in [team for team in world.sandbox.state.teams.values() if team.title == title]:
        del world.sandbox.state.teams[team.id]
    states = set()
    for _ in range(8):
        await world.turn()
        states.add((await world.state()).state)
        world.sleep(5_000)
    await world.settle()
    await is_right(world)
    assert states == {"ok"}


# 202


async def test_a_removal_that_was_only_requested_is_held(world: World) -> None:
    """202 is no removal: they are shown, asked for once, and let go of when an admin has confirmed."""
    await arrange(world)
    world.sandbox.inject(removal_202=True)
    await tell_news(world)
    await world.settle()
    assert "ana" in world.members()
    assert re.match("removal requested; an organisation admin", (await world.parked())["m:ana"])
    assert world.removals() == 1
    world.sandbox.heal()
    world.sandbox.state.leave(world.sandbox.members()["ana@acme.test"].id)
    world.sleep(3_700_000)
    await world.settle()
    await is_right(world)
