"""`bridge parked`, `approve`, `reject`, `dead`, `retry`: what waits for a person, and what was given up."""

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

import typer

from bridge.commands.common import (
    DEFAULT_CONFIG,
    By,
    Config,
    Json,
    Why,
    err,
    fail,
    load,
    me,
    moment,
    opened_desks,
    out,
    print_json,
    print_table,
    run_async,
    unix_ms,
)
from bridge.commands.filtering import (
    Since,
    Sources,
    Targets,
    Text,
    Until,
    kind_option,
    make_filter,
    state_option,
)
from bridge.operators import decisions
from bridge.operators.decisions import KINDS, STATES, Case, Late, Outcome
from bridge.operators.desks import Desk
from bridge.operators.filters import Filter
from bridge.plan.held import Decision
from bridge.settings import Settings, parse_span

_SHOWN = ("id", "target", "change", "reason")  # the rest is in the JSON
Kinds = Annotated[list[str] | None, kind_option(KINDS)]
States = Annotated[list[str] | None, state_option(STATES)]
Most = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="At most so many rows; without it all.")
]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `bridge parked` shows them.")]
Everything = Annotated[bool, typer.Option("--all", help="All that are held; with filters, all of those.")]
DeadIds = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `bridge dead` shows them.")]
AllDead = Annotated[bool, typer.Option("--all", help="All that was given up; with filters, all of those.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what it would be, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask about what the filters choose.")]
Ends = Annotated[
    str, typer.Option("--until", help='How long the exception holds, such as "30d". Empty: no end.')
]
Read = Callable[[Mapping[str, Desk]], Awaitable[list[Case]]]
Act = Callable[[Mapping[str, Desk], Sequence[Case]], Awaitable[Outcome]]


# showing


