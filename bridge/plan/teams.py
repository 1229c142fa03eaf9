"""Which teams a group becomes: `[[targets.teams]]`, every matching rule gives one."""

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.plan.people import GroupView
from bridge.plan.scope import group_matches
from bridge.settings import TeamRule

TITLE_MOST = 64  # facts/gitbook-api.md: createOrganizationTeam, title 1..64 characters


@dataclass(frozen=True, slots=True)
class TeamBinding:
    """What is known of a team. Its key is the title it should have.

    `id`, `title`: at the target, None while it is not found or made there; `made`: by the bridge,
    not adopted; `groups`: refs of the groups that map to it; `creating`: when a call that makes it was
    last begun, unix ms.
    """

    id: str | None = None
    title: str | None = None
    made: bool = False
    groups: tuple[str, ...] = ()
    creating: int = 0


def titles_of(rules: Iterable[TeamRule], group: GroupView) -> tuple[str, ...]:
    """Return the titles of the teams that a group becomes, stripped, in the order of the rules."""
    if group.name is None:
        return ()
    matching = [rule.team for rule in rules if group_matches(rule.group, group)]
    titles = dict.fromkeys(text.replace("{group}", group.name).strip() for text in matching)
    fitting = tuple(title for title in titles if 0 < len(title) <= TITLE_MOST)
    return fitting or tuple(title for title in titles if title)


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
