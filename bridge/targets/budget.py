"""How many calls a target still takes, by kind of call, as its headers tell.

GitBook sends `X-RateLimit-Limit`, `-Remaining` and `-Reset` (epoch seconds by its clock) and limits
kinds of calls apart (GitBook's docs, "Rate limiting"; the numbers are unpublished).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.rate_limit_headers import LONGEST_WAIT, reset_wait, told_wait

_RESET = "x-ratelimit-reset"
_BLIND_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """What is left of one kind's budget: `remaining` of `limit` calls until `resets_at` (unix seconds)."""

    limit: int
    remaining: int
    resets_at: float

    def at(self, now: float) -> int:
        """Return how many calls are left at a time (unix seconds): all of them in a new window."""
        return self.remaining if now < self.resets_at else self.limit


@dataclass(slots=True)
class _Budget:
    """One kind's budget; times are unix seconds of our clock."""

    limit: int = 0
    remaining: int = 0
    resets_at: float = 0.0
    blocked_until: float = 0.0
    strikes: int = 0


class Budgets:
    """The budgets of one token at one target."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._kinds: dict[str, _Budget] = {}

    def seen(self, kind: str, status: int, headers: Mapping[str, str], now: float) -> None:
        """Learn from an answer. `now`: unix seconds."""
        budget = self._kinds.setdefault(kind, _Budget())
        wait = reset_wait(headers, _RESET, now)
        limit, remaining = _number(headers, "x-ratelimit-limit"), _number(headers, "x-ratelimit-remaining")
        if wait is not None and limit is not None and remaining is not None:
            budget.limit, budget.remaining, budget.resets_at = limit, remaining, now + wait
        if status == 429:
            self._blocked(budget, told_wait(headers, _RESET, now), now)
            return
        budget.strikes = 0
        if remaining == 0 and wait is not None:
            budget.blocked_until = now + wait
        if remaining is not None:
            self._share(budget)

    def _blocked(self, budget: _Budget, told: float | None, now: float) -> None:
        blind = _BLIND_WAITS[min(budget.strikes, len(_BLIND_WAITS) - 1)]
        budget.strikes += 1
        budget.remaining = 0
        budget.blocked_until = now + (blind if told is None else told)
        if sum(_left(each.blocked_until, now) > 0 < each.strikes for each in self._kinds.values()) > 1:
            longest = max(each.blocked_until for each in self._kinds.values())
            for each in self._kinds.values():  # a second kind was refused too: it is one limit for all
                each.blocked_until = longest

    def _share(self, budget: _Budget) -> None:
        """Kinds whose windows look the same and of which this one counts on are one limit."""
        for other in self._kinds.values():
            same = other is not budget and other.limit == budget.limit
            same = same and abs(other.resets_at - budget.resets_at) < 1.5
            if same and other.remaining == budget.remaining + 1:
                other.remaining = budget.remaining
                other.blocked_until = max(other.blocked_until, budget.blocked_until)

    def left(self) -> dict[str, BudgetLeft]:
        """Return what is left, by kind of call, of those whose limit the target has told."""
        return {
            kind: BudgetLeft(budget.limit, budget.remaining, max(budget.resets_at, budget.blocked_until))
            for kind, budget in self._kinds.items()
            if budget.limit
        }

    def wait(self, kind: str, now: float) -> float:
        """Return how many seconds the next call of a kind should wait.

        The last quarter of a window is spread over what is left of it, since people share the token.
        """
        budget = self._kinds.get(kind)
        if budget is None:
            asleep = [
                each for each in self._kinds.values() if each.strikes and _left(each.blocked_until, now)
            ]
            return max(_left(each.blocked_until, now) for each in asleep) if len(asleep) > 1 else 0.0
        if blocked := _left(budget.blocked_until, now):
            return blocked
        if budget.remaining < budget.limit / 4:
            return _left(budget.resets_at, now) / (budget.remaining + 1)
        return 0.0


def _left(until: float, now: float) -> float:
    """Return the seconds until then; 0 where it is further away than any wait, since a clock was set."""
    left = until - now
    return left if 0 < left <= LONGEST_WAIT else 0.0


def _number(headers: Mapping[str, str], name: str) -> int | None:
    try:
        return int(float(headers[name]))
    except (KeyError, ValueError, OverflowError):
        return None
