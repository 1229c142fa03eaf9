"""Pausing and resuming a target, and what is written down of it."""

import asyncio

from bridge.operators.pauses import write_pause, write_resume
from bridge.store.audit import Deed
from bridge.store.targets import Pause
from tests.workers.world import HOUR, World


async def deeds(world: World) -> list[Deed]:
    """What the audit tells, the newest first."""
    return [deed for _, deed in await world.desk.audit.read()]


async def test_who_when_and_why_are_written_down(world: World) -> None:
    """In the audit and in the target's history; the end tells whose pause it was."""
    paused = Pause("boss", world.now, "moving")
    assert await write_pause(world.desk, paused) == paused
    world.sleep(HOUR)
    assert await write_resume(world.desk, "chief", "moved", world.now) == paused
    assert await deeds(world) == [
        Deed(
            world.now, "chief", "resumed", "docs", why="moved",
            detail={"paused_by": "boss", "paused_since": paused.at},
        ),
        Deed(paused.at, "boss", "paused", "docs", why="moving"),
    ]  # fmt: skip
    rows = [(row["outcome"], row["by"], row["why"], row["at"]) for row in await world.past.rows(9)]
    assert rows == [("resumed", "chief", "moved", world.now), ("paused", "boss", "moving", paused.at)]
    assert await world.docs.paused() is None


async def test_the_first_pause_counts(world: World) -> None:
    """Also of two at once: there is one pause, one deed, and both are told whose it is."""
    told = await asyncio.gather(*(write_pause(world.desk, Pause(who, world.now)) for who in "ab"))
    assert told[0] == told[1] == await world.docs.paused()
    assert [deed.by for deed in await deeds(world)] == [told[0].by]


async def test_of_two_who_resume_at_once_one_ended_the_pause(world: World) -> None:
    """One deed; a target that is not paused is told to go on without one."""
    pause = await write_pause(world.desk, Pause("boss", world.now))
    told = await asyncio.gather(*(write_resume(world.desk, who, "", world.now) for who in "ab"))
    assert sorted(told, key=bool) == [None, pause]
    assert await write_resume(world.desk, "c", "", world.now) is None
    assert [deed.action for deed in await deeds(world)] == ["resumed", "paused"]
