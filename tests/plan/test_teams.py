"""Which teams a group becomes."""

import pytest

from bridge.plan.people import GroupView
from bridge.plan.teams import (
    TITLE_MOST,
    TeamBinding,
    keep_titles,
    moved_titles,
    note_title,
    title_problem,
    titles_of,
    to_become,
    use_other,
    waits_for,
)
from bridge.settings import TeamRule
from bridge.targets.base import RemoteTeam

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


def team(ident: str, title: str, *groups: str) -> TeamBinding:
    """A team of the bridge's own, by its id and the title it has at the target."""
    return TeamBinding(ident, title, True, groups)


def wanted(*groups: str) -> TeamBinding:
    """A title that groups map to and no team is bound to."""
    return TeamBinding(groups=groups)


def remote(ident: str, title: str) -> RemoteTeam:
    """A team as the target lists it."""
    return RemoteTeam(ident, title, 0, 0, "")


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({"B": team("x", "A")}, {"A": team("x", "A")}, ["A", "B"]),
        ({"B": team("x", " A "), "A": wanted("g2")}, {"A": team("x", " A ", "g2")}, ["A", "B"]),
        ({"B": team("x", "A"), "A": team("y", "C", "g2")}, None, []),
        ({"B": team("x", "A", "g1"), "A": wanted("g2")}, None, []),
        ({"A": team("x", "A")}, None, []),
        ({"A": wanted("g1")}, None, []),
        (
            {"B": team("x", "A"), "C": team("y", "B")},
            {"A": team("x", "A"), "B": team("y", "B")},
            ["A", "B", "C"],
        ),
    ],
)
def test_a_team_without_groups_keeps_the_title_it_has(
    before: dict[str, TeamBinding], after: dict[str, TeamBinding] | None, changed: list[str]
) -> None:
    """Whoever wants that title takes the team over; what has groups, or whose title another gets, stays."""
    teams = dict(before)
    assert (keep_titles(teams), teams) == (changed, before if after is None else after)


@pytest.mark.parametrize(
    ("before", "title", "after", "changed"),
    [
        ({"B": team("x", "A", "g1")}, "B", {"B": wanted("g1"), "A": team("x", "A")}, ["A", "B"]),
        (
            {"B": team("x", "A", "g1"), "A": team("y", "B", "g2")},
            "B",
            {"A": team("x", "A", "g2"), "B": team("y", "B", "g1")},
            ["A", "B"],
        ),
        (
            {"B": team("x", "A", "g1"), "C": team("y", "B", "g2"), "A": team("z", "C", "g3")},
            "C",
            {"A": team("x", "A", "g3"), "B": team("y", "B", "g1"), "C": team("z", "C", "g2")},
            ["A", "B", "C"],
        ),
        (
            {"B": team("x", "A"), "A": team("y", "C", "g2")},
            "A",
            {"A": team("x", "A", "g2"), "C": team("y", "C")},
            ["A", "B", "C"],
        ),
        ({"B": team("x", "A", "g1"), "A": team("y", "A", "g2")}, "B", None, []),
    ],
)
def test_a_title_that_is_taken(
    before: dict[str, TeamBinding], title: str, after: dict[str, TeamBinding] | None, changed: list[str]
) -> None:
    """Teams keep the titles they have and change their groups; no team is forgotten on the way."""
    teams = dict(before)
    assert (use_other(teams, title), teams) == (changed, before if after is None else after)


def test_a_title_given_by_somebody_else_is_noted() -> None:
    """Once; a team that is not bound is nobody's."""
    teams = {"A": team("x", "A", "g1")}
    assert note_title(teams, remote("y", "B")) is None
    assert note_title(teams, remote("x", " A ")) is None
    assert note_title(teams, remote("x", "B")) == "A"
    assert (note_title(teams, remote("x", "B")), teams) == (None, {"A": team("x", "B", "g1")})


def test_what_a_title_waits_for() -> None:
    """For the team that has it to get its own."""
    teams = {"B": team("x", "A", "g1"), "A": wanted("g2")}
    assert waits_for(teams, "A", remote("x", "A")) == "B"
    assert waits_for(teams, "B", remote("x", "A")) is None
    assert waits_for(teams, "A", remote("y", "A")) is None
    assert to_become("A", "B") == "the team A is to become B first"
    assert to_become("A", "B", "no") == "the team A is to become B first, given up: no"
