"""The worker process: arq runs the two jobs and the sweep; it ends only when it is told to."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import structlog
from arq.connections import ArqRedis
from arq.worker import Worker as ArqWorker
from arq.worker import func

from bridge.logs import configure_logs
from bridge.settings import Settings, SettingsError, TargetSettings, read_settings
from bridge.store.clock import Clock, keep_time, process_name
from bridge.store.durability import UnsafeRedisError, require_safe
from bridge.store.epoch import EpochFile, begin, end_when_heard, live, read_stale
from bridge.store.faults import describe_error, is_outage
from bridge.store.marked import questions, read_cursors, read_marked
from bridge.store.presence import tell_alive, tell_gone
from bridge.store.redis import STORE_ERRORS, close_pool, open_pool, open_store
from bridge.store.rights import hindrance
from bridge.store.schema import SchemaError, prepare_schema
from bridge.store.targets import LISTS, TargetStore, target_id
from bridge.store.work import recall
from bridge.supervised import end_with_parent
from bridge.tasks import end_task
from workers.alerts import ring_for_alerts, tell
from workers.context import Worker
from workers.converge import converge_target
from workers.departing import arrive, forget_directories
from workers.fold import fold_directory
from workers.readback import SETTLE_MS, read_directory, ring_for_reads
from workers.retention import trim_when_due

JOBS_AT_ONCE = 50
JOB_SECONDS = 60  # of a job, beside the calls that it may still make once its slice has ended
CALLS_PER_JOB = 45  # so many, tries included: each may take as long as the target's time-out
DRAIN_SECONDS = 10
SWEEP_SECONDS = 1.0
SWEEPS_AT_ONCE = 10
REMEMBER_EVERY = 5  # beats
NICENESS = 5  # senders wait for a receiver on the same machine, nobody waits for a batch
_LOOK_AGAIN = 1.0  # seconds, for a Redis that does not answer
_LOOK_AGAIN_SLOWLY = 5.0  # for one that does not let us work
_SOON = 0.05  # seconds, for a clock that is not set yet
log = structlog.get_logger()


async def fold(context: dict[str, Any], directory: str) -> None:
    """Fold a directory (arq job; rung for by lua/accept.lua and the sweep)."""
    await _run_job("fold", fold_directory(context["worker"], directory))


async def converge(context: dict[str, Any], target: str) -> None:
    """Converge a target (arq job; rung for by the fold and the sweep)."""
    await _run_job("converge", converge_target(context["worker"], target))


async def readback(context: dict[str, Any], directory: str) -> None:
    """Read what a directory's events left open (arq job; rung for by the fold and the sweep).

    The fold rings at once for what is due a moment later.
    """
    await asyncio.sleep(SETTLE_MS / 1000)
    await _run_job("readback", read_directory(context["worker"], directory))


async def alert(context: dict[str, Any], name: str) -> None:
    """Tell a receiver of alerts what needs a person (arq job; rung for by the sweep)."""
    await _run_job("alert", tell(context["worker"], name))


async def sweep(context: dict[str, Any]) -> None:
    """Ring for whatever waits without anyone working on it: a lost bell costs no more than a second.

    Now and then it takes away what has been kept long enough, too.
    """
    await _run_job("sweep", sweep_once(context["worker"]))
    await _run_job("readback", ring_for_reads(context["worker"]))
    await _run_job("alerts", ring_for_alerts(context["worker"]))
    await _run_job("trim", trim_when_due(context["worker"]))
    await _run_job("forget", forget_directories(context["worker"]))


async def keep_sweeping(worker: Worker) -> None:
    """Sweep once a second, whichever worker comes first, until cancelled.

    It is no cron job of arq's: these go by the machine's own clock, and where it is set back by a day they
    rest for that day. One sweep that takes long, since much is to be taken away, holds up no other.
    """
    sweeps: set[asyncio.Task[None]] = set()
    try:
        while True:
            if len(sweeps) < SWEEPS_AT_ONCE:
                task = asyncio.create_task(_sweep_in_turn(worker))
                sweeps.add(task)
                task.add_done_callback(sweeps.discard)
            await asyncio.sleep(SWEEP_SECONDS)
    finally:
        for each in list(sweeps):
            await end_task(each)


async def _sweep_in_turn(worker: Worker) -> None:
    """Sweep unless a worker did within the last second."""
    turn = ("SET", worker.store.key("sweeping"), worker.name, "NX", "PX", int(SWEEP_SECONDS * 950))
    with contextlib.suppress(*STORE_ERRORS):
        if await worker.store.call(*turn):
            await sweep({"worker": worker})


async def _run_job(name: str, job: Any) -> None:
    """A job that fails loses nothing: what it did not finish is still due, and the sweep rings again."""
    try:
        await job
    except Exception as error:
        if is_outage(error):
            log.warning("job.store_unavailable", job=name, error=describe_error(error))
        else:
            log.exception("job.failed", job=name, error=describe_error(error))


async def sweep_once(worker: Worker) -> int:
    """Ring for what waits; how many jobs were rung for."""
    now, cursors = worker.clock(), await read_cursors(worker.store)
    ready = [
        target_id(target)
        for target in worker.settings.targets
        if await _has_work(worker, target, now, cursors)
    ]
    return int(await worker.store.run("sweep", worker.store.prefix, now, *ready))


async def _has_work(worker: Worker, target: TargetSettings, now: int, cursors: Mapping[str, str]) -> bool:
    """Tell whether there is something to be done at a target. `cursors`: see `read_cursors`."""
    store = TargetStore(worker.store, target_id(target))
    if await store.paused():
        return False
    state = await store.state()
    down = state.state in ("unavailable", "credentials_rejected")
    if down:
        return not state.asleep(now)
    first = store.id not in worker.greeted  # its configuration may have changed since the last process
    worker.greeted.add(store.id)
    waits = ["work", "pending", "looks", *(["twins", "lost"] if target.mode == "apply" else [])]
    lists = [store.key(what) for what in waits if what in LISTS]
    if astray := await recall(worker.store, lists, now):
        worker.log.warning("work.recalled", target=target.name, count=astray)
    counting = [("ZCOUNT", store.key(what), "-inf", now) for what in waits]
    before, *answers = await worker.store.calls(
        [("SMEMBERS", store.key("followed")), *questions(store), *counting]
    )
    names = worker.settings.directories_of(target.name) | set(before)
    behind = read_marked(answers[:2]).behind(cursors, names)
    return first or bool(behind) or any(answers[2:])


async def keep_alive(worker: Worker) -> None:
    """Tell that this worker lives, so that `bridge status` can count it, and what it has counted itself."""
    for number in count(1):
        with contextlib.suppress(*STORE_ERRORS):
            await tell_alive(worker.store, worker.name, worker.clock())
            await worker.tell_tallies()
            await _live(worker, number % REMEMBER_EVERY == 0)
        knows_time = not isinstance(worker.clock, Clock) or worker.clock.is_set
        await asyncio.sleep(2 if knows_time else _SOON)


async def _live(worker: Worker, remember: bool) -> None:
    """Live in the data that are known; now and then remember it outside of Redis, too."""
    if worker.known is None:
        return
    worker.known = await live(worker.store, worker.known)
    if remember:
        if worker.file:
            worker.file.write(worker.known)
        if await end_when_heard(worker.store, worker.settings):
            log.info("data.heard")


def make_arq(worker: Worker, pool: ArqRedis) -> ArqWorker:
    """Return the arq worker. Limits are so large that arq itself never drops or starves a job."""
    context = {"worker": worker}
    jobs: tuple[Any, ...] = (fold, converge, readback, alert)
    old_sweep: Any = sweep  # rung for by workers of an older version
    options: dict[str, Any] = {"keep_result": 0, "max_tries": 1_000_000}
    longest = max((target.timeout for target in worker.settings.targets), default=0.0)
    seconds = JOB_SECONDS + CALLS_PER_JOB * longest
    return ArqWorker(
        functions=[
            *(func(each, name=each.__name__, **options) for each in jobs),
            func(old_sweep, name=worker.store.key("sweep"), **options),
        ],
        redis_pool=pool, queue_name=worker.store.key("queue"), ctx=context, handle_signals=False,
        job_serializer=orjson.dumps, job_deserializer=orjson.loads, keep_result=0, max_tries=1_000_000,
        max_jobs=JOBS_AT_ONCE, queue_read_limit=10_000, poll_delay=0.02, job_timeout=seconds,
        health_check_interval=3600, health_check_key=worker.store.key("arq-health", worker.name),
    )  # fmt: skip


async def run_worker(settings: Settings, file: EpochFile | None = None) -> None:
    """Work until SIGTERM or SIGINT; start arq again whenever it ends for another reason.

    arq ends when Redis goes away under load (facts/redis-arq.md), and nothing of ours is lost by it.
    `file`: where it is kept which data were there last. Raises SchemaError and UnsafeRedisError.
    """
    clock = Clock()
    worker = Worker(settings, open_store(settings.redis), clock, lambda: clock() / 1000, file=file)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stopping.set)
    loop.add_signal_handler(signal.SIGHUP, settings.reload_secrets)
    end_with_parent()
    timing = asyncio.create_task(keep_time(worker.store, clock, process_name("worker")))
    alive = asyncio.create_task(keep_alive(worker))
    log.info("worker.started", worker=worker.name)
    try:
        await _prepare(worker)
        while not worker.stopping.is_set():
            await _work_until_it_ends(worker)
    finally:
        await end_task(timing)
        await _leave(worker, alive)


async def _prepare(worker: Worker) -> None:
    """Wait until Redis answers, and see that it is safe and its data ours. Raises what `run_worker` does."""
    while not worker.stopping.is_set():
        try:
            await require_safe(worker.store)
            if refused := await hindrance(worker.store):
                log.error("worker.cannot_work", reason=refused)
                await _rest(worker, _LOOK_AGAIN_SLOWLY)
                continue
            if isinstance(worker.clock, Clock):
                await worker.clock.sync(worker.store)
            await prepare_schema(worker.store)
            await arrive(worker)
            await _take_up(worker)
            return
        except STORE_ERRORS as error:
            log.warning("worker.waits_for_redis", error=describe_error(error))
            await _rest(worker, _LOOK_AGAIN)


async def _rest(worker: Worker, seconds: float) -> None:
    """Wait, but not for longer than until the worker is to stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(worker.stopping.wait(), seconds)


