"""The job that folds a directory's journal into its mirror and marks what the news is about."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from bridge.directory.connections import Connection, encode_connection, fold_connection
from bridge.directory.events import DirectoryEvent
from bridge.directory.fold import Mirror, Touched, fold, tells_list
from bridge.store.commit import LeaseLostError, fit
from bridge.store.dead_letters import UNREADABLE, are_many, note_dead_letters
from bridge.store.departures import read_departures
from bridge.store.erasure import Erased, read_erased
from bridge.store.faults import describe_error, is_outage
from bridge.store.journal import START, JournalRow
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
LARGEST = 2_000_000  # characters of them; the leases are renewed between two batches, not within one
SLICE_SECONDS = 2.0  # then other directories have their turn; many may wait for one worker
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
        folding = _Folding(worker, lease, directory, horizon, await read_erased(worker.store, directory))
        await folding.read()
        while time.monotonic() < ends and not worker.stopping.is_set():
            folded = await folding.step()
            count += folded
            if not folded and await _release(worker, lease, directory):
                break
    except LeaseLostError:
        worker.log.warning("fold.lease_lost", directory=directory)
    finally:
        await lease.close()
    return count


async def _release(worker: Worker, lease: Lease, directory: str) -> bool:
    journal = worker.journal
    return await lease.release("release_fold", journal.key(directory), journal.cursor_key(directory))


@dataclass(slots=True)
class _Folding:
    """One directory while its lease is ours.

    `horizon`: of the tombstones; `erased`: users who were; `connection`: what is known of it; `unmarked`:
    objects that a batch which was not finished may not have marked; `size`: events of the next batch at
    most.
    """

    worker: Worker
    lease: Lease
    directory: str
    horizon: int
    erased: Erased
    connection: Connection = field(default_factory=Connection)
    unmarked: set[str] = field(default_factory=set)
    size: int = BATCH

    async def read(self) -> None:
        """Read what is written by batches."""
        store = self.worker.store
        self.unmarked = set(await store.call("SMEMBERS", _unmarked_key(self.worker, self.directory)))
        self.connection = await read_connection(store, self.directory)

    async def step(self) -> int:
        """Go on by one batch; how many events that was, 0 at the end of the journal.

        A batch that fails is halved until the event that it fails for stands alone: that one becomes a dead
        letter. Raises whatever is no fault of an event.
        """
        journal = self.worker.journal
        cursor = await journal.cursor(self.directory)
        while rows := await journal.read(self.directory, cursor, self.size, LARGEST):
            try:
                await self._fold(cursor, rows)
            except LeaseLostError:
                raise
            except Exception as error:
                if is_outage(error):
                    raise
                await self._after_failure(cursor, rows, error)
                if len(rows) > 1:
                    continue
            self.size = min(BATCH, 2 * len(rows))  # of long lists no more is read than can be folded
            break
        return len(rows)

    async def _fold(self, cursor: str, rows: list[JournalRow]) -> None:
        """Fold a batch; nothing of it counts until the cursor has moved, so a crash only repeats it."""
        worker, directory = self.worker, self.directory
        known = [(ident, event) for ident, event in rows if event]
        unreadable = {ident: UNREADABLE for ident, event in rows if event is None}
        told, gone = leave_out(known, self.erased)
        fresh, late = divide(told, self.horizon)
        events = [event for _, event in fresh]
        chains = Told(worker.store, directory)
        mirror, before = await asyncio.gather(worker.mirror.load(directory, events), chains.last(told))
        touched = fold(mirror, events)
        news = await worker.mirror.addresses(directory, mirror, touched)
        emails = set[str]().union(*news.values())
        connection = fold_connection(self.connection, events)
        if connection.ended != self.connection.ended:  # whoever is in it is planned anew
            async for addresses in worker.mirror.addresses_in(directory):
                emails |= addresses
        objects = sorted({*self.unmarked, *_objects(directory, emails, touched)})
        causes = _causes(directory, mirror, fresh, news)
        marks = list(_marks(worker, directory, objects, causes, _arrival(rows[-1][0])))
        writes = [*read_marks(worker, directory, mirror, events)]
        writes += Tombstones(worker.store, directory).note(mirror, touched, worker.clock())
        writes += worker.mirror.writes(directory, mirror, touched)
        last = [*worker.mirror.counts(directory, touched), *note_late(worker, directory, late)]
        last += drop_erased(worker, directory, gone)
        last += self._note_dead_letters(unreadable)
        if connection != self.connection:
            last.append(_connection_row(worker, directory, connection))
        last += chains.note(told, before)
        last += self._move_cursor(cursor, rows)
        await self._commit(cursor, objects, marks, writes, last)
        self.connection = connection
        worker.log.info("fold.batch", directory=directory, events=len(rows), people=len(emails))

    async def _commit(
        self,
        cursor: str,
        objects: Sequence[str],
        marks: Sequence[Command],
        writes: Sequence[Command],
        last: list[Command],
    ) -> None:
        """Write a batch, while the cursor is where it began.

        Once its first rows are in the mirror, whoever folds it again finds no news in them. So in one
        transaction the marks come first: Redis does not take back what a script did before it failed. In
        several, what is to be marked is written down first, and marked at the end.
        """
        journal, key = self.worker.journal, _unmarked_key(self.worker, self.directory)
        commands = [*marks, *writes]
        if objects and (self.unmarked or not fit(commands)):
            commands, last = [("SADD", key, *objects), *writes, *marks], [*last, ("DEL", key)]
        stands = journal.cursor_key(self.directory), "" if cursor == START else cursor
        await self.lease.commit_parts(commands, last, stands)
        self.unmarked = set()

    def _move_cursor(self, cursor: str, rows: list[JournalRow]) -> Iterator[Command]:
        """Return the commands that move the cursor behind these rows."""
        last = rows[-1][0]
        for target in self.worker.targets_of(directory_name(self.directory)):
            yield note_marked(target, self.directory, cursor, last)
        yield "SET", self.worker.journal.cursor_key(self.directory), last
        yield "HINCRBY", self.worker.store.key("counters"), "folded", len(rows)

    # events that cannot be folded

    async def _after_failure(self, cursor: str, rows: list[JournalRow], error: Exception) -> None:
        """Make the next batch half as large, or one event alone a dead letter.

        Raises the error where that has happened to too many one behind the other: then it is not theirs.
        """
        reason, alone = describe_error(error), len(rows) == 1
        self.worker.log.warning(
            "fold.batch_failed", directory=self.directory, events=len(rows), error=reason,
            exc_info=error if alone else None,
        )  # fmt: skip
        await self.read()
        if not alone:
            self.size = len(rows) // 2
            return
        if await are_many(self.worker.store, self.directory, cursor):
            raise error
        objects = sorted(self.unmarked)
        marks = list(_marks(self.worker, self.directory, objects, {}, _arrival(rows[-1][0])))
        last = [*self._note_dead_letters({rows[0][0]: reason}), *self._move_cursor(cursor, rows)]
        await self._commit(cursor, objects, marks, [], last)

    def _note_dead_letters(self, reasons: Mapping[str, str]) -> Iterator[Command]:
        for ident, reason in reasons.items():
            self.worker.log.error("fold.dead_letter", directory=self.directory, ident=ident, reason=reason)
        yield from note_dead_letters(self.worker.store, self.directory, reasons)


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
