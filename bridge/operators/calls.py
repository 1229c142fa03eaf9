"""What was done at the targets and decided about it, the newest first."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bridge.operators.desks import Desk
from bridge.operators.filters import Filter
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

    Raises ValueError for a wrong `after`, one of STORE_ERRORS.
    """
    streams = {
        name: desk.history.key for name, desk in desks.items() if not wanted.targets or name in wanted.targets
    }
    return await newest_first(store, streams, wanted, partial(_read, wanted))


async def _read(wanted: Filter, raw: list[Raw]) -> list[PastCall | None]:
    calls = [PastCall(row_id(name, row), name, read_row(fields)) for name, row, fields in raw]
    return [call if _admits(wanted, call.row) else None for call in calls]


def _admits(wanted: Filter, row: Mapping[str, Any]) -> bool:
    texts = (row.get(key) for key in ("object", "change", "reason", "event", "delivery", "by", "why"))
    return wanted.admits(kind=row.get("kind", ""), state=row["outcome"], texts=texts)
