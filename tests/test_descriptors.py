"""A process that has no file descriptor left, for real: in a process of its own."""

import json
import resource
import subprocess
import sys

PROGRAM = """
import asyncio, contextlib, json, os, resource
from bridge import descriptors

async def main():
    raised = descriptors.raise_limit()
    free, seen, files = descriptors.are_used_up(), [], []
    task = asyncio.create_task(descriptors.watch(lambda: seen.append(1), 0.001))
    await asyncio.sleep(0)
    early = len(seen)
    with contextlib.suppress(OSError):
        while True:
            files.append(os.open(os.devnull, os.O_RDONLY))
    full = descriptors.are_used_up()
    while len(seen) < 3:
        await asyncio.sleep(0)
    for file in files:
        os.close(file)
    task.cancel()
    return raised, free, early, full, descriptors.are_used_up()

print(json.dumps(asyncio.run(main())))
"""


def test_the_last_one_is_noticed() -> None:
    """The soft limit is raised to the hard one; without one left it is said, and counted."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 90))

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    *logs, told = done.stdout.splitlines()
    assert json.loads(told) == [90, False, 0, True, False]
    assert [line.count("receiver.no_descriptors") for line in logs] == [1]
