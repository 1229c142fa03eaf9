"""The part of a step that makes teams follow their groups: index, adopt or create, rename, fill, delete."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.plan.changes import CreateTeam, DeleteTeam, RenameTeam, UpdateTeamMembers
from bridge.plan.members import GIVEN, MemberPlan, State
from bridge.plan.teams import TeamBinding, moved_titles, title_problem, titles_of
from bridge.store.mirror import Command, directory_name, split_ref
from bridge.store.targets import Held, Work
from bridge.targets.base import RefusedError, RemoteTeam, TargetError
from workers import hold
from workers.look import bound_to, look_for_teams, read_members, read_roster
from workers.people import People, refused
from workers.run import Run, member_object, team_object

_CLOCK_SLACK = 5_000  # ms a target's clock may be off when telling whose team a new one is


# which titles groups map to


async def index_groups(run: Run, works: Sequence[Work]) -> None:
    """Bring the index of groups and titles up to date for groups there is news of."""
    refs = [work.object[2:] for work in works]
    views = await run.worker.mirror.groups(refs)
    before, teams = await run.store.titles_of_groups(refs), await run.store.teams()
    changed: set[str] = set()
    commands: list[Command] = []
    for ref in sorted(refs):
        view, exists = views.get(ref, (None, False))
        inside = exists and directory_name(split_ref(ref)[0]) in run.names
        titles = titles_of(run.target.teams, view) if view and inside else ()
        changed |= _remap(teams, ref, before.get(ref, ()), titles)
        commands.append(run.store.put_titles(ref, titles))
    commands += [run.store.put_team(title, teams.get(title)) for title in sorted(changed)]
    commands += run.store.mark([team_object(title) for title in sorted(changed)], run.now)
    await run.commit([*commands, *(run.store.clear(work) for work in works)])


def _remap(
    teams: dict[str, TeamBinding], ref: str, before: tuple[str, ...], after: tuple[str, ...]
) -> set[str]:
    """Move a group from its old titles to its new ones; return the titles that changed.

    Where the group had a team to itself and the new title is free, the team goes along and is renamed.
    """
    if before == after:
        return set()
    for old, new in moved_titles(before, after):
        team, there = teams.get(old), teams.get(new, TeamBinding())
        if team and team.id and team.groups == (ref,) and not (there.id or there.groups):
            teams[new] = team
            del teams[old]
    for title in before:
        if title not in after and title in teams:
            groups = tuple(each for each in teams[title].groups if each != ref)
            teams[title] = replace(teams[title], groups=groups)
    for title in after:
        team = teams.get(title, TeamBinding())
        teams[title] = replace(team, groups=tuple(sorted({*team.groups, ref})))
    return set(before) | set(after)


# who goes in and out


@dataclass(slots=True)
class Moves:
    """What one team gains and loses: e-mails."""

    join: list[str] = field(default_factory=list)
    leave: list[str] = field(default_factory=list)


async def apply_teams(run: Run, people: People, works: Sequence[Work]) -> None:
    """Rename first, then fill and empty, then delete what nobody needs."""
    teams = await run.store.teams()
    for work in works:
        await _rename(run, teams, work.object[2:])
    moves = _moves(run, people.plans.values(), teams)
    await _bind_all(run, people, teams, [title for title, move in moves.items() if move.join])
    for title in sorted(moves):
        await _move(run, people, teams, title, moves[title])
    for work in works:
        await _delete(run, teams, work.object[2:])


def _moves(run: Run, plans: Iterable[MemberPlan], teams: dict[str, TeamBinding]) -> dict[str, Moves]:
    by_id = {team.id: title for title, team in teams.items() if team.id}
    moves: dict[str, Moves] = defaultdict(Moves)
    for plan in plans:
        email = plan.wanted.email
        if plan.binding.state is not State.KNOWN or member_object(email) in run.later:
            continue
        for title in plan.join:
            moves[title].join.append(email)
        for ident in plan.leave:
            moves[by_id[ident]].leave.append(email)
    return moves


async def _bind_all(run: Run, people: People, teams: dict[str, TeamBinding], titles: Sequence[str]) -> None:
    """Look for teams that are not bound yet, all at once; adopt those that are there."""
    unbound = [t for t in titles if not teams.get(t, TeamBinding()).id and not title_problem(t)]
    doubts = await run.store.unknown([team_object(title) for title in titles])
    try:
        found = await look_for_teams(run, unbound) if unbound else {}
        for title in sorted(found):
            await _adopt(run, people, teams, title, found[title])
        for name, count in doubts.items():
            await _reread(run, people, teams, name[2:], count)
    except TargetError as error:
        await run.fault(_waiting_for(people, titles), error)


def _waiting_for(people: People, titles: Iterable[str]) -> list[str]:
    wanted = set(titles)
    return [member_object(email) for email, plan in people.plans.items() if plan.join & wanted]


async def _adopt(
    run: Run, people: People, teams: dict[str, TeamBinding], title: str, remote: RemoteTeam
) -> None:
    """Bind a team that is there already. A team that another title holds is not taken from it."""
    if bound_to(teams, remote.id) not in (None, title):
        run.later.update(dict.fromkeys(_waiting_for(people, [title]), run.now + 1000))
        return
    team = teams.get(title, TeamBinding())
    ours = bool(team.creating) and _created_ms(remote) >= team.creating - _CLOCK_SLACK
    teams[title] = replace(team, id=remote.id, title=remote.title, made=ours, creating=0)
    wanted = {email for email, plan in people.plans.items() if title in plan.join}
    roster = await read_roster(run, remote.id, wanted)
    await run.commit([run.store.put_team(title, teams[title]), *roster])
    await _refresh_bindings(run, people)


def _created_ms(remote: RemoteTeam) -> float:
    try:
        return datetime.fromisoformat(remote.created_at).timestamp() * 1000
    except ValueError:
        return 0.0


async def _reread(run: Run, people: People, teams: dict[str, TeamBinding], title: str, count: str) -> None:
    """Read a team again at whose last call the end was not clear."""
    team = teams.get(title)
    if team and team.id:
        wanted = {email for email, plan in people.plans.items() if title in plan.join}
        await run.commit(await read_roster(run, team.id, wanted))
        await _refresh_bindings(run, people)
    await run.commit([run.store.trust(team_object(title), count)])


async def _refresh_bindings(run: Run, people: People) -> None:
    """Take over what a roster showed into this step's plans."""
    bindings = await run.store.members(people.plans)
    for email, binding in bindings.items():
        people.plans[email] = replace(people.plans[email], binding=binding)


