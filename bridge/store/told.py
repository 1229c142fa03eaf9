"""Which events told of whom: a chain for each user and group of a directory, from the last event back.

Folding writes it for every event, so it costs few commands: for each user and group the id of its last
event, and for each batch one row that says which event was the one before. A list for each user and group
would be simpler to read; it made folding a quarter slower.
"""

from collections.abc import Iterable, Iterator, Sequence

from bridge.directory.events import DirectoryEvent
from bridge.store.mirror import Command
from bridge.store.redis import Store

USER, GROUP = "u:", "g:"
MOST_EVENTS = 200  # of one user or group
Event = tuple[str, DirectoryEvent]  # with its stream id


class Told:
    """The chains of one directory; they end where the journal was trimmed."""

    def __init__(self, store: Store, directory: str) -> None:
        """`directory`: with the sender's own id of it."""
        self._store = store
        self.last_key = store.key("told", directory)
        self.before_key = store.key("before", directory)

    async def last(self, events: Sequence[Event]) -> dict[str, str]:
        """Return the id of the last event of each user and group that these events tell of."""
        subjects = [*{USER + event.user.id for _, event in events if event.user}]
        subjects += {GROUP + event.group.id for _, event in events if event.group}
        if not subjects:
            return {}
        ids = await self._store.call("HMGET", self.last_key, *subjects)
        return {subject: ident for subject, ident in zip(subjects, ids, strict=True) if ident}

    def note(self, events: Sequence[Event], last: dict[str, str]) -> Iterator[Command]:
        """Return the commands that add events; `last`: what `last` returned for them. Run once.

        Of each event the row says its id, and those of the events before it of its user and of its group.
        """
        ends, links = dict(last), []
        for ident, event in events:
            of_user = of_group = ""
            if event.user:
                subject = USER + event.user.id
                of_user, ends[subject] = ends.get(subject, ""), ident
            if event.group:
                subject = GROUP + event.group.id
                of_group, ends[subject] = ends.get(subject, ""), ident
            links.append(f"{ident},{of_user},{of_group}")
        if ends:
            yield ("HSET", self.last_key, *(word for pair in ends.items() for word in pair))
            yield ("XADD", self.before_key, events[-1][0], "b", " ".join(links))

    async def ids(self, kind: str, ident: str) -> list[str]:
        """Return the stream ids of the last events of a user (`USER`) or group, in order of arrival."""
        found: list[str] = []
        here, links = await self._store.call("HGET", self.last_key, kind + ident), dict[str, list[str]]()
        while here and len(found) < MOST_EVENTS:
            found.append(here)
            if here not in links:
                rows = await self._store.call("XRANGE", self.before_key, here, "+", "COUNT", 1)
                links = _read(rows[0][1]["b"]) if rows else {}
            of_user, of_group = links.get(here, ("", ""))
            here = of_user if kind == USER else of_group
        return found[::-1]

    def forget(self, kind: str, idents: Iterable[str]) -> Iterator[Command]:
        """Return the commands that forget users or groups."""
        for ident in idents:
            yield ("HDEL", self.last_key, kind + ident)

    def trim(self, first: str) -> Command:
        """Return the command that takes away what leads to events before the first one that is kept."""
        return ("XTRIM", self.before_key, "MINID", first)


def _read(row: str) -> dict[str, list[str]]:
    links = (each.split(",") for each in row.split(" "))
    return {ident: [of_user, of_group] for ident, of_user, of_group in links}
