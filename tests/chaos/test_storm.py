"""Everything at once, for as long as it takes: 10,000 events in the gate, 100,000 by night."""

from pathlib import Path

import pytest

from tests.chaos.rig import STORM
from tests.chaos.storm import running_storm

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600 + STORM / 10)]
_CALM = 180.0  # seconds until all must be right


async def test_a_storm_loses_nothing_and_leaves_nothing_wrong(folder: Path) -> None:
    """Kills, freezes and faults; calls take effect late. The targets end as the events say, nothing else."""
    async with running_storm(folder) as storm:
        await storm.blow(STORM)
        await storm.calm(_CALM)
        late = storm.docs.lately + storm.wiki.lately
        faults = storm.docs.failed + storm.wiki.failed
        await storm.ends_right(f"7 storm: {faults} faults, {late} late effects")
