"""What became of one event at each target."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.directory.addresses import normalise_email
from bridge.operators.desks import Desk
from bridge.operators.events import LoggedEvent
from bridge.operators.pages import id_time, order, row_id
from bridge.operators.standing import Standing, member_idents, read_standings, team_idents
from bridge.settings import Settings
from bridge.store.history import Row
from bridge.store.mirror import MirrorStore, directory_name, make_ref
from bridge.store.targets import GROUP, MEMBER, TEAM, Cause, TargetStore

MOST_LATER = 5


@dataclass(frozen=True, slots=True)
class Effect:
    """What an event led to at one target.

    `calls`: rows of its history that the event stands behind, with their ids, the oldest first; `later`:
    where there are none, the next rows about the same people and teams, since newer news of them decided;
    `standing`: how the people, groups and teams that the event is about stand now, by their names on the
    work list; `causes`: what last spoke of each, where that is still kept.
    """

    target: str
    calls: Sequence[tuple[str, Row]] = ()
    later: Sequence[tuple[str, Row]] = ()
    standing: Mapping[str, Standing] = field(default_factory=dict)
    causes: Mapping[str, Cause] = field(default_factory=dict)


async def read_effects(
    settings: Settings, desks: Mapping[str, Desk], event: LoggedEvent, now: int
) -> list[Effect]:
    """Return what became of an event at the targets that follow its directory. `now`: unix ms.

    A person is looked up by the addresses they have or had, a group by the teams it was last mapped to.
    Raises one of STORE_ERRORS.
    """
    followers = [desks[target.name] for target in settings.targets_of(directory_name(event.directory))]
    return [await _read_effect(desk, event, now) for desk in followers]


async def _read_effect(desk: Desk, event: LoggedEvent, now: int) -> Effect:
    names = await _objects(desk.target, event)
    rows = {ident: row for name in names for ident, row in await desk.history.of(name)}
    ordered = [(row_id(desk.name, ident), rows[ident]) for ident in sorted(rows, key=order)]
    calls = [each for each in ordered if each[1].get("event") == event.id]
    later = [each for each in ordered if each[1].get("kind") and id_time(each[0]) >= event.at and not calls]
    standing = await read_standings(desk.target, await _idents(desk.target, names), now)
    return Effect(desk.name, calls, later[:MOST_LATER], standing, await desk.target.causes(names))


async def _objects(target: TargetStore, event: LoggedEvent) -> list[str]:
    """Return what an event is about, as the work list names it."""
    names: list[str] = []
    if event.user:
        known = await MirrorStore(target.store).part(event.directory, {event.user.id}, (), ())
        user = known.users.get(event.user.id)
        emails = {*(user.addresses if user else ()), normalise_email(event.user.email)}
        names += [MEMBER + email for email in sorted(filter(None, emails))]
    if event.group:
        ref = make_ref(event.directory, event.group.id)
        titles = await target.titles_of_groups([ref])
        names += [GROUP + ref, *(TEAM + title for title in sorted(titles.get(ref, ())))]
    return names


async def _idents(target: TargetStore, names: Collection[str]) -> dict[str, dict[str, str]]:
    """Return under which ids something about each object may be held: see `read_standings`."""
    teams = await target.teams()
    titles = {team.id: title for title, team in teams.items()}
    emails = [name.removeprefix(MEMBER) for name in names if name.startswith(MEMBER)]
    bindings = await target.members(emails)
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for email in emails:
        inside = bindings[email].teams if email in bindings else {}
        found[MEMBER + email] = member_idents(email, {ident: titles.get(ident, ident) for ident in inside})
    for name in names:
        if name.startswith(TEAM):
            team = teams.get(name.removeprefix(TEAM))
            found[name] = team_idents(name.removeprefix(TEAM), team.id if team else None)
    return found
