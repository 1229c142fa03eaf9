"""`bridge pause`, `resume`: leaving a target alone for a while."""

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
    run_async,
)
from bridge.settings import Settings
from bridge.store.commit import Transaction
from bridge.store.targets import Pause, TargetStore

Name = Annotated[str, typer.Argument(metavar="TARGET", help="Its name in the configuration.")]


def pause(
    target: Name, by: By = "", why: Why = "", config: Config = DEFAULT_CONFIG, json: Json = False
) -> None:
    """Call a target no more until it is resumed; events are still accepted and processed."""
    settings = _knowing(config, target)
    _show(json, run_async(_pause(settings, target, Pause(by or me(), int(time.time() * 1000), why))))


def resume(target: Name, by: By = "", config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Go on with a target that was paused: all that is due is done."""
    settings = _knowing(config, target)
    _show(json, run_async(_resume(settings, target, by or me())))


def _knowing(config: Config, target: str) -> Settings:
    settings = load(config)
    names = [each.name for each in settings.targets]
    if target not in names:
        fail(f"there is no target {target}: {', '.join(names) or 'there are none'}")
    return settings


def _show(json: bool, row: dict[str, Any]) -> None:
    if json:
        print_json(row)
        return
    state = f"paused since {row['since']}" if row["paused"] else "goes on"
    out.print(f"{row['target']}: {state}", highlight=False, markup=False)


async def _pause(settings: Settings, name: str, pause: Pause) -> dict[str, Any]:
    async with open_targets(settings) as targets:
        pause = await write_pause(targets[name], pause)
    return {
        "target": name, "paused": True, "by": pause.by, "since": moment(pause.at), "why": pause.why,
    }  # fmt: skip


async def _resume(settings: Settings, name: str, by: str) -> dict[str, Any]:
    async with open_targets(settings) as targets:
        await write_resume(targets[name], by)
    return {"target": name, "paused": False}


async def write_pause(target: TargetStore, pause: Pause) -> Pause:
    """Leave a target alone; return since when, as whoever paused it first has it."""
    if before := await target.paused():
        return before
    transaction = Transaction(target.store)
    transaction.require(target.key("pause"), "")
    transaction.add(*target.pause(pause))
    transaction.add(*target.record(_record(pause.at, "paused", pause.by, pause.why)))
    await transaction.run()
    return await target.paused() or pause


async def write_resume(target: TargetStore, by: str) -> None:
    """Go on at once with what is due; one that is not paused goes on anyway."""
    now = int(time.time() * 1000)
    transaction = Transaction(target.store)
    transaction.add(*target.resume())
    transaction.add("RING", "converge", target.id, now)
    if await target.paused():
        transaction.add(*target.record(_record(now, "resumed", by, "")))
    await transaction.run()


def _record(at: int, outcome: str, by: str, why: str) -> dict[str, Any]:
    return {"at": at, "object": "", "change": "", "outcome": outcome, "by": by, "why": why}
