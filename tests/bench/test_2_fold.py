"""How fast one process folds, what that does to the receiver beside it, and what an event takes in Redis."""

import random
import signal
import statistics
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.intake import ArrivalClock, build_submission
from bridge.settings import Settings
from bridge.sources.base import Delivery
from bridge.sources.registry import make_source
from bridge.store.journal import Journal, Submission
from bridge.store.redis import open_store
from tests.bench.conftest import Bench
from tests.bench.load import group_event, joiners, member_event, request, requests, send, user_event
from tests.bench.table import FULL, Table
from tests.e2e.place import Place

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]
EVENTS, PEOPLE, GROUPS = (200_000, 10_000, 300) if FULL else (30_000, 5_000, 150)
PACE, SECONDS, MOST_WINDOWS = 300.0, 0.7, 40 if FULL else 12  # of each kind
DIRECTORY = "jackson:2287826c-c603-4f66-8457-936cb2442fab"


def mixed(count: int, seed: int) -> list[bytes]:
    """Return what a directory tells over time: mostly updates and memberships, some joiners and leavers."""
    chance = random.Random(seed)
    kinds = [
        ("user.created", 15), ("user.updated", 25), ("user.deleted", 3), ("group.created", 1),
        ("group.updated", 1), ("group.user_added", 40), ("group.user_removed", 15),
    ]  # fmt: skip
    bodies = []
    for name in chance.choices([kind for kind, _ in kinds], [weight for _, weight in kinds], k=count):
        who, where = f"{chance.randrange(PEOPLE):08}", str(chance.randrange(GROUPS))
        if name.startswith("user."):
            bodies.append(user_event(name, who))
        elif "user_" in name:
            bodies.append(member_event(name, who, where))
        else:
            bodies.append(group_event(name, where))
    return bodies


async def submissions(settings: Settings, bodies: list[bytes]) -> list[Submission]:
    """Return what the receiver would store of these bodies."""
    jackson = next(source for source in settings.sources if source.kind == "jackson")
    source, clock, made = make_source(jackson), ArrivalClock(), []
    for number, body in enumerate(bodies):
        at = 1_795_319_083_036 + number
        head = request(body, at).partition(b"BoxyHQ-Signature: ")[2].partition(b"\r\n")[0]
        delivery = Delivery({"boxyhq-signature": head.decode()}, body, at)
        parsed = source.parse(delivery, await source.verify(delivery))
        arrived, stamps = clock.stamp(parsed.news, at)
        made.append(build_submission(jackson, parsed, stamps, arrived, f"{number:016x}"))
    return made


async def fill(place: Place, bodies: list[bytes], table: Table | None = None) -> None:
    """Store bodies as the receiver does; tell what they take in memory."""
    store = open_store(place.settings.redis)
    made = await submissions(place.settings, bodies)
    before = await _memory(store.call)
    for start in range(0, len(made), 200):
        await Journal(store).accept(made[start : start + 200])
    if table:
        taken = (await _memory(store.call) - before) / len(bodies)
        table.add(
            "Redis memory per journalled event, its delivery key included", taken, "bytes", None, "1000"
        )
        assert taken < 1000
    await store.close()


async def _memory(call: Callable[..., Awaitable[Any]]) -> int:
    told = await call("INFO", "memory")
    return int(told["used_memory"] if isinstance(told, dict) else told.split("used_memory:")[1].split()[0])


async def test_fold(bench: Bench, table: Table) -> None:
    """A journal of mixed events, folded by a process of its own, alone and while deliveries come in."""
    place = bench.receiver("everysec")
    await fill(place, mixed(EVENTS, 11), table)
    alone = bench.process("tests.bench.folding", str(place.config), DIRECTORY, env=place.env)
    rate = _rate(alone.communicate(timeout=600)[0])
    table.add(f"fold, 1 process, {EVENTS:,} mixed events", rate, "events/s", None, "10,000")
    await fill(place, mixed(EVENTS, 12))
    _paced(place, 0)
    beside = bench.process("tests.bench.folding", str(place.config), DIRECTORY, env=place.env)
    idle, busy = _windows(place, beside)
    quiet, loud = _p99(idle), _p99(busy)
    table.add(f"receiver's p99 at {PACE:.0f} deliveries/s, idle", quiet, "ms")
    table.add("the same while the fold runs, in turns", loud, "ms", loud / quiet, "1.5")
    table.add(
        "their medians", statistics.median(busy), "ms", statistics.median(busy) / statistics.median(idle)
    )


def _windows(place: Place, fold: "subprocess.Popen[str]") -> tuple[list[float], list[float]]:
    """Let the fold stand still and run in turns; milliseconds of each answer meanwhile.

    It stands still for less than its lease lasts, so it goes on where it was.
    """
    idle: list[float] = []
    busy: list[float] = []
    for number in range(1, MOST_WINDOWS):
        fold.send_signal(signal.SIGSTOP)
        idle += _paced(place, 2 * number)
        fold.send_signal(signal.SIGCONT)
        told = _paced(place, 2 * number + 1)
        if fold.poll() is not None:
            break
        busy += told
    fold.kill()
    return idle[: len(busy)], busy


def _paced(place: Place, number: int) -> list[float]:
    bodies = [body.replace(b"2287826c", b"%08d" % 7) for body in joiners(int(PACE * SECONDS), f"q{number}-")]
    run = send(place.port, requests(bodies), SECONDS + 5, 8, PACE)
    assert run.other == 0
    return run.took


def _p99(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99)]


def _rate(printed: str) -> float:
    events, seconds = printed.split()
    return int(events) / float(seconds)
