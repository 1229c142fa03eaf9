"""Finding people and teams in a target's lists with as few calls as it takes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from bridge.targets.base import Page, RemoteMember, RemoteTeam, Target, UnavailableError

T = TypeVar("T")
PAGE = 1000  # GitBook's largest page
_FEW = 2  # so many searches cost no more than one page
_MOST_PAGES = 5000  # of one list; at 1,000 members a page no organisation has more
_MOST_IDLE = 10  # pages on end that bring nothing new: pages shift a little while they are read


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
        if self.idle >= _MOST_IDLE or self.read >= _MOST_PAGES:
            raise UnavailableError(f"the list does not end: {self.read} pages were read")
        self.cursors.add(page.next)


async def walk(read: Callable[[str | None], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Yield every item of a paged list. Raises TargetError."""
    cursor: str | None = None
    pages = Pages[T]()
    while True:
        page = await read(cursor)
        for item in page.items:
            yield item
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
    if len(emails) <= max(_FEW, pages):
        for email in emails:
            found[email] = await _search(target, email)
        return found, pages
    seen, accounts = 0, {email: list[RemoteMember]() for email in emails}
    missing = set(emails)
    async for member in walk(lambda page: target.members(page=page, limit=PAGE)):
        seen += 1
        if member.email in accounts:
            accounts[member.email].append(member)
            missing.discard(member.email)
            if newest and not missing:
                break
    found |= {email: join_accounts(each) for email, each in accounts.items()}
    return found, max(pages, -(-seen // PAGE))


async def _search(target: Target, email: str) -> RemoteMember | None:
    listed = walk(lambda page: target.members(email, page=page))
    return join_accounts([member async for member in listed if member.email == email])


async def find_teams(target: Target, titles: Collection[str]) -> dict[str, RemoteTeam]:
    """Return the teams that have these titles, compared stripped; the oldest where there are two."""
    found: dict[str, RemoteTeam] = {}
    asked: list[str | None] = list(titles) if len(titles) <= _FEW else [None]
    for text in asked:
        async for team in _all_teams(target, text):
            title = team.title.strip()
            if title in titles and (title not in found or team.created_at < found[title].created_at):
                found[title] = team
    return found


def _all_teams(target: Target, title: str | None) -> AsyncIterator[RemoteTeam]:
    return walk(lambda page: target.teams(title, page))
