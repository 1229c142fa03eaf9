"""What one receiver counts at the front door, and how Redis gets to know: now and then, not per request.

So strangers who are turned away cost no writes, however many they are.
"""

import asyncio
from collections.abc import Callable, Sequence

from bridge.settings import SourceSettings
from bridge.store.clock import machine_ms as now_milliseconds
from bridge.store.front import FrontNews, FrontStore, Refusals
from bridge.store.redis import STORE_ERRORS

TELL_SECONDS = 2.0
LONGEST_REASON = 300  # characters


class Tallies:
    """The counts of one process since it last told them. It reads how often each secret matched."""

    def __init__(
        self, sources: Sequence[SourceSettings], clock: Callable[[], int] = now_milliseconds
    ) -> None:
        """`clock`: unix milliseconds."""
        self._sources = sources
        self._clock = clock
        self._delivered: dict[str, int] = {}
        self._refused: dict[str, Refusals] = {}
        self._matches = {label: 0 for label, _ in self._secrets()}

    def deliver(self, source: str, at: int) -> None:
        """Note that a delivery was stored; `at`: unix milliseconds."""
        self._delivered[source] = at

    def refuse(self, source: str, reason: str, at: int) -> None:
        """Note that a request was not let in. `reason`: for the operators, without anything secret."""
        before = self._refused.get(source, Refusals())
        self._refused[source] = Refusals(before.count + 1, at, reason[:LONGEST_REASON])

    async def tell(self, store: FrontStore) -> None:
        """Write what is new; it is kept for the next time where that fails. Raises one of STORE_ERRORS."""
        delivered, refused, matches = self._delivered, self._refused, dict(self._secrets())
        news = self.news()
        if not news:
            return
        self._delivered, self._refused = {}, {}
        try:
            await store.tell(news)
        except BaseException:
            self._put_back(delivered, refused)
            raise
        self._matches = matches

    async def tell_again_and_again(self, store: FrontStore, seconds: float = TELL_SECONDS) -> None:
        """Tell until cancelled, and then once more; what Redis does not take is told later."""
        try:
            while True:
                await asyncio.sleep(seconds)
                await self._try(store)
        finally:
            await self._try(store)

    async def _try(self, store: FrontStore) -> None:
        try:
            await self.tell(store)
        except STORE_ERRORS:
            return

    def _put_back(self, delivered: dict[str, int], refused: dict[str, Refusals]) -> None:
        self._delivered = delivered | self._delivered
        for name, before in refused.items():
            later = self._refused.get(name)
            total = before.count + (later.count if later else 0)
            last = later or before
            self._refused[name] = Refusals(total, last.at, last.reason)

    def news(self) -> dict[str, FrontNews]:
        """Return what is not told yet, by source."""
        now = self._clock()
        used = [label for label, count in self._secrets() if count != self._matches.get(label)]
        names = self._delivered.keys() | self._refused.keys() | {source for source, _ in used}
        return {
            name: FrontNews(
                self._delivered.get(name, 0),
                self._refused.get(name, Refusals()),
                {label: now for source, label in used if source == name},
            )
            for name in sorted(names)
        }

    def _secrets(self) -> list[tuple[tuple[str, str], int]]:
        """Return how often each secret matched, by source and label."""
        return [
            ((source.name, secret.label(number)), secret.matches)
            for source in self._sources
            for number, secret in enumerate(source.all_secrets)
        ]
