"""The part of a step that makes teams follow their groups: index, adopt or create, rename, fill, delete."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bridge.plan.changes import CreateTeam, DeleteTeam, RenameTeam, UpdateTeamMembers
from bridge.plan.guard import parked_id
from bridge.plan.members import GIVEN, MemberPlan, State
from bridge.plan.people import GroupView
from bridge.plan.teams import TeamBinding, moved_titles, title_problem, titles_of
from bridge.store.mirror import Command, directory_name, split_ref
from bridge.store.targets import Work
from bridge.targets.base import RefusedError, RemoteTeam, TargetError
from workers import hold
from workers.look import bound_to, look_for_teams, read_members, read_roster
from workers.people import People, refused
from workers.run import Run, member_object, team_object

_CLOCK_SLACK = 5_000  # ms a target's clock may be off when telling whose team a new one is
_SURELY = 4  # so many refused, and nobody taken: it is the team, not its people


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
    titles = [work.object[2:] for work in works]
    needed = [title for title in titles if title not in teams or teams[title].groups]
    await run.commit(await hold.release_deletions(run, needed))
    for title in titles:
        await _rename(run, people, teams, title)
    moves = _moves(run, people.plans.values(), teams)
    await _bind_all(run, people, teams, [title for title, move in moves.items() if move.join])
    for title in sorted(moves):
        await _move(run, people, teams, title, moves[title])
    for title in titles:
        await _delete(run, people, teams, title)


def _problem(teams: dict[str, TeamBinding], title: str) -> str | None:
    """Return why a team cannot have this title, with the rule to add for one of its groups."""
    refs = teams.get(title, TeamBinding()).groups
    return title_problem(title, GroupView(refs[0], split_ref(refs[0])[1], None) if refs else None)


def _moves(run: Run, plans: Iterable[MemberPlan], teams: dict[str, TeamBinding]) -> dict[str, Moves]:
    by_id = {team.id: title for title, team in teams.items() if team.id}
    moves: dict[str, Moves] = defaultdict(Moves)
    for plan in plans:
        email = plan.wanted.email
        if plan.binding.state is not State.KNOWN or member_object(email) in run.later:
            continue
        for title in plan.join:
            moves[title].join.append(email)
        for ident in plan.leave & by_id.keys():
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
    other = bound_to(teams, remote.id)
    if other not in (None, title):
        await run.back_off(_waiting_for(people, [title]), f"the team {title} is to become {other} first")
        return
    team = teams.get(title, TeamBinding())
    ours = bool(team.creating) and _created_ms(remote) >= team.creating - _CLOCK_SLACK
    teams[title] = replace(team, id=remote.id, title=remote.title, made=ours, creating=0)
    wanted = {email for email, plan in people.plans.items() if title in plan.join}
    roster = await read_roster(run, remote.id, None if ours else wanted)
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
    team, name = teams.get(title, TeamBinding()), team_object(title)
    ready = [email for email in move.join if member_object(email) not in run.later]
    if name in run.held_back:  # a call of an earlier worker may still make it
        run.later.update(dict.fromkeys(map(member_object, ready), run.held_back[name]))
        return
    if not team.id:
        if problem := _problem(teams, title):
            await run.bury(name, f"create team {title}", problem, asked=False)
        elif ready:
            await _create(run, people, teams, title, ready)
        return
    plans = people.plans
    add = tuple(e for e in ready if plans[e].binding.teams.get(team.id) != GIVEN)
    inside = [e for e in move.leave if team.id in plans[e].binding.teams]
    allowed = await hold.guard_team(run, title, team.id, inside) if inside else hold.Leaving(set(), set())
    remove = tuple(sorted(allowed.free | allowed.approved))
    if add or remove:
        change = UpdateTeamMembers(title, "", team.id, add, remove)
        await _update(run, people, teams, change, allowed.free)


# making a team


async def _create(
    run: Run, people: People, teams: dict[str, TeamBinding], title: str, emails: Sequence[str]
) -> None:
    """Make a team with its first members; where they are refused, without: each is tried alone then."""
    change = CreateTeam(title, "", tuple(emails))
    name, names = team_object(title), [member_object(email) for email in emails]
    team = replace(teams.get(title, TeamBinding()), creating=run.now)
    ids = [people.plans[email].binding.id or "" for email in emails]

    def created(remote: RemoteTeam) -> list[Command]:
        teams[title] = replace(team, id=remote.id, title=remote.title, made=True, creating=0)
        return [run.store.put_team(title, teams[title]), *_joined(run, people, remote.id, emails)]

    try:
        await run.attempt(
            [name, *names], change.describe(), lambda: run.client.create_team(title, ids), created,
            [run.store.put_team(title, team)],
        )  # fmt: skip
    except RefusedError as error:
        if not emails:
            await refused(run, name, change.describe(), error)
        elif error.status == 404 and not set(names) <= run.retried:
            await _read_again(run, emails)
        else:
            await _create(run, people, teams, title, ())
            if name in run.later or teams.get(title, TeamBinding()).id:
                run.later.update(dict.fromkeys(names, run.later.get(name, run.now)))


# changing who is in it


async def _update(
    run: Run, people: People, teams: dict[str, TeamBinding], change: UpdateTeamMembers, counted: set[str]
) -> None:
    """Change a team's members; `counted`: those who leave and count as losses."""
    emails = (*change.add, *change.remove)
    try:
        await _send(run, people, teams, change, counted)
    except RefusedError as error:
        if error.status == 404 and not {member_object(email) for email in emails} <= run.retried:
            await _gone(run, people, teams, change)
            return
        culprits = await _halve(run, people, teams, change, counted, error)
        whole = 1 < len(emails) == len(culprits)
        names = [team_object(change.object)] if whole else [member_object(email) for email in culprits]
        for name in names:
            await refused(run, name, change.describe(), error)
        if whole and names[0] in run.later:
            run.later.update(dict.fromkeys(map(member_object, emails), run.later[names[0]]))


