"""Calls without a clear end: what they were about is read again and again, for a day.

The target may carry a call out long after it was given up, and after what it was about was read: an invite
that takes effect when its person has left would give a leaver access until the next news of them. That a
later try of the same call was answered makes no difference: the first one may come after what followed.
"""

from collections.abc import Iterable

from bridge.plan.teams import bound_to
from bridge.store.targets import TEAM_ID, rest_after
from workers.run import Run, team_object

_AT_ONCE = 1000  # many are read in one walk through the list, whatever their number


async def look_again(run: Run) -> None:
    """Let those be read whose time it is; what is given up is only in doubt, until somebody needs it."""
    due = await run.store.lost_due(run.now, _AT_ONCE)
    if not due:
        return
    objects = await _objects(run, due)
    ready = [name for name in objects.values() if name and name not in run.held_back]
    commands = [*run.doubt(ready), *await run.store.bring_forward(ready, run.now)]
    for name, before in due.items():
        held_back = run.held_back.get(objects[name])
        looks = before + (held_back is None)
        rest = rest_after(looks)
        look = run.now + rest if held_back is None and rest is not None else held_back
        commands += run.store.watch_lost(name, look, looks)
    await run.commit(commands)


async def _objects(run: Run, names: Iterable[str]) -> dict[str, str]:
    """Return what to look at for each name: teams under the titles they have now, "" for none any more."""
    objects = {name: name for name in names}
    ids = [name for name in objects if name.startswith(TEAM_ID)]
    teams = await run.store.teams() if ids else {}
    for name in ids:
        title = bound_to(teams, name.removeprefix(TEAM_ID))
        objects[name] = "" if title is None else team_object(title)
    return objects
