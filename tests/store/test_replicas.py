"""A real replica: what is answered as stored is there too."""

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from bridge.settings import RedisSettings
from bridge.store.journal import Entry, Journal, Receipt, Submission
from bridge.store.redis import Store, open_store
from tests.chaos.sentinels import Cluster

BODY = Submission("okta", [Entry("okta", b"k" * 16, b"{}")])


@pytest.fixture
def pair() -> Iterator[Cluster]:
    """A primary and its replica."""
    with tempfile.TemporaryDirectory(prefix="bp-") as folder:
        cluster = Cluster(Path(folder), sentinels=0)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
async def stores(pair: Cluster) -> AsyncIterator[tuple[Store, Store]]:
    """Two receivers."""
    both = tuple(open_store(RedisSettings(url=f"redis://127.0.0.1:{pair.ports[0]}"), 5) for _ in range(2))
    yield both  # type: ignore[misc]
    for store in both:
        await store.close()


@contextmanager
def without_replica(pair: Cluster) -> Iterator[None]:
    """The replica hangs while the block lasts, and its primary does not know."""
    pid = pair.pid(pair.ports[1])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_repeat_is_no_more_stored_than_the_first(pair: Cluster, stores: tuple[Store, Store]) -> None:
    """While the replica hangs neither is answered, whichever receiver is asked; afterwards both are."""
    first, second = (Journal(store, replicas=1) for store in stores)
    assert [Receipt(1, 0)] == await first.accept([Submission("okta", [Entry("okta", b"a" * 16, b"{}")])])
    with without_replica(pair):
        for journal in (first, second, first):
            (answer,) = await journal.accept([BODY])
            assert isinstance(answer, RedisError), answer
        assert not await second.replicated()
        assert await second.not_ready() == "fewer than 1 replicas answered"
    assert [Receipt(0, 1)] == await second.accept([BODY])
    assert (await second.replicated(), await second.not_ready()) == (True, None)
