"""The job that forgets whole directories which an operator gave up (`bridge directory forget`).

It deletes nothing while a target still counts on such a directory: first every target has to have marked
everyone of it (see `workers.converge`), which writes down at its end that it follows the directory no more.
A crash at any point only makes it begin that step again.
"""

import time
from collections.abc import Callable

from bridge.settings import Settings
from bridge.store.audit import Audit, Deed
from bridge.store.clearance import Clearance, clear_shelf, renew
from bridge.store.commit import LeaseLostError, Transaction
from bridge.store.departures import Departure, Departures, begin, read_departures
from bridge.store.lease import acquire
from bridge.store.marked import forget_marked
from bridge.store.mirror import directory_name
from bridge.store.roll import all_targets, enrol, former_sources, strike
from bridge.store.targets import TargetStore, target_id
from workers.context import Worker

SLICE_SECONDS = 5.0


async def arrive(worker: Worker) -> None:
    """Write down what a worker's configuration names, and call off what it contradicts.

    A source that is back in it speaks for its directory again. While its data is not being deleted yet, the
    directory goes on as if nothing had been. (A worker that was not started again since does not call it
    off: its configuration is older than the wish.)
    """
    await enrol(worker.store, worker.settings)
    departures = await read_departures(worker.store)
    for name in sorted(_spoken_for(worker.settings) & departures.by_name.keys() - departures.begun):
        transaction, departures = Transaction(worker.store), await read_departures(worker.store)
        departures.put(transaction, name, None)
        why = "a source of the configuration speaks for it again"
        deed = Deed(worker.clock(), worker.name, "kept", object=name, what=f"directory {name}", why=why)
        transaction.add(*Audit(worker.store).write(deed))
        if await transaction.run():
            worker.log.warning("directory.kept", directory=name, reason=why)


def _spoken_for(settings: Settings) -> set[str]:
    return {source.directory_name for source in settings.sources}


async def forget_directories(worker: Worker) -> None:
    """Go on with what is to be forgotten: begin where no target counts on it any more, or delete a slice."""
    departures = await read_departures(worker.store)
    for name, departure in departures.by_name.items():
        if departure.began:
            await _go_on(worker, name, departure)
        elif name not in _spoken_for(worker.settings):
            await _begin(worker, departures, name, departure)


async def _begin(worker: Worker, departures: Departures, name: str, departure: Departure) -> None:
    """Have the data deleted if that harms nobody; what was read for that is required not to have changed."""
    store, transaction = worker.store, Transaction(worker.store)
    here = set(map(target_id, worker.settings.targets))
    for target in await all_targets(store, worker.settings):
        planned = await store.call("GET", target.key("plan")) or ""
        if not await store.call("SISMEMBER", target.key("followed"), name):
            transaction.require(target.key("plan"), planned)
        elif target.id in here:
            await _ring(worker, target)
            return
        else:  # taken out of the config: should it come back, everyone known there is planned anew
            transaction.add("SREM", target.key("followed"), name)
            transaction.add("DEL", target.key("plan"))
    ends: dict[str, str] = {}
    for journal in sorted(await worker.journal.directories()):
        if directory_name(journal) == name:
            ends[journal] = await worker.journal.cursor(journal)
            if await worker.journal.read(journal, ends[journal], 1):
                return  # what is accepted is folded first: the sweep rings for it
            transaction.add(*renew(store, journal))
            for target in await all_targets(store, worker.settings):
                transaction.add_all(forget_marked(target, journal))
    departures.put(transaction, name, begin(departure, ends))
    if await transaction.run():
        worker.log.info("directory.departs", directory=name)


async def _ring(worker: Worker, target: TargetStore) -> None:
    transaction = Transaction(worker.store)
    transaction.add("RING", "converge", target.id, worker.clock())
    await transaction.run()


async def _go_on(worker: Worker, name: str, departure: Departure) -> None:
    """Delete a slice of the data; once nothing is left the directory is no more than a name."""
    ends = time.monotonic() + SLICE_SECONDS

    def over() -> bool:
        return worker.stopping.is_set() or time.monotonic() >= ends

    former = await former_sources(worker.store, worker.settings, name)
    known = {*former, *(s.name for s in worker.settings.sources if s.directory_name == name)}
    for source in sorted(known):
        if not await clear_shelf(worker.store, source, departure.at, over):
            return
    for journal, end in sorted((departure.ends or {}).items()):
        if not await _clear(worker, journal, end, over):
            return
    transaction, departures = Transaction(worker.store), await read_departures(worker.store)
    if departures.by_name.get(name) != departure:
        return
    departures.put(transaction, name, None)
    transaction.add(*strike(worker.store, name))
    for source in former:
        transaction.add("DEL", worker.store.key("front", source), worker.store.key("refused", source))
    if await transaction.run():
        worker.log.info("directory.departed", directory=name)
        await enrol(worker.store, worker.settings)  # a source that is back by now


async def _clear(worker: Worker, journal: str, end: str, over: Callable[[], bool]) -> bool:
    """Delete a slice of one journal's directory; False when there is more, or somebody else is there."""
    lease = await acquire(worker.store, f"fold:{journal}", worker.name)
    if lease is None:
        return False
    try:
        return await Clearance(worker.store, journal, lease, over).run(end)
    except LeaseLostError:
        worker.log.warning("departing.lease_lost", directory=journal)
        return False
    finally:
        await lease.close()