async def _move(run: Run, people: People, teams: dict[str, TeamBinding], title: str, move: Moves) -> None:
    """Make one team's members right, in one call."""
    team = teams.get(title, TeamBinding())
    if problem := title_problem(title):
        await run.bury(team_object(title), f"create team {title}", problem, asked=False)
        return
    ready = [email for email in move.join if member_object(email) not in run.later]
    if not team.id:
        if ready:
            await _create(run, people, teams, title, ready)
        return
    plans = people.plans
    add = tuple(e for e in ready if plans[e].binding.teams.get(team.id) != GIVEN)
    inside = [e for e in move.leave if team.id in plans[e].binding.teams]
    remove = tuple(sorted(await hold.guard_team(run, title, team.id, inside))) if inside else ()
    if add or remove:
        change = UpdateTeamMembers(title, "", team.id, add, remove)
        await _update(run, people, teams, change)


async def _create(
    run: Run, people: People, teams: dict[str, TeamBinding], title: str, emails: Sequence[str]
) -> None:
    change = CreateTeam(title, "", tuple(emails))
    team = replace(teams.get(title, TeamBinding()), creating=run.now)
    ids = [people.plans[email].binding.id or "" for email in emails]
    names = [team_object(title), *(member_object(email) for email in emails)]

    def created(remote: RemoteTeam) -> list[Command]:
        teams[title] = replace(team, id=remote.id, title=remote.title, made=True, creating=0)
        return [run.store.put_team(title, teams[title]), *_joined(run, people, remote.id, emails)]

    try:
        await run.attempt(
            names, change.describe(), lambda: run.client.create_team(title, ids), created,
            [run.store.put_team(title, team)],
        )  # fmt: skip
    except RefusedError as error:
        await _team_refused(run, people, title, change.describe(), emails, error)


async def _update(run: Run, people: People, teams: dict[str, TeamBinding], change: UpdateTeamMembers) -> None:
    everyone = (*change.add, *change.remove)
    add = [people.plans[email].binding.id or "" for email in change.add]
    remove = [people.plans[email].binding.id or "" for email in change.remove]
    names = [team_object(change.object), *(member_object(email) for email in everyone)]

    def updated(_: object) -> list[Command]:
        commands = _joined(run, people, change.id, change.add) + _left(run, people, change)
        empty = not teams[change.object].groups
        return commands + (run.store.mark([team_object(change.object)], run.now) if empty else [])

    losses = [c for email in change.remove for c in hold.counted(run, f"losses:{change.id}", email)]
    try:
        await run.attempt(
            names, change.describe(),
            lambda: run.client.update_team(change.id, add, remove), updated, losses,
        )  # fmt: skip
    except RefusedError as error:
        if error.status == 404:
            await _gone(run, people, teams, change)
        else:
            await _team_refused(run, people, change.object, change.describe(), everyone, error)


async def _team_refused(
    run: Run, people: People, title: str, change: str, emails: Sequence[str], error: RefusedError
) -> None:
    if error.status == 404:  # somebody in it has left the organisation: read them again
        await _read_again(run, people, emails)
        return
    await refused(run, team_object(title), change, error)
    if team_object(title) in run.later:
        run.later.update({member_object(email): run.later[team_object(title)] for email in emails})


