"""What GitBook answered, and then: DESIGN.md's table, over HTTP."""

from pathlib import Path

import pytest

from bridge.sandbox import Limit, Limits
from bridge.targets.base import Removal
from tests.workers.world import HOUR, MINUTE, SECOND, World

# too many calls


async def test_the_limit_in_the_headers_is_kept_without_a_single_429(world: World) -> None:
    """Ten calls a minute for everything; all is done in the end, and nobody was refused."""
    world.sandbox.limits = Limits(Limit(10, 60))
    for number in range(15):
        await world.hire(f"p{number}")
        await world.group(f"g{number}", f"T{number}", f"p{number}")
    started = world.now
    await world.settle()
    assert world.teams() == {f"T{number}": {f"p{number}"} for number in range(15)}
    assert 429 not in {call.status for call in world.sandbox.calls}
    assert world.now - started < 5 * MINUTE
    assert await world.dead() == {}


@pytest.mark.parametrize("skew", [0.0, 3600.0, -3600.0])
async def test_a_429_waits_until_the_reset_by_their_clock(world: World, skew: float) -> None:
    """Their clock may be an hour off; somebody else has used the limit up."""
    world.sandbox.skew = skew
    world.sandbox.limits = Limits(Limit(10, 60))
    for _ in range(10):
        world.sandbox.limiter.spend("read", world.sandbox.now())
    await world.hire("ana")
    started = world.now
    await world.turn()
    state = await world.state()
    assert (state.state, world.members()) == ("rate_limited", {})
    assert 50 < state.resumes_at - world.now / 1000 <= 62
    await world.settle()
    assert (world.members(), (await world.state()).state) == ({"ana": "read"}, "ok")
    assert 50 * SECOND < world.now - started < 65 * SECOND
    waiting = await world.docs.waiting(["m:ana@acme.test"])
    assert waiting == {}, "it counts as no try"


async def test_a_429_with_retry_after_alone(world: World) -> None:
    """It says how long."""
    world.sandbox.inject(next=[{"match": "POST", "fault": "429"}], retry_after=30)
    await world.hire("ana")
    started = world.now
    await world.settle()
    assert world.members() == {"ana": "read"}
    assert 30 * SECOND <= world.now - started < 33 * SECOND


async def test_a_429_without_any_header_waits_longer_each_time(world: World) -> None:
    """A second, then two, then four; then it goes on."""
    world.sandbox.inject(next=[{"match": "POST", "fault": "429", "times": 3}])
    await world.hire("ana")
    started = world.now
    await world.settle()
    assert world.members() == {"ana": "read"}
    assert 7 * SECOND <= world.now - started < 10 * SECOND


async def test_a_429_on_invites_does_not_hold_removals_back(world: World) -> None:
    """Kinds of calls have limits of their own."""
    await world.hire("ana", "bo")
    await world.settle()
    world.sandbox.inject(next=[{"match": "POST .*/invites", "fault": "429", "times": 99}], retry_after=50)
    await world.hire("cy")
    await world.turn()
    await world.fire("ana")
    await world.group("g1", "Writers", "bo")
    await world.turn()
    assert (world.members(), world.teams()) == ({"bo": "read"}, {"Writers": {"bo"}})
    assert (await world.state()).state == "rate_limited"
    assert (await world.docs.counts(world.now)).waiting == 1
    world.sandbox.heal()
    await world.settle()
    assert set(world.members()) == {"bo", "cy"}


async def test_reads_that_are_limited_spin_nothing(world: World) -> None:
    """A leaver's removal waits for its reading, the job ends, and nothing is due meanwhile."""
    await world.hire("ana")
    await world.settle()
    world.sandbox.inject(next=[{"match": "GET .*/user$", "fault": "429"}], retry_after=40)
    await world.fire("ana")
    await world.turn()
    assert world.steps < 5
    assert (await world.docs.counts(world.now)).due == 0
    await world.settle()
    assert world.members() == {}


# no answer


@pytest.mark.parametrize("fault", ["500", "503", "hang", "reset", "not_json"])
async def test_an_outage_opens_the_breaker_and_ends_by_itself(world: World, fault: str) -> None:
    """The target is unavailable, probed with one call at a time; nothing is given up."""
    world.configure(timeout="50ms")
    await world.hire("ana")
    await world.settle()
    world.sandbox.inject(always=fault)
    await world.hire("bo")
    await world.fire("ana")
    await world.group("g1", "Writers", "bo")
    for _ in range(12):
        await world.turn()
        world.sleep(5 * SECOND)
    state = await world.state()
    assert state.state == "unavailable"
    assert state.resumes_at * 1000 - world.now <= 15 * SECOND
    calls = len(world.sandbox.calls)
    world.sleep(20 * SECOND)
    await world.turn()
    assert len(world.sandbox.calls) - calls <= 3, "one probe, tried again at once"
    assert await world.dead() == {}
    world.sandbox.heal()
    await world.settle(most=20 * SECOND)
    assert (world.members(), world.teams()) == ({"bo": "read"}, {"Writers": {"bo"}})
    assert ((await world.state()).state, await world.due()) == ("ok", [])


