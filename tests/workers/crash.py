"""Letting a process die at any of its steps, and another take over."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.store.commit import Transaction
from bridge.targets.gitbook import GitBook
from tests.workers.world import SECOND, World

PLACES = ("before commit", "after commit", "before call", "after call")


class Crash(BaseException):
    """The process dies here."""


class Bomb:
    """Lets the n-th thing of a kind be the last."""

    def __init__(self, at: int) -> None:
        self.left = at

    def tick(self) -> None:
        """Count one, and go off when it is time."""
        self.left -= 1
        if self.left == 0:
            raise Crash


async def die_and_come_back(world: World) -> None:
    """A new process; the dead one's leases run out, and its calls end at the target."""
    for key in await world.store.call("KEYS", world.store.key("lease", "*")):
        await world.store.call("DEL", key)
    world.worker = world.new_worker()
    world.sleep(3 * SECOND)


def arm(monkeypatch: pytest.MonkeyPatch, where: str, bomb: Bomb) -> None:
    """Put the bomb before or after a commit, or before or after a call."""
    target: Any = Transaction if "commit" in where else GitBook
    name = "run" if "commit" in where else "_once"
    original: Callable[..., Awaitable[Any]] = getattr(target, name)

    async def armed(*args: Any) -> Any:
        if "before" in where:
            bomb.tick()
        answer = await original(*args)
        if "after" in where:
            bomb.tick()
        return answer

    monkeypatch.setattr(target, name, armed)
