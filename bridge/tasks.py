"""Ending asyncio tasks for certain."""

import asyncio
from typing import Any


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended; what it raised is not raised here.

    It is cancelled again while it goes on: a cancellation that meets an error inside a library can get
    lost (seen with redis-py: about one in ten shutdowns hung).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.5)
    if not task.cancelled():
        task.exception()
