"""GitBook's client against the sandbox, over HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tenacity import wait_none

from bridge.sandbox import Limit, Limits, Sandbox, running_sandbox
from bridge.sandbox.shapes import moment
from bridge.settings import Secret
from bridge.targets.base import (
    CredentialsRejectedError,
    Invited,
    NoAnswerError,
    RateLimitedError,
    RefusedError,
    RemoteMember,
    RemoteOrganization,
    RemoteUser,
    Removal,
    TargetError,
    UnavailableError,
    UnconfirmedError,
)
from bridge.targets.budget import Budgets
from bridge.targets.gitbook import Call, GitBook, clock_skew
from bridge.targets.lists import walk

EMAIL = "ana@acme.test"
Do = Callable[[GitBook], Awaitable[object]]


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between quick retries."""
    monkeypatch.setattr("bridge.targets.gitbook.wait_random_exponential", lambda **_: wait_none())


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """An organisation with Ana, and Ana in a team."""
    async with running_sandbox(Sandbox(seed=1)) as sandbox:
        sandbox.seed_member(EMAIL)
        sandbox.seed_team("Writers", [EMAIL])
        yield sandbox


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[GitBook]:
    """A client of it."""
    client = make_client(sandbox)
    yield client
    await client.close()


def make_client(sandbox: Sandbox, timeout: float = 5.0, token: Secret | None = None) -> GitBook:
    """A client of a sandbox."""
    return GitBook(sandbox.url, sandbox.organization, token or Secret(sandbox.token), timeout)


def ana(sandbox: Sandbox) -> str:
    """Ana's id."""
    return sandbox.members()[EMAIL].id


def team(sandbox: Sandbox) -> str:
    """The team's id."""
    return next(iter(sandbox.state.teams))


def written(sandbox: Sandbox) -> list[str]:
    """The calls that write, as they arrived."""
    return [call.method for call in sandbox.calls if call.method != "GET"]


# What writes, by what it does. `create_team` is the only one that may not be repeated.
WRITES: dict[str, Callable[[Sandbox], Do]] = {
    "invite": lambda sandbox: lambda client: client.invite([("bo@acme.test", "read")], sso=True),
    "remove": lambda sandbox: lambda client: client.remove(ana(sandbox)),
    "set_role": lambda sandbox: lambda client: client.set_role(ana(sandbox), "edit"),
    "mark_sso": lambda sandbox: lambda client: client.mark_sso(ana(sandbox)),
    "create_team": lambda sandbox: lambda client: client.create_team("Editors", []),
    "rename_team": lambda sandbox: lambda client: client.rename_team(team(sandbox), "Editors"),
    "update_team": lambda sandbox: lambda client: client.update_team(team(sandbox), [], [ana(sandbox)]),
    "delete_team": lambda sandbox: lambda client: client.delete_team(team(sandbox)),
}
writes = pytest.mark.parametrize("name", WRITES)


async def failed(client: GitBook, do: Do) -> TargetError:
    """The error that a call ends with."""
    with pytest.raises(TargetError) as caught:
        await do(client)
    return caught.value


# -- members


async def test_members_as_listed(sandbox: Sandbox, client: GitBook) -> None:
    """The newest first; addresses normalised, a guest's role by its name."""
    bo = sandbox.seed_member("Bo@ACME.test", None, sso=True)
    page = await client.members()
    assert page.next is None
    assert page.items[0] == RemoteMember(bo.id, "bo@acme.test", "guest", True, moment(bo.joined))
    assert [member.role for member in page.items] == ["guest", "read", "admin"]
    assert [member.email for member in (await client.members(role="guest")).items] == ["bo@acme.test"]
    assert len((await client.members(limit=1)).items) == 1


async def test_lists_of_any_length(sandbox: Sandbox, client: GitBook) -> None:
    """A thousand to a page."""
    for number in range(1100):
        sandbox.seed_member(f"u{number}@acme.test")
    members = [each async for each in walk(lambda page: client.members(page=page))]
    assert len({member.id for member in members}) == 1102
    assert len(sandbox.calls_like("GET .*/members$")) == 2
    big = sandbox.seed_team("Big", [f"u{number}@acme.test" for number in range(1001)])
    inside = [each async for each in walk(lambda page: client.team_members(big.id, page))]
    assert len({member.email for member in inside}) == 1001


