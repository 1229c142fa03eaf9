"""Who did what, when and why: what operators did, and who got in and lost access, in one list.

What operators did comes from the audit stream, who got in and lost access from the targets' evidence; both
are kept for `retention.evidence`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.operators.desks import Desk
from bridge.operators.filters import Filter
from bridge.operators.objects import plain_name
from bridge.operators.pages import Page, Raw, newest_first, row_id
from bridge.plan.changes import Invite, Remove
from bridge.store.audit import Audit, Deed, read_deed
from bridge.store.history import Row, read_row
from bridge.store.redis import Store

ACTIONS = (
    "approved",
    "rejected",
    "retried",
    "replayed",
    "paused",
    "resumed",
    "forgot",
    "kept",
    "erased",
    "trusted",
)
REMOVED, JOINED = "removed", "joined"
KINDS = (*ACTIONS, REMOVED, JOINED)
_PROVEN = {Remove.verb: REMOVED, Invite.verb: JOINED}
_DEEDS = "@audit"  # their stream's name, in ids; no target has such a name
_TOLD = (
    "outcome", "event", "held_since", "held_for", "approved_by", "approved_at", "approved_why",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit. `at`: unix ms; `kind`: one of KINDS; `object`: an e-mail, a title, a directory.

    `by`: who did it, or who approved a removal or an invite that had been held; "" where nobody had to.
    `what`: in words; `why`: a person's words, else the rule. `detail`: what else is known, its times in unix
    ms: `left_at` and `came_at` by the directory's word, `held_since`, `approved_at`.
    """

    id: str
    at: int
    kind: str
    target: str
    object: str
    what: str
    by: str = ""
    why: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


async def read_audit(store: Store, desks: Mapping[str, Desk], wanted: Filter) -> Page[Entry]:
    """Return who did what, the newest first. `wanted.text` is looked for in all that an entry tells.

    Raises ValueError for a wrong `after`, one of STORE_ERRORS.
    """
    streams = {_DEEDS: Audit(store).key}
    streams |= {name: desk.history.evidence_key for name, desk in desks.items() if wanted.admits(target=name)}

    async def read(raw: list[Raw]) -> list[Entry | None]:
        entries = [_entry(*each) for each in raw]
        return [entry if entry and _admits(wanted, entry) else None for entry in entries]

    return await newest_first(store, streams, wanted, read)


def _admits(wanted: Filter, entry: Entry) -> bool:
    texts = [entry.id, entry.object, entry.what, entry.by, entry.why, *map(str, entry.detail.values())]
    return wanted.admits(target=entry.target, kind=entry.kind, texts=texts)


def _entry(name: str, ident: str, fields: Mapping[str, str]) -> Entry | None:
    if name == _DEEDS:
        return _of_deed(row_id(name, ident), read_deed(fields))
    return _of_row(row_id(name, ident), name, read_row(fields))


def _of_deed(ident: str, deed: Deed) -> Entry:
    return Entry(
        ident,
        deed.at,
        deed.action,
        deed.target,
        plain_name(deed.object),
        deed.what,
        deed.by,
        deed.why,
        deed.detail,
    )


def _of_row(ident: str, target: str, row: Row) -> Entry | None:
    """Return who got in or lost access, None for a row of the evidence that does not tell it."""
    kind = _PROVEN.get(row.get("kind", ""))
    if kind is None:
        return None
    told = {name: row[name] for name in _TOLD if row.get(name)}
    since = {"left_at" if kind == REMOVED else "came_at": row["since"]} if row.get("since") else {}
    return Entry(
        ident, row["at"], kind, target, plain_name(row["object"]), row["change"], row.get("approved_by", ""),
        row.get("why", ""), since | told,
    )  # fmt: skip
