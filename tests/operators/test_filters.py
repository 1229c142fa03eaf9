"""What a filter admits."""

import pytest

from bridge.operators.filters import Filter


@pytest.mark.parametrize(
    ("wanted", "row", "admitted"),
    [
        (Filter(), {"kind": "user.created", "source": "okta"}, True),
        (Filter(kinds=frozenset({"user"})), {"kind": "user.created"}, True),
        (Filter(kinds=frozenset({"user.deleted"})), {"kind": "user.created"}, False),
        (Filter(sources=frozenset({"okta"})), {"source": "polis"}, False),
        (Filter(sources=frozenset({"okta"})), {"kind": "invite"}, True),
        (Filter(states=frozenset({"dead", "parked"})), {"state": "dead"}, True),
        (Filter(targets=frozenset({"docs"})), {"target": "other"}, False),
        (Filter(text="ANA@"), {"texts": (None, "ana@acme.test")}, True),
        (Filter(text="bo"), {"texts": ("ana@acme.test",)}, False),
        (Filter(text="bo"), {"texts": ()}, False),
        (Filter(text="bo"), {}, True),
        (Filter(since=10, until=20), {"at": 10}, True),
        (Filter(since=10, until=20), {"at": 20}, False),
        (Filter(since=10), {"at": 9}, False),
    ],
)
def test_admits(wanted: Filter, row: dict[str, object], admitted: bool) -> None:
    """A row is shown when everything that was asked for, and that it has, is so."""
    assert wanted.admits(**row) is admitted  # type: ignore[arg-type]
