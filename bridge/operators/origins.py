"""Whose word something goes back to: the events behind it, and the sources that told them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bridge.operators.pages import Raw, row_id, split_id
from bridge.store.journal import Journal, read_event
from bridge.store.redis import Store
from bridge.store.targets import TargetStore


@dataclass(frozen=True, slots=True)
class Origin:
    """The id of an event, and the source that told it: "" for unknown, or when the event is not kept."""

    event: str = ""
    source: str = ""


async def origins_of(target: TargetStore, objects: Collection[str]) -> dict[str, Origin]:
    """Return the events that last spoke of these objects of a work list, as far as known."""
    events = {name: cause.event for name, cause in (await target.causes(objects)).items()}
    sources = await sources_of(target.store, events.values())
    return {name: Origin(event, sources.get(event, "")) for name, event in events.items()}


async def raw_events(store: Store, idents: Iterable[str]) -> list[Raw]:
    """Return the rows of events that are still kept. `idents`: as `okta/1795319083036-0`."""
    journal, places = Journal(store), [split_id(ident) for ident in idents]
    answers = await store.calls([("XRANGE", journal.key(name), row, row) for name, row in places])
    return [
        (name, row, fields) for (name, row), rows in zip(places, answers, strict=True) for _, fields in rows
    ]


async def sources_of(store: Store, idents: Iterable[str]) -> dict[str, str]:
    """Return which source told each event, by its id; "" and what is not kept any more are left out."""
    rows = await raw_events(store, sorted({*idents} - {""}))
    events = {row_id(name, row): read_event(fields) for name, row, fields in rows}
    return {ident: event.source for ident, event in events.items() if event}
