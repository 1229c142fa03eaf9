"""`bridge directory list`, `forget`: what is kept of directories that nobody speaks for any more."""

from typing import Annotated, Any

import typer

from bridge.commands.common import (
    DEFAULT_CONFIG,
    By,
    Config,
    Json,
    Why,
    brief_moment,
    err,
    fail,
    load,
    me,
    moment,
    opened_store,
    out,
    print_json,
    print_table,
    run_async,
    unix_ms,
)
from bridge.operators.forget import (
    DirectoryView,
    Losses,
    NotForgottenError,
    find_forgettable,
    forget_directory,
    list_directories,
    preview,
)
from bridge.settings import Settings
from bridge.store.audit import Deed
from bridge.store.departures import Departure
from bridge.store.journal import Journal
from bridge.targets.base import TargetError

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `bridge directory list` shows it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and end.")]
_COLUMNS = ("directory", "sources", "counts for", "users", "active", "groups", "last event", "note")

directory = typer.Typer(
    help="Which directories there are, and forgetting one.", no_args_is_help=True, rich_markup_mode=None
)


@directory.command("list")
def list_(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show all directories: who speaks for them, who is in them, and which targets count on them."""
    views = run_async(_list(load(config)))
    if json:
        print_json([_row(view) for view in views])
    elif views:
        print_table("Directories", _COLUMNS, [_cells(view) for view in views])
    else:
        out.print("There are no directories.")


async def _list(settings: Settings) -> list[DirectoryView]:
    async with opened_store(settings) as store:
        return await list_directories(settings, store)


def _row(view: DirectoryView) -> dict[str, Any]:
    return {
        "directory": view.name, "sources": list(view.sources), "targets": list(view.targets),
        "users": view.users, "active": view.active, "groups": view.groups,
        "last_event": moment(view.last_event), "forgotten": _departure(view.departure),
        "ended": view.ended or None,
    }  # fmt: skip


def _departure(departure: Departure | None) -> dict[str, Any] | None:
    if departure is None:
        return None
    return {"by": departure.by, "at": moment(departure.at), "why": departure.why}


def _cells(view: DirectoryView) -> list[object]:
    note = f"is being forgotten (by {view.departure.by})" if view.departure else ""
    if view.ended:
        note = f"was {view.ended} at the sender: bridge directory forget"
    elif not view.sources and not note:
        note = "no source speaks for it: bridge directory forget"
    names = ", ".join(view.sources), ", ".join(view.targets)
    return [view.name, *names, view.users, view.active, view.groups, brief_moment(view.last_event), note]


@directory.command("forget")
def forget(
    name: Name,
    by: By = "",
    why: Why = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Let nobody stay because of a directory whose source was taken out, and delete what is kept of it.

    It shows first what people would lose. The workers do it, under the guard.
    """
    if json and not (yes or dry_run):
        fail("--json asks nothing: add --yes, or --dry-run to see what would be done", 2)
    settings = load(config)
    try:
        view, pending, losses = run_async(_preview(settings, name))
        if json:
            told = _told(view, losses)
        else:
            _show(settings, view, pending, losses)
        if not dry_run and (yes or _asked(view)):
            departure = run_async(_forget(settings, view, losses, by or me(), why))
            told = told | {"forgotten": _departure(departure)} if json else {}
    except NotForgottenError as error:
        fail(str(error))
    except TargetError as error:
        fail(f"what people would lose cannot be told now: {error.message}: try again, or take the target out")
    if json:
        print_json(told)
    elif not dry_run:
        out.print(
            f"{name} is being forgotten: see `bridge directory list`, `bridge parked`, `bridge audit`.",
            highlight=False, markup=False,
        )  # fmt: skip


def _asked(view: DirectoryView) -> bool:
    if not typer.confirm(f"Forget the directory {view.name}?"):
        fail("nothing was changed")
    return True


async def _preview(settings: Settings, name: str) -> tuple[DirectoryView, int, dict[str, Losses]]:
    """Return the directory, how many events are not processed yet, and what would be lost at each target."""
    async with opened_store(settings) as store:
        view = await find_forgettable(settings, store, name)
        accepted, folded = await Journal(store).counters()
        losses = await preview(settings, store, view, unix_ms())
        return view, accepted - folded, losses


async def _forget(
    settings: Settings, view: DirectoryView, losses: dict[str, Losses], by: str, why: str
) -> Departure:
    async with opened_store(settings) as store:
        deed = Deed(unix_ms(), by, "forgot", why=why)
        return await forget_directory(settings, store, view, losses, deed)


def _told(view: DirectoryView, losses: dict[str, Losses]) -> dict[str, Any]:
    targets = {
        target: each.figures | {"teams_left": dict(each.leaving)} | each.plan.as_json()
        for target, each in losses.items()
    }
    return _row(view) | {"targets": targets}


def _show(settings: Settings, view: DirectoryView, pending: int, losses: dict[str, Losses]) -> None:
    if pending:
        err.print(f"{pending} event(s) are not processed yet: this may change", style="yellow")
    out.print(
        f"{view.name}: {view.users} user(s), {view.active} of them active, {view.groups} group(s), "
        f"last event {moment(view.last_event) or 'none'}.",
        highlight=False, markup=False,
    )  # fmt: skip
    if not losses:
        out.print("No target counts on it: nobody loses anything.", highlight=False)
    for name, each in losses.items():
        target = settings.target(name)
        steps = [(s.change.describe(), s.held) for s in each.plan.steps]
        if steps:
            title = f"{name} ({target.mode if target else ''})"
            print_table(title, ("change", "held back because"), steps[:_MOST_SHOWN])
        if len(steps) > _MOST_SHOWN:
            out.print(f"... and {len(steps) - _MOST_SHOWN} more: --dry-run --json has all", highlight=False)
        out.print(_sentence(name, each), highlight=False, markup=False)


_MOST_SHOWN = 30


def _sentence(name: str, losses: Losses) -> str:
    leaving = ", ".join(f"{title} {count}" for title, count in sorted(losses.leaving.items()))
    parts = [
        f"{len(losses.removed)} removed",
        f"{len(losses.lowered)} with a lower role",
        f"{sum(losses.leaving.values())} out of teams" + (f" ({leaving})" if leaving else ""),
        f"{len(losses.deleted)} team(s) deleted",
        f"{losses.held} change(s) held for approval ({len(losses.removals_held)} of them removals)",
    ]
    return f"{name}: {', '.join(parts)}."
