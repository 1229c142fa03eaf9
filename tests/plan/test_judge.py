"""The guard's judgement of whole plans: one thing after the other, and what persons decided."""

from dataclasses import replace

from bridge.plan.changes import Invite, Remove, SetRole
from bridge.plan.guard import over_limit
from bridge.plan.held import Decision, Held
from bridge.plan.judge import (
    FORGOTTEN_REASON,
    PENDING_REASON,
    Record,
    Stakes,
    Verdict,
    Window,
    deletion_id,
    invite_id,
    judge_deletion,
    judge_invites,
    judge_lowering,
    judge_removals,
    judge_team,
    leaving_id,
    removal_id,
    team_id,
)
from bridge.plan.members import NOBODY, MemberBinding, MemberPlan, State, Wanted
from bridge.settings import GuardSettings, Role

YES, NO = (Decision(approved, "boss", 1, token="k") for approved in (True, False))


def guard(**keys: object) -> GuardSettings:
    """[targets.guard]"""
    return GuardSettings.model_validate({"max_removals": 2, "max_removal_percent": 0, **keys})


def leaver(name: str, role: Role = "read", pending: bool = False) -> MemberPlan:
    """Somebody who is to go."""
    binding = MemberBinding(State.KNOWN, name, role)
    changes = () if pending else (Remove(name, "deleted", name),)
    return MemberPlan(Wanted(name, False, token="k"), binding, changes, pending=pending)


def goes(verdicts: list[Verdict]) -> list[bool]:
    """Which of them go on."""
    return [verdict.goes for verdict in verdicts]


def test_removals_count_for_those_behind_them() -> None:
    """One before in the window, two in all: the first goes, the others wait."""
    plans = [leaver(name) for name in "abc"]
    verdicts = list(judge_removals(guard(), plans, Record(), Stakes("me"), Window(1, 50)))
    assert goes(verdicts) == [True, False, False]
    assert verdicts[1].hold == over_limit(guard(), 2, 50)


def test_decisions_count_for_nobody_else() -> None:
    """Neither the approved ones nor the exceptions take anything of the window."""
    plans = [leaver(name) for name in "abcd"]
    decided = {removal_id("a"): YES, removal_id("b"): NO}
    verdicts = list(judge_removals(guard(), plans, Record({}, decided, 5), Stakes("me"), Window(0, 50)))
    assert goes(verdicts) == [True, False, True, True]
    assert [verdict.excepted for verdict in verdicts] == [False, True, False, False]


def test_a_decision_about_other_news_or_one_that_has_ended_is_none() -> None:
    """The token is that of the news; `until` is in seconds, now in milliseconds."""
    for decision in (Decision(False, "boss", 1, token="old"), Decision(False, "boss", 1, "", 5.0, "k")):
        record = Record({}, {removal_id("a"): decision}, 5000)
        assert goes(list(judge_removals(guard(), [leaver("a")], record, Stakes("me"), Window()))) == [True]


def test_what_waits_stays_so_whatever_the_window_says() -> None:
    """For the same news."""
    held = Held(removal_id("a"), "m:a", "", "too many", 1, token="k")
    record = Record({held.id: held}, {}, 5)
    [verdict] = judge_removals(guard(), [leaver("a")], record, Stakes("me"), Window())
    assert verdict.hold is not None
    assert verdict.hold.reason == "too many"


