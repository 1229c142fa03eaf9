"""Who was a member before a directory named them."""

from dataclasses import replace

import pytest

from bridge.plan.adopted import why_not_lowered, why_not_removed
from bridge.plan.changes import Remove, SetRole
from bridge.plan.members import MemberBinding, MemberPlan, State, Wanted, plan_member, want
from bridge.plan.people import Person, UserView
from bridge.settings import GuardSettings, TargetSettings

DAY = 86_400_000
NOW = 100 * DAY
GUARD = GuardSettings()
TARGET = TargetSettings.model_validate({"name": "docs", "organization": "acme", "token": "x"})
FOUND = MemberBinding(State.KNOWN, "m1", "edit", kept=True, adopted=NOW - 2 * DAY, named_by=("corp",))


def leaver(binding: MemberBinding, *known_by: str) -> MemberPlan:
    """Somebody who is to go, whom some directories know still."""
    wanted = Wanted("ana@acme.test", False, known_by=frozenset(known_by))
    return MemberPlan(wanted, binding, (Remove("ana@acme.test", "", "m1"),))


@pytest.mark.parametrize(
    ("binding", "known_by", "waits"),
    [
        (FOUND, ("corp",), False),
        (FOUND, (), False),
        (replace(FOUND, adopted=NOW - DAY + 1), ("corp",), True),
        (replace(FOUND, adopted=0), ("corp",), False),
        (replace(FOUND, adopted=NOW, ours=True), ("corp", "hr"), False),
        (FOUND, ("corp", "hr"), True),
        (FOUND, ("hr",), True),
        (replace(FOUND, named_by=("corp", "hr")), ("corp", "hr"), False),
        (replace(FOUND, named_by=()), ("corp", "hr"), False),
    ],
)
def test_a_removal(binding: MemberBinding, known_by: tuple[str, ...], waits: bool) -> None:
    """Known for less than a window, or known to another directory that never let them in."""
    reason = why_not_removed(GUARD, leaver(binding, *known_by), NOW)
    assert waits == (reason is not None)
    assert not reason or "removed only when a person approves" in reason


@pytest.mark.parametrize(
    ("binding", "taken_over", "waits"),
    [
        (FOUND, False, True),
        (replace(FOUND, named_by=("corp", "hr")), False, False),
        (replace(FOUND, named_by=("corp", "hr"), adopted=NOW), False, True),
        (replace(FOUND, ours=True), False, False),
        (replace(FOUND, adopted=NOW), True, False),
    ],
)
def test_a_lower_role(binding: MemberBinding, taken_over: bool, waits: bool) -> None:
    """Likewise; but who takes over an address never had the role themselves."""
    change = SetRole("ana@acme.test", "", "m1", "read", "edit", True, taken_over=taken_over)
    plan = MemberPlan(Wanted("ana@acme.test", True, known_by=frozenset({"corp", "hr"})), binding, (change,))
    reason = why_not_lowered(GUARD, plan, change, NOW)
    assert waits == (reason is not None)
    assert not reason or "given a lower role only when a person approves" in reason


def test_who_knows_somebody_and_who_let_them_in() -> None:
    """Users who are deleted, or have another address, do not count; parts of a directory are one."""
    ana = "ana@acme.test"
    users = [
        UserView("corp:east\x1fu1", ana, True),
        UserView("hr\x1fu2", ana, False),
        UserView("old\x1fu3", ana, False, exists=False),
    ]
    person = Person(ana, tuple(users), (UserView("moved\x1fu4", "a@acme.test", True),))
    wanted = want(person, TARGET)
    assert wanted.known_by == {"corp", "hr"}
    plan = plan_member(wanted, replace(FOUND, named_by=("lab",)), TARGET, {})
    assert plan.binding.named_by == ("corp", "lab")
    gone = want(replace(person, users=tuple(users[1:])), TARGET)
    assert plan_member(gone, plan.binding, TARGET, {}).binding.named_by == ("corp", "lab")
