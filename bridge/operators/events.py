"""The event log: what directories told and what was refused of it, the newest first."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import msgspec
import orjson

from bridge.directory.events import EventName, GroupNews, UserNews, decode_event, stamp_time
from bridge.directory.groups import decode_group
from bridge.directory.users import decode_user
from bridge.operators.filters import Filter
from bridge.operators.pages import Page, Raw, id_time, newest_first, order, row_id, split_id
from bridge.settings import Settings, SourceSettings
from bridge.store.dead_letters import UNREADABLE, dead_letters_key
from bridge.store.journal import START, Journal
from bridge.store.mirror import directory_name
from bridge.store.redis import Store
from bridge.store.tombstones import late_key

KINDS = tuple(name.value for name in EventName)
PENDING, PROCESSED, TOO_OLD, DEAD_LETTER, REFUSED = STATES = (
    "pending", "processed", "too_old", "dead_letter", "refused"
)  # fmt: skip
_REFUSED = "refused/"  # in ids, before a source: no journal is called so, in its name a slash follows a colon
_NOT_FOLDED = "it could not be processed ({}): see `bridge replay`"
_TOO_LATE = "not newer than what was forgotten or erased: it happened {} days before it arrived"


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event, or one thing that was refused. Times: unix ms, 0 for none.

    `id`: `okta/1795319083036-0`, of what was refused `refused/okta/1795319083036-0`; `at`: when it was
    stored; `happened_at`: by the sender's word, if that was earlier; `kind`: the event's name; `user`,
    `group`: as told, with the address and the name that they have now where it told none.
    """

    id: str
    at: int
    source: str
    delivery: str
    state: str = PROCESSED
    directory: str = ""
    happened_at: int = 0
    kind: str = ""
    user: UserNews | None = None
    group: GroupNews | None = None
    reason: str = ""


class EventLog:
    """The journals of all directories, and what was refused beside them."""

    def __init__(self, settings: Settings, store: Store) -> None:
        """`settings`: whose sources and targets the filters name."""
        self._settings = settings
        self._journal = Journal(store)
        self.store = store

    async def page(self, wanted: Filter) -> Page[LoggedEvent]:
        """Return events, the newest first. Raises ValueError for a wrong `after`, one of STORE_ERRORS."""
        return await newest_first(self.store, await self.streams(wanted), wanted, partial(self.read, wanted))

    async def find(self, ident: str) -> LoggedEvent | None:
        """Return one event, None when there is none. Raises ValueError for what is no id, or STORE_ERRORS."""
        name, row = split_id(ident)
        rows = await self.store.call("XRANGE", self._key(name), row, row)
        found = await self.read(Filter(), [(name, row, fields) for _, fields in rows])
        return found[0] if found else None

    # where events are

    async def streams(self, wanted: Filter) -> dict[str, str]:
        """Return the streams that may have wanted rows: the name they have in ids -> key."""
        sources, names = [each for each in self._settings.sources if _feeds(each, wanted)], list[str]()
        if not wanted.states or wanted.states - {REFUSED}:
            names += self._spoken_of(sources, await self._journal.directories())
        if REFUSED in (wanted.states or {REFUSED}) and not wanted.kinds:
            names += [_REFUSED + source.name for source in sources]
        return {name: self._key(name) for name in names}

    def _spoken_of(self, sources: Iterable[SourceSettings], directories: Iterable[str]) -> list[str]:
        """Return the directories that one of the sources speaks of, and those that none at all does."""
        known = {source.directory_name for source in self._settings.sources}
        others = known - {source.directory_name for source in sources}
        return [each for each in directories if directory_name(each) not in others]

    def _key(self, name: str) -> str:
        source = name.removeprefix(_REFUSED)
        return self._journal.key(name) if source == name else self.store.key("refused", source)

    # what they are

    async def read(self, wanted: Filter, raw: list[Raw]) -> list[LoggedEvent | None]:
        """Return what raw rows are, None for each that is not wanted. Raises one of STORE_ERRORS."""
        rows = [
            each for each in map(_read, raw) if each and wanted.admits(source=each.source, kind=each.kind)
        ]
        if wanted.text:
            rows = [each for each in await self._with_names(rows) if _has_text(wanted, each)]
        rows = [each for each in await self._with_states(rows) if _is_in(wanted, each)]
        found = {each.id: each for each in (rows if wanted.text else await self._with_names(rows))}
        return [found.get(row_id(name, row)) for name, row, _ in raw]

    async def _with_names(self, events: list[LoggedEvent]) -> list[LoggedEvent]:
        """Add the addresses and names that the mirror has where an event told none."""
        users: dict[str, set[str]] = defaultdict(set)
        groups: dict[str, set[str]] = defaultdict(set)
        for each in events:
            if each.user and not each.user.email:
                users[each.directory].add(each.user.id)
            if each.group and not each.group.name:
                groups[each.directory].add(each.group.id)
        emails = {key: decode_user(row).email for key, row in (await self._rows("users", users)).items()}
        names = {key: decode_group(row).name for key, row in (await self._rows("groups", groups)).items()}
        return [_named(each, emails, names) for each in events]

    async def _rows(
        self, what: str, idents: Mapping[str, Iterable[str]]
    ) -> dict[tuple[str, str], list[object]]:
        """Return rows of the mirror by directory and id. `idents`: by directory."""
        wanted = {directory: sorted(each) for directory, each in idents.items()}
        answers = await self.store.calls(
            [("HMGET", self.store.key(what, directory), *each) for directory, each in wanted.items()]
        )
        return {
            (directory, ident): orjson.loads(row)
            for (directory, each), rows in zip(wanted.items(), answers, strict=True)
            for ident, row in zip(each, rows, strict=True)
            if row
        }

    async def _with_states(self, events: list[LoggedEvent]) -> list[LoggedEvent]:
        """Add what became of each."""
        told: dict[str, list[str]] = defaultdict(list)
        for each in events:
            if each.state != REFUSED:
                told[each.directory].append(split_id(each.id)[1])
        answers = await self.store.calls([
            command
            for name, rows in told.items()
            for command in (
                ("GET", self._journal.cursor_key(name)),
                ("ZMSCORE", late_key(self.store, name), *rows),
                ("HMGET", dead_letters_key(self.store, name), *rows),
            )
        ])  # fmt: skip
        cursors, late, dead = dict(zip(told, answers[::3], strict=True)), set[str](), dict[str, str]()
        for (name, rows), scores, reasons in zip(told.items(), answers[1::3], answers[2::3], strict=True):
            late |= {row_id(name, row) for row, at in zip(rows, scores, strict=True) if at is not None}
            dead |= {row_id(name, row): why for row, why in zip(rows, reasons, strict=True) if why}
        judged = [_judged(each, cursors.get(each.directory), each.id in late) for each in events]
        return [_as_dead_letter(each, dead[each.id]) if each.id in dead else each for each in judged]


