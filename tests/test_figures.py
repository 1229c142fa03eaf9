"""The figures of the whole installation: read from Redis, and never in the way of those who ask."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics_core import Metric

from bridge import figures
from bridge.figures import Figures, open_figures
from bridge.settings import RedisSettings, Settings, parse_settings
from bridge.store.front import FrontNews, FrontStore, Refusals
from bridge.store.presence import tell_alive
from bridge.store.redis import Store
from bridge.store.tally import Tally, TallyStore
from bridge.store.targets import target_id
from tests.installation import NOW, shown

FLOW = {"name": "okta", "kind": "okta-workflows", "secrets": ["okta-secret"]}


@pytest.fixture
def settings(redis_settings: RedisSettings) -> Settings:
    """A target and a source over the test's own Redis."""
    table = {"data_dir": str(redis_settings.data_dir), "prefix": redis_settings.prefix}
    docs = {"name": "docs", "organization": "acme", "token": "x"}
    raw = {"redis": table, "sources": [FLOW], "targets": [docs]}
    return parse_settings(raw, Path("/nowhere/bridge.toml"))


def values(families: list[Metric]) -> dict[str, float]:
    """Samples by name and labels, as Prometheus writes them."""
    return {
        sample.name
        + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


async def test_they_are_what_redis_holds(settings: Settings, store: Store) -> None:
    """Of the workers, the sources and what was counted of each target, by its name in the configuration."""
    await tell_alive(store, "one", NOW)
    await FrontStore(store).tell({"okta": FrontNews(NOW - 4000, Refusals(2, 1, "why"))})
    tally = Tally()
    tally.call("read", 200, 0.2)
    await TallyStore(store).add({target_id(settings.targets[0]): tally})
    read = values(await Figures(settings, store, lambda: NOW).read())
    assert (read["bridge_redis_up"], read["bridge_workers"]) == (1, 1)
    assert read["bridge_source_last_delivery_age_seconds source=okta"] == 4.0
    assert read["bridge_source_refused_requests_total source=okta"] == 2
    assert read["bridge_target_calls_total kind=read status=200 target=docs"] == 1
    assert read["bridge_target_objects state=due target=docs"] == 0


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        ("bridge_journal_pending_events", 20),
        ("bridge_journal_oldest_pending_age_seconds", 25),
        ("bridge_target_state state=unavailable target=docs", 1),
        ("bridge_target_state state=ok target=docs", 0),
        ("bridge_target_state_age_seconds target=docs", 90),
        ("bridge_target_objects state=parked target=docs", 4),
        ("bridge_target_objects state=dead target=docs", 5),
        ("bridge_target_oldest_leaver_age_seconds target=docs", 3600),
        ("bridge_target_budget_remaining_calls kind=read target=docs", 12),
        ("bridge_target_budget_remaining_calls kind=invites target=docs", 20),  # its window is over
        ("bridge_target_calls_total kind=invites status=none target=docs", 1),
        ("bridge_target_call_duration_seconds_bucket kind=read le=0.1 target=docs", 0),
        ("bridge_target_call_duration_seconds_bucket kind=read le=0.25 target=docs", 1),
        ("bridge_target_call_duration_seconds_bucket kind=read le=+Inf target=docs", 2),
        ("bridge_target_call_duration_seconds_sum kind=read target=docs", 0.5),
        ("bridge_target_removal_latency_seconds_bucket le=86400.0 target=docs", 0),
        ("bridge_target_removal_latency_seconds_bucket le=172800.0 target=docs", 1),
        ("bridge_target_change_latency_seconds_count target=docs", 1),
        ("bridge_source_api_state source=okta state=unavailable", 1),
        ("bridge_source_refused_requests_total source=hr", 0),
    ],
)
def test_each_says_what_its_name_says(sample: str, value: float) -> None:
    """Ages in seconds, one state of several, buckets that count all that is below them."""
    assert values(shown())[sample] == value


def test_what_never_was_has_no_age() -> None:
    """A source that has delivered nothing yet is missing, not 0 seconds or 50 years old."""
    assert [name for name in values(shown()) if name.startswith("bridge_source_last")] == [
        "bridge_source_last_delivery_age_seconds source=okta"
    ]


class Odd(Store):
    """A Redis that answers in a way of its own."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.prefix = "odd"
        self.asked, self.heard = 0, asyncio.Event()
        self._answer = answer

    async def call(self, *words: Any) -> Any:
        """Answer."""
        self.asked += 1
        self.heard.set()
        return await self._answer()

    async def calls(self, commands: Any, one_by_one: bool = False) -> list[Any]:
        """Likewise."""
        return [await self._answer()]


async def away() -> Any:
    """No connection."""
    raise ConnectionError("Redis is away")


async def nonsense() -> Any:
    """Data of another version."""
    return ["what"]


async def silent() -> Any:
    """No answer at all."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("answer", [away, nonsense, silent])
async def test_without_redis_they_say_so_and_no_more(
    settings: Settings, answer: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is away, holds what nobody understands, or keeps silent: nothing is raised."""
    monkeypatch.setattr(figures, "READ_SECONDS", 0.05)
    assert values(await Figures(settings, Odd(answer)).read()) == {"bridge_redis_up": 0}


async def test_whoever_asks_meanwhile_is_told_the_same(settings: Settings) -> None:
    """Fifty at once cost one reading; the next one is read afresh, and one who goes away stops nobody."""
    goes = asyncio.Event()

    async def wait_first() -> Any:
        await goes.wait()
        raise ConnectionError

    store = Odd(wait_first)
    read = Figures(settings, store)
    asking = [asyncio.create_task(read.read()) for _ in range(50)]
    await store.heard.wait()
    asking.pop().cancel()
    goes.set()
    answers = await asyncio.gather(*asking)
    assert (len(answers), store.asked) == (49, 1)
    await read.read()
    assert store.asked == 2


async def test_a_reading_under_way_is_ended_with_its_receiver(redis_settings: RedisSettings) -> None:
    """Nothing is left behind."""
    before = asyncio.all_tasks()
    async with open_figures(Settings(redis=redis_settings)) as read:
        asking = asyncio.create_task(read.read())
        await asyncio.sleep(0)
    await asyncio.gather(asking, return_exceptions=True)
    assert asyncio.all_tasks() == before
