"""What one person should be at the target, and the changes that make it so."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.plan.changes import Invite, MarkSSO, Remove, SetRole
from bridge.plan.members import FOUND, GIVEN, MemberBinding, MemberPlan, State, Wanted, plan_member, want
from bridge.plan.people import GroupView, Person, UserView
from bridge.plan.teams import TeamBinding
from bridge.settings import TargetSettings

EMAIL, OTHER = "ana@acme.test", "ana.ng@acme.test"
ADMINS = GroupView("d\x1fg1", "g1", "Admins")
EDITORS = GroupView("d\x1fg2", "g2", "Editors")
ABSENT = MemberBinding(State.ABSENT)
THERE = MemberBinding(State.KNOWN, "m1", "read", True, ours=True, admitted=True, holders=("d\x1fu1",))
FOUND_THERE = MemberBinding(State.KNOWN, "m1", "edit", kept=True)


def target(**keys: Any) -> TargetSettings:
    """One of [[targets]]."""
    told = {"name": "docs", "organization": "acme", "token": "t", "guard": {"admin_grants": "allow"}}
    return TargetSettings.model_validate({**told, **keys})


def user(*groups: GroupView, ref: str = "d\x1fu1", **fields: Any) -> UserView:
    """A directory user."""
    told = {"email": EMAIL, "active": True, "groups": groups, "named": groups, **fields}
    return UserView(ref, **told)


def person(*users: UserView, former: tuple[UserView, ...] = (), email: str = EMAIL) -> Person:
    """Everyone with one address."""
    return Person(email, users, former)


def plan(
    who: Person,
    binding: MemberBinding,
    goal: TargetSettings | None = None,
    teams: dict[str, TeamBinding] | None = None,
    before: MemberBinding | None = None,
) -> MemberPlan:
    """The plan for a person."""
    goal = goal or target()
    return plan_member(want(who, goal), binding, goal, teams or {}, before)


ROLES = target(roles=[{"group": "Admins", "role": "admin"}, {"group": "*", "role": "edit"}])
TEAMS = target(teams=[{"group": "*"}])


# -- what is wanted


def test_people_who_share_an_address_are_one_member() -> None:
    """With the union of their teams and the first rule that any of their groups matches."""
    goal = target(teams=[{"group": "*"}], roles=[{"group": "Admins", "role": "admin"}])
    both = want(person(user(EDITORS), user(ADMINS, ref="d\x1fu2")), goal)
    assert both.member
    assert frozenset({"Admins", "Editors"}) == both.titles
    assert ("admin", ("d\x1fu1", "d\x1fu2")) == (both.role, both.holders)


def test_one_active_user_is_enough() -> None:
    """Nobody is removed while anybody has the address; who left gives no role and no team."""
    goal = target(teams=[{"group": "*"}], roles=[{"group": "Admins", "role": "admin"}])
    left = user(ADMINS, active=False)
    wanted = want(person(left, user(EDITORS, ref="d\x1fu2")), goal)
    assert (True, None, frozenset({"Editors"}), ("d\x1fu2",)) == (
        wanted.member, wanted.role, wanted.titles, wanted.holders,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("who", "goal", "why"),
    [
        (person(user(active=False)), target(), "inactive in the directory"),
        (person(user(active=False, exists=False)), target(), "deleted from the directory"),
        (person(), target(), "no directory names them any more"),
        (person(user()), target(members={"groups": ["Editors"]}), "left the groups of the scope"),
        (
            person(user()),
            target(members={"domains": ["other.test"]}),
            "the address is outside the scope's domains",
        ),
        (
            person(former=(user(email=OTHER, former=(EMAIL,)),)),
            target(),
            "the user has another address in the directory now",
        ),
    ],
)
def test_why_somebody_is_no_member(who: Person, goal: TargetSettings, why: str) -> None:
    """In words, for the plan and the history."""
    wanted = want(who, goal)
    assert (False, why) == (wanted.member, wanted.why_not)


def test_the_news_behind_a_decision() -> None:
    """It changes when a user comes back to life, or another one is behind the address; not otherwise."""
    base = want(person(user(active=False)), target()).token
    assert base == want(person(user(EDITORS)), ROLES).token
    assert base != want(person(user(episode=1)), target()).token
    assert base != want(person(user(), user(ref="d\x1fu2")), target()).token


# -- joiners


def test_a_joiner_is_invited() -> None:
    """With the role of the rule or the default, as an SSO user or not, and into their teams."""
    made = plan(person(user(EDITORS)), ABSENT, TEAMS)
    assert (Invite(EMAIL, "named by the directory", "read", True),) == made.changes
    assert (frozenset({"Editors"}), True) == (made.join, made.binding.admitted)
    goal = target(sso=False, default_role="guest")
    assert (Invite(EMAIL, "named by the directory", "guest", False),) == plan(
        person(user(EDITORS)), ABSENT, goal
    ).changes
    (invite,) = plan(person(user(EDITORS)), ABSENT, ROLES).changes
    assert ('in group "Editors", rule group = "*"', "edit") == (invite.why, getattr(invite, "role", None))


def test_who_is_invited_is_not_invited_again() -> None:
    """They are looked for; only new news of them could make them due."""
    assert plan(person(user(EDITORS)), MemberBinding(State.INVITED, admitted=True), ROLES).empty


def test_something_that_is_no_address_cannot_be_invited() -> None:
    """It says what to do; someone like this who has to go needs nothing."""
    made = plan(person(user(email="ana"), email="ana"), ABSENT)
    assert ((), "it is not an e-mail address: give the user one in the directory") == (
        made.changes, made.impossible,
    )  # fmt: skip
    assert plan(person(user(email="ana", active=False), email="ana"), ABSENT).empty


@pytest.mark.parametrize("email", ["ana\u200b@acme.test", "an\u212a@acme.test", "ana@xn--a.test"])
def test_an_address_in_disguise_is_not_invited(email: str) -> None:
    """People would approve one address and invite another; who is a member is removed as ever."""
    made = plan(person(user(email=email), email=email), ABSENT)
    assert made.changes == ()
    assert made.impossible
    assert made.impossible.startswith("the address is not what people see: it")
    assert made.impossible.endswith(": give the user another one in the directory")
    assert plan(person(user(email=email, active=False), email=email), THERE).removal


# -- leavers


def test_a_leaver_is_removed() -> None:
    """By id, with the reason."""
    made = plan(person(user(active=False)), THERE)
    assert (Remove(EMAIL, "inactive in the directory", "m1"),) == made.changes
    assert made.removal == made.changes[0]


def test_a_leaver_who_was_never_there() -> None:
    """Nothing is to be done."""
    assert plan(person(user(active=False)), ABSENT).empty


def test_a_leaver_who_is_only_invited() -> None:
    """The target's API cannot revoke an invite."""
    made = plan(person(user(active=False)), MemberBinding(State.INVITED, admitted=True))
    assert (True, None, False) == (made.pending, made.removal, made.empty)


