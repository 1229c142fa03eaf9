"""Reading the target: who is a member, which teams there are. Nothing is planned from a guess."""

from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from bridge.plan.accounts import accounts
from bridge.plan.judge import grant_id
from bridge.plan.members import FOUND, GIVEN, MemberBinding, State
from bridge.plan.reading import bound, has_left, hidden_accounts, is_gone, may_have_left
from bridge.store.listings import MEMBERS, TEAMS, Listing
from bridge.store.mirror import Command
from bridge.targets.base import (
    CredentialsRejectedError,
    RateLimitedError,
    RefusedError,
    RemoteMember,
    RemoteTeam,
    TargetError,
    UnavailableError,
)
from bridge.targets.lists import few, join_accounts, oldest_of_title, search_member
from workers.listings import ListReader, member_list, member_of, roster_list, team_list, team_of
from workers.proofs import got_in
from workers.run import Run, UnfinishedError, leave_teams, member_object, team_object

T = TypeVar("T")
JUST_NOW_MS = 60_000  # who leaves is planned for from a list only if it was begun no longer ago than that
ABSENT_MS = 600_000  # what a list does not show, and is to come, is absent for no longer than that
MOST_PAGES = 200  # of a list that is kept, some 30 MB: in a longer one each is searched for
_WAIT_MS = 1000  # for a list that is still of use to others


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is in a team. `rows`: address (None without one) by member id; `reader`: of the list read."""

    reader: ListReader[RemoteMember]
    rows: Mapping[str, str | None]


async def look_up(
    run: Run,
    emails: Collection[str],
    known: Mapping[str, MemberBinding],
    leaving: Collection[str],
    newest: bool = False,
) -> tuple[dict[str, RemoteMember | None], TargetError | None]:
    """Return the member with each address, None where a reading showed that there is none.

    A list whose pages shift while it is read can hide someone, and so can a search: so whoever was
    known is asked for by their id, and who is leaving is searched for behind a long list.

    Where reading has stopped, those who were looked at so far are returned, with what has stopped it: an
    UnfinishedError where it goes on in another slice. Raises TargetError when that is the target's fault,
    and nobody was looked at.
    """
    look = _LookUp(run, known, frozenset(leaving), newest)
    try:
        await look.look(emails)
    except CredentialsRejectedError:
        raise
    except TargetError as error:
        if not look.found and not isinstance(error, UnfinishedError | RateLimitedError):
            raise
        return look.found, error
    return look.found, None


@dataclass(slots=True)
class _LookUp:
    """One look at some people. `found`: see `look_up`; `newest`: see `read_members`."""

    run: Run
    known: Mapping[str, MemberBinding]
    leaving: frozenset[str]
    newest: bool
    found: dict[str, RemoteMember | None] = field(default_factory=dict)

    async def look(self, emails: Collection[str]) -> None:
        """Few are searched for, many are looked for in the list: whatever takes fewer calls."""
        kept, pages = member_list(self.run).listing, self._pages
        leaving = [email for email in emails if email in self.leaving]
        if pages > 1 and (few(len(leaving), pages) or _is_old(self.run, kept)):
            await self._search(leaving)  # they must not wait for the end of a long list
        await self._find([email for email in emails if email not in self.found])

    @property
    def _pages(self) -> int:
        return self.run.pages.get(MEMBERS, 1)

    async def _find(self, emails: Sequence[str]) -> None:
        """Find people in what is kept of the list, and in what is read of it now."""
        if not emails:
            return
        members, before = member_list(self.run), len(self.found)
        kept = await members.find(emails)
        names = [member_object(email) for email in emails]
        changed = set[str]() if kept is None else await members.changed(names)
        unsaid = [email for email in emails if member_object(email) in changed]
        await self._read_list(members, [email for email in emails if email not in unsaid], kept or {})
        if not unsaid:
            return
        if few(len(unsaid), self._pages):
            await self._search(unsaid)
        elif len(self.found) > before:  # the list still tells of others: it is begun again behind them
            raise UnfinishedError(members.listing.what, _WAIT_MS)
        else:
            await members.drop()
            await self._find(unsaid)

    async def _read_list(
        self, members: ListReader[RemoteMember], emails: Sequence[str], kept: Mapping[str, Any]
    ) -> None:
        """Read on until the list ends, or all are found, where one account of each is enough."""
        if not emails:
            return
        rows, ours = {email: kept[email] for email in emails if email in kept}, not members.is_kept
        while not members.listing.complete and not (self.newest and len(rows) == len(emails)):
            if self._are_few(len(emails), members.listing):
                await self._search(emails)
                break
            page = await self.run.read(members.next_page())
            rows |= {email: page[email] for email in emails if email in page}
        left = [email for email in emails if email not in self.found]
        is_stale = self.run.now - members.listing.newest_at > ABSENT_MS
        if is_stale and any(email not in rows for email in left):
            page = await self.run.read(members.read_newest())
            rows |= {email: page[email] for email in left if email in page}
        await self._judge(members, left, rows)
        if ours and not members.listing.complete:
            await members.drop()

    def _are_few(self, people: int, listing: Listing) -> bool:
        begun = listing.page > 0
        too_long = max(self._pages, listing.page) > MOST_PAGES
        return too_long or few(people, listing.pages_left if begun else self._pages, begun)

    async def _judge(
        self, members: ListReader[RemoteMember], emails: Sequence[str], rows: Mapping[str, Any]
    ) -> None:
        """Decide about all of them at once, now that the list was read."""
        self.run.grant_turn()
        old = _is_old(self.run, members.listing)
        for email in emails:
            if email in self.leaving and old:  # nobody is removed but by what was read just before
                await self._search([email])
                continue
            remote = member_of(email, rows[email]) if email in rows else None
            if hidden_accounts(self.known.get(email), remote):
                self.run.take_turn(MEMBERS)
                remote = await self._with_hidden(email, remote)
            elif remote is None and email in self.leaving and self._pages > 1:
                await self._search([email])
                continue
            self.found[email] = remote

    async def _search(self, emails: Iterable[str]) -> None:
        for email in emails:
            self.run.take_turn(MEMBERS)
            member = await self.run.read(search_member(self.run.client, email))
            self.run.seen = True
            self.found[email] = await self._with_hidden(email, member)

    async def _with_hidden(self, email: str, remote: RemoteMember | None) -> RemoteMember | None:
        """Return a member with those accounts that are known and were not found."""
        hidden = hidden_accounts(self.known.get(email), remote)
        there = [await _by_id(self.run, ident) for ident in hidden]
        return join_accounts([*accounts(remote), *(each for each in there if each)]) if hidden else remote


def _is_old(run: Run, listing: Listing) -> bool:
    """Tell whether a list was begun too long ago for somebody's removal."""
    return 0 < listing.began < run.now - JUST_NOW_MS


