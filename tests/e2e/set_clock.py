"""`bridge serve` or the worker on a machine whose clock is set: `python set_clock.py CONFIG`.

`PART` (serve, worker) and `AHEAD` (seconds, below 0: behind) stand in the environment. What is set is what
`settimeofday` sets: all that Python tells of the date, and nothing of the monotonic clock.
"""

import os
import sys

import time_machine

from bridge.cli import app
from workers.main import main

if __name__ == "__main__":
    import datetime

    ahead = datetime.timedelta(seconds=float(os.environ["AHEAD"]))
    with time_machine.travel(datetime.datetime.now(datetime.UTC) + ahead, tick=True):
        if os.environ["PART"] == "worker":
            main()
        else:
            app(["serve", "-c", sys.argv[1]])