def test_strangers_are_nobodys_to_remove() -> None:
    """Someone whom the directory never named inside the scope stays, whatever it says of them."""
    goal = target(members={"groups": ["Editors"]})
    outside = replace(THERE, admitted=False)
    assert plan(person(user(ADMINS)), outside, goal).empty
    assert plan(person(user(ADMINS, active=False)), outside, goal).empty
    assert plan(person(), outside).empty


def test_whom_the_scope_let_in_once() -> None:
    """Leaving it is like being deactivated, also when its groups are called something else since."""
    goal = target(members={"groups": ["Editors"]})
    assert plan(person(user(ADMINS, named=(EDITORS,))), replace(THERE, admitted=False), goal).removal
    assert plan(person(user(ADMINS)), THERE, goal).removal


def test_excluded_people_are_left_alone() -> None:
    """Never invited, never removed, nothing changed."""
    goal = target(members={"exclude": ["ANA@*"]}, roles=[{"group": "*", "role": "admin"}])
    for who in (person(user(EDITORS)), person(user(active=False))):
        for binding in (ABSENT, THERE):
            assert plan(who, binding, goal).empty


# -- roles


def test_a_role_from_before_is_kept() -> None:
    """Until a rule names them; from then on it is the rules' to say, and the default's."""
    kept = plan(person(user()), FOUND_THERE)
    assert ((), True, ("d\x1fu1",)) == (kept.changes, kept.binding.kept, kept.binding.holders)
    ruled = plan(person(user(ADMINS)), kept.binding, ROLES)
    assert (
        SetRole(EMAIL, 'in group "Admins", rule group = "Admins"', "m1", "admin", "edit"),
    ) == ruled.changes
    assert not ruled.binding.kept
    back = plan(person(user()), replace(ruled.binding, role="admin"), ROLES)
    assert (SetRole(EMAIL, "no rule names them", "m1", "read", "admin", lowers=True),) == back.changes