async def test_searches_send_the_address_as_it_is(sandbox: Sandbox, client: GitBook) -> None:
    """A plus, an apostrophe, an umlaut."""
    for email in ("ana+docs@acme.test", "o'brien@acme.test", "änä@acme.test"):
        sandbox.seed_member(email)
        assert [member.email for member in (await client.members(email)).items] == [email]


async def test_invites(sandbox: Sandbox, client: GitBook) -> None:
    """Several at once, each with their role; who gets no SSO is told."""
    sandbox.inject(failed_sso=["cy@*"])
    bo, cy, dee = "bo@acme.test", "cy@acme.test", "dee+1@acme.test"
    answer = await client.invite([(bo.title(), "edit"), (cy, "read"), (dee, "guest")], sso=True)
    members = sandbox.members()
    assert answer.failed_sso == {cy}
    assert sorted(answer.ids) == sorted(members[email].id for email in (bo, cy, dee))
    assert [(members[email].role, members[email].sso) for email in (bo, cy, dee)] == [
        ("edit", True), ("read", False), (None, True),
    ]  # fmt: skip


async def test_invites_that_are_only_pending(sandbox: Sandbox, client: GitBook) -> None:
    """They have no id yet."""
    sandbox.inject(pending_invites=["*"])
    assert await client.invite([("bo@acme.test", "read")], False) == Invited((), frozenset())


async def test_removals(sandbox: Sandbox, client: GitBook) -> None:
    """205 and 204 are removals, 202 is none."""
    ident = ana(sandbox)
    sandbox.inject(removal_202=True)
    assert await client.remove(ident) is Removal.REQUESTED
    sandbox.heal()
    assert [await client.remove(ident), await client.remove(ident)] == [Removal.DONE] * 2
    assert EMAIL not in sandbox.members()


async def test_single_changes(sandbox: Sandbox, client: GitBook) -> None:
    """Role and SSO; a guest's role is null."""
    await client.set_role(ana(sandbox), "guest")
    await client.mark_sso(ana(sandbox))
    assert (sandbox.members()[EMAIL].role, sandbox.members()[EMAIL].sso) == (None, True)
    assert sandbox.calls_like("PATCH")[0].body == {"role": None}


async def test_whose_token_it_is(sandbox: Sandbox, client: GitBook) -> None:
    """The owner is read once for each token."""
    owner = sandbox.owner
    assert await client.user() == RemoteUser(owner.id, owner.email)
    assert [await client.owner(), await client.owner()] == [owner.id] * 2
    assert len(sandbox.calls_like("GET /v1/user$")) == 2
    assert (await client.organization()).admin
    assert isinstance(await client.organization(), RemoteOrganization)
    await client.ping()


async def test_a_token_that_is_changed(sandbox: Sandbox, tmp_path: Path) -> None:
    """It is taken for the next call, and its owner is read again."""
    (tmp_path / "token").write_text("old")
    token = Secret("file:token", tmp_path)
    client = make_client(sandbox, token=token)
    assert isinstance(await failed(client, GitBook.owner), CredentialsRejectedError)
    (tmp_path / "token").write_text(sandbox.token)
    token.reload()
    assert await client.owner() == sandbox.owner.id
    await client.close()


# -- teams


async def test_teams(sandbox: Sandbox, client: GitBook) -> None:
    """Made, read, renamed, filled and emptied in one call, deleted; deleting again is fine."""
    bo = sandbox.seed_member("bo@acme.test")
    made = await client.create_team("Editors / ünd mehr", [ana(sandbox)])
    assert (made.title, made.members, made.spaces) == ("Editors / ünd mehr", 1, 0)
    assert [each.id for each in (await client.teams("editors")).items] == [made.id]
    await client.update_team(made.id, [bo.id], [ana(sandbox)])
    assert [each.email for each in (await client.team_members(made.id)).items] == ["bo@acme.test"]
    assert sandbox.calls[-2].body == {"add": [bo.id], "remove": [ana(sandbox)]}
    await client.rename_team(made.id, "Editors")
    assert (await client.team(made.id)).title == "Editors"
    for _ in range(2):
        await client.delete_team(made.id)
    assert sandbox.teams() == {"Writers": {EMAIL}}


