"""File descriptors: every connection takes one, and while none is left nobody is let in.

libuv, under uvloop, then closes new connections without a word; asyncio's own loop leaves them waiting.
"""

import asyncio
import errno
import os
import resource
from collections.abc import Callable

import structlog

MOST = 65_536  # more are of no use to one process, and some systems tell billions
LOOK_SECONDS = 1.0
SAY_SECONDS = 60.0
log = structlog.get_logger()


def raise_limit() -> int:
    """Let this process and its children have as many as the system grants (MOST at most); return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


def are_used_up() -> bool:
    """Tell whether no more file can be opened."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False


async def watch(found: Callable[[], None], look_seconds: float = LOOK_SECONDS) -> None:
    """Say once a minute that none is left, and call `found` at each look that finds it so."""
    loop, said = asyncio.get_running_loop(), float("-inf")
    while True:
        if are_used_up():
            found()
            if loop.time() - said >= SAY_SECONDS:
                said = loop.time()
                limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
                log.error("receiver.no_descriptors", limit=limit, hint="raise it: ulimit -n, LimitNOFILE")
        await asyncio.sleep(look_seconds)
