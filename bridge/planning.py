"""What would be done now and why: the same plan the worker makes, worked out without writing anything."""

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from bridge.plan.changes import (
    INVITES_AT_ONCE,
    Change,
    CreateTeam,
    DeleteTeam,
    Invite,
    Remove,
    RenameTeam,
    SetRole,
    UpdateTeamMembers,
)
from bridge.plan.guard import (
    Fresh,
    Hold,
    needs_person,
    never,
    over_invites,
    over_limit,
    over_team_limit,
    parked_id,
)
from bridge.plan.members import MemberBinding, MemberPlan, State, plan_member, want
from bridge.plan.people import Person
from bridge.plan.teams import TeamBinding, title_problem
from bridge.settings import Settings, TargetSettings
from bridge.store.mirror import MirrorStore
from bridge.store.targets import MEMBER, TEAM, TargetStore
from bridge.targets.base import Target
from bridge.targets.lists import find_members, find_teams, walk


@dataclass(frozen=True, slots=True)
class Step:
    """One change, and why it is held back, if it is."""

    change: Change
    held: str | None = None


@dataclass(slots=True)
class Plan:
    """All changes of one target, in the order in which they would be made.

    `notes`: what cannot be done, or is waited for, in words.
    """

    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """How many calls that write it takes."""
        go = [step.change for step in self.steps if step.held is None]
        invites = sum(isinstance(change, Invite) for change in go)
        return len(go) - invites + math.ceil(invites / INVITES_AT_ONCE)

    @property
    def seats(self) -> dict[str, int]:
        """How many paid seats it takes and frees."""
        go = [step.change for step in self.steps if step.held is None]
        added = sum(isinstance(change, Invite) for change in go)
        return {"added": added, "removed": sum(isinstance(change, Remove) for change in go)}

    def as_json(self) -> dict[str, Any]:
        """Return it as `bridge plan --json` prints it."""
        steps = [
            {
                "kind": step.change.kind,
                "object": step.change.object,
                "change": step.change.describe(),
                "why": step.change.why,
                "held": step.held,
            }
            for step in self.steps
        ]
        return {"changes": steps, "calls": self.calls, "seats": self.seats, "notes": self.notes}


def followed(settings: Settings, target: TargetSettings) -> set[str]:
    """Return the configured names of the directories a target follows."""
    told = settings.sources
    return {s.directory_name for s in told if s.targets is None or target.name in s.targets}


async def make_plan(settings: Settings, target: TargetSettings, store: TargetStore, client: Target) -> Plan:
    """Work out what would be done now for all that is due, waits, or was only planned.

    It reads the target where something is not known, and writes nothing anywhere. Raises TargetError.
    """
    names = followed(settings, target)
    objects = await _objects(store)
    emails = sorted(name[2:] for name in objects if name.startswith(MEMBER))
    persons = await MirrorStore(store.store).people(emails, names)
    teams = await store.teams()
    bindings = await _bindings(store, client, persons)
    plans = [plan_member(want(person, target), bindings[person.email], target, teams) for person in persons]
    titles = {name[2:] for name in objects if name.startswith(TEAM)} & set(teams)
    plan = Plan()
    steps = await _people_steps(target, store, client, plans)
    steps += await _team_steps(target, store, client, plans, teams)
    steps += await _title_steps(client, plans, teams, titles)
    plan.steps = sorted(steps, key=lambda step: step.change.sort_key)
    plan.notes = [f"{p.wanted.email}: {p.impossible}" for p in plans if p.impossible]
    plan.notes += [f"{p.wanted.email}: pending invite: revoke it in GitBook" for p in plans if p.pending]
    failed = sorted(await store.store.call("SMEMBERS", store.key("no_sso")))
    plan.notes += [
        f"{email}: no SSO user: GitBook says they belong to another organisation" for email in failed
    ]
    plan.notes += [f"{title}: {problem}" for title in teams if (problem := title_problem(title))]
    return plan


async def _objects(store: TargetStore) -> set[str]:
    planned, work = await store.store.calls(
        [("SMEMBERS", store.key("planned")), ("ZRANGE", store.key("work"), 0, -1)]
    )
    return {*planned, *work, *(held.object for held in (await store.parked()).values())}


async def _bindings(store: TargetStore, client: Target, persons: list[Person]) -> dict[str, MemberBinding]:
    """Return what is known of people, reading those that are not known yet."""
    emails = [person.email for person in persons]
    known = await store.members(emails)
    missing = [email for email in emails if email not in known]
    found, _ = await find_members(client, missing) if missing else ({}, 1)
    for email, remote in found.items():
        known[email] = MemberBinding(State.ABSENT)
        if remote:
            known[email] = MemberBinding(State.KNOWN, remote.id, remote.role, remote.sso, kept=True)
    return known


