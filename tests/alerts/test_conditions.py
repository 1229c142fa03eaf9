"""What holds: pure, on a clock that is a number."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.alerts.conditions import (
    CLOCKS,
    DIRECTORY,
    JOURNAL,
    SOURCE,
    STUCK_AFTER,
    TARGET,
    WELL_AFTER,
    Condition,
    Found,
    Seen,
    Subject,
    find,
)
from bridge.alerts.reading import REFUSED_WINDOW, Reading
from bridge.operators.health import ApiHealth, Health, JournalHealth, SourceHealth, TargetHealth
from bridge.operators.orphans import DirectoryHealth
from bridge.settings import CONDITION_KINDS, AlertSettings, parse_settings
from bridge.store.front import FrontNews, Refusals

NOW, SECOND, MINUTE, HOUR, DAY = 1_790_000_000_000, 1000, 60_000, 3_600_000, 86_400_000
DOCS, OKTA, LOG = Subject(TARGET, "docs"), Subject(SOURCE, "okta"), Subject(JOURNAL)


def told(on: Any = CONDITION_KINDS, after: str = "15m") -> AlertSettings:
    """Who is told."""
    raw = {"name": "ops", "kind": "slack", "url": "https://h", "on": on, "unavailable_after": after}
    return parse_settings({"alerts": [raw]}, Path("/nowhere/bridge.toml")).alerts[0]


class Watcher:
    """Looks again and again, and remembers what it is to."""

    def __init__(self, alert: AlertSettings | None = None, silent: int = 7 * DAY) -> None:
        self.alert, self.silent_after = alert or told(), silent / 1000
        self.seen: Mapping[str, Seen] = {}
        self.found = Found()

    def look(
        self,
        at: int = NOW,
        *,
        target: TargetHealth | None = None,
        front: FrontNews | None = None,
        api: ApiHealth | None = None,
        journal: JournalHealth | None = None,
        directories: Mapping[str, DirectoryHealth] | None = None,
        clocks: Mapping[str, float] | None = None,
        **reading: Any,
    ) -> list[Condition]:
        """Look at an installation that is well apart from what is given; return what holds."""
        source = SourceHealth("okta", front or FrontNews(delivered=at), api, self.silent_after)
        targets, log = {"docs": target or healthy()}, journal or JournalHealth()
        health = Health(at, log, 1, targets, {"okta": source}, directories or {}, clocks or {})
        self.found = find(Reading(health, **reading), self.alert, self.seen)
        self.seen = self.found.seen
        return list(self.found.conditions.values())


def healthy(state: str = "ok", since: int = 0) -> TargetHealth:
    """The target in a state."""
    return TargetHealth("docs", "apply", state=state, since=since)


def refused(count: int, at: int) -> FrontNews:
    """What the receivers tell: that a delivery came just now, and refusals."""
    return FrontNews(NOW, Refusals(count, at, "no secret matches"))


def test_all_is_well() -> None:
    """Nothing holds, and everything was looked at."""
    watcher = Watcher()
    ended = DirectoryHealth("okta:old", ended="deleted")
    assert watcher.look(directories={"okta": DirectoryHealth("okta", ("okta",)), "okta:old": ended}) == []
    kinds = {key.partition(":")[0] for key in watcher.found.watched}
    assert kinds == set(CONDITION_KINDS)


def test_items_are_told_by_their_digests() -> None:
    """Since when the first of them is there."""
    parked, dead = {"docs": {"a": NOW - 5, "b": NOW - 9}}, {"docs": {"c": NOW}}
    assert Watcher().look(parked=parked, dead=dead) == [
        Condition("parked", DOCS, NOW - 9, 2, frozenset({"a", "b"})),
        Condition("dead", DOCS, NOW, 1, frozenset({"c"})),
    ]


@pytest.mark.parametrize(("since", "known"), [(0, NOW), (NOW - HOUR, NOW - HOUR)])
def test_rejected_credentials_hold_at_once(since: int, known: int) -> None:
    """Since the target says so, or since it was first seen."""
    target = healthy("credentials_rejected", since)
    assert Watcher().look(target=target) == [Condition("rejected", DOCS, known)]


def test_an_outage_says_nothing_of_credentials() -> None:
    """A token that was rejected counts as rejected until the target is well for a while."""
    watcher = Watcher()
    watcher.look(target=healthy("credentials_rejected"))
    assert watcher.look(NOW + HOUR, target=healthy("unavailable")) == [Condition("rejected", DOCS, NOW)]
    assert watcher.look(NOW + HOUR + WELL_AFTER - 1)
    assert watcher.look(NOW + HOUR + WELL_AFTER) == []


def test_an_outage_holds_once_it_lasts() -> None:
    """One that comes again within a minute goes on; a later one begins anew."""
    watcher, down = Watcher(), healthy("unavailable")
    assert watcher.look(target=down) == []
    assert watcher.look(NOW + 10 * MINUTE, target=down) == []
    watcher.look(NOW + 10 * MINUTE + WELL_AFTER - 1)
    assert watcher.look(NOW + 15 * MINUTE, target=down) == [Condition("unavailable", DOCS, NOW)]
    watcher.look(NOW + 16 * MINUTE)
    assert watcher.look(NOW + 16 * MINUTE, target=down) == []


def test_the_api_behind_a_source_is_looked_at_likewise() -> None:
    """Its token, and whether it answers."""
    watcher = Watcher(told(after="0s"))
    assert watcher.look(api=ApiHealth("credentials_rejected")) == [Condition("rejected", OKTA, NOW)]
    watcher = Watcher(told(after="0s"))
    assert watcher.look(api=ApiHealth("unavailable")) == [Condition("unavailable", OKTA, NOW)]
    assert Watcher().look(api=ApiHealth("not_configured")) == []


def test_nobody_knows_how_a_paused_target_is_doing() -> None:
    """What is known of it stays as it was."""
    watcher = Watcher()
    watcher.look(target=healthy("unavailable"))
    before = dict(watcher.seen)
    assert watcher.look(NOW + DAY, target=healthy("paused")) == []
    assert watcher.found.unsure == {"rejected:target:docs", "unavailable:target:docs"}
    assert watcher.seen["unavailable:target:docs"] == before["unavailable:target:docs"]


def test_silence_counts_from_the_last_delivery() -> None:
    """Until there is one."""
    watcher, front = Watcher(silent=2 * DAY), FrontNews(delivered=NOW)
    assert watcher.look(NOW + 2 * DAY - 1, front=front) == []
    assert watcher.look(NOW + 2 * DAY, front=front) == [Condition("silent", OKTA, NOW, 1)]
    assert watcher.look(NOW + 2 * DAY, front=FrontNews(delivered=NOW + DAY)) == []


def test_a_source_that_never_delivered_counts_from_when_it_was_first_seen() -> None:
    """So a new one has its time."""
    watcher = Watcher(silent=2 * DAY)
    assert watcher.look(front=FrontNews()) == []
    assert watcher.look(NOW + 2 * DAY, front=FrontNews()) == [Condition("silent", OKTA, NOW, 0)]


def test_a_source_may_be_silent_for_ever() -> None:
    """With `silent_after = "0s"`."""
    watcher = Watcher(silent=0)
    assert watcher.look(NOW, front=FrontNews()) == watcher.look(NOW + 999 * DAY, front=FrontNews()) == []


def test_refusals_are_counted_from_the_first_look() -> None:
    """The receivers count on and on; only what is new belongs to what holds."""
    watcher = Watcher()
    assert watcher.look(front=refused(57, NOW - HOUR)) == []
    assert watcher.look(front=refused(60, NOW)) == [Condition("refused", OKTA, NOW, 3)]
    assert watcher.look(NOW + MINUTE, front=refused(64, NOW + MINUTE))[0].number == 7
    quiet = NOW + MINUTE + REFUSED_WINDOW
    assert watcher.look(quiet - 1, front=refused(64, NOW + MINUTE))[0].number == 7
    assert watcher.look(quiet, front=refused(64, NOW + MINUTE)) == []
    assert watcher.seen["refused:source:okta"].number == 7
    assert watcher.look(quiet + 5, front=refused(65, quiet + 5)) == [Condition("refused", OKTA, quiet + 5, 1)]


def test_the_first_look_finds_refusals() -> None:
    """How many of them are new it cannot know: at least one."""
    assert Watcher().look(front=refused(57, NOW - MINUTE)) == [Condition("refused", OKTA, NOW - MINUTE, 1)]


def test_what_could_not_be_read_is_refused_too() -> None:
    """Each once, however long it stays in sight."""
    watcher, front = Watcher(), FrontNews(NOW)
    watcher.look(front=front)
    unread = (NOW + 1, NOW + 2)
    assert watcher.look(NOW + 5, front=front, unread={"okta": unread})[0].number == 2
    assert watcher.look(NOW + 9, front=front, unread={"okta": (*unread, NOW + 8)})[0].number == 3


def test_a_counter_that_begins_again_is_no_refusal_less() -> None:
    """As after a Redis without its data."""
    watcher = Watcher()
    watcher.look(front=refused(57, NOW))
    assert watcher.look(NOW + 1, front=refused(1, NOW + 1))[0].number == 1


def test_events_are_stuck_when_the_oldest_stays() -> None:
    """A long queue that gets shorter is not."""
    watcher = Watcher()
    waits = JournalHealth(accepted=12, folded=5, oldest_pending=NOW - DAY)
    assert watcher.look(journal=waits) == []
    moves = JournalHealth(accepted=12, folded=6, oldest_pending=NOW - HOUR)
    assert watcher.look(NOW + STUCK_AFTER, journal=moves) == []
    assert watcher.look(NOW + 2 * STUCK_AFTER, journal=moves) == [
        Condition("stuck", LOG, NOW + STUCK_AFTER, 6)
    ]
    assert watcher.look(NOW + 2 * STUCK_AFTER) == []


def test_clocks_that_differ_are_told_until_they_agree_for_a_minute() -> None:
    """With how many processes run by one; up to two seconds count as none."""
    watcher, clocks = Watcher(), Subject(CLOCKS)
    assert watcher.look(clocks={"worker a": 1.9, "receiver b": -1.9}) == []
    wrong = {"worker a": 86_400.0, "receiver b": -3.0, "worker c": 0.0}
    assert watcher.look(clocks=wrong) == [Condition("clock", clocks, NOW, 2)]
    assert watcher.look(NOW + WELL_AFTER - 1) == [Condition("clock", clocks, NOW, 2)]
    assert watcher.look(NOW + WELL_AFTER) == []


def test_what_was_remembered_by_a_wrong_clock_does_not_hold_on() -> None:
    """A look a day ahead saw an outage; it is over a minute after the clock is right, not tomorrow."""
    watcher = Watcher(told(after="0s"))
    watcher.look(NOW + DAY, target=healthy("unavailable"))
    assert watcher.look(NOW) == [Condition("unavailable", DOCS, NOW)]
    assert watcher.look(NOW + WELL_AFTER) == []


def test_only_what_the_alert_is_on_is_looked_at() -> None:
    """The rest is neither found nor remembered."""
    watcher = Watcher(told(on=["dead"]))
    assert watcher.look(parked={"docs": {"a": NOW}}, front=refused(1, NOW)) == []
    assert watcher.found.watched == {"dead:target:docs"}
    assert not watcher.seen


def test_a_connection_that_ended_is_told_while_somebody_is_active_in_it() -> None:
    """Until it tells something again, or was let go."""
    watcher, old = Watcher(), Subject(DIRECTORY, "okta:old")
    ended = {"okta:old": DirectoryHealth("okta:old", (), 3, ("docs",), "deleted")}
    assert watcher.look(directories=ended) == [Condition("ended", old, NOW, 3)]
    assert (
        watcher.look(NOW + DAY, directories={"okta:old": DirectoryHealth("okta:old", ended="deleted")}) == []
    )
    assert "ended:directory:okta:old" in watcher.found.watched


def test_a_directory_without_a_source_is_told_while_somebody_is_active_in_it() -> None:
    """Since it was seen, with how many they are."""
    watcher, okta = Watcher(), Subject(DIRECTORY, "okta")
    silent = {"okta": DirectoryHealth("okta", (), 3, ("docs",))}
    assert watcher.look(directories=silent) == [Condition("orphaned", okta, NOW, 3)]
    assert watcher.look(NOW + HOUR, directories=silent) == [Condition("orphaned", okta, NOW, 3)]
    assert watcher.look(NOW + DAY, directories={"okta": DirectoryHealth("okta", ("okta",))}) == []
    assert "orphaned:directory:okta" in watcher.found.watched
