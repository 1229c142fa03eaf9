"""Folding events into the mirror of one directory. Pure: what it needs goes in, what changed comes out."""

from collections import defaultdict
from dataclasses import dataclass, field

from msgspec.structs import replace

from bridge.directory.events import DirectoryEvent, EventName, GroupNews, UserNews, negative, positive, quoted
from bridge.directory.groups import (
    MOST_LISTS,
    Group,
    MemberList,
    Membership,
    listed_changes,
    tell_group,
    tell_list,
    tell_membership,
)
from bridge.directory.users import User, tell_user

Pair = tuple[str, str]  # (group id, user id)


@dataclass(slots=True)
class Mirror:
    """The part of a directory's mirror that some events need: what is not in it is not known yet."""

    users: dict[str, User] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    memberships: dict[Pair, Membership] = field(default_factory=dict)
    lists: dict[str, tuple[MemberList, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Touched:
    """What folding changed.

    `users`, `groups`, `memberships`, `lists`: what has to be written. `addressed`: users who have an
    address they did not have before; `named`: memberships nothing was known of before. `news_of_users`:
    users of whom anything changed that a plan may depend on; `news_of_groups`: groups of which that is
    so for all their members. `unresolved`: how many events named an id that nothing else is known of
    ("u:…" or "g:…"); `resolved`: ids of which now something is. `renamed`: groups with the names they had.
    """

    users: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    memberships: set[Pair] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    addressed: set[str] = field(default_factory=set)
    named: set[Pair] = field(default_factory=set)
    news_of_users: set[str] = field(default_factory=set)
    news_of_groups: set[str] = field(default_factory=set)
    unresolved: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    resolved: set[str] = field(default_factory=set)
    renamed: set[tuple[str, str]] = field(default_factory=set)


def needs(events: list[DirectoryEvent]) -> tuple[set[str], set[str], set[Pair]]:
    """Return the ids of users, groups and memberships that folding these events looks at."""
    users = {event.user.id for event in events if event.user}
    groups = {event.group.id for event in events if event.group}
    pairs = {(event.group.id, event.user.id) for event in events if event.group and event.user}
    pairs |= {(e.group.id, uid) for e in events if e.group for uid in e.group.members or ()}
    return users, groups, pairs


def tells_list(event: DirectoryEvent) -> bool:
    """Tell whether an event is folded into its group's lists: a group that is made has nobody in it."""
    group = event.group
    return group is not None and (group.members is not None or event.name is EventName.GROUP_CREATED)


def fold(mirror: Mirror, events: list[DirectoryEvent]) -> Touched:
    """Fold events into the mirror, in the order of the journal; the end does not depend on that order."""
    touched = Touched()
    for event in events:
        user, group, of_user, of_group = _told(event)
        if user:
            _fold_user(mirror, touched, event.name, user, of_user)
        if group:
            _fold_group(mirror, touched, event.name, group, of_group)
        if event.user and event.group and event.name.is_membership:
            pair = (event.group.id, event.user.id)
            before = mirror.memberships.get(pair, Membership())
            _put_membership(mirror, touched, pair, tell_membership(before, event.name, event.stamp))
        _count_unresolved(mirror, touched, event)
    return touched


def _told(event: DirectoryEvent) -> tuple[UserNews | None, GroupNews | None, int, int]:
    """Return what an event says of its user and group, and the stamps of that.

    A membership's event is about neither of them: it quotes them, perhaps from long before. One that takes
    somebody out of a group gives nothing: no address, no name, and nobody is active by it.
    """
    user, group = event.user, event.group
    if not event.name.is_membership:
        return user, group, event.stamp, event.stamp
    of_user = quoted(event.stamp, user.updated if user else None)
    of_group = quoted(event.stamp, group.updated if group else None)
    if event.name is EventName.USER_REMOVED:
        user = user and UserNews(user.id, active=False if user.active is False else None)
        group = group and GroupNews(group.id)
    return user, group, of_user, of_group


def _fold_user(mirror: Mirror, touched: Touched, name: EventName, news: UserNews, stamp: int) -> None:
    before = mirror.users.get(news.id)
    after = tell_user(before or User(), name, news, stamp)
    if after == before:
        return
    mirror.users[news.id] = after
    touched.users.add(news.id)
    if before is None or before.email != after.email or before.former != after.former:
        touched.addressed.add(news.id)
    if before is None or _shown_user(before) != _shown_user(after):
        touched.news_of_users.add(news.id)
    if after.email and not (before and before.email):
        touched.resolved.add(f"u:{news.id}")


def _shown_user(user: User) -> tuple[object, ...]:
    return user.email, user.active, user.former, user.deleted_at, user.episode


def _fold_group(mirror: Mirror, touched: Touched, name: EventName, news: GroupNews, stamp: int) -> None:
    before = mirror.groups.get(news.id)
    after = tell_group(before or Group(), name, news, stamp)
    if after != before:
        mirror.groups[news.id] = after
        touched.groups.add(news.id)
        if before is None or _shown_group(before) != _shown_group(after):
            touched.news_of_groups.add(news.id)
        if before and before.name and before.name != after.name:
            touched.renamed.add((news.id, before.name))
        if after.name and not (before and before.name):
            touched.resolved.add(f"g:{news.id}")
    if name is EventName.GROUP_CREATED:  # nobody was in it before, so its first list is news
        _fold_list(mirror, touched, news.id, (), stamp)
    if news.members is not None and name is not EventName.GROUP_DELETED:
        _fold_list(mirror, touched, news.id, news.members, stamp)


def _shown_group(group: Group) -> tuple[object, ...]:
    return group.name, group.exists, group.deleted_at


def _fold_list(mirror: Mirror, touched: Touched, group: str, members: tuple[str, ...], stamp: int) -> None:
    """Fold a list in; what it shows counts even where it is too old to be remembered itself."""
    before = mirror.lists.get(group, ())
    if before and before[-1].last < stamp:
        _fold_newest_list(mirror, touched, group, members, stamp)
        return
    after = tell_list(before, members, stamp)
    if after == before:
        return
    if after[-MOST_LISTS:] != before:
        mirror.lists[group] = after[-MOST_LISTS:]
        touched.lists.add(group)
    changes = listed_changes(after)
    for user in set(changes) | set(listed_changes(before)):
        row = mirror.memberships.get((group, user), Membership())
        kept = row.listed_at if row.listed_at <= negative(after[0].first) else 0  # its list was let go
        _put_membership(mirror, touched, (group, user), replace(row, listed_at=changes.get(user, kept)))


def _fold_newest_list(
    mirror: Mirror, touched: Touched, group: str, members: tuple[str, ...], stamp: int
) -> None:
    """Fold in a list that is newer than all before it, as nearly all are: what it changes is enough.

    It leads to what the general way leads to, in a time that grows with the members and not with the lists.
    """
    *older, last = mirror.lists[group]
    before, now = set(last.members), set(members)
    touched.lists.add(group)
    if now == before:
        mirror.lists[group] = (*older, replace(last, last=stamp))
        return
    told = MemberList(stamp, stamp, tuple(sorted(now)))
    mirror.lists[group] = (*older, last, told)[-MOST_LISTS:]
    for user in now ^ before:
        row = mirror.memberships.get((group, user), Membership())
        at = positive(stamp) if user in now else negative(stamp)
        _put_membership(mirror, touched, (group, user), replace(row, listed_at=at))


def _put_membership(mirror: Mirror, touched: Touched, pair: Pair, row: Membership) -> None:
    before = mirror.memberships.get(pair)
    if before != row:
        if before is None:
            touched.named.add(pair)
        mirror.memberships[pair] = row
        touched.memberships.add(pair)
        touched.news_of_users.add(pair[1])


def _count_unresolved(mirror: Mirror, touched: Touched, event: DirectoryEvent) -> None:
    """An event is unresolved while its user has no address or its group no name."""
    if event.user and not mirror.users[event.user.id].email:
        touched.unresolved[f"u:{event.user.id}"] += 1
    elif event.group and not mirror.groups[event.group.id].name:
        touched.unresolved[f"g:{event.group.id}"] += 1
