"""What the workers count for /metrics: every call, how long changes and removals take, the limits' rest."""

from collections import Counter

import pytest

from bridge.sandbox import Limit, Limits
from bridge.store.redis import Store
from bridge.store.tally import Spread, Tally, TallyStore, read_budgets
from bridge.store.targets import Waiting
from bridge.store.work import Work
from bridge.targets.budget import Budgets
from tests.workers.world import DAY, HOUR, MINUTE, SECOND, World
from workers.tallies import Tallies, began

DOCS = "gitbook-acme-1"


async def told(world: World) -> Tally:
    """What Redis knows of the world's target."""
    return (await TallyStore(world.store).read([world.id]))[world.id]


async def open_world(world: World) -> None:
    """Let arrivals, which Redis' clock tells, be of the world's time, and everybody be planned for once."""
    world.sleep(-30 * DAY)
    await world.hire("zoe")
    await world.settle()
    await world.store.call("DEL", world.store.key("tally", world.id))


def within(spread: Spread) -> tuple[int, float]:
    """How many were measured, and how many seconds all of them took."""
    return sum(spread.counts), spread.seconds


# calls


async def test_every_call_is_counted_by_kind_and_status(world: World) -> None:
    """As the sandbox has seen them: reads too, and each attempt of a call that was repeated."""
    await world.hire("ana", "bo")
    await world.group("g", "Writers", "ana")
    await world.settle()
    world.sandbox.inject(next=[{"match": "DELETE", "fault": "500"}, {"match": "DELETE", "fault": "429"}])
    await world.fire("bo")
    await world.settle()

    tally = await told(world)
    seen = Counter(str(call.status) for call in world.sandbox.calls)
    by_status: Counter[str] = Counter()
    for (_, status), count in tally.calls.items():
        by_status[status] += count
    assert by_status == seen
    assert {kind for kind, _ in tally.calls} == {"read", "invites", "members", "teams"}
    assert tally.calls["members", "500"] == tally.calls["members", "429"] == 1
    assert sum(sum(spread.counts) for spread in tally.seconds.values()) == len(world.sandbox.calls)
    assert all(spread.seconds > 0 for spread in tally.seconds.values())


async def test_a_call_without_an_answer_counts_as_none(world: World) -> None:
    """There is no status to tell."""
    world.sandbox.inject(next=[{"match": "POST .*invites", "fault": "reset"}])
    await world.hire("ana")
    await world.settle()
    assert (await told(world)).calls["invites", "none"] == 1


async def test_calls_of_a_job_that_ends_early_are_told(world: World) -> None:
    """A token that is rejected ends the job in the middle of its step."""
    world.sandbox.token = "another"
    await world.hire("ana")
    await world.turn()
    assert (await world.state()).state == "credentials_rejected"
    assert (await told(world)).calls == {("read", "401"): 1}


async def test_the_limits_rest_is_what_the_headers_say(world: World) -> None:
    """By kind of call, as of the last answer."""
    world.sandbox.limits = Limits(Limit(50, 600))
    await world.hire("ana")
    await world.settle()
    row = await world.store.call("HGETALL", world.store.key("budget", world.id))
    budgets = read_budgets(row)
    assert {left.limit for left in budgets.values()} == {50}
    newest = min(left.remaining for left in budgets.values())
    assert newest == 50 - len(world.sandbox.calls)
    assert {left.at(left.resets_at + 1) for left in budgets.values()} == {50}


# how long changes take


async def test_a_change_is_measured_from_its_news_to_the_answer(world: World) -> None:
    """Nothing that comes after the answer counts, nor what changes nothing."""
    await open_world(world)
    await world.hire("ana")
    world.sleep(70 * SECOND)
    await world.settle()
    count, seconds = within((await told(world)).changes)
    assert count == 1
    assert 60 <= seconds < 80

    await world.tell("user.updated", ("ana", "ana@acme.test", True))
    await world.settle()
    assert within((await told(world)).changes) == (count, seconds)


async def test_what_backed_off_is_measured_from_the_first_news(world: World) -> None:
    """Also when newer news came while GitBook was away."""
    await open_world(world)
    world.sandbox.inject(next=[{"match": "POST .*invites", "fault": "500", "times": 12}])
    await world.hire("ana")
    await world.turn()
    assert (await world.docs.counts(world.now)).waiting == 1
    world.sleep(MINUTE)
    await world.tell("user.updated", ("ana", None, True))
    await world.settle()
    assert world.members() == {"ana": "read", "zoe": "read"}
    count, seconds = within((await told(world)).changes)
    assert count == 1
    assert 60 <= seconds < 600


async def test_what_is_done_for_another_reason_is_not_measured(world: World) -> None:
    """A changed rule marks everyone, and has no arrival."""
    await open_world(world)
    world.configure(default_role="edit")
    world.sleep(HOUR)
    await world.settle()
    assert world.members() == {"zoe": "edit"}
    assert within((await told(world)).changes) == (0, 0.0)


