"""A write, told as the events that the journal keeps."""

from collections.abc import Iterable, Iterator

from bridge.directory.events import EventName, GroupNews, News, UserNews
from bridge.scim.rows import PREFIXES, Row, email_of
from bridge.sources.base import Notice

_LONGEST_NAME = 80  # characters of a group's that are told


def tell_resource(row: Row, before: Row | None) -> Iterator[News]:
    """Tell that a user or group is as in `row`; `before`: what it was, None when it is new.

    A row is the whole of it: a user without an address has none any more. Nothing is told of a group that
    keeps its name.
    """
    if row.kind == "User":
        name = EventName.USER_UPDATED if before else EventName.USER_CREATED
        yield News(name, user=UserNews(row.id, email_of(row.fields) or "", row.active))
    elif before is None or before.fields["displayName"] != row.fields["displayName"]:
        name = EventName.GROUP_UPDATED if before else EventName.GROUP_CREATED
        yield News(name, group=GroupNews(row.id, row.fields["displayName"]))


def tell_members(group: str, came: Iterable[str], went: Iterable[str]) -> Iterator[News]:
    """Tell who comes into a group and who goes."""
    for name, members in ((EventName.USER_REMOVED, went), (EventName.USER_ADDED, came)):
        for member in members:
            yield News(name, user=UserNews(member), group=GroupNews(group))


def tell_unknown(group: Row, members: Iterable[str]) -> list[Notice]:
    """Return what operators are to know of ids that a group names and no user has: they mean nobody.

    Groups within groups mean nothing to the bridge, and are not told of.
    """
    strangers = [member for member in members if not member.startswith(PREFIXES["Group"])]
    if not strangers:
        return []
    name = group.fields["displayName"][:_LONGEST_NAME]
    text = (
        f'the group "{name}" names members by ids that no user has: they are in no team, and counted nowhere'
    )
    return [Notice(0, text)]


def tell_end(row: Row) -> News:
    """Tell that a user or group is deleted."""
    if row.kind == "User":
        return News(EventName.USER_DELETED, user=UserNews(row.id, email_of(row.fields)))
    return News(EventName.GROUP_DELETED, group=GroupNews(row.id, row.fields["displayName"]))
