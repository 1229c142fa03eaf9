"""What one worker counts of its targets, and how Redis gets to know: now and then, in the way of no call.

A worker that is killed takes what it has not told yet with it: some seconds' worth.

How long changes take is measured for each object (a person, a team) whose last call of a step was answered
well, once the object is off the work list: from the arrival of the newest news of it at the receiver to that
answer. Where it was due or had begun to back off before that news came, it is measured from then; where it
waited for the target's limit alone, from the newest news. What is done for another reason than news (a
changed rule, a person's decision, a look at what was not clear) is not measured.

How long leavers stay is measured from the time when they left by the directory to the answer that says they
were removed, 205 or 204, whatever lay between, such as waiting for a person's approval.
"""

from collections.abc import Mapping
from typing import Protocol

from bridge.store.redis import STORE_ERRORS, Store
from bridge.store.tally import Tally, TallyStore
from bridge.store.targets import Waiting
from bridge.store.work import Work
from bridge.targets.budget import Budgets


class Limited(Protocol):
    """A client that knows its limits."""

    budgets: Budgets


class Tallies:
    """The counts of one process since it last told them, by target (see `bridge.store.targets.target_id`)."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self._counted: dict[str, Tally] = {}

    def of(self, target: str) -> Tally:
        """Return where a target is counted."""
        return self._counted.setdefault(target, Tally())

    async def tell(self, store: Store, clients: Mapping[str, Limited]) -> None:
        """Add what is new to what Redis has, with the limits that the clients know by now.

        What Redis does not take is told the next time. Raises nothing of Redis'.
        """
        news, self._counted = self._counted, {}
        for target, tally in news.items():
            if target in clients:
                tally.budgets = clients[target].budgets.left()
        try:
            await TallyStore(store).add(news)
        except BaseException as error:
            self._put_back(news)
            if not isinstance(error, STORE_ERRORS):
                raise

    def _put_back(self, news: dict[str, Tally]) -> None:
        later, self._counted = self._counted, news
        for target, tally in later.items():
            counted = self.of(target)
            counted += tally


def began(work: Work, waiting: Waiting | None) -> int:
    """Return from when on a change of an object is measured (unix ms), 0 for not at all."""
    if not work.news:
        return 0
    return min(work.news, work.due, waiting.since if waiting and waiting.since else work.news)
