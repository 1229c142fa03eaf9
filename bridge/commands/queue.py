"""`bridge queue`: what the workers have before them."""

from typing import Annotated, Any

from bridge.commands.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    brief_moment,
    load,
    moment,
    opened_desks,
    out,
    print_json,
    print_table,
    run_async,
    unix_ms,
)
from bridge.commands.filtering import (
    Limit,
    Since,
    Sources,
    Targets,
    Text,
    Until,
    kind_option,
    make_filter,
    state_option,
)
from bridge.operators.filters import Filter
from bridge.operators.queue import KINDS, STATES, Queue, Queued, read_queue
from bridge.settings import Settings

_COLUMNS = ("id", "state", "since", "next try", "what and why")


def queue(
    *,
    sources: Sources = None,
    targets: Targets = None,
    kinds: Annotated[list[str] | None, kind_option(KINDS)] = None,
    states: Annotated[list[str] | None, state_option(STATES)] = None,
    text: Text = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 50,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show what is under way, due, backing off, held for approval and given up, at most N of each state."""
    settings = load(config)
    wanted = make_filter(
        settings, sources=sources, targets=targets, kinds=kinds, states=states, text=text, since=since,
        until=until, limit=limit, known_kinds=KINDS, known_states=STATES,
    )  # fmt: skip
    found = run_async(_read(settings, wanted))
    if json:
        print_json([_row(each) for each in found.rows])
        return
    for name in found.counts:
        _print_target(name, found)


async def _read(settings: Settings, wanted: Filter) -> Queue:
    async with opened_desks(settings) as desks:
        return await read_queue(desks, wanted, unix_ms())


def _row(each: Queued) -> dict[str, Any]:
    return {
        "id": each.id, "target": each.target, "kind": each.kind, "object": each.object, "state": each.state,
        "since": moment(each.since), "next_at": moment(each.next_at), "attempts": each.attempts,
        "reason": each.reason, "change": each.change, "event": each.event,
        "source": each.source,
    }  # fmt: skip


def _print_target(name: str, found: Queue) -> None:
    rows = [each for each in found.rows if each.target == name]
    if rows:
        print_table(f"Queue of {name}", _COLUMNS, [_cells(each) for each in rows])
    counts = found.counts[name]
    told = ", ".join(f"{getattr(counts, state)} {state}" for state in STATES)
    out.print(f"{name}: {told} in all", highlight=False, markup=False)


def _cells(each: Queued) -> list[object]:
    what = each.change or f"{each.kind} {each.object}"
    return [
        each.id,
        each.state,
        brief_moment(each.since),
        brief_moment(each.next_at),
        f"{what}: {each.reason}" if each.reason else what,
    ]
