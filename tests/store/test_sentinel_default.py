"""Behind Sentinel a replica holds an event before its 200; whoever wants it otherwise writes it down."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bridge.commands.check import examine
from bridge.commands.findings import Finding
from bridge.receiver import create_app
from bridge.serving import opened_journal
from bridge.settings import Settings, parse_settings
from tests.chaos.sentinels import Cluster

PATH = Path("/nowhere/bridge.toml")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A primary, its replica, and one sentinel that knows them."""
    with tempfile.TemporaryDirectory(prefix="bs-") as folder:
        started = Cluster(Path(folder), sentinels=1)
        try:
            started.start()
            yield started
        finally:
            started.stop()


async def told(settings: Settings) -> tuple[Finding, list[str]]:
    """What `bridge check` and /readyz say of what may be lost."""
    findings = {each.name: each for each in await examine(settings, PATH)}
    app = create_app(settings, lambda: opened_journal(settings))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://bridge.test") as client,
    ):
        ready = await client.get("/readyz")
    assert ready.status_code == 200
    return findings["redis.durability"], ready.json().get("warnings", [])


async def test_a_replica_has_what_is_answered_unless_written_otherwise(cluster: Cluster) -> None:
    """Left out: nothing to say. 0: check and /readyz say what a failover loses, and what to write."""
    finding, warnings = await told(parse_settings({"redis": {"url": cluster.url}}, PATH))
    assert (finding.warning, warnings) == (False, [])
    finding, warnings = await told(parse_settings({"redis": {"url": cluster.url, "replicas": 0}}, PATH))
    assert (finding.ok, finding.warning) == (True, True)
    assert warnings == [
        "redis.replicas is 0: a failover loses what no replica had yet of the accepted events (set it to 1)"
    ]
    assert warnings[0] in finding.detail


async def test_one_primary_that_loses_events_is_told(cluster: Cluster) -> None:
    """Without a file, or with one that is written now and then, one Redis alone is no place for events."""
    url = f"redis://127.0.0.1:{cluster.ports[0]}"
    settings = parse_settings({"redis": {"url": url}}, PATH)
    assert settings.redis.replicas == 0
    assert (await told(settings))[1] == []
    cluster.set(cluster.ports[0], "appendfsync", "everysec")
    try:
        finding, warnings = await told(settings)
    finally:
        cluster.set(cluster.ports[0], "appendfsync", "always")
    assert finding.warning
    assert [text.partition(":")[0] for text in warnings] == ["appendfsync is everysec"]
