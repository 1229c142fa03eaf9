"""The report for an auditor: every figure against the test's own clock and what the sandbox was asked."""

from dataclasses import dataclass, field

import pytest

from bridge.operators import report as reports
from bridge.operators.pages import id_time
from bridge.operators.pauses import write_pause
from bridge.operators.report import Person, Report, read_report
from bridge.store.targets import Pause
from tests.workers.world import DAY, HOUR, MINUTE, SECOND, World, short

TWO = {"max_removals": 2, "max_removal_percent": 0}


@dataclass
class Book:
    """What the test itself has seen happen, in unix ms."""

    world: World
    came: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)

    async def hire(self, *names: str) -> None:
        """Have people come."""
        for name in names:
            await self.world.hire(name)
            self.came[name] = self.world.now

    async def fire(self, *names: str) -> None:
        """Have people leave, and be removed or held."""
        for name in names:
            await self.world.fire(name)
            self.left[name] = self.world.now
            await self.world.settle()
            if f"m:{name}" in await self.world.parked():
                self.held[name] = (await self.world.held(f"m:{name}")).since

    @property
    def invited(self) -> dict[str, int]:
        """When each person was asked to be invited, by what the sandbox was asked."""
        calls = self.world.sandbox.calls_like("^POST .*/invites")
        return {
            short(each["email"]): round(call.time * 1000) for call in calls for each in call.body["emails"]
        }

    @property
    def removed(self) -> list[int]:
        """When people were removed, by what the sandbox was asked."""
        return [round(call.time * 1000) for call in self.world.sandbox.calls_like("^DELETE .*/members/")]


@pytest.fixture
def book(world: World, monkeypatch: pytest.MonkeyPatch) -> Book:
    """An empty one. (The world's clock is 30 days ahead of Redis', by which rows are looked for.)"""
    monkeypatch.setattr(reports, "_SKEW", 90 * DAY)
    return Book(world)


async def report(world: World, since: int = 0, until: int = 0) -> Report:
    """The report of the world's target."""
    desks = {"docs": world.desk}
    return await read_report(world.settings, world.store, desks, since, until, world.now)


def row(told: Report, what: str, name: str) -> Person:
    """One person of it."""
    [found] = [each for each in told.people if (each.what, short(each.email)) == (what, name)]
    return found


def names(told: Report, what: str) -> list[str]:
    """Who is in it."""
    return [short(each.email) for each in told.people if each.what == what]


async def live(book: Book) -> tuple[int, int, int]:
    """Let six people come, and leave in six ways; when it began, and when cy and di were decided about."""
    world = book.world
    began = world.now
    world.configure(guard=TWO)
    await book.hire("ana", "bo", "cy", "di", "eve", "fay")
    world.sleep(7 * SECOND)
    await world.settle()
    world.sleep(10 * DAY)
    await world.fire("ana")
    book.left["ana"] = world.now
    world.sleep(90 * SECOND)
    await book.fire()
    await world.settle()
    await book.fire("bo", "cy")
    world.sleep(5 * HOUR + 17 * MINUTE)
    await world.approve("m:cy")
    approved = world.now
    world.sleep(3 * SECOND)
    await world.settle()
    await book.fire("di", "eve")
    world.sleep(HOUR)
    await world.reject("m:di", until=world.now + 30 * DAY)
    rejected = world.now
    await world.settle()
    await world.fire("fay")
    book.left["fay"] = world.now
    await world.fold()
    world.sleep(20 * SECOND)
    return began, approved, rejected


# the whole story


