"""The job that reads from a directory's own API what its events left open.

Okta's event hooks say who was touched and little else: no e-mail address, no new value of what changed
(docs/senders/okta-event-hooks.md). So the fold marks whom and what such events are about, and this job reads
them, once however many events there were, at the pace the API allows. What it read goes into the journal
as news of the moment before the call: what happened later counts as newer, and order, repeats and crashes
are the fold's business. Nothing waits for it that the events say themselves, removals least of all.
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

import orjson

from bridge.directories.base import (
    Directory,
    DirectoryError,
    ForbiddenError,
    LimitedError,
    RefusedError,
    RejectedError,
    UnavailableError,
)
from bridge.directory.events import (
    DirectoryEvent,
    EventName,
    GroupNews,
    UserNews,
    encode_event,
    make_stamp,
)
from bridge.directory.fold import Mirror
from bridge.plan.teams import is_application
from bridge.settings import SourceSettings
from bridge.store.commit import LeaseLostError, Transaction
from bridge.store.faults import fails_at, is_outage
from bridge.store.journal import Entry, Submission
from bridge.store.lease import Lease, acquire
from bridge.store.mirror import Command, directory_name
from bridge.store.reads import GROUP, USER, ReadState, ReadStore, waiting_reads
from bridge.store.work import Work, recall
from workers.backoff import backoff_ms
from workers.context import Worker

SETTLE_MS = 300  # events about one user come together: one reading for all of them
SLICE_SECONDS = 20.0
AT_ONCE = 50  # objects looked up in one go
FAILURES_IN_A_ROW = 3  # then the API rests
MISSING_TRIES = 3  # a user who was just made may not be found everywhere at once: give it time
WITNESSES = 3  # users who must vouch for the API before it is believed that another one is gone
LOOK_AFTER_MS = 12 * 3_600_000  # without any call: Okta revokes a token that rests for 30 days
_NOTE_AFTER_MS = 3_600_000
_OWN_IDS = (f"{USER}00u", f"{GROUP}00g")  # how Okta's ids of users and groups begin
_BACKOFF_FIRST = 2.0  # seconds
_PROBE_MOST = 15.0


class ApiDownError(Exception):
    """Nothing can be read now; the state has been written."""


# what is to be read


def read_marks(
    worker: Worker, directory: str, mirror: Mirror, events: Sequence[DirectoryEvent]
) -> Iterator[Command]:
    """Mark what these events, now folded into the mirror, left open; and ring if there is an API to ask."""
    thin = {source.name for source in worker.settings.sources if source.is_thin}
    told = [event for event in events if event.source in thin]
    left_open, reads = _left_open(mirror, told), ReadStore(worker.store, directory)
    gone = {USER + event.user.id for event in told if event.user and _is_gone(mirror, event)}
    yield from reads.unmark(sorted(gone - left_open))
    if not left_open:
        return
    due = worker.clock() + SETTLE_MS
    yield from reads.mark(sorted(left_open), due)
    if worker.settings.reader_of(directory_name(directory)):
        yield "RING", "readback", directory, worker.clock()


def _left_open(mirror: Mirror, events: Sequence[DirectoryEvent]) -> set[str]:
    found = set()
    for event in events:
        if event.user and _user_left_open(mirror, event, event.user):
            found.add(USER + event.user.id)
        if event.group and _group_left_open(mirror, event.name, event.group):
            found.add(GROUP + event.group.id)
    return found


def _user_left_open(mirror: Mirror, event: DirectoryEvent, user: UserNews) -> bool:
    """A user's own event is about fields it does not tell; a membership leaves open who nobody knows."""
    untold = event.name.is_user or not mirror.users[user.id].email
    return untold and not _is_gone(mirror, event)


def _is_gone(mirror: Mirror, event: DirectoryEvent) -> bool:
    """Tell whether an event took its user away: then nothing else about them matters.

    An answer of Okta's that is not quite fresh could only bring them back.
    """
    if event.user is None:
        return False
    known, left = mirror.users[event.user.id], event.name is EventName.USER_UPDATED
    return not known.exists or (left and event.user.active is False and not known.active)


def _group_left_open(mirror: Mirror, name: EventName, group: GroupNews) -> bool:
    known = mirror.groups[group.id]
    untold = name is EventName.GROUP_UPDATED or not known.name
    return known.exists and untold and not is_application(group.id)


# when it is read


