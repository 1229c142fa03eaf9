"""`bridge erase EMAIL`: a person's data, out of everything that is kept."""

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
    print_table,
    run_async,
    unix_ms,
)
from bridge.operators.erasable import NotErasedError
from bridge.operators.erase import Survey, prepare
from bridge.operators.erase import erase as carry_out
from bridge.settings import Settings
from bridge.store.audit import Deed
from bridge.store.commit import LeaseLostError

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Any address that they have, or had.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be erased, and end.")]


def erase(
    email: Email,
    by: By = "",
    why: Why = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Erase what is kept of somebody who has left; a keyed hash stands for them in the evidence.

    It shows first what would be erased. Whoever may still get in somewhere is not erased.
    """
    if json and not (yes or dry_run):
        fail("--json asks nothing: add --yes, or --dry-run to see what would be erased", 2)
    settings = load(config)
    try:
        found = run_async(_survey(settings, email))
        if not json:
            _show(found)
        if dry_run or not (yes or typer.confirm("Erase all of it?")):
            _end(found, json, dry_run)
            return
        found = run_async(_erase(settings, email, by or me(), why))
    except NotErasedError as error:
        fail(str(error))
    except LeaseLostError:
        fail("it was interrupted: do it again, that ends what was begun")
    if json:
        print_json(_told(found, True))
    else:
        out.print(f"Erased: {found.label} stands for them now.", highlight=False, markup=False)


def _end(found: Survey, json: bool, dry_run: bool) -> None:
    if json:
        print_json(_told(found, False))
    elif not dry_run:
        fail("nothing was changed")


async def _survey(settings: Settings, email: str) -> Survey:
    async with opened_store(settings) as store:
        _, found = await prepare(settings, store, email, unix_ms())
        return found


async def _erase(settings: Settings, email: str, by: str, why: str) -> Survey:
    async with opened_store(settings) as store:
        deed = Deed(unix_ms(), by, "erased", why=why)
        return await carry_out(settings, store, email, deed)


def _told(found: Survey, erased: bool) -> dict[str, Any]:
    return {"person": found.label, "entries": found.counts, "erased": erased}


def _show(found: Survey) -> None:
    rows = sorted(found.counts.items())
    print_table("What is kept of them", ("place", "entries"), rows)
    out.print(
        f"In evidence and audit {found.label} will stand for them; all else goes.",
        highlight=False, markup=False,
    )  # fmt: skip
