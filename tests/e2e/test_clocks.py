"""Machines whose clocks are set to another day: real processes, a real Valkey, the sandbox for GitBook."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from bridge.embedded import EmbeddedValkey
from bridge.sandbox import Sandbox, running_sandbox
from tests.e2e.place import Place, event, group, user

SET_CLOCK = str(Path(__file__).with_name("set_clock.py"))
DAY = 86_400
days = pytest.mark.parametrize("ahead", [DAY, -DAY])


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A configuration and a Valkey; nothing of the bridge runs yet."""
    async with running_sandbox(Sandbox("acme", "sandbox-token-of-the-tests")) as sandbox:
        place = Place(tmp_path, sandbox)
        with EmbeddedValkey(tmp_path / "data", "always"):
            try:
                yield place
                assert set(place.stop().values()) <= {0}, place.log()
            finally:
                place.end()


def start(place: Place, part: str, ahead: int = 0) -> None:
    """Start a part of the bridge on a machine whose clock is so many seconds ahead."""
    if not ahead:
        place.start(part)
        return
    place.env |= {"PART": part, "AHEAD": str(ahead)}
    place.start(SET_CLOCK, part)


def restart(place: Place, part: str, ahead: int = 0) -> None:
    """Stop a part and start it so."""
    process = place.processes.pop(part)
    process.terminate()
    assert process.wait(20) == 0, place.log()
    start(place, part, ahead)


@days
async def test_a_receiver_on_another_day_does_not_keep_a_leaver_in(place: Place, ahead: int) -> None:
    """What arrives there is no older, and no newer, than what arrived elsewhere; signatures are taken."""
    start(place, "serve")
    start(place, "worker")
    await place.ready()
    await place.send(event("user.created", user("ana")), event("user.created", user("bo")))
    await place.until_members("ana", "bo")
    restart(place, "serve", ahead)
    await place.ready()
    await place.send(
        event("user.updated", user("ana", active=False)), event("user.updated", user("bo", active=False))
    )
    await place.until_members()
    restart(place, "serve")
    await place.ready()
    await place.send(event("user.updated", user("bo")))
    await place.until_members("bo")


@days
async def test_a_worker_on_another_day_works(place: Place, ahead: int) -> None:
    """It folds and plans, and what GitBook puts off is done by whoever comes first when it is time."""
    start(place, "serve")
    start(place, "worker", ahead)
    await place.ready()
    await place.send(
        event("user.created", user("ana")), event("group.created", where=group("Writers")),
        event("group.user_added", user("ana"), group("Writers")),
    )  # fmt: skip
    await place.until_members("ana")
    assert place.sandbox.teams() == {"Writers": {"ana@acme.test"}}
    place.sandbox.inject(next=[{"match": "POST .*/invites", "fault": "429"}], retry_after=1)
    await place.send(event("user.created", user("bo")))
    await place.until_members("ana", "bo")
    place.sandbox.inject(next=[{"match": "DELETE", "fault": "503", "times": 4}])
    await place.send(event("user.deleted", user("ana")))
    await place.until(lambda: not place.sandbox.faults.next, "no removal was tried")
    restart(place, "worker")
    await place.until_members("bo")


async def test_clocks_that_differ_are_shown(place: Place) -> None:
    """By `bridge status` and `bridge check`, whichever part it is."""
    start(place, "serve", -DAY)
    start(place, "worker", DAY)
    await place.ready()

    async def told() -> bool:
        return len((await place.status())["clocks"]) == 2

    await place.until(told, "the clocks are not told")
    clocks = {name.partition(" ")[0]: ahead for name, ahead in (await place.status())["clocks"].items()}
    assert {name: round(ahead / 60) for name, ahead in clocks.items()} == {"receiver": -1440, "worker": 1440}
    shown = await place.run("status")
    assert "s ahead of Redis': set both by NTP" in shown
    assert "s behind Redis': set both by NTP" in shown
    rows = orjson.loads(await place.run("check", "--json"))
    [finding] = [row for row in rows if row["name"] == "redis.clock"]
    assert finding["warning"]
    assert "worker" in finding["detail"]
    assert "receiver" in finding["detail"]
    assert "this machine" not in finding["detail"]
