"""What is not kept for ever: by a clock that is turned, with ids as Redis would give them then."""

from collections import deque
from collections.abc import Sequence

import pytest

from bridge.plan.held import Decision, Held
from bridge.store import history
from bridge.store.audit import Audit
from bridge.store.commit import Transaction
from bridge.store.journal import Receipt, Submission
from bridge.store.mirror import Command
from tests.workers.world import DAY, HOUR, MINUTE, World
from workers import main
from workers.retention import trim, trim_when_due


@pytest.fixture(autouse=True)
def clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis' own clock cannot be turned: give rows the ids they would have by the world's."""
    sleep = world.sleep

    def sleep_on(milliseconds: int) -> None:
        sleep(milliseconds)
        history._ID = f"{world.now}-*"

    async def accept(submissions: Sequence[Submission]) -> list[Receipt | Exception]:
        for entry in (each for submission in submissions for each in submission.entries):
            await world.store.calls([
                ("XADD", world.journal.key(entry.directory), f"{world.now}-*", "e", entry.payload),
                ("HINCRBY", world.store.key("counters"), "accepted", 1),
                ("SADD", world.store.key("directories"), entry.directory),
            ])  # fmt: skip
        return [Receipt(len(each.entries), 0) for each in submissions]

    monkeypatch.setattr(history, "_ID", f"{world.now}-*")
    monkeypatch.setattr(world, "sleep", sleep_on)
    monkeypatch.setattr(world.journal, "accept", accept)


def keep(world: World, **spans: str | int) -> None:
    """Start a worker that keeps things so long."""
    world.retention = spans
    world.configure()


async def journalled(world: World, after: str = "-") -> int:
    """How many events the journal has, or has behind an id."""
    return len(await world.store.call("XRANGE", world.journal.key("okta"), after, "+"))


async def memory(world: World) -> int:
    """Bytes of all our keys, without the jobs that no arq runs here."""
    cursor, keys = 0, set()
    while True:
        cursor, some = await world.store.call("SCAN", cursor, "MATCH", f"{world.store.prefix}:*")
        keys |= {key for key in some if not key.endswith(":queue")}
        if not cursor:
            break
    lasting = sorted(keys - await ended(world, keys))
    return sum(await world.store.calls([("MEMORY", "USAGE", key, "SAMPLES", 0) for key in lasting]))


async def ended(world: World, keys: set[str]) -> set[str]:
    """Delete, and return, the lists of ids that Redis would have let end by the world's clock."""
    span, over = world.settings.retention.history, set()
    for key in (key for key in keys if key.startswith(world.store.key("calls", ""))):
        last, ttl = await world.store.calls([("LINDEX", key, -1), ("TTL", key)])
        assert 0 < ttl <= span
        if int(last.partition("-")[0]) + span * 1000 < world.now:
            over.add(key)
    await world.store.calls([("DEL", key) for key in sorted(over)])
    return over


@pytest.fixture
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the lists of ids be full before a test looks at them."""
    monkeypatch.setattr(history, "MOST_OF_AN_OBJECT", 10)


async def run(world: World, *commands: Command) -> None:
    """Run commands in a transaction."""
    transaction = Transaction(world.store)
    transaction.add_all(commands)
    assert await transaction.run()


# as a whole


PEOPLE = [f"p{number}" for number in range(24)]


async def a_day(world: World, number: int) -> None:
    """Much talk about everybody, two who come and go, one of them with a person's approval, some movers."""
    begun = world.now
    for event in range(200):
        await world.tell("user.updated", (PEOPLE[event % len(PEOPLE)], None, True))
    boss, leaver = "p0", PEOPLE[1 + number % 23]
    for active in (False, True):
        await world.active(boss, active)
        await world.active(leaver, active)
        for mover in (PEOPLE[3], PEOPLE[4]):
            await (world.add if active else world.take_out)("g1", mover)
        await world.settle()
        await world.approve()
        await world.settle()
    world.sleep(begun + DAY - world.now)


@pytest.mark.usefixtures("short_lists")
async def test_memory_is_flat_at_a_constant_rate(world: World) -> None:
    """Over several spans of everything that is kept, within 10 %; and no event is miscounted."""
    world.configure(guard={"protect": ["p0@acme.test"]})
    keep(world, journal="5d", history="5d", evidence="10d")
    await world.hire(*PEOPLE)
    await world.group("g1", "Writers", *PEOPLE[:8])
    sizes = []
    for number in range(35):
        await a_day(world, number)
        await trim(world.worker)
        if number >= 11:
            sizes.append(await memory(world))
    assert max(sizes) <= 1.1 * min(sizes), sizes
    assert len(world.members()) == 24
    accepted, folded = await world.journal.counters()
    assert accepted == folded == world.told
    assert await journalled(world) < 5.1 * 210
    assert await world.store.call("XLEN", world.docs.key("evidence")) == 10 * 4  # two leave and come back


