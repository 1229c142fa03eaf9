"""The caller, the organisation, sign-in, and what is nowhere."""

import httpx
import pytest

from bridge.sandbox import Sandbox, create_app


async def test_user_is_the_owner(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """`GET /user` shows whom the token belongs to, an admin member."""
    answer = (await api.get(f"{sandbox.url}/user")).json()
    assert (sandbox.owner.id, "owner@acme.test") == (answer["id"], answer["email"])
    assert sandbox.members()["owner@acme.test"].role == "admin"


def test_owner_is_settable() -> None:
    """Another owner can be named."""
    assert list(Sandbox("docs", owner="boss@docs.test").members()) == ["boss@docs.test"]


async def test_organization(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The organisation tells the rights of the token, and is the only one in the list."""
    answer = (await api.get(f"{sandbox.url}/orgs/acme")).json()
    assert (answer["id"], answer["permissions"]["admin"]) == ("acme", True)
    sandbox.state.change(sandbox.owner, role="read")
    answer = (await api.get(f"{sandbox.url}/orgs/acme")).json()
    assert answer["permissions"]["admin"] is False
    assert [answer] == (await api.get(f"{sandbox.url}/orgs")).json()["items"]


async def test_saml_and_sso(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """SAML providers are those seeded; /sso shows the same ones, unpaged; link invites are empty."""
    assert (await api.get("/saml")).json()["items"] == []
    sandbox.saml += ["Okta", "Entra"]
    saml, sso = (await api.get("/saml")).json(), (await api.get("/sso")).json()
    assert [item["label"] for item in saml["items"]] == ["Okta", "Entra"]
    assert [(item["id"], item["label"]) for item in saml["items"]] == [
        (item["id"], item["label"]) for item in sso["items"]
    ]
    assert (await api.get("/link-invites")).json()["items"] == []


@pytest.mark.parametrize("path", ["/v1/orgs/other/members", "/v1/nothing", "/v1/orgs/acme/scim"])
async def test_elsewhere_is_404(api: httpx.AsyncClient, path: str) -> None:
    """Another organisation, and paths that do not exist, answer 404 in GitBook's error shape."""
    answer = await api.get(f"http://sandbox.test{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, 404)


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic gb_api_sandbox", "Bearer schlüssel"])
async def test_wrong_tokens_are_401(sandbox: Sandbox, token: str) -> None:
    """Only the bearer token is let in."""
    transport = httpx.ASGITransport(create_app(sandbox))
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.get(f"{sandbox.url}/user", headers={b"Authorization": token.encode()})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, 401)


async def test_calls_are_recorded(api: httpx.AsyncClient, root: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Every call under /v1 is kept with its query, body and status, and shown at /sandbox/calls."""
    await api.get("/members", params={"search": "a+b"})
    await api.put("/teams", json={"title": "Writers"})
    await api.put("/teams", content=b"{")
    shown = (await root.get("/sandbox/calls")).json()
    assert [
        (call["method"], call["path"], call["query"], call["body"], call["status"]) for call in shown
    ] == [
        ("GET", "/v1/orgs/acme/members", {"search": "a+b"}, None, 200),
        ("PUT", "/v1/orgs/acme/teams", {}, {"title": "Writers"}, 201),
        ("PUT", "/v1/orgs/acme/teams", {}, "{", 400),
    ]
    assert shown[0]["time"] == sandbox.clock()
    assert len(sandbox.calls_like("^PUT")) == 2


async def test_state_is_shown(root: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """`GET /sandbox/state` shows members and teams without a token."""
    sandbox.seed_team("Writers", ["owner@acme.test"])
    state = (await root.get("/sandbox/state")).json()
    assert [member["email"] for member in state["members"]] == ["owner@acme.test"]
    assert [(team["title"], team["members"]) for team in state["teams"]] == [("Writers", ["owner@acme.test"])]
    assert "token" not in state
