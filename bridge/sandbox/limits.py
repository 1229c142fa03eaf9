"""Rate limits: so many calls in a window, for all calls or for each kind of call.

GitBook sends X-RateLimit-Limit, -Remaining and -Reset (UTC epoch seconds) with every answer, and says
that "different types of API methods are subject to different rate limits"; it publishes no numbers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["read", "invites", "members", "teams"]


@dataclass(frozen=True, slots=True)
class Limit:
    """`calls` in a window of `seconds`; a window starts with its first call."""

    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """`every` is shared by all kinds that have none of their own in `by_kind`. None: no limit.

    `retry_after`: send Retry-After with a 429 as well (GitBook's docs name no such header).
    """

    every: Limit | None = None
    by_kind: Mapping[Kind, Limit] = field(default_factory=dict)
    retry_after: bool = False


@dataclass(frozen=True, slots=True)
class Quota:
    """Where a call stands in its window. `used` is above `limit` when it is one too many."""

    limit: int
    used: int
    reset: int
    wait: int

    @property
    def exceeded(self) -> bool:
        """True when the call is one too many."""
        return self.used > self.limit

    def headers(self) -> dict[str, str]:
        """Return the three X-RateLimit headers."""
        remaining = max(0, self.limit - self.used)
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


def kind_of(method: str, path: str) -> Kind:
    """Return the kind of call: a GET is `read`, else by what stands behind `/v1/orgs/{id}/`."""
    noun = [*path.split("/"), "", "", "", "", ""][4]
    if method == "GET" or noun not in ("invites", "members", "teams"):
        return "read"
    return noun  # type: ignore[return-value] # mypy does not narrow by `in`


class Limiter:
    """Counts calls against the limits."""

    def __init__(self, limits: Limits) -> None:
        """All windows start unused."""
        self.limits = limits
        self._windows: dict[str, tuple[float, int]] = {}

    def spend(self, kind: Kind, now: float, calls: int = 1) -> Quota | None:
        """Count a call at unix time `now`; None without a limit. A call too many uses nothing up."""
        own = self.limits.by_kind.get(kind)
        limit = own or self.limits.every
        if limit is None:
            return None
        name = kind if own else "every"
        start, used = self._windows.get(name, (now, 0))
        if now >= start + limit.seconds:
            start, used = now, 0
        self._windows[name] = (start, min(used + calls, limit.calls))
        end = start + limit.seconds
        return Quota(limit.calls, used + calls, math.ceil(end), max(1, math.ceil(end - now)))

    def exhaust(self, kind: Kind, now: float) -> Quota | None:
        """Count as if the whole window had been used; None without a limit."""
        quota = self.spend(kind, now, 0)
        return quota and self.spend(kind, now, quota.limit - quota.used)
