"""Teams over HTTP."""

from typing import Any

import httpx
import pytest

from bridge.sandbox import Sandbox


async def test_a_team_is_created_each_time(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """PUT teams answers 201 with the team, and a second call makes a second team of that title."""
    ana = sandbox.seed_member("ana@acme.test")
    answers = [await api.put("/teams", json={"title": "Writers", "members": [ana.id]}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == {
        "object": "team",
        "id": answers[0].json()["id"],
        "title": "Writers",
        "members": 1,
        "spaces": 0,
        "createdAt": "2027-01-15T08:00:00.250Z",
        "permissions": {"admin": True, "view": True},
    }
    assert [("Writers", {"ana@acme.test"})] * 2 == sandbox.team_list()
    assert {"Writers": {"ana@acme.test"}} == sandbox.teams()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"title": ""}, 400),
        ({"title": "x" * 65}, 400),
        ({"title": 5}, 400),
        ({"title": "A", "members": "u1"}, 400),
        ({"title": "A", "members": [5]}, 400),
        ({"title": "A", "members": ["owner@acme.test"]}, 400),
        ({"title": "A", "members": ["nobody"]}, 404),
        ({"title": "x" * 64}, 201),
    ],
)
async def test_what_a_team_may_be(api: httpx.AsyncClient, body: dict[str, Any], status: int) -> None:
    """A title has 1 to 64 characters, members are ids of members."""
    assert status == (await api.put("/teams", json=body)).status_code


async def test_teams_are_found_by_title_and_owner(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """`title` is contained in any case; `owner` is a member id."""
    sandbox.seed_team("Writers").members[sandbox.owner.id] = "owner"
    sandbox.seed_team("Ghost writers", ["owner@acme.test"])
    sandbox.seed_team("Readers")

    async def titles(**query: str) -> list[str]:
        return [item["title"] for item in (await api.get("/teams", params=query)).json()["items"]]

    assert await titles() == ["Writers", "Ghost writers", "Readers"]
    assert await titles(title="WRITERS") == ["Writers", "Ghost writers"]
    assert await titles(owner=sandbox.owner.id) == ["Writers"]


async def test_a_team_is_renamed_and_deleted(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """PATCH is 200, DELETE 205, then 204, and then there is none."""
    team = sandbox.seed_team("Writers")
    path = f"/teams/{team.id}"
    assert (await api.patch(path, json={"title": "Authors"})).json()["title"] == "Authors"
    assert (await api.get(path)).json()["title"] == "Authors"
    assert [(await api.delete(path)).status_code for _ in range(2)] == [205, 204]
    assert [
        (await api.get(path)).status_code,
        (await api.patch(path, json={"title": "A"})).status_code,
    ] == [404, 404]


async def test_members_are_changed_in_bulk(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Ids and e-mails both name a member, roles are set, and removing wins over adding."""
    ana, bo, cy = (sandbox.seed_member(f"{name}@acme.test") for name in ("ana", "bo", "cy"))
    team = sandbox.seed_team("Writers", [cy.id])
    body = {
        "add": [ana.id, "BO@acme.test", cy.id],
        "remove": ["cy@acme.test"],
        "memberships": {ana.id: {"role": "owner"}},
    }
    answer = await api.put(f"/teams/{team.id}/members", json=body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert {ana.id: "owner", bo.id: "member"} == team.members


@pytest.mark.parametrize(
    "body",
    [
        {"add": ["owner@acme.test", "nobody@acme.test"]},
        {"add": ["owner@acme.test", "nobody"]},
        {"add": ["owner@acme.test"], "remove": ["nobody@acme.test"]},
        {"add": ["owner@acme.test"], "memberships": {"nobody": {"role": "member"}}},
    ],
)
async def test_an_unknown_name_fails_the_whole_call(
    api: httpx.AsyncClient, sandbox: Sandbox, body: dict[str, Any]
) -> None:
    """When somebody named is not to be found, the answer is 404 and nobody is added."""
    team = sandbox.seed_team("Writers")
    assert (await api.put(f"/teams/{team.id}/members", json=body)).status_code == 404
    assert team.members == {}


async def test_a_former_member_may_be_taken_out(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Taking somebody out who has left the organisation is fine, adding them is not."""
    ana, team = sandbox.seed_member("ana@acme.test"), sandbox.seed_team("Writers")
    sandbox.state.leave(ana.id)
    path = f"/teams/{team.id}/members"
    assert (await api.put(path, json={"remove": ["ana@acme.test"]})).status_code == 204
    assert (await api.put(path, json={"add": [ana.id]})).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"add": "owner@acme.test"},
        {"remove": [1]},
        {"memberships": []},
        {"memberships": {"owner@acme.test": "owner"}},
        {"memberships": {"owner@acme.test": {"role": "admin"}}},
    ],
)
async def test_bad_bulk_changes_are_400(
    api: httpx.AsyncClient, sandbox: Sandbox, body: dict[str, Any]
) -> None:
    """A body that the schema refuses is answered 400."""
    team = sandbox.seed_team("Writers")
    assert (await api.put(f"/teams/{team.id}/members", json=body)).status_code == 400


async def test_one_member_is_put_and_deleted(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """PUT adds (the body is optional) or changes the role; DELETE is 205, then 204."""
    team = sandbox.seed_team("Writers")
    path = f"/teams/{team.id}/members/{sandbox.owner.id}"
    assert (await api.put(path)).status_code == 204
    assert {sandbox.owner.id: "member"} == team.members
    assert (await api.put(path, json={"role": "owner"})).status_code == 204
    assert {sandbox.owner.id: "owner"} == team.members
    assert (await api.put(f"/teams/{team.id}/members/nobody")).status_code == 404
    assert [(await api.delete(path)).status_code for _ in range(2)] == [205, 204]


async def test_team_members_are_paged(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The members of a team come as organisation members with their role in the team."""
    names = [f"user{number}@acme.test" for number in range(3)]
    team = sandbox.seed_team("Writers", [sandbox.seed_member(name).id for name in names])
    first = (await api.get(f"/teams/{team.id}/members", params={"limit": "2"})).json()
    page = {"page": first["next"]["page"]}
    second = (await api.get(f"/teams/{team.id}/members", params=page)).json()
    items = first["items"] + second["items"]
    assert names == [item["organization"]["user"]["email"] for item in items]
    assert [(item["team"], item["permissions"]) for item in items] == [
        ({"role": "member"}, {"view": True})
    ] * 3
    assert "next" not in second
