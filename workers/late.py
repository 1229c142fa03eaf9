"""News that came too late: what it could contradict is forgotten, so it is counted and shown, not folded."""

from collections.abc import Iterator, Sequence

from bridge.directory.events import DirectoryEvent, stamp_time
from bridge.intake import MOST_REFUSED, refused_rows
from bridge.sources.base import Refused
from bridge.store.journal import SEEN_SECONDS
from bridge.store.mirror import Command
from bridge.store.tombstones import count_too_old
from workers.context import Worker

_KEPT = 1000  # rows of one source, as lua/accept.lua keeps them


def divide(
    events: Sequence[DirectoryEvent], horizon: int
) -> tuple[list[DirectoryEvent], list[DirectoryEvent]]:
    """Return the events that are newer than all that was forgotten, and the others."""
    late = [event for event in events if event.stamp <= horizon]
    return ([event for event in events if event.stamp > horizon] if late else list(events)), late


def note_late(worker: Worker, directory: str, late: Sequence[DirectoryEvent]) -> Iterator[Command]:
    """Count late events, and keep why the first of them were refused, as for those that could not be read."""
    if not late:
        return
    worker.log.warning("fold.too_old", directory=directory, events=len(late))
    yield count_too_old(worker.store, len(late))
    for event in late[:MOST_REFUSED]:
        key, told = worker.store.key("refused", event.source), stamp_time(event.stamp)
        reason = f"{event.name}: it happened {_days(event.received - told)} days before it arrived, too old"
        [row] = refused_rows(event.source, [Refused(0, reason)], event.received, event.delivery)
        yield "XADD", key, "MAXLEN", "~", _KEPT, "*", "r", row
        yield "EXPIRE", key, SEEN_SECONDS


def _days(milliseconds: int) -> int:
    return milliseconds // 86_400_000
