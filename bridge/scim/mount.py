"""The SCIM sources of a configuration as a part of the receiver, over a store of their own."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.routing import Route

from bridge.intake import ArrivalClock
from bridge.metrics import Metrics
from bridge.porter import Porter
from bridge.reading import BodyReader
from bridge.scim.app import ROUTE, ScimApp, ScimSource
from bridge.scim.recorder import Recorder
from bridge.scim.service import Service
from bridge.scim.shelf import Shelf
from bridge.settings import Settings
from bridge.sources.registry import make_source
from bridge.sources.scim import KIND
from bridge.store.clock import machine_ms
from bridge.store.journal import Journal
from bridge.store.redis import open_store

_SECONDS = 10.0  # for an answer of Redis: providers wait a minute, and a group of 20,000 takes a while


class ScimMount:
    """What the receiver routes to, and opens while it runs."""

    def __init__(
        self,
        settings: Settings,
        bodies: BodyReader,
        metrics: Metrics,
        porter: Porter,
        clock: Callable[[], int] = machine_ms,
    ) -> None:
        """`bodies`, `metrics`, `porter` and `clock` (unix milliseconds): those of the receiver."""
        self._settings = settings
        self._clock = clock
        self._sources: dict[str, ScimSource] = {}
        self.route = Route(ROUTE, ScimApp(self._sources, bodies, metrics, porter, clock))

    @asynccontextmanager
    async def running(self, arrivals: ArrivalClock) -> AsyncIterator[None]:
        """Answer while the block lasts. `arrivals`: the webhooks', which may tell of the same directory."""
        store = open_store(self._settings.redis, _SECONDS)
        journal = Journal(store, self._settings.redis.replicas)
        sources = [one for one in self._settings.sources if one.kind == KIND]
        for one in sources:
            recorder = Recorder(one, journal, arrivals, self._clock)
            service = Service(Shelf(store, one.name), recorder)
            self._sources[one.name] = ScimSource(one, make_source(one), service)
        try:
            yield
        finally:
            self._sources.clear()
            await store.close()
