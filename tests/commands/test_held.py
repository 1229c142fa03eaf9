"""`bridge parked`, `approve`, `reject`, `dead`, `retry`."""

from pathlib import Path

import orjson
import pytest

from bridge.commands import held
from tests.commands.conftest import Bridge, BridgeJson, add_source
from tests.workers.world import DAY, World

pytestmark = pytest.mark.usefixtures("okta")
STRICT = {"max_removals": 0, "max_removal_percent": 0}


async def hold_removals(world: World, *names: str) -> None:
    """Let people come and go under a guard that holds every removal."""
    world.configure(guard=STRICT)
    await world.hire(*names)
    await world.settle()
    await world.fire(*names)
    await world.settle()


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
    assert row.pop("event").startswith("okta/")
    assert row == {
        "target": "docs", "kind": "member", "object": "ana@acme.test",
        "change": "remove member ana@acme.test", "attempts": 0, "state": "held", "emails": [],
        "approved_by": None, "source": "okta",
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
    approved = next(row for row in await world.past.rows(9) if row["outcome"] == "approved")
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


async def test_listings_are_filtered(
    world: World, bridge: Bridge, bridge_json: BridgeJson, tmp_path: Path
) -> None:
    """In the same words as everywhere; a name that does not exist is refused with those there are."""
    add_source(tmp_path, "polis")
    await hold_removals(world, "ana", "bo")
    for words, count in (
        (("--source", "okta", "--target", "docs", "--kind", "member", "--text", "ANA"), 1),
        (("--source", "polis"), 0),
        (("--kind", "remove"), 2),
        (("--kind", "team"), 0),
        (("--state", "approved"), 0),
        (("--since", "2000-01-01", "--limit", "1"), 1),
        (("--until", "2000-01-01"), 0),
    ):
        assert len(await bridge_json("parked", *words)) == count, words
    assert await bridge_json("dead", "--text", "ana") == []
    for words in (
        ("--target", "wiki"),
        ("--source", "hr"),
        ("--kind", "people"),
        ("--since", "soon"),
        ("--state", "dead"),
    ):
        assert (await bridge("parked", *words)).exit_code == 2, words
    assert "write docs" in (await bridge("dead", "--target", "wiki")).stderr


async def test_filters_choose_what_is_decided(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """It is shown with its number, and done only when somebody says yes to it."""
    await hold_removals(world, "ana.berlin", "ann.berlin", "bo")
    choice = ("--source", "okta", "--target", "docs", "--kind", "member", "--text", "Berlin")
    asked = await bridge("approve", *choice)
    assert (asked.exit_code, asked.stderr) == (2, "nothing was done: to approve these 2, add --yes\n")
    assert "ann.berlin@acme.test" in asked.stdout and "bo@acme.test" not in asked.stdout
    would = await bridge_json("approve", *choice, "--dry-run")
    assert [row["object"] for row in would["would"]] == ["ana.berlin@acme.test", "ann.berlin@acme.test"]
    assert "Would approve: 2. Nothing was done." in (await bridge("approve", *choice, "--dry-run")).stdout
    assert len(await world.parked()) == 3
    done = await bridge("approve", *choice, "--yes")
    assert (done.exit_code, "2 approved." in done.stdout) == (0, True)
    await world.settle()
    assert set(world.members()) == {"bo"}


async def test_a_person_at_the_terminal_is_asked(
    world: World, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is done without a yes."""
    await hold_removals(world, "ana")
    monkeypatch.setattr(held, "_at_terminal", lambda: True)
    asked: list[str] = []
    for answer, code, left in ((False, 1, {"m:ana"}), (True, 0, set())):

        def confirm(text: str, here: bool = answer) -> bool:
            asked.append(text)
            return here

        monkeypatch.setattr("typer.confirm", confirm)
        assert (await bridge("reject", "--text", "ana")).exit_code == code
        assert set(await world.parked()) == left
    assert asked == ["Reject these 1?"] * 2


async def test_filters_narrow_all_and_ids(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """Both say plainly enough what is meant, so nobody is asked."""
    await hold_removals(world, "ana", "bo", "cy")
    told = await bridge_json("reject", "--all", "--text", "ana")
    assert [row["object"] for row in told["decided"]] == ["ana@acme.test"]
    ident = (await world.held("m:bo")).id
    assert (await bridge("reject", ident, "--kind", "team")).exit_code == 1
    assert len((await bridge_json("reject", ident, "--kind", "member"))["decided"]) == 1
    assert set(await world.parked()) == {"m:cy"}


async def test_filters_that_choose_nothing(world: World, bridge: Bridge) -> None:
    """Exit code 1, and where to look."""
    await hold_removals(world, "ana")
    done = await bridge("approve", "--text", "bo", "--yes")
    assert done.exit_code == 1
    assert "nothing is held that these filters choose: see `bridge parked`" in done.stderr


async def test_whoever_comes_too_late_is_told_who_was_faster(
    world: World, bridge: Bridge, bridge_json: BridgeJson
) -> None:
    """Exit code 1. What is approved already is left alone by --all."""
    await hold_removals(world, "ana", "bo")
    ana, bo = (await world.held("m:ana")).id, (await world.held("m:bo")).id
    await bridge_json("approve", ana, "--by", "boss")
    shown = (await bridge("parked")).output.replace("│", " ")
    assert "(approved by boss, not done yet)" in " ".join(shown.split())
    again = await bridge("approve", ana, bo, "--by", "chief", "--json")
    told = orjson.loads(again.stdout)
    assert again.exit_code == 1
    assert ([row["id"] for row in told["decided"]], told["unknown"]) == ([bo], [])
    [late] = told["late"]
    assert late.pop("at").endswith("Z")
    assert late == {
        "id": ana, "target": "docs", "change": "remove member ana@acme.test", "what": "approved",
        "by": "boss",
    }  # fmt: skip
    assert "too late: remove member ana@acme.test" in again.stderr
    assert f"({ana}): approved by boss at 20" in again.stderr
    assert (await bridge_json("approve", "--all"))["decided"] == []
    await world.settle()
    assert "approved by chief at" in (await bridge("reject", bo)).stderr


# given up


async def test_dead_shows_what_was_given_up_and_why(
    world: World, bridge: Bridge, bridge_json: BridgeJson
) -> None:
    """With GitBook's message."""
    assert "Nothing was given up" in (await bridge("dead")).output
    await world.bury("ana")
    [row] = await bridge_json("dead")
    assert (row["object"], row["attempts"]) == ("ana@acme.test", 1)
    assert row["reason"] == "emails: one of the addresses cannot be invited"


async def test_a_retry_makes_it_due_again_and_keeps_the_old_attempts(
    world: World, bridge_json: BridgeJson
) -> None:
    """Only what was named; the history tells who, when, and what had been tried."""
    await world.bury("ana", "bo")
    before = [row for row in await world.past.rows(99) if row["object"] == "m:ana@acme.test"]
    [ident] = [row["id"] for row in await bridge_json("dead") if row["object"] == "ana@acme.test"]
    told = await bridge_json("retry", ident, "--by", "boss", "--why", "mended")
    assert ([row["id"] for row in told["retried"]], told["unknown"]) == ([ident], [])
    status = await bridge_json("status")
    assert (status["targets"]["docs"]["due"], status["targets"]["docs"]["dead"]) == (1, 1)
    await world.settle()
    assert (set(world.members()), set(await world.dead())) == ({"ana"}, {"m:bo"})
    after = [row for row in await world.past.rows(99) if row["object"] == "m:ana@acme.test"]
    done, retried, *rest = after
    assert (done["outcome"], rest) == ("done", before)
    assert (retried["outcome"], retried["by"], retried["why"]) == ("retried", "boss", "mended")
    assert (retried["attempts"], retried["reason"]) == (1, "emails: one of the addresses cannot be invited")
    assert retried["at"] > 0


async def test_all_that_is_dead_is_tried_again(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """And what cannot be cured by it is dead again."""
    await world.bury("ana", "bo")
    world.sandbox.inject(bad_addresses=["bo@acme.test"])
    done = await bridge("retry", "--all")
    assert "due again: invite ana@acme.test as read (SSO) (m:ana@acme.test)" in done.output
    await world.settle()
    assert (set(world.members()), set(await world.dead())) == ({"ana"}, {"m:bo"})
    world.sandbox.heal()
    await bridge_json("retry", "--all")
    await world.settle()
    assert await bridge_json("retry", "--all") == {"retried": [], "unknown": [], "late": []}
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
    await world.bury("ana")
    done = await bridge("retry", "m:ana@acme.test", "m:nobody", "--json")
    assert (done.exit_code, orjson.loads(done.stdout)["unknown"]) == (1, ["m:nobody"])
    assert "nothing was given up under m:nobody: see `bridge dead`" in done.stderr
    assert await world.dead() == {}
    assert (await bridge("retry")).exit_code == 2
