"""What would be done now and why: the same plan the worker makes, worked out without writing anything."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from bridge.following import followed, silent
from bridge.plan.accounts import accounts
from bridge.plan.changes import (
    AdoptTeam,
    Change,
    CreateTeam,
    DeleteTeam,
    Invite,
    Remove,
    RenameTeam,
    SetRole,
    UpdateTeamMembers,
)
from bridge.plan.doubt import doubted
from bridge.plan.judge import (
    Leaving,
    Losses,
    Stakes,
    Verdict,
    Window,
    adoption_id,
    deletion_id,
    grant_id,
    invite_id,
    judge_adoption,
    judge_deletion,
    judge_frozen_invites,
    judge_grant,
    judge_invites,
    judge_lowering,
    judge_removals,
    judge_teams,
    leaving_id,
    losses_of_ended,
    removal_id,
    role_id,
    team_id,
)
from bridge.plan.members import FOUND, GIVEN, MemberBinding, MemberPlan, State, Wanted, plan_member, want
from bridge.plan.people import Person
from bridge.plan.reading import before_moving, bound, former_addresses, has_left, hidden_accounts, must_read
from bridge.plan.steps import GATHERS, Plan, Step
from bridge.plan.teams import (
    TeamBinding,
    bound_to,
    is_renamed,
    keep_titles,
    moving,
    note_title,
    title_problem,
    to_become,
    use_other,
    waits_for,
)
from bridge.settings import Settings, TargetSettings
from bridge.store import counts
from bridge.store.epoch import Stale, read_stale, stale_doubt
from bridge.store.holders import counting, read_journals_there
from bridge.store.journal import Journal
from bridge.store.listings import MEMBERS, TEAMS, ListingStore
from bridge.store.mirror import MirrorStore, directory_name, split_ref
from bridge.store.targets import MEMBER, TEAM, Cause, TargetStore
from bridge.strangers import find_strangers
from bridge.targets.base import RefusedError, RemoteMember, RemoteTeam, Target
from bridge.targets.lists import (
    count_members,
    find_members,
    find_teams,
    join_accounts,
    search_member,
    told_total,
    walk,
)


async def make_plan(
    settings: Settings, target: TargetSettings, store: TargetStore, client: Target, now: int
) -> Plan:
    """Work out what would be done now (unix ms) for all that is due, waits, or was only planned.

    It reads the target where something is not known, and writes nothing anywhere. Raises TargetError.
    """
    names, there = await followed(settings, target, store), await read_journals_there(store)
    draft = Draft(target, store, client, now, names, await store.teams(), there, await _stale(store))
    objects = await _objects(store)
    draft.titles = {name[2:] for name in objects if name.startswith(TEAM)} & draft.teams.keys()
    plan = await _work_out(draft, {name[2:] for name in objects if name.startswith(MEMBER)})
    plan.notes += silent(settings, draft.names)
    return plan


async def plan_without(
    settings: Settings, target: TargetSettings, store: TargetStore, client: Target, now: int, directory: str
) -> Plan:
    """Work out what would become of everyone in a directory if it did not count.

    `directory`: its configured name, or for one connection alone with the sender's id.

    It reads and writes what `make_plan` does. Raises TargetError.
    """
    names = await followed(settings, target, store) - {directory}
    teams = await store.teams()
    left = {title: _without(team, directory) for title, team in teams.items()}
    there = await read_journals_there(store) - {directory}
    stale = await _stale(store)
    draft = Draft(target, store, client, now, names, left, there, stale, without={directory})
    draft.titles = {title for title in teams if teams[title] != left[title]}
    return await _work_out(draft, await _everyone_in(store, directory))


async def _stale(store: TargetStore) -> Stale | None:
    return read_stale(await store.store.call("GET", store.store.key("stale")))


def _without(team: TeamBinding, directory: str) -> TeamBinding:
    """Return a team that the groups of a directory do not map to."""
    groups = tuple(ref for ref in team.groups if not _is_of(split_ref(ref)[0], directory))
    return replace(team, groups=groups)


def _is_of(journal: str, directory: str) -> bool:
    """Tell whether a journal is of a directory, or the one connection that is meant."""
    return directory in (journal, directory_name(journal))


async def _everyone_in(store: TargetStore, directory: str) -> set[str]:
    """Return every address, current or former, of a directory's users."""
    mirror, emails = MirrorStore(store.store), set[str]()
    for journal in sorted(await Journal(store.store).directories()):
        if _is_of(journal, directory):
            async for addresses in mirror.addresses_in(journal):
                emails |= addresses
    return emails