@pytest.mark.parametrize("ident", ["", ".", "..", "...", "../members", "a/b", "a?x=1", "a%2Fb", "a b", None])
async def test_what_is_no_id_is_part_of_no_url(sandbox: Sandbox, client: GitBook, ident: Any) -> None:
    """`DELETE …/members/..` is the end of the organisation: nothing is called at all."""
    calls: list[Do] = [
        lambda client: client.remove(ident), lambda client: client.delete_team(ident),
        lambda client: client.set_role(ident, "read"), lambda client: client.team_members(ident),
        lambda client: client.update_team(ident, ["m1"], []), lambda client: client.member(ident),
    ]  # fmt: skip
    for call in calls:
        error = await failed(client, call)
        assert (type(error), error.message) == (
            UnavailableError, "GitBook told an id that is none: nothing was asked about it"
        )  # fmt: skip
    assert sandbox.calls == []


async def test_ids_are_quoted(sandbox: Sandbox, client: GitBook) -> None:
    """Whatever else they hold."""
    await failed(client, lambda client: client.team("a:b+c"))
    assert sandbox.calls[-1].path.endswith("/teams/a:b+c")


# -- what an answer means


@writes
@pytest.mark.parametrize("status", ["400", "402", "403", "404", "409", "422"])
async def test_refusals(sandbox: Sandbox, client: GitBook, name: str, status: str) -> None:
    """With status and GitBook's own message; not repeated, and clear."""
    sandbox.inject(always=status)
    error = await failed(client, WRITES[name](sandbox))
    assert isinstance(error, RefusedError)
    assert (error.status, error.message, error.unclear) == (int(status), "Made to fail by the sandbox", False)
    assert len(sandbox.calls) == 1


@writes
async def test_rejected_tokens(sandbox: Sandbox, client: GitBook, name: str) -> None:
    """401 is about the token, and said once."""
    sandbox.inject(rejected_token=True)
    error = await failed(client, WRITES[name](sandbox))
    assert (type(error), error.unclear, len(sandbox.calls)) == (CredentialsRejectedError, False, 1)
    assert sandbox.token not in error.message


async def test_an_organisation_that_cannot_be_seen(sandbox: Sandbox, client: GitBook) -> None:
    """404 for everything in it: no removal; the token's owner can still be read."""
    sandbox.inject(organization_gone=True)
    for do in (GitBook.ping, WRITES["remove"](sandbox), WRITES["delete_team"](sandbox)):
        error = await failed(client, do)
        assert isinstance(error, RefusedError)
        assert error.status == 404
    assert await client.owner() == sandbox.owner.id


@writes
@pytest.mark.parametrize("fault", ["503", "reset", "not_json"])
async def test_faults_that_last(sandbox: Sandbox, client: GitBook, name: str, fault: str) -> None:
    """Again later, and unclear; repeated at once only where that is harmless. No page is taken for "done"."""
    sandbox.inject(always=fault)
    error = await failed(client, WRITES[name](sandbox))
    assert (type(error), error.unclear) == (NoAnswerError if fault == "reset" else UnavailableError, True)
    once = name == "create_team" or fault == "not_json"
    assert len(sandbox.calls) == (1 if once else 3)


@writes
@pytest.mark.parametrize("fault", ["503", "reset"])
@pytest.mark.parametrize("after", [False, True])
async def test_faults_that_pass(
    sandbox: Sandbox, client: GitBook, name: str, fault: str, after: bool
) -> None:
    """Nobody notices; also when the change was made and only its answer was lost. But for new teams."""
    do, sandbox.faults = (
        WRITES[name](sandbox),
        sandbox.faults.merged({"next": [{"fault": fault, "after": after}]}),
    )
    if name == "create_team":
        assert (await failed(client, do)).unclear
        assert len(sandbox.calls) == 1
        assert ("Editors" in sandbox.teams()) == after
    else:
        await do(client)
        assert len(sandbox.calls) == 2


async def test_reads_are_repeated(sandbox: Sandbox, client: GitBook) -> None:
    """They are harmless; a page that is no JSON is not."""
    sandbox.inject(next=[{"fault": "503", "times": 2}])
    assert len((await client.members()).items) == 2
    sandbox.inject(always="not_json")
    for do in (GitBook.members, GitBook.teams, GitBook.user, GitBook.ping):
        error = await failed(client, do)
        assert (type(error), error.unclear) == (UnavailableError, True)


