"""Dead letters: events that could not be folded. A person may have them tried again."""

from collections.abc import Collection, Iterator, Mapping

from bridge.store.audit import Audit, Deed
from bridge.store.commit import Transaction
from bridge.store.journal import Journal
from bridge.store.mirror import Command
from bridge.store.redis import Store

UNREADABLE = "nobody can read this row of the journal"
MOST_IN_A_ROW = 10  # more of them one behind the other are no fault of the events


def dead_letters_key(store: Store, directory: str) -> str:
    """Return the hash of why each could not be folded, by its stream id."""
    return store.key("deadletters", directory)


def note_dead_letters(store: Store, directory: str, reasons: Mapping[str, str]) -> Iterator[Command]:
    """Return the command that notes them: it goes into the transaction that moves the cursor past them."""
    if reasons:
        rows = [word for pair in sorted(reasons.items()) for word in pair]
        yield ("HSET", dead_letters_key(store, directory), *rows)


def drop_dead_letters(store: Store, directory: str, idents: Collection[str]) -> Iterator[Command]:
    """Return the command that forgets them, where they are some."""
    if idents:
        yield ("HDEL", dead_letters_key(store, directory), *idents)


async def count_dead_letters(store: Store, directories: Collection[str]) -> int:
    """Return how many there are. Raises one of STORE_ERRORS."""
    keys = [dead_letters_key(store, each) for each in directories]
    return sum(await store.calls([("HLEN", key) for key in keys]))


async def are_many(store: Store, directory: str, cursor: str) -> bool:
    """Tell whether the last MOST_IN_A_ROW events up to the cursor all are dead letters."""
    rows = await store.call("XREVRANGE", Journal(store).key(directory), cursor, "-", "COUNT", MOST_IN_A_ROW)
    if len(rows) < MOST_IN_A_ROW:
        return False
    found = await store.call("HMGET", dead_letters_key(store, directory), *(ident for ident, _ in rows))
    return all(reason is not None for reason in found)


async def fold_again(store: Store, directory: str, ident: str, deed: Deed) -> bool:
    """Put a dead letter behind all other events, to be folded; False where it is none any more.

    `deed`: is written down with it. Raises one of STORE_ERRORS.
    """
    journal, notes = Journal(store), dead_letters_key(store, directory)
    reason, rows = await store.calls([
        ("HGET", notes, ident), ("XRANGE", journal.key(directory), ident, ident),
    ])  # fmt: skip
    if reason is None:
        return False
    transaction = Transaction(store)
    transaction.require_field(notes, ident, reason)
    transaction.add("HDEL", notes, ident)
    for _, fields in rows:
        words = [word for pair in fields.items() for word in pair]
        transaction.add("XADD", journal.key(directory), "*", *words)
        transaction.add("XDEL", journal.key(directory), ident)
        transaction.add("HINCRBY", store.key("counters"), "accepted", 1)
        transaction.add("RING", "fold", directory, deed.at)
    transaction.add(*Audit(store).write(deed))
    return await transaction.run()
