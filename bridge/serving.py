"""Serving the receiver: uvicorn, the operators' own listener beside it, and a clean end."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import structlog
import uvicorn
from starlette.types import ASGIApp

from bridge import descriptors, memory
from bridge.connections import LOOK_SECONDS, connections
from bridge.figures import open_figures
from bridge.intake import ArrivalClock
from bridge.metrics import Metrics
from bridge.receiver import create_app, create_operators_app
from bridge.settings import Settings
from bridge.store.clock import Clock, keep_time, process_name
from bridge.store.durability import UnsafeRedisError, replica_risks
from bridge.store.front import FrontStore
from bridge.store.journal import Journal
from bridge.store.redis import STORE_ERRORS, Store, open_store
from bridge.store.schema import SchemaError, prepare
from bridge.supervised import end_with_parent
from bridge.tallies import TELL_SECONDS, Tallies
from bridge.tasks import end_task

DRAIN_SECONDS = 8
_REDIS_SECONDS = 1.7  # Okta's hooks wait 3 s for an answer
_LOOK_AGAIN = 1.0  # seconds
log = structlog.get_logger()


@asynccontextmanager
async def opened_journal(settings: Settings) -> AsyncIterator[Journal]:
    """Open the journal for as long as an application runs."""
    store = open_store(settings.redis, _REDIS_SECONDS, single=True)
    try:
        yield Journal(store, settings.redis.replicas, replica_risks(settings.redis))
    finally:
        await store.close()


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us: uvicorn's own handler ends the process by the signal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(settings: Settings, sockets: list[socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT; then answer what is under way and return.

    `sockets`: the receiver's listening socket and, where [operators] is set, the operators'.
    Raises SchemaError and UnsafeRedisError.
    """
    clock = Clock()
    async with open_figures(settings, clock) as figures, _opened_store(settings) as store:
        await _serve(settings, sockets, Metrics(figures), store, clock)


@asynccontextmanager
async def _opened_store(settings: Settings) -> AsyncIterator[Store]:
    """Open the store for what is looked at and told beside the deliveries."""
    store = open_store(settings.redis, _REDIS_SECONDS)
    try:
        yield store
    finally:
        await store.close()


async def _serve(
    settings: Settings, sockets: list[socket.socket], metrics: Metrics, store: Store, clock: Clock
) -> None:
    arrivals, tallies = ArrivalClock(), Tallies(settings.sources, clock)
    with contextlib.suppress(*STORE_ERRORS):  # else deliveries are answered 503 until it is known
        arrivals.not_before(await clock.sync(store))
    metrics.expect(settings.sources)
    metrics.watch_secrets(settings.sources)
    apps: list[ASGIApp] = [
        create_app(
            settings, lambda: opened_journal(settings), metrics,
            tallies=tallies, clock=clock, arrivals=arrivals,
        )
    ]  # fmt: skip
    if settings.operators:
        apps.append(create_operators_app(settings, lambda: opened_journal(settings), metrics, clock))
    servers = [make_server(app, metrics, settings.receiver.max_body) for app in apps]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, servers)
    loop.add_signal_handler(signal.SIGHUP, settings.reload_secrets)
    end_with_parent()
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # we say ourselves that it starts and stops
    gc.freeze()  # what is loaded by now stays: looking through it at every collection costs requests
    gc.set_threshold(50_000, 20, 20)
    log.info("receiver.started", address="{}:{}".format(*sockets[0].getsockname()[:2]))
    schema = asyncio.create_task(_look_at_schema(settings, servers))
    telling = asyncio.create_task(tallies.tell_again_and_again(FrontStore(store)))
    timing = asyncio.create_task(
        keep_time(store, clock, process_name("receiver"), lambda: arrivals.latest, arrivals.not_before)
    )
    counting = asyncio.create_task(_count(metrics))
    watching = asyncio.create_task(descriptors.watch(metrics.count_no_descriptors))
    trimming = asyncio.create_task(memory.trim_again_and_again())
    await asyncio.gather(
        *(server.serve([listening]) for server, listening in zip(servers, sockets, strict=True))
    )
    log.info("receiver.stopped")
    await end_task(timing)
    await end_task(counting)
    await end_task(watching)
    await end_task(trimming)
    await end_task(telling)
    if not schema.done():
        await end_task(schema)
    elif error := schema.exception():
        raise error


async def _look_at_schema(settings: Settings, servers: list[uvicorn.Server]) -> None:
    """Stop serving where Redis is unsafe, or its data of a newer bridge.

    A Redis that does not answer is asked again.
    """
    while True:
        try:
            return await prepare(settings.redis)
        except STORE_ERRORS:
            await asyncio.sleep(_LOOK_AGAIN)
        except (SchemaError, UnsafeRedisError):
            _stop(servers)
            raise


async def _count(metrics: Metrics) -> None:
    """Count now and then what is not counted at once: another receiver on this port may be the one asked."""
    while True:
        await asyncio.sleep(TELL_SECONDS)
        metrics.count_secrets()


def make_server(
    app: ASGIApp, metrics: Metrics, max_body: int, look_seconds: float = LOOK_SECONDS
) -> uvicorn.Server:
    """Return what serves an application; `metrics` counts what never gets as far as that.

    `max_body`: bytes; `look_seconds`: after which a connection that does not move is looked at.
    """
    config = uvicorn.Config(app, log_config=None, access_log=False, loop="none", server_header=False)
    config.ws = "none"
    config.http = connections(partial(metrics.count_delivery, ""), max_body, look_seconds)
    config.proxy_headers = False  # who sent a delivery is told by its signature, not by a header
    config.timeout_graceful_shutdown = DRAIN_SECONDS
    config.timeout_keep_alive = 75
    return _Server(config)


def _stop(servers: list[uvicorn.Server]) -> None:
    for server in servers:
        server.should_exit = True
