"""Why a plan is as it is, in words that quote the configuration."""

from dataclasses import replace

import pytest

from bridge.plan.members import MemberBinding, MemberPlan, State, plan_member, want
from bridge.plan.people import GroupView, Person
from bridge.plan.reasons import (
    KEPT,
    RoleReason,
    TeamReason,
    differences,
    group_roles,
    group_scope,
    groups_in_scope,
    sso_difference,
    team_differences,
    team_reasons,
    why_member,
    why_role,
    why_teams,
)
from bridge.plan.teams import TeamBinding
from bridge.settings import TargetSettings
from tests.plan.test_members import (
    ABSENT,
    ADMINS,
    EDITORS,
    FOUND_THERE,
    OTHER,
    THERE,
    person,
    target,
    user,
)

ROLES = target(roles=[{"group": "Owners", "role": "create"}, {"group": "Admin*", "role": "admin"}])
TEAMS = target(teams=[{"group": "Nobody"}, {"group": "*"}, {"group": "id:g2", "team": "Docs"}])


def planned(who: Person, binding: MemberBinding, goal: TargetSettings) -> MemberPlan:
    """The plan for a person."""
    return plan_member(want(who, goal), binding, goal, {})


def member_reason(who: Person, goal: TargetSettings) -> str:
    """Why somebody is to be a member, or not."""
    return why_member(want(who, goal), who, goal)


@pytest.mark.parametrize(
    ("who", "scope", "why"),
    [
        (person(user()), {}, "active in the directory"),
        (
            person(user(EDITORS)),
            {"groups": ["Admins", "Edit*"]},
            'active in the directory, members.groups[1]: "Edit*" (matches "Editors")',
        ),
        (
            person(user(ADMINS)),
            {"groups": ["Admins"]},
            'active in the directory, members.groups[0]: "Admins"',
        ),
        (
            person(user()),
            {"exclude": ["bo@*", "ana@*"]},
            'members.exclude[1]: "ana@*": never invited, never removed',
        ),
        (person(user(active=False)), {}, "inactive in the directory"),
        (person(user(active=False, exists=False)), {}, "deleted from the directory"),
        (person(), {}, "the directory does not name this address"),
        (
            person(user(EDITORS)),
            {"groups": ["Admins"]},
            "left the groups of the scope, and was never in the scope: not the bridge's to remove",
        ),
        (
            person(former=(user(email=OTHER),)),
            {},
            "the user has another address in the directory now",
        ),
    ],
)
def test_why_somebody_is_a_member_or_not(who: Person, scope: dict[str, object], why: str) -> None:
    """The scope's own rule is quoted with its place in the file."""
    assert why == member_reason(who, target(members=scope))


def test_the_rule_that_gives_a_role() -> None:
    """With its place, its pattern, the group that it matched, and what it gives."""
    assert RoleReason("admin", 'roles[1]: group "Admin*" (matches "Admins") → admin', ADMINS) == why_role(
        planned(person(user(EDITORS, ADMINS)), THERE, ROLES), person(user(EDITORS, ADMINS)), ROLES
    )


@pytest.mark.parametrize(
    ("binding", "before", "reason"),
    [
        (THERE, None, RoleReason("read", "default_role: no rule names them")),
        (ABSENT, None, RoleReason("read", "default_role: no rule names them")),
        (FOUND_THERE, None, RoleReason("edit", KEPT)),
        (
            replace(FOUND_THERE, holders=("d\x1fu9",)),
            None,
            RoleReason("read", "default_role: no rule names them"),
        ),
        (ABSENT, replace(FOUND_THERE, holders=("d\x1fu1",)), RoleReason("edit", KEPT)),
    ],
)
def test_a_role_that_no_rule_gives(
    binding: MemberBinding, before: MemberBinding | None, reason: RoleReason
) -> None:
    """Who had one before the directory named them keeps it, also when their address moves."""
    who = person(user(EDITORS))
    plan = plan_member(want(who, ROLES), binding, ROLES, {}, before)
    assert reason == why_role(plan, who, ROLES)


@pytest.mark.parametrize("scope", [{}, {"exclude": ["ana@*"]}])
def test_no_role_for_who_is_to_be_no_member(scope: dict[str, object]) -> None:
    """Nor for whom the scope excludes."""
    goal, active = target(members=scope), bool(scope)
    who = person(user(active=active))
    assert why_role(planned(who, THERE, goal), who, goal) is None


def test_each_team_with_its_group_and_rule() -> None:
    """One reason for each group that wants a team, sorted by title."""
    who = person(user(EDITORS), user(ADMINS, EDITORS, ref="d\x1fu2"), user(ref="d\x1fu3", active=False))
    assert [ADMINS, EDITORS] == groups_in_scope(who, TEAMS)
    assert [
        TeamReason("Admins", 'teams[1]: group "*"', ADMINS),
        TeamReason("Docs", 'teams[2]: group "id:g2"', EDITORS),
        TeamReason("Editors", 'teams[1]: group "*"', EDITORS),
    ] == why_teams(who, TEAMS)


def test_who_left_gives_no_team() -> None:
    """Groups of inactive users do not count."""
    assert why_teams(person(user(EDITORS, active=False)), TEAMS) == []


