"""Timelines: what is joined in them, and in which order."""

from typing import Any

import pytest

from bridge.directory.events import GroupNews, UserNews
from bridge.operators.events import LoggedEvent
from bridge.operators.filters import Filter
from bridge.operators.timeline import Past, describe_event, make_timeline, newest_event


def event(ident: str, kind: str = "user.updated", **fields: Any) -> LoggedEvent:
    """An event of that id."""
    return LoggedEvent(
        ident, int(ident.rpartition("/")[2].partition("-")[0]), "okta", "d1", kind=kind, **fields
    )


def row(outcome: str, **fields: Any) -> dict[str, Any]:
    """A row of a target's history."""
    return {
        "at": 5,
        "object": "m:ana@acme.test",
        "kind": "remove",
        "change": "remove ana",
        "outcome": outcome,
    } | fields


def test_order() -> None:
    """By the time and number in Redis; of one moment an event is before what it led to."""
    past = Past(
        {each: event(each) for each in ("okta/7-0", "okta/5-10", "okta/5-9")},
        calls=[
            ("docs", "5-0", row("parked")),
            ("docs", "6-0", row("approved", at=1)),
            ("docs", "10-0", row("done")),
        ],
    )
    assert [entry.id for entry in make_timeline(past, Filter()).entries] == [
        "okta/5-9", "okta/5-10", "docs/5-0", "docs/6-0", "okta/7-0", "docs/10-0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "sort"),
    [
        ("done", "call"), ("requested", "call"), ("failed", "call"), ("gone", "call"),
        ("parked", "decision"), ("released", "decision"), ("dead", "decision"),
        ("approved", "action"), ("rejected", "action"), ("retried", "action"), ("replayed", "action"),
    ],
)  # fmt: skip
def test_sorts(outcome: str, sort: str) -> None:
    """Calls, decisions of the guard and the worker, and what people did."""
    [entry] = make_timeline(Past(calls=[("docs", "5-0", row(outcome))]), Filter()).entries
    assert (entry.sort, entry.outcome, entry.target) == (sort, outcome, "docs")


def test_a_row_of_an_older_version() -> None:
    """Lacks what was not written then."""
    [entry] = make_timeline(
        Past(calls=[("docs", "5-0", {"at": 5, "object": "m:a", "outcome": "done"})]), Filter()
    ).entries
    assert (entry.kind, entry.text, entry.event, entry.status) == ("", "", "", 0)


def test_older() -> None:
    """Whether there is more before: left out by the limit, or never read."""
    calls = [("docs", f"{number}-0", row("done")) for number in range(1, 4)]
    assert not make_timeline(Past(calls=calls), Filter(limit=3)).older
    assert make_timeline(Past(calls=calls, left_out=True), Filter(limit=3)).older
    cut = make_timeline(Past(calls=calls), Filter(limit=2))
    assert ([entry.id for entry in cut.entries], cut.older) == (["docs/2-0", "docs/3-0"], True)


def test_sources_are_those_of_events() -> None:
    """Calls are of no source, and events of no target."""
    past = Past({"okta/1-0": event("okta/1-0")}, calls=[("docs", "5-0", row("done"))])
    shown = make_timeline(past, Filter(sources=frozenset({"hr"}), targets=frozenset({"docs"}))).entries
    assert [entry.id for entry in shown] == ["docs/5-0"]
    assert [entry.id for entry in make_timeline(past, Filter(targets=frozenset({"other"}))).entries] == [
        "okta/1-0"
    ]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (event("o/1-0", user=UserNews("u1", "ana@acme.test", False)), "ana@acme.test inactive"),
        (event("o/1-0", user=UserNews("u1", "ana@acme.test", True)), "ana@acme.test active"),
        (event("o/1-0", user=UserNews("u1")), "user u1"),
        (
            event("o/1-0", "group.user_added", user=UserNews("u1"), group=GroupNews("g1", "Writers")),
            "user u1 to group Writers",
        ),
        (
            event("o/1-0", "group.user_removed", user=UserNews("u1"), group=GroupNews("g1")),
            "user u1 from group g1",
        ),
        (
            event("o/1-0", "group.updated", group=GroupNews("g1", "Writers", ("u1",))),
            "group Writers with 1 member(s)",
        ),
        (event("o/1-0"), ""),
    ],
)
def test_an_event_in_words(told: LoggedEvent, words: str) -> None:
    """Whom it is about, and what it tells."""
    assert describe_event(told) == words


def test_the_newest_event() -> None:
    """By its id in the stream, a number and not a text."""
    found = {ident: event(ident) for ident in ("okta/9-0", "okta/10-2", "okta/10-10", "hr/11-0")}
    assert newest_event(found, lambda each: each.id.startswith("okta")) == "okta/10-10"
    assert newest_event(found, lambda _: False) == ""
