"""A paused target: no call at all, and nothing lost."""

from bridge.operators.pauses import write_pause, write_resume
from bridge.store.targets import Pause
from tests.workers.test_main import until
from tests.workers.world import HOUR, World
from workers import main


async def pause(world: World) -> None:
    """Pause the target."""
    await write_pause(world.desk, Pause("boss", world.now))


async def rung(world: World) -> int:
    """How many jobs wait to be run."""
    count: int = await world.store.call("ZCARD", world.store.key("queue"))
    return count


async def test_a_paused_target_is_not_called_and_nothing_is_lost(world: World) -> None:
    """Events are folded, what is due stays due; once it goes on, all is done."""
    await pause(world)
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    for _ in range(3):
        await world.turn()
        world.sleep(HOUR)
    assert (world.sandbox.calls, await world.docs.intents()) == ([], {})
    accepted, folded = await world.journal.counters()
    assert accepted == folded == 3
    assert set(await world.due()) >= {"m:ana"}
    await write_resume(world.desk, "boss", "", world.now)
    await world.settle()
    assert world.teams() == {"Writers": {"ana"}}


async def test_the_sweep_leaves_it_alone_and_the_end_of_the_pause_rings(world: World) -> None:
    """Whatever is due, and although a worker greets every target."""
    await world.hire("ana")
    await world.fold()
    await pause(world)
    await world.store.call("DEL", world.store.key("queue"), world.store.key("bell", "converge", world.id))
    assert await main.sweep_once(world.worker) == 0
    assert await rung(world) == 0
    await write_resume(world.desk, "boss", "", world.now)
    assert await rung(world) == 1
    assert await main.sweep_once(world.worker) == 1


async def test_a_pause_survives_restarts_and_changed_rules(world: World) -> None:
    """The rules are looked at when it goes on."""
    await world.hire("ana")
    await world.settle()
    await pause(world)
    calls = len(world.sandbox.calls)
    world.configure(roles=[{"group": "Writers", "role": "edit"}])
    await world.group("g1", "Writers", "ana")
    for _ in range(3):
        await world.turn()
    assert len(world.sandbox.calls) == calls
    await write_resume(world.desk, "boss", "", world.now)
    await world.settle()
    assert world.members() == {"ana": "edit"}


async def test_a_paused_target_is_not_probed(world: World) -> None:
    """Not even one that was down; it is probed when it goes on."""
    world.sandbox.inject(rejected_token=True)
    await world.hire("ana")
    await world.turn()
    await pause(world)
    calls = len(world.sandbox.calls)
    world.sleep(HOUR)
    assert await main.sweep_once(world.worker) == 0
    await world.turn()
    assert len(world.sandbox.calls) == calls
    world.sandbox.heal()
    await write_resume(world.desk, "boss", "", world.now)
    await world.settle()
    assert (world.members(), (await world.state()).state) == ({"ana": "read"}, "ok")


async def test_a_pause_in_the_middle_of_the_work_stops_it_before_the_next_call(world: World) -> None:
    """What was about to be called stays due; no call counts as under way."""
    await world.hire("ana", "bo")
    await world.settle()
    await world.fire("ana", "bo")
    await world.fold()
    world.sleep(200)
    client = world.worker.client(world.settings.targets[0])
    remove = client.remove

    async def pause_first(member: str) -> object:
        await pause(world)
        return await remove(member)

    client.remove = pause_first  # type: ignore[assignment,method-assign]
    await world.converge()
    assert (world.removals(), await world.docs.intents()) == (0, {})
    assert {"m:ana", "m:bo"} <= set(await world.due())
    client.remove = remove  # type: ignore[method-assign]
    await write_resume(world.desk, "boss", "", world.now)
    await world.settle()
    assert (world.members(), world.removals()) == ({}, 2)


async def test_the_plan_is_shown_all_the_same(world: World) -> None:
    """Reading for `bridge plan` is a person's wish, and writes nothing."""
    await pause(world)
    await world.hire("ana")
    await world.turn()
    plan = await world.plan()
    assert [step.change.object for step in plan.steps] == ["ana@acme.test"]


async def test_the_running_worker_stops_and_goes_on(world: World) -> None:
    """Through the job's own loop: a job that is rung for while paused ends at once, lease and all."""
    await pause(world)
    await world.hire("ana")
    await world.turn()
    assert not await world.store.call("EXISTS", world.store.key("lease", f"converge:{world.id}"))
    await write_resume(world.desk, "boss", "", world.now)

    async def done() -> bool:
        await world.turn()
        return "ana" in world.members()

    await until(done)
