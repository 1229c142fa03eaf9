"""Teams that are there twice: a call that makes one took effect after its worker was given up for dead.

The target knows no way to make a team only once. So what was asked for is written down with the intent of
each call, and while the end of any is not clear the title is looked at again: a team that carries it, that
came after the call began, that is not bound, has no spaces and nobody but those the call put there is the
call's, and is deleted. Any other is left alone and shown. What is deleted so is not counted by the guard:
its people are in the other team, and nobody loses anything.
"""

from dataclasses import replace

from bridge.plan.changes import DeleteTeam
from bridge.plan.making import Making, begun, not_ours
from bridge.plan.teams import TeamBinding, bound_to
from bridge.store.mirror import Command
from bridge.store.targets import LOOK_FIRST, rest_after
from bridge.store.work import LONGEST_REST_MS
from bridge.targets.base import RefusedError, RemoteTeam, TargetError
from workers.acts import Act
from workers.listings import roster_list, team_list, team_of
from workers.run import Run, UnfinishedError, team_object

_AT_ONCE = 100


async def making_of(run: Run, title: str) -> Making | None:
    """Return which calls of a title have no clear end."""
    return (await run.store.makings([title])).get(title)


def asked(run: Run, title: str, before: Making | None, ids: list[str]) -> list[Command]:
    """Return the commands that write down, with its intent, that a call begins."""
    making = begun(before, run.now + int(run.client.ahead * 1000), ids)
    return run.store.put_making(title, making, run.now + LOOK_FIRST)


def over(run: Run, title: str, making: Making | None) -> list[Command]:
    """Return the commands that write down that the end of one call is clear."""
    rest = making.ended() if making else None
    return run.store.put_making(title, rest, run.now + LOOK_FIRST)


async def watch_twins(run: Run) -> None:
    """Look at the titles whose time it is."""
    if run.dry:
        return
    titles = await run.store.twins_due(run.now, _AT_ONCE)
    if not titles:
        return
    makings, teams = await run.store.makings(titles), await run.store.teams()
    for title in titles:
        making = makings.get(title)
        if making is None or team_object(title) in run.held_back:
            again = run.held_back.get(team_object(title), run.now + LOOK_FIRST)
            await run.commit(run.store.put_making(title, making, again))
            continue
        try:
            await _look(run, teams, title, making)
        except TargetError as error:
            again = error.wait if isinstance(error, UnfinishedError) else LOOK_FIRST
            await run.commit([("ZADD", run.store.key("twins"), run.now + again, title)])
            await run.fault([], error)
            return


async def _look(run: Run, teams: dict[str, TeamBinding], title: str, making: Making) -> None:
    list_of_title = team_list(run, title)
    rows = await list_of_title.read_all()
    listed = [team_of(row) for row in rows.values()]
    there = [team for team in listed if team.title.strip() == title]
    team = teams.get(title)
    unbound = team is None or team.id is None  # whoever needed it has had it adopted: nobody is to be in it
    settled = unbound or any(each.id == (team and team.id) for each in there)  # else it is found first
    # as far as is known from this look
    left: Making | None = replace(making, left="", looks=making.looks + 1)
    twins = [twin for twin in there if settled and bound_to(teams, twin.id) is None]
    rosters = await _read_rosters(run, title, [twin for twin in twins if making.made(twin)])
    for twin in twins:
        if left and left.made(twin):
            left = await _judge(run, title, left, twin, rosters[twin.id], making.left)
    await list_of_title.drop()
    rest = rest_after(making.looks + 1)
    if left and rest is None and not left.left:
        left = None
    await run.commit(run.store.put_making(title, left, run.now + (rest or LONGEST_REST_MS)))


async def _read_rosters(run: Run, title: str, twins: list[RemoteTeam]) -> dict[str, set[str]]:
    """Return who (ids) is in each of these teams. Those that are long are read on in the next slice."""
    rosters, unfinished = dict[str, set[str]](), None
    readers = [roster_list(run, twin.id, title) for twin in twins]
    for twin, reader in zip(twins, readers, strict=True):
        run.grant_turn()
        try:
            rosters[twin.id] = set(await reader.read_all())
        except UnfinishedError as error:
            unfinished = error
    if unfinished:
        raise unfinished
    for twin, reader in zip(twins, readers, strict=True):
        if reader.resumed and (await run.client.team(twin.id)).members != len(rosters[twin.id]):
            unfinished = UnfinishedError(reader.listing.what)  # somebody came or went meanwhile
        await reader.drop()
    if unfinished:
        raise unfinished
    return rosters


async def _judge(
    run: Run, title: str, making: Making, twin: RemoteTeam, inside: set[str], before: str
) -> Making | None:
    why = not_ours(making, twin, inside, await run.client.owner())
    if why is None:
        return await _delete(run, title, making, twin)
    if why != before:
        run.worker.log.warning("team.there_twice", target=run.target.name, object=title, left=why)
    return replace(making, left=why)


async def _delete(run: Run, title: str, making: Making, twin: RemoteTeam) -> Making | None:
    """Delete a team that a lost call has made. Returns which calls are still without an end."""
    if run.spent:
        raise UnfinishedError(f"teams like {title}")
    act = Act(DeleteTeam.verb, f"delete team {title}, which a call without an answer has made a second time")
    try:
        deleted = await run.attempt(
            [team_object(title)], act, lambda: _gone(run, twin.id), lambda _: over(run, title, making),
            team=twin.id,
        )  # fmt: skip
    except RefusedError as error:
        return replace(making, left=f"cannot be deleted: {error.message}")
    return making.ended() if deleted else making


async def _gone(run: Run, ident: str) -> bool:
    await run.client.delete_team(ident)
    return True
