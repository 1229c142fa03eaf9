"""Directories that are being forgotten, as Redis has them."""

from bridge.store.commit import Transaction
from bridge.store.departures import Departure, begin, departures_key, read_departures
from bridge.store.redis import Store


async def put(store: Store, name: str, departure: Departure | None) -> bool:
    """Write one down."""
    transaction = Transaction(store)
    (await read_departures(store)).put(transaction, name, departure)
    return await transaction.run()


async def test_they_are_read_as_they_were_written(store: Store) -> None:
    """With the ends of those that have begun, which hold up their journals; the last one leaves no key."""
    first, second = Departure(1, "boss", "sold"), begin(Departure(2, "ana"), {"polis:x": "5-0"})
    assert await put(store, "okta", first)
    assert await put(store, "polis", second)
    departures = await read_departures(store)
    assert departures.by_name == {"okta": first, "polis": second}
    assert departures.begun == {"polis"}
    held = [departures.holds_up(each) for each in ("polis", "polis:x", "polis:y", "okta", "poli")]
    assert held == [True, True, True, False, False]
    assert await put(store, "okta", None)
    assert await put(store, "polis", None)
    assert (await read_departures(store)).by_name == {}
    assert not await store.call("EXISTS", departures_key(store))


async def test_whoever_comes_second_changes_nothing(store: Store) -> None:
    """What was read must still hold; so it must for those who only require it."""
    before = await read_departures(store)
    assert await put(store, "okta", Departure(1, "boss"))
    late, reader = Transaction(store), Transaction(store)
    before.put(late, "polis", Departure(2, "ana"))
    before.require(reader)
    reader.add("SET", store.key("x"), "1")
    assert (await late.run(), await reader.run()) == (False, False)
    assert list((await read_departures(store)).by_name) == ["okta"]
