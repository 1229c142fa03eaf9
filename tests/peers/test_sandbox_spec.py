"""Our GitBook stand-in answers as GitBook's own document says: every operation, every status, every field."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from bridge.sandbox import Limit, Limits, Sandbox, running_sandbox
from bridge.sandbox.app import ROUTES
from tests.peers.spec import Spec, answer_problems, operations, template_of

pytestmark = pytest.mark.peers

ORG = "/orgs/acme"
ANA = f"{ORG}/members/{{ana}}"
NOBODY = f"{ORG}/members/nobody"
WRITERS = f"{ORG}/teams/{{writers}}"
NO_TEAM = f"{ORG}/teams/nothing"
NEW = ["zoe@acme.test"]
LONG = "T" * 65


@dataclass(frozen=True)
class Case:
    """A call and the status it must get. `{ana}`, `{ben}`, `{writers}` in the path stand for ids.

    Ana is in the team Writers, Ben in none. `faults`: what is switched on before the call.
    """

    method: str
    path: str
    status: int
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return what tells it from the others in pytest's output."""
        parts = [self.method, self.path.removeprefix(ORG) or ORG, str(self.status)]
        return " ".join([*parts, *self.query.values(), *self.faults, *(self.body or ())])


CASES = [
    Case("GET", "/user", 200),
    Case("GET", "/orgs", 200),
    Case("GET", "/orgs", 200, faults={"organization_gone": True}),
    Case("GET", ORG, 200),
    Case("GET", "/orgs/other", 404),
    Case("GET", f"{ORG}/saml", 200),
    Case("GET", f"{ORG}/sso", 200),
    Case("GET", f"{ORG}/link-invites", 200),
    # invites
    Case("POST", f"{ORG}/invites", 200, {"emails": NEW}),
    Case("POST", f"{ORG}/invites", 200, {"emails": NEW, "sso": True, "role": "edit"}),
    Case("POST", f"{ORG}/invites", 200, {"emails": NEW, "role": None}),
    Case("POST", f"{ORG}/invites", 200, {"emails": [{"email": NEW[0], "role": "admin"}], "sso": True}),
    Case("POST", f"{ORG}/invites", 200, {"emails": []}),
    Case("POST", f"{ORG}/invites", 200, {"emails": NEW, "sso": True}, faults={"failed_sso": ["*"]}),
    Case("POST", f"{ORG}/invites", 200, {"emails": NEW, "sso": True}, faults={"pending_invites": ["*"]}),
    Case("POST", f"{ORG}/invites", 400, {"emails": NEW}, faults={"bad_addresses": ["zoe*"]}),
    Case("POST", f"{ORG}/invites", 400, {"emails": ["no address"]}),
    Case("POST", f"{ORG}/invites", 400, {"emails": NEW, "role": "guest"}),
    Case("POST", f"{ORG}/invites", 400, {"emails": NEW, "sso": "okta"}),
    Case("POST", f"{ORG}/invites", 400, {}),
    Case("POST", f"{ORG}/invites", 403, {"emails": NEW}, faults={"forbidden": ["zoe*"]}),
    # members
    Case("GET", f"{ORG}/members", 200),
    Case("GET", f"{ORG}/members", 200, query={"limit": "1", "order": "asc", "sort": "name"}),
    Case("GET", f"{ORG}/members", 200, query={"search": "ana@acme.test", "sort": "lastSeenAt"}),
    Case("GET", f"{ORG}/members", 200, query={"role": "guest"}),
    Case("GET", f"{ORG}/members", 400, query={"limit": "1001"}),
    Case("GET", f"{ORG}/members", 400, query={"page": "not a cursor"}),
    Case("GET", f"{ORG}/members", 400, query={"sort": "email"}),
    Case("GET", ANA, 200),
    Case("GET", NOBODY, 404),
    Case("PATCH", ANA, 200, {"role": "edit"}),
    Case("PATCH", ANA, 200, {"role": None}),
    Case("PATCH", ANA, 200, {}),
    Case("PATCH", ANA, 400, {"role": "guest"}),
    Case("PATCH", NOBODY, 404, {"role": "edit"}),
    Case("DELETE", ANA, 205),
    Case("DELETE", NOBODY, 204),
    Case("DELETE", ANA, 202, faults={"removal_202": True}),
    Case("DELETE", ANA, 403, faults={"forbidden": ["ana@acme.test"]}),
    Case("POST", f"{ANA}/sso", 200),
    Case("POST", f"{NOBODY}/sso", 404),
    Case("GET", f"{ANA}/spaces", 200),
    Case("GET", f"{ANA}/spaces", 200, query={"limit": "1"}),
    Case("GET", f"{NOBODY}/spaces", 404),
    Case("GET", f"{ANA}/teams", 200),
    Case("GET", f"{NOBODY}/teams", 404),
    # teams
    Case("GET", f"{ORG}/teams", 200),
    Case("GET", f"{ORG}/teams", 200, query={"title": "WRIT", "limit": "1"}),
    Case("GET", f"{ORG}/teams", 400, query={"limit": "-1"}),
    Case("PUT", f"{ORG}/teams", 201, {"title": "Readers"}),
    Case("PUT", f"{ORG}/teams", 201, {"title": "Writers", "members": []}),
    Case("PUT", f"{ORG}/teams", 400, {"title": LONG}),
    Case("PUT", f"{ORG}/teams", 400, {"title": ""}),
    Case("PUT", f"{ORG}/teams", 404, {"title": "Readers", "members": ["nobody"]}),
    Case("GET", WRITERS, 200),
    Case("GET", NO_TEAM, 404),
    Case("PATCH", WRITERS, 200, {"title": "Tech Writers"}),
    Case("PATCH", WRITERS, 400, {"title": LONG}),
    Case("PATCH", NO_TEAM, 404, {"title": "Tech Writers"}),
    Case("DELETE", WRITERS, 205),
    Case("DELETE", NO_TEAM, 204),
    Case("GET", f"{WRITERS}/members", 200),
    Case("GET", f"{WRITERS}/members", 200, query={"limit": "1"}),
    Case("GET", f"{NO_TEAM}/members", 404),
    Case("PUT", f"{WRITERS}/members", 204, {"add": ["ben@acme.test"], "remove": ["ana@acme.test"]}),
    Case("PUT", f"{WRITERS}/members", 204, {}),
    Case("PUT", f"{WRITERS}/members", 400, {"add": "ben@acme.test"}),
    Case("PUT", f"{WRITERS}/members", 404, {"add": ["nobody@acme.test"]}),
    Case("PUT", f"{NO_TEAM}/members", 404, {"add": ["ben@acme.test"]}),
    Case("PUT", f"{WRITERS}/members/{{ben}}", 204),
    Case("PUT", f"{WRITERS}/members/{{ben}}", 204, {"role": "owner"}),
    Case("PUT", f"{WRITERS}/members/{{ben}}", 400, {"role": "boss"}),
    Case("PUT", f"{WRITERS}/members/nobody", 404),
    Case("DELETE", f"{WRITERS}/members/{{ana}}", 205),
    Case("DELETE", f"{WRITERS}/members/{{ben}}", 204),
    Case("DELETE", f"{NO_TEAM}/members/{{ben}}", 404),
    # whatever the call
    Case("GET", f"{ORG}/members", 401, faults={"rejected_token": True}),
    Case("GET", f"{ORG}/members", 404, faults={"organization_gone": True}),
    Case("GET", f"{ORG}/members", 429, faults={"always": "429"}),
    Case("GET", f"{ORG}/members", 429, faults={"always": "429", "retry_after": 3}),
    Case("GET", f"{ORG}/members", 500, faults={"next": [{"fault": "500"}]}),
    Case("GET", f"{ORG}/members", 503, faults={"always": "503"}),
    Case(
        "PUT", f"{ORG}/teams", 502, {"title": "Readers"}, faults={"next": [{"fault": "502", "after": True}]}
    ),
]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox with all that its answers can show: a guest, spaces, a team with somebody in it, SAML."""
    async with running_sandbox() as running:
        running.seed_member("ana@acme.test", "edit", sso=True, name="Ana Ng", spaces=2)
        running.seed_member("ben@acme.test", None)
        running.seed_team("Writers", ["ana@acme.test"], spaces=1)
        running.seed_team("Underwriters", ["ana@acme.test", "ben@acme.test"])
        running.saml = ["Okta"]
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the sandbox's token."""
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, trust_env=False) as made:
        yield made


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_an_answer_is_what_the_spec_says(
    spec: Spec, sandbox: Sandbox, client: httpx.AsyncClient, case: Case
) -> None:
    """The status is the one expected, the body has the fields of the spec's schema and no others."""
    ids = {"ana": _member(sandbox, "ana"), "ben": _member(sandbox, "ben"), "writers": _team(sandbox)}
    path = case.path.format(**ids)
    sandbox.inject(**case.faults)

    answer = await client.request(case.method, path, params=case.query, json=case.body)

    assert answer.status_code == case.status, answer.text
    assert answer_problems(spec, case.method, path, answer.status_code, answer.content) == []
    if answer.content:
        assert answer.headers["content-type"].startswith("application/json")


