"""How one connection is served: uvicorn's protocol, with bounds on what a stranger may make it wait or keep.

uvicorn gives a request's head no time and no size of its own, nor the rest of a body that it has answered
already, nor a client that does not read its answers; and it keeps as many requests as a client sends ahead.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from bridge.problems import Answer, problem

LOOK_SECONDS = 10.0  # a head that is not whole at two looks is cut off: after 10 to 20 s
LOOKS = 4  # a request that is under way at so many looks is cut off, too: its own limits are far shorter
LONGEST_HEAD = 65_536  # bytes of request line and headers
MOST_FIELDS = 100  # of a head: each costs twenty times the bytes it came in
MOST_AHEAD = 16  # requests that are kept while one is answered (RFC 9112, 9.3.2: pipelining)
LARGEST_OVERHEAD = 8  # bytes on the wire for each byte of a body: chunks of one byte cost six

Refused = Callable[[str], None]  # gets the outcome, for the metrics


def _whole(answer: Answer) -> bytes:
    """Return an answer as it goes over the wire."""
    pairs = [(b"content-type", answer.kind), (b"content-length", b"%d" % len(answer.body)), *answer.headers]
    lines = b"".join(b"%s: %s\r\n" % pair for pair in pairs)
    return b"".join((STATUS_LINE[answer.status], lines, b"\r\n", answer.body))


_CLOSE = {"Connection": "close"}
_MALFORMED = _whole(problem(400, "This is not an HTTP/1.1 request.", _CLOSE))
_NO_UPGRADE = _whole(problem(400, "No upgrade is offered: send plain HTTP/1.1.", _CLOSE))
_NO_CODING = _whole(problem(501, "A body may come in chunks, in no other transfer coding.", _CLOSE))
_NO_HOST = _whole(problem(400, "A request has one Host.", _CLOSE))
_TOO_LONG = _whole(problem(431, f"The head has more than {LONGEST_HEAD} bytes.", _CLOSE))
_TOO_MANY = _whole(problem(431, f"The head has more than {MOST_FIELDS} fields.", _CLOSE))
_TOO_SLOW = _whole(problem(408, "The head did not arrive in time.", _CLOSE))


class _RefusedError(Exception):
    """What a bound or a rule does not allow; ends the parsing. `answer`: to the request being read."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


def _answer_to(error: httptools.HttpParserError) -> bytes:
    """Return the answer to what ended the parsing.

    Whoever parses may not keep the cause in a variable: it would keep them, and all they have read.
    """
    bound = error.__context__  # what a callback has raised
    return bound.answer if isinstance(bound, _RefusedError) else _MALFORMED


class JoinedWrites(asyncio.Transport):
    """A transport that sends what is written in one turn of the loop at once.

    uvicorn writes head and body of an answer apart, and each write costs a delivery some 5 % of its time.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """`transport`: the connection itself."""
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send it soon."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(bytes(data))

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        """Close the connection when all is sent."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close the connection now."""
        self._parts = []
        self._transport.abort()

    def is_closing(self) -> bool:
        """Tell whether it is closed or about to be."""
        return self._transport.is_closing()


