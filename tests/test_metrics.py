"""What the receiver counts, as Prometheus sees it."""

import asyncio
import os
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bridge.metrics import FOLDER, Metrics
from bridge.receiver import _OUTCOMES as RECEIVED
from bridge.scim.app import _OUTCOMES as PROVISIONED
from bridge.settings import SourceSettings
from bridge.sources.signatures import equals_any
from tests.installation import SOURCES, Frozen, scrape

OUTCOMES = {
    "stored", "read", "challenge", "outside", "unknown", "malformed", "disconnected",
    *RECEIVED.values(), *PROVISIONED.values(),
}  # fmt: skip
COUNTING = """
from bridge.metrics import Metrics
metrics = Metrics()
metrics.count_delivery("okta", "stored", 0.004)
metrics.count_events("okta", "accepted", 3)
print(metrics.text().decode())
"""


def test_secrets_in_use_are_shown_by_their_labels() -> None:
    """Never by their text; one that was not used shows 0, and one that is listed twice stands there once."""
    source = SourceSettings.model_validate(
        {"name": "polis", "kind": "jackson", "secrets": ["first-text", "second-text", "first-text"]}
    )
    metrics = Metrics()
    metrics.watch_secrets([source])
    assert equals_any(source.secrets[1:2], b"second-text")
    assert not equals_any(source.secrets, b"third-text")

    text = metrics.text().decode()

    line = 'bridge_secret_matches_total{{secret="no. {}, in the file",source="polis"}} {}.0'
    assert line.format(1, 0) in text
    assert line.format(2, 1) in text
    assert text.count("bridge_secret_matches_total{") == 2
    assert "-text" not in text
    assert line.format(2, 1) in metrics.text().decode(), "asking counts nothing"


def test_what_can_become_of_a_delivery_is_there_from_the_start() -> None:
    """With 0, so that Prometheus sees the first one as an increase."""
    metrics = Metrics()
    metrics.expect(SOURCES)
    text = metrics.text().decode()
    for outcome in ("stored", "not_stored", "unreadable", "unverified", "too_large"):
        assert f'bridge_deliveries_total{{outcome="{outcome}",source="okta"}} 0.0' in text


async def counted(folder: Path) -> dict[str, float]:
    """What another process tells that counts into a folder, by sample."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        COUNTING,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, FOLDER: str(folder)},
    )
    told, _ = await child.communicate()
    assert child.returncode == 0
    families = text_string_to_metric_families(told.decode())
    return {f"{s.name}{{{s.labels.get('le', '')}}}": s.value for family in families for s in family.samples}


async def test_receivers_of_one_port_are_counted_together(tmp_path: Path) -> None:
    """Whichever is asked tells of all of them, also of one that has ended, with what each figure means."""
    first = await counted(tmp_path)
    second = await counted(tmp_path)
    for name, once in (
        ("bridge_deliveries_total{}", 1),
        ("bridge_events_total{}", 3),
        ("bridge_delivery_seconds_count{}", 1),
        ("bridge_delivery_seconds_bucket{0.005}", 1),
        ("bridge_delivery_seconds_bucket{0.0025}", 0),
    ):
        assert (first[name], second[name]) == (once, 2 * once)


async def test_figures_of_the_installation_are_shown_besides() -> None:
    """Where they are known; no name stands there twice."""
    text = (await Metrics(Frozen()).read()).decode()
    assert "bridge_redis_up 1.0" in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert {"bridge_deliveries_total", "bridge_workers"} <= set(names)
    assert "bridge_workers" not in (await Metrics().read()).decode()


def test_nothing_is_shown_that_is_not_described() -> None:
    """docs/metrics.md has each metric with its type and labels, and no others."""
    page = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")] for line in page.splitlines()]
    described = {
        row[1].strip("`"): (row[2], tuple(sorted(row[3].replace("`", "").replace(",", " ").split())))
        for row in rows
        if len(row) > 5 and row[1].startswith("`bridge_")
    }
    shown = {}
    for family in text_string_to_metric_families(scrape()):
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        shown[name] = (family.type, tuple(sorted(labels)))
    assert described == shown


def test_every_outcome_is_described() -> None:
    """Those of a delivery, in a table of their own."""
    page = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
    table = page.partition("| `outcome` of a delivery |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name.strip(" `") for cell in cells for name in cell.split(",")} == OUTCOMES
