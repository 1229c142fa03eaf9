"""Redis Sentinel: the primary is killed under load, and what was answered 200 is there all the same."""

import asyncio
from pathlib import Path

import pytest

from bridge.sandbox import running_sandbox
from tests.chaos.rig import PROCESSES, SECONDS, SEED, Rig
from tests.chaos.sentinels import Cluster
from tests.chaos.witness import Witness

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(360 + 4 * SECONDS)]

FAILOVER = 60.0  # seconds a failover may take, with all that follows
ROUNDS = max(1, round(SECONDS / 20))


async def test_failover_of_a_sentinel_under_load(folder: Path) -> None:
    """Without a primary and its replica senders are told to come again; then all goes on by itself."""
    cluster = Cluster(folder)
    async with running_sandbox(Witness(SEED)) as sandbox:
        assert isinstance(sandbox, Witness)
        rig = Rig(folder, sandbox, PROCESSES, cluster, cluster.url)
        rig.rewrite('data_dir = "data"', "replicas = 1")
        async with rig.running():
            await rig.live_for(2)
            for _ in range(ROUNDS):
                await _fail_over(rig, cluster)
            assert rig.senders.refused("jackson")[503]
            assert rig.senders.refused("okta")[429]
            await rig.ends_right("7 Sentinel: kill -9 of the primary")


async def _fail_over(rig: Rig, cluster: Cluster) -> None:
    """Kill the primary, live on, and start it again once there is another: it becomes the replica."""
    load = asyncio.create_task(rig.live_for(FAILOVER * 2))
    try:
        killed = await asyncio.to_thread(cluster.kill_primary)
        rig.kills += 1
        await rig.until(lambda: cluster.primary() not in (None, killed), "no other primary", FAILOVER)
        refused = rig.senders.refused("jackson")[503]
        await rig.until(lambda: rig.senders.refused("jackson")[503] > refused, "a false 200", FAILOVER)
        cluster.run(killed)
        await rig.until(cluster.replicated, "no replica", FAILOVER)
        answered = rig.senders.answered
        await rig.until(lambda: rig.senders.answered > answered + 20, "nothing is stored again", FAILOVER)
    finally:
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
