"""Done is what GitBook's answers show, and a verdict is what is in its own words; all else passes."""

from collections.abc import Iterable

import pytest

from bridge.sandbox.state import Team
from tests.workers.world import HOUR, MINUTE, SECOND, World

ADMINS = {
    "roles": [{"group": "Admins", "role": "admin"}],
    "guard": {"max_removals": 100, "admin_grants": "allow"},
}
ROLE_STAYS = "GitBook answered with success, but the role is still admin"
UNTRUE = ["unchanged", "error_body", "gateway_307", "gateway_302", "not_json"]
WAYS = ["gateway_403", "gateway_404", "gateway_401", "gateway_400", "gateway_407"]
WAYS += ["407", "408", "421", "423", "425", "499"]


@pytest.fixture
async def firm(world: World) -> World:
    """Ana is an admin by her group and in a team, Bo is not."""
    world.configure(**ADMINS)
    await world.hire("ana", "bo")
    await world.group("g1", "Admins", "ana")
    await world.settle()
    assert world.members() == {"ana": "admin", "bo": "read"}
    return world


async def outcomes(world: World, kind: str) -> list[str]:
    """What the history says of the calls of one kind, the oldest first."""
    rows = await world.past.rows(1000)
    return [row["outcome"] for row in reversed(rows) if row["kind"] == kind]


async def reason(world: World, name: str) -> str:
    """Why somebody waits."""
    email = f"m:{name}@acme.test"
    return (await world.docs.waiting([email]))[email].reason


# done is what the answer shows


@pytest.mark.parametrize("fault", UNTRUE)
async def test_an_admin_who_stays_one_is_never_shown_as_done(firm: World, fault: str) -> None:
    """They are tried again and shown meanwhile; when GitBook does it, it is done, once."""
    firm.sandbox.inject(next=[{"match": "^PATCH", "fault": fault, "times": 12}])
    before = await outcomes(firm, "role")
    await firm.take_out("g1", "ana")
    await firm.turn()
    assert firm.members()["ana"] == "admin"
    assert "done" not in (await outcomes(firm, "role"))[len(before) :]
    assert await reason(firm, "ana")
    await firm.settle(most=6 * HOUR)
    assert firm.members()["ana"] == "read"
    after = (await outcomes(firm, "role"))[len(before) :]
    assert (after[-1], after.count("done")) == ("done", 1)
    assert (await firm.dead(), await firm.due(), (await firm.state()).state) == ({}, [], "ok")


async def test_an_admin_who_stays_one_for_ever_is_shown_as_waiting(firm: World) -> None:
    """With what GitBook answered; the target is well, others have their turn, and nothing loops hot."""
    firm.sandbox.inject(next=[{"match": "^PATCH", "fault": "unchanged", "times": 9999}])
    await firm.take_out("g1", "ana")
    calls = len(firm.sandbox.calls)
    await firm.settle(most=24 * HOUR)
    assert (await reason(firm, "ana"), await firm.due()) == (ROLE_STAYS, ["m:ana"])
    assert ((await firm.state()).state, await firm.dead()) == ("ok", {})
    assert len(firm.sandbox.calls) - calls < 200
    await firm.fire("bo")
    await firm.turn()
    assert set(firm.members()) == {"ana"}


async def test_a_role_that_comes_late_is_found(firm: World) -> None:
    """The answer still showed the old one: what is read afterwards counts."""
    firm.sandbox.inject(next=[{"match": "^PATCH", "fault": "unchanged"}])
    await firm.take_out("g1", "ana")
    await firm.turn()
    ana = firm.sandbox.members()["ana@acme.test"]
    firm.sandbox.state.change(ana, role="read")
    patches = len(firm.sandbox.calls_like("^PATCH"))
    await firm.settle()
    assert len(firm.sandbox.calls_like("^PATCH")) == patches
    binding = (await firm.docs.members(["ana@acme.test"]))["ana@acme.test"]
    assert (binding.role, await firm.due(), await firm.docs.waiting(["m:ana@acme.test"])) == ("read", [], {})


