"""What operators ask, with 100,000 events and 10,000 people in Redis."""

import random
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from bridge.directory.events import (
    DirectoryEvent,
    EventName,
    GroupNews,
    UserNews,
    decode_event,
    encode_event,
    make_stamp,
)
from bridge.embedded import EmbeddedValkey
from bridge.operators.audit import read_audit
from bridge.operators.calls import read_calls
from bridge.operators.decisions import dead, parked
from bridge.operators.desks import open_desks
from bridge.operators.events import EventLog
from bridge.operators.filters import Filter
from bridge.operators.forget import list_directories
from bridge.operators.group import read_group
from bridge.operators.health import read_health
from bridge.operators.pages import MOST_SCANNED
from bridge.operators.person import read_person
from bridge.operators.queue import read_queue
from bridge.operators.report import read_report
from bridge.settings import RedisSettings
from bridge.store.journal import Entry, Submission
from bridge.store.redis import open_store
from tests.bench.table import Table
from tests.workers.world import DAY, World, playing

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
MANY = (100_000, 10_000)  # events, people
GROUPS = 100
WALKS = ("scan", "keys")
REACH = 300.0  # milliseconds
Ask = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: how long its answer took (median, ms)."""

    what: str
    took: float


async def test_queries(valkey_server: EmbeddedValkey, table: Table) -> None:
    """Every question, beside reading and decoding as many events as one page may look at; none walks."""
    async with _filled(valkey_server, *MANY) as world:
        plain = await _time("events read", lambda: _read(world), 15)
        await world.store.call("CONFIG", "RESETSTAT")
        asked = [await _time(what, ask) for what, ask in _questions(world, MANY[1]).items()]
        told = await world.store.call("INFO", "commandstats")
        assert await world.docs.parked(), "somebody is held"
    table.add(f"{MOST_SCANNED:,} events read and decoded, nothing else", plain.took, "ms")
    for each in asked:
        label = f"{each.what}, with {MANY[0]:,} events and {MANY[1]:,} people"
        table.add(label, each.took, "ms", each.took / plain.took, f"{REACH:.0f} ms")
        assert each.took < 6 * plain.took, f"{label}: it reads more than a page"
    assert not [name for name in WALKS if f"cmdstat_{name}:" in told], "a question walks"


async def _read(world: World) -> None:
    rows = await world.store.call("XREVRANGE", world.journal.key("okta"), "+", "-", "COUNT", MOST_SCANNED)
    assert all(decode_event(orjson.loads(fields["e"])) for _, fields in rows)


async def test_accounts(valkey_server: EmbeddedValkey, table: Table) -> None:
    """What goes through everybody takes longer the more there are: a report of all, the directories."""
    async with _filled(valkey_server, *MANY) as world:
        settings, store, now = world.settings, world.store, world.now
        desks = open_desks(settings, store)
        report = await _time(
            "bridge report", lambda: read_report(settings, store, desks, now - 60 * DAY, 0, now), 3
        )
        listed = await _time("bridge directory list", lambda: list_directories(settings, store), 3)
    for asked in (report, listed):
        table.add(f"{asked.what}, {MANY[1]:,} people", asked.took, "ms", None, f"{REACH:.0f} ms")


def _filled(valkey: EmbeddedValkey, events: int, people: int) -> "_Filled":
    return _Filled(valkey, events, people)


class _Filled:
    """A world whose directory has told so many events of so many people, all of it applied."""

    def __init__(self, valkey: EmbeddedValkey, events: int, people: int) -> None:
        redis = RedisSettings(data_dir=valkey.data_dir, prefix=f"q{uuid.uuid4().hex[:10]}")
        self._patch, self._store = pytest.MonkeyPatch(), open_store(redis)
        self._playing = playing(redis, self._store, self._patch)
        self._size = events, people

    async def __aenter__(self) -> World:
        world = await self._playing.__aenter__()
        world.configure(guard={"max_removals": self._size[1] // 100, "max_removal_percent": 0})
        world.most_steps = 100_000
        events, people = self._size
        told = await _join(world, people)
        await world.settle()
        await _talk(world, events - told, people)
        await world.settle()
        return world

    async def __aexit__(self, *error: object) -> None:
        await self._playing.__aexit__(*error)  # type: ignore[arg-type]
        self._patch.undo()
        await self._store.close()


async def _join(world: World, people: int) -> int:
    """Everybody joins, into one group each; return how many events that is."""
    rows = [
        _event(world, "group.created", group=GroupNews(f"g{number}", f"Team {number}"))
        for number in range(GROUPS)
    ]
    for number in range(people):
        rows.append(_event(world, "user.created", _user(number, True)))
        group = GroupNews(f"g{number % GROUPS}")
        rows.append(_event(world, "group.user_added", UserNews(f"u{number}"), group))
    await _store(world, rows)
    return len(rows)


async def _talk(world: World, events: int, people: int) -> None:
    """Some leave, more than may; of all others there is talk that changes nothing."""
    chance, leavers = random.Random(5), people // 50
    rows = [_event(world, "user.updated", _user(number, False)) for number in range(leavers)]
    while len(rows) < events:
        rows.append(_event(world, "user.updated", _user(chance.randrange(leavers, people), True)))
    await _store(world, rows)


async def _store(world: World, rows: list[bytes]) -> None:
    for start in range(0, len(rows), 500):
        entries = [Entry("okta", None, row) for row in rows[start : start + 500]]
        await world.journal.accept([Submission("okta", entries)])


def _user(number: int, active: bool) -> UserNews:
    return UserNews(f"u{number}", f"person.{number}@acme.test", active)


def _event(world: World, name: str, user: UserNews | None = None, group: GroupNews | None = None) -> bytes:
    world.sleep(1)
    event = DirectoryEvent(
        EventName(name), make_stamp(world.now, 0, False), user, group, "okta", f"d{world.now}", world.now
    )
    return orjson.dumps(encode_event(event))


async def _time(what: str, ask: Ask, times: int = 7) -> Asked:
    """Ask again and again."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - began) * 1000)
    return Asked(what, statistics.median(took))


