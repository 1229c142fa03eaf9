"""A dry run writes nothing, and its plan is what is called when the mode is switched: no more, no less."""

import asyncio
import random
import uuid
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bridge.embedded import EmbeddedValkey
from bridge.settings import RedisSettings
from bridge.store.redis import open_store
from tests.e2e.test_model import NO_GUARD, deliver, live, long_history, seed
from tests.e2e.truth import EMAILS, MANY, PLAIN, Rules
from tests.workers.calls import switched_on
from tests.workers.world import DAY, World, playing

TIGHT = {
    "max_removals": 1, "max_removal_percent": 0, "team_max_removal_percent": 40, "team_min_removals": 2,
    "max_invites": 3, "protect": ["eve@*"],
}  # fmt: skip
WAVES = TIGHT | {"max_removals": 4, "on_limit": "hold-rest", "team_min_removals": 3}
SEATS = {**TIGHT, "max_invites": 0, "max_members": 6}
ADMINS = replace(PLAIN, roles=[{"group": "Editors", "role": "admin"}, {"group": "Docs", "role": "edit"}])
guards = st.sampled_from([NO_GUARD, TIGHT, WAVES, WAVES | {"on_limit": "hold-wave"}, SEATS])
rules = st.sampled_from([PLAIN, MANY, ADMINS])
scopes = st.sampled_from([None, "Writers"])


async def compare(
    valkey: EmbeddedValkey, guard: dict[str, object], how: Rules, scope: str | None, chance: int
) -> tuple[Counter[str], Counter[str]]:
    """Apply the first part of a history, tell the rest in dry-run mode.

    Returns what the plan shows, and what is called when the mode is switched.
    """
    redis = RedisSettings(data_dir=valkey.data_dir, prefix=f"d{uuid.uuid4().hex[:10]}")
    store, truth = open_store(redis), live(long_history(chance))
    events = sorted((event for each in truth.each for event in each.events), key=lambda event: event.stamp)
    middle = random.Random(chance).randint(len(events) // 3, len(events))
    with pytest.MonkeyPatch.context() as patch:
        async with playing(redis, store, patch) as world:
            seed(world.sandbox)
            if chance % 2:
                world.sandbox.seed_member(EMAILS[0], "create")
            world.sources = [
                {"name": n, "kind": "okta-workflows", "secrets": [f"{n}-secret"]} for n in ("sim", "hr")
            ]
            target = {"teams": how.teams, "roles": how.roles, "members": {"groups": [scope] if scope else []}}
            world.configure(**target, guard=NO_GUARD)
            await deliver(world, events[:middle])
            await world.settle()
            await decide(world, chance)
            world.sleep(2 * DAY)
            world.configure(mode="dry-run", guard=guard)
            await deliver(world, events[middle:])
            _, plan, made = await switched_on(world)
    await store.close()
    return plan, made


async def decide(world: World, chance: int) -> None:
    """Let a person approve, reject or leave alone what is held."""
    if chance % 3:
        await world.decide(chance % 3 == 1)


# Shrinking would run the whole bridge hundreds of times: the history that failed is shown as it is.
@pytest.mark.timeout(600)
@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(guards, rules, scopes, st.integers(0, 1_000_000))
def test_a_plan_shows_exactly_the_calls_that_apply_then_makes(
    valkey_server: EmbeddedValkey, guard: dict[str, object], how: Rules, scope: str | None, chance: int
) -> None:
    """After any history, with everything in it, a dry run has written nothing and shown what comes."""
    plan, made = asyncio.run(compare(valkey_server, guard, how, scope, chance))
    assert plan == made
