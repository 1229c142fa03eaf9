"""Directories that nobody speaks for any more: who was active there stays so for ever.

No source of the configuration does, or the sender has ended the connection.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from bridge.directory.users import decode_user
from bridge.settings import Settings
from bridge.store.departures import departures_key, parse_departures
from bridge.store.mirror import Command, connections_key, directory_name, ended_connections
from bridge.store.redis import Store
from bridge.store.targets import TargetStore, target_id

_SLICE = 1000


@dataclass(frozen=True, slots=True)
class DirectoryHealth:
    """One directory, by its configured name; of a connection that has ended with the sender's id, too.

    `sources`: of the configuration, that speak for it; `active`: how many users count as active though
    nobody speaks for it, 0 where a source does; `targets`: that count on them; `ended`: how its connection
    ended, "" where it did not.
    """

    name: str
    sources: tuple[str, ...] = ()
    active: int = 0
    targets: tuple[str, ...] = ()
    ended: str = ""

    @property
    def reason(self) -> str | None:
        """Return what is to be said of it, None when all is well."""
        if not self.active:
            return None
        if self.ended:
            return (
                f"the connection was {self.ended} at the sender, and {self.active} user(s) stay active in "
                f"it, whoever of them leaves: let it go: bridge directory forget {self.name}"
            )
        return (
            f"no source speaks for it any more, and {self.active} user(s) stay active in it, whoever of them "
            f'leaves: give a source directory = "{self.name}", or let it go: '
            f"bridge directory forget {self.name}"
        )


async def read_directories(settings: Settings, store: Store) -> dict[str, DirectoryHealth]:
    """Return all directories of which something was told, by name. Raises one of STORE_ERRORS.

    Users are counted only of those without a source, or whose connection has ended, and not of those that
    are being forgotten. It takes two round trips to Redis, and more only for more users than fit into a
    slice.
    """
    journals, rows = await store.calls([
        ("SMEMBERS", store.key("directories")), ("HGETALL", connections_key(store)),
    ])  # fmt: skip
    journals, ended = sorted(journals), ended_connections(rows)
    speaking = {name: _sources(settings, name) for name in sorted(set(map(directory_name, journals)))}
    silent = [each for each in journals if not speaking[directory_name(each)] or each in ended]
    followed = [TargetStore(store, target_id(each)).key("followed") for each in settings.targets]
    text, *answers = await store.calls([
        ("GET", departures_key(store)),
        *(("SMEMBERS", key) for key in followed if silent),
        *(_slice(store, journal, 0) for journal in silent),
    ])  # fmt: skip
    departing = parse_departures("", text).by_name
    counting = dict(zip([target.name for target in settings.targets], answers, strict=False))
    active: dict[str, int] = defaultdict(int)
    for journal, first in zip(silent, answers[len(answers) - len(silent) :], strict=True):
        name = directory_name(journal)
        if name not in departing:
            active[journal if speaking[name] else name] += await _active(store, journal, first)
    found = {}
    for name, sources in speaking.items():
        targets = tuple(target for target, names in counting.items() if active[name] and name in names)
        found[name] = DirectoryHealth(name, sources, active[name], targets)
    for name in sorted(active.keys() & ended.keys() - speaking.keys()):
        targets = tuple(target for target, names in counting.items() if directory_name(name) in names)
        found[name] = DirectoryHealth(name, (), active[name], targets, ended[name].how)
    return found


def _sources(settings: Settings, directory: str) -> tuple[str, ...]:
    return tuple(sorted(each.name for each in settings.sources if each.directory_name == directory))


def _slice(store: Store, journal: str, cursor: int) -> Command:
    return ("HSCAN", store.key("users", journal), cursor, "COUNT", _SLICE)


async def _active(store: Store, journal: str, first: tuple[Any, Mapping[str, str]]) -> int:
    """Return how many users are active, `first`: the first slice of all users."""
    active: set[str] = set()  # a walk may meet somebody twice
    cursor, rows = first
    while True:
        active |= {uid for uid, row in rows.items() if decode_user(orjson.loads(row)).active}
        if not int(cursor):
            return len(active)
        cursor, rows = await store.call(*_slice(store, journal, int(cursor)))