async def test_a_call_that_hangs(sandbox: Sandbox) -> None:
    """It ends after the timeout, as unclear; a hang that is over in time is no fault."""
    client = make_client(sandbox, timeout=0.1)
    for name, calls in (("create_team", 1), ("remove", 3)):
        sandbox.calls.clear()
        sandbox.inject(always="hang")
        error = await failed(client, WRITES[name](sandbox))
        assert error.message == "no answer: it does not answer in time"
        assert (error.unclear, len(sandbox.calls)) == (True, calls)
    sandbox.heal()
    await client.remove(ana(sandbox))
    await client.close()


async def test_an_answer_that_drips(sandbox: Sandbox) -> None:
    """The timeout is for the whole call, not for each byte of it."""

    ended = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n")
        with suppress(ConnectionError):  # the client may close or reset it
            while not reader.at_eof():
                writer.write(b" ")
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1000), 0.01)
        writer.close()
        ended.set()

    async with await asyncio.start_server(drip, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        client = GitBook(f"http://127.0.0.1:{port}", "acme", Secret("t"), timeout=0.1)
        error = await failed(client, WRITES["create_team"](sandbox))
        assert error.message == "no answer: it does not answer in time"
        await client.close()
        await ended.wait()


async def test_nobody_there(sandbox: Sandbox) -> None:
    """Again later."""
    client = GitBook("http://127.0.0.1:1", "acme", Secret("t"))
    error = await failed(client, GitBook.ping)
    assert (type(error), error.message) == (
        NoAnswerError,
        "no answer: it refuses the connection: does anything listen there?",
    )
    await client.close()


async def test_an_error_after_a_fault_is_unclear(sandbox: Sandbox, client: GitBook) -> None:
    """An attempt before this answer may have done it all the same."""
    for fault in ("404", "401", "429"):
        sandbox.inject(next=[{"fault": "503"}, {"fault": fault}])
        assert (await failed(client, WRITES["remove"](sandbox))).unclear


@pytest.mark.parametrize("status", ["404", "401", "429"])
async def test_an_error_after_nothing_is_clear(sandbox: Sandbox, client: GitBook, status: str) -> None:
    """The call was not carried out."""
    sandbox.inject(always=status)
    assert not (await failed(client, WRITES["create_team"](sandbox))).unclear


def answering(handle: Callable[[httpx.Request], httpx.Response]) -> GitBook:
    """A client that gets these answers, which the sandbox does not give."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    return GitBook("http://gitbook.test/v1", "acme", Secret("t"), client=http)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((200, body) for body in (b"[]", b"null", b'"x"', b"", b"{}", b'{"items": 1}', b'{"items": [{}]}')),
        *((200, body) for body in (b'{"items": [[]]}', b'{"items": [], "next": "x"}')),
        (204, b""),
        (302, b""),
    ],
)
async def test_lists_of_another_shape(status: int, body: bytes) -> None:
    """They are never read as empty lists: nobody would be a member then."""
    client = answering(lambda _: httpx.Response(status, content=body))
    for do in (GitBook.members, GitBook.teams, lambda client: client.team_members("t1")):
        assert isinstance(await failed(client, do), UnavailableError)
    await client.close()


@pytest.mark.parametrize("told", [None, {}, {"page": ""}, {"page": None}])
async def test_the_last_page(told: object) -> None:
    """However it says that there is none after it."""
    client = answering(lambda _: httpx.Response(200, json={"items": [], "next": told}))
    assert (await client.members()).next is None
    await client.close()


@pytest.mark.parametrize("status", [200, 201, 202, 302])
@pytest.mark.parametrize("name", ["update_team", "delete_team", "remove"])
async def test_only_204_and_205_say_that_it_was_done(sandbox: Sandbox, name: str, status: int) -> None:
    """But for the removal that 202 asks for, everything else is unclear."""
    do = WRITES[name](sandbox)
    client = answering(lambda _: httpx.Response(status, json={}))
    if (name, status) == ("remove", 202):
        assert await do(client) is Removal.REQUESTED
    else:
        assert isinstance(await failed(client, do), UnavailableError)
    await client.close()


@pytest.mark.parametrize("told", ["No such plan", "x" * 300, "x" * 999])
async def test_messages(told: str) -> None:
    """GitBook's own, cut to what fits."""
    client = answering(lambda _: httpx.Response(402, json={"error": {"code": 402, "message": told}}))
    error = await failed(client, GitBook.ping)
    assert (type(error), error.message) == (RefusedError, told[:300])
    await client.close()


# -- who speaks: GitBook, or something between

NOT_GITBOOKS = [
    b"", b"<html>", b"[]", b"null", b'"no"', b'{"message": "Forbidden"}', b'{"error": "no"}',
    b'{"error": {}}', b'{"error": {"message": "no"}}',
    b'{"error": {"code": "AccessDenied", "message": "no"}}',
    b'{"error": {"code": 500, "message": "no"}}',
]  # fmt: skip


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 410, 412, 413, 422, 451])
@pytest.mark.parametrize("body", NOT_GITBOOKS)
async def test_an_error_that_is_not_in_gitbooks_words_is_weather(status: int, body: bytes) -> None:
    """No verdict about an object or the token: nothing is given up or taken for gone because of it."""
    client = answering(lambda _: httpx.Response(status, content=body))
    for do in (GitBook.ping, lambda client: client.remove("u1"), lambda client: client.create_team("T", [])):
        error = await failed(client, do)
        assert (type(error), error.unclear) == (UnavailableError, True)
        assert error.message.startswith(f"the answer was {status}, not in GitBook's words")
    await client.close()


