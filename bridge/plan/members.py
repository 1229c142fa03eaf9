"""What one person should be at the target, and the changes that make it so."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bridge.plan.accounts import Account
from bridge.plan.changes import Change, Invite, MarkSSO, Remove, SetRole
from bridge.plan.people import Person, UserView, directory_of
from bridge.plan.roles import RuledRole, is_lower, ruled_role
from bridge.plan.scope import (
    address_problem,
    admits,
    admits_address,
    came_at,
    ever_admitted,
    is_excluded,
    left_at,
)
from bridge.plan.teams import TeamBinding, titles_of
from bridge.settings import Role, RoleRule, TargetSettings

GIVEN, FOUND = "given", "found"
ADMIN: Role = "admin"
LEAST: Role = "read"  # of who waits to become an admin, where nothing else gives them a role


class State(StrEnum):
    """What is known of a person at the target."""

    UNKNOWN = "unknown"
    ABSENT = "absent"
    INVITED = "invited"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class MemberBinding:
    """What is known of a person at the target.

    `ours`: the bridge invited them; `kept`: they have a role from before and no rule has named it;
    `holders`: refs of the directory users it was last theirs; `teams`: team id → "given" by the bridge
    or "found" there; `failed_sso`: invited, but GitBook could not make them an SSO user;
    `admitted`: the scope let them in once; `role_before`: the role they had when they were found, before
    the bridge changed it, None for whom it invited; `admin_at`: when they last were an admin, as far as is
    known, unix ms, 0 for never; `adopted`: when they were found whom the bridge did not invite, unix ms, 0
    for who it invited, or long ago; `named_by`: configured names of the directories that have let them in,
    ever; `joined`: when the target says they became a member, in its own words, "" where that was not read
    yet; `others`: further accounts that have their address.

    `first_holders`: those of the directory users whose it was when it was found or made, empty where
    they are the `holders`: to them alone belongs what was there before. `kept_role`: a role from before that
    waits for a person's approval. `role_group`: ref of the group whose rule gave the role, "" the default
    role, None neither or unknown. `admin_for`: refs of the users for whose sake they are an admin, empty
    where that are the `holders`. `taken_over`: they have a role still that was another user's, whose address
    they have now.
    """

    state: State = State.UNKNOWN
    id: str | None = None
    role: Role = "read"
    sso: bool = False
    ours: bool = False
    kept: bool = False
    failed_sso: bool = False
    admitted: bool = False
    holders: tuple[str, ...] = ()
    teams: Mapping[str, str] = field(default_factory=dict)
    role_before: Role | None = None
    admin_at: int = 0
    adopted: int = 0
    named_by: tuple[str, ...] = ()
    joined: str = ""
    others: tuple[Account, ...] = ()
    first_holders: tuple[str, ...] = ()
    kept_role: Role | None = None
    role_group: str | None = None
    admin_for: tuple[str, ...] = ()
    taken_over: bool = False

    @property
    def owners(self) -> tuple[str, ...]:
        """Return the users to whom belongs what was there before; none where nobody has planned it yet."""
        return self.first_holders or self.holders

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Return all accounts that have the address, none where the first is not known."""
        return (Account(self.id, self.role, self.sso), *self.others) if self.id else ()

    @property
    def is_admin(self) -> bool:
        """Tell whether one of the accounts is an admin's, as far as is known."""
        return "admin" in (self.role, *(account.role for account in self.others))

    def with_role(self, role: Role, now: int) -> "MemberBinding":
        """Return it with another role; whoever loses that of an admin was one until now (unix ms)."""
        was_admin = self.is_admin or role == "admin"
        return replace(self, role=role, admin_at=now if was_admin else self.admin_at)

    def with_other(self, account: Account, now: int) -> "MemberBinding":
        """Return it with one of the further accounts as it is since now (unix ms)."""
        others = tuple(account if each.id == account.id else each for each in self.others)
        return replace(self, others=others, admin_at=now if self.is_admin else self.admin_at)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the directory, the scope and the rules want of one person.

    `role`, `role_why`: of the rule that names them, None without one, which is `rule`; `lesser`: the first
    that names them beside one that makes them an admin; `titles`: of their teams;
    `named_titles`: of the teams of every group they were ever named in; `admitted`: they are the
    bridge's to remove; `why_not`: why they are to be no member; `moved_to`: their new address;
    `token` changes when any of the users behind it came back to life since; `since`: unix ms, when the
    directory says they came, or left, 0 for unknown; `outvoted`: they are active in a connection alone that
    has ended, and a living one of the same directory knows them; `known_by`: configured names of the
    directories that have a user with the address, active or not; `doubt`: why what is stored of them cannot
    be believed, so that nothing is taken from them (see `plan.doubt`); `frozen`: nor is anything given to
    them.
    """

    email: str
    member: bool
    excluded: bool = False
    role: Role | None = None
    role_why: str = ""
    titles: frozenset[str] = frozenset()
    named_titles: frozenset[str] = frozenset()
    holders: tuple[str, ...] = ()
    admitted: bool = False
    why_not: str = ""
    moved_to: str | None = None
    token: str = ""
    since: int = field(default=0, compare=False)
    outvoted: bool = False
    rule: RuledRole | None = field(default=None, compare=False)
    lesser: RuledRole | None = field(default=None, compare=False)
    known_by: frozenset[str] = frozenset()
    doubt: str = ""
    frozen: bool = False


def want(person: Person, target: TargetSettings) -> Wanted:
    """Work out what is wanted of a person."""
    scope = target.members
    admitted = [user for user in person.users if admits(scope, person.email, user)]
    outvoted = _is_outvoted(admitted, person)
    holders = [] if outvoted else admitted
    groups = {group.ref: group for user in holders for group in user.groups}.values()
    named = {group.ref: group for user in (*person.users, *person.former) for group in user.named}.values()
    rule = _rule(target.roles, holders)
    others = (each for each in target.roles if each.role != ADMIN)
    lesser = _rule(others, holders) if rule and rule.role == ADMIN else None
    moved = [user for user in person.former if user.email and admits(scope, user.email, user)]
    return Wanted(
        person.email,
        bool(holders),
        is_excluded(scope, person.email),
        rule.role if rule else None,
        rule.why if rule else "",
        frozenset(title for group in groups for title in titles_of(target.teams, group)),
        frozenset(title for group in named for title in titles_of(target.teams, group)),
        tuple(sorted(user.ref for user in holders)),
        bool(holders) or ever_admitted(scope, person),
        "" if holders else _OUTVOTED if outvoted else _why_not(person, target, moved),
        min((user.email for user in moved if user.email), default=None) if not holders else None,
        _token(person),
        came_at(scope, person.email, holders) if holders else left_at(scope, person),
        outvoted,
        rule,
        lesser,
        known_by=frozenset(directory_of(user.ref) for user in person.users if user.exists),
    )


def _rule(rules: Iterable[RoleRule], holders: Collection[UserView]) -> RuledRole | None:
    """Return what the first rule that matches gives, and to whom of these users."""
    groups = {group.ref: group for user in holders for group in user.groups}
    found = ruled_role(rules, groups.values())
    if found is None:
        return None
    users = [user.ref for user in holders if any(group.ref == found.group.ref for group in user.groups)]
    return replace(found, users=tuple(sorted(users)))


_OUTVOTED = "active only in a connection of the directory that has ended, and not in the one after it"


def _is_outvoted(admitted: list[UserView], person: Person) -> bool:
    """Tell whether only what nobody speaks for any more would keep somebody in.

    Nobody hears of a leaver where a connection has ended. Where no other one of the directory knows the
    address nothing is concluded from that: nobody goes because a connection ended.
    """
    if not admitted or not all(user.ended for user in admitted):
        return False
    everyone = (*person.users, *person.former)
    living = {user.directory for user in everyone if not user.ended}
    return all(user.directory in living for user in admitted)


def _why_not(person: Person, target: TargetSettings, moved: list[UserView]) -> str:
    if moved:
        return "the user has another address in the directory now"
    everyone = (*person.users, *person.former)
    if any(user.active for user in everyone):
        if not any(user.active and user.email for user in everyone):
            return "the user has no address in the directory any more"
        if not any(user.active for user in person.users):
            return "the user has another address now, which is outside the scope"
        inside = admits_address(target.members, person.email)
        return "left the groups of the scope" if inside else "the address is outside the scope's domains"
    if any(user.exists for user in everyone):
        return "inactive in the directory"
    return "deleted from the directory" if everyone else "no directory names them any more"


def _token(person: Person) -> str:
    """A decision about a removal holds until one of the users has been active again since."""
    seen = sorted(f"{user.ref} {user.episode}" for user in (*person.users, *person.former))
    return hashlib.blake2b("\n".join(seen).encode(), digest_size=8).hexdigest()


_KEPT, _NO_RULE = "had it before the directory named them", "no rule names them"
NOBODY = _token(Person(""))  # the token of an address that no directory names any more


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """The changes for one person.

    `join`: titles of teams to get into; `leave`: ids of teams to get out of; `impossible`: why nothing
    can be done; `pending`: they must go, but are only invited yet; `binding`: the binding with what
    planning itself found out; `grant`: what would make them an admin once a person has approved it.
    """

    wanted: Wanted
    binding: MemberBinding
    changes: tuple[Change, ...] = ()
    join: frozenset[str] = frozenset()
    leave: frozenset[str] = frozenset()
    impossible: str | None = None
    pending: bool = False
    grant: "Grant | None" = None

    @property
    def removal(self) -> Remove | None:
        """The removal among the changes."""
        return next((change for change in self.changes if isinstance(change, Remove)), None)

    @property
    def lowerings(self) -> list[SetRole]:
        """The lower roles among the changes, one for each account."""
        return [each for each in self.changes if isinstance(each, SetRole) and each.lowers]

    @property
    def empty(self) -> bool:
        """Nothing is to be done."""
        what = (self.changes, self.join, self.leave, self.impossible, self.pending, self.grant)
        return not any(what)

    @property
    def makes_admin(self) -> bool:
        """Tell whether one of its changes makes somebody an admin."""
        return any(isinstance(each, Invite | SetRole) and each.role == ADMIN for each in self.changes)


@dataclass(frozen=True, slots=True)
class Grant:
    """That somebody is to become an admin. `reason`: why a person has to approve it.

    `token`: of the group whose rule gives it and of the user who is in it: an approval counts for them alone.
    """

    change: SetRole
    token: str
    reason: str


def plan_member(
    wanted: Wanted,
    binding: MemberBinding,
    target: TargetSettings,
    teams: Mapping[str, TeamBinding],
    before: MemberBinding | None = None,
    approved: str = "",
) -> MemberPlan:
    """Compare what is wanted of a person with what is known.

    `binding` must not be unknown. `teams`: by the title they should have. `before`: the binding of the
    address that the same user had until it changed: a role from before moves with them. `approved`: the
    token of the grant that a person has approved (see `Grant`): nobody else becomes an admin where the
    guard holds that.
    """
    if wanted.excluded:
        return MemberPlan(wanted, binding)
    let_in = {directory_of(ref) for ref in (*binding.holders, *wanted.holders)}
    binding = replace(
        binding,
        admitted=binding.admitted or wanted.admitted,
        named_by=tuple(sorted(let_in | {*binding.named_by})),
    )
    if not wanted.member:
        return _plan_leaver(wanted, binding)
    if binding.state is State.ABSENT:
        return _plan_joiner(wanted, binding, target, before, approved)
    if binding.state is State.KNOWN:
        plan = _plan_member(wanted, binding, target, teams, approved)
        return _keep_all(plan, binding) if wanted.doubt else plan
    if binding.state is State.INVITED:
        return _plan_invited(wanted, binding, target)
    return MemberPlan(wanted, binding)


def _plan_leaver(wanted: Wanted, binding: MemberBinding) -> MemberPlan:
    if not binding.admitted:
        return MemberPlan(wanted, binding)
    if binding.state is State.INVITED:
        return MemberPlan(wanted, binding, pending=True)
    if binding.state is State.KNOWN and binding.id:
        others = tuple(account.id for account in binding.others)
        removal = Remove(wanted.email, wanted.why_not, binding.id, wanted.moved_to, wanted.since, others)
        return MemberPlan(wanted, binding, (removal,))
    return MemberPlan(wanted, binding)


def _plan_joiner(
    wanted: Wanted,
    binding: MemberBinding,
    target: TargetSettings,
    before: MemberBinding | None,
    approved: str,
) -> MemberPlan:
    if problem := address_problem(wanted.email):
        return MemberPlan(wanted, binding, impossible=problem)
    firsts = _moved_with(wanted, before)
    from_before = before.kept_role or before.role if before and firsts else None
    kept, grant = bool(firsts) and wanted.role is None, None
    moved = replace(binding, holders=wanted.holders, first_holders=firsts, kept_role=from_before)
    goal = given = _goal(wanted, moved, target, kept)
    if goal.role == ADMIN and not _may_grant(target, goal, approved):
        kept = bool(firsts) and wanted.lesser is None
        given = _meanwhile(wanted, moved, target, from_before if kept and from_before != ADMIN else None)
        grant = _grant(wanted, binding, goal, given.role)
    why = given.why if given.group else "named by the directory"
    invite = Invite(wanted.email, why, given.role, target.sso, kept, wanted.since)
    binding = replace(
        moved, role=given.role, role_group=given.group, kept=kept,
        kept_role=ADMIN if grant and goal.group is None else None,
        first_holders=_unlike(firsts, wanted.holders) if kept else (),
        admin_for=_unlike(given.users, wanted.holders) if given.role == ADMIN else (),
    )  # fmt: skip
    return MemberPlan(wanted, binding, (invite,), join=wanted.titles, grant=grant)


def _moved_with(wanted: Wanted, before: MemberBinding | None) -> tuple[str, ...]:
    """Return the users to whom a role from before belongs, and whose address it was until theirs changed."""
    owners = before.owners if before and before.kept else ()
    return tuple(ref for ref in owners if ref in wanted.holders)


def _plan_invited(wanted: Wanted, binding: MemberBinding, target: TargetSettings) -> MemberPlan:
    """Plan for somebody who has not accepted their invite: they can get no other role before.

    What waits for a person goes on waiting.
    """
    goal = _goal(wanted, binding, target, binding.kept and wanted.role is None)
    needs = target.guard.admin_grants == "hold" and goal.role == ADMIN != binding.role
    grant = _grant(wanted, binding, goal, binding.role) if needs else None
    return MemberPlan(wanted, binding, grant=grant)


def _plan_member(
    wanted: Wanted,
    binding: MemberBinding,
    target: TargetSettings,
    teams: Mapping[str, TeamBinding],
    approved: str,
) -> MemberPlan:
    taken_over = is_taken_over(wanted, binding)
    admin_for = binding.admin_for or binding.holders or wanted.holders
    binding = with_holders(wanted, binding)
    goal = given = _goal(wanted, binding, target, binding.kept and wanted.role is None)
    kept, grant = binding.kept and wanted.role is None, None
    if goal.role == ADMIN and not (
        _may_grant(target, goal, approved) or (binding.role == ADMIN and set(admin_for) & set(goal.users))
    ):
        kept = binding.kept and (wanted.role is None or wanted.lesser is None)
        kept_role = binding.role if kept and binding.kept_role is None else None
        given = _meanwhile(wanted, binding, target, kept_role, goal.group)
        grant = _grant(wanted, binding, goal, given.role) if given.role != ADMIN else None
    elif goal.role == ADMIN == binding.role and not set(admin_for) & set(goal.users):
        admin_for = goal.users  # a person has approved it since
    changes: list[Change] = []
    if given.role != binding.role:
        why = "another user has the address now" if taken_over and not given.group else given.why
        lowers = is_lower(given.role, binding.role)
        change = SetRole(wanted.email, why, binding.id or "", given.role, binding.role, lowers)
        taken = binding.taken_over and not given.group
        changes.append(replace(change, group=given.group, users=given.users, taken_over=taken))
    binding = replace(
        binding,
        kept=kept,
        kept_role=binding.kept_role if kept and binding.role != binding.kept_role else None,
        role_group=binding.role_group if changes else given.group,
        admin_for=_unlike(admin_for, wanted.holders) if binding.role == ADMIN else (),
    )
    if target.sso and not binding.sso and _may_mark(binding, target):
        changes.append(MarkSSO(wanted.email, "people of the directory sign in by SSO", binding.id or ""))
    changes += _of_others(wanted, binding, target, changes)
    join, leave = team_changes(wanted, binding, teams)
    return MemberPlan(wanted, binding, tuple(changes), join, leave, grant=grant)


def _keep_all(plan: MemberPlan, before: MemberBinding) -> MemberPlan:
    """Take nothing from somebody in doubt; give them nothing, either, where the data may not act.

    `before`: what was known of them. Users who are missing stay noted, so that they are asked for again.
    """
    holders = tuple(sorted({*before.holders, *plan.wanted.holders}))
    if plan.wanted.frozen:
        return MemberPlan(plan.wanted, replace(before, holders=holders))
    changes = tuple(each for each in plan.changes if not (isinstance(each, SetRole) and each.lowers))
    rises = any(isinstance(each, SetRole) for each in changes)
    binding = replace(plan.binding if rises else before, holders=holders)
    return replace(plan, binding=binding, changes=changes, leave=frozenset())


# whose it is


def is_taken_over(wanted: Wanted, binding: MemberBinding) -> bool:
    """Tell whether nobody is left of the users to whom belongs what was there before."""
    return bool(binding.owners) and not set(binding.owners) & set(wanted.holders)


def with_holders(wanted: Wanted, binding: MemberBinding) -> MemberBinding:
    """Return the binding of a member with the users whose it is now.

    When the first of them are gone, the role and the teams that they had before go with them: whoever
    else has the address keeps what the rules give.
    """
    if is_taken_over(wanted, binding):
        teams = dict.fromkeys(binding.teams, GIVEN)
        return replace(
            binding, holders=wanted.holders, first_holders=(), kept=False, kept_role=None, role_group=None,
            teams=teams, taken_over=True,
        )  # fmt: skip
    firsts = _unlike(binding.owners or wanted.holders, wanted.holders)
    return replace(binding, holders=wanted.holders, first_holders=firsts)


def role_set(binding: MemberBinding, change: SetRole, now: int) -> MemberBinding:
    """Return a member's binding when their role has been set (unix ms)."""
    is_admin = change.role == ADMIN
    return replace(
        binding.with_role(change.role, now), role_group=change.group,
        kept_role=None if change.role == binding.kept_role else binding.kept_role,
        admin_for=_unlike(change.users, binding.holders) if is_admin else (), taken_over=False,
    )  # fmt: skip


