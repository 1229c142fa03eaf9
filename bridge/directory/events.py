"""What a directory tells: eight kinds of event and three of its connection, and when each happened."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

_ORDER_BITS = 9
_ORDER_MAX = (1 << _ORDER_BITS) - 1
_QUOTE_BITS = 20  # by so many a quote's stamp is shifted down: it keeps about two seconds of its order
_QUOTES_END = 1 << 33  # no quote's stamp reaches it before the year 2240, no other is below it


class EventName(StrEnum):
    """The eight names that directory-sync products share, and three of ours for a directory's connection."""

    USER_CREATED = "user.created"
    USER_UPDATED = "user.updated"
    USER_DELETED = "user.deleted"
    GROUP_CREATED = "group.created"
    GROUP_UPDATED = "group.updated"
    GROUP_DELETED = "group.deleted"
    USER_ADDED = "group.user_added"
    USER_REMOVED = "group.user_removed"
    CONNECTION_ACTIVATED = "connection.activated"
    CONNECTION_DEACTIVATED = "connection.deactivated"
    CONNECTION_DELETED = "connection.deleted"

    @property
    def is_membership(self) -> bool:
        """True for the two events that name a user and a group."""
        return self in _MEMBERSHIPS

    @property
    def is_connection(self) -> bool:
        """True for the three events about the connection to a directory, and nobody in it."""
        return self in _CONNECTIONS

    @property
    def is_user(self) -> bool:
        """True for the three events about a user alone."""
        return self in _USERS


_ENDS = frozenset({EventName.USER_DELETED, EventName.GROUP_DELETED, EventName.USER_REMOVED})
_USERS = frozenset({EventName.USER_CREATED, EventName.USER_UPDATED, EventName.USER_DELETED})
_MEMBERSHIPS = frozenset({EventName.USER_ADDED, EventName.USER_REMOVED})
_CONNECTIONS = frozenset({
    EventName.CONNECTION_ACTIVATED, EventName.CONNECTION_DEACTIVATED, EventName.CONNECTION_DELETED,
})  # fmt: skip
_NAMES = {name.value: name for name in EventName}  # finding one here is faster than EventName(...)
EVENT_NAMES = {value: name for value, name in _NAMES.items() if name not in _CONNECTIONS}  # the eight


class UserNews(Struct, frozen=True):
    """What an event says of a user. None: it says nothing of that field; an `email` of "": they have none.

    `updated`: when that was so, unix milliseconds, where the event is about something else and quotes it.
    """

    id: str
    email: str | None = None
    active: bool | None = None
    updated: int | None = None


class GroupNews(Struct, frozen=True):
    """What an event says of a group. `members`: the whole list, as PUT-style providers tell it.

    `updated`: as of `UserNews`.
    """

    id: str
    name: str | None = None
    members: tuple[str, ...] | None = None
    updated: int | None = None


class News(Struct, frozen=True):
    """One event as a sender told it, before it is stored.

    `told`: when it happened by the sender's word, unix milliseconds, None without one.
    `directory_id`: the sender's own id of the directory, "" without one.
    `key`: what a repeat of this very delivery has in common with it (hashed), None: never a repeat.
    """

    name: EventName
    user: UserNews | None = None
    group: GroupNews | None = None
    told: int | None = None
    directory_id: str = ""
    key: bytes | None = None

    @property
    def takes_away(self) -> bool:
        """True when it ends something: a user or group, a membership, or that a user is active."""
        return _takes_away(self.name, self.user)


class DirectoryEvent(Struct, frozen=True):
    """One event of the journal. `stamp` says when it happened: see `make_stamp`."""

    name: EventName
    stamp: int
    user: UserNews | None = None
    group: GroupNews | None = None
    source: str = ""
    delivery: str = ""
    received: int = 0

    @property
    def takes_away(self) -> bool:
        """As of `News`."""
        return _takes_away(self.name, self.user)


def _takes_away(name: EventName, user: UserNews | None) -> bool:
    inactive = name.is_user and user is not None and user.active is False
    return inactive or name in _ENDS


def make_stamp(milliseconds: int, order: int, negative: bool) -> int:
    """Pack time, order within a body and sign into one number that sorts as news does.

    Later news wins; at equal times the later element of one body; and between bodies that which
    takes away (removed, inactive, deleted), so that a tie never leaves a leaver inside.
    """
    return (milliseconds << (_ORDER_BITS + 1)) | (min(order, _ORDER_MAX) << 1) | int(negative)