async def _work_out(draft: "Draft", emails: set[str]) -> Plan:
    """Plan for these people and the draft's titles."""
    await draft.count()
    draft.titles |= set(keep_titles(draft.teams))
    pages = await draft.store.store.call("HGETALL", ListingStore(draft.store).pages_key)
    draft.pages = {name: int(number) for name, number in pages.items()}
    steps = await draft.rename(emails)
    emails |= await draft.people_of_unbound()
    await draft.add_people(emails)
    steps += await draft.adopt()
    steps += await draft.people_steps()
    steps += await draft.team_steps()
    steps += await draft.deletions()
    steps.sort(key=lambda step: step.change.sort_key)
    return Plan(steps, await _notes(draft), draft.members, draft.target.guard.max_members)


async def _objects(store: TargetStore) -> set[str]:
    planned, work = await store.store.calls(
        [("SMEMBERS", store.key("planned")), ("ZRANGE", store.key("work"), 0, -1)]
    )
    parked = (await store.parked()).values()
    return {*planned, *work, *(h.object for h in parked), *(MEMBER + e for h in parked for e in h.emails)}


async def _notes(draft: "Draft") -> list[str]:
    plans = [draft.plans[email] for email in sorted(draft.plans)]
    notes = [f"{p.wanted.email}: {p.impossible}" for p in plans if p.impossible]
    notes += [f"{p.wanted.email}: pending invite: revoke it in GitBook" for p in plans if p.pending]
    failed = sorted(await draft.store.store.call("SMEMBERS", draft.store.key("no_sso")))
    notes += [f"{email}: no SSO user: GitBook says they belong to another organisation" for email in failed]
    notes += [f"{title}: {problem}" for title in draft.teams if (problem := title_problem(title))]
    several = [p for p in plans if p.binding.others]
    notes += [
        f"{p.wanted.email}: {len(p.binding.accounts)} accounts have this address: all of them are theirs"
        for p in several
    ]
    notes += await _rejected(draft)
    twins = (await draft.store.all_makings()).items()
    return notes + [
        f"team {title} is there twice; the one the bridge does not use {making.left}: merge them by hand"
        for title, making in sorted(twins)
        if making.left
    ]


async def _rejected(draft: "Draft") -> list[str]:
    """Return of which teams a person decided that they are not adopted."""
    unbound = {
        adoption_id(title): title for title, team in draft.teams.items() if team.groups and not team.id
    }
    decided = await draft.store.decisions(unbound)
    return [
        f"team {unbound[ident]}: {each.by} decided that it is not adopted, so nobody gets into it"
        for ident, each in sorted(decided.items(), key=lambda pair: unbound[pair[0]])
        if not each.approved and each.stands(each.token, draft.now)
    ]


