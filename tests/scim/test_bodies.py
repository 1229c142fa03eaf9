"""Bodies of writes, taken apart."""

from typing import Any

import orjson
import pytest
from scim2_models import SCIMException

from bridge.scim.bodies import DEEPEST, load_object, plain_resource, split_patch, split_resource

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (
            {"schemas": ["urn:scim:schemas:core:2.0", "urn:scim:schemas:extension:enterprise:2.0"]},
            {"schemas": [USER]},
        ),
        ({"schemas": ["urn:scim:schemas:core:1.0"]}, {"schemas": [USER]}),
        ({"schemas": None}, {"schemas": [USER]}),
        ({"schemas": ["urn:x"]}, {"schemas": ["urn:x"]}),
        ({"Emails": {"value": "a@x.test"}}, {"Emails": [{"value": "a@x.test"}]}),
        ({"userName": " a@x.test "}, {"userName": "a@x.test"}),
        ({"ID": "7", "meta": {"created": ""}, "title": "x"}, {"title": "x"}),
    ],
)
def test_whole_resources_are_made_plain(value: dict[str, Any], plain: dict[str, Any]) -> None:
    """What senders of drafts write, and what is read-only and not read."""
    assert plain_resource(value, USER) == plain


def test_a_group_is_split_from_its_members() -> None:
    """Whatever the case of the key."""
    rest, change = split_resource({"displayName": "A", "MEMBERS": [{"value": "x"}]})
    assert orjson.loads(rest) == {"displayName": "A"}
    assert (change.whole, change.told) == (True, {"x": True})


@pytest.mark.parametrize(
    "body", [{f"{GROUP}:members": ["x"]}, {GROUP: {"members": ["x"]}}, {GROUP.upper(): {"Members": "x"}}]
)
def test_members_under_the_schema_are_members(body: dict[str, Any]) -> None:
    """In a whole group and in a patch without a path."""
    rest, change = split_resource({"displayName": "A", **body})
    assert (orjson.loads(rest), change.told) == ({"displayName": "A"}, {"x": True})
    rest, change = split_patch({"Operations": [{"op": "replace", "value": body}]}, has_members=True)
    assert (change.whole, change.told) == (True, {"x": True})
    assert orjson.loads(rest)["Operations"] == [{"op": "replace", "value": {}}]


def test_keys_that_are_paths_are_operations() -> None:
    """The library passes over a key it does not know, and the address would stay as it was."""
    path, named = 'emails[type eq "work"].value', {"displayName": "A"}
    for plain, operations in ((named, [{"op": "replace", "value": named}]), ({}, [])):
        body = {"Operations": [{"op": "replace", "value": {**plain, path: "a@x.test"}}]}
        rest, _ = split_patch(body, has_members=False)
        expected = [*operations, {"op": "replace", "path": path, "value": "a@x.test"}]
        assert orjson.loads(rest)["Operations"] == expected


def test_a_group_that_says_nothing_of_members_changes_none() -> None:
    """An omission must not empty a team; null and an empty list do."""
    assert split_resource({"displayName": "A"})[1].whole is False
    assert split_resource({"members": None})[1].whole is True
    assert split_resource({"members": []})[1].whole is True


def test_a_patch_is_split() -> None:
    """What is about members leaves the operations; the others go on as they are."""
    name = {"op": "replace", "path": "displayName", "value": "A"}
    body = {"Operations": [{"op": "Add", "path": "members", "value": [{"value": "x"}]}, name]}
    rest, change = split_patch(body, has_members=True)
    assert orjson.loads(rest)["Operations"] == [name]
    assert change.told == {"x": True}


def test_a_patch_of_members_alone_leaves_one_that_does_nothing() -> None:
    """The library wants at least one operation."""
    rest, _ = split_patch({"operations": [{"op": "remove", "path": "members"}]}, has_members=True)
    assert orjson.loads(rest)["Operations"] == [{"op": "replace", "value": {}}]


def test_users_have_no_members() -> None:
    """Their operations go on untouched, whatever they are called."""
    operation = {"op": "add", "path": "members", "value": "x"}
    rest, change = split_patch({"Operations": [operation]}, has_members=False)
    assert orjson.loads(rest)["Operations"] == [operation]
    assert change.told == {}


@pytest.mark.parametrize("depth", [DEEPEST - 1, DEEPEST, 1000])
def test_depth_is_bounded(depth: int) -> None:
    """The whole body counts as one level."""
    body = b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
    if depth <= DEEPEST:
        assert load_object(body)
        return
    with pytest.raises(SCIMException):
        load_object(body)


MANY = " or ".join(f'value eq "{number:06}"' for number in range(90))
HOSTILE = {
    "filters": [{"op": "remove", "path": f"members[({MANY})]"}] * 1000,
    "other filters": [{"op": "replace", "path": f"emails[{MANY}].display", "value": "x"}] * 100,
    "paths as keys": [{"op": "replace", "value": {f'emails[type eq "{n}"].value': "x" for n in range(5000)}}],
    "addresses": [{"op": "add", "path": "emails", "value": [{"value": f"a{n}@x.test"} for n in range(500)]}]
    * 99,
    "attributes": [{"op": "replace", "value": {f"k{n}": "x" for n in range(1100)}}],
    "attributes of one": [{"op": "replace", "path": "name", "value": {f"k{n}": {} for n in range(1100)}}],
    "operations": [{"op": "replace", "path": "displayName", "value": "x"}] * 101,
}


@pytest.mark.parametrize("operations", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("has_members", [False, True])
def test_what_takes_long_is_not_read(
    operations: list[dict[str, Any]], has_members: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes in thousands is counted before the library's grammar, or the library, sees any of it."""

    def parse(text: str) -> None:
        raise AssertionError(text)

    monkeypatch.setattr("bridge.scim.members.Path", parse)
    with pytest.raises(SCIMException):
        split_patch({"Operations": operations}, has_members)


def test_many_members_in_filters_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library's grammar: 2 MB of these took it 6 seconds."""
    monkeypatch.delattr("bridge.scim.members.Path")
    operations = [
        {
            "op": "remove",
            "path": " or ".join(f'value eq "{n}"' for n in range(k, k + 90)).join(("members[", "]")),
        }
        for k in range(0, 9000, 90)
    ]
    _, change = split_patch({"Operations": operations}, True)
    assert change.told == dict.fromkeys(map(str, range(9000)), False)


def test_whole_resources_are_bounded_too() -> None:
    """Besides members."""
    users = [{"value": f"u{number}"} for number in range(5000)]
    split_resource({"displayName": "A", "members": users})
    with pytest.raises(SCIMException):
        split_resource({"displayName": "A", "others": users})


def test_plain_values_in_lists_are_unpacked() -> None:
    """Old jobs of Entra; lists that are meant to be lists stay."""
    odd: Any = [{"$ref": None, "value": "False"}]
    operations = [{"op": "replace", "path": path, "value": odd} for path in ("active", "emails")]
    rest, _ = split_patch({"Operations": operations}, has_members=False)
    assert [one["value"] for one in orjson.loads(rest)["Operations"]] == ["False", odd]
