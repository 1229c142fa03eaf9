"""A fold as a process: `python -m tests.bench.folding CONFIG DIRECTORY`; it prints events and seconds."""

import asyncio
import sys
import time
from pathlib import Path

from bridge.logs import configure_logs
from bridge.settings import read_settings
from bridge.store.redis import open_store
from workers.context import Worker
from workers.fold import fold_directory
from workers.main import give_way


async def _fold(config: Path, directory: str) -> None:
    settings = read_settings(config)
    configure_logs(settings.logs.model_copy(update={"level": "error"}))
    worker = Worker(settings, open_store(settings.redis))
    began, events = time.perf_counter(), 0
    while folded := await fold_directory(worker, directory):
        events += folded
    print(events, time.perf_counter() - began)
    await worker.close()


if __name__ == "__main__":
    give_way()
    asyncio.run(_fold(Path(sys.argv[1]), sys.argv[2]))
