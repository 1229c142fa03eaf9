"""`bridge event ID`: one event, and what became of it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from bridge.commands.calls import describe_call
from bridge.commands.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    fail,
    load,
    moment,
    opened_store,
    out,
    plain,
    print_json,
    run_async,
    unix_ms,
)
from bridge.commands.events import describe, user_words
from bridge.commands.filtering import check_ids
from bridge.operators.calls import PastCall
from bridge.operators.desks import open_desks
from bridge.operators.effects import Effect, read_effects
from bridge.operators.events import EventLog, LoggedEvent
from bridge.operators.objects import kind_of, plain_name
from bridge.operators.standing import Standing
from bridge.settings import Settings
from bridge.store.targets import Cause

Ident = Annotated[str, typer.Argument(metavar="ID", help="As `bridge events` shows it.")]


def event(ident: Ident, config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show one event and what became of it at each target."""
    settings = load(config)
    check_ids([ident])
    found, effects = run_async(_find(settings, ident))
    if found is None:
        kept = f"{settings.retention.journal / 86400:g} days"
        fail(f"no event {ident} is known; events are kept for {kept} (retention.journal)")
    rows = [_effect_row(each, unix_ms()) for each in effects]
    if json:
        print_json(describe(found) | {"targets": rows})
        return
    _print_event(found)
    for row in rows:
        _print_effect(found, row)


async def _find(settings: Settings, ident: str) -> tuple[LoggedEvent | None, list[Effect]]:
    async with opened_store(settings) as store:
        found = await EventLog(settings, store).find(ident)
        desks = open_desks(settings, store)
        return found, await read_effects(settings, desks, found, unix_ms()) if found else []


def _effect_row(effect: Effect, now: int) -> dict[str, Any]:
    return {
        "target": effect.target,
        "calls": [describe_call(PastCall(ident, effect.target, row)) for ident, row in effect.calls],
        "later_calls": [describe_call(PastCall(ident, effect.target, row)) for ident, row in effect.later],
        "objects": [
            _standing_row(name, each, now) | {"last_event": effect.causes.get(name, Cause()).event}
            for name, each in effect.standing.items()
        ],
    }


def _standing_row(name: str, standing: Standing, now: int) -> dict[str, Any]:
    reasons = [each.reason for each in (*standing.parked, standing.dead, standing.waiting) if each]
    return {
        "kind": kind_of(name), "object": plain_name(name), "states": standing.states(now),
        "reason": "; ".join(filter(None, reasons)), "next_at": moment(standing.work),
    }  # fmt: skip


def _print_event(found: LoggedEvent) -> None:
    user, group = found.user, found.group
    _say(f"{found.id}: {found.kind or 'not an event'}, {found.state.replace('_', ' ')}")
    _say(f"  stored {moment(found.at)}, delivery {found.delivery} of {found.source}")
    if found.happened_at:
        _say(f"  happened {moment(found.happened_at)}")
    if user:
        _say(f"  user {user.id}: {user_words(user)}")
    if group:
        _say(f"  group {group.id}: {group.name or 'its name is not known'}")
    if found.reason:
        _say(f"  {found.reason}")


def _print_effect(found: LoggedEvent, effect: dict[str, Any]) -> None:
    lines = [_call_words(row) for row in effect["calls"]]
    lines += [f"later, {_call_words(row)}" for row in effect["later_calls"]]
    lines += [_standing_words(row, found) for row in effect["objects"]]
    for line in lines or ["nothing is known of whom it is about"]:
        _say(f"  {effect['target']}: {line}")


def _say(line: str) -> None:
    out.print(plain(line), highlight=False, markup=False, soft_wrap=True)


def _call_words(row: Mapping[str, Any]) -> str:
    reason = f": {row['reason']}" if row["reason"] else ""
    return f"{row['change']}: {row['outcome']} {row['at']}{reason} ({row['id']})"


def _standing_words(row: Mapping[str, Any], found: LoggedEvent) -> str:
    state = ", ".join(row["states"]) or "nothing is left to do"
    reason = f" ({row['reason']})" if row["reason"] else ""
    newer = row["last_event"] not in ("", found.id)
    return f"{row['kind']} {row['object']}: {state}{reason}" + (
        f"; last told of by {row['last_event']}" if newer else ""
    )
