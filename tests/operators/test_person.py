"""What is known of a person: wanted against known, why, and what happened."""

from typing import Any

from bridge.operators.accounts import Account
from bridge.operators.desks import open_desks
from bridge.operators.filters import Filter
from bridge.operators.pauses import write_pause, write_resume
from bridge.operators.person import PersonAnswer, read_person
from bridge.operators.timeline import Entry
from bridge.plan.members import State
from bridge.store.targets import Pause, cause_row
from tests.workers.world import DAY, MINUTE, World, address

STRICT = {"max_removals": 0, "max_removal_percent": 0}
ADMINS = {"roles": [{"group": "Admins", "role": "admin"}], "guard": {"admin_grants": "allow"}}


async def asked(world: World, name: str, **wanted: Any) -> PersonAnswer | None:
    """What is known of somebody, if anything."""
    desks = open_desks(world.settings, world.store)
    return await read_person(world.settings, world.store, desks, address(name), Filter(**wanted), world.now)


async def ask(world: World, name: str, **wanted: Any) -> PersonAnswer:
    """What is known of somebody."""
    answer = await asked(world, name, **wanted)
    assert answer
    return answer


def account(answer: PersonAnswer, name: str = "") -> Account:
    """Their account at the only target."""
    email = address(name) if name else answer.person.email
    [found] = [each for each in answer.accounts if each.email == email]
    return found


def story(answer: PersonAnswer) -> list[str]:
    """The timeline in short."""
    return [f"{entry.kind} {entry.outcome}" for entry in answer.timeline.entries]


def entry(answer: PersonAnswer, kind: str) -> Entry:
    """The only entry of a kind."""
    [found] = [each for each in answer.timeline.entries if each.kind == kind]
    return found


async def event_ids(world: World, user: str, kind: str) -> list[str]:
    """The ids of a user's events of one kind."""
    answer = await ask(world, user)
    return [ident for ident, event in answer.events.items() if event.kind == kind]


# who


async def test_who_is_behind_an_address(world: World) -> None:
    """All users of all directories who have it, with their state, since when, and their groups."""
    world.sources.append({"name": "hr", "kind": "okta-workflows", "secrets": ["hr-secret"]})
    world.configure()
    await world.hire("ana")
    since = world.now
    await world.group("g1", "Writers", "ana")
    member_at = world.now
    await world.tell("user.created", ("7", "Ana@ACME.test ", True), directory="hr")
    await world.tell("user.updated", ("7", None, False), directory="hr")
    await world.settle()
    answer = await ask(world, " ANA@acme.TEST ")
    hr, okta = answer.person.users
    assert (okta.ref, okta.active, okta.life_at) == ("okta\x1fana", True, since)
    assert ([group.name for group in okta.groups], okta.member_at) == (["Writers"], {"okta\x1fg1": member_at})
    assert (hr.ref, hr.active, hr.exists, hr.life_at) == (
        "hr\x1f7",
        False,
        True,
        world_before(world, hr.life_at),
    )


def world_before(world: World, at: int) -> int:
    """The time itself, if it is not to come."""
    assert 0 < at <= world.now
    return at


async def test_nobody(world: World) -> None:
    """Nothing is known of an address that nobody told of."""
    await world.hire("bo")
    await world.settle()
    assert await asked(world, "ana") is None
    assert await asked(world, "") is None


async def test_a_former_address_leads_to_its_user(world: World) -> None:
    """Who had it, and what they have now; both accounts are told of, and why the old one is held."""
    await world.hire("ana")
    await world.settle()
    await world.tell("user.updated", ("ana", "ana.ng@acme.test", None))
    await world.group("g1", "Writers", "ana")
    await world.settle()
    answer = await ask(world, "ana")
    [user] = answer.person.former
    assert (answer.person.users, user.email, user.former) == ((), "ana.ng@acme.test", ("ana@acme.test",))
    assert {each.email for each in answer.accounts} == {"ana@acme.test", "ana.ng@acme.test"}
    assert not account(answer).wanted.member
    assert account(answer, "ana.ng").wanted.member
    [because] = answer.why
    assert because.email == "ana@acme.test"
    assert because.what.startswith("held at docs (remove member ana@acme.test, bridge approve ")
    assert because.reason.startswith("the user's address changed")
    assert answer.events[because.event].kind == "user.updated"
    new = await ask(world, "ana.ng")
    assert {each.email for each in new.accounts} == {each.email for each in answer.accounts}
    assert story(new) == story(answer)


# wanted against known


