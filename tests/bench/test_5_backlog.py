"""What one more event costs with little and with much waiting: storing it, and folding one of the waiting."""

import asyncio
import os
import random
import statistics
import time
from dataclasses import dataclass, field

import pytest

from bridge.store.journal import Entry, Journal, Submission
from bridge.store.redis import Store, open_store
from tests.bench.conftest import Bench
from tests.bench.load import joiners, requests, send
from tests.bench.table import FULL, Table
from tests.bench.test_2_fold import DIRECTORY, mixed, submissions
from tests.e2e.place import Place
from workers.context import Worker
from workers.fold import BATCH, fold_directory

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]
BACKLOGS = (1_000, 100_000, 1_000_000) if FULL else (1_000, 10_000, 100_000)
ROUNDS, EVENTS = (15, 1000) if FULL else (9, 1000)  # in a round, stored and folded


class _Batches(asyncio.Event):
    """Asks the fold to stop after so many batches."""

    left = 0

    def is_set(self) -> bool:
        """Tell, and count."""
        self.left -= 1
        return self.left < 0


@dataclass(slots=True)
class _Case:
    """A receiver and a journal with a backlog; microseconds an event took, round by round."""

    place: Place
    store: Store
    worker: Worker
    storing: list[float] = field(default_factory=list)
    folding: list[float] = field(default_factory=list)

    async def round(self, number: int) -> None:
        """Store some events over HTTP, then fold as many from the front: what waits stays as much."""
        made = requests(joiners(EVENTS, f"r{number}-"))
        run = await asyncio.to_thread(send, self.place.port, made, 60.0, 32)
        assert run.other == 0
        self.storing.append(run.seconds / EVENTS * 1e6)
        stopping = self.worker.stopping = _Batches()
        stopping.left = EVENTS // BATCH
        began = time.perf_counter()
        assert await fold_directory(self.worker, DIRECTORY) == EVENTS
        self.folding.append((time.perf_counter() - began) / EVENTS * 1e6)


async def _fill(case: _Case, bodies: list[bytes], count: int) -> None:
    """Let so many events wait: the same ones over and over, each with a delivery key of its own."""
    entries = [entry for each in await submissions(case.place.settings, bodies) for entry in each.entries]
    chance, journal = random.Random(5), Journal(case.store)
    for start in range(0, count, 1000):
        more = chance.choices(entries, k=min(1000, count - start))
        told = [Entry(entry.directory, os.urandom(16), entry.payload) for entry in more]
        await journal.accept([Submission("jackson", told)])


async def test_backlog(bench: Bench, table: Table) -> None:
    """Rounds with each backlog in turn; the medians of the ratios to the smallest."""
    cases = {}
    for backlog in BACKLOGS:
        place = bench.receiver("everysec")
        store = open_store(place.settings.redis)
        case = cases[backlog] = _Case(place, store, Worker(place.settings, store))
        await _fill(case, mixed(2000, 21), backlog + EVENTS)
    for number in range(ROUNDS + 1):
        for case in cases.values():
            await case.round(number)
    for name, took in (
        ("storing", [c.storing for c in cases.values()]),
        ("folding", [c.folding for c in cases.values()]),
    ):
        for backlog, mine in zip(BACKLOGS, took, strict=True):
            ratio = statistics.median(a / b for a, b in zip(mine[1:], took[0][1:], strict=True))
            what = f"{name} one more event with {backlog:,} waiting"
            table.add(what, statistics.median(mine[1:]), "us", ratio, "1.2")
            assert ratio < 1.6, what
    for case in cases.values():
        await case.store.close()
