"""What may stand between the bridge and Redis or an API: firewalls, servers that close, a company's proxy."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from bridge.outbound import Route
from bridge.tasks import end_task

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
RESET, SILENCE = "reset", "silence"
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"


class Firewall:
    """Passes TCP connections on to a Unix socket, until it forgets those there are.

    What comes by a forgotten one is answered by a reset (RESET) or not at all (SILENCE), and neither side was
    told before. `opened`: how many connections there were; `forgot`: how many bytes came to nothing.
    """

    def __init__(self, behind: Path) -> None:
        self.behind = behind
        self.port = self.opened = self.forgot = 0
        self._how = ""
        self._since = 0

    def forget(self, how: str) -> None:
        """Forget all connections there are; new ones are passed on."""
        self._how, self._since = how, self.opened

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        self.opened += 1
        number = self.opened
        try:
            server, to_server = await asyncio.open_unix_connection(str(self.behind))
        except OSError:
            return _reset(to_client)
        back = asyncio.create_task(_pass(server, to_client))
        try:
            while data := await client.read(65_536):
                if number > self._since:
                    to_server.write(data)
                    continue
                self.forgot += len(data)
                if self._how == RESET:
                    return _reset(to_client)
        except OSError:
            pass
        finally:
            await end_task(back)
            to_server.close()
            to_client.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as who does not know of it: by RST."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class ClosingApi:
    """An API that answers the first request of each connection, and cuts the connection at the second.

    So do servers whose keep-alive ends just when a request is under way. `body`: JSON that each answer has;
    `answered`, `cut`: how many requests were.
    """

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.url = ""
        self.port = self.answered = self.cut = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.answered += 1
            writer.write(_ANSWER % (len(self.body), self.body))
            await reader.readuntil(b"\r\n\r\n")
            self.cut += 1
            _reset(writer)
        writer.close()


class CompanyProxy:
    """An HTTP proxy that makes tunnels (CONNECT, RFC 9110, 9.3.6) to one place, whatever was asked for.

    `login`: what it wants in Proxy-Authorization, None for nothing; `asked`: the request lines so far.
    """

    def __init__(self, port: int, login: str | None = None) -> None:
        """`port`: of the place behind it, on loopback."""
        self._behind = port
        self._login = login
        self.asked: list[str] = []
        self.port = 0

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await client.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.asked.append(head.partition("\r\n")[0])
            if self._login and f"Proxy-Authorization: {self._login}\r\n" not in head:
                to_client.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                to_client.close()
                return
            server, to_server = await asyncio.open_connection("127.0.0.1", self._behind)
            if head.startswith("CONNECT "):
                to_client.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                to_server.write(head.encode("latin-1"))
            back = asyncio.create_task(_pass(server, to_client))
            try:
                await _pass(client, to_server)
            finally:
                await end_task(back)
                to_server.close()
        to_client.close()


@asynccontextmanager
async def running_proxy(port: int, login: str | None = None) -> AsyncIterator[CompanyProxy]:
    """Serve one, before a place on loopback, while the block runs."""
    proxy = CompanyProxy(port, login)
    async with serving(proxy.serve) as proxy.port:
        yield proxy


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve connections on loopback while the block runs; yields the port."""
    tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks[asyncio.create_task(serve(reader, writer))] = writer

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task, writer in tasks.items():
            await end_task(task)
            writer.transport.abort()
        await asyncio.sleep(0)  # the loop closes what was cut


@asynccontextmanager
async def running_firewall(behind: Path) -> AsyncIterator[Firewall]:
    """Serve one while the block runs."""
    firewall = Firewall(behind)
    async with serving(firewall.serve) as firewall.port:
        yield firewall


@asynccontextmanager
async def running_api(body: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[ClosingApi]:
    """Serve one while the block runs."""
    api = ClosingApi(body)
    async with serving(api.serve, tls) as api.port:
        api.url = f"{'https' if tls else 'http'}://127.0.0.1:{api.port}"
        yield api


def played_route(answer: Callable[[httpx.Request], Any]) -> Route:
    """Return the way to an API that `answer` plays."""

    class Played(Route):
        def open_client(self, timeout: float) -> httpx.AsyncClient:
            return httpx.AsyncClient(transport=httpx.MockTransport(answer), timeout=timeout)

    return Played()
