"""How long an answer asks to be left alone: one reading of its headers for every API that is called.

`X-RateLimit-Reset` (`X-Rate-Limit-Reset` at Okta) is epoch seconds by the server's clock at GitBook and Okta;
others send epoch milliseconds, or the seconds that are left (as in the IETF's draft of `RateLimit-Reset`).
`Retry-After` is seconds or a date (RFC 9110, 10.2.3). Either may be wrong, and so may the server's clock.
What cannot be so is not heeded, and nothing is waited for longer than an hour.
"""

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 3600.0  # seconds; nobody means longer, and a leaver keeps access meanwhile
_DATES_AGREE = 60.0  # seconds; up to here the server's `Date` is more exact than our clock, see _until
_FIRST_EPOCH = 1e9  # 2001 in seconds: a smaller number is no time of today
_FIRST_EPOCH_MS = 1.4e12  # 2014 in milliseconds: as seconds it would be some year beyond 46000


def told_wait(headers: Mapping[str, str], reset: str, now: float) -> float | None:
    """Return how many seconds to wait: the longer of what `Retry-After` and the window's end ask for.

    `headers`: by their names in lower case; `reset`: the name of the header that tells when the window ends;
    `now`: unix seconds by our clock. The answer is between 1 and LONGEST_WAIT, None where nothing is told
    that can be so. A window that ends later than in an hour counts only on its own, as an hour.
    """
    waits = [reset_wait(headers, reset, now), retry_after(headers, now)]
    told = [wait for wait in waits if wait is not None]
    if told:
        return max(1.0, *told)
    return LONGEST_WAIT if _is_far(headers, reset, now) else None


def reset_wait(headers: Mapping[str, str], name: str, now: float) -> float | None:
    """Return the seconds until the window ends, 1 at least; None where no time is told that can be so."""
    told = _number(headers, name)
    if told is None or told < 0:
        return None
    if told < _FIRST_EPOCH:  # the seconds that are left
        return max(1.0, told) if 0 < told <= LONGEST_WAIT else None
    wait = _until(_in_seconds(told), headers, now)
    return None if wait is None else max(1.0, wait)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that `Retry-After` asks for, LONGEST_WAIT at most; None for none that can be so.

    `now`: unix seconds by our clock.
    """
    told = _number(headers, "retry-after")
    if told is not None:
        return min(float(told), LONGEST_WAIT) if told >= 0 else None
    moment = _date(headers, "retry-after")
    if moment is None:
        return None
    wait = _until(moment, headers, now)
    if wait is None and moment > max(now, _date(headers, "date") or now):  # by both clocks, and it is far
        return LONGEST_WAIT
    return wait


def told_time(headers: Mapping[str, str]) -> float | None:
    """Return the time of an answer by the server's clock (`Date`, unix seconds), None without one."""
    return _date(headers, "date")


def _until(moment: float, headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until a moment of the server's clock, None when it is past or more than an hour off.

    Its `Date` tells what its clock is. That header may be wrong itself, by a cache in between or by a clock
    of its own: where it is far from our clock and both readings can be so, the shorter one counts, since an
    attempt too many costs one refusal, and one too late costs up to an hour.
    """
    date = _date(headers, "date")
    ours = moment - math.floor(now)
    theirs = ours if date is None else moment - date
    sane = [wait for wait in (theirs, ours) if 0 <= wait <= LONGEST_WAIT]
    if not sane:
        return None
    return sane[0] if date is None or abs(date - now) <= _DATES_AGREE else min(sane)


def _is_far(headers: Mapping[str, str], reset: str, now: float) -> bool:
    """Tell whether the window ends later than in an hour, whichever clock is asked."""
    told = _number(headers, reset)
    latest = max(now, _date(headers, "date") or now)
    return told is not None and _in_seconds(told) - latest > LONGEST_WAIT


def _in_seconds(epoch: float) -> float:
    """Return a moment in unix seconds, whichever of the two units it is told in."""
    return epoch / 1000 if epoch >= _FIRST_EPOCH_MS else epoch


def _number(headers: Mapping[str, str], name: str) -> int | None:
    try:
        return int(float(headers[name]))
    except (KeyError, ValueError, OverflowError):
        return None


def _date(headers: Mapping[str, str], name: str) -> float | None:
    try:
        return parsedate_to_datetime(headers[name]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
