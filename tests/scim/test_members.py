"""Changes of members, as values."""

import pytest
from scim2_models import InvalidPathException, InvalidValueException

from bridge.scim.members import MOST_MEMBERS, MemberChange, apply_operation, names_members, read_members


def test_the_last_word_counts() -> None:
    """Operations of one request are taken in their order."""
    change = MemberChange()
    change.tell(["a", "b"], True)
    change.tell(["b", "c"], False)

    assert change.difference({"c"}) == (["a"], ["c"])


def test_replacing_forgets_what_was_said_before() -> None:
    """And what is said after it counts."""
    change = MemberChange()
    change.tell(["a"], False)
    change.replace(["a", "b"])
    change.tell(["c"], True)
    change.tell(["b"], False)

    assert change.difference(["b", "x", "c"]) == (["a"], ["b", "x"])


def test_nobody_comes_or_goes_twice() -> None:
    """Repeats in a list are one person."""
    change = MemberChange()
    change.replace(["a", "a"])
    assert change.difference(()) == (["a"], [])
    assert change.difference(["a"]) == ([], [])


@pytest.mark.parametrize(
    "value",
    [[{"value": "a"}], {"Value": "a", "display": "A"}, ["a"], "a", '[{"value": "a"}]', '{"value":"a"}'],
)
def test_shapes_of_members(value: object) -> None:
    """Objects, an object, ids, an id; also as JSON within the JSON."""
    assert read_members(value) == ["a"]


def test_text_that_is_no_list_is_no_member() -> None:
    """It would be a member nobody is."""
    with pytest.raises(InvalidValueException, match="members is a text: send a list"):
        read_members('[{"value": "a"')


@pytest.mark.parametrize("op", ["add", "replace", "remove"])
@pytest.mark.parametrize("attribute", ["display", "type", "$ref", "value"])
@pytest.mark.parametrize("schema", ["", "urn:ietf:params:scim:schemas:core:2.0:Group:"])
def test_attribute_of_every_member_is_not_the_members(op: str, attribute: str, schema: str) -> None:
    """`remove members.display` would empty the group, `replace` would fill it with names."""
    change = MemberChange()
    for told in (False, True):
        with pytest.raises(InvalidPathException):
            apply_operation(change, op, f"{schema}members.{attribute}", "x" if told else None, told)
    assert change == MemberChange()


@pytest.mark.parametrize(
    "path", ['members [value eq "a.b"]', 'members[value eq "a.b"]', 'MEMBERS [ value eq "a.b" ]']
)
def test_member_is_selected_with_blanks_anywhere(path: str) -> None:
    """Before the bracket, too."""
    change = MemberChange()
    assert names_members(path)
    apply_operation(change, "remove", path, None, told=False)
    assert change.told == {"a.b": False}


def test_member_s_id_holds_no_control_character() -> None:
    """No user has such an id, and the store separates ids by such characters."""
    with pytest.raises(InvalidValueException, match=r"members.value holds U\+001F"):
        read_members([{"value": "usr_1\x1f2"}])


def test_more_members_than_a_request_may_name() -> None:
    """The text says how many."""
    with pytest.raises(InvalidValueException, match=str(MOST_MEMBERS)):
        read_members(["a"] * (MOST_MEMBERS + 1))


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("members", True),
        ("Members[value eq 1]", True),
        ("members.value", True),
        ("urn:ietf:params:scim:schemas:core:2.0:Group:members", True),
        ("membersOf", False),
        ("displayName", False),
        ("urn:x:members", False),
    ],
)
def test_paths_about_members(path: str, right: bool) -> None:
    """In any case of letters, with or without the schema."""
    assert names_members(path) is right
