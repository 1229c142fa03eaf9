"""A secret is changed while the bridge runs, and its operators see how far that is."""

import json
from collections.abc import Callable

import httpx
import orjson
import pytest

from tests.e2e.place import SECRET, Place, event, signed, user

NEW = "the-new-flow-secret-of-the-tests"


async def post(place: Place, name: str, secret: str) -> int:
    """The answer to an event about a person, signed with a secret."""
    body = orjson.dumps(event("user.created", user(name)))
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{place.port}/webhooks/okta"
        return (await client.post(url, content=body, headers=signed(body, secret))).status_code


async def test_secret_is_changed_without_losing_a_delivery(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are good at once, each use is seen, and the old one is worth nothing once it is taken away."""
    place = make_place()
    monkeypatch.setenv("FLOW_SECRET_2", NEW)
    place.env["FLOW_SECRET_2"] = NEW
    place.rewrite('["env:FLOW_SECRET"]', '["env:FLOW_SECRET", "env:FLOW_SECRET_2"]')
    place.start()
    await place.ready()

    async def used() -> list[bool]:
        told = (await place.status())["sources"]["okta"]["secrets"]
        return [one["last_used"] is not None for one in told]

    async def are_used(*wanted: bool) -> None:
        async def hold() -> bool:
            return await used() == list(wanted)

        await place.until(hold, f"the secrets in use are not {wanted}")

    assert await post(place, "ana", SECRET) == 200
    await are_used(True, False)
    assert await post(place, "bo", NEW) == 200
    await are_used(True, True)

    place.stop()
    place.rewrite('["env:FLOW_SECRET", "env:FLOW_SECRET_2"]', '["env:FLOW_SECRET_2"]')
    place.start()
    await place.ready()
    assert await post(place, "cy", SECRET) == 401
    assert await post(place, "cy", NEW) == 200

    async def refused() -> bool:
        return bool((await place.status())["sources"]["okta"]["refused"])

    await place.until(refused, "the refusal is not told")
    told = json.loads(await place.run("status", "--json"))["sources"]["okta"]
    assert (told["refused"], told["reason"]) == (1, "no secret makes the signature")
    assert [one["secret"] for one in told["secrets"]] == ["env:FLOW_SECRET_2"]
    assert SECRET not in place.log() + json.dumps(told)
    assert NEW not in place.log() + json.dumps(told)
