"""Binding teams: finding those that are there, and letting go of those that are not."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bridge.plan.changes import AdoptTeam
from bridge.plan.members import State, team_changes
from bridge.plan.teams import (
    TeamBinding,
    bound_to,
    is_renamed,
    keep_titles,
    note_title,
    title_problem,
    title_there,
    to_become,
    waits_for,
)
from bridge.store.mirror import Command, view_group
from bridge.strangers import find_strangers
from bridge.targets.base import RemoteTeam, TargetError
from workers import hold
from workers.look import look_for_some_teams, read_inside, read_roster, read_team, write_roster
from workers.people import People
from workers.run import Run, member_object, team_object
from workers.twins import making_of, over


def team_problem(teams: dict[str, TeamBinding], title: str) -> str | None:
    """Return why a team cannot have this title, with the rule to add for one of its groups."""
    refs = teams.get(title, TeamBinding()).groups
    return title_problem(title, view_group(refs[0], None) if refs else None)


async def put_back(run: Run, teams: dict[str, TeamBinding]) -> None:
    """Let teams that lost their groups before they were renamed keep the titles they have."""
    await run.commit(written(run, teams, keep_titles(teams)))


def written(run: Run, teams: dict[str, TeamBinding], titles: Iterable[str]) -> list[Command]:
    """Return the commands that write down what these titles are bound to now, and have them looked at."""
    changed = list(titles)
    commands = [run.store.put_team(title, teams.get(title)) for title in changed]
    return commands + run.store.mark(map(team_object, changed), run.now)


async def bind_teams(
    run: Run, people: People, teams: dict[str, TeamBinding], titles: Sequence[str]
) -> set[str]:
    """Look for teams that are not bound yet, all at once; adopt those that are there.

    Returns the titles that nobody can get into in this step: they wait for something, which is written down.
    """
    unbound = [t for t in titles if not teams.get(t, TeamBinding()).id and not title_problem(t)]
    doubts = await run.store.unknown([team_object(title) for title in titles])
    shut, unread = set[str](), {*unbound, *(name[2:] for name in doubts)}
    run.grant_turn()
    try:
        found, stopped = await look_for_some_teams(run, unbound) if unbound else ({}, None)
        there = {title: remote for title, remote in found.items() if remote}
        unread -= found.keys() - there.keys()
        run.grant_turn()
        for title in sorted(there):
            if not await adopt_team(run, people, teams, title, there[title]):
                shut.add(title)
            unread.discard(title)
        run.grant_turn()
        for name, count in doubts.items():
            await _reread(run, people, teams, name[2:], count)
            unread.discard(name[2:])
        if stopped:
            raise stopped
    except TargetError as error:
        await run.fault(_waiting_for(people, unread), error)
    return shut | unread


def _waiting_for(people: People, titles: Iterable[str]) -> list[str]:
    wanted = set(titles)
    return [member_object(email) for email, plan in people.plans.items() if plan.join & wanted]


async def adopt_team(
    run: Run, people: People, teams: dict[str, TeamBinding], title: str, remote: RemoteTeam
) -> bool:
    """Bind a team that is there already; tell whether people can get into it now.

    A team that another title holds is not taken from it, unless nobody needs it there any more.
    """
    if not await has_title(run, teams, title, remote):
        await run.commit(run.note_changed([team_object(title)]))
        await hold_up(run, people, title, f"the team {title} is listed, and has another title by now")
        return False
    if holder := waits_for(teams, title, remote):
        await hold_up(run, people, title, to_become(title, holder, await given_up(run, holder)))
        return False
    team = teams.get(title, TeamBinding())
    if team.id:
        return True
    inside = await read_inside(run, remote.id, title)
    if inside is None:  # gone since it was listed, or not there everywhere yet: never made twice for that
        await run.commit(run.note_changed([team_object(title)]))
        await hold_up(run, people, title, f"the team {title} is listed and cannot be read")
        return False
    strangers = await find_strangers(run.store, run.names, inside.rows)
    making = await making_of(run, title)
    ours = bool(making and making.made(remote)) and await _nobody_but_the_owner(run, strangers)
    if ours:
        commands: list[Command] | None = over(run, title, making)
    elif not team.groups:
        commands = None
    else:
        change = AdoptTeam(title, "its group has members", remote.id, len(strangers))
        commands = await hold.guard_adoption(run, change)
    if commands is None:
        await inside.reader.drop()
        return False
    if commands:  # who was kept out waits for nothing else
        commands = [*commands, *await waking(run, team)]
    teams[title] = replace(team, id=remote.id, title=remote.title, made=ours)
    wanted = {email for email, plan in people.plans.items() if title in plan.join}
    seen = await write_roster(run, remote.id, inside, None if ours else wanted)
    await run.commit([run.store.put_team(title, teams[title]), *seen, *commands])
    await refresh_bindings(run, people, teams)
    return True


async def _nobody_but_the_owner(run: Run, strangers: set[str]) -> bool:
    """Tell whether a team that a lost call may have made is its own: its owner may be in it by itself."""
    return not strangers or strangers == {await run.read(run.client.owner())}


async def waking(run: Run, team: TeamBinding) -> list[Command]:
    """Return the commands that have everyone looked at who was ever in the groups of a team."""
    emails = {email for ref in team.groups for email in await run.worker.mirror.members_of(ref)}
    return run.store.mark([member_object(email) for email in sorted(emails)], run.now)


async def has_title(run: Run, teams: dict[str, TeamBinding], title: str, remote: RemoteTeam) -> bool:
    """Tell whether a team that is listed with a title has it; note it where somebody else gave it that title.

    A list may be older than a renaming of ours, so a bound team that has another title there is read.
    """
    holder = bound_to(teams, remote.id)
    if holder is None or title_there(teams[holder]) == remote.title.strip():
        return True
    now = await read_team(run, remote.id)
    if now is None or now.title.strip() != title:
        return False
    if renamed := note_title(teams, now):
        await run.commit(written(run, teams, [renamed]))
        await put_back(run, teams)
    return True


async def given_up(run: Run, title: str) -> str:
    """Return why a team was given up, "" when it was not."""
    dead = (await run.store.dead_of([team_object(title)])).get(team_object(title))
    return dead.reason if dead else ""


async def hold_up(run: Run, people: People, title: str, reason: str) -> None:
    """Nobody can get into a team now: it is looked at again later, with all who are to get in.

    One time counts for all of them, since each look costs a call; news of one of them does not put it off.
    What else is to be done about these people is done.
    """
    name, emails = team_object(title), _waiting_for(people, [title])
    if name not in run.works:
        run.waits |= await run.store.waiting([name])
    score = await run.worker.store.call("ZSCORE", run.store.key("work"), name)
    due = int(float(score or 0))
    if due > run.now and name in run.waits:
        run.look_again([name], due)
    else:
        await run.back_off([name], reason)
        if name not in run.works:
            await run.commit(run.store.mark([name], run.later[name]))
    await run.back_off(emails, reason, at=run.later[name])


async def _reread(run: Run, people: People, teams: dict[str, TeamBinding], title: str, count: str) -> None:
    """Read a team again at whose last call the end was not clear: is it there, with what title, and whom?"""
    team = teams.get(title)
    if team and team.id:
        wanted = {email for email, plan in people.plans.items() if title in plan.join}
        run.take_turn(f"members of the team {title}")
        remote = await read_team(run, team.id)
        run.grant_turn()
        roster = await read_roster(run, team.id, wanted, title) if remote else None
        if remote is None or roster is None:
            await forget_team(run, people, teams, title)
        else:
            teams[title] = replace(team, title=remote.title)
            changed = remote.title != team.title and is_renamed(teams[title], title)
            marks = run.store.mark([team_object(title)], run.now) if changed else []
            await run.commit([run.store.put_team(title, teams[title]), *roster, *marks])
            await refresh_bindings(run, people, teams)
    await run.commit([run.store.trust(team_object(title), count)])


async def refresh_bindings(run: Run, people: People, teams: dict[str, TeamBinding]) -> None:
    """Take over what a roster showed into this step's plans."""
    for email, binding in (await run.store.members(people.plans)).items():
        plan = replace(people.plans[email], binding=binding)
        if plan.wanted.member and not plan.wanted.excluded and binding.state is State.KNOWN:
            join, leave = team_changes(plan.wanted, binding, teams)
            plan = replace(plan, join=join, leave=leave)
        people.plans[email] = plan


async def forget_team(run: Run, people: People, teams: dict[str, TeamBinding], title: str) -> None:
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
    await run.commit([*commands, *run.note_changed([team_object(title)])])
    await refresh_bindings(run, people, teams)
