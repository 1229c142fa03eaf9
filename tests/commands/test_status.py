"""`bridge status`: what it tells of the front door, and of what waits."""

import asyncio
import time
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from bridge.cli import app
from bridge.commands.common import unix_ms
from bridge.operators.waits import MOST_SHOWN
from bridge.settings import RedisSettings, read_settings
from bridge.store.commit import Transaction
from bridge.store.front import FrontNews, FrontStore, Refusals
from bridge.store.listings import Listing, ListingStore
from bridge.store.redis import Store
from bridge.store.targets import TargetStore, Waiting, target_id

AT = 1_769_851_800_000
NEWS = FrontNews(AT, Refusals(3, AT + 1000, "no secret is what was sent"), {"env:OLD_SECRET": AT})
SOURCES = """
[[sources]]
name = "okta"
kind = "okta-workflows"
secrets = ["env:OLD_SECRET", "env:NEW_SECRET", "a-text-in-the-file"]

[[sources]]
name = "polis"
kind = "jackson"
secrets = ["env:POLIS_SECRET"]

[[targets]]
name = "docs"
organization = "acme"
token = "a-text-in-the-file"
"""


@pytest.fixture
def config(tmp_path: Path, redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sources; the secret of the first is being changed."""
    monkeypatch.setenv("OLD_SECRET", "old-text")
    monkeypatch.setenv("NEW_SECRET", "new-text")
    monkeypatch.setenv("POLIS_SECRET", "polis-text")
    path = tmp_path / "bridge.toml"
    redis = f'[redis]\ndata_dir = "{redis_settings.data_dir}"\nprefix = "{redis_settings.prefix}"\n'
    path.write_text(redis + SOURCES, encoding="utf-8")
    return path


async def run(config: Path, *words: str) -> str:
    """What the command prints."""
    done = await asyncio.to_thread(lambda: CliRunner().invoke(app, ["status", *words, "-c", str(config)]))
    assert done.exit_code == 0, done.output
    assert "-text" not in done.output
    return done.stdout


async def test_it_tells_who_came_and_who_was_not_let_in(config: Path, store: Store) -> None:
    """For each source: the last delivery, refusals with the last reason, and the use of each secret."""
    await FrontStore(store).tell({"okta": NEWS})

    told = orjson.loads(await run(config, "--json"))["sources"]

    assert {key: told["okta"][key] for key in ("last_delivery", "refused", "last_refused", "reason")} == {
        "last_delivery": "2026-01-31T09:30:00.000Z",
        "refused": 3,
        "last_refused": "2026-01-31T09:30:01.000Z",
        "reason": "no secret is what was sent",
    }
    assert told["okta"]["secrets"] == [
        {"secret": "env:OLD_SECRET", "last_used": "2026-01-31T09:30:00.000Z"},
        {"secret": "env:NEW_SECRET", "last_used": None},
        {"secret": "no. 3, in the file", "last_used": None},
    ]
    assert told["polis"]["secrets"] == [{"secret": "env:POLIS_SECRET", "last_used": None}]
    assert (told["polis"]["last_delivery"], told["polis"]["refused"], told["polis"]["reason"]) == (
        None,
        0,
        None,
    )


async def test_people_read_which_secret_may_go(config: Path, store: Store) -> None:
    """Where there are several; a single one is not to be taken away."""
    await FrontStore(store).tell({"okta": NEWS})
    text = await run(config)
    assert "okta: the secret env:OLD_SECRET was last used 2026-01-31T09:30:00.000Z" in text
    assert "okta: the secret env:NEW_SECRET was not used yet" in text
    assert "okta: last not let in because no secret is what was sent" in text
    assert "polis: the secret" not in text


async def test_calls_without_a_clear_end_are_counted(config: Path, store: Store) -> None:
    """Nothing is due, and still something may change at the target."""
    known = TargetStore(store, target_id(read_settings(config).targets[0]))
    await store.calls(known.watch(["m:ana@acme.test", "m:bo@acme.test"], AT))
    assert orjson.loads(await run(config, "--json"))["targets"]["docs"]["unclear"] == 2
    assert "docs: a call about 2 people and teams had no clear end: they are watched" in await run(config)


REASON = "the team Alpha is to become Beta first"


async def test_it_tells_what_has_waited_for_more_than_a_minute_and_on_what(
    config: Path, store: Store
) -> None:
    """One row for each reason, the longest first; what is done by now, or waits since just now, is none."""
    target, now = TargetStore(store, target_id(read_settings(config).targets[0])), time.time_ns() // 1_000_000
    rows = {
        "m:ana@acme.test": Waiting(2, AT, REASON),
        "t:Alpha": Waiting(3, AT, REASON),
        "m:bo@acme.test": Waiting(1, AT + 1000, "GitBook answered 503"),
        "m:cy@acme.test": Waiting(1, now - 30_000, "no answer"),
    }
    marks = target.mark(rows, now + 100_000)
    done = target.wait("m:done@acme.test", Waiting(9, AT, "no answer"))
    await store.calls([*(target.wait(*row) for row in rows.items()), done, *marks])

    waits = orjson.loads(await run(config, "--json"))["targets"]["docs"]["waits"]
    assert waits == [
        {"object": "Alpha", "since": "2026-01-31T09:30:00.000Z", "reason": REASON, "others": 1},
        {
            "object": "bo@acme.test",
            "since": "2026-01-31T09:30:01.000Z",
            "reason": "GitBook answered 503",
            "others": 0,
        },
    ]
    text = await run(config)
    assert f"docs: Alpha and 1 other(s) have waited since 2026-01-31T09:30:00.000Z: {REASON}" in text
    assert "docs: bo@acme.test has waited since 2026-01-31T09:30:01.000Z: GitBook answered 503" in text


async def test_what_waits_is_bounded(config: Path, store: Store) -> None:
    """At most so many rows, whatever the number of reasons."""
    target = TargetStore(store, target_id(read_settings(config).targets[0]))
    rows = {f"m:p{number:03}@acme.test": Waiting(1, AT + number, f"no. {number}") for number in range(100)}
    await store.calls([*(target.wait(*row) for row in rows.items()), *target.mark(rows, AT)])
    waits = orjson.loads(await run(config, "--json"))["targets"]["docs"]["waits"]
    assert [row["reason"] for row in waits] == [f"no. {number}" for number in range(MOST_SHOWN)]


async def test_it_tells_how_far_a_long_list_was_read(config: Path, store: Store) -> None:
    """In words and in numbers, while it is gone on with; nothing of a list that was read to its end."""
    lists = ListingStore(TargetStore(store, target_id(read_settings(config).targets[0])))
    told = orjson.loads(await run(config, "--json"))["targets"]["docs"]
    assert (told["state"], told["reason"], told["reading"]) == ("ok", None, None)
    listing, now = Listing("members", "members"), unix_ms()
    for number in range(7):
        listing = listing.after(1000, f"cursor {number}", 19_500, now)
    await write(store, lists.keep(listing))
    told = orjson.loads(await run(config, "--json"))["targets"]["docs"]
    assert (told["state"], told["reading"]) == ("ok", {"list": "members", "page": 7, "pages": 20})
    assert told["reason"] == "reading 7 of 20 pages of the members"
    assert "docs: reading 7 of 20 pages of the members" in await run(config)
    await write(store, lists.keep(listing.after(500, None, 19_500, now)))
    assert orjson.loads(await run(config, "--json"))["targets"]["docs"]["reading"] is None


async def write(store: Store, commands: list[tuple[object, ...]]) -> None:
    """Run them."""
    transaction = Transaction(store)
    transaction.add_all(commands)
    assert await transaction.run()
