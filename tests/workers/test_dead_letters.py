"""An event that cannot be folded holds up no other, is shown, and can be tried again."""

from typing import Any

import pytest
import redis.exceptions
from structlog.testing import capture_logs

import bridge.directory.fold
from bridge.operators.events import DEAD_LETTER, EventLog, LoggedEvent
from bridge.operators.filters import Filter
from bridge.operators.health import read_health
from bridge.operators.replay import fold_dead_letters, told_within
from bridge.store.audit import Audit, Deed
from bridge.store.dead_letters import MOST_IN_A_ROW
from bridge.store.faults import describe_error, is_outage
from bridge.store.mirror import make_ref
from bridge.store.retention import trim_journal
from tests.workers.world import DAY, World, address
from workers import fold


async def dead_letters(world: World) -> list[LoggedEvent]:
    """Those that are shown."""
    log = EventLog(world.settings, world.store)
    return list((await log.page(Filter(states=frozenset({DEAD_LETTER})))).rows)


async def count(world: World) -> int:
    """How many `bridge status` tells of."""
    return (await read_health(world.settings, world.store, world.now)).journal.dead_letters


async def try_again(world: World) -> int:
    """Replay everything; how many dead letters that was."""
    log = EventLog(world.settings, world.store)
    deed = Deed(world.now, "boss", "", why="it is mended")
    return await fold_dead_letters(log, await told_within(log, Filter()), deed)


def poison(monkeypatch: pytest.MonkeyPatch, *users: str) -> None:
    """Let folding fail for what is told of some users."""
    honest = bridge.directory.fold.fold

    def folded(mirror: Any, events: Any) -> Any:
        for event in events:
            if event.user and event.user.id in users:
                raise KeyError(event.user.email)
        return honest(mirror, events)

    monkeypatch.setattr(fold, "fold", folded)


@pytest.mark.parametrize("place", [0, 1, 99, 150, 199, 200, 449])
async def test_one_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    """Wherever it stands; whoever looks is told of it, in words that name nobody."""
    people = [f"p{number}" for number in range(450)]
    await world.hire(*people)
    poison(monkeypatch, f"p{place}")
    with capture_logs() as logs:
        await world.fold()
    assert set(await world.due()) == {f"m:{name}" for name in people if name != f"p{place}"}
    assert await world.journal.counters() == (450, 450)
    [letter] = await dead_letters(world)
    assert letter.user
    assert letter.user.id == f"p{place}"
    assert "KeyError at test_dead_letters.py:" in letter.reason
    assert await count(world) == 1
    assert "acme.test" not in letter.reason
    assert [each["ident"] for each in logs if each["event"] == "fold.dead_letter"] == [
        letter.id.partition("/")[2]
    ]


