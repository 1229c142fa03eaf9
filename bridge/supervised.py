"""Being a child of `bridge run`: it ends when its parent is gone, however the parent went."""

import asyncio
import os
import signal
import sys

SUPERVISED = "BRIDGE_SUPERVISED"  # set for children


def is_supervised() -> bool:
    """Tell whether this process is a child of `bridge run` or of a receiver with several processes."""
    return bool(os.environ.get(SUPERVISED))


def end_with_parent() -> None:
    """In a supervised process, end as on SIGTERM when the parent's end of our stdin is closed."""
    if is_supervised():
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _parent_gone)


def _parent_gone() -> None:
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    os.kill(os.getpid(), signal.SIGTERM)