def parked(
    *,
    sources: Sources = None,
    targets: Targets = None,
    kinds: Kinds = None,
    states: States = None,
    text: Text = "",
    since: Since = "",
    until: Until = "",
    limit: Most = None,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show the changes that are held until a person approves or rejects them."""
    settings = load(config)
    wanted = make_filter(
        settings, sources=sources, targets=targets, kinds=kinds, states=states, text=text, since=since,
        until=until, limit=limit or sys.maxsize, known_kinds=KINDS, known_states=STATES,
    )  # fmt: skip
    cases = run_async(_read(settings, lambda desks: decisions.parked(desks, wanted, unix_ms())))
    _show(cases, json, "Held for approval", "Nothing is held for approval.")


def dead(
    *,
    sources: Sources = None,
    targets: Targets = None,
    kinds: Kinds = None,
    text: Text = "",
    since: Since = "",
    until: Until = "",
    limit: Most = None,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show what was given up, with the reason; news about it makes it due again."""
    settings = load(config)
    wanted = make_filter(
        settings, sources=sources, targets=targets, kinds=kinds, text=text, since=since, until=until,
        limit=limit or sys.maxsize, known_kinds=KINDS,
    )  # fmt: skip
    cases = run_async(_read(settings, lambda desks: decisions.dead(desks, wanted)))
    _show(cases, json, "Given up", "Nothing was given up.")


async def _read(settings: Settings, read: Read) -> list[Case]:
    async with opened_desks(settings) as desks:
        return await read(desks)


def _show(cases: Sequence[Case], json: bool, title: str, none: str) -> None:
    if json:
        print_json([_row(case) for case in cases])
    elif cases:
        _print_cases(title, cases)
    else:
        out.print(none)


def _print_cases(title: str, cases: Sequence[Case]) -> None:
    rows = [_row(case) for case in cases]
    for row, case in zip(rows, cases, strict=True):
        if case.approved:
            row["reason"] += f" (approved by {case.approved.by}, not done yet)"
    print_table(title, _SHOWN, [[row[column] for column in _SHOWN] for row in rows])


def _row(case: Case) -> dict[str, Any]:
    held = case.held
    return {
        "id": held.id, "target": case.target, "kind": case.kind, "object": case.name, "change": held.change,
        "reason": held.reason, "since": moment(held.since), "attempts": held.attempts, "state": case.state,
        "emails": list(held.emails), "approved_by": case.approved.by if case.approved else None,
        "event": case.event, "source": case.source,
    }  # fmt: skip


# acting


@dataclass(frozen=True, slots=True)
class _Choice:
    """What an action is about: these `ids`, or what is `wanted`, if it is `narrow` only some of it."""

    ids: frozenset[str]
    wanted: Filter
    narrow: bool
    dry_run: bool
    asks: bool


@dataclass(frozen=True, slots=True)
class _Words:
    """How an action is spoken of: in the infinitive, when it is done, and in the JSON."""

    verb: str
    done: str
    key: str
    none: str
    see: str


_APPROVE = _Words("approve", "approved", "decided", "nothing is held", "bridge parked")
_REJECT = replace(_APPROVE, verb="reject", done="rejected")
_RETRY = _Words("try again", "due again", "retried", "nothing was given up", "bridge dead")


def approve(
    ids: Ids = None,
    *,
    everything: Everything = False,
    sources: Sources = None,
    targets: Targets = None,
    kinds: Kinds = None,
    text: Text = "",
    since: Since = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    by: By = "",
    why: Why = "",
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Let held changes happen: those with these ids, or those that the filters choose."""
    settings = load(config)
    wanted = make_filter(
        settings, sources=sources, targets=targets, kinds=kinds, text=text, since=since,
        limit=sys.maxsize, known_kinds=KINDS,
    )  # fmt: skip
    choice = _choose(_APPROVE, ids, everything, wanted, dry_run, yes)
    _decide(settings, choice, _APPROVE, Decision(True, by or me(), 0, why), json)


def reject(
    ids: Ids = None,
    *,
    everything: Everything = False,
    sources: Sources = None,
    targets: Targets = None,
    kinds: Kinds = None,
    text: Text = "",
    since: Since = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    by: By = "",
    why: Why = "",
    until: Ends = "",
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Keep things as they are: a recorded exception, until the person comes and goes again or it ends."""
    try:
        span = parse_span(until) if until else 0.0
    except ValueError:
        fail(f'--until {until}: is not a length of time: write a number and s, m, h or d, such as "30d"', 2)
    settings = load(config)
    wanted = make_filter(
        settings, sources=sources, targets=targets, kinds=kinds, text=text, since=since,
        limit=sys.maxsize, known_kinds=KINDS,
    )  # fmt: skip
    choice = _choose(_REJECT, ids, everything, wanted, dry_run, yes)
    _decide(settings, choice, _REJECT, Decision(False, by or me(), 0, why), json, span)


def retry(
    ids: DeadIds = None,
    *,
    everything: AllDead = False,
    sources: Sources = None,
    targets: Targets = None,
    kinds: Kinds = None,
    text: Text = "",
    since: Since = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    by: By = "",
    why: Why = "",
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Try again what was given up; what was tried before stays in the history."""
    settings = load(config)
    wanted = make_filter(
        settings, sources=sources, targets=targets, kinds=kinds, text=text, since=since,
        limit=sys.maxsize, known_kinds=KINDS,
    )  # fmt: skip
    choice = _choose(_RETRY, ids, everything, wanted, dry_run, yes)

    async def read(desks: Mapping[str, Desk]) -> list[Case]:
        return await decisions.dead(desks, choice.wanted)

    async def act(desks: Mapping[str, Desk], cases: Sequence[Case]) -> Outcome:
        return await decisions.retry(desks, cases, by or me(), why, unix_ms())

    _carry_out(settings, choice, _RETRY, read, act, json)


def _decide(
    settings: Settings, choice: _Choice, words: _Words, decision: Decision, json: bool, span: float = 0.0
) -> None:
    """Carry a decision out. It is made when it is written; `span`: seconds that it holds, 0: for good."""

    async def read(desks: Mapping[str, Desk]) -> list[Case]:
        cases = await decisions.parked(desks, choice.wanted, unix_ms())
        return [case for case in cases if choice.ids or not (decision.approved and case.approved)]

    async def act(desks: Mapping[str, Desk], cases: Sequence[Case]) -> Outcome:
        now = unix_ms()
        ends = now / 1000 + span if span else 0.0
        return await decisions.decide(desks, cases, replace(decision, at=now, until=ends))

    _carry_out(settings, choice, words, read, act, json)


def _choose(
    words: _Words, ids: list[str] | None, everything: bool, wanted: Filter, dry_run: bool, yes: bool
) -> _Choice:
    narrow = wanted != Filter(limit=wanted.limit)
    if (ids and everything) or not (ids or everything or narrow):
        fail(f"name the ids that `{words.see}` shows, or filters such as --target, or --all", 2)
    asks = narrow and not (ids or everything or yes)
    return _Choice(frozenset(ids or ()), wanted, narrow, dry_run, asks)


def _carry_out(settings: Settings, choice: _Choice, words: _Words, read: Read, act: Act, json: bool) -> None:
    chosen = run_async(_chosen(settings, choice, read))
    if choice.dry_run:
        _show_would(chosen, words, json)
        return
    if choice.narrow and not (choice.ids or chosen.done):
        fail(f"{words.none} that these filters choose: see `{words.see}`")
    if choice.asks:
        _ask(chosen.done, words, json)
    outcome = run_async(_act(settings, act, chosen.done))
    _tell(Outcome(outcome.done, [*chosen.late, *outcome.late], chosen.unknown), words, json)


async def _chosen(settings: Settings, choice: _Choice, read: Read) -> Outcome:
    """Return (as `done`) what an action is about."""
    async with opened_desks(settings) as desks:
        cases = await read(desks)
        return await decisions.choose(desks, cases, choice.ids) if choice.ids else Outcome(cases)


async def _act(settings: Settings, act: Act, cases: Sequence[Case]) -> Outcome:
    async with opened_desks(settings) as desks:
        return await act(desks, cases)


def _show_would(chosen: Outcome, words: _Words, json: bool) -> None:
    if json:
        print_json({"would": [_row(case) for case in chosen.done], "unknown": chosen.unknown})
    elif chosen.done:
        _print_cases(f"Would {words.verb}", chosen.done)
        out.print(f"Would {words.verb}: {len(chosen.done)}. Nothing was done.", highlight=False)
    _tell_failures(chosen, words)


def _ask(cases: Sequence[Case], words: _Words, json: bool) -> None:
    """Show what the filters choose and go on when a person at the terminal says so."""
    if not json:
        _print_cases(f"To {words.verb}", cases)
    question = f"{words.verb} these {len(cases)}"
    if json or not _at_terminal():
        fail(f"nothing was done: to {question}, add --yes", 2)
    if not typer.confirm(f"{question.capitalize()}?"):
        fail("nothing was done")


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _tell(outcome: Outcome, words: _Words, json: bool) -> None:
    if json:
        print_json({
            words.key: [_row(case) for case in outcome.done], "unknown": outcome.unknown,
            "late": [_late_row(late) for late in outcome.late],
        })  # fmt: skip
    else:
        for case in outcome.done:
            held = case.held
            out.print(f"{words.done}: {held.change} ({held.id})", highlight=False, markup=False)
            if held.final and words is _APPROVE:
                err.print(f"  it waits all the same: {held.reason}", highlight=False, markup=False)
        out.print(f"{len(outcome.done)} {words.done}.", highlight=False)
    _tell_failures(outcome, words)


def _late_row(late: Late) -> dict[str, Any]:
    return asdict(late) | {"at": moment(late.at)}


def _tell_failures(outcome: Outcome, words: _Words) -> None:
    for late in outcome.late:
        text = f"too late: {late.change} ({late.id}): {_too_late(late, words)}"
        err.print(text, highlight=False, markup=False, soft_wrap=True)
    if outcome.unknown:
        fail(f"{words.none} under {', '.join(outcome.unknown)}: see `{words.see}`")
    if outcome.late:
        raise typer.Exit(1)


def _too_late(late: Late, words: _Words) -> str:
    if late.what == "changed":
        return f"it has changed meanwhile: see `{words.see}`"
    if late.what == "gone":
        return "its cause is gone"
    return f"{late.what} by {late.by} at {moment(late.at)}"
