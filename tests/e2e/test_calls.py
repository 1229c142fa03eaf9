"""How few calls it takes."""

import asyncio
import random
from collections.abc import Callable

from bridge.sandbox import Sandbox
from tests.e2e.place import Place, event, group, user


async def test_200_joiners_in_10_groups_take_at_most_40_calls(
    make_place: Callable[..., Place], sandbox: Sandbox
) -> None:
    """410 events, shuffled, over eight connections: first reads included, GitBook answering in 50 ms."""
    place = make_place()
    place.start()
    await place.ready()
    sandbox.inject(latency=0.05)
    names, teams = [f"p{n}" for n in range(200)], [f"Team {n}" for n in range(10)]
    bodies = [event("group.created", where=group(team)) for team in teams]
    bodies += [event("user.created", user(name)) for name in names]
    bodies += [event("group.user_added", user(name), group(teams[n % 10])) for n, name in enumerate(names)]
    random.Random(7).shuffle(bodies)
    await asyncio.gather(*(place.send(*bodies[lane::8]) for lane in range(8)))
    await place.until(lambda: sum(map(len, sandbox.teams().values())) == 200, "not all are in their teams")
    await place.until_members(*names)
    print(f"\n{len(bodies)} events took {len(sandbox.calls)} calls")
    assert len(sandbox.calls) <= 40
