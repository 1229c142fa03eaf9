"""SCIM as others understand it: the conformance checks of scim2-tester, and scim2-client as a provider."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import PatchOp, SCIMException, SearchRequest
from scim2_tester import CheckResult, Status, check_server

from tests.peers.scim_place import TOKEN, ScimPlace

pytestmark = pytest.mark.peers


@contextmanager
def connected(place: ScimPlace) -> Iterator[Any]:
    """A client (any: what it returns is typed as one of several things)."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=place.base, headers=headers, trust_env=False, timeout=20) as http:
        yield SyncSCIMClient(http)


# Both want one search over users and groups at once, at the root: that is optional (RFC 7644 3.4.2.1),
# no provider is known to send it, and it is answered 501.
SKIPPED = [("search_with_attributes", "User"), ("search_with_attributes", "Group")]


async def test_conformance(place: ScimPlace) -> None:
    """scim2-tester finds nothing wrong: no error, no deviation, and nothing else left out."""
    results = await asyncio.to_thread(checked, place)
    wrong = [(one.title, one.resource_type, one.reason) for one in results if one.status not in _GOOD]
    skipped = [(one.title, one.resource_type) for one in results if one.status is Status.SKIPPED]

    assert wrong == []
    assert skipped == SKIPPED
    assert Counter(one.status for one in results)[Status.SUCCESS] >= 60


_GOOD = (Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE, Status.SKIPPED)


def checked(place: ScimPlace) -> list[CheckResult]:
    """Run the checks."""
    with connected(place) as client:
        return check_server(client)


async def test_conversation(place: ScimPlace) -> None:
    """A joiner, a team, a leaver: told by scim2-client, seen at GitBook."""
    ana, writers = await asyncio.to_thread(told, place)
    await place.until_members("ana", "bea")
    assert place.teams() == {"Writers": {"ana@acme.test", "bea@acme.test"}}

    await asyncio.to_thread(leave, place, ana, writers)
    await place.until_members("bea")
    assert place.teams() == {"Writers": {"bea@acme.test"}}


def told(place: ScimPlace) -> tuple[str, str]:
    """Create two people and a group of both; return the ids of the first and of the group."""
    with connected(place) as client:
        client.discover()
        user, group = client.get_resource_model("User"), client.get_resource_model("Group")
        assert user and group
        people = [
            client.create(
                user.model_validate({
                    "userName": f"{name}@acme.test", "active": True,
                    "emails": [{"value": f"{name}@acme.test", "primary": True}],
                })
            )
            for name in ("ana", "bea")
        ]  # fmt: skip
        idents = [str(one.id) for one in people]
        made = client.create(
            group.model_validate({"displayName": "Writers", "members": [{"value": one} for one in idents]})
        )
        found = client.query(user, query_parameters=SearchRequest(filter='userName eq "ana@acme.test"'))
        assert [one.id for one in found.resources] == idents[:1]
        with pytest.raises(SCIMException) as refused:
            client.create(user.model_validate({"userName": "ANA@acme.test"}))
        assert refused.value.scim_type == "uniqueness"
        return idents[0], str(made.id)


def leave(place: ScimPlace, ana: str, writers: str) -> None:
    """Take a person out of the group, and deactivate them."""
    with connected(place) as client:
        client.discover()
        user, group = client.get_resource_model("User"), client.get_resource_model("Group")
        assert user and group
        out = {"op": "remove", "path": f'members[value eq "{ana}"]'}
        client.modify(group, writers, PatchOp[group].model_validate({"operations": [out]}))  # type: ignore[valid-type]
        off = {"op": "replace", "path": "active", "value": False}
        client.modify(user, ana, PatchOp[user].model_validate({"operations": [off]}))  # type: ignore[valid-type]
        assert client.query(user, ana).active is False
