"""`bridge audit`: who did what, when and why."""

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
    Targets,
    Text,
    Until,
    kind_option,
    make_filter,
    tell_more,
)
from bridge.operators.audit import JOINED, KINDS, REMOVED, Entry, read_audit
from bridge.operators.desks import open_desks
from bridge.operators.filters import Filter
from bridge.operators.pages import Page
from bridge.settings import Settings

Kinds = Annotated[list[str] | None, kind_option(KINDS)]
_TIMES = ("_at", "_since", "until")  # how the names of times end


def audit(
    *,
    targets: Targets = None,
    kinds: Kinds = None,
    text: Text = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 50,
    after: After = "",
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show who did what, when and why, and who got in and lost access, the newest first."""
    settings = load(config)
    wanted = make_filter(
        settings, targets=targets, kinds=kinds, text=text, since=since, until=until, limit=limit, after=after,
        known_kinds=KINDS,
    )  # fmt: skip
    page = run_async(_read(settings, wanted))
    if json:
        print_json([_row(entry) for entry in page.rows])
    elif page.rows:
        print_table("Audit", ("at", "what", "by", "why"), [_cells(entry) for entry in page.rows])
    else:
        out.print("Nothing of that kind was done.")
    tell_more(page, wanted)


async def _read(settings: Settings, wanted: Filter) -> Page[Entry]:
    async with opened_store(settings) as store:
        return await read_audit(store, open_desks(settings, store), wanted)


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id, "at": moment(entry.at), "kind": entry.kind, "target": entry.target or None,
        "object": entry.object or None, "what": entry.what, "by": entry.by or None, "why": entry.why,
        "detail": {name: _shown(name, value) for name, value in entry.detail.items()},
    }  # fmt: skip


def _shown(name: str, value: Any) -> Any:
    return moment(value) if name.endswith(_TIMES) and isinstance(value, int) else value


def _cells(entry: Entry) -> list[object]:
    approved = " (approved)" if entry.by and entry.kind in (REMOVED, JOINED) else ""
    what = " ".join(word for word in (entry.kind, entry.object, f"({entry.target or 'all'})") if word)
    return [brief_moment(entry.at), what, entry.by + approved, entry.why]
