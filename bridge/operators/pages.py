"""Streams read newest first, a page at a time: no question reads more than so many rows."""

import heapq
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bridge.operators.filters import Filter
from bridge.store.redis import Store

MOST_SCANNED = 5000  # rows of one page, all streams together
_SLICE = 500
_ROW = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)  # two numbers of 64 bits, as Redis has them

R = TypeVar("R")
Raw = tuple[str, str, dict[str, str]]  # the stream's name, the row's id in it, its fields


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Rows, the newest first. `more`: the id to go on after, "" when there is nothing older.

    `looked_until`: unix milliseconds of the oldest row that was looked at.
    """

    rows: Sequence[R]
    more: str = ""
    looked_until: int = 0


def row_id(name: str, ident: str) -> str:
    """Return a row's id over all streams: `name/1795319083036-0`."""
    return f"{name}/{ident}"


def split_id(ident: str) -> tuple[str, str]:
    """Return the stream's name and the row's id in it. Raises ValueError for what is no id."""
    name, _, row = ident.rpartition("/")
    if not (name and _ROW.fullmatch(row)):
        raise ValueError(f"{ident} is not an id: copy one from a list, such as okta/1795319083036-0")
    return name, row


def id_time(ident: str) -> int:
    """Return when a row was written, unix milliseconds. `ident`: with or without the stream's name."""
    return int(ident.rpartition("/")[2].partition("-")[0])


async def newest_first(
    store: Store,
    streams: Mapping[str, str],
    wanted: Filter,
    read: Callable[[list[Raw]], Awaitable[list[R | None]]],
) -> Page[R]:
    """Read the rows of several streams (name -> key), the newest first, until enough of them are wanted.

    `read` makes rows of raw ones, None of those that are not wanted. Rows are told apart by id, then by the
    stream's name, so nothing is shown twice or left out between pages. Raises ValueError for a wrong
    `after`, one of STORE_ERRORS.
    """
    place = _Place(store, dict(streams), wanted)
    found: list[R] = []
    scanned, last = 0, ""
    while scanned < MOST_SCANNED and (raw := await place.next()):
        for each, row in zip(raw, await read(raw), strict=True):
            if row is not None and len(found) == wanted.limit:
                return Page(found, last, id_time(last))
            last = row_id(*each[:2])
            found += [] if row is None else [row]
        scanned += len(raw)
    return Page(found, last if scanned >= MOST_SCANNED else "", id_time(last) if last else 0)


class _Place:
    """Where reading has come to in several streams."""

    def __init__(self, store: Store, streams: dict[str, str], wanted: Filter) -> None:
        self._store = store
        self._streams = streams
        self._first = str(wanted.since) if wanted.since else "-"
        self._last = dict.fromkeys(streams, f"({wanted.until}-0" if wanted.until else "+")
        if wanted.after:
            self._begin_after(*split_id(wanted.after), wanted.until)
        self._slice = max(20, _SLICE // max(1, len(streams)))
        self._rows: dict[str, deque[Raw]] = {name: deque() for name in streams}
        self._unread = set(streams)  # those that may have older rows

    def _begin_after(self, name: str, ident: str, until: int) -> None:
        if not until or id_time(ident) < until:
            self._last = {each: ident if each > name else f"({ident}" for each in self._streams}

    async def next(self) -> list[Raw]:
        """Return the next rows of all streams in order, as many as can be told without reading on."""
        await self._read_on()
        heads = [(*_order(rows[0]), name) for name, rows in self._rows.items() if rows]
        heapq.heapify(heads)
        taken: list[Raw] = []
        while heads:
            name = heads[0][-1]
            taken.append(self._rows[name].popleft())
            if self._rows[name]:
                heapq.heapreplace(heads, (*_order(self._rows[name][0]), name))
            elif name in self._unread:
                break
            else:
                heapq.heappop(heads)
        return taken

    async def _read_on(self) -> None:
        names = sorted(name for name in self._unread if not self._rows[name])
        answers = await self._store.calls([
            ("XREVRANGE", self._streams[name], self._last[name], self._first, "COUNT", self._slice)
            for name in names
        ])  # fmt: skip
        for name, rows in zip(names, answers, strict=True):
            self._rows[name].extend((name, ident, fields) for ident, fields in rows)
            if len(rows) < self._slice:
                self._unread.remove(name)
            else:
                self._last[name] = f"({rows[-1][0]}"


def order(row: str) -> tuple[int, int]:
    """Return what sorts the ids of a stream by age."""
    time, _, number = row.partition("-")
    return int(time), int(number)


def _order(raw: Raw) -> tuple[int, int]:
    """Return what sorts the newest first."""
    time, number = order(raw[1])
    return -time, -number
