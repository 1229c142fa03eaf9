"""Who goes into a team and who leaves it: one call for each team."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.plan.changes import CreateTeam, UpdateTeamMembers
from bridge.plan.judge import Leaving, leaving_id, losses_of_ended, team_id
from bridge.plan.members import GIVEN, MemberPlan, State
from bridge.plan.teams import TeamBinding, is_renamed
from bridge.store.counts import ALL_LOSSES, loss_of, losses_of
from bridge.store.mirror import Command
from bridge.store.targets import LOOK_FIRST
from bridge.targets.base import RefusedError, RemoteTeam, TargetError
from workers import hold
from workers.acts import Act, act_of
from workers.bound import forget_team, team_problem
from workers.look import read_members
from workers.people import People, refused
from workers.run import Run, member_object, team_object
from workers.twins import asked as asked_for
from workers.twins import making_of

_SURELY = 4  # so many refused, and nobody taken: it is the team, not its people


@dataclass(slots=True)
class Moves:
    """What one team gains and loses: e-mails."""

    join: list[str] = field(default_factory=list)
    leave: list[str] = field(default_factory=list)


def plan_moves(run: Run, plans: Iterable[MemberPlan], teams: dict[str, TeamBinding]) -> dict[str, Moves]:
    """Return who is to get into which team and out of it, by title.

    Another change of theirs that could not be made keeps nobody back; a plan that is outdated does.
    """
    by_id = {team.id: title for title, team in teams.items() if team.id}
    moves: dict[str, Moves] = defaultdict(Moves)
    for plan in plans:
        email = plan.wanted.email
        if plan.binding.state is not State.KNOWN or member_object(email) in run.outdated:
            continue
        for title in plan.join:
            moves[title].join.append(email)
        for ident in plan.leave & by_id.keys():
            moves[by_id[ident]].leave.append(email)
    return moves


async def move_all(
    run: Run, people: People, teams: dict[str, TeamBinding], moves: Mapping[str, Moves]
) -> None:
    """Make the members of teams right, by title. What they all lose is judged before the first call."""
    leaves = {title: _inside(people, teams, title, move) for title, move in moves.items()}
    leaves = {title: emails for title, emails in leaves.items() if emails}
    allowed = await hold.guard_teams(run, people.plans, teams, leaves) if leaves else {}
    for title in sorted(moves):
        await move_members(run, people, teams, title, moves[title], allowed.get(title, Leaving()))


def _inside(people: People, teams: Mapping[str, TeamBinding], title: str, move: Moves) -> list[str]:
    """Return who of those who are to leave a team is in it."""
    team = teams.get(title, TeamBinding()).id
    return [email for email in move.leave if team in people.plans[email].binding.teams]


async def move_members(
    run: Run, people: People, teams: dict[str, TeamBinding], title: str, move: Moves, allowed: Leaving
) -> None:
    """Make one team's members right, in one call. `allowed`: who may leave it."""
    team, name = teams.get(title, TeamBinding()), team_object(title)
    ready = [email for email in move.join if member_object(email) not in run.outdated]
    if name in run.held_back:  # a call of an earlier worker may still make it
        run.look_again(map(member_object, (*ready, *move.leave)), run.held_back[name])
        return
    if not team.id:
        if problem := team_problem(teams, title):
            await run.bury(name, Act(CreateTeam.verb, f"create team {title}"), problem, asked=False)
        elif ready:
            await _create(run, people, teams, title, ready)
        return
    plans = people.plans
    add = tuple(e for e in ready if plans[e].binding.teams.get(team.id) != GIVEN)
    inside = _inside(people, teams, title, move)
    remove = tuple(sorted((allowed.free | allowed.approved) & set(inside)))
    if add or remove:
        change = UpdateTeamMembers(title, "", team.id, add, remove)
        await _update(run, people, teams, change, allowed.free)


async def _create(
    run: Run, people: People, teams: dict[str, TeamBinding], title: str, emails: Sequence[str]
) -> None:
    """Make a team with its first members; where they are refused, without: each is tried alone then."""
    change = CreateTeam(title, "", tuple(emails))
    name, names = team_object(title), [member_object(email) for email in emails]
    team, making = teams.get(title, TeamBinding()), await making_of(run, title)
    ids = _ids(people, emails)

    ended = run.store.put_making(title, making, run.now + LOOK_FIRST)

    def created(remote: RemoteTeam) -> list[Command]:
        teams[title] = replace(team, id=remote.id, title=remote.title, made=True)
        joined = _joined(run, people, remote.id, emails)
        rename = run.store.mark([name], run.now) if is_renamed(teams[title], title) else []
        return [run.store.put_team(title, teams[title]), *joined, *ended, *rename]

    try:
        await run.attempt(
            [name, *names], act_of(change), lambda: run.client.create_team(title, ids), created,
            asked_for(run, title, making, ids), ended,
        )  # fmt: skip
    except RefusedError as error:
        if not emails:
            await refused(run, name, act_of(change), error)
        elif error.status == 404 and not _asked(title, emails) <= run.retried:
            await _read_again(run, title, emails)
        else:
            await _create(run, people, teams, title, ())
            if name in run.later or teams.get(title, TeamBinding()).id:
                run.look_again(names, run.later.get(name, run.now))


