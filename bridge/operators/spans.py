"""How long things took: median, 95th percentile and the slowest."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spans(Generic[T]):
    """How long some things took, in milliseconds; None without any. `slowest`: the thing itself.

    `known`: how many there are; `unknown`: of how many it is not known when they began.
    """

    known: int = 0
    unknown: int = 0
    median: int | None = None
    p95: int | None = None
    longest: int | None = None
    slowest: T | None = None


def measure(things: Iterable[T], span: Callable[[T], int | None]) -> Spans[T]:
    """Measure how long things took. `span`: milliseconds, None: unknown; of equals the first is slowest."""
    everything = list(things)
    taken = [(length, thing) for thing in everything if (length := span(thing)) is not None]
    if not taken:
        return Spans(0, len(everything))
    lengths = sorted(length for length, _ in taken)
    longest, slowest = max(taken, key=lambda pair: pair[0])
    unknown = len(everything) - len(taken)
    return Spans(len(taken), unknown, percentile(lengths, 50), percentile(lengths, 95), longest, slowest)


def percentile(lengths: Sequence[int], percent: int) -> int:
    """Return a percentile of sorted lengths by the nearest rank: the one at rank ⌈percent / 100 · n⌉ of n.

    So it is always one of them, and percent % of all, at least, took no longer
    (https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method).
    """
    return lengths[math.ceil(percent * len(lengths) / 100) - 1]
