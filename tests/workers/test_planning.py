"""`bridge plan` shows what the worker does next: scene by scene, and nothing is written for it."""

from tests.workers.calls import switched_on
from tests.workers.world import DAY, World

PEOPLE = [f"p{number:02}" for number in range(12)]


async def scene(world: World) -> None:
    """Ana and Bo in "Writers", then only a dry run."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    world.configure(mode="dry-run")


async def test_a_plain_rename_is_one_call(world: World) -> None:
    """The title is free."""
    await scene(world)
    await world.rename("g1", "Authors")
    plan, shown, made = await switched_on(world)
    assert [step.change.describe() for step in plan.steps] == ["rename team Writers to Authors"]
    assert shown == made


async def test_a_rename_to_a_title_that_is_taken_moves_the_members(world: World) -> None:
    """The other team is adopted: the people go into it, and the old team, which is empty then, goes."""
    world.sandbox.seed_member("guest@else.test")
    world.sandbox.seed_team(" Authors ", ["guest@else.test"])
    world.configure(guard={"adopt_teams": "allow"})
    await scene(world)
    await world.rename("g1", "Authors")
    plan, shown, made = await switched_on(world)
    kinds = [step.change.kind for step in plan.steps]
    assert kinds == ["AdoptTeam", "UpdateTeamMembers", "UpdateTeamMembers", "DeleteTeam"]
    assert (shown, plan.calls) == (made, 3)
    assert world.teams() == {" Authors ": {"guest@else.test", "ana", "bo"}}


async def test_a_chain_of_names(world: World) -> None:
    """Each group gets the next one's name; the last one a new name."""
    await world.hire("ana", "bo", "cy")
    for number, (name, who) in enumerate((("A", "ana"), ("B", "bo"), ("C", "cy"))):
        await world.group(f"g{number}", name, who)
    await world.settle()
    world.configure(mode="dry-run")
    for number, name in ((2, "D"), (1, "C"), (0, "B")):
        await world.rename(f"g{number}", name)
        await world.fold()
        await world.settle()
    _, shown, made = await switched_on(world)
    assert shown == made
    assert world.teams() == {"B": {"ana"}, "C": {"bo"}, "D": {"cy"}}


async def test_a_team_that_is_adopted_loses_those_whom_its_group_named_once(world: World) -> None:
    """Also those who are right in everything else, so that nothing else is due about them."""
    world.sandbox.seed_member("bo@acme.test")
    world.sandbox.seed_team("Writers", ["bo@acme.test"])
    world.configure(teams=[])
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.take_out("g1", "bo")
    await world.settle()
    world.configure(mode="dry-run", teams=[{"group": "*"}])
    _, shown, made = await switched_on(world)
    assert shown == made
    assert world.teams() == {"Writers": {"ana"}}


async def test_a_role_from_before_moves_along_with_the_address(world: World) -> None:
    """The invite shows the role that it gives."""
    world.sandbox.seed_member("ana@acme.test", "create")
    await scene(world)
    await world.tell("user.updated", ("ana", "a.ng@acme.test", None))
    plan, shown, made = await switched_on(world)
    assert shown["invite a.ng@acme.test create"] == 1
    assert shown == made
    assert [step.change.kind for step in plan.steps if step.held] == ["Remove"]


async def test_what_was_approved_is_shown_and_what_was_rejected_is_not(world: World) -> None:
    """A decision counts in the plan as it counts for the worker."""
    world.configure(teams=[], guard={"max_removals": 1, "max_removal_percent": 0, "on_limit": "hold-rest"})
    await world.hire(*PEOPLE)
    await world.settle()
    await world.fire(*PEOPLE[:5])
    await world.settle()
    world.configure(mode="dry-run")
    await world.reject("m:p01")
    await world.approve("m:p02")
    plan, shown, made = await switched_on(world)
    assert shown == made == {"remove p02@acme.test": 1}
    assert {step.change.object for step in plan.steps if step.held} == {"p03@acme.test", "p04@acme.test"}


async def test_the_guard_counts_in_the_plan_as_in_the_worker(world: World) -> None:
    """Removals within the window, members at its start, losses of a team, invites."""
    guard = {"max_removals": 0, "max_removal_percent": 25, "team_min_removals": 3, "max_invites": 12}
    world.configure(guard=guard | {"on_limit": "hold-rest"})
    await world.hire(*PEOPLE)
    await world.group("g1", "Writers", *PEOPLE)
    await world.settle()
    world.sleep(2 * DAY)
    await world.settle()
    await world.fire("p00")
    await world.settle()
    world.configure(mode="dry-run", guard=guard | {"max_invites": 2, "on_limit": "hold-rest"})
    await world.fire("p01", "p02", "p03")
    await world.take_out("g1", *PEOPLE[4:11])
    await world.hire("x1", "x2", "x3")
    plan, shown, made = await switched_on(world)
    assert shown == made
    assert sum(step.held is not None for step in plan.steps) == 3
    assert (await world.parked()).keys() == {"m:p03", "t:Writers", "m:x3"}


async def test_a_leaver_who_is_gone_already_is_no_removal(world: World) -> None:
    """The target is read before a removal is shown."""
    await scene(world)
    world.sandbox.state.leave(world.sandbox.members()["ana@acme.test"].id)
    await world.fire("ana")
    _, shown, made = await switched_on(world)
    assert shown == made == {}


async def test_a_directory_that_no_source_speaks_for_counts_as_it_does_for_the_worker(world: World) -> None:
    """Its people are shown as members who stay."""
    await scene(world)
    world.sources[0] = {"name": "other", "kind": "jackson", "secrets": ["other-secret"]}
    world.configure(roles=[{"group": "Writers", "role": "edit"}])
    _, shown, made = await switched_on(world)
    assert shown == made == {"role ana@acme.test edit": 1, "role bo@acme.test edit": 1}


async def test_a_team_is_deleted_in_the_plan_only_if_it_will_be_empty(world: World) -> None:
    """Not while some of its people are held."""
    world.configure(guard={"team_max_removal_percent": 10, "team_min_removals": 2})
    await scene(world)
    await world.tell("group.deleted", group=("g1", None))
    plan, shown, made = await switched_on(world)
    assert shown == made == {}
    assert [step.held is not None for step in plan.steps] == [True]


async def test_two_teams_that_are_to_swap_titles_change_people(world: World) -> None:
    """Neither title is free before the other is; both teams stay the bridge's own."""
    await scene(world)
    await world.group("g2", "Readers", "bo")
    world.configure(mode="apply")
    await world.settle()
    ids = set(world.sandbox.state.teams)
    world.configure(mode="dry-run")
    for ident, name in (("g1", "X"), ("g2", "Writers"), ("g1", "Readers")):
        await world.rename(ident, name)
        await world.settle()
    _, shown, made = await switched_on(world)
    assert shown == made
    assert (set(world.sandbox.state.teams), world.teams()) == (
        ids,
        {"Writers": {"bo"}, "Readers": {"ana", "bo"}},
    )
    await world.tell("group.deleted", group=("g1", None))
    await world.tell("group.deleted", group=("g2", None))
    await world.settle()
    assert world.teams() == {}
