"""What is to be read of a directory: marked, taken, put off, and never lost to a mark that came meanwhile."""

from dataclasses import replace

import orjson

from bridge.directory.events import EventName, UserNews, make_stamp
from bridge.directory.users import User, encode_user, tell_user
from bridge.store.commit import Transaction
from bridge.store.lease import acquire
from bridge.store.mirror import Command
from bridge.store.reads import ReadState, ReadStore, waiting_reads
from bridge.store.redis import Store

ANA, BO = "u:00uana", "u:00ubo"


async def run(store: Store, commands: list[Command]) -> None:
    """Run commands."""
    transaction = Transaction(store)
    transaction.add_all(commands)
    await transaction.run()


async def test_marked_once_or_often_it_is_due_since_the_first(store: Store) -> None:
    """And not before its time."""
    reads = ReadStore(store, "okta")
    await run(store, [*reads.mark([ANA], 100), *reads.mark([ANA, BO], 200)])
    assert await reads.due(99, 10) == []
    assert [(work.object, work.due, tries) for work, tries in await reads.due(150, 10)] == [(ANA, 100, 0)]
    assert [work.object for work, _ in await reads.due(200, 10)] == [ANA, BO]
    assert len(await reads.due(200, 1)) == 1
    assert await reads.count() == 2


async def test_what_was_read_is_off_the_list_unless_marked_again(store: Store) -> None:
    """The same for what is put off."""
    reads = ReadStore(store, "okta")
    await run(store, reads.mark([ANA, BO], 100))
    (ana, _), (bo, _) = await reads.due(100, 10)
    await run(store, [*reads.mark([BO], 300), *reads.read(ana), *reads.read(bo)])
    [(again, tries)] = await reads.due(300, 10)
    assert (again.object, again.due, tries) == (BO, 100, 0)
    await run(store, [*reads.mark([BO], 300), *reads.defer(again, 900, 1)])
    [(newer, tries)] = await reads.due(300, 10)
    assert (newer.object, newer.due, tries) == (BO, 100, 1)
    await run(store, reads.defer(newer, 900, 2))
    assert (await reads.due(899, 10), await reads.due(900, 10)) == ([], [(replace(newer, due=900), 2)])


async def test_what_is_taken_back_leaves_nothing(store: Store) -> None:
    """Neither the mark nor how often it was tried."""
    reads = ReadStore(store, "okta")
    await run(store, reads.mark([ANA], 100))
    ((work, _),) = await reads.due(100, 10)
    await run(store, [*reads.defer(work, 200, 5), *reads.unmark([ANA]), *reads.unmark([])])
    assert await store.call("EXISTS", *(reads.key(what) for what in ("reads", "readv", "readtries"))) == 0
    await run(store, reads.defer(work, 200, 6))  # by a reading that was under way
    assert await reads.count() == 0


async def test_directories_at_a_glance(store: Store) -> None:
    """How many are due, how the API does, whether somebody reads; for each."""
    okta, state = ReadStore(store, "okta"), ReadState("unavailable", "no answer", 7.5, 1, 2, 3)
    await run(store, [*okta.mark([ANA], 100), *okta.mark([BO], 200), okta.put_state(state)])
    lease = await acquire(store, "readback:other", "me")
    assert lease
    assert await waiting_reads(store, ["okta", "other"], 150) == {
        "okta": (1, state, False), "other": (0, ReadState(), True),
    }  # fmt: skip
    await lease.close()
    assert await okta.state() == state
    assert (state.asleep(7499), state.asleep(7500)) == (True, False)


async def test_some_who_are_active(store: Store) -> None:
    """Of the mirror's users, neither who left nor who was deleted."""
    stamp = make_stamp(5, 0, False)
    rows = {
        "00uana": tell_user(User(), EventName.USER_CREATED, UserNews("00uana"), stamp),
        "00ubo": tell_user(User(), EventName.USER_UPDATED, UserNews("00ubo", active=False), stamp),
        "00ucy": tell_user(User(), EventName.USER_DELETED, UserNews("00ucy"), stamp),
    }
    reads = ReadStore(store, "okta")
    assert await reads.some_active() == []
    for ident, user in rows.items():
        await store.call("HSET", reads.key("users"), ident, orjson.dumps(encode_user(user)))
    assert await reads.some_active() == ["00uana"]
