"""News that came too late: what it could contradict is forgotten, so it is counted and shown, not folded."""

from collections.abc import Iterator, Sequence

import orjson

from bridge.directory.events import DirectoryEvent, stamp_time
from bridge.intake import MOST_REFUSED, refused_rows
from bridge.sources.base import Refused
from bridge.store.erasure import Erased
from bridge.store.mirror import Command
from bridge.store.tombstones import count_too_old, late_key
from workers.context import Worker

Told = tuple[str, DirectoryEvent]


def divide(told: Sequence[Told], horizon: int) -> tuple[list[Told], list[Told]]:
    """Return the events, with their ids, that are newer than all that was forgotten, and the others."""
    late = [each for each in told if each[1].stamp <= horizon]
    return ([each for each in told if each[1].stamp > horizon] if late else list(told)), late


def leave_out(told: Sequence[Told], erased: Erased) -> tuple[list[Told], list[str]]:
    """Return the events but those about people who were erased after they happened, and the ids of these."""
    gone = [ident for ident, event in told if erased.covers(event)]
    return ([each for each in told if each[0] not in gone] if gone else list(told)), gone


def drop_erased(worker: Worker, directory: str, gone: Sequence[str]) -> Iterator[Command]:
    """Count events about people who were erased; the rows go, as those before them went."""
    if gone:
        worker.log.warning("fold.erased", directory=directory, events=len(gone))
        yield count_too_old(worker.store, len(gone))
        yield "XDEL", worker.journal.key(directory), *gone


def note_late(worker: Worker, directory: str, late: Sequence[Told]) -> Iterator[Command]:
    """Count late events, and note which they are as long as the journal has them.

    Why the first of them were refused is kept as for those that could not be read.
    """
    if not late:
        return
    key, kept = late_key(worker.store, directory), int(worker.settings.retention.journal)
    yield "ZADD", key, "NX", *(word for ident, _ in late for word in (ident.partition("-")[0], ident))
    yield "ZREMRANGEBYSCORE", key, "-inf", f"({worker.clock() - kept * 1000}"
    yield "EXPIRE", key, kept
    worker.log.warning("fold.too_old", directory=directory, events=len(late))
    yield count_too_old(worker.store, len(late))
    for ident, event in late[:MOST_REFUSED]:
        told = stamp_time(event.stamp)
        reason = f"{event.name}: it happened {_days(event.received - told)} days before it arrived, too old"
        [text] = refused_rows(event.source, [Refused(0, reason)], event.received, event.delivery)
        row = orjson.dumps(orjson.loads(text) | {"event": f"{directory}/{ident}"})
        yield from worker.journal.keep_refused(event.source, [row])


def _days(milliseconds: int) -> int:
    return milliseconds // 86_400_000