async def test_every_figure_equals_that_of_the_clock(world: World, book: Book) -> None:
    """Joiners, leavers, how long each took, what was held, who decided, who is still inside."""
    began, _, _ = await live(book)
    told = await report(world, began)
    invited, [ana, bo, cy] = book.invited, book.removed
    joining = sorted(invited[name] - book.came[name] for name in book.came)
    spans = {"ana": ana - book.left["ana"], "bo": bo - book.left["bo"], "cy": cy - book.left["cy"]}
    leaving = sorted(spans.values())
    assert spans["cy"] > 5 * HOUR and spans["ana"] > 90 * SECOND > spans["bo"]
    figures = told.everything
    assert figures == told.targets["docs"]
    assert (figures.joined, figures.left, figures.gone, figures.inside) == (6, 3, 0, 3)
    assert (figures.seats_added, figures.seats_freed, figures.left_after_hold) == (6, 3, 1)
    assert (figures.parked, figures.excepted) == (1, 1)
    assert (figures.held, figures.held_since) == (1, book.held["eve"])
    assert figures.decisions == {"approved": {"boss": 1}, "rejected": {"boss": 1}}
    assert (figures.leaving.known, figures.leaving.unknown) == (3, 0)
    assert (figures.leaving.median, figures.leaving.p95) == (leaving[1], leaving[2])
    assert (figures.leaving.longest, figures.leaving.slowest) == (leaving[2], row(told, "left", "cy"))
    assert (figures.joining.known, figures.joining.unknown) == (6, 0)
    assert (figures.joining.median, figures.joining.p95) == (joining[2], joining[5])
    assert figures.joining.longest == joining[5] == invited["ana"] - book.came["ana"]
    assert (told.since, told.until) == (began, world.now)


async def test_every_row_equals_that_of_the_clock(world: World, book: Book) -> None:
    """Who, when by the directory, when at GitBook; of what was held since when, why, and who approved it."""
    began, approved, rejected = await live(book)
    told = await report(world, began)
    invited, [ana, bo, cy] = book.invited, book.removed
    end = world.now
    for name, came in book.came.items():
        email = f"{name}@acme.test"
        assert row(told, "joined", name) == Person("joined", email, "docs", came, invited[name], end, "done")
    for name, at in (("ana", ana), ("bo", bo)):
        email = f"{name}@acme.test"
        assert row(told, "left", name) == Person("left", email, "docs", book.left[name], at, end, "done")
    reason = "2 removals within 24 h are the limit (2: the larger of max_removals = 2 and 0 % of 6 members)"
    assert row(told, "left", "cy") == Person(
        "left", "cy@acme.test", "docs", book.left["cy"], cy, end, "done", book.held["cy"], reason,
        approved, "boss", "because",
    )  # fmt: skip
    inside = {name: row(told, "still inside", name) for name in ("di", "eve", "fay")}
    assert [(each.told_at, each.done_at) for each in inside.values()] == [
        (book.left[name], 0) for name in inside
    ]
    assert [each.milliseconds for each in inside.values()] == [end - book.left[name] for name in inside]
    assert [each.state for each in inside.values()] == ["excepted", "parked", "due"]
    assert (inside["di"].by, inside["di"].why, inside["di"].decided_at) == ("boss", "because", rejected)
    assert inside["di"].until == rejected + 30 * DAY
    assert (inside["eve"].held_since, inside["eve"].reason, inside["eve"].by) == (
        book.held["eve"], reason, "",
    )  # fmt: skip
    assert inside["fay"].reason == "deleted from the directory"


async def test_a_period_begins_and_ends_where_it_says(world: World, book: Book) -> None:
    """Its first moment is in it and its last is not; who was removed later was inside when it ended."""
    began, _, _ = await live(book)
    [ana, bo, cy] = book.removed
    assert names(await report(world, began, cy + 1), "left") == ["ana", "bo", "cy"]
    told = await report(world, began, cy)
    assert (names(told, "left"), names(told, "still inside")) == (["ana", "bo"], ["cy"])
    cy_row = row(told, "still inside", "cy")
    assert (cy_row.state, cy_row.held_since) == ("parked", book.held["cy"])
    assert (cy_row.milliseconds, cy_row.done_at) == (cy - book.left["cy"], 0)
    assert names(await report(world, ana, bo), "left") == ["ana"]
    assert names(await report(world, ana + 1, bo), "left") == []
    told = await report(world, began, book.left["cy"])
    assert names(told, "still inside") == []
    told = await report(world, bo + 1, world.now)
    assert (told.everything.joined, told.everything.left) == (0, 1)
    assert (await report(world, began, world.now + DAY)).until == world.now


