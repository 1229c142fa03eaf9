"""Memory goes back to the system once it is free."""

import asyncio
import os
from pathlib import Path

import pytest

from bridge.memory import trim_again_and_again, trimmer
from bridge.tasks import end_task


def resident() -> int:
    """Return the bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(trimmer() is None, reason="the C library of this system has no malloc_trim")
async def test_what_is_free_between_what_stays_goes_back() -> None:
    """Blocks as large as a stranger's bodies come in, of which one in a hundred stays."""
    held = [b"a" * 60_000 for _ in range(2000)]
    held = held[::100]
    left = resident()
    trimming = asyncio.create_task(trim_again_and_again(0))
    async with asyncio.timeout(30):
        while resident() > left - 60_000_000:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0)
    await end_task(trimming)
    assert len(held) == 20
