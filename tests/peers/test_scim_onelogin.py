"""OneLogin's SCIM client, from the test of its connection to the deletion of a user, to the end at GitBook.

Published by OneLogin: which requests there are, and that the first is for a user who does not exist
(https://developers.onelogin.com/scim/implement-scim-api); the templates of users, of SCIM 1.1, one with its
address as an object (https://developers.onelogin.com/scim/define-user-schema). From a log of its requests:
the schemas of a draft of SCIM 2.0 (https://github.com/goauthentik/authentik/issues/11249). From a test that
plays its requests as of 2020-03-21: all that is about groups, the way a user is deactivated, and the body
of "SCIM v2 Core" (https://github.com/linkyard/scim-scala, OneLoginClientSpec). Inferred: that who comes
back is put active, and the ids in what is put.
"""

from typing import Any

import pytest

from tests.peers.scim_place import ScimPlace
from tests.peers.scim_steps import GROUP, PATCH, USER

pytestmark = pytest.mark.peers

DRAFT = "urn:scim:schemas:core:2.0"
SCIM_1 = "urn:scim:schemas:core:1.0"
ENTERPRISE_1 = "urn:scim:schemas:extension:enterprise:1.0"


def logged(name: str) -> dict[str, Any]:
    """A user as the log has one."""
    return {
        "schemas": [DRAFT, "urn:scim:schemas:extension:enterprise:2.0"],
        "userName": f"{name}@acme.test",
        "name": {"familyName": "Ng", "givenName": name.title(), "formatted": f"{name.title()} Ng"},
        "title": "Writer",
        "emails": [{"value": f"{name}@acme.test", "type": "work", "primary": True}],
    }


def core_template(name: str) -> dict[str, Any]:
    """A user by OneLogin's "Core User Schema": a name and nothing else."""
    named = {"givenName": name.title(), "familyName": "Ng", "formatted": f"{name.title()} Ng"}
    return {"schemas": [SCIM_1], "userName": f"{name}@acme.test", "name": named}


def enterprise_template(name: str) -> dict[str, Any]:
    """A user by OneLogin's "Enterprise User Schema": one address, without a list."""
    return core_template(name) | {
        "schemas": [SCIM_1, ENTERPRISE_1],
        "emails": {"value": f"{name}@acme.test", "type": "work", "primary": True},
        "title": "Writer",
        ENTERPRISE_1: {"department": "Docs", "manager": {"managerId": "", "displayName": " "}},
    }


def v2_core(name: str) -> dict[str, Any]:
    """A user as the application "SCIM Provisioner with SAML (SCIM v2 Core)" posts one."""
    return {
        "userName": f"{name}@acme.test",
        "name": {"givenName": name.title(), "familyName": "Ng"},
        "schemas": [USER],
        "emails": [{"primary": True, "type": "work", "value": f"{name}@acme.test"}],
        "active": True,
    }


async def provisioned(place: ScimPlace, body: dict[str, Any]) -> str:
    """OneLogin looks for the user and creates them; returns the id."""
    name = body["userName"].replace("@", "%40")
    search = f"/Users?filter=userName%20eq%20%22{name}%22"
    assert (await place.say("GET", search))["totalResults"] == 0
    created = await place.say("POST", "/Users", body, 201)
    assert created["userName"] == body["userName"]
    assert [one["id"] for one in (await place.say("GET", search))["Resources"]] == [created["id"]]
    return str(created["id"])


def members(op: str, ident: str) -> dict[str, Any]:
    """A PATCH that lets one in, or takes one out, its keys in OneLogin's order."""
    return {"schemas": [PATCH], "Operations": [{"value": [{"value": ident}], "op": op, "path": "members"}]}


async def test_onelogin(place: ScimPlace) -> None:
    """Test of the connection, users by each template, roles as groups, update, deactivation, deletion."""
    nobody = await place.say("GET", "/Users?filter=userName%20eq%20%22never-existing-user%22")
    assert (nobody["totalResults"], nobody["Resources"]) == (0, [])
    ana = await provisioned(place, logged("ana"))
    bea = await provisioned(place, core_template("bea"))
    cy = await provisioned(place, enterprise_template("cy"))
    dee = await provisioned(place, v2_core("dee"))
    await place.until_members("ana", "bea", "cy", "dee")

    # a role that is to be a group: not among those that are there, so it is created, then filled one by one
    assert (await place.say("GET", "/Groups?count=100&startIndex=1"))["Resources"] == []
    made = await place.say("POST", "/Groups", {"displayName": "Writers", "schemas": [GROUP]}, 201)
    writers = f"/Groups/{made['id']}"
    for ident in (ana, bea, cy):
        await place.say("PATCH", writers, members("add", ident), 204)
    everybody = {f"{name}@acme.test" for name in ("ana", "bea", "cy")}
    await place.until(lambda: place.teams() == {"Writers": everybody}, "no team of the three")

    # a changed profile: the user is read, and put as a whole by the template, which says nothing of `active`
    assert (await place.say("GET", f"/Users/{cy}"))["name"]["familyName"] == "Ng"
    name = {"givenName": "Cy", "familyName": "Nguyen", "formatted": "Cy Nguyen"}
    put = await place.say("PUT", f"/Users/{cy}", enterprise_template("cy") | {"id": cy, "name": name})
    assert (put["name"]["familyName"], put["active"]) == ("Nguyen", True)

    # suspended in OneLogin: taken out of the group, then put inactive; and back
    await place.say("PATCH", writers, members("remove", bea), 204)
    await place.say("PUT", f"/Users/{bea}", core_template("bea") | {"id": bea, "active": False})
    await place.until_members("ana", "cy", "dee")
    await place.until(lambda: place.teams() == {"Writers": everybody - {"bea@acme.test"}}, "Bea is in it")
    await place.say("PUT", f"/Users/{bea}", core_template("bea") | {"id": bea, "active": True})
    await place.until_members("ana", "bea", "cy", "dee")

    # deleted in OneLogin
    await place.say("PATCH", writers, members("remove", ana), 204)
    await place.say("DELETE", f"/Users/{ana}", None, 204)
    await place.say("GET", f"/Users/{ana}", None, 404)
    await place.until_members("bea", "cy", "dee")
    assert place.teams() == {"Writers": {"cy@acme.test"}}

    # what OneLogin reads to compare
    page = await place.say("GET", "/Users?count=100&startIndex=1")
    assert (page["totalResults"], {one["id"] for one in page["Resources"]}) == (3, {bea, cy, dee})
