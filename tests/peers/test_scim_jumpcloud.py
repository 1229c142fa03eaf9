"""JumpCloud's SCIM client, from activation to the deletion of a user, to the end at GitBook.

Published by JumpCloud, in words and without bodies ("Identity Management using a Custom SCIM Integration",
https://support.jumpcloud.com/s/article/Custom-SCIM-Identity-Management): a test user and a test group are
made and deleted when the integration is activated; users are looked up, created, updated, made inactive,
deleted; groups are created once somebody is in them, taken over where one of that name is there, renamed,
deleted. From samples of its requests: the shape of what a user is created and put with, `"emails": null`
among it, and the PATCHes (https://github.com/Paul-E/scim-v2-rust, test_data/provider_samples and
src/test_data). Inferred: the order, the filters by which it looks up, and when it puts and when it patches,
as there are samples of both.
"""

from typing import Any

import pytest

from tests.peers.scim_place import ScimPlace
from tests.peers.scim_steps import ENTERPRISE, GROUP, PATCH, USER

pytestmark = pytest.mark.peers


def created(name: str) -> dict[str, Any]:
    """What JumpCloud posts for a user: the enterprise schema is named, and nothing of it told."""
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": f"{name}@acme.test",
        "name": {"givenName": name.title(), "familyName": "Ng"},
        "displayName": f"{name.title()} Ng",
        "emails": [{"value": f"{name}@acme.test", "type": "work", "primary": True}],
        "addresses": [{"type": "work", "country": "US", "locality": "Denver", "primary": True}],
        "active": True,
    }


def put(name: str, /, **fields: Any) -> dict[str, Any]:
    """What JumpCloud puts for a user: empty lists, the extension, a photo that is a bare value."""
    more = {
        "phoneNumbers": [],
        "addresses": [],
        "photos": [{"value": "https://example.test/olga.png"}],
        ENTERPRISE: {"employeeNumber": "701984", "department": "Docs"},
    }
    return created(name) | more | fields


def least(name: str) -> dict[str, Any]:
    """The least it puts: no address but the name."""
    return {"schemas": [USER], "userName": f"{name}@acme.test", "emails": None, "active": True}


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    """Return a PATCH body."""
    return {"schemas": [PATCH], "Operations": list(operations)}


def members(op: str, *idents: str) -> dict[str, Any]:
    """A PATCH that lets some in, or takes some out: it names them as the value of `remove`, too."""
    return patch({"op": op, "path": "members", "value": [{"value": ident} for ident in idents]})


async def looked_up(place: ScimPlace, path: str, attribute: str, value: str) -> list[str]:
    """JumpCloud looks for a user or a group; returns the ids found."""
    wanted = value.replace("@", "%40")
    found = await place.say("GET", f"{path}?filter={attribute}%20eq%20%22{wanted}%22")
    assert found["totalResults"] == len(found["Resources"])
    return [one["id"] for one in found["Resources"]]


async def provisioned(place: ScimPlace, name: str) -> str:
    """Look for a user and create them; returns the id."""
    assert await looked_up(place, "/Users", "userName", f"{name}@acme.test") == []
    return str((await place.say("POST", "/Users", created(name), 201))["id"])


async def test_jumpcloud(place: ScimPlace) -> None:
    """Activation, users, a group that is filled, taken over and renamed, deactivation, deletion."""
    # the test user and the test group of the activation
    tried = await provisioned(place, "test")
    await place.say("PUT", f"/Users/{tried}", put("test", displayName="Test Changed"))
    group = await place.say("POST", "/Groups", {"schemas": [GROUP], "displayName": "Test"}, 201)
    await place.say("PATCH", f"/Groups/{group['id']}", members("add", tried), 204)
    await place.say("DELETE", f"/Groups/{group['id']}", None, 204)
    await place.say("DELETE", f"/Users/{tried}", None, 204)
    await place.until_members()

    ana, bea = await provisioned(place, "ana"), await provisioned(place, "bea")
    await place.until_members("ana", "bea")

    # profiles: put whole, put with next to nothing, and attribute by attribute
    name = {"givenName": "Anna", "familyName": "Ng"}
    assert (await place.say("PUT", f"/Users/{ana}", put("ana", name=name)))["name"] == name
    assert "emails" not in await place.say("PUT", f"/Users/{bea}", least("bea"))
    changed = patch(
        {"op": "replace", "path": "name.givenName", "value": "Beate"},
        {"op": "replace", "path": "name.familyName", "value": "Oh"},
        {"op": "replace", "path": "active", "value": True},
    )
    shown = await place.say("PATCH", f"/Users/{bea}", changed)
    assert shown["name"] == {"givenName": "Beate", "familyName": "Oh"}

    # a group is made with the first who is in it; one that is there already is found by its name
    assert await looked_up(place, "/Groups", "displayName", "Writers") == []
    body = {"schemas": [GROUP], "displayName": "Writers", "members": [{"value": ana}]}
    writers = f"/Groups/{(await place.say('POST', '/Groups', body, 201))['id']}"
    assert await looked_up(place, "/Groups", "displayName", "writers") == [writers.rpartition("/")[2]]
    await place.say("PATCH", writers, members("add", bea), 204)
    both = {"ana@acme.test", "bea@acme.test"}
    await place.until(lambda: place.teams() == {"Writers": both}, "no team of both")
    await place.until_members("ana", "bea")  # whose address is her name alone is a member still
    await place.say("PATCH", writers, members("remove", bea), 204)
    await place.say(
        "PATCH", writers, patch({"op": "replace", "path": "displayName", "value": "Authors"}), 204
    )
    await place.until(lambda: place.teams() == {"Authors": {"ana@acme.test"}}, "not renamed, or more went")

    # no group of the application's any more: made inactive, one by PATCH and one by PUT; and back
    await place.say("PATCH", f"/Users/{bea}", patch({"op": "replace", "path": "active", "value": False}))
    await place.say("PUT", f"/Users/{ana}", put("ana", active=False))
    await place.until_members()
    await place.say("PUT", f"/Users/{ana}", put("ana"))
    await place.until_members("ana")

    # deleted in JumpCloud
    await place.say("DELETE", writers, None, 204)
    await place.say("DELETE", f"/Users/{ana}", None, 204)
    await place.until_members()
    assert place.teams() == {}
    assert "701984" not in place.log()
