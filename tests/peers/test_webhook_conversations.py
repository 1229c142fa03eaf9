"""The senders of webhooks, each from a first delivery to a leaver, to the end at GitBook.

Jackson's own is in test_jackson_lifecycle.py, where a real one sends. Here are the others: the bodies as
their vendors document them, proven as they prove them, by their own packages where there are any.
"""

import json
import re
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bridge.sandbox import Sandbox
from tests.e2e.place import Place, running_place
from tests.peers.signers import Node, Sign, standardwebhooks_python, svix_python

pytestmark = pytest.mark.peers

ROOT = Path(__file__).parents[2]
FLOW = 'kind = "okta-workflows"\nauth = "hmac"\nsecrets = ["env:FLOW_SECRET"]\n'
SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw=="


def running_source(kind: str, more: str = "") -> AbstractAsyncContextManager[Place]:
    """Start receiver and worker with a source of a kind, which knows SECRET; `more`: lines of its table."""

    def make(folder: Path, sandbox: Sandbox) -> Place:
        place = Place(folder, sandbox)
        place.rewrite(FLOW, f'kind = "{kind}"\nsecrets = ["{SECRET}"]\n{more}\n')
        return place

    return running_place(make)


async def deliver(place: Place, body: Any, headers: dict[str, str], elements: int = 1) -> None:
    """POST a body; all of its elements must be taken. Bytes are sent as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        url = f"http://127.0.0.1:{place.port}/webhooks/okta"
        answer = await http.post(url, content=content, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"accepted": elements, "duplicates": 0}), answer.text


async def until_teams(place: Place, **teams: set[str]) -> None:
    """Wait until GitBook has these teams with these people in them."""
    wanted = {title: {f"{name}@acme.test" for name in names} for title, names in teams.items()}
    await place.until(
        lambda: {title: set(people) for title, people in place.sandbox.teams().items()} == wanted,
        f"teams are not {wanted}",
    )
    await place.until(place.settled, "not settled")


def now() -> int:
    """Return unix milliseconds."""
    return time.time_ns() // 1_000_000


# Okta Workflows


def guide() -> list[dict[str, Any]]:
    """Every body that docs/senders/okta-workflows.md has a flow send, in the order of their times."""
    text = (ROOT / "docs" / "senders" / "okta-workflows.md").read_text(encoding="utf-8")
    fences = [
        json.loads(fence)
        for fence in re.findall(r"^```json okta-workflows\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]
    bodies = [body for fence in fences for body in (fence if isinstance(fence, list) else [fence])]
    return sorted(bodies, key=lambda body: str(body["occurred_at"]))


async def test_okta_workflows() -> None:
    """The flows of our guide, by a connection with a header of its own.

    A flow sends what its author puts together, so no body of Okta's own exists. What its cards tell is
    documented, as of a group's new member at
    https://help.okta.com/wf/en-us/content/topics/workflows/connector-reference/okta/events/useraddedtogroupmembership.htm
    """
    told = guide()
    assert len(told) == 13
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with running_source("okta-workflows", 'auth = "bearer"') as place:
        for body in (one for one in told if one["occurred_at"] < "2026-02-01"):
            await deliver(place, body, headers)
        await place.until_members("ana", "ben")
        await until_teams(place, Writers={"ana", "ben"}, Editors={"ben"})

        for body in (one for one in told if "2026-02-01" < one["occurred_at"] < "2026-03-02"):
            await deliver(place, body, headers)
        await place.until_members("ben")  # a new address, out of the group, suspended

        for body in (one for one in told if one["occurred_at"] > "2026-03-02"):
            await deliver(place, body, headers)
        await place.until_members("ben")  # unsuspended, deactivated; the group is deleted
        await until_teams(place, Editors={"ben"})


# Okta Event Hooks


def target(kind: str, ident: str, alternate: str, name: str) -> dict[str, Any]:
    """A target as Okta writes one."""
    return {"id": ident, "type": kind, "alternateId": alternate, "displayName": name, "detailEntry": None}


JOHN = target("User", "00u3m90rxKjGQ0G6L1d6", "john.doe@acme.test", "John Doe")
WRITERS = target("UserGroup", "00g8mo0l5wuTxmoIC0h7", "unknown", "Writers")


def log_event(number: int, kind: str, message: str, *targets: dict[str, Any]) -> dict[str, Any]:
    """A System Log event with all the keys that Okta's example of one has."""
    place = {
        "city": "Toronto",
        "state": "Ontario",
        "country": "Canada",
        "postalCode": "M6B",
        "geolocation": {},
    }
    return {
        "uuid": f"ab62c0bc-2837-11eb-9823-9fb8f750c5{number:02}",
        "published": f"2026-01-31T09:30:{number:02}.862Z", "eventType": kind, "version": "0",
        "displayMessage": message, "severity": "INFO", "legacyEventType": "core.user.config",
        "actor": target("User", "00u2di94bAMSEPvAY1d6", "okta.trainer@acme.test", "Okta Trainer"),
        "client": {
            "userAgent": {"rawUserAgent": "Mozilla/5.0", "os": "Mac OS X", "browser": "CHROME"},
            "zone": "null", "device": "Computer", "id": None,
            "ipAddress": "203.0.113.7", "geographicalContext": place,
        },
        "device": None, "outcome": {"result": "SUCCESS", "reason": None}, "target": list(targets),
        "transaction": {"type": "WEB", "id": "X7LBsMxeqO-ADcGcmp0WGQAAB@g", "detail": {}},
        "debugContext": {"debugData": {"requestUri": "/admin/user", "threatSuspected": "false"}},
        "authenticationContext": {"authenticationStep": 0, "externalSessionId": "102lMcfHbwSTuS5V1oPHJs3lw"},
        "securityContext": {"asNumber": 577, "asOrg": "example", "isProxy": False},
        "request": {"ipChain": [{"ip": "203.0.113.7", "geographicalContext": place, "version": "V4"}]},
    }  # fmt: skip