async def ring_for_reads(worker: Worker) -> int:
    """Ring for directories with something to read that nobody reads; how many there were."""
    now, settings = worker.clock(), worker.settings
    names = {source.directory_name for source in settings.sources if source.reads_back}
    if not names:
        return 0
    lists = [ReadStore(worker.store, name).list_key for name in sorted(names)]
    await recall(worker.store, lists, now)
    waiting = await waiting_reads(worker.store, sorted(names), now)
    ready = [
        name
        for name, (due, state, held) in waiting.items()
        if not held and not state.asleep(now) and (_first(worker, "ring", name) or due or _rested(state, now))
    ]
    transaction = Transaction(worker.store)
    for name in ready:
        transaction.add("DEL", worker.store.key("bell", "readback", name))
        transaction.add("RING", "readback", name, now)
    if ready:
        await transaction.run()
    return len(ready)


def _rested(state: ReadState, now: int) -> bool:
    """Tell whether it is time to see if the token still works although there is nothing to read."""
    return abs(now - state.answered_at) > LOOK_AFTER_MS  # or a clock was set back


def _first(worker: Worker, what: str, directory: str) -> bool:
    """Tell whether this process does so for the first time: its configuration may be a new one."""
    greeting = f"{what} {directory}"
    first = greeting not in worker.greeted
    worker.greeted.add(greeting)
    return first


# the job


@dataclass(slots=True)
class ReadRun:
    """A reading while its lease is held. `ends`: of its slice, by the monotonic clock."""

    worker: Worker
    source: SourceSettings
    reads: ReadStore
    client: Directory
    lease: Lease
    state: ReadState
    ends: float = field(default_factory=lambda: time.monotonic() + SLICE_SECONDS)

    @property
    def now(self) -> int:
        """The time, unix ms."""
        return self.worker.clock()

    @property
    def over(self) -> bool:
        """True when no further call may begin."""
        return self.worker.stopping.is_set() or time.monotonic() >= self.ends

    async def commit(self, commands: Sequence[Command]) -> None:
        """Run commands while the lease is ours. Raises LeaseLostError."""
        transaction = self.lease.transaction()
        transaction.add_all(commands)
        await self.lease.commit(transaction)

    async def note(self, state: ReadState) -> None:
        """Write how the API is doing, if that is news."""
        if state != self.state:
            self.state = state
            await self.commit([self.reads.put_state(state)])

    async def well(self) -> None:
        """The API answered."""
        fresh = 0 <= self.now - self.state.answered_at <= _NOTE_AFTER_MS
        await self.note(ReadState(answered_at=self.state.answered_at if fresh else self.now))

    async def down(self, state: str, error: DirectoryError) -> NoReturn:
        """Rest, and then probe. Raises ApiDownError."""
        downs = self.state.downs + 1
        asked = error.until if isinstance(error, UnavailableError) else 0.0
        resumes_at = max(asked, self.now / 1000 + min(_PROBE_MOST, 2.0 ** min(downs - 1, 4)))
        self.worker.log.warning(
            "directory.down", directory=self.reads.directory, state=state, reason=error.message
        )
        await self.note(
            replace(
                self.state, state=state, reason=error.message, resumes_at=resumes_at, failures=0, downs=downs
            )
        )
        raise ApiDownError(error.message)


async def read_directory(worker: Worker, directory: str) -> None:
    """Read what is due of one directory, unless another worker does."""
    await worker.store.call("DEL", worker.store.key("bell", "readback", directory))
    source = worker.settings.reader_of(directory_name(directory))
    reads = ReadStore(worker.store, directory)
    if source is None or worker.stopping.is_set() or (await reads.state()).asleep(worker.clock()):
        return
    lease = await acquire(worker.store, f"readback:{directory}", worker.name)
    if lease is None:
        return
    try:
        run = ReadRun(worker, source, reads, worker.reader(source), lease, await reads.state())
        await _read_all(run)
    except ApiDownError:
        pass
    except LeaseLostError:
        worker.log.warning("readback.lease_lost", directory=directory)
    finally:
        await lease.close()


async def _read_all(run: ReadRun) -> None:
    try:
        await _look(run)
        while not run.over:
            due = await run.reads.due(run.now, AT_ONCE)
            if not due and await run.lease.release("release_work", run.reads.list_key, run.now):
                return
            for work, tries in due:
                if run.over:
                    break
                await _read(run, work, tries)
        await run.commit([("RING", "readback", run.reads.directory, run.now)])
    except LimitedError as error:
        await run.note(replace(run.state, state="rate_limited", reason=error.message, resumes_at=error.until))


async def _look(run: ReadRun) -> None:
    """After an outage, a start or a long rest see whether the API takes the token. Raises ApiDownError."""
    was_down = run.state.state in ("unavailable", "credentials_rejected")
    first = _first(run.worker, "read", run.reads.directory)
    if was_down and run.source.api_token:
        run.source.api_token.refresh()  # a file may hold a new one
    if first:
        left = [each for each in await run.reads.unresolved() if each.startswith(_OWN_IDS)]
        await run.commit(run.reads.mark(left, run.now))
    if was_down or first or _rested(run.state, run.now):
        await _probe(run)