def test_a_forgotten_directory_frees_nobody() -> None:
    """What was held stays so, and so does an exception: a person decides again. Others count as ever."""
    nobody = replace(leaver("a"), wanted=Wanted("a", False, token=NOBODY))
    held = Held(removal_id("a"), "m:a", "", "too many", 1, token="k")
    [verdict] = judge_removals(guard(), [nobody], Record({held.id: held}), Stakes("me"), Window())
    assert verdict.hold
    assert verdict.hold.reason == "too many"
    excepted = Record({}, {held.id: NO}, 5)
    [verdict] = judge_removals(guard(), [nobody], excepted, Stakes("me"), Window())
    assert verdict.hold
    assert verdict.hold.reason == FORGOTTEN_REASON
    for decision in (YES, Decision(False, "boss", 1, "", 5.0, "k")):
        record = Record({}, {held.id: decision}, 5000)
        assert goes(list(judge_removals(guard(), [nobody], record, Stakes("me"), Window()))) == [True]
    decided = Record({held.id: held}, {held.id: Decision(True, "boss", 2, token=NOBODY)}, 5)
    assert goes(list(judge_removals(guard(), [nobody], decided, Stakes("me"), Window()))) == [True]


def test_a_pending_invite_and_the_owner_wait() -> None:
    """Not even an approval removes the token's owner."""
    decided = {removal_id("me"): YES}
    plans = [leaver("a", pending=True), leaver("me")]
    pending, owner = judge_removals(guard(), plans, Record({}, decided, 5), Stakes("me"), Window())
    assert pending.hold is not None
    assert pending.hold.reason == PENDING_REASON
    assert owner.hold is not None
    assert owner.hold.final


def test_of_the_last_admins_one_stays() -> None:
    """Whoever goes first is none any more when the next is judged."""
    stakes = Stakes("me", frozenset({"a", "b"}))
    changes = [SetRole(name, "", name, "read", "admin", lowers=True) for name in ("a", "b")]
    changes.append(SetRole("c", "", "c", "read", "edit", lowers=True))
    assert goes(list(judge_lowering(changes, stakes))) == [True, False, True]
    plans = [leaver(name, "admin") for name in ("a", "b")]
    record = Record({}, {removal_id(name): YES for name in ("a", "b")}, 5)
    assert goes(list(judge_removals(guard(), plans, record, stakes, Window()))) == [True, False]


def test_invites() -> None:
    """Within the limit, and decided or held before."""
    invites, tokens = [Invite(name, "") for name in "abc"], dict.fromkeys("abc", "k")
    held = Held(invite_id("b"), "m:b", "", "waits", 1)
    record = Record({held.id: held}, {invite_id("a"): NO}, 5)
    assert goes(list(judge_invites(guard(max_invites=3), invites, tokens, record, 2))) == [False, False, True]
    assert goes(list(judge_invites(guard(), invites, tokens, Record(), 99))) == [True, True, True]


def test_who_leaves_a_team() -> None:
    """Approved ones go, exceptions stay, the others count; who was held keeps the next ones waiting."""
    rules = guard(team_max_removal_percent=50, team_min_removals=2)
    ident = team_id("t1")
    decided = {
        leaving_id(ident, "a"): Decision(True, "boss", 1),
        leaving_id(ident, "b"): Decision(False, "boss", 1),
    }
    free = judge_team(rules, "t1", ["a", "b", "c"], Record({}, decided, 5), Window(0, 4))
    assert [*free.free, *free.approved, *free.excepted] == ["c", "a", "b"]
    assert free.hold is None
    full = judge_team(rules, "t1", ["a", "b", "c", "d", "e"], Record({}, decided, 5), Window(0, 4))
    assert not full.free
    assert set(full.approved) == {"a"}
    assert set(full.held) == {"c", "d", "e"}
    held = Held(ident, "t:T", "", "waits", 1, emails=("a", "x"))
    more = judge_team(rules, "t1", ["c"], Record({ident: held}, decided, 5), Window(0, 40))
    assert not more.free
    assert set(more.held) == {"c", "x"}


def test_deleting_a_team() -> None:
    """Like a removal."""
    assert judge_deletion(guard(), "T", Record(), Window(1, 9)).goes
    assert not judge_deletion(guard(), "T", Record(), Window(2, 9)).goes
    approved = Record({}, {deletion_id("T"): Decision(True, "boss", 1)}, 5)
    assert judge_deletion(guard(), "T", approved, Window(2, 9)).goes
