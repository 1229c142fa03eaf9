"""What the workers have counted of each target, for /metrics: calls, how long things took, budgets left.

Two hashes for each target, of a size that does not depend on how much is counted:

    tally   calls:{kind}:{status}   how many calls
            {spread}:{bound}        how many took up to the bound, and longer than the bound before it
            {spread}:sum            seconds in all
    budget  {kind}                  limit, calls left, and when it is full again (unix seconds)

`spread` is call:{kind}, change or removal. They are counted on and on, over restarts of all parts.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.store.commit import Transaction
from bridge.store.redis import Store
from bridge.targets.budget import BudgetLeft

CALL_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CHANGE_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
REMOVAL_BOUNDS = (
    1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0,
    86_400.0, 172_800.0, 432_000.0, 864_000.0, 2_592_000.0,
)  # fmt: skip
_BEYOND = "inf"
_CALL, _CALLS, _CHANGE, _REMOVAL, _SUM = "call:", "calls:", "change", "removal", "sum"


@dataclass(slots=True)
class Spread:
    """How long things took. `counts`: for each bound (seconds) and beyond; `seconds`: in all."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Begin with nothing counted."""
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def add(self, seconds: float) -> None:
        """Count something. Less than nothing, as two machines' clocks may show, counts as nothing."""
        seconds = max(0.0, seconds)
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds

    def __iadd__(self, other: "Spread") -> "Spread":
        """Add what was counted elsewhere, by the same bounds."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.seconds += other.seconds
        return self


@dataclass(slots=True)
class Tally:
    """What was counted of one target.

    `calls`: attempts by kind and status (as text, "none" without an answer); `seconds`: of calls, by kind;
    `changes`, `removals`: see `workers.tallies`; `budgets`: the newest that are known, by kind of call.
    """

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: dict[str, Spread] = field(default_factory=lambda: defaultdict(lambda: Spread(CALL_BOUNDS)))
    changes: Spread = field(default_factory=lambda: Spread(CHANGE_BOUNDS))
    removals: Spread = field(default_factory=lambda: Spread(REMOVAL_BOUNDS))
    budgets: dict[str, BudgetLeft] = field(default_factory=dict)

    def call(self, kind: str, status: int, seconds: float) -> None:
        """Count one attempt. `status`: of HTTP, 0 without an answer."""
        self.calls[kind, str(status or "none")] += 1
        self.seconds[kind].add(seconds)

    def spreads(self) -> Iterator[tuple[str, Spread]]:
        """Return all spreads by their names in Redis."""
        yield from ((_CALL + kind, spread) for kind, spread in self.seconds.items())
        yield from ((_CHANGE, self.changes), (_REMOVAL, self.removals))

    def __iadd__(self, other: "Tally") -> "Tally":
        """Add what was counted later."""
        self.calls += other.calls
        for kind, spread in other.seconds.items():
            self.seconds[kind] += spread
        self.changes += other.changes
        self.removals += other.removals
        self.budgets |= other.budgets
        return self


class TallyStore:
    """The hashes of all targets, by `bridge.store.targets.target_id`."""

    def __init__(self, store: Store) -> None:
        """`store`: the bridge's own."""
        self._store = store

    def budget_key(self, target: str) -> str:
        """Return where it is kept what a target's budgets have left."""
        return self._store.key("budget", target)

    async def add(self, tallies: Mapping[str, Tally]) -> None:
        """Add to what was counted: all of it or none, in one round trip. Raises one of STORE_ERRORS.

        Where the answer is lost it may have been added all the same: who adds it again counts it twice.
        """
        transaction = Transaction(self._store)
        for target, tally in tallies.items():
            key = self._store.key("tally", target)
            for (kind, status), count in tally.calls.items():
                transaction.add("HINCRBY", key, f"{_CALLS}{kind}:{status}", count)
            for name, spread in tally.spreads():
                for bound, count in zip(_names(spread.bounds), spread.counts, strict=True):
                    if count:
                        transaction.add("HINCRBY", key, f"{name}:{bound}", count)
                if spread.seconds:
                    transaction.add("HINCRBYFLOAT", key, f"{name}:{_SUM}", f"{spread.seconds:.6f}")
            for kind, left in tally.budgets.items():
                row = f"{left.limit} {left.remaining} {left.resets_at}"
                transaction.add("HSET", self.budget_key(target), kind, row)
        if len(transaction):
            await transaction.run()

    async def read(self, targets: Sequence[str]) -> dict[str, Tally]:
        """Return all that was counted, in one round trip; of budgets nothing. Raises one of STORE_ERRORS."""
        rows = await self._store.calls([("HGETALL", self._store.key("tally", each)) for each in targets])
        return {target: _tally(row) for target, row in zip(targets, rows, strict=True)}


def read_budgets(row: Mapping[str, str]) -> dict[str, BudgetLeft]:
    """Return what the hash of a target's budgets holds."""
    found = {}
    for kind, text in row.items():
        limit, remaining, resets_at = text.split()
        found[kind] = BudgetLeft(int(limit), int(remaining), float(resets_at))
    return found


def _names(bounds: Sequence[float]) -> list[str]:
    return [*(f"{bound:g}" for bound in bounds), _BEYOND]


def _tally(row: Mapping[str, str]) -> Tally:
    tally = Tally()
    for name, value in row.items():
        what, _, last = name.rpartition(":")
        if what.startswith(_CALLS):
            tally.calls[what.removeprefix(_CALLS), last] = int(value)
        elif spread := _spread(tally, what):
            _put(spread, last, value)
    return tally


def _spread(tally: Tally, name: str) -> Spread | None:
    if name.startswith(_CALL):
        return tally.seconds[name.removeprefix(_CALL)]
    return {_CHANGE: tally.changes, _REMOVAL: tally.removals}.get(name)


def _put(spread: Spread, last: str, value: str) -> None:
    """Fill in a field. A bound of another version counts as the next greater one of this."""
    if last == _SUM:
        spread.seconds = float(value)
        return
    spread.counts[bisect_left(spread.bounds, float(last))] += int(value)
