"""An application on a real socket of this machine, in the test's own loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState


@asynccontextmanager
async def listening(app: Starlette, port: int = 0) -> AsyncIterator[int]:
    """Serve an application while the block runs, on this port or any; it cuts what is open at the end."""
    config = Config(
        app, ws="none", lifespan="off", log_config=None, date_header=False, server_header=False
    )  # fmt: skip
    config.load()
    server, loop = ServerState(), asyncio.get_running_loop()
    listener = await loop.create_server(lambda: HttpToolsProtocol(config, server, {}), "127.0.0.1", port)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for connection in list(server.connections):
            connection.transport.abort()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)
        await listener.wait_closed()
