"""Lists that do not fit one slice are read on where they were left, and what they showed is used."""

from collections import Counter

import pytest

from bridge.operators.health import read_health
from bridge.plan.members import State
from bridge.sandbox import Limit, Limits
from bridge.store.commit import Transaction
from bridge.store.listings import ListingStore, read_listings
from tests.workers.crash import die_and_come_back
from tests.workers.world import MINUTE, SECOND, World, short
from workers import converge, look

PAGES, PAGE = 7, 5
JOINERS = tuple(f"p{number}" for number in range(12))  # more than the list has pages


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices that end with their first call."""
    monkeypatch.setattr(converge, "SLICE_SECONDS", 0.0)


async def long_list(world: World, *, oldest: tuple[str, ...] = ()) -> None:
    """Seven pages of members, with the token's owner and `oldest`; the configuration is planned for."""
    for name in oldest:
        world.sandbox.seed_member(f"{name}@acme.test")
    for number in range(PAGES * PAGE - 1 - len(oldest)):
        world.sandbox.seed_member(f"m{number}@else.test")
    world.sandbox.inject(page_size=PAGE)
    await world.turn()
    await world.turn()


def pages_read(world: World) -> list[str | None]:
    """The cursors of the pages of the list of members that were asked for, in order."""
    calls = world.sandbox.calls_like("GET .*/members$")
    return [
        call.query.get("page")
        for call in calls
        if "/teams/" not in call.path and "search" not in call.query and "role" not in call.query
    ]


def searches(world: World) -> list[str]:
    """Who was searched for, in order."""
    calls = world.sandbox.calls_like("GET .*/members$")
    return [short(call.query["search"]) for call in calls if "search" in call.query]


async def reading(world: World) -> str | None:
    """What the status says is being read."""
    health = (await read_health(world.settings, world.store, world.now)).targets["docs"]
    return health.reading.describe() if health.reading else None


async def kept(world: World) -> dict[str, str]:
    """What is kept of lists."""
    found: dict[str, str] = await world.store.call("HGETALL", ListingStore(world.docs).key)
    return found


# members


async def test_a_list_longer_than_a_slice_ends_in_invitations(world: World, tiny: None) -> None:
    """No page is read twice, and who was read as absent is not forgotten."""
    await long_list(world)
    world.sandbox.seed_member("p3@acme.test", "edit")
    await world.hire(*JOINERS)
    await world.settle()
    assert world.members()["p3"] == "edit"
    assert set(JOINERS) <= set(world.members())
    first = pages_read(world)[: PAGES + 1]
    assert len(set(first)) == len(first)
    invites = [call.body["emails"] for call in world.sandbox.calls_like("POST")]
    assert [len(emails) for emails in invites] == [len(JOINERS) - 1]
    assert await world.due() == []


async def test_each_slice_reads_at_least_one_page(world: World, tiny: None) -> None:
    """However long a call takes: a slice of no length still comes on."""
    await long_list(world)
    await world.hire(*JOINERS)
    for number in range(1, PAGES):
        await world.turn()
        assert len(pages_read(world)) == number
        assert await reading(world) == f"reading {number} of {PAGES} pages of the members"


async def test_another_worker_goes_on_with_the_list(world: World, tiny: None) -> None:
    """One that died in the middle of it costs no page but the one it was reading."""
    await long_list(world)
    await world.hire(*JOINERS)
    for _ in range(3):
        await world.turn()
    await die_and_come_back(world)
    world.worker = world.new_worker()
    await world.settle()
    assert set(JOINERS) <= set(world.members())
    first = pages_read(world)[:PAGES]
    assert len(set(first)) == len(first)