@pytest.mark.parametrize("status", [407, 408, 421, 423, 425, 499])
async def test_what_says_nothing_about_an_object_is_weather_in_any_words(status: int) -> None:
    """It is about the way there or the moment."""
    client = answering(lambda _: httpx.Response(status, json={"error": {"code": status, "message": "no"}}))
    error = await failed(client, lambda client: client.remove("u1"))
    assert (type(error), error.unclear, error.message) == (
        UnavailableError,
        True,
        f"GitBook answered {status}",
    )
    await client.close()


@writes
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_no_success(sandbox: Sandbox, client: GitBook, name: str, status: int) -> None:
    """It is not followed; where it leads is told, without what may be secret in it."""
    sandbox.inject(always=f"gateway_{status}")
    error = await failed(client, WRITES[name](sandbox))
    assert (type(error), error.unclear) == (UnavailableError, True)
    assert error.message == (
        f"GitBook answered {status}, which leads elsewhere to https://portal.acme.test/sign-in: "
        "is targets.api_url right?"
    )
    assert {call.path.startswith("/v1/orgs/acme/") for call in sandbox.calls} == {True}


# -- done is what the answer shows


@writes
async def test_an_error_in_a_200_is_no_success(sandbox: Sandbox, client: GitBook, name: str) -> None:
    """Whatever the status says."""
    sandbox.inject(always="error_body")
    error = await failed(client, WRITES[name](sandbox))
    assert (type(error), error.unclear) == (UnavailableError, True)
    assert EMAIL in sandbox.members()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("set_role", "but the role is still read"),
        ("mark_sso", "but they are still no SSO user"),
        ("rename_team", "but the team's title is still Writers"),
    ],
)
async def test_an_answer_that_shows_what_was_before(
    sandbox: Sandbox, client: GitBook, name: str, message: str
) -> None:
    """The change was not made, or not yet: it is unclear, and not asked for again at once."""
    sandbox.inject(always="unchanged")
    error = await failed(client, WRITES[name](sandbox))
    assert (type(error), error.unclear) == (UnconfirmedError, True)
    assert error.message == f"GitBook answered with success, {message}"
    assert len(sandbox.calls) == 1


MEMBER = {"id": "u1", "role": "edit", "user": {"email": EMAIL}, "sso": True}
TEAM = {"id": "t1", "title": "Editors", "members": 1, "spaces": 0, "createdAt": "2026-11-01T10:00:00.000Z"}
CHANGES: dict[str, Do] = {
    "role": lambda client: client.set_role("u1", "edit"),
    "sso": lambda client: client.mark_sso("u1"),
    "rename": lambda client: client.rename_team("t1", "Editors"),
    "create": lambda client: client.create_team("Editors", ["u1"]),
}


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ("role", MEMBER | {"role": "admin"}), ("role", MEMBER | {"role": None}),
        ("role", MEMBER | {"id": "u2"}),
        ("sso", MEMBER | {"sso": False}), ("sso", MEMBER | {"id": "u2"}),
        ("rename", TEAM | {"title": "Writers"}), ("rename", TEAM | {"id": "t2"}),
        ("create", TEAM | {"title": "Writers"}), ("create", TEAM | {"members": 0}),
    ],
)  # fmt: skip
async def test_an_answer_that_shows_something_else(change: str, shown: dict[str, Any]) -> None:
    """Another role, another member, another title, a team without those it was made with."""
    client = answering(lambda _: httpx.Response(200, json=shown))
    error = await failed(client, CHANGES[change])
    assert (type(error), error.unclear) == (UnconfirmedError, True)
    await client.close()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("shown", [{}, {"id": "u1"}, {"user": None, "role": "edit", "id": "u1", "sso": True}])