async def test_an_answer_over_the_limit_is_what_the_documentation_says(
    spec: Spec, sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    """Every answer tells the limit in three headers; the call after the last one is answered 429."""
    sandbox.limits = Limits(Limit(2, 60))

    answers = [await client.get(f"{ORG}/members") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    for answer in answers:
        assert answer_problems(spec, "GET", f"{ORG}/members", answer.status_code, answer.content) == []
        assert {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"} <= answer.headers.keys()
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]


async def test_pages_are_followed_to_the_end(spec: Spec, sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    """Each page is valid, `next` is absent on the last one, and all items come once."""
    for number in range(5):
        sandbox.seed_member(f"u{number}@acme.test")
    seen: list[str] = []
    query = {"limit": "3"}
    while True:
        answer = await client.get(f"{ORG}/members", params=query)
        assert answer_problems(spec, "GET", f"{ORG}/members", 200, answer.content) == []
        page = answer.json()
        seen += [item["user"]["email"] for item in page["items"]]
        if "next" not in page:
            break
        query["page"] = page["next"]["page"]

    assert sorted(seen) == sorted(sandbox.members())
    assert len(seen) == 8


def test_every_operation_of_the_sandbox_is_in_the_spec_and_in_the_cases(spec: Spec) -> None:
    """A route that GitBook does not have, or that no case calls with success, is a mistake."""
    routes = {(method, template_of(spec, path.removeprefix("/v1"))) for method, path, _ in ROUTES}
    called = {(c.method, template_of(spec, c.path)) for c in CASES if c.status < 300}

    assert routes <= operations(spec)
    assert called == routes


def test_every_status_the_spec_declares_for_them_is_in_the_cases(spec: Spec) -> None:
    """205 and 204, 202, 201, 400: what an operation may answer has been seen from the sandbox."""
    seen: dict[tuple[str, str], set[str]] = {}
    for case in CASES:
        seen.setdefault((case.method, template_of(spec, case.path)), set()).add(str(case.status))
    never = {("GET", "/user"): {"404"}}  # the token's owner is always there

    for (method, template), statuses in seen.items():
        declared = set(spec["paths"][template][method.lower()]["responses"])
        assert declared - never.get((method, template), set()) <= statuses, f"{method} {template}"


def _member(sandbox: Sandbox, name: str) -> str:
    return sandbox.members()[f"{name}@acme.test"].id


def _team(sandbox: Sandbox) -> str:
    return next(team.id for team in sandbox.state.teams.values() if team.title == "Writers")
