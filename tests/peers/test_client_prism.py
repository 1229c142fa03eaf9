"""Every request our GitBook client can make is one that GitBook's document allows, as Prism judges it."""

import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from bridge.settings import Secret
from bridge.targets.base import Removal, TargetError, UnconfirmedError
from bridge.targets.gitbook import GitBook
from tests.peers.processes import Prism
from tests.peers.spec import Spec, body_schema_for, problems, template_of

pytestmark = pytest.mark.peers

TOKEN = "gb_api_of-the-tests"
NO_REQUEST = {"close"}  # methods of the client that call nothing
ORG = "/orgs/{organizationId}"
MEMBERS, MEMBER, INVITES = f"{ORG}/members", f"{ORG}/members/{{userId}}", f"{ORG}/invites"
TEAMS, TEAM, TEAM_MEMBERS = f"{ORG}/teams", f"{ORG}/teams/{{teamId}}", f"{ORG}/teams/{{teamId}}/members"
ODD = "a:b+c@d;e=f"  # an id is text to us; it must stay one part of the path


@dataclass(frozen=True)
class Case:
    """One call of the client and the operation it must become.

    `status`: the answer to ask Prism for (`Prefer`), where the lowest success is not the one meant.
    `body`: what must be sent, None for nothing.
    """

    method: str
    call: Callable[[GitBook], Awaitable[Any]]
    operation: tuple[str, str]
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    status: int | None = None

    def __str__(self) -> str:
        """Return what tells it from the others in pytest's output."""
        told = [*self.query.values(), json.dumps(self.body)] if self.query or self.body else []
        return " ".join([self.method, *told, *([str(self.status)] if self.status else [])])


ALL = {"limit": "1000"}
ANA_EDITS = {"emails": [{"email": "ana@acme.test", "role": "edit"}], "sso": True}
GUESTS = {"emails": [{"email": f"{name}@acme.test", "role": None} for name in ("ana", "ben+x")], "sso": False}
CASES = [
    Case("ping", lambda c: c.ping(), ("GET", MEMBERS), query={"limit": "1"}),
    Case("owner", lambda c: c.owner(), ("GET", "/user")),
    Case("user", lambda c: c.user(), ("GET", "/user")),
    Case("organization", lambda c: c.organization(), ("GET", ORG)),
    Case("members", lambda c: c.members(), ("GET", MEMBERS), query=ALL),
    Case(
        "members",
        lambda c: c.members("ben+x@acme.test", "guest", "cursor=", 0),
        ("GET", MEMBERS),
        query={"search": "ben+x@acme.test", "role": "guest", "page": "cursor=", "limit": "0"},
    ),
    Case("member", lambda c: c.member("u1"), ("GET", MEMBER)),
    Case("member", lambda c: c.member(ODD), ("GET", MEMBER)),
    Case("invite", lambda c: c.invite([("ana@acme.test", "edit")], True), ("POST", INVITES), ANA_EDITS),
    Case(
        "invite",
        lambda c: c.invite([("ana@acme.test", "guest"), ("ben+x@acme.test", "guest")], False),
        ("POST", INVITES),
        GUESTS,
    ),
    Case("remove", lambda c: c.remove("u1"), ("DELETE", MEMBER), status=205),
    Case("remove", lambda c: c.remove(ODD), ("DELETE", MEMBER), status=204),
    Case("remove", lambda c: c.remove("u1"), ("DELETE", MEMBER), status=202),
    *(
        Case("set_role", lambda c, role=role: c.set_role("u1", role), ("PATCH", MEMBER), {"role": role})  # type: ignore[misc]
        for role in ("admin", "create", "edit", "review", "comment", "read")
    ),
    Case("set_role", lambda c: c.set_role(ODD, "guest"), ("PATCH", MEMBER), {"role": None}),
    Case("mark_sso", lambda c: c.mark_sso("u1"), ("POST", f"{MEMBER}/sso")),
    Case("teams", lambda c: c.teams(), ("GET", TEAMS), query=ALL),
    Case(
        "teams",
        lambda c: c.teams("R&D = Ñ", "cursor="),
        ("GET", TEAMS),
        query={**ALL, "title": "R&D = Ñ", "page": "cursor="},
    ),
    Case("team", lambda c: c.team("t1"), ("GET", TEAM)),
    Case("team_members", lambda c: c.team_members("t1"), ("GET", TEAM_MEMBERS), query=ALL),
    Case(
        "team_members",
        lambda c: c.team_members("t1", "cursor="),
        ("GET", TEAM_MEMBERS),
        query={**ALL, "page": "cursor="},
    ),
    Case(
        "create_team",
        lambda c: c.create_team("T" * 64, ["u1", "u2"]),
        ("PUT", TEAMS),
        {"title": "T" * 64, "members": ["u1", "u2"]},
    ),
    Case("create_team", lambda c: c.create_team("R&D", []), ("PUT", TEAMS), {"title": "R&D", "members": []}),
    Case("rename_team", lambda c: c.rename_team("t1", "R&D"), ("PATCH", TEAM), {"title": "R&D"}),
    Case(
        "update_team",
        lambda c: c.update_team("t1", ["u1"], ["u2"]),
        ("PUT", TEAM_MEMBERS),
        {"add": ["u1"], "remove": ["u2"]},
    ),
    Case("update_team", lambda c: c.update_team("t1", ["u1"], []), ("PUT", TEAM_MEMBERS), {"add": ["u1"]}),
    Case("update_team", lambda c: c.update_team("t1", [], ["u2"]), ("PUT", TEAM_MEMBERS), {"remove": ["u2"]}),
    Case("delete_team", lambda c: c.delete_team("t1"), ("DELETE", TEAM), status=205),
    Case("delete_team", lambda c: c.delete_team("t1"), ("DELETE", TEAM), status=204),
]


