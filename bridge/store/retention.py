"""Taking away what has been kept long enough; never what anybody still works with."""

from collections.abc import Awaitable, Callable, Collection, Iterable

import orjson

from bridge.settings import RetentionSettings
from bridge.store.commit import Transaction
from bridge.store.counts import ALL_LOSSES, INVITES, REMOVALS
from bridge.store.dead_letters import dead_letters_key
from bridge.store.journal import Journal
from bridge.store.mirror import Command
from bridge.store.redis import Store
from bridge.store.targets import GATHERING, MEMBER, TargetStore
from bridge.store.told import Told

SLICE = 1000  # rows in one script
Rows = dict[str, str]


async def trim_journal(store: Store, directory: str, before: int, most: int) -> int:
    """Take a slice of what is folded off a journal; return how many events that was.

    `before`: unix ms, what is older goes; `most`: bytes (approximate), what is over goes too.
    """
    journal = Journal(store)
    keys = journal.key(directory), journal.cursor_key(directory), dead_letters_key(store, directory)
    gone = int(await store.run("trim", *keys, before, most, SLICE))
    first = await store.call("XRANGE", journal.key(directory), "-", "+", "COUNT", 1) if gone else ()
    await store.calls([Told(store, directory).trim(ident) for ident, _ in first])
    return gone


async def trim_records(target: TargetStore, retention: RetentionSettings, now: int) -> None:
    """Take away calls and evidence that were kept long enough."""
    kept = {"history": retention.history, "evidence": retention.evidence}
    await target.store.calls(
        [("XTRIM", target.key(what), "MINID", now - int(span * 1000)) for what, span in kept.items()]
    )


async def trim_counts(target: TargetStore, start: int) -> None:
    """Take away what the guard counted before its window's `start` (unix ms)."""
    counted = (REMOVALS, INVITES, ALL_LOSSES, GATHERING)
    commands: list[Command] = [_older(target, what, start) for what in counted]
    commands += await _sizes(target, start)
    commands += await _losses(target, start)
    await _run(target.store, commands)


def _older(target: TargetStore, what: str, start: int) -> Command:
    return ("ZREMRANGEBYSCORE", target.key(what), "-inf", f"({start}")


async def _sizes(target: TargetStore, start: int) -> list[Command]:
    """Of the target's former sizes the last one before the window tells how large it was at its start."""
    key = target.key("sizes")
    rows = await target.store.call("ZREVRANGEBYSCORE", key, start, "-inf", "WITHSCORES", "LIMIT", 0, 1)
    return [("ZREMRANGEBYSCORE", key, "-inf", f"({rows[1]}")] if rows else []


async def _losses(target: TargetStore, start: int) -> list[Command]:
    """Every team that lost somebody has its size noted: without losses since, that is not needed either."""
    sizes: Rows = await target.store.call("HGETALL", target.key("teamsizes"))
    names = [f"losses:{team}" for team in sizes]
    lost = await target.store.calls([("ZCOUNT", target.key(name), start, "+inf") for name in names])
    over = [
        team
        for team, count in zip(sizes, lost, strict=True)
        if not count and int(sizes[team].partition(":")[0]) < start
    ]
    commands = [_older(target, name, start) for name in names]
    return commands + [("FORGET", target.key("teamsizes"), team, sizes[team]) for team in over]


async def forget(
    target: TargetStore, what: str, cursor: int, stale: Callable[[Rows], Awaitable[Collection[str]]]
) -> int:
    """Walk one slice of a hash and forget what is stale, unless it changes meanwhile.

    Returns where the next slice begins, 0 at the end.
    """
    key = target.key(what)
    following, rows = await target.store.call("HSCAN", key, cursor, "COUNT", SLICE)
    gone = await stale(rows) if rows else ()
    await _run(target.store, [("FORGET", key, name, rows[name]) for name in gone])
    return int(following)


async def held_objects(target: TargetStore) -> set[str]:
    """Return what, and who, waits for a person's approval."""
    parked = (await target.parked()).values()
    return {each.object for each in parked} | {MEMBER + email for each in parked for email in each.emails}


async def stale_causes(target: TargetStore, held: Collection[str], rows: Rows) -> list[str]:
    """Return the objects that nothing is to be done about, so that nobody asks for their last delivery."""
    names = list(rows)
    due, dead = await target.store.calls([
        ("ZMSCORE", target.key("work"), *names), ("HMGET", target.key("dead"), *names),
    ])  # fmt: skip
    return [
        name
        for name, when, row in zip(names, due, dead, strict=True)
        if when is None and row is None and name not in held
    ]


async def ended_decisions(now: int, rows: Rows) -> list[str]:
    """Return the ids of exceptions that have ended (`now`: unix ms)."""
    ends = {ident: orjson.loads(row)["until"] * 1000 for ident, row in rows.items()}
    return [ident for ident, end in ends.items() if end and end <= now]


async def _run(store: Store, commands: Iterable[Command]) -> None:
    transaction = Transaction(store)
    transaction.add_all(commands)
    if len(transaction):
        await transaction.run()
