"""The part of a step that makes teams follow their groups: rename, fill and empty, delete."""

from collections.abc import Sequence
from dataclasses import replace

from bridge.plan.changes import DeleteTeam, RenameTeam
from bridge.plan.judge import deletion_id
from bridge.plan.teams import (
    TeamBinding,
    bound_to,
    is_renamed,
    moving,
    title_there,
    to_become,
    use_other,
)
from bridge.store.mirror import Command
from bridge.store.work import Work
from bridge.targets.base import RefusedError, RemoteTeam, TargetError
from workers import hold
from workers.acts import Act, act_of
from workers.bound import (
    adopt_team,
    bind_teams,
    forget_team,
    given_up,
    has_title,
    put_back,
    team_problem,
    waking,
    written,
)
from workers.look import look_for_teams
from workers.people import People, refused
from workers.rosters import move_all, plan_moves
from workers.run import Run, member_object, team_object
from workers.twins import making_of


async def apply_teams(run: Run, people: People, works: Sequence[Work]) -> None:
    """Rename first, then fill and empty, then delete what nobody needs."""
    teams = await run.store.teams()
    await put_back(run, teams)
    titles = [work.object[2:] for work in works]
    needed = [title for title in titles if title not in teams or teams[title].groups]
    unbound = [title for title in titles if title in needed and title in teams and not teams[title].id]
    await run.commit(await hold.release_teams(run, needed, set(titles) - set(unbound)))
    run.grant_turn()
    for title in titles:
        await _rename(run, people, teams, title)
    moves = plan_moves(run, people.plans.values(), teams)
    asked = await hold.adoptions(run, unbound)
    joined = {title for title, move in moves.items() if move.join}
    shut = await bind_teams(run, people, teams, sorted(asked | joined))
    for title in sorted(asked - shut):
        if not teams[title].id:  # there is no such team any more
            let_in = await hold.release_teams(run, (), [title])
            await run.commit([*let_in, *await waking(run, teams[title])])
    moves = plan_moves(run, people.plans.values(), teams)
    for title in shut & moves.keys():
        moves[title] = replace(moves[title], join=[])
    await move_all(run, people, teams, moves)
    run.grant_turn()
    for title in titles:
        await _delete(run, people, teams, title)


async def _rename(
    run: Run, people: People, teams: dict[str, TeamBinding], title: str, asking: tuple[str, ...] = ()
) -> None:
    """Give a team the title its group has now, unless another team has it: then that one is used.

    `asking`: titles of teams that wait for this one to give up the title it has.
    """
    team, name = teams.get(title), team_object(title)
    if team is None or not team.groups:
        return
    if problem := team_problem(teams, title):
        await run.bury(name, Act(RenameTeam.verb, f"team {title}"), problem, asked=False)
        return
    if not team.id or not is_renamed(team, title):
        return
    if run.spent:
        run.look_again([name], run.now)
        return
    ident = team.id
    change = RenameTeam(title, "", ident, team.title or "")
    try:
        other = (await look_for_teams(run, [title])).get(title)
        taken = other is not None and other.id != ident
        if other and taken and not await _is_given_up(run, people, teams, other, (*asking, title)):
            return
    except TargetError as error:
        await run.fault([name], error)
        return

    def renamed(_: object) -> list[Command]:
        teams[title] = replace(team, title=title)
        return [run.store.put_team(title, teams[title])]

    freed = run.note_changed([team_object((team.title or "").strip())])
    try:
        await run.attempt(
            [name], act_of(change), lambda: run.client.rename_team(ident, title), renamed, freed, team=ident
        )
    except RefusedError as error:
        if error.status == 404:
            await forget_team(run, people, teams, title)
        else:
            await refused(run, name, act_of(change), error)


async def _is_given_up(
    run: Run, people: People, teams: dict[str, TeamBinding], other: RemoteTeam, asking: tuple[str, ...]
) -> bool:
    """Let another team that has a title give it up, if it is to have a new one itself; tell whether it did.

    Where it cannot be renamed, the team that was to have the title, the last of `asking`, keeps the one it
    has, and its people, until it can. Where it is to stay as it is, it is used in place of that team.
    """
    title = asking[-1]
    if not await has_title(run, teams, title, other):
        return True
    holder = bound_to(teams, other.id)
    if holder and holder not in asking and is_renamed(teams[holder], holder):
        if not (why := await given_up(run, holder)):
            await _rename(run, people, teams, holder, asking)
        if not is_renamed(teams[title], title):
            return False
        if bound_to(teams, other.id) != holder or not is_renamed(teams[holder], holder):
            return True
        await run.back_off([team_object(title)], to_become(title, holder, why))
        return False
    await _use_other(run, teams, title)
    return False


async def _use_other(run: Run, teams: dict[str, TeamBinding], title: str) -> None:
    """The new title is taken: the old team keeps its title and changes its groups, the members move."""
    changed = use_other(teams, title)
    if not changed:
        twice = title_there(teams[title])
        await run.back_off([team_object(title)], f"two teams have the title {twice}: merge them by hand")
        return
    keys = [run.store.roster_key(ident) for ident in moving(teams, changed)]
    emails = await run.worker.store.call("SUNION", *keys) if keys else []
    marks = run.store.mark([member_object(email) for email in emails], run.now)
    await run.commit([*written(run, teams, changed), *marks])


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
        run.take_turn("teams")
        remote = await run.client.team(ident)
        if remote.members or remote.spaces:
            return
        counting = await hold.guard_deletion(run, title, change.describe())
        if counting is None:
            return
        ended = [run.store.put_team(title, None), *run.store.unpark(deletion_id(title))]
        await run.attempt(
            [name], act_of(change), lambda: run.client.delete_team(ident), lambda _: ended, counting,
            team=ident,
        )  # fmt: skip
    except RefusedError as error:
        if error.status == 404:
            await forget_team(run, people, teams, title)
        else:
            await refused(run, name, act_of(change), error)
    except TargetError as error:
        await run.fault([name], error)


async def _find_unneeded(run: Run, people: People, teams: dict[str, TeamBinding], title: str) -> None:
    """A team nobody needs is forgotten; one that an unclear call may have made is looked for first."""
    if await making_of(run, title):
        try:
            remote = (await look_for_teams(run, [title])).get(title)
            free = remote is not None and bound_to(teams, remote.id) is None
            if remote and free and await adopt_team(run, people, teams, title, remote):
                await run.commit(run.store.mark([team_object(title)], run.now))
                return
        except TargetError as error:
            await run.fault([team_object(title)], error)
            return
    await run.commit([run.store.put_team(title, None)])
