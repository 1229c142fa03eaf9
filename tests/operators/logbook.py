"""The event log of a world, as tests read and fill it."""

from typing import Any

from bridge.intake import refused_rows
from bridge.operators.events import EventLog, LoggedEvent
from bridge.operators.filters import Filter
from bridge.sources.base import Refused
from bridge.store.journal import Submission
from tests.workers.world import World


def log(world: World) -> EventLog:
    """The world's event log."""
    return EventLog(world.settings, world.store)


async def events(world: World, **wanted: Any) -> list[LoggedEvent]:
    """Its rows, the newest first."""
    return list((await log(world).page(Filter(**wanted))).rows)


async def refuse(world: World, *reasons: str, source: str = "okta") -> None:
    """Let elements of one body be refused."""
    rows = refused_rows(source, [Refused(n, reason) for n, reason in enumerate(reasons)], world.now, "d9")
    await world.journal.accept([Submission(source, refused=rows)])