async def test_a_503_that_says_when_is_left_alone_until_then(world: World) -> None:
    """One such answer is about the service: no call before, not even a probe, and then all is made up for."""
    await world.hire("ana")
    await world.settle()
    world.sandbox.inject(always="503", retry_after=120)
    await world.fire("ana")
    await world.hire("bo")
    await world.turn()
    state, calls = await world.state(), len(world.sandbox.calls)
    assert (state.state, state.reason) == ("unavailable", "GitBook answered 503")
    assert 118 < state.resumes_at - world.now / 1000 <= 120
    world.sandbox.heal()
    for _ in range(11):
        world.sleep(10 * SECOND)
        await world.turn()
    assert len(world.sandbox.calls) == calls
    await world.settle(most=20 * SECOND)
    assert (world.members(), (await world.state()).state) == ({"bo": "read"}, "ok")


async def test_a_single_object_that_fails_backs_off(world: World) -> None:
    """The others go on; the target is not down for it."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers")
    await world.settle()
    ana = world.sandbox.members()["ana@acme.test"].id
    world.sandbox.inject(next=[{"match": f"DELETE .*/members/{ana}", "fault": "502", "times": 9}])
    await world.fire("ana")
    await world.turn()
    await world.add("g1", "bo")
    await world.turn()
    assert (world.teams(), (await world.state()).state) == ({"Writers": {"bo"}}, "ok")
    waiting = (await world.docs.waiting(["m:ana@acme.test"]))["m:ana@acme.test"]
    assert (waiting.reason, waiting.refused) == ("GitBook answered 502", False)
    await world.settle()
    assert (world.members(), await world.docs.waiting(["m:ana@acme.test"])) == ({"bo": "read"}, {})


async def test_a_short_fault_is_repeated_at_once(world: World) -> None:
    """Within the call, where that does no harm."""
    world.sandbox.inject(next=[{"match": "POST", "fault": "503", "times": 2}])
    await world.hire("ana")
    started = world.now
    await world.settle()
    assert (world.members(), world.now - started < SECOND) == ({"ana": "read"}, True)


# the token


async def test_a_rejected_token_stops_all_and_a_new_one_goes_on(world: World, tmp_path: Path) -> None:
    """The file is read again before each probe; nothing is lost, nothing is dead."""
    token = tmp_path / "token"
    token.write_text(world.sandbox.token)
    world.configure(token=f"file:{token}")
    await world.hire("ana")
    await world.settle()
    world.sandbox.token = "new"
    await world.hire("bo")
    await world.fire("ana")
    await world.turn()
    assert (await world.state()).state == "credentials_rejected"
    for _ in range(20):
        calls = len(world.sandbox.calls)
        world.sleep(15 * SECOND)
        await world.turn()
        assert len(world.sandbox.calls) == calls + 1
    assert (world.members(), await world.dead()) == ({"ana": "read"}, {})
    token.write_text("new\n")
    await world.settle(most=16 * SECOND)
    assert (world.members(), (await world.state()).state) == ({"bo": "read"}, "ok")


async def test_a_probe_that_meets_a_429_shows_nothing_about_the_token(world: World) -> None:
    """An outage that ends in a storm of 429 is no question of credentials."""
    world.sandbox.inject(always="503")
    await world.hire("ana", "bo", "cy", "di")
    for _ in range(8):
        await world.turn()
        world.sleep(5 * SECOND)
    assert (await world.state()).state == "unavailable"
    world.sandbox.heal()
    world.sandbox.inject(always="429", retry_after=5)
    world.sleep(15 * SECOND)
    await world.turn()
    assert (await world.state()).state == "unavailable"
    world.sandbox.heal()
    await world.settle()
    assert len(world.members()) == 4


async def test_403_on_one_object_gives_it_up_with_gitbooks_words(world: World) -> None:
    """The others go on; news of it makes it due again."""
    await world.hire("ana", "bo")
    await world.settle()
    world.sandbox.inject(forbidden=["ana@*"])
    await world.fire("ana", "bo")
    await world.settle()
    assert set(world.members()) == {"ana"}
    assert await world.dead() == {"m:ana": "You are not allowed to change this member"}
    world.sandbox.heal()
    await world.settle()
    assert set(world.members()) == {"ana"}
    await world.active("ana", False)
    await world.tell("user.deleted", ("ana", None, None))
    await world.settle()
    assert (world.members(), await world.dead()) == ({}, {})


async def test_403_everywhere_is_the_token(world: World) -> None:
    """The list of members cannot be read either."""
    await world.hire("ana")
    await world.settle()
    world.sandbox.inject(always="403")
    await world.fire("ana")
    await world.turn()
    assert ((await world.state()).state, await world.dead()) == ("credentials_rejected", {})
    world.sandbox.heal()
    await world.settle()
    assert world.members() == {}


# refusals


async def test_a_removal_answered_404_is_done_when_the_list_shows_it(world: World) -> None:
    """Somebody else was faster."""
    await world.hire("ana")
    await world.settle()
    ana = world.sandbox.members()["ana@acme.test"]
    world.sandbox.inject(next=[{"match": "DELETE", "fault": "404"}])
    client = world.worker.client(world.settings.targets[0])
    remove = client.remove

    async def gone(member: str) -> Removal:
        world.sandbox.state.leave(ana.id)
        return await remove(member)

    client.remove = gone  # type: ignore[method-assign]
    await world.fire("ana")
    await world.settle()
    assert (world.members(), await world.dead(), await world.due()) == ({}, {}, [])
    assert await world.docs.members(["ana@acme.test"]) == {}


async def test_a_removal_answered_404_again_and_again_is_given_up(world: World) -> None:
    """They are in the list: it is not done, and it is not tried for ever."""
    await world.hire("ana")
    await world.settle()
    world.sandbox.inject(next=[{"match": "DELETE", "fault": "404", "times": 99}])
    await world.fire("ana")
    await world.settle()
    assert (set(world.members()), set(await world.dead())) == ({"ana"}, {"m:ana"})
    assert world.removals() == 2


async def test_an_organisation_that_is_gone_removes_nobody(world: World) -> None:
    """404 for all of it is a question of credentials; afterwards the removals are made."""
    await world.hire("ana", "bo", "cy")
    await world.settle()
    world.sandbox.inject(organization_gone=True)
    await world.fire("ana", "bo")
    for _ in range(5):
        await world.turn()
        world.sleep(15 * SECOND)
    assert (await world.state()).state == "credentials_rejected"
    assert len(await world.docs.members([f"{name}@acme.test" for name in ("ana", "bo", "cy")])) == 3
    world.sandbox.heal()
    await world.settle()
    assert (set(world.members()), await world.due()) == ({"cy"}, [])


async def test_an_organisation_that_goes_between_reading_and_removing(world: World) -> None:
    """The 404 of the removal itself says nothing."""
    await world.hire("ana")
    await world.settle()
    client = world.worker.client(world.settings.targets[0])
    remove = client.remove

    async def gone(member: str) -> Removal:
        world.sandbox.inject(organization_gone=True)
        return await remove(member)

    client.remove = gone  # type: ignore[method-assign]
    await world.fire("ana")
    await world.turn()
    assert (await world.state()).state == "credentials_rejected"
    assert len(await world.docs.members(["ana@acme.test"])) == 1
    client.remove = remove  # type: ignore[method-assign]
    world.sandbox.heal()
    await world.settle()
    assert world.members() == {}


@pytest.mark.parametrize("status", ["400", "402", "409", "412", "413", "422"])
async def test_an_invite_that_is_refused_is_given_up(world: World, status: str) -> None:
    """With GitBook's words; new news makes it due again."""
    world.sandbox.inject(next=[{"match": "POST .*/invites", "fault": status, "times": 2}])
    await world.hire("ana")
    await world.settle()
    assert await world.dead() == {"m:ana": "Made to fail by the sandbox"}
    world.sandbox.heal()
    await world.group("g1", "Writers", "ana")
    await world.settle()
    assert (world.teams(), await world.dead()) == ({"Writers": {"ana"}}, {})


