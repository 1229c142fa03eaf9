"""What the receiver is measured against, each a process: `python -m tests.bench.apps bare|arq PORT [SOCKET]`.

Both are written the obvious way with Starlette and verify the same HMAC over the same body.
"""

import asyncio
import hashlib
import hmac
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
import uvloop
from arq import ArqRedis
from redis.asyncio import ConnectionPool, UnixDomainSocketConnection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.bench.load import SECRET


async def _verified(request: Request) -> bytes | None:
    body = await request.body()
    stamp, _, signature = request.headers["boxyhq-signature"].partition(",s=")
    signed = stamp.removeprefix("t=").encode() + b"." + body
    expected = hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
    return body if hmac.compare_digest(expected, signature) else None


async def bare(request: Request) -> Response:
    """Verify, store nothing."""
    if await _verified(request) is None:
        return Response(status_code=401)
    return JSONResponse({"accepted": 1, "duplicates": 0})


async def enqueue(request: Request) -> Response:
    """Verify, then one arq job for each request."""
    body = await _verified(request)
    if body is None:
        return Response(status_code=401)
    await request.app.state.arq.enqueue_job("handle", body)
    return JSONResponse({"accepted": 1, "duplicates": 0})


def make_app(socket: str) -> Starlette:
    """Return the application; with a socket, the one that asks arq's Redis there."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if socket:
            pool = ConnectionPool(UnixDomainSocketConnection, path=socket)
            app.state.arq = ArqRedis(pool)
        yield

    route = Route("/webhooks/jackson", enqueue if socket else bare, methods=["POST"])
    return Starlette(routes=[route], lifespan=lifespan)


def main() -> None:
    """Serve, with the same server and loop as the receiver."""
    kind, port, *more = sys.argv[1:]
    config = uvicorn.Config(
        make_app(more[0] if kind == "arq" else ""), port=int(port), log_config=None, access_log=False,
        loop="none", server_header=False, timeout_keep_alive=75,
    )  # fmt: skip
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
