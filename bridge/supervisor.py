"""Running several processes as one: start them, start again what ends, end them all together."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence

import structlog

from bridge.supervised import SUPERVISED, end_with_parent

DRAIN_SECONDS = 10.0
_PAUSE_FIRST, _PAUSE_MOST = 0.2, 5.0
log = structlog.get_logger()


def bridge_command(*words: str) -> list[str]:
    """Return the command line of one of our own commands."""
    return [sys.executable, "-m", "bridge", *words]


async def supervise(commands: Mapping[str, Sequence[str]]) -> None:
    """Run the commands, by name, until SIGTERM or SIGINT; each that ends before is started again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    end_with_parent()
    children: dict[str, asyncio.subprocess.Process] = {}
    loop.add_signal_handler(signal.SIGHUP, _signal_all, children, signal.SIGHUP)
    async with asyncio.TaskGroup() as group:
        for name, command in commands.items():
            group.create_task(_keep_running(name, command, children, stop))
        await stop.wait()
        _signal_all(children, signal.SIGTERM)


async def _keep_running(
    name: str, command: Sequence[str], children: dict[str, asyncio.subprocess.Process], stop: asyncio.Event
) -> None:
    pause = _PAUSE_FIRST
    while not stop.is_set():
        began = time.monotonic()
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, env={**os.environ, SUPERVISED: "1"}
        )
        children[name] = child
        await _wait(child, stop)
        if stop.is_set():
            return
        log.warning("process.restarts", process=name, code=child.returncode)
        pause = _PAUSE_FIRST if time.monotonic() - began > 30 else min(pause * 2, _PAUSE_MOST)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


async def _wait(child: asyncio.subprocess.Process, stop: asyncio.Event) -> None:
    """Wait until a child ends; once all are to end, not for ever."""
    ended, told = asyncio.ensure_future(child.wait()), asyncio.ensure_future(stop.wait())
    await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not ended.done():
        _signal_all({"": child}, signal.SIGTERM)
        await asyncio.wait({ended}, timeout=DRAIN_SECONDS)
    if not ended.done():
        child.kill()
    await ended


def _signal_all(children: dict[str, asyncio.subprocess.Process], number: signal.Signals) -> None:
    for child in children.values():
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)
