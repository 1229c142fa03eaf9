"""Streams that lose some of their rows, or get others in their place: the ids, and so the order, stay."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bridge.store.redis import Store

SLICE = 500  # rows in one round trip
_COPY_SECONDS = 3600  # a copy that nobody finishes ends by itself
Fields = Mapping[str, str]
Judge = Callable[[Fields], Fields | None]  # returns the row as it is to be, None for none


@dataclass(frozen=True, slots=True)
class Revision:
    """What is to become of a stream: ids of rows that go, and rows that change."""

    key: str
    gone: list[str] = field(default_factory=list)
    changed: dict[str, Fields] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many rows it is about."""
        return len(self.gone) + len(self.changed)


async def revise(store: Store, key: str, judge: Judge, last: str = "+") -> Revision:
    """Look through a stream, up to the row `last`. It writes nothing."""
    revision, first = Revision(key), "-"
    while rows := await store.call("XRANGE", key, first, last, "COUNT", SLICE):
        for ident, before in rows:
            after = judge(before)
            if after is None:
                revision.gone.append(ident)
            elif after != before:
                revision.changed[ident] = after
        first = f"({rows[-1][0]}"
    return revision


async def carry_out(store: Store, revision: Revision) -> None:
    """Change a stream so, while others may add to it. After a crash it can be done again.

    A copy takes its place: a row cannot be changed, and XDEL only marks it as deleted, so what it says would
    stay in Redis' memory and files until all rows beside it are gone, too.
    """
    if not len(revision):
        return
    copy, gone, last = store.key("copy", revision.key), set(revision.gone), "0-0"
    await store.call("UNLINK", copy)
    while True:
        rows = await store.call("XRANGE", revision.key, f"({last}", "+", "COUNT", SLICE)
        kept = [(ident, revision.changed.get(ident, row)) for ident, row in rows if ident not in gone]
        await store.calls([
            *(("XADD", copy, ident, *(word for pair in row.items() for word in pair)) for ident, row in kept),
            ("EXPIRE", copy, _COPY_SECONDS),
        ])  # fmt: skip
        last = rows[-1][0] if rows else last
        if len(rows) < SLICE:
            break
    await store.run("swap_stream", copy, revision.key, last)
