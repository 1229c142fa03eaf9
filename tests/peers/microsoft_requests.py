"""The requests of Microsoft's two public suites for SCIM servers, each with what it expects of the answer.

VALIDATOR: those of https://scimvalidator.microsoft.com. Its tests are described at
https://learn.microsoft.com/entra/identity/app-provisioning/scim-validator-tutorial ; the requests are those
that a run of 2026-02-22 recorded (https://github.com/miiitch/EzSCIM,
docs/scim-test-results/scim-results-06.json), and for managers a run of 2026-02-06
(https://github.com/pranems/SCIMServer). The shape of "Add Attributes" is inferred from its description and
from "Replace Attributes": no record of it was found.

COLLECTION: `PostmanCollection.json` of Microsoft's reference code
(https://github.com/AzureAD/SCIMReferenceCode), from end to end. What it expects is what that server answers.

All in our own form: the attributes and their order are theirs, the made-up values are ours.
"""

from typing import Any

from tests.peers.scim_steps import ENTERPRISE, GROUP, LIST, PATCH, USER, Check, Step

Object = dict[str, Any]


def patch(*operations: Object) -> Object:
    """Return a PATCH body."""
    return {"schemas": [PATCH], "Operations": list(operations)}


# The validator


def _person(name: str) -> Object:
    """What it posts for a user: every attribute there is, `primary` as a text."""
    return {
        "externalId": f"ext-{name}",
        "name": {
            "formatted": f"{name.title()} Ng", "familyName": "Ng", "givenName": name.title(),
            "middleName": "Q", "honorificPrefix": "Dr", "honorificSuffix": "II",
        },
        "displayName": f"{name.title()} N", "nickName": name, "profileUrl": "MGXQKGHAOHLM",
        "title": "Writer", "userType": "VEYANCIJSAOG", "preferredLanguage": "tzm-Tfng",
        "locale": "MZSNWNSDYATG", "timezone": "America/Halifax", "active": True,
        "emails": [{"primary": "true", "value": f"{name}@acme.test"}],
        "phoneNumbers": [{"primary": "true", "value": "57-391-0986"}],
        "addresses": [{
            "primary": "true", "formatted": "VQCPEAPKVFCK", "streetAddress": "9391 Lavonne Islands",
            "locality": "NILKMYVQUFWG", "region": "OBNJPCOUJNYD", "postalCode": "cp2 0wf",
            "country": "Mongolia",
        }],
        "roles": [{"primary": "True", "display": "KEGJDMBTZXPD", "value": "YFPHYSVYNPPK", "type": "ABDRT"}],
        "userName": f"{name}@acme.test", "schemas": [USER],
    }  # fmt: skip


def _as_sent(name: str, at: str = "") -> tuple[Check, ...]:
    """The created user comes back with what was sent, as far as it is kept."""
    sent = _person(name)
    plain = ("externalId", "displayName", "active", "userName")
    named = ("formatted", "familyName", "givenName")
    return (
        *((at + key, "is", sent[key]) for key in plain),
        *((f"{at}name.{key}", "is", sent["name"][key]) for key in named),
        (f"{at}emails[0].value", "is", sent["emails"][0]["value"]),
        (f"{at}emails[0].primary", "is", True),
    )


def _listed(count: int) -> tuple[Check, ...]:
    return (("schemas", "has", LIST), ("totalResults", "is", count), ("Resources", "is a list", None))


def _create(name: str) -> Step:
    title = f"the user of {name}"
    return Step(title, "POST /Users", 201, (("id", "is there", None),), _person(name), {name: "id"})


def _group(name: str) -> Step:
    body = {"externalId": f"ext-{name}", "displayName": name.upper(), "schemas": [GROUP]}
    return Step(f"the group of {name}", "POST /Groups", 201, (("id", "is there", None),), body, {name: "id"})


def _members(*names: str) -> tuple[Check, ...]:
    """Exactly these are in the group."""
    inside = [(f"members[{number}].value", "is", f"{{{{{name}}}}}") for number, name in enumerate(names)]
    return (*inside, (f"members[{len(names)}]", "is absent", None))


