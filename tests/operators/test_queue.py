"""What the workers have before them."""

from bridge.operators.filters import Filter
from bridge.operators.queue import Queued, read_queue
from bridge.store.targets import Intent
from tests.workers.world import MINUTE, World

STRICT = {"max_removals": 0, "max_removal_percent": 0}


async def rows(world: World, **wanted: object) -> list[Queued]:
    """The queue of the world's target."""
    found = await read_queue({"docs": world.desk}, Filter(**wanted), world.now)  # type: ignore[arg-type]
    return found.rows


async def states(world: World, **wanted: object) -> list[tuple[str, str, str]]:
    """State, kind and object of each row."""
    return [(row.state, row.kind, row.object) for row in await rows(world, **wanted)]


async def test_what_is_due_has_its_event_and_groups_their_names(world: World) -> None:
    """People by address, groups by name; the event that last spoke of somebody can be looked up."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    assert await rows(world) == []
    await world.fold()
    group, person = await rows(world)
    assert [(each.state, each.kind, each.object) for each in (group, person)] == [
        ("due", "group", "Writers"), ("due", "member", "ana@acme.test"),
    ]  # fmt: skip
    last = (await world.store.call("XREVRANGE", world.journal.key("okta"), "+", "-"))[0][0]
    assert (person.id, person.event) == ("m:ana@acme.test", f"okta/{last}")
    assert (group.id, 0 < group.since <= world.now) == ("g:okta/g1", True)


async def test_a_group_that_nobody_named_goes_by_its_id(world: World) -> None:
    """The directory's own."""
    await world.add("g1", "ana")
    await world.fold()
    assert await states(world, kinds=frozenset({"group"})) == [("due", "group", "g1")]


async def test_what_backs_off_tells_when_it_is_next_and_why(world: World) -> None:
    """And how often it was tried; when its time has come it is due."""
    world.sandbox.inject(next=[{"match": "PUT .*/members$|POST .*/invites", "fault": "500", "times": 99}])
    await world.hire("ana")
    await world.turn()
    [row] = await rows(world)
    assert (row.state, row.object, row.attempts) == ("waiting", "ana@acme.test", 1)
    assert row.next_at > world.now >= row.since > 0
    assert row.reason
    world.sleep(row.next_at - world.now)
    [row] = await rows(world)
    assert (row.state, row.attempts, row.next_at) == ("due", 1, 0)


async def test_what_is_under_way_is_not_due_as_well(world: World) -> None:
    """It shows its change and since when."""
    await world.hire("ana", "bo")
    await world.fold()
    intent = Intent("invite ana@acme.test as read", 1, world.now, "w")
    await world.store.calls(world.docs.intend(["m:ana@acme.test"], intent))
    running, due = await rows(world, limit=1)
    assert (running.state, running.object, running.change) == ("running", "ana@acme.test", intent.change)
    assert (running.since, due.state, due.object) == (world.now, "due", "bo@acme.test")


async def test_what_is_held_and_given_up_has_the_id_its_commands_take(world: World) -> None:
    """With change, reason and since when."""
    world.configure(guard=STRICT)
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    world.sandbox.inject(bad_addresses=["bo@acme.test"])
    await world.hire("bo")
    await world.settle()
    parked, dead = await rows(world)
    held = await world.held("m:ana")
    assert (parked.state, parked.id, parked.change) == ("parked", held.id, "remove member ana@acme.test")
    assert parked.reason == held.reason
    assert (dead.state, dead.id, dead.attempts) == ("dead", "m:bo@acme.test", 1)
    assert dead.since > 0


async def test_each_state_has_its_limit_and_the_counts_are_of_all(world: World) -> None:
    """The longest due come first."""
    await world.hire("ana", "bo")
    await world.fold()
    world.sleep(MINUTE)
    await world.hire("cy")
    await world.fold()
    found = await read_queue({"docs": world.desk}, Filter(limit=2), world.now)
    assert [row.object for row in found.rows] == ["ana@acme.test", "bo@acme.test"]
    assert found.counts["docs"].due == 3
    world.configure(guard=STRICT)
    await world.settle()
    await world.fire("ana", "bo", "cy")
    await world.settle()
    assert [row.state for row in await rows(world, limit=2)] == ["parked"] * 2


async def test_filters(world: World) -> None:
    """By kind, state, text, time and target; text is found behind the limit, too."""
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers")
    await world.fold()
    first = world.now
    world.sleep(MINUTE)
    await world.hire("di")
    await world.fold()
    assert await states(world, kinds=frozenset({"group"})) == [("due", "group", "Writers")]
    assert await states(world, text="CY@", limit=1) == [("due", "member", "cy@acme.test")]
    assert await states(world, text="writ", limit=1) == [("due", "group", "Writers")]
    assert await states(world, states=frozenset({"dead", "waiting"})) == []
    assert await states(world, since=first + 1) == [("due", "member", "di@acme.test")]
    assert len(await rows(world, until=first + 1)) == 4
    assert await rows(world, targets=frozenset({"wiki"})) == []


async def test_by_source_is_by_whose_news_it_is(world: World) -> None:
    """The last that spoke of somebody; who told what is not kept any more is nobody."""
    world.sources = [*world.sources, {"name": "polis", "kind": "okta-workflows", "secrets": ["polis-secret"]}]
    world.configure()
    await world.hire("ana", "cy")
    await world.tell("user.created", ("b1", "bo@acme.test", True), directory="polis")
    await world.fold()
    assert {row.object: row.source for row in await rows(world)} == {
        "ana@acme.test": "okta", "bo@acme.test": "polis", "cy@acme.test": "okta",
    }  # fmt: skip
    assert await states(world, sources=frozenset({"polis"}), limit=1) == [("due", "member", "bo@acme.test")]
    await world.tell("user.created", ("c1", "cy@acme.test", True), directory="polis")
    await world.fold()
    told = await rows(world, sources=frozenset({"polis"}))
    assert {row.object for row in told} == {"bo@acme.test", "cy@acme.test"}
    await world.store.call("XTRIM", world.journal.key("okta"), "MAXLEN", 0)
    assert await states(world, sources=frozenset({"okta"})) == []
    assert "ana@acme.test" in {row.object for row in await rows(world) if not row.source}
