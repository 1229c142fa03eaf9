"""Who is provisioned at all: `[targets.members]`."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from bridge.directory.addresses import disguise
from bridge.plan.people import GroupView, Person, UserView
from bridge.settings import MemberScope, RoleRule, TeamRule

# What GitBook takes for an address is not written down; this is the shape without which no mail arrives.
_ADDRESS = re.compile(r"[^@\s<>,;\"()\[\]\\]+@[^@\s<>,;\"'()\[\]\\.]+(\.[^@\s<>,;\"'()\[\]\\.]+)+")


def is_address(email: str) -> bool:
    """Tell whether the text can be an e-mail address."""
    return bool(_ADDRESS.fullmatch(email)) and len(email) <= 320


def address_problem(email: str) -> str | None:
    """Return why nobody can be invited by an address, and the way out; None where somebody can."""
    if not is_address(email):
        return "it is not an e-mail address: give the user one in the directory"
    why = disguise(email)
    return (
        f"the address is not what people see: {why}: give the user another one in the directory"
        if why
        else None
    )


def group_matches(pattern: str, group: GroupView) -> bool:
    """Match a group by a glob on its name, by the name itself whatever it holds, or by `id:…`."""
    if pattern.startswith("id:"):
        return group.id == pattern[3:]
    return group.name is not None and (group.name == pattern or fnmatchcase(group.name, pattern))


def rule_matches(rule: RoleRule | TeamRule, group: GroupView) -> bool:
    """Tell whether a rule names a group: by its name or id, and by its directory where the rule has one."""
    return rule.directory in (None, group.directory) and group_matches(rule.group, group)


def entry_matches(scope: MemberScope, entry: str, group: GroupView) -> bool:
    """Tell whether an entry of `members.groups` names a group.

    A directory that no source speaks for any more goes on counting, so an entry that names it does too.
    """
    directory, pattern = scope.parse_group(entry)
    if directory is not None:
        return directory == group.directory and group_matches(pattern, group)
    front, slash, rest = entry.partition("/")
    return group_matches(entry, group) or (
        bool(slash and rest) and front == group.directory and group_matches(rest, group)
    )


def email_matches(patterns: Iterable[str], email: str) -> bool:
    """Match an address by globs, whatever the case."""
    return any(fnmatchcase(email, pattern.strip().lower()) for pattern in patterns)


def is_excluded(scope: MemberScope, email: str) -> bool:
    """Tell whether the address is never invited and never removed."""
    return email_matches(scope.exclude, email)


def exclusion(scope: MemberScope, email: str) -> tuple[int, str] | None:
    """Return the pattern that excludes an address, and its place among them; None for no such."""
    return next((each for each in enumerate(scope.exclude) if email_matches(each[1:], email)), None)


def admits_address(scope: MemberScope, email: str) -> bool:
    """Tell whether the address is of one of the scope's domains."""
    domain = email.rpartition("@")[2]
    return not scope.domains or domain in {each.strip().lower().removeprefix("@") for each in scope.domains}


def admits(scope: MemberScope, email: str, user: UserView) -> bool:
    """Tell whether a user with this address is to be a member now."""
    return user.active and admits_address(scope, email) and _any_group(scope, user.groups)


def ever_admitted(scope: MemberScope, person: Person) -> bool:
    """Tell whether the directory ever named the person inside the scope.

    Only such people are the bridge's to remove.
    """
    everyone = (*person.users, *person.former)
    return admits_address(scope, person.email) and any(_any_group(scope, user.named) for user in everyone)


def came_at(scope: MemberScope, email: str, users: Iterable[UserView]) -> int:
    """Return when the first of these users came to be admitted, unix ms by the directory's word; 0: unknown.

    They are admitted now. What was only said again counts as said then, so it may be later, never earlier.
    """
    return min((_came(scope, email, user) for user in users), default=0)


def _came(scope: MemberScope, email: str, user: UserView) -> int:
    inside = [user.member_at.get(group.ref, 0) for group in _matching(scope, user.groups)]
    return max(user.life_at, user.email_at if user.former else 0, min(inside, default=0))


def left_at(scope: MemberScope, person: Person) -> int:
    """Return when the last of a person's users left, unix ms by the directory's word; 0: unknown.

    None of them is admitted now. Unknown it is, too, when only the configuration shut them out.
    """
    times = [_left(scope, person.email, user) for user in (*person.users, *person.former)]
    return max(times, default=0)


def _left(scope: MemberScope, email: str, user: UserView) -> int:
    """Return when the first thing came that shuts a user out, 0 for unknown."""
    times = [] if user.active else [user.life_at]
    times += [user.email_at] if user.email != email else []
    known = [group.ref for group in _matching(scope, user.named)]
    if known and all(ref in user.out_at for ref in known):
        times.append(max(user.out_at[ref] for ref in known))
    return min(times, default=0)


def _matching(scope: MemberScope, groups: Iterable[GroupView]) -> list[GroupView]:
    return [group for group in groups if any(entry_matches(scope, entry, group) for entry in scope.groups)]


def _any_group(scope: MemberScope, groups: Iterable[GroupView]) -> bool:
    return not scope.groups or scope_group(scope, groups) is not None


def scope_group(scope: MemberScope, groups: Iterable[GroupView]) -> tuple[int, str, GroupView] | None:
    """Return the first of the scope's patterns that a group matches, its place among them, and the group."""
    held = list(groups)
    for number, pattern in enumerate(scope.groups):
        for group in held:
            if entry_matches(scope, pattern, group):
                return number, pattern, group
    return None
