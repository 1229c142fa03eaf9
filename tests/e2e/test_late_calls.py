"""Calls that take effect late: who takes over waits until none of them can any more."""

from typing import Any

import httpx
import pytest

from tests.workers import conftest
from tests.workers.world import SECOND, World
from workers.context import Worker

world = conftest.world  # the fixture


class KilledError(BaseException):
    """kill -9, as far as anybody can tell: nothing is written down any more."""


class Wire:
    """The last step before a call leaves: time passes before it, and it may never come back."""

    def __init__(self, world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        self._world, self._worker, self.intents = world, worker, list[int]()
        self._client = worker.client(world.settings.targets[0])._client
        self._send = self._client.send
        monkeypatch.setattr(self._client, "send", self.send)

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Note when the intents of the moment were written; five seconds later there is an answer."""
        if request.method != "GET":
            intents = (await self._world.docs.intents()).values()
            self.intents += [self._world.now - intent.at for intent in intents]
        self._world.sleep(5 * SECOND)
        return await self._send(request, **options)


async def test_each_attempt_is_written_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second and a third try leave long after the first; the intent is as young as the last of them."""
    await world.hire("ana")
    await world.settle()
    wire = Wire(world, world.worker, monkeypatch)
    world.sandbox.inject(next=[{"match": "^DELETE", "fault": "503", "times": 2}])
    await world.fire("ana")
    await world.settle()
    assert world.members() == {}
    assert len(wire.intents) == 3
    assert max(wire.intents) < 500


async def test_who_takes_over_waits_for_the_last_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second try was on its way when its worker died; it takes effect, and is found then."""
    world.configure(timeout="10s")
    await world.hire("ana")
    await world.settle()
    wire = Wire(world, world.worker, monkeypatch)
    world.sandbox.inject(next=[{"match": "^DELETE", "fault": "503"}])
    ana = world.sandbox.members()["ana@acme.test"].id

    async def die(request: httpx.Request, **options: Any) -> httpx.Response:
        if len(wire.intents) == 1 and request.method == "DELETE":
            world.sleep(5 * SECOND)
            raise KilledError
        return await wire.send(request, **options)

    monkeypatch.setattr(wire._client, "send", die)
    await world.fire("ana")
    await world.fold()
    with pytest.raises(KilledError):
        await world.converge()
    await world.store.call("DEL", world.store.key("lease", f"converge:{world.id}"))
    await world.hire("ana")
    world.worker = world.new_worker()
    calls = len(world.sandbox.calls)
    world.sleep(4 * SECOND)  # more than the time-out since the first try, and less since the second
    await world.turn()
    assert len(world.sandbox.calls) == calls, "planned from what may still change"
    world.sandbox.state.leave(ana)  # now it takes effect
    await world.settle()
    assert world.members() == {"ana": "read"}


@pytest.mark.parametrize("fault", ["hang", "503"])
async def test_a_call_that_takes_effect_long_after_is_found(world: World, fault: str) -> None:
    """An invite was given up, its person left, nobody was listed; then it took effect all the same."""
    await world.hire("bo")
    await world.settle()
    world.sandbox.inject(next=[{"match": "POST .*invites", "fault": fault, "times": 3}])
    await world.hire("ana")
    await world.turn()
    await world.fire("ana")
    await world.settle()
    assert world.members() == {"bo": "read"}
    world.sandbox.state.join("ana@acme.test", "read")
    world.sleep(61 * SECOND)
    await world.settle()
    assert world.members() == {"bo": "read"}


async def test_looking_for_lost_calls_ends(world: World) -> None:
    """After a day, and two dozen reads."""
    world.sandbox.inject(next=[{"match": "POST .*invites", "fault": "503", "times": 3}])
    await world.hire("ana")
    await world.settle()
    calls = len(world.sandbox.calls)
    for _ in range(3 * 24 * 60):
        world.sleep(60 * SECOND)
        await world.turn()
    assert 15 < len(world.sandbox.calls) - calls < 30
    assert await world.store.call("EXISTS", world.docs.key("lost"), world.docs.key("lost_looks")) == 0
