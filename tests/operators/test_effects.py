"""What became of one event at each target."""

from bridge.operators.effects import Effect, read_effects
from bridge.operators.events import LoggedEvent
from tests.operators.logbook import events, refuse
from tests.workers.world import World


async def effects(world: World, event: LoggedEvent) -> list[Effect]:
    """At each target that follows."""
    return await read_effects(world.settings, {"docs": world.desk}, event, world.now)


async def test_the_calls_behind_which_an_event_stands_are_found(world: World) -> None:
    """And before, that it is due."""
    await world.hire("ana")
    await world.fold()
    [event] = await events(world)
    [effect] = await effects(world, event)
    assert (effect.target, list(effect.calls)) == ("docs", [])
    assert effect.standing["m:ana@acme.test"].states(world.now) == ["due"]
    await world.settle()
    [effect] = await effects(world, event)
    [(ident, row)] = effect.calls
    assert (row["kind"], row["outcome"], row["event"]) == ("invite", "done", event.id)
    assert ident.startswith("docs/")
    assert effect.standing["m:ana@acme.test"].states(world.now) == []


async def test_where_newer_news_decided_its_calls_are_shown(world: World) -> None:
    """Of several events about one person the last one stands behind the call."""
    await world.hire("bo")
    await world.settle()
    await world.hire("ana")
    await world.tell("user.updated", ("ana", None, True))
    await world.settle()
    [first] = await events(world, text="ana", kinds=frozenset({"user.created"}))
    [effect] = await effects(world, first)
    assert list(effect.calls) == []
    assert [row["change"] for _, row in effect.later] == ["invite ana@acme.test as read (SSO)"]
    [last] = await events(world, kinds=frozenset({"user.updated"}))
    [effect] = await effects(world, last)
    assert (len(effect.calls), list(effect.later)) == (1, [])
    await world.tell("user.updated", ("ana", None, True))
    await world.settle()
    [effect] = await effects(world, (await events(world))[0])
    assert (list(effect.calls), list(effect.later)) == ([], [])


async def test_what_is_held_because_of_it_is_named(world: World) -> None:
    """With the guard's reason, also of one who has another address now."""
    world.configure(guard={"max_removals": 0, "max_removal_percent": 0})
    await world.hire("ana")
    await world.settle()
    await world.tell("user.updated", ("ana", "a.ng@acme.test", None))
    await world.settle()
    await world.fire("ana")
    await world.settle()
    [event] = await events(world, kinds=frozenset({"user.deleted"}))
    [effect] = await effects(world, event)
    assert set(effect.standing) == {"m:ana@acme.test", "m:a.ng@acme.test"}
    assert effect.standing["m:a.ng@acme.test"].states(world.now) == ["parked"]
    assert effect.causes["m:a.ng@acme.test"].event == event.id


async def test_a_group_s_event_leads_to_its_teams(world: World) -> None:
    """The group itself, and the titles it was mapped to."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    [event] = await events(world, kinds=frozenset({"group.created"}))
    [effect] = await effects(world, event)
    assert {name.replace("\x1f", "/") for name in effect.standing} == {"g:okta/g1", "t:Writers"}


async def test_what_no_target_follows_had_no_effect(world: World) -> None:
    """Nor had what was refused."""
    await world.tell("user.created", ("bo", "bo@acme.test", True), directory="old")
    await refuse(world, "user.id is missing")
    assert [await effects(world, event) for event in await events(world)] == [[], []]
