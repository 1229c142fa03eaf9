"""Old data do not act: an older copy, another installation's, none at all, or some that rested for long."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.alerts.conditions import find
from bridge.alerts.reading import read_installation
from bridge.commands.check import examine
from bridge.commands.data import _trust
from bridge.commands.findings import Finding
from bridge.commands.status import read_status
from bridge.settings import parse_settings
from bridge.store.epoch import (
    EMPTIED,
    FOREIGN,
    LAG,
    LOST,
    OLD,
    OLD_AFTER,
    RESTORED,
    EpochFile,
    Known,
    Seen,
    begin,
    end_when_heard,
    judge,
    live,
    look,
    read_stale,
)
from bridge.store.redis import Store
from tests.workers.world import DAY, HOUR, World, address
from workers.main import _live, _take_up

NOW = 1_790_000_000_000
HERE = Known("a", NOW)
ALERT = {"name": "ops", "kind": "slack", "url": "https://h.test"}


@pytest.mark.parametrize(
    ("known", "seen", "kind"),
    [
        (None, Seen(now=NOW), None),  # the first start
        (None, Seen(last=NOW - 9 * DAY, now=NOW), None),  # an upgrade
        (None, Seen("a", NOW, NOW, NOW), None),  # another host's first start
        (HERE, Seen("a", NOW, 0, NOW), None),
        (HERE, Seen("a", NOW - LAG, 0, NOW), None),  # a failover lost a second
        (HERE, Seen("a", NOW - LAG - 1, 0, NOW), RESTORED),
        (HERE, Seen("b", NOW, 0, NOW), FOREIGN),
        (HERE, Seen("", 0, 0, NOW), EMPTIED),
        (HERE, Seen("", 0, NOW, NOW), EMPTIED),  # and something was told since
        (HERE, Seen("a", NOW, 0, NOW + OLD_AFTER), None),
        (HERE, Seen("a", NOW, 0, NOW + OLD_AFTER + 1), OLD),
        (None, Seen("a", NOW, 0, NOW + OLD_AFTER + 1), OLD),
        (HERE, Seen("a", NOW, NOW + HOUR, NOW + OLD_AFTER + 1), None),  # receivers were up
        (Known("a", NOW, 7), Seen("a", NOW, NOW, NOW, accepted=7), None),
        (Known("a", NOW, 7), Seen("a", NOW, NOW, NOW, accepted=6), LOST),
        (HERE, Seen("a", NOW, NOW, NOW, missing=1), LOST),
        (None, Seen("a", NOW, NOW, NOW, missing=-1), LOST),
    ],
)
def test_what_is_wrong_with_data(known: Known | None, seen: Seen, kind: str | None) -> None:
    """Nothing where they go on, or nothing else is known of them."""
    stale = judge(known, seen)
    assert (stale.kind if stale else None) == kind
    assert stale is None or "bridge data trust" in stale.reason


async def test_beats_go_on_and_never_back(store: Store) -> None:
    """Whatever Redis' clock does."""
    known = await begin(store, None)
    await store.call("SET", store.key("beat"), known.beat + DAY)
    assert (await live(store, known)).beat == known.beat + DAY
    assert (await look(store)).text == ""


async def test_many_workers_take_up_the_same_data(store: Store) -> None:
    """Whichever is first names them; none of them is alarmed."""
    first = await begin(store, None)
    second = await begin(store, None)
    assert (second.epoch, (await look(store)).text) == (first.epoch, "")


@pytest.mark.parametrize("what", ["journal", "counter", "all counters"])
async def test_a_journal_that_shrank_and_counters_that_fell_are_noticed(world: World, what: str) -> None:
    """Though epoch and beat go on: what was lost may have been that somebody left."""
    await world.hire("ana")
    await world.settle()
    known = await begin(world.store, None)
    await world.hire("bo")
    if what == "journal":
        await world.store.call("XTRIM", world.store.key("journal", "okta"), "MAXLEN", 0)
        lost = 1
    elif what == "counter":
        await world.settle()
        await world.store.call("HSET", world.store.key("counters"), "accepted", 0)
        lost = 2
    else:
        await world.settle()
        known = replace(known, accepted=2)
        await world.store.call("DEL", world.store.key("counters"))
        lost = 2
    known = await live(world.store, known)
    seen = await look(world.store)
    stale = read_stale(seen.text)
    assert stale is not None
    assert (stale.kind, stale.reason.partition(";")[0]) == (
        LOST, f"{lost} accepted event(s) are not in the event log any more",
    )  # fmt: skip
    assert seen.missing == 0  # from here on they tell the truth again
    assert await pending(world) == 0
    assert (await live(world.store, known)).beat >= known.beat
    assert (await look(world.store)).text == seen.text