async def _people_steps(
    target: TargetSettings, store: TargetStore, client: Target, plans: list[MemberPlan]
) -> list[Step]:
    changes = sorted((c for plan in plans for c in plan.changes), key=lambda change: change.sort_key)
    guarded = [c for c in changes if isinstance(c, Remove) or _takes_admin(c)]
    steps = [Step(c) for c in changes if c not in guarded and not isinstance(c, Invite)]
    steps += await _invite_steps(target, store, [c for c in changes if isinstance(c, Invite)])
    if not guarded:
        return steps
    owner = await client.owner()
    admins = {member.id for member in (await client.members(role="admin")).items}
    parked = await store.parked()
    start = await store.store.call("ZRANGE", store.key("sizes"), 0, 0)
    window, size = await _counted(target, store, "guard"), int(start[0].partition(":")[2]) if start else 0
    for change in guarded:
        ident: str = change.id
        fresh = Fresh(ident == owner, ident in admins, admins == {ident})
        hold = never(fresh)
        if isinstance(change, Remove):
            waits = parked.get(parked_id("remove", change.object))
            hold = Hold(waits.reason) if waits else hold or needs_person(target.guard, change, fresh)
            hold = hold or over_limit(target.guard, window, size)
            window += hold is None
        if hold is None:
            admins.discard(ident)
        steps.append(Step(change, hold.reason if hold else None))
    return steps


def _takes_admin(change: Change) -> TypeGuard[SetRole]:
    return isinstance(change, SetRole) and change.was == "admin"


async def _invite_steps(target: TargetSettings, store: TargetStore, invites: list[Invite]) -> list[Step]:
    parked, invited = await store.parked(), await _counted(target, store, "invited")
    steps = []
    for invite in invites:
        waits = parked.get(parked_id("invite", invite.object))
        hold = Hold(waits.reason) if waits else over_invites(target.guard, invited)
        invited += hold is None
        steps.append(Step(invite, hold.reason if hold else None))
    return steps


async def _counted(target: TargetSettings, store: TargetStore, what: str) -> int:
    """Return how many the guard has counted; the worker lets go of those before its window."""
    newest = await store.store.call("ZREVRANGE", store.key(what), 0, 0, "WITHSCORES")
    if not newest:
        return 0
    start = float(newest[1]) - target.guard.window * 1000
    return int(await store.store.call("ZCOUNT", store.key(what), start, "+inf"))


async def _team_steps(
    target: TargetSettings,
    store: TargetStore,
    client: Target,
    plans: list[MemberPlan],
    teams: dict[str, TeamBinding],
) -> list[Step]:
    join, leave = _moves(plans, teams)
    unbound = [title for title in join if not teams.get(title, TeamBinding()).id]
    there = await find_teams(client, unbound) if unbound else {}
    steps: list[Step] = []
    for title in sorted({*join, *leave}):
        ident, add = teams.get(title, TeamBinding()).id, sorted(join[title])
        if ident is None and title in there:
            ident = there[title].id
            add, leave[title] = await _adopted(client, plans, title, ident, add)
        if ident:
            steps += await _update_steps(target, store, UpdateTeamMembers(
                title, "the group's members", ident, tuple(add), tuple(sorted(leave[title])),
            ))  # fmt: skip
        elif not title_problem(title):
            steps.append(Step(CreateTeam(title, "its group has members", tuple(add))))
    return steps


def _moves(
    plans: list[MemberPlan], teams: dict[str, TeamBinding]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return by title who joins and who leaves."""
    join: dict[str, list[str]] = defaultdict(list)
    leave: dict[str, list[str]] = defaultdict(list)
    by_id = {team.id: title for title, team in teams.items() if team.id}
    for plan in plans:
        for title in plan.join:
            join[title].append(plan.wanted.email)
        for left in plan.leave:
            leave[by_id[left]].append(plan.wanted.email)
    return join, leave


async def _adopted(
    client: Target, plans: list[MemberPlan], title: str, ident: str, join: list[str]
) -> tuple[list[str], list[str]]:
    """Return who gets into a team that is there already, and who out of it: nobody the group never named."""
    inside = {member.email async for member in walk(lambda page: client.team_members(ident, page))}
    out = [
        plan.wanted.email
        for plan in plans
        if plan.wanted.email in inside
        and plan.wanted.member
        and title in plan.wanted.named_titles - plan.wanted.titles
    ]
    return [email for email in join if email not in inside], out


async def _update_steps(target: TargetSettings, store: TargetStore, change: UpdateTeamMembers) -> list[Step]:
    """Return the change; those who may not leave by themselves stand apart."""
    if not change.remove:
        return [Step(change)] if change.add else []
    lost = await _counted(target, store, f"losses:{change.id}")
    size = lost + int(await store.store.call("SCARD", store.roster_key(change.id)))
    waits = (await store.parked()).get(parked_id("team", change.id))
    hold = Hold(waits.reason) if waits else over_team_limit(target.guard, len(change.remove), lost, size)
    if hold is None:
        return [Step(change)]
    stay = Step(replace(change, add=()), hold.reason)
    return [*([Step(replace(change, remove=()))] if change.add else []), stay]


async def _title_steps(
    client: Target, plans: list[MemberPlan], teams: dict[str, TeamBinding], titles: set[str]
) -> list[Step]:
    """Return renames, and the teams that go once they are empty."""
    changes: list[Change] = []
    for title in sorted(titles):
        team = teams[title]
        if team.id and team.groups and (team.title or "").strip() != title and not title_problem(title):
            changes.append(RenameTeam(title, "its group was renamed", team.id, team.title or ""))
        elif team.id and team.made and not team.groups:
            remote = await client.team(team.id)
            leaving = sum(team.id in plan.leave for plan in plans)
            if remote.members <= leaving and not remote.spaces:
                changes.append(DeleteTeam(title, "no group maps to it any more", team.id))
    return [Step(change) for change in changes]
