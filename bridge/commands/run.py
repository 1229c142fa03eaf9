"""`bridge run`, `bridge serve`, `bridge worker`: the processes."""

import asyncio
import os
import socket
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

import structlog
import typer

from bridge.commands.common import DEFAULT_CONFIG, Config, fail, load
from bridge.descriptors import raise_limit
from bridge.embedded import EmbeddedError, EmbeddedValkey
from bridge.listening import listen
from bridge.logs import configure_logs
from bridge.settings import Settings
from bridge.store.durability import UnsafeRedisError
from bridge.store.redis import STORE_ERRORS
from bridge.store.schema import SchemaError, prepare
from bridge.supervisor import bridge_command, supervise

log = structlog.get_logger()
SHARED = "BRIDGE_SHARED_PORT"  # set for the receivers of one `bridge serve` with several processes
COUNTED_IN = "PROMETHEUS_MULTIPROC_DIR"  # likewise: the folder in which they count (bridge/metrics.py)


def run(config: Config = DEFAULT_CONFIG) -> None:
    """Run everything on one machine: receiver, worker and, with redis.url = "embedded", Valkey."""
    raise_limit()
    settings = load(config)
    configure_logs(settings.logs)
    path = str(config.resolve())
    _close(*_listening(settings))  # a port that is taken is better told now than by a child again and again
    with ExitStack() as stack:
        if settings.redis.url == "embedded":
            try:
                stack.enter_context(EmbeddedValkey(settings.redis.data_dir))
            except EmbeddedError as error:
                fail(str(error))
        _prepare(settings)
        log.info("bridge.started", receiver=f"http://{settings.receiver.host}:{settings.receiver.port}")
        commands = {name: bridge_command(name, "-c", path) for name in ("serve", "worker")}
        asyncio.run(supervise(commands))
    log.info("bridge.stopped")


def serve(config: Config = DEFAULT_CONFIG) -> None:
    """Receive webhooks and store them: the Procfile's `web`. Any number of these may share one Redis."""
    raise_limit()
    settings = load(config)
    configure_logs(settings.logs)
    _prepare(settings)
    processes = settings.receiver.processes
    if processes > 1 and not os.environ.get(SHARED):
        os.environ[SHARED] = "1"
        command = bridge_command("serve", "-c", str(config.resolve()))
        with tempfile.TemporaryDirectory(prefix="bridge-metrics-") as folder:
            os.environ[COUNTED_IN] = folder
            asyncio.run(supervise({f"serve-{number}": command for number in range(processes)}))
        return
    _run_loop(settings)


def _run_loop(settings: Settings) -> None:
    from bridge.serving import serve as serve_receiver  # noqa: PLC0415 - no other command needs the receiver

    sockets = _listening(settings, shared=bool(os.environ.get(SHARED)))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(serve_receiver(settings, sockets))
        except (SchemaError, UnsafeRedisError) as error:
            fail(str(error))


def _prepare(settings: Settings) -> None:
    """End where Redis does not keep what it is given, or holds data of a newer bridge.

    One that does not answer is asked again later.
    """
    try:
        with suppress(*STORE_ERRORS):
            asyncio.run(prepare(settings.redis))
    except (SchemaError, UnsafeRedisError) as error:
        fail(str(error))


def _listening(settings: Settings, shared: bool = False) -> list[socket.socket]:
    places = [("receiver", settings.receiver.host, settings.receiver.port)]
    if settings.operators:
        places.append(("operators", settings.operators.host, settings.operators.port))
    sockets = []
    for section, host, port in places:
        try:
            sockets.append(listen(host, port, shared))
        except OSError as error:
            fail(f"{section}: cannot listen on {host}:{port} ({error.strerror}): choose another port")
    return sockets


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        each.close()


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop


def worker(config: Config = DEFAULT_CONFIG) -> None:
    """Fold events and keep the targets in step: the Procfile's `worker`. Any number may share one Redis."""
    raise_limit()
    _prepare(load(config))
    path = str(Path(config).resolve())
    try:
        os.execv(sys.executable, [sys.executable, "-m", "workers.main", path])  # noqa: S606 - our own module
    except OSError as error:
        raise typer.Exit(1) from error
