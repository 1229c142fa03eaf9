"""Who is provisioned at all."""

import pytest

from bridge.plan.people import GroupView, Person, UserView
from bridge.plan.scope import (
    admits,
    admits_address,
    came_at,
    email_matches,
    entry_matches,
    ever_admitted,
    group_matches,
    is_address,
    is_excluded,
    left_at,
    rule_matches,
)
from bridge.settings import MemberScope, RoleRule, TeamRule

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


STAFF = GroupView("okta\x1fs1", "s1", "Staff", "okta")
SAME = GroupView("partner\x1fs1", "s1", "Staff", "partner")
CORE = GroupView("partner\x1fs2", "s2", "R&D/Core", "partner")
COPY = GroupView("partner\x1fs3", "s3", "okta/Staff", "partner")


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("Staff", [STAFF, SAME]),
        ("okta/Staff", [STAFF]),
        ("okta/*", [STAFF]),
        ("okta/id:s1", [STAFF]),
        ("id:s1", [STAFF, SAME]),
        ("hr/Staff", [SAME]),  # "hr" is a source of the directory "partner"
        ("R&D/*", [CORE]),
        ("partner/R&D/Core", [CORE]),
        ("partner/okta/Staff", [COPY]),
    ],
)
def test_a_group_of_the_scope_may_have_its_directory_in_front(entry: str, found: list[GroupView]) -> None:
    """Then no other directory's group is meant, whatever it is called."""
    groups = scope(groups=[entry])
    groups.know_directories({"okta": "okta", "partner": "partner", "hr": "partner"})
    assert found == [each for each in (STAFF, SAME, CORE, COPY) if entry_matches(groups, entry, each)]


def test_a_directory_that_no_source_speaks_for_any_more_still_counts() -> None:
    """Its people stay in the scope until it is forgotten on purpose."""
    groups = scope(groups=["okta/Staff"])
    groups.know_directories({"partner": "partner"})
    assert [entry_matches(groups, "okta/Staff", each) for each in (STAFF, SAME)] == [True, False]


def test_rules_may_have_a_directory() -> None:
    """For roles and teams alike; without one they mean any directory's groups."""
    for pattern in ("Staff", "id:s1", "*"):
        rule = TeamRule(group=pattern, directory="okta")
        assert [rule_matches(rule, each) for each in (STAFF, SAME)] == [True, False]
        role = RoleRule(group=pattern, role="edit")
        assert [rule_matches(role, each) for each in (STAFF, SAME)] == [True, True]


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


ANYBODY = scope()
WRITERS_ONLY = scope(groups=["Writers"])


def writer(active_at: int) -> UserView:
    """Somebody who is in the group since 8."""
    return UserView("a", EMAIL, True, groups=(WRITERS,), life_at=active_at, member_at={WRITERS.ref: 8})


@pytest.mark.parametrize(
    ("limits", "views", "at"),
    [
        (ANYBODY, [UserView("a", EMAIL, True, life_at=5)], 5),
        (ANYBODY, [UserView("a", EMAIL, True, life_at=9), UserView("b", EMAIL, True, life_at=5)], 5),
        (ANYBODY, [UserView("a", EMAIL, True, life_at=5, email_at=7, former=("ann@acme.test",))], 7),
        (ANYBODY, [UserView("a", EMAIL, True, life_at=5, email_at=7)], 5),
        (
            WRITERS_ONLY,
            [UserView("a", EMAIL, True, groups=(WRITERS,), life_at=5, member_at={WRITERS.ref: 8})],
            8,
        ),
        (
            WRITERS_ONLY,
            [UserView("a", EMAIL, True, groups=(WRITERS,), life_at=9, member_at={WRITERS.ref: 8})],
            9,
        ),
        (ANYBODY, [], 0),
    ],
)
def test_since_when_they_are_admitted(limits: MemberScope, views: list[UserView], at: int) -> None:
    """Since the first of the users was active, had the address, and was in a group of the scope."""
    assert came_at(limits, EMAIL, views) == at


@pytest.mark.parametrize(
    ("limits", "views", "at"),
    [
        (ANYBODY, [UserView("a", EMAIL, False, life_at=5)], 5),
        (ANYBODY, [UserView("a", EMAIL, False, life_at=5), UserView("b", EMAIL, False, life_at=9)], 9),
        (ANYBODY, [UserView("a", "new@acme.test", True, life_at=5, email_at=7)], 7),
        (WRITERS_ONLY, [UserView("a", EMAIL, True, named=(WRITERS, EDITORS), life_at=1,
                                 out_at={WRITERS.ref: 6, EDITORS.ref: 9})], 6),
        (WRITERS_ONLY, [UserView("a", EMAIL, False, named=(WRITERS,), life_at=9,
                                 out_at={WRITERS.ref: 6})], 6),
        (WRITERS_ONLY, [UserView("a", EMAIL, False, named=(WRITERS,), life_at=9,
                                 member_at={WRITERS.ref: 6})], 9),
        (ANYBODY, [UserView("a", "new@acme.test", False, life_at=5, email_at=7)], 5),
        (WRITERS_ONLY, [UserView("a", EMAIL, True, life_at=5)], 0),
        (ANYBODY, [], 0),
    ],
)  # fmt: skip
def test_since_when_they_are_not(limits: MemberScope, views: list[UserView], at: int) -> None:
    """Since the last of the users left: the directory, the address, or the groups of the scope.

    That a rule of the configuration shut somebody out has no time in the directory.
    """
    users = tuple(view for view in views if view.email == EMAIL)
    former = tuple(view for view in views if view.email != EMAIL)
    assert left_at(limits, Person(EMAIL, users, former)) == at
