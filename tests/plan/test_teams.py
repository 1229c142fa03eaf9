"""Which teams a group becomes."""

import pytest

from bridge.plan.people import GroupView
from bridge.plan.teams import TITLE_MOST, moved_titles, title_problem, titles_of
from bridge.settings import TeamRule

LONG = "x" * 65


def group(name: str | None) -> GroupView:
    """A group of this name."""
    return GroupView("acme\x1fg1", "g1", name)


def rules(**pairs: str) -> list[TeamRule]:
    """Rules of `[[targets.teams]]`: a pattern and a title each."""
    return [TeamRule(group=pattern, team=title) for pattern, title in pairs.items()]


@pytest.mark.parametrize(
    ("told", "name", "titles"),
    [
        ({"*": "{group}"}, "Writers", ("Writers",)),
        ({"*": "IdP: {group}!"}, "Writers", ("IdP: Writers!",)),
        ({"*": "{group}"}, None, ()),
        ({}, "Writers", ()),
        ({"Editors": "{group}"}, "Writers", ()),
        ({"W*": "Docs", "Writers": "Everyone"}, "Writers", ("Docs", "Everyone")),
        ({"W*": "Docs", "Writers": " Docs "}, "Writers", ("Docs",)),
        ({"id:g1": "  {group} "}, "Writers", ("Writers",)),
        ({"*": "{group}"}, "{group}", ("{group}",)),
        ({"*": "{group}"}, "x" * 64, ("x" * 64,)),
    ],
)
def test_every_matching_rule_gives_a_title(
    told: dict[str, str], name: str | None, titles: tuple[str, ...]
) -> None:
    """In the order of the rules, stripped, each once."""
    assert titles == titles_of(rules(**told), group(name))


def test_an_application_is_no_team_unless_a_rule_names_it() -> None:
    """`*` means every group of people, not who is assigned to an application of Okta's."""
    application = GroupView("okta\x1f0oa1", "0oa1", "GitBook")
    assert titles_of(rules(**{"*": "{group}"}), application) == ()
    assert titles_of(rules(**{"*": "{group}", "id:0oa1": "Everyone"}), application) == ("Everyone",)
    assert titles_of(rules(**{"GitBook": "{group}"}), application) == ("GitBook",)
    assert titles_of(rules(**{"Git*": "{group}"}), application) == ("GitBook",)


def test_a_title_that_is_too_long() -> None:
    """It is told as it is, so that it is seen, unless another rule gives one that fits."""
    assert (LONG,) == titles_of(rules(**{"*": "{group}"}), group(LONG))
    assert ("Docs",) == titles_of(rules(**{"*": "{group}", "id:g1": "Docs"}), group(LONG))


def test_the_problem_of_a_title_names_the_rule_to_add() -> None:
    """With the numbers and the group."""
    assert title_problem("x" * TITLE_MOST) is None
    assert title_problem(LONG, group(LONG)) == (
        "the title has 65 characters, GitBook takes 64: add a rule [[targets.teams]] "
        f'group = "id:g1", team = "{"x" * 40}…"'
    )
    assert 'group = "…"' in (title_problem(LONG) or "")


@pytest.mark.parametrize(
    ("old", "new", "moved"),
    [
        (("A",), ("B",), [("A", "B")]),
        (("A", "Everyone"), ("B", "Everyone"), [("A", "B")]),
        (("A", "x A"), ("B", "x B"), [("A", "B"), ("x A", "x B")]),
        (("A",), (), []),
        ((), ("B",), []),
        (("A",), ("B", "C"), []),
        (("A",), ("A",), []),
    ],
)
def test_a_rename_moves_titles(
    old: tuple[str, ...], new: tuple[str, ...], moved: list[tuple[str, str]]
) -> None:
    """As many as there were before; another number is no rename."""
    assert moved == moved_titles(old, new)
