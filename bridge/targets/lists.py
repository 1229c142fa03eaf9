"""Finding people and teams in a target's lists with as few calls as it takes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from bridge.targets.base import Page, RemoteMember, RemoteTeam, Target, UnavailableError

T = TypeVar("T")
PAGE = 1000  # GitBook's largest page
_FEW = 2  # so many searches cost no more than one page
MOST_PAGES = 5000  # of one list; at 1,000 members a page no organisation has more
MOST_IDLE = 10  # pages on end that bring nothing new: pages shift a little while they are read


@dataclass(slots=True)
class Pages(Generic[T]):
    """Looks out for a list that does not end: its cursors go in a circle, or nothing new comes any more."""

    cursors: set[str] = field(default_factory=set)
    seen: set[T] = field(default_factory=set)
    read: int = 0
    idle: int = 0

    def add(self, page: Page[T]) -> None:
        """Take note of a page that was read. Raises UnavailableError when the list does not end."""
        before = len(self.seen)
        self.seen.update(page.items)
        self.read, self.idle = self.read + 1, 0 if len(self.seen) > before else self.idle + 1
        if page.next is None:
            return
        if page.next in self.cursors:
            raise UnavailableError("the list does not end: its pages repeat")
        if self.idle >= MOST_IDLE or self.read >= MOST_PAGES:
            raise UnavailableError(f"the list does not end: {self.read} pages were read")
        self.cursors.add(page.next)


def few(wanted: int, pages: int, begun: bool = False) -> bool:
    """Tell whether a search for each of so many takes no more calls than a list of so many pages.

    `begun`: these are the pages that are left of a list that was begun; 0 where that is not known.
    """
    return wanted < pages if begun else wanted <= max(_FEW, pages)


async def walk(read: Callable[[str | None], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Yield every item of a paged list. Raises TargetError."""
    async for page in walk_pages(read):
        for item in page.items:
            yield item


async def walk_pages(read: Callable[[str | None], Awaitable[Page[T]]]) -> AsyncIterator[Page[T]]:
    """Yield every page of a list. Raises TargetError."""
    cursor: str | None = None
    pages = Pages[T]()
    while True:
        page = await read(cursor)
        yield page
        pages.add(page)
        if page.next is None:
            return
        cursor = page.next


def join_accounts(accounts: Iterable[RemoteMember]) -> RemoteMember | None:
    """Return one member for all accounts of an address, None without any: in order of their ids."""
    unique = {account.id: account for account in accounts}
    if not unique:
        return None
    first, *others = (unique[ident] for ident in sorted(unique))
    return replace(first, others=tuple(others))


def told_total(page: Page[T]) -> int | None:
    """Return how many items a list has by what its first page tells, None where that cannot be so."""
    if page.total is None or page.total < len(page.items) + (page.next is not None):
        return None
    return page.total


async def count_members(target: Target) -> int:
    """Return how many members there are, strangers and all. Raises TargetError.

    The list itself is read where the target does not say how long it is.
    """
    total = told_total(await target.members(limit=1))
    if total is not None:
        return total
    count = 0
    async for _ in walk(lambda page: target.members(page=page, limit=PAGE)):
        count += 1
    return count


async def find_members(
    target: Target, emails: Collection[str], pages: int = 1, newest: bool = False
) -> tuple[dict[str, RemoteMember | None], int]:
    """Return the member with each address, None where a reading showed that there is none.

    Few are searched for, many are looked for in the whole list, the newest first. An address may have
    several accounts: all are found, unless `newest` says that one account of each is enough, as of people
    who were invited just now. `pages`: how many the list has, as far as is known; it is returned as found
    now. Raises TargetError.
    """
    found: dict[str, RemoteMember | None] = dict.fromkeys(emails)
    if few(len(emails), pages):
        for email in emails:
            found[email] = await search_member(target, email)
        return found, pages
    seen, read, listed = 0, 0, {email: list[RemoteMember]() for email in emails}
    missing = set(emails)
    async for page in walk_pages(lambda cursor: target.members(page=cursor, limit=PAGE)):
        for member in page.items:
            if member.email in listed:
                listed[member.email].append(member)
                missing.discard(member.email)
        seen, read = seen + len(page.items), read + 1
        if newest and not missing:
            break
        if read == 1 and page.next and page.total and page.items:
            pages = max(pages, -(-page.total // len(page.items)))
        if page.next and few(len(emails), pages - read, begun=True):
            return {email: await search_member(target, email) for email in emails}, pages
    found |= {email: join_accounts(each) for email, each in listed.items()}
    return found, max(pages, -(-seen // PAGE))


async def search_member(target: Target, email: str) -> RemoteMember | None:
    """Return the member with an address, all of its accounts; a search looks into names, too.

    Raises TargetError.
    """
    listed = walk(lambda page: target.members(email, page=page))
    return join_accounts([member async for member in listed if member.email == email])


async def find_teams(target: Target, titles: Collection[str], pages: int = 1) -> dict[str, RemoteTeam]:
    """Return the teams that have these titles, compared stripped; the oldest where there are two.

    `pages`: how many the list of all teams has, as far as is known. Raises TargetError.
    """
    found: dict[str, RemoteTeam] = {}
    asked: list[str | None] = list(titles) if few(len(titles), pages) else [None]
    for text in asked:
        listed = [team async for team in walk(lambda page: target.teams(text, page))]  # noqa: B023
        found |= oldest_of_title([text] if text else titles, listed)
    return found


def oldest_of_title(titles: Collection[str], teams: Iterable[RemoteTeam]) -> dict[str, RemoteTeam]:
    """Return the teams that have these titles, compared stripped; the oldest where there are two."""
    found: dict[str, RemoteTeam] = {}
    for team in teams:
        title = team.title.strip()
        if title in titles and (title not in found or team.created_at < found[title].created_at):
            found[title] = team
    return found
