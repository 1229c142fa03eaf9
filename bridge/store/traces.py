"""What is kept of one person: found by their address and their ids, and the commands that erase it.

Whoever uses it holds the leases of the directories and targets it is about.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field

import orjson

from bridge.directory.fold import Mirror, Pair
from bridge.directory.users import User
from bridge.plan.judge import grant_id, invite_id, leaving_id, removal_id, role_id, team_id
from bridge.scim.rows import Row
from bridge.scim.shelf import SIDES, Shelf
from bridge.store.counts import ALL_LOSSES, loss_of, losses_of
from bridge.store.erasure import Marker, Scrub
from bridge.store.history import History
from bridge.store.listings import ListingStore
from bridge.store.mirror import Command, MirrorStore, make_ref
from bridge.store.reads import USER, ReadStore
from bridge.store.redis import Store
from bridge.store.targets import GATHERING, MEMBER, REFS_OF_USERS, TargetStore
from bridge.store.told import USER as TOLD_USER
from bridge.store.told import Told
from bridge.store.tombstones import ADDRESS, MEMBERSHIP, Tombstones, newest_stamp, newest_told, read_note
from bridge.store.tombstones import USER as USER_NOTE

_SLICE = 500
_TEXTS = ("dead", "waiting", "parked", "decision", "inflight", "binding")  # hashes of a target, of JSON
_STATES = ("state", "pause")  # texts of a target


@dataclass(slots=True)
class Traces:
    """What was found. `first` may be written again and again; `last` takes away what it is found by.

    `stamps`: of the newest news of each user, by id; `requires`: keys that must not have changed when
    `first` is written, and what they held. `count`: of entries, see `counted`.
    """

    first: list[Command] = field(default_factory=list)
    last: list[Command] = field(default_factory=list)
    count: int = 0
    stamps: dict[str, int] = field(default_factory=dict)
    requires: list[tuple[str, str]] = field(default_factory=list)


_LOOKS = {"HDEL": "HMGET", "ZREM": "ZMSCORE", "SREM": "SMISMEMBER"}


async def counted(store: Store, found: Traces) -> Traces:
    """Return what was found with the number of entries that are there, and go or change."""
    commands = [*found.first, *found.last]
    looks = [(_LOOKS[word], *rest) for word, *rest in commands if word in _LOOKS]
    keys = [key for word, *rest in commands if word == "DEL" for key in rest]
    answers = await store.calls(looks) if looks else []
    there = sum(each not in (None, 0) for answer in answers for each in answer)
    there += int(await store.call("EXISTS", *keys)) if keys else 0
    found.count = there + sum(word in ("HSET", "SET") for word, *_ in commands)
    return found


async def _hash(store: Store, key: str) -> AsyncIterator[tuple[str, str]]:
    """Walk the fields of a hash in slices."""
    cursor, first = 0, True
    while first or cursor:
        cursor, rows = await store.call("HSCAN", key, cursor, "COUNT", _SLICE)
        cursor, first = int(cursor), False
        for name, row in rows.items():
            yield name, row


# in a directory


async def traces_in_mirror(
    store: Store, directory: str, users: Collection[str], emails: Collection[str]
) -> Traces:
    """Find users in the mirror of a directory: by id, with all their addresses and memberships.

    `emails`: addresses that are erased with them.
    """
    mirror, found = MirrorStore(store), Traces()
    pairs = {(gid, uid) for uid in users for gid in await mirror.groups_of(directory, uid)}
    part = await mirror.part(directory, users, (), pairs)
    for gid, uid in sorted(pairs):
        found.first.append(("HDEL", store.key("members", make_ref(directory, gid)), uid))
    found.stamps = {uid: _newest(part, uid, pairs) for uid in users}
    await _lists(store, directory, users, found)
    await _notes(store, directory, users, found)
    reads = ReadStore(store, directory)
    for uid in sorted(users):
        found.first += Told(store, directory).forget(TOLD_USER, [uid])
        found.first.append(("HDEL", store.key("unresolved", directory), USER + uid))
        ref, user = make_ref(directory, uid), part.users.get(uid, User())
        found.last += [("SREM", store.key("address", email), ref) for email in user.addresses]
        found.last.append(("DEL", store.key("memberships", ref)))
        found.last.append(("HDEL", store.key("users", directory), uid))
    found.first += reads.unmark([USER + uid for uid in sorted(users)])
    found.first += [("SREM", store.key("unmarked", directory), MEMBER + email) for email in sorted(emails)]
    return await counted(store, found)


def _newest(part: Mirror, user: str, pairs: Collection[Pair]) -> int:
    told = [
        newest_told(part.memberships[pair]) for pair in pairs & part.memberships.keys() if pair[1] == user
    ]
    return max([newest_stamp(part.users.get(user, User())), *told])


async def _lists(store: Store, directory: str, users: Collection[str], found: Traces) -> None:
    """Take them out of the member lists that are remembered of groups; who else is in those stays."""
    key = store.key("lists", directory)
    async for group, row in _hash(store, key):
        lists = orjson.loads(row)
        left = [[first, last, [uid for uid in told if uid not in users]] for first, last, told in lists]
        if left != lists:
            found.first.append(("HSET", key, group, orjson.dumps(left)))


async def _notes(store: Store, directory: str, users: Collection[str], found: Traces) -> None:
    """Forget what is noted to be over about them."""
    key, cursor, first = Tombstones(store, directory).key, 0, True
    while first or cursor:
        cursor, rows = await store.call("ZSCAN", key, cursor, "COUNT", _SLICE)
        cursor, first = int(cursor), False
        for name, _ in rows:
            note = read_note(name)
            place = {USER_NOTE: 0, MEMBERSHIP: 1, ADDRESS: 0}.get(note.kind)
            if place is not None and note.ids[place] in users:
                found.first.append(("ZREM", key, name))


async def traces_on_shelf(
    store: Store, source: str, users: Collection[str], emails: Collection[str]
) -> Traces:
    """Find a person's resources at a SCIM source: with names and all else that the provider wrote.

    Somebody who is active, and by the mirror has another address, only shares theirs.
    """
    shelf, found = Shelf(store, source), Traces()
    names = [("userName", email) for email in emails] + [("emails", email) for email in emails]
    idents = sorted({*users, *await shelf.found("User", names)})
    for row in await shelf.rows("User", idents):
        if row.id in users or not row.active:
            await _leave_shelf(shelf, row, found)
    return await counted(store, found)


async def _leave_shelf(shelf: Shelf, row: Row, found: Traces) -> None:
    groups = await shelf.others("User", row.id)
    found.first += [("SREM", shelf.key(SIDES["Group"], group), row.id) for group in groups]
    found.first += shelf.drop(row)
    found.requires.append((shelf.row_key(row), row.text))


# at a target


def held_ids(emails: Collection[str], teams: Collection[str]) -> set[str]:
    """Return the ids of all that could be held about these people; `teams`: ids of the target's."""
    alone = {make(email) for email in emails for make in (removal_id, invite_id, role_id, grant_id)}
    return alone | {leaving_id(team_id(team), email) for team in teams for email in emails}


