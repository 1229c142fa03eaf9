"""`bridge pause`, `resume`, and what `bridge status` says of it."""

from tests.commands.conftest import Bridge, BridgeJson
from tests.workers.world import World


async def test_a_paused_target_is_shown_with_who_and_why(
    world: World, bridge: Bridge, bridge_json: BridgeJson
) -> None:
    """Whoever paused it first; what is due is counted on."""
    told = await bridge_json("pause", "docs", "--by", "boss", "--why", "moving house")
    assert told.pop("since").endswith("Z")
    assert told == {"target": "docs", "paused": True, "by": "boss", "why": "moving house"}
    assert (await bridge_json("pause", "docs", "--by", "other"))["by"] == "boss"
    assert "docs: paused since" in (await bridge("pause", "docs")).output
    shown = (await bridge_json("status"))["targets"]["docs"]
    assert (shown["state"], shown["resumes_at"]) == ("paused", None)
    assert shown["reason"] == "paused by boss: moving house"


async def test_a_target_that_is_resumed_goes_on(
    world: World, bridge: Bridge, bridge_json: BridgeJson
) -> None:
    """Both are in the history; one that is not paused is told to go on without harm."""
    await bridge_json("pause", "docs", "--by", "boss")
    assert await bridge_json("resume", "docs", "--by", "chief") == {"target": "docs", "paused": False}
    assert (await bridge_json("status"))["targets"]["docs"]["state"] == "ok"
    assert "docs: goes on" in (await bridge("resume", "docs")).output
    rows = [(row["outcome"], row["by"]) for row in await world.past.rows(9)]
    assert rows == [("resumed", "chief"), ("paused", "boss")]


async def test_a_target_that_is_not_there(world: World, bridge: Bridge) -> None:
    """Exit code 1 and the names there are."""
    for command in ("pause", "resume"):
        done = await bridge(command, "wiki")
        assert done.exit_code == 1
        assert "there is no target wiki: docs" in done.stderr
