"""Directories that operators have had forgotten, while that is under way.

First nobody counts on such a directory any more: `bridge.following` leaves it out, so each target
plans everyone of it anew. When that has been written down for all targets the departure *begins*: what is
kept of the directory is deleted, and until that is done nothing new of it is folded.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

import orjson

from bridge.store.commit import Transaction
from bridge.store.mirror import directory_name
from bridge.store.redis import Store


@dataclass(frozen=True, slots=True)
class Departure:
    """A directory that is being forgotten. `at`: unix ms, when who wanted it.

    `ends`: for each of its journals the id of the last event that goes with it; None until it has begun.
    """

    at: int
    by: str
    why: str = ""
    ends: Mapping[str, str] | None = None

    @property
    def began(self) -> bool:
        """Tell whether its data is being deleted."""
        return self.ends is not None


@dataclass(frozen=True, slots=True)
class Departures:
    """All that are under way, by the configured name of the directory. `text`: as Redis has them."""

    key: str
    text: str = ""
    by_name: Mapping[str, Departure] = field(default_factory=dict)

    @property
    def begun(self) -> set[str]:
        """Return the names of those directories whose data is being deleted."""
        return {name for name, each in self.by_name.items() if each.began}

    def holds_up(self, journal: str) -> bool:
        """Tell whether a journal is not to be folded yet, since an earlier life of it is being deleted."""
        return directory_name(journal) in self.begun

    def require(self, transaction: Transaction) -> None:
        """Let a transaction run only if none began, or ended, since these were read."""
        transaction.require(self.key, self.text)

    def put(self, transaction: Transaction, name: str, departure: Departure | None) -> None:
        """Let a transaction write one down, or that it is over; only if nobody else did meanwhile."""
        self.require(transaction)
        after = {each: asdict(left) for each, left in self.by_name.items() if each != name}
        if departure:
            after[name] = asdict(departure)
        if after:
            transaction.add("SET", self.key, orjson.dumps(after, option=orjson.OPT_SORT_KEYS))
        else:
            transaction.add("DEL", self.key)


def departures_key(store: Store) -> str:
    """Return where they are."""
    return store.key("departures")


def parse_departures(key: str, text: str | None) -> Departures:
    """Return what Redis holds under the key."""
    rows = orjson.loads(text) if text else {}
    return Departures(key, text or "", {name: Departure(**row) for name, row in rows.items()})


async def read_departures(store: Store) -> Departures:
    """Return those that are under way. Raises one of STORE_ERRORS."""
    key = departures_key(store)
    return parse_departures(key, await store.call("GET", key))


def begin(departure: Departure, ends: Mapping[str, str]) -> Departure:
    """Return a departure whose data is to be deleted from now on."""
    return replace(departure, ends=dict(ends))
