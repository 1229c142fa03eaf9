"""`bridge event ID`."""

import pytest

from tests.commands.conftest import Bridge, BridgeJson
from tests.operators.logbook import refuse
from tests.workers.world import World

pytestmark = pytest.mark.usefixtures("okta")


async def test_one_event_and_what_became_of_it(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """The call it led to, and how whom it is about stands now."""
    await world.hire("ana")
    await world.settle()
    [row] = await bridge_json("events")
    found = await bridge_json("event", row["id"])
    [target] = found.pop("targets")
    assert (found, row["state"]) == (row, "processed")
    [call] = target["calls"]
    assert (call["kind"], call["outcome"], call["object"], call["event"]) == (
        "invite", "done", "ana@acme.test", row["id"],
    )  # fmt: skip
    [standing] = target["objects"]
    assert (standing["kind"], standing["object"], standing["states"]) == ("member", "ana@acme.test", [])
    text = (await bridge("event", row["id"])).output
    assert "user ana: ana@acme.test (active)" in text
    assert "docs: invite ana@acme.test as read (SSO): done" in text
    assert "docs: member ana@acme.test: nothing is left to do" in text


async def test_what_is_held_because_of_it(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """With the guard's reason; an older event names the one that came after it."""
    world.configure(guard={"max_removals": 0, "max_removal_percent": 0})
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    left, came = await bridge_json("events")
    text = (await bridge("event", left["id"])).output
    assert "docs: member ana@acme.test: parked (0 removals within 24 h are the limit" in text
    assert "last told of" not in text
    assert f"last told of by {left['id']}" in (await bridge("event", came["id"])).output


async def test_what_was_refused_is_shown_with_its_reason(
    world: World, bridge: Bridge, bridge_json: BridgeJson
) -> None:
    """It has no effect."""
    await refuse(world, "user.id is missing")
    [row] = await bridge_json("events")
    found = await bridge_json("event", row["id"])
    assert (found["state"], found["reason"], found["targets"]) == ("refused", "user.id is missing", [])
    assert "user.id is missing" in (await bridge("event", row["id"])).output


async def test_what_is_no_id_ends_with_2(bridge: Bridge) -> None:
    """And says where to find one."""
    done = await bridge("event", "ana")
    assert (done.exit_code, "ana is not an id: copy one from a list" in done.stderr) == (2, True)


async def test_an_unknown_event_ends_with_1(bridge: Bridge) -> None:
    """And says how long events are kept."""
    done = await bridge("event", "okta/1-0")
    assert done.exit_code == 1
    assert done.stderr.strip() == (
        "no event okta/1-0 is known; events are kept for 30 days (retention.journal)"
    )  # fmt: skip
