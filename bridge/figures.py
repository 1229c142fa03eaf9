"""The figures of the whole installation for /metrics, read from Redis when somebody asks.

Every receiver shows the same ones, so where several are scraped, take the largest of each and not the sum.
docs/metrics.md describes them; label values are names from the configuration or from lists in the code.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate

import structlog
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from bridge.operators.health import (
    API_STATES,
    TARGET_STATES,
    Health,
    JournalHealth,
    SourceHealth,
    TargetHealth,
    read_health,
)
from bridge.settings import Settings
from bridge.store.alerts import failing_since
from bridge.store.clock import machine_ms as now_milliseconds
from bridge.store.faults import describe_error
from bridge.store.redis import STORE_ERRORS, Store, open_store
from bridge.store.tally import Spread, Tally, TallyStore
from bridge.store.targets import target_id
from bridge.tasks import end_task

READ_SECONDS = 1.5  # for the whole reading
log = structlog.get_logger()

_Rows = Iterable[tuple[Sequence[str], float]]  # values of the labels, value


class Figures:
    """Reads them, once at a time: whoever asks meanwhile is told the same."""

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], int] = now_milliseconds) -> None:
        """`clock`: unix milliseconds."""
        self._settings = settings
        self._store = store
        self._clock = clock
        self._reading: asyncio.Task[list[Metric]] | None = None

    async def read(self) -> list[Metric]:
        """Return them; where Redis does not tell them in time, that alone. It raises nothing."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(self._reading)

    async def close(self) -> None:
        """Read no more."""
        if self._reading:
            await end_task(self._reading)

    async def _read(self) -> list[Metric]:
        try:
            async with asyncio.timeout(READ_SECONDS):
                return [redis_up(1), *await self._ask()]
        except STORE_ERRORS as error:
            log.warning("metrics.store_unavailable", error=describe_error(error))
        except Exception:
            log.exception("metrics.failed")
        return [redis_up(0)]

    async def _ask(self) -> list[Metric]:
        health = await read_health(self._settings, self._store, self._clock())
        names = {target_id(target): target.name for target in self._settings.targets}
        tallies = await TallyStore(self._store).read(list(names))
        failing = await failing_since(self._store, (alert.name for alert in self._settings.alerts))
        named = {names[ident]: tally for ident, tally in tallies.items()}
        return list(families(health, named, failing))


@asynccontextmanager
async def open_figures(
    settings: Settings, clock: Callable[[], int] = now_milliseconds
) -> AsyncIterator[Figures]:
    """Open a store of their own for them, so that no delivery waits behind a reading. `clock`: unix ms."""
    store = open_store(settings.redis, READ_SECONDS)
    figures = Figures(settings, store, clock)
    try:
        yield figures
    finally:
        await figures.close()
        await store.close()


def families(health: Health, tallies: Mapping[str, Tally], failing: Mapping[str, int]) -> Iterator[Metric]:
    """Return all figures of one reading. `tallies`: by the targets' names.

    `failing`: since when alerts do not reach each receiver (unix ms, 0: they do), by its name.
    """
    yield from _journal(health.journal, health.at)
    yield _gauge("bridge_workers", "Workers that live.", (), [((), health.workers)])
    yield _gauge(
        "bridge_clock_difference_seconds",
        "How far the clock of a machine with a receiver or a worker is ahead of Redis', the furthest of all.",
        (), [((), max(health.clocks.values(), key=abs, default=0.0))],
    )  # fmt: skip
    yield from _targets(list(health.targets.values()), health.at)
    yield from _calls(tallies)
    yield from _latencies(tallies)
    yield from _sources(list(health.sources.values()), health.at)
    yield _gauge(
        "bridge_alert_failing_age_seconds", "Time since alerts do not reach the receiver, 0 while they do.",
        ("alert",), [((name,), _age(since, health.at)) for name, since in failing.items()],
    )  # fmt: skip


def redis_up(value: int) -> Metric:
    """Return whether Redis told all the others."""
    return _gauge("bridge_redis_up", "Whether Redis told the figures below in time.", (), [((), value)])


# what they are


def _journal(journal: JournalHealth, now: int) -> Iterator[Metric]:
    counters = (
        ("accepted", "Events that were stored.", journal.accepted),
        ("folded", "Events that were processed.", journal.folded),
        ("too_old", "Events that were refused, since they had happened too long ago.", journal.too_old),
    )
    for name, told, value in counters:
        yield _counter(f"bridge_journal_{name}_events", told, (), [((), value)])
    yield _gauge("bridge_journal_pending_events", "Events not processed yet.", (), [((), journal.pending)])
    yield _gauge(
        "bridge_journal_oldest_pending_age_seconds",
        "Time since the oldest event that is not processed yet arrived, 0 without one.",
        (),
        [((), _age(journal.oldest_pending, now))],
    )
    yield _gauge(
        "bridge_journal_dead_letters",
        "Events that could not be processed, until a person has them tried again.",
        (),
        [((), journal.dead_letters)],
    )
    yield _gauge(
        "bridge_journal_unresolved_events",
        "Events about an id of which nothing else is known.",
        (),
        [((), journal.unresolved)],
    )