_MANAGER = f"{ENTERPRISE}:manager"
_BY_NAME = "GET /Users?filter=userName+eq+%22{}%40acme.test%22"
_BY_TITLE = "GET /Groups?filter=displayName+eq+%22{}%22"
_WITHOUT = "excludedAttributes=members"
_NEW = [{"value": "{{new}}"}]

_VALIDATED_USERS = (
    Step("Create a new User", "POST /Users", 201, _as_sent("new"), _person("new"), {"new": "id"}),
    Step(
        "Create a new User, read", _BY_NAME.format("new"), 200,
        (*_listed(1), *_as_sent("new", "Resources[0].")),
    ),
    Step("Create a duplicate User", "POST /Users", 409, body=_person("new")),
    Step("Filter for an existing user", _BY_NAME.format("new"), 200, _listed(1)),
    Step("Filter for a non-existing user", _BY_NAME.format("nonexistent_1"), 200, _listed(0)),
    Step("Filter for an existing user with a different case", _BY_NAME.format("NEW"), 200, _listed(1)),
    Step(
        "Patch User - Add Attributes, the user", "POST /Users", 201,
        body={"userName": "more@acme.test", "active": True, "schemas": [USER]}, keeps={"more": "id"},
    ),
    Step(
        "Patch User - Add Attributes", "PATCH /Users/{{more}}", 200,
        body=patch(
            {"op": "add", "path": "emails[primary eq true].value", "value": "more@acme.test"},
            {"op": "add", "path": "phoneNumbers[primary eq true].value", "value": "1-836-2162"},
            {"op": "add", "value": {"displayName": "More", "name.givenName": "Mo", "nickName": "M"}},
        ),
    ),
    Step(
        "Patch User - Add Attributes, read", _BY_NAME.format("more"), 200,
        (
            ("Resources[0].displayName", "is", "More"), ("Resources[0].name.givenName", "is", "Mo"),
            ("Resources[0].emails[0].value", "is", "more@acme.test"),
        ),
    ),
    _create("replaced"),
    Step(
        "Patch User - Replace Attributes", "PATCH /Users/{{replaced}}", 200,
        body=patch(
            {"op": "replace", "path": "emails[primary eq true].value", "value": "lorena@acme.test"},
            {"op": "replace", "path": "phoneNumbers[primary eq true].value", "value": "1-836-2162"},
            *(
                {"op": "replace", "path": f"addresses[primary eq true].{key}", "value": "SBQHSNKIAZEB"}
                for key in ("formatted", "streetAddress", "locality", "region", "postalCode", "country")
            ),
            {"op": "replace", "value": {
                "externalId": "ext-lorena", "name.formatted": "Lorena Cody", "name.familyName": "Cody",
                "name.givenName": "Lorena", "name.middleName": "T", "name.honorificPrefix": "R",
                "name.honorificSuffix": "G", "displayName": "Lorena C", "nickName": "L", "profileUrl": "Q",
                "title": "Q", "userType": "M", "preferredLanguage": "lkt-US", "locale": "S",
                "timezone": "Africa/El_Aaiun", "active": True,
            }},
        ),
    ),
    Step(
        "Patch User - Replace Attributes, read", "GET /Users/{{replaced}}", 200,
        (
            ("emails[0].value", "is", "lorena@acme.test"), ("emails[0].primary", "is", True),
            ("externalId", "is", "ext-lorena"), ("displayName", "is", "Lorena C"),
            ("name.formatted", "is", "Lorena Cody"), ("name.familyName", "is", "Cody"),
            ("name.givenName", "is", "Lorena"), ("active", "is", True),
        ),
    ),
    _create("joined"),
    Step(
        "Update User userName", "PATCH /Users/{{joined}}", 200,
        body=patch({"op": "replace", "value": {"userName": "rejoined@acme.test"}}),
    ),
    Step(
        "Update User userName, read", _BY_NAME.format("rejoined"), 200,
        (("Resources[0].id", "is", "{{joined}}"),),
    ),
    _create("disabled"),
    Step(
        "Patch User - Disable User", "PATCH /Users/{{disabled}}", 200, (("active", "is", False),),
        patch({"op": "replace", "path": "active", "value": False}),
    ),
    Step(
        "Patch User - Disable User, read", _BY_NAME.format("disabled"), 200,
        (("Resources[0].active", "is", False),),
    ),
    _create("managed"),
    *(
        Step(f"Patch User - {op.title()} Manager", "PATCH /Users/{{managed}}", 200, body=patch(operation))
        for op, operation in (
            ("add", {"op": "add", "path": _MANAGER, "value": {"value": "{{new}}"}}),
            ("replace", {"op": "replace", "path": _MANAGER, "value": {"value": "{{more}}"}}),
            ("remove", {"op": "remove", "path": _MANAGER}),
        )
    ),
    _create("many"),
    Step(
        "Patch User - Multiple Operations on different attributes", "PATCH /Users/{{many}}", 200,
        (("externalId", "is", "ext-other"), ("displayName", "is", "Other"), ("nickName", "is absent", None)),
        patch(
            {"op": "remove", "path": "nickName"}, {"op": "add", "value": {"externalId": "ext-other"}},
            {"op": "replace", "value": {"displayName": "Other"}},
        ),
    ),
    Step(
        "Patch User - Multiple Operations on same attribute", "PATCH /Users/{{many}}", 200,
        (("externalId", "is", "ext-third"),),
        patch(
            {"op": "remove", "path": "externalId"}, {"op": "add", "value": {"externalId": "ext-second"}},
            {"op": "replace", "value": {"externalId": "ext-third"}},
        ),
    ),
    Step("Delete a User", "DELETE /Users/{{many}}", 204),
    Step("Delete a User, read", "GET /Users/{{many}}", 404),
    Step("Delete the same User twice", "DELETE /Users/{{many}}", 404),
    Step("Delete a non-existent User", "DELETE /Users/{{$guid}}", 404),
)  # fmt: skip

