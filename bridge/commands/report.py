"""`bridge report`: joiners and leavers, how long it took, what was held, and who decided: for an auditor."""

import csv
import io
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from bridge.commands.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    brief_moment,
    fail,
    load,
    moment,
    opened_store,
    out,
    plain,
    print_json,
    print_table,
    run_async,
    unix_ms,
)
from bridge.commands.filtering import Since, Targets, Until, make_filter
from bridge.operators.desks import open_desks
from bridge.operators.filters import Filter
from bridge.operators.report import INSIDE, JOINED, Figures, Person, Report, read_report
from bridge.operators.spans import Spans
from bridge.settings import Settings

Csv = Annotated[bool, typer.Option("--csv", help="Print CSV, one row for each person.")]
COLUMNS = (
    "what", "email", "target", "came_at", "invited_at", "left_at", "removed_at", "seconds", "state",
    "held_since", "reason", "decided_by", "decided_at", "why", "excepted_until",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would calculate


def report(
    *,
    targets: Targets = None,
    since: Since = "30d",
    until: Until = "",
    as_csv: Csv = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Tell who joined and left, how long it took, what was held and who decided, and who is still inside."""
    if as_csv and json:
        fail("--csv or --json, not both", 2)
    settings = load(config)
    wanted = make_filter(settings, targets=targets, since=since, until=until)
    made = run_async(_read(settings, wanted))
    if json:
        print_json(_json(made))
    elif as_csv:
        show = plain if sys.stdout.isatty() else str
        typer.echo(_csv(made, show), nl=False, color=True)  # it takes escapes away from files otherwise
    else:
        _print(made)


async def _read(settings: Settings, wanted: Filter) -> Report:
    async with opened_store(settings) as store:
        desks = open_desks(settings, store)
        chosen = {name: desk for name, desk in desks.items() if wanted.admits(target=name)}
        return await read_report(settings, store, chosen, wanted.since, wanted.until, unix_ms())


# for machines


def _json(made: Report) -> dict[str, Any]:
    return {
        "since": moment(made.since), "until": moment(made.until), "notes": list(made.notes),
        "all": _figures(made.everything),
        "targets": {name: _figures(each) for name, each in made.targets.items()},
        "people": [_row(person) for person in made.people],
    }  # fmt: skip


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "joined": figures.joined, "left": figures.left, "gone": figures.gone,
        "still_inside": figures.inside, "parked": figures.parked, "excepted": figures.excepted,
        "seats_added": figures.seats_added, "seats_freed": figures.seats_freed,
        "left_after_hold": figures.left_after_hold,
        "held": figures.held, "held_since": moment(figures.held_since),
        "leaving": _spans(figures.leaving), "joining": _spans(figures.joining),
        "decisions": figures.decisions,
    }  # fmt: skip


def _spans(spans: Spans[Person]) -> dict[str, Any]:
    slowest = _row(spans.slowest) if spans.slowest else None
    return {
        "known": spans.known, "unknown": spans.unknown, "median_seconds": _seconds(spans.median),
        "p95_seconds": _seconds(spans.p95), "slowest_seconds": _seconds(spans.longest), "slowest": slowest,
    }  # fmt: skip


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _row(person: Person) -> dict[str, Any]:
    """Return a person as JSON and CSV have them."""
    told, done = moment(person.told_at), moment(person.done_at)
    times = (told, done, None, None) if person.what == JOINED else (None, None, told, done)
    cells = (
        person.what, person.email, person.target, *times, _seconds(person.milliseconds), person.state,
        moment(person.held_since), person.reason, person.by or None, moment(person.decided_at), person.why,
        moment(person.until),
    )  # fmt: skip
    return dict(zip(COLUMNS, cells, strict=True))


def _csv(made: Report, show: Callable[[str], str]) -> str:
    """Return RFC 4180 text; `show` makes texts fit for where they go.

    A cell that a spreadsheet would take for a formula begins with an apostrophe:
    https://owasp.org/www-community/attacks/CSV_Injection.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for person in made.people:
        writer.writerow([_cell(value, show) for value in _row(person).values()])
    return text.getvalue()


def _cell(value: object, show: Callable[[str], str]) -> object:
    if not isinstance(value, str):
        return value
    return show(f"'{value}" if value.startswith(_FORMULA) else value)


# for people


def _print(made: Report) -> None:
    _say(f"From {moment(made.since)} to {moment(made.until)}")
    for name, figures in made.targets.items():
        _print_figures(name, figures)
    if len(made.targets) > 1:
        _print_figures("all targets", made.everything)
    inside = [person for person in made.people if person.what == INSIDE]
    if inside:
        columns = ("e-mail", "target", "left", "state", "held since", "by", "reason")
        print_table("Left, and still inside", columns, [_cells(person) for person in inside])
    for note in made.notes:
        _say(f"Note: {note}.")


def _cells(person: Person) -> list[object]:
    until = f" until {moment(person.until)}" if person.until else ""
    return [
        person.email, person.target, brief_moment(person.told_at), person.state + until,
        brief_moment(person.held_since), person.by, person.why or person.reason,
    ]  # fmt: skip


def _print_figures(name: str, figures: Figures) -> None:
    out.print()
    _say(name)
    _say(f"  joined: {figures.joined} (seats added: {figures.seats_added}){_took(figures.joining)}")
    gone = f", {figures.gone} were gone already" if figures.gone else ""
    _say(f"  left: {figures.left} (seats freed: {figures.seats_freed}{gone}){_took(figures.leaving)}")
    if slowest := figures.leaving.slowest:
        _say(f"  slowest to leave: {_slowest(slowest)}")
    held = f" (the longest since {moment(figures.held_since)})" if figures.held else ""
    _say(f"  held for approval now: {figures.held}{held}; left after approval: {figures.left_after_hold}")
    for action, counts in figures.decisions.items():
        _say(f"  {action}: {_counts(counts)}")
    _say(
        f"  left and still inside: {figures.inside} (held {figures.parked}, excepted {figures.excepted}, "
        f"other {figures.inside - figures.parked - figures.excepted})"
    )


def _took(spans: Spans[Person]) -> str:
    if spans.median is None:
        return ""
    unknown = f"; unknown of {spans.unknown}" if spans.unknown else ""
    return (
        f": median {span_text(spans.median)}, 95 % within {span_text(spans.p95)}, "
        f"slowest {span_text(spans.longest)}{unknown}"
    )


def _slowest(person: Person) -> str:
    took = f"{person.email}: {span_text(person.milliseconds)}"
    if not person.held_since:
        return took
    held = f"{took}; held since {moment(person.held_since)} ({person.reason})"
    why = f": {person.why}" if person.why else ""
    return f"{held}, approved by {person.by} at {moment(person.decided_at)}{why}" if person.by else held


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{by} {count}" for by, count in counts.items()) or "none"


def span_text(milliseconds: int | None) -> str:
    """Return a length of time as people say it: its two largest units, such as 2h 5m."""
    if milliseconds is None:
        return "unknown"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.3g}s"
    seconds = milliseconds // 1000
    parts = [
        (seconds // 86400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "m"),
        (seconds % 60, "s"),
    ]
    first = next(place for place, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count}{unit}" for count, unit in parts[first : first + 2] if count)


def _say(text: str) -> None:
    out.print(plain(text), highlight=False, markup=False, soft_wrap=True)