async def test_decisions_count_when_they_were_made(world: World, book: Book) -> None:
    """And for whom, approvals and rejections apart."""
    began, approved, rejected = await live(book)
    for since, until, expected in (
        (began, approved, {"approved": {}, "rejected": {}}),
        (approved, approved + 1, {"approved": {"boss": 1}, "rejected": {}}),
        (approved + 1, rejected + 1, {"approved": {}, "rejected": {"boss": 1}}),
    ):
        assert (await report(world, since, until)).everything.decisions == expected


# when somebody left, by the directory's word


async def left_at(world: World, name: str = "ana") -> int:
    """When the report says that somebody left."""
    told = await report(world)
    [found] = [each for each in told.people if short(each.email) == name and each.what != "joined"]
    return found.told_at


async def settled(world: World, **target: object) -> None:
    """Ana and Bo are members of two groups of the scope, Writers (g1) and Editors (g2)."""
    world.configure(**target)
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.group("g2", "Editors", "ana")
    await world.settle()
    world.sleep(DAY)


SCOPE = {"members": {"groups": ["Writers", "Editors"]}}


async def test_who_is_deactivated_left_then(world: World, book: Book) -> None:
    """Also if the directory says so again before they are removed, or after a restart."""
    await settled(world)
    await world.active("ana", False)
    left = world.now
    world.sleep(HOUR)
    await world.settle()
    assert await left_at(world) == left


async def test_who_is_deleted_after_being_deactivated_left_first(world: World, book: Book) -> None:
    """They had no access wanted from the first of both on, as long as that was seen."""
    await settled(world, guard={"max_removals": 0, "max_removal_percent": 0})
    await world.active("ana", False)
    left = world.now
    await world.settle()
    world.sleep(HOUR)
    await world.fire("ana")
    await world.settle()
    assert await left_at(world) == left
    await world.approve()
    await world.settle()
    assert (await left_at(world), set(world.members())) == (left, {"bo"})


async def test_who_is_deactivated_and_deleted_before_anybody_looks_left_first(
    world: World, book: Book
) -> None:
    """As before."""
    await settled(world)
    await world.active("ana", False)
    left = world.now
    world.sleep(HOUR)
    await world.fire("ana")
    await world.settle()
    assert await left_at(world) == left


async def test_who_is_created_anew_without_the_groups_left_with_the_deletion(
    world: World, book: Book
) -> None:
    """Before anybody looks."""
    await settled(world, **SCOPE)
    await world.fire("ana")
    left = world.now
    world.sleep(HOUR)
    await world.hire("ana")
    await world.settle()
    assert await left_at(world) == left


async def test_who_is_deactivated_in_their_groups_left_then(world: World, book: Book) -> None:
    """Not when they were put into them."""
    await settled(world, **SCOPE)
    await world.active("ana", False)
    left = world.now
    await world.settle()
    assert await left_at(world) == left


async def test_who_is_taken_out_of_a_deleted_group_left_with_the_first(world: World, book: Book) -> None:
    """Some senders tell both."""
    await settled(world, **SCOPE)
    await world.tell("group.deleted", group=("g1", None))
    left = world.now
    world.sleep(HOUR)
    await world.take_out("g1", "bo")
    await world.settle()
    assert await left_at(world, "bo") == left


async def test_news_that_comes_late_tells_when_it_was(world: World, book: Book) -> None:
    """The sender's time counts, not when it arrived."""
    await settled(world)
    left = world.now - 3 * HOUR
    await world.tell("user.deleted", ("ana", None, None), at=left)
    await world.settle()
    assert await left_at(world) == left


