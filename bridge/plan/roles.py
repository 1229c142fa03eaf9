"""Which role a person gets: `[[targets.roles]]`, the first match wins."""

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.plan.people import GroupView
from bridge.plan.scope import rule_matches
from bridge.settings import Role, RoleRule

RANKS: tuple[Role, ...] = ("guest", "read", "comment", "review", "edit", "create", "admin")


@dataclass(frozen=True, slots=True)
class RuledRole:
    """A role that a rule gives, and why.

    `group`: the one that the rule matched; `users`: refs of the directory users who are in it.
    """

    role: Role
    why: str
    group: GroupView
    users: tuple[str, ...] = ()


def is_lower(role: Role, than: Role) -> bool:
    """Tell whether a role grants less than another; one that GitBook has added since ranks highest."""
    return _rank(role) < _rank(than)


def _rank(role: Role) -> int:
    return RANKS.index(role) if role in RANKS else len(RANKS)


def ruled_role(rules: Iterable[RoleRule], groups: Iterable[GroupView]) -> RuledRole | None:
    """Return the role of the first rule that one of the groups matches, and why; None without one."""
    if found := role_rule(rules, groups):
        _, rule, group = found
        of = f', directory = "{rule.directory}"' if rule.directory else ""
        return RuledRole(rule.role, f'in group "{group.name}", rule group = "{rule.group}"{of}', group)
    return None


def role_rule(
    rules: Iterable[RoleRule], groups: Iterable[GroupView]
) -> tuple[int, RoleRule, GroupView] | None:
    """Return the first rule that one of the groups matches, with its place among the rules and that group."""
    held = sorted(groups, key=lambda group: group.ref)
    for number, rule in enumerate(rules):
        for group in held:
            if rule_matches(rule, group):
                return number, rule, group
    return None
