"""The receiver from its protocol inwards, without a network: bytes in, bytes out."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from bridge.connections import Connection
from bridge.receiver import create_app
from bridge.settings import Settings, SourceSettings
from bridge.store.journal import Receipt, Submission
from tests.fuzz.senders import MAP, NEW, OLD, WHSEC

MAX_BODY = 5000
TURNS = 30  # of the loop: more than a request needs that waits for nothing
_SOURCES: dict[str, dict[str, Any]] = {
    "jackson": {"kind": "jackson"},
    "polis": {"kind": "jackson"},
    "workos": {"kind": "workos"},
    "standard-bridge": {"kind": "standard-webhooks", "secrets": [WHSEC]},
    "flow-bearer": {"kind": "okta-workflows"},
    "flow-map": {"kind": "okta-workflows", "map": MAP},
    "flow-basic": {"kind": "okta-workflows", "auth": "basic"},
    "flow-hmac": {"kind": "okta-workflows", "auth": "hmac"},
    "hooks": {"kind": "okta-event-hooks"},
}
_USUAL = {"secrets": [OLD, NEW], "tolerance": "36500d"}
# One secret proves all of them, which a configuration may not say: what is signed for one is tried at each.
SETTINGS = Settings.model_validate({"receiver": {"max_body": MAX_BODY}}).model_copy(
    update={
        "sources": tuple(
            SourceSettings.model_validate({"name": name, **_USUAL, **told}) for name, told in _SOURCES.items()
        )
    }
)


class Memory:
    """A journal that takes everything."""

    async def accept(self, submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        """Take it."""
        return [Receipt(len(one.entries), 0) for one in submissions]

    async def not_ready(self) -> str | None:
        """It is."""
        return None

    async def warnings(self) -> list[str]:
        """None."""
        return []


class Pipe(asyncio.Transport):
    """The other end of a connection: keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the addresses of both ends."""
        return ("198.51.100.9", 1) if name in ("peername", "sockname") else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written += data

    def close(self) -> None:
        """Take nothing more in."""
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        """Whether it is."""
        return self.closing

    def pause_reading(self) -> None:
        """It is all there already."""

    resume_reading = pause_reading


class Raising(logging.Handler):
    """Makes a logged error the check's."""

    def emit(self, record: logging.LogRecord) -> None:
        """Raise it."""
        raise AssertionError(record.getMessage()) from (record.exc_info[1] if record.exc_info else None)


@contextmanager
def raising(*loggers: str) -> Iterator[None]:
    """Let errors of these loggers raise while the block lasts."""
    handler = Raising(logging.ERROR)
    for name in loggers:
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name in loggers:
            logging.getLogger(name).removeHandler(handler)


class Wire:
    """A receiver that runs on a loop of its own, turn by turn."""

    def __init__(self) -> None:
        """Start it."""
        self._loop = asyncio.new_event_loop()
        app = create_app(SETTINGS, self._journal, body_seconds=3600)
        self._config = uvicorn.Config(
            app, log_config=None, access_log=False, loop="none", ws="none", lifespan="off"
        )
        self._config.load()
        self._lifespan = app.router.lifespan_context(app)
        self._loop.run_until_complete(self._lifespan.__aenter__())

    @asynccontextmanager
    async def _journal(self) -> AsyncIterator[Memory]:
        yield Memory()

    def send(self, data: bytes) -> bytes:
        """Return what is written on a connection over which all of this is sent, in two parts."""
        with raising("uvicorn.error", "asyncio"):
            return self._send(data)

    def _send(self, data: bytes) -> bytes:
        pipe = Pipe()
        connection = Connection(
            lambda _outcome: None, MAX_BODY, 3600.0,
            config=self._config, server_state=ServerState(), app_state={}, _loop=self._loop,
        )  # fmt: skip
        connection.connection_made(pipe)
        middle = len(data) // 2
        for part in (data[:middle], data[middle:]):
            if part and not pipe.closing:
                connection.data_received(part)
                self._turn(connection)
        connection.connection_lost(None)
        self._turn(connection)
        assert not connection.server_state.tasks, "a request has not ended with its connection"
        return bytes(pipe.written)

    def _turn(self, connection: Connection) -> None:
        async def turns() -> None:
            for _ in range(TURNS):
                await asyncio.sleep(0)
                if not connection.tasks:
                    break

        self._loop.run_until_complete(turns())

    def close(self) -> None:
        """Stop it."""
        self._loop.run_until_complete(self._lifespan.__aexit__(None, None, None))
        self._loop.close()
