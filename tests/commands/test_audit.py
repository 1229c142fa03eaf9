"""`bridge audit`."""

import orjson

from tests.commands.conftest import Bridge, BridgeJson
from tests.workers.world import World

STRICT = {"max_removals": 0, "max_removal_percent": 0}


async def live(world: World, bridge_json: BridgeJson) -> None:
    """Ana and Bo come and leave; both are held, and one is approved."""
    world.configure(guard=STRICT)
    await world.hire("ana", "bo")
    await world.settle()
    await world.fire("ana", "bo")
    await world.settle()
    ident = (await world.held("m:ana")).id
    await bridge_json("approve", ident, "--by", "boss", "--why", "has left")
    await world.settle()


async def test_rows_are_plain_json(world: World, bridge_json: BridgeJson) -> None:
    """The newest first; all times RFC 3339."""
    assert await bridge_json("audit") == []
    await live(world, bridge_json)
    removed, approved, joined = await bridge_json("audit", "--text", "ana@")
    assert list(removed) == ["id", "at", "kind", "target", "object", "what", "by", "why", "detail"]
    assert (removed["kind"], removed["target"], removed["object"]) == ("removed", "docs", "ana@acme.test")
    assert (removed["by"], removed["why"]) == ("boss", "deleted from the directory")
    times = [removed["at"], *(removed["detail"][name] for name in ("left_at", "held_since", "approved_at"))]
    assert all(time.endswith("Z") for time in times)
    assert removed["detail"]["approved_why"] == "has left"
    assert (approved["kind"], approved["by"], approved["why"]) == ("approved", "boss", "has left")
    assert approved["detail"]["held_since"] == removed["detail"]["held_since"]
    assert (joined["kind"], joined["by"]) == ("joined", None)


async def test_people_get_a_table(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """With what an auditor asks for; nothing of it leaves its column."""
    assert "Nothing of that kind was done." in (await bridge("audit")).output
    await live(world, bridge_json)
    shown = (await bridge("audit", "--kind", "removed")).output
    words = " ".join(shown.replace("│", " ").split())
    assert all(part in words for part in ("removed", "ana@acme.test", "(docs)", "boss (approved)"))
    assert max(map(len, shown.splitlines())) <= 80


async def test_it_goes_on_where_it_ended(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """A page says how to see the next one."""
    await live(world, bridge_json)
    first = await bridge("audit", "--limit", "3", "--json")
    assert [row["kind"] for row in orjson.loads(first.stdout)] == ["removed", "approved", "joined"]
    ident = orjson.loads(first.stdout)[-1]["id"]
    assert f"go on with --after {ident}" in first.stderr
    [last] = await bridge_json("audit", "--limit", "3", "--after", ident)
    assert last["kind"] == "joined"


async def test_what_is_not_there_is_refused(world: World, bridge: Bridge) -> None:
    """With the names there are, exit code 2."""
    done = await bridge("audit", "--kind", "deleted")
    assert (done.exit_code, "approved" in done.stderr) == (2, True)
    assert (await bridge("audit", "--target", "wiki")).exit_code == 2
    assert (await bridge("audit", "--after", "x")).exit_code == 2
