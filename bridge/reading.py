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
_LOOK_EVERY = 0.25  # of those seconds: so much later than they are over a sender may be cut off

_TOO_SLOW = problem(408, "The body did not arrive in time.", {"Connection": "close"})


class BodyError(Exception):
    """The body cannot be had; `answer` says so."""

    def __init__(self, answer: Answer) -> None:
        """`answer`: 408 or 413."""
        super().__init__(answer.status)
        self.answer = answer


class BodyReader:
    """Reads bodies and cuts off who takes too long.

    One task looks after all that are being read: a timer for each costs more than reading it.
    """

    def __init__(self, limit: int, seconds: float = BODY_SECONDS) -> None:
        """`limit`: bytes of a body; `seconds`: for the whole of it, and a quarter more."""
        self._limit = limit
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
        """Return the whole body. Raises BodyError (413 over the limit, 408 late) and ClientDisconnect."""
        declared = headers.get("content-length", "")
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > self._limit):
            raise BodyError(_too_large(self._limit))
        task = cast("asyncio.Task[object]", asyncio.current_task())  # a request always has one
        self._reading[task] = asyncio.get_running_loop().time()
        try:
            return await self._read_chunks(receive)
        except asyncio.CancelledError:
            if task in self._reading:
                raise
            task.uncancel()
            raise BodyError(_TOO_SLOW) from None
        finally:
            self._reading.pop(task, None)

    async def _read_chunks(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._limit:
                raise BodyError(_too_large(self._limit))
            chunks.append(chunk)
            more = message.get("more_body", False)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._seconds * _LOOK_EVERY)
            late = loop.time() - self._seconds
            for task in [task for task, since in self._reading.items() if since < late]:
                del self._reading[task]  # which tells it who cancelled it
                task.cancel()


def _too_large(limit: int) -> Answer:
    return problem(413, f"The body has more than {limit} bytes (receiver.max_body).")
