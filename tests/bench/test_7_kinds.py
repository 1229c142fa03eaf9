"""What one receiver process stores of each kind of sender, beside a bare app that stores nothing."""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import httpx
import orjson
import pytest

from bridge.embedded import EmbeddedValkey
from bridge.sandbox import Sandbox
from bridge.settings import SourceSettings
from bridge.sources.base import Playable
from bridge.sources.registry import make_source
from tests.bench.conftest import Bench, wait_for
from tests.bench.load import Load, filled, joiners, requests, send
from tests.bench.table import FULL, Table
from tests.e2e.place import SECRET, Place

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
ROUNDS, SECONDS = (7, 3.0) if FULL else (3, 0.6)
MOST = int(9_000 * SECONDS)  # requests in one round of a kind
PEOPLE, GROUPS = 100, 60  # who are put into groups by SCIM
STANDARD_SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw=="
SOURCES = """[[sources]]
name = "hooks"
kind = "okta-event-hooks"
secrets = ["hooks-secret-of-the-tests"]

[[sources]]
name = "workos"
kind = "workos"
secrets = ["workos-secret-of-the-tests"]

[[sources]]
name = "standard"
kind = "standard-webhooks"
secrets = ["env:STANDARD_SECRET"]

[[sources]]
name = "idp"
kind = "scim"
secrets = ["idp-secret-of-the-tests"]

"""
_SCIM = {"Authorization": "Bearer idp-secret-of-the-tests", "Content-Type": "application/scim+json"}
_AT = "2026-01-31T09:30:00.000Z"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is measured, the bound of its ratio to the bare app, and how a round of it is made."""

    what: str
    least: float
    made: Callable[[int], list[bytes]]
    status: int = 200
    runs: list[Load] = field(default_factory=list)


def hired(kind: str, ident: str) -> dict[str, Any]:
    """Return a joiner as a sender of that kind tells it."""
    email = f"p{ident}@acme.test"
    match kind:
        case "okta-event-hooks":
            target = {"id": f"00u{ident}", "type": "User", "alternateId": email, "displayName": "Ann Ng"}
            head = {"uuid": ident, "published": _AT, "outcome": {"result": "SUCCESS"}, "target": [target]}
            return {"data": {"events": [{"eventType": "user.lifecycle.activate", **head}]}}
        case "workos":
            data = {"id": f"u-{ident}", "directory_id": "directory_1", "email": email, "state": "active"}
            return {"id": f"event-{ident}", "event": "dsync.user.created", "created_at": _AT, "data": data}
        case "scim":
            emails = [{"value": email, "primary": True, "type": "work"}]
            schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"]
            return {"schemas": schemas, "userName": email, "emails": emails, "active": True}
    user = {"id": f"00u{ident}", "email": email, "active": True}
    return {"event": "user.created", "id": ident, "occurred_at": _AT, "user": user}


def webhooks(name: str, kind: str, number: int, **more: Any) -> list[bytes]:
    """Return the deliveries of a round, signed by the kind's own signer, a millisecond after another."""
    secret = SECRET if name == "okta" else f"{name}-secret-of-the-tests"
    source = make_source(
        SourceSettings.model_validate({"name": name, "kind": kind, "secrets": [secret], **more})
    )
    assert isinstance(source, Playable)
    begun = time.time_ns() // 1_000_000
    bodies = [filled(hired(kind, f"{number}-{each:06}")) for each in range(MOST)]
    path = f"/webhooks/{name}"
    return [whole("POST", path, source.sign(body, begun + at), body) for at, body in enumerate(bodies)]


