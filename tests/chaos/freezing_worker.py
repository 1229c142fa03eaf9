"""`bridge worker`, but it freezes itself (SIGSTOP) between the check of its lease and a call, once.

`python freezing_worker.py CONFIG`; the file `freeze` beside the configuration holds a regular expression for
"METHOD /path". Whoever meets such a call takes the file away and freezes.
"""

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import httpx

from workers.main import main

FREEZE = Path(sys.argv[1]).parent / "freeze"


class FreezingClient(httpx.AsyncClient):
    """What GitBook's client sends its calls with: all checks are made by then."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request, or freeze first."""
        try:
            match = FREEZE.read_text(encoding="utf-8")
        except FileNotFoundError:
            match = "$^"
        if re.search(match, f"{request.method} {request.url.path}"):
            FREEZE.unlink()
            os.kill(os.getpid(), signal.SIGSTOP)
        return await super().send(request, **options)


if __name__ == "__main__":
    httpx.AsyncClient = FreezingClient  # type: ignore[misc]
    main()
