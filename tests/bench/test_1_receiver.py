"""How many deliveries one receiver process stores, against what it could do without storing, and with arq."""

import statistics

import pytest

from tests.bench.conftest import Bench
from tests.bench.load import Load, joiners, requests, send
from tests.bench.table import FULL, Table

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
ROUNDS, SECONDS, MOST = (7, 5.0, 15_000) if FULL else (5, 1.5, 15_000)


def test_receiver(bench: Bench, table: Table) -> None:
    """Alternating runs against a bare app and one that enqueues with arq; the median of the ratios."""
    everysec, always = bench.receiver("everysec"), bench.receiver("always")
    socket = str(everysec.folder / "data" / "valkey.sock")
    ports = {
        "bare": bench.app("bare"), "everysec": everysec.port, "always": always.port,
        "arq": bench.app("arq", socket),
    }  # fmt: skip
    runs: dict[str, list[Load]] = {name: [] for name in ports}
    for number in range(-1, ROUNDS):  # the first warms up
        for name, port in ports.items():
            made = requests(joiners(int(MOST * SECONDS), f"{name}{number}-"))
            run = send(port, made, SECONDS if number >= 0 else 0.5)
            assert run.other == 0, name
            if number >= 0:
                runs[name].append(run)
    _tell(table, runs)


def _tell(table: Table, runs: dict[str, list[Load]]) -> None:
    rates = {name: statistics.median(run.rate for run in each) for name, each in runs.items()}
    p99 = {name: statistics.median(run.percentile(0.99) for run in each) for name, each in runs.items()}
    table.add("bare Starlette app, same HMAC, stores nothing", rates["bare"], "req/s")
    ratios = {}
    for name in ("everysec", "always"):
        ratios[name] = _ratio(runs[name], runs["bare"])
        what = f"receiver, 1 process, 32 connections, AOF {name}"
        table.add(f"{what}: against the bare app", rates[name], "req/s", ratios[name], "0.65")
        table.add(f"{what}: p99", p99[name], "ms", p99[name] / p99["bare"], "20 ms")
    against = _ratio(runs["everysec"], runs["arq"])
    table.add("one arq enqueue_job per request, AOF everysec", rates["arq"], "req/s")
    table.add("receiver against it", rates["everysec"], "req/s", against, "3")
    assert ratios["everysec"] > 0.35
    assert against > 1.5


def _ratio(runs: list[Load], against: list[Load]) -> float:
    """Return the median of the ratios of runs that followed one another."""
    return statistics.median(mine.rate / other.rate for mine, other in zip(runs, against, strict=True))
