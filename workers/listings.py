"""Reading long lists of the target page by page, across slices, rate windows and workers."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Any, Generic, TypeVar

from bridge.store.listings import MEMBERS, TEAMS, Listing, ListingStore
from bridge.targets.base import (
    Page,
    RateLimitedError,
    RefusedError,
    RemoteMember,
    RemoteTeam,
    UnavailableError,
)
from bridge.targets.lists import MOST_IDLE, MOST_PAGES, PAGE, join_accounts
from workers.run import Run, UnfinishedError, team_object

T = TypeVar("T")
_CURSOR_REFUSED = (400, 410, 422)  # a cursor that has expired; GitBook's API document names 400 only
_MOST_REFUSALS = 3  # then cursors are refused for another reason than their age
_ReadPage = Callable[[str | None], Awaitable[Page[T]]]


class ListReader(Generic[T]):
    """One list of the target. What was read of it is kept where it has more than one page.

    Rows have the name that `row` gives each item. Rows of one name are joined by `join`, in the order in
    which they were read.
    """

    def __init__(
        self,
        run: Run,
        listing: Listing,
        read: _ReadPage[T],
        row: Callable[[T], tuple[str, Any]],
        join: Callable[[Any, Any], Any] = lambda _, row: row,
    ) -> None:
        """`listing`: how it is called, in case that nothing is kept of it; `read`: reads one page."""
        self.run = run
        self._whole: dict[str, Any] | None = None  # what `read_all` has read itself
        self._new, self._read, self._row, self._join = listing, read, row, join
        self._kept = ListingStore(run.store)
        self.listing = listing
        kept = run.listings.get(listing.name)
        self.resumed = kept is not None and kept.alive(run.now)
        if kept is not None and self.resumed:
            self.listing = kept

    @property
    def is_kept(self) -> bool:
        """Tell whether something is kept of it."""
        kept = self.run.listings.get(self.listing.name)
        return kept is not None and kept.id == self.listing.id

    async def next_page(self) -> dict[str, Any]:
        """Read one more page; return its rows, joined with those that were read before.

        Raises UnfinishedError when the slice has ended, and TargetError; what was read before is kept.
        """
        page = await self._next(self.listing.cursor)
        before = self.listing  # another one where the cursor had expired
        shown = self._rows_of(page)
        known = await self._known(shown)
        listing = before.after(len(page.items), page.next, page.total, self.run.now)
        self.listing = replace(listing, idle=0 if shown.keys() - known.keys() else before.idle + 1)
        if before.repeats(page.next) or self._is_endless():
            await self.drop()
            raise UnavailableError(f"the list of {before.what} does not end: its pages repeat")
        rows = {name: self._join(known[name], row) if name in known else row for name, row in shown.items()}
        if self._whole is not None:
            self._whole |= rows
        commands = []
        if before.page or not self.listing.complete or self.run.over:  # of use in the next slice
            self.run.listings[before.name] = self.listing
            commands += self._kept.keep(self.listing, rows)
        commands += self._learn_pages()
        await self.run.commit(commands)
        return rows

    async def _known(self, rows: Collection[str]) -> dict[str, Any]:
        """Return those of these rows that were read before."""
        if not self.listing.page:
            return {}
        known = await self._kept.rows(self.listing, sorted(rows))
        if known is None:
            await self.drop()
            raise UnfinishedError(self.listing.what)
        return known

    def _is_endless(self) -> bool:
        if self.listing.complete:
            return False
        return self.listing.idle >= MOST_IDLE or self.listing.page >= MOST_PAGES

    async def read_newest(self) -> dict[str, Any]:
        """Read the first page of a complete list again: whoever came since it was read is on it."""
        page = await self._next(None)
        shown = self._rows_of(page)
        known = await self._known(shown)
        if page.next is not None and not known:  # so many are new that one page does not show all
            await self.drop()
            raise UnfinishedError(self.listing.what)
        rows = {name: self._join(known[name], row) if name in known else row for name, row in shown.items()}
        self.listing = replace(self.listing, newest_at=self.run.now, read_at=self.run.now)
        self.run.listings[self.listing.name] = self.listing
        await self.run.commit(self._kept.keep(self.listing, rows))
        return rows

    async def find(self, names: Collection[str]) -> dict[str, Any] | None:
        """Return those of these rows that were kept; None when nothing is kept, or it has expired."""
        if not self.is_kept or not self.resumed:
            return None
        found = await self._kept.rows(self.listing, sorted(names))
        if found is None:
            await self.drop()
        return found

    async def changed(self, objects: Collection[str]) -> set[str]:
        """Return the objects that a call of ours was about since it was begun: it does not tell of them."""
        return await self._kept.changed(self.listing, objects) if self.is_kept else set()

    async def read_all(self) -> dict[str, Any]:
        """Read it to its end, from where it was left; return all rows. Raises like `next_page`."""
        self._whole = {}
        while not self.listing.complete:
            await self.next_page()
        if not self.resumed:
            return self._whole
        rows = await self._kept.all_rows(self.listing)
        if rows is None:
            await self.drop()
            return await self.read_all()
        return rows

    async def drop(self) -> None:
        """Forget what was read of it."""
        if self.run.listings.pop(self.listing.name, None):
            await self.run.commit(self._kept.drop(self.listing.name))
        self.listing, self.resumed = self._new, False
        self._whole = None if self._whole is None else {}

    async def _next(self, cursor: str | None) -> Page[T]:
        self.run.take_turn(self.listing.what)
        try:
            page = await self._read(cursor)
        except RateLimitedError as error:
            if self.is_kept:
                self.listing = replace(self.listing, resumes_at=int(error.until * 1000))
                self.run.listings[self.listing.name] = self.listing
                await self.run.commit(self._kept.keep(self.listing))
            raise
        except RefusedError as error:
            if cursor is None or error.status not in _CURSOR_REFUSED:
                raise
            await self._begin_again(error)
            return await self._next(None)
        self.run.seen = True
        return page

    async def _begin_again(self, error: RefusedError) -> None:
        """The next page's cursor is not taken any more: all that can be done is to read from the start."""
        refusals = self.listing.refusals + 1
        await self.drop()
        if refusals > _MOST_REFUSALS:
            what = self._new.what
            raise UnavailableError(f"the next page of the {what} is refused each time: {error.message}")
        self.listing = replace(self._new, refusals=refusals)
        self.run.grant_turn()

    def _rows_of(self, page: Page[T]) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        for item in page.items:
            name, row = self._row(item)
            rows[name] = self._join(rows[name], row) if name in rows else row
        return rows

    def _learn_pages(self) -> list[Any]:
        """Return the command that notes how many pages it has, where that is known and new."""
        listing, known = self.listing, self.run.pages.get(self.listing.name, 1)
        if listing.name not in (MEMBERS, TEAMS) or listing.pages == known:
            return []
        if not listing.complete and listing.pages < known:
            return []
        self.run.pages[listing.name] = listing.pages
        return [self._kept.put_pages(listing.name, listing.pages)]


