"""A group of a directory, and who belongs to it."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from bridge.directory.events import EventName, GroupNews, is_negative, negative, positive
from bridge.directory.users import User

MOST_LISTS = 8  # of a group that are remembered


class Group(Struct, frozen=True):
    """A group. Each `…_at` is the stamp of the news that the field comes from (0: none yet)."""

    name: str | None = None
    name_at: int = 0
    created_at: int = 0
    deleted_at: int = 0

    @property
    def exists(self) -> bool:
        """A group exists unless deleted later than last created."""
        return self.deleted_at == 0 or self.created_at > self.deleted_at


class Membership(Struct, frozen=True):
    """What was told of one user in one group.

    `told_at`: the newest `user_added` or `user_removed`; `listed_at`: the newest change between two
    member lists; both signed stamps, 0 for none. The newer one counts.
    """

    told_at: int = 0
    listed_at: int = 0

    def holds(self, user: User, group: Group) -> bool:
        """Tell whether the user belongs to the group now: it counts only while the user is active."""
        return user.active and self.lasts(user, group)

    def lasts(self, user: User, group: Group) -> bool:
        """Tell whether the user, active or not, is in the group.

        It counts only while the group is there, and it is newer than the last deletion of either: coming
        back from a deletion starts without memberships.
        """
        over = max(user.deleted_at, group.deleted_at)
        return group.exists and self.at > 0 and not is_negative(self.at) and self.at > over

    @property
    def at(self) -> int:
        """The stamp of the newest news of it, 0 for none."""
        return max(self.told_at, self.listed_at)

    def ended_at(self, user: User, group: Group) -> int:
        """Return the stamp of what ended it, of several the first, 0 for unknown: call it when it is over.

        Who is taken out of a group when that is deleted, say, was out with the first of the two.
        """
        ends = [self.at] if is_negative(self.at) else []
        ends += [each.deleted_at for each in (user, group) if self.at <= each.deleted_at or not each.exists]
        return min(ends, default=0)


class MemberList(Struct, frozen=True):
    """A list of members as it was told from `first` to `last` (stamps) without a change between."""

    first: int
    last: int
    members: tuple[str, ...]


def tell_group(group: Group, name: EventName, news: GroupNews, stamp: int) -> Group:
    """Return the group after one piece of news, whatever came before it."""
    if name is EventName.GROUP_CREATED:
        group = replace(group, created_at=max(group.created_at, stamp))
    if name is EventName.GROUP_DELETED:
        group = replace(group, deleted_at=max(group.deleted_at, negative(stamp)))
    title = (news.name or "").strip()
    if title and (stamp, title) > (group.name_at, group.name or ""):
        group = replace(group, name=title, name_at=stamp)
    return group


def tell_membership(row: Membership, name: EventName, stamp: int) -> Membership:
    """Return the membership after a `user_added` or `user_removed`."""
    at = stamp if name is EventName.USER_ADDED else negative(stamp)
    return replace(row, told_at=max(row.told_at, at))


def tell_list(lists: tuple[MemberList, ...], members: Iterable[str], stamp: int) -> tuple[MemberList, ...]:
    """Return a group's lists with one more, in order of time.

    Providers that PUT groups show memberships only as whole lists; after a PATCH Jackson goes on
    telling the old list. So a list is news only where it differs from the one before it in time.
    """
    told = MemberList(stamp, stamp, tuple(sorted(set(members))))
    spread: list[MemberList] = []
    for each in lists:
        if each.first <= stamp <= each.last and each.members != told.members:
            spread += [
                MemberList(each.first, each.first, each.members),
                MemberList(each.last, each.last, each.members),
            ]
        else:
            spread.append(each)
    merged: list[MemberList] = []
    for each in sorted([*spread, told], key=lambda one: (one.first, one.last, one.members)):
        if merged and merged[-1].members == each.members:
            merged[-1] = MemberList(merged[-1].first, max(merged[-1].last, each.last), each.members)
        else:
            merged.append(each)
    return tuple(merged)


def listed_changes(lists: tuple[MemberList, ...]) -> dict[str, int]:
    """Return for each user the stamp of the newest change that the lists show.

    The first list is only what later ones are compared with.
    """
    changes: dict[str, int] = {}
    for before, after in pairwise(lists):
        for user in set(after.members) - set(before.members):
            changes[user] = positive(after.first)
        for user in set(before.members) - set(after.members):
            changes[user] = negative(after.first)
    return changes


def encode_group(group: Group) -> list[Any]:
    """Return the group as the short JSON list the mirror keeps."""
    return [group.name, group.name_at, group.created_at, group.deleted_at]


def decode_group(row: list[Any]) -> Group:
    """Return the group that `encode_group` wrote."""
    return Group(*row)


def encode_membership(row: Membership) -> str:
    """Return the membership as the mirror keeps it: `told` or `told:listed`."""
    return f"{row.told_at}:{row.listed_at}" if row.listed_at else str(row.told_at)


def decode_membership(text: str) -> Membership:
    """Return the membership that `encode_membership` wrote."""
    told, _, listed = text.partition(":")
    return Membership(int(told), int(listed or 0))