def test_what_a_group_gives() -> None:
    """Its teams, its roles by every rule it matches, and whether it lets people in."""
    goal = target(
        teams=[{"group": "*"}], members={"groups": ["Writers", "id:g1"]},
        roles=[{"group": "Admins", "role": "admin"}, {"group": "E*", "role": "edit"},
               {"group": "*", "role": "read"}],
    )  # fmt: skip
    assert [TeamReason("Admins", 'teams[0]: group "*"', ADMINS)] == team_reasons(ADMINS, goal)
    assert [
        'roles[0]: group "Admins" → admin',
        'roles[2]: group "*" (matches "Admins") → read',
    ] == group_roles(ADMINS, goal)
    assert group_scope(ADMINS, goal) == 'members.groups[1]: "id:g1" (matches "Admins")'
    assert group_scope(EDITORS, goal) == ""
    assert group_scope(EDITORS, target()) == "members.groups is empty: everyone whom the directory names"


def test_a_group_without_a_name_is_told_by_its_id() -> None:
    """It can be named by id alone."""
    nameless = GroupView("d\x1fg7", "g7", None)
    assert group_scope(nameless, target(members={"groups": ["id:g7"]})) == (
        'members.groups[0]: "id:g7" (matches "g7")'
    )


# -- differences


def test_a_member_who_is_as_they_should_be() -> None:
    """Differs in nothing."""
    assert differences(planned(person(user()), THERE, target()), {}) == []


def test_what_is_to_be_changed_of_a_member() -> None:
    """Each change with its reason, then the teams."""
    goal = target(roles=[{"group": "Admins", "role": "admin"}], teams=[{"group": "Admins"}])
    teams = {"Old": TeamBinding("t9", "Old"), "Admins": TeamBinding("t1", "Admins")}
    who = person(user(ADMINS))
    binding = replace(THERE, sso=False, teams={"t9": "given"})
    plan = plan_member(want(who, goal), binding, goal, teams)
    assert [
        'set role of ana@acme.test from read to admin: in group "Admins", rule group = "Admins"',
        "mark ana@acme.test as SSO user: people of the directory sign in by SSO",
        "join team Admins",
        "leave team Old",
    ] == differences(plan, teams)


@pytest.mark.parametrize(
    ("who", "binding", "told"),
    [
        (person(user()), ABSENT, ["invite ana@acme.test as read (SSO): named by the directory"]),
        (person(user(active=False)), THERE, ["remove member ana@acme.test: inactive in the directory"]),
        (
            person(user(active=False)),
            replace(THERE, state=State.INVITED),
            ["revoke the invite: they must go and have not accepted it"],
        ),
        (
            person(user()),
            replace(THERE, state=State.INVITED),
            ["invited, and not listed as a member yet: looked for now and then"],
        ),
        (
            person(user(email="ana"), email="ana"),
            ABSENT,
            ["cannot be invited: it is not an e-mail address: give the user one in the directory"],
        ),
    ],
)
def test_what_is_to_be_done_about_joiners_and_leavers(
    who: Person, binding: MemberBinding, told: list[str]
) -> None:
    """In words."""
    assert told == differences(planned(who, binding, target()), {})


@pytest.mark.parametrize(
    ("binding", "goal", "told"),
    [
        (FOUND_THERE, target(), "no SSO user: was a member before, and sso_existing = false"),
        (FOUND_THERE, target(sso_existing=True), ""),
        (FOUND_THERE, target(sso=False), ""),
        (FOUND_THERE, target(members={"exclude": ["*"]}), ""),
        (THERE, target(), ""),
        (ABSENT, target(), ""),
        (replace(THERE, sso=False), target(), ""),
        (
            replace(THERE, sso=False, failed_sso=True),
            target(),
            "no SSO user: GitBook says they belong to another organisation",
        ),
    ],
)
def test_why_a_member_stays_without_sso(binding: MemberBinding, goal: TargetSettings, told: str) -> None:
    """Only where nothing is going to be done about it."""
    assert told == sso_difference(want(person(user()), goal), binding, goal)


@pytest.mark.parametrize(
    ("team", "exists", "told"),
    [
        (None, True, ["not made yet: that is done for its first member"]),
        (None, False, []),
        (TeamBinding("t1", " Editors ", True, ("d\x1fg2",)), True, []),
        (TeamBinding("t1", "Writers", True, ("d\x1fg2",)), True, ["rename it from Writers to Editors"]),
        (
            TeamBinding("t1", "Editors", True),
            False,
            ["no group maps to it any more: deleted once it is empty and has no spaces"],
        ),
        (
            TeamBinding("t1", "Editors"),
            False,
            ["no group maps to it any more: left as it is: the bridge adopted it"],
        ),
    ],
)
def test_what_is_to_be_changed_of_a_team(team: TeamBinding | None, exists: bool, told: list[str]) -> None:
    """Its making, its name, its end."""
    assert told == team_differences("Editors", team, EDITORS, exists)


def test_a_team_that_cannot_be_made() -> None:
    """With the rule to add."""
    long = replace(EDITORS, name="x" * 65)
    problem, _ = team_differences("x" * 65, None, long, True)
    assert problem.startswith("cannot be made: the title has 65 characters")
    assert 'group = "id:g2"' in problem