async def test_it_is_tried_again_when_a_person_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once; then it is an event like all others, and who asked for it is in the audit."""
    await world.hire("ana", "bo")
    with monkeypatch.context() as patch:
        poison(patch, "ana")
        await world.settle()
    assert set(world.members()) == {"bo"}
    assert await try_again(world) == 1
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}
    assert (await dead_letters(world), await count(world), await try_again(world)) == ([], 0, 0)
    assert await world.journal.counters() == (3, 3)
    [(_, deed)] = await Audit(world.store).read()
    assert (deed.by, deed.action, deed.why) == ("boss", "replayed", "it is mended")


async def test_what_redis_refuses_is_one(world: World) -> None:
    """A script that fails in the middle has done what came before; nobody of its batch is forgotten."""
    people = [f"p{number}" for number in range(30)]
    await world.hire(*people)
    await world.group("g1", "Writers")
    await world.settle()
    broken = world.store.key("memberships", make_ref("okta", "p17"))
    await world.store.call("SET", broken, "no set")
    await world.add("g1", *people)
    await world.settle()
    assert world.teams() == {"Writers": {name for name in people if name != "p17"}}
    assert "WRONGTYPE" in (await world.dead())["m:p17"]
    [letter] = await dead_letters(world)
    assert letter.user
    assert letter.user.id == "p17"
    assert "WRONGTYPE" in letter.reason
    await world.store.call("DEL", broken)
    await try_again(world)
    await world.settle()
    assert (world.teams(), await world.dead()) == ({"Writers": set(people)}, {})


async def test_it_is_not_the_events_when_all_fail(world: World) -> None:
    """A few become dead letters, then nothing moves: the rest are in the journal, waiting and alerted."""
    people = [f"p{number}" for number in range(40)]
    await world.hire(*people)
    broken = world.store.key("users", "okta")
    await world.store.call("SET", broken, "no hash")
    for _ in range(3):
        with pytest.raises(redis.exceptions.ResponseError):
            for _ in range(MOST_IN_A_ROW + 1):  # a slice may end before
                await world.fold()
    assert await world.journal.counters() == (40, MOST_IN_A_ROW)
    await world.store.call("DEL", broken)
    await world.settle()
    assert set(world.members()) == set(people[MOST_IN_A_ROW:])
    assert await try_again(world) == MOST_IN_A_ROW
    await world.settle()
    assert set(world.members()) == set(people)


async def test_a_row_nobody_can_read_is_one(world: World) -> None:
    """It stops nobody."""
    await world.hire("ana")
    await world.store.call("XADD", world.journal.key("okta"), "*", "e", "[]")
    await world.hire("bo")
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}
    [letter] = await dead_letters(world)
    assert "nobody can read this row" in letter.reason


async def test_it_is_kept_until_it_is_folded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However old it is: the journal is not trimmed beyond it."""
    await world.hire("ana")
    await world.hire("bo")
    with monkeypatch.context() as patch:
        poison(patch, "bo")
        await world.settle()
    late = world.now + 400 * DAY
    assert await trim_journal(world.store, "okta", late, 0) == 1
    [letter] = await dead_letters(world)
    assert letter.user
    assert letter.user.email == address("bo")
    await try_again(world)
    await world.settle()
    assert set(world.members()) == {"ana", "bo"}
    assert await world.store.call("XLEN", world.journal.key("okta")) == 1


@pytest.mark.parametrize(
    "error",
    [
        redis.exceptions.ConnectionError("Connection refused"),
        redis.exceptions.TimeoutError("Timeout reading from socket"),
        TimeoutError(),
        redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'"),
        redis.exceptions.ReadOnlyError("You can't write against a read only replica."),
        redis.exceptions.NoPermissionError("this user has no permissions to run the 'zadd' command"),
        redis.exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots"),
        redis.exceptions.ResponseError("BUSY Redis is busy running a script"),
        redis.exceptions.ResponseError(
            "Error running script (call to f_1): @user_script:67: @user_script: 67: -OOM command not allowed"
        ),
        redis.exceptions.ResponseError("unknown command 'EVALSHA', with args beginning with: "),
        redis.exceptions.ResponseError(
            "Unknown Redis command called from script script: 1, on @user_script:3."
        ),
    ],
)
def test_an_outage_is_no_fault_of_an_event(error: Exception) -> None:
    """Of Redis' state, the way to it or our rights, in the words of Redis 6.2 to 8; told as they are."""
    assert is_outage(error)
    assert str(error) in describe_error(error)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("ana@acme.test"),
        redis.exceptions.DataError("Invalid input of type: 'NoneType' ana@acme.test"),
        redis.exceptions.ResponseError(
            "wrong number of arguments for 'sadd' command script: 1, on @user_script:67."
        ),
        redis.exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        RecursionError("maximum recursion depth exceeded"),
    ],
)
def test_all_else_comes_again_for_the_same_event(error: Exception) -> None:
    """What would quote a person is told by its class."""
    assert not is_outage(error)
    assert "acme.test" not in describe_error(error)
