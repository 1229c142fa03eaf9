"""The resources of one source in Redis: what is where, reads, and the commands of a write.

Everything is kept as its provider wrote it; the mirror of the directory follows through the journal.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from bridge.scim.rows import Index, Row, decode_row, digest_groups, indexes, kind_of, size_beside, user_name
from bridge.store.redis import Store

Command = tuple[Any, ...]
_AT_ONCE = 500  # keys in one command
SIDES = {"User": "groups", "Group": "members"}  # what the sets of memberships are called, by whose they are


class Shelf:
    """What one source has written.

    | key under `scim:{source}:` | holds |
    |---|---|
    | `row:{kind}:{id}` | a resource, see `Row.encode` |
    | `all:{kind}` | zset: its ids by the time of their creation |
    | `name:{userName}` | the id of the user who has that name |
    | `by:{kind}:{attribute}:{value}` | set: ids |
    | `members:{group}`, `groups:{user}` | sets: ids; both sides of a membership |
    """

    def __init__(self, store: Store, source: str) -> None:
        """`source`: its name in the configuration."""
        self.store = store
        self._source = source

    def key(self, *parts: str) -> str:
        """Return a key of this source."""
        return self.store.key("scim", self._source, *parts)

    def row_key(self, row: Row) -> str:
        """Return where a resource is."""
        return self.key("row", row.kind, row.id)

    def index_key(self, kind: str, attribute: str, value: str) -> str:
        """Return the set of the ids that have a value."""
        return self.key("by", kind, attribute, value)

    def name_key(self, row: Row) -> str:
        """Return where it stands who has a user's name."""
        return self.key("name", user_name(row.fields))

    # reads; all raise STORE_ERRORS

    async def row(self, kind: str, ident: str) -> Row | None:
        """Return a resource with what its memberships add to its version, None when there is none."""
        if kind_of(ident) != kind:
            return None
        text, found = await self.store.calls([
            ("GET", self.key("row", kind, ident)), self._memberships(kind, ident),
        ])  # fmt: skip
        return decode_row(kind, ident, text, _beside(found)) if text else None

    async def beside(self, kind: str, idents: Sequence[str]) -> list[str]:
        """Return what the memberships of several resources add to their versions."""
        commands = [self._memberships(kind, ident) for ident in idents]
        return [_beside(found) for found in await self.store.calls(commands)] if commands else []

    def _memberships(self, kind: str, ident: str) -> Command:
        """Ask for what changes with every change of a resource's memberships that does not write its row."""
        return ("SMEMBERS" if kind == "User" else "SCARD", self.key(SIDES[kind], ident))

    async def rows(self, kind: str, idents: Collection[str]) -> list[Row]:
        """Return the resources there are of these."""
        known = [ident for ident in idents if kind_of(ident) == kind]
        if not known:
            return []
        texts: list[str | None] = []
        for some in _slices(known):
            texts += await self.store.call("MGET", *(self.key("row", kind, ident) for ident in some))
        return [decode_row(kind, ident, text) for ident, text in zip(known, texts, strict=True) if text]

    async def holder(self, row: Row) -> str:
        """Return the id of the user who has this user's name, "" when nobody has."""
        return await self.store.call("GET", self.name_key(row)) or ""

    async def count(self, kind: str) -> int:
        """Return how many resources there are."""
        return int(await self.store.call("ZCARD", self.key("all", kind)))

    async def listed(self, kind: str, start: int, count: int) -> list[Row]:
        """Return `count` resources from the `start`th (from 0) on, by the time of their creation."""
        if count <= 0:
            return []
        idents = await self.store.call("ZRANGE", self.key("all", kind), start, start + count - 1)
        return await self.rows(kind, idents)

    async def found(self, kind: str, wanted: Sequence[Index]) -> set[str]:
        """Return the ids that the indexes have under any of these."""
        found = {value for attribute, value in wanted if attribute == "id"}
        commands = [self._look(kind, attribute, value) for attribute, value in wanted if attribute != "id"]
        for answer in await self.store.calls(commands) if commands else ():
            found.update([answer] if isinstance(answer, str) else answer or ())
        return found

    def _look(self, kind: str, attribute: str, value: str) -> Command:
        match attribute:
            case "userName":
                return ("GET", self.key("name", value))
            case "members":
                return ("SMEMBERS", self.key("groups", value))
        return ("SMEMBERS", self.index_key(kind, attribute, value))

    async def others(self, kind: str, ident: str) -> list[str]:
        """Return the members of a group, or the groups of a user."""
        return sorted(await self.store.call("SMEMBERS", self.key(SIDES[kind], ident)))

    async def others_of(self, kind: str, idents: Sequence[str]) -> list[list[str]]:
        """Return the same for several."""
        commands = [("SMEMBERS", self.key(SIDES[kind], ident)) for ident in idents]
        return [sorted(found) for found in await self.store.calls(commands)] if commands else []

    async def there(self, kind: str, idents: Sequence[str]) -> set[str]:
        """Return those ids of which there is a resource."""
        known = [ident for ident in idents if kind_of(ident) == kind]
        commands = [("EXISTS", self.key("row", kind, ident)) for ident in known]
        answers = await self.store.calls(commands) if commands else []
        return {ident for ident, exists in zip(known, answers, strict=True) if exists}

    async def sizes(self, groups: Sequence[str]) -> list[int]:
        """Return how many members each of these groups has."""
        commands = [("SCARD", self.key("members", group)) for group in groups]
        return [int(size) for size in await self.store.calls(commands)] if commands else []

    async def members_among(self, group: str, asked: Collection[str]) -> set[str]:
        """Return who of these is a member of a group."""
        found: set[str] = set()
        for some in _slices(asked):
            flags = await self.store.call("SMISMEMBER", self.key("members", group), *some)
            found.update(one for one, flag in zip(some, flags, strict=True) if flag)
        return found

    # commands of a write

    def put(self, row: Row, before: Row | None) -> Iterator[Command]:
        """Store a resource in place of what it was; its memberships stay."""
        yield "SET", self.row_key(row), row.encode()
        if before is None:
            yield "ZADD", self.key("all", row.kind), row.created, row.id
        old = indexes(row.kind, before.fields) if before else set()
        new = indexes(row.kind, row.fields)
        yield from self._index("SREM", row, old - new)
        yield from self._index("SADD", row, new - old)
        if row.kind == "User":
            if before and user_name(before.fields) != user_name(row.fields):
                yield "DEL", self.name_key(before)
            yield "SET", self.name_key(row), row.id

    def drop(self, row: Row) -> Iterator[Command]:
        """Delete a resource; `leave` ends the other side of its memberships."""
        yield "DEL", self.row_key(row), self.key(SIDES[row.kind], row.id)
        yield "ZREM", self.key("all", row.kind), row.id
        yield from self._index("SREM", row, indexes(row.kind, row.fields))
        if row.kind == "User":
            yield "DEL", self.name_key(row)

    def leave(self, row: Row, others: Sequence[str]) -> Iterator[Command]:
        """End memberships of a deleted resource; `others`: some of its `others`."""
        side = SIDES["Group" if row.kind == "User" else "User"]
        for other in others:
            yield "SREM", self.key(side, other), row.id

    def _index(self, word: str, row: Row, found: set[Index]) -> Iterator[Command]:
        for attribute, value in sorted(found):
            yield word, self.index_key(row.kind, attribute, value), row.id

    def regroup(self, group: str, came: Sequence[str], went: Sequence[str]) -> Iterator[Command]:
        """Change who is in a group."""
        for word, members in (("SREM", went), ("SADD", came)):
            if members:
                yield word, self.key("members", group), *members
            for member in members:
                yield word, self.key("groups", member), group


def _beside(found: Any) -> str:
    return size_beside(found) if isinstance(found, int) else digest_groups(found)


def _slices(items: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