async def test_what_is_wanted_and_known_of_a_member(world: World) -> None:
    """Role and teams with their rules and the events behind them, beside what GitBook has: no difference."""
    world.configure(**ADMINS)
    await world.hire("ana")
    await world.group("g1", "Admins", "ana")
    await world.group("g2", "Writers", "ana")
    await world.settle()
    answer = await ask(world, "ana")
    found = account(answer)
    assert (found.wanted.member, found.why) == (True, "active in the directory")
    assert found.role
    assert (found.role.role, found.role.why) == ("admin", 'roles[0]: group "Admins" → admin')
    assert [(team.title, team.why) for team in found.teams] == [
        ("Admins", 'teams[0]: group "*"'), ("Writers", 'teams[0]: group "*"')
    ]  # fmt: skip
    assert found.known
    assert (found.known.state, found.known.role, found.known.sso) == (State.KNOWN, "admin", True)
    assert [(team.title, team.how) for team in found.known_teams] == [
        ("Admins", "given"),
        ("Writers", "given"),
    ]
    assert (found.differences, found.standing.states(world.now), answer.why) == ([], [], [])
    admins, writers = await event_ids(world, "ana", "group.user_added")
    assert [answer.joined(team.group) for team in found.teams] == [admins, writers]
    assert found.standing.event == writers


async def test_what_a_member_had_before_is_kept(world: World) -> None:
    """Their role, and the teams they were found in."""
    world.sandbox.seed_member("ana@acme.test", role="edit")
    await world.hire("ana")
    await world.settle()
    found = account(await ask(world, "ana"))
    assert found.role
    assert (found.role.role, found.role.why) == ("edit", "kept: had it before the directory named them")
    assert found.differences == ["no SSO user: was a member before, and sso_existing = false"]


async def test_a_role_moves_with_its_address(world: World) -> None:
    """Who kept one keeps it under the new address, too."""
    world.sandbox.seed_member("ana@acme.test", role="edit")
    await world.hire("ana")
    await world.settle()
    await world.tell("user.updated", ("ana", "ana.ng@acme.test", None))
    await world.fold()
    found = account(await ask(world, "ana.ng"))
    assert found.role
    assert (found.role.role, found.role.why) == ("edit", "kept: had it before the directory named them")
    assert found.differences == ["invite ana.ng@acme.test as edit (SSO): named by the directory"]


async def test_what_is_to_be_changed_is_told_before_it_is(world: World) -> None:
    """From what is known alone: GitBook is not called."""
    world.configure(**ADMINS)
    await world.hire("ana")
    await world.settle()
    await world.group("g1", "Admins", "ana")
    await world.fold()
    calls = len(world.sandbox.calls_like(""))
    found = account(await ask(world, "ana"))
    assert found.differences == [
        'set role of ana@acme.test from read to admin: in group "Admins", rule group = "Admins"',
        "join team Admins",
    ]
    assert found.standing.states(world.now) == ["due"]
    assert len(world.sandbox.calls_like("")) == calls


async def test_who_was_never_told_to_be_a_member(world: World) -> None:
    """Nothing is known at the target, and why."""
    await world.tell("user.created", ("ana", "ana@acme.test", False))
    await world.settle()
    answer = await ask(world, "ana")
    [because] = answer.why
    assert (because.what, because.reason) == ("no member of docs since", "inactive in the directory")
    assert account(answer).known is None


async def test_only_the_directories_that_a_target_follows_count(world: World) -> None:
    """A user of another directory is shown, and wanted nowhere."""
    world.sources.append({"name": "hr", "kind": "okta-workflows", "secrets": ["hr-secret"], "targets": []})
    world.configure()
    await world.tell("user.created", ("7", "ana@acme.test", True), directory="hr")
    await world.settle()
    answer = await ask(world, "ana")
    assert [user.ref for user in answer.person.users] == ["hr\x1f7"]
    assert not account(answer).wanted.member
    assert account(answer).why == "the directory does not name this address"


async def test_why_nothing_is_done_at_a_target(world: World) -> None:
    """It is paused, or GitBook is not well."""
    await world.hire("ana")
    await world.fold()
    await write_pause(world.desk, Pause("boss", world.now, "migration"))
    assert account(await ask(world, "ana")).halted == "paused by boss: migration"
    await write_resume(world.desk, "boss", "", world.now)
    world.sandbox.inject(always="500")
    world.sleep(200)
    for _ in range(9):
        await world.converge()
        world.sleep(MINUTE)
    assert account(await ask(world, "ana")).halted.startswith("unavailable: ")


# due, waiting, held, given up, decided


