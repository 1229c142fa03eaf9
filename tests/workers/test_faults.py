"""The bridge itself fails at something: that holds up nothing else, and is shown."""

from collections.abc import Callable
from typing import Any

import pytest

from bridge.store.mirror import MirrorStore
from tests.workers.world import MINUTE, World, address
from workers import converge


def fail_for(monkeypatch: pytest.MonkeyPatch, is_about: Callable[[str], bool]) -> None:
    """Let what is known of some people be unreadable."""
    honest = MirrorStore.people

    async def people(self: Any, emails: Any, names: Any) -> Any:
        if found := [email for email in emails if is_about(email)]:
            raise KeyError(found[0])
        return await honest(self, emails, names)

    monkeypatch.setattr(MirrorStore, "people", people)


async def test_one_person_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are given up with the place of the fault; news of them, or a retry, has them looked at again."""
    people = [f"p{number}" for number in range(300)]
    await world.hire(*people)
    with monkeypatch.context() as patch:
        fail_for(patch, lambda email: email == address("p123"))
        await world.settle()
    assert set(world.members()) == {*people} - {"p123"}
    dead = await world.dead()
    assert list(dead) == ["m:p123"]
    assert "the bridge fails at it: KeyError at test_faults.py:" in dead["m:p123"]
    assert (await world.state()).state == "ok"
    await world.fire("p123")
    await world.fire("p7")
    await world.settle()
    assert set(world.members()) == {*people} - {"p123", "p7"}
    assert await world.dead() == {}


async def test_where_all_fail_the_target_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is given up for it, and all is done once it is mended."""
    people = [f"p{number}" for number in range(25)]
    await world.hire(*people)
    with monkeypatch.context() as patch:
        fail_for(patch, lambda _: True)
        await world.fold()
        await world.converge()
        state = await world.state()
        assert (state.state, world.members(), await world.dead()) == ("unavailable", {}, {})
        assert state.reason
        assert "the bridge fails at it: KeyError at test_faults.py:" in state.reason
    world.sleep(MINUTE)
    await world.settle()
    assert (set(world.members()), await world.dead()) == (set(people), {})
    assert (await world.state()).state == "ok"


async def test_a_fault_before_the_first_object_is_told_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is that fails, and how often: the state is not ok meanwhile."""

    async def watch(_run: object) -> None:
        raise ZeroDivisionError

    await world.hire("ana")
    with monkeypatch.context() as patch:
        patch.setattr(converge, "watch_twins", watch)
        for _ in range(3):
            await world.fold()
            with pytest.raises(ZeroDivisionError):
                await world.converge()
            state = await world.state()
            assert state.state == "unavailable"
            assert state.reason
            assert "ZeroDivisionError at test_faults.py:" in state.reason
            assert state.asleep(world.now)
            world.sleep(MINUTE)
    await world.settle()
    assert set(world.members()) == {"ana"}
    assert (await world.state()).state == "ok"
