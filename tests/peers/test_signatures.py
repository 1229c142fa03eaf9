"""Signatures, held against the packages of those who invented them: they believe us, and we them.

WorkOS's SDKs for Python and Node, Svix's library, and the reference libraries of Standard Webhooks for
Python and Node. The SDK for Python signs no webhooks, so it only verifies. What Jackson signs is seen in
test_jackson_lifecycle.py.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest

from bridge.metrics import Metrics
from bridge.receiver import create_app
from bridge.settings import RedisSettings, Settings, SourceSettings
from bridge.sources.base import Playable
from bridge.sources.registry import make_source
from bridge.store.journal import Journal
from bridge.store.redis import Store
from tests.peers.signers import Node, Peer, standardwebhooks_python, svix_python, workos_python

pytestmark = pytest.mark.peers

SECRETS = {"workos": "whsec-of-the-tests", "standard-webhooks": "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw=="}
OTHERS = {"workos": "whsec-of-others", "standard-webhooks": "whsec_c2VjcmV0LW9mLW90aGVycw=="}
OLD = 6 * 60_000  # milliseconds: all of them take up to 3 or 5 minutes, the bridge 5

_ANA = {
    "object": "directory_user", "id": "directory_user_01E1JG7J09H96KYP8HM9B0G5SJ", "idp_id": "2836",
    "directory_id": "directory_01ECAZ4NV9QMV47GW873HDCX74", "organization_id": "org_01EZTR6WYX1A0DSE2CYM",
    "email": "ana@acme.test", "first_name": "Ana", "last_name": "Ñg 🦉", "state": "active",
    "custom_attributes": {}, "raw_attributes": {}, "role": {"slug": "member"},
    "created_at": "2026-01-15T12:00:00.000Z", "updated_at": "2026-01-15T12:00:00.000Z",
}  # fmt: skip
BODIES = {
    "workos": orjson.dumps(
        {
            "object": "event", "id": "event_01EHZNVPK3SFK441A1RGBFSHRT", "event": "dsync.user.created",
            "created_at": "2026-01-15T12:00:00.000Z", "context": {}, "data": _ANA,
        }
    ),
    # as no program would write it twice in the same way: what is signed are the bytes
    "standard-webhooks": '{ "event":"user.created",\n "user": {"id":"u1", "email":"ana@acme.test",'
    ' "first_name":"\\u00d1ñ 🦉", "active": true} }\n'.encode(),
}  # fmt: skip


PEERS: dict[str, Callable[[Node], Peer]] = {
    "workos for Python": lambda _: workos_python(),
    "workos for Node": lambda node: node.peer("workos", "workos"),
    "standardwebhooks for Python": lambda _: standardwebhooks_python(),
    "standardwebhooks for Node": lambda node: node.peer("standardwebhooks", "standard-webhooks"),
    "svix for Python": lambda _: svix_python(),
}
SIGNERS = [name for name in PEERS if name != "workos for Python"]


@pytest.fixture
def peer(request: pytest.FixtureRequest, node: Node) -> Peer:
    """One of them."""
    return PEERS[request.param](node)


@pytest.fixture
async def receiver(redis_settings: RedisSettings, store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """The receiver with a source of each kind, named as its kind."""
    sources = [{"name": kind, "kind": kind, "secrets": [secret]} for kind, secret in SECRETS.items()]
    settings = Settings.model_validate({"sources": sources}).model_copy(update={"redis": redis_settings})

    @asynccontextmanager
    async def opened() -> AsyncIterator[Journal]:
        yield Journal(store)

    app = create_app(settings, opened, Metrics())
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://bridge.acme.test") as client,
    ):
        yield client


def now() -> int:
    """Return unix milliseconds."""
    return time.time_ns() // 1_000_000


def signed(kind: str, secret: str, body: bytes, at: int) -> dict[str, str]:
    """Return the headers that the bridge's own signer makes, their names in lower case."""
    source = make_source(SourceSettings.model_validate({"name": kind, "kind": kind, "secrets": [secret]}))
    assert isinstance(source, Playable)
    return {name.lower(): value for name, value in source.sign(body, at).items()}


@pytest.mark.parametrize("peer", PEERS, indirect=True)
def test_they_believe_what_our_signer_makes(peer: Peer) -> None:
    """A body with more than ASCII in it, signed by the kind's own `sign`, is verified."""
    secret, body = SECRETS[peer.kind], BODIES[peer.kind]
    peer.verify(secret, body, signed(peer.kind, secret, body, now()))


@pytest.mark.parametrize("peer", PEERS, indirect=True)
def test_they_refuse_what_is_wrong_with_it(peer: Peer) -> None:
    """An altered body, another secret and an old signature: all of it is in what our signer signs."""
    secret, body = SECRETS[peer.kind], BODIES[peer.kind]
    good = signed(peer.kind, secret, body, now())
    wrong = {
        "altered": (body.replace(b"ana@", b"eve@"), good),
        "another secret": (body, signed(peer.kind, OTHERS[peer.kind], body, now())),
        "old": (body, signed(peer.kind, secret, body, now() - OLD)),
    }
    for told, headers in wrong.values():
        with pytest.raises(peer.refusal):
            peer.verify(secret, told, headers)


@pytest.mark.parametrize("peer", SIGNERS, indirect=True)
async def test_we_believe_what_they_sign(peer: Peer, receiver: httpx.AsyncClient) -> None:
    """The receiver stores it, and knows a repeat when it sees one."""
    assert peer.sign
    body = BODIES[peer.kind]
    headers = peer.sign(SECRETS[peer.kind], body, now())
    answers = [await receiver.post(f"/webhooks/{peer.kind}", content=body, headers=headers) for _ in "12"]
    assert [answer.json() for answer in answers] == [
        {"accepted": 1, "duplicates": 0},
        {"accepted": 0, "duplicates": 1},
    ]


@pytest.mark.parametrize("peer", SIGNERS, indirect=True)
async def test_we_refuse_what_is_wrong_with_it(peer: Peer, receiver: httpx.AsyncClient) -> None:
    """An altered body, another secret, an old signature, and none at all: the same 401."""
    assert peer.sign
    secret, body = SECRETS[peer.kind], BODIES[peer.kind]
    good, old = peer.sign(secret, body, now()), peer.sign(secret, body, now() - OLD)
    wrong = {
        "altered": (body.replace(b"ana@", b"eve@"), good),
        "another secret": (body, peer.sign(OTHERS[peer.kind], body, now())),
        "old": (body, old),
        "unsigned": (body, {}),
    }
    answers = {
        what: await receiver.post(f"/webhooks/{peer.kind}", content=told, headers=headers)
        for what, (told, headers) in wrong.items()
    }
    assert dict.fromkeys(wrong, 401) == {what: answer.status_code for what, answer in answers.items()}
    assert len({answer.content for answer in answers.values()}) == 1
