"""Work lists: objects by the time they are due, each with the mark of the newest news of it."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.store.mirror import Command
from bridge.store.redis import Store

_AT_ONCE = 1000  # objects marked by one command
LONGEST_REST_MS = 7_200_000  # nothing is put off for longer: twice the longest wait that a target may ask for


async def recall(store: Store, lists: Sequence[str], now: int) -> int:
    """Make due what was put off for longer than anything is: a wrong clock did that. How many there were.

    `lists`: keys of sorted sets of objects by the time they are due (unix ms); `now`: unix ms. Raises one of
    STORE_ERRORS.
    """
    found = await store.calls(
        ("ZRANGEBYSCORE", key, f"({now + LONGEST_REST_MS}", "+inf", "LIMIT", 0, _AT_ONCE) for key in lists
    )
    astray = {key: names for key, names in zip(lists, found, strict=True) if names}
    await store.calls(
        ("ZADD", key, "XX", "LT", *(word for name in names for word in (now, name)))
        for key, names in astray.items()
    )
    return sum(map(len, astray.values()))


@dataclass(frozen=True, slots=True)
class Work:
    """An object on a work list. `due`: since when, unix ms; `mark`: of the newest news of it."""

    object: str
    due: int
    mark: str

    @property
    def news(self) -> int:
        """Return when the newest news of it arrived, unix ms; 0: it was marked for another reason."""
        return int(self.mark.partition("-")[2] or 0)


@dataclass(frozen=True, slots=True)
class WorkList:
    """One list. Reads are methods; writes are commands, to be put into a transaction.

    `due_key`: object -> when it is due; `marks_key`: object -> its mark.
    """

    store: Store
    due_key: str
    marks_key: str

    async def due(self, now: int, most: int) -> list[Work]:
        """Return what is due, the longest due first."""
        rows = await self.store.call(
            "ZRANGEBYSCORE", self.due_key, "-inf", now, "WITHSCORES", "LIMIT", 0, most
        )
        if not rows:
            return []
        names, scores = rows[::2], rows[1::2]
        marks = await self.store.call("HMGET", self.marks_key, *names)
        return [Work(*each) for each in zip(names, map(int, map(float, scores)), marks, strict=True)]

    async def among(self, objects: Sequence[str]) -> list[Work]:
        """Return those of these objects that are on the list, due or not."""
        if not objects:
            return []
        scores = await self.store.call("ZMSCORE", self.due_key, *objects)
        due = {name: int(float(at)) for name, at in zip(objects, scores, strict=True) if at is not None}
        marks = await self.store.call("HMGET", self.marks_key, *due) if due else []
        return [Work(name, at, mark) for (name, at), mark in zip(due.items(), marks, strict=True)]

    def mark(self, objects: Iterable[str], due: int, news: int = 0) -> list[Command]:
        """Put objects on the list; what is due earlier stays so. `news`: see `Work.news`."""
        rest, commands = list(objects), list[Command]()
        while rest:
            names, rest = rest[:_AT_ONCE], rest[_AT_ONCE:]
            commands.append(("ZADD", self.due_key, "LT", *(word for name in names for word in (due, name))))
            commands.append(self.new_marks(names, news))
        return commands

    def new_marks(self, objects: Sequence[str], news: int = 0) -> Command:
        """Give objects a mark they never had: whoever works on them sees that there is news."""
        mark = f"{secrets.randbits(48)}-{news}"
        return ("HSET", self.marks_key, *(word for name in objects for word in (name, mark)))

    def clear(self, work: Work) -> Command:
        """Take an object off the list unless it was marked again."""
        return ("CLEAR", self.due_key, self.marks_key, work.object, work.mark)

    def defer(self, work: Work, until: int) -> Command:
        """Make an object due later unless it was marked again."""
        return ("DEFER", self.due_key, self.marks_key, work.object, work.mark, until)
