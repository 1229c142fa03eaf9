"""Faults, from Python and over HTTP, in-process."""

import asyncio
from typing import Any

import httpx
import pytest

from bridge.sandbox import Faults, NextFault, RefusedError, Sandbox

ANA, BO = "ana@acme.test", "bo@acme.test"


@pytest.mark.parametrize("status", ["429", "500", "503", "418"])
async def test_always_a_status(api: httpx.AsyncClient, sandbox: Sandbox, status: str) -> None:
    """Every call is answered with the status, in GitBook's error shape, and changes nothing."""
    sandbox.inject(always=status)
    answer = await api.put("/teams", json={"title": "A"})
    assert (int(status), int(status)) == (answer.status_code, answer.json()["error"]["code"])
    assert "Date" in answer.headers
    assert sandbox.team_list() == []
    assert int(status) == sandbox.calls[0].status


async def test_429_with_retry_after_alone(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Without limits a 429 has no X-RateLimit headers, but may have a Retry-After."""
    sandbox.inject(always="429", retry_after=7)
    answer = await api.get("/members")
    assert answer.headers["Retry-After"] == "7"
    assert "X-RateLimit-Reset" not in answer.headers


async def test_503_with_retry_after(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A maintenance that says how long it takes."""
    sandbox.inject(always="503", retry_after=7)
    answer = await api.get("/members")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")


async def test_not_json(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """200 with an HTML page, as a proxy in between would answer."""
    sandbox.inject(always="not_json")
    answer = await api.get("/members")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("status", [307, 403, 404, 502])
async def test_a_gateway_in_between(api: httpx.AsyncClient, sandbox: Sandbox, status: int) -> None:
    """Its page with the status; a redirect leads to another host."""
    sandbox.inject(always=f"gateway_{status}")
    answer = await api.get("/members")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert answer.headers.get("Location", "").startswith("https://portal.") is (status < 400)


async def test_success_that_is_none(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """An error in a 200, or what was there before in the answer to a change; nothing is changed."""
    ana, team = sandbox.seed_member(ANA), sandbox.seed_team("Writers")
    sandbox.inject(next=[{"fault": "error_body"}])
    answer = await api.patch(f"/members/{ana.id}", json={"role": "edit"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (200, 500)
    sandbox.inject(always="unchanged")
    assert (await api.patch(f"/members/{ana.id}", json={"role": "edit"})).json()["role"] == "read"
    assert (await api.post(f"/members/{ana.id}/sso")).json()["sso"] is False
    assert (await api.patch(f"/teams/{team.id}", json={"title": "A"})).json()["title"] == "Writers"
    assert (await api.post("/invites", json={"emails": [BO]})).json() == {"users": [], "invited": 0}
    assert (await api.put(f"/teams/{team.id}/members", json={"add": [ana.id]})).status_code == 204
    assert (await api.patch("/members/nobody", json={"role": "edit"})).status_code == 404
    assert sandbox.members()[ANA] == ana
    assert sandbox.teams() == {"Writers": set()}


async def test_truncated(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """200 with less than it announces, and no JSON."""
    sandbox.inject(next=[{"fault": "truncated", "match": "GET .*/members$"}])
    answer = await api.get("/members")
    assert (answer.status_code, int(answer.headers["Content-Length"])) == (200, 1000)
    assert answer.content.startswith(b'{"items": [')
    with pytest.raises(ValueError, match="Unterminated"):
        answer.json()
    assert (await api.get("/members")).json()["items"]


async def test_a_hang_ends_when_switched_off(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A hanging call is not carried out before the fault is off; then it is, and gets its answer."""
    sandbox.inject(always="hang")
    task = asyncio.create_task(api.put("/teams", json={"title": "A"}))
    await sandbox.called("PUT .*/teams$")
    sandbox.inject(removal_202=True)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    assert (sandbox.team_list(), sandbox.calls[0].status) == ([], 0)
    sandbox.heal()
    assert (await task).status_code == 201


async def test_next_faults_are_used_up(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The first that matches goes, as often as it says; other calls are left alone."""
    sandbox.inject(next=[{"match": "PUT .*/teams$", "fault": "500", "times": 2}, {"fault": "404"}])
    statuses = [(await api.put("/teams", json={"title": "A"})).status_code for _ in range(4)]
    assert statuses == [500, 500, 404, 201]
    assert sandbox.faults.next == ()


async def test_the_answer_is_lost_after_the_change(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """With `after` the team is created and the caller does not hear of it."""
    sandbox.faults = Faults(next=(NextFault("500", "PUT .*/teams$", after=True),))
    assert (await api.put("/teams", json={"title": "A"})).status_code == 500
    assert (await api.put("/teams", json={"title": "A"})).status_code == 201
    assert [title for title, _ in sandbox.team_list()] == ["A", "A"]


async def test_a_late_call_is_carried_out(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """With `late` a hanging call has its effect when the hang is over, though nobody waits for it."""
    sandbox.inject(next=[{"fault": "hang", "late": True}])
    task = asyncio.create_task(api.put("/teams", json={"title": "A"}))
    await sandbox.called("PUT .*/teams$")
    for _ in range(5):
        await asyncio.sleep(0)
    assert (task.done(), sandbox.team_list()) == (False, [])
    sandbox.heal()
    assert (await task).status_code == 201
    assert [("A", set())] == sandbox.team_list()


async def test_a_call_that_was_refused_is_carried_out_late(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """With another fault the answer comes at once, and the effect when the faults next change."""
    sandbox.inject(next=[{"fault": "503", "late": True}])
    assert (await api.put("/teams", json={"title": "A"})).status_code == 503
    assert (len(sandbox.late), sandbox.team_list()) == (1, [])
    sandbox.heal()
    await asyncio.gather(*sandbox.late)
    assert [("A", set())] == sandbox.team_list()


async def test_a_call_is_carried_out_after_a_delay(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """After so many seconds, whether or not the faults change."""
    sandbox.inject(next=[{"fault": "503", "late": True, "delay": 0.01}])
    assert (await api.put("/teams", json={"title": "A"})).status_code == 503
    await asyncio.gather(*sandbox.late)
    assert [("A", set())] == sandbox.team_list()


async def test_a_reset_is_no_answer(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """In-process the caller sees the connection error itself."""
    sandbox.inject(next=[{"fault": "reset"}])
    with pytest.raises(ConnectionResetError):
        await api.get("/members")
    assert sandbox.calls[0].status == 0


async def test_removal_202(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A removal is only requested; who is no member is 204 as ever."""
    ana = sandbox.seed_member(ANA)
    sandbox.inject(removal_202=True)
    assert (await api.delete(f"/members/{ana.id}")).status_code == 202
    assert (await api.delete("/members/nobody")).status_code == 204
    assert ANA in sandbox.members()


@pytest.mark.parametrize("sso", [True, False])
async def test_pending_invites(api: httpx.AsyncClient, sandbox: Sandbox, sso: bool) -> None:
    """The invited are not members before they accept; with sso they are named as failed."""
    sandbox.inject(pending_invites=[ANA])
    answer = (await api.post("/invites", json={"emails": [ANA, BO], "role": "edit", "sso": sso})).json()
    assert [sandbox.members()[BO].id] == answer["users"]
    assert answer.get("failedSSOEmails") == ([ANA] if sso else None)
    assert answer["invited"] == (0 if sso else 2)
    assert ANA not in sandbox.members()
    assert sandbox.report()["pending"] == [ANA]
    assert sandbox.accept(ANA).role == "edit"
    with pytest.raises(RefusedError, match="No pending invite"):
        sandbox.accept(ANA)


async def test_everybody_may_be_pending(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """`["*"]` is everybody who is no member yet."""
    sandbox.inject(pending_invites=["*"])
    answer = (await api.post("/invites", json={"emails": [ANA, "owner@acme.test"], "sso": True})).json()
    assert ([sandbox.owner.id], [ANA]) == (answer["users"], answer["failedSSOEmails"])


async def test_failed_sso(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Who belongs to another organisation becomes a member, but not for SSO."""
    sandbox.inject(failed_sso=["ANA@*"])
    answer = (await api.post("/invites", json={"emails": [ANA, BO], "sso": True})).json()
    assert (answer["failedSSOEmails"], len(answer["users"])) == ([ANA], 2)
    assert (sandbox.members()[ANA].sso, sandbox.members()[BO].sso) == (False, True)


async def test_bad_addresses(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """One bad address fails the whole invite."""
    sandbox.inject(bad_addresses=[ANA])
    assert (await api.post("/invites", json={"emails": [BO, ANA]})).status_code == 400
    assert BO not in sandbox.members()


async def test_team_404(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The bulk call does not know somebody whom the members list still shows."""
    ana, team = sandbox.seed_member(ANA), sandbox.seed_team("Writers")
    sandbox.inject(team_404=[ana.id])
    path = f"/teams/{team.id}/members"
    assert (await api.put(path, json={"add": ["owner@acme.test", ANA]})).status_code == 404
    assert (await api.put(path, json={"add": ["owner@acme.test"]})).status_code == 204
    assert (await api.get(f"/members/{ana.id}")).status_code == 200


async def test_rejected_token(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The right token is refused everywhere."""
    sandbox.inject(rejected_token=True)
    assert [(await api.get(url)).status_code for url in (f"{sandbox.url}/user", "/members?limit=1")] == [
        401,
        401,
    ]


async def test_forbidden(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Writes that name one of them, by id or e-mail, are 403; reads are not."""
    ana, team = sandbox.seed_member(ANA), sandbox.seed_team("Writers")
    sandbox.inject(forbidden=[ANA])
    writes: list[tuple[str, str, Any]] = [
        ("PATCH", f"/members/{ana.id}", {"role": "read"}),
        ("DELETE", f"/members/{ana.id}", None),
        ("POST", f"/members/{ana.id}/sso", None),
        ("POST", "/invites", {"emails": [ANA]}),
        ("PUT", "/teams", {"title": "A", "members": [ana.id]}),
        ("PUT", f"/teams/{team.id}/members", {"remove": [ana.id]}),
        ("PUT", f"/teams/{team.id}/members/{ana.id}", None),
        ("DELETE", f"/teams/{team.id}/members/{ana.id}", None),
    ]
    for method, path, body in writes:
        assert (await api.request(method, path, json=body)).status_code == 403
    assert (await api.get(f"/members/{ana.id}")).status_code == 200
    assert (await api.post("/invites", json={"emails": [BO]})).status_code == 200


async def test_organization_gone(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The whole organisation is 404, a removal too; the caller is still somebody."""
    sandbox.inject(organization_gone=True)
    urls = (f"{sandbox.url}/orgs/acme", "/members", f"{sandbox.url}/user")
    assert [(await api.get(url)).status_code for url in urls] == [404, 404, 200]
    assert (await api.delete(f"/members/{sandbox.owner.id}")).status_code == 404
    assert (await api.get(f"{sandbox.url}/orgs")).json()["items"] == []


async def test_latency(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A call waits before it is looked at, and is carried out all the same."""
    sandbox.inject(latency=0.02)
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert (await api.get("/members")).status_code == 200
    assert loop.time() - start >= 0.02


async def test_faults_over_http(root: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """PUT merges the given fields, GET shows them all, DELETE switches everything off."""
    await root.put("/sandbox/faults", json={"always": "503", "latency": 0.5})
    answer = await root.put(
        "/sandbox/faults", json={"always": None, "next": [{"fault": "hang", "match": "GET"}]}
    )
    shown = answer.json()
    assert (shown["always"], shown["latency"]) == (None, 0.5)
    fault = {"fault": "hang", "match": "GET", "after": False, "late": False, "delay": 0.0, "times": 1}
    assert shown["next"] == [fault]
    assert shown == (await root.get("/sandbox/faults")).json()
    await root.delete("/sandbox/faults")
    assert Faults() == sandbox.faults


async def test_small_pages_and_cursors_that_expire(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A list gives fewer items than were asked for, and then its next page is refused."""
    sandbox.seed_member(ANA)
    sandbox.inject(page_size=1)
    first = (await api.get("/members", params={"limit": 1000})).json()
    assert (len(first["items"]), first["count"]) == (1, 2)
    after = {"page": first["next"]["page"]}
    assert "next" not in (await api.get("/members", params=after)).json()
    sandbox.inject(expired_cursors=True)
    assert (await api.get("/members", params=after)).status_code == 400
    assert (await api.get("/members")).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"alwys": "503"},
        {"always": "200"},
        {"always": "sleep"},
        {"latency": -1},
        {"page_size": 0},
        {"next": [{"fault": "500", "match": "("}]},
        {"next": [{"fault": "500", "times": 0}]},
        {"forbidden": "ana@acme.test"},
    ],
)
async def test_what_is_no_fault_is_refused(
    root: httpx.AsyncClient, sandbox: Sandbox, fields: dict[str, Any]
) -> None:
    """A field or value that is none is answered 400, naming it, and nothing is switched."""
    answer = await root.put("/sandbox/faults", json={"removal_202": True, **fields})
    assert answer.status_code == 400
    assert next(iter(fields)) in answer.json()["error"]["message"]
    assert Faults() == sandbox.faults
    with pytest.raises(ValueError, match=next(iter(fields))):
        sandbox.inject(**fields)