async def _probe(run: ReadRun) -> None:
    """Ask whether the API is there for us at all. Raises ApiDownError and LimitedError."""
    try:
        await run.client.ping()
    except RejectedError as error:
        await run.down("credentials_rejected", error)
    except UnavailableError as error:
        await run.down("unavailable", error)
    await run.well()


async def _read(run: ReadRun, work: Work, tries: int) -> None:
    """Read one object. Raises ApiDownError, LimitedError and LeaseLostError."""
    run.lease.check()
    try:
        event = await _try_to_ask(run, work.object, tries)
    except RejectedError as error:
        await run.down("credentials_rejected", error)
    except ForbiddenError as error:
        await _probe(run)  # if the token may read others, it is about this object
        await _back_off(run, work, tries, error)
    except (UnavailableError, MissingError) as error:
        await _back_off(run, work, tries, error)
        if isinstance(error, UnavailableError):
            await _count_failure(run, error)
    except RefusedError as error:
        run.worker.log.warning("readback.refused", directory=run.reads.directory, reason=error.message)
        await run.commit(run.reads.read(work))
    else:
        if event:
            await _tell(run, event)
        await run.commit(run.reads.read(work))
        await run.well()


class MissingError(DirectoryError):
    """It is not there, which is not believed at once."""


async def _try_to_ask(run: ReadRun, name: str, tries: int) -> DirectoryEvent | None:
    """Do what `_ask` does. A fault of ours, or in what is kept of the object, counts as no answer."""
    try:
        return await _ask(run, name, tries)
    except DirectoryError:
        raise
    except Exception as error:
        if is_outage(error):
            raise
        run.worker.log.warning("readback.failed", directory=run.reads.directory, exc_info=error)
        raise UnavailableError(fails_at(error)) from None


async def _ask(run: ReadRun, name: str, tries: int) -> DirectoryEvent | None:
    """Return the news that reading an object brings, None for none. Raises DirectoryError."""
    ident = name[2:]
    if name.startswith(GROUP):
        group = await run.client.group(ident)
        told = group.found and group.found.name
        return _event(run, EventName.GROUP_UPDATED, group.at, group=GroupNews(ident, told)) if told else None
    user = await run.client.user(ident)
    if user.found:
        news = UserNews(ident, user.found.email, user.found.active)
        return _event(run, EventName.USER_UPDATED, user.at, news)
    if tries + 1 < MISSING_TRIES:
        raise MissingError("the directory has no such user (404)")
    if not await _vouched(run, ident):
        return None
    # Not "deleted", which only a creation undoes: they count as inactive until they are read again.
    return _event(run, EventName.USER_UPDATED, user.at, UserNews(ident, None, active=False))


async def _vouched(run: ReadRun, missing: str) -> bool:
    """Tell whether somebody else whom the events named is there, so that a missing one is missing.

    Raises RejectedError when nobody is: then it is another organisation, or a token that sees too little.
    """
    active = [each for each in await run.reads.some_active() if f"{USER}{each}".startswith(_OWN_IDS)]
    others = [each for each in active if each != missing][:WITNESSES]
    for each in others:
        if (await run.client.user(each)).found:
            return True
    if others:
        raise RejectedError(
            "Okta knows nobody whom its events name: is api_url right, does the token see all?"
        )
    return False


def _event(
    run: ReadRun, name: EventName, at: int, user: UserNews | None = None, group: GroupNews | None = None
) -> DirectoryEvent:
    source = f"{run.source.name}:api"  # no source can be called that, so it is not read back again
    return DirectoryEvent(name, make_stamp(at, 0, False), user, group, source, secrets.token_hex(8), run.now)


async def _tell(run: ReadRun, event: DirectoryEvent) -> None:
    entry = Entry(run.reads.directory, None, orjson.dumps(encode_event(event)))
    (answer,) = await run.worker.journal.accept([Submission(run.source.name, [entry])])
    if isinstance(answer, Exception):
        raise answer


async def _back_off(run: ReadRun, work: Work, tries: int, error: DirectoryError) -> None:
    until = run.now + backoff_ms(_BACKOFF_FIRST, tries)
    run.worker.log.warning("readback.later", directory=run.reads.directory, reason=error.message)
    await run.commit(run.reads.defer(work, until, tries + 1))


async def _count_failure(run: ReadRun, error: UnavailableError) -> None:
    await run.note(replace(run.state, failures=run.state.failures + 1))
    if error.until or run.state.failures >= FAILURES_IN_A_ROW:
        await run.down("unavailable", error)
