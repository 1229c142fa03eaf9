"""What is known of a group: its members, its teams, who is missing or too many, and what happened."""

from typing import Any

import pytest

from bridge.operators import group as group_module
from bridge.operators.desks import open_desks
from bridge.operators.filters import Filter
from bridge.operators.group import FoundGroup, GroupAnswer, GroupPlace, GroupTeam, read_group
from bridge.store.redis import Store
from tests.workers.world import World


async def asked(world: World, name: str, **wanted: Any) -> GroupAnswer | None:
    """What is known of a group, if anything."""
    desks = open_desks(world.settings, world.store)
    return await read_group(world.settings, world.store, desks, name, Filter(**wanted), world.now)


async def ask(world: World, name: str, **wanted: Any) -> GroupAnswer:
    """What is known of a group."""
    answer = await asked(world, name, **wanted)
    assert answer
    return answer


def place(answer: GroupAnswer) -> GroupPlace:
    """The only target that follows it."""
    [found] = answer.places
    return found


def team(answer: GroupAnswer) -> GroupTeam:
    """Its only team there."""
    [found] = place(answer).teams
    return found


def chosen(found: FoundGroup | None) -> str:
    """What chooses a group."""
    assert found
    return found.chosen_by


def story(answer: GroupAnswer) -> list[str]:
    """The timeline in short."""
    return [f"{entry.kind} {entry.outcome}" for entry in answer.timeline.entries]


# which


@pytest.mark.parametrize("name", ["Writers", "wRITERS", "id:g1", "id:okta/g1"])
async def test_a_group_is_found_by_name_or_id(world: World, name: str) -> None:
    """In any case; by the id alone, or with its directory."""
    await world.group("g1", "Writers")
    await world.group("g2", "Writers of old")
    await world.settle()
    assert chosen((await ask(world, name)).group) == "id:okta/g1"


async def test_a_group_that_nobody_told_of(world: World) -> None:
    """Is none."""
    await world.group("g1", "Writers")
    await world.settle()
    for name in ("Writer", "id:g2", "id:hr/g1", "id:", ""):
        assert await asked(world, name) is None


async def test_several_groups_of_a_name_are_to_be_chosen_from(world: World) -> None:
    """By directory and id; nothing else is told of them."""
    world.sources.append({"name": "hr", "kind": "okta-workflows", "secrets": ["hr-secret"]})
    world.configure()
    await world.group("g1", "Writers")
    await world.tell("group.created", group=("g1", "WRITERS"), directory="hr")
    await world.settle()
    for name in ("writers", "id:g1"):
        answer = await ask(world, name)
        assert [each.chosen_by for each in answer.matches] == ["id:hr/g1", "id:okta/g1"]
        assert (answer.group, answer.places, answer.timeline.entries) == (None, (), ())
    assert chosen((await ask(world, "id:hr/g1")).group) == "id:hr/g1"


async def test_the_group_that_exists_is_meant(world: World) -> None:
    """One that was deleted before is only mentioned, and can be chosen."""
    await world.group("g1", "Writers")
    await world.tell("group.deleted", group=("g1", None))
    await world.group("g2", "Writers")
    await world.settle()
    answer = await ask(world, "writers")
    assert [(each.chosen_by, each.exists) for each in answer.matches] == [
        ("id:okta/g2", True), ("id:okta/g1", False)
    ]  # fmt: skip
    assert chosen(answer.group) == "id:okta/g2"
    old = await ask(world, "id:g1")
    assert old.group
    assert not old.group.exists
    assert story(old)[:2] == ["group.created processed", "group.deleted processed"]


# who is in it, and what it becomes


async def test_who_is_in_a_group(world: World) -> None:
    """Active or not; not who was taken out or deleted; those who lack an address are told by their id."""
    await world.hire("ana", "bo", "cy", "di")
    await world.group("g1", "Writers", "ana", "bo", "cy", "di", "nameless")
    await world.take_out("g1", "bo")
    await world.fire("cy")
    await world.active("di", False)
    await world.settle()
    members = (await ask(world, "Writers")).members
    assert [(each.id, each.email, each.active) for each in members.shown] == [
        ("nameless", None, True), ("ana", "ana@acme.test", True), ("di", "di@acme.test", False),
    ]  # fmt: skip
    assert (members.count, members.named, members.looked_at) == (3, 5, 5)
    assert members.emails == {"ana@acme.test"}