class Wire(httpx.AsyncBaseTransport):
    """The network, with every answer (and its request) kept, and a status to ask Prism for."""

    def __init__(self) -> None:
        """Nothing was sent yet."""
        self.answers: list[httpx.Response] = []
        self.status: int | None = None
        self._transport = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it."""
        if self.status:
            request.headers["Prefer"] = f"code={self.status}"
        answer = await self._transport.handle_async_request(request)
        answer.request = request
        await answer.aread()
        self.answers.append(answer)
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


@pytest.fixture
def wire() -> Wire:
    """The network of `client`."""
    return Wire()


@pytest.fixture
async def client(prism: Prism, wire: Wire) -> AsyncIterator[GitBook]:
    """Our client, told that Prism is GitBook."""
    made = GitBook(prism.url, "acme", Secret(TOKEN), client=httpx.AsyncClient(transport=wire))
    yield made
    await made.close()


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_request_is_one_the_document_allows(
    spec: Spec, prism: Prism, client: GitBook, wire: Wire, case: Case
) -> None:
    """It is the operation meant, Prism takes it, and it holds nothing that GitBook would not read."""
    wire.status = case.status

    with suppress(UnconfirmedError):  # Prism's examples show what the document does, not what was asked for
        await case.call(client)

    [answer] = wire.answers
    request = answer.request
    path = request.url.raw_path.decode().partition("?")[0].removeprefix("/v1")
    assert answer.status_code < 400, answer.text
    assert b'"validation"' not in answer.content
    assert (request.method, template_of(spec, path)) == case.operation
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert dict(request.url.params) == case.query
    assert case.query.keys() <= _parameters(spec, *case.operation)
    assert _body(request) == case.body
    schema = body_schema_for(spec, *case.operation)
    if case.body is not None:
        assert schema is not None
        assert problems(spec, schema, case.body) == []


async def test_the_answer_to_a_removal_is_told_apart(client: GitBook, wire: Wire) -> None:
    """205 and 204 mean removed, 202 that somebody was asked to."""
    answers = {}
    for status in (202, 204, 205):
        wire.status = status
        answers[status] = await client.remove("u1")

    assert answers == {202: Removal.REQUESTED, 204: Removal.DONE, 205: Removal.DONE}


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.create_team("T" * 65, []),
        lambda c: c.rename_team("t1", ""),
        lambda c: c.invite([("ana@acme.test", "superuser")], True),
        lambda c: c.invite([("no address", "read")], True),
        lambda c: c.set_role("u1", "owner"),
        lambda c: c.members(limit=1001),
        lambda c: c.update_team("t1", [None], []),
    ],
)
async def test_what_the_document_forbids_is_refused(
    client: GitBook, wire: Wire, call: Callable[[GitBook], Awaitable[Any]]
) -> None:
    """Prism judges what is in a request: were it to take these, the other tests would prove nothing."""
    with pytest.raises(TargetError):
        await call(client)

    assert 400 <= wire.answers[-1].status_code < 500


def test_every_method_of_the_client_is_called_here() -> None:
    """A method that is added to the client needs a case."""
    methods = {
        name
        for name, value in inspect.getmembers(GitBook, inspect.isroutine)
        if not name.startswith("_") and name not in NO_REQUEST
    }

    assert {case.method for case in CASES} == methods


def _parameters(spec: Spec, method: str, template: str) -> set[str]:
    """Return the names of the query parameters an operation has."""
    told = spec["paths"][template][method.lower()].get("parameters", ())
    shared = spec["components"]["parameters"]
    full = [shared[item["$ref"].rsplit("/", 1)[1]] if "$ref" in item else item for item in told]
    return {item["name"] for item in full if item["in"] == "query"}


def _body(request: httpx.Request) -> Any:
    return json.loads(request.content) if request.content else None
