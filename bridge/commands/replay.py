"""`bridge replay`: looking again at everyone and every group that some events told of."""

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
    opened_store,
    out,
    print_json,
    run_async,
    unix_ms,
)
from bridge.commands.filtering import (
    Since,
    Sources,
    Targets,
    Text,
    Until,
    check_ids,
    kind_option,
    make_filter,
)
from bridge.operators.desks import open_desks
from bridge.operators.events import KINDS, EventLog
from bridge.operators.filters import Filter
from bridge.operators.replay import (
    Subjects,
    Told,
    fold_dead_letters,
    look_again,
    subjects_of,
    told_by,
    told_within,
)
from bridge.settings import Settings
from bridge.store.audit import Deed

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `bridge events` shows them.")]
Everything = Annotated[bool, typer.Option("--all", help="Of all events; only together with --since.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_NARROW = "name the ids that `bridge events` shows, or --source, --kind or --text, or --all with --since"
_NOT_KEPT = "what was refused is not kept and cannot be looked at again: have its sender deliver it again"


def replay(
    ids: Ids = None,
    *,
    sources: Sources = None,
    targets: Targets = None,
    kinds: Annotated[list[str] | None, kind_option(KINDS)] = None,
    text: Text = "",
    since: Since = "",
    until: Until = "",
    everything: Everything = False,
    by: By = "",
    why: Why = "",
    yes: Yes = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Look again at everyone and every group that some events told of, and mend what has drifted apart.

    No event is repeated: GitBook is read afresh and compared with what the directory wants now. Only events
    that could not be processed (`bridge events --state dead_letter`) are tried again.
    """
    settings = load(config)
    wanted = make_filter(
        settings, sources=sources, targets=targets, kinds=kinds, text=text, since=since, until=until,
        known_kinds=KINDS,
    )  # fmt: skip
    narrow = bool(sources or kinds or text)
    if bool(ids) == (everything or narrow) or (everything and not since) or (ids and (since or until)):
        fail(_NARROW, 2)
    if json and not yes:
        fail("--json asks nothing: add --yes", 2)
    check_ids(ids or ())
    told, subjects = run_async(_survey(settings, ids or [], wanted))
    asked = {"ids": ids} if ids else _asked(sources, kinds, text, since, until)
    if told.events and not yes:
        _say(_summary(told, subjects))
        typer.confirm("Look at them again?", abort=True)
    deed = Deed(unix_ms(), by or me(), "", why=why, detail=asked | {"events": told.events})
    again, looked = run_async(_look(settings, wanted, told, subjects, deed)) if told.events else (0, [])
    _tell(told, subjects, again, looked, json)


async def _survey(settings: Settings, ids: list[str], wanted: Filter) -> tuple[Told, Subjects]:
    async with opened_store(settings) as store:
        log = EventLog(settings, store)
        told = await (told_by(log, ids) if ids else told_within(log, wanted))
        return told, await subjects_of(log, told)


async def _look(
    settings: Settings, wanted: Filter, told: Told, subjects: Subjects, deed: Deed
) -> tuple[int, list[str]]:
    """Return how many events are tried again, and at which targets the others' people are looked at."""
    async with opened_store(settings) as store:
        again = await fold_dead_letters(EventLog(settings, store), told, deed)
        desks = open_desks(settings, store)
        chosen = {name: desk for name, desk in desks.items() if wanted.admits(target=name)}
        return again, await look_again(settings, chosen, subjects, deed)


def _asked(*options: Any) -> dict[str, Any]:
    """Return what was asked for, for the audit."""
    names = ("source", "kind", "text", "since", "until")
    return {name: option for name, option in zip(names, options, strict=True) if option}


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)


def _summary(told: Told, subjects: Subjects) -> str:
    people, groups = len(subjects.all_people), len(subjects.all_groups)
    found = f"{subjects.events} event(s) told of {people} address(es) and {groups} group(s)."
    return found + (f" {len(told.dead)} of them could not be processed." if told.dead else "")


def _tell(told: Told, subjects: Subjects, again: int, looked: list[str], json: bool) -> None:
    if again and not json:
        _say(f"{again} event(s) that could not be processed are tried again.")
    if json:
        print_json({
            "events": told.events, "tried_again": again, "people": len(subjects.all_people),
            "groups": len(subjects.all_groups), "targets": looked, "unknown": told.unknown,
            "refused": told.refused,
        })  # fmt: skip
    elif told.events > len(told.dead):
        where = ", ".join(looked) or "no target: none follows that directory, or nobody is known of it yet"
        _say(f"{_summary(told, subjects)} They are looked at again at {where}.")
    elif not (told.dead or told.unknown or told.refused):
        out.print("No such events.")
    problems = [f"no event {', '.join(told.unknown)} is known"] if told.unknown else []
    problems += [f"{', '.join(told.refused)}: {_NOT_KEPT}"] if told.refused else []
    if problems:
        fail("; ".join(problems))
