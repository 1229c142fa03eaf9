"""Leases: one worker at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from bridge.settings import RedisSettings
from bridge.store import commit
from bridge.store.commit import LeaseLostError, Transaction
from bridge.store.journal import Entry as JournalEntry
from bridge.store.journal import Journal, Submission
from bridge.store.lease import Lease, acquire
from bridge.store.redis import Store, open_store


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that end soon and are renewed often."""
    monkeypatch.setattr("bridge.store.lease.SECONDS", 0.4)
    monkeypatch.setattr("bridge.store.lease._RENEW_EVERY", 0.02)


@pytest.fixture
async def lease(store: Store) -> AsyncIterator[Lease]:
    """One that is held."""
    taken = await acquire(store, "fold:acme", "worker-1")
    assert taken
    yield taken
    await taken.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 # what is waited for has no event
            await asyncio.sleep(0.005)


async def test_it_is_held_by_one(store: Store, lease: Lease) -> None:
    """Others get none, whoever they are; another name is another lease."""
    assert await acquire(store, "fold:acme", "worker-2") is None
    assert await acquire(store, "fold:acme", "worker-1") is None
    other = await acquire(store, "fold:other", "worker-2")
    assert other
    await other.close()
    assert not lease.lost
    lease.check()


async def test_only_one_of_many_gets_it(store: Store) -> None:
    """However many ask at once."""
    taken = [
        each for each in await asyncio.gather(*(acquire(store, "x", f"w{n}") for n in range(20))) if each
    ]
    assert len(taken) == 1
    await taken[0].close()


async def test_the_fence_grows(store: Store, lease: Lease) -> None:
    """So that what an earlier holder left behind can be told from one's own."""
    assert "worker-1" in lease.token
    await lease.close()
    later = await acquire(store, "fold:acme", "worker-1")
    assert later
    assert later.fence > lease.fence
    await later.close()


async def test_given_back_it_can_be_taken(store: Store, lease: Lease) -> None:
    """At once, and closing twice does no harm to the next holder."""
    await lease.close()
    taken = await acquire(store, "fold:acme", "worker-2")
    assert taken
    await lease.close()
    assert await store.call("GET", taken.key) == taken.token
    await taken.close()
    assert await store.call("EXISTS", taken.key) == 0


async def test_transactions_of_the_holder(store: Store, lease: Lease) -> None:
    """They run while it is held."""
    transaction = lease.transaction()
    transaction.add("SET", store.key("a"), 1)
    await lease.commit(transaction)
    assert await store.call("GET", store.key("a")) == "1"


@pytest.mark.parametrize("thief", [None, "9 worker-2"])
async def test_transactions_of_one_who_lost_it(store: Store, lease: Lease, thief: str | None) -> None:
    """Nothing is done, and the holder knows; the next holder's lease is left alone."""
    await store.call("DEL", lease.key) if thief is None else await store.call("SET", lease.key, thief)
    transaction = lease.transaction()
    transaction.add("SET", store.key("a"), 1)
    with pytest.raises(LeaseLostError):
        await lease.commit(transaction)
    assert lease.lost
    with pytest.raises(LeaseLostError):
        lease.check()
    await lease.close()
    assert await store.call("MGET", store.key("a"), lease.key) == [None, thief]


@pytest.mark.usefixtures("brisk")
async def test_it_is_renewed_while_held(store: Store) -> None:
    """It outlives its span many times over."""
    lease = await acquire(store, "x", "worker-1")
    assert lease
    start = asyncio.get_running_loop().time()
    await until(lambda: asyncio.get_running_loop().time() > start + 0.9)
    assert not lease.lost
    assert 0 < await store.call("PTTL", lease.key) <= 400
    await lease.close()


@pytest.mark.usefixtures("brisk")
async def test_a_holder_who_lost_it_notices(store: Store) -> None:
    """With the next renewal, long before the span is over."""
    lease = await acquire(store, "x", "worker-1")
    assert lease
    await store.call("SET", lease.key, "9 worker-2")
    await until(lambda: lease.lost)
    await lease.close()
    assert await store.call("GET", lease.key) == "9 worker-2"


@pytest.mark.usefixtures("brisk")
async def test_a_holder_who_cannot_reach_redis(redis_settings: RedisSettings, store: Store) -> None:
    """By their own clock it is lost when the span is over; Redis lets others have it then."""
    own = open_store(redis_settings)
    lease = await acquire(own, "x", "worker-1")
    assert lease
    lease._store = open_store(redis_settings.model_copy(update={"data_dir": redis_settings.data_dir / "no"}))
    await until(lambda: lease.lost)
    await until_gone(store, lease.key)
    await lease.close()
    await own.close()


