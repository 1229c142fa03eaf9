"""How far a list was read, as it is kept."""

from bridge.store.commit import Transaction
from bridge.store.listings import KEPT_MS, Listing, ListingStore, read_listings
from bridge.store.redis import Store
from bridge.store.targets import TargetStore

AT = 1_769_851_800_000
NEW = Listing("members", "members")


async def write(store: Store, commands: list[tuple[object, ...]]) -> None:
    """Run them."""
    transaction = Transaction(store)
    transaction.add_all(commands)
    assert await transaction.run()


def test_pages_are_counted() -> None:
    """The first page and the length of the list tell how many there are; the last one is always right."""
    first = NEW.after(1000, "a", 19_500, AT)
    assert (first.page, first.pages, first.pages_left, first.complete) == (1, 20, 19, False)
    assert first.describe() == "reading 1 of 20 pages of the members"
    second = first.after(1000, "b", 19_500, AT + 5)
    assert (second.began, second.newest_at, second.read_at, second.id) == (AT, AT, AT + 5, first.id)
    last = second.after(200, None, 19_500, AT + 9)
    assert (last.page, last.pages, last.pages_left, last.complete) == (3, 3, 0, True)


def test_a_list_whose_length_is_not_told() -> None:
    """Then it is as long as it was the last time; where that is not known, nothing is claimed."""
    first = NEW.after(1000, "a", None, AT)
    assert (first.pages, first.describe()) == (0, "reading the members: 1 page(s) so far")
    known = Listing("members", "members", pages=2).after(1000, "a", None, AT)
    assert known.pages == 2
    assert known.after(1000, "b", None, AT).pages == 3


def test_cursors_that_lead_back() -> None:
    """To the page itself, or to any before it."""
    read = NEW.after(2, "a", None, AT).after(2, "b", None, AT).after(2, "c", None, AT)
    assert [read.repeats(cursor) for cursor in ("a", "b", "c", "d", None)] == [True, True, True, False, False]


def test_it_is_of_use_for_ten_minutes_after_it_could_be_gone_on_with() -> None:
    """A limit that is waited out does not count."""
    listing = NEW.after(2, "a", None, AT)
    assert listing.alive(AT + KEPT_MS)
    assert not listing.alive(AT + KEPT_MS + 1)
    waiting = Listing("members", "members", read_at=AT, resumes_at=AT + 3_600_000)
    assert waiting.alive(AT + 3_600_000 + KEPT_MS)


async def test_rows_are_kept(store: Store) -> None:
    """Until the list is begun again; they and how far it was read expire."""
    lists = ListingStore(TargetStore(store, "t1"))
    first = NEW.after(2, "a", None, AT)
    await write(store, lists.keep(first, {"ana": [1], "bo": [2]}))
    second = first.after(2, None, None, AT)
    await write(store, lists.keep(second, {"bo": [3], "=": [4], "!m:ana": [5]}))
    assert read_listings(await store.call("HGETALL", lists.key)) == {"members": second}
    assert await lists.rows(second, ["ana", "bo", "cy"]) == {"ana": [1], "bo": [3]}
    assert await lists.all_rows(second) == {"ana": [1], "bo": [3], "=": [4], "!m:ana": [5]}
    assert await lists.changed(second, ["m:ana", "m:bo"]) == set()
    await write(store, lists.note_changed(second, ["m:ana"]))
    assert await lists.changed(second, ["m:ana", "m:bo"]) == {"m:ana"}
    assert 0 < await store.call("PTTL", lists.rows_key("members")) <= 2 * KEPT_MS
    assert await store.call("PTTL", lists.key) > 0
    again = NEW.after(1, "a", None, AT)
    await write(store, lists.keep(again, {"cy": [6]}))
    assert await lists.rows(second, ["ana"]) is None
    assert await lists.all_rows(again) == {"cy": [6]}
    assert await lists.changed(again, ["m:ana"]) == set()


async def test_rows_that_have_expired_are_no_empty_list(store: Store) -> None:
    """Else everybody would be absent."""
    lists = ListingStore(TargetStore(store, "t1"))
    listing = NEW.after(2, "a", None, AT)
    await write(store, lists.keep(listing, {"ana": [1]}))
    await store.call("DEL", lists.rows_key("members"))
    assert await lists.rows(listing, ["ana"]) is None
    assert await lists.all_rows(listing) is None
    await write(store, lists.note_changed(listing, ["m:ana"]))
    assert await lists.rows(listing, ["ana"]) is None
    await write(store, lists.drop("members"))
    assert await store.call("EXISTS", lists.key, lists.rows_key("members")) == 0