def _feeds(source: SourceSettings, wanted: Filter) -> bool:
    """Tell whether a source is wanted, and speaks to a wanted target."""
    elsewhere = wanted.targets and source.targets is not None and not wanted.targets & set(source.targets)
    return (not wanted.sources or source.name in wanted.sources) and not elsewhere


def _read(raw: Raw) -> LoggedEvent | None:
    """Return a row as it lies there; None for what is shown elsewhere: notices, and what came too late."""
    name, row, fields = raw
    ident, source = row_id(name, row), name.removeprefix(_REFUSED)
    if source == name:
        return _read_event(ident, name, fields)
    told = orjson.loads(fields["r"])
    if "notice" in told or "event" in told:
        return None
    return LoggedEvent(ident, id_time(ident), source, told["delivery"], REFUSED, reason=told["reason"])


def _read_event(ident: str, directory: str, fields: Mapping[str, str]) -> LoggedEvent:
    try:
        event = decode_event(orjson.loads(fields["e"]))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return LoggedEvent(ident, id_time(ident), "", "", directory=directory, reason=UNREADABLE)
    return LoggedEvent(
        ident, id_time(ident), event.source, event.delivery, PROCESSED, directory,
        stamp_time(event.stamp), event.name.value, event.user, event.group,
    )  # fmt: skip


def _named(
    event: LoggedEvent,
    emails: Mapping[tuple[str, str], str | None],
    names: Mapping[tuple[str, str], str | None],
) -> LoggedEvent:
    user, group = event.user, event.group
    if user and not user.email:
        user = msgspec.structs.replace(user, email=emails.get((event.directory, user.id)))
    if group and not group.name:
        group = msgspec.structs.replace(group, name=names.get((event.directory, group.id)))
    return event if (user, group) == (event.user, event.group) else replace(event, user=user, group=group)


def _judged(event: LoggedEvent, cursor: str | None, late: bool) -> LoggedEvent:
    """Return the event with what became of it, by how far its directory was folded."""
    if event.state == REFUSED:
        return event
    if late:
        days = (event.at - event.happened_at) // 86_400_000
        return replace(event, state=TOO_OLD, reason=_TOO_LATE.format(days))
    row = split_id(event.id)[1]
    return replace(event, state=PENDING) if order(row) > order(cursor or START) else event


def _as_dead_letter(event: LoggedEvent, reason: str) -> LoggedEvent:
    return replace(event, state=DEAD_LETTER, reason=_NOT_FOLDED.format(reason))


def _is_in(wanted: Filter, event: LoggedEvent) -> bool:
    return not wanted.states or event.state in wanted.states


def _has_text(wanted: Filter, event: LoggedEvent) -> bool:
    user = (event.user.id, event.user.email) if event.user else ()
    group = (event.group.id, event.group.name) if event.group else ()
    texts = (event.id, event.source, event.delivery, event.reason, *user, *group)
    return wanted.admits(texts=texts)
