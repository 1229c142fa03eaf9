"""How long it takes from a webhook to GitBook, on an idle system."""

import statistics
import tempfile
import time
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox, running_sandbox
from tests.bench.table import Table
from tests.e2e.place import Place, event, user

pytestmark = pytest.mark.bench
EVENTS = 40


async def test_receive_to_applied(table: Table) -> None:
    """One event at a time on an idle system: from sending it to the member being there, in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="bb-") as folder:
        async with running_sandbox(Sandbox("acme", "sandbox-token-of-the-tests")) as sandbox:
            took = sorted(await _measure(Place(Path(folder), sandbox), sandbox))
    what = "receive to applied, one event, idle, embedded Valkey (AOF always)"
    table.add(f"{what}: median", statistics.median(took), "ms", None, "150")
    table.add(f"{what}: p99", took[int(len(took) * 0.99)], "ms", None, "400")
    assert EVENTS == len(took)


async def _measure(place: Place, sandbox: Sandbox) -> list[float]:
    took = []
    try:
        place.start()
        await place.ready()
        await place.send(event("user.created", user("first")))
        await place.until_members("first")
        for number in range(EVENTS):
            began, name = time.perf_counter(), f"p{number}"
            await place.send(event("user.created", user(name)))
            await place.until(lambda name=name: f"{name}@acme.test" in sandbox.members(), "not a member")  # type: ignore[misc]
            took.append((time.perf_counter() - began) * 1000)
            await place.until(place.settled, "not settled")
        place.stop()
    finally:
        place.end()
    return took
