"""Times as senders write them: RFC 3339 and what comes close to it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from bridge.directory.events import News
from bridge.sources.base import Noted
from bridge.sources.bodies import ElementError, MakeKey, noted, read_text, with_key

_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,12}))?\s*([Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)
_EPOCHS = ((946_684_800, 10**11, 1), (946_684_800_000, 10**14, 1000))  # from 2000 on: seconds, milliseconds
_FIRST_YEAR = 2000  # an earlier one is a program's empty date, not a moment at which something happened


def read_moment(owner: Mapping[str, Any], key: str) -> int | None:
    """Return a field's time in unix milliseconds, None without one.

    Raises ElementError when it is there and unreadable.
    """
    text = read_text(owner, key)
    if text is None:
        return None
    found = parse_moment(text)
    if found is None:
        raise ElementError(f"{key} is not a time: send RFC 3339, such as 2026-01-31T09:30:00.000Z")
    return found


def timed(news: News, owner: Mapping[str, Any], key: str) -> News | Noted:
    """Return an element with the time that a field tells; without one it keeps the time it has.

    An unreadable time keeps out what gives something. What takes something away is let in with the time it
    has, and noted: nobody keeps access because a clock's text is odd. Raises ElementError.
    """
    try:
        told = read_moment(owner, key)
    except ElementError as error:
        if not news.takes_away:
            raise
        return noted(news, f"{error.reason}; it takes something away, so it is taken without that time")
    return news if told is None else replace(news, told=told)


def completed(news: News, owner: Mapping[str, Any], key: str, make_key: MakeKey, index: int) -> News | Noted:
    """Return an element with the time that a field tells, and with what its repeats have in common.

    Both as `timed` and `with_key` do it, which are for what cannot be read. Raises ElementError.
    """
    try:
        told, shared = read_moment(owner, key), make_key(index, owner)
    except ElementError:
        return with_key(timed(news, owner, key), make_key, index, owner)
    return replace(news, told=news.told if told is None else told, key=shared)


def epoch_text(number: float) -> str | None:
    """Return unix seconds or milliseconds, whichever the size tells, as RFC 3339; None for other numbers."""
    for first, end, unit in _EPOCHS:
        if first <= number < end:
            return datetime.fromtimestamp(number / unit, UTC).isoformat(timespec="milliseconds")
    return None


def parse_moment(text: str) -> int | None:
    """Return an RFC 3339 time in unix milliseconds, None for anything else or before the year 2000.

    As lenient as senders are: a space for the T, no seconds, no offset (UTC).
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    date, clock, fraction, offset = match.groups()
    zone = "+00:00" if offset in (None, "Z", "z") else offset
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    milliseconds = int(((fraction or "") + "000")[:3])
    return int(moment.timestamp()) * 1000 + milliseconds if moment.year >= _FIRST_YEAR else None
