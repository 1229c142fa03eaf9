"""Puts the events of a SCIM write into the transaction that stores the write itself."""

import secrets
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError

from bridge.directory.events import News
from bridge.intake import ArrivalClock, build_submission
from bridge.settings import SourceSettings
from bridge.sources.base import Notice, Parsed
from bridge.store.clock import machine_ms
from bridge.store.commit import Transaction
from bridge.store.journal import Journal


class Recorder:
    """The way from the writes of one source into its directory's journal."""

    def __init__(
        self,
        settings: SourceSettings,
        journal: Journal,
        arrivals: ArrivalClock,
        clock: Callable[[], int] = machine_ms,
    ) -> None:
        """`arrivals`: shared with all sources of the process; `clock`: unix milliseconds."""
        self._settings = settings
        self._journal = journal
        self._arrivals = arrivals
        self.clock = clock

    @property
    def directory(self) -> str:
        """The configured name of the directory that the source speaks for."""
        return self._settings.directory_name

    def record(
        self, transaction: Transaction, news: Sequence[News], now: int, notices: Sequence[Notice] = ()
    ) -> None:
        """Add the events, and what operators are to know, to a transaction that is about to run.

        SCIM tells no times: `now` (unix milliseconds) and the order of the requests count. Whoever calls
        has read what the transaction requires, so later stamps are of later states.
        """
        arrived, stamps = self._arrivals.stamp(news, now)
        parsed, delivery = Parsed(list(news), notices=list(notices)), secrets.token_hex(8)
        submission = build_submission(self._settings, parsed, stamps, arrived, delivery)
        self._journal.append_to(transaction, submission.entries, now)
        transaction.add_all(self._journal.keep_refused(submission.source, submission.refused))

    async def ensure_stored(self) -> None:
        """Wait for the replicas, where some are configured. Raises RedisError when too few have answered."""
        if not await self._journal.replicated():
            raise RedisError("too few replicas answered")
