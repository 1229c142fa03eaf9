"""What events of a directory have left open, and how reading it from the directory's own API goes."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass

import orjson

from bridge.directory.users import decode_user
from bridge.store.mirror import Command
from bridge.store.redis import Store
from bridge.store.targets import Work

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
        """Tell whether no call is to be made yet. `now`: unix ms."""
        return self.resumes_at * 1000 > now


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
    def list_key(self) -> str:
        """The objects to read, by the time they are due (unix ms)."""
        return self.key("reads")

    def mark(self, objects: Iterable[str], due: int) -> list[Command]:
        """Have objects read; what is due earlier stays so."""
        commands: list[Command] = []
        for each in objects:
            commands.append(("ZADD", self.list_key, "LT", due, each))
            commands.append(("HINCRBY", self.key("readv"), each, 1))
        return commands

    def unmark(self, objects: Collection[str]) -> list[Command]:
        """Have objects not read after all."""
        commands: list[Command] = [("ZREM", self.list_key, *objects)] if objects else []
        return commands + [("HDEL", self.key(what), *objects) for what in ("readv", "readtries") if objects]

    def read(self, work: Work) -> list[Command]:
        """An object was read: take it off the list unless it was marked again."""
        return [
            ("CLEAR", self.list_key, self.key("readv"), work.object, work.mark),
            ("HDEL", self.key("readtries"), work.object),
        ]

    def defer(self, work: Work, until: int, tries: int) -> list[Command]:
        """Have an object read later unless it was marked again; it was tried so often."""
        return [
            ("DEFER", self.list_key, self.key("readv"), work.object, work.mark, until),
            ("HSET", self.key("readtries"), work.object, tries),
        ]

    async def due(self, now: int, most: int) -> list[tuple[Work, int]]:
        """Return what is due, the longest due first, and how often each was tried in vain."""
        rows = await self.store.call(
            "ZRANGEBYSCORE", self.list_key, "-inf", now, "WITHSCORES", "LIMIT", 0, most
        )
        if not rows:
            return []
        names, scores = rows[::2], map(int, map(float, rows[1::2]))
        marks, tries = await self.store.calls([
            ("HMGET", self.key("readv"), *names), ("HMGET", self.key("readtries"), *names),
        ])  # fmt: skip
        works = [Work(*each) for each in zip(names, scores, marks, strict=True)]
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
        return _state(await self.store.call("GET", self.key("readstate")))

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
        each.directory: (rows[at], _state(rows[at + 1]), bool(rows[at + 2]))
        for at, each in zip(range(0, len(rows), 3), reads, strict=True)
    }


def _state(row: str | None) -> ReadState:
    return ReadState(**orjson.loads(row)) if row else ReadState()
