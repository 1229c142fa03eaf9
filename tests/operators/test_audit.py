"""Who did what, when and why."""

from dataclasses import replace

from bridge.operators.audit import KINDS, Entry, read_audit
from bridge.operators.filters import Filter
from bridge.operators.pages import Page
from bridge.operators.pauses import write_pause, write_resume
from bridge.store.audit import Audit, Deed
from bridge.store.commit import Transaction
from bridge.store.targets import Pause
from tests.workers.world import HOUR, World, short

STRICT = {"max_removals": 0, "max_removal_percent": 0}


async def audit(world: World, **words: object) -> Page[Entry]:
    """What the audit shows; `words`: of the filter."""
    wanted = replace(Filter(), **words)  # type: ignore[arg-type]
    return await read_audit(world.store, {"docs": world.desk}, wanted)


async def shown(world: World, **words: object) -> list[tuple[str, str, str]]:
    """Kind, object and who, the newest first."""
    return [(each.kind, short(each.object), each.by) for each in (await audit(world, **words)).rows]


async def live(world: World) -> dict[str, int]:
    """Ana and Bo come and leave; Ana's removal is held and approved. When what happened, unix ms."""
    times = {}
    await world.hire("ana", "bo")
    times["came"] = world.now - 1  # ana, before bo
    await world.settle()
    await world.fire("bo")
    await world.settle()
    world.configure(guard=STRICT)
    await world.fire("ana")
    times["left"] = world.now
    await world.settle()
    times["held"] = (await world.held("m:ana")).since
    world.sleep(HOUR)
    await world.approve()
    times["approved"] = world.now
    await world.settle()
    [*_, delete] = world.sandbox.calls_like("^DELETE .*/members/")
    return times | {"removed": round(delete.time * 1000)}


async def test_when_somebody_lost_access_and_who_approved_is_one_question(world: World) -> None:
    """Asked by their address; the removal shows who approved it beside the rule behind it."""
    times = await live(world)
    removed, approved, joined = (await audit(world, text="ANA@")).rows
    assert (removed.kind, removed.at, removed.by) == ("removed", times["removed"], "boss")
    assert (removed.object, removed.target) == ("ana@acme.test", "docs")
    assert (removed.what, removed.why) == ("remove member ana@acme.test", "deleted from the directory")
    told = dict(removed.detail)
    assert told.pop("event").startswith("okta/")
    assert told.pop("held_for").startswith("1 removals within 24 h are the limit")
    assert told == {
        "left_at": times["left"], "outcome": "done", "held_since": times["held"], "approved_by": "boss",
        "approved_at": times["approved"], "approved_why": "because",
    }  # fmt: skip
    assert (approved.kind, approved.at, approved.by, approved.why) == (
        "approved", times["approved"], "boss", "because",
    )  # fmt: skip
    assert (joined.kind, joined.by, joined.detail["came_at"]) == ("joined", "", times["came"])


async def test_all_of_it_is_one_list_the_newest_first(world: World) -> None:
    """Of operators and of the worker; what nobody had to approve names nobody."""
    await live(world)
    await write_pause(world.desk, Pause("chief", world.now, "moving"))
    await write_resume(world.desk, "chief", "moved", world.now)
    assert await shown(world) == [
        ("resumed", "", "chief"), ("paused", "", "chief"), ("removed", "ana", "boss"),
        ("approved", "ana", "boss"), ("removed", "bo", ""), ("joined", "bo", ""), ("joined", "ana", ""),
    ]  # fmt: skip
    resumed, paused, *_ = (await audit(world)).rows
    assert (resumed.why, paused.why, paused.target) == ("moved", "moving", "docs")
    assert resumed.detail == {"paused_by": "chief", "paused_since": world.now}


async def test_it_is_filtered(world: World) -> None:
    """By kind, target, text (also of who and why) and time; page by page."""
    await live(world)
    for words, expected in (
        ({"kinds": frozenset({"removed"})}, ["ana", "bo"]),
        ({"kinds": frozenset({"approved", "joined"})}, ["ana", "bo", "ana"]),
        ({"text": "boss"}, ["ana", "ana"]),
        ({"text": "BECAUSE"}, ["ana", "ana"]),
        ({"targets": frozenset({"wiki"})}, []),
        ({"targets": frozenset({"docs"}), "text": "bo@"}, ["bo", "bo"]),
        ({"until": 1}, []),
    ):
        assert [name for _, name, _ in await shown(world, **words)] == expected, words
    first = await audit(world, limit=2)
    assert [each.kind for each in first.rows] == ["removed", "approved"]
    rest = await audit(world, after=first.more)
    assert [each.kind for each in rest.rows] == ["removed", "joined", "joined"]
    assert len({each.id for each in (*first.rows, *rest.rows)}) == 5


async def test_what_is_about_no_target_is_shown_with_all(world: World) -> None:
    """A directory that was forgotten, say; not where one target is asked for."""
    transaction = Transaction(world.store)
    transaction.add(*Audit(world.store).write(Deed(world.now, "boss", "forgot", object="okta", why="old")))
    await transaction.run()
    assert await shown(world) == [("forgot", "okta", "boss")]
    assert await shown(world, targets=frozenset({"docs"})) == []
    assert "forgot" in KINDS


async def test_a_held_invite_shows_who_approved_it(world: World) -> None:
    """As a removal does."""
    world.configure(guard={"max_invites": 1})
    await world.hire("ana", "bo")
    await world.settle()
    await world.approve()
    await world.settle()
    joined = [each for each in (await audit(world)).rows if each.kind == "joined"]
    assert [(short(each.object), each.by) for each in joined] == [("bo", "boss"), ("ana", "")]
    assert joined[0].detail["held_for"] == "1 invites within 24 h are the limit (max_invites)"
