"""What is not kept for ever is taken away, a slice at a time, by one worker a minute."""

from functools import partial

from bridge.settings import TargetSettings
from bridge.store.audit import Audit
from bridge.store.retention import (
    ended_decisions,
    forget,
    held_objects,
    stale_causes,
    trim_counts,
    trim_journal,
    trim_records,
)
from bridge.store.targets import TargetStore, target_id
from workers.context import Worker
from workers.forgetting import forget_old

EVERY_MS = 60_000
MOST_SLICES = 500  # of one journal at a time
MOST_WALKED = 20  # slices of one hash at a time


async def trim_when_due(worker: Worker) -> bool:
    """Take away what is over, unless a worker did within the last minute."""
    turn = await worker.store.call("SET", worker.store.key("trimmed"), worker.name, "NX", "PX", EVERY_MS)
    if turn:
        await trim(worker)
    return bool(turn)


async def trim(worker: Worker) -> None:
    """Take away what is over; what is left is for the next time.

    Nothing goes while this machine's clock and Redis' are days apart: one of them is wrong, perhaps the one
    by which all would be old, and what is taken away does not come back.
    """
    if worker.clocks_are_days_apart:
        worker.log.warning("retention.clocks_differ")
        return
    for directory in sorted(await worker.journal.directories()):
        await _trim_journal(worker, directory)
        await forget_old(worker, directory)
    await Audit(worker.store).trim(worker.clock() - int(worker.settings.retention.evidence * 1000))
    for target in worker.settings.targets:
        await _trim_target(worker, target, TargetStore(worker.store, target_id(target)))


async def _trim_journal(worker: Worker, directory: str) -> None:
    kept = worker.settings.retention
    before = worker.clock() - int(kept.journal * 1000)
    gone = 0
    for _ in range(MOST_SLICES):
        last = await trim_journal(worker.store, directory, before, kept.journal_size)
        gone += last
        if not last or worker.stopping.is_set():
            break
    if gone:
        worker.log.info("journal.trimmed", directory=directory, events=gone)


async def _trim_target(worker: Worker, settings: TargetSettings, target: TargetStore) -> None:
    now = worker.clock()
    await trim_records(target, worker.settings.retention, now)
    await trim_counts(target, now - int(settings.guard.window * 1000))
    held = await held_objects(target)
    walks = {"cause": partial(stale_causes, target, held), "decision": partial(ended_decisions, now)}
    for what, stale in walks.items():
        place = target.key(what)
        for _ in range(MOST_WALKED):
            worker.walked[place] = await forget(target, what, worker.walked.get(place, 0), stale)
            if not worker.walked[place]:
                break
