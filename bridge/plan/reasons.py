"""Why a plan is as it is, in words that quote the configuration: the rules themselves are next door."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bridge.plan.changes import Change, Invite
from bridge.plan.members import MemberBinding, MemberPlan, State, Wanted
from bridge.plan.people import GroupView, Person, UserView
from bridge.plan.roles import role_rule
from bridge.plan.scope import admits, exclusion, scope_group
from bridge.plan.teams import TeamBinding, is_renamed, ruled_titles, title_problem
from bridge.settings import MemberScope, Role, RoleRule, TargetSettings

KEPT = "kept: had it before the directory named them"


@dataclass(frozen=True, slots=True)
class RoleReason:
    """A role that is wanted, and why. `group`: the one that the rule matched, None where no rule did."""

    role: Role
    why: str
    group: GroupView | None = None


@dataclass(frozen=True, slots=True)
class TeamReason:
    """A team that is wanted, the group that it is wanted for, and the rule."""

    title: str
    why: str
    group: GroupView


def groups_in_scope(person: Person, target: TargetSettings) -> list[GroupView]:
    """Return the groups that give a person their role and teams: those of the users whom the scope admits."""
    users = [user for user in person.users if admits(target.members, person.email, user)]
    found = {group.ref: group for user in users for group in user.groups}
    return [found[ref] for ref in sorted(found)]


def why_member(wanted: Wanted, person: Person, target: TargetSettings) -> str:
    """Return why somebody is to be a member, or is not."""
    scope = target.members
    if found := exclusion(scope, person.email):
        return f'members.exclude[{found[0]}]: "{found[1]}": never invited, never removed'
    if not wanted.member:
        return _why_not(wanted, person)
    holders = [user for user in person.users if admits(scope, person.email, user)]
    return "active in the directory" + _let_in(scope, holders)


def _why_not(wanted: Wanted, person: Person) -> str:
    if not (person.users or person.former):
        return "the directory does not name this address"
    told = wanted.why_not
    return told if wanted.admitted else f"{told}, and was never in the scope: not the bridge's to remove"


def _let_in(scope: MemberScope, holders: Iterable[UserView]) -> str:
    found = scope_group(scope, (group for user in holders for group in user.groups))
    if found is None:
        return ""
    number, pattern, group = found
    return f', members.groups[{number}]: "{pattern}"{_by(pattern, group)}'


def why_role(plan: MemberPlan, person: Person, target: TargetSettings) -> RoleReason | None:
    """Return the role somebody is to have and why, None for who is to be no member."""
    if not plan.wanted.member or plan.wanted.excluded:
        return None
    if found := role_rule(target.roles, groups_in_scope(person, target)):
        number, rule, group = found
        return RoleReason(rule.role, _role(number, rule, group), group)
    invite = next((change for change in plan.changes if isinstance(change, Invite)), None)
    if invite.kept if invite else plan.binding.kept:
        return RoleReason(plan.binding.kept_role or (invite.role if invite else plan.binding.role), KEPT)
    return RoleReason(target.default_role, "default_role: no rule names them")


def why_teams(person: Person, target: TargetSettings) -> list[TeamReason]:
    """Return the teams somebody is to be in: one reason for each group that wants it, by title."""
    groups = groups_in_scope(person, target)
    reasons = [reason for group in groups for reason in team_reasons(group, target)]
    return sorted(reasons, key=lambda reason: (reason.title, reason.group.ref))


def team_reasons(group: GroupView, target: TargetSettings) -> list[TeamReason]:
    """Return the teams that a group becomes, and why."""
    return [
        TeamReason(title, f'teams[{number}]: group "{rule.group}"{_of(rule.directory)}', group)
        for title, (number, rule) in ruled_titles(target.teams, group).items()
    ]


def group_roles(group: GroupView, target: TargetSettings) -> list[str]:
    """Return the rules that a group gives roles by: of one person the first that any group matches counts."""
    return [
        _role(number, rule, group) for number, rule in enumerate(target.roles) if role_rule([rule], [group])
    ]


def group_scope(group: GroupView, target: TargetSettings) -> str:
    """Return how a group lets people in, "" where it does not."""
    if not target.members.groups:
        return "members.groups is empty: everyone whom the directory names"
    found = scope_group(target.members, [group])
    return f'members.groups[{found[0]}]: "{found[1]}"{_by(found[1], group)}' if found else ""


def _role(number: int, rule: RoleRule, group: GroupView) -> str:
    place = f'roles[{number}]: group "{rule.group}"{_of(rule.directory)}'
    return f"{place}{_by(rule.group, group)} → {rule.role}"


def _of(directory: str | None) -> str:
    return f' of directory "{directory}"' if directory else ""


def _by(pattern: str, group: GroupView) -> str:
    return "" if pattern == group.name else f' (matches "{group.name or group.id}")'


def differences(plan: MemberPlan, teams: Mapping[str, TeamBinding]) -> list[str]:
    """Return in words what is to be changed for somebody; nothing where all is as it should be.

    `teams`: by the titles they should have.
    """
    return list(_differences(plan, teams))


def _differences(plan: MemberPlan, teams: Mapping[str, TeamBinding]) -> Iterator[str]:
    for change in plan.changes:
        yield _with_why(change)
    if plan.grant:
        yield f"{_with_why(plan.grant.change)}: waits for a person's approval"
    yield from (f"join team {title}" for title in sorted(plan.join))
    titles = {team.id: title for title, team in teams.items()}
    yield from sorted(f"leave team {titles[ident]}" for ident in plan.leave)
    if plan.pending:
        yield "revoke the invite: they must go and have not accepted it"
    if plan.impossible:
        yield f"cannot be invited: {plan.impossible}"
    if plan.wanted.member and plan.binding.state is State.INVITED:
        yield "invited, and not listed as a member yet: looked for now and then"


def _with_why(change: Change) -> str:
    return f"{change.describe()}: {change.why}" if change.why else change.describe()


def sso_difference(wanted: Wanted, binding: MemberBinding, target: TargetSettings) -> str:
    """Return why a member who is to sign in by SSO stays one who does not, "" where that is not so."""
    known = wanted.member and not wanted.excluded and binding.state is State.KNOWN
    if not known or binding.sso or not target.sso:
        return ""
    if binding.failed_sso:
        return "no SSO user: GitBook says they belong to another organisation"
    if binding.ours or target.sso_existing:
        return ""
    return "no SSO user: was a member before, and sso_existing = false"


def team_differences(title: str, team: TeamBinding | None, group: GroupView, exists: bool) -> list[str]:
    """Return in words what is to be changed of a team itself. `exists`: its group was not deleted."""
    found = []
    if problem := title_problem(title, group):
        found.append(f"cannot be made: {problem}")
    if team is None or not team.id:
        return [*found, "not made yet: that is done for its first member"] if exists else found
    if is_renamed(team, title):
        found.append(f"rename it from {team.title} to {title}")
    if not team.groups:
        rest = (
            "deleted once it is empty and has no spaces"
            if team.made
            else "left as it is: the bridge adopted it"
        )
        found.append(f"no group maps to it any more: {rest}")
    return found
