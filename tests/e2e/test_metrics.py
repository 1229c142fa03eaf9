"""/metrics of a running bridge: what Prometheus, the dashboard and the alert rules get to see."""

import asyncio
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
from prometheus_client.parser import text_string_to_metric_families

from bridge.embedded import EmbeddedValkey
from bridge.sandbox import Limit, Limits, Sandbox
from tests.e2e.place import Place, event, group, signed, user
from tests.installation import scrape as described

MakePlace = Callable[..., Place]
MORE = """[[sources]]
name = "hooks"
kind = "okta-event-hooks"
secrets = ["x-hook-secret"]

[[alerts]]
name = "chat"
kind = "slack"
url = "http://127.0.0.1:9/"
on = ["dead"]

"""
Samples = dict[str, dict[tuple[str, ...], float]]  # by name, by the values of its labels in order


async def scrape(place: Place) -> str:
    """What /metrics answers, over a connection of its own."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{place.port}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return answer.text


def read(text: str) -> Samples:
    """Samples of a scrape."""
    found: Samples = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values = tuple(value for _, value in sorted(sample.labels.items()))
            found[sample.name][values] = sample.value
    return found


def shapes(text: str) -> dict[str, set[str]]:
    """Names of the samples of a scrape, and of their labels."""
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def until(place: Place, holds: Callable[[Samples], bool], what: str) -> Samples:
    """Scrape again and again until something holds; return that scrape."""
    last: list[Samples] = []

    async def look() -> bool:
        last[:] = [read(await scrape(place))]
        return holds(last[0])

    await place.until(look, what)
    return last[0]


async def test_it_shows_what_happened(make_place: MakePlace, sandbox: Sandbox) -> None:
    """A joiner, a leaver, a stranger: each figure is what GitBook's stand-in and the sender have seen."""
    sandbox.limits = Limits(Limit(5000, 60))
    place = make_place()
    place.rewrite("[[targets]]", MORE + "[[targets]]")
    place.start()
    await place.ready()
    await until(place, lambda told: told["bridge_workers"] == {(): 1}, "no worker")
    await place.until(lambda: "target.replanned" in place.log(), "the new target is not planned for")
    await place.send(event("group.user_added", user("ana"), group("Writers")))
    await place.until_members("ana")
    await place.send(event("user.deleted", user("ana")))
    await place.until_members()
    body = orjson.dumps(event("user.created", user("eve")))
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{place.port}/webhooks/okta"
        assert (await client.post(url, content=body, headers=signed(body, "a guess"))).status_code == 401

    told = await until(
        place,
        lambda told: (
            sum(told["bridge_target_calls_total"].values()) >= len(sandbox.calls)
            and told["bridge_source_refused_requests_total"].get(("okta",)) == 1
            and ("okta",) in told["bridge_source_last_delivery_age_seconds"]
        ),
        "not all is told",
    )
    assert told["bridge_redis_up"] == {(): 1}
    assert sum(told["bridge_target_calls_total"].values()) == len(sandbox.calls)
    assert told["bridge_target_calls_total"]["invites", "200", "docs"] == 1
    assert told["bridge_deliveries_total"]["stored", "okta"] == 2
    assert told["bridge_deliveries_total"]["unverified", "okta"] == 1
    assert told["bridge_journal_pending_events"] == {(): 0}
    assert told["bridge_target_removal_latency_seconds_count"] == {("docs",): 1}
    assert 0 < told["bridge_target_removal_latency_seconds_sum"]["docs",] < 60
    assert told["bridge_target_change_latency_seconds_count"]["docs",] == 3, "a joiner, a team, a leaver"
    assert told["bridge_target_leavers"] == {("docs",): 0}
    remaining = told["bridge_target_budget_remaining_calls"]
    assert min(remaining.values()) == 5000 - len(sandbox.calls)
    assert told["bridge_source_api_state"]["hooks", "not_configured"] == 1

    await place.run("pause", "docs", "--why", "a test")
    text = await scrape(place)
    assert read(text)["bridge_target_state"]["paused", "docs"] == 1
    assert shapes(described()) == shapes(text), "what tests look at is what is shown"
    assert "acme.test" not in text
    check(text)


def check(text: str) -> None:
    """Let promtool look at it, where it is there; tests/deploy makes sure that it is in CI."""
    if promtool := shutil.which("promtool"):
        command = [promtool, "check", "metrics"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


async def test_receivers_of_one_port_tell_the_same(make_place: MakePlace) -> None:
    """Whichever of three is asked: deliveries are counted once each, and no counter jumps back."""
    place = make_place()
    place.rewrite("[receiver]", "[receiver]\nprocesses = 3")
    place.env["TMPDIR"] = str(place.folder)
    place.start()
    await place.ready()

    async def send(number: int) -> None:
        await place.send(event("user.created", user(f"p{number}")))

    await asyncio.gather(*(send(number) for number in range(30)))
    for told in [read(await scrape(place)) for _ in range(12)]:
        assert told["bridge_deliveries_total"]["stored", "okta"] == 30
        assert told["bridge_events_total"]["accepted", "okta"] == 30
        assert told["bridge_delivery_seconds_count"] == {("okta",): 30}
    await until(
        place, lambda told: sum(told["bridge_secret_matches_total"].values()) == 30, "secrets are not counted"
    )
    assert len(counted_in(place)) == 1
    assert {"run": 0} == place.stop()
    assert counted_in(place) == []


def counted_in(place: Place) -> list[Path]:
    """The folders in which receivers of one port count."""
    return list(place.folder.glob("bridge-metrics-*"))


async def test_without_redis_the_receiver_tells_its_own(make_place: MakePlace, folder: Path) -> None:
    """Also that Redis is gone, and when it is back, that it is."""
    data = folder / "valkey"
    with EmbeddedValkey(data) as valkey:
        place = make_place(redis=f"unix://{valkey.socket}")
        place.start("serve")
        await place.ready()
        await place.send(event("user.created", user("ana")))
        await until(place, lambda told: told["bridge_redis_up"] == {(): 1}, "Redis is not up")
    told = await until(place, lambda told: told["bridge_redis_up"] == {(): 0}, "Redis is still up")
    assert told["bridge_deliveries_total"]["stored", "okta"] == 1
    assert not any(name.startswith(("bridge_journal", "bridge_target", "bridge_source")) for name in told)
    with EmbeddedValkey(data):
        told = await until(place, lambda told: told["bridge_redis_up"] == {(): 1}, "Redis is not back")
        assert told["bridge_journal_accepted_events_total"] == {(): 1}
