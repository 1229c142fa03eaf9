"""What events of a directory have left open, and how reading it from the directory's own API goes."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass

import orjson

from bridge.directory.users import decode_user
from bridge.store.mirror import Command
from bridge.store.redis import Store
from bridge.store.work import LONGEST_REST_MS, Work, WorkList

USER, GROUP = "u:", "g:"  # how objects begin, as in the directory's `unresolved`
_SAMPLE = 32


@dataclass(frozen=True, slots=True)
class ReadState:
    """How a directory's API is doing. `resumes_at`: unix seconds, 0 for none.

    `failures`: calls without an answer since the last one with one; `downs`: how often it was given up for
    a while since then; `answered_at`: unix ms of an answer, an hour ago at most if there was one since.
    """

    state: str = "ok"
    reason: str | None = None
    resumes_at: float = 0.0
    failures: int = 0
    downs: int = 0
    answered_at: int = 0

    def asleep(self, now: int) -> bool:
        """Tell whether no call is to be made yet. `now`: unix ms.

        A time further ahead than any wait was written by a wrong clock, and counts as over.
        """
        return now < self.resumes_at * 1000 <= now + LONGEST_REST_MS


@dataclass(frozen=True, slots=True)
class ReadStore:
    """The keys of one directory's reading. Reads are methods; writes are commands, for a transaction.

    Objects wait in it whether or not an API is configured: once it is, they are read.
    """

    store: Store
    directory: str

    def key(self, what: str) -> str:
        """Return the directory's key for something."""
        return self.store.key(what, self.directory)

    @property
    def work(self) -> WorkList:
        """The objects to read."""
        return WorkList(self.store, self.key("reads"), self.key("readv"))

    @property
    def list_key(self) -> str:
        """The objects to read, by the time they are due (unix ms)."""
        return self.work.due_key

    def mark(self, objects: Iterable[str], due: int) -> list[Command]:
        """Have objects read; what is due earlier stays so."""
        return self.work.mark(objects, due)

    def unmark(self, objects: Collection[str]) -> list[Command]:
        """Have objects not read after all."""
        commands: list[Command] = [("ZREM", self.list_key, *objects)] if objects else []
        return commands + [("HDEL", self.key(what), *objects) for what in ("readv", "readtries") if objects]

    def read(self, work: Work) -> list[Command]:
        """An object was read: take it off the list unless it was marked again."""
        return [self.work.clear(work), ("HDEL", self.key("readtries"), work.object)]

    def defer(self, work: Work, until: int, tries: int) -> list[Command]:
        """Have an object read later unless it was marked again; it was tried so often."""
        return [self.work.defer(work, until), ("HSET", self.key("readtries"), work.object, tries)]

    async def due(self, now: int, most: int) -> list[tuple[Work, int]]:
        """Return what is due, the longest due first, and how often each was tried in vain."""
        works = await self.work.due(now, most)
        if not works:
            return []
        tries = await self.store.call("HMGET", self.key("readtries"), *(work.object for work in works))
        return [(work, int(count or 0)) for work, count in zip(works, tries, strict=True)]

    async def unresolved(self) -> list[str]:
        """Return the objects of which events told an id alone."""
        return list(await self.store.call("HKEYS", self.key("unresolved")))

    async def some_active(self) -> list[str]:
        """Return the ids of some users who are active by the mirror, at random."""
        rows = await self.store.call("HRANDFIELD", self.key("users"), _SAMPLE, "WITHVALUES")
        users = zip(rows[::2], rows[1::2], strict=True)
        return [ident for ident, row in users if decode_user(orjson.loads(row)).active]

    async def count(self) -> int:
        """Return how many objects are to be read."""
        return int(await self.store.call("ZCARD", self.list_key))

    async def state(self) -> ReadState:
        """Return how the API is doing."""
        return read_api_state(await self.store.call("GET", self.key("readstate")))

    def put_state(self, state: ReadState) -> Command:
        """Write how the API is doing."""
        return ("SET", self.key("readstate"), orjson.dumps(asdict(state)))


async def waiting_reads(
    store: Store, directories: Collection[str], now: int
) -> dict[str, tuple[int, ReadState, bool]]:
    """Return for each directory how many objects are due, its state, and whether somebody reads now."""
    reads = [ReadStore(store, each) for each in directories]
    rows = await store.calls([
        command
        for each in reads
        for command in (
            ("ZCOUNT", each.list_key, "-inf", now),
            ("GET", each.key("readstate")),
            ("EXISTS", store.key("lease", f"readback:{each.directory}")),
        )
    ])  # fmt: skip
    return {
        each.directory: (rows[at], read_api_state(rows[at + 1]), bool(rows[at + 2]))
        for at, each in zip(range(0, len(rows), 3), reads, strict=True)
    }


def read_api_state(row: str | None) -> ReadState:
    """Return how an API is doing, from what is kept of it."""
    return ReadState(**orjson.loads(row)) if row else ReadState()
