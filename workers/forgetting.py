"""The job that forgets what has long been over: the mirror's tombstones, oldest first, a slice at a time.

It writes the mirror, so it holds the directory's lease, as the fold does. What a target still works with
is looked at again a day later: nobody's removal may vanish because it waited too long.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass, field

from msgspec import structs

from bridge.directory.events import stamp_time
from bridge.directory.fold import Mirror, Pair
from bridge.directory.groups import Group, Membership
from bridge.directory.users import User
from bridge.store.commit import LeaseLostError
from bridge.store.concern import Concern
from bridge.store.lease import Lease, acquire
from bridge.store.mirror import Command, make_ref
from bridge.store.roll import all_targets
from bridge.store.targets import GROUP, MEMBER, TargetStore
from bridge.store.tombstones import (
    ADDRESS,
    MEMBERSHIP,
    USER,
    Note,
    Tombstones,
    is_over,
    newest_stamp,
    newest_told,
)
from bridge.store.tombstones import GROUP as GROUP_NOTE
from workers.context import Worker

SLICE = 200  # notes
MOST_SLICES = 50  # while the fold waits
AGAIN_MS = 86_400_000


async def forget_old(worker: Worker, directory: str) -> int:
    """Forget what has been over for longer than the journal is kept; how many notes were gone through.

    While somebody folds the directory, nothing is done.
    """
    stones = Tombstones(worker.store, directory)
    before = worker.clock() - int(worker.settings.retention.journal * 1000)
    if not await stones.due(before, 1):
        return 0
    lease = await acquire(worker.store, f"fold:{directory}", worker.name)
    if lease is None:
        return 0
    count = 0
    try:
        targets = await all_targets(worker.store, worker.settings)
        for _ in range(MOST_SLICES):
            notes = await stones.due(before, SLICE)
            await _Slice(worker, directory, lease, before, targets).go_through(notes)
            count += len(notes)
            if len(notes) < SLICE or worker.stopping.is_set():
                break
    except LeaseLostError:
        worker.log.warning("forget.lease_lost", directory=directory)
    finally:
        await lease.close()
    await worker.store.run("sweep", worker.store.prefix, worker.clock())  # for what came meanwhile
    worker.log.info("directory.forgot", directory=directory, notes=count)
    return count


@dataclass(slots=True)
class _Slice:
    """Some notes gone through. `before`: unix ms; `stamp`: the newest thing forgotten.

    `targets`: all there are or were, whichever directory they follow: one that is out of the configuration
    may come back, and what it has not followed yet is to be found then.
    """

    worker: Worker
    directory: str
    lease: Lease
    before: int
    targets: Collection[TargetStore]
    stamp: int = 0
    commands: list[Command] = field(default_factory=list)
    stones: Tombstones = field(init=False)
    concern: Concern = field(init=False)

    def __post_init__(self) -> None:
        """Look at them."""
        self.stones = Tombstones(self.worker.store, self.directory)
        self.concern = Concern(self.worker.store, self.targets)

    async def go_through(self, notes: Collection[Note]) -> None:
        """Forget what may be forgotten; take away or postpone each note."""
        await self._memberships({_pair(each) for each in notes if each.kind == MEMBERSHIP})
        await self._addresses([each.ids for each in notes if each.kind == ADDRESS])
        await self._commit()
        for each in notes:
            if each.kind == USER:
                await self._user(*each.ids)
            elif each.kind == GROUP_NOTE:
                await self._group(*each.ids)
        await self._commit()

    async def _commit(self) -> None:
        """Write what was decided, the horizon first: a crash in between leaves it too high, never too low."""
        commands = [*self.stones.raise_horizon(await self.stones.horizon(), self.stamp), *self.commands]
        self.commands = []
        await self.lease.commit_parts(commands)

    def _postpone(self, note: Note) -> None:
        self.commands += self.stones.put([note], self.before + AGAIN_MS)

    def _drop(self, note: Note) -> None:
        self.commands += self.stones.drop([note])

    # memberships

    async def _memberships(self, pairs: set[Pair]) -> None:
        part = await self.worker.mirror.part(
            self.directory, {uid for _, uid in pairs}, {gid for gid, _ in pairs}, pairs
        )
        kept = await self._end(part, pairs)
        for pair in sorted(pairs):
            self._postpone(Note(MEMBERSHIP, pair)) if pair in kept else self._drop(Note(MEMBERSHIP, pair))
        self._look_at_stubs(part, pairs - kept)

    def _look_at_stubs(self, part: Mirror, gone: Iterable[Pair]) -> None:
        """Of whom nothing else was told, nothing may be left."""
        stubs = {Note(USER, (uid,)) for _, uid in gone if part.users.get(uid) == User()}
        stubs |= {Note(GROUP_NOTE, (gid,)) for gid, _ in gone if part.groups.get(gid) == Group()}
        self.commands += self.stones.put(stubs, self.before - 1, "NX")

    async def _end(self, part: Mirror, pairs: Iterable[Pair]) -> set[Pair]:
        """Forget those memberships that are over; return those that are, and have to be remembered."""
        over = {pair for pair in pairs if is_over(*_told(part, pair))}
        young = {pair for pair in over & part.memberships.keys() if self._is_young(part.memberships[pair])}
        kept = {
            (gid, uid) for gid, uid in over if any(uid in each.members for each in part.lists.get(gid, ()))
        }
        kept |= young
        kept |= await self._in_use(part, over - kept)
        for pair in sorted(over - kept):
            row = part.memberships.get(pair, Membership())
            self.stamp = max(self.stamp, newest_told(row))
            self.commands += self.stones.forget_membership(pair)
        return kept

    def _is_young(self, row: Membership) -> bool:
        """Tell whether news that is old enough to be refused with it could still come."""
        return stamp_time(newest_told(row)) >= self.before

    async def _in_use(self, part: Mirror, pairs: Iterable[Pair]) -> set[Pair]:
        """Return those memberships that a target still works with."""
        addresses = {(gid, uid): part.users.get(uid, User()).addresses for gid, uid in pairs}
        places: dict[str, set[str]] = defaultdict(set)
        for (gid, _), emails in addresses.items():
            places[make_ref(self.directory, gid)].update(emails)
        people = {MEMBER + email for emails in places.values() for email in emails}
        moving = await self.concern.objects(people | {GROUP + ref for ref in places})
        inside = await self.concern.inside(places)
        return {
            (gid, uid)
            for (gid, uid), emails in addresses.items()
            if GROUP + (ref := make_ref(self.directory, gid)) in moving
            or any(MEMBER + email in moving or (ref, email) in inside for email in emails)
        }

    # former addresses

    async def _addresses(self, ids: Iterable[tuple[str, ...]]) -> None:
        users = (await self.worker.mirror.part(self.directory, {uid for uid, *_ in ids}, (), ())).users
        for uid, email in sorted((each[0], each[1]) for each in ids):
            user, note = users.get(uid, User()), Note(ADDRESS, (uid, email))
            if email in user.former and await self._known((email,), uid):
                self._postpone(note)
                continue
            if email in user.former:
                left = tuple(each for each in user.former if each != email)
                users[uid] = structs.replace(user, former=left)
                self.commands += self.stones.forget_address(uid, users[uid], email)
            self._drop(note)

    async def _known(self, emails: Collection[str], uid: str) -> bool:
        """Tell whether a target works with somebody's addresses, or has a member by one of them."""
        ref = make_ref(self.directory, uid)
        moving = await self.concern.objects({MEMBER + email for email in emails})
        return bool(moving or await self.concern.addresses(dict.fromkeys(emails, ref)))

    # users

    async def _user(self, uid: str) -> None:
        """Forget a deleted user with all memberships; of one who came back those that are over."""
        mirror, note = self.worker.mirror, Note(USER, (uid,))
        pairs = {(gid, uid) for gid in await mirror.groups_of(self.directory, uid)}
        part = await mirror.part(self.directory, {uid}, {gid for gid, _ in pairs}, pairs)
        user = part.users.get(uid)
        kept = await self._end(part, pairs)
        live = {pair for pair in pairs - kept if not is_over(*_told(part, pair))}
        if user is None or (not kept and (live if user == User() else user.exists)):
            self._drop(note)
        elif kept or live or await self._known(user.addresses, uid):
            self._postpone(note)
        else:
            self.stamp = max(self.stamp, newest_stamp(user))
            self.commands += [*self.stones.forget_user(uid, user), *self.stones.drop([note])]
        await self._commit_when_large()

    async def _commit_when_large(self) -> None:
        if len(self.commands) > SLICE:
            await self._commit()

    # groups

    async def _group(self, gid: str) -> None:
        """Forget a deleted group with all memberships; of one that came back those that are over."""
        note = Note(GROUP_NOTE, (gid,))
        part = await self.worker.mirror.part(self.directory, (), {gid}, ())
        group, lists = part.groups.get(gid), part.lists.get(gid, ())
        if group is None:
            self._drop(note)
            return
        if not group.exists and all(each.last <= group.deleted_at for each in lists):
            self.stamp = max(self.stamp, group.deleted_at)
            self.commands += self.stones.forget_lists(gid)
            lists = ()
        left = await self._end_all(gid, group, bool(lists))
        gone = not group.exists or group == Group()
        if gone and not left and not lists and not await self._used(gid):
            self.stamp = max(self.stamp, group.deleted_at, group.name_at, group.created_at)
            self.commands += [*self.stones.forget_group(gid, group), *self.stones.drop([note])]
        elif gone and group != Group():
            self._postpone(note)
        else:
            self._drop(note)

    async def _end_all(self, gid: str, group: Group, listed: bool) -> bool:
        """Forget those memberships of a group that are over; tell whether any is left."""
        left = False
        async for uids in self._named(gid):
            part = await self.worker.mirror.part(self.directory, uids, {gid}, {(gid, uid) for uid in uids})
            part.groups[gid] = group
            if not listed:
                part.lists = {}
            kept = await self._end(part, part.memberships)
            left = left or bool(kept) or any(not is_over(*_told(part, pair)) for pair in part.memberships)
            self._look_at_stubs(part, part.memberships.keys() - kept)
            await self._commit()
        return left

    async def _named(self, gid: str) -> AsyncIterator[set[str]]:
        cursor, first = 0, True
        while first or cursor:
            cursor, uids = await self.worker.mirror.named_in(self.directory, gid, cursor)
            first = False
            if uids:
                yield uids

    async def _used(self, gid: str) -> bool:
        ref = make_ref(self.directory, gid)
        return bool(await self.concern.objects({GROUP + ref})) or await self.concern.has_teams(ref)


def _pair(note: Note) -> Pair:
    gid, uid = note.ids
    return gid, uid


def _told(part: Mirror, pair: Pair) -> tuple[Membership, User, Group]:
    gid, uid = pair
    row = part.memberships.get(pair, Membership())
    return row, part.users.get(uid, User()), part.groups.get(gid, Group())