async def until_gone(store: Store, key: str) -> None:
    """Wait until Redis has let go of a key."""
    async with asyncio.timeout(10):
        while await store.call("EXISTS", key):  # noqa: ASYNC110 # it is Redis that is waited for
            await asyncio.sleep(0.005)


@pytest.mark.usefixtures("brisk")
async def test_a_slow_answer_makes_the_span_no_longer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis counts from when it was asked, so the holder does as well."""
    run = store.run

    async def slow(name: str, *args: object) -> object:
        answer = await run(name, *args)
        start = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() > start + 0.5)
        return answer

    monkeypatch.setattr(store, "run", slow)
    lease = await acquire(store, "x", "worker-1")
    assert lease
    assert lease.lost
    await lease.close()


# -- giving it back when there is nothing more to do


async def test_a_fold_is_not_over_while_something_is_unread(store: Store, lease: Lease) -> None:
    """Looked at in the moment of giving it back, so that no event is left behind."""
    journal = Journal(store)
    words = journal.key("acme"), journal.cursor_key("acme")
    await journal.accept([Submission("okta", [JournalEntry("acme", None, b"{}")])])
    assert not await lease.release("release_fold", *words)
    assert not lease.lost
    [(ident, _)] = await journal.read("acme", "0-0", 9)
    await store.call("SET", journal.cursor_key("acme"), ident)
    assert await lease.release("release_fold", *words)
    assert lease.lost
    assert await store.call("EXISTS", lease.key) == 0


async def test_an_empty_journal_is_read(store: Store, lease: Lease) -> None:
    """There is nothing to wait for."""
    assert await lease.release("release_fold", store.key("journal", "acme"), store.key("cursor", "acme"))


async def test_work_that_is_due(store: Store, lease: Lease) -> None:
    """The lease is kept for what is due now, not for what is due later."""
    work = store.key("work", "docs")
    await store.call("ZADD", work, 1000, "m:ana@acme.test")
    assert not await lease.release("release_work", work, 1000)
    assert await lease.release("release_work", work, 999)


@pytest.mark.parametrize("script", ["release_fold", "release_work"])
async def test_a_lost_lease_is_given_back_already(store: Store, lease: Lease, script: str) -> None:
    """It is the next holder's to work on."""
    await store.call("SET", lease.key, "9 worker-2")
    await store.call("ZADD", store.key("work"), 1, "x")
    assert await lease.release(script, store.key("work"), 1000)
    assert await store.call("GET", lease.key) == "9 worker-2"


async def test_whoever_has_given_it_back_may_call_nothing_any_more(store: Store, lease: Lease) -> None:
    """A call that nobody waits for may still want another try."""
    await lease.close()
    assert lease.lost
    with pytest.raises(LeaseLostError):
        lease.check()
    other = await acquire(store, "fold:acme", "worker-2")
    assert other
    await lease.close()
    assert await store.call("GET", other.key) == other.token
    await other.close()


async def test_many_commands_are_run_in_parts(
    store: Store, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may be done only once is done in the last part, and what is required at the first."""
    monkeypatch.setattr(commit, "MOST_WORDS", 20)
    ran: list[int] = []
    run = lease.commit

    async def counting(transaction: Transaction) -> None:
        ran.append(len(transaction))
        await run(transaction)

    monkeypatch.setattr(lease, "commit", counting)
    names = [("SADD", store.key("s"), f"n{number}") for number in range(12)]
    await lease.commit_parts(names, [("INCR", store.key("n"))], (store.key("given"), ""))
    assert ran == [24, 27]
    assert await store.calls([("SCARD", store.key("s")), ("GET", store.key("n"))]) == [12, "1"]
    with pytest.raises(LeaseLostError):
        await lease.commit_parts(names, [("INCR", store.key("n"))], (store.key("n"), "7"))
    assert await store.call("GET", store.key("n")) == "1"


async def test_a_long_command_is_run_in_parts(store: Store, lease: Lease) -> None:
    """However many items one command takes."""
    names = [f"n{number}" for number in range(50_000)]
    await lease.commit_parts([("SADD", store.key("s"), *names)])
    assert await store.call("SCARD", store.key("s")) == 50_000