async def _by_id(run: Run, ident: str) -> RemoteMember | None:
    if not run.seen:  # else a 404 might be the organisation's
        await run.read(run.client.ping())
        run.seen = True
    try:
        return await run.client.member(ident)
    except RefusedError as error:
        if error.status == 404:
            return None
        raise UnavailableError(error.message) from None


async def read_members(
    run: Run, emails: Collection[str], leaving: Collection[str] = (), newest: bool = False
) -> dict[str, MemberBinding]:
    """Read people at the target and write down what is known of them now.

    `leaving`: those who are to be no members; nobody of them is taken for gone lightly. `newest`: they
    were invited just now, so that one account of each is enough. Raises TargetError where not all could be
    read; what is known of the others is written down all the same.
    """
    after, error = await read_some_members(run, emails, leaving, newest)
    if error:
        raise error
    return after


async def read_some_members(
    run: Run, emails: Collection[str], leaving: Collection[str] = (), newest: bool = False
) -> tuple[dict[str, MemberBinding], TargetError | None]:
    """Do the same as far as it can be done now; return who was read, and what has stopped it."""
    if not emails:
        return {}, None
    objects = {member_object(email): email for email in emails}
    before = await run.store.members(emails)
    doubts = await run.store.unknown(objects)
    found, error = await look_up(run, emails, before, leaving, newest)
    if not found:
        return {}, error
    inviting = await run.store.inviting(found)
    teams = await run.store.teams()
    commands: list[Command] = [
        run.store.trust(name, count) for name, count in doubts.items() if objects[name] in found
    ]
    after, back = {}, set[str]()
    for email, remote in found.items():
        after[email] = bound(before.get(email), remote, inviting.get(email), run.now)
        commands.append(run.store.put_member(email, after[email]))
        if email in before and before[email].teams and not after[email].teams:
            commands += leave_teams(run, email, before[email], teams)
        if email in before and email not in leaving and may_have_left(before[email], after[email]):
            back |= before[email].teams.keys()
        commands += _follows(run, email, before.get(email), after[email])
        if remote:
            commands.append(run.store.invited(email))
        if after[email].state is State.ABSENT or (remote and remote.sso):
            commands.append(("SREM", run.store.key("no_sso"), email))
    inside = [e for e, remote in found.items() if remote and e in inviting and e not in before]
    commands += run.doubt([team_object(title) for title, team in teams.items() if team.id in back])
    await run.commit([*commands, *await got_in(run, inside)])
    return after, error


