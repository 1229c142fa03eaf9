"""Okta's and Entra ID's SCIM clients, as their vendors publish their requests, to the end at GitBook.

Okta: https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20/ ; Microsoft Entra ID:
https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups
"""

from typing import Any

import orjson
import pytest

from tests.peers.scim_place import ScimPlace, running_scim

pytestmark = pytest.mark.peers

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    """Return a PATCH body."""
    return {"schemas": [PATCH], "Operations": list(operations)}


# Okta


def okta_user(name: str, /, **fields: Any) -> dict[str, Any]:
    """What Okta posts for an assigned user."""
    return {
        "schemas": [USER],
        "userName": f"{name}@acme.test",
        "name": {"givenName": name.title(), "familyName": "Ng"},
        "emails": [{"primary": True, "value": f"{name}@acme.test", "type": "work"}],
        "displayName": f"{name.title()} Ng",
        "locale": "en-US",
        "externalId": f"00u{name}",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    } | fields


async def okta_assigns(place: ScimPlace, name: str) -> str:
    """Okta looks for the user and creates them; returns the id."""
    search = f"/Users?filter=userName%20eq%20%22{name}%40acme.test%22&startIndex=1&count=100"
    assert (await place.say("GET", search))["totalResults"] == 0
    created = await place.say("POST", "/Users", okta_user(name), 201)
    assert (created["userName"], created["active"]) == (f"{name}@acme.test", True)
    assert "password" not in created
    return str(created["id"])


async def test_okta(place: ScimPlace) -> None:
    """Test of the connection, assignment, profile push, group push, deactivation, re-hire, unlink."""
    assert (await place.say("GET", "/Users?startIndex=1&count=2"))["totalResults"] == 0
    assert (await place.say("GET", "/Groups?startIndex=1&count=100"))["Resources"] == []
    ana, bea = await okta_assigns(place, "ana"), await okta_assigns(place, "bea")
    await place.until_members("ana", "bea")

    # a profile push: the user is read, and put as a whole
    read = await place.say("GET", f"/Users/{ana}")
    assert read["name"] == {"givenName": "Ana", "familyName": "Ng"}
    put = okta_user(
        "ana", id=ana, name={"givenName": "Anna", "familyName": "Ng"}, meta={"resourceType": "User"}
    )
    assert (await place.say("PUT", f"/Users/{ana}", put))["name"]["givenName"] == "Anna"

    # a group push: created empty, then its members are replaced, then single ones come and go
    by_name = "/Groups?filter=displayName%20eq%20%22Writers%22&startIndex=1&count=100"
    assert (await place.say("GET", by_name))["totalResults"] == 0
    made = await place.say(
        "POST", "/Groups", {"schemas": [GROUP], "displayName": "Writers", "members": []}, 201
    )
    writers = f"/Groups/{made['id']}"
    both = [{"value": ana, "display": "ana@acme.test"}, {"value": bea, "display": "bea@acme.test"}]
    await place.say("PATCH", writers, patch({"op": "replace", "path": "members", "value": both}), 204)
    await place.until(
        lambda: place.teams() == {"Writers": {"ana@acme.test", "bea@acme.test"}}, "no team of both"
    )
    renamed = {"op": "replace", "value": {"id": made["id"], "displayName": "Authors"}}
    remove = {"op": "remove", "path": f'members[value eq "{bea}"]'}
    await place.say("PATCH", writers, patch(renamed, remove), 204)
    await place.until(
        lambda: place.teams() == {"Authors": {"ana@acme.test"}}, "not renamed, or still with Bea"
    )
    await place.say("PATCH", writers, patch({"op": "add", "path": "members", "value": both[1:]}), 204)

    # unassigned: deactivated, never deleted; assigned again: found and put active
    await place.say("PATCH", f"/Users/{bea}", patch({"op": "replace", "value": {"active": False}}))
    await place.until_members("ana")
    search = "/Users?filter=userName%20eq%20%22bea%40acme.test%22&startIndex=1&count=100"
    found = (await place.say("GET", search))["Resources"]
    assert [(one["id"], one["active"]) for one in found] == [(bea, False)]
    await place.say("PUT", f"/Users/{bea}", okta_user("bea", id=bea))
    await place.until_members("ana", "bea")
    await place.until(
        lambda: place.teams() == {"Authors": {"ana@acme.test", "bea@acme.test"}},
        "Bea is not back in her team",
    )

    # deactivated and created anew with the same externalId, which other servers answer with 409
    await place.say("PUT", f"/Users/{bea}", okta_user("bea", id=bea, active=False))
    await place.until_members("ana")
    assert (await place.say("POST", "/Users", okta_user("bea"), 201))["id"] == bea
    await place.until_members("ana", "bea")

    # the pushed group is unlinked and deleted
    await place.say("DELETE", writers, None, 204)
    await place.until(lambda: place.teams() == {}, "the team is still there")
    await place.until_members("ana", "bea")
    assert "1mz050nq" not in place.log()


# Entra ID


