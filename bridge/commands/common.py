"""What all commands share: the configuration option, JSON, and how they end."""

import asyncio
import getpass
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table

from bridge.settings import Settings, SettingsError, inline_secrets, read_settings
from bridge.store.redis import STORE_ERRORS, open_store
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
        fail(f"Redis does not answer ({type(error).__name__}): is `bridge run` (or your Redis) up?")


@asynccontextmanager
async def open_targets(settings: Settings) -> AsyncIterator[dict[str, TargetStore]]:
    """Open what is known of each target, by its name."""
    store = open_store(settings.redis)
    try:
        yield {target.name: TargetStore(store, target_id(target)) for target in settings.targets}
    finally:
        await store.close()


def me() -> str:
    """Return who is at the keyboard, for the record."""
    return getpass.getuser()


def print_json(data: Any) -> None:
    """Print JSON that people can read, too."""
    typer.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table that fits the terminal."""
    table = Table(title=title, title_justify="left", show_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)  # ids are to be copied whole
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(table)


def moment(milliseconds: float | None) -> str | None:
    """Return unix milliseconds as RFC 3339 text in UTC."""
    if not milliseconds:
        return None
    text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
