"""Who is provisioned at all: `[targets.members]`."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from bridge.plan.people import GroupView, Person, UserView
from bridge.settings import MemberScope

# What GitBook takes for an address is not written down; this is the shape without which no mail arrives.
_ADDRESS = re.compile(r"[^@\s<>,;\"()\[\]\\]+@[^@\s<>,;\"'()\[\]\\.]+(\.[^@\s<>,;\"'()\[\]\\.]+)+")


def is_address(email: str) -> bool:
    """Tell whether the text can be an e-mail address."""
    return bool(_ADDRESS.fullmatch(email)) and len(email) <= 320


def group_matches(pattern: str, group: GroupView) -> bool:
    """Match a group by a glob on its name, by the name itself whatever it holds, or by `id:…`."""
    if pattern.startswith("id:"):
        return group.id == pattern[3:]
    return group.name is not None and (group.name == pattern or fnmatchcase(group.name, pattern))


def email_matches(patterns: Iterable[str], email: str) -> bool:
    """Match an address by globs, whatever the case."""
    return any(fnmatchcase(email, pattern.strip().lower()) for pattern in patterns)


def is_excluded(scope: MemberScope, email: str) -> bool:
    """Tell whether the address is never invited and never removed."""
    return email_matches(scope.exclude, email)


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


def _any_group(scope: MemberScope, groups: Iterable[GroupView]) -> bool:
    if not scope.groups:
        return True
    return any(group_matches(pattern, group) for group in groups for pattern in scope.groups)
