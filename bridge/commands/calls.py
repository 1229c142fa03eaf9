"""`bridge calls`: what was done at the targets, and decided about it."""

from typing import Annotated, Any

from bridge.commands.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    brief_moment,
    load,
    moment,
    opened_store,
    out,
    print_json,
    print_table,
    run_async,
)
from bridge.commands.filtering import (
    After,
    Limit,
    Since,
    Sources,
    Targets,
    Text,
    Until,
    kind_option,
    make_filter,
    state_option,
    tell_more,
)
from bridge.operators.calls import KINDS, STATES, PastCall, read_calls
from bridge.operators.desks import open_desks
from bridge.operators.filters import Filter
from bridge.operators.objects import plain_name
from bridge.operators.pages import Page
from bridge.settings import Settings

_COLUMNS = ("id", "at", "outcome", "what and why")


def calls(
    *,
    sources: Sources = None,
    targets: Targets = None,
    kinds: Annotated[list[str] | None, kind_option(KINDS)] = None,
    states: Annotated[list[str] | None, state_option(STATES)] = None,
    text: Text = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 50,
    after: After = "",
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show what was done at the targets and decided about it, the newest first."""
    settings = load(config)
    wanted = make_filter(
        settings, sources=sources, targets=targets, kinds=kinds, states=states, text=text, since=since,
        until=until, limit=limit, after=after, known_kinds=KINDS, known_states=STATES,
    )  # fmt: skip
    page = run_async(_read(settings, wanted))
    if json:
        print_json([describe_call(each) for each in page.rows])
    elif page.rows:
        print_table("Calls and decisions, the newest first (UTC)", _COLUMNS, map(_cells, page.rows))
    else:
        out.print("No such calls.")
    tell_more(page, wanted)


async def _read(settings: Settings, wanted: Filter) -> Page[PastCall]:
    async with opened_store(settings) as store:
        return await read_calls(store, open_desks(settings, store), wanted)


def describe_call(call: PastCall) -> dict[str, Any]:
    """Return a row of the history as JSON shows it."""
    row, texts = call.row, ("kind", "change", "outcome", "reason", "event", "delivery", "by", "why")
    told = {key: row.get(key, "") for key in texts}
    numbers = {key: row.get(key, 0) for key in ("status", "milliseconds")}
    about = {
        "id": call.id,
        "at": moment(row["at"]),
        "target": call.target,
        "object": plain_name(row["object"]),
    }
    return about | told | numbers | {"since": moment(row.get("since"))}


def _cells(call: PastCall) -> list[object]:
    row = call.row
    what, about = row["change"] or call.target, plain_name(row["object"])
    what += f" ({about})" if about not in what else ""
    by = f"by {row['by']}" if row.get("by") else ""
    reasons = "; ".join(filter(None, [by, row.get("reason", ""), row.get("why", "")]))
    return [call.id, brief_moment(row["at"]), row["outcome"], f"{what}: {reasons}" if reasons else what]