@pytest.mark.parametrize("fault", UNTRUE)
async def test_an_sso_mark_that_is_not_set(world: World, fault: str) -> None:
    """It is no mark, and made in the end."""
    world.configure(sso_existing=True)
    world.sandbox.seed_member("eve@acme.test")
    world.sandbox.inject(next=[{"match": "/sso$", "fault": fault, "times": 4}])
    await world.hire("eve")
    await world.turn()
    assert not world.sandbox.members()["eve@acme.test"].sso
    assert not (await world.docs.members(["eve@acme.test"]))["eve@acme.test"].sso
    await world.settle()
    assert world.sandbox.members()["eve@acme.test"].sso
    assert (await outcomes(world, "sso")).count("done") == 1


@pytest.mark.parametrize("fault", UNTRUE)
async def test_a_title_that_does_not_change(firm: World, fault: str) -> None:
    """The team is known by the title it has."""
    firm.sandbox.inject(next=[{"match": "^PATCH .*/teams/", "fault": fault, "times": 4}])
    await firm.rename("g1", "Chiefs")
    await firm.turn()
    assert set(firm.teams()) == {"Admins"}
    assert (await firm.docs.teams())["Chiefs"].title == "Admins"
    await firm.settle()
    assert set(firm.teams()) == {"Chiefs"}
    assert (await outcomes(firm, "rename-team")).count("done") == 1


@pytest.mark.parametrize("fault", [each for each in UNTRUE if each != "unchanged"])
async def test_team_members_who_do_not_change(firm: World, fault: str) -> None:
    """Only 204 says that a team has whom it should have."""
    firm.sandbox.inject(next=[{"match": "^PUT .*/members$", "fault": fault, "times": 4}])
    await firm.add("g1", "bo")
    await firm.take_out("g1", "ana")
    await firm.turn()
    assert firm.teams() == {"Admins": {"ana"}}
    assert "done" not in await outcomes(firm, "team-members")
    await firm.settle()
    assert firm.teams() == {"Admins": {"bo"}}


@pytest.mark.parametrize("fault", [each for each in UNTRUE if each != "unchanged"])
@pytest.mark.parametrize("match", ["^DELETE", "^POST .*/invites", "^PUT .*/teams$"])
async def test_other_changes_that_do_not_happen(firm: World, match: str, fault: str) -> None:
    """Nobody is shown as gone, as come, or a team as made."""
    firm.sandbox.inject(next=[{"match": match, "fault": fault, "times": 4}])
    before = len([row for row in await firm.past.evidence(1000) if row["outcome"] == "done"])
    await firm.fire("bo")
    await firm.turn()
    await firm.hire("cy")
    await firm.group("g2", "Writers", "ana")
    await firm.settle()
    assert (set(firm.members()), firm.teams()["Writers"]) == ({"ana", "cy"}, {"ana"})
    after = [row for row in await firm.past.evidence(1000) if row["outcome"] == "done"]
    assert len(after) == before + 2


async def test_a_team_whose_title_comes_out_otherwise_is_made_once(world: World) -> None:
    """It is bound by its id, and then given the title it should have."""
    await world.hire("ana")
    await world.settle()
    make = world.sandbox.state.create_team

    def make_loud(title: str, members: Iterable[str] = ()) -> Team:
        return make(title.upper(), members)

    world.sandbox.state.create_team = make_loud  # type: ignore[method-assign]
    await world.group("g1", "Writers", "ana")
    await world.settle()
    assert world.teams() == {"Writers": {"ana"}}
    assert len(world.sandbox.calls_like("^PUT .*/teams$")) == 1


# a verdict is GitBook's own


