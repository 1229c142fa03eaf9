"""Real processes, hurt at random moments under load: whatever was answered 200 ends in the truth."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from pathlib import Path

import pytest

from tests.chaos.company import RESIDENTS
from tests.chaos.conftest import MakeRig
from tests.chaos.rig import AWAY, END, SECONDS, Rig

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120 + 4 * SECONDS)]

LEASE = 5.0  # seconds, bridge/store/lease.py


async def test_kill_9_of_anything_under_load(running_rig: MakeRig) -> None:
    """Receiver, workers and Valkey are killed, also a worker in its call, and workers freeze for too long."""
    async with running_rig() as rig:
        load = asyncio.create_task(rig.live_for(SECONDS))
        while not load.done():
            await _hurt(rig)
        await load
        await rig.ends_right("1 kill -9: receiver, workers, Valkey")


async def _hurt(rig: Rig) -> None:
    """Wait a random moment, then hurt something."""
    await asyncio.sleep(rig.chance.uniform(0.1, 1.0))
    match rig.chance.choice(["serve", "worker-1", "worker-2", "valkey", "caller", "freeze"]):
        case "valkey":
            rig.strike(rig.valkey_pid())
        case "caller":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(rig.sandbox.called("", len(rig.sandbox.calls) + 1), 1)
            if pid := await rig.holder():
                rig.strike(pid)
        case "freeze":
            if pid := await rig.holder():
                with rig.frozen(pid):
                    await asyncio.sleep(rig.chance.uniform(0.5, LEASE * 1.3))
        case name:
            rig.strike(rig.processes[name].pid)


async def test_kill_9_below_bridge_run(running_rig: MakeRig) -> None:
    """`bridge run` starts again whatever is killed below it, its Valkey too, and rides out one that hangs."""
    async with running_rig({"run": "run"}) as rig:
        load = asyncio.create_task(rig.live_for(SECONDS * 0.6))
        while not load.done():
            await asyncio.sleep(rig.chance.uniform(0.3, 1.0))
            match rig.chance.choice(["child", "child", "valkey", "hang"]):
                case "child":
                    if children := rig.children("run"):  # none while both are about to be started again
                        rig.strike(rig.chance.choice(children))
                case "valkey":
                    rig.strike(rig.valkey_pid())
                case _:
                    with rig.frozen(rig.valkey_pid()):
                        await asyncio.sleep(rig.chance.uniform(0.5, 3))
        await load
        await rig.ends_right("1 kill -9: children of bridge run")


# What a call is, what makes a worker make it, and what is told to undo it meanwhile.
CALLS = {
    "invite": ("POST .*/invites$", [("user_comes", 20, 0, 0)], [("user_goes", 20, 0, 0)]),
    "removal": ("DELETE .*/members/", [("user_goes", 10, 0, 0)], [("user_comes", 10, 0, 0)]),
    "new team": ("PUT .*/teams$", [("joins", 0, 7, 2)], [("joins", 1, 7, 2)]),
    "team": ("PUT .*/teams/.*/members$", [("joins", 2, 0, 0)], [("leaves", 2, 0, 0)]),
}
TWO = {"serve": "serve", "worker-1": "worker", "worker-2": "worker"}
FREEZING = str(Path(__file__).with_name("freezing_worker.py"))
Acts = list[tuple[str, int, int, int]]


async def test_a_worker_frozen_in_a_call_leaves_nothing_wrong(running_rig: MakeRig) -> None:
    """Each kind of call at the same time, as they are mostly waiting; each has a bridge of its own."""
    await _at_once(_freeze_in(what, running_rig) for what in CALLS)


async def _freeze_in(what: str, running_rig: MakeRig) -> None:
    """The call takes effect after another has taken over and the opposite was done; then it wakes up."""
    match, first, then = CALLS[what]
    done = (
        what == "new team"
    )  # made at once, only its answer comes late: a team that comes late is made twice
    async with running_rig(TWO) as rig:
        made = await _arrange(rig, match)
        rig.sandbox.inject(next=[{"fault": "hang", "match": match, "after": done}])
        _act(rig, first)
        await asyncio.wait_for(rig.sandbox.called(match, made + 1), END)
        pid = await rig.holder()
        assert pid
        with rig.frozen(pid):
            _act(rig, then)
            await _is_right_without(rig, pid)
            rig.heal()  # now the call arrives
            late = rig.sandbox.calls_like(match)[made]
            await rig.until(lambda: late.status, "the late call has no effect")
        await rig.until(lambda: not rig.losses(), "still wrong: " + what, 20)
        await rig.ends_right(f"2 frozen in a call: {what}")


async def test_a_worker_frozen_between_check_and_call_leaves_nothing_wrong(running_rig: MakeRig) -> None:
    """It held its lease when it looked. Its call leaves when another has taken over, and is waited for."""
    await _at_once(_freeze_before(what, running_rig, "15s") for what in CALLS)


async def test_a_worker_frozen_for_longer_than_a_call_makes_none(running_rig: MakeRig) -> None:
    """When it wakes up another has done the opposite, and the call's time is over: it never leaves."""
    await _at_once(_freeze_before(what, running_rig, "2s") for what in CALLS)