async def known_teams(target: TargetStore) -> set[str]:
    """Return the ids of all teams that a target's records speak of."""
    bound = {team.id for team in (await target.teams()).values() if team.id}
    return bound | set(await target.store.call("HKEYS", target.key("teamsizes")))


async def traces_at_target(
    target: TargetStore, history: History, emails: Collection[str], refs: Collection[str], marker: Marker
) -> Traces:
    """Find people in what is known, counted, decided and noted of a target. `refs`: of their users.

    What the guard has counted stays counted, under their hash.
    """
    teams = await known_teams(target)
    idents, found = held_ids(emails, teams), Traces()
    names = [MEMBER + email for email in sorted(emails)]
    # "lost_at": of the first data, where nothing else takes it away
    for what in ("unknown", "lost_looks", "lost_at", "waiting", "dead", "cause", "workv"):
        found.first.append(("HDEL", target.key(what), *names))
    found.first += [
        ("HDEL", target.key(what), *sorted(emails)) for what in ("binding", "inviting", "leaving")
    ]
    found.first.append(("HDEL", target.key("decision"), *sorted(idents)))
    found.first += [("ZREM", target.key(what), *names) for what in ("work", "lost", "looks")]
    found.first += [("ZREM", target.key(what), *sorted(emails)) for what in ("pending", GATHERING)]
    found.first += [("SREM", target.key("planned"), *names), ("SREM", target.key("no_sso"), *sorted(emails))]
    found.first += [("SREM", target.roster_key(team), *sorted(emails)) for team in sorted(teams)]
    found.first += [("DEL", history.rows_key(name)) for name in names]
    people = {email: marker.person(email) for email in sorted(emails)}
    for what in ("guard", "invited", *(losses_of(team) for team in sorted(teams))):
        await _recount(target.key(what), target.store, people, found)
    pairs = {
        loss_of(team, email): loss_of(team, other)
        for team in sorted(teams)
        for email, other in people.items()
    }
    await _recount(target.key(ALL_LOSSES), target.store, pairs, found)
    await _asked(target, emails, found)
    found.first += await _lists_read(target)
    await _texts(target, Scrub(marker, emails, idents), refs, found)
    return await counted(target.store, found)


