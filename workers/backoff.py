"""How long what failed is left alone: twice as long each time, with jitter."""

import random

BACKOFF_MOST = 300.0  # seconds


def backoff_ms(first: float, tries: int, most: float = BACKOFF_MOST) -> int:
    """Return after how many milliseconds to try again.

    `first`, `most`: seconds; `tries`: how many failed before.
    """
    span = min(most, first * 2 ** min(tries, 16))
    return int(span * random.uniform(0.5, 1) * 1000)  # noqa: S311 - jitter
