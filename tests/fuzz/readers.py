"""What else others write and the bridge reads: answers of APIs, keys, rows of Redis, addresses, paths."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import cache
from ipaddress import ip_address, ip_network
from unittest.mock import patch

import httpx
import orjson
from scim2_models import Path, SCIMException
from tenacity import wait_none

from bridge.directories.base import DirectoryError
from bridge.directories.okta import Okta
from bridge.networks import MOST_HOPS, client_of, is_within, parse_address
from bridge.outbound import find_proxy_fault
from bridge.paths import path_segment
from bridge.scim import members
from bridge.settings import Secret
from bridge.sources.tokens import read_key_set
from bridge.store.journal import read_event
from bridge.targets.base import TargetError
from bridge.targets.gitbook import GitBook
from tests.proxies import played_route

STATUSES = (200, 201, 202, 204, 302, 400, 401, 403, 404, 409, 429, 500, 503)
PROXY = ip_address("10.0.0.1")
TRUSTED = (ip_network("10.0.0.0/8"),)
MEMBER = {"id": "u1", "role": "read", "sso": True, "user": {"email": "ana@acme.test"}, "joinedAt": "2026"}
TEAM = {"id": "t1", "title": "Writers", "members": 1, "spaces": 0, "createdAt": "2026-01-31T09:30:00Z"}
ANSWERS = [
    orjson.dumps({"items": [MEMBER, {**MEMBER, "user": None}], "next": {"page": "2"}, "count": 2}),
    orjson.dumps(MEMBER),
    orjson.dumps({"items": [TEAM], "next": None}),
    orjson.dumps({"users": ["u1"], "failedSSOEmails": ["bea@acme.test"]}),
    orjson.dumps({"id": "u1", "email": "owner@acme.test", "title": "Acme", "permissions": {"admin": True}}),
    orjson.dumps({"error": {"code": 404, "message": "no such member"}}),
    orjson.dumps({"id": "00uana", "status": "ACTIVE", "profile": {"email": "ana@acme.test", "name": "x"}}),
    orjson.dumps({"errorCode": "E0000007", "errorSummary": "Not found"}),
]
HEADERS = (
    "retry-after",
    "x-ratelimit-reset",
    "x-ratelimit-remaining",
    "x-rate-limit-reset",
    "date",
    "location",
)


@cache
def runner() -> asyncio.Runner:
    """The loop of the calls, made once."""
    return asyncio.Runner()


def _gitbook_calls(client: GitBook) -> list[Callable[[], Awaitable[object]]]:
    return [
        client.members, client.teams, client.user, client.organization,
        lambda: client.member("u1"), lambda: client.team("t1"), lambda: client.team_members("t1"),
        lambda: client.invite([("ana@acme.test", "read")], True), lambda: client.remove("u1"),
        lambda: client.set_role("u1", "edit"), lambda: client.create_team("Writers", ["u1"]),
        lambda: client.update_team("t1", ["u1"], []), lambda: client.delete_team("t1"),
    ]  # fmt: skip


def check_answer(data: bytes) -> None:
    """Whatever an API answers is what its document says, or one of our errors.

    The first bytes choose the call, the status and a header that has what stands before the first line's end.
    """
    call, status, header = (data.ljust(3, b"\0"))[:3]
    told, _, body = data[3:].partition(b"\n")
    headers = {HEADERS[header % len(HEADERS)]: re.sub(rb"[^ -~]", b"", told).decode()}
    route = played_route(
        lambda _: httpx.Response(STATUSES[status % len(STATUSES)], headers=headers, content=body)
    )
    with patch("bridge.targets.gitbook.wait_random_exponential", lambda **_: wait_none()):
        runner().run(_call(route.open_client(5.0), call))


async def _call(client: httpx.AsyncClient, number: int) -> None:
    gitbook = GitBook("http://h.test/v1", "acme", Secret("x"), 5.0, client)
    gitbook.budgets.wait = lambda *_: 0.0  # type: ignore[method-assign]
    okta = Okta("http://h.test", Secret("x"), client=client)
    calls = [*_gitbook_calls(gitbook), lambda: okta.user("00uana"), lambda: okta.group("00uana"), okta.ping]
    try:
        await calls[number % len(calls)]()
    except (TargetError, DirectoryError):
        pass
    finally:
        await client.aclose()


def check_segment(data: bytes) -> None:
    """An id is one segment of a path, wherever it leads, or none at all."""
    try:
        segment = path_segment(data.decode("utf-8", "replace"))
    except ValueError:
        return
    url = httpx.URL("http://h.test/v1/orgs/acme/members/" + segment)
    assert url.raw_path.count(b"/") == 5, segment
    assert b"?" not in url.raw_path and not url.fragment
    assert url.path.split("/")[-1] not in ("", ".", "..")


def check_address(data: bytes) -> None:
    """Nobody is taken for an address within a network by what they write before a trusted proxy does."""
    hops = data.decode("latin-1").split("\n")
    assert client_of(ip_address("198.51.100.7"), hops, TRUSTED) == ip_address("198.51.100.7")
    seen = "203.0.113.9"  # what the trusted proxy wrote behind all of it
    assert client_of(PROXY, [*hops, seen], TRUSTED) == ip_address(seen)
    client = client_of(PROXY, hops, TRUSTED)
    if client is not None and not is_within(client, TRUSTED):
        told = [parse_address(each) for each in ",".join(hops).split(",")[-MOST_HOPS:]]
        assert client in told


def check_keys(data: bytes) -> None:
    """Whatever stands behind a `jwks_url`: keys, or a reason. Shared secrets are no public keys."""
    try:
        keys = read_key_set(data)
    except ValueError:
        return
    assert keys
    for _, algorithms in keys.values():
        assert algorithms and not any(each.startswith("HS") or each == "none" for each in algorithms)


def check_row(data: bytes) -> None:
    """Whatever stands in a row of the journal: an event, or nothing that anybody can read."""
    event = read_event({"e": data.decode("utf-8", "replace")})
    assert event is None or event.name is not None


def check_proxy(data: bytes) -> None:
    """What is taken for a proxy's address is one to httpx; what is wrong with another tells nothing of it."""
    text = data.decode("utf-8", "replace")
    fault = find_proxy_fault(text)
    if fault is None:
        assert httpx.Proxy(text).url.host
    else:
        assert len(text) < 12 or text not in fault


