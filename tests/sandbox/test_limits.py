"""Rate limits, their headers, and a clock that is not ours."""

from dataclasses import dataclass

import httpx
import pytest

from bridge.sandbox import Limit, Limits, Sandbox
from bridge.sandbox.limits import kind_of


@dataclass
class Tick:
    """What the test needs of the clock."""

    time: float


def told(answer: httpx.Response) -> tuple[int, str, str, str]:
    """Status, limit, remaining and reset of an answer."""
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
    limit, remaining, reset = (answer.headers[name] for name in names)
    return answer.status_code, limit, remaining, reset


async def test_no_limit_no_headers(api: httpx.AsyncClient) -> None:
    """Without limits there is a Date but no X-RateLimit header."""
    answer = await api.get("/members")
    assert answer.headers["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
    assert "X-RateLimit-Limit" not in answer.headers


async def test_a_window_of_calls(api: httpx.AsyncClient, sandbox: Sandbox, clock: Tick) -> None:
    """The window starts with its first call; calls too many are 429 until Reset (epoch seconds)."""
    sandbox.limits = Limits(Limit(2, 60))
    answers = [await api.get("/members") for _ in range(4)]
    reset = "1800000061"
    assert [
        (200, "2", "1", reset),
        (200, "2", "0", reset),
        (429, "2", "0", reset),
        (429, "2", "0", reset),
    ] == [told(answer) for answer in answers]
    assert answers[2].json() == {
        "error": {"code": 429, "message": "API rate limit exceeded. Please try again in 60 seconds"}
    }
    assert "Retry-After" not in answers[2].headers
    clock.time += 60
    assert told(await api.get("/members")) == (200, "2", "1", "1800000121")


async def test_a_call_too_many_does_nothing(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A write that is answered 429 has changed nothing."""
    sandbox.limits = Limits(Limit(0, 60))
    assert (await api.put("/teams", json={"title": "Writers"})).status_code == 429
    assert sandbox.team_list() == []


async def test_kinds_have_limits_of_their_own(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A 429 on invites holds nothing else back; kinds without an own limit share one."""
    sandbox.limits = Limits(Limit(2, 60), {"invites": Limit(0, 60)})
    invite = await api.post("/invites", json={"emails": []})
    read, write = await api.get("/members"), await api.put("/teams", json={"title": "A"})
    assert [invite.status_code, read.status_code, write.status_code] == [429, 200, 201]
    assert write.headers["X-RateLimit-Remaining"] == "0"


async def test_retry_after(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Retry-After is sent when asked for, in seconds."""
    sandbox.limits = Limits(Limit(0, 2.5), retry_after=True)
    assert (await api.get("/members")).headers["Retry-After"] == "3"


async def test_skew_moves_date_and_reset(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """The sandbox's clock may be another than ours, in Date, Reset and createdAt alike."""
    sandbox.limits, sandbox.skew = Limits(Limit(5, 60)), 3600
    answer = await api.put("/teams", json={"title": "A"})
    assert answer.headers["Date"] == "Fri, 15 Jan 2027 09:00:00 GMT"
    assert answer.headers["X-RateLimit-Reset"] == "1800003661"
    assert answer.json()["createdAt"] == "2027-01-15T09:00:00.250Z"
    assert sandbox.calls[0].time == sandbox.clock()


async def test_429_always_uses_the_window_up(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """A 429 by fault shows the window as used up, so that its headers are true."""
    sandbox.limits = Limits(Limit(5, 60))
    sandbox.inject(always="429")
    assert told(await api.get("/members")) == (429, "5", "0", "1800000061")
    sandbox.heal()
    assert told(await api.get("/members")) == (429, "5", "0", "1800000061")


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/v1/orgs/acme/teams", "read"),
        ("GET", "/v1/user", "read"),
        ("POST", "/v1/orgs/acme/invites", "invites"),
        ("DELETE", "/v1/orgs/acme/members/u1", "members"),
        ("POST", "/v1/orgs/acme/members/u1/sso", "members"),
        ("PUT", "/v1/orgs/acme/teams/t1/members", "teams"),
        ("POST", "/v1/elsewhere", "read"),
    ],
)
def test_kinds(method: str, path: str, kind: str) -> None:
    """A read is a GET; a write is of the kind of what it writes to."""
    assert kind == kind_of(method, path)