async def test_members_and_teams_of_one_burst_are_measured_once_each(world: World) -> None:
    """Two people and their new team are three objects, whatever calls they take."""
    await open_world(world)
    await world.hire("ana", "bo")
    await world.group("g", "Writers", "ana", "bo")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo"}}
    assert within((await told(world)).changes)[0] == 3


async def test_a_change_in_two_steps_is_measured_once_at_its_end(world: World) -> None:
    """The invite was answered well at once, the team some time later."""
    await open_world(world)
    world.sandbox.inject(next=[{"match": "PUT .*teams", "fault": "500", "times": 4}])
    await world.hire("ana")
    await world.group("g", "Writers", "ana")
    await world.turn()
    assert "ana" in world.members()
    world.sleep(MINUTE)
    await world.settle()
    assert world.teams() == {"Writers": {"ana"}}
    changes = (await told(world)).changes
    count, seconds = within(changes)
    assert count in (1, 2), "the person, and the team where its own news had not been worked off by then"
    assert 60 * count <= seconds < 600 * count


@pytest.mark.parametrize(
    ("work", "waiting", "start"),
    [
        (Work("m:a", 900, "7-0"), None, 0),
        (Work("m:a", 900, "7-800"), None, 800),
        (Work("m:a", 700, "7-800"), None, 700),
        (Work("m:a", 900, "7-800"), Waiting(2, 500), 500),
        (Work("m:a", 900, "7-800"), Waiting(2, 850), 800),
    ],
)
def test_a_change_began_with_the_earliest_that_is_known_of_it(
    work: Work, waiting: Waiting | None, start: int
) -> None:
    """Its news, since when it was due, or when it began to back off; without news it is not measured."""
    assert began(work, waiting) == start


# how long leavers stay


async def test_a_removal_is_measured_from_leaving_to_the_answer(world: World) -> None:
    """From the time the directory tells, with the days it waited for a person."""
    world.configure(guard={"max_removals": 0, "max_removal_percent": 0})
    await world.hire("ana")
    await world.settle()
    left = world.now
    await world.tell("user.deleted", ("ana", None, None), at=left)
    await world.settle()
    assert within((await told(world)).removals) == (0, 0.0)
    world.sleep(3 * DAY)
    await world.approve("m:ana")
    await world.settle()
    assert world.members() == {}
    removals = (await told(world)).removals
    count, seconds = within(removals)
    assert count == 1
    assert 3 * 86_400 <= seconds < 3 * 86_400 + 60
    assert removals.counts[removals.bounds.index(432_000.0)] == 1


async def test_a_removal_that_was_only_requested_is_not_one(world: World) -> None:
    """GitBook's 202 removes nobody, and changes nothing."""
    await world.hire("ana")
    await world.settle()
    before = within((await told(world)).changes)
    world.sandbox.inject(removal_202=True)
    await world.fire("ana")
    await world.settle()
    tally = await told(world)
    assert (within(tally.removals), within(tally.changes)) == ((0, 0.0), before)


# telling


class Client:
    """A client whose target has told one limit."""

    def __init__(self) -> None:
        self.budgets = Budgets()
        headers = {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "41", "x-ratelimit-reset": "1030"}
        self.budgets.seen("read", 200, headers, 1000.0)


class Broken(Store):
    """A Redis that is away."""

    def __init__(self) -> None:
        pass

    @property
    def prefix(self) -> str:  # type: ignore[override]
        """Return one."""
        return "broken"

    async def run(self, name: str, *args: object) -> object:
        """Fail."""
        raise ConnectionError("Redis is away")


async def test_nothing_new_is_not_told() -> None:
    """A quiet worker writes nothing: not even to a Redis that would fail."""
    await Tallies().tell(Broken(), {})


async def test_what_redis_did_not_take_is_told_later(store: Store) -> None:
    """Nothing is lost or counted twice, and what came meanwhile goes with it."""
    tallies, clients = Tallies(), {DOCS: Client()}
    tallies.of(DOCS).call("read", 200, 0.2)
    tallies.of(DOCS).changes.add(3.0)
    await tallies.tell(Broken(), clients)
    tallies.of(DOCS).call("read", 200, 0.3)
    tallies.of(DOCS).call("teams", 0, 9.0)
    tallies.of(DOCS).changes.add(4.0)
    tallies.of(DOCS).removals.add(90_000.0)
    for _ in range(2):
        await tallies.tell(store, clients)

    tally = (await TallyStore(store).read([DOCS]))[DOCS]
    assert tally.calls == {("read", "200"): 2, ("teams", "none"): 1}
    assert within(tally.seconds["read"]) == (2, 0.5)
    assert within(tally.changes) == (2, 7.0)
    assert within(tally.removals) == (1, 90_000.0)
    row = await store.call("HGETALL", store.key("budget", DOCS))
    assert (read_budgets(row)["read"].limit, read_budgets(row)["read"].remaining) == (60, 41)
