"""The way of one delivery, and the task that stores many at once."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ResponseError
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from bridge.directory.events import EventName, GroupNews, News, UserNews, decode_event, stamp_time
from bridge.intake import (
    MOST_REFUSED,
    ArrivalClock,
    Batcher,
    Intake,
    Outcome,
    StoreError,
    build_submission,
    delivery_name,
    refused_rows,
)
from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, Parsed, Refused, UnreadableError, UnverifiedError
from bridge.sources.jackson import Jackson
from bridge.sources.okta_workflows import OktaWorkflows
from bridge.store.journal import Entry, Journal, Receipt, Submission
from bridge.store.redis import Store

NOW = 1_795_319_083_036
SETTINGS = SourceSettings.model_validate({"name": "okta", "kind": "okta-workflows", "secrets": ["one"]})
JOINED = News(EventName.USER_CREATED, UserNews("u1", "ana@acme.test", True), key=b"k" * 16)


class Scripted:
    """A journal in memory that answers as the test says."""

    def __init__(
        self, answer: Callable[[Sequence[Submission]], Awaitable[list[Receipt | Exception]]]
    ) -> None:
        self._answer = answer
        self.calls: list[list[Submission]] = []
        self.called = asyncio.Event()

    async def accept(self, submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        """Record the call and answer it."""
        self.calls.append(list(submissions))
        self.called.set()
        return await self._answer(submissions)

    async def not_ready(self) -> str | None:
        """It always is."""
        return None

    async def warnings(self) -> list[str]:
        """Nothing."""
        return []


async def receipts(submissions: Sequence[Submission]) -> list[Receipt | Exception]:
    """A receipt for each."""
    return [Receipt(len(one.entries), 0) for one in submissions]


def body(number: int, entries: int = 1) -> Submission:
    """A submission that can be told from others."""
    return Submission("okta", [Entry(f"d{number}", None, b"{}")] * entries)


# -- the clock


def test_clock_gives_the_time_of_arrival() -> None:
    """Bodies of different milliseconds start afresh."""
    clock = ArrivalClock()
    for now in (NOW, NOW + 1):
        arrived, (stamp,) = clock.stamp([JOINED], now)
        assert (now, now) == (arrived, stamp_time(stamp))


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(1, 300)), min_size=1, max_size=40))
def test_untimed_bodies_keep_their_order(bodies: list[tuple[int, int]]) -> None:
    """However the clock jumps, and however many arrive at once, later bodies have later stamps."""
    clock, now, last = ArrivalClock(), NOW, -1
    for step, size in bodies:
        now += step
        _, stamps = clock.stamp([JOINED] * size, now)
        assert last < stamps[0]
        assert sorted(stamps) == stamps
        last = stamps[-1]


def test_times_told_are_kept() -> None:
    """A told time is not touched by the clock, unless it is still to come."""
    timed = [News(JOINED.name, JOINED.user, told=told) for told in (NOW - 5000, NOW + 5000)]
    _, stamps = ArrivalClock().stamp(timed, NOW)
    assert [stamp_time(stamp) for stamp in stamps] == [NOW - 5000, NOW]


# -- what is stored


def test_submission_holds_what_is_stored() -> None:
    """The event with source, delivery and arrival; the journal carries the sender's directory id."""
    news = [JOINED, News(EventName.GROUP_CREATED, group=GroupNews("g", "Writers"), directory_id="7")]
    made = build_submission(SETTINGS, Parsed(news), [10, 20], NOW, "abc")
    first, second = made.entries
    event = decode_event(orjson.loads(first.payload))

    assert (first.directory, first.seen) == ("okta", b"k" * 16)
    assert (second.directory, second.seen) == ("okta:7", None)
    assert (JOINED.user, 10, "okta", "abc", NOW) == (
        event.user,
        event.stamp,
        event.source,
        event.delivery,
        event.received,
    )


def test_sources_of_one_directory_share_a_journal() -> None:
    """The journal is named after the directory, not the source."""
    shared = SETTINGS.model_copy(update={"directory": "company"})
    assert build_submission(shared, Parsed([JOINED]), [1], NOW, "abc").entries[0].directory == "company"