async def _lists_read(target: TargetStore) -> list[Command]:
    """Forget what is kept of lists that are being read: they name people, and are begun again."""
    lists = ListingStore(target)
    names = await target.store.call("HKEYS", lists.key)
    return [("DEL", lists.key, *(lists.rows_key(name) for name in sorted(names)))] if names else []


async def _recount(key: str, store: Store, names: Mapping[str, str], found: Traces) -> None:
    """Put other names in place of those under which something is counted."""
    scores = await store.call("ZMSCORE", key, *names) if names else []
    for (name, other), at in zip(names.items(), scores, strict=True):
        if at is not None:
            found.first += [("ZADD", key, at, other), ("ZREM", key, name)]


async def _asked(target: TargetStore, emails: Collection[str], found: Traces) -> None:
    """Forget into which teams calls were to put them."""
    cursor, first = 0, True
    while first or cursor:
        cursor, rows = await target.store.call("ZSCAN", target.key("asked"), cursor, "COUNT", _SLICE)
        cursor, first = int(cursor), False
        theirs = [name for name, _ in rows if name.partition(" ")[2] in emails]
        found.first += [("ZREM", target.key("asked"), *theirs)] if theirs else []


async def _texts(target: TargetStore, scrub: Scrub, refs: Collection[str], found: Traces) -> None:
    """Find addresses in what is written down about others: in reasons, in whom an address was last theirs."""
    clean = _without_refs(refs)
    for what in _TEXTS:
        key = target.key(what)
        async for name, row in _hash(target.store, key):
            after = scrub.clean_json(clean(row) if what == "binding" else row)
            if after != row and not scrub.finds(name):  # what is kept under their name goes as a whole
                found.first.append(("HSET", key, name, after))
    for what in _STATES:
        text = await target.store.call("GET", target.key(what))
        if text and (after := scrub.clean_json(text)) != text:
            found.first.append(("SET", target.key(what), after))


def _without_refs(refs: Collection[str]) -> Callable[[str], str]:
    def clean(row: str) -> str:
        told = orjson.loads(row)
        left = {
            name: [ref for ref in told[name] if ref not in refs] for name in REFS_OF_USERS if name in told
        }
        same = all(left[name] == told[name] for name in left)
        return row if same else orjson.dumps({**told, **left}).decode()

    return clean
