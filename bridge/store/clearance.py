"""Deleting all that is kept of a directory, a slice at a time; to begin again after a crash does no harm.

Whoever deletes holds the directory's lease, as whoever folds it does.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import orjson

from bridge.directory.users import decode_user
from bridge.scim.rows import decode_row
from bridge.scim.shelf import Shelf
from bridge.store.commit import LeaseLostError
from bridge.store.journal import SEEN_SECONDS, Journal
from bridge.store.lease import Lease
from bridge.store.mirror import Command, connections_key, make_ref, names_key
from bridge.store.redis import Store
from bridge.store.told import Told

SLICE = 200  # rows in one transaction
_TRIMMED = 10_000  # rows of a journal
_WHOLE = (  # keys of a directory that are deleted at once, when nothing is found by them any more
    "users", "groups", "lists", "unresolved", "over", "horizon", "unmarked", "late", "deadletters",
    "erased",
    "reads", "readv", "readtries", "readstate",
)  # fmt: skip


def renew(store: Store, directory: str) -> Command:
    """Return the command that lets deliveries in again that were seen before now: see lua/accept.lua."""
    return ("SET", store.key("renewed", directory), "1", "PX", SEEN_SECONDS * 1000)


class Clearance:
    """The end of one directory, with the sender's own id of it."""

    def __init__(self, store: Store, directory: str, lease: Lease, over: Callable[[], bool]) -> None:
        """`over`: tells when to stop, and go on another time."""
        self._store = store
        self._directory = directory
        self._lease = lease
        self._over = over

    async def run(self, end: str) -> bool:
        """Delete everything up to the journal's row `end`; False when there is more to do.

        Raises LeaseLostError and STORE_ERRORS.
        """
        async for rows in self._slices(self._store.key("groups", self._directory)):
            if self._over():
                return False
            for group in rows:
                await self._forget_group(group)
        async for rows in self._slices(self._store.key("users", self._directory)):
            if self._over():
                return False
            await self._commit([command for user in rows.items() for command in self._forget_user(*user)])
        told = Told(self._store, self._directory)
        keys = [self._store.key(what, self._directory) for what in _WHOLE]
        keys += [names_key(self._store, self._directory), told.last_key, told.before_key]
        await self._commit([
            ("UNLINK", *keys), ("HDEL", connections_key(self._store), self._directory),
        ])  # fmt: skip
        return await self._close(end)

    async def _slices(self, key: str) -> AsyncIterator[dict[str, str]]:
        """Walk a hash; what was deleted before is not met again."""
        cursor, first = 0, True
        while first or cursor:
            cursor, rows = await self._store.call("HSCAN", key, cursor, "COUNT", SLICE)
            cursor, first = int(cursor), False
            if rows:
                yield rows

    async def _commit(self, commands: Sequence[Command]) -> None:
        transaction = self._lease.transaction()
        transaction.add_all(commands)
        await self._lease.commit(transaction)

    async def _forget_group(self, group: str) -> None:
        """Delete a group: its members' own lists of groups first, by which nobody would find them after."""
        members = self._store.key("members", make_ref(self._directory, group))
        async for rows in self._slices(members):
            await self._commit([("UNLINK", *(self._memberships(user) for user in rows))])
        groups = self._store.key("groups", self._directory)
        await self._commit([("UNLINK", members), ("HDEL", groups, group)])

    def _memberships(self, user: str) -> str:
        return self._store.key("memberships", make_ref(self._directory, user))

    def _forget_user(self, user: str, row: str) -> Iterator[Command]:
        for email in decode_user(orjson.loads(row)).addresses:
            yield "SREM", self._store.key("address", email), make_ref(self._directory, user)
        yield "UNLINK", self._memberships(user)
        yield "HDEL", self._store.key("users", self._directory), user

    async def _close(self, end: str) -> bool:
        """Delete the events, a slice at a time."""
        journal, first = Journal(self._store), _following(end)
        key = journal.key(self._directory)
        while await self._store.call("XTRIM", key, "MINID", "~", first, "LIMIT", _TRIMMED):
            if self._over():
                return False
        names = (journal.cursor_key(self._directory), self._store.key("directories"), self._directory)
        if not await self._store.run("close_journal", self._lease.key, self._lease.token, key, *names, first):
            raise LeaseLostError(self._lease.key)
        return True


def _following(ident: str) -> str:
    """Return the id right behind a row's."""
    time, _, number = ident.partition("-")
    return f"{time}-{int(number) + 1}"


async def clear_shelf(store: Store, source: str, before: int, over: Callable[[], bool]) -> bool:
    """Delete what a SCIM source had stored before (unix ms); False when there is more to do.

    It goes by the order of creation, so that what comes again in the source's next life stays.
    """
    shelf = Shelf(store, source)
    for kind in ("Group", "User"):
        while rows := await _oldest(shelf, kind, before):
            if over():
                return False
            for ident, text in rows:
                await _clear_resource(shelf, kind, ident, text)
    return True


async def _oldest(shelf: Shelf, kind: str, before: int) -> list[tuple[str, str | None]]:
    idents = await shelf.store.call(
        "ZRANGEBYSCORE", shelf.key("all", kind), "-inf", before, "LIMIT", 0, SLICE
    )
    texts = (
        await shelf.store.call("MGET", *(shelf.key("row", kind, ident) for ident in idents)) if idents else []
    )
    return list(zip(idents, texts, strict=True))


async def _clear_resource(shelf: Shelf, kind: str, ident: str, text: str | None) -> None:
    """Delete one resource: the other side of its memberships first, the list it is found by last."""
    others = await shelf.others(kind, ident)
    side = "groups" if kind == "Group" else "members"
    for start in range(0, len(others), SLICE):
        await shelf.store.calls(
            [("SREM", shelf.key(side, other), ident) for other in others[start : start + SLICE]]
        )
    row = decode_row(kind, ident, text) if text else None
    await shelf.store.calls([
        *(shelf.drop(row) if row else ()),
        ("DEL", shelf.key("groups" if kind == "User" else "members", ident)),
        ("ZREM", shelf.key("all", kind), ident),
    ])  # fmt: skip