def _questions(world: World, people: int) -> dict[str, Ask]:
    """Return what is asked."""
    settings, store, now = world.settings, world.store, world.now
    desks, log = open_desks(settings, store), EventLog(settings, store)
    email = f"person.{people // 2}@acme.test"
    leaver = "person.1@acme.test"
    return {
        "bridge status": lambda: read_health(settings, store, now),
        "bridge queue": lambda: read_queue(desks, Filter(), now),
        "bridge queue --source": lambda: read_queue(desks, Filter(sources=frozenset({"okta"})), now),
        "bridge parked": lambda: parked(desks, Filter(), now),
        "bridge dead": lambda: dead(desks, Filter()),
        "bridge events": lambda: log.page(Filter()),
        "bridge events --kind, rare": lambda: log.page(Filter(kinds=frozenset({"group.deleted"}))),
        "bridge events --text": lambda: log.page(Filter(text=email)),
        "bridge calls": lambda: read_calls(store, desks, Filter()),
        "bridge calls --source": lambda: read_calls(store, desks, Filter(sources=frozenset({"okta"}))),
        "bridge calls --text": lambda: read_calls(store, desks, Filter(text=email)),
        "bridge audit": lambda: read_audit(store, desks, Filter()),
        "bridge audit --text": lambda: read_audit(store, desks, Filter(text=leaver)),
        "bridge person": lambda: read_person(settings, store, desks, email, Filter(), now),
        "bridge person, a leaver": lambda: read_person(settings, store, desks, leaver, Filter(), now),
        "bridge group": lambda: read_group(settings, store, desks, "Team 7", Filter(), now),
    }
