"""What is known, waiting and decided of one target."""

from collections.abc import Iterable
from dataclasses import replace

import orjson
import pytest

from bridge.plan.accounts import Account
from bridge.plan.held import Decision, Held
from bridge.plan.making import Making
from bridge.plan.members import FOUND, GIVEN, MemberBinding, State
from bridge.plan.reading import Inviting
from bridge.plan.teams import TeamBinding
from bridge.settings import TargetSettings
from bridge.store.commit import Transaction
from bridge.store.mirror import Command
from bridge.store.redis import Store
from bridge.store.targets import (
    FORGET_ASKED,
    LOOK_FIRST,
    Cause,
    Counts,
    Intent,
    Pause,
    TargetState,
    TargetStore,
    Waiting,
    cause_row,
    target_id,
)

ANA, BO = "m:ana@acme.test", "m:bo@acme.test"
HELD = Held("a1", ANA, "remove", "too many", 1000, 2, "token", True, ("ana@acme.test",))


@pytest.fixture
def target(store: Store) -> TargetStore:
    """A target's keys."""
    return TargetStore(store, "gitbook-acme-1")


async def run(target: TargetStore, commands: Iterable[Command]) -> None:
    """Run commands in a transaction."""
    transaction = Transaction(target.store)
    transaction.add_all(commands)
    assert await transaction.run()


def settings(**keys: str) -> TargetSettings:
    """One of [[targets]]."""
    return TargetSettings.model_validate({"name": "docs", "organization": "acme", "token": "t", **keys})


def test_a_target_is_what_it_is() -> None:
    """Not what the config calls it, nor whose token is used."""
    assert target_id(settings()) == target_id(settings(name="other", token="other"))
    other = [settings(organization="b"), settings(api_url="https://b.test/v1")]
    assert len({target_id(settings()), *map(target_id, other)}) == 3


# -- work


async def test_due_work_the_longest_due_first(target: TargetStore) -> None:
    """As much as asked for, and nothing that is due later."""
    await run(target, [*target.mark([BO], 2000), *target.mark([ANA], 1000), *target.mark(["m:cy"], 3000)])
    assert [(ANA, 1000), (BO, 2000)] == [(work.object, work.due) for work in await target.work.due(2000, 10)]
    assert [ANA] == [work.object for work in await target.work.due(2000, 1)]
    assert await target.work.due(999, 10) == []


async def test_marks_are_set_to_the_earlier_time(target: TargetStore) -> None:
    """And each is another one, so that news in the middle of work on an object is seen."""
    seen = set()
    for now, due in ((2000, 2000), (3000, 2000), (1000, 1000)):
        await run(target, target.mark([ANA], now))
        [work] = await target.work.due(9000, 10)
        assert (ANA, due) == (work.object, work.due)
        seen.add(work.mark)
    assert 3 == len(seen)
    await run(target, [*target.mark([ANA], 5000), target.work.clear(work), target.work.defer(work, 8000)])
    [later] = await target.work.due(9000, 10)
    assert (ANA, 1000) == (later.object, later.due)
    assert later.mark not in seen


async def test_news_about_what_backs_off_makes_it_due(target: TargetStore) -> None:
    """It does not wait for its time."""
    await run(target, target.mark([ANA], 1000))
    [work] = await target.work.due(1000, 10)
    await run(target, [target.work.defer(work, 60_000)])
    assert await target.work.due(1000, 10) == []
    await run(target, target.mark([ANA], 2000))
    assert [(ANA, 2000)] == [(each.object, each.due) for each in await target.work.due(2000, 10)]


async def test_what_is_done_is_off_the_list(target: TargetStore) -> None:
    """With its count."""
    await run(target, target.mark([ANA, BO], 1000))
    await run(target, [target.work.clear(work) for work in await target.work.due(1000, 10)])
    assert await target.work.due(1000, 10) == []
    assert await target.store.call("EXISTS", target.key("work"), target.key("workv")) == 0


async def test_a_target_at_a_glance(target: TargetStore) -> None:
    """What is under way is running and not due; what is due later waits."""
    assert await target.counts(1000) == Counts()
    intent = Intent("invite", 1, 900, "w1")
    await run(target, [
        *target.mark([ANA, BO, "m:cy"], 1000), *target.mark(["m:di"], 1001), *target.intend([ANA], intent),
        target.park(HELD), target.bury(HELD), target.put_member("ana@acme.test", MemberBinding(State.KNOWN)),
        ("ZADD", target.key("pending"), 5, "x"),
    ])  # fmt: skip
    assert await target.counts(1000) == Counts(2, 1, 1, 1, 1, 1, 1)


async def test_targets_know_nothing_of_each_other(target: TargetStore) -> None:
    """Each has its own keys."""
    await run(target, [*target.mark([ANA], 1), target.park(HELD)])
    assert await TargetStore(target.store, "gitbook-other-1").counts(9) == Counts()


# -- bindings