def test_a_rule_that_gives_the_role_they_have() -> None:
    """Nothing to do, but it is the rule's from now on."""
    made = plan(person(user(EDITORS)), FOUND_THERE, ROLES)
    assert (True, False) == (made.empty, made.binding.kept)


def test_a_role_that_was_changed_at_the_target() -> None:
    """The bridge's own members get the role of rule or default back."""
    made = plan(person(user()), replace(THERE, role="admin"))
    assert (SetRole(EMAIL, "no rule names them", "m1", "read", "admin", lowers=True),) == made.changes


def test_taking_over_an_address_inherits_nothing() -> None:
    """Another user has it now: they get what the rules give, no more, and it is shown."""
    binding = replace(FOUND_THERE, role="admin", holders=("d\x1fu1",))
    made = plan(person(user(ref="d\x1fu2"), user(active=False)), binding)
    change = SetRole(EMAIL, "another user has the address now", "m1", "read", "admin", lowers=True)
    assert ((change,), False, ("d\x1fu2",)) == (made.changes, made.binding.kept, made.binding.holders)


def test_sharing_an_address_is_no_take_over() -> None:
    """As long as the user who had it still does."""
    binding = replace(FOUND_THERE, role="admin", holders=("d\x1fu1",))
    assert plan(person(user(), user(ref="d\x1fu2")), binding).empty


# -- SSO


def test_own_members_are_marked_as_sso_users() -> None:
    """Unless GitBook could not, or it is not asked for."""
    binding = replace(THERE, sso=False)
    assert (MarkSSO(EMAIL, "people of the directory sign in by SSO", "m1"),) == plan(
        person(user()), binding
    ).changes
    assert plan(person(user()), replace(binding, failed_sso=True)).empty
    assert plan(person(user()), binding, target(sso=False)).empty


def test_people_from_before_are_marked_only_when_asked() -> None:
    """GitBook cannot undo it."""
    assert plan(person(user()), FOUND_THERE).empty
    changes = plan(person(user()), FOUND_THERE, target(sso_existing=True)).changes
    assert ["MarkSSO"] == [change.kind for change in changes]


# -- an address that changes


def test_a_new_address_gets_the_role_that_was_kept() -> None:
    """The same role, and the teams of the same groups."""
    before = replace(FOUND_THERE, role="admin", holders=("d\x1fu1",))
    who = person(user(EDITORS, email=OTHER, former=(EMAIL,)), email=OTHER)
    made = plan(who, ABSENT, TEAMS, before=before)
    assert (Invite(OTHER, "named by the directory", "admin", True, kept=True),) == made.changes
    assert frozenset({"Editors"}) == made.join


