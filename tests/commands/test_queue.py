"""`bridge queue`."""

from tests.commands.conftest import Bridge, BridgeJson
from tests.workers.world import World


async def bury(world: World) -> None:
    """Hire somebody whose address GitBook refuses."""
    world.sandbox.inject(bad_addresses=["ana@acme.test"])
    await world.hire("ana")
    await world.settle()


async def test_rows_as_json(world: World, bridge: Bridge, bridge_json: BridgeJson) -> None:
    """A plain list; times as in all other commands."""
    assert await bridge_json("queue") == []
    await bury(world)
    [row] = await bridge_json("queue")
    assert row.pop("since").endswith("Z")
    assert row.pop("event").startswith("okta/")
    assert row == {
        "id": "m:ana@acme.test", "target": "docs", "kind": "member", "object": "ana@acme.test",
        "state": "dead", "next_at": None, "attempts": 1,
        "reason": "emails: one of the addresses cannot be invited",
        "change": "invite ana@acme.test as read (SSO)", "source": "okta",
    }  # fmt: skip
    await bridge("retry", "--all")
    assert [row["state"] for row in await bridge_json("queue")] == ["due"]
    assert await bridge_json("queue", "--state", "dead") == []


async def test_rows_and_sums_for_people(world: World, bridge: Bridge) -> None:
    """The sums are of all that there is, whatever was asked for."""
    done = await bridge("queue")
    assert done.output.strip() == "docs: 0 running, 0 due, 0 waiting, 0 parked, 0 dead in all"
    await bury(world)
    done = await bridge("queue", "--target", "docs", "--kind", "member")
    assert "m:ana@acme.test" in done.output
    assert "cannot be invited" in " ".join(done.output.replace("│", " ").split())
    assert "1 dead in all" in (await bridge("queue", "--text", "nobody")).output


async def test_what_does_not_exist_is_refused(bridge: Bridge) -> None:
    """With the names there are."""
    done = await bridge("queue", "--target", "wiki")
    assert (done.exit_code, done.stderr.strip()) == (
        2, "--target wiki: there is none of that name: write docs",
    )  # fmt: skip
    done = await bridge("queue", "--kind", "user")
    assert (done.exit_code, "write group, member, team" in done.stderr) == (2, True)