_VALIDATED_GROUPS = (
    _group("seen"),
    Step(
        "Get group by id excluding members", "GET /Groups/{{seen}}?" + _WITHOUT, 200,
        (("id", "is", "{{seen}}"), ("displayName", "is", "SEEN"), ("members", "is absent", None)),
    ),
    Step(
        "Filter for an existing group by displayName excluding members",
        f"GET /Groups?{_WITHOUT}&filter=displayName+eq+%22SEEN%22", 200,
        (
            *_listed(1), ("Resources[0].externalId", "is", "ext-seen"),
            ("Resources[0].members", "is absent", None),
        ),
    ),
    Step("Filter for an existing group", _BY_TITLE.format("SEEN"), 200, _listed(1)),
    Step("Filter for a non-existing group", _BY_TITLE.format("nonexistent_1"), 200, _listed(0)),
    Step("Filter for an existing group with a different case", _BY_TITLE.format("seen"), 200, _listed(1)),
    Step(
        "Create a duplicate Group", "POST /Groups", 409,
        body={"externalId": "ext-seen", "displayName": "SEEN", "schemas": [GROUP]},
    ),
    _group("told"),
    Step(
        "Patch Group - Replace Attributes", "PATCH /Groups/{{told}}", 204,
        body=patch({"op": "replace", "value": {"externalId": "ext-retold"}}),
    ),
    Step(
        "Patch Group - Replace Attributes, read", "GET /Groups/{{told}}", 200,
        (("externalId", "is", "ext-retold"),),
    ),
    Step(
        "Update Group displayName", "PATCH /Groups/{{told}}", 204,
        body=patch({"op": "replace", "value": {"displayName": "RETOLD"}}),
    ),
    Step(
        "Update Group displayName, read", _BY_TITLE.format("RETOLD"), 200,
        (("Resources[0].id", "is", "{{told}}"),),
    ),
    Step(
        "Patch Group - Add Member", "PATCH /Groups/{{told}}", 204,
        body=patch({"op": "replace", "path": "members", "value": _NEW}),
    ),
    Step("Patch Group - Add Member, read", "GET /Groups/{{told}}", 200, _members("new")),
    Step(
        "Patch Group - Remove Member, two are in", "PATCH /Groups/{{told}}", 204,
        body=patch({"op": "replace", "path": "members", "value": [*_NEW, {"value": "{{more}}"}]}),
    ),
    Step(
        "Patch Group - Remove Member", "PATCH /Groups/{{told}}", 204,
        body=patch({"op": "remove", "path": 'members[value eq "{{new}}"]'}),
    ),
    Step("Patch Group - Remove Member, read", "GET /Groups/{{told}}", 200, _members("more")),
    Step(
        "Patch Group - Multiple Operations on same attribute", "PATCH /Groups/{{seen}}", 204,
        body=patch(
            {"op": "add", "path": "members", "value": _NEW},
            {"op": "remove", "path": 'members[value eq "{{new}}"]'},
        ),
    ),
    Step("Patch Group - Multiple Operations, read", "GET /Groups/{{seen}}", 200, (("members", "is", []),)),
    Step("Delete a Group", "DELETE /Groups/{{seen}}", 204),
    Step("Delete a Group, read", "GET /Groups/{{seen}}", 404),
    Step("Delete the same Group twice", "DELETE /Groups/{{seen}}", 404),
    Step("Delete a non-existent Group", "DELETE /Groups/{{$guid}}", 404),
)  # fmt: skip

