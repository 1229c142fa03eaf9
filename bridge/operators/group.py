"""One group: who is in it, which teams it becomes, who is missing there or too many, what happened."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.following import followed
from bridge.operators.accounts import read_halt
from bridge.operators.desks import Desk
from bridge.operators.events import EventLog, LoggedEvent
from bridge.operators.filters import Filter
from bridge.operators.standing import Standing, read_standings, team_idents
from bridge.operators.timeline import Timeline, make_timeline, read_past
from bridge.plan.members import MemberBinding, State, team_changes, want, with_holders
from bridge.plan.people import GroupView
from bridge.plan.reasons import TeamReason, group_roles, group_scope, team_differences, team_reasons
from bridge.plan.teams import TeamBinding
from bridge.settings import Settings, TargetSettings
from bridge.store.journal import Journal
from bridge.store.mirror import MirrorStore, directory_name, make_ref, split_ref
from bridge.store.redis import Store
from bridge.store.targets import GROUP, TEAM, TargetStore
from bridge.store.told import GROUP as TOLD_GROUP

MOST_MEMBERS = 500  # of a group, and of a team, that are read
MOST_SHOWN = 50  # of them that are shown
MOST_COMPARED = 100  # of those who are in one and not in the other
BY_ID = "id:"


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """A group of that name or id. `exists`: it was not deleted."""

    view: GroupView
    exists: bool

    @property
    def directory(self) -> str:
        """Return its directory, with the sender's own id of it."""
        return split_ref(self.view.ref)[0]

    @property
    def chosen_by(self) -> str:
        """Return what chooses it alone: `id:okta/00g1`."""
        return f"{BY_ID}{self.directory}/{self.view.id}"


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A user who belongs to the group."""

    id: str
    email: str | None
    active: bool


@dataclass(frozen=True, slots=True)
class Members:
    """Who is in a group, active or not. `shown`: the first of them by e-mail, `count`: how many there are.

    `named`: how many users were ever named in it, `looked_at`: how many of these were read: where that is
    fewer, there may be more members than counted. `emails`: of all who count, which the active do.
    """

    shown: Sequence[GroupMember] = ()
    count: int = 0
    named: int = 0
    looked_at: int = 0
    emails: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GroupTeam:
    """A team that a group becomes at a target.

    `binding`: what is known of it there, None for nothing; `known_members`: how many are known to be in it;
    `missing`, `extra`: who is to get in, and out (e-mails); `whole`: everyone was compared.
    """

    reason: TeamReason
    binding: TeamBinding | None
    known_members: int
    missing: Sequence[str]
    extra: Sequence[str]
    whole: bool
    differences: Sequence[str]
    standing: Standing


@dataclass(frozen=True, slots=True)
class GroupPlace:
    """A group at one target.

    `teams`: those it becomes; `roles`: the rules that it gives roles by; `scope`: how it lets people in, ""
    where it does not; `halted`: why nothing is done at the target now, "" when it is well.
    """

    target: str
    mode: str
    teams: Sequence[GroupTeam]
    roles: Sequence[str]
    scope: str
    standing: Standing
    halted: str = ""


@dataclass(frozen=True, slots=True)
class GroupAnswer:
    """All that is known under one name.

    `matches`: all groups of the name, those that exist first; `group`: the one that the rest is about, None
    where a choice is to be made between several.
    """

    matches: Sequence[FoundGroup]
    group: FoundGroup | None = None
    members: Members = field(default_factory=Members)
    places: Sequence[GroupPlace] = ()
    timeline: Timeline = field(default_factory=Timeline)
    events: Mapping[str, LoggedEvent] = field(default_factory=dict)


async def read_group(
    settings: Settings, store: Store, desks: Mapping[str, Desk], name: str, wanted: Filter, now: int
) -> GroupAnswer | None:
    """Return what is known of a group, None when there was never one of that name.

    `name`: in any case, or `id:00g1`, or `id:okta/00g1` where several directories have that id. Of several
    the only one that exists is meant. It asks Redis alone, not the targets. `wanted`: of the timeline, its
    targets also of the places. `now`: unix ms. Raises one of STORE_ERRORS.
    """
    matches = await find_groups(store, name)
    if not matches:
        return None
    alive = [each for each in matches if each.exists]
    if len(matches) > 1 and len(alive) != 1:
        return GroupAnswer(matches)
    group, mirror = (alive or matches)[0], MirrorStore(store)
    members = await _read_members(mirror, group)
    chosen = [desk for target, desk in desks.items() if wanted.admits(target=target)]
    places = [await _read_place(settings, desk, mirror, group, members, now) for desk in chosen]
    here = [place for place in places if place]
    objects = {TEAM + team.reason.title for place in here for team in place.teams}
    past = await read_past(EventLog(settings, store), chosen, {TOLD_GROUP: [group.view.ref]}, objects)
    return GroupAnswer(matches, group, members, here, make_timeline(past, wanted), past.events)


async def find_groups(store: Store, name: str) -> list[FoundGroup]:
    """Return the groups of a name, in any case, or of an id, those that exist first."""
    directories, mirror = await Journal(store).directories(), MirrorStore(store)
    if name.startswith(BY_ID):
        refs = _by_id(name.removeprefix(BY_ID), directories)
    else:
        refs = await mirror.find_groups(name, directories)
    found = (await mirror.groups(refs)).values()
    return sorted((FoundGroup(*each) for each in found), key=lambda each: (not each.exists, each.view.ref))


def _by_id(text: str, directories: Collection[str]) -> list[str]:
    """Return all that an id can mean: it may hold a slash itself."""
    refs = [make_ref(directory, text) for directory in directories]
    inside = [each for each in directories if text.startswith(f"{each}/")]
    return refs + [make_ref(each, text.removeprefix(f"{each}/")) for each in inside]


async def _read_members(mirror: MirrorStore, group: FoundGroup) -> Members:
    named, users = await mirror.roster(group.view.ref, MOST_MEMBERS)
    inside = [GroupMember(uid, user.email, user.active) for uid, (user, lasts) in users.items() if lasts]
    inside.sort(key=lambda member: (member.email or "", member.id))
    emails = frozenset(member.email for member in inside if member.email and member.active)
    return Members(inside[:MOST_SHOWN], len(inside), named, len(users), emails)


async def _read_place(
    settings: Settings, desk: Desk, mirror: MirrorStore, group: FoundGroup, members: Members, now: int
) -> GroupPlace | None:
    """Return how a group stands at a target, None where the target does not follow its directory."""
    target = settings.target(desk.name)
    names = await followed(settings, target, desk.target) if target else set()
    if target is None or directory_name(group.directory) not in names:
        return None
    teams, reasons = await desk.target.teams(), team_reasons(group.view, target)
    objects = {GROUP + group.view.ref: dict[str, str]()}
    objects |= {
        TEAM + each.title: team_idents(each.title, teams.get(each.title, TeamBinding()).id)
        for each in reasons
    }
    standings = await read_standings(desk.target, objects, now)
    comparing = _Comparing(target, desk.target, mirror, names, teams)
    found = []
    for each in reasons:
        binding = teams.get(each.title)
        known, missing, extra, whole = await comparing.compare(each.title, members)
        changes = team_differences(each.title, binding, group.view, group.exists)
        found.append(
            GroupTeam(each, binding, known, missing, extra, whole, changes, standings[TEAM + each.title])
        )
    return GroupPlace(
        target.name,
        target.mode,
        found,
        group_roles(group.view, target),
        group_scope(group.view, target),
        standings[GROUP + group.view.ref],
        await read_halt(desk.target, now),
    )


@dataclass(frozen=True, slots=True)
class _Comparing:
    """Who is to be in a team against who is known to be."""

    target: TargetSettings
    store: TargetStore
    mirror: MirrorStore
    names: set[str]
    teams: Mapping[str, TeamBinding]

    async def compare(self, title: str, members: Members) -> tuple[int, list[str], list[str], bool]:
        """Return how many are known to be in a team, who is missing, who is too many, and if that is all.

        Looked at are members of the group who are not known to be in the team, and the other way round.
        """
        ident = self.teams.get(title, TeamBinding()).id
        known, inside = await self._inside(ident)
        missing, extra = sorted(members.emails - inside), sorted(inside - members.emails)
        if known > len(inside):  # of a large team only some were read: ask for each
            missing = await self._not_inside(ident, missing)
        looked = {*missing[:MOST_COMPARED], *extra[:MOST_COMPARED]}
        join, leave = await self._changes(looked, title, ident)
        whole = (
            len(missing) <= MOST_COMPARED
            and len(extra) <= MOST_COMPARED
            and known <= len(inside)
            and members.looked_at == members.named
        )
        return known, sorted(join & {*missing}), sorted(leave & {*extra}), whole

    async def _inside(self, ident: str | None) -> tuple[int, set[str]]:
        if not ident:
            return 0, set()
        key = self.store.roster_key(ident)
        known, (_, found) = await self.store.store.calls([
            ("SCARD", key), ("SSCAN", key, 0, "COUNT", MOST_MEMBERS),
        ])  # fmt: skip
        return known, set(found[:MOST_MEMBERS])

    async def _not_inside(self, ident: str | None, emails: Sequence[str]) -> list[str]:
        if not (ident and emails):
            return list(emails)
        found = await self.store.store.call("SMISMEMBER", self.store.roster_key(ident), *emails)
        return [email for email, inside in zip(emails, found, strict=True) if not inside]

    async def _changes(
        self, emails: Collection[str], title: str, ident: str | None
    ) -> tuple[set[str], set[str]]:
        """Return who is to get into a team, and out of it."""
        join, leave = set[str](), set[str]()
        known = await self.store.members(emails)
        for person in await self.mirror.people(sorted(emails), self.names):
            wanted = want(person, self.target)
            binding = known.get(person.email, MemberBinding(State.ABSENT))
            titles, left = team_changes(wanted, with_holders(wanted, binding), self.teams)
            if wanted.excluded:
                continue
            if wanted.member and title in titles:
                join.add(person.email)
            elif ident in left:
                leave.add(person.email)
        return join, leave