def entra_user(name: str) -> dict[str, Any]:
    """What Entra posts for a user in scope."""
    return {
        "schemas": [USER, ENTERPRISE],
        "externalId": f"ext-{name}",
        "userName": f"{name}@acme.test",
        "active": True,
        "emails": [{"primary": True, "type": "work", "value": f"{name}@acme.test"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": f"{name.title()} Ng", "familyName": "Ng", "givenName": name.title()},
        "roles": [],
        ENTERPRISE: {"employeeNumber": "701984", "department": "Docs"},
    }


async def entra_provisions(place: ScimPlace, name: str) -> str:
    """Entra looks for the user by its matching attribute and creates them; returns the id."""
    found = await place.say("GET", f"/Users?filter=externalId+eq+%22ext-{name}%22")
    assert found["totalResults"] == 0
    assert found["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
    created = await place.say("POST", "/Users", entra_user(name), 201)
    assert (created["externalId"], created["userName"]) == (f"ext-{name}", f"{name}@acme.test")
    by_name = await place.say("GET", f"/Users?filter=userName+eq+%22{name}%40acme.test%22")
    assert [one["id"] for one in by_name["Resources"]] == [created["id"]]
    return str(created["id"])


async def test_entra(place: ScimPlace) -> None:
    """Test of the connection, users, changes in its own dialect, groups and members, soft and hard delete."""
    probe = "/Users?filter=userName+eq+%22c9b9b5b4-0000-4000-8000-9f1c3a7e0001%22"
    assert (await place.say("GET", probe))["Resources"] == []
    ana, bea = await entra_provisions(place, "ana"), await entra_provisions(place, "bea")
    await place.until_members("ana", "bea")

    # attributes one by one, with capitals; an address that is there, and attributes that are not kept
    await place.say(
        "PATCH",
        f"/Users/{ana}",
        patch(
            {"op": "Replace", "path": "name.familyName", "value": "Nguyen"},
            {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "ana@acme.test"},
            {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "555-0100"},
            {"op": "Replace", "path": f"{ENTERPRISE}:department", "value": "Press"},
        ),
    )
    assert (await place.say("GET", f"/Users/{ana}"))["name"]["familyName"] == "Nguyen"

    # a group, read without its members, and members that come and go
    assert (await place.say("GET", "/Groups?excludedAttributes=members&filter=displayName+eq+%22Writers%22"))[
        "totalResults"
    ] == 0
    body = {
        "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
        "displayName": "Writers",
        "meta": {"resourceType": "Group"},
    }
    made = await place.say("POST", "/Groups", body, 201)
    writers = f"/Groups/{made['id']}"
    for one in (ana, bea):
        add = {"op": "Add", "path": "members", "value": [{"$ref": None, "value": one}]}
        await place.say("PATCH", writers, patch(add), 204)
    await place.until(
        lambda: place.teams() == {"Writers": {"ana@acme.test", "bea@acme.test"}}, "no team of both"
    )
    without = await place.say("GET", f"{writers}?excludedAttributes=members")
    assert (without["displayName"], "members" in without) == ("Writers", False)
    remove = {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": bea}]}
    await place.say("PATCH", writers, patch(remove), 204)
    await place.until(lambda: place.teams() == {"Writers": {"ana@acme.test"}}, "more than Bea was removed")
    await place.say(
        "PATCH", writers, patch({"op": "Replace", "path": "displayName", "value": "Authors"}), 204
    )
    await place.until(lambda: place.teams() == {"Authors": {"ana@acme.test"}}, "not renamed")

    # out of scope: disabled by a text; back in scope: enabled; deleted for good after 30 days
    await place.say("PATCH", f"/Users/{bea}", patch({"op": "Replace", "path": "active", "value": "False"}))
    await place.until_members("ana")
    disabled = (await place.say("GET", "/Users?filter=externalId+eq+%22ext-bea%22"))["Resources"]
    assert [one["active"] for one in disabled] == [False]
    await place.say("PATCH", f"/Users/{bea}", patch({"op": "Replace", "path": "active", "value": "True"}))
    await place.until_members("ana", "bea")
    await place.say("DELETE", f"/Users/{bea}", None, 204)
    await place.until_members("ana")
    await place.say("GET", f"/Users/{bea}", None, 404)
    await place.say("DELETE", writers, None, 204)
    await place.until(lambda: place.teams() == {}, "the team is still there")
    assert "555-0100" not in place.log()


async def test_a_bare_remove_of_members_meets_the_guard() -> None:
    """A provider that empties a group by mistake takes nobody out of the team until a person approves."""
    guard = "max_removals = 100000\nmax_removal_percent = 100\nteam_min_removals = 3"
    async with running_scim(guard) as place:
        people = [await okta_assigns(place, f"u{number}") for number in range(12)]
        members = [{"value": one} for one in people]
        body = {"schemas": [GROUP], "displayName": "Writers", "members": members}
        writers = (await place.say("POST", "/Groups", body, 201))["id"]
        await place.until(lambda: len(place.teams().get("Writers", ())) == 12, "no team of all")
        await place.until(place.settled, "not settled")
        await place.say("PATCH", f"/Groups/{writers}", patch({"op": "remove", "path": "members"}), 204)
        assert (await place.say("GET", f"/Groups/{writers}"))["members"] == []

        async def held() -> bool:
            shown = orjson.loads(await place.run("parked", "--json"))
            return bool(shown["parked"] if isinstance(shown, dict) else shown)

        await place.until(held, "nothing is held")
        await place.until(place.settled, "not settled")
        assert len(place.teams()["Writers"]) == 12
