"""How long things took."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.operators.spans import Spans, measure, percentile


@given(
    lengths=st.lists(st.integers(0, 50), min_size=1, max_size=300).map(sorted), percent=st.integers(1, 100)
)
def test_a_percentile_is_the_smallest_that_so_many_are_within(lengths: list[int], percent: int) -> None:
    """By the nearest rank: it is one of the values, and no smaller one has that share at or below it."""

    def share(value: int) -> Fraction:
        return Fraction(sum(each <= value for each in lengths), len(lengths))

    found = percentile(lengths, percent)
    assert found in lengths
    assert share(found) >= Fraction(percent, 100)
    assert all(share(smaller) < Fraction(percent, 100) for smaller in lengths if smaller < found)


@pytest.mark.parametrize(
    ("count", "median", "p95"), [(1, 1, 1), (2, 1, 2), (4, 2, 4), (19, 10, 19), (20, 10, 19), (100, 50, 95)]
)
def test_percentiles_of_the_first_numbers(count: int, median: int, p95: int) -> None:
    """As one counts them by hand."""
    numbers = list(range(1, count + 1))
    assert (percentile(numbers, 50), percentile(numbers, 95)) == (median, p95)


def test_what_is_unknown_is_counted_apart() -> None:
    """It is in no figure; of equals the first is the slowest."""
    things = [("a", 3), ("b", None), ("c", 9), ("d", 9)]
    assert measure(things, lambda thing: thing[1]) == Spans(3, 1, 9, 9, 9, ("c", 9))
    assert measure(things[1:2], lambda thing: thing[1]) == Spans(0, 1)
    assert measure([], lambda thing: None) == Spans()
