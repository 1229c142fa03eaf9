"""Which filters are answered by the indexes alone."""

import pytest
from scim2_models import InvalidFilterException
from scim2_models.path import ScimFilter

from bridge.scim.filters import asked_members, lookups
from bridge.scim.rows import Index


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('userName eq "Ana"', [("userName", "ana")]),
        ('username eq "Ana" and active eq true', [("userName", "ana")]),
        ('active eq true and externalId eq "X"', [("externalId", "X")]),
        ('emails.value eq "A@b"', [("emails", "a@b")]),
        ('emails eq "a@b"', [("emails", "a@b")]),
        ('emails[type eq "work"].value eq "a@b"', [("emails", "a@b")]),
        ('id eq "x" or id eq "y"', [("id", "x"), ("id", "y")]),
        ('(id eq "x" or active eq true)', None),
        ('emails.type eq "work"', None),
        ('emails[type eq "work"]', None),
        ('userName sw "a"', None),
        ('not (userName eq "a")', None),
        ("userName pr", None),
        ("userName eq null", None),
        ('displayName eq "a"', None),
    ],
)
def test_lookups_of_users(text: str, places: list[Index] | None) -> None:
    """None: every user has to be looked at."""
    assert lookups("User", ScimFilter(text).ast) == places


@pytest.mark.parametrize(
    ("text", "places", "asked"),
    [
        ('displayName eq "A"', [("displayName", "a")], set()),
        ('members.value eq "U"', [("members", "U")], {"U"}),
        ('members[value eq "U"] or id eq "g"', [("members", "U"), ("id", "g")], {"U"}),
        ('id eq "g" and not (members eq "U")', [("id", "g")], {"U"}),
        ('not (members eq "U")', None, {"U"}),
    ],
)
def test_lookups_of_groups(text: str, places: list[Index] | None, asked: set[str]) -> None:
    """And whose membership has to be known."""
    node = ScimFilter(text).ast
    assert lookups("Group", node) == places
    assert asked_members(node) == asked


@pytest.mark.parametrize(
    "text",
    ['members.value co "x"', "members pr", "members.value eq 5", 'members[value sw "x"]', 'groups eq "x"'],
)
def test_questions_that_would_need_all_members(text: str) -> None:
    """They are refused rather than answered wrongly."""
    with pytest.raises(InvalidFilterException):
        asked_members(ScimFilter(text).ast)
