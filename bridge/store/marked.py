"""How far a target was marked for what a directory told: nothing that was folded without it may be missed.

Whoever folds marks only the targets of its own configuration. A target that was not in it, or did not follow
the directory, has a gap there, and a gap ends only when everyone of the directory is marked for the target.

Kept for each target, by directory: the last stretch of batches that were marked without a gap (what it began
behind, and its last event), and up to which event everyone was marked.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.store.journal import START, Journal
from bridge.store.mirror import Command, directory_name
from bridge.store.redis import Store
from bridge.store.targets import TargetStore

STRETCHES, REPLANNED = "marked", "replanned"


@dataclass(frozen=True, slots=True)
class Marked:
    """What is kept of one target. `stretches`: `first last` by directory; `replanned`: an id by directory."""

    stretches: Mapping[str, str] = field(default_factory=dict)
    replanned: Mapping[str, str] = field(default_factory=dict)

    def reached(self, directory: str) -> str:
        """Return up to which event (its id) all news of a directory was marked."""
        first, _, last = self.stretches.get(directory, f"{START} {START}").partition(" ")
        replanned = self.replanned.get(directory, START)
        joins = _place(first) <= _place(replanned) <= _place(last)
        return last if joins else replanned

    def behind(self, cursors: Mapping[str, str], names: Collection[str]) -> list[str]:
        """Return the directories that were folded further than that.

        `cursors`: the id of the last folded event, by directory, read before what is kept here; `names`:
        configured names of the directories that the target follows.
        """
        return sorted(
            directory
            for directory, cursor in cursors.items()
            if directory_name(directory) in names and _place(self.reached(directory)) < _place(cursor)
        )


def _place(ident: str) -> tuple[int, int]:
    """Return where an id stands in its stream."""
    time, _, number = ident.partition("-")
    return int(time), int(number or 0)


def questions(target: TargetStore) -> list[Command]:
    """Return the commands whose answers `read_marked` reads."""
    return [("HGETALL", target.key(STRETCHES)), ("HGETALL", target.key(REPLANNED))]


def read_marked(answers: Collection[Any]) -> Marked:
    """Return what is kept of a target."""
    return Marked(*answers)


async def read_cursors(store: Store) -> dict[str, str]:
    """Return how far each directory was folded: the id of its last event. Raises one of STORE_ERRORS."""
    journal = Journal(store)
    names = sorted(await journal.directories())
    if not names:
        return {}
    cursors = await store.call("MGET", *(journal.cursor_key(each) for each in names))
    return {name: cursor or START for name, cursor in zip(names, cursors, strict=True)}


def note_marked(target: TargetStore, directory: str, first: str, last: str) -> Command:
    """Return the command that notes a batch: it goes into the transaction that moves the cursor.

    `first`: the cursor that the batch begins behind; `last`: the id of its last event.
    """
    return ("STRETCH", target.key(STRETCHES), directory, first, last)


def note_replanned(target: TargetStore, cursors: Mapping[str, str]) -> list[Command]:
    """Return the commands that note that everyone was marked, once these cursors had been read."""
    rows = [word for pair in sorted(cursors.items()) for word in pair]
    return [("HSET", target.key(REPLANNED), *rows)] if rows else []


def forget_marked(target: TargetStore, directory: str) -> list[Command]:
    """Return the commands that forget it of a directory that is forgotten."""
    return [("HDEL", target.key(what), directory) for what in (STRETCHES, REPLANNED)]