@pytest.mark.parametrize("fault", WAYS)
@pytest.mark.parametrize(
    "match", ["^DELETE", "^POST .*/invites", "^PATCH .*/members", "^PUT .*/teams$", "^GET .*/members"]
)
async def test_one_passing_refusal_gives_nothing_up(firm: World, match: str, fault: str) -> None:
    """Of a proxy, a firewall, or about the moment: all comes true by itself."""
    firm.sandbox.inject(next=[{"match": match, "fault": fault, "times": 4}])
    await firm.fire("bo")
    await firm.hire("cy")
    await firm.take_out("g1", "ana")
    await firm.group("g2", "Writers", "cy")
    await firm.turn()
    assert (await firm.state()).state != "credentials_rejected"
    await firm.settle()
    assert (firm.members(), firm.teams()["Writers"]) == ({"ana": "read", "cy": "read"}, {"cy"})
    left = await firm.dead(), await firm.parked(), await firm.due(), (await firm.state()).state
    assert left == ({}, {}, [], "ok")


async def test_a_gateways_404_is_no_evidence_that_somebody_is_gone(firm: World) -> None:
    """Neither on their removal, nor when they are asked for by their id."""
    firm.sandbox.inject(next=[{"match": "(DELETE|GET) .*/members/", "fault": "gateway_404", "times": 9}])
    bo = firm.sandbox.members()["bo@acme.test"]
    firm.sandbox.state.change(bo, email="somebody@else.test", name="Somebody")  # no search finds Bo
    await firm.fire("bo")
    await firm.turn()
    evidence = [row["outcome"] for row in await firm.past.evidence(10) if row["kind"] == "remove"]
    assert (evidence, bo.id in firm.sandbox.state.members) == ([], True)
    await firm.settle()
    assert bo.id not in firm.sandbox.state.members


async def test_a_gateways_401_is_not_about_the_token(firm: World) -> None:
    """While it lasts the target is unavailable, with that reason; GitBook's own 401 is about the token."""
    firm.sandbox.inject(always="gateway_401")
    await firm.fire("bo")
    for _ in range(5):
        await firm.turn()
        firm.sleep(10 * SECOND)
    state = await firm.state()
    assert (state.state, state.reason) == (
        "unavailable",
        "the answer was 401, not in GitBook's words: by a proxy or a firewall between?",
    )
    firm.sandbox.heal()
    firm.sandbox.inject(rejected_token=True)
    firm.sleep(MINUTE)
    await firm.turn()
    assert (await firm.state()).state == "credentials_rejected"
    firm.sandbox.heal()
    await firm.settle()
    assert set(firm.members()) == {"ana"}


# nothing answers


@pytest.mark.parametrize("fault", ["hang", "reset"])
async def test_a_target_that_never_answers_is_not_ok(world: World, fault: str) -> None:
    """From the first call that had no answer at all; it is asked again now and then, and ends by itself."""
    world.configure(timeout="50ms")
    await world.hire("ana")
    await world.settle()
    world.sandbox.inject(always=fault)
    await world.fire("ana")
    for _ in range(10):
        await world.turn()
        state = await world.state()
        assert (state.state, bool(state.reason)) == ("unavailable", True)
        assert state.resumes_at * 1000 - world.now <= 15 * SECOND
        world.sleep(15 * SECOND)
    world.sandbox.heal()
    await world.settle(most=MINUTE)
    assert (world.members(), (await world.state()).state) == ({}, "ok")


async def test_one_call_that_never_answers_does_not_stop_the_others(world: World) -> None:
    """The target answers when it is asked: it is that call's trouble, which backs off and is shown."""
    world.configure(timeout="50ms")
    await world.hire("ana", "bo")
    await world.settle()
    ana = world.sandbox.members()["ana@acme.test"].id
    world.sandbox.inject(next=[{"match": f"DELETE .*/members/{ana}", "fault": "hang", "times": 30}])
    await world.fire("ana")
    await world.turn()
    assert ((await world.state()).state, await reason(world, "ana")) == (
        "ok",
        "no answer: it does not answer in time",
    )
    await world.fire("bo")
    await world.hire("cy")
    await world.turn()
    assert set(world.members()) == {"ana", "cy"}
    assert (await world.docs.intents()) == {}
    await world.settle()
    assert (set(world.members()), await world.dead()) == ({"cy"}, {})
