"""Okta's event hooks from the outside: thin events in, the right people in GitBook, Okta asked with care."""

import asyncio
import contextlib
import itertools
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from bridge.sandbox import Sandbox
from tests.directories.fake_okta import TOKEN, FakeOkta, running_okta
from tests.e2e.place import Place

MakePlace = Callable[..., Place]
HOOK_SECRET = "hook-secret-of-the-tests"
OKTA_WAITS = 3.0  # seconds: https://developer.okta.com/docs/concepts/event-hooks/
FLOW = """kind = "okta-workflows"
auth = "hmac"
secrets = ["env:FLOW_SECRET"]
"""
HOOKS = """kind = "okta-event-hooks"
secrets = ["env:HOOK_SECRET"]
"""
API = """api_url = "{url}"
api_token = "env:OKTA_API_TOKEN"
"""
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", HOOK_SECRET)
    monkeypatch.setenv("OKTA_API_TOKEN", TOKEN)


@pytest.fixture
async def okta() -> AsyncIterator[FakeOkta]:
    """An Okta that takes 8 calls of a kind in two seconds."""
    async with running_okta(FakeOkta(limit=8, window=2.0)) as running:
        yield running


def hooked(make_place: MakePlace, more: str = "", **options: Any) -> Place:
    """A place whose sender is an event hook."""
    place = make_place(**options)
    place.rewrite(FLOW, HOOKS + more)
    return place


def target(kind: str, ident: str, alternate: str, name: str) -> dict[str, Any]:
    """A target as Okta writes it."""
    return {"id": ident, "type": kind, "alternateId": alternate, "displayName": name, "detailEntry": None}


def user(name: str) -> dict[str, Any]:
    """A user: their id, and a login that is no mailbox."""
    return target("User", f"00u{name}", f"{name}@corp.acme.test", name)


WRITERS = target("UserGroup", "00gw", "unknown", "Writers")
GITBOOK = target("AppInstance", "0oa1", "GitBook", "GitBook")


def happened(kind: str, *targets: dict[str, Any], result: str = "SUCCESS") -> dict[str, Any]:
    """A System Log event of now."""
    return {
        "uuid": f"uuid-{next(_numbers)}",
        "published": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "eventType": kind,
        "version": "0",
        "actor": target("User", "00uadmin", "admin@acme.test", "Admin"),
        "outcome": {"result": result, "reason": None},
        "target": list(targets),
    }


async def deliver(place: Place, *events: dict[str, Any]) -> httpx.Response:
    """POST a delivery as Okta does."""
    async with httpx.AsyncClient(trust_env=False, timeout=OKTA_WAITS) as client:
        return await post(client, place, *events)


async def post(client: httpx.AsyncClient, place: Place, *events: dict[str, Any]) -> httpx.Response:
    """POST a delivery; fail when the answer comes later than Okta waits."""
    body = {"eventType": "com.okta.event_hook", "cloudEventsVersion": "0.1", "data": {"events": events}}
    url = f"http://127.0.0.1:{place.port}/webhooks/okta"
    async with asyncio.timeout(OKTA_WAITS):
        return await client.post(url, content=orjson.dumps(body), headers={"Authorization": HOOK_SECRET})


async def accepted(place: Place, *events: dict[str, Any]) -> None:
    """Deliver events, all of which are stored."""
    answer = await deliver(place, *events)
    assert answer.json() == {"accepted": len(events), "duplicates": 0}


async def api_state(place: Place) -> dict[str, Any]:
    """What `bridge status` tells of the API."""
    api: dict[str, Any] = (await place.status())["sources"]["okta"]["api"]
    return api


async def until_read(place: Place) -> None:
    """Wait until nothing is to be read."""

    async def done() -> bool:
        return not (await api_state(place))["unread"]

    await place.until(done, "not all was read")