VALIDATOR = (*_VALIDATED_USERS, *_VALIDATED_GROUPS)


# The collection


def _user(user_name: str, work: str, /, **more: Any) -> Object:
    """What it posts in its first half: `Primary` with a capital."""
    return {
        "userName": user_name, "active": True, "displayName": "BobIsAmazing", "schemas": [USER],
        "externalId": "{{$guid}}",
        "name": {"formatted": "Ryan Leenay", "familyName": "Leenay", "givenName": "Ryan"},
        "emails": [
            {"Primary": True, "type": "work", "value": work},
            {"Primary": False, "type": "home", "value": "home@acme.test"},
        ],
    } | more  # fmt: skip


def _employee(user_name: str | None, /, **more: Any) -> Object:
    """What it posts in its second half, "with garbage": all there is, and nulls."""
    addresses = [
        {
            "country": "Bermuda", "formatted": "9132 Jennifer Way\nSouth Nancy", "locality": "West Mercedes",
            "postalCode": "99265", "region": "Montana", "streetAddress": "4939 Hess Fork", "type": "work",
            "primary": False,
        },
        {
            "country": None, "formatted": "18522 Lisa Unions\nEast Gregory", "locality": None,
            "postalCode": None, "region": None, "streetAddress": None, "type": "other", "primary": False,
        },
    ]  # fmt: skip
    told = {
        "userName": user_name, "active": True, "addresses": addresses, "displayName": "Kimberly Baker",
        "emails": [
            {"type": "work", "primary": True, "value": "anna33@acme.test"},
            {"type": "work", "primary": False, "value": "anna33@example.com"},
        ],
        "meta": {
            "created": "2019-09-18T18:15:26.5788954+00:00", "resourceType": "User",
            "lastModified": "2019-09-18T18:15:26.5788976+00:00",
        },
        "name": {
            "formatted": "Daniel Mcgee", "familyName": "Employee", "givenName": "Darl",
            "honorificPrefix": None, "honorificSuffix": None,
        },
        "phoneNumbers": [
            {"type": "fax", "primary": False, "value": "312-320-0500"},
            {"type": "work", "primary": True, "value": "312-320-0932"},
        ],
        "preferredLanguage": "xh", "roles": [], "title": "Site engineer",
        "externalId": "22fbc523-6032-4c5f-939d-5d4850cf3e52", "schemas": [USER],
    } | more  # fmt: skip
    return {key: value for key, value in told.items() if key != "userName" or value}


_BOTH = [ENTERPRISE, USER]
_GERMANY = [{"country": "Germany", "locality": "East Mercedes", "type": "work", "primary": False}]
_NAMED = {"name": {"formatted": "Daniel Mcgee", "familyName": "OMalley", "givenName": "Darl"}}
_OMALLEY = {"id": "{{omalley}}", "active": False, "addresses": _GERMANY, **_NAMED}
_ADD_4 = patch({
    "name": "addMember", "op": "add", "path": "members",
    "value": [{"displayName": "new User", "value": "{{id4}}"}],
})  # fmt: skip

