"""The guard's judgement of whole plans: one thing after the other, and what persons decided."""

from dataclasses import replace

from bridge.plan.changes import Invite, Remove, SetRole
from bridge.plan.guard import over_limit, over_wave
from bridge.plan.held import Decision, Held
from bridge.plan.judge import (
    FORGOTTEN_REASON,
    PENDING_REASON,
    Leaving,
    Losses,
    Record,
    Stakes,
    Verdict,
    Window,
    adoption_id,
    deletion_id,
    invite_id,
    judge_adoption,
    judge_deletion,
    judge_invites,
    judge_lowering,
    judge_removals,
    judge_teams,
    leaving_id,
    removal_id,
    role_id,
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


def waits(verdicts: list[Verdict]) -> list[int]:
    """Until when they wait for others of their wave."""
    return [verdict.until for verdict in verdicts]


def judged(
    names: str, window: Window, rules: GuardSettings | None = None, record: Record | None = None
) -> list[Verdict]:
    """What becomes of some who leave, by default with a limit of ten, at 100 s."""
    plans, record = [leaver(name) for name in names], record or Record(now=100_000)
    return judge_removals(rules or guard(max_removals=10), plans, record, Stakes("me"), window)


def test_removals_count_for_those_behind_them() -> None:
    """One before in the window, two in all: of a held rest the first goes, the others wait."""
    verdicts = judged("abc", Window(1, 50), guard(on_limit="hold-rest"))
    assert goes(verdicts) == [True, False, False]
    assert verdicts[1].hold == over_limit(guard(), 2, 50)


def test_up_to_half_of_the_limit_goes_at_once() -> None:
    """Rounded up, all of a step together, and what was before in the window counts."""
    for limit, before, names in ((10, 0, "abcde"), (10, 4, "a"), (1, 0, "a"), (3, 0, "ab"), (3, 1, "a")):
        verdicts = judged(names, Window(before, 50), guard(max_removals=limit))
        assert (goes(verdicts), waits(verdicts)) == ([True] * len(names), [0] * len(names))
    for limit, before, names in ((10, 0, "abcdef"), (10, 4, "ab"), (10, 5, "a"), (3, 0, "abc"), (2, 1, "a")):
        verdicts = judged(names, Window(before, 50), guard(max_removals=limit))
        assert (goes(verdicts), waits(verdicts)) == ([True] * len(names), [105_000] * len(names))


def test_a_wave_that_does_not_fit_is_held_as_a_whole() -> None:
    """It is said as soon as it is known, and decided when it is over."""
    for gathering, until in (({}, 105_000), (dict.fromkeys("abcdefghijk", 100_000), 0)):
        verdicts = judged("abcdefghijk", Window(0, 50, gathering=gathering))
        assert (goes(verdicts), waits(verdicts)) == ([False] * 11, [until] * 11)
        assert verdicts[0].hold == over_wave(guard(max_removals=10), 11, 0, 50)
    fits = judged("abcdefghij", Window(0, 50, gathering=dict.fromkeys("abcdefghij", 99_000)))
    assert (goes(fits), waits(fits)) == ([True] * 10, [0] * 10)


def test_of_a_wave_that_does_not_fit_only_the_rest_is_held_where_that_is_wanted() -> None:
    """In the order of the addresses."""
    rules = guard(max_removals=4, on_limit="hold-rest")
    verdicts = judged("abcdef", Window(1, 50, gathering=dict.fromkeys("abcdef", 100_000)), rules)
    assert (goes(verdicts), waits(verdicts)) == ([True] * 3 + [False] * 3, [0] * 6)


def test_whoever_comes_later_joins_the_wave_and_does_not_put_it_off() -> None:
    """A drip cannot postpone it for ever."""
    window = Window(0, 50, gathering=dict.fromkeys("abcdef", 101_000))
    assert waits(judged("g", window)) == [101_000]
    assert goes(judged("ghijk", window)) == [False] * 5
    ripe = Window(0, 50, gathering=dict.fromkeys("abcdef", 100_000))
    together = judged("abcdefg", ripe)
    assert (goes(together), waits(together)) == ([True] * 7, [0] * 7)


def test_a_wave_that_is_larger_than_a_step_is_judged_whole() -> None:
    """Those who are not looked at in this step count as well, but nobody twice."""
    window = Window(0, 50, gathering=dict.fromkeys("abcdefghijkl", 100_000))
    assert goes(judged("abcdef", window)) == [False] * 6
    begun = Window(6, 50, frozenset("abcdef"), dict.fromkeys("defghij", 100_000))
    assert goes(judged("ghij", begun)) == [True] * 4


def test_a_call_that_is_repeated_is_not_counted_again() -> None:
    """Its removal went on before; somebody who was removed, came back and leaves again counts as new."""
    full = Window(10, 50, frozenset("abcdefghij"), {"a": 90_000})
    assert goes(judged("ab", full)) == [True, False]


def test_nobody_waits_where_the_limit_is_used_up_or_nothing_is_gathered() -> None:
    """Then it is judged at once, and together all the same."""
    verdicts = judged("a", Window(10, 50))
    assert (waits(verdicts), verdicts[0].hold) == ([0], over_limit(guard(max_removals=10), 10, 50))
    for names, go in (("abcdefghij", True), ("abcdefghijk", False)):
        verdicts = judged(names, Window(0, 50), guard(max_removals=10, gather="0s"))
        assert (goes(verdicts), waits(verdicts)) == ([go] * len(names), [0] * len(names))


def test_who_is_judged_alone_is_no_part_of_a_wave() -> None:
    """Approved, excepted, admins, held before: they neither wait nor count."""
    held = Held(removal_id("c"), "m:c", "", "too many", 1, token="k")
    record = Record({held.id: held}, {removal_id("a"): YES, removal_id("b"): NO}, 100_000)
    verdicts = judged("abcdefgh", Window(0, 50), record=record)
    assert (goes(verdicts), waits(verdicts)) == ([True, False, False] + [True] * 5, [0] * 8)


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


def lower(change: SetRole, binding: MemberBinding | None = None) -> MemberPlan:
    """Somebody who is to have a lower role."""
    here = binding or MemberBinding(State.KNOWN, change.id, change.was, ours=True)
    return MemberPlan(Wanted(change.object, True, token="k"), here, (change,))


def test_a_lower_role_of_who_was_there_before_waits_until_it_is_decided() -> None:
    """Time alone does not let it through; a decision is about this role and no other."""
    change = SetRole("a", "", "a", "comment", "edit", lowers=True)
    young = MemberBinding(State.KNOWN, "a", "edit", adopted=100_000)
    old = replace(young, adopted=0)
    for binding, held in ((young, True), (old, False), (replace(young, ours=True), False)):
        [verdict] = judge_lowering(
            guard(), [(lower(change, binding), change)], Record(now=100_001), Stakes("me")
        )
        assert (verdict.hold is not None) == held
    parked = Held(role_id("a"), "m:a", "", "waits", 1)
    for token, decided, goes_on in (
        ("", None, False), ("k comment", YES, True), ("k comment", NO, False), ("k read", YES, False),
    ):  # fmt: skip
        answers = {parked.id: replace(decided, token=token)} if decided else {}
        record = Record({parked.id: parked}, answers, 100_001)
        [verdict] = judge_lowering(guard(), [(lower(change, old), change)], record, Stakes("me"))
        assert verdict.goes == goes_on


def test_an_admin_by_hand_is_one_whatever_was_known() -> None:
    """The role was read some time ago; who are the admins was read just now."""
    change = SetRole("a", "", "a", "read", "edit", lowers=True)
    [verdict] = judge_lowering(
        guard(), [(lower(change), change)], Record(now=5), Stakes("me", frozenset("a"))
    )
    assert verdict.admin
    assert verdict.hold
    assert "last admin" in verdict.hold.reason


def test_of_the_last_admins_one_stays() -> None:
    """Whoever goes first is none any more when the next is judged."""
    stakes = Stakes("me", frozenset({"a", "b"}))
    changes = [SetRole(name, "", name, "read", "admin", lowers=True) for name in ("a", "b")]
    changes.append(SetRole("c", "", "c", "read", "edit", lowers=True))
    lowered = [(lower(change), change) for change in changes]
    assert goes(list(judge_lowering(guard(), lowered, Record(now=5), stakes))) == [True, False, True]
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


def leaving(
    rules: GuardSettings, emails: str, window: Window, record: Record | None = None, ended: str = ""
) -> Leaving:
    """What becomes of those who leave the only team."""
    losses = Losses("t1", frozenset(emails), frozenset(ended), window)
    return judge_teams(rules, [losses], record or Record(now=5), window)["t1"]


def test_who_leaves_a_team() -> None:
    """Approved ones go, exceptions stay, the others count; who was held keeps the next ones waiting."""
    rules = guard(team_max_removal_percent=50, team_min_removals=2)
    ident = team_id("t1")
    decided = {
        leaving_id(ident, "a"): Decision(True, "boss", 1),
        leaving_id(ident, "b"): Decision(False, "boss", 1),
    }
    free = leaving(rules, "abc", Window(0, 4), Record({}, decided, 5))
    assert [*free.free, *free.approved, *free.excepted] == ["c", "a", "b"]
    assert free.hold is None
    full = leaving(rules, "abcde", Window(0, 4), Record({}, decided, 5))
    assert not full.free
    assert set(full.approved) == {"a"}
    assert set(full.held) == {"c", "d", "e"}
    held = Held(ident, "t:T", "", "waits", 1, emails=("a", "x"))
    more = leaving(rules, "c", Window(0, 40), Record({ident: held}, decided, 5))
    assert not more.free
    assert set(more.held) == {"c", "x"}


def test_a_team_of_five_that_loses_everybody_is_held() -> None:
    """Below `team_min_removals`, too; not a smaller one, and not for the sake of a deleted group."""
    held = leaving(guard(), "abcde", Window(0, 5))
    assert (held.free, held.held) == (frozenset(), frozenset("abcde"))
    assert held.hold
    assert held.hold.reason == "the team would lose all of its 5 members within 24 h"
    assert leaving(guard(), "e", Window(4, 5)).hold == held.hold
    for emails, size, ended in (("abcd", 4, ""), ("abcd", 5, ""), ("abcde", 5, "abcde")):
        assert leaving(guard(), emails, Window(0, size), ended=ended).free == frozenset(emails)
    assert leaving(guard(team_max_removal_percent=100), "abcde", Window(0, 5)).free == frozenset("abcde")


def test_all_teams_together_are_judged_before_the_first() -> None:
    """Two of three out of five teams each are ten of fifteen."""
    losses = [Losses(team, frozenset("ab"), window=Window(0, 3)) for team in "vwxyz"]
    found = judge_teams(guard(), losses, Record(now=5), Window(0, 15))
    assert {(each.free, each.held) for each in found.values()} == {(frozenset(), frozenset("ab"))}
    assert found["v"].hold
    assert found["v"].hold.reason == (
        "all teams together would lose 10 of 15 members within 24 h, more than team_max_removal_percent = 50"
    )
    few = judge_teams(guard(), losses[:4], Record(now=5), Window(0, 15))
    assert all(each.free for each in few.values())
    before = judge_teams(guard(), losses[:4], Record(now=5), Window(2, 15))
    assert not any(each.free for each in before.values())
    ended = [replace(each, ended=each.emails) for each in losses]
    assert all(each.free for each in judge_teams(guard(), ended, Record(now=5), Window(0, 15)).values())


def test_deleting_a_team() -> None:
    """Like a removal."""
    assert judge_deletion(guard(), "T", Record(), Window(1, 9)).goes
    assert not judge_deletion(guard(), "T", Record(), Window(2, 9)).goes
    approved = Record({}, {deletion_id("T"): Decision(True, "boss", 1)}, 5)
    assert judge_deletion(guard(), "T", approved, Window(2, 9)).goes
    gathering = Window(0, 9, gathering={"a": 6})
    assert judge_deletion(guard(), "T", Record(now=5), gathering).until == 6
    assert judge_deletion(guard(), "T", Record(now=6), gathering).until == 0


def test_an_adoption_waits_while_strangers_are_in_the_team() -> None:
    """Unless it is allowed, or somebody decided about this very team."""

    def judge(team: str, strangers: int, allow: bool = False, **decided: Decision) -> Verdict:
        record = Record(decided={adoption_id("Board"): each for each in decided.values()}, now=9)
        how = guard(adopt_teams="allow") if allow else guard()
        return judge_adoption(how, "Board", team, strangers, record)

    assert judge("k", 0) == judge("k", 2, allow=True) == Verdict()
    held = judge("k", 2).hold
    assert held
    assert (held.final, "named 2 of its members" in held.reason) == (False, True)
    assert judge("k", 2, yes=YES) == Verdict(None, YES)
    assert (judge("k", 2, no=NO).excepted, judge("k", 0, True, no=NO).excepted) == (True, True)
    assert judge("another", 2, yes=YES).hold == held
    ended = replace(NO, until=0.005)
    assert judge("k", 2, no=ended).hold == held
