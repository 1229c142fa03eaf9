"""`bridge person`."""

import re
from pathlib import Path

import orjson
import pytest

from bridge.commands import common
from tests.commands.conftest import Bridge, BridgeJson
from tests.workers.world import World

STRICT = {"max_removals": 0, "max_removal_percent": 0}
EVENT = r"event okta/\d+-\d+"


async def test_nobody(world: World, bridge: Bridge) -> None:
    """Exit code 1, the address, and where to look."""
    done = await bridge("person", "x@acme.test")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "nothing is known of x@acme.test: no directory has told of this address" in done.stderr
    assert "`bridge events --text x@acme.test`" in done.stderr


async def test_why_somebody_was_removed(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """One sentence: when, why, and the event with its source."""
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    told = await bridge_json("person", "ANA@acme.test")
    [why] = told["why"]
    removal = told["timeline"][-1]
    event = told["timeline"][-2]
    assert why == (
        f"removed from docs at {removal['at']}: deleted from the directory, "
        f"told by event {event['id']} (user.deleted, source okta)"
    )
    assert (removal["kind"], removal["outcome"], removal["why"]) == (
        "remove", "done", "deleted from the directory"
    )  # fmt: skip
    assert (removal["event"], removal["status"]) == (event["id"], 205)
    assert f"- {why}" in " ".join((await bridge("person", "ana@acme.test")).output.split())


async def test_json(world: World, bridge_json: BridgeJson) -> None:
    """All of it is one object; times are RFC 3339."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    told = await bridge_json("person", "ana@acme.test")
    assert list(told) == ["email", "users", "former_users", "accounts", "why", "timeline", "older"]
    [user] = told["users"]
    since = user.pop("since")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", since)
    [group] = user.pop("groups")
    assert (group["id"], group["name"]) == ("okta/g1", "Writers")
    assert user == {
        "directory": "okta", "id": "ana", "email": "ana@acme.test", "state": "active", "former_emails": []
    }  # fmt: skip
    [account] = told["accounts"]
    wanted, known = account["wanted"], account["known"]
    assert (wanted["member"], wanted["why"], wanted["role"], wanted["role_why"]) == (
        True, "active in the directory", "read", "default_role: no rule names them"
    )  # fmt: skip
    assert (known["state"], known["role"], known["sso"], known["invited_by_bridge"]) == (
        "known", "read", True, True
    )  # fmt: skip
    assert (account["differences"], account["states"], account["parked"]) == (
        ["leave team Writers"], [], []  # the command's configuration has no teams
    )  # fmt: skip
    assert [row["kind"] for row in told["timeline"]] == [
        "user.created", "group.user_added", "invite", "create-team"
    ]  # fmt: skip
    assert {row["sort"] for row in told["timeline"]} == {"event", "call"}
    assert told["older"] is False


async def test_what_waits_for_a_person(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """It is said why, and what to do."""
    world.configure(guard=STRICT)
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    told = await bridge_json("person", "ana@acme.test")
    [held] = told["accounts"][0]["parked"]
    [why] = told["why"]
    assert why.startswith(f"held at docs (remove member ana@acme.test, bridge approve {held['id']}) since ")
    assert held["reason"] in why
    assert re.search(rf"told by {EVENT} \(user.deleted, source okta\)$", why)
    shown = " ".join((await bridge("person", "ana@acme.test")).output.split())
    assert "to do: remove member ana@acme.test: deleted from the directory" in shown
    assert "remove member ana@acme.test: parked" in shown
    await bridge("reject", held["id"], "--by", "boss", "--why", "on leave", "--until", "90d")
    told = await bridge_json("person", "ana@acme.test")
    [decision] = told["accounts"][0]["decided"]
    assert (decision["approved"], decision["by"], decision["why"]) == (False, "boss", "on leave")
    [why] = told["why"]
    assert re.fullmatch(r"what was held rejected at docs by boss at \S+: on leave \(until \S+Z\)", why)


async def test_who_is_excluded(world: World, bridge: Bridge, bridge_json: BridgeJson, tmp_path: Path) -> None:
    """Is neither wanted as a member nor to be removed; the pattern is quoted."""
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.fold()
    config = tmp_path / "bridge.toml"
    config.write_text(config.read_text() + '[targets.members]\nexclude = ["bo@*", "ana@*"]\n')
    [account] = (await bridge_json("person", "ana@acme.test"))["accounts"]
    assert (account["wanted"]["member"], account["wanted"]["excluded"]) == (False, True)
    assert account["wanted"]["why"] == 'members.exclude[1]: "ana@*": never invited, never removed'
    assert account["differences"] == []


async def test_dry_run_is_told(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """What would be done was only planned."""
    world.configure(mode="dry-run")
    await world.hire("ana")
    await world.settle()
    [account] = (await bridge_json("person", "ana@acme.test"))["accounts"]
    assert (account["planned"], account["states"], account["known"]) == (True, [], None)
    assert account["differences"] == ["invite ana@acme.test as read (SSO): named by the directory"]
    assert "dry-run: it was only planned" in (await bridge("person", "ana@acme.test")).output


async def test_a_former_address(world: World, bridge: Bridge) -> None:
    """Whose it is now, and both accounts."""
    await world.hire("ana")
    await world.settle()
    await world.tell("user.updated", ("ana", "ana.ng@acme.test", None))
    await world.settle()
    shown = (await bridge("person", "ana@acme.test")).output
    assert "a former address of ana.ng@acme.test:" in shown
    assert "had the address ana@acme.test" in shown
    assert "docs (apply), ana.ng@acme.test" in shown


async def test_text_fits_the_terminal_and_keeps_ids_whole(
    world: World, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 80 columns."""
    await world.hire("ana")
    await world.group("g1", "Technical writers of the documentation of the products", "ana")
    await world.settle()
    monkeypatch.setattr(common.out, "width", 80)
    shown = (await bridge("person", "ana@acme.test")).output
    assert max(map(len, shown.splitlines())) <= 80
    told = [row["id"] for row in (await json_of(bridge))["timeline"] if row["sort"] == "event"]
    assert len(told) == 2
    assert all(ident in shown for ident in told)


async def json_of(bridge: Bridge) -> dict[str, list[dict[str, str]]]:
    """What is known of Ana as JSON."""
    answer: dict[str, list[dict[str, str]]] = orjson.loads(
        (await bridge("person", "ana@acme.test", "--json")).stdout
    )
    return answer


async def test_the_timeline_can_be_narrowed(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """By the same options as everywhere; a wrong one is refused with what may stand there."""
    await world.hire("ana")
    await world.settle()
    told = await bridge_json("person", "ana@acme.test", "--kind", "invite", "--state", "done")
    assert [row["kind"] for row in told["timeline"]] == ["invite"]
    told = await bridge_json("person", "ana@acme.test", "--limit", "1")
    assert ([row["kind"] for row in told["timeline"]], told["older"]) == (["invite"], True)
    assert "There is more before this" in (await bridge("person", "ana@acme.test", "--limit", "1")).output
    shown = await bridge("person", "ana@acme.test", "--text", "no such text")
    assert "Nothing is known of it." in shown.output
    wrong = await bridge("person", "ana@acme.test", "--kind", "invitation")
    assert (wrong.exit_code, "invite" in wrong.stderr) == (2, True)
    assert (await bridge("person", "ana@acme.test", "--target", "other")).exit_code == 2


async def test_a_name_that_moves_the_cursor_does_not(world: World, bridge: Bridge) -> None:
    """Names come from outside."""
    await world.hire("ana")
    await world.group("g1", "Wri\x1b[2Jters", "ana")
    await world.settle()
    assert "\x1b[2J" not in (await bridge("person", "ana@acme.test")).output
