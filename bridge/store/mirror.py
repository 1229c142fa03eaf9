"""The mirror: what the journal says the directories hold now. Nothing here ever walks all keys."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from bridge.directory.connections import Connection, decode_connection
from bridge.directory.events import DirectoryEvent, known_time
from bridge.directory.fold import Mirror, Pair, Touched, needs, tells_list
from bridge.directory.groups import (
    Group,
    MemberList,
    Membership,
    decode_group,
    decode_membership,
    encode_group,
    encode_membership,
)
from bridge.directory.users import User, decode_user, encode_user
from bridge.plan.people import BETWEEN, GroupView, Person, UserView
from bridge.store.redis import Store

_SLICE = 500
Command = tuple[Any, ...]


def make_ref(directory: str, ident: str) -> str:
    """Return what a user or group is called over all directories."""
    return f"{directory}{BETWEEN}{ident}"


def split_ref(ref: str) -> tuple[str, str]:
    """Return the directory and the id."""
    directory, _, ident = ref.partition(BETWEEN)
    return directory, ident


def names_key(store: Store, directory: str) -> str:
    """Return the index of a directory's groups by name: see `name_entry`."""
    return store.key("names", directory)


def name_entry(group: str, name: str) -> str:
    """Return a group's entry in the index: its name in small letters, then its id."""
    return f"{name.strip().lower()}{BETWEEN}{group}"


def connections_key(store: Store) -> str:
    """Return the hash of what is known of connections that have ended once, by the directory with its id."""
    return store.key("connections")


async def read_connection(store: Store, directory: str) -> Connection:
    """Return what is known of one connection. Raises one of STORE_ERRORS."""
    row = await store.call("HGET", connections_key(store), directory)
    return decode_connection(orjson.loads(row)) if row else Connection()


async def read_ended(store: Store) -> dict[str, Connection]:
    """Return the connections that have ended, by the directory with its id. Raises one of STORE_ERRORS."""
    return ended_connections(await store.call("HGETALL", connections_key(store)))


def ended_connections(rows: Mapping[str, str]) -> dict[str, Connection]:
    """Return the connections that have ended and did not come back, from what is kept of all."""
    found = {name: decode_connection(orjson.loads(row)) for name, row in rows.items()}
    return {name: each for name, each in found.items() if each.ended}


def directory_name(directory: str) -> str:
    """Return the configured name of a directory, without the sender's own id of it."""
    return directory.partition(":")[0]


def view_group(ref: str, name: str | None) -> GroupView:
    """Return a group as a plan sees it."""
    directory, ident = split_ref(ref)
    return GroupView(ref, ident, name, directory_name(directory))