def check_members(data: bytes) -> None:
    """The pattern that reads most paths of members finds whom the library's grammar finds."""
    path = members._plain_path(data.decode("utf-8", "replace"))
    if not members._PLAIN.fullmatch(path) or len(path) > 2000:
        return
    quick = list(members._selected(path))
    try:
        node = Path(path).ast
        assert quick == list(members._values(node.val_filter))  # type: ignore[union-attr]
    except SCIMException as error:
        raise AssertionError(path) from error


MEMBERS = [
    'members[value eq "usr_1"]', 'Members [ value EQ "a" or value eq "b"]',
    'urn:ietf:params:scim:schemas:core:2.0:Group:members[value eq "x y"]',
]  # fmt: skip
KEYS = [
    b'{"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB", "use": "sig", "alg": "RS256"}]}',
    b'{"keys": [{"kty": "oct", "k": "AAAA"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}',
]
ROWS = [
    b'["user.created",1790000000000,{"id":"u1","email":"a@acme.test","active":true},null,"okta","d1",1]',
    b'{"e": 1}', b"[]",
]  # fmt: skip
PROXIES = [b"http://proxy.acme.test:3128", b"socks5://u:p%40@[::1]:1080", b"https://h", b"http://a@b@c"]
ADDRESSES = [
    b"203.0.113.9, 10.0.0.2",
    b"::ffff:10.0.0.1",
    b"[2001:db8::1]:443\n10.0.0.1:80",
    b"fe80::1%eth0, 010.1",
]

READERS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "answer": (
        check_answer,
        [bytes([n, s, 0]) + b"1\n" + body for n in range(16) for s, body in enumerate(ANSWERS)],
    ),
    "segment": (check_segment, [b"u1", b"..", b"a/b", b"%2e%2e", "ü\u2028".encode()]),
    "address": (check_address, ADDRESSES),
    "keys": (check_keys, KEYS),
    "row": (check_row, ROWS),
    "proxy": (check_proxy, PROXIES),
    "members": (check_members, [each.encode() for each in MEMBERS]),
}
