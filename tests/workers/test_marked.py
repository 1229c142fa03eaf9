"""What was folded while a target was not marked for it is not missed: it is marked once it is back."""

from collections.abc import Callable

import pytest

from bridge.store.marked import Marked
from tests.workers.crash import Crash
from tests.workers.world import DAY, World
from workers import marking
from workers.main import sweep_once
from workers.retention import trim


async def company(world: World) -> None:
    """Ana leads the writers, Bo and Cy are among them; all is settled."""
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers", "ana", "bo", "cy")
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo", "cy"}}


async def news(world: World) -> None:
    """Bo leaves, Cy leaves the writers, Di comes, another group is there."""
    await world.fire("bo")
    await world.take_out("g1", "cy")
    await world.hire("di")
    await world.group("g2", "Editors", "di")


async def followed(world: World) -> None:
    """All of that is so at the target."""
    await world.settle()
    assert set(world.members()) == {"ana", "cy", "di"}
    assert world.teams() == {"Writers": {"ana"}, "Editors": {"di"}}


def away(world: World) -> None:
    """The target is not in the configuration: another organisation is."""
    world.configure(organization="elsewhere")


def moved(world: World) -> None:
    """The target has another address."""
    world.configure(api_url="http://127.0.0.1:9")


def untold(world: World) -> None:
    """The source speaks to no target."""
    world.sources[0]["targets"] = []
    world.configure()


def back(world: World) -> None:
    """All is as it was."""
    world.sources[0].pop("targets", None)
    world.configure(organization="acme", api_url=world.sandbox.url)


@pytest.mark.parametrize("change", [away, moved, untold])
async def test_what_came_while_a_target_was_not_told_is_made_up_for(
    world: World, change: Callable[[World], None]
) -> None:
    """Out of the configuration, under another address, without its source: and back as it was."""
    await company(world)
    change(world)
    await news(world)
    await world.fold()
    back(world)
    await followed(world)


async def test_a_group_that_was_deleted_meanwhile_loses_its_team(world: World) -> None:
    """Its people lose what it gave."""
    await company(world)
    away(world)
    await world.tell("group.deleted", group=("g1", None))
    await world.fold()
    back(world)
    await world.settle()
    assert world.teams() == {}


async def test_news_before_and_after_the_gap_does_not_hide_it(world: World) -> None:
    """What came when the target was back is folded before anybody looks at it."""
    await company(world)
    away(world)
    await news(world)
    await world.fold()
    back(world)
    await world.active("ana", True)
    await world.hire("ed")
    await world.fold()
    await world.settle()
    assert set(world.members()) == {"ana", "cy", "di", "ed"}


async def test_a_worker_that_does_not_know_the_target_folds_between(world: World) -> None:
    """Two workers with different configurations: the one that has the target makes up for the other."""
    await company(world)
    here = world.worker
    away(world)
    other = world.worker
    back(world)
    await world.fire("bo")
    await world.fold(other)
    await world.hire("di")
    await world.fold(here)
    await world.settle()
    assert set(world.members()) == {"ana", "cy", "di"}


async def test_the_sweep_rings_for_it(world: World) -> None:
    """Also in a process that has looked at the target before; not once all is marked."""
    await company(world)
    await sweep_once(world.worker)
    assert await sweep_once(world.worker) == 0
    here = world.worker
    away(world)
    await world.fire("bo")
    await world.fold()
    back(world)
    assert await sweep_once(here) == 1
    await world.converge(here)
    assert await world.docs.members(["bo@acme.test"]) == {}
    await world.settle()
    assert await sweep_once(here) == 0


