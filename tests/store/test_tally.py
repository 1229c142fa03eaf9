"""What the workers have counted, as Redis keeps it."""

from bridge.store.redis import Store
from bridge.store.tally import CHANGE_BOUNDS, Spread, Tally, TallyStore, read_budgets
from bridge.targets.budget import BudgetLeft

NOTHING = Tally()


def full() -> Tally:
    """A tally with something of everything."""
    tally = Tally(budgets={"read": BudgetLeft(60, 41, 1030.5)})
    tally.call("read", 200, 0.2)
    tally.call("invites", 0, 10.5)
    tally.changes.add(0.25)
    tally.removals.add(100_000_000.0)
    return tally


async def test_what_was_added_is_read(store: Store) -> None:
    """By target; one that nobody counted for has nothing. Budgets are read by themselves."""
    await TallyStore(store).add({"docs": full()})
    read = await TallyStore(store).read(["docs", "other"])
    wanted = full()
    wanted.budgets = {}
    assert read == {"docs": wanted, "other": NOTHING}
    row = await store.call("HGETALL", TallyStore(store).budget_key("docs"))
    assert read_budgets(row) == {"read": BudgetLeft(60, 41, 1030.5)}


async def test_workers_add_up(store: Store) -> None:
    """What two of them have counted is as much as one would have."""
    for _ in range(2):
        await TallyStore(store).add({"docs": full()})
    both = full()
    both += full()
    both.budgets = {}
    assert (await TallyStore(store).read(["docs"]))["docs"] == both
    assert both.calls["read", "200"] == 2
    assert (sum(both.changes.counts), both.changes.seconds) == (2, 0.5)


async def test_nothing_is_not_written(store: Store) -> None:
    """Not even a key."""
    await TallyStore(store).add({"docs": Tally()})
    await TallyStore(store).add({})
    assert await store.call("EXISTS", store.key("tally", "docs")) == 0


async def test_its_size_does_not_depend_on_how_much_is_counted(store: Store) -> None:
    """A thousand calls and changes fill no more fields than there are kinds, statuses and bounds."""
    tally = Tally()
    for number in range(1000):
        tally.call("read", 200 + number % 2, number / 100)
        tally.changes.add(number)
    await TallyStore(store).add({"docs": tally})
    assert await store.call("HLEN", store.key("tally", "docs")) < 50


async def test_bounds_of_another_version_count_as_the_next_greater(store: Store) -> None:
    """So that a counter never goes back."""
    key = store.key("tally", "docs")
    await store.call("HSET", key, "change:7", 3, "change:5", 2, "change:100000000", 1, "change:sum", "9.5")
    await store.call("HSET", key, "unheard:of", 4)
    changes = (await TallyStore(store).read(["docs"]))["docs"].changes
    counts = dict(zip((*CHANGE_BOUNDS, None), changes.counts, strict=True))
    assert {bound: count for bound, count in counts.items() if count} == {5.0: 2, 10.0: 3, None: 1}
    assert changes.seconds == 9.5


def test_time_that_runs_backwards_counts_as_none() -> None:
    """Two machines' clocks may differ."""
    spread = Spread((1.0, 2.0))
    spread.add(-3.0)
    spread.add(1.0)
    spread.add(1.5)
    assert (spread.counts, spread.seconds) == ([2, 1, 0], 2.5)