def _follows(run: Run, email: str, before: MemberBinding | None, after: MemberBinding) -> list[Command]:
    """Return what is written besides when a reading shows what somebody is now."""
    commands: list[Command] = []
    if is_gone(before, after):  # the plan that comes next proves it, see `gone_by_now`
        commands.append(("HSETNX", run.store.key("leaving"), email, run.now))
    if has_left(before, after):
        commands.append(("HDEL", run.store.key("decision"), grant_id(email)))
    if after.state is not State.INVITED:
        commands.append(("ZREM", run.store.key("pending"), email))
    return commands


async def look_for_teams(run: Run, titles: Collection[str]) -> dict[str, RemoteTeam]:
    """Return the teams that have these titles. Raises TargetError where not all could be looked for."""
    found, error = await look_for_some_teams(run, titles)
    if error:
        raise error
    return {title: team for title, team in found.items() if team}


async def look_for_some_teams(
    run: Run, titles: Collection[str]
) -> tuple[dict[str, RemoteTeam | None], TargetError | None]:
    """Return the team with each title, None where there is none, and what has stopped looking for others.

    Titles are compared stripped; the oldest counts where there are two.
    """
    found: dict[str, RemoteTeam | None] = {}
    try:
        if few(len(titles), run.pages.get(TEAMS, 1)) and not team_list(run).listing.complete:
            await _search_teams(run, titles, found)
        else:
            await _list_teams(run, titles, found)
    except CredentialsRejectedError:
        raise
    except TargetError as error:
        if not found and not isinstance(error, UnfinishedError | RateLimitedError):
            raise
        return found, error
    return found, None


async def _search_teams(run: Run, titles: Iterable[str], found: dict[str, RemoteTeam | None]) -> None:
    for title in titles:
        teams = team_list(run, title)
        rows = await run.read(teams.read_all())
        found |= dict.fromkeys([title]) | oldest_of_title([title], map(team_of, rows.values()))


async def _list_teams(run: Run, titles: Collection[str], found: dict[str, RemoteTeam | None]) -> None:
    """Look into the list of all teams; what a list of some age does not tell is searched for."""
    teams = team_list(run)
    rows = await run.read(teams.read_all())
    changed = await teams.changed([team_object(title) for title in titles])
    said = [title for title in titles if team_object(title) not in changed]
    there = oldest_of_title(said, map(team_of, rows.values()))
    if run.now - teams.listing.began <= ABSENT_MS:
        found |= dict.fromkeys(said)
    found |= there
    run.grant_turn()
    await _search_teams(run, [title for title in titles if title not in found], found)


async def read_inside(run: Run, ident: str, title: str = "") -> Roster | None:
    """Return who is in a team, None when it is gone; `title`: the one it is to have. Raises TargetError."""
    reader = roster_list(run, ident, title)
    rows = await run.read(_unless_gone(run, reader.read_all()))
    if rows is None:
        await reader.drop()
        return None
    return Roster(reader, rows)


async def read_roster(
    run: Run, ident: str, wanted: Collection[str] | None, title: str = ""
) -> list[Command] | None:
    """Read who is in a team; return what `write_roster` does, None when the team is gone."""
    inside = await read_inside(run, ident, title)
    return None if inside is None else await write_roster(run, ident, inside, wanted)


async def write_roster(run: Run, ident: str, inside: Roster, wanted: Collection[str] | None) -> list[Command]:
    """Return the commands that write down who is in a team.

    Only people the directory has named are written down. Whoever is to be in it, or was put there by a call
    that took effect late, counts as given; everybody (`wanted` is None) where the bridge made it.
    """
    listed = {email for email in inside.rows.values() if email}
    key = run.store.roster_key(ident)
    before = set(await run.worker.store.call("SMEMBERS", key))
    changed = await inside.reader.changed([member_object(email) for email in listed | before])
    await inside.reader.drop()
    bindings = await run.store.members(listed | before)
    asked = await run.store.asked(ident, listed)
    commands: list[Command] = []
    for email, binding in bindings.items():
        if member_object(email) in changed:  # a call of ours was about them meanwhile, which tells more
            continue
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
