"""What is kept of a resource, and what the bridge makes of it."""

import pytest
from scim2_models import InvalidValueException

from bridge.scim.resources import Group, User
from bridge.scim.rows import (
    Fields,
    Row,
    decode_row,
    email_of,
    fold,
    indexes,
    kind_of,
    new_id,
    read_fields,
)

WORK = {"value": "w@acme.test", "type": "Work"}
HOME = {"value": "h@acme.test", "type": "home"}
FIRST = {"value": "f@acme.test"}


@pytest.mark.parametrize(
    ("emails", "address"),
    [
        ([FIRST, WORK, {"value": "p@acme.test", "primary": True}], "p@acme.test"),
        ([FIRST, HOME, WORK], "w@acme.test"),
        ([HOME, FIRST], "h@acme.test"),
        ([{"value": "no address", "primary": True}, HOME], "h@acme.test"),
        ([{"type": "work"}, {"value": ""}, {"value": "@acme.test"}, {"value": "x@"}], "ana@acme.test"),
        ([{"value": " s@acme.test "}], "s@acme.test"),
        ([], "ana@acme.test"),
    ],
)
def test_address_of_a_user(emails: list[Fields], address: str) -> None:
    """The primary one, else that of work, else the first, else the user name."""
    assert email_of({"userName": "ana@acme.test", "emails": emails}) == address


def test_user_name_that_is_no_address() -> None:
    """Then the bridge knows none."""
    assert email_of({"userName": "ana"}) is None


def test_rows_come_back_as_they_were() -> None:
    """Whatever is written is read."""
    row = Row("User", new_id("User"), {"userName": "Änä", "active": False}, 3, 1, 2, False)
    again = decode_row("User", row.id, row.encode())

    assert again.text == row.encode()
    assert (again.fields, again.version, again.created, again.modified, again.active) == (
        row.fields,
        3,
        1,
        2,
        False,
    )
    resource = again.resource()
    assert resource.meta
    assert (resource.id, resource.meta.version) == (row.id, 'W/"3"')


def test_group_s_name_holds_no_control_character() -> None:
    """A user's may: whoever was let in with such a name must be able to leave."""
    with pytest.raises(InvalidValueException, match=r"displayName holds U\+001F"):
        read_fields(Group(display_name="Writers\x1f2"))
    assert read_fields(User(user_name="ana\x1f")) == {"userName": "ana\x1f"}


def test_ids_tell_their_kind() -> None:
    """What was never given belongs to none."""
    assert [kind_of(new_id(kind)) for kind in ("User", "Group")] == ["User", "Group"]
    assert [kind_of(ident) for ident in ("", "usr_", "usr_1:2", "x" * 36)] == [None] * 4


def test_what_a_resource_is_found_by() -> None:
    """Folded where the schema says that case means nothing; a user's display name is not looked up."""
    user = {
        "userName": "Ana",
        "externalId": "X1",
        "displayName": "Ana",
        "emails": [WORK, {"value": "W@acme.test"}],
    }
    assert indexes("User", user) == {("externalId", "X1"), ("emails", "w@acme.test")}
    assert indexes("Group", {"displayName": "WRITERS"}) == {("displayName", "writers")}
    assert fold("E\u0301") == fold("\u00e9")
