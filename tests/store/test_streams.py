"""Streams that lose rows, or get others in their place, while somebody adds to them."""

from typing import Any

import pytest

from bridge.store.redis import Store
from bridge.store.streams import Fields, Revision, carry_out, revise


async def fill(store: Store, count: int) -> str:
    """A stream of numbers."""
    key = store.key("numbers")
    await store.calls([("XADD", key, f"{number}-0", "n", number) for number in range(1, count + 1)])
    return key


async def rows(store: Store, key: str) -> list[tuple[str, str]]:
    """What is in it."""
    return [(ident, fields["n"]) for ident, fields in await store.call("XRANGE", key, "-", "+")]


def even(fields: Fields) -> Fields | None:
    """No number that three divides; even ones ten times as large."""
    number = int(fields["n"])
    if number % 3 == 0:
        return None
    return {"n": str(number * 10)} if number % 2 == 0 else fields


async def test_rows_go_and_change_in_their_places(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids stay, and the next one is behind all that were ever given."""
    monkeypatch.setattr("bridge.store.streams.SLICE", 2)
    key = await fill(store, 9)
    revision = await revise(store, key, even)
    assert len(revision) == 6
    assert len(await rows(store, key)) == 9, "looking writes nothing"
    await carry_out(store, revision)
    assert await rows(store, key) == [
        (f"{n}-0", str(n * 10 if n % 2 == 0 else n)) for n in (1, 2, 4, 5, 7, 8)
    ]
    assert await store.call("XINFO", "STREAM", key) != []
    with pytest.raises(Exception, match="equal or smaller"):
        await store.call("XADD", key, "9-0", "n", 9)
    assert await store.call("KEYS", f"{store.prefix}:*") == [key]
    assert await store.call("TTL", key) == -1


async def test_what_is_gone_is_gone_from_memory(store: Store) -> None:
    """Not only marked as deleted; a stream that is empty then goes on with the ids it would have given."""
    key = await fill(store, 5)
    await carry_out(store, await revise(store, key, lambda _: None, "3-0"))
    assert await rows(store, key) == [("4-0", "4"), ("5-0", "5")]
    [first, _] = await store.call("XRANGE", key, "-", "+")
    assert first[0] == "4-0"
    info = await store.call("XINFO", "STREAM", key)
    assert info[info.index("max-deleted-entry-id") + 1] == "0-0", "a new stream: nothing was deleted in it"
    await carry_out(store, await revise(store, key, lambda _: None))
    assert await rows(store, key) == []
    with pytest.raises(Exception, match="equal or smaller"):
        await store.call("XADD", key, "5-0", "n", 5)
    assert await store.call("KEYS", f"{store.prefix}:*") == [key]


async def test_nothing_to_change(store: Store) -> None:
    """Nothing is done, also where there is no such stream."""
    key = await fill(store, 2)
    await carry_out(store, await revise(store, key, lambda fields: fields))
    await carry_out(store, await revise(store, store.key("none"), lambda _: None))
    assert await store.call("KEYS", f"{store.prefix}:*") == [key]


async def test_what_is_added_meanwhile_is_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is copied and right before the copy takes its place."""
    monkeypatch.setattr("bridge.store.streams.SLICE", 2)
    key = await fill(store, 5)
    revision = await revise(store, key, even)
    call, run, added = store.call, store.run, iter(range(6, 100))

    async def busy_call(*words: Any) -> Any:
        if words[0] == "XRANGE":
            await call("XADD", key, f"{(number := next(added))}-0", "n", number)
        return await call(*words)

    async def busy_run(name: str, *args: Any) -> Any:
        await call("XADD", key, f"{(number := next(added))}-0", "n", number)
        return await run(name, *args)

    monkeypatch.setattr(store, "call", busy_call)
    monkeypatch.setattr(store, "run", busy_run)
    await carry_out(store, revision)
    monkeypatch.setattr(store, "call", call)
    last = next(added) - 1
    told = [ident for ident, _ in await rows(store, key)]
    assert told == ["1-0", "2-0", "4-0", "5-0", *(f"{number}-0" for number in range(6, last + 1))]
    assert last > 7


async def test_what_was_left_of_an_earlier_try_does_no_harm(store: Store) -> None:
    """It is thrown away, and would end by itself."""
    key = await fill(store, 3)
    await store.call("XADD", store.key("copy", key), "7-0", "n", "7")
    await store.call("PEXPIRE", key, 60_000)
    await carry_out(store, Revision(key, [], {"2-0": {"n": "x"}}))
    assert await rows(store, key) == [("1-0", "1"), ("2-0", "x"), ("3-0", "3")]
    assert 0 < await store.call("PTTL", key) <= 60_000
