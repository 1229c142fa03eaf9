"""Transactions: all of it or none, and only while what they were worked out from still holds."""

from collections.abc import Iterable, Iterator
from typing import Any

from bridge.store.redis import Store

MOST_WORDS = 20_000  # a longer script would keep the receivers waiting
_LONGEST = 4_000  # words of one command; Lua unpacks some 8,000
_REPEATABLE = {  # words before the items, and of an item
    "HSET": (2, 2),
    "HDEL": (2, 1),
    "SADD": (2, 1),
    "SREM": (2, 1),
    "ZREM": (2, 1),
    "ZADD": (3, 2),
}  # fmt: skip  (a ZADD of many items has one option)


class LeaseLostError(Exception):
    """Somebody else works here now: stop, and leave the state alone."""


class Transaction:
    """Commands that Redis runs in one go if every requirement holds (lua/commit.lua).

    Nothing here reads: whoever builds it has read before, and requires what must not have changed.
    """

    def __init__(self, store: Store) -> None:
        """`store`: where it will run."""
        self._store = store
        self._requirements: list[str] = []
        self._words: list[Any] = []

    def __len__(self) -> int:
        """How many words its commands have."""
        return len(self._words)

    @property
    def full(self) -> bool:
        """More belongs into another one."""
        return len(self) > MOST_WORDS

    def require(self, key: str, value: str) -> None:
        """Run nothing unless the key holds the value ("" for no such key, of whatever type)."""
        self.require_field(key, "", value)

    def require_field(self, key: str, field: str, value: str) -> None:
        """Run nothing unless the hash's field holds the value ("" for no such field)."""
        self._requirements += [key, field, value]

    def add(self, *words: Any) -> None:
        """Add one command; a long one that takes items is added as several."""
        for part in parts(words):
            self._words += [len(part), *part]

    def add_all(self, commands: Iterable[tuple[Any, ...]]) -> None:
        """Add several commands."""
        for words in commands:
            self.add(*words)

    async def run(self) -> bool:
        """Run it; False when a requirement did not hold and nothing was done."""
        head = (self._store.prefix, len(self._requirements) // 3, *self._requirements)
        return bool(await self._store.run("commit", *head, *self._words) == 0)


def fit(commands: Iterable[tuple[Any, ...]]) -> bool:
    """Tell whether commands can be run in one transaction."""
    return sum(len(command) + 1 for command in commands) <= MOST_WORDS


def parts(words: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Return a command that takes items as several, none of them too long for Lua."""
    shape = _REPEATABLE.get(words[0]) if len(words) > _LONGEST else None
    if shape is None:
        yield words
        return
    head, size = shape
    step = _LONGEST // size * size
    for start in range(head, len(words), step):
        yield *words[:head], *words[start : start + step]
