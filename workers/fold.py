"""The job that folds a directory's journal into its mirror and marks what the news is about."""

import time
from collections.abc import Iterator

from bridge.directory.events import DirectoryEvent
from bridge.directory.fold import Mirror, Touched, fold
from bridge.store.commit import MOST_WORDS, LeaseLostError
from bridge.store.lease import Lease, acquire
from bridge.store.mirror import Command, directory_name, make_ref
from bridge.store.targets import GROUP, MEMBER
from workers.context import Worker

BATCH = 200  # events; more would make one script keep the receivers waiting
SLICE_SECONDS = 20.0
QUIET_MS = 100  # news closer together than this is one burst (see converge)


async def fold_directory(worker: Worker, directory: str) -> int:
    """Fold what is unread of one directory, unless another worker does; how many events it was."""
    await worker.store.call("DEL", worker.store.key("bell", "fold", directory))
    lease = await acquire(worker.store, f"fold:{directory}", worker.name)
    if lease is None:
        return 0
    count, ends = 0, time.monotonic() + SLICE_SECONDS
    try:
        while time.monotonic() < ends and not worker.stopping.is_set():
            folded = await _fold_batch(worker, lease, directory)
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


async def _fold_batch(worker: Worker, lease: Lease, directory: str) -> int:
    """Fold one batch; nothing of it counts until the cursor has moved, so a crash only repeats it."""
    journal = worker.journal
    cursor = await journal.cursor(directory)
    rows = await journal.read(directory, cursor, BATCH)
    if not rows:
        return 0
    events = [event for _, event in rows if event]
    if len(events) < len(rows):
        worker.log.error("fold.unreadable_rows", directory=directory, count=len(rows) - len(events))
    mirror = await worker.mirror.load(directory, events)
    touched = fold(mirror, events)
    emails = await worker.mirror.addresses(directory, mirror, touched)
    commands = list(worker.mirror.writes(directory, mirror, touched))
    commands += _marks(worker, directory, emails, touched, _causes(mirror, events, emails))
    commands += [
        ("SET", journal.cursor_key(directory), rows[-1][0]),
        ("HINCRBY", worker.store.key("counters"), "folded", len(rows)),
    ]
    await _commit(worker, lease, journal.cursor_key(directory), cursor, commands)
    worker.log.info("fold.batch", directory=directory, events=len(rows), people=len(emails))
    return len(rows)


def _marks(
    worker: Worker, directory: str, emails: set[str], touched: Touched, causes: dict[str, str]
) -> Iterator[Command]:
    """Mark the people and groups of each target that follows the directory, and ring for it."""
    objects = [MEMBER + email for email in sorted(emails)]
    objects += [GROUP + make_ref(directory, group) for group in sorted(touched.news_of_groups)]
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


async def _commit(worker: Worker, lease: Lease, key: str, cursor: str, commands: list[Command]) -> None:
    """Run the commands while the cursor stands still; in several transactions where they are many.

    The cursor moves with the last of them, and what is run again after a crash does no harm.
    """
    transaction = lease.transaction()
    transaction.require(key, "" if cursor == "0-0" else cursor)
    for command in commands:
        if len(transaction) > MOST_WORDS:
            await lease.commit(transaction)
            transaction = lease.transaction()
        transaction.add(*command)
    await lease.commit(transaction)
