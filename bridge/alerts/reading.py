"""What alerts are worked out from: one reading of the installation, without anybody's name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import orjson

from bridge.operators.health import Health, read_health
from bridge.operators.pages import id_time
from bridge.settings import Settings
from bridge.store.dead_letters import dead_letters_key
from bridge.store.journal import Journal
from bridge.store.redis import Store
from bridge.store.targets import TargetStore, target_id

REFUSED_WINDOW = 3_600_000  # ms: refusals that are further apart are told as two
_MOST_ROWS = 1000  # of what one source could not read
_MOST_ITEMS = 500  # that are read in full
Items = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """How everything is doing, and what waits for a person.

    `parked`, `dead`: by target, a digest of each item's id and since when it is there (unix ms); `unread`:
    by source, when something of it could not be read (unix ms), within the last REFUSED_WINDOW;
    `dead_letters`: a digest of each one's id, and when it arrived (unix ms).
    """

    health: Health
    parked: Mapping[str, Items] = field(default_factory=dict)
    dead: Mapping[str, Items] = field(default_factory=dict)
    unread: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    dead_letters: Items = field(default_factory=dict)


async def read_installation(settings: Settings, store: Store, now: int) -> Reading:
    """Return what alerts are worked out from. `now`: unix ms. Raises one of STORE_ERRORS."""
    health = await read_health(settings, store, now)
    parked, dead = {}, {}
    for each in settings.targets:
        target, counts = TargetStore(store, target_id(each)), health.targets[each.name].counts
        parked[each.name] = await _read_items(target, "parked", counts.parked, now)
        dead[each.name] = await _read_items(target, "dead", counts.dead, now)
    letters = await _read_dead_letters(store) if health.journal.dead_letters else {}
    return Reading(health, parked, dead, await _read_unread(settings, store, now), letters)


async def _read_items(target: TargetStore, what: str, number: int, now: int) -> dict[str, int]:
    """Return items without what they are about: an id may hold an address.

    Of very many it is not read since when they are there: the first look, some seconds later, is near enough.
    """
    if not number:
        return {}
    if number > _MOST_ITEMS:
        return {_digest(ident): now for ident in await target.store.call("HKEYS", target.key(what))}
    rows = await (target.parked() if what == "parked" else target.dead())
    return {_digest(ident): held.since for ident, held in rows.items()}


async def _read_dead_letters(store: Store) -> dict[str, int]:
    names = sorted(await Journal(store).directories())
    found = await store.calls([("HKEYS", dead_letters_key(store, each)) for each in names])
    return {
        _digest(f"{name}/{ident}"): id_time(ident)
        for name, idents in zip(names, found, strict=True)
        for ident in idents
    }


def _digest(ident: str) -> str:
    return blake2b(ident.encode(), digest_size=8).hexdigest()


async def _read_unread(settings: Settings, store: Store, now: int) -> dict[str, tuple[int, ...]]:
    names = [source.name for source in settings.sources]
    start = now - REFUSED_WINDOW
    answers = await store.calls(
        [("XRANGE", store.key("refused", name), start, "+", "COUNT", _MOST_ROWS) for name in names]
    )
    return {
        name: tuple(id_time(ident) for ident, fields in rows if "notice" not in orjson.loads(fields["r"]))
        for name, rows in zip(names, answers, strict=True)
    }
