"""The history of a target, and the evidence."""

from collections.abc import Iterable

import pytest

from bridge.settings import RetentionSettings
from bridge.store import history as module
from bridge.store.audit import Audit, Deed
from bridge.store.commit import Transaction
from bridge.store.history import History
from bridge.store.mirror import Command
from bridge.store.redis import Store
from bridge.store.targets import TargetStore

ANA, BO = "m:ana@acme.test", "m:bo@acme.test"


@pytest.fixture
def past(store: Store) -> History:
    """The history of one target."""
    return History(TargetStore(store, "gitbook-acme-1"), RetentionSettings.model_validate({"history": "60s"}))


async def run(store: Store, commands: Iterable[Command]) -> None:
    """Run commands in a transaction."""
    transaction = Transaction(store)
    transaction.add_all(commands)
    assert await transaction.run()


async def test_rows_are_found_by_time_and_by_object(store: Store, past: History) -> None:
    """All of them the newest first, those of one object in order, with their ids."""
    rows = [{"object": ANA, "n": 1}, {"object": BO, "n": 2}, {"object": ANA, "n": 3}]
    await run(store, map(past.record, rows))
    assert await past.rows(10) == rows[::-1]
    assert await past.rows(1) == rows[2:]
    found = await past.of(ANA)
    assert [row for _, row in found] == [rows[0], rows[2]]
    assert [ident for ident, _ in found] == await store.call("LRANGE", past.rows_key(ANA), 0, -1)
    assert await past.of("m:nobody@acme.test") == []


async def test_only_the_last_rows_of_an_object_are_found_by_it(
    store: Store, past: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of an object stays short, and ends with what it leads to; the rows themselves stay."""
    monkeypatch.setattr(module, "MOST_OF_AN_OBJECT", 2)
    await run(store, [past.record({"object": ANA, "n": number}) for number in range(5)])
    assert [row["n"] for _, row in await past.of(ANA)] == [3, 4]
    assert len(await past.rows(10)) == 5
    assert 0 < await store.call("TTL", past.rows_key(ANA)) <= 60


async def test_what_was_trimmed_is_not_found_by_its_object(store: Store, past: History) -> None:
    """An id whose row is gone leads nowhere."""
    await run(store, [past.record({"object": ANA, "n": 1}), past.record({"object": ANA, "n": 2})])
    await store.call("XTRIM", past.key, "MAXLEN", 1)
    assert [row["n"] for _, row in await past.of(ANA)] == [2]


async def test_evidence_is_in_the_history_too(store: Store, past: History) -> None:
    """Other rows are in the history only."""
    proven, other = {"object": ANA, "n": 1}, {"object": ANA, "n": 2}
    await run(store, [*past.prove(proven), past.record(other)])
    assert await past.rows(9) == [other, proven]
    assert await past.evidence(9) == [proven]


async def test_deeds(store: Store) -> None:
    """What operators did, by time, the newest first; what is old enough is forgotten."""
    audit = Audit(store)
    deeds = [
        Deed(1, "ana", "paused", "docs"),
        Deed(2, "bo", "retried", "docs", BO, "invite", "why", {"n": 1}),
    ]
    await run(store, map(audit.write, deeds))
    rows = await audit.read()
    assert [deed for _, deed in rows] == deeds[::-1]
    at = int(rows[1][0].partition("-")[0])
    assert await audit.read(since=at + 3_600_000) == []
    assert await audit.read(until=at) == []
    assert await audit.read(most=1) == rows[:1]
    await audit.trim(at + 3_600_000)
    assert await audit.read() == []
