"""Which events told of whom."""

import pytest

from bridge.directory.events import DirectoryEvent, EventName, GroupNews, UserNews
from bridge.store import told as module
from bridge.store.commit import Transaction
from bridge.store.redis import Store
from bridge.store.told import GROUP, USER, Event, Told


def event(ident: str, user: str = "", group: str = "") -> Event:
    """An event about them."""
    news = UserNews(user) if user else None
    return ident, DirectoryEvent(EventName.USER_ADDED, 1, news, GroupNews(group) if group else None)


async def note(store: Store, *events: Event) -> Told:
    """Note a batch of events of a directory."""
    told, transaction = Told(store, "okta"), Transaction(store)
    transaction.add_all(told.note(events, await told.last(events)))
    assert await transaction.run()
    return told


async def test_events_are_found_by_whom_they_tell_of(store: Store) -> None:
    """A membership tells of a user and of a group; a user and a group of one id are two."""
    await note(store, event("1-0", "u1", "x1"), event("2-0", "x1"))
    told = await note(store, event("3-0", "u1"), event("4-0", group="x1"), event("5-0", "u1"))
    assert await told.ids(USER, "u1") == ["1-0", "3-0", "5-0"]
    assert await told.ids(GROUP, "x1") == ["1-0", "4-0"]
    assert await told.ids(USER, "x1") == ["2-0"]
    assert await told.ids(USER, "u2") == []
    assert await Told(store, "polis").ids(USER, "u1") == []


async def test_only_the_last_are_looked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much was told of one group."""
    monkeypatch.setattr(module, "MOST_EVENTS", 3)
    for start in (1, 4, 7):
        told = await note(store, *(event(f"{start + number}-0", group="g1") for number in range(3)))
    assert await told.ids(GROUP, "g1") == ["7-0", "8-0", "9-0"]


async def test_a_chain_ends_where_the_journal_was_trimmed(store: Store) -> None:
    """What leads to events that are gone goes as well."""
    for ident in ("1-0", "2-0", "3-0"):
        told = await note(store, event(ident, "u1"))
    await store.call(*told.trim("3-0"))
    assert await told.ids(USER, "u1") == ["2-0", "3-0"]
    assert await store.call("XLEN", told.before_key) == 1


async def test_forgotten(store: Store) -> None:
    """Of who is forgotten no event is found; of others all."""
    told = await note(store, event("1-0", "u1", "g1"))
    transaction = Transaction(store)
    transaction.add_all(told.forget(USER, ["u1"]))
    assert await transaction.run()
    assert (await told.ids(USER, "u1"), await told.ids(GROUP, "g1")) == ([], ["1-0"])


async def test_nothing_told(store: Store) -> None:
    """No event, no command."""
    told = Told(store, "okta")
    assert await told.last([]) == {}
    assert list(told.note([], {})) == []