class MirrorStore:
    """The mirrors of all directories under one prefix."""

    def __init__(self, store: Store, without: Collection[str] = ()) -> None:
        """`store`: where they are; `without`: directories (with the sender's own id) that nobody is in."""
        self._store = store
        self._without = frozenset(without)

    # for the fold

    async def load(self, directory: str, events: list[DirectoryEvent]) -> Mirror:
        """Read the part of a directory's mirror that folding these events needs."""
        user_ids, group_ids, pairs = needs(events)
        with_lists = {event.group.id for event in events if event.group and tells_list(event)}
        lists = await self._lists(directory, with_lists)
        pairs |= {(gid, uid) for gid, told in lists.items() for each in told for uid in each.members}
        (users, groups), memberships = await asyncio.gather(
            self._objects(directory, user_ids, group_ids), self._memberships(directory, pairs)
        )
        return Mirror(users, groups, memberships, lists)

    async def part(
        self, directory: str, users: Collection[str], groups: Collection[str], pairs: Collection[Pair]
    ) -> Mirror:
        """Read these users, groups with their lists, and memberships of a directory."""
        known = await self._objects(directory, users, groups)
        return Mirror(*known, await self._memberships(directory, pairs), await self._lists(directory, groups))

    async def _objects(
        self, directory: str, user_ids: Collection[str], group_ids: Collection[str]
    ) -> tuple[dict[str, User], dict[str, Group]]:
        commands = [
            self._fields("users", directory, user_ids),
            self._fields("groups", directory, group_ids),
        ]
        users, groups = await self._store.calls(commands)
        return (
            {key: decode_user(orjson.loads(row)) for key, row in zip(user_ids, users, strict=False) if row},
            {
                key: decode_group(orjson.loads(row))
                for key, row in zip(group_ids, groups, strict=False)
                if row
            },
        )

    def _fields(self, what: str, directory: str, fields: Collection[str]) -> Command:
        return ("HMGET", self._store.key(what, directory), *(fields or ("",)))

    async def _memberships(self, directory: str, pairs: Iterable[Pair]) -> dict[Pair, Membership]:
        wanted: dict[str, list[str]] = defaultdict(list)
        for group, user in pairs:
            wanted[group].append(user)
        rows = await self._store.calls(
            [("HMGET", self._members_key(directory, group), *users) for group, users in wanted.items()]
        )
        return {
            (group, user): decode_membership(text)
            for (group, users), texts in zip(wanted.items(), rows, strict=True)
            for user, text in zip(users, texts, strict=True)
            if text
        }

    async def _lists(self, directory: str, groups: Collection[str]) -> dict[str, tuple[MemberList, ...]]:
        if not groups:
            return {}
        rows = await self._store.call(*self._fields("lists", directory, groups))
        return {
            group: tuple(MemberList(each[0], each[1], tuple(each[2])) for each in orjson.loads(row))
            for group, row in zip(groups, rows, strict=True)
            if row
        }

    def writes(self, directory: str, mirror: Mirror, touched: Touched) -> Iterator[Command]:
        """Return the commands that write what folding changed: few, since each costs Redis its own way.

        What a crash between two of them leaves undone is done by folding the same events again, as long as
        the rows still lack the news: so all that follows from it is written before them.
        """
        if touched.resolved:
            yield "HDEL", self._store.key("unresolved", directory), *sorted(touched.resolved)
        for uid in sorted(touched.addressed):
            for email in mirror.users[uid].addresses:
                yield "SADD", self._store.key("address", email), make_ref(directory, uid)
        named: dict[str, list[str]] = defaultdict(list)  # user -> groups
        for gid, uid in sorted(touched.named):
            named[uid].append(gid)
        for uid, gids in named.items():
            yield "SADD", self._store.key("memberships", make_ref(directory, uid)), *gids
        yield from self._index_names(directory, mirror, touched)
        for key, fields in self._rows_of(directory, mirror, touched).items():
            yield "HSET", key, *(word for pair in fields.items() for word in pair)

    def _index_names(self, directory: str, mirror: Mirror, touched: Touched) -> Iterator[Command]:
        """Return the commands that let groups be found by their names."""
        key, named = names_key(self._store, directory), sorted(touched.groups)
        if old := [name_entry(gid, name) for gid, name in sorted(touched.renamed)]:
            yield "ZREM", key, *old
        for gid, name in ((gid, mirror.groups[gid].name) for gid in named):
            if name:
                yield "ZADD", key, 0, name_entry(gid, name)

    async def find_groups(self, name: str, directories: Collection[str], most: int = 100) -> list[str]:
        """Return the refs of the groups of this name, in any case, that are or were in these directories."""
        directories = sorted(directories)
        head = name_entry("", name)
        first = f"[{head}".encode()
        rows = await self._store.calls([
            ("ZRANGEBYLEX", names_key(self._store, each), first, first + b"\xff", "LIMIT", 0, most)
            for each in directories
        ])  # fmt: skip
        return [
            make_ref(directory, entry.removeprefix(head))
            for directory, entries in zip(directories, rows, strict=True)
            for entry in entries
        ]

    def counts(self, directory: str, touched: Touched) -> Iterator[Command]:
        """Return the commands that count what folding could not resolve: run once, with the cursor."""
        unresolved = self._store.key("unresolved", directory)
        for ident, count in sorted(touched.unresolved.items()):
            if ident not in touched.resolved:
                yield "HINCRBY", unresolved, ident, count

    def _rows_of(self, directory: str, mirror: Mirror, touched: Touched) -> dict[str, dict[str, str | bytes]]:
        """Return hash -> field -> value."""
        rows: dict[str, dict[str, str | bytes]] = defaultdict(dict)
        for uid in sorted(touched.users):
            row = orjson.dumps(encode_user(mirror.users[uid]))
            rows[self._store.key("users", directory)][uid] = row
        for gid in sorted(touched.groups):
            row = orjson.dumps(encode_group(mirror.groups[gid]))
            rows[self._store.key("groups", directory)][gid] = row
        for gid, uid in sorted(touched.memberships):
            rows[self._members_key(directory, gid)][uid] = encode_membership(mirror.memberships[gid, uid])
        for gid in sorted(touched.lists):
            told = [[each.first, each.last, each.members] for each in mirror.lists[gid]]
            rows[self._store.key("lists", directory)][gid] = orjson.dumps(told)
        return rows

    async def addresses(self, directory: str, mirror: Mirror, touched: Touched) -> dict[str, set[str]]:
        """Return every address, current or former, that what was folded is news for.

        By the group that it is news of, "" for the users' own. Call it after the writes are known and before
        they are made: members of touched groups are read from the mirror, those that the events themselves
        named are in `touched`.
        """
        uids = {"": set(touched.news_of_users)}
        for gid in touched.news_of_groups:
            uids[gid] = set(await self.member_ids(directory, gid))
        unread = set().union(*uids.values()) - mirror.users.keys()
        users = mirror.users | await self._users(directory, sorted(unread))
        return {
            gid: {address for uid in each & users.keys() for address in users[uid].addresses}
            for gid, each in uids.items()
        }

    async def _users(self, directory: str, uids: list[str]) -> dict[str, User]:
        found: dict[str, User] = {}
        for start in range(0, len(uids), _SLICE):
            found |= (await self._objects(directory, uids[start : start + _SLICE], ()))[0]
        return found

    async def groups_of(self, directory: str, user: str) -> set[str]:
        """Return the ids of all groups that a user was named in."""
        key = self._store.key("memberships", make_ref(directory, user))
        return set(await self._store.call("SMEMBERS", key))

    async def named_in(self, directory: str, group: str, cursor: int) -> tuple[int, set[str]]:
        """Walk the users named in a group in slices; return the next cursor (0 at the end) and their ids."""
        key = self._members_key(directory, group)
        cursor, rows = await self._store.call("HSCAN", key, cursor, "COUNT", _SLICE)
        return cursor, set(rows)

    async def roster(self, ref: str, most: int) -> tuple[int, dict[str, tuple[User, bool]]]:
        """Read at most so many of those who were ever named in a group, with the whole number of them.

        Returns that number, and by user id the user and whether they are in the group, active or not.
        """
        directory, group_id = split_ref(ref)
        key = self._members_key(directory, group_id)
        count, (_, rows) = await self._store.calls([("HLEN", key), ("HSCAN", key, 0, "COUNT", most)])
        named = sorted(rows)[:most]
        users, groups = await self._objects(directory, named, [group_id])
        group = groups.get(group_id, Group())
        return count, {
            uid: (users[uid], decode_membership(rows[uid]).lasts(users[uid], group))
            for uid in named
            if uid in users
        }

    async def member_ids(self, directory: str, group: str) -> list[str]:
        """Return the ids of all users ever named in a group."""
        return list(await self._store.call("HKEYS", self._members_key(directory, group)))

    async def members_of(self, ref: str) -> set[str]:
        """Return every address, current or former, of all users ever named in a group."""
        directory, group = split_ref(ref)
        users = await self._users(directory, await self.member_ids(directory, group))
        return {address for user in users.values() for address in user.addresses}

    def _members_key(self, directory: str, group: str) -> str:
        return self._store.key("members", make_ref(directory, group))

    # for the plan

    async def groups(self, refs: Collection[str]) -> dict[str, tuple[GroupView, bool]]:
        """Return groups by their references, and whether they exist."""
        rows = await self._rows("groups", refs)
        groups = {ref: decode_group(orjson.loads(row)) for ref, row in rows.items()}
        return {ref: (view_group(ref, g.name), g.exists) for ref, g in groups.items()}

    async def people(self, emails: Collection[str], names: Collection[str]) -> list[Person]:
        """Return who has, or had, each address, in the directories of these configured names."""
        emails = list(emails)
        rows, *found = await self._store.calls([
            ("HGETALL", connections_key(self._store)),
            *(("SMEMBERS", self._store.key("address", email)) for email in emails),
        ])  # fmt: skip
        refs_of = {
            email: sorted(ref for ref in refs if self._counts(split_ref(ref)[0], names))
            for email, refs in zip(emails, found, strict=True)
        }
        views = await self._views({ref for refs in refs_of.values() for ref in refs})
        ended = ended_connections(rows)
        for ref, view in views.items():
            directory = split_ref(ref)[0]
            views[ref] = replace(view, directory=directory_name(directory), ended=directory in ended)
        return [_person(email, [views[ref] for ref in refs_of[email] if ref in views]) for email in emails]

    def _counts(self, directory: str, names: Collection[str]) -> bool:
        return directory_name(directory) in names and directory not in self._without

    async def _views(self, refs: Collection[str]) -> dict[str, UserView]:
        refs = sorted(refs)
        users = {
            ref: decode_user(orjson.loads(row)) for ref, row in (await self._rows("users", refs)).items()
        }
        sets = await self._store.calls([("SMEMBERS", self._store.key("memberships", ref)) for ref in users])
        named = {
            ref: sorted(make_ref(split_ref(ref)[0], gid) for gid in gids)
            for ref, gids in zip(users, sets, strict=True)
        }
        group_rows = await self._rows("groups", {group for groups in named.values() for group in groups})
        groups = {ref: decode_group(orjson.loads(row)) for ref, row in group_rows.items()}
        rows = await self._membership_rows(named)
        return {ref: _view(ref, user, named[ref], groups, rows) for ref, user in users.items()}

    async def _membership_rows(self, named: dict[str, list[str]]) -> dict[Pair, Membership]:
        pairs = [(group, ref) for ref, groups in named.items() for group in groups]
        commands = [
            ("HGET", self._members_key(*split_ref(group)), split_ref(user)[1]) for group, user in pairs
        ]
        texts = await self._store.calls(commands)
        return {pair: decode_membership(text) for pair, text in zip(pairs, texts, strict=True) if text}

    async def _rows(self, what: str, refs: Collection[str]) -> dict[str, str]:
        refs = list(refs)
        commands = [("HGET", self._store.key(what, split_ref(ref)[0]), split_ref(ref)[1]) for ref in refs]
        rows = await self._store.calls(commands)
        return {ref: row for ref, row in zip(refs, rows, strict=True) if row}

    async def scan(self, directory: str, what: str, cursor: int) -> tuple[int, list[str], set[str]]:
        """Walk a directory's `users` or `groups` in slices.

        Returns the next cursor (0 at the end), the ids and, for users, their addresses.
        """
        cursor, rows = await self._store.call(
            "HSCAN", self._store.key(what, directory), cursor, "COUNT", _SLICE
        )
        if what == "groups":
            return cursor, list(rows), set()
        users = [decode_user(orjson.loads(row)) for row in rows.values()]
        return cursor, list(rows), {address for user in users for address in user.addresses}

    async def addresses_in(self, directory: str) -> AsyncIterator[set[str]]:
        """Walk the addresses, current and former, of a directory's users in slices."""
        cursor, first = 0, True
        while first or cursor:
            cursor, _, addresses = await self.scan(directory, "users", cursor)
            first = False
            yield addresses

    async def unresolved(self, directories: Collection[str]) -> int:
        """Return how many events name an id that nothing else is known of yet."""
        rows = await self._store.calls(
            [("HVALS", self._store.key("unresolved", each)) for each in directories]
        )
        return sum(int(count) for counts in rows for count in counts)


def _person(email: str, users: list[UserView]) -> Person:
    return Person(
        email,
        tuple(user for user in users if user.email == email),
        tuple(user for user in users if user.email != email),
    )


def _view(
    ref: str, user: User, named: list[str], groups: dict[str, Group], rows: dict[Pair, Membership]
) -> UserView:
    held = []
    shown = {}
    member_at, out_at = {}, {}
    for group_ref in named:
        group, row = groups.get(group_ref, Group()), rows.get((group_ref, ref), Membership())
        shown[group_ref] = view_group(group_ref, group.name)
        if row.lasts(user, group):
            member_at[group_ref] = known_time(row.at)
        else:
            out_at[group_ref] = known_time(row.ended_at(user, group))
        if row.holds(user, group):
            held.append(shown[group_ref])
    return UserView(
        ref, user.email, user.active, user.exists, user.episode, tuple(held), tuple(shown.values()),
        user.former, known_time(user.life_at), known_time(user.email_at),
        member_at, out_at, incomplete=any(each not in groups or (each, ref) not in rows for each in named),
    )  # fmt: skip
