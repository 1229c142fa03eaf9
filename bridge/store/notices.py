"""What senders told that changes nothing but that operators have to know of, such as a directory's end.

It lies beside what could not be read: bounded, and kept for as long.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from bridge.store.redis import Store

_MOST_ROWS = 1000
_MOST = 5  # notices of one source


@dataclass(frozen=True, slots=True)
class KeptNotice:
    """A notice and when it last arrived, unix milliseconds."""

    at: int
    text: str


async def read_notices(store: Store, sources: Iterable[str]) -> dict[str, list[KeptNotice]]:
    """Return the notices of each source, each text once, the newest first. Raises one of STORE_ERRORS."""
    names = list(sources)
    wanted = [("XREVRANGE", store.key("refused", name), "+", "-", "COUNT", _MOST_ROWS) for name in names]
    answers = await store.calls(wanted) if wanted else []
    return {name: _notices(rows) for name, rows in zip(names, answers, strict=True)}


def _notices(rows: Iterable[tuple[str, dict[str, str]]]) -> list[KeptNotice]:
    found: dict[str, KeptNotice] = {}
    for _, fields in rows:
        row = orjson.loads(fields["r"])
        if "notice" in row:
            found.setdefault(row["notice"], KeptNotice(row["at"], row["notice"]))
    return list(found.values())[:_MOST]