def _targets(targets: Sequence[TargetHealth], now: int) -> Iterator[Metric]:
    yield _gauge(
        "bridge_target_info", "1, with how the target is configured.", ("target", "mode"),
        [((each.name, each.mode), 1) for each in targets],
    )  # fmt: skip
    yield _gauge(
        "bridge_target_state", "1 for the state that it is in, 0 for the others.", ("target", "state"),
        [((each.name, state), each.state == state) for each in targets for state in TARGET_STATES],
    )  # fmt: skip
    yield _gauge(
        "bridge_target_state_age_seconds", "Time since the target came into its state.", ("target",),
        [((each.name,), _age(each.since, now)) for each in targets if each.since],
    )  # fmt: skip
    yield _gauge(
        "bridge_target_objects", "People and teams, by what there is to do about them.", ("target", "state"),
        [
            ((each.name, state), getattr(each.counts, state))
            for each in targets
            for state in ("due", "running", "waiting", "parked", "dead")
        ],
    )  # fmt: skip
    yield _gauge(
        "bridge_target_members", "Members that the bridge knows.", ("target",),
        [((each.name,), each.counts.members) for each in targets],
    )  # fmt: skip
    yield _gauge(
        "bridge_target_oldest_due_age_seconds",
        "Time since the longest due person or team became due, 0 without one.", ("target",),
        [((each.name,), _age(each.oldest_due, now)) for each in targets],
    )  # fmt: skip
    yield _gauge(
        "bridge_target_leavers", "People who left by the directory and are not removed yet.", ("target",),
        [((each.name,), each.leavers) for each in targets],
    )  # fmt: skip
    yield _gauge(
        "bridge_target_oldest_leaver_age_seconds",
        "Time since the first of them left by the directory, 0 without one.", ("target",),
        [((each.name,), _age(each.oldest_leaver, now)) for each in targets],
    )  # fmt: skip
    budgets = [(each.name, kind, left) for each in targets for kind, left in sorted(each.budget.items())]
    yield _gauge(
        "bridge_target_budget_limit_calls", "Calls that the target takes in one window.", ("target", "kind"),
        [((name, kind), left.limit) for name, kind, left in budgets],
    )  # fmt: skip
    yield _gauge(
        "bridge_target_budget_remaining_calls", "Calls that the target still takes.", ("target", "kind"),
        [((name, kind), left.at(now / 1000)) for name, kind, left in budgets],
    )  # fmt: skip


def _calls(tallies: Mapping[str, Tally]) -> Iterator[Metric]:
    yield _counter(
        "bridge_target_calls", "Calls of the workers, every attempt.", ("target", "kind", "status"),
        [
            ((name, *call), count)
            for name, tally in tallies.items()
            for call, count in sorted(tally.calls.items())
        ],
    )  # fmt: skip
    yield _histogram(
        "bridge_target_call_duration_seconds", "Time that a call of the workers took.", ("target", "kind"),
        [
            ((name, kind), spread)
            for name, tally in tallies.items()
            for kind, spread in sorted(tally.seconds.items())
        ],
    )  # fmt: skip


def _latencies(tallies: Mapping[str, Tally]) -> Iterator[Metric]:
    yield _histogram(
        "bridge_target_change_latency_seconds",
        "Time from the arrival of news to the answer to the call that it led to.", ("target",),
        [((name,), tally.changes) for name, tally in tallies.items()],
    )  # fmt: skip
    yield _histogram(
        "bridge_target_removal_latency_seconds",
        "Time from leaving by the directory to being removed.", ("target",),
        [((name,), tally.removals) for name, tally in tallies.items()],
    )  # fmt: skip


def _sources(sources: Sequence[SourceHealth], now: int) -> Iterator[Metric]:
    yield _gauge(
        "bridge_source_last_delivery_age_seconds", "Time since the last delivery was stored.", ("source",),
        [((each.name,), _age(each.front.delivered, now)) for each in sources if each.front.delivered],
    )  # fmt: skip
    yield _gauge(
        "bridge_source_silent_after_seconds", "Time without a delivery after which it counts as silent.",
        ("source",), [((each.name,), each.silent_after) for each in sources if each.silent_after],
    )  # fmt: skip
    yield _counter(
        "bridge_source_refused_requests", "Requests that were not let in.", ("source",),
        [((each.name,), each.front.refused.count) for each in sources],
    )  # fmt: skip
    apis = [(each.name, each.api) for each in sources if each.api]
    yield _gauge(
        "bridge_source_api_state", "1 for the state that the directory's API is in, else 0.",
        ("source", "state"),
        [((name, state), api.state == state) for name, api in apis for state in API_STATES],
    )  # fmt: skip
    yield _gauge(
        "bridge_source_api_unread_objects", "People and groups to be read from the directory's API.",
        ("source",), [((name,), api.unread) for name, api in apis],
    )  # fmt: skip


# their shapes


def _age(since: int, now: int) -> float:
    """Return the seconds since a time, 0 without one. Both: unix ms."""
    return max(0, now - since) / 1000 if since else 0.0


def _gauge(name: str, told: str, labels: Sequence[str], rows: _Rows) -> Metric:
    family = GaugeMetricFamily(name, told, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _counter(name: str, told: str, labels: Sequence[str], rows: _Rows) -> Metric:
    family = CounterMetricFamily(name, told, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _histogram(
    name: str, told: str, labels: Sequence[str], rows: Iterable[tuple[Sequence[str], Spread]]
) -> Metric:
    family = HistogramMetricFamily(name, told, labels=labels)
    for values, spread in rows:
        bounds = [*(str(float(bound)) for bound in spread.bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(spread.counts), strict=True))
        family.add_metric(values, buckets, spread.seconds)
    return family