def _unlike(refs: tuple[str, ...], holders: tuple[str, ...]) -> tuple[str, ...]:
    """Return refs as a binding keeps them: not where they are its holders."""
    return () if set(refs) == set(holders) else refs


# which role


@dataclass(frozen=True, slots=True)
class _Goal:
    """A role that somebody is to have, and why.

    `group`: ref of the one whose rule gives it, "" the default role, None one from before;
    `users`: refs of those to whom it is given; `source`: what gives it, for people who know no rules.
    """

    role: Role
    why: str
    group: str | None
    users: tuple[str, ...]
    source: str = ""


def _goal(wanted: Wanted, binding: MemberBinding, target: TargetSettings, kept: bool) -> _Goal:
    """Return the role that rules, the time before, and the default give, in this order."""
    if wanted.rule:
        return _ruled(wanted.rule)
    if kept:
        owners = tuple(ref for ref in wanted.holders if ref in (binding.owners or wanted.holders))
        return _Goal(binding.kept_role or binding.role, _KEPT, None, owners, "they had it before")
    return _Goal(target.default_role, _NO_RULE, "", wanted.holders, "default_role")


def _ruled(rule: RuledRole) -> _Goal:
    group = rule.group
    place = f"of directory {group.directory}, id {group.id}" if group.directory else f"id {group.id}"
    return _Goal(rule.role, rule.why, group.ref, rule.users, f'the group "{group.name}" ({place})')


