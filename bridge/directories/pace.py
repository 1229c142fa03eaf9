"""How fast a directory's API may be called, as its headers tell.

Okta sends `X-Rate-Limit-Limit`, `-Remaining` and `-Reset` (epoch seconds by its clock) and limits kinds of
calls apart, for the whole organisation: https://developer.okta.com/docs/reference/rl-best-practices/.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LEFT_TO_OTHERS = 0.25  # of a window's calls: the organisation's other programs need them
LONGEST_WAIT = 3600.0
_BLIND_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)  # for a 429 that does not say until when


class Pace:
    """When the next call of one kind may be made."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._blocked_until = 0.0
        self._strikes = 0

    def seen(self, status: int, headers: Mapping[str, str], now: float) -> None:
        """Learn from an answer. `now`: unix seconds."""
        wait = _reset_wait(headers, now)
        if status == 429:  # of too many calls at once, too, with a limit of 0
            blind = _BLIND_WAITS[min(self._strikes, len(_BLIND_WAITS) - 1)]
            self._strikes += 1
            self._blocked_until = now + (blind if wait is None else max(wait, min(blind, 8.0)))
            return
        self._strikes = 0
        limit, remaining = _number(headers, "x-rate-limit-limit"), _number(headers, "x-rate-limit-remaining")
        if wait is not None and limit and remaining is not None and remaining <= limit * LEFT_TO_OTHERS:
            self._blocked_until = now + wait

    def wait(self, now: float) -> float:
        """Return how many seconds the next call has to wait."""
        return max(0.0, self._blocked_until - now)


def told_time(headers: Mapping[str, str]) -> float | None:
    """Return the time of an answer by the sender's clock (`Date`, unix seconds), None without one."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _reset_wait(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until the window ends, by the directory's own clock where it tells it."""
    reset, theirs = _number(headers, "x-rate-limit-reset"), told_time(headers)
    if reset is None:
        return _number(headers, "retry-after")
    return min(max(1.0, reset - (int(now) if theirs is None else theirs)), LONGEST_WAIT)


def _number(headers: Mapping[str, str], name: str) -> float | None:
    try:
        return max(0.0, float(int(headers[name])))
    except (KeyError, ValueError, OverflowError):
        return None