async def test_thin_hooks_bring_the_right_people_in(
    make_place: MakePlace, sandbox: Sandbox, okta: FakeOkta
) -> None:
    """Joiners by their address, a pre-hire later, a new address, a leaver while Okta is down; no 429."""
    place = hooked(make_place, API.format(url=okta.url))
    place.start()
    await place.ready()
    names = [f"p{number:02}" for number in range(15)]
    for name in names:
        okta.hire(name)
    okta.hire("early", "STAGED")
    for name in names:
        hired = happened("user.lifecycle.create", user(name)), happened("user.lifecycle.activate", user(name))
        await accepted(place, happened("group.user_membership.add", user(name), WRITERS), *reversed(hired))
    await accepted(place, happened("user.lifecycle.create", user("early")))
    await accepted(place, happened("group.user_membership.add", WRITERS, user("early")))
    await place.until_members(*names)
    await until_read(place)
    await place.until_members(*names)  # and the pre-hire, read now, has no seat
    assert {"Writers": {f"{name}@acme.test" for name in names}} == sandbox.teams()

    okta.hire("early")
    okta.hire("p00", email="renamed@acme.test")
    await accepted(place, happened("user.lifecycle.activate", user("early")))
    await accepted(place, happened("user.account.update_profile", user("p00")))
    await place.until_members(*names, "early", "renamed")  # the old address is held for approval

    okta.fault = 503
    okta.hire("late")
    okta.hire("p01", "DEPROVISIONED")
    await accepted(place, happened("user.lifecycle.activate", user("late")))
    await accepted(place, happened("user.lifecycle.deactivate", user("p01")))
    names.remove("p01")
    await place.until_members(*names, "early", "renamed")

    async def down() -> bool:
        return bool((await api_state(place))["state"] == "unavailable")

    await place.until(down, "nobody noticed that Okta is down")
    okta.fault = None
    await place.until_members(*names, "early", "renamed", "late")
    await until_read(place)
    print(f"\n{len(okta.calls)} calls to Okta, {okta.least_remaining} of {okta.limit} left at the least")
    assert okta.statuses(429) == 0
    assert okta.least_remaining >= okta.limit / 4
    assert (await api_state(place))["state"] == "ok"
    assert {"run": 0} == place.stop()
    for word in (TOKEN, HOOK_SECRET, "@acme.test", "@corp.acme.test"):
        assert word not in place.log().replace("a***@acme.test", "").replace("***@acme.test", "")


async def test_others_use_the_limit_up(make_place: MakePlace, sandbox: Sandbox, okta: FakeOkta) -> None:
    """A 429 is waited out until Okta's reset, not answered with more calls."""
    place = hooked(make_place, API.format(url=okta.url))
    place.start()
    await place.ready()
    await until_read(place)
    okta.hire("ana")
    okta.use_up("users")
    await accepted(place, happened("user.lifecycle.activate", user("ana")))
    await place.until_members("ana")
    assert okta.statuses(429) <= 1


async def test_without_a_token_it_uses_what_the_events_hold(make_place: MakePlace, sandbox: Sandbox) -> None:
    """The login is the address; assigned to the application is the rule; and it says what it cannot know."""
    place = hooked(make_place, 'application = "0oa1"\n')
    place.rewrite("[targets.guard]", '[targets.members]\ngroups = ["id:0oa1"]\n\n[targets.guard]')
    place.start()
    await place.ready()
    other = target("AppInstance", "0oa2", "Slack", "Slack")
    assigned = "application.user_membership.add"
    await accepted(
        place,
        happened(assigned, target("AppUser", "0ua1", "x", "x"), GITBOOK, user("ana")),
        happened(assigned, target("AppUser", "0ua3", "x", "x"), GITBOOK, user("cy")),
        happened("group.user_membership.add", user("ana"), WRITERS),
        happened("user.lifecycle.create", user("cy")),
    )
    answer = await deliver(
        place,
        happened(assigned, user("bo"), other),
        happened(assigned, user("bo"), GITBOOK, result="FAILURE"),
        happened("user.session.start", user("bo")),
        happened("user.lifecycle.activate", user("bo")),
    )
    assert answer.json() == {"accepted": 1, "duplicates": 0, "ignored": 3}
    wanted = {"ana@corp.acme.test", sandbox.owner.email}
    await place.until(lambda: set(sandbox.members()) == wanted, "not exactly those who are assigned")
    await place.until(place.settled, "not settled")
    assert sandbox.teams() == {"Writers": {"ana@corp.acme.test"}}  # and no team of the application
    assert "only the login" in " ".join((await place.run("status")).split())
    assert "a changed address is not seen" in await place.run("check")
    await accepted(place, happened("application.user_membership.remove", GITBOOK, user("ana")))
    await place.until_members()


@contextlib.contextmanager
def deaf_server() -> Iterator[int]:
    """A server that takes connections and answers nothing; its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        kept: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listener.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for each in kept:
                each.close()


async def test_overload_is_answered_while_okta_still_waits(make_place: MakePlace) -> None:
    """Redis takes everything and answers nothing: 503, which buys Okta's one retry, and not a time-out."""
    with deaf_server() as port:
        place = hooked(make_place, redis=f"redis://127.0.0.1:{port}/0")
        place.start("serve")

        async def listens() -> bool:
            async with httpx.AsyncClient(trust_env=False) as client:
                with contextlib.suppress(httpx.TransportError):
                    return (await client.get(f"http://127.0.0.1:{place.port}/livez")).status_code == 200
            return False

        await place.until(listens, "the receiver does not listen")
        event = happened("user.lifecycle.activate", user("ana"))
        async with httpx.AsyncClient(trust_env=False) as client:
            began = time.monotonic()
            answers = await asyncio.gather(*(post(client, place, event) for _ in range(20)))
            print(f"\nthe last of 20 answers came after {time.monotonic() - began:.2f} s")
        assert {answer.status_code for answer in answers} == {503}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
