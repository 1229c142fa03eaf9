"""The cut of GitBook's document, and the judge that is made of it."""

import json

import pytest

from tests.peers.spec import (
    PATHS,
    Spec,
    answer_problems,
    body_schema_for,
    cut,
    operations,
    problems,
    schema_for,
    template_of,
)

pytestmark = pytest.mark.peers

MEMBER = {
    "object": "member",
    "id": "u1",
    "role": None,
    "user": {"object": "user", "id": "u1", "displayName": "Ana", "urls": {"location": "https://x.test/u1"}},
    "disabled": False,
    "joinedAt": "2026-01-01T00:00:00Z",
    "sso": True,
    "spaces": 0,
    "teams": 0,
    "sites": 0,
}
INVITES = "/orgs/{organizationId}/invites"


def test_cut_keeps_the_paths_asked_for_and_nothing_else(spec: Spec) -> None:
    """The cut holds 18 paths, 33 operations, and is a fixed point: cutting it again changes nothing."""
    assert set(spec["paths"]) == set(PATHS)
    assert len(operations(spec)) == 33
    assert cut(spec) == spec


def test_cut_can_put_a_prefix_before_its_paths(spec: Spec) -> None:
    """With a prefix every path begins with it, and the operations are the same."""
    prefixed = cut(spec, PATHS, "/v1")

    assert operations(prefixed) == {(method, f"/v1{path}") for method, path in operations(spec)}


def test_cut_names_a_path_that_the_document_lacks(spec: Spec) -> None:
    """A path that GitBook dropped is an error, not a smaller document."""
    with pytest.raises(KeyError, match="/scim"):
        cut(spec, ["/scim"])


def test_template_of_finds_the_path_of_a_request(spec: Spec) -> None:
    """A request's path finds the template of as many parts, or raises."""
    assert template_of(spec, "/orgs/acme/members/u1") == "/orgs/{organizationId}/members/{userId}"
    with pytest.raises(KeyError, match="/orgs/acme/members/u1/nothing"):
        template_of(spec, "/orgs/acme/members/u1/nothing")


def test_a_right_answer_has_no_problems(spec: Spec) -> None:
    """A list of members as GitBook describes it passes."""
    raw = json.dumps({"items": [MEMBER], "next": {"page": "2"}, "count": 2}).encode()

    assert answer_problems(spec, "GET", "/orgs/acme/members", 200, raw) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"role": "guest"}, "$.role: 'guest' is not valid"),
        ({"joinedAt": "yesterday"}, "$.joinedAt: 'yesterday' is not a 'date-time'"),
        ({"email": "ana@acme.test"}, "$: Unevaluated properties are not allowed ('email' was unexpected)"),
        ({"user": {**MEMBER["user"], "name": "Ana"}}, "$.user: Unevaluated properties"),  # type: ignore[dict-item]
    ],
)
def test_a_wrong_answer_is_told_by_its_field(spec: Spec, change: dict[str, object], problem: str) -> None:
    """A wrong value, a wrong format and a field that GitBook does not have are problems."""
    raw = json.dumps({**MEMBER, **change}).encode()

    found = answer_problems(spec, "GET", "/orgs/acme/members/u1", 200, raw)

    assert [problem] == [line[: len(problem)] for line in found]


def test_an_error_that_is_not_declared_has_the_documented_shape(spec: Spec) -> None:
    """GitBook declares hardly any error: each must be {"error": {"code": its status, "message": text}}."""
    right = b'{"error": {"code": 429, "message": "slow down"}}'

    assert answer_problems(spec, "GET", "/orgs/acme/members", 429, right) == []
    assert answer_problems(spec, "GET", "/orgs/acme/members", 403, right) == [
        "$.error.code: 403 was expected"
    ]


def test_an_answer_without_a_body_has_none(spec: Spec) -> None:
    """205 has no body; a success that the operation does not declare is a problem."""
    assert schema_for(spec, "DELETE", "/orgs/{organizationId}/members/{userId}", 205) is None
    assert answer_problems(spec, "DELETE", "/orgs/acme/members/u1", 205, b"") == []
    assert answer_problems(spec, "DELETE", "/orgs/acme/members/u1", 205, b"{}") != []
    assert answer_problems(spec, "DELETE", "/orgs/acme/members/u1", 200, b"") != []


def test_request_bodies_are_judged_likewise(spec: Spec) -> None:
    """An invite may name a role for all or for one, but no field that GitBook does not read."""
    schema = body_schema_for(spec, "POST", INVITES)
    assert schema is not None

    ana = {"email": "ana@acme.test", "role": "edit"}
    assert problems(spec, schema, {"emails": ["ben@acme.test", ana], "sso": True, "role": None}) == []
    assert len(problems(spec, schema, {"emails": ["ben@acme.test"], "ssoProvider": "okta"})) == 1
