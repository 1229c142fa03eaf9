"""What the processes take in memory as events go by: a receiver and a worker of their own."""

import asyncio
import random
from pathlib import Path

import orjson
import pytest

from bridge.embedded import EmbeddedValkey
from bridge.sandbox import Sandbox, running_sandbox
from tests.bench.conftest import Bench
from tests.bench.load import group_event, member_event, request, send, user_event
from tests.bench.table import FULL, Table
from tests.e2e.place import Place

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]
FIRST, LAST = (100_000, 1_000_000) if FULL else (20_000, 100_000)
TOGETHER = 20  # events in one delivery, as Jackson sends them in batches


async def test_memory(bench: Bench, table: Table) -> None:
    """Resident memory after the first and the last of many events, all of them processed."""
    async with running_sandbox(Sandbox("acme", "sandbox-token-of-the-tests")) as sandbox:
        place = bench.place(sandbox)
        bench.enter_context(EmbeddedValkey(place.folder / "data", "everysec"))
        for command in ("serve", "worker"):
            place.start(command)
        await place.ready()
        await _process(place, 0, FIRST)
        before = {name: _resident(place, name) for name in place.processes}
        await _process(place, FIRST, LAST)
        after = {name: _resident(place, name) for name in place.processes}
        place.stop()
    for name, what in (("serve", "receiver"), ("worker", "worker")):
        ratio = after[name] / before[name]
        label = f"memory of the {what} after {LAST:,} events, against {FIRST:,}"
        table.add(label, after[name] / 1024, "MiB", ratio, "1.1")
        assert ratio < 1.3, label


async def _process(place: Place, start: int, end: int) -> None:
    """Send events in deliveries of several, and wait until all is processed and applied."""
    step = 10_000
    for first in range(start, end, step):
        bodies = [orjson.loads(body) for body in _talk(step, first)]
        made = [request(orjson.dumps(bodies[at : at + TOGETHER])) for at in range(0, step, TOGETHER)]
        run = await asyncio.to_thread(send, place.port, made, 120.0, 8)
        assert (run.other, len(run.took)) == (0, len(made))
    await place.until(place.settled, "not settled", 300)


def _talk(count: int, seed: int) -> list[bytes]:
    """Return what a directory of 300 people and 10 groups tells: mostly updates, and a few who move."""
    chance = random.Random(seed)
    bodies = [group_event("group.created", str(number)) for number in range(10)]
    bodies += [user_event("user.created", f"{number:08}") for number in range(300)]
    while len(bodies) < count:
        who, move = f"{chance.randrange(300):08}", chance.random()
        if move > 0.01:
            bodies.append(user_event("user.updated", who))
        else:
            name = "group.user_added" if move > 0.004 else "group.user_removed"
            bodies.append(member_event(name, who, str(chance.randrange(10))))
    return bodies


def _resident(place: Place, name: str) -> int:
    """Return the resident memory of a process and those it started, in KiB."""
    pids = _family(place.processes[name].pid)
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _family(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
    return [pid, *(each for child in text.split() for each in _family(int(child)))]