async def test_what_waits_tells_how_often_and_until_when(world: World) -> None:
    """With the target's message."""
    await world.hire("ana")
    await world.fold()
    world.sleep(200)
    world.sandbox.inject(next=[{"match": "POST .*/invites", "fault": "500", "times": 9}])
    await world.converge()
    answer = await ask(world, "ana")
    standing = account(answer).standing
    assert standing.states(world.now) == ["waiting"]
    assert standing.waiting
    assert standing.waiting.attempts == 1
    assert standing.work > world.now
    [because] = answer.why
    assert because.what == "tried in vain at docs 1 time(s) since"
    assert because.reason == standing.waiting.reason
    assert story(answer) == ["user.created processed", "invite failed"]


async def test_a_removal_that_is_held_says_why(world: World) -> None:
    """Its id, its reason, since when, and the event behind it."""
    world.configure(guard=STRICT)
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    answer = await ask(world, "ana")
    [held] = account(answer).standing.parked
    assert held.id == (await world.held("m:ana")).id
    [because] = answer.why
    assert (because.at, because.reason) == (held.since, held.reason)
    assert answer.events[because.event].kind == "user.deleted"
    assert story(answer) == [
        "user.created processed", "invite done", "user.deleted processed", "remove parked"
    ]  # fmt: skip


async def test_an_exception_tells_who_made_it(world: World) -> None:
    """And is no more told of once the person came back and left again: the news is another one."""
    world.configure(guard=STRICT)
    await world.hire("ana")
    await world.settle()
    await world.active("ana", False)
    await world.settle()
    await world.reject("m:ana", until=world.now + 90 * DAY)
    await world.settle()
    answer = await ask(world, "ana")
    [(about, decision)] = account(answer).standing.decided
    assert (about, decision.by, decision.why, decision.approved) == ("", "boss", "because", False)
    [because] = answer.why
    assert (because.what, because.reason) == ("what was held rejected at docs by boss at", "because")
    assert because.until == int(decision.until * 1000) > world.now
    assert "remove rejected" in story(answer)
    await world.active("ana", True)
    await world.active("ana", False)
    await world.fold()
    assert account(await ask(world, "ana")).standing.decided == ()


async def test_what_was_given_up_says_why(world: World) -> None:
    """With GitBook's message, as long as it is."""
    world.sandbox.inject(bad_addresses=["ana@acme.test"])
    await world.hire("ana")
    await world.settle()
    answer = await ask(world, "ana")
    [because] = answer.why
    assert because.what == (
        "given up at docs (invite ana@acme.test as read (SSO), bridge retry m:ana@acme.test) since"
    )
    assert because.reason == "emails: one of the addresses cannot be invited"
    assert account(answer).standing.states(world.now) == ["dead"]
    assert story(answer)[-1] == "invite dead"


async def test_who_may_not_leave_a_team_is_held(world: World) -> None:
    """A team's loss that names somebody is told of them too, not of those it does not name."""
    world.configure(guard={"team_min_removals": 1, "team_max_removal_percent": 0})
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    await world.take_out("g1", "ana")
    await world.settle()
    [held] = account(await ask(world, "ana")).standing.parked
    assert held.emails == ("ana@acme.test",)
    assert account(await ask(world, "bo")).standing.parked == ()


# why removed, and what happened


async def test_why_somebody_was_removed(world: World) -> None:
    """The reason, the time, and the event behind it, though somebody else's news came later."""
    await world.hire("ana", "bo")
    await world.settle()
    await world.fire("ana")
    await world.active("bo", False)
    await world.settle()
    answer = await ask(world, "ana")
    [because] = answer.why
    removal = entry(answer, "remove")
    assert (because.what, because.reason) == ("removed from docs at", "deleted from the directory")
    assert because.at == removal.at
    assert because.event == removal.event == entry(answer, "user.deleted").id
    assert removal.why == "deleted from the directory"
    assert (removal.sort, removal.outcome, removal.status) == ("call", "done", 205)
    assert account(answer).known is None


async def test_who_came_back_is_not_told_to_be_removed(world: World) -> None:
    """The removal stays in the timeline."""
    await world.hire("ana")
    await world.settle()
    await world.active("ana", False)
    await world.settle()
    await world.active("ana", True)
    await world.settle()
    answer = await ask(world, "ana")
    assert answer.why == []
    assert story(answer) == [
        "user.created processed", "invite done", "user.updated processed", "remove done",
        "user.updated processed", "invite done",
    ]  # fmt: skip


