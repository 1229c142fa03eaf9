"""`bridge calls`."""

from tests.commands.conftest import Bridge, BridgeJson
from tests.workers.world import World


async def test_calls(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """What was done and decided, the newest first, by the same filters."""
    assert "No such calls." in (await bridge("calls")).output
    await world.hire("ana")
    await world.settle()
    [row] = await bridge_json("calls")
    assert row["id"].startswith("docs/")
    assert (row["target"], row["object"], row["kind"], row["outcome"]) == (
        "docs",
        "ana@acme.test",
        "invite",
        "done",
    )
    assert row["at"].endswith("Z")
    assert row["status"] in (200, 201, 204)
    assert await bridge_json("calls", "--kind", "remove") == []
    assert "invite ana@acme.test" in " ".join((await bridge("calls", "--state", "done")).output.split())
    done = await bridge("calls", "--state", "pending")
    assert (done.exit_code, "there is none of that name" in done.stderr) == (2, True)
    await bridge("pause", "docs", "--by", "boss", "--why", "moving")
    paused, _ = await bridge_json("calls")
    assert (paused["outcome"], paused["object"], paused["by"]) == ("paused", "", "boss")