def _meanwhile(
    wanted: Wanted,
    binding: MemberBinding,
    target: TargetSettings,
    kept_role: Role | None,
    group: str | None = None,
) -> _Goal:
    """Return the role of somebody who is not made an admin, or not yet: what they would have otherwise.

    Where the same rule gave them their present role, and would make them an admin since it was changed,
    they keep it. `group`: of that rule; `kept_role`: the one they had before, where they keep that.
    """
    if group is not None and binding.role_group == group and binding.role != ADMIN:
        return _Goal(binding.role, _NO_RULE, group, ())
    if wanted.lesser:
        return _ruled(wanted.lesser)
    if kept_role:
        return _Goal(kept_role, _KEPT, None, binding.owners)
    role = LEAST if target.default_role == ADMIN else target.default_role
    return _Goal(role, _NO_RULE, "", wanted.holders)


def _may_grant(target: TargetSettings, goal: _Goal, approved: str) -> bool:
    return target.guard.admin_grants == "allow" or approved == _grant_token(goal)


def _grant_token(goal: _Goal) -> str:
    """An approval is remembered for the group that gives it and a user in it, for nobody else there."""
    source = "before" if goal.group is None else goal.group
    text = "\n".join(("admin", source, min(goal.users, default="")))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _grant(wanted: Wanted, binding: MemberBinding, goal: _Goal, was: Role) -> Grant:
    change = SetRole(wanted.email, goal.why, binding.id or "", ADMIN, was, group=goal.group, users=goal.users)
    reason = f"{goal.source} makes them an admin: only when a person approves (admin_grants)"
    return Grant(change, _grant_token(goal), reason)


