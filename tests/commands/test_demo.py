"""`bridge demo`, end to end: real processes, a real Valkey, real webhooks."""

import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge import demo
from bridge.demo import STORY, running_demo

BRIDGE = Path(sys.executable).with_name("bridge")


@pytest.fixture
def box() -> Iterator[Path]:
    """A folder for temporary files whose path is short, as a socket's has to be."""
    with tempfile.TemporaryDirectory(prefix="bd-", dir="/tmp") as folder:
        yield Path(folder)


def environment(box: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "TMPDIR": str(box), "BRIDGE_CONFIG": "/nowhere/bridge.toml"}


def run_demo(box: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BRIDGE, "demo", *flags], env=environment(box), cwd=box, capture_output=True, text=True, check=False
    )


def left_behind(box: Path) -> list[str]:
    """Return the files in the box, and the processes that were started with it (where /proc tells)."""
    mark = f"TMPDIR={box}\0".encode()
    alive = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                alive.append((process / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return [*map(str, box.iterdir()), *alive]


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[subprocess.CompletedProcess[str], list[str]]]:
    """What `bridge demo --exit --json` did, and what it left behind."""
    with tempfile.TemporaryDirectory(prefix="bd-", dir="/tmp") as folder:
        yield run_demo(Path(folder), "--exit", "--json"), left_behind(Path(folder))


Told = tuple[subprocess.CompletedProcess[str], list[str]]


def steps_of(told: Told) -> dict[str, dict[str, Any]]:
    return {step["event"]: step for step in orjson.loads(told[0].stdout)}


def test_all_is_applied(told: Told) -> None:
    """It ends with 0 and prints a list of all steps, and nothing else."""
    assert told[0].returncode == 0, told[0].stderr
    assert list(steps_of(told)) == [step.event for step in STORY]


def test_leaves_nothing_behind(told: Told) -> None:
    """No process and no file outlives it."""
    assert told[1] == []


def test_each_step_has_what_the_interface_says(told: Told) -> None:
    """Calls with method and path, e-mails, titles, milliseconds."""
    step = steps_of(told)["a joiner"]
    assert step["calls"] == ["POST /v1/orgs/acme/invites", "PUT /v1/orgs/acme/teams"]
    assert step["members"] == ["ana@acme.test", "owner@acme.test"]
    assert step["teams"] == ["Writers"]
    assert 0 < step["milliseconds"] < 10_000


def test_joiners_of_one_delivery_share_their_calls(told: Told) -> None:
    """Four events, two calls."""
    step = steps_of(told)["two joiners"]
    assert (len(step["sent"]), len(step["calls"])) == (4, 2)


def test_members_grow_and_shrink(told: Told) -> None:
    """Who leaves is no member any more."""
    steps = steps_of(told)
    assert "ben@acme.test" in steps["a mover"]["members"]
    assert "ben@acme.test" not in steps["a leaver"]["members"]


def test_a_repeated_delivery_calls_nothing(told: Told) -> None:
    """It is recognised, and nothing happens."""
    step = steps_of(told)["a repeated delivery"]
    assert (step["calls"], step["reads"]) == ([], 0)


def test_no_secret_is_shown(told: Told) -> None:
    """Nothing goes to stderr where all goes well."""
    assert told[0].stderr == ""


def test_people_see_the_story(box: Path) -> None:
    """Each step is shown with what came in, what was called and what became of it."""
    run = run_demo(box, "--exit")
    assert run.returncode == 0, run.stderr
    for number, step in enumerate(STORY, 1):
        assert f"{number}. {step.event.capitalize()}" in run.stdout
    for text in ("group.user_added  ana@acme.test  Writers", "POST   invites", "edit: ben@acme.test"):
        assert text in run.stdout
    assert "All was applied" in run.stdout
    assert "bridge init" in run.stdout


async def test_stays_up_until_it_is_told_to_end(box: Path) -> None:
    """It prints a line to send an event with, shows what that event leads to, and Ctrl-C ends it with 0."""
    process = await asyncio.create_subprocess_exec(
        BRIDGE, "demo", env=environment(box), cwd=box, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    printed = (await process.stdout.readuntil(b"| cut -d")).decode()
    line = printed[printed.rindex("\nb='") :] + (await process.stdout.readline()).decode()
    sender = await asyncio.create_subprocess_exec(
        "sh", "-c", line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    answer, _ = await sender.communicate()
    assert orjson.loads(answer) == {"accepted": 1, "duplicates": 0}
    await process.stdout.readuntil(b"POST   invites")
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == 0
    assert left_behind(box) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_can_be_ended_in_the_middle(box: Path, number: signal.Signals) -> None:
    """An early end cleans up as well, and its code says that not all was shown."""
    process = await asyncio.create_subprocess_exec(
        BRIDGE, "demo", "--exit", env=environment(box), cwd=box, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    await process.stdout.readuntil(b"2. A joiner")
    process.send_signal(number)
    await process.communicate()
    assert process.returncode == 128 + number
    assert left_behind(box) == []


async def test_what_is_not_applied_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """When GitBook takes no invite, the outcome says whom it lacks."""
    monkeypatch.setattr(demo, "STEP_SECONDS", 0.5)
    async with running_demo() as running:
        running.sandbox.inject(always="503")
        outcome = await running.play(STORY[1])
    assert any("ana@acme.test" in line for line in outcome.missing)


async def test_a_start_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `bridge run` has said before it ended is passed on."""
    monkeypatch.setattr(
        demo, "bridge_command", lambda *_: [sys.executable, "-c", "raise SystemExit('no luck')"]
    )
    with pytest.raises(demo.DemoError, match="no luck"):
        async with running_demo():
            pass
