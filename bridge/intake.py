"""The way of one delivery: verify, parse, stamp, store; and the task that stores many at once."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

import orjson
import structlog
from msgspec import Struct

from bridge.directory.events import DirectoryEvent, News, encode_event, stamp_body, told_time
from bridge.logs import Unverified
from bridge.settings import SourceSettings
from bridge.sources.base import (
    Delivery,
    Notice,
    Parsed,
    Refused,
    Source,
    UnavailableError,
    UnreadableError,
    UnverifiedError,
)
from bridge.store.faults import describe_error
from bridge.store.journal import MOST_DIRECTORIES, Entry, Receipt, Submission

ANSWER_SECONDS = 1.8  # Okta's hooks wait 3 s, so Redis gets less than 2
LARGEST_BATCH = 256  # submissions in one round trip
MOST_ENTRIES = 2000  # events in one round trip, unless a single body has more
MOST_REFUSED = 100  # rows kept of one body
AHEAD_MILLISECONDS = 1000  # what a sender's clock may be ahead before it counts
ORDERS = 512  # elements that one millisecond can tell apart, see bridge.directory.events.make_stamp

log = structlog.get_logger()


class StoreError(Exception):
    """It is not known to be stored: the sender has to come again."""


_Waiting = tuple[Submission, asyncio.Future[Receipt], float]  # the last: since when, by the loop's clock


class JournalStore(Protocol):
    """What the front door needs of `bridge.store.journal.Journal`."""

    async def accept(self, submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        """Store several bodies; a receipt or what went wrong for each."""
        ...

    async def not_ready(self) -> str | None:
        """Return why an event could not be stored now, None when it could."""
        ...

    async def warnings(self) -> list[str]:
        """Return what may be lost of what is stored."""
        ...


class Outcome(Struct, frozen=True):
    """What became of one verified body, in elements. `ahead`: how many told a time that is still to come."""

    accepted: int
    duplicates: int
    refused: int = 0
    ignored: int = 0
    ahead: int = 0


class ArrivalClock:
    """Gives bodies their time of arrival, never going back.

    Events that tell no time are ordered by it, also when two bodies arrive in the same millisecond.
    """

    def __init__(self) -> None:
        """One for each process."""
        self._last = 0
        self._order = 0

    @property
    def latest(self) -> int:
        """The latest time of arrival that was given, unix milliseconds; 0: none."""
        return self._last

    def not_before(self, latest: int) -> None:
        """Give no earlier time of arrival than this one, unix milliseconds.

        Another receiver has given it, or this one before it was started anew: so untimed events keep their
        order although Redis' own clock was set back.
        """
        if latest > self._last:
            self._last, self._order = latest, 0

    def stamp(self, news: Sequence[News], now: int) -> tuple[int, list[int]]:
        """Return when a body arrived, unix milliseconds, and the stamps of its elements."""
        untimed = sum(told_time(item, now) is None for item in news)
        if now > self._last:
            self._last, self._order = now, 0
        elif self._order and self._order + untimed > ORDERS:
            self._last, self._order = self._last + 1, 0
        stamps = stamp_body(news, self._last, self._order)
        self._order += untimed
        return self._last, stamps


def build_submission(
    settings: SourceSettings, parsed: Parsed, stamps: Sequence[int], arrived: int, delivery: str
) -> Submission:
    """Return what is to be stored of one body; `stamps`: one for each of `parsed.news`."""
    entries = [
        _entry(settings, item, stamp, arrived, delivery)
        for item, stamp in zip(parsed.news, stamps, strict=True)
    ]
    rows = refused_rows(settings.name, parsed.refused, arrived, delivery)
    rows += notice_rows(settings.name, parsed.notices, arrived, delivery)
    return Submission(settings.name, entries, rows)


def _entry(settings: SourceSettings, item: News, stamp: int, arrived: int, delivery: str) -> Entry:
    event = DirectoryEvent(item.name, stamp, item.user, item.group, settings.name, delivery, arrived)
    return Entry(journal_name(settings, item.directory_id), item.key, orjson.dumps(encode_event(event)))


def journal_name(settings: SourceSettings, directory_id: str) -> str:
    """Return the journal of an event: the directory's name, with the sender's own id of it if it told one."""
    return f"{settings.directory_name}:{directory_id}" if directory_id else settings.directory_name


def refused_rows(source: str, refused: Sequence[Refused], at: int, delivery: str) -> list[bytes]:
    """Return JSON rows of what could not be read: where and why, nothing of what was sent.

    `at`: unix milliseconds. Of a long list the first `MOST_REFUSED` are kept, and a row that says so.
    """
    kept = list(refused[:MOST_REFUSED])
    if len(refused) > MOST_REFUSED:
        more = len(refused) - MOST_REFUSED
        kept.append(Refused(refused[MOST_REFUSED].index, f"{more} more elements of this body were refused"))
    return [
        orjson.dumps(
            {"at": at, "source": source, "delivery": delivery, "index": one.index, "reason": one.reason}
        )
        for one in kept
    ]


def notice_rows(source: str, notices: Sequence[Notice], at: int, delivery: str) -> list[bytes]:
    """Return JSON rows of what operators have to know of, to be kept beside what was refused."""
    return [
        orjson.dumps(
            {"at": at, "source": source, "delivery": delivery, "index": one.index, "notice": one.text}
        )
        for one in notices[:MOST_REFUSED]
    ]


class Batcher:
    """Stores what many requests hand in with few round trips: those of one moment go together.

    A round trip may take until its oldest request has waited `seconds`. Whatever waits behind it came
    later, so nobody waits longer, and requests need no timers of their own.
    """

    def __init__(self, journal: JournalStore, seconds: float = ANSWER_SECONDS) -> None:
        """`seconds`: how long a request waits for its answer at most."""
        self._journal = journal
        self._seconds = seconds
        self._waiting: deque[_Waiting] = deque()
        self._bell = asyncio.Event()
        self._closing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Batcher"]:
        """Flush in a task of its own while the block lasts; what waits at its end is still flushed."""
        task = asyncio.create_task(self._run(), name="flush")
        try:
            yield self
        finally:
            self._closing = True
            self._bell.set()
            await task

    async def store(self, submission: Submission) -> Receipt:
        """Return the receipt once Redis has said that it holds everything in it. Raises StoreError."""
        loop = asyncio.get_running_loop()
        receipt: asyncio.Future[Receipt] = loop.create_future()
        self._waiting.append((submission, receipt, loop.time()))
        self._bell.set()
        return await receipt

    async def _run(self) -> None:
        while self._waiting or not self._closing:
            await self._bell.wait()
            self._bell.clear()
            crowded = False
            while self._waiting:
                if crowded and not self._closing:
                    await self._gather()
                batch = self._take()
                crowded = len(batch) > 1
                if batch:
                    await self._flush(batch)

    async def _gather(self) -> None:
        """Let those go together that are there already: until a turn of the loop brings no more of them."""
        before = 0
        while before < len(self._waiting) < LARGEST_BATCH:
            before = len(self._waiting)
            await asyncio.sleep(0)

    def _take(self) -> list[_Waiting]:
        """Return the next ones to go together, without those whose request has gone."""
        batch: list[_Waiting] = []
        entries = 0
        while self._waiting and len(batch) < LARGEST_BATCH and entries < MOST_ENTRIES:
            waiting = self._waiting.popleft()
            submission, receipt, _ = waiting
            if not receipt.done():
                batch.append(waiting)
                entries += len(submission.entries)
        return batch

    async def _flush(self, batch: list[_Waiting]) -> None:
        _, _, oldest = batch[0]
        answers = await self._accept([submission for submission, _, _ in batch], oldest + self._seconds)
        for (_, receipt, _), answer in zip(batch, answers, strict=True):
            _settle(receipt, answer)

    async def _accept(self, submissions: list[Submission], deadline: float) -> Sequence[Receipt | Exception]:
        """Ask the journal; whatever happens there, each submission gets its answer and the task lives on.

        What is not sent by the deadline (by the loop's clock) never will be; of what is not answered by
        then the sender's repeat finds the key.
        """
        try:
            if asyncio.get_running_loop().time() >= deadline:
                raise TimeoutError
            async with asyncio.timeout_at(deadline):
                answers = await self._journal.accept(submissions)
        except TimeoutError:
            return [StoreError(f"Redis did not answer within {self._seconds} s")] * len(submissions)
        except Exception as error:
            return [error] * len(submissions)
        if len(answers) != len(submissions):
            return [StoreError(f"{len(answers)} answers to {len(submissions)} bodies")] * len(submissions)
        return answers


def _settle(receipt: asyncio.Future[Receipt], answer: Receipt | Exception) -> None:
    if receipt.done():
        return
    if isinstance(answer, Exception):
        receipt.set_exception(StoreError(_describe(answer)))
    else:
        receipt.set_result(answer)


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, StoreError) else describe_error(error)


class Intake:
    """The way in for one source."""

    def __init__(
        self, settings: SourceSettings, source: Source, batcher: Batcher, clock: ArrivalClock
    ) -> None:
        """`batcher` and `clock` are shared by all sources of a process."""
        self.settings = settings
        self._source = source
        self._batcher = batcher
        self._clock = clock
        self._unverified = Unverified(settings.name)

    async def take(self, delivery: Delivery) -> Outcome:
        """Verify a delivery and store all of it. What is returned is stored.

        Raises UnverifiedError, UnavailableError, UnreadableError (its reason is kept) and StoreError.
        """
        try:
            signed_at = await self._source.verify(delivery)
        except (UnverifiedError, UnavailableError) as error:
            self._unverified.say(error.reason, delivery.arrived)
            raise
        try:
            parsed = self._source.parse(delivery, signed_at)
        except UnreadableError as error:
            await self._keep(error, delivery.arrived, secrets.token_hex(8))
            raise
        name = delivery_name(parsed)
        try:
            return await self._store(parsed, delivery.arrived, name)
        except StoreError as error:
            self._log(name).warning("not stored", error=str(error))
            raise

    def _log(self, delivery: str) -> Any:
        """Return a logger whose lines name source and delivery; made where there is something to say."""
        return log.bind(source=self.settings.name, delivery=delivery)

    async def _store(self, parsed: Parsed, now: int, name: str) -> Outcome:
        if not parsed.news and not parsed.refused and not parsed.notices:
            return Outcome(0, 0, ignored=parsed.ignored)
        for one in parsed.refused[:MOST_REFUSED]:
            self._log(name).warning("refused", index=one.index, reason=one.reason)
        for told in parsed.notices[:MOST_REFUSED]:
            self._log(name).warning("notice", index=told.index, text=told.text)
        arrived, stamps = self._clock.stamp(parsed.news, now)
        receipt = await self._batcher.store(build_submission(self.settings, parsed, stamps, arrived, name))
        if receipt.beyond:
            await self._keep_beyond(receipt.beyond, arrived, name)
        ahead = sum(item.told is not None and item.told > now + AHEAD_MILLISECONDS for item in parsed.news)
        refused = len(parsed.refused) + receipt.beyond
        return Outcome(receipt.accepted, receipt.duplicates, refused, parsed.ignored, ahead)

    async def _keep_beyond(self, count: int, arrived: int, name: str) -> None:
        """Keep that events are not stored, since the sender tells of too many directories."""
        reason = (
            f"{count} event(s) of new directories are not stored: {self.settings.name} has told of "
            f"{MOST_DIRECTORIES} already (bridge directory list)"
        )
        self._log(name).warning("refused", index=0, reason=reason)
        await self._keep_reason(reason, arrived, name)

    async def _keep(self, error: UnreadableError, now: int, name: str) -> None:
        """Keep why a body could not be read; that it cannot be kept is no news for its sender."""
        self._log(name).warning("unreadable", status=error.status, reason=error.reason)
        await self._keep_reason(error.reason, now, name)

    async def _keep_reason(self, reason: str, at: int, name: str) -> None:
        rows = refused_rows(self.settings.name, [Refused(0, reason)], at, name)
        with suppress(StoreError):
            await self._batcher.store(Submission(self.settings.name, refused=rows))


def delivery_name(parsed: Parsed) -> str:
    """Return 16 hex digits that name a delivery: the same for its repeats, where repeats can be told."""
    key = next((item.key for item in parsed.news if item.key), None)
    return key.hex()[:16] if key else secrets.token_hex(8)