class Connection(HttpToolsProtocol):
    """One connection. What is refused here has reached no application."""

    def __init__(self, refused: Refused, max_body: int, look_seconds: float, **given: Any) -> None:
        """`max_body`: bytes; `look_seconds`: between two looks; `given`: what uvicorn gives."""
        super().__init__(**given)
        self._refused = refused
        self._most = LONGEST_HEAD + LARGEST_OVERHEAD * max_body
        self._look_seconds = look_seconds
        self._received = 0  # bytes since the request began that is being read
        self._looks = 0  # at which this request was seen
        self._seen: object = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look at it now and then."""
        super().connection_made(transport)
        self.transport = JoinedWrites(transport, self.loop)
        self._timer = self.loop.call_later(self._look_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more, and keep nothing of what was sent.

        A request that was not begun knows its connection: each would keep the other until garbage is
        collected, which is done after so many objects, however many bytes they hold.
        """
        super().connection_lost(exc)
        self.pipeline.clear()
        self.cycle = None  # type: ignore[assignment]
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._unset_keepalive_if_required()
        before = self.scope
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return self._keep_to_http()
        except httptools.HttpParserError as error:
            return self._refuse(_answer_to(error), "malformed")
        self._received = len(data) if self.scope is not before else self._received + len(data)
        if self._received > LONGEST_HEAD:
            self._check_length()
        return None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of a head, or of a trailer. As uvicorn does it: one more call for each costs 3 %."""
        if len(self.headers) >= MOST_FIELDS:
            raise _RefusedError(_TOO_MANY)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin a request, or keep it until those before it are answered."""
        if len(self.pipeline) >= MOST_AHEAD:
            raise _RefusedError(_MALFORMED)
        self._check_head()
        super().on_headers_complete()

    def _check_head(self) -> None:
        """Refuse what a proxy in front may read otherwise: no or two Hosts, a coding that is not undone here.

        RFC 9112: 2.3 (version), 3.2 (Host), 6.1 (Transfer-Encoding).
        """
        hosts, version = 0, self.parser.get_http_version()
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding" and value.lower() != b"chunked":
                raise _RefusedError(_NO_CODING)
        if hosts != 1 and (hosts or version == "1.1"):
            raise _RefusedError(_NO_HOST)
        if version not in ("1.1", "1.0"):
            raise _RefusedError(_MALFORMED)

    def on_response_complete(self) -> None:
        """Go on with the next request; read on only when none is kept."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def _keep_to_http(self) -> None:
        """Answer a request that wants to upgrade as it stands (RFC 9110, 7.8), unless it has a body.

        The parser takes a body for what follows the upgrade, and what follows this request, too.
        """
        if self.scope["method"] in ("GET", "HEAD", "OPTIONS"):
            self.cycle.keep_alive = False
        else:
            self.cycle.disconnected = True  # it is not to be taken for a request without a body
            self._close_with(_NO_UPGRADE, "malformed")

    def _begun(self) -> object:
        """Return what stands for the request that is being read or answered, None before the first."""
        return self.scope

    def _last(self) -> RequestResponseCycle | None:
        """Return the last request whose head was whole, None before the first."""
        return self.cycle

    def _is_reading_head(self) -> bool:
        last = self._last()
        return last is None or last.scope is not self.scope

    def _is_answering(self) -> bool:
        last = self._last()
        return last is not None and not last.response_complete

    def _check_length(self) -> None:
        if self._is_reading_head():
            self._refuse(_TOO_LONG, "malformed")
        elif self._received > self._most:
            self.transport.abort()

    def _look(self) -> None:
        """End what has not moved on since the last look, or the last ones."""
        if self.transport.is_closing():  # and its client does not read the last answer
            return self.transport.abort()
        self._timer = self.loop.call_later(self._look_seconds, self._look)
        begun = self._begun()
        if self.timeout_keep_alive_task is not None or begun is not self._seen:
            self._seen, self._looks = begun, 0
            return None
        self._looks += 1
        if self._is_answering():
            if self._looks >= LOOKS:
                self.transport.abort()
        elif begun is not None and self._is_reading_head():
            self._close_with(_TOO_SLOW, "slow")
        else:  # nothing was asked, or it is answered and its body still comes
            self.transport.close()
        return None

    def _refuse(self, answer: bytes, outcome: str) -> None:
        """Answer what is no request, but not in the place of a whole one that is being answered."""
        if self._is_answering() and not self.cycle.more_body:
            self.cycle.keep_alive = False
            self.flow.pause_reading()
        else:
            self._close_with(answer, outcome)

    def _close_with(self, answer: bytes, outcome: str) -> None:
        self._refused(outcome)
        self.transport.write(answer)
        self.transport.close()


def connections(
    refused: Refused, max_body: int, look_seconds: float = LOOK_SECONDS
) -> type[asyncio.Protocol]:
    """Return what uvicorn makes connections with, see `Connection`."""
    made = partial(Connection, refused, max_body, look_seconds)
    return cast("type[asyncio.Protocol]", made)
