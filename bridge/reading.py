"""Reading a request's body: whole, not larger than allowed, and in time."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from bridge.problems import Answer, problem
from bridge.tasks import end_task

BODY_SECONDS = 15.0  # for a whole body to arrive
MOST_HELD = 256_000_000  # bytes of all bodies that are being read; whoever comes then is asked to come again
_LOOK_EVERY = 0.25  # of those seconds: so much later than they are over a sender may be cut off

_TOO_SLOW = problem(408, "The body did not arrive in time.", {"Connection": "close"})


class BodyError(Exception):
    """The body cannot be had; `answer` says so to the sender, `reason` to the operators."""

    def __init__(self, answer: Answer, reason: str) -> None:
        """`answer`: 408, 413 or 503."""
        super().__init__(answer.status)
        self.answer = answer
        self.reason = reason


class BodyReader:
    """Reads bodies and cuts off who takes too long.

    One task looks after all that are being read: a timer for each costs more than reading it.
    """

    def __init__(self, limit: int, seconds: float = BODY_SECONDS, most: int = MOST_HELD) -> None:
        """`limit`: bytes of a body; `seconds`: for the whole of it, and a quarter more.

        `most`: bytes of all bodies that are being read and have not come at once.
        """
        self._limit = limit
        self._most = most
        self._held = 0
        self._seconds = seconds
        self._reading: dict[asyncio.Task[object], float] = {}  # task -> since when, the oldest first

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Cut off slow senders while the block lasts."""
        task = asyncio.create_task(self._watch(), name="slow bodies")
        try:
            yield
        finally:
            await end_task(task)

    async def read(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Return the whole body.

        Raises BodyError (413 over the limit, 408 late, 503 while too many come at once) and ClientDisconnect.
        """
        declared = headers.get("content-length", "")
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > self._limit):
            raise _too_large(self._limit)
        task = cast("asyncio.Task[object]", asyncio.current_task())  # a request always has one
        self._reading[task] = asyncio.get_running_loop().time()
        try:
            return await self._read_chunks(receive)
        except asyncio.CancelledError:
            if task in self._reading:
                raise
            task.uncancel()
            raise BodyError(_TOO_SLOW, f"its body did not arrive within {self._seconds:.0f} s") from None
        finally:
            self._reading.pop(task, None)

    async def _read_chunks(self, receive: Receive) -> bytes:
        chunk, more = await _next_chunk(receive)
        if len(chunk) > self._limit:
            raise _too_large(self._limit)
        return await self._read_rest(chunk, receive) if more else chunk

    async def _read_rest(self, chunk: bytes, receive: Receive) -> bytes:
        """Return a body that does not come at once. Nobody knows yet who sends it, so all share a limit."""
        chunks, size, more = [chunk], len(chunk), True
        self._held += size
        try:
            while more:
                if self._held > self._most:
                    raise _too_many(self._most)
                chunk, more = await _next_chunk(receive)
                chunks.append(chunk)
                size += len(chunk)
                self._held += len(chunk)
                if size > self._limit:
                    raise _too_large(self._limit)
            return b"".join(chunks)
        finally:
            self._held -= size

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._seconds * _LOOK_EVERY)
            late = loop.time() - self._seconds
            for task in [task for task, since in self._reading.items() if since < late]:
                del self._reading[task]  # which tells it who cancelled it
                task.cancel()


async def _next_chunk(receive: Receive) -> tuple[bytes, bool]:
    """Return the next part of a body, and whether there are more. Raises ClientDisconnect."""
    message: Message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)


def _too_many(most: int) -> BodyError:
    reason = f"bodies of more than {most} bytes in all are being read at this moment"
    return BodyError(problem(503, "Too much is being sent at this moment. Send it again."), reason)


def _too_large(limit: int) -> BodyError:
    told = f"The body has more than {limit} bytes (receiver.max_body)."
    return BodyError(problem(413, told), f"its body has more than {limit} bytes (receiver.max_body)")
