"""Which teams a group becomes: `[[targets.teams]]`, every matching rule gives one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bridge.plan.people import GroupView
from bridge.plan.scope import group_matches
from bridge.settings import TeamRule

TITLE_MOST = 64  # facts/gitbook-api.md: createOrganizationTeam, title 1..64 characters


@dataclass(frozen=True, slots=True)
class TeamBinding:
    """What is known of a team. Its key is the title it should have.

    `id`, `title`: at the target, None while it is not found or made there; `made`: by the bridge,
    not adopted; `groups`: refs of the groups that map to it.
    """

    id: str | None = None
    title: str | None = None
    made: bool = False
    groups: tuple[str, ...] = ()


def is_application(group_id: str) -> bool:
    """Tell whether a group is an application of Okta's, by its id: those it is assigned to are in it."""
    return group_id.startswith("0oa")


def titles_of(rules: Iterable[TeamRule], group: GroupView) -> tuple[str, ...]:
    """Return the titles of the teams that a group becomes, stripped, in the order of the rules."""
    return tuple(ruled_titles(rules, group))


def ruled_titles(rules: Iterable[TeamRule], group: GroupView) -> dict[str, tuple[int, TeamRule]]:
    """Return the teams that a group becomes: title -> the first rule that gives it, and its place before it.

    "*" means every group of people: who is assigned to an application is no team unless a rule names it.
    """
    if group.name is None:
        return {}
    titles: dict[str, tuple[int, TeamRule]] = {}
    for number, rule in enumerate(rules):
        if (rule.group != "*" or not is_application(group.id)) and group_matches(rule.group, group):
            titles.setdefault(rule.team.replace("{group}", group.name).strip(), (number, rule))
    titles.pop("", None)
    fitting = {title: rule for title, rule in titles.items() if len(title) <= TITLE_MOST}
    return fitting or titles


def title_problem(title: str, group: GroupView | None = None) -> str | None:
    """Return why a team cannot have this title and the rule to add; None when it can."""
    if len(title) <= TITLE_MOST:
        return None
    rule = f'group = "id:{group.id}"' if group else 'group = "…"'
    return (
        f"the title has {len(title)} characters, GitBook takes {TITLE_MOST}: "
        f'add a rule [[targets.teams]] {rule}, team = "{title[:40].rstrip()}…"'
    )


def moved_titles(old: tuple[str, ...], new: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (from, to) for titles that a group's rename changed, in the order of the rules."""
    gone = [title for title in old if title not in new]
    come = [title for title in new if title not in old]
    return list(zip(gone, come, strict=True)) if len(gone) == len(come) else []


def is_renamed(team: TeamBinding, title: str) -> bool:
    """Tell whether a team is to get the title that its groups have now."""
    return bool(team.id and team.groups and (team.title or "").strip() != title)


def use_other(teams: dict[str, TeamBinding], title: str) -> str:
    """Let a title that is taken be the other team's: the old team keeps its own and loses its groups.

    Where the two are to have each other's title they keep what they have and change groups. Returns the old
    title; the people of the old team, and of the other one where it is bound, move.
    """
    team = teams[title]
    old = (team.title or "").strip()
    there = teams.get(old, TeamBinding())
    swapped = (there.title or "").strip() == title
    teams[title] = replace(there if swapped else TeamBinding(), groups=team.groups)
    teams[old] = replace(team, groups=there.groups)
    return old


def moving(teams: Mapping[str, TeamBinding], *titles: str) -> list[str]:
    """Return the ids of the teams of these titles whose people move."""
    return [ident for title in titles if (ident := teams[title].id)]


def bound_to(teams: Mapping[str, TeamBinding], ident: str) -> str | None:
    """Return the title under which a team is bound already."""
    return next((title for title, team in teams.items() if team.id == ident), None)