async def a_day_of_churn(world: World, number: int, staff: deque[str], groups: deque[str]) -> None:
    """Two join and two leave, a group is made and one goes, people move, one gets another address."""
    begun = world.now
    joiners, leavers = [f"n{number}-{each}" for each in "ab"], [staff.popleft(), staff.popleft()]
    await world.hire(*joiners)
    staff.extend(joiners)
    groups.append(f"g{number}")
    await world.group(groups[-1], f"Project {number}", *list(staff)[-5:])
    await world.settle()
    await world.fire(*leavers)
    await world.tell("group.deleted", group=(groups.popleft(), None))
    await world.take_out(groups[0], staff[-6])
    await world.add(groups[0], staff[0])
    await world.tell("group.user_added", (f"stranger{number}", None, None), (groups[0], None))
    await world.tell("group.user_removed", (f"stranger{number}", None, None), (groups[0], None))
    await world.tell("user.updated", (staff[4], f"{staff[4]}.{number}@acme.test", True))
    await world.settle()
    await world.approve()
    await world.settle()
    world.sleep(begun + DAY - world.now)


@pytest.mark.usefixtures("short_lists")
async def test_memory_is_flat_while_people_come_and_go(world: World) -> None:
    """Likewise, with everybody and every group replaced several times; those who are there stay."""
    keep(world, journal="4d", history="4d", evidence="4d")
    staff = deque(f"p{number}" for number in range(16))
    groups = deque(f"g-{number}" for number in range(4))
    await world.hire(*staff)
    for ident in groups:
        await world.group(ident, f"Team {ident}", *list(staff)[:4])
    sizes, rows = [], []
    for number in range(30):
        await a_day_of_churn(world, number, staff, groups)
        await trim(world.worker)
        if number >= 12:
            sizes.append(await memory(world))
            rows.append(await world.store.call("HLEN", world.store.key("users", "okta")))
    spans = [sum(sizes[day : day + 6]) / 6 for day in range(len(sizes) - 5)]  # a row is small beside a page
    assert max(spans) <= 1.1 * min(spans), list(map(int, sizes))
    assert max(rows) <= 16 + 5 * 3
    assert {name.partition(".")[0] for name in world.members()} == set(staff)
    assert len(world.teams()) == 4


# the journal


async def test_what_is_not_folded_is_never_trimmed(world: World) -> None:
    """However old and however large it is; once it is folded, it goes."""
    keep(world, journal="1d", journal_size=1)
    await world.hire(*PEOPLE * 15)
    await trim(world.worker)
    assert await journalled(world) == 360, "nothing is folded yet"
    await world.fold()
    await world.hire(*PEOPLE * 15)
    cursor = await world.journal.cursor("okta")
    world.sleep(400 * DAY)
    for _ in range(3):
        await trim(world.worker)
    assert await journalled(world, f"({cursor}") == 360
    assert await journalled(world) <= 361
    await world.settle()
    accepted, folded = await world.journal.counters()
    assert accepted == folded == 720
    await trim(world.worker)
    assert await journalled(world) <= 1
    await world.hire("ana")
    await world.settle()
    assert "ana" in world.members()


async def test_the_journal_is_kept_for_its_span(world: World) -> None:
    """To the event; what is younger stays."""
    keep(world, journal="2d")
    await world.hire(*PEOPLE)
    world.sleep(DAY)
    await world.hire(*PEOPLE[:5])
    await world.fold()
    world.sleep(DAY + HOUR)
    await trim(world.worker)
    assert await journalled(world) == 5


async def test_the_journal_is_kept_to_its_size(world: World) -> None:
    """The newest events stay, however young the others are."""
    keep(world, journal_size=60_000)
    await world.hire(*PEOPLE * 50)
    await world.fold()
    key = world.journal.key("okta")
    before, [last] = await world.store.calls(
        [("MEMORY", "USAGE", key), ("XREVRANGE", key, "+", "-", "COUNT", 1)]
    )
    await trim(world.worker)
    after = await world.store.call("MEMORY", "USAGE", key)
    assert (before > 100_000, 45_000 < after <= 60_000) == (True, True)
    assert await world.store.call("XREVRANGE", key, "+", "-", "COUNT", 1) == [last]


# the history


async def test_evidence_outlives_the_history(world: World) -> None:
    """Removals and what people decided, with who and why, when the calls are long forgotten."""
    world.configure(guard={"protect": ["ana@acme.test", "bo@acme.test"]})
    keep(world, history="30d", evidence="400d")
    await world.hire("ana", "bo", "cy")
    await world.settle()
    await world.fire("ana", "bo", "cy")
    await world.settle()
    await world.approve("m:ana")
    await world.reject("m:bo")
    await world.settle()
    world.sleep(31 * DAY)
    await trim(world.worker)
    assert await world.past.rows(99) == []
    kept = [(row["outcome"], row["change"]) for row in await world.past.evidence(2)]
    assert kept == [("done", "remove member ana@acme.test"), ("done", "remove member cy@acme.test")]
    deeds = [deed for _, deed in await Audit(world.store).read()]
    assert [(deed.action, deed.object, deed.by, deed.why) for deed in deeds] == [
        ("rejected", "m:bo@acme.test", "boss", "because"), ("approved", "m:ana@acme.test", "boss", "because"),
    ]  # fmt: skip
    world.sleep(370 * DAY)
    await trim(world.worker)
    assert (await world.past.evidence(99), await Audit(world.store).read()) == ([], [])


