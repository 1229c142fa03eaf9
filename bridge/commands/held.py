"""`bridge parked`, `approve`, `reject`, `dead`: what waits for a person, and what was given up."""

import getpass
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from bridge.commands.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    fail,
    load,
    moment,
    out,
    print_json,
    print_table,
    run_async,
)
from bridge.settings import Settings, parse_span
from bridge.store.commit import Transaction
from bridge.store.redis import open_store
from bridge.store.targets import MEMBER, Decision, Held, TargetStore, target_id

_SHOWN = ("id", "target", "change", "reason")  # the rest is in the JSON
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `bridge parked` shows them.")]
Everything = Annotated[bool, typer.Option("--all", help="All that are held.")]
By = Annotated[str, typer.Option("--by", help="Who decides, for the record.", show_default=False)]
Why = Annotated[str, typer.Option("--why", help="The reason, for the record.")]
Until = Annotated[
    str, typer.Option("--until", help='How long the exception holds, such as "30d". Empty: no end.')
]


@asynccontextmanager
async def _targets(settings: Settings) -> AsyncIterator[dict[str, TargetStore]]:
    store = open_store(settings.redis)
    try:
        yield {target.name: TargetStore(store, target_id(target)) for target in settings.targets}
    finally:
        await store.close()


def _row(target: str, held: Held) -> dict[str, Any]:
    kind = "member" if held.object.startswith(MEMBER) else "team"
    return {
        "id": held.id, "target": target, "kind": kind, "object": held.object[2:], "change": held.change,
        "reason": held.reason, "since": moment(held.since), "attempts": held.attempts,
    }  # fmt: skip


async def _list(settings: Settings, what: str) -> list[dict[str, Any]]:
    rows = []
    async with _targets(settings) as targets:
        for name, store in targets.items():
            found = await (store.parked() if what == "parked" else store.dead())
            rows += [_row(name, held) for held in found.values()]
    return sorted(rows, key=lambda row: (row["target"], row["since"] or "", row["object"]))


def _show(config: Config, json: bool, what: str, title: str, none: str) -> None:
    rows = run_async(_list(load(config), what))
    if json:
        print_json(rows)
    elif rows:
        print_table(title, _SHOWN, [[row[column] for column in _SHOWN] for row in rows])
    else:
        out.print(none)


def parked(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show the changes that are held until a person approves or rejects them."""
    _show(config, json, "parked", "Held for approval", "Nothing is held for approval.")


def dead(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show what was given up, with the reason; news about it makes it due again."""
    _show(config, json, "dead", "Given up", "Nothing was given up.")


def approve(
    ids: Ids = None,
    everything: Everything = False,
    by: By = "",
    why: Why = "",
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Let held changes happen."""
    _decide(config, ids, everything, Decision(True, by or _me(), 0, why), json)


def reject(
    ids: Ids = None,
    everything: Everything = False,
    by: By = "",
    why: Why = "",
    until: Until = "",
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Keep things as they are: a recorded exception, until the person comes and goes again or it ends."""
    try:
        ends = time.time() + parse_span(until) if until else 0.0
    except ValueError:
        fail(f'--until {until}: is not a length of time: write a number and s, m, h or d, such as "30d"', 2)
    _decide(config, ids, everything, Decision(False, by or _me(), 0, why, ends), json)


def _me() -> str:
    return getpass.getuser()


def _decide(config: Config, ids: list[str] | None, everything: bool, decision: Decision, json: bool) -> None:
    if bool(ids) == everything:
        fail("name the ids that `bridge parked` shows, or --all", 2)
    decided, unknown = run_async(_write(load(config), set(ids or ()), everything, decision))
    if json:
        print_json({"decided": decided, "unknown": unknown})
    for row in decided if not json else ():
        out.print(
            f"{'approved' if decision.approved else 'rejected'}: {row['change']} ({row['id']})",
            highlight=False,
        )
    if unknown:
        fail(f"nothing is held under {', '.join(unknown)}: see `bridge parked`")


async def _write(
    settings: Settings, ids: set[str], everything: bool, decision: Decision
) -> tuple[list[dict[str, Any]], list[str]]:
    decided = []
    async with _targets(settings) as targets:
        for name, target in targets.items():
            for ident, held in (await target.parked()).items():
                if everything or ident in ids:
                    await write_decision(target, held, decision)
                    decided.append(_row(name, held))
    return decided, sorted(ids - {row["id"] for row in decided})


async def write_decision(target: TargetStore, held: Held, decision: Decision) -> None:
    """Write down what a person decided about a held change, and have it looked at at once.

    A rejected one is no longer held: it is an exception now, until its cause is gone or it ends.
    """
    now = int(time.time() * 1000)
    answer = Decision(
        decision.approved, decision.by, now, decision.why, decision.until, held.token, held.emails
    )
    objects = [held.object, *(MEMBER + email for email in held.emails)]
    transaction = Transaction(target.store)
    transaction.add(*target.decide(held.id, answer))
    if not decision.approved:
        transaction.add("HDEL", target.key("parked"), held.id)
    if decision.until:
        transaction.add("ZADD", target.key("pending"), int(decision.until * 1000), held.object[2:])
    transaction.add_all(target.mark(objects, now))
    transaction.add("RING", "converge", target.id, now)
    transaction.add(*target.record({
        "at": now, "object": held.object, "change": held.change, "by": decision.by, "why": decision.why,
        "outcome": "approved" if decision.approved else "rejected",
    }))  # fmt: skip
    await transaction.run()