def envelope(*events: dict[str, Any]) -> dict[str, Any]:
    """A delivery."""
    return {
        "eventType": "com.okta.event_hook", "eventTypeVersion": "1.0", "cloudEventsVersion": "0.1",
        "source": "https://acme.okta.test/api/v1/eventHooks/who7hphp39JoHLni81d7",
        "eventId": "85b60edb-4263-4e13-993b-818e26201052", "data": {"events": list(events)},
        "eventTime": "2026-01-31T09:31:00.093Z", "contentType": "application/json",
    }  # fmt: skip


async def test_okta_event_hooks() -> None:
    """Verification, a joiner with a group in one delivery, a rename, a move, and a leaver.

    The event is Okta's own example (https://developer.okta.com/docs/guides/event-hook-implementation/), the
    envelope that of https://developer.okta.com/docs/concepts/event-hooks/ , both as in the delivery of a
    `group.user_membership.add` that 1Password published
    (https://support.1password.com/files/media/saas-manager/15511050727325/sample_data.json).
    """
    headers = {"Authorization": SECRET, "Accept": "application/json", "Content-Type": "application/json"}
    async with running_source("okta-event-hooks") as place:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
            challenge = {"x-okta-verification-challenge": "my verification challenge", **headers}
            answer = await http.get(f"http://127.0.0.1:{place.port}/webhooks/okta", headers=challenge)
        assert (answer.status_code, answer.json()) == (200, {"verification": "my verification challenge"})

        joined = envelope(
            log_event(1, "user.lifecycle.create", "Create okta user", JOHN),
            log_event(2, "user.lifecycle.activate", "Activate Okta user", JOHN),
            log_event(3, "group.user_membership.add", "Add user to group membership", JOHN, WRITERS),
        )
        await deliver(place, joined, headers, 3)
        await place.until_members("john.doe")
        await until_teams(place, Writers={"john.doe"})

        renamed = WRITERS | {"displayName": "Authors"}
        update = log_event(4, "group.profile.update", "Okta group profile update", renamed)
        await deliver(place, envelope(update), headers)
        await until_teams(place, Authors={"john.doe"})

        moved = log_event(
            5, "group.user_membership.remove", "Remove user from group membership", JOHN, renamed
        )
        await deliver(place, envelope(moved), headers)
        await until_teams(place, Authors=set())

        left = log_event(6, "user.lifecycle.deactivate", "Deactivate Okta User", JOHN)
        await deliver(place, envelope(left), headers)
        await place.until_members()


# WorkOS


def workos_rows() -> dict[str, dict[str, Any]]:
    """WorkOS's events by name, of one directory: tests/sources/data/workos.jsonl, as its SDK has them."""
    text = (ROOT / "tests" / "sources" / "data" / "workos.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        row["data"]["directory_id"] = "directory_01ECAZ4NV9QMV47GW873HDCX74"
    return {row["event"].removeprefix("dsync."): row for row in rows}


async def test_workos(node: Node) -> None:
    """A joiner, a group, who comes and goes, and both deleted: signed by WorkOS's SDK for Node."""
    rows, sign = workos_rows(), node.peer("workos", "workos").sign
    assert sign
    marcelina, team = "marcelina.davis", rows["group.updated"]["data"]["name"]
    async with running_source("workos") as place:

        async def tell(number: int, name: str) -> None:
            row = rows[name] | {"id": f"event_{number}", "created_at": f"2026-01-15T12:00:0{number}.000Z"}
            body = json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()
            await deliver(place, body, sign(SECRET, body, now()))

        for number, name in enumerate(("user.created", "group.created", "group.user_added", "group.updated")):
            await tell(number, name)
        await place.until_members(marcelina)
        await until_teams(place, **{team: {marcelina}})
        await tell(4, "group.user_removed")
        await until_teams(place, **{team: set()})
        for number, name in enumerate(("user.updated", "user.deleted", "group.deleted"), 5):
            await tell(number, name)
        await place.until_members()
        await until_teams(place)


# Standard Webhooks


async def test_standard_webhooks(node: Node) -> None:
    """The body of our guide and its kin, signed in turn by the reference libraries and by Svix's.

    The specification says how to sign and leaves the body to the sender
    (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
    """
    signs = [
        peer.sign
        for peer in (
            standardwebhooks_python(), node.peer("standardwebhooks", "standard-webhooks"), svix_python(),
        )
    ]  # fmt: skip
    ana, writers = {"id": "u1", "email": "ana@acme.test", "active": True}, {"id": "g1", "name": "Writers"}
    async with running_source("standard-webhooks", 'body = "bridge"') as place:

        async def tell(sign: Sign | None, event: str, at: int, **parts: Any) -> None:
            assert sign
            told = {"event": event, "occurred_at": f"2026-01-31T09:30:0{at}Z", **parts}
            body = json.dumps(told).encode()
            await deliver(place, body, sign(SECRET, body, now() + at))

        await tell(signs[0], "group.user_added", 0, user=ana, group=writers)
        await place.until_members("ana")
        await until_teams(place, Writers={"ana"})
        await tell(signs[1], "group.updated", 1, group=writers | {"name": "Authors"})
        await until_teams(place, Authors={"ana"})
        await tell(signs[2], "user.updated", 2, user={"id": "u1", "active": False})
        await place.until_members()
