"""What operators did to the installation: who, when, to what, and why. Kept as long as the evidence."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from bridge.store.mirror import Command
from bridge.store.redis import Store


@dataclass(frozen=True, slots=True)
class Deed:
    """One action of a person. `at`: unix ms; `target`: its name in the configuration, "" for none.

    `action`: approved, rejected, retried, replayed, paused, resumed, forgot, erased, trusted; `object`: of
    the work list, or the directory's name; `what`: the change in words; `detail`: what else an auditor
    asks for.
    """

    at: int
    by: str
    action: str
    target: str = ""
    object: str = ""
    what: str = ""
    why: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


class Audit:
    """One stream for the whole installation."""

    def __init__(self, store: Store) -> None:
        """`store`: the bridge's own."""
        self._store = store

    @property
    def key(self) -> str:
        """The stream."""
        return self._store.key("audit")

    def write(self, deed: Deed) -> Command:
        """Return the command that writes it down: it belongs into the action's own transaction."""
        return ("XADD", self.key, "*", "c", orjson.dumps(asdict(deed)))

    async def read(self, since: int = 0, until: int = 0, most: int = 1000) -> list[tuple[str, Deed]]:
        """Return deeds with their ids, the newest first. `since`, `until`: unix ms, 0 for no end."""
        last, first = f"({until}-0" if until else "+", str(since) if since else "-"
        rows = await self._store.call("XREVRANGE", self.key, last, first, "COUNT", most)
        return [(ident, read_deed(fields)) for ident, fields in rows]

    async def trim(self, before: int) -> None:
        """Forget what was done before (unix ms)."""
        await self._store.call("XTRIM", self.key, "MINID", before)


def read_deed(fields: Mapping[str, str]) -> Deed:
    """Return a row of the stream as it was written."""
    return Deed(**orjson.loads(fields["c"]))