# the lists there are


def member_list(run: Run) -> ListReader[RemoteMember]:
    """Return the list of all members, the newest first. Rows: the accounts of an address, by address."""
    new = Listing(MEMBERS, "members", pages=run.pages.get(MEMBERS, 0))
    return ListReader(
        run, new, lambda page: run.client.members(page=page, limit=PAGE), _member_row, _join_accounts
    )


def seat_list(run: Run) -> ListReader[RemoteMember]:
    """Return the list of all members, to count them. Rows: nothing, by the member's id."""
    new = Listing("seats", "members", pages=run.pages.get(MEMBERS, 0))
    return ListReader(
        run, new, lambda page: run.client.members(page=page, limit=PAGE), lambda member: (member.id, None)
    )


def _member_row(member: RemoteMember) -> tuple[str, Any]:
    name = member.email or f"#{member.id}"  # which is no address
    return name, [[member.id, member.role, member.sso, member.joined]]


def _join_accounts(before: list[Any], row: list[Any]) -> list[Any]:
    known = {account[0] for account in before}
    return [*before, *(account for account in row if account[0] not in known)]


def member_of(email: str, row: Any) -> RemoteMember | None:
    """Return a member, with all accounts, from their row."""
    return join_accounts(RemoteMember(ident, email, *rest) for ident, *rest in row)


def team_list(run: Run, title: str | None = None) -> ListReader[RemoteTeam]:
    """Return the list of all teams, or of those whose titles contain a text. Rows: each team's, by its id."""
    new = Listing(TEAMS, "teams", pages=run.pages.get(TEAMS, 0))
    if title is not None:
        new = Listing(f"{TEAMS} {title}", f"teams like {title}", team_object(title))
    return ListReader(run, new, lambda page: run.client.teams(title, page), _team_row)


def _team_row(team: RemoteTeam) -> tuple[str, Any]:
    return team.id, [team.id, team.title, team.members, team.spaces, team.created_at]


def team_of(row: Any) -> RemoteTeam:
    """Return a team from its row."""
    return RemoteTeam(*row)


def roster_list(run: Run, ident: str, title: str) -> ListReader[RemoteMember]:
    """Return the list of a team's members. Rows: the address (None without one) by the member's id."""
    new = Listing(f"team {ident}", f"members of the team {title}", team_object(title))
    return ListReader(run, new, lambda page: run.client.team_members(ident, page), _roster_row)


def _roster_row(member: RemoteMember) -> tuple[str, Any]:
    return member.id, member.email


async def forget_listings(run: Run) -> None:
    """Forget what is kept of lists when there is nothing left that it could be of use for."""
    if run.listings and not await run.worker.store.call("ZCARD", run.store.key("work")):
        kept, names = ListingStore(run.store), list(run.listings)
        watched = [("ZCARD", run.store.key(what)) for what in ("pending", "twins")]
        if not any(await run.worker.store.calls(watched)):
            run.listings = {}
            await run.commit([command for name in names for command in kept.drop(name)])
