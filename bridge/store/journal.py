"""The journal: what was accepted, in order, one stream for each directory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any

import orjson
from msgspec import Struct
from redis.exceptions import RedisError, ResponseError

from bridge.directory.events import DirectoryEvent, decode_event
from bridge.store.commit import Transaction
from bridge.store.durability import dangers, durability
from bridge.store.faults import describe_error
from bridge.store.redis import STORE_ERRORS, Store
from bridge.store.rights import hindrance

SEEN_SECONDS = 7 * 86400
START = "0-0"
MOST_DIRECTORIES = 1000  # of one name; each takes its turns of the workers
_MOST_REFUSED = 1000  # rows of one source, as lua/accept.lua keeps them
JournalRow = tuple[str, DirectoryEvent | None]  # with its stream id; None for a row nobody can read


class Entry(Struct, frozen=True):
    """One event to store.

    `directory`: the journal it belongs to; `seen`: its 16-byte delivery key or None;
    `payload`: the event as JSON (see `bridge.directory.events.encode_event`).
    """

    directory: str
    seen: bytes | None
    payload: bytes


class Submission(Struct, frozen=True):
    """What one verified body asks to be stored, all or nothing.

    `refused`: JSON rows of what was unreadable.
    """

    source: str
    entries: list[Entry] = []
    refused: list[bytes] = []


class Receipt(Struct, frozen=True):
    """How many of a submission's entries are new, and how many were stored before.

    `beyond`: how many are not stored, since their directory would be one more than MOST_DIRECTORIES.
    """

    accepted: int
    duplicates: int
    beyond: int = 0


class Journal:
    """The streams of all directories under one prefix."""

    def __init__(self, store: Store, replicas: int = 0, risks: Sequence[str] = ()) -> None:
        """`replicas`: how many replicas must have an event before it counts as stored.

        `risks`: what the configuration lets be lost, in words.
        """
        self._store = store
        self._replicas = replicas
        self._risks = list(risks)

    def key(self, directory: str) -> str:
        """Return the stream of a directory."""
        return self._store.key("journal", directory)

    def cursor_key(self, directory: str) -> str:
        """Return where it is kept how far a directory was folded."""
        return self._store.key("cursor", directory)

    async def accept(self, submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        """Store several bodies in one round trip; a receipt, or what went wrong, for each.

        A receipt means Redis has said that it holds every event of that body.
        Raises one of STORE_ERRORS when the answer is unclear for all of them.
        """
        words: list[Any] = [self._store.prefix, SEEN_SECONDS * 1000, MOST_DIRECTORIES]
        for each in submissions:
            words += self._words(each)
        if self._replicas:
            answers, *waited = await self._store.run_and("accept", words, self._wait())
            if not self._enough(waited):
                return [RedisError(self._too_few()) for _ in submissions]
        else:
            answers = await self._store.run("accept", *words)
        parts = zip(answers[::3], answers[1::3], answers[2::3], strict=True)
        return [new if isinstance(new, Exception) else Receipt(new, *others) for new, *others in parts]

    def append_to(self, transaction: Transaction, entries: Sequence[Entry], now: int) -> None:
        """Let a transaction append entries too; `now`: unix milliseconds. Delivery keys mean nothing to it.

        What is committed so is stored when `replicated` says so.
        """
        if not entries:
            return
        for entry in entries:
            transaction.add("XADD", self.key(entry.directory), "*", "e", entry.payload)
        transaction.add("HINCRBY", self._store.key("counters"), "accepted", len(entries))
        for directory in sorted({entry.directory for entry in entries}):
            transaction.add("SADD", self._store.key("directories"), directory)
            transaction.add("RING", "fold", directory, now)

    def keep_refused(self, source: str, rows: Iterable[bytes]) -> Iterator[tuple[Any, ...]]:
        """Return the commands that keep rows of what is shown to operators (see `Submission.refused`)."""
        key = self._store.key("refused", source)
        for row in rows:
            yield "XADD", key, "MAXLEN", "~", _MOST_REFUSED, "*", "r", row
            yield "EXPIRE", key, SEEN_SECONDS

    async def replicated(self) -> bool:
        """Tell whether as many replicas as configured have what was stored by now."""
        return not self._replicas or self._enough(await self._store.calls(self._wait()))

    def _words(self, submission: Submission) -> list[Any]:
        """Return a body as lua/accept.lua reads it."""
        refused, entries = submission.refused, submission.entries
        stream = self._store.key("refused", submission.source) if refused else ""
        words: list[Any] = [len(refused), len(entries), stream, *refused]
        for entry in entries:
            words += (entry.directory, entry.seen or b"", entry.payload)
        return words

    def _too_few(self) -> str:
        return f"fewer than {self._replicas} replicas answered"

    def _wait(self) -> list[tuple[Any, ...]]:
        """Redis waits for the writes of one connection only, so one is made there: all others were before it.

        A repeat writes nothing, and the first attempt may have been another connection's.
        """
        return [("SET", self._store.key("probe"), "1", "PX", 60_000), ("WAIT", self._replicas, 1500)]

    def _enough(self, waited: Sequence[Any]) -> bool:
        return int(waited[-1]) >= self._replicas

    async def not_ready(self) -> str | None:
        """Return why an event could not be stored and worked on now, or would not be kept; else None."""
        try:
            await self._store.call("SET", self._store.key("probe"), "1", "PX", 60_000)
            if refused := await hindrance(self._store):
                return refused
            too_few = None if await self.replicated() else self._too_few()
            unsafe = await dangers(self._store)
        except ResponseError as error:
            return f"Redis refuses to store: {error}"
        except STORE_ERRORS as error:
            return f"Redis does not answer: {describe_error(error)}"
        return too_few or "; ".join(unsafe) or None

    async def warnings(self) -> list[str]:
        """Return what Redis may lose of what it is given, as far as it tells."""
        return self._risks + await durability(self._store)

    async def cursor(self, directory: str) -> str:
        """Return the id of the last folded event of a directory."""
        return await self._store.call("GET", self.cursor_key(directory)) or START

    async def read(self, directory: str, after: str, count: int, most: float = inf) -> list[JournalRow]:
        """Return up to `count` events behind a cursor with their ids; None for a row nobody can read.

        `most`: characters of the events together, unless the first alone has more.
        """
        rows = await self._store.call("XRANGE", self.key(directory), f"({after}", "+", "COUNT", count)
        found: list[JournalRow] = []
        for ident, fields in rows:
            most -= len(fields.get("e", ""))
            if most < 0 and found:
                break
            found.append((ident, read_event(fields)))
        return found

    async def directories(self) -> set[str]:
        """Return the names of all journals there are."""
        return set(await self._store.call("SMEMBERS", self._store.key("directories")))

    async def counters(self) -> tuple[int, int]:
        """Return how many events were accepted and how many folded since the start."""
        key = self._store.key("counters")
        accepted, folded = await self._store.call("HMGET", key, "accepted", "folded")
        return int(accepted or 0), int(folded or 0)


def read_event(fields: Mapping[str, str]) -> DirectoryEvent | None:
    """Return the event of a row of a journal, None for one that nobody can read."""
    try:
        return decode_event(orjson.loads(fields["e"]))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None
