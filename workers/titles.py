"""Which titles groups map to: the index that teams are found by."""

from collections.abc import Sequence
from dataclasses import replace

from bridge.plan.teams import TeamBinding, keep_titles, moved_titles, titles_of
from bridge.store.mirror import Command, directory_name, split_ref
from bridge.store.work import Work
from workers.run import Run, team_object


async def index_groups(run: Run, works: Sequence[Work]) -> None:
    """Bring the index of groups and titles up to date for groups there is news of."""
    refs = [work.object[2:] for work in works]
    views = await run.worker.mirror.groups(refs)
    before, teams = await run.store.titles_of_groups(refs), await run.store.teams()
    changed: set[str] = set()
    commands: list[Command] = []
    for ref in sorted(refs):
        view, exists = views.get(ref, (None, False))
        if view is None and before.get(ref) and run.counts(ref):  # lost, not deleted: its teams stay its own
            run.worker.log.error("group.missing", target=run.target.name, group=split_ref(ref)[1])
            continue
        inside = exists and directory_name(split_ref(ref)[0]) in run.names
        titles = titles_of(run.target.teams, view) if view and inside else ()
        changed |= _remap(teams, ref, before.get(ref, ()), titles)
        commands.append(run.store.put_titles(ref, titles))
    changed |= set(keep_titles(teams))
    commands += [run.store.put_team(title, teams.get(title)) for title in sorted(changed)]
    news = max((work.news for work in works), default=0)
    commands += run.store.mark([team_object(title) for title in sorted(changed)], run.now, news)
    await run.commit([*commands, *(run.store.work.clear(work) for work in works)])


def _remap(
    teams: dict[str, TeamBinding], ref: str, before: tuple[str, ...], after: tuple[str, ...]
) -> set[str]:
    """Move a group from its old titles to its new ones; return the titles that changed.

    Where the group had a team to itself and the new title is free, the team goes along and is renamed.
    """
    if before == after:
        return set()
    for old, new in moved_titles(before, after):
        team, there = teams.get(old), teams.get(new, TeamBinding())
        if team and team.id and team.groups == (ref,) and not (there.id or there.groups):
            teams[new] = team
            del teams[old]
    for title in before:
        if title not in after and title in teams:
            groups = tuple(each for each in teams[title].groups if each != ref)
            teams[title] = replace(teams[title], groups=groups)
    for title in after:
        team = teams.get(title, TeamBinding())
        teams[title] = replace(team, groups=tuple(sorted({*team.groups, ref})))
    return set(before) | set(after)