async def _gone(run: Run, people: People, teams: dict[str, TeamBinding], change: UpdateTeamMembers) -> None:
    """A 404 names nobody: either the team is gone, or someone in the call is no member any more."""
    names = [member_object(email) for email in (*change.add, *change.remove)]
    try:
        await run.client.team(change.id)
    except RefusedError as error:
        if error.status == 404:
            await _forget_team(run, teams, change.object)
        run.later.update(dict.fromkeys(names, run.now))
        return
    except TargetError as error:
        await run.fault(names, error)
        return
    await _read_again(run, people, (*change.add, *change.remove))


async def _read_again(run: Run, people: People, emails: Sequence[str]) -> None:
    """Read people again: who is missing is forgotten, and the next plan invites them or leaves them out."""
    names = [member_object(email) for email in emails]
    try:
        await read_members(run, emails)
    except TargetError as error:
        await run.fault(names, error)
        return
    if all(name in run.retried for name in names):
        await refused(
            run, names[0], "team membership", RefusedError(422, "GitBook refuses the members of a team")
        )
        return
    run.retried |= set(names)
    run.later.update(dict.fromkeys(names, run.now))


async def _forget_team(run: Run, teams: dict[str, TeamBinding], title: str) -> None:
    """A bound team has vanished: it is looked for, or made, again when somebody needs it."""
    team = teams[title]
    teams[title] = replace(team, id=None, title=None, made=False)
    key = run.store.roster_key(team.id or "")
    emails = await run.worker.store.call("SMEMBERS", key)
    bindings = await run.store.members(emails)
    commands: list[Command] = [("DEL", key), run.store.put_team(title, teams[title] if team.groups else None)]
    for email, binding in bindings.items():
        left = {ident: how for ident, how in binding.teams.items() if ident != team.id}
        commands.append(run.store.put_member(email, replace(binding, teams=left)))
    commands += run.store.mark([member_object(email) for email in emails], run.now)
    await run.commit(commands)


def _joined(run: Run, people: People, ident: str, emails: Iterable[str]) -> list[Command]:
    commands: list[Command] = []
    for email in emails:
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


# names and ends


async def _rename(run: Run, teams: dict[str, TeamBinding], title: str) -> None:
    """Give a team the title its group has now, unless another team has it: then that one is used."""
    team = teams.get(title)
    if team is None or not team.id or not team.groups or (team.title or "").strip() == title:
        return
    name, ident = team_object(title), team.id
    change = RenameTeam(title, "", ident, team.title or "")
    if problem := title_problem(title):
        await run.bury(name, change.describe(), problem, asked=False)
        return
    try:
        other = (await look_for_teams(run, [title])).get(title)
    except TargetError as error:
        await run.fault([name], error)
        return
    if other and other.id != ident:
        await _use_other(run, teams, title)
        return

    def renamed(_: object) -> list[Command]:
        teams[title] = replace(team, title=title)
        return [run.store.put_team(title, teams[title])]

    try:
        await run.attempt([name], change.describe(), lambda: run.client.rename_team(ident, title), renamed)
    except RefusedError as error:
        if error.status == 404:
            await _forget_team(run, teams, title)
        else:
            await refused(run, name, change.describe(), error)


async def _use_other(run: Run, teams: dict[str, TeamBinding], title: str) -> None:
    """The new title is taken: the old team keeps its title and loses its groups, the members move."""
    team = teams[title]
    old = team.title or ""
    teams[title] = TeamBinding(groups=team.groups)
    teams[old] = replace(team, groups=teams.get(old, TeamBinding()).groups)
    emails = await run.worker.store.call("SMEMBERS", run.store.roster_key(team.id or ""))
    marks = run.store.mark([team_object(old), *(member_object(email) for email in emails)], run.now)
    await run.commit([run.store.put_team(title, teams[title]), run.store.put_team(old, teams[old]), *marks])


async def _delete(run: Run, teams: dict[str, TeamBinding], title: str) -> None:
    """Delete a team that the bridge made, that no group maps to, that is empty and has no spaces."""
    team, name = teams.get(title), team_object(title)
    if team is None or team.groups:
        return
    if not team.id:
        await run.commit([run.store.put_team(title, None)])
        return
    if not team.made or await run.worker.store.call("SCARD", run.store.roster_key(team.id)):
        return
    ident, change = team.id, DeleteTeam(title, "", team.id)
    try:
        remote = await run.client.team(ident)
        if remote.members or remote.spaces or await _held(run, change):
            return
        await run.attempt(
            [name], change.describe(), lambda: run.client.delete_team(ident),
            lambda _: [run.store.put_team(title, None)], hold.counted(run, "guard", name),
        )  # fmt: skip
    except RefusedError as error:
        if error.status == 404:
            await _forget_team(run, teams, title)
        else:
            await refused(run, name, change.describe(), error)
    except TargetError as error:
        await run.fault([name], error)


async def _held(run: Run, change: DeleteTeam) -> bool:
    """Tell whether the guard holds the deletion of a team."""
    return await hold.guard_deletion(
        run, Held("", team_object(change.object), change.describe(), "", run.now)
    )