def whole(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a whole request."""
    told = {"Host": "localhost", "Content-Type": "application/json", **headers, "Content-Length": len(body)}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def users(number: int) -> list[bytes]:
    """Return the SCIM requests that make as many users."""
    bodies = [filled(hired("scim", f"{number}-{each:06}")) for each in range(MOST)]
    return [whole("POST", "/scim/idp/v2/Users", _SCIM, body) for body in bodies]


def memberships(place: Place) -> Callable[[int], list[bytes]]:
    """Make people and groups; return what puts another share of the people into groups each round."""
    base = f"http://127.0.0.1:{place.port}/scim/idp/v2"
    with httpx.Client(headers=_SCIM, trust_env=False) as http:
        people = [make(http, f"{base}/Users", hired("scim", f"m{one}")) for one in range(PEOPLE)]
        groups = [make(http, f"{base}/Groups", {"displayName": f"Team {one}"}) for one in range(GROUPS)]
    pairs = list(product(people, groups))
    random.Random(3).shuffle(pairs)
    return lambda number: list(added(pairs[number + 1 :: ROUNDS + 1]))


def make(http: httpx.Client, url: str, body: dict[str, Any]) -> str:
    """Create a SCIM resource; return its id."""
    answer = http.post(url, content=orjson.dumps(body))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def added(pairs: list[tuple[str, str]]) -> Iterator[bytes]:
    """Yield the PATCH of a group for each person who is put into it."""
    for person, group in pairs:
        operation = {"op": "add", "path": "members", "value": [{"value": person}]}
        schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
        body = orjson.dumps({"schemas": schemas, "Operations": [operation]})
        yield whole("PATCH", f"/scim/idp/v2/Groups/{group}", _SCIM, body)


def receiver(bench: Bench) -> Place:
    """Return a place with a source of every kind, where `bridge serve` runs."""
    place = bench.place(Sandbox())
    place.rewrite("[[targets]]\n", f"{SOURCES}[[targets]]\n")
    place.env["STANDARD_SECRET"] = STANDARD_SECRET
    bench.enter_context(EmbeddedValkey(place.folder / "data", "everysec"))
    place.start("serve")
    wait_for(f"http://127.0.0.1:{place.port}/readyz")
    return place


def test_kinds(bench: Bench, table: Table) -> None:
    """Rounds of each kind in turn, and of the bare app between them; the medians of the ratios to it."""
    place, bare = receiver(bench), bench.app("bare")
    plain: list[Load] = []
    kinds = [
        Kind("okta-workflows, HMAC", 0.15, lambda n: webhooks("okta", "okta-workflows", n, auth="hmac")),
        Kind("okta-event-hooks", 0.15, lambda n: webhooks("hooks", "okta-event-hooks", n)),
        Kind("jackson", 0.15, lambda n: requests(joiners(MOST, f"k{n}-"))),
        Kind("workos", 0.15, lambda n: webhooks("workos", "workos", n)),
        Kind("standard-webhooks", 0.15,
             lambda n: webhooks("standard", "standard-webhooks", n, secrets=[STANDARD_SECRET])),
        Kind("scim, POST of a user", 0.01, users, 201),
        Kind("scim, PATCH of a group's member", 0.01, memberships(place), 204),
    ]  # fmt: skip
    for number in range(-1, ROUNDS):  # the first warms up
        seconds = SECONDS if number >= 0 else 0.3
        plain.append(send(bare, requests(joiners(MOST)), seconds))
        for kind in kinds:
            run = send(place.port, kind.made(number), seconds, status=kind.status)
            assert run.other == 0, kind.what
            kind.runs.append(run)
    rate = statistics.median(run.rate for run in plain[1:])
    table.add("bare Starlette app, between the kinds of senders", rate, "req/s")
    for kind in kinds:
        tell(table, kind, plain)


def tell(table: Table, kind: Kind, plain: list[Load]) -> None:
    """Add a kind's figures to the table."""
    ratio = statistics.median(a.rate / b.rate for a, b in zip(kind.runs[1:], plain[1:], strict=True))
    rate = statistics.median(run.rate for run in kind.runs[1:])
    table.add(f"receiver, {kind.what}: against it", rate, "req/s", ratio)
    assert ratio > kind.least, kind.what
