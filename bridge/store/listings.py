"""How far a target's long lists were read, and what they showed, so that nobody has to begin them again.

A list of several pages may take longer than a worker's slice, or more calls than the target's limit allows
in one window. What was read is kept for a while, with the cursor of the next page: the next slice goes on
there, whoever works in it. Only the holder of the target's lease writes here. A list of one page leaves
nothing.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from bridge.store.mirror import Command
from bridge.store.targets import TargetStore

MEMBERS, TEAMS = "members", "teams"
KEPT_MS = 600_000  # how long what was read is of use, after it was last gone on with, or could have been
_TTL_MS = 3 * 3_600_000  # in Redis: a limit may have to be waited out for an hour before it is gone on with
_MARK, _ROW, _CHANGED = "=", ">", "!"  # how fields begin: whose rows these are; a row; who was changed


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that is being read, or was read to its end. Times are unix ms.

    `name`: by which it is kept; `what`: in words; `about`: the object of the work list that it is about, ""
    for none; `began`, `read_at`: when its first and its last page came; `resumes_at`: when it can be gone
    on with, 0 for at once; `newest_at`: when the page was read that shows the newest items;
    `page`: pages that were read, `pages`: how many there are, 0 where that is not known;
    `cursor`: of the next page, None when it was read to its end; `followed`: digests of cursors so far;
    `idle`: pages on end that showed nothing new; `refusals`: how often its cursors were refused, and it
    was begun again.
    """

    name: str
    what: str
    about: str = ""
    id: str = ""
    began: int = 0
    read_at: int = 0
    resumes_at: int = 0
    newest_at: int = 0
    page: int = 0
    pages: int = 0
    cursor: str | None = None
    followed: tuple[str, ...] = ()
    idle: int = 0
    refusals: int = 0

    @property
    def complete(self) -> bool:
        """Tell whether it was read to its end."""
        return self.page > 0 and self.cursor is None

    @property
    def pages_left(self) -> int:
        """Return how many pages are to be read yet, as far as is known."""
        return 0 if self.complete else max(self.pages - self.page, 0)

    def alive(self, now: int) -> bool:
        """Tell whether it can still be gone on with, or used (unix ms)."""
        return now <= max(self.read_at, self.resumes_at) + KEPT_MS

    def repeats(self, cursor: str | None) -> bool:
        """Tell whether a cursor leads to a page that was read already."""
        return cursor is not None and (cursor == self.cursor or _digest(cursor) in self.followed)

    def after(self, items: int, following: str | None, total: int | None, now: int) -> "Listing":
        """Return it with one more page: how many items it has, the next cursor, the list's length if told."""
        page = self.page + 1
        told = -(-total // items) if total and items and page == 1 else 0
        pages = page if following is None else (told or self.pages)
        if following is not None and pages:
            pages = max(pages, page + 1)
        followed = self.followed if self.cursor is None else (*self.followed, _digest(self.cursor))
        began, newest = (now, now) if page == 1 else (self.began, self.newest_at)
        return replace(
            self, id=self.id or secrets.token_hex(6), began=began, newest_at=newest, read_at=now,
            resumes_at=0, page=page, pages=pages, cursor=following, followed=followed,
        )  # fmt: skip

    def describe(self) -> str:
        """Return in words how far it is."""
        if not self.pages:
            return f"reading the {self.what}: {self.page} page(s) so far"
        return f"reading {self.page} of {self.pages} pages of the {self.what}"


def _digest(cursor: str) -> str:
    return hashlib.blake2b(cursor.encode(), digest_size=6).hexdigest()


def _ttl(listing: Listing) -> int:
    return 2 * KEPT_MS if listing.complete else _TTL_MS


def read_listings(rows: Mapping[str, str]) -> dict[str, Listing]:
    """Return the lists of which something is kept, by name."""
    return {name: _listing(orjson.loads(row)) for name, row in rows.items()}


def _listing(row: dict[str, Any]) -> Listing:
    return Listing(**row | {"followed": tuple(row["followed"])})


@dataclass(frozen=True, slots=True)
class ListingStore:
    """What is kept of one target's lists. Reads are methods; writes are commands for a transaction."""

    target: TargetStore

    @property
    def key(self) -> str:
        """Return where it is written down how far each list was read."""
        return self.target.key("listings")

    @property
    def pages_key(self) -> str:
        """Return where it is written down how many pages each list has."""
        return self.target.key("pages")

    def rows_key(self, name: str) -> str:
        """Return where the rows of a list are."""
        return self.target.store.key("listing", self.target.id, name)

    async def rows(self, listing: Listing, fields: Sequence[str]) -> dict[str, Any] | None:
        """Return those of these rows that were read; None when the rows are not there any more."""
        key, names = self.rows_key(listing.name), [_ROW + name for name in fields]
        mark, *found = await self.target.store.call("HMGET", key, _MARK, *names)
        if mark != listing.id:
            return None
        return {name: orjson.loads(row) for name, row in zip(fields, found, strict=True) if row}

    async def all_rows(self, listing: Listing) -> dict[str, Any] | None:
        """Return all rows that were read; None when they are not there any more."""
        found = await self.target.store.call("HGETALL", self.rows_key(listing.name))
        if found.pop(_MARK, None) != listing.id:
            return None
        return {name[1:]: orjson.loads(row) for name, row in found.items() if name.startswith(_ROW)}

    async def changed(self, listing: Listing, objects: Collection[str]) -> set[str]:
        """Return the objects that a call was about since the list was begun: its rows do not tell of them."""
        names = sorted(objects)
        if not names:
            return set()
        fields = [_CHANGED + name for name in names]
        rows = await self.target.store.call("HMGET", self.rows_key(listing.name), *fields)
        return {name for name, row in zip(names, rows, strict=True) if row is not None}

    def note_changed(self, listing: Listing, objects: Iterable[str]) -> list[Command]:
        """Return the commands that note that a call is about these objects."""
        key, words = self.rows_key(listing.name), list[str]()
        for name in objects:
            words += [_CHANGED + name, "1"]
        return [("HSET", key, *words), ("PEXPIRE", key, _ttl(listing))] if words else []

    def keep(self, listing: Listing, rows: Mapping[str, Any] | None = None) -> list[Command]:
        """Return the commands that keep how far a list was read, with the rows of its last page."""
        key, first = self.rows_key(listing.name), rows is not None and listing.page == 1
        words = [word for name, row in (rows or {}).items() for word in (_ROW + name, orjson.dumps(row))]
        return [
            *([("UNLINK", key)] if first else []),
            ("HSET", self.key, listing.name, orjson.dumps(asdict(listing))),
            ("PEXPIRE", self.key, _TTL_MS),
            ("HSET", key, _MARK, listing.id),
            *([("HSET", key, *words)] if words else []),
            ("PEXPIRE", key, _ttl(listing)),
        ]

    def drop(self, name: str) -> list[Command]:
        """Return the commands that forget a list."""
        return [("HDEL", self.key, name), ("UNLINK", self.rows_key(name))]

    def put_pages(self, name: str, pages: int) -> Command:
        """Return the command that notes how many pages a list has."""
        return ("HSET", self.pages_key, name, pages)
