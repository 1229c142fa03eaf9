"""Which role a person gets."""

from itertools import pairwise
from typing import Any

import pytest

from bridge.plan.people import GroupView
from bridge.plan.roles import RANKS, RuledRole, is_lower, ruled_role
from bridge.settings import RoleRule

ADMINS = GroupView("acme\x1fg1", "g1", "Admins")
EDITORS = GroupView("acme\x1fg2", "g2", "Editors")
RULES = [RoleRule(group="Admins", role="admin"), RoleRule(group="*", role="edit")]


def test_roles_have_an_order() -> None:
    """From a guest, who sees nothing by themselves, to an admin."""
    assert ("guest", "admin") == (RANKS[0], RANKS[-1])
    assert all(is_lower(one, other) for one, other in pairwise(RANKS))
    assert not any(is_lower(role, role) for role in RANKS)


def test_a_role_that_gitbook_has_added_since() -> None:
    """It ranks highest, so that taking it away is treated with care, and nothing breaks."""
    new: Any = "superadmin"
    assert (True, False) == (is_lower("admin", new), is_lower(new, "admin"))


@pytest.mark.parametrize("groups", [[ADMINS, EDITORS], [EDITORS, ADMINS]])
def test_the_first_rule_wins(groups: list[GroupView]) -> None:
    """The order of the rules counts, that of the groups does not."""
    first = RuledRole("admin", 'in group "Admins", rule group = "Admins"', ADMINS)
    assert first == ruled_role(RULES, groups)
    assert RuledRole("edit", 'in group "Admins", rule group = "*"', ADMINS) == ruled_role(RULES[::-1], groups)


def test_no_rule_matches() -> None:
    """Then it is not for the rules to say."""
    assert ruled_role(RULES[:1], [EDITORS]) is None
    assert ruled_role(RULES, []) is None
    assert ruled_role([], [ADMINS]) is None


def test_rules_by_id() -> None:
    """A renamed group keeps its role."""
    assert RuledRole("review", 'in group "Editors", rule group = "id:g2"', EDITORS) == ruled_role(
        [RoleRule(group="id:g2", role="review")], [ADMINS, EDITORS]
    )