def test_a_new_address_gets_the_role_of_the_rules() -> None:
    """Where a rule names them, or none was kept, the address before has no say."""
    who = person(user(EDITORS, email=OTHER, former=(EMAIL,)), email=OTHER)
    ruled = plan(who, ABSENT, ROLES, before=replace(FOUND_THERE, role="admin"))
    assert ("edit", False) == (getattr(ruled.changes[0], "role", 0), getattr(ruled.changes[0], "kept", 0))
    fresh = plan(who, ABSENT, before=replace(THERE, role="admin"))
    assert ("read", False) == (getattr(fresh.changes[0], "role", 0), getattr(fresh.changes[0], "kept", 0))


def test_the_old_addresss_removal_says_where_to() -> None:
    """So that the guard parks it: the account may hold content."""
    made = plan(person(former=(user(email=OTHER, former=(EMAIL,)),)), THERE)
    assert made.removal
    assert (OTHER, "the user has another address in the directory now") == (
        made.removal.moved_to, made.removal.why,
    )  # fmt: skip


def test_someone_who_moved_and_left() -> None:
    """They are a leaver like any other."""
    made = plan(person(former=(user(email=OTHER, active=False, former=(EMAIL,)),)), THERE)
    assert made.removal
    assert (None, "inactive in the directory") == (made.removal.moved_to, made.removal.why)


def test_an_old_address_that_somebody_else_has() -> None:
    """It is theirs now."""
    who = person(user(ref="d\x1fu2"), former=(user(email=OTHER, former=(EMAIL,)),))
    assert plan(who, THERE).removal is None


# -- teams

BOUND = {"Admins": TeamBinding("t1", "Admins"), "Editors": TeamBinding("t2", "Editors")}


def test_joining_and_leaving_teams() -> None:
    """By title for those to join, by id for those to leave."""
    made = plan(person(user(EDITORS)), replace(THERE, teams={"t1": GIVEN}), TEAMS, BOUND)
    assert (frozenset({"Editors"}), frozenset({"t1"})) == (made.join, made.leave)
    assert plan(person(user(EDITORS)), replace(THERE, teams={"t2": GIVEN}), TEAMS, BOUND).empty
    assert plan(person(user(EDITORS)), replace(THERE, teams={"t2": FOUND}), TEAMS, BOUND).empty


def test_strangers_in_an_adopted_team_stay() -> None:
    """Unless the directory named them in one of its groups; then it may take them out."""
    binding = replace(THERE, teams={"t1": FOUND})
    assert plan(person(user()), binding, TEAMS, BOUND).empty
    assert frozenset({"t1"}) == plan(person(user(named=(ADMINS,))), binding, TEAMS, BOUND).leave


def test_teams_that_nothing_maps_to() -> None:
    """The bridge knows nothing of them."""
    assert plan(person(user()), replace(THERE, teams={"t9": GIVEN}), TEAMS, BOUND).empty


def test_a_team_that_two_groups_give() -> None:
    """Leaving one of them changes nothing."""
    goal = target(teams=[{"group": "*", "team": "Everyone"}])
    teams = {"Everyone": TeamBinding("t1", "Everyone")}
    who = person(user(EDITORS, named=(ADMINS, EDITORS)))
    assert plan(who, replace(THERE, teams={"t1": GIVEN}), goal, teams).empty


def test_a_leaver_needs_no_team_calls() -> None:
    """The removal takes them out of all; while it is held they keep their teams and their role."""
    made = plan(
        person(user(ADMINS, active=False)), replace(THERE, role="admin", teams={"t1": GIVEN}), TEAMS, BOUND
    )
    assert (1, frozenset(), frozenset()) == (len(made.changes), made.join, made.leave)


# -- any person, any target