async def test_events_that_wait_to_be_folded_are_not_missing(world: World) -> None:
    """However long; nor are those that a failover may take back, which were counted just now."""
    known = await begin(world.store, None)
    await world.hire("ana")
    known = await live(world.store, known)
    assert (known.accepted, known.counted) == (0, 0)
    assert (await look(world.store)).text == ""
    later = known.after(known.beat + LAG + 1, 1)
    assert (later.accepted, later.counted) == (0, 1)
    assert later.after(later.beat + LAG, 5) == Known(known.epoch, later.beat + LAG, 0, 1, later.beat)
    assert later.after(later.beat + LAG + 1, 5).accepted == 1


async def pending(world: World) -> int:
    """How many accepted events are said to wait."""
    accepted, folded = await world.worker.journal.counters()
    return accepted - folded


def file_of(world: World, folder: Path) -> EpochFile:
    """Where it is remembered which data were there last."""
    return EpochFile(folder / "bridge.toml", world.settings)


def test_the_file_is_best_effort(world: World, tmp_path: Path) -> None:
    """It knows each prefix by itself; rubbish and read-only folders are nothing to end for."""
    settings = world.settings.model_copy(
        update={"redis": world.settings.redis.model_copy(update={"url": "redis://h"})}
    )
    file, gone = EpochFile(tmp_path / "b.toml", settings), EpochFile(tmp_path / "no" / "b.toml", settings)
    assert (file.read(), gone.read()) == (None, None)
    file.write(HERE)
    gone.write(HERE)
    other = settings.model_copy(update={"redis": settings.redis.model_copy(update={"prefix": "other"})})
    assert (file.read(), gone.read(), EpochFile(tmp_path / "b.toml", other).read()) == (HERE, None, None)
    (tmp_path / "b.epoch").write_text("rubbish")
    assert file.read() is None
    assert [each.name for each in tmp_path.iterdir()] == ["b.epoch"]


# -- at work


async def copy(store: Store, source: str, target: str) -> None:
    """Copy everything under one prefix to another, in place of what is there."""
    for key in await store.call("KEYS", f"{target}:*"):
        await store.call("DEL", key)
    for key in await store.call("KEYS", f"{source}:*"):
        await store.call("COPY", key, target + key.removeprefix(source), "REPLACE")


@pytest.fixture
async def restored(world: World, tmp_path: Path) -> World:
    """Ana was away, and Bo there, when the copy was made; Ana came back since, and Bo left."""
    world.worker.file = file_of(world, tmp_path)
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers", "ana", "bo", "cy")
    await world.active("ana", False)
    await world.settle()
    await _take_up(world.worker)
    backup = f"{world.store.prefix}-copy"
    await copy(world.store, world.store.prefix, backup)
    await world.store.call(
        "SET", f"{backup}:beat", int(await world.store.call("GET", f"{backup}:beat")) - HOUR
    )
    await world.active("ana", True)
    await world.fire("bo")
    await world.settle()
    assert set(world.members()) == {"ana", "cy"}
    await copy(world.store, backup, world.store.prefix)
    for key in await world.store.call("KEYS", f"{backup}:*"):
        await world.store.call("DEL", key)
    await world.store.call("DEL", world.docs.key("plan"))
    for command in world.docs.doubt([f"m:{address('bo')}"]):  # GitBook is asked about him for some reason
        await world.store.call(*command)
    return world


async def restart(world: World, folder: Path) -> None:
    """Start a worker anew."""
    world.worker = world.new_worker()
    world.worker.file = file_of(world, folder)
    await _take_up(world.worker)


async def told(world: World) -> dict[str, Any]:
    """What `bridge status --json` tells."""
    return await read_status(world.settings, world.store)


async def checked(world: World, folder: Path) -> dict[str, Finding]:
    """What `bridge check` finds."""
    return {each.name: each for each in await examine(world.settings, folder / "bridge.toml")}


async def alerted(world: World) -> set[str]:
    """What an alert tells."""
    [alert] = parse_settings({"alerts": [ALERT]}, Path("/nowhere/bridge.toml")).alerts
    found = find(await read_installation(world.settings, world.store, world.now), alert, {})
    return {each.kind for each in found.conditions.values()}


async def test_an_older_copy_removes_and_invites_nobody(restored: World, tmp_path: Path) -> None:
    """Who is active stays, who has left stays out; status, check, alert and plan say the same."""
    await restart(restored, tmp_path)
    await restored.settle()
    assert set(restored.members()) == {"ana", "cy"}
    assert restored.teams() == {"Writers": {"ana", "cy"}}
    assert set(await restored.parked()) == {"m:ana", "m:bo"}
    assert all("nothing was told of them since" in reason for reason in (await restored.parked()).values())
    assert {step.held for step in (await restored.plan()).steps} == set((await restored.parked()).values())
    status = await told(restored)
    assert status["data"]["state"] == RESTORED
    assert "an older copy" in status["targets"]["docs"]["reason"]
    assert not (await checked(restored, tmp_path))["redis.data"].ok
    assert "stale" in await alerted(restored)


