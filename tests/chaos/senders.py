"""Senders as real ones are: they come again with the same event until they are told 200."""

import asyncio
import hashlib
import hmac
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx
import orjson

from tests.e2e.place import signed

JACKSON_SECRET = "jackson-secret-of-the-tests"
AT_ONCE = 16
_AGAIN = 0.3  # seconds between two attempts; real senders take longer
_TWICE = 0.05  # how many deliveries are repeated although they were answered 200


class Told(Protocol):
    """An event. `at`: unix ms."""

    @property
    def at(self) -> int:
        """When it happened."""

    def okta(self) -> dict[str, Any]:
        """Return it as a flow of Okta Workflows sends it."""

    def jackson(self) -> dict[str, Any]:
        """Return it as Jackson sends it."""


class Senders:
    """An Okta flow and a Jackson that tell of one directory. `answers`: how often each had each status."""

    def __init__(self, port: int, seed: int) -> None:
        """`port`: the receiver's; an attempt that gets no answer counts as status 0."""
        self.answers: Counter[tuple[str, int]] = Counter()
        self.sent = self.answered = 0
        self._url = f"http://127.0.0.1:{port}/webhooks/"
        self._chance = random.Random(seed)
        self._queue: asyncio.Queue[tuple[str, Told]] = asyncio.Queue()

    @property
    def open(self) -> int:
        """How many events were not answered 200 yet."""
        return self.sent - self.answered

    def hand(self, told: Told, source: str = "") -> None:
        """Give an event to one of the two: to that of this name, or to any."""
        self.sent += 1
        self._queue.put_nowait((source or ("jackson" if self._chance.random() < 0.3 else "okta"), told))

    def refused(self, source: str) -> Counter[int]:
        """Return a source's answers that were not 200, those that did not come left out."""
        return Counter(
            {s: n for (name, s), n in self.answers.items() if name == source and s not in (0, 200)}
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Senders"]:
        """Send while the block lasts."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            tasks = [asyncio.create_task(self._send_all(client)) for _ in range(AT_ONCE)]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _send_all(self, client: httpx.AsyncClient) -> None:
        while True:
            source, told = await self._queue.get()
            while await self._attempt(client, source, told) != 200:  # noqa: ASYNC110 - their pace
                await asyncio.sleep(_AGAIN * self._chance.uniform(0.5, 1.5))
            self.answered += 1
            if self._chance.random() < _TWICE:
                await self._attempt(client, source, told)

    async def _attempt(self, client: httpx.AsyncClient, source: str, told: Told) -> int:
        raw = orjson.dumps(told.okta() if source == "okta" else told.jackson())
        headers = signed(raw) if source == "okta" else _stamped(raw, told.at)
        try:
            status = (await client.post(self._url + source, content=raw, headers=headers)).status_code
        except httpx.TransportError:
            status = 0
        self.answers[source, status] += 1
        return status


def _stamped(raw: bytes, at: int) -> dict[str, str]:
    """Sign as Jackson does; a repeat has the time of the first attempt."""
    mac = hmac.new(JACKSON_SECRET.encode(), b"%d." % at + raw, hashlib.sha256).hexdigest()
    return {"BoxyHQ-Signature": f"t={at},s={mac}"}