async def test_who_has_lost_the_lease_keeps_nothing(
    world: World, tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page it has read does not move the place at which the new one goes on."""
    await long_list(world)
    await world.hire(*JOINERS)
    await world.turn()
    before, run = await kept(world), Transaction.run

    async def taken_over(transaction: Transaction) -> bool:
        if any("listings" in str(word) for word in transaction._words):
            await world.store.call("SET", world.store.key("lease", f"converge:{world.id}"), "somebody else")
        return await run(transaction)

    monkeypatch.setattr(Transaction, "run", taken_over)
    await world.turn()
    monkeypatch.setattr(Transaction, "run", run)
    assert await kept(world) == before


async def test_a_window_smaller_than_the_list(world: World) -> None:
    """What was read in one window of the rate limit is not read again in the next."""
    await long_list(world)
    world.sandbox.limits = Limits(Limit(3, 60.0))
    await world.hire(*JOINERS)
    await world.turn()
    assert (await world.state()).state == "rate_limited"
    assert str(await reading(world)).endswith(f"of {PAGES} pages of the members")
    await world.settle()
    assert set(JOINERS) <= set(world.members())
    first = [call for call in world.sandbox.calls if call.status == 200][:PAGES]
    cursors = [call.query.get("page") for call in first]
    assert len(set(cursors)) == len(cursors)


async def test_what_was_read_is_used_for_all_who_are_due(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More people than one step takes: the list is read once before anybody is invited."""
    monkeypatch.setattr(converge, "AT_ONCE", 8)
    await long_list(world)
    names = [f"p{number}" for number in range(24)]
    await world.hire(*names)
    world.most_steps = 200
    await world.settle()
    assert set(names) <= set(world.members())
    absent = [call for call in world.sandbox.calls if call.method == "POST"]
    begun = world.sandbox.calls.index(absent[0])
    lists = [c for c in world.sandbox.calls[:begun] if c.path.endswith("/members")]
    assert len(lists) == PAGES


async def test_few_are_searched_for_where_the_list_is_long(world: World) -> None:
    """The first page tells how long it is: those who are left are searched for, and nothing is read twice."""
    await long_list(world)
    await world.hire("ana", "bo", "cy", "di")
    await world.turn()
    assert pages_read(world) == [None]
    assert searches(world)[:4] == ["ana", "bo", "cy", "di"]
    world.worker = world.new_worker()
    world.sandbox.calls.clear()
    await world.hire("ed", "flo", "gus")
    await world.settle()
    assert pages_read(world) == []
    assert {"ana", "bo", "cy", "di", "ed", "flo", "gus"} <= set(world.members())
    assert await kept(world) == {}


async def test_a_list_that_is_too_long_to_be_kept(
    world: World, tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are looked for: one search after the other, each of which is used at once."""
    monkeypatch.setattr(look, "MOST_PAGES", PAGES - 1)
    await long_list(world)
    await world.hire(*JOINERS)
    await world.settle()
    assert set(JOINERS) <= set(world.members())
    assert pages_read(world) == [None]
    assert set(JOINERS) <= set(searches(world))


async def test_a_cursor_that_has_expired(world: World, tiny: None) -> None:
    """The list is begun again, and ends in invitations all the same."""
    await long_list(world)
    await world.hire(*JOINERS)
    await world.turn()
    await world.turn()
    world.sandbox.inject(expired_cursors=True)
    await world.turn()
    world.sandbox.inject(expired_cursors=False)
    assert pages_read(world)[-2:] != [None, None]
    assert pages_read(world).count(None) == 2
    await world.settle()
    assert set(JOINERS) <= set(world.members())
    assert world.sandbox.calls_like("POST")


async def test_cursors_that_are_always_refused(world: World, tiny: None) -> None:
    """That is the target's fault: it is told, and not tried for ever without a pause."""
    await long_list(world)
    world.sandbox.inject(expired_cursors=True)
    await world.hire(*JOINERS)
    for _ in range(40):
        await world.turn()
        if (await world.state()).state != "ok":
            break
        world.sleep(30 * SECOND)
    state = await world.state()
    assert state.state == "unavailable"
    assert "the next page of the members is refused each time" in (state.reason or "")
    world.sandbox.heal()
    await world.settle()
    assert set(JOINERS) <= set(world.members())


# what happens while a list is read


async def test_a_leaver_does_not_wait_for_the_end_of_the_list(world: World, tiny: None) -> None:
    """They are searched for; the list is read on afterwards."""
    await world.hire("ana")
    await world.settle()
    await long_list(world)
    await world.hire(*JOINERS)
    await world.turn()
    await world.turn()
    await world.fire("ana")
    await world.turn()
    assert "ana" not in world.members()
    assert not world.sandbox.calls_like("POST .*/invites")[1:]
    await world.settle()
    assert set(JOINERS) <= set(world.members())
    assert "ana" not in world.members()


async def test_an_admin_is_read_just_before_the_removal(world: World, tiny: None) -> None:
    """The list showed them with a lower role, which somebody has changed since."""
    world.configure(guard={"max_removals": 100})
    await long_list(world)
    for name in JOINERS[:10]:
        world.sandbox.seed_member(f"{name}@acme.test")
    await world.hire(*JOINERS)
    await world.turn()
    await world.turn()
    ana = world.sandbox.members()["p9@acme.test"]
    world.sandbox.state.change(ana, role="admin")
    for name in JOINERS[:10]:
        await world.active(name, False)
    await world.settle()
    assert "p9" in world.members()
    assert world.members()["p9"] == "admin"
    assert "p9" in {name.removeprefix("m:") for name in await world.parked()} | set(await world.parked())


async def test_many_leavers_behind_a_list_that_takes_too_long(world: World, tiny: None) -> None:
    """What is known of them from a list of some age is not enough: each is looked at just before."""
    world.configure(guard={"max_removals": 100})
    names = tuple(f"l{number}" for number in range(9))
    await long_list(world, oldest=names)
    for name in names:
        await world.tell("user.updated", (name, f"{name}@acme.test", False))
    for _ in range(60):
        await world.turn()
        world.sleep(20 * SECOND)
    assert set(await world.parked()) == {f"m:{name}" for name in names}, "they were there before"
    assert set(searches(world)) == set(names)
    assert Counter(pages_read(world)).most_common(1)[0][1] == 1
    await world.approve()
    await world.settle()
    assert not set(names) & set(world.members())


async def test_many_leavers_are_found_in_a_list_that_is_read_quickly(world: World) -> None:
    """One list instead of one search for each."""
    world.configure(guard={"max_removals": 100})
    names = tuple(f"l{number}" for number in range(9))
    await long_list(world, oldest=names)
    for name in names:
        await world.tell("user.updated", (name, f"{name}@acme.test", False))
    await world.settle()
    assert set(await world.parked()) == {f"m:{name}" for name in names}, "they were there before"
    await world.approve()
    await world.settle()
    assert not set(names) & set(world.members())
    assert searches(world) == []


async def test_somebody_removed_while_the_list_is_read_and_hired_again(world: World, tiny: None) -> None:
    """A page that was read before the removal does not tell that they are a member."""
    await long_list(world)
    await world.hire("ana")
    await world.settle()
    await world.hire(*JOINERS)
    await world.turn()
    await world.turn()
    await world.fire("ana")
    await world.turn()
    assert "ana" not in world.members()
    await world.tell("user.created", ("ana", "ana@acme.test", True))
    await world.settle()
    assert {"ana", *JOINERS} <= set(world.members())


async def test_somebody_who_came_while_a_list_was_read_for_long(world: World, tiny: None) -> None:
    """The newest members are looked at again before those who are absent are invited."""
    await long_list(world)
    await world.hire(*JOINERS)
    await world.turn()
    world.sandbox.seed_member("p5@acme.test", "edit")
    for _ in range(PAGES):
        world.sleep(4 * MINUTE)
        await world.turn()
    await world.settle()
    invited = {each["email"] for call in world.sandbox.calls_like("POST") for each in call.body["emails"]}
    assert "p5@acme.test" not in invited
    assert world.members()["p5"] == "edit"
    assert set(JOINERS) <= set(world.members())


async def test_somebody_removed_by_hand_while_the_list_is_read(world: World, tiny: None) -> None:
    """Who is not on the pages that are left is invited; nobody is skipped because others went."""
    await long_list(world)
    await world.hire(*JOINERS)
    for _ in range(3):
        await world.turn()
    for number in range(0, 30, 3):
        world.sandbox.state.leave(world.sandbox.members()[f"m{number}@else.test"].id)
    await world.settle()
    assert set(JOINERS) <= set(world.members())


async def test_those_who_were_invited_are_found_in_slices(world: World, tiny: None) -> None:
    """Their ids are read from the list that was begun after the invite, not from the one before."""
    await long_list(world)
    await world.hire(*JOINERS)
    await world.group("g1", "Writers", *JOINERS)
    await world.settle()
    bindings = await world.docs.members([f"{name}@acme.test" for name in JOINERS])
    assert {binding.state for binding in bindings.values()} == {State.KNOWN}
    assert world.teams() == {"Writers": set(JOINERS)}


async def test_accounts_of_one_address_on_different_pages(world: World, tiny: None) -> None:
    """Read in different slices, they are one member's all the same."""
    first = world.sandbox.seed_member("twin@else.test")
    world.sandbox.state.change(first, email="P3@acme.test")
    await long_list(world)
    second = world.sandbox.seed_member("p3@acme.test")
    await world.hire(*JOINERS)
    await world.settle()
    binding = (await world.docs.members(["p3@acme.test"]))["p3@acme.test"]
    assert {account.id for account in binding.accounts} == {first.id, second.id}
    await world.fire("p3")
    await world.settle()
    await world.approve()
    await world.settle()
    assert not {first.id, second.id} & world.sandbox.state.members.keys()


async def test_an_organisation_that_cannot_be_seen_shows_nobody_to_be_gone(
    world: World, tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 404 by id counts only once the organisation has answered in the same slice."""
    await long_list(world)
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    world.sandbox.inject(organization_gone=True)
    await world.turn()
    assert (await world.state()).state == "credentials_rejected"
    world.sandbox.inject(organization_gone=False)
    await world.settle()
    assert "ana" not in world.members()
    assert world.removals() == 1


async def test_what_is_kept_of_lists_goes_when_nothing_is_left_to_do(world: World, tiny: None) -> None:
    """Neither rows nor the place at which it stopped; how long the list is stays known."""
    await long_list(world)
    await world.hire(*JOINERS)
    await world.turn()
    rows = ListingStore(world.docs).rows_key("members")
    assert await world.store.call("PTTL", rows) > 0
    assert list(read_listings(await kept(world))) == ["members"]
    await world.settle()
    await world.turn()
    assert await kept(world) == {}
    assert await world.store.call("EXISTS", rows) == 0
    assert await reading(world) is None


async def test_a_list_that_nobody_went_on_with_is_begun_again(world: World, tiny: None) -> None:
    """After ten minutes what it showed is too old."""
    await long_list(world)
    await world.hire(*JOINERS)
    await world.turn()
    world.sleep(11 * MINUTE)
    assert await reading(world) is None
    await world.turn()
    assert pages_read(world) == [None, None]
    await world.settle()
    assert set(JOINERS) <= set(world.members())


async def test_leavers_go_though_the_list_cannot_be_read(world: World) -> None:
    """Pages of the list fail each time, a search answers."""
    await long_list(world)
    await world.hire("ana")
    await world.settle()
    await world.store.call("HSET", world.docs.key("pages"), "members", PAGES)
    world.sandbox.inject(next=[{"fault": "503", "match": "GET .*/members$", "times": 1000}])
    await world.hire(*JOINERS)
    await world.turn()
    world.sandbox.inject(next=[])
    await world.fire("ana")
    await world.settle()
    assert "ana" not in world.members()
    assert set(JOINERS) <= set(world.members())


# teams


async def test_a_long_roster_is_read_on(world: World, tiny: None) -> None:
    """A team is adopted when all who are in it are known."""
    names = [f"p{number}" for number in range(12)]
    for name in names:
        world.sandbox.seed_member(f"{name}@acme.test")
    team = world.sandbox.seed_team("Writers", [f"{name}@acme.test" for name in names])
    world.sandbox.inject(page_size=PAGE)
    await world.hire(*names)
    await world.group("g1", "Writers", *names[:6])
    await world.settle()
    rosters = world.sandbox.calls_like(f"GET .*/teams/{team.id}/members$")
    assert len({call.query.get("page") for call in rosters}) == len(rosters) == 3
    assert world.teams() == {"Writers": set(names)}
    assert await world.store.call("SCARD", world.docs.roster_key(team.id)) == len(names)


async def test_a_long_list_of_teams_is_read_on(world: World, tiny: None) -> None:
    """Teams on its last page are adopted, and those that it does not show are made."""
    for number in range(22):
        world.sandbox.seed_team(f"Old {number}")
    wanted = [f"Old {number}" for number in (0, 9, 21)] + [f"New {number}" for number in range(4)]
    world.sandbox.inject(page_size=PAGE)
    await world.hire("ana")
    for number, title in enumerate(wanted):
        await world.group(f"g{number}", title, "ana")
    await world.settle()
    teams = world.teams()
    assert {title for title, inside in teams.items() if inside} == set(wanted)
    lists = [call for call in world.sandbox.calls_like("GET .*/teams$") if "title" not in call.query]
    cursors = Counter(call.query.get("page") for call in lists)
    assert cursors.most_common(1)[0][1] == 1


async def test_a_long_search_for_a_title_is_read_on(world: World, tiny: None) -> None:
    """Many teams have the title in theirs; the one that is meant is behind them."""
    for number in range(14):
        world.sandbox.seed_team(f"Writers {number}")
    team = world.sandbox.seed_team("Writers")
    world.sandbox.inject(page_size=PAGE)
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    assert {short(email) for email in dict(world.sandbox.team_list())["Writers"]} == {"ana"}
    assert len(world.sandbox.state.teams) == 15
    assert team.id in world.sandbox.state.teams
    asked = [call.query.get("page") for call in world.sandbox.calls_like("GET .*/teams$")]
    assert len(set(asked)) == len(asked) == 3


def test_the_ages_that_are_trusted() -> None:
    """Removals need what was read within a minute; ten are enough for whoever is to come."""
    assert (look.JUST_NOW_MS, look.ABSENT_MS) == (MINUTE, 10 * MINUTE)