async def _freeze_before(what: str, running_rig: MakeRig, patience: str) -> None:
    match, first, then = CALLS[what]
    commands = {"serve": "serve", "worker-1": FREEZING, "worker-2": FREEZING}
    async with running_rig(commands, patience=patience) as rig:
        await _arrange(rig, match)
        (rig.folder / "freeze").write_text(match, encoding="utf-8")
        _act(rig, first)
        await rig.until(lambda: not (rig.folder / "freeze").exists(), "nobody freezes", END)
        pid = await rig.holder()
        assert pid
        with rig.frozen(pid):  # it is already; at the end of the block it wakes up
            made = len(rig.sandbox.calls_like(match))
            _act(rig, then)
            if patience == "2s":
                await _is_right_without(rig, pid)
                made = len(rig.sandbox.calls_like(match))
            else:
                await rig.until(rig.deferred, "nobody has taken over", END)
        if patience != "2s":
            await rig.until(lambda: len(rig.sandbox.calls_like(match)) > made, "the late call never came")
        await rig.ends_right(f"2 frozen before a call of {patience}: {what}")
        assert patience != "2s" or len(rig.sandbox.calls_like(match)) == made, "it came too late"


async def test_a_worker_killed_in_a_call_leaves_nothing_wrong(running_rig: MakeRig) -> None:
    """The call takes effect when it is dead and another has taken over, before the call's time is up."""
    await _at_once(_kill_in(what, running_rig) for what in CALLS)


async def _kill_in(what: str, running_rig: MakeRig) -> None:
    match, first, then = CALLS[what]
    async with running_rig(TWO, patience="15s") as rig:
        made = await _arrange(rig, match)
        rig.sandbox.inject(next=[{"fault": "hang", "match": match, "late": True}])
        _act(rig, first)
        await asyncio.wait_for(rig.sandbox.called(match, made + 1), END)
        pid = await rig.holder()
        assert pid
        rig.strike(pid)
        _act(rig, then)
        await rig.until(rig.deferred, "nobody has taken over", END)
        rig.heal()  # now the call arrives
        late = rig.sandbox.calls_like(match)[made]
        await rig.until(lambda: late.status, "the late call has no effect")
        await rig.ends_right(f"2 killed in a call: {what}")


async def _at_once(scenarios: Iterable[Coroutine[None, None, None]]) -> None:
    """Run scenarios side by side; when one fails the others end their processes too."""
    async with asyncio.TaskGroup() as group:
        for scenario in scenarios:
            group.create_task(scenario)


async def _arrange(rig: Rig, match: str) -> int:
    """Let a few people come; return how many calls of a kind that took."""
    for act in (("user_comes", 10, 0, 0), ("joins", 3, 0, 0)):
        rig.company.act(*act)
    rig.tell()
    await rig.until(lambda: len(rig.sandbox.members()) == RESIDENTS + 2, "they are not there")
    await rig.until(rig.quiet, "not quiet")
    return len(rig.sandbox.calls_like(match))


