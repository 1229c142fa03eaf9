"""Finding people and teams in a target's lists with as few calls as it takes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import TypeVar

from bridge.targets.base import Page, RemoteMember, RemoteTeam, Target, UnavailableError

T = TypeVar("T")
PAGE = 1000  # GitBook's largest page
_FEW = 2  # so many searches cost no more than one page


async def walk(read: Callable[[str | None], Awaitable[Page[T]]]) -> AsyncIterator[T]:
    """Yield every item of a paged list. Raises TargetError."""
    cursor: str | None = None
    while True:
        page = await read(cursor)
        for item in page.items:
            yield item
        if page.next is None:
            return
        if page.next == cursor:
            raise UnavailableError("the list does not end: its next page is the one that was read")
        cursor = page.next


async def find_members(
    target: Target, emails: Collection[str], pages: int = 1
) -> tuple[dict[str, RemoteMember | None], int]:
    """Return the member with each address, None where a reading showed that there is none.

    Few are searched for, many are looked for in the whole list, the newest first. `pages`: how many the
    list has, as far as is known; it is returned as found now. Raises TargetError.
    """
    found: dict[str, RemoteMember | None] = dict.fromkeys(emails)
    if len(emails) <= max(_FEW, pages):
        for email in emails:
            found[email] = await _search(target, email)
        return found, pages
    seen, missing = 0, set(emails)
    async for member in walk(lambda page: target.members(page=page, limit=PAGE)):
        seen += 1
        if member.email in missing:
            found[member.email] = member
            missing.discard(member.email)
            if not missing:
                break
    return found, max(pages, -(-seen // PAGE))


async def _search(target: Target, email: str) -> RemoteMember | None:
    async for member in walk(lambda page: target.members(email, page=page)):
        if member.email == email:
            return member
    return None


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
