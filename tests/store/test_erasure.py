"""The keyed hash that stands for somebody, and texts without them."""

import asyncio
import re

from bridge.directory.events import DirectoryEvent, EventName, GroupNews, UserNews
from bridge.store.erasure import Marker, Scrub, open_marker, put_erased, read_erased
from bridge.store.redis import Store

ANA = "ana@acme.test"
MARKER = Marker("ab" * 32)


def test_the_hash_is_keyed() -> None:
    """The same for the same address and key; another key, or another address, makes another."""
    mark = MARKER.person(ANA)
    assert re.fullmatch(r"erased-[0-9a-f]{32}", mark)
    assert mark == Marker("ab" * 32).person(ANA)
    assert len({mark, Marker("cd" * 32).person(ANA), MARKER.person("bo@acme.test")}) == 3
    assert MARKER.user(ANA) not in mark


async def test_the_key_is_made_once(store: Store) -> None:
    """Whoever comes first, by chance; it does not end."""
    markers = await asyncio.gather(*(open_marker(store) for _ in range(5)))
    assert len({each.person(ANA) for each in markers}) == 1
    assert await store.call("TTL", store.key("erasure")) == -1
    assert len(bytes.fromhex(await store.call("GET", store.key("erasure")))) == 32


def test_addresses_are_found_whole() -> None:
    """In any case, at any place in a sentence; not within a longer address."""
    scrub, mark = Scrub(MARKER, [ANA], ["0123456789"]), MARKER.person(ANA)
    assert scrub.clean(f"remove member {ANA}") == f"remove member {mark}"
    assert scrub.clean(f"m:{ANA}") == f"m:{mark}"
    assert scrub.clean("Ana@ACME.test, please.") == f"{mark}, please."
    assert scrub.clean(f"She was {ANA}.") == f"She was {mark}."
    for other in (
        "diana@acme.test",
        f"{ANA}.example",
        "x.ana@acme.test",
        "ana@acme.tests",
        "a+ana@acme.test",
    ):
        assert not scrub.finds(other), other
    assert scrub.clean("0123456789 of team 01234567890") == "erased of team 01234567890"


def test_json_is_cleaned_inside() -> None:
    """Names of fields, too; what has nothing to clean is the very same text, and so is what is no JSON."""
    scrub, mark = Scrub(MARKER, [ANA]), MARKER.person(ANA)
    assert (
        scrub.clean_json(f'{{"a": ["{ANA}", 1, null], "{ANA}": {{}}}}')
        == f'{{"a":["{mark}",1,null],"{mark}":{{}}}}'
    )
    same = '{ "a":  "bo@acme.test" }'
    assert scrub.clean_json(same) is same
    assert scrub.clean_json(f"no json, {ANA}") == f"no json, {mark}"
    assert Scrub(MARKER, []).clean_json(f'"{ANA}"') == f'"{ANA}"'


def news(ident: str, stamp: int) -> DirectoryEvent:
    """An event about a user."""
    return DirectoryEvent(EventName.USER_UPDATED, stamp, UserNews(ident))


async def test_what_is_not_newer_is_covered(store: Store) -> None:
    """Of that user of that directory; their ids are not in what is kept, which ends by itself."""
    assert not (await read_erased(store, "okta")).covers(news("00u1", 1))
    assert not await store.call("EXISTS", store.key("erasure")), "no key without anybody erased"
    marker = await open_marker(store)
    await store.calls(list(put_erased(store, "okta", {"00u1": 5}, marker, 60)))
    erased = await read_erased(store, "okta")
    told = [erased.covers(news(*each)) for each in (("00u1", 4), ("00u1", 5), ("00u1", 6), ("00u2", 4))]
    assert told == [True, True, False, False]
    group = DirectoryEvent(EventName.GROUP_UPDATED, 1, None, GroupNews("00u1"))
    assert not erased.covers(group)
    assert not (await read_erased(store, "polis")).covers(news("00u1", 4))
    assert "00u1" not in str(await store.call("HGETALL", store.key("erased", "okta")))
    assert 0 < await store.call("TTL", store.key("erased", "okta")) <= 60