def test_refused_rows_say_where_and_why() -> None:
    """Nothing of the body is in them."""
    (row,) = refused_rows("okta", [Refused(3, "event is missing")], NOW, "abc")
    expected = {"at": NOW, "source": "okta", "delivery": "abc", "index": 3, "reason": "event is missing"}
    assert expected == json.loads(row)


def test_refused_rows_of_one_body_are_bounded() -> None:
    """A list of rubbish leaves a note on the rest."""
    rows = refused_rows("okta", [Refused(n, "no") for n in range(1000)], NOW, "abc")
    assert len(rows) == MOST_REFUSED + 1
    assert "900 more" in json.loads(rows[-1])["reason"]


def test_delivery_is_named_after_its_key() -> None:
    """A repeat has the name of the first; without keys each has its own."""
    assert (b"k" * 8).hex() == delivery_name(Parsed([JOINED]))
    assert len({delivery_name(Parsed([News(JOINED.name, JOINED.user)])) for _ in range(5)}) == 5


# -- the batcher


async def test_requests_of_the_moment_go_together() -> None:
    """What arrives during a round trip goes together in the next; everyone gets its own receipt."""
    gate = asyncio.Event()

    async def slow(submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        await gate.wait()
        return await receipts(submissions)

    journal = Scripted(slow)
    async with Batcher(journal).running() as batcher, asyncio.TaskGroup() as group:
        first = group.create_task(batcher.store(body(0, 1)))
        await journal.called.wait()
        others = [group.create_task(batcher.store(body(n, n))) for n in range(1, 6)]
        await asyncio.sleep(0)
        gate.set()

    assert [len(call) for call in journal.calls] == [1, 5]
    assert [Receipt(n, 0) for n in (1, 1, 2, 3, 4, 5)] == [task.result() for task in (first, *others)]


async def test_round_trips_are_bounded() -> None:
    """Neither too many bodies nor too many events in one."""
    journal = Scripted(receipts)
    batcher = Batcher(journal)
    async with asyncio.TaskGroup() as group:
        for _ in range(300):
            group.create_task(batcher.store(body(1)))
        for _ in range(3):
            group.create_task(batcher.store(body(1, 1500)))
        await asyncio.sleep(0)
        await group.create_task(_run(batcher))

    assert [len(call) for call in journal.calls] == [256, 46, 1]


async def _run(batcher: Batcher) -> None:
    async with batcher.running():
        pass


async def test_answers_are_judged_one_by_one() -> None:
    """One body that Redis refuses does not spoil the others."""

    async def second_fails(submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        return [Receipt(1, 0), ValueError("no"), *[Receipt(1, 0) for _ in submissions[2:]]]

    async with Batcher(Scripted(second_fails)).running() as batcher:
        answers = await asyncio.gather(*(batcher.store(body(n)) for n in range(3)), return_exceptions=True)

    assert [Receipt, StoreError, Receipt] == [type(answer) for answer in answers]


async def test_failed_round_trip_fails_all_and_the_task_lives_on() -> None:
    """Whatever the journal raises, the next one is tried."""
    failures: list[Exception | None] = [ConnectionError("gone"), KeyError("a fault"), None]

    async def recover(submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        failure = failures.pop(0)
        if failure:
            raise failure
        return await receipts(submissions)

    async with Batcher(Scripted(recover)).running() as batcher:
        for reason in ("ConnectionError: gone", "KeyError"):
            with pytest.raises(StoreError, match=reason):
                await batcher.store(body(1))
        assert Receipt(1, 0) == await batcher.store(body(1))


async def test_what_redis_refuses_is_told_without_what_was_sent() -> None:
    """redis-py writes the whole command before it, with the bodies."""
    text = "Command # 1 (EVALSHA x 0 ana@acme.test) of pipeline caused error: OOM command not allowed"

    async def refuse(_submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        raise ResponseError(text)

    async with Batcher(Scripted(refuse)).running() as batcher:
        with pytest.raises(StoreError) as caught:
            await batcher.store(body(1))
    assert str(caught.value) == "ResponseError: OOM command not allowed"


async def test_too_few_answers_are_no_answers() -> None:
    """Nobody gets another's receipt."""

    async def none(_submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        return []

    async with Batcher(Scripted(none)).running() as batcher:
        with pytest.raises(StoreError, match="0 answers to 1"):
            await batcher.store(body(1))


async def test_silent_redis_is_given_up() -> None:
    """Both the one on its way and the one behind it get their error in time, and the latter is never sent."""

    async def never(_submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        await asyncio.Event().wait()
        return []

    journal = Scripted(never)
    async with Batcher(journal, seconds=0.05).running() as batcher:
        first = asyncio.create_task(batcher.store(body(1)))
        await journal.called.wait()
        answers = await asyncio.gather(first, batcher.store(body(2)), return_exceptions=True)

    assert [StoreError, StoreError] == [type(answer) for answer in answers]
    assert [one.entries[0].directory for one in journal.calls[0]] == ["d1"]


class Hanging(Scripted):
    """A journal whose first round trip never comes back."""

    def __init__(self) -> None:
        async def answer(submissions: Sequence[Submission]) -> list[Receipt | Exception]:
            if len(self.calls) == 1:
                await asyncio.Event().wait()
            return await receipts(submissions)

        super().__init__(answer)


async def test_each_waits_from_its_own_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round trip ends when its oldest has waited long enough; who came later has the rest of their time."""
    loop, ahead = asyncio.get_running_loop(), [0.0]
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])
    journal = Hanging()
    async with Batcher(journal, seconds=60).running() as batcher:
        first = asyncio.create_task(batcher.store(body(1)))
        await journal.called.wait()
        ahead[0] = 10
        second = asyncio.create_task(batcher.store(body(2)))
        await asyncio.sleep(0)
        ahead[0] = 61
        with pytest.raises(StoreError, match="did not answer within 60 s"):
            await first
        assert Receipt(1, 0) == await second
    assert [["d1"], ["d2"]] == [[one.entries[0].directory for one in call] for call in journal.calls]


async def test_what_has_waited_too_long_is_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sender has been told to come again: stored now, it might come twice."""
    loop, ahead = asyncio.get_running_loop(), [0.0]
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])
    journal = Hanging()
    async with Batcher(journal, seconds=60).running() as batcher:
        first = asyncio.create_task(batcher.store(body(1)))
        await journal.called.wait()
        second = asyncio.create_task(batcher.store(body(2)))
        await asyncio.sleep(0)
        ahead[0] = 100
        answers = await asyncio.gather(first, second, return_exceptions=True)
        assert Receipt(1, 0) == await batcher.store(body(3))
    assert [StoreError, StoreError] == [type(answer) for answer in answers]
    assert [["d1"], ["d3"]] == [[one.entries[0].directory for one in call] for call in journal.calls]


async def test_request_that_goes_away_does_not_stop_the_storing() -> None:
    """A cancelled request leaves the round trip alone."""
    gate, done = asyncio.Event(), asyncio.Event()

    async def slow(submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        await gate.wait()
        done.set()
        return await receipts(submissions)

    journal = Scripted(slow)
    async with Batcher(journal).running() as batcher:
        request = asyncio.create_task(batcher.store(body(1)))
        await journal.called.wait()
        request.cancel()
        gate.set()
        await done.wait()
        assert Receipt(1, 0) == await batcher.store(body(2))


async def test_end_flushes_what_waits() -> None:
    """A stopping process stores what it has taken in."""
    journal = Scripted(receipts)
    async with Batcher(journal).running() as batcher:
        waiting = asyncio.create_task(batcher.store(body(1)))
        await asyncio.sleep(0)
    assert Receipt(1, 0) == await waiting


# -- the whole way, with a real Valkey


def delivery(told: object, secret: str = "one") -> Delivery:
    """A flow's request."""
    raw = told if isinstance(told, bytes) else json.dumps(told).encode()
    return Delivery({"authorization": f"Bearer {secret}"}, raw, NOW)


async def take(journal: Journal, told: object, secret: str = "one") -> Outcome:
    """Take one delivery in."""
    async with Batcher(journal).running() as batcher:
        return await Intake(SETTINGS, OktaWorkflows(SETTINGS), batcher, ArrivalClock()).take(
            delivery(told, secret)
        )


async def refusals(store: Store) -> list[dict[str, object]]:
    """The rows kept of what was refused."""
    rows = await store.call("XRANGE", store.key("refused", "okta"), "-", "+")
    return [orjson.loads(fields["r"] if isinstance(fields, dict) else fields[1]) for _, fields in rows]


JOINER = {"event": "user.created", "id": "1", "user": {"id": "u1", "email": "ana@acme.test"}}


async def test_good_delivery_is_in_the_journal(journal: Journal) -> None:
    """What counts as accepted can be read back."""
    assert Outcome(1, 0) == await take(journal, JOINER)
    ((_, event),) = await journal.read("okta", "0-0", 10)
    assert event is not None
    assert (EventName.USER_CREATED, UserNews("u1", "ana@acme.test"), NOW) == (
        event.name,
        event.user,
        event.received,
    )


async def test_repeat_is_a_duplicate(journal: Journal) -> None:
    """The same id and content is stored once."""
    assert Outcome(1, 0) == await take(journal, JOINER)
    assert Outcome(0, 1) == await take(journal, JOINER)


async def test_mixed_list_is_stored_and_refused(journal: Journal, store: Store) -> None:
    """Good elements go in, the bad are kept with their reasons."""
    assert Outcome(1, 0, refused=1) == await take(journal, [JOINER, {"event": "user.created"}])
    (row,) = await refusals(store)
    assert (row["index"], row["source"]) == (1, "okta")
    assert "user is missing" in str(row["reason"])


async def test_notices_are_kept_before_the_answer(journal: Journal, store: Store) -> None:
    """They change nothing, so they are no events and nothing refused; but operators will see them."""
    settings = SourceSettings.model_validate({"name": "okta", "kind": "jackson", "secrets": ["one"]})
    body = json.dumps({"event": "dsync.deleted", "data": {"name": "Acme"}}).encode()
    source = Jackson(settings)
    signed = {name.lower(): value for name, value in source.sign(body, NOW).items()}
    async with Batcher(journal).running() as batcher:
        intake = Intake(settings, source, batcher, ArrivalClock())
        assert Outcome(0, 0, ignored=1) == await intake.take(Delivery(signed, body, NOW))

    (row,) = await refusals(store)
    assert str(row["notice"]).startswith('the directory "Acme" was deleted')
    assert await journal.counters() == (0, 0)


async def test_unreadable_body_is_kept_with_its_reason(journal: Journal, store: Store) -> None:
    """It is verified, so an operator should see it; nothing of its content is kept."""
    with pytest.raises(UnreadableError):
        await take(journal, b'{"ana@acme.test"')
    (row,) = await refusals(store)
    assert "not JSON" in str(row["reason"])
    assert "ana" not in str(row)


async def test_unverified_delivery_leaves_nothing(journal: Journal, store: Store) -> None:
    """Neither an event nor a refusal."""
    with pytest.raises(UnverifiedError):
        await take(journal, JOINER, "wrong")
    assert await store.call("KEYS", f"{store.prefix}:*") == []


async def test_unreadable_stays_unreadable_without_redis() -> None:
    """That the reason cannot be kept is no reason to ask for a repeat."""

    async def down(_submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        raise ConnectionError("gone")

    async with Batcher(Scripted(down)).running() as batcher:
        intake = Intake(SETTINGS, OktaWorkflows(SETTINGS), batcher, ArrivalClock())
        with pytest.raises(UnreadableError):
            await intake.take(delivery(b"{"))
        with pytest.raises(StoreError), capture_logs(processors=[merge_contextvars]) as lines:
            await intake.take(delivery(JOINER))
    assert (lines[0]["event"], lines[0]["source"]) == ("not stored", "okta")
    assert len(lines[0]["delivery"]) == 16


async def test_times_to_come_are_counted(journal: Journal) -> None:
    """A sender whose clock is ahead can be seen."""
    told = [{**JOINER, "occurred_at": at} for at in ("2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z")]
    assert Outcome(2, 0, ahead=1) == await take(journal, told)
