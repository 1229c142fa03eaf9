"""Calls without a clear end: what they were about is read again and again, for a day.

The target may carry a call out long after it was given up, and after what it was about was read: an invite
that takes effect when its person has left would give a leaver access until the next news of them.
"""

from bridge.store.targets import FORGET_LOST, LOOK_FIRST
from workers.run import Run

_AT_ONCE = 100


async def look_again(run: Run) -> None:
    """Let those be read whose time it is, unless they are worked on anyhow or given up."""
    due = await run.store.lost_due(run.now, _AT_ONCE)
    if not due:
        return
    idle = [name for name in await run.store.idle(due) if name not in run.held_back]
    commands = [*run.store.doubt(idle), *run.store.mark(idle, run.now)]
    for name, since in due.items():
        age = max(run.now - since, LOOK_FIRST)
        commands += run.store.watch_lost(name, None if age > FORGET_LOST else run.now + age)
    await run.commit(commands)