async def test_members(target: TargetStore) -> None:
    """What is known comes back as it was; absent ones are forgotten, since only a reading shows absence."""
    known = MemberBinding(
        State.KNOWN,
        "m1",
        "edit",
        True,
        True,
        True,
        True,
        True,
        ("d\x1fu1", "d\x1fu2"),
        {"t1": GIVEN, "t2": FOUND},
    )
    invited = MemberBinding(State.INVITED, admitted=True)
    await run(target, [target.put_member("a@x.test", known), target.put_member("b@x.test", invited)])
    both = ["a@x.test", "b@x.test", "c@x.test"]
    assert await target.members(both) == {"a@x.test": known, "b@x.test": invited}
    absent = MemberBinding(State.ABSENT)
    await run(target, [target.put_member("a@x.test", absent), target.put_member("b@x.test", MemberBinding())])
    assert await target.members(both) == {}
    assert await target.members([]) == {}


async def test_members_with_several_accounts(target: TargetStore) -> None:
    """They come back, too; rows of before there could be any have one."""
    others = (Account("m2", "admin", False), Account("m3", "guest", True))
    known = MemberBinding(State.KNOWN, "m1", "edit", others=others)
    await run(target, [target.put_member("a@x.test", known)])
    assert await target.members(["a@x.test"]) == {"a@x.test": known}
    row = {"state": "known", "id": "m1", "role": "read", "sso": True, "holders": ["d\x1fu1"], "teams": {}}
    await run(target, [("HSET", target.key("binding"), "b@x.test", orjson.dumps(row))])
    old = MemberBinding(State.KNOWN, "m1", "read", True, holders=("d\x1fu1",))
    assert await target.members(["b@x.test"]) == {"b@x.test": old}


async def test_calls_that_make_teams_and_have_no_end(target: TargetStore) -> None:
    """By title, with the time to look at them; forgotten once each has an end."""
    making = Making(1000, 2, ("a", "b"), "has 1 space(s)", 3)
    await run(target, target.put_making("Writers", making, 5000))
    assert await target.makings(["Writers", "Editors"]) == await target.all_makings() == {"Writers": making}
    assert (await target.twins_due(4999, 9), await target.twins_due(5000, 9)) == ([], ["Writers"])
    await run(target, target.put_making("Writers", None, 0))
    assert (await target.all_makings(), await target.twins_due(9000, 9)) == ({}, [])


async def test_calls_without_a_clear_end(target: TargetStore) -> None:
    """What is watched: a team by its id where it has one, else its title; people of calls about people."""
    await run(target, target.watch(["t:Writers", ANA], 0, "t1"))
    await run(target, target.watch(["t:Editors", ANA], 0))
    assert (await target.lost_due(LOOK_FIRST - 1, 9), await target.unknown([ANA])) == ({}, {})
    assert await target.lost_due(LOOK_FIRST, 9) == {"i:t1": 0, "t:Editors": 0}
    await run(target, [*target.lose([ANA], 5), *target.watch_lost("i:t1", None)])
    await run(target, target.watch_lost("t:Editors", 2 * LOOK_FIRST, 1))
    assert await target.lost_due(2 * LOOK_FIRST, 9) == {"t:Editors": 1, ANA: 0}
    await run(target, target.watch(["t:Editors"], 0))  # by another call: counted anew
    assert (await target.lost_due(LOOK_FIRST, 9))["t:Editors"] == 0
    assert await target.lost_of([ANA, "t:Editors", "i:t1"]) == {ANA, "t:Editors"}
    assert await target.lost_of([]) == set()
    assert await target.unknown([ANA]) == {ANA: "1"}


async def test_an_invite_is_remembered_while_a_try_of_it_may_come(target: TargetStore) -> None:
    """So that whoever it brings in late counts as invited."""
    email = ANA.removeprefix("m:")
    await run(
        target, [target.invite(email, Inviting(since=7)), *target.watch([ANA], 0), target.invited(email)]
    )
    assert await target.inviting([email]) == {email: Inviting(since=7)}
    await run(target, target.watch_lost(ANA, None))
    assert await target.inviting([email]) == {}
    await run(target, [target.invite(email, Inviting(since=7)), target.invited(email)])
    assert await target.inviting([email]) == {}


async def test_whom_calls_were_to_put_into_a_team(target: TargetStore) -> None:
    """For a day by a clock that may be a day off; then the whole is gone, when nobody was put anywhere."""
    await run(target, target.ask("t1", ["ana@acme.test"], 1000))
    assert target.ask("t1", [], 1000) == []
    assert await target.asked("t1", ["ana@acme.test", "bo@acme.test"]) == {"ana@acme.test"}
    assert (await target.asked("t2", ["ana@acme.test"]), await target.asked("t1", [])) == (set(), set())
    await run(target, target.ask("t1", ["ana@acme.test"], 5))  # by a clock that is behind
    await run(target, target.ask("t1", ["bo@acme.test"], 1000 + FORGET_ASKED))
    assert await target.asked("t1", ["ana@acme.test", "bo@acme.test"]) == {"ana@acme.test", "bo@acme.test"}
    await run(target, target.ask("t1", ["bo@acme.test"], 1001 + FORGET_ASKED))
    assert await target.asked("t1", ["ana@acme.test", "bo@acme.test"]) == {"bo@acme.test"}
    assert 0 < await target.store.call("PTTL", target.key("asked")) <= FORGET_ASKED


