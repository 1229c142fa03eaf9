"""Reading GitBook: nothing is planned from a guess."""

from bridge.plan.members import FOUND, GIVEN, State
from tests.workers.world import World


async def test_few_are_searched_for_and_many_are_listed(world: World) -> None:
    """One search each for two, one page for many."""
    await world.hire("ana", "bo")
    await world.settle()
    searches = [call.query.get("search") for call in world.sandbox.calls_like("GET .*/members$")]
    assert searches == ["ana@acme.test", "bo@acme.test"] * 2
    world.sandbox.calls.clear()
    await world.hire(*(f"p{number}" for number in range(30)))
    await world.settle()
    assert [call.query.get("search") for call in world.sandbox.calls_like("GET .*/members$")] == [None, None]


async def test_a_search_that_finds_somebody_else_finds_nobody(world: World) -> None:
    """GitBook looks into names and addresses; only the address counts."""
    world.sandbox.seed_member("bana@acme.test", name="ana@acme.test")
    await world.hire("ana")
    await world.settle()
    assert set(world.members()) == {"ana", "bana"}
    await world.fire("ana")
    await world.settle()
    assert set(world.members()) == {"bana"}


async def test_an_address_in_capitals_is_the_same_member(world: World) -> None:
    """Compared in lower case."""
    ana = world.sandbox.seed_member("ana@acme.test")
    world.sandbox.state.change(ana, email="Ana@Acme.TEST")
    await world.hire("ana", "bo", "cy")
    await world.settle()
    assert [call.body["emails"][0]["email"] for call in world.sandbox.calls_like("POST")] == ["bo@acme.test"]


async def test_a_list_of_several_pages_is_read_to_the_end(world: World) -> None:
    """Members on the second page are found."""
    for number in range(1050):
        world.sandbox.seed_member(f"m{number}@else.test")
    for name in ("ana", "bo", "cy", "di"):
        world.sandbox.seed_member(f"{name}@acme.test")
    world.sandbox.state.members = dict(reversed(world.sandbox.state.members.items()))
    await world.hire("ana", "bo", "cy", "di", "new")
    await world.settle()
    assert len(world.sandbox.calls_like("POST")) == 1
    assert await world.store.call("HGETALL", world.docs.key("pages")) == {"members": "2"}
    assert len(world.sandbox.members()) == 1 + 1050 + 5


async def test_a_leaver_whom_the_lists_hide_is_removed_all_the_same(world: World) -> None:
    """A search may miss someone, and pages may shift: who was known is asked for by their id."""
    await world.hire("ana")
    await world.settle()
    ana = world.sandbox.members()["ana@acme.test"]
    world.sandbox.state.change(ana, email="somebody@else.test", name="Somebody")
    await world.fire("ana")
    await world.settle()
    assert world.removals() == 1
    assert ana.id not in {member.id for member in world.sandbox.members().values()}


async def test_strangers_who_leave_are_searched_for_behind_a_long_list(world: World) -> None:
    """A leaver whom the bridge never met is not taken for gone because a page shifted."""
    for number in range(1050):
        world.sandbox.seed_member(f"m{number}@else.test")
    names = ("eve", "fay", "gil")
    for name in names:
        await world.tell("user.updated", (name, f"{name}@acme.test", False))
    await world.settle()
    searched = [call.query.get("search") for call in world.sandbox.calls_like("GET .*/members$")]
    assert searched == [None, None, *(f"{name}@acme.test" for name in names)]


async def test_what_is_known_is_not_read_again(world: World) -> None:
    """Only before a removal, after doubt, or when it is not known."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    world.sandbox.calls.clear()
    await world.group("g2", "Readers", "ana")
    await world.settle()
    assert not world.sandbox.calls_like("GET .*/members$")


async def test_somebody_removed_by_hand_is_invited_again(world: World) -> None:
    """A change of theirs answers 404: they are read again."""
    world.configure(roles=[{"group": "Editors", "role": "edit"}])
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    world.sandbox.state.leave(world.sandbox.members()["ana@acme.test"].id)
    await world.group("g2", "Editors", "ana")
    await world.settle()
    assert world.members() == {"ana": "edit"}
    assert world.teams() == {"Writers": {"ana"}, "Editors": {"ana"}}


async def test_a_roster_tells_given_from_found(world: World) -> None:
    """Bo was in the adopted team before; whoever the group names counts as given."""
    for name in ("ana", "bo"):
        world.sandbox.seed_member(f"{name}@acme.test")
    team = world.sandbox.seed_team("Writers", ["ana@acme.test", "bo@acme.test"])
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    bindings = await world.docs.members(["ana@acme.test", "bo@acme.test"])
    assert bindings["ana@acme.test"].teams == {team.id: GIVEN}
    assert bindings["bo@acme.test"].teams == {team.id: FOUND}
    assert bindings["ana@acme.test"].state is State.KNOWN
