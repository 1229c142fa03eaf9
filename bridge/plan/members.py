"""What one person should be at the target, and the changes that make it so."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bridge.plan.accounts import Account
from bridge.plan.changes import Change, Invite, MarkSSO, Remove, SetRole
from bridge.plan.people import Person, UserView
from bridge.plan.roles import is_lower, ruled_role
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
from bridge.settings import Role, TargetSettings

GIVEN, FOUND = "given", "found"


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
    known, unix ms, 0 for never; `joined`: when the target says they became a member, in its own words, ""
    where that was not read yet; `others`: further accounts that have their address.
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
    joined: str = ""
    others: tuple[Account, ...] = ()

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

    `role`, `role_why`: of the rule that names them, None without one; `titles`: of their teams;
    `named_titles`: of the teams of every group they were ever named in; `admitted`: they are the
    bridge's to remove; `why_not`: why they are to be no member; `moved_to`: their new address;
    `token` changes when any of the users behind it came back to life since; `since`: unix ms, when the
    directory says they came, or left, 0 for unknown; `outvoted`: they are active in a connection alone that
    has ended, and a living one of the same directory knows them.
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


def want(person: Person, target: TargetSettings) -> Wanted:
    """Work out what is wanted of a person."""
    scope = target.members
    admitted = [user for user in person.users if admits(scope, person.email, user)]
    outvoted = _is_outvoted(admitted, person)
    holders = [] if outvoted else admitted
    groups = {group.ref: group for user in holders for group in user.groups}.values()
    named = {group.ref: group for user in (*person.users, *person.former) for group in user.named}.values()
    rule = ruled_role(target.roles, groups) if holders else None
    moved = [user for user in person.former if user.email and admits(scope, user.email, user)]
    return Wanted(
        person.email,
        bool(holders),
        is_excluded(scope, person.email),
        rule[0] if rule else None,
        rule[1] if rule else "",
        frozenset(title for group in groups for title in titles_of(target.teams, group)),
        frozenset(title for group in named for title in titles_of(target.teams, group)),
        tuple(sorted(user.ref for user in holders)),
        bool(holders) or ever_admitted(scope, person),
        "" if holders else _OUTVOTED if outvoted else _why_not(person, target, moved),
        min((user.email for user in moved if user.email), default=None) if not holders else None,
        _token(person),
        came_at(scope, person.email, holders) if holders else left_at(scope, person),
        outvoted,
    )


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


NOBODY = _token(Person(""))  # the token of an address that no directory names any more


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """The changes for one person.

    `join`: titles of teams to get into; `leave`: ids of teams to get out of; `impossible`: why nothing
    can be done; `pending`: they must go, but are only invited yet; `binding`: the binding with what
    planning itself found out.
    """

    wanted: Wanted
    binding: MemberBinding
    changes: tuple[Change, ...] = ()
    join: frozenset[str] = frozenset()
    leave: frozenset[str] = frozenset()
    impossible: str | None = None
    pending: bool = False

    @property
    def removal(self) -> Remove | None:
        """The removal among the changes."""
        return next((change for change in self.changes if isinstance(change, Remove)), None)

    @property
    def empty(self) -> bool:
        """Nothing is to be done."""
        return not (self.changes or self.join or self.leave or self.impossible or self.pending)


def plan_member(
    wanted: Wanted,
    binding: MemberBinding,
    target: TargetSettings,
    teams: Mapping[str, TeamBinding],
    before: MemberBinding | None = None,
) -> MemberPlan:
    """Compare what is wanted of a person with what is known.

    `binding` must not be unknown. `teams`: by the title they should have. `before`: the binding of the
    address that the same user had until it changed: a role from before moves with them.
    """
    if wanted.excluded:
        return MemberPlan(wanted, binding)
    binding = replace(binding, admitted=binding.admitted or wanted.admitted)
    if not wanted.member:
        return _plan_leaver(wanted, binding)
    if binding.state is State.ABSENT:
        return _plan_joiner(wanted, binding, target, before)
    if binding.state is State.KNOWN:
        return _plan_member(wanted, binding, target, teams)
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
    wanted: Wanted, binding: MemberBinding, target: TargetSettings, before: MemberBinding | None
) -> MemberPlan:
    if problem := address_problem(wanted.email):
        return MemberPlan(wanted, binding, impossible=problem)
    kept = bool(before and before.kept and wanted.role is None)
    role = before.role if before and kept else wanted.role or target.default_role
    invite = Invite(
        wanted.email, wanted.role_why or "named by the directory", role, target.sso, kept, wanted.since
    )
    return MemberPlan(wanted, binding, (invite,), join=wanted.titles)


def _plan_member(
    wanted: Wanted, binding: MemberBinding, target: TargetSettings, teams: Mapping[str, TeamBinding]
) -> MemberPlan:
    taken_over = bool(binding.holders) and not set(binding.holders) & set(wanted.holders)
    kept = binding.kept and wanted.role is None and not taken_over
    binding = replace(binding, kept=kept, holders=wanted.holders)
    changes: list[Change] = []
    role = wanted.role or (binding.role if kept else target.default_role)
    if role != binding.role:
        why = wanted.role_why or ("another user has the address now" if taken_over else "no rule names them")
        lowers = is_lower(role, binding.role)
        changes.append(SetRole(wanted.email, why, binding.id or "", role, binding.role, lowers))
    if target.sso and not binding.sso and _may_mark(binding, target):
        changes.append(MarkSSO(wanted.email, "people of the directory sign in by SSO", binding.id or ""))
    changes += _of_others(wanted, binding, target, changes)
    join, leave = team_changes(wanted, binding, teams)
    return MemberPlan(wanted, binding, tuple(changes), join, leave)


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
            found.append(SetRole(wanted.email, why, other.id, wished, other.role, lowers, account=other.id))
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
    else: strangers in an adopted team stay in it.
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
    return wanted.titles - inside, frozenset(leave)