async def test_what_is_due_much_later_is_brought_forward(target: TargetStore) -> None:
    """What is given up is not; what is due stays so, and the news of it too."""
    await run(target, [*target.mark([ANA], 9000, 8000), target.bury(replace(HELD, object="t:Writers"))])
    await run(target, await target.bring_forward([ANA, BO, "t:Writers"], 1000))
    assert {work.object: work.due for work in await target.work.due(1000, 9)} == {ANA: 1000, BO: 1000}
    assert [work.news for work in await target.work.due(1000, 1)] == [8000]
    assert await target.bring_forward([], 1000) == []


async def test_work_about_some_objects(target: TargetStore) -> None:
    """Due or not; what is not on the list is not there."""
    await run(target, target.mark([ANA], 9000, 8000))
    [work] = await target.work.among([ANA, BO])
    assert (work.object, work.due, work.news) == (ANA, 9000, 8000)
    assert await target.work.among([BO]) == await target.work.among([]) == []


async def test_teams_and_titles(target: TargetStore) -> None:
    """By title; nothing is kept of a group that maps to none."""
    team = TeamBinding("t1", "Writers", True, ("d\x1fg1",))
    await run(target, [
        target.put_team("Writers", team), target.put_team("Editors", TeamBinding()),
        target.put_titles("d\x1fg1", ("Writers", "Everyone")), target.put_titles("d\x1fg2", ()),
    ])  # fmt: skip
    assert await target.teams() == {"Writers": team, "Editors": TeamBinding()}
    refs = ["d\x1fg1", "d\x1fg2"]
    assert await target.titles_of_groups(refs) == {"d\x1fg1": ("Writers", "Everyone")}
    await run(target, [target.put_team("Writers", None), target.put_titles("d\x1fg1", ())])
    assert await target.teams() == {"Editors": TeamBinding()}
    assert await target.titles_of_groups(refs) == {}


async def test_doubts(target: TargetStore) -> None:
    """One that came up again while the target was read stays."""
    await run(target, target.doubt([ANA, BO]))
    read = await target.unknown([ANA, BO, "m:cy"])
    assert read == {ANA: "1", BO: "1"}
    await run(target, [*target.doubt([BO]), *(target.trust(name, count) for name, count in read.items())])
    assert await target.unknown([ANA, BO]) == {BO: "2"}


async def test_intents(target: TargetStore) -> None:
    """Written before a call, gone after it."""
    intent = Intent("invite 2 people", 7, 1000, "w1")
    await run(target, target.intend([ANA, BO], intent))
    assert await target.intents() == {ANA: intent, BO: intent}
    await run(target, [target.ended([ANA])])
    assert await target.intents() == {BO: intent}


async def test_what_waits_for_a_person(target: TargetStore) -> None:
    """By id, with what was decided; both go when the cause is gone."""
    decision = Decision(True, "root", 1000, "leaves", 2000.5, "token")
    await run(target, [target.park(HELD), target.decide("a1", decision)])
    assert await target.parked() == {"a1": HELD}
    assert await target.parked_of(["a1", "a2"]) == {"a1": HELD}
    assert await target.decisions(["a1", "a2"]) == {"a1": decision}
    await run(target, target.unpark("a1"))
    assert (await target.parked(), await target.decisions(["a1"])) == ({}, {})


async def test_what_is_given_up_or_backs_off(target: TargetStore) -> None:
    """By object; revived it is neither."""
    waiting = Waiting(3, 1000, "GitBook answered 503")
    await run(target, [target.bury(HELD), target.wait(ANA, waiting)])
    assert await target.dead() == {ANA: HELD}
    assert await target.waiting([ANA, BO]) == {ANA: waiting}
    await run(target, target.revive(ANA))
    assert (await target.dead(), await target.waiting([ANA])) == ({}, {})


async def test_state_and_causes(target: TargetStore) -> None:
    """A target of which nothing is known is well."""
    assert await target.state() == TargetState()
    state = TargetState("unavailable", "503", 12.5, 3)
    cause = Cause("okta/1-0", "d1")
    await run(target, [target.put_state(state), target.put_causes({ANA: cause_row("okta/1-0", "d1")})])
    assert await target.state() == state
    assert await target.causes([ANA, BO]) == {ANA: cause}
    blank = Cause("okta:a b/1-0", "d1")
    await run(target, [target.put_causes({BO: cause_row("okta:a b/1-0", "d1")})])
    assert await target.causes([BO]) == {BO: blank}


async def test_a_pause_is_kept_beside_the_state(target: TargetStore) -> None:
    """Whatever is written about how the target is doing."""
    assert await target.paused() is None
    await run(target, [target.pause(Pause("boss", 1000, "audit")), target.put_state(TargetState())])
    assert await target.paused() == Pause("boss", 1000, "audit")
    await run(target, [target.resume()])
    assert await target.paused() is None
