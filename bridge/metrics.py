"""What the receiver counts, as Prometheus text."""

from collections.abc import Iterator, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from bridge.settings import SourceSettings

CONTENT_TYPE = CONTENT_TYPE_LATEST

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The figures of one process, in a registry of their own."""

    def __init__(self) -> None:
        """All start at nothing."""
        self.registry = CollectorRegistry()
        deliveries = Counter(
            "bridge_deliveries",
            "Webhook requests by what became of them.",
            ("source", "outcome"),
            registry=self.registry,
        )
        events = Counter(
            "bridge_events",
            "Events in stored deliveries by what became of them.",
            ("source", "outcome"),
            registry=self.registry,
        )
        seconds = Histogram(
            "bridge_delivery_seconds",
            "Time from the whole body to the answer.",
            ("source",),
            buckets=_BUCKETS,
            registry=self.registry,
        )

        self._deliveries_of = cache(deliveries.labels)  # finding the labels costs more than counting
        self._events_of = cache(events.labels)
        self._seconds_of = cache(seconds.labels)

    def count_delivery(self, source: str, outcome: str, seconds: float | None = None) -> None:
        """Count a request. `source`: a configured name, or "" for one that is unknown."""
        self._deliveries_of(source, outcome).inc()
        if seconds is not None:
            self._seconds_of(source).observe(seconds)

    def count_events(self, source: str, outcome: str, events: int) -> None:
        """Count events: accepted, duplicate, refused, ignored; ahead (of our clock, counted besides)."""
        if events:
            self._events_of(source, outcome).inc(events)

    def watch_secrets(self, sources: Sequence[SourceSettings]) -> None:
        """Show how often each secret of the sources was the one that a sender used."""
        self.registry.register(SecretUses(sources))

    def text(self) -> bytes:
        """Return all of it in the format `CONTENT_TYPE` names."""
        return generate_latest(self.registry)


class SecretUses(Collector):
    """How often each secret matched; read from the secrets themselves when somebody asks."""

    def __init__(self, sources: Sequence[SourceSettings]) -> None:
        """`sources`: those of the process."""
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Return one figure for each secret, by its label: never by its text."""
        uses = CounterMetricFamily(
            "bridge_secret_matches", "Deliveries that a secret verified.", labels=("source", "secret")
        )
        for source in self._sources:
            for number, secret in enumerate(source.all_secrets):
                uses.add_metric((source.name, secret.label(number)), secret.matches)
        yield uses
