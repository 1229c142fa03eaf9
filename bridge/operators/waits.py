"""What has waited for long at a target, and on what: for `bridge status`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import orjson

from bridge.operators.objects import plain_name
from bridge.store.targets import TEAM, TargetStore

LONG = 60_000  # ms: what waits for less is as good as under way
MOST_SHOWN = 20
MOST_READ = 5000  # objects that back off; where there are more, the target's state tells why
_SLICE = 1000


@dataclass(frozen=True, slots=True)
class Wait:
    """What waits for one reason. `since`: unix ms; `others`: how many more objects wait for that reason.

    `object`: the e-mail or the team's title of what has waited the longest.
    """

    object: str
    since: int
    reason: str
    others: int = 0


async def read_waits(target: TargetStore, now: int) -> list[Wait]:
    """Return what has waited for more than a minute, the longest first: of each reason one row.

    `now`: unix ms. Raises one of STORE_ERRORS.
    """
    rows = {name: row for name, row in (await _backing_off(target)).items() if now - row[0] > LONG}
    names = list(rows)
    if not names:
        return []
    scores = await target.store.call("ZMSCORE", target.key("work"), *names)
    there = [name for name, score in zip(names, scores, strict=True) if score is not None]
    return sorted(_by_reason(there, rows), key=lambda wait: (wait.since, wait.object))[:MOST_SHOWN]


async def _backing_off(target: TargetStore) -> dict[str, tuple[int, str]]:
    """Return since when, and why, objects back off; some of them where there are very many."""
    found: dict[str, tuple[int, str]] = {}
    cursor, first = 0, True
    while (first or cursor) and len(found) < MOST_READ:
        cursor, rows = await target.store.call("HSCAN", target.key("waiting"), cursor, "COUNT", _SLICE)
        cursor, first = int(cursor), False
        told = {name: orjson.loads(row) for name, row in rows.items()}
        found |= {name: (row["since"], row["reason"]) for name, row in told.items()}
    return found


def _by_reason(names: Iterable[str], rows: Mapping[str, tuple[int, str]]) -> list[Wait]:
    """Return one row for each reason, about a team where one waits as long as its people."""
    waits: dict[str, Wait] = {}
    for name in sorted(names, key=lambda each: (rows[each][0], not each.startswith(TEAM), each)):
        since, reason = rows[name]
        if reason in waits:
            waits[reason] = replace(waits[reason], others=waits[reason].others + 1)
        else:
            waits[reason] = Wait(plain_name(name), since, reason)
    return list(waits.values())