async def test_an_answer_that_shows_nothing(change: str, shown: dict[str, Any]) -> None:
    """It is unclear, and no crash."""
    client = answering(lambda _: httpx.Response(200, json=shown))
    assert (await failed(client, CHANGES[change])).unclear
    await client.close()


@pytest.mark.parametrize("user", [None, {}, {"email": None}])
async def test_a_listed_member_without_a_user_does_not_spoil_the_list(user: Any) -> None:
    """Nobody is found by that row; without the others nobody would be invited or removed."""
    rows = [{"id": "u1", "role": "edit", "sso": True, "user": each} for each in (user, {"email": "a@x.test"})]
    client = answering(lambda _: httpx.Response(200, json={"items": rows}))
    assert [member.email for member in (await client.members()).items] == [None, "a@x.test"]
    await client.close()


@pytest.mark.parametrize("title", ["Editors", " Editors ", "EDITORS"])
async def test_a_title_written_a_little_otherwise_is_no_other_team(title: str) -> None:
    """A team that was made so must not be made again and again."""
    client = answering(lambda _: httpx.Response(201, json=TEAM | {"title": title}))
    assert (await client.create_team("Editors", ["u1"])).title == title
    await client.close()


@pytest.mark.parametrize("answer", [{"users": {}}, {"users": [1]}, {"users": [], "failedSSOEmails": "no"}])
async def test_invites_answered_in_another_shape(answer: dict[str, Any]) -> None:
    """It is not known whom GitBook has invited."""
    client = answering(lambda _: httpx.Response(200, json=answer))
    error = await failed(client, lambda client: client.invite([(EMAIL, "read")], sso=True))
    assert (type(error), error.unclear) == (UnavailableError, True)
    await client.close()


# -- limits


async def test_a_503_that_says_when_to_come_again_is_not_repeated(
    sandbox: Sandbox, limited: "tuple[GitBook, Clock]"
) -> None:
    """Reads are tried three times after any other 503."""
    client, clock = limited
    sandbox.inject(always="503", retry_after=30)
    error = await failed(client, GitBook.ping)
    assert isinstance(error, UnavailableError)
    assert (error.until, len(sandbox.calls)) == (clock.now + 30, 1)


class Clock:
    """Unix seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def limited(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[GitBook, Clock]]:
    """A client whose clock, which the sandbox shares, passes only when told."""
    clock = Clock()
    monkeypatch.setattr(sandbox, "clock", clock)
    client = make_client(sandbox)
    client.clock = clock
    yield client, clock
    await client.close()


@pytest.mark.parametrize("skew", [0, 500, -500])
async def test_a_429_waits_for_the_window(
    sandbox: Sandbox, limited: tuple[GitBook, Clock], skew: float
) -> None:
    """By the sandbox's clock; it is neither repeated nor asked again before."""
    client, clock = limited
    sandbox.skew = skew
    sandbox.limits = Limits(Limit(1, 30))
    sandbox.limiter.spend("read", sandbox.now())
    error = await failed(client, GitBook.ping)
    assert isinstance(error, RateLimitedError)
    assert (error.kind, error.unclear) == ("read", False)
    assert error.until == pytest.approx(clock.now + 30, abs=1)
    again = await failed(client, GitBook.ping)
    assert (type(again), len(sandbox.calls)) == (RateLimitedError, 1)
    clock.now += 31
    await client.ping()


async def test_remaining_0_is_waited_for_without_a_429(
    sandbox: Sandbox, limited: tuple[GitBook, Clock]
) -> None:
    """The last call of a window says so."""
    client, _ = limited
    sandbox.limits = Limits(Limit(1, 30))
    await client.ping()
    assert isinstance(await failed(client, GitBook.ping), RateLimitedError)
    assert [call.status for call in sandbox.calls] == [200]


@pytest.mark.parametrize(("retry_after", "wait"), [(7, 7), (0, 1), (None, 1)])
async def test_a_429_without_a_window(
    sandbox: Sandbox, limited: tuple[GitBook, Clock], retry_after: int | None, wait: float
) -> None:
    """Retry-After, or a guess."""
    client, clock = limited
    sandbox.inject(always="429", retry_after=retry_after)
    error = await failed(client, WRITES["invite"](sandbox))
    assert isinstance(error, RateLimitedError)
    assert (error.kind, error.until) == ("invites", clock.now + wait)


