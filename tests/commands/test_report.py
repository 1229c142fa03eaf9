"""`bridge report`."""

import asyncio
import csv
import io
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bridge.commands import report
from bridge.commands.report import COLUMNS, span_text
from bridge.operators import report as reports
from tests.commands.conftest import Bridge, BridgeJson
from tests.workers.world import DAY, HOUR, World, short

Live = Callable[[], Awaitable[dict[str, int]]]
STRICT = {"max_removals": 1, "max_removal_percent": 0}


@pytest.fixture
def live(world: World, monkeypatch: pytest.MonkeyPatch) -> Live:
    """Four come; one leaves at once, one after an approval, one is held and one is excepted.

    The world's clock, which is ahead of Redis', is that of the command.
    """
    monkeypatch.setattr(report, "unix_ms", lambda: world.now)
    monkeypatch.setattr(reports, "_SKEW", 90 * DAY)

    async def run() -> dict[str, int]:
        world.configure(guard=STRICT)
        await world.hire("ana", "bo", "cy", "di")
        await world.settle()
        left = {}
        for name in ("ana", "bo", "cy", "di"):
            await world.fire(name)
            left[name] = world.now
            await world.settle()
        world.sleep(2 * HOUR + 5 * 60_000)
        await world.reject("m:di")
        await world.approve("m:bo")
        await world.settle()
        return left

    return run


def removed(world: World) -> list[int]:
    """When people were removed, unix ms, by what the sandbox was asked."""
    return [round(call.time * 1000) for call in world.sandbox.calls_like("^DELETE .*/members/")]


async def test_json_has_all_of_it(world: World, live: Live, bridge_json: BridgeJson) -> None:
    """Figures of all and of each target, and everyone they are about."""
    left = await live()
    told = await bridge_json("report")
    assert list(told) == ["since", "until", "notes", "all", "targets", "people"]
    figures = told["all"]
    assert figures == told["targets"]["docs"]
    counts = {name: value for name, value in figures.items() if isinstance(value, int)}
    assert counts == {
        "joined": 4, "left": 2, "gone": 0, "still_inside": 2, "parked": 1, "excepted": 1, "seats_added": 4,
        "seats_freed": 2, "left_after_hold": 1, "held": 1,
    }  # fmt: skip
    [ana, bo] = removed(world)
    leaving = figures["leaving"]
    slowest = leaving.pop("slowest")
    assert leaving == {
        "known": 2, "unknown": 0, "median_seconds": (ana - left["ana"]) / 1000,
        "p95_seconds": (bo - left["bo"]) / 1000, "slowest_seconds": (bo - left["bo"]) / 1000,
    }  # fmt: skip
    assert (slowest["email"], slowest["decided_by"], slowest["why"]) == ("bo@acme.test", "boss", "because")
    assert figures["decisions"] == {"approved": {"boss": 1}, "rejected": {"boss": 1}}
    assert [(row["what"], short(row["email"])) for row in told["people"]] == [
        ("joined", "ana"), ("joined", "bo"), ("joined", "cy"), ("joined", "di"), ("left", "ana"),
        ("left", "bo"), ("still inside", "cy"), ("still inside", "di"),
    ]  # fmt: skip


async def test_csv_has_a_row_for_each_person(
    world: World, live: Live, bridge: Bridge, bridge_json: BridgeJson
) -> None:
    """The same columns for joiners, leavers and those still inside; as the JSON has them."""
    await live()
    rows = list(csv.DictReader(io.StringIO((await bridge("report", "--csv")).stdout)))
    people = (await bridge_json("report"))["people"]
    assert [tuple(row) for row in rows] == [COLUMNS] * 8
    expected = [{name: "" if value is None else str(value) for name, value in row.items()} for row in people]
    assert rows == expected
    cy = next(row for row in rows if row["what"] == "still inside" and row["state"] == "parked")
    assert (short(cy["email"]), cy["removed_at"], cy["decided_by"]) == ("cy", "", "")
    assert cy["left_at"].endswith("Z") and float(cy["seconds"]) > 2 * 3600


async def test_csv_on_a_terminal_is_only_text(
    world: World, live: Live, tmp_path: Path, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a terminal would obey is not sent to one; in a file it is as it was."""
    await live()
    await world.decide(False, "m:cy", why="stays\x1b[2J")
    await world.settle()
    assert "stays\x1b[2J" in (await bridge("report", "--csv")).stdout
    screen, terminal = os.openpty()
    with os.fdopen(terminal, "w") as there, os.fdopen(screen, "rb", buffering=0) as shown:
        monkeypatch.setattr(sys, "stdout", there)
        await asyncio.to_thread(report.report, as_csv=True, config=tmp_path / "bridge.toml")
        monkeypatch.undo()
        seen = b""
        while b"stays" not in seen:
            seen += shown.read(4096)
    assert "stays\N{REPLACEMENT CHARACTER}[2J" in seen.decode()
    assert b"\x1b" not in seen


async def test_people_read_it(world: World, live: Live, bridge: Bridge) -> None:
    """How many, how long, why the slowest took so long, and who is still inside."""
    await live()
    text = (await bridge("report")).output
    for line in (
        "  joined: 4 (seats added: 4): median ",
        "  left: 2 (seats freed: 2): median ",
        "  slowest to leave: bo@acme.test: 2h 5m; held since ",
        ", approved by boss at ",
        "  approved: boss 1",
        "  rejected: boss 1",
        "  left and still inside: 2 (held 1, excepted 1, other 0)",
        "Left, and still inside",
        "Note: docs: the oldest joiner or removal on record is of ",
    ):
        assert line in text, text
    assert "cy@acme.test" in text and "di@acme.test" in text


async def test_a_period_is_given_like_everywhere(world: World, live: Live, bridge_json: BridgeJson) -> None:
    """A span, a day or a moment; without any, 30 days."""
    await live()
    told = await bridge_json("report", "--since", "2000-01-01", "--until", "2000-02-01")
    assert (told["since"], told["until"]) == ("2000-01-01T00:00:00.000Z", "2000-02-01T00:00:00.000Z")
    assert (told["all"]["joined"], told["people"]) == (0, [])
    assert any("retention.evidence" in note for note in told["notes"])


async def test_wrong_usage(world: World, bridge: Bridge) -> None:
    """Exit code 2."""
    for words in (("--csv", "--json"), ("--since", "soon"), ("--target", "wiki")):
        assert (await bridge("report", *words)).exit_code == 2, words


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_spreadsheet_calculates_nothing(text: str) -> None:
    """What begins like a formula is text; numbers stay numbers."""
    assert report._cell(text, str) == f"'{text}"
    assert [report._cell(value, str) for value in ("ana", -1.5, None, "")] == ["ana", -1.5, None, ""]


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "unknown"), (0, "0s"), (1234, "1.23s"), (59_999, "60s"), (60_000, "1m"), (61_000, "1m 1s"),
        (7_500_000, "2h 5m"), (7_200_000, "2h"), (7_259_000, "2h"), (90_000_000, "1d 1h"),
        (86_460_000, "1d"),
    ],
)  # fmt: skip
def test_lengths_of_time_are_short(milliseconds: int | None, text: str) -> None:
    """Two units at most."""
    assert span_text(milliseconds) == text
