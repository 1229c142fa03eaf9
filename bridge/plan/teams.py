"""Which teams a group becomes: `[[targets.teams]]`, every matching rule gives one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bridge.plan.people import GroupView
from bridge.plan.scope import rule_matches
from bridge.settings import TeamRule
from bridge.targets.base import RemoteTeam

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
        if (rule.group != "*" or not is_application(group.id)) and rule_matches(rule, group):
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


def title_there(team: TeamBinding) -> str:
    """Return the title that a team has at the target, as titles are compared; "" while it is not bound."""
    return (team.title or "").strip()


def is_renamed(team: TeamBinding, title: str) -> bool:
    """Tell whether a team is to get the title that its groups have now."""
    return bool(team.id and team.groups and title_there(team) != title)


def keep_titles(teams: dict[str, TeamBinding]) -> list[str]:
    """Let each team that lost its groups before it was renamed keep the title it has at the target.

    Nobody renames it any more, so nobody may wait for that: whoever wants the title it has takes it over,
    with the groups that map to that title, and without one it is a team that nobody needs. Where another
    team is to get that title, it is left until that one asks for it. `teams`: by the titles they should
    have; they are changed. Returns the titles of which something changed, sorted.
    """
    changed: set[str] = set()
    for title in sorted(teams):
        team = teams[title]
        there = title_there(team)
        if not team.id or team.groups or there in ("", title):
            continue
        owner = teams.get(there, TeamBinding())
        if owner.id is None:
            teams[there] = replace(team, groups=owner.groups)
            del teams[title]
            changed |= {title, there}
    return sorted(changed)


def use_other(teams: dict[str, TeamBinding], title: str) -> list[str]:
    """Let a title that is taken be the other team's: the team keeps the title it has and changes its groups.

    Where that title was to be another team's, this one keeps its own in turn, and so on: teams that are to
    have each other's titles, in a ring of any length, all keep theirs, and their people move. Returns the
    titles of which something changed; nothing is changed, and none returned, where two teams have one title.
    """
    moved: dict[str, TeamBinding] = {}
    team, key = teams[title], title
    while team.id:
        key = title_there(team)
        if key in moved:
            return []
        moved[key] = team
        team = teams.get(key, TeamBinding()) if key != title else TeamBinding()
    groups = {each: teams.get(each, TeamBinding()).groups for each in (title, *moved)}
    teams[title] = TeamBinding()
    teams |= moved
    for each, refs in groups.items():
        teams[each] = replace(teams[each], groups=refs)
    return sorted({*groups, *keep_titles(teams)})


def moving(teams: Mapping[str, TeamBinding], titles: Iterable[str]) -> list[str]:
    """Return the ids of the teams of these titles whose people move."""
    return [ident for title in titles if (ident := teams.get(title, TeamBinding()).id)]


def note_title(teams: dict[str, TeamBinding], remote: RemoteTeam) -> str | None:
    """Note the title that a bound team was given at the target by somebody else.

    Returns the title it should have, if it is another one than was known; None when nothing is new.
    """
    title = bound_to(teams, remote.id)
    if title is None or title_there(teams[title]) == remote.title.strip():
        return None
    teams[title] = replace(teams[title], title=remote.title)
    return title


def waits_for(teams: Mapping[str, TeamBinding], title: str, remote: RemoteTeam) -> str | None:
    """Return the title that the team which has this one is to get first, None when it may be bound here."""
    holder = bound_to(teams, remote.id)
    return None if holder in (None, title) else holder


def to_become(title: str, holder: str, given_up: str = "") -> str:
    """Return in words what a title waits for: that its team gets the title of `holder`.

    `given_up`: why that is not even tried before somebody does something, "" while it is.
    """
    return f"the team {title} is to become {holder} first" + (given_up and f", given up: {given_up}")


def bound_to(teams: Mapping[str, TeamBinding], ident: str) -> str | None:
    """Return the title under which a team is bound already."""
    return next((title for title, team in teams.items() if team.id == ident), None)
