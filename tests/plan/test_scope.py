"""Who is provisioned at all."""

import pytest

from bridge.plan.people import GroupView, Person, UserView
from bridge.plan.scope import (
    admits,
    admits_address,
    email_matches,
    ever_admitted,
    group_matches,
    is_address,
    is_excluded,
)
from bridge.settings import MemberScope

WRITERS = GroupView("acme\x1fg1", "g1", "Writers")
EDITORS = GroupView("acme\x1fg2", "g2", "Editors")
NAMELESS = GroupView("acme\x1fg3", "g3", None)
EMAIL = "ana@acme.test"


def scope(**keys: list[str]) -> MemberScope:
    """[targets.members]"""
    return MemberScope.model_validate(keys)


def user(*groups: GroupView, active: bool = True, named: tuple[GroupView, ...] = ()) -> UserView:
    """A directory user with the address."""
    return UserView("acme\x1fu1", EMAIL, active, groups=groups, named=(*groups, *named))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("ana@acme.test", True),
        ("ana+tag@acme.test", True),
        ("o'brien@acme.test", True),
        ("änä@acme.test", True),
        ("ana@sub.acme.test", True),
        ("ana@acme", False),
        ("ana", False),
        ("@acme.test", False),
        ("ana@@acme.test", False),
        ("ana@acme..test", False),
        ("ana@acme.test.", False),
        ("ana ng@acme.test", False),
        ("Ana <ana@acme.test>", False),
        ("a@b.test,c@d.test", False),
        ("", False),
        ("a" * 320 + "@acme.test", False),
    ],
)
def test_what_can_be_an_address(text: str, is_one: bool) -> None:
    """User names that are none are not sent to the target; most of them are "ana" or "ACME\\ana"."""
    assert is_one == is_address(text)


@pytest.mark.parametrize(
    ("pattern", "group", "matches"),
    [
        ("Writers", WRITERS, True),
        ("W*", WRITERS, True),
        ("*", WRITERS, True),
        ("writers", WRITERS, False),
        ("Writer", WRITERS, False),
        ("id:g1", WRITERS, True),
        ("id:g", WRITERS, False),
        ("id:*", WRITERS, False),
        ("id:g3", NAMELESS, True),
        ("*", NAMELESS, False),
        ("Docs [EU]", GroupView("g4", "g4", "Docs [EU]"), True),
        ("Docs [[]*", GroupView("g4", "g4", "Docs [EU]"), True),
    ],
)
def test_groups_match_by_name_or_id(pattern: str, group: GroupView, matches: bool) -> None:
    """A glob on the name, the case counts; `id:` takes the whole id; a name matches itself."""
    assert matches == group_matches(pattern, group)


def test_addresses_match_in_any_case() -> None:
    """Patterns are written by people."""
    assert email_matches([" SVC-*@Acme.test "], "svc-backup@acme.test")
    assert not email_matches(["svc-*@acme.test"], "ana@acme.test")
    assert is_excluded(scope(exclude=["svc-*@acme.test"]), "svc-backup@acme.test")


@pytest.mark.parametrize(
    ("domains", "inside"),
    [
        ([], True),
        (["acme.test"], True),
        ([" @ACME.test "], True),
        (["other.test", "acme.test"], True),
        (["other.test"], False),
        (["test"], False),
        (["sub.acme.test"], False),
    ],
)
def test_domains_are_whole(domains: list[str], inside: bool) -> None:
    """No subdomain, no part; none named means any."""
    assert inside == admits_address(scope(domains=domains), EMAIL)


def test_without_a_scope_everyone_the_directory_names() -> None:
    """As long as they are active."""
    assert admits(scope(), EMAIL, user())
    assert not admits(scope(), EMAIL, user(active=False))


def test_groups_of_the_scope() -> None:
    """Belonging to one of them is enough; having belonged is not."""
    writers = scope(groups=["Writers", "id:g9"])
    assert admits(writers, EMAIL, user(EDITORS, WRITERS))
    assert not admits(writers, EMAIL, user(EDITORS, named=(WRITERS,)))
    assert not admits(writers, EMAIL, user())


def test_groups_and_domains_both_count() -> None:
    """One without the other is outside."""
    both = scope(groups=["Writers"], domains=["other.test"])
    assert not admits(both, EMAIL, user(WRITERS))
    assert admits(both, "ana@other.test", user(WRITERS))


def test_whom_the_directory_named_inside_the_scope() -> None:
    """Only they are the bridge's to remove: also those who left their groups, or have the address no more."""
    writers = scope(groups=["Writers"])
    assert ever_admitted(writers, Person(EMAIL, (user(EDITORS, named=(WRITERS,)),)))
    assert ever_admitted(writers, Person(EMAIL, (), (user(WRITERS, active=False),)))
    assert not ever_admitted(writers, Person(EMAIL, (user(EDITORS),)))
    assert not ever_admitted(scope(domains=["other.test"]), Person(EMAIL, (user(),)))
    assert not ever_admitted(scope(), Person(EMAIL))