async def test_many_refusals_in_a_row_open_the_breaker(world: World) -> None:
    """They cannot all be wrong: nobody is given up, others have their turn, and it ends by itself."""
    people = [f"p{number:02}" for number in range(12)]
    world.configure(guard={"max_removals": 100})
    await world.hire(*people, "zed")
    await world.settle()
    world.sandbox.inject(next=[{"match": "DELETE", "fault": "422", "times": 10_000}])
    await world.fire(*people)
    for _ in range(20):
        await world.turn()
        assert ((await world.state()).state, await world.dead()) == ("unavailable", {})
        world.sleep(15 * SECOND)
    assert world.removals() < 150, "not again and again at once"
    await world.group("g1", "Writers", "zed")
    await world.turn()
    world.sleep(15 * SECOND)
    await world.turn()
    assert world.teams() == {"Writers": {"zed"}}
    world.sandbox.heal()
    await world.settle()
    assert set(world.members()) == {"zed", *(name[2:] for name in await world.dead())}


async def test_a_role_refused_while_the_rest_of_the_person_goes_on(world: World) -> None:
    """A later success about them does not hide what was given up in the same step."""
    world.configure(roles=[{"group": "Editors", "role": "edit"}])
    await world.hire("ana")
    await world.settle()
    world.sandbox.inject(next=[{"match": "PATCH", "fault": "422"}])
    await world.group("g1", "Editors", "ana")
    await world.settle()
    assert (world.teams(), set(await world.dead())) == ({"Editors": {"ana"}}, {"m:ana"})


async def test_days_of_outage_lose_no_work(world: World) -> None:
    """What happened meanwhile is done within seconds."""
    await world.hire("ana", "bo")
    await world.settle()
    world.sandbox.inject(always="503")
    for day in range(3):
        await world.hire(f"new{day}")
        await world.active("ana", day % 2 == 1)
        for _ in range(30):
            await world.turn()
            world.sleep(HOUR // 2)
    world.sandbox.heal()
    started = world.now
    await world.settle()
    assert set(world.members()) == {"bo", "new0", "new1", "new2"}
    assert world.now - started < MINUTE