@dataclass(slots=True)
class Draft:
    """A plan in the making: what the worker would know at each of its steps.

    `journals`: those of directories that are there; `stale`: why the data may not act by themselves;
    `causes`: by object, the last event about it;
    `titles`: of the teams to look at; `renamed`: ids of those that get another title; `shut`: titles that
    nobody can get into now, and why; `closed`: titles whose team is not adopted; `rosters`: who is in teams
    that would be adopted (e-mails); `coming`: who would be invited; `gone`: who would be removed,
    `gathering`: those of them who wait for others first; `left`: who would leave a team, by its id;
    `removed`: how many removals would be counted; `pages`: how many pages the target's lists have, by name;
    `approved`: see `approved_grants`; `members`: how many there are now, None for unknown.
    """

    target: TargetSettings
    store: TargetStore
    client: Target
    now: int
    names: set[str]
    teams: dict[str, TeamBinding]
    journals: set[str] = field(default_factory=set)
    stale: Stale | None = None
    causes: dict[str, Cause] = field(default_factory=dict)
    titles: set[str] = field(default_factory=set)
    renamed: set[str] = field(default_factory=set)
    shut: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    persons: dict[str, Person] = field(default_factory=dict)
    wanted: dict[str, Wanted] = field(default_factory=dict)
    bindings: dict[str, MemberBinding] = field(default_factory=dict)
    plans: dict[str, MemberPlan] = field(default_factory=dict)
    rosters: dict[str, set[str]] = field(default_factory=dict)
    coming: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    gathering: set[str] = field(default_factory=set)
    left: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    removed: int = 0
    without: Collection[str] = ()
    pages: dict[str, int] = field(default_factory=dict)
    approved: dict[str, str] = field(default_factory=dict)
    members: int | None = None

    @property
    def start(self) -> int:
        """Return when the guard's window began."""
        return counts.window_start(self.target.guard, self.now)

    async def count(self) -> None:
        """Count the members; where nothing depends on it, only if the target tells their number."""
        if self.target.guard.max_members:
            self.members = await count_members(self.client)
        else:
            self.members = told_total(await self.client.members(limit=1))

    # people

    async def rename(self, emails: set[str]) -> list[Step]:
        """Return the renames; where the title is taken the people move instead: they are added."""
        pending = sorted(t for t in self.titles & self.teams.keys() if is_renamed(self.teams[t], t))
        there = await self._find(pending)
        steps: list[Step] = []
        for title in pending:
            steps += await self._rename(title, there, emails, ())
        return steps

    async def _find(self, titles: Collection[str]) -> dict[str, RemoteTeam]:
        possible = [title for title in titles if not title_problem(title)]
        return await find_teams(self.client, possible, self.pages.get(TEAMS, 1)) if possible else {}

    async def _rename(
        self, title: str, there: dict[str, RemoteTeam], emails: set[str], asking: tuple[str, ...]
    ) -> list[Step]:
        team, other = self._team(title), there.get(title)
        if not is_renamed(team, title) or title_problem(title):
            return []
        steps: list[Step] = []
        if other and other.id != team.id:
            steps, free = await self._is_given_up(other, there, emails, (*asking, title))
            if not free:
                return steps
        self.teams[title] = replace(team, title=title)
        self.renamed.add(team.id or "")
        return [*steps, Step(RenameTeam(title, "its group was renamed", team.id or "", team.title or ""))]

    async def _is_given_up(
        self, other: RemoteTeam, there: dict[str, RemoteTeam], emails: set[str], asking: tuple[str, ...]
    ) -> tuple[list[Step], bool]:
        """Return what is done first about a team that has a title, and whether it then gives it up."""
        title, steps = asking[-1], list[Step]()
        self._note_title(other)
        holder = bound_to(self.teams, other.id)
        if holder and other.id in self.renamed:
            return [], True
        if holder and holder not in asking and is_renamed(self.teams[holder], holder):
            if holder in self.titles:  # else it was given up
                more = await self._find({holder} - there.keys())
                steps = await self._rename(holder, there | more, emails, asking)
            if not is_renamed(self.teams[title], title):
                return steps, False
            free = bound_to(self.teams, other.id) != holder or not is_renamed(self.teams[holder], holder)
            return steps, free
        changed = use_other(self.teams, title)
        self.titles |= set(changed)
        keys = [self.store.roster_key(ident) for ident in moving(self.teams, changed)]
        emails |= set(await self.store.store.call("SUNION", *keys)) if keys else set()
        return steps, False

    def _note_title(self, remote: RemoteTeam) -> None:
        """Note a title that was given to a bound team by somebody else; renamed here means not yet there."""
        if remote.id not in self.renamed and (noted := note_title(self.teams, remote)):
            self.titles |= {noted, *keep_titles(self.teams)}

    async def people_of_unbound(self) -> set[str]:
        """Return the addresses of all who were ever in a group of a team to look at that is not bound yet."""
        mirror, emails = MirrorStore(self.store.store), set[str]()
        for title in sorted(self.titles & self.teams.keys()):
            team = self.teams[title]
            for ref in team.groups if not team.id else ():
                emails |= await mirror.members_of(ref)
        return emails

    async def add_people(self, emails: Iterable[str]) -> None:
        """Plan for more people, with what is known of them, or is read because it must be."""
        mirror = MirrorStore(self.store.store, self.without)
        for person in await mirror.people(sorted(emails), self.names):
            self.persons[person.email] = person
            self.wanted[person.email] = want(person, self.target)
        if self.stale:
            self.causes |= await self.store.causes([MEMBER + email for email in emails])
        await self._read([email for email in emails if email in self.persons])
        self.plan()

    async def _read(self, emails: Collection[str]) -> None:
        known = await self.store.members(emails)
        doubts = await self.store.unknown([MEMBER + email for email in emails])
        unread = [e for e in emails if must_read(self.wanted[e], known.get(e), MEMBER + e in doubts)]
        pages = self.pages.get(MEMBERS, 1)
        found, pages = await find_members(self.client, unread, pages) if unread else ({}, 1)
        inviting, left = await self.store.inviting(unread), set[str]()
        for email, remote in found.items():
            before = known.get(email)
            hidden = [await self._by_id(each) for each in hidden_accounts(before, remote)]
            there = join_accounts([*accounts(remote), *(each for each in hidden if each)])
            if there is None and pages > 1 and not self.wanted[email].member:
                there = await search_member(self.client, email)
            known[email] = bound(before, there, inviting.get(email), self.now)
            left |= {email} if has_left(before, known[email]) else set()
        former = former_addresses(self.persons[email] for email in emails)
        self.bindings |= await self.store.members({address for _, address in former} - self.bindings.keys())
        absent = MemberBinding(State.ABSENT)
        self.bindings |= {email: known.get(email, absent) for email in emails}
        self.approved |= await counts.approved_grants(self.store, set(emails) - left)

    async def _by_id(self, ident: str) -> RemoteMember | None:
        try:
            return await self.client.member(ident)
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def plan(self) -> None:
        """Plan everyone anew."""
        there = counting(self.names, self.journals)
        self.wanted = doubted(self.wanted, self.persons, self.bindings, there, self._untold)
        before = before_moving(former_addresses(self.persons.values()), self.wanted, self.bindings)
        self.plans = {
            email: plan_member(
                wanted, self.bindings[email], self.target, self.teams, before.get(email),
                self.approved.get(email, ""),
            )
            for email, wanted in sorted(self.wanted.items())
        }  # fmt: skip

    def _untold(self, email: str) -> str:
        return stale_doubt(self.stale, self.causes.get(MEMBER + email, Cause()).event)

    async def adopt(self) -> list[Step]:
        """Bind the teams that are there already; who is in them is planned for, too."""
        joined = {title for plan in self.plans.values() for title in plan.join}
        unbound = sorted(title for title in joined if not self._team(title).id)
        steps: list[Step] = []
        for title, remote in sorted((await self._find(unbound)).items()):
            if remote.id in self.renamed:
                continue
            self._note_title(remote)
            holder = waits_for(self.teams, title, remote)
            if holder in self.titles:
                emails = set[str]()
                steps += await self._rename(holder, await self._find([holder]), emails, (title,))
                await self.add_people(emails - self.persons.keys())
            if remote.id in self.renamed:
                continue
            if holder := waits_for(self.teams, title, remote):
                dead = (await self.store.dead_of([TEAM + holder])).get(TEAM + holder)
                self.shut[title] = to_become(title, holder, dead.reason if dead else "")
            elif not self._team(title).id:
                steps += await self._adopt(title, remote)
        self.plan()
        return steps

    def _team(self, title: str) -> TeamBinding:
        return self.teams.get(title, TeamBinding())

    async def _adopt(self, title: str, remote: RemoteTeam) -> list[Step]:
        """Bind a team, if the guard lets it; return the adoption as it is shown."""
        inside = [member async for member in walk(lambda page: self.client.team_members(remote.id, page))]
        strangers = await find_strangers(self.store, self.names, {each.id: each.email for each in inside})
        steps: list[Step] = []
        if not await self._is_ours(title, remote, strangers):
            change = AdoptTeam(title, "its group has members", remote.id, len(strangers))
            record = await counts.record_of(self.store, [adoption_id(title)], self.now)
            verdict = judge_adoption(self.target.guard, title, remote.id, len(strangers), record)
            steps = _step(change, verdict)
            if not verdict.goes:
                self.closed.add(title)
                return steps
        self.teams[title] = replace(self._team(title), id=remote.id, title=remote.title)
        await self._take_in(title, remote.id, {member.email for member in inside})
        return steps

    async def _is_ours(self, title: str, remote: RemoteTeam, strangers: set[str]) -> bool:
        """Tell whether a call of ours without a clear end has made a team."""
        making = (await self.store.makings([title])).get(title)
        if making is None or not making.made(remote):
            return False
        return not strangers or strangers == {await self.client.owner()}

    async def _take_in(self, title: str, team: str, listed: set[str | None]) -> None:
        """Note who is in a team that is adopted."""
        known = await self.store.members({email for email in listed if email})
        await self.add_people(known.keys() - self.persons.keys())
        inside = {email for email in listed if email in self.bindings}
        self.rosters[team] = {email for email in inside if email}
        for email in self.rosters[team]:
            how = GIVEN if title in self.plans[email].join else FOUND
            binding = self.bindings[email]
            self.bindings[email] = replace(binding, teams={team: how, **binding.teams})

    async def people_steps(self) -> list[Step]:
        """Return what becomes of people, in the worker's order: removals, lower roles, invites, the rest."""
        plans = [self.plans[email] for email in sorted(self.plans)]
        leaving = [plan for plan in plans if plan.removal or plan.pending]
        changes = sorted((c for plan in plans for c in plan.changes), key=lambda change: change.sort_key)
        lower = [c for c in changes if isinstance(c, SetRole) and c.lowers]
        invites = [c for c in changes if isinstance(c, Invite)]
        steps = await self._removals(leaving)
        steps += await self._lowerings(plans)
        steps += await self._invites(invites)
        steps += await self._grants(plans)
        rest = (c for c in changes if not isinstance(c, Remove | Invite) and c not in lower)
        return steps + [Step(change) for change in rest]

    async def _stakes(self) -> Stakes:
        owner = await self.client.owner()
        admins = {member.id for member in (await self.client.members(role="admin")).items}
        gone = {account.id for email in self.gone for account in self.bindings[email].accounts}
        return Stakes(owner, frozenset(admins - gone))

    async def _removals(self, leaving: list[MemberPlan]) -> list[Step]:
        if not leaving:
            return []
        idents = [removal_id(plan.wanted.email) for plan in leaving]
        record = await counts.record_of(self.store, idents, self.now)
        stakes, window = await self._stakes(), await counts.removals(self.store, self.target.guard, self.now)
        steps: list[Step] = []
        for plan, verdict in zip(
            leaving, judge_removals(self.target.guard, leaving, record, stakes, window), strict=True
        ):
            if plan.removal:
                steps += _step(plan.removal, verdict)
            if plan.removal and verdict.goes:
                self.gone.add(plan.wanted.email)
                self.gathering |= {plan.wanted.email} if verdict.until else set()
                self.removed += verdict.decision is None
        return steps

    async def _lowerings(self, plans: Iterable[MemberPlan]) -> list[Step]:
        lowered = [(plan, change) for plan in plans for change in plan.lowerings]
        if not lowered:
            return []
        lowered.sort(key=lambda each: each[1].sort_key)
        idents = [role_id(change.object) for _, change in lowered]
        record = await counts.record_of(self.store, idents, self.now)
        verdicts = judge_lowering(self.target.guard, lowered, record, await self._stakes())
        judged = zip(lowered, verdicts, strict=True)
        return [step for (_, change), verdict in judged for step in _step(change, verdict)]

    async def _invites(self, invites: list[Invite]) -> list[Step]:
        idents = [invite_id(invite.object) for invite in invites]
        record = await counts.record_of(self.store, idents, self.now)
        frozen = list(zip(invites, judge_frozen_invites(invites, self.wanted, record), strict=True))
        waiting = [step for invite, verdict in frozen if verdict.hold for step in _step(invite, verdict)]
        invites = [invite for invite, verdict in frozen if verdict.goes]
        invited = await counts.count(self.store, counts.INVITES, self.start)
        tokens = {email: wanted.token for email, wanted in self.wanted.items()}
        steps: list[Step] = []
        seats = await self._seats(invites)
        verdicts = judge_invites(self.target.guard, invites, tokens, record, invited, seats)
        for invite, verdict in zip(invites, verdicts, strict=True):
            steps += _step(invite, verdict)
            self.coming |= {invite.object} if verdict.goes else set()
        return waiting + steps

    async def _seats(self, invites: Collection[Invite]) -> int:
        """Return how many members there are when these are invited; those who were removed are gone."""
        coming = await counts.coming(self.store, {invite.object for invite in invites})
        return (self.members or 0) - len(self.gone) + coming

    async def _grants(self, plans: Iterable[MemberPlan]) -> list[Step]:
        """Return who would become an admin if a person approved it."""
        grants = [plan.grant for plan in plans if plan.grant]
        record = await counts.record_of(self.store, [grant_id(g.change.object) for g in grants], self.now)
        verdicts = [judge_grant(grant, record) for grant in grants]
        return [
            Step(grant.change, verdict.hold.reason)
            for grant, verdict in zip(grants, verdicts, strict=True)
            if verdict.hold
        ]

    # teams

    async def team_steps(self) -> list[Step]:
        """Return who gets into which team and who out of it."""
        join: dict[str, list[str]] = defaultdict(list)
        leave: dict[str, list[str]] = defaultdict(list)
        by_id = {team.id: title for title, team in self.teams.items() if team.id}
        for email, plan in self.plans.items():
            if plan.binding.state is not State.KNOWN and email not in self.coming:
                continue
            for title in plan.join:
                join[title].append(email)
            for ident in plan.leave & by_id.keys():
                leave[by_id[ident]].append(email)
        allowed = await self._allowed({title: emails for title, emails in leave.items() if emails})
        steps: list[Step] = []
        for title in sorted({*join, *leave}):
            team = self._team(title).id
            if team:
                steps += self._update(title, team, sorted(join[title]), allowed.get(team, Leaving()))
            elif join[title] and title not in self.closed and not title_problem(title):
                change = CreateTeam(title, "its group has members", tuple(sorted(join[title])))
                steps.append(Step(change, self.shut.get(title)))
        return steps

    def _update(self, title: str, team: str, join: list[str], leaving: Leaving) -> list[Step]:
        """Return the change; those who may not leave by themselves stand apart."""
        add = tuple(email for email in join if self.plans[email].binding.teams.get(team) != GIVEN)
        change = UpdateTeamMembers(title, "the group's members", team, add)
        self.left[team] = {*leaving.free, *leaving.approved}
        change = replace(change, remove=tuple(sorted(self.left[team])))
        steps = [Step(change)] if change.add or change.remove else []
        leave = {email for email, plan in self.plans.items() if team in plan.leave}
        held = tuple(sorted(leaving.held & leave))
        if leaving.hold and held:
            steps.append(Step(replace(change, add=(), remove=held), leaving.hold.reason))
        return steps

    async def _allowed(self, leaves: Mapping[str, Collection[str]]) -> dict[str, Leaving]:
        """Return who may leave which team (by its id); `leaves`: who is to, by the title."""
        losses, idents = [], list[str]()
        for title, emails in sorted(leaves.items()):
            team = self._team(title).id or ""
            ended = losses_of_ended(title, self._team(title), (self.wanted[email] for email in emails))
            losses.append(Losses(team, frozenset(emails), ended, await self._losses(team)))
            idents += [team_id(team), *(leaving_id(team_id(team), email) for email in emails)]
        record = await counts.record_of(self.store, idents, self.now)
        return judge_teams(self.target.guard, losses, record, await self._all_losses())

    async def _all_losses(self) -> Window:
        """Return what all teams have lost, as the worker will find it when it comes to them."""
        teams = {team.id for team in self.teams.values() if team.id}
        found = await counts.all_losses(self.store, teams - self.rosters.keys(), self.start)
        gone = self.gone - self.gathering
        removed = sum(len(teams & self.bindings[email].teams.keys()) for email in gone)
        return replace(found, size=found.size + sum(map(len, self.rosters.values())) - removed)

    async def _losses(self, team: str) -> Window:
        found = await counts.losses(self.store, team, self.start)
        if team in self.rosters:
            return Window(found.window.counted, len(self.rosters[team]))
        removed = sum(team in self.bindings[email].teams for email in self.gone - self.gathering)
        return replace(found.window, size=found.window.size - (removed if found.fresh else 0))

    async def deletions(self) -> list[Step]:
        """Return the teams that go once they are empty."""
        window = await counts.removals(self.store, self.target.guard, self.now)
        steps: list[Step] = []
        for title, team in sorted(self.teams.items()):
            if team.groups or not (team.id and team.made):
                continue
            out = self.left[team.id] | {e for e in self.gone if team.id in self.bindings[e].teams}
            if not out and title not in self.titles:
                continue
            remote = await self.client.team(team.id)
            accounts_out = sum(max(1, len(self.bindings[email].accounts)) for email in out)
            if remote.members > accounts_out or remote.spaces:
                continue
            record = await counts.record_of(self.store, [deletion_id(title)], self.now)
            here = replace(window, counted=window.counted + self.removed)
            verdict = judge_deletion(self.target.guard, title, record, here)
            steps += _step(DeleteTeam(title, "no group maps to it any more", team.id), verdict)
            self.removed += verdict.goes and verdict.decision is None
        return steps


def _step(change: Change, verdict: Verdict) -> list[Step]:
    """Return the change as it is shown; not one that a person wants not to happen."""
    if verdict.excepted:
        return []
    waits = GATHERS if verdict.until else None
    return [Step(change, verdict.hold.reason if verdict.hold else None, waits)]