def _act(rig: Rig, acts: Acts) -> None:
    for act in acts:
        rig.company.act(*act)
    rig.tell()


async def _is_right_without(rig: Rig, pid: int) -> None:
    """Wait until another worker than the frozen one has done all there is to do."""
    await rig.until(_another(rig, pid), "nobody has taken over", END)
    await rig.until(lambda: not rig.senders.open, "not answered", END)
    await rig.until(rig.quiet, "not quiet without it", END)
    assert [] == rig.losses()


def _another(rig: Rig, pid: int) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return await rig.holder() not in (None, pid)

    return holds


@pytest.mark.parametrize(
    "commands", [{"serve": "serve", "worker-1": "worker", "worker-2": "worker"}, {"run": "run"}]
)
async def test_sigterm_under_load(running_rig: MakeRig, commands: dict[str, str]) -> None:
    """Everything drains within 10 s with exit code 0, in the middle of slow calls, and nothing is lost."""
    async with running_rig(commands) as rig:
        rig.sandbox.inject(latency=0.5)
        load = asyncio.create_task(rig.live_for(SECONDS * 0.4))
        while not load.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(rig.sandbox.called("", len(rig.sandbox.calls) + 3), SECONDS)
            await rig.restart()
        await load
        rig.heal()
        await rig.ends_right(f"3 SIGTERM: {', '.join(commands)}")


async def test_valkey_away(running_rig: MakeRig) -> None:
    """Senders are told to come again, no process ends, and all goes on by itself."""
    async with running_rig() as rig:
        await rig.live_for(1)
        assert rig.valkey
        await asyncio.to_thread(rig.valkey.stop)
        rig.kills += 1
        await rig.live_for(AWAY)
        assert 503 == await rig.readiness()
        await asyncio.to_thread(rig.valkey.start)
        await rig.live_for(1)
        await _was_refused(rig)
        await rig.ends_right(f"4 Valkey away for {AWAY:g} s")


async def _was_refused(rig: Rig) -> None:
    assert rig.senders.refused("okta")[429]
    assert rig.senders.refused("jackson")[503]
    await rig.until(rig._is_ready, "not ready again")


async def test_valkey_full(running_rig: MakeRig) -> None:
    """Nothing is answered 200 that does not fit, and once there is room all goes on."""
    async with running_rig() as rig:
        await rig.live_for(1)
        used = await rig.store.call("INFO", "memory")
        await rig.store.call("CONFIG", "SET", "maxmemory", used["used_memory"] // 2)
        await rig.live_for(AWAY)
        assert 503 == await rig.readiness()
        await rig.store.call("CONFIG", "SET", "maxmemory", 0)
        await rig.live_for(1)
        await _was_refused(rig)
        await rig.ends_right(f"5 Valkey full for {AWAY:g} s")


async def test_a_rejected_token_whose_file_is_swapped(running_rig: MakeRig, folder: Path) -> None:
    """It costs a few probes; with the new token in the file all goes on without a signal."""
    path = folder / "token"
    path.write_text("sandbox-token-of-the-tests", encoding="utf-8")
    async with running_rig(token=f"file:{path}") as rig:
        await rig.live_for(1)
        rig.sandbox.token = "the-next-token"
        await rig.live_for(AWAY)
        state = (await rig.status())["targets"]["docs"]
        assert ("credentials_rejected", 0) == (state["state"], state["dead"])
        swapped = folder / "next"
        swapped.write_text(rig.sandbox.token, encoding="utf-8")
        swapped.replace(path)
        await rig.live_for(1)
        await rig.ends_right(f"6 token rejected for {AWAY:g} s")
        probes = sum(call.status == 401 for call in rig.sandbox.calls)
        assert 2 <= probes <= 8 + AWAY / 15, f"{probes} calls with a rejected token"
