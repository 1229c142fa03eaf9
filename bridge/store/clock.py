"""The one clock of an installation: Redis' own `TIME`, carried on by the monotonic clock between two looks.

What is stored, or compared with what another process has stored, is of this clock: arrivals, due times,
back-offs, windows, when a target is tried again. A machine's own clock may be set to another day. Then an
event that arrived there would look older than what it changes, and work that was put off there would rest
until that day. Leases are of no clock: Redis counts them down by itself.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial

from redis.exceptions import RedisError

from bridge.store.redis import STORE_ERRORS, Store

SYNC_SECONDS = 2.0  # a Redis that failed over may tell another time: so long nobody notices
DIFFERS_SECONDS = 2.0  # from here on a machine's clock counts as wrong
_AGAIN_SECONDS = 0.25  # while Redis has not told its time at all
_MOST_HELD = 1000  # ms that the clock stands still rather than going back; see `Clock`
_ALIVE_MS = 30_000  # what a process has told of its machine's clock counts so long

_BOOT = getattr(time, "CLOCK_BOOTTIME", None)  # Linux: goes on while the machine is suspended


class ClockUnsetError(RedisError):
    """The time is not known yet: Redis has not told it."""

    def __init__(self) -> None:
        """Made by `Clock`."""
        super().__init__("the time is not known yet: Redis has not told it")


# nanoseconds since some moment, which nobody can set
ticks_ns: Callable[[], int] = time.monotonic_ns if _BOOT is None else partial(time.clock_gettime_ns, _BOOT)


def machine_ms() -> int:
    """Return the time by this machine's own clock, unix ms."""
    return time.time_ns() // 1_000_000


class Clock:
    """The time in unix ms; reading it costs no call. It is a callable, as what takes a clock wants it.

    A look at Redis is exact to half of its round trip, so a second look may show a moment before the last
    one: the clock then stands still for up to a second, and does not go back. Where Redis' time is further
    back than that, it was set, or another Redis has taken over. Then the clock follows, as all others do.
    """

    def __init__(self, ticks: Callable[[], int] = ticks_ns, machine: Callable[[], int] = machine_ms) -> None:
        """`ticks`: nanoseconds, monotonic; `machine`: the machine's own clock, unix ms. Both for tests."""
        self._ticks = ticks
        self._machine = machine
        self._offset: int | None = None  # ns: Redis' time less ticks
        self._last = 0

    def __call__(self) -> int:
        """Return the time. Raises ClockUnsetError before the first look at Redis."""
        now, last = self._now(), self._last
        if now < last <= now + _MOST_HELD:
            return last
        self._last = now
        return now

    @property
    def is_set(self) -> bool:
        """Tell whether Redis has told its time."""
        return self._offset is not None

    @property
    def ahead(self) -> int:
        """By how many ms this machine's clock is ahead of Redis', below 0: behind. Raises ClockUnsetError."""
        return self._machine() - self._now()

    def _now(self) -> int:
        if self._offset is None:
            raise ClockUnsetError
        return (self._ticks() + self._offset) // 1_000_000

    async def sync(self, store: Store, latest: int = 0) -> int:
        """Look at Redis' time; return the latest time of arrival that any receiver has given (unix ms).

        `latest`: the latest that this process has given, 0: none. Raises one of STORE_ERRORS.
        """
        asked = self._ticks()
        seconds, micros, given = await store.run("time", store.key("arrived"), latest)
        answered = self._ticks()
        offset = (int(seconds) * 1_000_000 + int(micros)) * 1000 - (asked + answered) // 2
        unsure = (answered - asked) // 2
        if self._offset is None or abs(offset - self._offset) > unsure:  # else it shows nothing new
            self._offset = offset
        return int(given)


def differs(ahead: float) -> bool:
    """Tell whether a machine's clock that is so many seconds ahead of Redis' (or behind) counts as wrong."""
    return abs(ahead) > DIFFERS_SECONDS


def say_difference(ahead: float) -> str:
    """Return in words how far a machine's clock is from Redis'. `ahead`: seconds."""
    return f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} Redis'"


def process_name(kind: str) -> str:
    """Return what this process is called where clocks are told. `kind`: receiver or worker."""
    return f"{kind} {socket.gethostname()}-{os.getpid()}"


async def keep_time(
    store: Store,
    clock: Clock,
    process: str,
    latest: Callable[[], int] = lambda: 0,
    heard: Callable[[int], None] = lambda _: None,
) -> None:
    """Look at Redis' time until cancelled, and tell under this name how far this machine's clock is from it.

    `latest` and `heard`: what `Clock.sync` is to be given, and who gets what it returns.
    """
    while True:
        try:
            heard(await clock.sync(store, latest()))
            await tell_difference(store, process, clock)
        except STORE_ERRORS:
            pass
        await asyncio.sleep(SYNC_SECONDS if clock.is_set else _AGAIN_SECONDS)


async def tell_difference(store: Store, process: str, clock: Clock) -> None:
    """Tell how far this machine's clock is from Redis'. Raises one of STORE_ERRORS.

    What processes have told that are gone since is taken away.
    """
    ahead, at, now = store.key("clocks"), store.key("clocks:at"), clock()
    await store.calls([
        ("ZADD", at, now, process), ("ZADD", ahead, clock.ahead, process),
        ("ZREMRANGEBYSCORE", at, "-inf", now - _ALIVE_MS), ("ZREMRANGEBYSCORE", at, now + _ALIVE_MS, "+inf"),
        ("ZINTERSTORE", ahead, 2, ahead, at, "WEIGHTS", 1, 0),
    ])  # fmt: skip


def differences_commands(store: Store, now: int) -> list[tuple[str | int, ...]]:
    """Return the commands whose answers `read_differences` reads. `now`: unix ms."""
    return [
        ("ZRANGE", store.key("clocks"), 0, -1, "WITHSCORES"),
        ("ZRANGEBYSCORE", store.key("clocks:at"), now - _ALIVE_MS, now + _ALIVE_MS),
    ]


def read_differences(told: Sequence[str], alive: Sequence[str]) -> dict[str, float]:
    """Return by process how many seconds its machine's clock is ahead of Redis', less than 0: behind."""
    pairs = zip(told[::2], told[1::2], strict=True)
    return {process: float(ahead) / 1000 for process, ahead in pairs if process in alive}