# what is noted beside


async def test_the_guard_forgets_what_is_out_of_its_window(world: World) -> None:
    """And no more than that: what it still counts stays counted."""
    world.configure(guard={"team_min_removals": 99})
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers", "ana", "bo", "cy")
    await world.settle()
    await world.take_out("g1", "ana")
    await world.fire("bo")
    await world.settle()
    [team] = await world.store.call("HKEYS", world.docs.key("teamsizes"))
    counts = [world.docs.key(what) for what in ("guard", "invited", f"losses:{team}", "sizes")]

    async def counted() -> list[int]:
        return [await world.store.call("ZCARD", key) for key in counts]

    before = await counted()
    world.sleep(HOUR)
    await trim(world.worker)
    assert await counted() == before == [1, 3, 1, before[3]]
    world.sleep(DAY)
    await trim(world.worker)
    assert await counted() == [0, 0, 0, 1]
    await trim(world.worker)
    assert await world.store.call("EXISTS", world.docs.key("teamsizes")) == 0


async def test_causes_are_kept_while_something_is_to_be_done(world: World) -> None:
    """Due, given up or held: its last delivery is still asked for."""
    causes = world.docs.key("cause")
    objects = ["m:due", "m:dead", "m:held", "m:leaver", "t:Held", "m:idle", ""]
    held = Held("h1", "t:Held", "", "", 0, emails=("leaver",))
    await run(
        world,
        ("HSET", causes, *(word for each in objects for word in (each, "d1"))),
        *world.docs.mark(["m:due"], world.now + DAY),
        world.docs.bury(Held("m:dead", "m:dead", "", "", 0)),
        *(world.docs.park(each) for each in (held, Held("h2", "m:held", "", "", 0))),
    )
    await trim(world.worker)
    left = await world.store.call("HKEYS", causes)
    assert set(left) == {"m:due", "m:dead", "m:held", "m:leaver", "t:Held"}


async def test_a_walk_goes_on_where_it_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large hash is looked through in slices, over several rounds."""
    monkeypatch.setattr("bridge.store.retention.SLICE", 10)
    monkeypatch.setattr("workers.retention.MOST_WALKED", 3)
    causes = world.docs.key("cause")
    await run(world, ("HSET", causes, *(word for n in range(2000) for word in (f"m:{n}", "d1"))))
    left, rounds = 2000, 0
    while left and rounds < 200:
        await trim(world.worker)
        before, left, rounds = left, await world.store.call("HLEN", causes), rounds + 1
        assert before - left < 200
    assert left == 0
    assert rounds > 10


async def test_an_exception_that_has_ended_is_forgotten(world: World) -> None:
    """One without an end is not."""
    ends = (world.now + HOUR) / 1000
    for ident, until in (("a", ends), ("b", 0.0), ("c", ends + 86400)):
        await run(world, world.docs.decide(ident, Decision(False, "boss", 0, until=until)))
    await trim(world.worker)
    assert set(await world.docs.decisions("abc")) == set("abc")
    world.sleep(2 * HOUR)
    await trim(world.worker)
    assert set(await world.docs.decisions("abc")) == set("bc")


# when


async def test_one_worker_trims_a_minute(world: World) -> None:
    """The sweep asks each time; whoever comes first does it."""
    assert await trim_when_due(world.worker)
    assert not await trim_when_due(world.new_worker())
    left = await world.store.call("PTTL", world.store.key("trimmed"))
    assert 0 < left <= MINUTE
    await world.store.call("DEL", world.store.key("trimmed"))
    await main.sweep({"worker": world.worker})
    assert not await trim_when_due(world.worker)


async def test_no_memory_usage_no_size(world: World) -> None:
    """Where Redis does not tell how large a key is, age alone counts."""
    keep(world, journal="1d", journal_size=1)
    await world.hire(*PEOPLE * 10)
    await world.fold()
    user = world.store.prefix
    await world.store.call("ACL", "SETUSER", user, "on", "nopass", "~*", "&*", "+@all", "-memory")
    await world.store.call("AUTH", user, "x")
    try:
        await trim(world.worker)
        assert await journalled(world) == 240
        world.sleep(2 * DAY)
        await trim(world.worker)
        assert await journalled(world) <= 1
    finally:
        await world.store.call("AUTH", "default", "")
        await world.store.call("ACL", "DELUSER", user)