def negative(stamp: int) -> int:
    """Return the stamp with its sign set: the same moment, taking away."""
    return stamp | 1


def positive(stamp: int) -> int:
    """Return the stamp with its sign cleared: the same moment, giving."""
    return stamp & ~1


def is_negative(stamp: int) -> bool:
    """Tell whether the stamp's news takes something away."""
    return bool(stamp & 1)


def quoted(stamp: int, updated: int | None) -> int:
    """Return the stamp of what an event of this stamp only quotes of a user or group.

    A quote is as old as the sender says (`updated`, unix milliseconds), and never newer than the event.
    Without that it only fills gaps: it ranks below all that was ever told, quotes among themselves in the
    order of their events.
    """
    if updated is None:
        return positive(stamp >> _QUOTE_BITS)  # a bit of the time, or it would be taken for the sign
    return min(positive(stamp), make_stamp(updated, 0, False))


def known_time(stamp: int) -> int:
    """Return the stamp's time in unix milliseconds, 0 for what was only quoted: when is not known."""
    return 0 if stamp < _QUOTES_END else stamp_time(stamp)


def stamp_time(stamp: int) -> int:
    """Return the stamp's time in unix milliseconds."""
    return stamp >> (_ORDER_BITS + 1)


def told_time(item: News, arrived: int) -> int | None:
    """Return the time an element tells, None when it tells none that can be: before 1970, or to come."""
    return item.told if item.told is not None and 0 < item.told <= arrived else None


def stamp_body(news: Sequence[News], arrived: int, first_order: int = 0) -> list[int]:
    """Return a stamp (sign cleared) for each element of one body.

    An event happened when its sender says or when it arrived (`arrived`, unix milliseconds),
    whichever is earlier; a told time that is not after 1970 is none. Elements about the same thing at
    the same time keep their order in the body.
    `first_order`: where untimed elements start, for bodies that arrived in the same millisecond.
    """
    if len(news) == 1:
        told = told_time(news[0], arrived)
        return [make_stamp(arrived, first_order, False) if told is None else make_stamp(told, 0, False)]
    stamps: list[int] = []
    last: dict[tuple[int, str, str], int] = {}
    for item in news:
        told = told_time(item, arrived)
        at = arrived if told is None else told
        start = first_order if told is None else 0
        reads, writes = _subjects(item)
        order = max((last.get((at, *subject), start - 1) for subject in reads), default=start - 1) + 1
        for subject in writes:
            last[(at, *subject)] = max(order, last.get((at, *subject), 0))
        stamps.append(make_stamp(at, order, False))
    return stamps


def _subjects(item: News) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return what an element must come after, and what must come after it."""
    user = [("user", item.user.id)] if item.user else []
    if item.group is None:
        return user, user
    if item.user is None:
        return [("any of group", item.group.id)], [("group", item.group.id), ("any of group", item.group.id)]
    return [*user, ("group", item.group.id)], [*user, ("any of group", item.group.id)]


def encode_event(event: DirectoryEvent) -> dict[str, Any]:
    """Return the event as the short JSON object the journal keeps."""
    out: dict[str, Any] = {"n": event.name.value, "t": event.stamp}
    if event.user:
        out["u"] = [event.user.id, event.user.email, event.user.active]
        if event.user.updated is not None:
            out["u"].append(event.user.updated)
    if event.group:
        members = None if event.group.members is None else list(event.group.members)
        out["g"] = [event.group.id, event.group.name, members]
        if event.group.updated is not None:
            out["g"].append(event.group.updated)
    out["s"], out["d"], out["r"] = event.source, event.delivery, event.received
    return out


def decode_event(row: dict[str, Any]) -> DirectoryEvent:
    """Return the event that `encode_event` wrote.

    Raises KeyError, TypeError or ValueError for a row that it did not write.
    """
    user, group = row.get("u"), row.get("g")
    return DirectoryEvent(
        _NAMES[row["n"]],
        int(row["t"]),
        UserNews(*user) if user else None,
        _decode_group(*group) if group else None,
        row["s"],
        row["d"],
        int(row["r"]),
    )


def _decode_group(
    ident: str, name: str | None, members: list[str] | None, updated: int | None = None
) -> GroupNews:
    return GroupNews(ident, name, None if members is None else tuple(members), updated)
