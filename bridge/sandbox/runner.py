"""The stand-in on a real socket: inside a running loop, or as the whole of a process."""

import asyncio
import signal
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from bridge.sandbox.app import create_app
from bridge.sandbox.limits import Limit, Limits
from bridge.sandbox.sandbox import Sandbox

_KEEP_ALIVE = 75  # seconds; as long as proxies in front of real APIs keep a connection


class _Protocol(HttpToolsProtocol):
    """uvicorn's, without an access log, and with the app able to cut the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.access_log = False
        self.app_state = {"abort": lambda: _cut(transport)}
        super().connection_made(transport)


@asynccontextmanager
async def running_sandbox(
    sandbox: Sandbox | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Sandbox]:
    """Serve the sandbox (a new one by default) in this loop while the block runs; its `url` says where.

    At the end all connections are cut, hung calls too, and calls that are late have no effect any more.
    Served again, it holds what it held before. Raises OSError when the port is taken.
    """
    sandbox = sandbox or Sandbox()
    config = Config(
        create_app(sandbox),
        ws="none",
        lifespan="off",
        log_config=None,
        date_header=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
    )
    config.load()
    server = ServerState()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: _Protocol(config, server, {}), host, port)
    sandbox.url = f"http://{_bracketed(host)}:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield sandbox
    finally:
        await _stop(listener, server, sandbox)


def serve(  # one for each option of `bridge sandbox`
    host: str = "127.0.0.1",
    port: int = 8090,
    token: str = "gb_api_sandbox",  # noqa: S107 # a made-up token for a made-up organisation
    organization: str = "acme",
    rate_limit: tuple[int, float] | None = None,
    on_ready: Callable[[Sandbox], None] | None = None,
) -> None:
    """Serve a new sandbox until SIGINT or SIGTERM; `rate_limit` is (calls, seconds).

    `on_ready` gets the sandbox once it listens. Raises OSError when the port is taken.
    """
    limits = Limits(Limit(*rate_limit)) if rate_limit else Limits()
    asyncio.run(_serve(Sandbox(organization, token, limits=limits), host, port, on_ready))


async def _serve(sandbox: Sandbox, host: str, port: int, on_ready: Callable[[Sandbox], None] | None) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows; Ctrl-C ends it there all the same
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    async with running_sandbox(sandbox, host=host, port=port):
        if on_ready:
            on_ready(sandbox)
        await stop.wait()


async def _stop(listener: asyncio.Server, server: ServerState, sandbox: Sandbox) -> None:
    listener.close()
    for connection in list(server.connections):
        connection.transport.abort()
    while server.connections:  # noqa: ASYNC110 # a turn or two of the loop, no waiting for time
        await asyncio.sleep(0)
    await asyncio.gather(*server.tasks, return_exceptions=True)
    for late in sandbox.late:
        late.cancel()
    await listener.wait_closed()


def _cut(transport: asyncio.Transport) -> None:
    """Close with a TCP reset instead of an orderly end."""
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
