"""`bridge pause`, `resume`: leaving a target alone for a while."""

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
    opened_desks,
    out,
    print_json,
    run_async,
    unix_ms,
)
from bridge.commands.filtering import complete_targets
from bridge.operators.pauses import write_pause, write_resume
from bridge.settings import Settings
from bridge.store.targets import Pause

Name = Annotated[
    str,
    typer.Argument(metavar="TARGET", help="Its name in the configuration.", autocompletion=complete_targets),
]


def pause(
    target: Name, by: By = "", why: Why = "", config: Config = DEFAULT_CONFIG, json: Json = False
) -> None:
    """Call a target no more until it is resumed; events are still accepted and processed."""
    settings = _knowing(config, target)
    _show(json, run_async(_pause(settings, target, by or me(), why)))


def resume(
    target: Name, by: By = "", why: Why = "", config: Config = DEFAULT_CONFIG, json: Json = False
) -> None:
    """Go on with a target that was paused: all that is due is done."""
    settings = _knowing(config, target)
    _show(json, run_async(_resume(settings, target, by or me(), why)))


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
    state = f"paused since {row['since']} by {row['by']}" if row["paused"] else "goes on"
    out.print(f"{row['target']}: {state}", highlight=False, markup=False)


async def _pause(settings: Settings, name: str, by: str, why: str) -> dict[str, Any]:
    async with opened_desks(settings) as desks:
        pause = await write_pause(desks[name], Pause(by, unix_ms(), why))
    return {
        "target": name, "paused": True, "by": pause.by, "since": moment(pause.at), "why": pause.why,
    }  # fmt: skip


async def _resume(settings: Settings, name: str, by: str, why: str) -> dict[str, Any]:
    async with opened_desks(settings) as desks:
        await write_resume(desks[name], by, why, unix_ms())
    return {"target": name, "paused": False}
