"""What all commands share: the configuration option, JSON, and how they end."""

import asyncio
import contextlib
import getpass
import re
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.logs import mask_secrets
from bridge.operators.desks import Desk, open_desks
from bridge.settings import Settings, SettingsError, inline_secrets, read_settings
from bridge.store.clock import Clock, machine_ms
from bridge.store.faults import describe_error
from bridge.store.redis import STORE_ERRORS, Store, open_store
from bridge.store.targets import TargetStore, target_id
from bridge.supervised import is_supervised

T = TypeVar("T")
Config = Annotated[
    Path,
    typer.Option("-c", "--config", envvar="BRIDGE_CONFIG", help="The configuration file.", show_default=True),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
By = Annotated[str, typer.Option("--by", help="Who decides, for the record.", show_default=False)]
Why = Annotated[str, typer.Option("--why", help="The reason, for the record.")]
DEFAULT_CONFIG = Path("bridge.toml")
_NOT_PLAIN = re.compile(r"[^\n -~]")
_NARROW = 12  # letters; a column that is narrower than its text and than this cannot be read

_CLOCK = Clock()
out = Console()
err = Console(stderr=True)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what is wrong on stderr and end."""
    err.print(message, style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(code)


def load(path: Path) -> Settings:
    """Read the configuration; a wrong one prints all its errors and exits 2."""
    try:
        settings = read_settings(path)
    except SettingsError as error:
        fail(str(error), 2)
    for key in () if is_supervised() else inline_secrets(settings):
        message = f"{key}: a secret stands in the file itself: better write env:NAME or file:PATH"
        err.print(message, style="yellow", markup=False, soft_wrap=True)
    return settings


def run_async(job: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; where Redis cannot be reached it says so and exits 1."""
    try:
        return asyncio.run(job)
    except STORE_ERRORS as error:
        said = mask_secrets(describe_error(error))
        fail(f"Redis does not answer ({said}): is `bridge run` (or your Redis) up?")


@asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[Store]:
    """Open the store while the block runs, and learn its time; the block finds out whether it is away."""
    store = open_store(settings.redis)
    try:
        with contextlib.suppress(*STORE_ERRORS):
            await _CLOCK.sync(store)
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def open_targets(settings: Settings) -> AsyncIterator[dict[str, TargetStore]]:
    """Open what is known of each target, by its name."""
    async with opened_store(settings) as store:
        yield {target.name: TargetStore(store, target_id(target)) for target in settings.targets}


@asynccontextmanager
async def opened_desks(settings: Settings) -> AsyncIterator[dict[str, Desk]]:
    """Open the desks of all targets, by name."""
    async with opened_store(settings) as store:
        yield open_desks(settings, store)


def unix_ms() -> int:
    """Return the time, unix ms: Redis' once a store was opened.

    Before that it is this machine's own, which does for what somebody asks for, not for what is stored.
    """
    return _CLOCK() if _CLOCK.is_set else machine_ms()


def me() -> str:
    """Return who is at the keyboard, for the record."""
    return getpass.getuser()


def print_json(data: Any) -> None:
    """Print JSON that people can read, too."""
    typer.echo(json_text(data, orjson.OPT_INDENT_2))


def json_text(data: Any, option: int = 0) -> str:
    """Return JSON that a terminal only shows. `option`: one of orjson's.

    What a terminal would obey, or not show, is escaped: any character may be (RFC 8259, section 7).
    """
    return _NOT_PLAIN.sub(_escape, orjson.dumps(data, option=option).decode())


def _escape(found: re.Match[str]) -> str:
    if found[0].isprintable():
        return found[0]
    return re.sub("....", r"\\u\g<0>", found[0].encode("utf-16-be").hex())


def print_table(title: str, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table that fits the terminal; a row below the other where it is too narrow for columns.

    The first column is never broken: ids are to be copied whole. What is long folds.
    """
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    if widths[0] + sum(min(width, _NARROW) + len(" | ") for width in widths[1:]) > out.width:
        _print_records(title, columns, cells)
        return
    table = Table(title=title, title_justify="left", show_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in cells:
        table.add_row(*map(Text, row))
    out.print(table)


def _print_records(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    out.print(title, style="italic", highlight=False, markup=False)
    for first, *rest in rows:
        lines = [f"  {name}: {cell}" for name, cell in zip(columns[1:], rest, strict=True) if cell]
        out.print("\n".join([first, *lines]), highlight=False, markup=False, soft_wrap=True)


def plain(cell: object) -> str:
    """Return a cell as text in which nothing moves the cursor: names come from outside."""
    text = "" if cell is None else str(cell)
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def moment(milliseconds: float | None) -> str | None:
    """Return unix milliseconds as RFC 3339 text in UTC."""
    if not milliseconds:
        return None
    text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def brief_moment(milliseconds: float | None) -> str:
    """Return unix milliseconds for a table's cell: UTC, to the second, with a space to fold at."""
    return (moment(milliseconds) or "").partition(".")[0].replace("T", " ")
