"""`bridge parked`, `approve`, `reject`, `dead`, `retry`."""

import orjson

from tests.commands.conftest import Bridge, BridgeJson
from tests.workers.world import DAY, World

STRICT = {"max_removals": 0, "max_removal_percent": 0}


async def hold_removals(world: World, *names: str) -> None:
    """Let people come and go under a guard that holds every removal."""
    world.configure(guard=STRICT)
    await world.hire(*names)
    await world.settle()
    await world.fire(*names)
    await world.settle()


async def bury(world: World, *names: str) -> None:
    """Hire people whose addresses GitBook refuses."""
    world.sandbox.inject(bad_addresses=[f"{name}@acme.test" for name in names])
    await world.hire(*names)
    await world.settle()
    world.sandbox.heal()


# held


async def test_parked_shows_what_waits_and_why(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """As the interface has it; as a table for people."""
    assert await bridge_json("parked") == []
    assert "Nothing is held" in (await bridge("parked")).output
    await hold_removals(world, "ana")
    [row] = await bridge_json("parked")
    assert row.pop("reason").startswith("0 removals within 24 h are the limit (0:")
    assert row.pop("since").endswith("Z")
    assert row.pop("id") in (await bridge("parked")).output
    assert row == {
        "target": "docs", "kind": "member", "object": "ana@acme.test",
        "change": "remove member ana@acme.test", "attempts": 0,
    }  # fmt: skip


async def test_an_approval_lets_it_happen_and_is_recorded(
    world: World, bridge: Bridge, bridge_json: BridgeJson
) -> None:
    """One id lets one change happen."""
    await hold_removals(world, "ana", "bo")
    ident = (await world.held("m:ana")).id
    told = await bridge_json("approve", ident, "--by", "boss", "--why", "left")
    assert [row["id"] for row in told["decided"]] == [ident]
    await world.settle()
    assert set(world.members()) == {"bo"}
    approved = next(row for row in await world.docs.history(9) if row["outcome"] == "approved")
    assert (approved["by"], approved["why"], approved["object"]) == ("boss", "left", "m:ana@acme.test")
    assert "approved: remove member bo@acme.test" in (await bridge("approve", "--all")).output
    await world.settle()
    assert world.members() == {}


async def test_a_rejection_is_an_exception_until_it_ends(world: World, bridge_json: BridgeJson) -> None:
    """The person stays, is no longer held, and is asked about again when the exception ends."""
    await hold_removals(world, "ana")
    await bridge_json("reject", "--all", "--why", "on leave", "--until", "90d")
    await world.settle()
    assert (set(world.members()), await world.parked()) == ({"ana"}, {})
    world.sleep(91 * DAY)
    await world.settle()
    assert set(await world.parked()) == {"m:ana"}


async def test_ids_that_are_not_there_are_named(world: World, bridge: Bridge) -> None:
    """Exit code 1; what is there is decided all the same. Without ids or --all nothing is."""
    await hold_removals(world, "ana")
    ident = (await world.held("m:ana")).id
    done = await bridge("reject", ident, "beef", "--json")
    assert (done.exit_code, orjson.loads(done.stdout)["unknown"]) == (1, ["beef"])
    assert "nothing is held under beef: see `bridge parked`" in done.stderr
    assert await world.parked() == {}
    assert (await bridge("approve")).exit_code == 2
    assert (await bridge("approve", ident, "--all")).exit_code == 2
    assert (await bridge("reject", "--all", "--until", "soon")).exit_code == 2


# given up


async def test_dead_shows_what_was_given_up_and_why(
    world: World, bridge: Bridge, bridge_json: BridgeJson
) -> None:
    """With GitBook's message."""
    assert "Nothing was given up" in (await bridge("dead")).output
    await bury(world, "ana")
    [row] = await bridge_json("dead")
    assert (row["object"], row["attempts"]) == ("ana@acme.test", 1)
    assert row["reason"] == "emails: one of the addresses cannot be invited"


async def test_a_retry_makes_it_due_again_and_keeps_the_old_attempts(
    world: World, bridge_json: BridgeJson
) -> None:
    """Only what was named; the history tells who, when, and what had been tried."""
    await bury(world, "ana", "bo")
    before = [row for row in await world.docs.history(99) if row["object"] == "m:ana@acme.test"]
    [ident] = [row["id"] for row in await bridge_json("dead") if row["object"] == "ana@acme.test"]
    told = await bridge_json("retry", ident, "--by", "boss", "--why", "mended")
    assert ([row["id"] for row in told["retried"]], told["unknown"]) == ([ident], [])
    status = await bridge_json("status")
    assert (status["targets"]["docs"]["due"], status["targets"]["docs"]["dead"]) == (1, 1)
    await world.settle()
    assert (set(world.members()), set(await world.dead())) == ({"ana"}, {"m:bo"})
    after = [row for row in await world.docs.history(99) if row["object"] == "m:ana@acme.test"]
    done, retried, *rest = after
    assert (done["outcome"], rest) == ("done", before)
    assert (retried["outcome"], retried["by"], retried["why"]) == ("retried", "boss", "mended")
    assert (retried["attempts"], retried["reason"]) == (1, "emails: one of the addresses cannot be invited")
    assert retried["at"] > 0


async def test_all_that_is_dead_is_tried_again(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """And what cannot be cured by it is dead again."""
    await bury(world, "ana", "bo")
    world.sandbox.inject(bad_addresses=["bo@acme.test"])
    done = await bridge("retry", "--all")
    assert "due again: invite ana@acme.test as read (SSO) (m:ana@acme.test)" in done.output
    await world.settle()
    assert (set(world.members()), set(await world.dead())) == ({"ana"}, {"m:bo"})
    world.sandbox.heal()
    await bridge_json("retry", "--all")
    await world.settle()
    assert await bridge_json("retry", "--all") == {"retried": [], "unknown": []}
    assert set(world.members()) == {"ana", "bo"}


async def test_a_team_that_was_given_up_is_made_for_its_members(
    world: World, bridge_json: BridgeJson
) -> None:
    """It is not enough to look at the team: it is made with those who are to be in it."""
    world.sandbox.inject(next=[{"match": "PUT .*/teams$", "fault": "422", "times": 9}])
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    assert (set(await world.dead()), world.teams()) == ({"t:Writers"}, {})
    world.sandbox.heal()
    await bridge_json("retry", "t:Writers")
    await world.settle()
    assert (await world.dead(), world.teams()) == ({}, {"Writers": {"ana"}})


async def test_what_is_not_dead_cannot_be_retried(world: World, bridge: Bridge) -> None:
    """Exit code 1 and the names; what is dead is retried all the same."""
    await bury(world, "ana")
    done = await bridge("retry", "m:ana@acme.test", "m:nobody", "--json")
    assert (done.exit_code, orjson.loads(done.stdout)["unknown"]) == (1, ["m:nobody"])
    assert "nothing was given up under m:nobody: see `bridge dead`" in done.stderr
    assert await world.dead() == {}
    assert (await bridge("retry")).exit_code == 2
