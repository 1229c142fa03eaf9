"""Okta's SCIM 2.0 specification test, which Okta asks of each server before it lists an integration.

It is `Okta-SCIM-20-SPEC-Test.json` (exported 2024-05-13; https://developer.okta.com/standards/SCIM/SCIMFiles/),
written for the test runner Runscope, now BlazeMeter: here are all its requests in their order, with its
assertions and the names of its variables, in our own form. Left out are its pauses, and that a list of groups
comes within 600 ms: no test here looks at the clock.

Okta's second file, the CRUD test, speaks to a live Okta organisation and cannot be played without one.
"""

from tests.peers.scim_steps import ERROR, LIST, USER, Check, Step

# What the file takes for granted: a user is there, and these are told by whoever runs it.
NAMES = {
    "InvalidUserEmail": "abcdefgh@acme.test",
    "UserIdThatDoesNotExist": "010101001010101011001010101011",
    "randomUsername": "runscope.one@acme.test",
    "randomUsernameCaps": "RUNSCOPE.ONE@ACME.TEST",
    "randomEmail": "runscope.mail@acme.test",
    "randomGivenName": "Runscope",
    "randomFamilyName": "Tester",
}
SEEN_BEFORE = {
    "schemas": [USER], "userName": "ana@acme.test", "name": {"givenName": "Ana", "familyName": "Ng"},
    "emails": [{"primary": True, "value": "ana@acme.test", "type": "work"}], "active": True,
}  # fmt: skip


def _is_whole(at: str = "") -> tuple[Check, ...]:
    places = ("id", "name.familyName", "name.givenName", "userName", "active", "emails[0].value")
    return tuple((at + place, "is there", None) for place in places)


def _told(email: str) -> dict[str, object]:
    return {
        "schemas": [USER], "userName": "{{randomUsername}}",
        "name": {"givenName": "{{randomGivenName}}", "familyName": "{{randomFamilyName}}"},
        "emails": [{"primary": True, "value": email, "type": "work"}],
        "displayName": "{{randomGivenName}} {{randomFamilyName}}", "active": True,
    }  # fmt: skip


_NAMED: tuple[Check, ...] = (
    ("userName", "is", "{{randomUsername}}"),
    ("name.familyName", "is", "{{randomFamilyName}}"),
    ("name.givenName", "is", "{{randomGivenName}}"),
)
_REFUSED: tuple[Check, ...] = (("detail", "is there", None), ("schemas", "has", ERROR))

STEPS = (
    Step(
        "Test Users endpoint", "GET /Users?count=1&startIndex=1", 200,
        (
            ("Resources", "is there", None), ("schemas", "has", LIST),
            *((place, "is a number", None) for place in ("itemsPerPage", "startIndex", "totalResults")),
            *_is_whole("Resources[0]."),
        ),
        keeps={"ISVUserid": "Resources[0].id"},
    ),
    Step("Get Users/{{id}}", "GET /Users/{{ISVUserid}}", 200, (*_is_whole(), ("id", "is", "{{ISVUserid}}"))),
    Step(
        "Test invalid User by username", 'GET /Users?filter=userName eq "{{InvalidUserEmail}}"', 200,
        (("schemas", "has", LIST), ("totalResults", "is", 0)),
    ),
    Step("Test invalid User by ID", "GET /Users/{{UserIdThatDoesNotExist}}", 404, _REFUSED),
    Step(
        "Make sure random user doesn't exist", 'GET /Users?filter=userName eq "{{randomEmail}}"', 200,
        (("totalResults", "is", 0), ("schemas", "has", LIST)),
    ),
    Step(
        "Create Okta user with realistic values", "POST /Users", 201,
        (("active", "is", True), ("id", "is there", None), ("schemas", "has", USER), *_NAMED),
        _told("{{randomEmail}}"), {"idUserOne": "id"},
    ),
    Step("Verify that user was created", "GET /Users/{{idUserOne}}", 200, _NAMED),
    Step(
        "Expect failure when recreating user with same values", "POST /Users", 409,
        body=_told("{{randomUsername}}"),
    ),
    Step(
        "Username Case Sensitivity Check", 'GET /Users?filter=userName eq "{{randomUsernameCaps}}"', 200,
    ),
    Step("Verify Groups endpoint", "GET /Groups", 200, (("Resources", "is a list", None),)),
    Step(
        "Check status 401", 'GET /Users?filter=userName eq "{{randomUsernameCaps}}"', 401,
        (("detail", "is there", None), ("status", "is", "401"), ("", "has", ERROR)), token="non-token",
    ),
    Step("Check status 404", "GET /Users/00919288221112222", 404, (("status", "is", "404"), *_REFUSED)),
)  # fmt: skip
