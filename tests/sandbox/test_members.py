"""Members and invites over HTTP."""

from typing import Any

import httpx
import pytest

from bridge.sandbox import Sandbox


async def everybody(api: httpx.AsyncClient, **query: str) -> list[str]:
    """All e-mails of the members list, page by page."""
    found: list[str] = []
    while True:
        answer = (await api.get("/members", params=query)).json()
        found += [item["user"]["email"] for item in answer["items"]]
        if "next" not in answer:
            return found
        query["page"] = answer["next"]["page"]


async def test_invite_with_sso_makes_members(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """With sso, the invited are members at once, `users` has their ids and `invited` stays 0."""
    body = {"emails": ["Ana@acme.test", {"email": "bo@acme.test", "role": None}], "role": "edit", "sso": True}
    answer = await api.post("/invites", json=body)
    ana, bo = sandbox.members()["ana@acme.test"], sandbox.members()["bo@acme.test"]
    assert answer.status_code == 200
    assert {"users", "invited"} == answer.json().keys()
    assert {ana.id, bo.id} == set(answer.json()["users"])
    assert answer.json()["invited"] == 0
    assert (ana.role, ana.sso, bo.role, bo.sso) == ("edit", True, None, True)


async def test_invite_without_sso_counts_the_new(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Without sso, `invited` counts those who were no members; who was one keeps their role."""
    known = sandbox.seed_member("ana@acme.test", "admin")
    answer = await api.post("/invites", json={"emails": ["ana@acme.test", "bo@acme.test"]})
    assert answer.json()["invited"] == 1
    assert known.id in answer.json()["users"]
    assert sandbox.members()["ana@acme.test"].role == "admin"
    assert sandbox.members()["bo@acme.test"].role == "read"


async def test_invite_shuffles_ids(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The ids come in another order than the addresses."""
    emails = [f"user{n}@acme.test" for n in range(20)]
    users = (await api.post("/invites", json={"emails": emails, "sso": True})).json()["users"]
    asked = [sandbox.members()[email].id for email in emails]
    assert sorted(asked) == sorted(users)
    assert asked != users


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"emails": "ana@acme.test"},
        {"emails": ["ana@acme.test"], "role": "guest"},
        {"emails": ["ana@acme.test"], "role": "boss"},
        {"emails": ["ana@acme.test"], "role": ["read"]},
        {"emails": ["ana@acme.test"], "sso": "saml1"},
        {"emails": ["ana@acme.test", {"email": "bo@acme.test"}]},
        {"emails": ["ana@acme.test", "not an address"]},
        [],
    ],
)
async def test_bad_invites_change_nothing(api: httpx.AsyncClient, sandbox: Sandbox, body: Any) -> None:
    """A body that GitBook's schema refuses is answered 400 in GitBook's error shape."""
    answer = await api.post("/invites", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400
    assert answer.json()["error"]["message"]
    assert list(sandbox.members()) == ["owner@acme.test"]


async def test_text_that_is_no_json_is_400(api: httpx.AsyncClient) -> None:
    """A body that is not JSON is answered 400 too."""
    assert (await api.post("/invites", content=b"{")).status_code == 400


async def test_pages_survive_inserts_and_removals(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Whoever is a member throughout is listed exactly once, whatever happens between the pages."""
    for number in range(10):
        sandbox.seed_member(f"user{number}@acme.test")
    first = (await api.get("/members", params={"limit": "4"})).json()
    seen = [item["user"]["email"] for item in first["items"]]
    sandbox.seed_member("late@acme.test")
    sandbox.state.leave(sandbox.members()[seen[-1]].id)
    rest = await everybody(api, limit="4", page=first["next"]["page"])
    assert [f"user{n}@acme.test" for n in reversed(range(10))] + ["owner@acme.test"] == seen + rest


async def test_search_is_contained_in_name_or_address(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """`search` looks in display name and e-mail, in any case."""
    sandbox.seed_member("ana+x@acme.test", name="Ana Ng")
    sandbox.seed_member("bo@acme.test", name="Bo Banana")
    assert {"ana+x@acme.test", "bo@acme.test"} == set(await everybody(api, search="ANA"))
    assert await everybody(api, search="ana+x@ACME.test") == ["ana+x@acme.test"]


async def test_role_filter_and_order(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """`role=guest` finds role null; the newest comes first unless told otherwise."""
    sandbox.seed_member("guest@acme.test", None)
    sandbox.seed_member("ana@acme.test", name="Zoe")
    assert await everybody(api, role="guest") == ["guest@acme.test"]
    assert await everybody(api) == ["ana@acme.test", "guest@acme.test", "owner@acme.test"]
    assert await everybody(api, sort="name", order="asc") == [
        "guest@acme.test",
        "owner@acme.test",
        "ana@acme.test",
    ]


@pytest.mark.parametrize(
    "query",
    ["role=boss", "sort=email", "order=up", "limit=1001", "limit=-1", "limit=x", "page=x", "page=W10"],
)
async def test_bad_queries_are_400(api: httpx.AsyncClient, query: str) -> None:
    """A query that the schema refuses is answered 400."""
    assert (await api.get(f"/members?{query}")).status_code == 400


async def test_a_cursor_of_another_order_is_400(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A cursor is good only for the list it came from."""
    sandbox.seed_member("ana@acme.test")
    page = (await api.get("/members", params={"limit": "1"})).json()["next"]["page"]
    answer = await api.get("/members", params={"sort": "name", "page": page})
    assert answer.status_code == 400


async def test_limit_0_lists_nobody(api: httpx.AsyncClient) -> None:
    """`limit=0` is allowed: no items, no next page, but the count."""
    assert (await api.get("/members?limit=0")).json() == {"items": [], "count": 1}


async def test_a_member_has_all_fields(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A member shows every field the schema requires; spaces, teams and sites are counts."""
    ana = sandbox.seed_member("ana@acme.test", None, sso=True, spaces=2)
    sandbox.seed_team("Writers", [ana.id])
    assert (await api.get(f"/members/{ana.id}")).json() == {
        "object": "member",
        "id": ana.id,
        "role": None,
        "user": {
            "object": "user",
            "id": ana.id,
            "displayName": "Ana",
            "email": "ana@acme.test",
            "urls": {"location": f"{sandbox.url}/users/{ana.id}"},
        },
        "disabled": False,
        "joinedAt": "2027-01-15T08:00:00.250Z",
        "sso": True,
        "spaces": 2,
        "teams": 1,
        "sites": 0,
    }


async def test_role_is_changed(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """PATCH sets the role, null makes a guest, and the string "guest" is refused."""
    ana = sandbox.seed_member("ana@acme.test")
    assert (await api.patch(f"/members/{ana.id}", json={"role": "admin"})).json()["role"] == "admin"
    assert (await api.patch(f"/members/{ana.id}", json={"role": "guest"})).status_code == 400
    assert (await api.patch(f"/members/{ana.id}", json={"role": None})).json()["role"] is None
    assert (await api.patch(f"/members/{ana.id}", json={})).json()["role"] is None


async def test_sso_is_marked(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """POST …/sso needs no body and shows the member."""
    ana = sandbox.seed_member("ana@acme.test")
    assert (await api.post(f"/members/{ana.id}/sso")).json()["sso"] is True


async def test_a_removed_member_leaves_all_teams_and_keeps_the_id(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """DELETE is 205, then 204; the same account comes back when invited again, in no team."""
    ana = sandbox.seed_member("ana@acme.test")
    sandbox.seed_team("Writers", ["ana@acme.test"])
    statuses = [(await api.delete(f"/members/{ana.id}")).status_code for _ in range(2)]
    assert statuses == [205, 204]
    assert {"Writers": set()} == sandbox.teams()
    assert (await api.get(f"/members/{ana.id}")).status_code == 404
    answer = await api.post("/invites", json={"emails": ["ana@acme.test"], "sso": True})
    assert [ana.id] == answer.json()["users"]
    assert {"Writers": set()} == sandbox.teams()


async def test_an_owner_who_is_no_admin_only_asks(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Without an admin's rights a removal is a request: 202, and nobody is gone."""
    ana = sandbox.seed_member("ana@acme.test")
    sandbox.state.change(sandbox.owner, role="edit")
    assert (await api.delete(f"/members/{ana.id}")).status_code == 202
    assert "ana@acme.test" in sandbox.members()


@pytest.mark.parametrize("path", ["", "/sso", "/teams", "/spaces"])
async def test_unknown_members_are_404(api: httpx.AsyncClient, path: str) -> None:
    """Whatever is asked of somebody who is no member is answered 404."""
    method = "POST" if path == "/sso" else "GET"
    assert (await api.request(method, f"/members/nobody{path}")).status_code == 404


async def test_member_teams_and_spaces(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A member's teams come with the role in each, their spaces with the permission."""
    ana = sandbox.seed_member("ana@acme.test", "edit", spaces=3)
    writers = sandbox.seed_team("Writers", [ana.id])
    writers.members[ana.id] = "owner"
    sandbox.seed_team("Readers", [ana.id])
    teams = (await api.get(f"/members/{ana.id}/teams", params={"title": "WRIT"})).json()["items"]
    spaces = (await api.get(f"/members/{ana.id}/spaces", params={"limit": "2"})).json()
    assert [(item["team"]["title"], item["member"]["role"]) for item in teams] == [("Writers", "owner")]
    assert [item["space"]["title"] for item in spaces["items"]] == ["Space 3", "Space 2"]
    assert spaces["count"] == 3
