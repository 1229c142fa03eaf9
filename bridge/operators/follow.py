"""The event log as it grows."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.operators.events import EventLog, LoggedEvent
from bridge.operators.filters import Filter
from bridge.operators.pages import order, split_id
from bridge.store.journal import START

_AT_ONCE = 500  # rows of each stream
_LAST = "18446744073709551615"  # the last number there is within one millisecond


@dataclass(slots=True)
class Follower:
    """Where somebody who watches the log has come to.

    It begins with what arrives from the first look on, or since `wanted.since`; what `wanted` does not
    admit is passed over.
    """

    log: EventLog
    wanted: Filter
    _read: dict[str, str] | None = field(default=None, init=False)  # the last id that was read, by stream

    async def next(self, milliseconds: int) -> list[LoggedEvent]:
        """Return what has arrived since, the oldest first; wait for it so long at most.

        Raises one of STORE_ERRORS; then it can be asked again, and nothing is left out.
        """
        streams = await self.log.streams(self.wanted)  # there may be a new directory
        if self._read is None:
            self._read = await self._begin(streams)
        if not streams:
            await asyncio.sleep(milliseconds / 1000)
            return []
        places = [self._read.get(name, START) for name in streams]
        answer = await self.log.store.call(
            "XREAD", "COUNT", _AT_ONCE, "BLOCK", milliseconds, "STREAMS", *streams.values(), *places
        )
        names = {key: name for name, key in streams.items()}
        raw = [(names[key], ident, fields) for key, rows in answer or () for ident, fields in rows]
        found = await self.log.read(self.wanted, raw)
        self._read |= {name: ident for name, ident, _ in raw}
        return sorted((each for each in found if each), key=lambda each: order(split_id(each.id)[1]))

    async def _begin(self, streams: Mapping[str, str]) -> dict[str, str]:
        if self.wanted.since:
            return dict.fromkeys(streams, f"{self.wanted.since - 1}-{_LAST}")
        last = await self.log.store.calls(
            [("XREVRANGE", key, "+", "-", "COUNT", 1) for key in streams.values()]
        )
        return {name: rows[0][0] if rows else START for name, rows in zip(streams, last, strict=True)}
