"""What the receiver counts, as Prometheus text, with what it is told of the whole installation.

Receivers that share one port count in files of one folder, which the variable FOLDER names: whichever of
them is asked tells what all of them have counted. prometheus_client wants it set before it is imported.
"""

import os
from collections.abc import Iterator, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from bridge.figures import Figures
from bridge.settings import Secret, SourceSettings

CONTENT_TYPE = CONTENT_TYPE_LATEST
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
disable_created_metrics()  # type: ignore[no-untyped-call]

_EXPECTED = ("stored", "not_stored", "unreadable", "unverified", "too_large")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The figures of one process, in a registry of their own. `figures`: those of the installation."""

    def __init__(self, figures: Figures | None = None) -> None:
        """All start at nothing."""
        self.figures = figures
        self.registry = CollectorRegistry()
        self._secrets: list[_Matches] = []
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
        self._matches = Counter(
            "bridge_secret_matches",
            "Deliveries that a secret verified.",
            ("source", "secret"),
            registry=self.registry,
        )
        self._no_descriptors = Counter(
            "bridge_receiver_no_descriptors_seconds",
            "Seconds in which no file descriptor was left, so that nobody was let in.",
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

    def count_no_descriptors(self) -> None:
        """Count a second in which no file descriptor was left."""
        self._no_descriptors.inc()

    def expect(self, sources: Sequence[SourceSettings]) -> None:
        """Show what may become of deliveries with 0: from nothing to 1 is no increase to Prometheus."""
        for source in sources:
            for outcome in _EXPECTED:
                self._deliveries_of(source.name, outcome)

    def watch_secrets(self, sources: Sequence[SourceSettings]) -> None:
        """Count, too, how often each secret of the sources was the one that a sender used."""
        self._secrets = [
            _Matches(secret, self._matches.labels(source.name, secret.label(number)))
            for source in sources
            for number, secret in enumerate(source.all_secrets)
        ]

    def count_secrets(self) -> None:
        """Count how often each secret has matched since this was last called."""
        for each in self._secrets:
            each.count()

    def text(self, told: Sequence[Metric] = ()) -> bytes:
        """Return all of it, and what was `told`, in the format `CONTENT_TYPE` names."""
        self.count_secrets()
        return generate_latest(_counted(self.registry)) + generate_latest(_Told(told))

    async def read(self) -> bytes:
        """Return all of it, with the figures of the installation where they are known."""
        return self.text(await self.figures.read() if self.figures else ())


def _counted(registry: CollectorRegistry) -> Collector:
    """Return what to show: what this process has counted, or all that share the folder."""
    folder = os.environ.get(FOLDER)
    return MultiProcessCollector(None, folder) if folder else registry  # type: ignore[no-untyped-call]


class _Matches:
    """One secret, and how many of its matches were counted; they are read from the secret itself."""

    def __init__(self, secret: Secret, counter: Counter) -> None:
        self._secret = secret
        self._counter = counter
        self._seen = 0

    def count(self) -> None:
        """Count those that are new."""
        matches = self._secret.matches
        self._counter.inc(matches - self._seen)
        self._seen = matches


class _Told(Collector):
    """Figures that were read already."""

    def __init__(self, figures: Sequence[Metric]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Return them."""
        yield from self._figures
