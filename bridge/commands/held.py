"""`bridge parked`, `approve`, `reject`, `dead`, `retry`: what waits for a person, and what was given up."""

import time
from typing import Annotated, Any

import typer

from bridge.commands.common import (
    DEFAULT_CONFIG,
    By,
    Config,
    Json,
    Why,
    fail,
    load,
    me,
    moment,
    open_targets,
    out,
    print_json,
    print_table,
    run_async,
)
from bridge.plan.held import Decision, Held
from bridge.plan.judge import leaving_id
from bridge.settings import Settings, parse_span
from bridge.store.commit import Transaction
from bridge.store.mirror import MirrorStore
from bridge.store.targets import MEMBER, TEAM, TargetStore

_SHOWN = ("id", "target", "change", "reason")  # the rest is in the JSON
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `bridge parked` shows them.")]
Everything = Annotated[bool, typer.Option("--all", help="All that are held.")]
DeadIds = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `bridge dead` shows them.")]
AllDead = Annotated[bool, typer.Option("--all", help="All that was given up.")]
Until = Annotated[
    str, typer.Option("--until", help='How long the exception holds, such as "30d". Empty: no end.')
]


def _row(target: str, held: Held) -> dict[str, Any]:
    kind = "member" if held.object.startswith(MEMBER) else "team"
    return {
        "id": held.id, "target": target, "kind": kind, "object": held.object[2:], "change": held.change,
        "reason": held.reason, "since": moment(held.since), "attempts": held.attempts,
    }  # fmt: skip


async def _list(settings: Settings, what: str) -> list[dict[str, Any]]:
    rows = []
    async with open_targets(settings) as targets:
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


def retry(
    ids: DeadIds = None,
    everything: AllDead = False,
    by: By = "",
    why: Why = "",
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Try again what was given up; what was tried before stays in the history."""
    if bool(ids) == everything:
        fail("name the ids that `bridge dead` shows, or --all", 2)
    retried, unknown = run_async(_retry(load(config), set(ids or ()), everything, (by or me(), why)))
    if json:
        print_json({"retried": retried, "unknown": unknown})
    for row in retried if not json else ():
        out.print(f"due again: {row['change']} ({row['id']})", highlight=False, markup=False)
    if unknown:
        fail(f"nothing was given up under {', '.join(unknown)}: see `bridge dead`")


async def _retry(
    settings: Settings, ids: set[str], everything: bool, who: tuple[str, str]
) -> tuple[list[dict[str, Any]], list[str]]:
    retried = []
    async with open_targets(settings) as targets:
        for name, target in targets.items():
            for ident, held in sorted((await target.dead()).items()):
                if everything or ident in ids:
                    await write_retry(target, held, *who)
                    retried.append(_row(name, held))
    return retried, sorted(ids - {row["id"] for row in retried})


async def write_retry(target: TargetStore, held: Held, by: str, why: str = "") -> None:
    """Make what was given up due again, at once; the record keeps how often it was tried, and why in vain.

    A team that could not be made is made for its members, so those of its groups are looked at.
    """
    now = int(time.time() * 1000)
    objects = [held.object, *(MEMBER + email for email in sorted(await _members_of(target, held)))]
    transaction = Transaction(target.store)
    transaction.add_all(target.revive(held.object))
    transaction.add_all(target.mark(objects, now))
    transaction.add("RING", "converge", target.id, now)
    transaction.add(*target.record({
        "at": now, "object": held.object, "change": held.change, "by": by, "why": why,
        "outcome": "retried", "reason": held.reason, "since": held.since, "attempts": held.attempts,
    }))  # fmt: skip
    await transaction.run()


async def _members_of(target: TargetStore, held: Held) -> set[str]:
    """Return who is in the groups of a team that was given up."""
    team = (await target.teams()).get(held.object[2:]) if held.object.startswith(TEAM) else None
    mirror = MirrorStore(target.store)
    return {email for ref in (team.groups if team else ()) for email in await mirror.members_of(ref)}


def approve(
    ids: Ids = None,
    everything: Everything = False,
    by: By = "",
    why: Why = "",
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Let held changes happen."""
    _decide(config, ids, everything, Decision(True, by or me(), 0, why), json)


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
    _decide(config, ids, everything, Decision(False, by or me(), 0, why, ends), json)


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
    async with open_targets(settings) as targets:
        for name, target in targets.items():
            for ident, held in (await target.parked()).items():
                if everything or ident in ids:
                    await write_decision(target, held, decision)
                    decided.append(_row(name, held))
    return decided, sorted(ids - {row["id"] for row in decided})


async def write_decision(target: TargetStore, held: Held, decision: Decision) -> None:
    """Write down what a person decided about a held change, and have it looked at at once.

    A rejected one is no longer held: it is an exception now, until its cause is gone or it ends. About
    people who leave a team there is one decision each, so that a later one leaves the earlier ones alone.
    """
    now = int(time.time() * 1000)
    answer = Decision(decision.approved, decision.by, now, decision.why, decision.until, held.token)
    about = {leaving_id(held.id, email): email for email in held.emails} or {held.id: held.object[2:]}
    objects = [held.object, *(MEMBER + email for email in held.emails)]
    transaction = Transaction(target.store)
    for ident, name in about.items():
        transaction.add(*target.decide(ident, answer))
        if decision.until:
            transaction.add("ZADD", target.key("pending"), int(decision.until * 1000), name)
    if not decision.approved:
        transaction.add("HDEL", target.key("parked"), held.id)
    transaction.add_all(target.mark(objects, now))
    transaction.add("RING", "converge", target.id, now)
    transaction.add_all(target.witness({
        "at": now, "object": held.object, "change": held.change, "by": decision.by, "why": decision.why,
        "outcome": "approved" if decision.approved else "rejected",
    }))  # fmt: skip
    await transaction.run()
