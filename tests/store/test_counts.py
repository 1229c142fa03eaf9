"""What the guard has counted."""

from bridge.plan.held import Decision, Held
from bridge.plan.judge import Record, Window
from bridge.settings import GuardSettings
from bridge.store import counts
from bridge.store.commit import Transaction
from bridge.store.mirror import Command
from bridge.store.redis import Store
from bridge.store.targets import TargetStore

SECOND, HOUR = 1000, 3_600_000


async def run(target: TargetStore, *commands: Command) -> None:
    """Write."""
    transaction = Transaction(target.store)
    transaction.add_all(commands)
    await transaction.run()


def test_a_window_ends_now() -> None:
    """24 hours by default."""
    assert counts.window_start(GuardSettings(), 100 * HOUR) == 76 * HOUR


async def test_removals_and_the_members_there_were(store: Store) -> None:
    """Those since the start, against the newest number that is not younger; else the oldest there is."""
    target, guard = (
        TargetStore(store, "gitbook-acme-1"),
        GuardSettings.model_validate({"window": "100s", "gather": "5s"}),
    )

    async def removals(start: int) -> Window:
        return await counts.removals(target, guard, start + 100 * SECOND)

    assert await removals(0) == Window(0, 0)
    await run(target, *(("ZADD", target.key("guard"), at, f"m{at}") for at in (10, 20, 30)))
    await run(target, *(("ZADD", target.key("sizes"), at, f"{at}:{at * 2}") for at in (15, 25)))
    assert await removals(20) == Window(2, 30, frozenset({"m20", "m30"}))
    assert await removals(5) == Window(3, 30, frozenset({"m10", "m20", "m30"}))
    assert await removals(26) == Window(1, 50, frozenset({"m30"}))
    await run(target, ("ZADD", target.key("gathering"), 105 * SECOND, "m40"))
    assert await removals(26) == Window(1, 50, frozenset({"m30"}), {"m40": 105 * SECOND})


async def test_a_wave_that_gathers_until_another_day_is_judged_now(store: Store) -> None:
    """A wrong clock has begun it."""
    target, now = TargetStore(store, "gitbook-acme-1"), 100 * HOUR
    await run(target, ("ZADD", target.key("gathering"), now + 24 * HOUR, "m1", now + 5 * SECOND, "m2"))
    window = await counts.removals(target, GuardSettings(), now)
    assert window.gathering == {"m1": now, "m2": now + 5 * SECOND}


async def test_losses_of_all_teams(store: Store) -> None:
    """Against all who are in them, and those whom they have lost."""
    target = TargetStore(store, "gitbook-acme-1")
    await run(target, ("SADD", target.roster_key("t1"), "a", "b"), ("SADD", target.roster_key("t2"), "a"))
    lost = [("ZADD", target.key("losses"), at, counts.loss_of("t1", f"m{at}")) for at in (10, 20)]
    await run(target, *lost)
    assert await counts.all_losses(target, ["t1", "t2", "t3"], 15) == Window(1, 4)


async def test_losses_of_a_team(store: Store) -> None:
    """Its size is that of the window's first look, while it has lost somebody since."""
    target = TargetStore(store, "gitbook-acme-1")
    await run(target, ("SADD", target.roster_key("t1"), "a", "b", "c"))
    assert await counts.losses(target, "t1", 10) == counts.TeamWindow(Window(0, 3), True)
    await run(target, ("ZADD", target.key(counts.losses_of("t1")), 20, "d"))
    assert await counts.losses(target, "t1", 10) == counts.TeamWindow(Window(1, 4), True)
    await run(target, ("HSET", target.key("teamsizes"), "t1", "15:9"))
    assert await counts.losses(target, "t1", 10) == counts.TeamWindow(Window(1, 9), False)
    assert await counts.losses(target, "t1", 16) == counts.TeamWindow(Window(1, 4), True)


async def test_what_is_held_and_decided(store: Store) -> None:
    """Of these ids."""
    target = TargetStore(store, "gitbook-acme-1")
    held, decision = Held("a", "m:a", "remove", "too many", 1), Decision(True, "boss", 2)
    await run(target, target.park(held), target.decide("b", decision))
    assert await counts.record_of(target, ["a", "b", "c"], 7) == Record({"a": held}, {"b": decision}, 7)