async def test_a_removal_by_the_news_of_a_group(world: World) -> None:
    """The group's own event is behind it, and is in the timeline, though it does not name the person."""
    world.configure(members={"groups": ["Users"]})
    await world.hire("ana", "zoe")
    await world.group("g1", "Users", "ana")
    await world.settle()
    await world.tell("group.deleted", group=("g1", None))
    await world.settle()
    answer = await ask(world, "ana")
    [because] = answer.why
    assert because.reason == "left the groups of the scope"
    assert because.event == entry(answer, "group.deleted").id


async def test_the_event_behind_is_never_one_about_somebody_else(world: World) -> None:
    """News of a group and of others in one batch: the last event of it is not taken for the reason."""
    world.configure(members={"groups": ["Users"]})
    await world.hire("ana", "zoe")
    await world.group("g1", "Users", "ana")
    await world.settle()
    await world.tell("group.deleted", group=("g1", None))
    await world.tell("user.updated", ("zoe", None, False))
    await world.settle()
    answer = await ask(world, "ana")
    [because] = answer.why
    assert because.event == entry(answer, "group.deleted").id
    assert "zoe" not in str(answer.timeline)


async def test_an_event_about_somebody_else_is_never_named(world: World) -> None:
    """Where that is what was written down, and nothing better is known, no event is named."""
    world.configure(guard=STRICT)
    await world.hire("ana", "bo")
    await world.settle()
    [other] = await event_ids(world, "bo", "user.created")
    await world.store.calls([world.docs.put_causes({"m:ana@acme.test": cause_row(other, "d2")})])
    world.configure(members={"domains": ["other.test"]})
    await world.settle()
    answer = await ask(world, "ana")
    [because] = answer.why
    assert (because.reason[:10], because.event) == ("0 removals", "")
    assert other not in [each.id for each in answer.timeline.entries]


async def test_actions_of_operators_are_in_the_timeline(world: World) -> None:
    """Who, why, and between which events."""
    world.configure(guard=STRICT)
    await world.hire("ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    await world.approve("m:ana")
    await world.settle()
    answer = await ask(world, "ana")
    assert story(answer)[-3:] == ["remove parked", "remove approved", "remove done"]
    [action] = [each for each in answer.timeline.entries if each.sort == "action"]
    assert (action.by, action.why, action.target) == ("boss", "because", "docs")
    assert answer.why[0].what == "removed from docs at"


async def test_the_timeline_is_filtered(world: World) -> None:
    """By kind, outcome, text, time and number: of many the newest. The rest of the answer stays whole."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    assert story(await ask(world, "ana", kinds=frozenset({"user"}))) == [
        "user.created processed", "user.deleted processed"
    ]  # fmt: skip
    assert story(await ask(world, "ana", states=frozenset({"done"}))) == [
        "invite done", "create-team done", "remove done"
    ]  # fmt: skip
    assert story(await ask(world, "ana", text="WRITERS", kinds=frozenset({"group"}))) == [
        "group.user_added processed"
    ]
    last = await ask(world, "ana", limit=1)
    assert (story(last), last.timeline.older) == (["remove done"], True)
    assert last.why[0].event in last.events
    removed = entry(last, "remove").at
    assert story(await ask(world, "ana", since=removed))[-1:] == ["remove done"]
    assert "remove done" not in story(await ask(world, "ana", until=removed))
    elsewhere = await ask(world, "ana", targets=frozenset({"other"}))
    assert (elsewhere.accounts, set(story(elsewhere))) == ([], {"user.created processed",
            "group.user_added processed", "user.deleted processed"})  # fmt: skip


async def test_the_evidence_tells_of_who_left_long_ago(world: World) -> None:
    """The history is kept for a month, the evidence for a year: why they were removed is still known."""
    await world.hire("ana", "bo")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    await world.store.call("DEL", world.past.rows_key("m:ana@acme.test"))
    answer = await ask(world, "ana")
    assert [because.what for because in answer.why] == ["removed from docs at"]
    assert story(answer)[-2:] == ["user.deleted processed", "remove done"]
    await world.store.call("DEL", world.store.key("address", "ana@acme.test"))
    assert (await ask(world, "ana")).why[0].what == "removed from docs at"
    assert await asked(world, "cy") is None


async def test_a_long_past_is_bounded(world: World) -> None:
    """The newest 200 events are read, and it is told that there are more."""
    await world.hire("ana")
    for number in range(210):
        await world.active("ana", number % 2 == 1)
    await world.fold()
    world.sleep(MINUTE)
    answer = await ask(world, "ana", limit=1000)
    assert len(answer.timeline.entries) == 200
    assert answer.timeline.older or len(await event_ids(world, "ana", "user.updated")) == 200
