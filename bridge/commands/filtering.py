"""The options that say which rows a listing shows: the same words for every command.

A command takes the options it can answer, and hands them to `make_filter`:

    def events(
        sources: Sources = None,
        kinds: Annotated[list[str] | None, kind_option(EVENT_KINDS)] = None,
        text: Text = "", since: Since = "", until: Until = "", limit: Limit = 50, after: After = "", ...
    ) -> None:
        settings = load(config)
        wanted = make_filter(settings, sources=sources, kinds=kinds, known_kinds=EVENT_KINDS, text=text, ...)
"""

import re
import tomllib
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.commands.common import DEFAULT_CONFIG, err, fail, moment, unix_ms
from bridge.operators.filters import Filter
from bridge.operators.pages import Page, split_id
from bridge.settings import Settings, parse_span
from bridge.settings.whole import tables

MOST = 5000  # rows of one listing
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d))?", re.ASCII)
_MOMENTS = 'write RFC 3339 such as 2026-01-31T09:30:00Z, a day such as 2026-01-31, or a span such as "30d"'


def _named(table: str) -> Callable[[typer.Context, str], list[str]]:
    """Return what completes the names in a table of the file, which may be wrong or lack its secrets yet."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            path = Path(ctx.params.get("config") or DEFAULT_CONFIG)
            rows = tables(tomllib.loads(path.read_text(encoding="utf-8")), table)
        except (OSError, ValueError):
            return []
        return _beginning((row["name"] for row in rows if isinstance(row.get("name"), str)), incomplete)

    return complete


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


complete_sources = _named("sources")
complete_targets = _named("targets")
complete_alerts = _named("alerts")


def _complete(names: Collection[str]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return _beginning(names, incomplete)

    return complete


def kind_option(kinds: Collection[str]) -> Any:
    """Return the option --kind of a command that knows these kinds."""
    text = f"Only this kind (may be repeated): {', '.join(kinds)}."
    return typer.Option("--kind", metavar="KIND", help=text, autocompletion=_complete(with_families(kinds)))


def state_option(states: Collection[str]) -> Any:
    """Return the option --state of a command that knows these states."""
    text = f"Only in this state (may be repeated): {', '.join(states)}."
    return typer.Option("--state", metavar="STATE", help=text, autocompletion=_complete(states))


Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source", metavar="NAME", help="Only of this source (may be repeated).",
        autocompletion=complete_sources,
    ),
]  # fmt: skip
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target", metavar="NAME", help="Only of this target (may be repeated).",
        autocompletion=complete_targets,
    ),
]  # fmt: skip
Text = Annotated[
    str, typer.Option("--text", metavar="TEXT", help="Only what has this text in it.", show_default=False)
]
Since = Annotated[
    str,
    typer.Option(
        "--since", metavar="WHEN", show_default=False,
        help='From then on: RFC 3339, a day, or a span such as "30d" (that long ago).',
    ),
]  # fmt: skip
Until = Annotated[
    str,
    typer.Option("--until", metavar="WHEN", show_default=False, help="Before then: written like --since."),
]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=MOST, help="At most so many rows.")]
After = Annotated[
    str,
    typer.Option("--after", metavar="ID", show_default=False, help="What comes after this row of the list."),
]


def with_families(kinds: Collection[str]) -> list[str]:
    """Return the kinds, and what stands before their dots: "user" for "user.created" and its like."""
    return list(dict.fromkeys([*kinds, *(kind.partition(".")[0] for kind in kinds if "." in kind)]))


def make_filter(
    settings: Settings,
    *,
    sources: Collection[str] | None = None,
    targets: Collection[str] | None = None,
    kinds: Collection[str] | None = None,
    states: Collection[str] | None = None,
    text: str = "",
    since: str = "",
    until: str = "",
    limit: int = 50,
    after: str = "",
    known_kinds: Collection[str] = (),
    known_states: Collection[str] = (),
    check_after: Callable[[str], object] = split_id,
) -> Filter:
    """Return what the options ask for; a wrong one is said, with what may stand there, and ends with 2.

    `known_kinds`, `known_states`: those the command knows. `check_after` raises ValueError, with the way
    out, for what is no id of the command's rows.
    """
    now = unix_ms()
    try:
        wanted = Filter(
            sources=_known("--source", sources, [source.name for source in settings.sources]),
            targets=_known("--target", targets, [target.name for target in settings.targets]),
            kinds=_known("--kind", kinds, with_families(known_kinds)),
            states=_known("--state", states, known_states),
            text=text,
            since=parse_when("--since", since, now),
            until=parse_when("--until", until, now),
            limit=limit,
            after=after,
        )
        if wanted.until and wanted.since >= wanted.until:
            raise ValueError(f"--until {until}: is not later than --since {since}")
        if after:
            check_after(after)
    except ValueError as error:
        fail(str(error), 2)
    return wanted


def _known(option: str, names: Collection[str] | None, known: Collection[str]) -> frozenset[str]:
    for name in names or ():
        if name not in known:
            raise ValueError(f"{option} {name}: there is none of that name: write {_or(sorted(known))}")
    return frozenset(names or ())


def _or(names: list[str]) -> str:
    return ", ".join(names) or "no such option: there are none"


def parse_when(option: str, text: str, now: int) -> int:
    """Return a moment in unix ms, 0 for "": RFC 3339, a day (UTC), or a span before `now` (unix ms).

    Raises ValueError, which names the option.
    """
    if not text:
        return 0
    try:
        return max(1, now - int(parse_span(text) * 1000))
    except ValueError:
        pass
    return _parse_moment(option, text)


def _parse_moment(option: str, text: str) -> int:
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        found = datetime.fromisoformat(text.upper())
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(f"{option} {text}: is no time: {_MOMENTS}") from None


def check_ids(idents: Iterable[str]) -> None:
    """Say which of these is no id, and end with 2."""
    try:
        for ident in idents:
            split_id(ident)
    except ValueError as error:
        fail(str(error), 2)


def tell_more(page: Page[Any], wanted: Filter) -> None:
    """Say on stderr that there may be older rows than those shown, and how to see them."""
    if not page.more:
        return
    if len(page.rows) < wanted.limit:
        text = f"Looked at rows down to {moment(page.looked_until)}; go on with --after {page.more}"
    else:
        text = f"There may be more: go on with --after {page.more}"
    err.print(text, highlight=False, markup=False, soft_wrap=True)
