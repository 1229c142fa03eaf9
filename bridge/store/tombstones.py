"""What is over in a directory's mirror, and since when it has been known to be: so that it can be forgotten.

A tombstone stops late news from bringing back what is over. Once one is forgotten, news that is not newer
than it is not folded any more: the horizon, a stamp for each directory, says so.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import orjson

from bridge.directory.events import is_negative
from bridge.directory.fold import Mirror, Pair, Touched
from bridge.directory.groups import Group, Membership
from bridge.directory.users import User, encode_user
from bridge.store import told
from bridge.store.mirror import Command, make_ref, name_entry, names_key
from bridge.store.redis import Store

USER, GROUP, MEMBERSHIP, ADDRESS = "u", "g", "m", "a"
_AT_ONCE = 500  # notes in one command


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that is, or was, over. `ids`: user; group; group and user; user and former address."""

    kind: str
    ids: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as Redis keeps it."""
        return orjson.dumps([self.kind, *self.ids]).decode()


def read_note(text: str) -> Note:
    """Return the note that `str` wrote."""
    kind, *ids = orjson.loads(text)
    return Note(kind, tuple(ids))


def is_over(row: Membership, user: User, group: Group) -> bool:
    """Tell whether a membership is over for good, whatever may come that is newer than it."""
    at = newest_told(row)
    return is_negative(at) or at <= max(user.deleted_at, group.deleted_at)


def newest_told(row: Membership) -> int:
    """Return the stamp of the newest thing that was told of a membership."""
    return max(row.told_at, row.listed_at)


def newest_stamp(user: User) -> int:
    """Return the stamp of the newest thing that was told of a user."""
    return max(user.email_at, user.active_at, user.created_at, user.deleted_at)


class Tombstones:
    """Those of one directory. Whoever writes holds the directory's lease."""

    def __init__(self, store: Store, directory: str) -> None:
        """`directory`: the name of its journal."""
        self._store = store
        self._directory = directory
        self._told = told.Told(store, directory)
        self.key = store.key("over", directory)
        self.horizon_key = store.key("horizon", directory)

    async def horizon(self) -> int:
        """Return the stamp up to which news is not folded any more, 0 while nothing was forgotten."""
        return int(await self._store.call("GET", self.horizon_key) or 0)

    def raise_horizon(self, before: int, stamp: int) -> Iterator[Command]:
        """Say what the newest thing is that was forgotten, if that is newer than `before`."""
        if stamp > before:
            yield "SET", self.horizon_key, stamp

    # noting

    def note(self, mirror: Mirror, touched: Touched, now: int) -> Iterator[Command]:
        """Note what folding has found to be over. `now`: unix ms; a former address keeps its first time."""
        ended = [Note(USER, (uid,)) for uid in sorted(touched.users) if not mirror.users[uid].exists]
        ended += [Note(GROUP, (gid,)) for gid in sorted(touched.groups) if not mirror.groups[gid].exists]
        ended += [
            Note(MEMBERSHIP, pair)
            for pair in sorted(touched.memberships)
            if is_negative(newest_told(mirror.memberships[pair]))
        ]
        former = [
            Note(ADDRESS, (uid, email))
            for uid in sorted(touched.users)
            if mirror.users[uid].exists
            for email in mirror.users[uid].former
        ]
        yield from self.put(ended, now)
        yield from self.put(former, now, "NX")

    def put(self, notes: Collection[Note], at: int, *how: str) -> Iterator[Command]:
        """Write notes down with a time (unix ms); `how`: options of ZADD."""
        words = [word for each in notes for word in (at, str(each))]
        for start in range(0, len(words), 2 * _AT_ONCE):
            yield "ZADD", self.key, *how, *words[start : start + 2 * _AT_ONCE]

    async def due(self, before: int, most: int) -> list[Note]:
        """Return what was noted before a time (unix ms), the oldest first."""
        names = await self._store.call("ZRANGEBYSCORE", self.key, "-inf", f"({before}", "LIMIT", 0, most)
        return [read_note(name) for name in names]

    def drop(self, notes: Iterable[Note]) -> Iterator[Command]:
        """Take notes away."""
        for each in notes:
            yield "ZREM", self.key, str(each)

    # forgetting

    def forget_membership(self, pair: Pair) -> Iterator[Command]:
        """Forget a membership."""
        gid, uid = pair
        yield "HDEL", self._key("members", gid), uid
        yield "SREM", self._key("memberships", uid), gid

    def forget_address(self, uid: str, user: User, email: str) -> Iterator[Command]:
        """Forget that somebody had an address; `user`: without it."""
        yield "HSET", self._store.key("users", self._directory), uid, orjson.dumps(encode_user(user))
        yield "SREM", self._store.key("address", email), make_ref(self._directory, uid)

    def forget_user(self, uid: str, user: User) -> Iterator[Command]:
        """Forget a user who has no memberships left."""
        for email in user.addresses:
            yield "SREM", self._store.key("address", email), make_ref(self._directory, uid)
        yield "HDEL", self._store.key("users", self._directory), uid
        yield "HDEL", self._store.key("unresolved", self._directory), f"u:{uid}"
        yield from self._told.forget(told.USER, [uid])

    def forget_lists(self, gid: str) -> Iterator[Command]:
        """Forget the member lists of a group."""
        yield "HDEL", self._store.key("lists", self._directory), gid

    def forget_group(self, gid: str, group: Group) -> Iterator[Command]:
        """Forget a group that has no memberships left."""
        yield from self.forget_lists(gid)
        if group.name:
            yield "ZREM", names_key(self._store, self._directory), name_entry(gid, group.name)
        yield "HDEL", self._store.key("groups", self._directory), gid
        yield "HDEL", self._store.key("unresolved", self._directory), f"g:{gid}"
        yield from self._told.forget(told.GROUP, [gid])

    def _key(self, what: str, ident: str) -> str:
        return self._store.key(what, make_ref(self._directory, ident))


def late_key(store: Store, directory: str) -> str:
    """Return the sorted set of the stream ids, by arrival, of events that were not newer than the horizon."""
    return store.key("late", directory)


def count_too_old(store: Store, events: int) -> Command:
    """Count events that were not newer than the horizon."""
    return ("HINCRBY", store.key("counters"), "too_old", events)


async def too_old(store: Store) -> int:
    """Return how many events were not newer than the horizon."""
    return int(await store.call("HGET", store.key("counters"), "too_old") or 0)