async def test_marking_begins_again_after_a_crash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until everyone is marked the gap stays."""
    await company(world)
    away(world)
    await news(world)
    await world.fold()
    back(world)
    whole = marking._mark_named

    async def crash(*_: object) -> None:
        raise Crash

    monkeypatch.setattr(marking, "_mark_named", crash)
    with pytest.raises(Crash):
        await world.turn()
    monkeypatch.setattr(marking, "_mark_named", whole)
    await followed(world)


async def test_what_is_told_while_everyone_is_marked_needs_no_second_marking(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy directory would else be marked again and again."""
    await company(world)
    away(world)
    await world.fire("bo")
    await world.fold()
    back(world)
    whole, times = marking._mark_named, 0

    async def told_meanwhile(run: object, directories: object) -> None:
        nonlocal times
        times += 1
        await world.hire(f"p{times}")
        await world.fold()
        await whole(run, directories)  # type: ignore[arg-type]

    monkeypatch.setattr(marking, "_mark_named", told_meanwhile)
    await world.settle()
    assert times == 1
    assert set(world.members()) == {"ana", "cy", "p1"}


async def test_nobody_is_marked_again_without_a_gap(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by news nor by a restart."""
    await company(world)
    times = 0

    async def count(*_: object) -> None:
        nonlocal times
        times += 1

    monkeypatch.setattr(marking, "_mark_named", count)
    await news(world)
    world.worker = world.new_worker()
    await followed(world)
    assert times == 0


async def test_an_installation_without_positions_marks_everyone_once(world: World) -> None:
    """As those that are older than they are."""
    await company(world)
    away(world)
    await world.fire("bo")
    await world.fold()
    back(world)
    await world.store.call("DEL", world.docs.key("marked"), world.docs.key("replanned"))
    await world.settle()
    assert set(world.members()) == {"ana", "cy"}


async def test_a_directory_that_no_source_speaks_for_any_more_is_folded_to_its_end(world: World) -> None:
    """The last news of a source came just before it was taken out of the configuration."""
    await company(world)
    await world.fire("bo")
    world.sources[0] = {"name": "other", "kind": "jackson", "secrets": ["x"]}
    world.configure()
    await world.settle()
    assert set(world.members()) == {"ana", "cy"}


async def test_who_left_while_the_target_was_away_for_months_is_removed(world: World) -> None:
    """Who is known at a target is remembered, also while it is not in the configuration."""
    await company(world)
    away(world)
    await world.fire("bo")
    await world.fold()
    world.sleep(90 * DAY)
    await trim(world.worker)
    world.sleep(2 * DAY)
    await trim(world.worker)
    back(world)
    await world.settle()
    assert set(world.members()) == {"ana", "cy"}


async def test_a_group_that_went_while_the_target_was_away_for_months_loses_its_team(world: World) -> None:
    """It is remembered as long as a target has a team for it."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await world.take_out("g1", "ana")
    await world.settle()
    away(world)
    await world.tell("group.deleted", group=("g1", None))
    await world.fold()
    for days in (90, 2):
        world.sleep(days * DAY)
        await trim(world.worker)
    back(world)
    await world.settle()
    assert world.teams() == {}


@pytest.mark.parametrize(
    ("stretch", "replanned", "reached"),
    [
        (None, None, "0-0"),
        ("0-0 9-1", None, "9-1"),
        ("5-0 9-1", None, "0-0"),
        ("5-0 9-1", "4-9", "4-9"),
        ("5-0 9-1", "5-0", "9-1"),
        ("5-0 10-1", "9-9", "10-1"),
        ("5-0 9-1", "10-0", "10-0"),
    ],
)
def test_how_far_a_target_was_marked(stretch: str | None, replanned: str | None, reached: str) -> None:
    """A stretch counts when everyone was marked behind its beginning."""
    stretches = {"okta": stretch} if stretch else {}
    marked = Marked(stretches, {"okta": replanned} if replanned else {})
    assert marked.reached("okta") == reached


def test_only_followed_directories_are_behind() -> None:
    """All parts of them, by the configured name."""
    marked = Marked({"okta": "0-0 9-1"}, {})
    cursors = {"okta": "9-1", "polis:a": "3-0", "polis:b": "0-0", "hr": "3-0"}
    assert marked.behind(cursors, {"okta", "polis"}) == ["polis:a"]