async def _take_up(worker: Worker) -> None:
    """Look whether the data are those that were there last, and remember them."""
    worker.known = await begin(worker.store, worker.file.read() if worker.file else None)
    if worker.file:
        worker.file.write(worker.known)
    if stale := read_stale(await worker.store.call("GET", worker.store.key("stale"))):
        log.error("data.stale", kind=stale.kind, reason=stale.reason)


async def _leave(worker: Worker, alive: asyncio.Task[None]) -> None:
    await end_task(alive)
    await worker.tell_tallies()
    if worker.file and worker.known:
        worker.file.write(worker.known)
    with contextlib.suppress(*STORE_ERRORS):
        await tell_gone(worker.store, worker.name)
    await worker.close()
    log.info("worker.stopped", worker=worker.name)


class _Pool(ArqRedis):
    """arq 0.28 closes its connections by a name that redis 5 has given up."""

    async def close(self, close_connection_pool: bool | None = None) -> None:
        """Close them."""
        await self.aclose(close_connection_pool)


async def _work_until_it_ends(worker: Worker) -> None:
    pool = open_pool(worker.settings.redis)
    arq = make_arq(worker, _Pool(pool, orjson.dumps, orjson.loads, worker.store.key("queue")))
    sweeping = asyncio.create_task(keep_sweeping(worker))
    main = asyncio.create_task(arq.async_run())
    stop = asyncio.create_task(worker.stopping.wait())
    await asyncio.wait({main, stop}, return_when=asyncio.FIRST_COMPLETED)
    if worker.stopping.is_set():
        await _drain(arq)
    elif main.done() and (error := main.exception()):
        log.warning("worker.restarts", error=describe_error(error))
        await asyncio.sleep(0.2)
    await end_task(sweeping)
    await end_task(stop)
    await end_task(main)
    with contextlib.suppress(*STORE_ERRORS, asyncio.CancelledError):
        await arq.close()
    with contextlib.suppress(*STORE_ERRORS):
        await close_pool(pool)


async def _drain(arq: ArqWorker) -> None:
    """Take no more jobs and let those that run come to their next step, which ends them."""
    arq.allow_pick_jobs = False
    running = [task for task in arq.tasks.values() if not task.done()]
    if running:
        await asyncio.wait(running, timeout=DRAIN_SECONDS)


def give_way() -> None:
    """Let the receivers on the same machine have its processors first."""
    os.nice(NICENESS)


def main() -> None:
    """`python -m workers.main CONFIG`, as `bridge worker` starts it."""
    try:
        settings = read_settings(Path(sys.argv[1]))
    except SettingsError as error:
        sys.exit(str(error))
    configure_logs(settings.logs)
    logging.getLogger("arq").setLevel(logging.WARNING)
    give_way()
    try:
        asyncio.run(run_worker(settings, EpochFile(Path(sys.argv[1]), settings)))
    except (SchemaError, UnsafeRedisError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