async def test_who_is_taken_out_of_the_last_group_left_then(world: World, book: Book) -> None:
    """Leaving all but one is nothing."""
    await settled(world, **SCOPE)
    await world.take_out("g1", "ana")
    await world.settle()
    world.sleep(HOUR)
    await world.take_out("g2", "ana")
    left = world.now
    await world.settle()
    assert (await left_at(world), set(world.members())) == (left, {"bo"})


async def test_the_last_group_counts_in_whatever_order_it_is_told(world: World, book: Book) -> None:
    """Both at once: the later of the two."""
    await settled(world, **SCOPE)
    first = world.now
    world.sleep(HOUR)
    await world.take_out("g2", "ana")
    left = world.now
    await world.tell("group.user_removed", ("ana", None, None), ("g1", None), at=first)
    await world.settle()
    assert await left_at(world) == left


async def test_who_is_inactive_after_leaving_the_groups_left_with_them(world: World, book: Book) -> None:
    """The first thing that took their access away counts."""
    await settled(world, **SCOPE)
    await world.take_out("g1", "ana")
    await world.take_out("g2", "ana")
    left = world.now
    world.sleep(HOUR)
    await world.active("ana", False)
    await world.settle()
    assert await left_at(world) == left


async def test_whose_group_is_deleted_left_then(world: World, book: Book) -> None:
    """Everyone of it."""
    await settled(world, **SCOPE)
    await world.tell("group.deleted", group=("g1", None))
    left = world.now
    await world.settle()
    assert (await left_at(world, "bo"), set(world.members())) == (left, {"ana"})


async def test_whose_group_has_another_name_left_then(world: World, book: Book) -> None:
    """The scope does not know the new one. When such news arrived counts, by the clock of Redis."""
    await settled(world, **SCOPE)
    await world.rename("g1", "Poets")
    [[ident, _]] = await world.store.call("XREVRANGE", world.journal.key("okta"), "+", "-", "COUNT", 1)
    await world.settle()
    assert (await left_at(world, "bo"), set(world.members())) == (id_time(ident), {"ana"})


async def test_whose_address_changes_left_then(world: World, book: Book) -> None:
    """The old address, that is; the new one joins."""
    await settled(world)
    await world.tell("user.updated", ("ana", "ann@acme.test", None))
    left = world.now
    await world.settle()
    assert await left_at(world) == left
    told = row(await report(world), "joined", "ann")
    assert (told.told_at, told.done_at) == (left, book.invited["ann"])


async def test_of_two_who_share_an_address_the_later_counts(world: World, book: Book) -> None:
    """They were a member until the last of the two left."""
    await settled(world)
    await world.tell("user.created", ("ana2", "ana@acme.test", True))
    await world.settle()
    await world.fire("ana")
    await world.settle()
    assert "ana" in world.members()
    world.sleep(HOUR)
    await world.fire("ana2")
    left = world.now
    await world.settle()
    assert (await left_at(world), set(world.members())) == (left, {"bo"})


async def test_who_leaves_twice_is_told_twice(world: World, book: Book) -> None:
    """Each time with its own time; in between they joined again."""
    await settled(world)
    times = []
    for _ in range(2):
        await world.active("ana", False)
        times.append(world.now)
        await world.settle()
        world.sleep(DAY)
        await world.active("ana", True)
        back = world.now
        await world.settle()
        world.sleep(DAY)
    told = await report(world)
    mine = [each for each in told.people if short(each.email) == "ana"]
    assert [each.told_at for each in mine if each.what == "left"] == times
    assert [each.told_at for each in mine if each.what == "joined"][-1] == back


