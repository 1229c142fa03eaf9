"""Finding people and teams in as few calls as it takes."""

from collections.abc import AsyncIterator

import pytest

from bridge.sandbox import Sandbox, running_sandbox
from bridge.sandbox.state import Member
from bridge.settings import Secret
from bridge.targets import lists
from bridge.targets.base import Page, UnavailableError
from bridge.targets.gitbook import GitBook
from bridge.targets.lists import PAGE, find_members, find_teams, walk


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """An organisation over HTTP."""
    async with running_sandbox(Sandbox(seed=1)) as sandbox:
        yield sandbox


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[GitBook]:
    """A client of it."""
    client = GitBook(sandbox.url, sandbox.organization, Secret(sandbox.token))
    yield client
    await client.close()


def reads(sandbox: Sandbox, what: str) -> list[str | None]:
    """What each call searched for, None when it read the whole list."""
    return [
        call.query.get("search", call.query.get("title")) for call in sandbox.calls_like(f"GET .*/{what}$")
    ]


async def test_pages_are_walked_to_the_end() -> None:
    """And no further than is asked for."""
    pages = {None: Page((1, 2), "b"), "b": Page((), "c"), "c": Page((3,))}
    asked = []

    async def read(cursor: str | None) -> Page[int]:
        asked.append(cursor)
        return pages[cursor]

    assert [item async for item in walk(read)] == [1, 2, 3]
    async for _ in walk(read):
        break
    assert asked == [None, "b", "c", None]


@pytest.mark.parametrize("length", [1, 2, 7])
async def test_a_list_whose_pages_repeat(length: int) -> None:
    """Cursors that go in a circle are the target's fault: it is read once around, and not for ever."""
    asked = []

    async def read(cursor: str | None) -> Page[int]:
        asked.append(cursor)
        number = 0 if cursor is None else int(cursor) + 1
        return Page((number,), str(number % length))

    with pytest.raises(UnavailableError, match="pages repeat"):
        [item async for item in walk(read)]
    assert len(asked) == length + 1


@pytest.mark.parametrize("items", [(), (1,), (1, 2)])
async def test_a_list_that_brings_nothing_new(items: tuple[int, ...]) -> None:
    """Its cursors are new each time; the same items again and again, or none, are no end either."""
    asked = []

    async def read(cursor: str | None) -> Page[int]:
        asked.append(cursor)
        return Page(items, str(len(asked)))

    with pytest.raises(UnavailableError, match="does not end"):
        [item async for item in walk(read)]
    assert len(asked) <= 11


async def test_a_list_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """However new its items are: an organisation has only so many."""
    monkeypatch.setattr(lists, "MOST_PAGES", 50)
    asked = []

    async def read(cursor: str | None) -> Page[int]:
        asked.append(cursor)
        return Page((len(asked),), str(len(asked)))

    with pytest.raises(UnavailableError, match="50 pages were read"):
        [item async for item in walk(read)]
    assert len(asked) == 50


async def test_pages_that_shift_are_no_circle() -> None:
    """Somebody left or came meanwhile: a page may show what another has shown, or nothing."""
    pages = {None: Page((1, 2), "b"), "b": Page((1, 2), "c"), "c": Page((), "d"), "d": Page((2, 3))}

    async def read(cursor: str | None) -> Page[int]:
        return pages[cursor]

    assert [item async for item in walk(read)] == [1, 2, 1, 2, 2, 3]


async def test_few_people_are_searched_for(sandbox: Sandbox, client: GitBook) -> None:
    """One call each; a search looks into names too, so the address is compared."""
    ana = sandbox.seed_member("ana@acme.test")
    sandbox.seed_member("xana@acme.test", name="ana@acme.test")
    sandbox.seed_member("xbo@acme.test")
    found, pages = await find_members(client, ["ana@acme.test", "bo@acme.test"])
    assert {email: member and member.id for email, member in found.items()} == {
        "ana@acme.test": ana.id, "bo@acme.test": None,
    }  # fmt: skip
    assert (pages, reads(sandbox, "members")) == (1, ["ana@acme.test", "bo@acme.test"])


