"""What a wrong clock has left behind: it counts as due, and nothing waits for that day."""

import asyncio
from dataclasses import replace

import orjson
import pytest

from bridge.store.clock import Clock
from bridge.store.presence import tell_alive, workers_alive
from bridge.store.reads import ReadState, ReadStore
from bridge.store.targets import Intent, TargetState
from bridge.store.work import LONGEST_REST_MS
from bridge.tasks import end_task
from tests.workers.world import MINUTE, SECOND, World, on_another_day
from workers import main, retention
from workers.context import Worker
from workers.main import sweep_once

DAY = 86_400_000


async def ahead(world: World, what: str) -> list[int]:
    """How far ahead the rows of a list are."""
    rows = await world.store.call("ZRANGE", world.docs.key(what), 0, -1, "WITHSCORES")
    return [int(float(score)) - world.now for score in rows[1::2]]


async def test_work_that_was_put_off_until_another_day_is_due(world: World) -> None:
    """As a worker a day ahead has put it off under one 429; the next sweep finds it."""
    world.sandbox.inject(next=[{"match": "POST", "fault": "429"}], retry_after=60)
    await world.hire("ana")
    world.sleep(DAY)
    await world.turn()
    world.sleep(-DAY)
    assert [each // SECOND for each in await ahead(world, "work")] == [DAY // SECOND + 59]
    assert await sweep_once(world.worker) == 1
    assert await ahead(world, "work") == [0]
    world.worker = world.new_worker()
    await world.converge()
    assert world.members() == {"ana": "read"}
    assert (await world.state()).state == "ok"


@pytest.mark.parametrize("what", ["pending", "twins", "lost"])
async def test_what_is_looked_at_again_is_looked_at_now(world: World, what: str) -> None:
    """Whatever list it is on; what is as far ahead as it may be stays."""
    key = world.docs.key(what)
    await world.store.call("ZADD", key, world.now + MINUTE, "soon", world.now + 3 * DAY, "another day")
    await sweep_once(world.worker)
    assert await ahead(world, what) == [0, MINUTE]


async def test_a_target_that_rests_until_another_day_is_tried_now(world: World) -> None:
    """One that rests as long as it may goes on resting."""
    await sweep_once(world.worker)
    await world.hire("ana")
    await world.fold()
    state = TargetState("unavailable", "GitBook answered 503", (world.now + LONGEST_REST_MS) / 1000)
    for each, rung in ((state, 0), (replace(state, resumes_at=(world.now + DAY) / 1000), 1)):
        await world.store.call(*world.docs.put_state(each))
        await world.store.call("DEL", world.store.key("bell", "converge", world.id))
        assert await sweep_once(world.worker) == rung
    await world.settle()
    assert (world.members(), (await world.state()).state) == ({"ana": "read"}, "ok")


async def test_a_limit_that_ends_on_another_day_is_over(world: World) -> None:
    """It is shown no longer."""
    limit = TargetState("rate_limited", "the target's rate limit is used up", (world.now + DAY) / 1000)
    await world.store.call(*world.docs.put_state(limit))
    await world.converge()
    assert (await world.state()).state == "ok"


async def test_a_call_that_began_on_another_day_is_looked_at_soon(world: World) -> None:
    """It may still reach the target for as long as a call may take, counted from now."""
    await world.hire("ana")
    await world.settle()
    intent = orjson.dumps({"change": "remove", "fence": 1, "at": world.now + DAY, "worker": "another"})
    assert Intent(**orjson.loads(intent)).at > world.now
    await world.store.call("HSET", world.docs.key("inflight"), "m:ana@acme.test", intent)
    await world.converge()
    assert len(await world.docs.intents()) == 1
    world.sleep(3 * SECOND)
    await world.converge()
    assert await world.docs.intents() == {}
    await world.fire("ana")
    await world.settle()
    assert world.members() == {}


async def test_news_of_another_day_is_no_burst(world: World) -> None:
    """An invite does not wait for its end."""
    await world.hire("ana")
    await world.fold()
    await world.store.call("HSET", world.docs.key("news"), "last", world.now + DAY, "start", world.now)
    await world.converge()
    assert world.members() == {"ana": "read"}


async def test_reading_that_rests_until_another_day_goes_on(world: World) -> None:
    """The directory's API is asked again."""
    assert ReadState(resumes_at=(world.now + LONGEST_REST_MS) / 1000).asleep(world.now)
    assert not ReadState(resumes_at=(world.now + DAY) / 1000).asleep(world.now)
    assert ReadStore(world.store, "okta").list_key == world.store.key("reads", "okta")


async def test_a_worker_of_another_day_is_not_counted_as_living(world: World) -> None:
    """Once it is gone."""
    await tell_alive(world.store, "tomorrow's", world.now + DAY)
    assert await workers_alive(world.store, world.now) == 0
    await tell_alive(world.store, "today's", world.now)
    assert await world.store.call("ZRANGE", world.store.key("workers"), 0, -1) == ["today's"]


async def test_nothing_is_taken_away_while_clocks_are_days_apart(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is taken away by a wrong clock does not come back."""
    trimmed: list[str] = []

    async def note(_worker: Worker, directory: str) -> None:
        trimmed.append(directory)

    monkeypatch.setattr(retention, "_trim_journal", note)
    await world.hire("ana")
    right = Clock()
    for machine, expected in ((lambda: right() + 2 * DAY, []), (right, ["okta"])):
        await right.sync(world.store)
        clock = Clock(machine=machine)
        await clock.sync(world.store)
        await retention.trim(Worker(world.settings, world.store, clock))
        assert trimmed == expected


async def test_sweeps_come_once_a_second_whoever_sweeps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By no clock that can be set; one that takes long holds up no other."""
    swept: list[str] = []
    enough, never = asyncio.Event(), asyncio.Event()

    async def note(context: dict[str, Worker]) -> None:
        swept.append(context["worker"].name)
        if len(swept) == 4:
            enough.set()
        await never.wait()

    monkeypatch.setattr(main, "sweep", note)
    monkeypatch.setattr(main, "SWEEP_SECONDS", 0.05)
    workers = [world.new_worker() for _ in range(3)]
    tasks = [asyncio.create_task(main.keep_sweeping(each)) for each in workers]
    async with asyncio.timeout(15):
        await enough.wait()
    for task in tasks:
        await end_task(task)
    assert set(swept) <= {each.name for each in workers}


async def test_the_end_of_an_exception_may_be_far_ahead(world: World) -> None:
    """Nobody is looked at before, however often it is swept; at its time the sweep rings."""
    world.configure(guard={"max_removals": 0, "max_removal_percent": 0})
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    await world.reject("m:ana", until=world.now + 30 * DAY)
    await world.settle()
    calls = len(world.sandbox.calls)
    for _ in range(3):
        await sweep_once(world.worker)
        await world.turn()
    assert (await world.due(), len(world.sandbox.calls)) == ([], calls)
    world.sleep(30 * DAY)
    assert await sweep_once(world.worker) == 1
    await world.turn()
    assert set(await world.parked()) == {"m:ana"}


async def test_what_is_held_and_looked_at_now_and_then_is_rung_for(world: World) -> None:
    """A team that is not adopted: nothing else tells that its strangers have left."""
    world.sandbox.seed_member("guest@else.test")
    world.sandbox.seed_team("Board", ["guest@else.test"])
    await world.hire("ana")
    await world.group("g1", "Board", "ana")
    await world.settle(0)
    assert set(await world.parked()) == {"t:Board"}
    await sweep_once(world.worker)
    assert await sweep_once(world.worker) == 0
    world.sleep(61 * MINUTE)
    assert await sweep_once(world.worker) == 1


async def test_a_wave_that_was_to_gather_until_another_day_holds_no_leaver_up(world: World) -> None:
    """Whether they were a part of it or leave later."""
    world.configure(guard={"max_removals": 2, "max_removal_percent": 0})
    await world.hire("ana", "bo", "cy", "di")
    await world.settle()
    await world.fire("ana", "bo")
    with on_another_day(world, DAY):
        await world.turn()
    assert set(world.members()) == {"ana", "bo", "cy", "di"}, "they wait for others"
    await sweep_once(world.worker)
    await world.settle()
    assert set(world.members()) == {"cy", "di"}
