"""People at a target: what the directory wants of each against what the bridge knows that the target has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.following import followed
from bridge.operators.desks import Desk
from bridge.operators.health import present_state
from bridge.operators.standing import Standing, member_idents, read_standings
from bridge.plan.members import MemberBinding, MemberPlan, State, Wanted, plan_member, want
from bridge.plan.people import Person
from bridge.plan.reading import before_moving, former_addresses
from bridge.plan.reasons import (
    RoleReason,
    TeamReason,
    differences,
    sso_difference,
    why_member,
    why_role,
    why_teams,
)
from bridge.plan.teams import TeamBinding
from bridge.settings import Settings, TargetSettings
from bridge.store.counts import approved_grants
from bridge.store.mirror import directory_name, split_ref
from bridge.store.targets import MEMBER, TargetStore

_IN_DOUBT = "a call about them had no clear end: the target is read before anything else is done"


@dataclass(frozen=True, slots=True)
class KnownTeam:
    """A team somebody is in at the target. `how`: "given" by the bridge, or "found" there."""

    id: str
    title: str
    how: str


@dataclass(frozen=True, slots=True)
class Account:
    """One address at one target. `target`: its name in the configuration, `mode`: as configured.

    Wanted: `member`, or not, and `why`; `role`, `teams`, `sso` of a member. `known`: what the bridge knows
    the target has, None for nothing, with `known_teams`. `differences`: what is to be changed, in words.
    `halted`: why nothing is done at the target now, "" when it is well.
    """

    target: str
    mode: str
    wanted: Wanted
    why: str
    role: RoleReason | None
    teams: Sequence[TeamReason]
    sso: bool
    known: MemberBinding | None
    known_teams: Sequence[KnownTeam]
    differences: Sequence[str]
    standing: Standing
    halted: str = ""

    @property
    def email(self) -> str:
        """Return the address."""
        return self.wanted.email

    @property
    def empty(self) -> bool:
        """Nothing is wanted of the address there, and nothing known, held, decided or to be looked at."""
        there = self.known or self.standing.parked or self.standing.dead or self.standing.decided
        return not (self.wanted.member or there or self.standing.work)


async def read_accounts(settings: Settings, desk: Desk, persons: Sequence[Person], now: int) -> list[Account]:
    """Return how people stand at a target, in their order. `now`: unix ms. Raises one of STORE_ERRORS.

    `persons`: with the users of all directories; those that the target does not follow do not count.
    """
    target = settings.target(desk.name)
    if target is None:
        return []
    names = await followed(settings, target, desk.target)
    persons = [_within(person, names) for person in persons]
    wanted = {person.email: want(person, target) for person in persons}
    former = former_addresses(persons)
    known = await desk.target.members({*wanted, *(address for _, address in former)})
    before, teams = before_moving(former, wanted, known), await desk.target.teams()
    inside = {email: _known_teams(known.get(email), teams) for email in wanted}
    idents = {
        MEMBER + email: member_idents(
            email,
            {team.id: team.title for team in inside[email]},
            wanted[email].titles - {team.title for team in inside[email]},
        )
        for email in wanted
    }
    standings = await read_standings(desk.target, idents, now)
    approved = await approved_grants(desk.target, wanted)
    accounts, halted = [], await read_halt(desk.target, now)
    for person in persons:
        email, binding = person.email, known.get(person.email) or MemberBinding(State.ABSENT)
        plan = plan_member(wanted[email], binding, target, teams, before.get(email), approved.get(email, ""))
        account = _account(target, person, plan, teams, standings[MEMBER + email])
        accounts.append(replace(account, known=known.get(email), known_teams=inside[email], halted=halted))
    return accounts


async def read_halt(target: TargetStore, now: int) -> str:
    """Return why nothing is done at a target now (unix ms), "" when it is well."""
    state = present_state(await target.state(), await target.paused(), now)
    if state.state == "ok":
        return ""
    return state.reason or "" if state.state == "paused" else f"{state.state}: {state.reason}"


def _within(person: Person, names: set[str]) -> Person:
    """Return a person without the users of other directories than these (by configured name)."""
    users = [user for user in person.users if directory_name(split_ref(user.ref)[0]) in names]
    former = [user for user in person.former if directory_name(split_ref(user.ref)[0]) in names]
    return Person(person.email, tuple(users), tuple(former))


def _known_teams(binding: MemberBinding | None, teams: Mapping[str, TeamBinding]) -> list[KnownTeam]:
    titles = {team.id: title for title, team in teams.items()}
    inside = (binding.teams if binding else {}).items()
    return sorted(
        (KnownTeam(ident, titles.get(ident, ""), how) for ident, how in inside),
        key=lambda team: (team.title, team.id),
    )


def _account(
    target: TargetSettings,
    person: Person,
    plan: MemberPlan,
    teams: Mapping[str, TeamBinding],
    standing: Standing,
) -> Account:
    """Return an account, but for what is known of it."""
    wanted = plan.wanted
    changes = differences(plan, teams)
    changes += [text] if (text := sso_difference(wanted, plan.binding, target)) else []
    return Account(
        target.name,
        target.mode,
        wanted,
        why_member(wanted, person, target),
        why_role(plan, person, target),
        why_teams(person, target) if wanted.member and not wanted.excluded else [],
        wanted.member and not wanted.excluded and target.sso,
        None,
        (),
        [*changes, *([_IN_DOUBT] if standing.doubt else [])],
        _answering(standing, wanted),
    )


def _answering(standing: Standing, wanted: Wanted) -> Standing:
    """Return it without decisions about an earlier stay of theirs: they came back since."""
    decided = tuple(
        (about, decision)
        for about, decision in standing.decided
        if about or decision.token in ("", wanted.token)
    )
    return replace(standing, decided=decided)
