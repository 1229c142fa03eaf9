"""What was done at a target and decided about it: the history, and the evidence that is kept longer."""

from collections.abc import Mapping
from typing import Any

import orjson

from bridge.settings import RetentionSettings
from bridge.store.mirror import Command
from bridge.store.targets import TargetStore

MOST_OF_AN_OBJECT = 200  # rows that are found by the object they are about
_MOST = 100_000
_ID = "*"  # of a new row: the time, as Redis has it
Row = dict[str, Any]


class History:
    """The rows of one target, JSON objects. Reads are methods; writes are commands, for a transaction.

    Of a row: `at` (unix ms), `object` (of the work list, "" for the target as a whole), `kind` (see
    `bridge.plan.changes.Change.verb`), `change` in words, `outcome`: done, failed, gone (was not there any
    more), requested (GitBook asked its admins), parked, released, dead, or what a person did: approved,
    rejected, retried, replayed, paused, resumed; `reason`; of calls `status`, `milliseconds`, `event`,
    `delivery` (what caused them); `by` of persons; `why`; `since`: unix ms, when by the directory somebody
    came or left. Of removals and invites that had been held: `held_since`, `held_for`, and who approved it,
    `approved_by`, `approved_at`, `approved_why`.
    """

    def __init__(self, target: TargetStore, retention: RetentionSettings) -> None:
        """`retention`: how long rows are kept."""
        self._target = target
        self._seconds = int(retention.history)

    @property
    def key(self) -> str:
        """The stream of all rows."""
        return self._target.key("history")

    @property
    def evidence_key(self) -> str:
        """The stream of those rows that prove who got in and who lost access."""
        return self._target.key("evidence")

    def rows_key(self, name: str) -> str:
        """Return the list of the ids of an object's rows."""
        return self._target.store.key("calls", self._target.id, name)

    def record(self, row: Mapping[str, Any]) -> Command:
        """Add one row."""
        text, rows = orjson.dumps(row), self.rows_key(row["object"])
        return ("NOTE", self.key, _MOST, _ID, text, rows, MOST_OF_AN_OBJECT, self._seconds)

    def prove(self, row: Mapping[str, Any]) -> list[Command]:
        """Add one row, to the evidence too."""
        return [self.record(row), ("XADD", self.evidence_key, _ID, "c", orjson.dumps(row))]

    async def of(self, name: str) -> list[tuple[str, Row]]:
        """Return the last rows of an object with their ids in the stream, the oldest first."""
        store = self._target.store
        idents = await store.call("LRANGE", self.rows_key(name), 0, -1)
        answers = await store.calls([("XRANGE", self.key, ident, ident) for ident in idents])
        return [(ident, read_row(fields)) for rows in answers for ident, fields in rows]

    async def rows(self, count: int) -> list[Row]:
        """Return the last rows, the newest first."""
        return await self._last(self.key, count)

    async def evidence(self, count: int) -> list[Row]:
        """Return the last rows of the evidence, the newest first."""
        return await self._last(self.evidence_key, count)

    async def _last(self, key: str, count: int) -> list[Row]:
        rows = await self._target.store.call("XREVRANGE", key, "+", "-", "COUNT", count)
        return [read_row(fields) for _, fields in rows]


def read_row(fields: Mapping[str, str]) -> Row:
    """Return a row of a stream as it was written."""
    row: Row = orjson.loads(fields["c"])
    return row
