"""The ledgers in Redis."""

from bridge.alerts.conditions import TARGET, Seen, Subject
from bridge.alerts.ledger import Failure, Ledger
from bridge.alerts.messages import NEW, Message
from bridge.store.alerts import AlertStore, failing_since
from bridge.store.redis import Store

SAID = Message("msg_1", "parked:target:docs", "parked", Subject(TARGET, "docs"), NEW, 5, "held", 4, 2, 1,
               frozenset({"a", "b"}), 3)  # fmt: skip
FULL = Ledger(
    {SAID.key: SAID}, {"dead:target:docs": SAID}, {"refused:source:okta": Seen(1, 2, 3, 4)},
    Failure(1, 2, 3, "it answered 503"),
)  # fmt: skip


async def change(store: AlertStore, before: Ledger, after: Ledger) -> int:
    """Make a ledger another; how many commands that took."""
    commands = store.save(before, after)
    await store.store.calls(commands)
    return len(commands)


async def test_a_ledger_is_read_as_it_was_written(store: Store) -> None:
    """All of it; of another receiver nothing."""
    ops = AlertStore(store, "ops")
    assert await ops.read() == Ledger()
    assert await change(ops, Ledger(), FULL) == 1
    assert await ops.read() == FULL
    assert await AlertStore(store, "chat").read() == Ledger()


async def test_only_what_changes_is_written(store: Store) -> None:
    """And what is gone is taken away."""
    ops = AlertStore(store, "ops")
    await change(ops, Ledger(), FULL)
    assert ops.save(FULL, FULL) == []
    less = Ledger({}, FULL.sending, {"refused:source:okta": Seen(1, 2, 3, 5)})
    assert await change(ops, FULL, less) == 2
    assert await ops.read() == less


async def test_who_cannot_be_reached(store: Store) -> None:
    """Since when; one of whom nothing is known can."""
    await change(AlertStore(store, "ops"), Ledger(), FULL)
    await change(AlertStore(store, "chat"), Ledger(), Ledger(FULL.said))
    assert await failing_since(store, ["ops", "chat", "new"]) == {"ops": 1, "chat": 0, "new": 0}
    assert await failing_since(store, []) == {}


async def test_it_is_kept_while_somebody_looks(store: Store) -> None:
    """A receiver that was taken out of the configuration is forgotten in time."""
    ops = AlertStore(store, "ops")
    await change(ops, Ledger(), FULL)
    await store.calls([ops.keep()])
    assert 29 * 86400 < await store.call("TTL", ops.key) <= 30 * 86400