def may_become_admin(wanted: Wanted, target: TargetSettings, *bindings: MemberBinding | None) -> bool:
    """Tell whether planning might ask whether a person approved that somebody becomes an admin.

    `bindings`: theirs, and that of the address they had before.
    """
    if not wanted.member or wanted.excluded or target.guard.admin_grants == "allow":
        return False
    if wanted.role is not None:
        return wanted.role == ADMIN
    before = any(each and ADMIN in (each.role, each.kept_role) for each in bindings)
    return before or target.default_role == ADMIN


def _of_others(
    wanted: Wanted, binding: MemberBinding, target: TargetSettings, changes: list[Change]
) -> list[Change]:
    """Return what makes the further accounts of somebody follow the first, whose changes these are.

    They never become admins: nobody could tell from what is shown that there is one more.
    """
    role = next((change for change in changes if isinstance(change, SetRole)), None)
    wished = role.role if role else binding.role
    why = role.why if role else wanted.role_why or "another account of theirs"
    found: list[Change] = []
    for other in binding.others:
        if other.role != wished != "admin" and (role or not binding.kept):
            lowers = is_lower(wished, other.role)
            change = SetRole(wanted.email, why, other.id, wished, other.role, lowers, account=other.id)
            found.append(replace(change, taken_over=role is not None and role.taken_over))
        if target.sso and target.sso_existing and not other.sso:
            found.append(MarkSSO(wanted.email, "people of the directory sign in by SSO", other.id, other.id))
    return found


def _may_mark(binding: MemberBinding, target: TargetSettings) -> bool:
    return target.sso_existing or (binding.ours and not binding.failed_sso)


def team_changes(
    wanted: Wanted, binding: MemberBinding, teams: Mapping[str, TeamBinding]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the titles to join and the ids to leave, of somebody who is a member. `teams`: by their titles.

    Someone leaves a team that the bridge put them in, or that the directory named them for; nobody
    else: strangers in an adopted team stay in it, and so does of whom something is missing.
    """
    by_id = {team.id: title for title, team in teams.items() if team.id}
    inside = {by_id[ident] for ident in binding.teams if ident in by_id}
    leave = {
        ident
        for ident, how in binding.teams.items()
        if ident in by_id
        and by_id[ident] not in wanted.titles
        and (how == GIVEN or by_id[ident] in wanted.named_titles)
    }
    join = frozenset[str]() if wanted.frozen else wanted.titles - inside
    return join, frozenset() if wanted.doubt else frozenset(leave)