async def test_what_a_group_becomes(world: World) -> None:
    """Its team with the rule and the binding, the roles it gives, how it lets people in."""
    world.configure(
        roles=[{"group": "Wri*", "role": "edit"}], members={"groups": ["Writers"]},
        teams=[{"group": "id:nobody"}, {"group": "Writers", "team": "Docs {group}"}],
    )  # fmt: skip
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    answer = await ask(world, "Writers")
    found = team(answer)
    assert (found.reason.title, found.reason.why) == ("Docs Writers", 'teams[1]: group "Writers"')
    assert found.binding
    assert (found.binding.title, found.binding.made, found.known_members) == ("Docs Writers", True, 2)
    assert (found.missing, found.extra, found.whole, found.differences) == ([], [], True, [])
    assert place(answer).roles == ['roles[0]: group "Wri*" (matches "Writers") → edit']
    assert place(answer).scope == 'members.groups[0]: "Writers"'
    assert story(answer)[-1] == "create-team done"
    assert found.standing.states(world.now) == []


async def test_a_directory_that_a_target_does_not_follow(world: World) -> None:
    """Has no place there."""
    world.sources.append({"name": "hr", "kind": "okta-workflows", "secrets": ["hr-secret"], "targets": []})
    world.configure()
    await world.tell("group.created", group=("g1", "Writers"), directory="hr")
    await world.settle()
    assert (await ask(world, "Writers")).places == []


async def test_an_adopted_team_keeps_strangers(world: World) -> None:
    """Who was in it and is nobody of the directory's is neither missing nor too many."""
    for name in ("ana", "stranger"):
        world.sandbox.seed_member(f"{name}@acme.test", sso=True)
    world.sandbox.seed_team("Writers", ["ana@acme.test", "stranger@acme.test"])
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    [held] = team(await ask(world, "Writers")).standing.parked
    assert held.reason.startswith("the team is there already")
    await world.approve("t:Writers")
    await world.settle()
    found = team(await ask(world, "Writers"))
    assert found.binding
    assert (found.binding.made, found.missing, found.extra) == (False, [], [])


# missing, too many, held


async def test_who_is_missing_and_who_is_too_many(world: World) -> None:
    """By what is known, before GitBook is asked anything."""
    await world.hire("ana", "bo", "cy", "di")
    await world.group("g1", "Writers", "ana", "bo")
    await world.group("g2", "Readers", "di")
    await world.settle()
    await world.add("g1", "cy")
    await world.take_out("g1", "bo")
    await world.fold()
    calls = len(world.sandbox.calls_like(""))
    found = team(await ask(world, "Writers"))
    assert (found.missing, found.extra) == (["cy@acme.test"], ["bo@acme.test"])
    assert len(world.sandbox.calls_like("")) == calls
    await world.settle()
    found = team(await ask(world, "Writers"))
    assert (found.missing, found.extra, found.known_members) == ([], [], 2)


async def test_leavers_are_too_many_and_joiners_missing(world: World) -> None:
    """As long as GitBook has not heard of it; who is excluded is neither."""
    await world.hire("ana", "bo", "svc")
    await world.group("g1", "Writers", "ana", "bo", "svc")
    await world.settle()
    world.configure(members={"exclude": ["svc@*"]})
    await world.fire("bo", "svc")
    await world.hire("cy")
    await world.add("g1", "cy")
    await world.fold()
    found = team(await ask(world, "Writers"))
    assert (found.missing, found.extra) == (["cy@acme.test"], ["bo@acme.test"])


