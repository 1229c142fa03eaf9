"""The job that folds a directory's journal into its mirror and marks what the news is about."""

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import orjson

from bridge.directory.connections import Connection, encode_connection, fold_connection
from bridge.directory.events import DirectoryEvent
from bridge.directory.fold import Mirror, Touched, fold, tells_list
from bridge.store.commit import LeaseLostError, fit
from bridge.store.departures import read_departures
from bridge.store.erasure import Erased, read_erased
from bridge.store.journal import START
from bridge.store.lease import Lease, acquire
from bridge.store.marked import note_marked
from bridge.store.mirror import (
    Command,
    connections_key,
    directory_name,
    make_ref,
    read_connection,
)
from bridge.store.targets import GROUP, MEMBER, cause_row
from bridge.store.told import Told
from bridge.store.tombstones import Tombstones
from workers.context import Worker
from workers.late import divide, drop_erased, leave_out, note_late
from workers.readback import read_marks

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
        if (await read_departures(worker.store)).holds_up(directory):
            return 0
        horizon = await Tombstones(worker.store, directory).horizon()
        erased = await read_erased(worker.store, directory)
        unmarked = set(await worker.store.call("SMEMBERS", _unmarked_key(worker, directory)))
        connection = await read_connection(worker.store, directory)
        while time.monotonic() < ends and not worker.stopping.is_set():
            folded, connection = await _fold_batch(
                worker, lease, directory, horizon, erased, unmarked, connection
            )
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
    worker: Worker,
    lease: Lease,
    directory: str,
    horizon: int,
    erased: Erased,
    unmarked: Collection[str],
    connection: Connection,
) -> tuple[int, Connection]:
    """Fold one batch; nothing of it counts until the cursor has moved, so a crash only repeats it.

    `horizon`: of the tombstones; `erased`: users who were; `unmarked`: objects that a batch which was
    not finished may not have marked; `connection`: what is known of it. Returns how many events there were
    and what is known of the connection then.
    """
    journal = worker.journal
    cursor = await journal.cursor(directory)
    rows = await journal.read(directory, cursor, BATCH)
    if not rows:
        return 0, connection
    known = [(ident, event) for ident, event in rows if event]
    if len(known) < len(rows):
        worker.log.error("fold.unreadable_rows", directory=directory, count=len(rows) - len(known))
    told, gone = leave_out(known, erased)
    fresh, late = divide(told, horizon)
    events = [event for _, event in fresh]
    chains = Told(worker.store, directory)
    mirror, before = await asyncio.gather(worker.mirror.load(directory, events), chains.last(told))
    touched = fold(mirror, events)
    news = await worker.mirror.addresses(directory, mirror, touched)
    emails = set[str]().union(*news.values())
    after = fold_connection(connection, events)
    if after.ended != connection.ended:  # whoever is in it is planned anew
        async for addresses in worker.mirror.addresses_in(directory):
            emails |= addresses
    objects = {*unmarked, *_objects(directory, emails, touched)}
    commands = list(worker.mirror.writes(directory, mirror, touched))
    commands += Tombstones(worker.store, directory).note(mirror, touched, worker.clock())
    causes = _causes(directory, mirror, fresh, news)
    commands += _marks(worker, directory, sorted(objects), causes, _arrival(rows[-1][0]))
    commands += read_marks(worker, directory, mirror, events)
    last = [*worker.mirror.counts(directory, touched), *note_late(worker, directory, late)]
    last += drop_erased(worker, directory, gone)
    last += chains.note(told, before)
    if after != connection:
        last.append(_connection_row(worker, directory, after))
    for target in worker.targets_of(directory_name(directory)):
        last.append(note_marked(target, directory, cursor, rows[-1][0]))
    last += [
        ("SET", journal.cursor_key(directory), rows[-1][0]),
        ("HINCRBY", worker.store.key("counters"), "folded", len(rows)),
    ]
    if objects and (unmarked or not fit(commands)):
        key = _unmarked_key(worker, directory)
        commands, last = [("SADD", key, *sorted(objects)), *commands], [*last, ("DEL", key)]
    stands = journal.cursor_key(directory), "" if cursor == START else cursor
    await lease.commit_parts(commands, last, stands)
    worker.log.info("fold.batch", directory=directory, events=len(rows), people=len(emails))
    return len(rows), after


def _connection_row(worker: Worker, directory: str, connection: Connection) -> Command:
    """Return the command that writes down what is known of a connection."""
    worker.log.warning(
        "directory.connection", directory=directory, ended=connection.ended, how=connection.how
    )
    row = orjson.dumps(encode_connection(connection))
    return "HSET", connections_key(worker.store), directory, row


def _objects(directory: str, emails: set[str], touched: Touched) -> Iterator[str]:
    """Return the people and groups there is news of."""
    yield from (MEMBER + email for email in emails)
    yield from (GROUP + make_ref(directory, group) for group in touched.news_of_groups)


def _unmarked_key(worker: Worker, directory: str) -> str:
    """Return where it is kept what a batch in several transactions is to mark.

    Once its first rows are in the mirror, folding it again after a crash finds no news in them.
    """
    return worker.store.key("unmarked", directory)


def _marks(
    worker: Worker, directory: str, objects: list[str], causes: dict[str, str], news: int
) -> Iterator[Command]:
    """Mark the people and groups of each target that follows the directory, and ring for it."""
    if not objects:
        return
    now = worker.clock()
    for target in worker.targets_of(directory_name(directory)):
        yield from target.mark(objects, now, news)
        yield target.put_causes(causes)
        yield "NEWS", target.key("news"), now, QUIET_MS
        yield "RING", "converge", target.id, now


def _arrival(ident: str) -> int:
    """Return when a row was stored, unix ms."""
    return int(ident.partition("-")[0])


def _causes(
    directory: str,
    mirror: Mirror,
    events: Sequence[tuple[str, DirectoryEvent]],
    news: Mapping[str, set[str]],
) -> dict[str, str]:
    """Return for each person the event that last spoke of them, or of one of their groups as a whole.

    `news`: addresses by the group whose news it is, "" for the users' own. Whom a list of members told of
    is not in the event: for them it is the last of such events.
    """
    lists = [
        cause_row(f"{directory}/{ident}", event.delivery) for ident, event in events if tells_list(event)
    ]
    causes = dict.fromkeys((MEMBER + email for email in news[""]), lists[-1]) if lists else {}
    for ident, event in events:
        cause = cause_row(f"{directory}/{ident}", event.delivery)
        if event.user:
            emails: Iterable[str] = mirror.users[event.user.id].addresses
        else:
            emails = news.get(event.group.id, ()) if event.group else ()
        for email in emails:
            causes[MEMBER + email] = cause
    return causes
