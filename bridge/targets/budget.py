"""How many calls a target still takes, by kind of call, as its headers tell.

GitBook sends `X-RateLimit-Limit`, `-Remaining` and `-Reset` (epoch seconds by its clock) and limits
kinds of calls apart (GitBook's docs, "Rate limiting"; the numbers are unpublished).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 3600.0
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
        wait = _reset_wait(headers, now)
        limit, remaining = _number(headers, "x-ratelimit-limit"), _number(headers, "x-ratelimit-remaining")
        if wait is not None and limit is not None and remaining is not None:
            budget.limit, budget.remaining, budget.resets_at = limit, remaining, now + wait
        if status == 429:
            self._blocked(budget, headers, wait, now)
            return
        budget.strikes = 0
        if remaining == 0 and wait is not None:
            budget.blocked_until = now + wait
        if remaining is not None:
            self._share(budget)

    def _blocked(self, budget: _Budget, headers: Mapping[str, str], wait: float | None, now: float) -> None:
        told = wait if wait is not None else _retry_after(headers, now)
        blind = _BLIND_WAITS[min(budget.strikes, len(_BLIND_WAITS) - 1)]
        budget.strikes += 1
        budget.remaining = 0
        budget.blocked_until = now + min(max(1.0, told if told is not None else blind), LONGEST_WAIT)
        if sum(each.blocked_until > now and each.strikes > 0 for each in self._kinds.values()) > 1:
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
            asleep = [each for each in self._kinds.values() if each.blocked_until > now and each.strikes]
            return max((each.blocked_until - now for each in asleep), default=0.0) if len(asleep) > 1 else 0.0
        if budget.blocked_until > now:
            return budget.blocked_until - now
        if budget.resets_at > now and budget.remaining < budget.limit / 4:
            return (budget.resets_at - now) / (budget.remaining + 1)
        return 0.0


def _number(headers: Mapping[str, str], name: str) -> int | None:
    try:
        return int(float(headers[name]))
    except (KeyError, ValueError, OverflowError):
        return None


def _reset_wait(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until the window ends, by the target's own clock where it tells it."""
    reset = _number(headers, "x-ratelimit-reset")
    if reset is None:
        return None
    date = _date(headers, "date")
    theirs = math.floor(now) if date is None else date
    return float(min(max(1.0, reset - theirs), LONGEST_WAIT))


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that `Retry-After` names, as a number or as a date (RFC 9110, 10.2.3)."""
    seconds = _number(headers, "retry-after")
    if seconds is not None:
        return seconds
    until = _date(headers, "retry-after")
    theirs = _date(headers, "date")
    return None if until is None else until - (now if theirs is None else theirs)


def _date(headers: Mapping[str, str], name: str) -> float | None:
    try:
        return parsedate_to_datetime(headers[name]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