async def test_addresses_with_a_plus(sandbox: Sandbox, client: GitBook) -> None:
    """A plus is no blank."""
    sandbox.seed_member("ana+docs@acme.test")
    found, _ = await find_members(client, ["ana+docs@acme.test"])
    assert [member.email for member in found.values() if member] == ["ana+docs@acme.test"]


async def test_many_people_are_looked_for_in_the_list(sandbox: Sandbox, client: GitBook) -> None:
    """One call for a thousand, the newest first; who came just now is on the first pages."""
    emails = [f"u{number}@acme.test" for number in range(PAGE + 500)]
    for email in emails:
        sandbox.seed_member(email)
    found, pages = await find_members(client, emails[-3:], newest=True)
    assert (all(found.values()), pages, reads(sandbox, "members")) == (True, 1, [None])
    sandbox.calls.clear()
    found, pages = await find_members(client, [*emails[:3], "none@acme.test"])
    assert [bool(found[email]) for email in [*emails[:3], "none@acme.test"]] == [True, True, True, False]
    assert (pages, reads(sandbox, "members")) == (2, [None, None])
    sandbox.calls.clear()
    assert await find_members(client, [], pages) == ({}, 2)
    await find_members(client, emails[:2], 5)
    assert reads(sandbox, "members") == emails[:2]


@pytest.mark.parametrize("others", [0, 10])
async def test_all_accounts_of_an_address_are_found(sandbox: Sandbox, client: GitBook, others: int) -> None:
    """GitBook keeps addresses as they were typed; searched for or listed, on whatever page they are."""
    first = twin(sandbox, "Dup@acme.test")
    for number in range(PAGE):
        sandbox.seed_member(f"u{number}@acme.test")
    second, third = sandbox.seed_member("dup@acme.test"), twin(sandbox, "DUP@ACME.test")
    asked = ["dup@acme.test", *(f"u{number}@acme.test" for number in range(others))]
    found, _ = await find_members(client, asked)
    dup = found["dup@acme.test"]
    assert dup
    assert [dup.id, *(each.id for each in dup.others)] == sorted([first.id, second.id, third.id])
    assert all(not found[email].others for email in asked[1:])  # type: ignore[union-attr]


def twin(sandbox: Sandbox, email: str) -> Member:
    """A member whose address is another one's but for how it is written."""
    member = sandbox.seed_member(f"{len(sandbox.members())}.twin@acme.test")
    return sandbox.state.change(member, email=email)


async def test_the_first_page_tells_how_long_a_list_is(sandbox: Sandbox, client: GitBook) -> None:
    """Those who are not on it are searched for when that takes fewer calls than the pages that are left."""
    for number in range(19):
        sandbox.seed_member(f"u{number}@acme.test")
    sandbox.inject(page_size=4)
    emails = [f"{name}@acme.test" for name in ("u18", "u0", "none")]
    found, pages = await find_members(client, emails)
    assert [bool(found[email]) for email in emails] == [True, True, False]
    assert reads(sandbox, "members") == [None, *emails]
    assert pages == 5


async def test_few_teams_are_searched_for(sandbox: Sandbox, client: GitBook) -> None:
    """By title: whole, stripped, in the case it has; the oldest where there are two."""
    first = sandbox.seed_team(" Writers ")
    sandbox.seed_team("Writers")
    sandbox.seed_team("writers")
    sandbox.seed_team("All Writers")
    found = await find_teams(client, ["Writers", "None"])
    assert {title: team.id for title, team in found.items()} == {"Writers": first.id}
    assert reads(sandbox, "teams") == ["Writers", "None"]


async def test_many_teams_are_looked_for_in_the_list(sandbox: Sandbox, client: GitBook) -> None:
    """All in one go."""
    for number in range(PAGE + 5):
        sandbox.seed_team(f"Team {number}")
    found = await find_teams(client, ["Team 0", "Team 3", f"Team {PAGE + 4}", "None"])
    assert sorted(found) == ["Team 0", f"Team {PAGE + 4}", "Team 3"]
    assert reads(sandbox, "teams") == [None, None]
