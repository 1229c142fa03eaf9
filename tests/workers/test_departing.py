"""What runs by itself of it; tests/operators/test_forget.py tells what comes of it."""

from bridge.operators.forget import find_forgettable, forget_directory
from bridge.store.audit import Deed
from bridge.store.departures import read_departures
from tests.workers.world import World
from workers import main
from workers.departing import arrive
from workers.main import sweep


async def test_the_sweep_goes_on_with_it(world: World) -> None:
    """It rings for targets that still count on the directory, and then deletes what is kept of it."""
    await world.hire("ana")
    await world.settle()
    world.sources = []
    world.configure()
    await main._prepare(world.worker)
    view = await find_forgettable(world.settings, world.store, "okta")
    await forget_directory(world.settings, world.store, view, {}, Deed(world.now, "boss", "forgot"))
    bell = world.store.key("bell", "converge", world.id)
    await world.store.call("DEL", bell, world.store.key("trimmed"))
    await sweep({"worker": world.worker})
    assert await world.store.call("EXISTS", bell)
    await world.settle()
    assert world.members() == {}
    for begun in (True, False):
        await sweep({"worker": world.worker})
        assert bool((await read_departures(world.store)).begun) is begun
    assert await world.journal.directories() == set()


async def test_a_start_writes_down_what_the_configuration_names(world: World) -> None:
    """So that it is known when it was taken out."""
    await arrive(world.worker)
    assert await world.store.call("SMEMBERS", world.store.key("targets")) == {world.id}
    assert await world.store.call("SMEMBERS", world.store.key("sources", "okta")) == {"okta"}
