"""How fast a directory's API may be called, as its headers tell.

Okta sends `X-Rate-Limit-Limit`, `-Remaining` and `-Reset` (epoch seconds by its clock) and limits kinds of
calls apart, for the whole organisation: https://developer.okta.com/docs/reference/rl-best-practices/.
"""

from collections.abc import Mapping

from bridge.rate_limit_headers import LONGEST_WAIT, reset_wait, retry_after, told_wait

LEFT_TO_OTHERS = 0.25  # of a window's calls: the organisation's other programs need them
_RESET = "x-rate-limit-reset"
_BLIND_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)  # for a 429 that does not say until when


class Pace:
    """When the next call of one kind may be made."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._blocked_until = 0.0
        self._strikes = 0

    def seen(self, status: int, headers: Mapping[str, str], now: float) -> None:
        """Learn from an answer. `now`: unix seconds."""
        if status == 429:  # of too many calls at once, too, with a limit of 0
            blind = _BLIND_WAITS[min(self._strikes, len(_BLIND_WAITS) - 1)]
            self._strikes += 1
            wait = told_wait(headers, _RESET, now)
            self._blocked_until = now + (blind if wait is None else max(wait, min(blind, 8.0)))
            return
        self._strikes = 0
        if status == 503 and (asked := retry_after(headers, now)):
            self._blocked_until = now + asked
            return
        wait = reset_wait(headers, _RESET, now)
        limit, remaining = _number(headers, "x-rate-limit-limit"), _number(headers, "x-rate-limit-remaining")
        if wait is not None and limit and remaining is not None and remaining <= limit * LEFT_TO_OTHERS:
            self._blocked_until = now + wait

    def wait(self, now: float) -> float:
        """Return how many seconds the next call has to wait."""
        left = self._blocked_until - now
        return left if 0 < left <= LONGEST_WAIT else 0.0  # it never is longer: then a clock was set


def _number(headers: Mapping[str, str], name: str) -> float | None:
    try:
        return max(0.0, float(int(headers[name])))
    except (KeyError, ValueError, OverflowError):
        return None
