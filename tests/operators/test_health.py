"""One reading of the whole installation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bridge.operators.health import ApiHealth, Health, read_health
from bridge.plan.held import Held
from bridge.settings import RedisSettings, Settings, parse_settings
from bridge.store.commit import Transaction
from bridge.store.front import FrontNews, FrontStore, Refusals
from bridge.store.presence import tell_alive
from bridge.store.reads import ReadState, ReadStore
from bridge.store.redis import Store
from bridge.store.tally import Tally, TallyStore
from bridge.store.targets import Counts, Pause, TargetState, TargetStore, target_id
from bridge.targets.budget import BudgetLeft
from tests.workers.world import HOUR, MINUTE, SECOND, World

NOW = 1_769_851_800_000
API = {"api_url": "https://acme.okta.test", "api_token": "x"}


def installation(redis: RedisSettings, many: int = 1) -> Settings:
    """A configuration with so many targets, senders and thin senders over the test's own Redis."""
    flows = [
        {"name": f"flow{n}", "kind": "okta-workflows", "secrets": [f"flow{n}-secret"]} for n in range(many)
    ]
    hooks = [
        {"name": f"hook{n}", "kind": "okta-event-hooks", "secrets": [f"hook{n}-secret"], **API}
        for n in range(many)
    ]
    targets = [{"name": f"docs{n}", "organization": f"acme{n}", "token": "x"} for n in range(many)]
    table = {"data_dir": str(redis.data_dir), "prefix": redis.prefix}
    raw = {"redis": table, "sources": [*flows, *hooks], "targets": targets}
    return parse_settings(raw, Path("/nowhere/bridge.toml"))


@pytest.fixture
def settings(redis_settings: RedisSettings) -> Settings:
    """One of each."""
    return installation(redis_settings)


@pytest.fixture
def docs(settings: Settings, store: Store) -> TargetStore:
    """What is known of the target."""
    return TargetStore(store, target_id(settings.targets[0]))


async def write(store: Store, *commands: Sequence[Any]) -> None:
    """Run commands."""
    transaction = Transaction(store)
    transaction.add_all(tuple(command) for command in commands)
    await transaction.run()


async def test_an_empty_installation_is_well(settings: Settings, store: Store) -> None:
    """Nothing is pending, nobody works, and every target is ok."""
    health = await read_health(settings, store, NOW)
    assert (health.at, health.workers, health.journal.pending, health.journal.oldest_pending) == (
        NOW,
        0,
        0,
        0,
    )
    (target,) = health.targets.values()
    assert (target.name, target.mode, target.state, target.since) == ("docs0", "dry-run", "ok", 0)
    assert (target.counts, target.oldest_due, target.leavers, target.budget) == (Counts(), 0, 0, {})
    assert {name: source.front for name, source in health.sources.items()} == {
        "flow0": FrontNews(), "hook0": FrontNews(),
    }  # fmt: skip
    assert (health.sources["flow0"].api, health.sources["hook0"].api) == (None, ApiHealth())


async def test_the_journal_and_who_works_on_it(world: World) -> None:
    """What is not folded is pending, and the oldest of it is as old as its arrival."""
    world.sources.append({"name": "hr", "kind": "jackson", "secrets": ["hr-secret"]})
    world.configure()
    await world.hire("ana")
    await world.fold()
    await world.tell("user.created", ("bo", "bo@acme.test", True))
    await world.tell("user.created", ("cy", "cy@acme.test", True), directory="hr")
    first = await world.store.call("XRANGE", world.journal.key("okta"), "-", "+")
    for worker in ("one", "two"):
        await tell_alive(world.store, worker, world.now)

    health = await read_health(world.settings, world.store, world.now)
    assert (health.journal.accepted, health.journal.folded, health.journal.pending) == (3, 1, 2)
    assert health.journal.oldest_pending == int(first[1][0].partition("-")[0])
    assert health.workers == 2
    await world.fold()
    after = (await read_health(world.settings, world.store, world.now)).journal
    assert (after.pending, after.oldest_pending) == (0, 0)


async def test_what_there_is_to_do_at_a_target(settings: Settings, store: Store, docs: TargetStore) -> None:
    """Counted by state, with the age of what has been due longest and how many calls are left."""
    held = Held("1", "m:dee@acme.test", "remove member dee@acme.test", "why", NOW, 0)
    await write(
        store,
        *docs.mark(["m:ana@acme.test"], NOW - 5000),
        *docs.mark(["m:bo@acme.test"], NOW - 1000),
        *docs.mark(["m:cy@acme.test"], NOW + 1000),
        docs.park(held),
        docs.bury(held),
    )
    tally = Tally(budgets={"read": BudgetLeft(60, 12, NOW / 1000 + 30)})
    await TallyStore(store).add({docs.id: tally})
    (target,) = (await read_health(settings, store, NOW)).targets.values()
    assert target.counts == Counts(due=2, waiting=1, parked=1, dead=1)
    assert target.oldest_due == NOW - 5000
    assert target.budget == {"read": BudgetLeft(60, 12, NOW / 1000 + 30)}


