"""`bridge group`: who is in a group, which teams it becomes, who is missing or too many, what happened."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from bridge.commands.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    err,
    fail,
    load,
    opened_store,
    print_json,
    print_table,
    run_async,
    unix_ms,
)
from bridge.commands.filtering import Limit, Since, Sources, Targets, Text, Until, make_filter
from bridge.commands.subjects import (
    KINDS,
    Kinds,
    States,
    group_id,
    print_timeline,
    say,
    say_title,
    standing_json,
    standing_lines,
    timeline_json,
)
from bridge.operators.desks import open_desks
from bridge.operators.filters import Filter
from bridge.operators.group import (
    MOST_SHOWN,
    FoundGroup,
    GroupAnswer,
    GroupPlace,
    GroupTeam,
    Members,
    read_group,
)
from bridge.operators.timeline import OUTCOMES
from bridge.settings import Settings

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The group's name in any case, or its id: id:00g1, id:okta/00g1.",
        show_default=False,
    ),
]  # fmt: skip


def group(
    name: Name,
    *,
    sources: Sources = None,
    targets: Targets = None,
    kinds: Kinds = None,
    states: States = None,
    text: Text = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 50,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show a group's members, the teams it becomes, who is missing in them or too many, and what happened."""
    settings = load(config)
    wanted = make_filter(
        settings, sources=sources, targets=targets, kinds=kinds, states=states, text=text, since=since,
        until=until, limit=limit, known_kinds=KINDS, known_states=OUTCOMES,
    )  # fmt: skip
    answer, now = run_async(_read(settings, name, wanted))
    if answer is None:
        fail(
            f'nothing is known of a group "{name}": names are compared whole, in any case; an id is written '
            f'id:00g1. Look for a part of the name with `bridge events --kind group --text "{name}"`, '
            "and whether events are still to be processed with `bridge status`"
        )
    if json:
        print_json(describe(answer, name, now))
    elif answer.group:
        _print(answer, answer.group, now)
    if answer.group is None:
        _print_choice(answer, name, json)


async def _read(settings: Settings, name: str, wanted: Filter) -> tuple[GroupAnswer | None, int]:
    """Return the answer, and of when it is (unix ms)."""
    async with opened_store(settings) as store:
        desks, now = open_desks(settings, store), unix_ms()
        return await read_group(settings, store, desks, name, wanted, now), now


# as JSON


def describe(answer: GroupAnswer, name: str, now: int) -> dict[str, Any]:
    """Return what is known of a group as JSON shows it. `name`: that was asked for; `now`: unix ms."""
    return {
        "asked": name,
        "matches": [_found_json(each) for each in answer.matches],
        "group": _found_json(answer.group) if answer.group else None,
        "members": _members_json(answer.members) if answer.group else None,
        "targets": [_place_json(place, now) for place in answer.places],
        **timeline_json(answer.timeline),
    }


def _found_json(found: FoundGroup) -> dict[str, Any]:
    return {
        "directory": found.directory, "id": found.view.id, "name": found.view.name, "exists": found.exists,
        "choose": found.chosen_by,
    }  # fmt: skip


def _members_json(members: Members) -> dict[str, Any]:
    return {
        "count": members.count,
        "named": members.named,
        "looked_at": members.looked_at,
        "shown": [{"id": each.id, "email": each.email, "active": each.active} for each in members.shown],
    }


def _place_json(place: GroupPlace, now: int) -> dict[str, Any]:
    return {
        "target": place.target,
        "mode": place.mode,
        "halted": place.halted,
        "scope": place.scope,
        "roles": list(place.roles),
        "teams": [_team_json(team, now) for team in place.teams],
        **standing_json(place.standing, now),
    }


def _team_json(team: GroupTeam, now: int) -> dict[str, Any]:
    binding = team.binding
    return {
        "team": team.reason.title,
        "rule": team.reason.why,
        "id": binding.id if binding else None,
        "title": binding.title if binding else None,
        "made_by_bridge": bool(binding and binding.made),
        "known_members": team.known_members,
        "missing": list(team.missing),
        "extra": list(team.extra),
        "all_compared": team.whole,
        "differences": list(team.differences),
        **standing_json(team.standing, now),
    }


# as text


def _print_choice(answer: GroupAnswer, name: str, json: bool) -> None:
    rows = [
        (each.chosen_by, each.view.name, "exists" if each.exists else "deleted") for each in answer.matches
    ]
    if not json:
        print_table(f'Groups called "{name}"', ("choose by", "name", ""), rows)
    text = f"{len(rows)} groups are called so: choose one of them, such as `bridge group {rows[0][0]}`"
    err.print(text, highlight=False, markup=False, soft_wrap=True)


def _print(answer: GroupAnswer, found: FoundGroup, now: int) -> None:
    say_title(f"{found.view.name or found.view.id} ({group_id(found.view)})")
    say("exists" if found.exists else "was deleted, and so are its memberships")
    for other in answer.matches:
        if other != found:
            say(f"another of this name was deleted: `bridge group {other.chosen_by}` tells of it", 2)
    _print_members(answer.members)
    for place in answer.places:
        _print_place(place, now)
    if not answer.places:
        say("No target that was asked about follows its directory.")
    print_timeline(answer.timeline)


def _print_members(members: Members) -> None:
    more = f", more than the {members.looked_at} that were looked at" if _partly(members) else ""
    say(f"members: {members.count} of {members.named} who were ever named in it{more}", 2)
    names = [f"{each.email or each.id}{'' if each.active else ' (inactive)'}" for each in members.shown]
    rest = f" and {members.count - MOST_SHOWN} more" if members.count > MOST_SHOWN else ""
    if names:
        say(f"  {', '.join(names)}{rest}", 2)


def _partly(members: Members) -> bool:
    return members.looked_at < members.named


def _print_place(place: GroupPlace, now: int) -> None:
    say_title(f"{place.target} ({place.mode})")
    for line in _place_lines(place):
        say(line, 2)
    for line in standing_lines(place.standing, now):
        say(line, 2)
    for team in place.teams:
        for line in _team_lines(team):
            say(f"  {line}", 4)
        for line in standing_lines(team.standing, now):
            say(f"  {line}", 4)


def _place_lines(place: GroupPlace) -> Iterator[str]:
    if place.halted:
        yield f"nothing is done there now: {place.halted}"
    yield f"scope: {place.scope}" if place.scope else "scope: it lets nobody in (members.groups)"
    yield f"roles: {'; '.join(place.roles)}" if place.roles else "roles: no rule names it"
    if not place.teams:
        yield "teams: no rule makes it a team"


def _team_lines(team: GroupTeam) -> Iterator[str]:
    binding = team.binding
    there = (
        f"id {binding.id}, {'made' if binding.made else 'adopted'}" if binding and binding.id else "not there"
    )
    yield f"team {team.reason.title}: {team.reason.why}; {there}; {team.known_members} known member(s)"
    for word, emails in (("missing", team.missing), ("too many", team.extra)):
        if emails:
            yield f"{word}: {', '.join(emails)}"
    if not team.whole:
        yield "not everybody was compared: it is too large"
    yield from (f"to do: {change}" for change in team.differences)