async def _update(
    run: Run,
    people: People,
    teams: dict[str, TeamBinding],
    change: UpdateTeamMembers,
    counted: frozenset[str],
) -> None:
    """Change a team's members; `counted`: those who leave and count as losses."""
    emails = (*change.add, *change.remove)
    try:
        await _send(run, people, teams, change, counted)
    except RefusedError as error:
        if error.status == 404 and not _asked(change.object, emails) <= run.retried:
            await _gone(run, people, teams, change)
            return
        culprits = await _halve(run, people, teams, change, counted, error)
        whole = 1 < len(emails) == len(culprits)
        names = [team_object(change.object)] if whole else [member_object(email) for email in culprits]
        for name in names:
            await refused(run, name, act_of(change), error, change.object)
        if whole and names[0] in run.later:
            run.look_again(map(member_object, emails), run.later[names[0]])


async def _send(
    run: Run,
    people: People,
    teams: dict[str, TeamBinding],
    change: UpdateTeamMembers,
    counted: frozenset[str],
) -> None:
    add, remove = _ids(people, change.add), _ids(people, change.remove)
    names = [team_object(change.object), *(member_object(email) for email in (*change.add, *change.remove))]
    settled = await hold.team_left(run, change.id, change.remove) if change.remove else []

    def updated(_: object) -> list[Command]:
        commands = _joined(run, people, change.id, change.add) + _left(run, people, change) + settled
        empty = not teams[change.object].groups
        return commands + (run.store.mark([team_object(change.object)], run.now) if empty else [])

    leaving = [email for email in change.remove if email in counted]
    losses = [command for email in leaving for command in hold.counted(run, losses_of(change.id), email)]
    wanted = [people.plans[email].wanted for email in leaving]
    ended = losses_of_ended(change.object, teams[change.object], wanted)
    for email in leaving:
        if email not in ended:
            losses += hold.counted(run, ALL_LOSSES, loss_of(change.id, email))
    asked = run.store.ask(change.id, change.add, run.now)
    await run.attempt(
        names, act_of(change), lambda: run.client.update_team(change.id, add, remove), updated,
        [*losses, *asked], team=change.id,
    )  # fmt: skip


def _ids(people: People, emails: Iterable[str]) -> list[str]:
    """Return the ids of all accounts of people, in their order."""
    return [account.id for email in emails for account in people.plans[email].binding.accounts]


async def _halve(
    run: Run,
    people: People,
    teams: dict[str, TeamBinding],
    change: UpdateTeamMembers,
    counted: frozenset[str],
    error: RefusedError,
) -> list[str]:
    """Halve a call that is refused until the culprits stand alone; return them.

    When the first half has nobody in it who is taken, it is the team, and everybody is returned.
    """
    emails = (*change.add, *change.remove)
    if len(emails) == 1:
        return list(emails)
    middle = len(emails) // 2
    culprits: list[str] = []
    for half in (emails[:middle], emails[middle:]):
        part = replace(
            change,
            add=tuple(email for email in change.add if email in half),
            remove=tuple(email for email in change.remove if email in half),
        )
        try:
            await _send(run, people, teams, part, counted)
        except RefusedError as again:
            culprits += await _halve(run, people, teams, part, counted, again)
        if len(culprits) == len(half) >= _SURELY:
            return list(emails)
    return culprits


async def _gone(run: Run, people: People, teams: dict[str, TeamBinding], change: UpdateTeamMembers) -> None:
    """A 404 names nobody: either the team is gone, or someone in the call is no member any more."""
    name, emails = team_object(change.object), (*change.add, *change.remove)
    names = [member_object(email) for email in emails]
    try:
        await run.client.team(change.id)
    except RefusedError as error:
        if error.status == 404:
            await forget_team(run, people, teams, change.object)
            await _once_more(run, name, names)
        else:
            await refused(run, name, act_of(change), error)
    except TargetError as error:
        await run.fault(names, error)
    else:
        await _read_again(run, change.object, emails)


def _asked(title: str, emails: Iterable[str]) -> set[tuple[str, str]]:
    return {(member_object(email), title) for email in emails}


async def _once_more(run: Run, name: str, names: Sequence[str]) -> None:
    """Plan again at once; a team that vanishes again and again is left alone for longer and longer."""
    if (name, "") in run.retried:
        await run.back_off(names, "the team was not there again")
        return
    run.retried.add((name, ""))
    run.look_again(names, run.now)


async def _read_again(run: Run, title: str, emails: Sequence[str]) -> None:
    """Read people again: who is missing is forgotten, and the next plan invites them or leaves them out."""
    names = [member_object(email) for email in emails]
    try:
        await read_members(run, emails)
    except TargetError as error:
        await run.fault(names, error)
        return
    run.retried |= _asked(title, emails)
    run.look_again(names, run.now)
    run.outdated |= set(names)


def _joined(run: Run, people: People, ident: str, emails: Iterable[str]) -> list[Command]:
    """Return what is written when people have got in: what was decided about their leaving is used up."""
    commands: list[Command] = []
    for email in emails:
        commands.append(("HDEL", run.store.key("decision"), leaving_id(team_id(ident), email)))
        plan = people.plans[email]
        binding = replace(plan.binding, teams={**plan.binding.teams, ident: GIVEN})
        people.plans[email] = replace(plan, binding=binding)
        commands += [run.store.put_member(email, binding), ("SADD", run.store.roster_key(ident), email)]
    return commands


def _left(run: Run, people: People, change: UpdateTeamMembers) -> list[Command]:
    commands: list[Command] = []
    for email in change.remove:
        plan = people.plans[email]
        left = {ident: how for ident, how in plan.binding.teams.items() if ident != change.id}
        people.plans[email] = replace(plan, binding=replace(plan.binding, teams=left))
        commands += [
            run.store.put_member(email, people.plans[email].binding),
            ("SREM", run.store.roster_key(change.id), email),
        ]
    return commands