async def test_who_leaves_because_the_rules_change(world: World, book: Book) -> None:
    """The directory said nothing, so it is not known since when, and no figure counts it."""
    await settled(world)
    world.configure(members={"groups": ["Nobody"]})
    await world.settle()
    told = await report(world)
    assert (told.everything.left, world.members()) == (2, {})
    assert (told.everything.leaving.known, told.everything.leaving.unknown) == (0, 2)


async def test_who_comes_by_a_group_came_when_they_were_put_into_it(world: World, book: Book) -> None:
    """Or when they were made active, whichever was later."""
    world.configure(**SCOPE)
    await world.group("g1", "Writers")
    await world.hire("ana")
    await world.settle()
    world.sleep(DAY)
    await world.add("g1", "ana", "bo")
    came = {"ana": world.now - 1}
    await world.settle()
    world.sleep(DAY)
    await world.hire("bo")
    came["bo"] = world.now
    await world.settle()
    told = await report(world)
    assert {name: row(told, "joined", name).told_at for name in came} == came
    assert {name: row(told, "joined", name).done_at for name in came} == book.invited


# ways to be gone


async def test_whom_somebody_else_removes_is_gone(world: World, book: Book) -> None:
    """Held first, then removed by hand at GitBook: they lost access, but the bridge freed no seat."""
    await settled(world, guard={"max_removals": 0, "max_removal_percent": 0})
    await world.fire("ana")
    left = world.now
    await world.settle()
    held = (await world.held("m:ana")).since
    world.sleep(HOUR)
    world.sandbox.state.leave(world.sandbox.members()["ana@acme.test"].id)
    await world.approve()
    await world.settle()
    told = await report(world)
    figures = told.everything
    assert (figures.left, figures.gone, figures.seats_freed, figures.inside) == (1, 1, 0, 0)
    gone = row(told, "left", "ana")
    assert (gone.state, gone.told_at, gone.held_since, gone.by) == ("gone", left, held, "boss")


async def test_whom_somebody_else_removes_first_is_gone(world: World, book: Book) -> None:
    """Removed by hand at GitBook before the directory lets them go: there is a row all the same."""
    await settled(world)
    world.sandbox.state.leave(world.sandbox.members()["ana@acme.test"].id)
    world.sleep(HOUR)
    await world.fire("ana")
    left = world.now
    await world.settle()
    told = await report(world)
    assert (told.everything.left, told.everything.gone, told.everything.inside) == (1, 1, 0)
    gone = row(told, "left", "ana")
    assert (gone.state, gone.told_at) == ("gone", left)
    assert await world.docs.store.call("HLEN", world.docs.key("leaving")) == 0


async def test_whom_somebody_else_removes_while_nobody_may_be_invited_is_gone(
    world: World, book: Book
) -> None:
    """They lost access when that was seen; that the directory lets them go later tells nothing new."""
    await settled(world)
    world.configure(guard={"max_members": 1})
    world.sandbox.state.leave(world.sandbox.members()["ana@acme.test"].id)
    for command in world.docs.doubt(["m:ana@acme.test"]):
        await world.store.call(*command)
    await world.group("g9", "Staff", "ana")
    await world.settle()
    await world.fire("ana")
    await world.settle()
    told = await report(world)
    assert (told.everything.left, told.everything.gone, told.everything.inside) == (1, 1, 0)
    assert row(told, "left", "ana").milliseconds is None


async def test_an_exception_whom_somebody_else_removes_is_gone(world: World, book: Book) -> None:
    """They are not inside any more, and it is known that they left."""
    await settled(world, guard={"max_removals": 0, "max_removal_percent": 0})
    await world.fire("ana")
    left = world.now
    await world.settle()
    await world.reject("m:ana", until=world.now + DAY)
    await world.settle()
    assert row(await report(world), "still inside", "ana").state == "excepted"
    world.sandbox.state.leave(world.sandbox.members()["ana@acme.test"].id)
    world.sleep(2 * DAY)
    await world.settle()
    told = await report(world)
    gone = row(told, "left", "ana")
    assert (gone.state, gone.told_at, gone.by, told.everything.inside) == ("gone", left, "", 0)