_ENDPOINTS = (
    Step("Get empty Users", "GET /users", 200),
    Step("Get empty Groups", "GET /Groups", 200),
    Step("Get ResourceTypes", "GET /ResourceTypes", 200, (("Resources[0].endpoint", "is", "/Users"),)),
    Step("Get ServiceProviderConfig", "GET /ServiceProviderConfig", 200, (("patch.supported", "is", True),)),
    Step("Get Schemas", "GET /Schemas", 200, (("", "has", "User Account"),)),
)
_USERS = (
    Step("Post User", "POST /Users", 201, body=_user("UserName123", "a@acme.test"), keeps={"id1": "id"}),
    Step(
        "Post EnterpriseUser", "POST /Users", 201, keeps={"id2": "id"},
        body=_user(
            "UserName222", "b@acme.test", schemas=_BOTH,
            **{ENTERPRISE: {"Department": "bob", "Manager": {"Value": "SuzzyQ"}}},
        ),
    ),
    Step("Get user1", "GET /Users/{{id1}}", 200, (("id", "is", "{{id1}}"),)),
    Step("Get user2", "GET /Users/{{id2}}", 200, (("id", "is", "{{id2}}"),)),
    Step("Get User Attributes", "GET /Users?attributes=userName,emails", 200, (("", "has", "{{id1}}"),)),
    Step(
        "Get User Filters", "GET /Users/?filter=DisplayName+eq+%22BobIsAmazing%22", None,
        (("", "has", "{{id1}}"),),
    ),
    Step(
        "patch user1", "PATCH /Users/{{id1}}", None,
        body=patch({"op": "replace", "path": "userName", "value": "ryan3"}),
    ),
    Step(
        "Get User1 Check Patch", "GET /Users/{{id1}}", 200,
        (("id", "is", "{{id1}}"), ("userName", "is", "ryan3")),
    ),
    Step(
        "User 2 replace test", "PUT /Users/{{id2}}", 200,
        body=_user(
            "UserNameReplace2", "c@acme.test", schemas=_BOTH, id="{{id2}}",
            name={"formatted": "NewName", "familyName": "Leenay", "givenName": "Ryan"},
        ),
    ),
    Step("Get user2 Check replace", "GET /Users/{{id2}}", 200, (("name.formatted", "is", "NewName"),)),
    Step("Delete user1", "DELETE /Users/{{id1}}", 204),
    Step("Delete user2", "DELETE /Users/{{id2}}", 204),
)  # fmt: skip
_GROUPS = (
    Step(
        "Create empty group", "POST /Groups", 201, keeps={"group1": "id"},
        body={
            "schemas": [GROUP], "externalId": "{{$guid}}", "displayName": "Group1DisplayName", "members": [],
        },
    ),
    *(
        Step(
            f"create user {number} for group 2", "POST /Users", 201, keeps={f"id{number}": "id"},
            body=_user(f"UserName{number}", "d@acme.test", schemas=_BOTH),
        )
        for number in (3, 4)
    ),
    Step(
        "Create filled group 2", "POST /Groups", 201, keeps={"group2": "id"},
        body={
            "schemas": [GROUP], "externalId": "{{$guid}}", "displayName": "GroupDisplayName2",
            "members": [{"value": "{{id3}}", "display": "VP"}],
        },
    ),
    Step("Get Groups", "GET /Groups", 200),
    Step(
        "Create group 3", "POST /Groups", 201, keeps={"group3": "id"},
        body={
            "schemas": [GROUP], "externalId": "{{$guid}}", "displayName": "GroupDisplayName3", "members": [],
        },
    ),
    Step(
        "Put replace group3", "PUT /Groups/{{group3}}", 200,
        body={
            "schemas": [GROUP], "id": "{{group3}}", "displayName": "putName",
            "members": [{"value": "{{id3}}", "display": "VP"}, {"value": "{{id4}}", "display": "SenorVP"}],
        },
    ),
    Step(
        "Validate group 3", "GET /Groups/{{group3}}", 200,
        (("id", "is", "{{group3}}"), ("", "has", "{{id3}}")),
    ),
    Step("Patch add user4 to group1", "PATCH /Groups/{{group1}}", None, body=_ADD_4),
    Step(
        "Patch remove user4 to group1", "PATCH /Groups/{{group1}}", None,
        body=patch({"op": "remove", "path": 'members[value eq "{{id4}}"]'}),
    ),
    Step("Patch add user4 to group1", "PATCH /Groups/{{group1}}", None, body=_ADD_4),
    Step(
        "Get group by id", "GET /Groups/{{group1}}", 200,
        (("id", "is", "{{group1}}"), ("", "has", "new User")),
    ),
    Step(
        "Patch remove all users", "PATCH /Groups/{{group1}}", None,
        body=patch({"op": "remove", "path": "members"}),
    ),
    Step(
        "Get group by id, emptied", "GET /Groups/{{group1}}", 200,
        (("id", "is", "{{group1}}"), ("", "lacks", "new User"), ("", "lacks", "{{id4}}")),
    ),
    *(Step(f"Delete user id{number}", f"DELETE /Users/{{{{id{number}}}}}", 204) for number in (3, 4)),
    *(Step(f"Delete group {number}", f"DELETE /Groups/{{{{group{number}}}}}", 204) for number in (1, 2, 3)),
)  # fmt: skip
_COMPLEX = (
    Step(
        "create user1", "POST /Users", 201,
        body=_user("UserName111", "emailName357", schemas=_BOTH), keeps={"id1": "id"},
    ),
    Step(
        "create user2", "POST /Users", 201,
        body=_user("UserName222", "jump@acme.test", schemas=_BOTH), keeps={"id2": "id"},
    ),
    Step(
        "Get user attributes of a type", "GET /Users?attributes=emails%5Btype+eq+%22work%22%5D", 200,
        (("", "has", "emailName357"),),
    ),
    Step(
        "Get user via attributes filter",
        "GET /Users?attributes=emails%5Bvalue+eq+%22emailName357%22%5D", 200,
        (("", "has", "emailName357"),),
    ),
    Step("Delete User1", "DELETE /Users/{{id1}}", 204),
    Step("Delete User2", "DELETE /Users/{{id2}}", 204),
)  # fmt: skip
_GARBAGE = (
    Step(
        'Post user "OMalley"', "POST /Users", 201, (("userName", "is", "OMalley"), ("active", "is", True)),
        _employee("OMalley", **_NAMED), {"omalley": "id"},
    ),
    Step(
        'Post emp1 with string "True"', "POST /Users", 201, (("active", "is", True),),
        _employee("emp1", active="True"), {"emp1": "id"},
    ),
    Step("Get all users", "GET /Users", 200, (("totalResults", "is", 2), ("", "has", "OMalley"))),
    Step("Post emp2", "POST /Users", 201, body=_employee("emp2"), keeps={"emp2": "id"}),
    Step("Post emp3", "POST /Users", 201, body=_employee("emp3"), keeps={"emp3": "id"}),
    Step("Post no username", "POST /Users", 400, body=_employee(None)),
    Step("Post junk", "POST /Users", 400, body='{"acve": tre, "adadfdresses": [{"coudftry": "B"} les": []}'),
    Step("Post emp3 exists", "POST /Users", 409, (("", "has", "detail"),), _employee("emp3")),
    Step("Post emp3 exists try again", "POST /Users", 409, (("", "has", "detail"),), _employee("emp3")),
    Step(
        "Put a user no username", "PUT /Users/{{omalley}}", 400,
        body=_employee(None, userame="OMalley", **_OMALLEY),
    ),
    Step(
        "Put a user misspelled attribute", "PUT /Users/{{omalley}}", 200, (("", "lacks", "Addresses"),),
        _employee("OMalley", adreses=_GERMANY, **_OMALLEY),
    ),
    Step(
        "Post enterprise user", "POST /Users", 201, keeps={"enterprise": "id"},
        body=_employee("enterprise", schemas=_BOTH, **{ENTERPRISE: {"Department": "some department"}}),
    ),
    Step(
        "Patch user omalley new username", "PATCH /Users/{{omalley}}", 204,
        body=patch({"op": "Replace", "path": "userName", "value": "newusername"}),
    ),
    Step(
        "patch user omalley active with boolean", "PATCH /Users/{{omalley}}", 204,
        body=patch({"op": "Replace", "path": "active", "value": False}),
    ),
    Step(
        "get user1", "GET /Users/{{omalley}}", None,
        (("userName", "is", "newusername"), ("active", "is", False)),
    ),
    Step(
        "Put a user OMalley", "PUT /Users/{{omalley}}", 200,
        (("userName", "is", "OMalley"), ("active", "is", False), ("", "has", "Germany")),
        _employee("OMalley", **_OMALLEY),
    ),
    Step(
        "Paginate", "GET /Users?startIndex=1&count=2", None,
        (("totalResults", "is", 5), ("itemsPerPage", "is", 2)),
    ),
    Step("get user attributes", "GET /Users?attributes=userName,emails", None, (("totalResults", "is", 5),)),
    Step("Post emp3 exists once more", "POST /Users", 409, (("", "has", "detail"),), _employee("emp3")),
    Step(
        "filter eq and (val or val)",
        "GET /Users?filter=name.FamilyName eq Employee and "
        "(emails.Value co example.com or emails.Value co example.org)",
        None, (("totalResults", "is", 4),),
    ),
    Step("filter starts with", "GET /Users?filter=userName sw O", None, (("totalResults", "is", 1),)),
    Step(
        "filter greater than", "GET /Users?filter=meta.Created gt 2015-10-10T14:38:21.8617979-07:00", None,
        (("totalResults", "is", 5),),
    ),
)  # fmt: skip
# The same three with the quotes that RFC 7644 3.4.2.2 wants around a text: not Microsoft's.
_QUOTED = (
    Step(
        "filter eq and (val or val), quoted",
        'GET /Users?filter=name.FamilyName eq "Employee" and '
        '(emails.Value co "example.com" or emails.Value co "example.org")',
        200, (("totalResults", "is", 4),),
    ),
    Step(
        "filter starts with, quoted", 'GET /Users?filter=userName sw "O"', 200,
        (("totalResults", "is", 1),),
    ),
    Step(
        "filter greater than, quoted",
        'GET /Users?filter=meta.Created gt "2015-10-10T14:38:21.8617979-07:00"', 200,
        (("totalResults", "is", 5),),
    ),
)  # fmt: skip
_GROUP_GARBAGE = (
    Step(
        "Post group", "POST /Groups", 201, keeps={"group": "id"},
        body={"displayName": "Group 1", "externalId": "015489ea-9410-4306-b583", "schemas": [GROUP]},
    ),
    *(
        Step(
            f"Group patch add member {number}", "PATCH /Groups/{{group}}", 204,
            body={
                "id": "{{group}}",
                **patch({"op": "add", "path": "members", "value": f"string id {number}"}),
            },
        )
        for number in (1, 2)
    ),
    Step("Get group", "GET /Groups/{{group}}", 200),
    Step("Get group exclude members", "GET /Groups/{{group}}?excludedAttributes=members", 200),
    Step(
        "group put", "PUT /Groups/{{group}}", 200, (("displayName", "is", "Tiffany Ortiz"),),
        {
            "id": "{{group}}", "displayName": "Tiffany Ortiz", "schemas": [GROUP],
            "externalId": "6c6b54c2-fa81-4234-ad4f-420ec6808049",
        },
    ),
)  # fmt: skip
_TEARDOWN = (
    *(
        Step(f"Delete {name}", f"DELETE /Users/{{{{{name}}}}}", 204)
        for name in ("omalley", "emp1", "emp2", "emp3", "enterprise")
    ),
    Step("Delete the group", "DELETE /Groups/{{group}}", 204),
    Step("Get all users, cleared", "GET /Users?attributes=userName", 200, (("Resources", "is", []),)),
    Step("Get all groups, cleared", "GET /Groups", 200, (("Resources", "is", []),)),
)

COLLECTION = (
    *_ENDPOINTS, *_USERS, *_GROUPS, *_COMPLEX, *_GARBAGE, *_QUOTED, *_GROUP_GARBAGE, *_TEARDOWN,
)  # fmt: skip
