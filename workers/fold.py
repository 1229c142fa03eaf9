"""The job that folds a directory's journal into its mirror and marks what the news is about."""

import time
from collections.abc import Collection, Iterable, Iterator

from bridge.directory.events import DirectoryEvent
from bridge.directory.fold import Mirror, Touched, fold
from bridge.store.commit import MOST_WORDS, LeaseLostError
from bridge.store.lease import Lease, acquire
from bridge.store.mirror import Command, directory_name, make_ref
from bridge.store.targets import GROUP, MEMBER
from bridge.store.tombstones import Tombstones
from workers.context import Worker
from workers.late import divide, note_late
from workers.readback import read_marks

BATCH = 200  # events; more would make one script keep the receivers waiting
SLICE_SECONDS = 20.0
_AT_ONCE = 1000  # objects in one command
QUIET_MS = 100  # news closer together than this is one burst (see converge)


async def fold_directory(worker: Worker, directory: str) -> int:
    """Fold what is unread of one directory, unless another worker does; how many events it was."""
    await worker.store.call("DEL", worker.store.key("bell", "fold", directory))
    lease = await acquire(worker.store, f"fold:{directory}", worker.name)
    if lease is None:
        return 0
    count, ends = 0, time.monotonic() + SLICE_SECONDS
    try:
        horizon = await Tombstones(worker.store, directory).horizon()
        unmarked = set(await worker.store.call("SMEMBERS", _unmarked_key(worker, directory)))
        while time.monotonic() < ends and not worker.stopping.is_set():
            folded = await _fold_batch(worker, lease, directory, horizon, unmarked)
            unmarked.clear()
            count += folded
            if not folded and await _release(worker, lease, directory):
                return count
    except LeaseLostError:
        worker.log.warning("fold.lease_lost", directory=directory)
    finally:
        await lease.close()
    return count


async def _release(worker: Worker, lease: Lease, directory: str) -> bool:
    journal = worker.journal
    return await lease.release("release_fold", journal.key(directory), journal.cursor_key(directory))


async def _fold_batch(
    worker: Worker, lease: Lease, directory: str, horizon: int, unmarked: Collection[str]
) -> int:
    """Fold one batch; nothing of it counts until the cursor has moved, so a crash only repeats it.

    `horizon`: of the tombstones; `unmarked`: objects that a batch which was not finished may not have marked.
    """
    journal = worker.journal
    cursor = await journal.cursor(directory)
    rows = await journal.read(directory, cursor, BATCH)
    if not rows:
        return 0
    told = [event for _, event in rows if event]
    if len(told) < len(rows):
        worker.log.error("fold.unreadable_rows", directory=directory, count=len(rows) - len(told))
    events, late = divide(told, horizon)
    mirror = await worker.mirror.load(directory, events)
    touched = fold(mirror, events)
    emails = await worker.mirror.addresses(directory, mirror, touched)
    objects = {*unmarked, *_objects(directory, emails, touched)}
    commands = list(worker.mirror.writes(directory, mirror, touched))
    commands += Tombstones(worker.store, directory).note(mirror, touched, worker.clock())
    commands += _marks(worker, directory, sorted(objects), _causes(mirror, events, emails))
    commands += read_marks(worker, directory, mirror, events)
    last = [*worker.mirror.counts(directory, touched), *note_late(worker, directory, late)]
    last += [
        ("SET", journal.cursor_key(directory), rows[-1][0]),
        ("HINCRBY", worker.store.key("counters"), "folded", len(rows)),
    ]
    if unmarked or sum(len(command) + 1 for command in commands) > MOST_WORDS:
        key = _unmarked_key(worker, directory)
        commands, last = [*_write_down(key, sorted(objects)), *commands], [*last, ("DEL", key)]
    await _commit(lease, journal.cursor_key(directory), cursor, commands, last)
    worker.log.info("fold.batch", directory=directory, events=len(rows), people=len(emails))
    return len(rows)


def _objects(directory: str, emails: set[str], touched: Touched) -> Iterator[str]:
    """Return the people and groups there is news of."""
    yield from (MEMBER + email for email in emails)
    yield from (GROUP + make_ref(directory, group) for group in touched.news_of_groups)


def _unmarked_key(worker: Worker, directory: str) -> str:
    return worker.store.key("unmarked", directory)


def _write_down(key: str, objects: list[str]) -> Iterator[Command]:
    """Keep what a batch in several transactions is to mark.

    Once its first rows are in the mirror, folding it again after a crash finds no news in them.
    """
    for start in range(0, len(objects), _AT_ONCE):
        yield "SADD", key, *objects[start : start + _AT_ONCE]


def _marks(worker: Worker, directory: str, objects: list[str], causes: dict[str, str]) -> Iterator[Command]:
    """Mark the people and groups of each target that follows the directory, and ring for it."""
    if not objects:
        return
    now = worker.clock()
    for target in worker.targets_of(directory_name(directory)):
        yield from target.mark(objects, now)
        yield "HSET", target.key("cause"), *(word for pair in causes.items() for word in pair)
        yield "NEWS", target.key("news"), now, QUIET_MS
        yield "RING", "converge", target.id, now


def _causes(mirror: Mirror, events: list[DirectoryEvent], emails: set[str]) -> dict[str, str]:
    """Return for each person the delivery that last spoke of them, or of one of their groups."""
    causes = dict.fromkeys((MEMBER + email for email in emails), events[-1].delivery if events else "")
    for event in events:
        for email in mirror.users[event.user.id].addresses if event.user else ():
            causes[MEMBER + email] = event.delivery
    return causes or {"": ""}


async def _commit(
    lease: Lease, key: str, cursor: str, commands: list[Command], last: Iterable[Command]
) -> None:
    """Run the commands while the cursor stands still; in several transactions where they are many.

    `last`: what may be done only once, such as moving the cursor: all of it in the last transaction. What
    is run again after a crash does no harm.
    """
    transaction = lease.transaction()
    transaction.require(key, "" if cursor == "0-0" else cursor)
    for command in commands:
        if len(transaction) > MOST_WORDS:
            await lease.commit(transaction)
            transaction = lease.transaction()
        transaction.add(*command)
    transaction.add_all(last)
    await lease.commit(transaction)
