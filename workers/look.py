"""Reading the target: who is a member, which teams there are. Nothing is planned from a guess."""

from collections.abc import Awaitable, Collection, Mapping
from dataclasses import replace
from typing import TypeVar

from bridge.plan.accounts import accounts
from bridge.plan.members import FOUND, GIVEN, MemberBinding, State
from bridge.plan.reading import bound, hidden_accounts, may_have_left
from bridge.store.mirror import Command
from bridge.targets.base import RefusedError, RemoteMember, RemoteTeam, UnavailableError
from bridge.targets.lists import find_members, find_teams, join_accounts, walk
from workers.proofs import got_in
from workers.run import Run, leave_teams, member_object, team_object

T = TypeVar("T")


async def look_up(
    run: Run,
    emails: Collection[str],
    known: Mapping[str, MemberBinding],
    leaving: Collection[str],
    newest: bool = False,
) -> dict[str, RemoteMember | None]:
    """Return the member with each address, None where a reading showed that there is none.

    A list whose pages shift while it is read can hide someone, and so can a search: so whoever was
    known is asked for by their id, and who is leaving is searched for behind a long list.
    """
    pages = run.worker.list_pages.get(run.store.id, 1)
    found, pages = await run.read(find_members(run.client, emails, pages, newest))
    run.worker.list_pages[run.store.id] = pages
    for email, remote in list(found.items()):
        hidden = hidden_accounts(known.get(email), remote)
        if hidden:
            there = [await _by_id(run, ident) for ident in hidden]
            found[email] = join_accounts([*accounts(remote), *(each for each in there if each)])
        elif remote is None and pages > 1 and email in leaving:
            found |= (await run.read(find_members(run.client, [email], pages)))[0]
    return found


async def _by_id(run: Run, ident: str) -> RemoteMember | None:
    try:
        return await run.client.member(ident)
    except RefusedError as error:
        if error.status == 404:  # the list before it has answered, so it is not the organisation
            return None
        raise UnavailableError(error.message) from None


async def read_members(
    run: Run, emails: Collection[str], leaving: Collection[str] = (), newest: bool = False
) -> dict[str, MemberBinding]:
    """Read people at the target and write down what is known of them now.

    `leaving`: those who are to be no members; nobody of them is taken for gone lightly. `newest`: they
    were invited just now, so that one account of each is enough.
    """
    if not emails:
        return {}
    objects = {member_object(email): email for email in emails}
    before = await run.store.members(emails)
    doubts = await run.store.unknown(objects)
    found = await look_up(run, emails, before, leaving, newest)
    inviting = await run.store.inviting(emails)
    teams = await run.store.teams()
    commands: list[Command] = [run.store.trust(name, count) for name, count in doubts.items()]
    after, back = {}, set[str]()
    for email, remote in found.items():
        after[email] = bound(before.get(email), remote, inviting.get(email), run.now)
        commands.append(run.store.put_member(email, after[email]))
        if email in before and before[email].teams and not after[email].teams:
            commands += leave_teams(run, email, before[email], teams)
        if email in before and email not in leaving and may_have_left(before[email], after[email]):
            back |= before[email].teams.keys()
        if after[email].state is not State.INVITED:
            commands.append(("ZREM", run.store.key("pending"), email))
        if remote:
            commands.append(run.store.invited(email))
        if after[email].state is State.ABSENT or (remote and remote.sso):
            commands.append(("SREM", run.store.key("no_sso"), email))
    inside = [e for e, remote in found.items() if remote and e in inviting and e not in before]
    commands += run.store.doubt(team_object(title) for title, team in teams.items() if team.id in back)
    await run.commit([*commands, *await got_in(run, inside)])
    return after


async def look_for_teams(run: Run, titles: Collection[str]) -> dict[str, RemoteTeam]:
    """Return the teams that have these titles."""
    return await run.read(find_teams(run.client, titles))


async def read_roster(run: Run, ident: str, wanted: Collection[str] | None) -> list[Command] | None:
    """Read who is in a team; return the commands that write it down, None when the team is gone.

    Only people the directory has named are written down. Whoever is to be in it, or was put there by a call
    that took effect late, counts as given; everybody (`wanted` is None) where the bridge made it.
    """
    listed = await run.read(_unless_gone(run, _emails_in(run, ident)))
    if listed is None:
        return None
    key = run.store.roster_key(ident)
    before = set(await run.worker.store.call("SMEMBERS", key))
    bindings = await run.store.members(listed | before)
    asked = await run.store.asked(ident, listed)
    commands: list[Command] = []
    for email, binding in bindings.items():
        teams = dict(binding.teams)
        how = teams.pop(ident, None)
        if email in listed:
            teams[ident] = how or (GIVEN if wanted is None or email in wanted or email in asked else FOUND)
            commands.append(("SADD", key, email))
        else:
            commands.append(("SREM", key, email))
        if teams != binding.teams:
            commands.append(run.store.put_member(email, replace(binding, teams=teams)))
            commands += run.store.mark([member_object(email)], run.now)
    return commands


async def read_team(run: Run, ident: str) -> RemoteTeam | None:
    """Return a team as it is now, None when it is gone. Raises TargetError."""
    return await run.read(_unless_gone(run, run.client.team(ident)))


async def _unless_gone(run: Run, reading: Awaitable[T]) -> T | None:
    """Read something of a team; a 404 is the team's own only where the organisation can be seen."""
    try:
        return await reading
    except RefusedError as error:
        if error.status != 404:
            raise
    await run.client.ping()
    return None


async def _emails_in(run: Run, ident: str) -> set[str]:
    members = walk(lambda page: run.client.team_members(ident, page))
    return {member.email async for member in members if member.email}