async def test_what_is_told_since_acts(restored: World, tmp_path: Path) -> None:
    """A leaver leaves, a joiner joins, and whose state is told again is as told."""
    await restart(restored, tmp_path)
    await restored.settle()
    restored.sleep(1)
    await restored.active("ana", True)
    await restored.fire("cy")
    await restored.hire("di")
    await restored.settle()
    assert set(restored.members()) == {"ana", "di"}
    assert set(await restored.parked()) == {"m:bo"}


async def test_a_person_decides_and_trusts(restored: World, tmp_path: Path) -> None:
    """What was rejected stays so; all else acts again, and is written down."""
    await restart(restored, tmp_path)
    await restored.settle()
    await restored.reject("m:ana")
    assert (await _trust(restored.settings, file_of(restored, tmp_path), "boss", "checked"))[
        "was"
    ] == RESTORED
    await restored.settle()
    assert set(restored.members()) == {"ana", "bo", "cy"}
    assert (await told(restored))["data"]["state"] == "ok"
    assert "redis.data" not in await checked(restored, tmp_path)
    rows = await restored.store.call("XREVRANGE", restored.store.key("audit"), "+", "-", "COUNT", 1)
    deed = orjson.loads(rows[0][1]["c"])
    assert (deed["action"], deed["by"], deed["why"]) == ("trusted", "boss", "checked")
    assert (await _trust(restored.settings, file_of(restored, tmp_path), "boss", ""))["was"] is None


async def test_a_worker_that_runs_sees_it_before_it_acts(restored: World) -> None:
    """The copy was put in its place under a running worker."""
    assert restored.worker.known
    await restored.settle()
    assert set(restored.members()) == {"ana", "cy"}
    assert (await told(restored))["data"]["state"] == RESTORED


async def test_an_emptied_redis_is_noticed(world: World, tmp_path: Path) -> None:
    """By a worker that runs, and by check before any worker does."""
    world.worker.file = file_of(world, tmp_path)
    await world.hire("ana")
    await world.settle()
    await _take_up(world.worker)
    for key in await world.store.call("KEYS", f"{world.store.prefix}:*"):
        await world.store.call("DEL", key)
    finding = (await checked(world, tmp_path))["redis.data"]
    assert (finding.ok, "lost all" in finding.detail) == (False, True)
    await _live(world.worker, remember=False)
    assert (await told(world))["data"]["state"] == EMPTIED
    await world.hire("bo")
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}
    assert (await told(world))["data"]["state"] == EMPTIED
    await restart(world, tmp_path)
    assert (await told(world))["data"]["state"] == EMPTIED


async def test_data_that_rested_act_again_when_their_directory_is_heard(world: World, tmp_path: Path) -> None:
    """What had waited for more than a day waits until then, and no longer."""
    await world.hire("ana", "bo")
    await world.settle()
    await _take_up(world.worker)
    await world.fire("bo")
    await world.fold()
    await rest(world)
    await restart(world, tmp_path)
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}
    assert (await told(world))["data"]["state"] == OLD
    assert (await checked(world, tmp_path))["redis.data"].warning
    assert not await end_when_heard(world.store, world.settings)
    await world.hire("cy")
    assert await end_when_heard(world.store, world.settings)
    await world.settle()
    assert (set(world.members()), await world.parked()) == ({"ana", "cy"}, {})


async def rest(world: World) -> None:
    """Let the last beat and the last event be two days old."""
    beat = int(await world.store.call("GET", world.store.key("beat")))
    await world.store.call("SET", world.store.key("beat"), beat - 2 * DAY)
    journal = world.journal.key("okta")
    rows = await world.store.call("XRANGE", journal, "-", "+")
    await world.store.call("DEL", journal)
    for number, (_, fields) in enumerate(rows, 1):
        await world.store.call("XADD", journal, f"{beat - 2 * DAY}-{number}", "e", fields["e"])


async def test_a_restart_and_an_upgrade_hold_nothing(world: World, tmp_path: Path) -> None:
    """Nor does a first start, nor a second host without the file."""
    await _take_up(world.worker)
    await world.hire("ana", "bo")
    await world.settle()
    await world.fire("bo")
    await restart(world, tmp_path)
    await restart(world, tmp_path)
    other = tmp_path / "elsewhere"
    other.mkdir()
    await restart(world, other)
    await world.settle()
    await world.store.call("DEL", world.store.key("epoch"), world.store.key("beat"))
    world.worker = world.new_worker()
    await _take_up(world.worker)
    await world.settle()
    assert set(world.members()) == {"ana"}
    assert (await told(world))["data"] == {"state": "ok", "reason": None, "since": None}
