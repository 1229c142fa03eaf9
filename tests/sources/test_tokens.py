"""JWTs: which key they used, and what reading the keys may cost."""

import asyncio
import gzip
import itertools
import ssl
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm

from bridge.settings import SourceSettings
from bridge.sources.base import UnavailableError, UnverifiedError
from bridge.sources.tokens import KeySet, Tokens
from tests.proxies import played_route, running_api

KEY = "a-shared-key-of-more-than-32-bytes"


def settings() -> SourceSettings:
    """A source of JWTs with a key of its own."""
    wanted = {"auth": "jwt", "key": KEY, "issuer": "idp", "audience": "bridge", "subject": "flow"}
    return SourceSettings.model_validate({"name": "flow", "kind": "okta-workflows", **wanted})


async def test_key_in_use_counts() -> None:
    """So that operators see it; a token that is not good is no use."""
    source = settings()
    assert source.key
    claims = {"iss": "idp", "aud": "bridge", "exp": int(time.time()) + 60, "sub": "flow"}
    await Tokens(source).verify(jwt.encode(claims, KEY, "HS256"))
    with pytest.raises(UnverifiedError):
        await Tokens(source).verify(jwt.encode({**claims, "aud": "other"}, KEY, "HS256"))
    assert source.key.matches == 1


async def test_strangers_at_once_make_us_ask_once() -> None:
    """However many tokens name keys that nobody knows; also while the answer takes its time, or fails."""
    asked: list[int] = []

    async def answer(_request: httpx.Request) -> httpx.Response:
        asked.append(1)
        await asyncio.sleep(0)
        return httpx.Response(500)

    keys = KeySet("https://keys.test", played_route(answer), lambda: 0.0)
    found = await asyncio.gather(*(keys.find(f"key-{n}") for n in range(50)), return_exceptions=True)
    assert {type(one) for one in found} == {UnavailableError}
    assert len(asked) == 1


async def test_who_comes_while_the_keys_are_read_waits_for_them() -> None:
    """A good token is not refused because another one was first to ask for the keys."""
    private = generate_private_key(SECP256R1())
    one = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)

    async def answer(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return httpx.Response(200, json={"keys": [{**one, "kid": "a"}]})

    keys = KeySet("https://keys.test", played_route(answer))
    found = await asyncio.gather(*(keys.find("a") for _ in range(5)))
    assert None not in found


async def test_key_set_is_not_asked_for_packed() -> None:
    """What is unpacked may be far longer than what was read."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["accept-encoding"])
        packed = gzip.compress(b" " * 10_000_000)
        return httpx.Response(200, content=packed, headers={"content-encoding": "gzip"})

    with pytest.raises(UnavailableError, match="bytes"):
        await KeySet("https://keys.test", played_route(answer)).find("a")
    assert asked == ["identity"]


async def test_fetches_share_what_tls_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificates of all authorities are read once, not each time a stranger names an unknown key."""
    made: list[ssl.SSLContext] = []
    make = ssl.create_default_context

    def make_noted(**given: Any) -> ssl.SSLContext:
        made.append(make(**given))
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", make_noted)
    seconds = itertools.count(0, 100)
    async with running_api(b"{}") as api:
        keys = KeySet(api.url, clock=lambda: float(next(seconds)))
        for number in range(3):
            with pytest.raises(UnavailableError):
                await keys.find(f"key-{number}")
        assert api.answered == 3
    assert len(made) <= 1
