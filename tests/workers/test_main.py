"""The process: arq runs what our scripts ring for, the sweep finds what nobody rang for, SIGTERM ends it."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bridge.store.lease import acquire
from bridge.store.presence import workers_alive
from bridge.store.redis import open_store
from tests.workers.world import SECOND, World
from workers import main
from workers.context import Worker
from workers.converge import converge_target


async def until(check: Callable[[], Awaitable[object]], seconds: float = 15) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, "it never was so"
        await asyncio.sleep(0.02)


@pytest.fixture
async def process(world: World) -> AsyncIterator[Worker]:
    """A worker as `run_worker` runs it, by the real clock."""
    worker = Worker(world.settings, open_store(world.settings.redis))
    task = asyncio.create_task(main._work_until_it_ends(worker))
    yield worker
    worker.stopping.set()
    async with asyncio.timeout(10):
        await task
    await worker.close()


async def test_arq_runs_what_the_scripts_ring_for(world: World, process: Worker) -> None:
    """An event becomes a member and a team, by the bells alone; no job is left."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")

    async def done() -> bool:
        return world.teams() == {"Writers": {"ana"}}

    await until(done)
    await world.fire("ana")

    async def gone() -> bool:
        return world.members() == {}

    await until(gone)

    async def idle() -> bool:
        left: int = await world.store.call("ZCARD", world.store.key("queue"))
        return left <= 1  # the sweep's next

    await until(idle)


async def test_a_lost_bell_costs_a_sweep(world: World, process: Worker) -> None:
    """Nothing is rung for, and it is done within seconds."""
    await world.hire("ana")
    await world.store.call("DEL", world.store.key("queue"))

    async def done() -> bool:
        return "ana" in world.members()

    await until(done)


async def test_the_sweep_rings_for_what_waits_and_nobody_works_on(world: World) -> None:
    """Unread journal and due objects without a live lease; whether or not a bell is thought to ring."""
    await main.sweep_once(world.worker)
    await world.hire("ana")
    assert await main.sweep_once(world.worker) == 1
    await world.fold()
    assert await main.sweep_once(world.worker) == 1
    lease = await acquire(world.store, f"converge:{world.id}", "somebody")
    assert lease
    assert await main.sweep_once(world.worker) == 0
    await lease.close()
    world.sleep(200)
    await world.settle()
    assert await main.sweep_once(world.worker) == 0


async def test_the_sweep_lets_a_sleeping_target_sleep(world: World) -> None:
    """Until it is time for a probe."""
    await main.sweep_once(world.worker)
    world.sandbox.inject(rejected_token=True)
    await world.hire("ana")
    await world.turn()
    assert (await world.state()).state == "credentials_rejected"
    assert await main.sweep_once(world.worker) == 0
    world.sleep(16 * SECOND)
    assert await main.sweep_once(world.worker) == 1


async def test_the_sweep_looks_for_pending_invites_and_at_a_new_configuration(world: World) -> None:
    """A worker that has just started rings for each target once."""
    world.configure(sso=False)
    world.sandbox.inject(pending_invites=["*"])
    await world.hire("ana")
    await world.settle()
    await main.sweep_once(world.worker)
    assert await main.sweep_once(world.worker) == 0
    world.sleep(31 * SECOND)
    assert await main.sweep_once(world.worker) == 1
    await world.settle()
    assert await main.sweep_once(world.worker) == 0
    assert await main.sweep_once(world.new_worker()) == 1


async def test_a_job_that_fails_ends_neither_worker_nor_work(
    world: World, process: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect is logged; what it did not finish is still due, and the sweep rings again."""
    left = [2]

    async def broken(worker: Worker, target: str) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise RuntimeError("a defect")
        await converge_target(worker, target)

    monkeypatch.setattr("workers.main.converge_target", broken)
    await world.hire("ana")

    async def done() -> bool:
        return "ana" in world.members()

    await until(done)


async def test_workers_are_counted_while_they_live(world: World) -> None:
    """For `bridge status`."""
    task = asyncio.create_task(main.keep_alive(world.worker))

    async def alive() -> int:
        return await workers_alive(world.store, world.now)

    await until(alive)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert await alive() == 1
    world.sleep(11 * SECOND)
    assert await alive() == 0


async def test_a_worker_process_works_and_ends_on_sigterm(world: World, tmp_path: Path) -> None:
    """`bridge worker`, started as people do; exit code 0 within seconds, and nobody counts it any more."""
    config = tmp_path / "bridge.toml"
    config.write_text(
        f'[redis]\ndata_dir = "{world.redis.data_dir}"\nprefix = "{world.redis.prefix}"\n'
        '[[sources]]\nname = "okta"\nkind = "okta-workflows"\nsecrets = ["x"]\n'
        f'[[targets]]\nname = "docs"\napi_url = "{world.sandbox.url}"\norganization = "acme"\n'
        f'token = "{world.sandbox.token}"\nmode = "apply"\n'
    )
    quiet = asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge", "worker", "-c", str(config), stdout=quiet, stderr=quiet
    )
    try:
        await world.hire("ana")

        async def done() -> bool:
            return "ana" in world.members()

        await until(done)
        child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(8):
            assert await child.wait() == 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert await workers_alive(world.store, time.time_ns() // 1_000_000) == 0