GROUPS = (ADMINS, EDITORS, GroupView("d\x1fg3", "g3", None), GroupView("d\x1fg4", "g4", "y" * 70))
some_groups = st.lists(st.sampled_from(GROUPS), unique=True).map(tuple)
some_emails = st.sampled_from([EMAIL, OTHER, "ana", None])
users = st.builds(
    UserView, st.sampled_from(["d\x1fu1", "d\x1fu2"]), some_emails, st.booleans(), st.booleans(),
    st.integers(0, 2), some_groups, some_groups, st.just(()),
)  # fmt: skip
roles = st.sampled_from(["guest", "read", "edit", "admin"])
bindings = st.one_of(
    st.just(ABSENT),
    st.builds(MemberBinding, st.just(State.INVITED), st.none(), roles, admitted=st.booleans()),
    st.builds(
        MemberBinding, st.just(State.KNOWN), st.just("m1"), roles, st.booleans(), st.booleans(),
        st.booleans(), st.booleans(), st.booleans(), st.sampled_from([(), ("d\x1fu1",), ("d\x1fu9",)]),
        st.dictionaries(st.sampled_from(["t1", "t2", "t9"]), st.sampled_from([GIVEN, FOUND])),
    ),
)  # fmt: skip
targets = st.builds(
    target,
    sso=st.booleans(),
    sso_existing=st.booleans(),
    default_role=roles,
    teams=st.sampled_from([[], [{"group": "*"}], [{"group": "*", "team": "Everyone"}]]),
    roles=st.sampled_from([[], [{"group": "Admins", "role": "admin"}], [{"group": "*", "role": "edit"}]]),
    members=st.sampled_from([{}, {"groups": ["Editors"]}, {"domains": ["acme.test"]}, {"exclude": [OTHER]}]),
)


@st.composite
def persons(draw: st.DrawFn) -> Person:
    """Users with one address, and users who had it."""
    everyone = draw(st.lists(users, max_size=3))
    email = draw(st.sampled_from([EMAIL, OTHER, "ana"]))
    return Person(
        email,
        tuple(each for each in everyone if each.email == email),
        tuple(each for each in everyone if each.email != email),
    )


def apply(made: MemberPlan, goal: TargetSettings, teams: dict[str, TeamBinding]) -> MemberBinding:
    """The binding after everything was done; teams that are missing are made."""
    binding = made.binding
    for change in made.changes:
        if isinstance(change, Remove):
            return ABSENT
        if isinstance(change, Invite):
            binding = MemberBinding(
                State.KNOWN, "m1", change.role, change.sso, ours=True, kept=change.kept, admitted=True,
                holders=made.wanted.holders,
            )  # fmt: skip
        if isinstance(change, SetRole):
            binding = replace(binding, role=change.role)
        if isinstance(change, MarkSSO):
            binding = replace(binding, sso=True)
    for title in made.join:
        teams.setdefault(title, TeamBinding(f"new {title}", title))
    given = {str(teams[title].id): GIVEN for title in made.join}
    stay = {ident: how for ident, how in binding.teams.items() if ident not in made.leave}
    return replace(binding, teams=stay | given)


@settings(max_examples=200)
@given(persons(), bindings, targets)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    who: Person, binding: MemberBinding, goal: TargetSettings
) -> None:
    """Planned again it is empty, but for what no call can change."""
    teams = dict(BOUND)
    made = plan(who, binding, goal, teams)
    again = plan(who, apply(made, goal, teams), goal, teams)
    assert ((), frozenset(), frozenset()) == (again.changes, again.join, again.leave)


@settings(max_examples=200)
@given(persons(), bindings, targets)
def test_nobody_goes_whom_the_directory_wants(
    who: Person, binding: MemberBinding, goal: TargetSettings
) -> None:
    """A removal is only of a member known by id, let in once, not excluded, whom no active user holds."""
    wanted: Wanted = want(who, goal)
    made = plan(who, binding, goal, dict(BOUND))
    if made.removal:
        assert (False, False, True, State.KNOWN) == (
            wanted.member, wanted.excluded, made.binding.admitted, binding.state,
        )  # fmt: skip
        assert (
            not goal.members.groups
            or goal.members.domains
            or not any(each.active and EDITORS in each.groups for each in who.users)
        )
        assert len(made.changes) == 1
    if binding.state is not State.ABSENT:
        assert not any(isinstance(change, Invite) for change in made.changes)
