"""What was done at the targets and decided about it, the newest first."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bridge.operators.desks import Desk
from bridge.operators.filters import Filter
from bridge.operators.origins import sources_of
from bridge.operators.pages import Page, Raw, newest_first, row_id
from bridge.plan.changes import VERBS
from bridge.store.history import read_row
from bridge.store.redis import Store

KINDS = VERBS
STATES = (
    "done", "requested", "failed", "gone", "parked", "released", "dead", "approved", "rejected", "retried",
    "replayed", "paused", "resumed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PastCall:
    """One row of a target's history; see `bridge.store.history.History`. `id`: `docs/1795319083036-0`."""

    id: str
    target: str
    row: Mapping[str, Any]


async def read_calls(store: Store, desks: Mapping[str, Desk], wanted: Filter) -> Page[PastCall]:
    """Return rows of the histories, the newest first. `wanted.states`: their outcomes.

    `wanted.sources`: those that told the events behind them, as long as these are kept.

    Raises ValueError for a wrong `after`, one of STORE_ERRORS.
    """
    streams = {name: desk.history.key for name, desk in desks.items() if wanted.admits(target=name)}
    return await newest_first(store, streams, wanted, partial(_read, store, wanted))


async def _read(store: Store, wanted: Filter, raw: list[Raw]) -> list[PastCall | None]:
    calls = [PastCall(row_id(name, row), name, read_row(fields)) for name, row, fields in raw]
    chosen = {call.id for call in calls if _admits(wanted, call.row)}
    if wanted.sources:
        events = {call.id: call.row.get("event", "") for call in calls if call.id in chosen}
        sources = await sources_of(store, events.values())
        chosen = {ident for ident, event in events.items() if sources.get(event) in wanted.sources}
    return [call if call.id in chosen else None for call in calls]


def _admits(wanted: Filter, row: Mapping[str, Any]) -> bool:
    texts = (row.get(key) for key in ("object", "change", "reason", "event", "delivery", "by", "why"))
    return wanted.admits(kind=row.get("kind", ""), state=row["outcome"], texts=texts)