async def test_kinds_of_calls_wait_apart(sandbox: Sandbox, limited: tuple[GitBook, Clock]) -> None:
    """A 429 on invites does not hold removals back."""
    client, _ = limited
    sandbox.limits = Limits(by_kind={"invites": Limit(0, 60)})
    assert isinstance(await failed(client, WRITES["invite"](sandbox)), RateLimitedError)
    await client.remove(ana(sandbox))
    await client.create_team("Editors", [])
    assert isinstance(await failed(client, WRITES["invite"](sandbox)), RateLimitedError)
    assert written(sandbox) == ["POST", "DELETE", "PUT"]


async def test_short_waits_are_waited_out(
    sandbox: Sandbox, client: GitBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call waits for its turn by itself; a long wait is the worker's to decide about."""
    monkeypatch.setattr(Budgets, "wait", lambda _, kind, now: {"read": 0.1, "members": 2.1}[kind])
    loop = asyncio.get_running_loop()
    started = loop.time()
    await client.ping()
    assert loop.time() - started >= 0.1
    error = await failed(client, WRITES["remove"](sandbox))
    assert (type(error), written(sandbox)) == (RateLimitedError, [])


# -- who listens


async def test_every_attempt_is_told(sandbox: Sandbox, client: GitBook) -> None:
    """With kind, method, path, status and time; status 0 when no answer came."""
    calls: list[Call] = []
    client.after_call = calls.append
    sandbox.inject(next=[{"fault": "503"}, {"fault": "reset"}])
    await client.ping()
    assert [(call.kind, call.method, call.status) for call in calls] == [
        ("read", "GET", 503), ("read", "GET", 0), ("read", "GET", 200),
    ]  # fmt: skip
    assert {call.path for call in calls} == {"/v1/orgs/acme/members"}
    assert all(0 <= call.seconds < 5 for call in calls)


async def test_a_lost_lease_stops_a_call(sandbox: Sandbox, client: GitBook) -> None:
    """Asked before each attempt; what it raises goes through as it is."""
    answers: list[Any] = [None, ValueError("the lease is lost")]

    async def ask() -> None:
        if error := answers.pop(0):
            raise error

    client.before_call = ask
    sandbox.inject(always="503")
    with pytest.raises(ValueError, match="the lease is lost"):
        await client.ping()
    assert len(sandbox.calls) == 1


async def test_a_process_that_froze_behind_the_check_sends_nothing(sandbox: Sandbox) -> None:
    """A call's time counts from before the check: who waits it out need not fear that one leaves later."""
    client = make_client(sandbox, timeout=0.05)

    async def freeze() -> None:
        time.sleep(0.1)  # noqa: ASYNC251 # nothing runs meanwhile, as in a process that is stopped

    client.before_call = freeze
    assert isinstance(await failed(client, WRITES["remove"](sandbox)), UnavailableError)
    assert sandbox.calls == []
    await client.close()


@pytest.mark.parametrize("ahead", [3600, 0, -3600])
def test_clock_skew(ahead: int) -> None:
    """Seconds that the target's clock is ahead; None when it tells no time."""
    now = 784_111_777.0
    assert clock_skew({"date": "Sun, 06 Nov 1994 08:49:37 GMT"}, now - ahead) == ahead
    assert [clock_skew(told, now) for told in ({}, {"date": "today"})] == [None, None]


async def test_whoever_cannot_come_back_later_waits_for_the_limit(
    sandbox: Sandbox, client: GitBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of more pages than the limit lets one read at once is read to its end; only for so long."""
    for number in range(9):
        sandbox.seed_member(f"m{number}@acme.test")
    sandbox.inject(page_size=2)
    now, waits = [1_000_000.0], list[float]()
    client.clock = sandbox.clock = lambda: now[0]
    sandbox.limits = Limits(Limit(2, 60.0))

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("bridge.targets.gitbook.asyncio.sleep", sleep)
    client.patience, client.before_wait = 120.0, waits.append
    assert len([each async for each in walk(lambda page: client.members(page=page))]) == 11
    assert waits
    assert sum(waits) >= 120
    client.patience = 5.0
    with pytest.raises(RateLimitedError):
        for _ in range(3):
            await client.members()