async def _send(
    run: Run, people: People, teams: dict[str, TeamBinding], change: UpdateTeamMembers, counted: set[str]
) -> None:
    add = [people.plans[email].binding.id or "" for email in change.add]
    remove = [people.plans[email].binding.id or "" for email in change.remove]
    names = [team_object(change.object), *(member_object(email) for email in (*change.add, *change.remove))]
    settled = await hold.team_left(run, change.id, change.remove) if change.remove else []

    def updated(_: object) -> list[Command]:
        commands = _joined(run, people, change.id, change.add) + _left(run, people, change) + settled
        empty = not teams[change.object].groups
        return commands + (run.store.mark([team_object(change.object)], run.now) if empty else [])

    leaving = [email for email in change.remove if email in counted]
    losses = [command for email in leaving for command in hold.counted(run, f"losses:{change.id}", email)]
    await run.attempt(
        names, change.describe(), lambda: run.client.update_team(change.id, add, remove), updated, losses
    )


async def _halve(
    run: Run, people: People, teams: dict[str, TeamBinding], change: UpdateTeamMembers, counted: set[str],
    error: RefusedError,
) -> list[str]:  # fmt: skip
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
            await _forget_team(run, people, teams, change.object)
            await _once_more(run, name, names)
        else:
            await refused(run, name, change.describe(), error)
    except TargetError as error:
        await run.fault(names, error)
    else:
        await _read_again(run, emails)


async def _once_more(run: Run, name: str, names: Sequence[str]) -> None:
    """Plan again at once; a team that vanishes again and again is left alone for longer and longer."""
    if name in run.retried:
        await run.back_off(names, "the team was not there again")
        return
    run.retried.add(name)
    run.later.update(dict.fromkeys(names, run.now))


async def _read_again(run: Run, emails: Sequence[str]) -> None:
    """Read people again: who is missing is forgotten, and the next plan invites them or leaves them out."""
    names = [member_object(email) for email in emails]
    try:
        await read_members(run, emails)
    except TargetError as error:
        await run.fault(names, error)
        return
    run.retried |= set(names)
    run.later.update(dict.fromkeys(names, run.now))


async def _forget_team(run: Run, people: People, teams: dict[str, TeamBinding], title: str) -> None:
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
    await _refresh_bindings(run, people)


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


async def _rename(run: Run, people: People, teams: dict[str, TeamBinding], title: str) -> None:
    """Give a team the title its group has now, unless another team has it: then that one is used."""
    team, name = teams.get(title), team_object(title)
    if team is None or not team.groups:
        return
    if problem := _problem(teams, title):
        await run.bury(name, f"team {title}", problem, asked=False)
        return
    if not team.id or (team.title or "").strip() == title:
        return
    ident = team.id
    change = RenameTeam(title, "", ident, team.title or "")
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
            await _forget_team(run, people, teams, title)
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


async def _delete(run: Run, people: People, teams: dict[str, TeamBinding], title: str) -> None:
    """Delete a team that the bridge made, that no group maps to, that is empty and has no spaces."""
    team, name = teams.get(title), team_object(title)
    if team is None or team.groups or name in run.later:
        return
    if not team.id:
        await _find_unneeded(run, people, teams, title)
        return
    if not team.made or await run.worker.store.call("SCARD", run.store.roster_key(team.id)):
        return
    ident, change = team.id, DeleteTeam(title, "", team.id)
    try:
        remote = await run.client.team(ident)
        if remote.members or remote.spaces:
            return
        counting = await hold.guard_deletion(run, title, change.describe())
        if counting is None:
            return
        ended = [run.store.put_team(title, None), *run.store.unpark(parked_id("delete", name))]
        await run.attempt(
            [name], change.describe(), lambda: run.client.delete_team(ident), lambda _: ended, counting
        )
    except RefusedError as error:
        if error.status == 404:
            await _forget_team(run, people, teams, title)
        else:
            await refused(run, name, change.describe(), error)
    except TargetError as error:
        await run.fault([name], error)


async def _find_unneeded(run: Run, people: People, teams: dict[str, TeamBinding], title: str) -> None:
    """A team nobody needs is forgotten; one that an unclear call may have made is looked for first."""
    if teams[title].creating:
        try:
            remote = (await look_for_teams(run, [title])).get(title)
            if remote and bound_to(teams, remote.id) is None:
                await _adopt(run, people, teams, title, remote)
                await run.commit(run.store.mark([team_object(title)], run.now))
                return
        except TargetError as error:
            await run.fault([team_object(title)], error)
            return
    await run.commit([run.store.put_team(title, None)])