async def test_a_removal_without_an_answer_that_took_effect(world: World, book: Book) -> None:
    """Nobody knows that it was the bridge, but that they are gone and since when they had left."""
    await settled(world)
    world.sandbox.inject(next=[{"match": "DELETE .*/members/", "fault": "reset", "after": True, "times": 9}])
    await world.fire("ana")
    left = world.now
    await world.settle()
    gone = row(await report(world), "left", "ana")
    assert (gone.state, gone.told_at, set(world.members())) == ("gone", left, {"bo"})


async def test_an_invite_without_an_answer_that_took_effect(world: World, book: Book) -> None:
    """They joined, and it is told once."""
    world.configure()
    world.sandbox.inject(next=[{"match": "POST .*/invites", "fault": "reset", "after": True, "times": 9}])
    await book.hire("ana")
    await world.settle()
    told = row(await report(world), "joined", "ana")
    assert (told.told_at, set(world.members())) == (book.came["ana"], {"ana"})


# who is still inside, and why


async def test_who_waits_or_was_given_up_is_still_inside(world: World, book: Book) -> None:
    """With GitBook's words."""
    await settled(world)
    world.sandbox.inject(next=[{"match": "DELETE .*/members/", "fault": "422", "times": 9}])
    await world.fire("ana")
    await world.settle()
    person = row(await report(world), "still inside", "ana")
    assert (person.state, person.reason) == ("dead", "Made to fail by the sandbox")
    world.sandbox.heal()
    world.sandbox.inject(next=[{"match": "DELETE .*/members/", "fault": "500", "times": 999}])
    await world.fire("bo")
    await world.turn()
    assert row(await report(world), "still inside", "bo").state == "waiting"


async def test_nobody_is_removed_while_a_target_is_paused(world: World, book: Book) -> None:
    """Whoever leaves meanwhile is still inside, and known to be."""
    await settled(world)
    await write_pause(world.desk, Pause("boss", world.now))
    await world.fire("ana")
    left = world.now
    await world.turn()
    person = row(await report(world), "still inside", "ana")
    assert (person.state, person.told_at) == ("paused", left)


async def test_in_a_dry_run_all_who_left_are_still_inside(world: World, book: Book) -> None:
    """Nothing is called that writes."""
    await settled(world)
    world.configure(mode="dry-run")
    await world.fire("ana")
    left = world.now
    await world.settle()
    person = row(await report(world), "still inside", "ana")
    assert (person.state, person.told_at, person.reason) == ("dry-run", left, "deleted from the directory")


async def test_who_comes_back_is_not_a_leaver(world: World, book: Book) -> None:
    """Also before the worker has looked."""
    await settled(world, guard={"max_removals": 0, "max_removal_percent": 0})
    await world.active("ana", False)
    await world.settle()
    await world.active("ana", True)
    await world.fold()
    assert names(await report(world), "still inside") == []


# what is to be known of it


async def test_notes_tell_what_is_not_known(world: World, book: Book) -> None:
    """No rows, rows that begin later, a period longer than evidence is kept, events not processed."""
    assert (await report(world, world.now - DAY)).notes == ["docs: no joiner or removal is on record"]
    world.retention = {"evidence": "10d"}
    await settled(world)
    await world.hire("cy")
    notes = (await report(world, world.now - 11 * DAY)).notes
    assert [note.partition(":")[0] for note in notes] == [
        note.partition(":")[0] for note in notes if "retention.evidence" in note or "on record" in note
    ] + ["1 event(s) are not processed yet"]
    assert len(notes) == 3


async def test_without_targets_there_is_nothing_to_tell(world: World, book: Book) -> None:
    """Not an error."""
    told = await read_report(world.settings, world.store, {}, 0, 0, world.now)
    assert (told.targets, told.everything.joined, told.people) == ({}, 0, [])
