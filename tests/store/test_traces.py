"""What is kept of one person; tests/operators/test_erase.py tells what comes of it."""

from bridge.plan.members import MemberBinding, State
from bridge.settings import RetentionSettings
from bridge.store.erasure import Marker
from bridge.store.history import History
from bridge.store.mirror import make_ref
from bridge.store.redis import Store
from bridge.store.targets import TargetStore
from bridge.store.traces import Traces, traces_at_target, traces_in_mirror

ANA, MARKER = "ana@acme.test", Marker("ab" * 32)


async def find(store: Store, *refs: str) -> Traces:
    """What a target has of Ana, by her address and these references."""
    target = TargetStore(store, "t")
    history = History(target, RetentionSettings())
    return await traces_at_target(target, history, {ANA}, set(refs), MARKER)


async def test_where_nothing_is_kept_nothing_is_counted(store: Store) -> None:
    """Though the commands that would erase it are there."""
    found = await find(store)
    assert (found.count, bool(found.first)) == (0, True)
    assert (await traces_in_mirror(store, "okta", {"00u1"}, {ANA})).count == 0


async def test_every_entry_is_counted_once(store: Store) -> None:
    """A field, a member of a set, a key; what takes another's place counts as one."""
    target = TargetStore(store, "t")
    await store.calls([
        ("HSET", target.key("cause"), f"m:{ANA}", "x", "m:bo@acme.test", "x"),
        ("SADD", target.key("no_sso"), ANA), ("ZADD", target.key("guard"), 5, ANA, 6, "bo@acme.test"),
        ("RPUSH", store.key("calls", "t", f"m:{ANA}"), "1-0", "2-0"),
        ("HSET", target.key("waiting"), "t:Writers", f'{{"reason":"{ANA} is not there"}}'),
    ])  # fmt: skip
    found = await find(store)
    assert found.count == 5
    await store.calls(found.first)
    assert (await find(store)).count == 0
    assert await store.call("ZRANGE", target.key("guard"), 0, -1) == [MARKER.person(ANA), "bo@acme.test"]
    assert await store.call("HKEYS", target.key("cause")) == ["m:bo@acme.test"]


async def test_whose_an_address_was_is_forgotten(store: Store) -> None:
    """Of somebody else who has it now."""
    target, hers, his = TargetStore(store, "t"), make_ref("okta", "00u1"), make_ref("okta", "00u2")
    binding = MemberBinding(State.KNOWN, "m1", holders=(hers, his))
    await store.call(*target.put_member("shared@acme.test", binding))
    await store.calls((await find(store, hers)).first)
    assert (await target.members(["shared@acme.test"]))["shared@acme.test"].holders == (his,)