async def test_a_team_that_is_not_made_yet(world: World) -> None:
    """Lacks everybody, and says when it will be made."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.fold()
    answer = await ask(world, "Writers")
    found = team(answer)
    assert (found.binding, found.known_members, found.missing) == (None, 0, ["ana@acme.test"])
    assert found.differences == ["not made yet: that is done for its first member"]
    assert place(answer).standing.states(world.now) == ["due"]


async def test_a_loss_that_is_held(world: World) -> None:
    """Is told of the team, and the decision about it is in its timeline."""
    world.configure(guard={"team_min_removals": 1, "team_max_removal_percent": 0})
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    await world.take_out("g1", "ana")
    await world.settle()
    answer = await ask(world, "Writers")
    [held] = team(answer).standing.parked
    assert (held.emails, team(answer).extra) == (("ana@acme.test",), ["ana@acme.test"])
    assert story(answer)[-1] == "team-members parked"
    await world.approve()
    await world.settle()
    assert story(await ask(world, "Writers"))[-2:] == ["team-members approved", "team-members done"]


async def test_a_team_that_was_given_up(world: World) -> None:
    """With GitBook's message."""
    world.sandbox.inject(next=[{"match": "PUT .*/teams$", "fault": "422", "times": 9}])
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    found = team(await ask(world, "Writers"))
    assert found.standing.states(world.now) == ["dead"]
    assert found.missing == ["ana@acme.test"]


async def test_a_renamed_group(world: World) -> None:
    """Is found by its new name alone, and its team is to be renamed."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await world.rename("g1", "Authors")
    await world.fold()
    assert await asked(world, "Writers") is None
    await world.settle()
    answer = await ask(world, "authors")
    assert story(answer)[-1] == "rename-team done"
    assert team(answer).differences == []


# bounds


async def test_a_large_group_is_read_in_part(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so."""
    names = [f"p{number:02}" for number in range(12)]
    await world.hire(*names)
    await world.group("g1", "Writers", *names)
    await world.settle()
    monkeypatch.setattr(group_module, "MOST_MEMBERS", 7)
    monkeypatch.setattr(group_module, "MOST_SHOWN", 3)
    answer = await ask(world, "Writers")
    members, found = answer.members, team(answer)
    assert (members.count, members.named, members.looked_at, len(members.shown)) == (7, 12, 7, 3)
    assert (found.known_members, found.missing, found.extra, found.whole) == (12, [], [], False)
    monkeypatch.setattr(group_module, "MOST_COMPARED", 2)
    await world.take_out("g1", *names)
    await world.fold()
    found = team(await ask(world, "Writers"))
    assert (len(found.extra), found.whole) == (2, False)


async def test_who_is_missing_in_a_large_team_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though only some of the team are read, and only some people compared."""
    names = [f"p{number:02}" for number in range(12)]
    await world.hire(*names, "zoe")
    await world.group("g1", "Writers", *names)
    await world.settle()
    await world.add("g1", "zoe")
    await world.fold()
    ident = (await world.docs.teams())["Writers"].id
    scan, store_call = world.docs.roster_key(ident or ""), Store.calls

    async def some(store: Store, commands: Any, one_by_one: bool = False) -> list[Any]:
        """As Redis answers for a team that it keeps in another form."""
        answers = await store_call(store, commands, one_by_one)
        return [
            [answer[0], sorted(answer[1])[:3]] if words[:2] == ("SSCAN", scan) else answer
            for words, answer in zip(commands, answers, strict=True)
        ]

    monkeypatch.setattr(Store, "calls", some)
    monkeypatch.setattr(group_module, "MOST_COMPARED", 1)
    found = team(await ask(world, "Writers"))
    assert (found.missing, found.extra, found.known_members, found.whole) == (
        ["zoe@acme.test"],
        [],
        12,
        False,
    )


async def test_the_timeline_is_filtered(world: World) -> None:
    """As everywhere."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    assert story(await ask(world, "Writers", kinds=frozenset({"create-team"}))) == ["create-team done"]
    last = await ask(world, "Writers", limit=1)
    assert (story(last), last.timeline.older) == (["create-team done"], True)
    assert (await ask(world, "Writers", targets=frozenset({"other"}))).places == []
