"""An installation with something of everything, as /metrics shows it."""

from prometheus_client.metrics_core import Metric

from bridge.figures import Figures, families, redis_up
from bridge.metrics import Metrics
from bridge.operators.health import ApiHealth, Health, JournalHealth, SourceHealth, TargetHealth
from bridge.settings import SourceSettings
from bridge.store.front import FrontNews, Refusals
from bridge.store.tally import Tally
from bridge.store.targets import Counts
from bridge.targets.budget import BudgetLeft

NOW = 1_769_851_800_000
SOURCES = [
    SourceSettings.model_validate({"name": "okta", "kind": "okta-event-hooks", "secrets": ["okta-secret"]})
]


def health() -> Health:
    """A target that is down, with people in every state, and a source whose API rests."""
    docs = TargetHealth(
        "docs", "apply", Counts(2, 1, 3, 4, 5, 60), "unavailable", "503", NOW - 90_000,
        budget={"read": BudgetLeft(60, 12, NOW / 1000 + 30), "invites": BudgetLeft(20, 3, NOW / 1000 - 1)},
        oldest_due=NOW - 15_000, leavers=2, oldest_leaver=NOW - 3_600_000,
    )  # fmt: skip
    okta = SourceHealth(
        "okta", FrontNews(NOW - 7_000, Refusals(8, NOW, "why")), ApiHealth("unavailable", unread=6)
    )
    quiet = SourceHealth("hr", silent_after=604_800.0)
    journal = JournalHealth(120, 100, 9, 11, NOW - 25_000)
    return Health(NOW, journal, 2, {"docs": docs}, {"okta": okta, "hr": quiet})


def tally() -> Tally:
    """Three calls, a change and a removal."""
    made = Tally()
    made.call("read", 200, 0.2)
    made.call("read", 200, 0.3)
    made.call("invites", 0, 10.0)
    made.changes.add(0.7)
    made.removals.add(90_000.0)
    return made


class Frozen(Figures):
    """The figures of that installation."""

    def __init__(self) -> None:
        """They need no Redis."""

    async def read(self) -> list[Metric]:
        """Return them."""
        return shown()


def shown() -> list[Metric]:
    """All figures that are read from Redis."""
    return [redis_up(1), *families(health(), {"docs": tally()}, {"pager": NOW - 600_000, "chat": 0})]


def scrape() -> str:
    """What /metrics answers there."""
    metrics = Metrics()
    metrics.expect(SOURCES)
    metrics.watch_secrets(SOURCES)
    metrics.count_delivery("okta", "stored", 0.01)
    metrics.count_events("okta", "accepted", 1)
    return metrics.text(shown()).decode()
