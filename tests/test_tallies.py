"""What a receiver counts, and that telling it costs little whatever strangers do."""

import asyncio
from collections.abc import Mapping

import pytest

from bridge.settings import SourceSettings
from bridge.sources.signatures import equals_any
from bridge.store.front import FrontNews, FrontStore, Refusals
from bridge.store.redis import Store
from bridge.tallies import LONGEST_REASON, Tallies


class Told(FrontStore):
    """Remembers what it is told; `broken`: fails instead."""

    def __init__(self) -> None:
        self.news: list[Mapping[str, FrontNews]] = []
        self.broken = False
        self.tried, self.heard = asyncio.Event(), asyncio.Event()

    async def tell(self, news: Mapping[str, FrontNews]) -> None:
        """Remember."""
        self.tried.set()
        if self.broken:
            raise ConnectionError("Redis is away")
        self.news.append(news)
        self.heard.set()


@pytest.fixture
def source() -> SourceSettings:
    """A source with two secrets, one of them told by its reference, as if it were a variable's."""
    made = SourceSettings.model_validate({"name": "polis", "kind": "jackson", "secrets": ["old", "new"]})
    made.secrets[1].reference = "env:POLIS_NEW"
    return made


@pytest.fixture
def tallies(source: SourceSettings) -> Tallies:
    """Its tallies, at a time that stands still."""
    return Tallies((source,), lambda: 7000)


async def test_nothing_new_is_not_told(tallies: Tallies) -> None:
    """A quiet bridge writes nothing."""
    told = Told()
    await tallies.tell(told)
    assert told.news == []


async def test_a_flood_of_refusals_is_one_write(tallies: Tallies) -> None:
    """They are counted here; the last one's time and reason are told."""
    told = Told()
    for at in range(1000):
        tallies.refuse("polis", f"reason {at}", at)
    await tallies.tell(told)
    await tallies.tell(told)
    assert told.news == [{"polis": FrontNews(refused=Refusals(1000, 999, "reason 999"))}]


async def test_reason_is_of_bounded_length(tallies: Tallies) -> None:
    """Whatever somebody may get into it."""
    told = Told()
    tallies.refuse("polis", "x" * 10_000, 1)
    await tallies.tell(told)
    assert len(told.news[0]["polis"].refused.reason) == LONGEST_REASON


async def test_secret_in_use_is_told_and_no_other(source: SourceSettings, tallies: Tallies) -> None:
    """By its label, never by its text; again only when it was used again."""
    told = Told()
    assert equals_any(source.secrets, b"new")
    assert not equals_any(source.secrets, b"wrong")
    tallies.deliver("polis", 6999)
    await tallies.tell(told)
    await tallies.tell(told)
    assert equals_any(source.secrets, b"old")
    await tallies.tell(told)
    assert told.news == [
        {"polis": FrontNews(6999, secrets={"env:POLIS_NEW": 7000})},
        {"polis": FrontNews(secrets={"no. 1, in the file": 7000})},
    ]


async def test_what_redis_did_not_take_is_told_later(source: SourceSettings, tallies: Tallies) -> None:
    """Nothing is lost or counted twice, and what came meanwhile goes with it."""
    told = Told()
    told.broken = True
    tallies.refuse("polis", "first", 1)
    tallies.deliver("polis", 2)
    assert equals_any(source.secrets, b"new")
    with pytest.raises(ConnectionError):
        await tallies.tell(told)
    tallies.refuse("polis", "second", 3)
    told.broken = False
    await tallies.tell(told)
    assert told.news == [{"polis": FrontNews(2, Refusals(2, 3, "second"), {"env:POLIS_NEW": 7000})}]


async def test_it_tells_while_it_runs_and_at_the_end(tallies: Tallies, store: Store) -> None:
    """Redis being away in between does not end it."""
    told = Told()
    told.broken = True
    tallies.refuse("polis", "first", 1)
    task = asyncio.create_task(tallies.tell_again_and_again(told, seconds=0.001))
    await told.tried.wait()
    told.broken = False
    await told.heard.wait()
    tallies.refuse("polis", "last", 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert told.news[-1]["polis"].refused.reason == "last"