async def test_what_is_due_later_is_not_overdue(settings: Settings, store: Store, docs: TargetStore) -> None:
    """Only backing off, however long."""
    await write(store, *docs.mark(["m:cy@acme.test"], NOW + 1000))
    (target,) = (await read_health(settings, store, NOW)).targets.values()
    assert (target.counts.waiting, target.oldest_due) == (1, 0)


@pytest.mark.parametrize(
    ("kept", "pause", "told"),
    [
        (TargetState("unavailable", "503", 9.0, since=NOW - 70), None, ("unavailable", NOW - 70, "503")),
        (TargetState("rate_limited", "used", NOW / 1000 + 5, since=9), None, ("rate_limited", 9, "used")),
        (TargetState("rate_limited", "used", NOW / 1000 - 5, since=9), None, ("ok", NOW - 5000, None)),
        (TargetState("unavailable", "503", since=5), Pause("boss", 7), ("paused", 7, "paused by boss")),
        (TargetState(), Pause("boss", 7, "audit"), ("paused", 7, "paused by boss: audit")),
    ],
)  # fmt: skip
async def test_the_state_of_a_target_and_since_when(
    settings: Settings, store: Store, docs: TargetStore, kept: TargetState, pause: Pause | None,
    told: tuple[str, int, str | None],
) -> None:  # fmt: skip
    """A limit that is over is none, and a pause stands before all else."""
    await write(store, docs.put_state(kept), *([docs.pause(pause)] if pause else []))
    (target,) = (await read_health(settings, store, NOW)).targets.values()
    assert ((target.state, target.since, target.reason), target.pause) == (told, pause)


async def test_a_state_is_dated_from_its_beginning(world: World) -> None:
    """Not from the last probe that found no change."""
    world.sandbox.token = "another"
    await world.hire("ana")
    await world.turn()
    began, most = world.now, 10 * SECOND
    for _ in range(3):
        world.sleep(MINUTE)
        await world.converge()
    (target,) = (await read_health(world.settings, world.store, world.now)).targets.values()
    assert target.state == "credentials_rejected"
    assert began - most < target.since <= began

    world.sandbox.token = world.settings.targets[0].token.reveal()
    world.sleep(MINUTE)
    mended = world.now
    await world.settle()
    (target,) = (await read_health(world.settings, world.store, world.now)).targets.values()
    assert (target.state, world.members()) == ("ok", {"ana": "read"})
    assert mended <= target.since < mended + most


async def test_leavers_count_until_they_are_gone_or_may_stay(world: World) -> None:
    """Held removals count from the time the directory tells; a rejected one is an exception and none."""
    world.configure(guard={"max_removals": 0, "max_removal_percent": 0})
    await world.hire("ana", "bo")
    await world.settle()

    async def leavers() -> tuple[int, int]:
        (target,) = (await read_health(world.settings, world.store, world.now)).targets.values()
        return target.leavers, target.oldest_leaver

    assert await leavers() == (0, 0)
    world.sleep(HOUR)
    first = world.now
    await world.tell("user.deleted", ("ana", None, None), at=first)
    world.sleep(HOUR)
    second = world.now
    await world.tell("user.deleted", ("bo", None, None), at=second)
    await world.settle()
    assert await leavers() == (2, first)
    await world.approve("m:ana")
    await world.settle()
    assert await leavers() == (1, second)
    await world.reject("m:bo")
    await world.settle()
    assert (await leavers(), world.members()) == ((0, 0), {"bo": "read"})


async def test_the_sources_and_their_apis(settings: Settings, store: Store) -> None:
    """Who was let in, who was not and why, and how reading from the directory goes."""
    told = FrontNews(5000, Refusals(2, 4000, "no secret is what was sent"))
    await FrontStore(store).tell({"flow0": told})
    reads = ReadStore(store, "hook0")
    state = ReadState("unavailable", "503", 12.0, answered_at=7)
    await write(store, *reads.mark(["u:00u1", "g:00g1"], 1), reads.put_state(state))
    health = await read_health(settings, store, NOW)
    assert health.sources["flow0"].front == told
    assert health.sources["hook0"].api == ApiHealth("unavailable", "503", 12.0, 2, 7)


class Counting(Store):
    """A store that counts round trips."""

    def __init__(self, store: Store) -> None:
        super().__init__(store._client, store.prefix)
        self.trips = 0

    async def call(self, *words: Any) -> Any:
        """Count one."""
        self.trips += 1
        return await super().call(*words)

    async def calls(self, commands: Any, one_by_one: bool = False) -> list[Any]:
        """Count one."""
        self.trips += 1
        return await super().calls(commands, one_by_one)


async def test_the_number_of_round_trips_is_bounded(redis_settings: RedisSettings, store: Store) -> None:
    """However many targets, sources and directories there are; and no key is looked for by a pattern."""
    for number in range(20):
        await write(store, ("SADD", store.key("directories"), f"flow{number}"))
    await write(store, ("HSET", store.key("counters"), "accepted", 20, "folded", 1))

    async def trips(many: int) -> tuple[Health, int]:
        counting = Counting(store)
        return await read_health(installation(redis_settings, many), counting, NOW), counting.trips

    few, many = await trips(1), await trips(20)
    assert (len(few[0].targets), len(many[0].targets), len(many[0].sources)) == (1, 20, 40)
    assert few[1] == many[1] <= 15
