"""The one clock: Redis' time, whatever a machine's own clock shows."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.intake import ArrivalClock
from bridge.settings import RedisSettings
from bridge.store.clock import (
    Clock,
    ClockUnsetError,
    differences_commands,
    differs,
    keep_time,
    read_differences,
    say_difference,
    tell_difference,
)
from bridge.store.redis import STORE_ERRORS, Store, open_store
from bridge.tasks import end_task

DAY = 86_400_000


class Ticks:
    """Nanoseconds that pass when told, and a Redis whose own clock can be set (unix ms)."""

    def __init__(self) -> None:
        self.now, self.redis, self.trip = 0, 1_800_000_000_000, 0
        self.latest = 0

    def __call__(self) -> int:
        return self.now

    def pass_by(self, milliseconds: float) -> None:
        """Let time pass everywhere."""
        self.now += int(milliseconds * 1_000_000)
        self.redis += int(milliseconds)

    async def run(self, _name: str, _key: str, latest: int) -> list[Any]:
        """Answer as lua/time.lua does, half a round trip after it was asked."""
        self.pass_by(self.trip / 2)
        told = [str(self.redis // 1000), str(self.redis % 1000 * 1000), str(max(latest, self.latest))]
        self.pass_by(self.trip / 2)
        return told

    def key(self, name: str) -> str:
        """Return any key."""
        return name


@pytest.fixture
def ticks() -> Ticks:
    """Both clocks."""
    return Ticks()


@pytest.fixture
def clock(ticks: Ticks) -> Clock:
    """A clock on a machine that is a day ahead."""
    return Clock(ticks, lambda: 1_800_000_000_000 + DAY + ticks.now // 1_000_000)


async def look(clock: Clock, ticks: Any) -> None:
    """Look at Redis' time."""
    await clock.sync(ticks)


async def test_before_the_first_look_it_refuses(clock: Clock) -> None:
    """Rather than guess; what calls Redis is used to its errors."""
    assert not clock.is_set
    with pytest.raises(ClockUnsetError) as caught:
        clock()
    assert isinstance(caught.value, STORE_ERRORS)
    with pytest.raises(ClockUnsetError):
        _ = clock.ahead


async def test_it_goes_on_by_itself(clock: Clock, ticks: Ticks) -> None:
    """By the monotonic clock; and it tells how far the machine's own is off."""
    await look(clock, ticks)
    for _ in range(3):
        assert clock() == ticks.redis
        assert clock.ahead == DAY
        ticks.pass_by(12_345)


async def test_a_look_is_exact_to_half_of_its_round_trip(clock: Clock, ticks: Ticks) -> None:
    """One that took longer than the last shows nothing new."""
    ticks.trip = 10
    await look(clock, ticks)
    assert abs(clock() - ticks.redis) <= 5
    ticks.trip, before = 2000, clock() - ticks.redis
    ticks.redis += 900
    await look(clock, ticks)
    assert clock() - ticks.redis == before - 900
    ticks.trip = 10
    await look(clock, ticks)
    assert abs(clock() - ticks.redis) <= 5


async def test_it_does_not_go_back_for_what_a_look_cannot_tell(clock: Clock, ticks: Ticks) -> None:
    """It stands still until the time has come again."""
    await look(clock, ticks)
    before = clock()
    ticks.redis -= 900
    await look(clock, ticks)
    seen = []
    for _ in range(10):
        seen.append(clock())
        ticks.pass_by(100)
    assert seen == [before] * 10
    ticks.pass_by(100)
    assert clock() == ticks.redis > before


@pytest.mark.parametrize("jump", [DAY, -DAY, -1001])
async def test_it_follows_a_redis_that_is_set(clock: Clock, ticks: Ticks, jump: int) -> None:
    """All others do, too."""
    await look(clock, ticks)
    assert clock() == ticks.redis
    ticks.redis += jump
    await look(clock, ticks)
    assert clock() == ticks.redis


async def test_untimed_events_keep_their_order_though_redis_is_set_back(clock: Clock, ticks: Ticks) -> None:
    """Also for a receiver that has just started: another one has told the latest time it gave."""
    ticks.latest = ticks.redis + DAY
    arrivals = ArrivalClock()
    arrivals.not_before(await clock.sync(ticks))  # type: ignore[arg-type]
    first, _ = arrivals.stamp([], clock())
    assert first == ticks.latest
    assert await clock.sync(ticks, first + 5) == first + 5  # type: ignore[arg-type]


# -- with Redis


async def test_it_is_redis_time(store: Store) -> None:
    """The latest arrival is kept there, and never goes back."""
    clock = Clock()
    assert await clock.sync(store) == 0
    before = clock()
    seconds, micros = await store.call("TIME")
    after = clock()
    assert before - 50 <= int(seconds) * 1000 + int(micros) // 1000 <= after + 50
    assert [await clock.sync(store, latest) for latest in (7, 5, 0, 9)] == [7, 7, 7, 9]


async def told(store: Store, clock: Clock) -> dict[str, float]:
    """What processes have told."""
    return read_differences(*await store.calls(differences_commands(store, clock())))


async def test_processes_tell_how_far_their_machines_are_off(store: Store) -> None:
    """Who is gone for long is not told of any more."""
    right, wrong = Clock(), Clock(machine=lambda: right() - DAY)
    for each in (right, wrong):
        await each.sync(store)
    await tell_difference(store, "worker a", right)
    await tell_difference(store, "receiver b", wrong)
    found = await told(store, right)
    assert found["receiver b"] == pytest.approx(-DAY / 1000, abs=1)
    assert abs(found["worker a"]) < 2
    await store.call("ZADD", store.key("clocks:at"), right() - 60_000, "receiver b")
    assert set(await told(store, right)) == {"worker a"}
    await tell_difference(store, "worker a", right)
    assert await store.call("ZRANGE", store.key("clocks"), 0, -1) == ["worker a"]


@pytest.mark.parametrize(
    ("ahead", "wrong", "words"),
    [
        (1.9, False, "2 s ahead of Redis'"),
        (-1.9, False, "2 s behind Redis'"),
        (86_400.0, True, "86400 s ahead of Redis'"),
        (-2.1, True, "2 s behind Redis'"),
    ],
)
def test_what_counts_as_wrong(ahead: float, wrong: bool, words: str) -> None:
    """In words, too."""
    assert (differs(ahead), say_difference(ahead)) == (wrong, words)


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 15
    while not await holds():
        assert time.monotonic() < deadline, "it never was so"
        await asyncio.sleep(0.01)


async def test_a_redis_that_comes_late_is_asked_again(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the time is known, and what was heard is passed on."""
    store, clock, heard = open_store(redis_settings), Clock(), list[int]()
    run, left = store.run, [2]

    async def sometimes(name: str, *args: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise ConnectionError
        return await run(name, *args)

    monkeypatch.setattr(store, "run", sometimes)
    task = asyncio.create_task(keep_time(store, clock, "receiver a", lambda: 5, heard.append))

    async def known() -> object:
        with contextlib.suppress(ClockUnsetError):
            return "receiver a" in await told(store, clock)
        return False

    await until(known)
    await end_task(task)
    await store.close()
    assert heard[0] == 5
