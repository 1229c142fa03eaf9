"""The guard at work: what is counted, what waits for a person, and what a person decided."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from bridge.plan.changes import Invite, Remove, SetRole
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
from bridge.plan.members import MemberBinding, MemberPlan
from bridge.store.mirror import Command
from bridge.store.targets import Decision, Held
from workers.run import Run

PENDING_REASON = "pending invite: revoke it in GitBook (its API cannot)"
LOOK_AGAIN = 3_600_000  # ms, for what GitBook shows only when somebody looks
REQUESTED_REASON = "removal requested; an organisation admin must confirm it, or use an admin's token"


@dataclass(slots=True)
class Guarded:
    """What may go on, and the commands that write down what may not."""

    go: list[MemberPlan] = field(default_factory=list)
    approved: set[str] = field(default_factory=set)
    commands: list[Command] = field(default_factory=list)


def removal_id(email: str) -> str:
    """Return the id under which a person's removal is held."""
    return parked_id("remove", email)


def invite_id(email: str) -> str:
    """Return the id under which an invite is held."""
    return parked_id("invite", email)


async def count(run: Run, what: str) -> int:
    """Return how many there were of something in the guard's window."""
    return int(await run.worker.store.call("ZCOUNT", run.store.key(what), _start(run), "+inf"))


def counted(run: Run, what: str, name: str) -> list[Command]:
    """Return the commands that count one more."""
    key = run.store.key(what)
    return [("ZADD", key, run.now, name), ("ZREMRANGEBYSCORE", key, "-inf", f"({_start(run)}")]


def _start(run: Run) -> int:
    return run.now - int(run.target.guard.window * 1000)


async def sample_size(run: Run) -> None:
    """Write down how many members are known, now and then, so that a window's start has its number."""
    key = run.store.key("sizes")
    now, step = run.now, int(run.target.guard.window * 1000 / 48)
    last = await run.worker.store.call("ZREVRANGE", key, 0, 0, "WITHSCORES")
    if last and now - float(last[1]) < step:
        return
    size = (await run.store.counts(now)).members
    old = await run.worker.store.call("ZREVRANGEBYSCORE", key, _start(run), "-inf", "LIMIT", 1, 1)
    commands: list[Command] = [("ZADD", key, now, f"{now}:{size}")]
    await run.commit(commands + [("ZREM", key, each) for each in old])


async def size_at_start(run: Run) -> int:
    """Return how many members were known when the window began."""
    key = run.store.key("sizes")
    rows = await run.worker.store.call("ZREVRANGEBYSCORE", key, _start(run), "-inf", "LIMIT", 0, 1)
    rows = rows or await run.worker.store.call("ZRANGE", key, 0, 0)
    return int(rows[0].partition(":")[2]) if rows else 0


async def read_fresh(run: Run, bindings: Iterable[MemberBinding]) -> dict[str, Fresh]:
    """Read what protects people from losing something; `bindings` were read just now. By member id."""
    at_stake = [binding for binding in bindings if binding.id]
    if not at_stake:
        return {}
    owner = await run.read(run.client.owner())
    admins: set[str] = set()
    if any(binding.role == "admin" for binding in at_stake):
        page = await run.read(run.client.members(role="admin", limit=1000))
        admins = {member.id for member in page.items}
    return {
        b.id: Fresh(b.id == owner, b.role == "admin" or b.id in admins, b.id in admins and len(admins) == 1)
        for b in at_stake
        if b.id
    }


async def guard_removals(run: Run, plans: list[MemberPlan]) -> Guarded:
    """Sort removals into those that may go on and those that wait.

    What waits stays so until it is approved, rejected, or no longer wanted.
    """
    result = Guarded()
    leaving = [plan for plan in plans if plan.removal or plan.pending]
    if not leaving:
        return result
    idents = [removal_id(plan.wanted.email) for plan in leaving]
    parked, decisions = await run.store.parked_of(idents), await run.store.decisions(idents)
    fresh = await read_fresh(run, [plan.binding for plan in leaving if plan.removal])
    removed, size = await count(run, "guard"), await size_at_start(run)
    any_admin = False
    for plan, ident in zip(leaving, idents, strict=True):
        decision = _standing(run, decisions.get(ident), plan.wanted.token)
        if decision and not decision.approved:
            result.commands += _look_at_end(run, decision, [plan.wanted.email])
            continue
        facts = fresh.get(plan.binding.id or "", Fresh())
        hold = _judge(run, plan, facts, parked.get(ident), decision, (removed, size))
        if hold:
            result.commands += _park(run, plan, ident, hold, parked.get(ident))
            continue
        if facts.is_admin and any_admin:  # one at a time, or both of the last two would go
            run.later["m:" + plan.wanted.email] = run.now
            continue
        any_admin = any_admin or facts.is_admin
        result.go.append(plan)
        if decision:
            result.approved.add(plan.wanted.email)
        else:
            removed += 1
    return result


def _standing(run: Run, decision: Decision | None, token: str) -> Decision | None:
    """Return a decision that still answers this news."""
    if decision is None or decision.token != token:
        return None
    return None if decision.until and decision.until * 1000 <= run.now else decision


def _look_at_end(run: Run, decision: Decision, emails: Iterable[str]) -> list[Command]:
    """Have people looked at again when their exception ends."""
    ends = math.ceil(decision.until * 1000)
    return [("ZADD", run.store.key("pending"), ends, email) for email in emails if ends]


def _judge(
    run: Run,
    plan: MemberPlan,
    fresh: Fresh,
    parked: Held | None,
    decision: Decision | None,
    window: tuple[int, int],
) -> Hold | None:
    removal, guard = plan.removal, run.target.guard
    if plan.pending or removal is None:
        return Hold(PENDING_REASON)
    if final := never(fresh):
        return final
    if decision:
        return None
    if hold := needs_person(guard, removal, fresh):
        return hold
    if parked and parked.token == plan.wanted.token and not _outdated(parked, removal):
        return Hold(parked.reason)
    return over_limit(guard, *window)


def _outdated(parked: Held, removal: Remove) -> bool:
    """Tell whether what someone was held for is not so any more.

    Whose address changed and who then left altogether is a leaver like any other, and so is whose
    invite was accepted.
    """
    moved = "address changed" in parked.reason
    return parked.reason == PENDING_REASON or (moved and not removal.moved_to)


def _park(run: Run, plan: MemberPlan, ident: str, hold: Hold, before: Held | None) -> list[Command]:
    email = plan.wanted.email
    change = plan.removal.describe() if plan.removal else f"revoke the invite of {email}"
    since = before.since if before else run.now
    if before is None:
        run.worker.log.warning("object.parked", target=run.target.name, object=email, reason=hold.reason)
    held = Held(ident, "m:" + email, change, hold.reason, since, 0, plan.wanted.token, hold.final)
    requested = hold.reason == REQUESTED_REASON  # an admin may confirm it at any time
    look = [("ZADD", run.store.key("pending"), run.now + LOOK_AGAIN, email)] if requested else []
    return [run.store.park(held), *look]


def park_requested(run: Run, plan: MemberPlan) -> list[Command]:
    """GitBook answered 202: nobody was removed."""
    return _park(run, plan, removal_id(plan.wanted.email), Hold(REQUESTED_REASON), None)


async def guard_lowering(run: Run, changes: list[SetRole]) -> list[SetRole]:
    """Return those lower roles that may be set: never the token's owner, never the last admin."""
    was_admin = [change for change in changes if change.was == "admin"]
    if not was_admin:
        return changes
    stakes = [MemberBinding(id=change.id, role=change.was) for change in was_admin]
    fresh = await read_fresh(run, stakes)
    parked = await run.store.parked_of([parked_id("role", change.object) for change in was_admin])
    allowed, commands, any_admin = [], [], False
    for change in changes:
        hold = never(fresh.get(change.id, Fresh()))
        ident = parked_id("role", change.object)
        if hold:
            since = parked[ident].since if ident in parked else run.now
            held = Held(ident, "m:" + change.object, change.describe(), hold.reason, since, final=True)
            commands.append(run.store.park(held))
        elif change.was == "admin" and any_admin:  # one at a time, or both of the last two would go
            run.later["m:" + change.object] = run.now
        else:
            any_admin = any_admin or change.was == "admin"
            allowed.append(change)
            commands += run.store.unpark(ident)
    await run.commit(commands)
    return allowed


async def guard_invites(run: Run, invites: list[Invite], tokens: dict[str, str]) -> list[Invite]:
    """Return those invites that may go on under `max_invites`."""
    if not run.target.guard.max_invites:
        return invites
    idents = {invite_id(each.object): each for each in invites}
    parked, decisions = await run.store.parked_of(idents), await run.store.decisions(idents)
    invited, go, commands = await count(run, "invited"), [], []
    for ident, invite in idents.items():
        token = tokens[invite.object]
        decision = _standing(run, decisions.get(ident), token)
        waits = parked.get(ident)
        hold = over_invites(run.target.guard, invited) or (Hold(waits.reason) if waits else None)
        if decision and decision.approved:
            go.append(invite)
        elif decision is None and hold:
            since = waits.since if waits else run.now
            held = Held(ident, "m:" + invite.object, invite.describe(), hold.reason, since, token=token)
            commands.append(run.store.park(held))
        elif decision is None:
            go.append(invite)
            invited += 1
    await run.commit(commands)
    return go


@dataclass(frozen=True, slots=True)
class Leaving:
    """Who may leave a team now: `free` to go, or `approved` by a person and not counted."""

    free: set[str]
    approved: set[str]


async def guard_team(run: Run, title: str, team: str, emails: Collection[str]) -> Leaving:
    """Sort out who may leave a team now; the others wait for a person, or stay as one has decided."""
    ident = parked_id("team", team)
    parked = (await run.store.parked_of([ident])).get(ident)
    decision = _standing(run, (await run.store.decisions([ident])).get(ident), "")
    decided = set(decision.emails) if decision else set()
    leaving, settled = set(emails) - decided, set(emails) & decided
    undecided = set(parked.emails) - decided if parked else set()
    window = await _team_window(run, team)
    hold = over_team_limit(run.target.guard, len(leaving), *window)
    hold = Hold(parked.reason) if parked and undecided else hold
    commands = _look_at_end(run, decision, sorted(settled)) if decision and not decision.approved else []
    if leaving and hold:
        commands.append(_park_team(run, title, ident, hold, leaving | undecided, parked))
        leaving = set()
    await run.commit(commands)
    return Leaving(leaving, settled if decision and decision.approved else set())


def _park_team(
    run: Run, title: str, ident: str, hold: Hold, emails: Collection[str], before: Held | None
) -> Command:
    since = before.since if before else run.now
    if before is None:
        run.worker.log.warning("object.parked", target=run.target.name, object=title, reason=hold.reason)
    change = f"take {len(emails)} member(s) out of team {title}"
    return run.store.park(Held(ident, "t:" + title, change, hold.reason, since, emails=tuple(sorted(emails))))


async def team_left(run: Run, team: str, emails: Collection[str]) -> list[Command]:
    """Return the commands that let go of what was held and decided about people leaving a team."""
    ident = parked_id("team", team)
    held, decided = await run.store.parked_of([ident]), await run.store.decisions([ident])
    return _without(run, ident, held.get(ident), decided.get(ident), emails)


def _without(
    run: Run, ident: str, held: Held | None, decision: Decision | None, emails: Collection[str]
) -> list[Command]:
    commands: list[Command] = []
    if held:
        stay = tuple(email for email in held.emails if email not in emails)
        change = f"take {len(stay)} member(s) out of team {held.object[2:]}"
        here = run.store.park(replace(held, emails=stay, change=change))
        commands.append(here if stay else ("HDEL", run.store.key("parked"), ident))
    if decision:
        stay = tuple(email for email in decision.emails if email not in emails)
        there = run.store.decide(ident, replace(decision, emails=stay))
        commands.append(there if stay else ("HDEL", run.store.key("decision"), ident))
    return commands


async def guard_deletion(run: Run, title: str, change: str) -> list[Command] | None:
    """Return the commands that count the deletion of a team; None when it waits for a person."""
    name = "t:" + title
    ident = parked_id("delete", name)
    parked = (await run.store.parked_of([ident])).get(ident)
    decision = _standing(run, (await run.store.decisions([ident])).get(ident), "")
    if decision:
        return [] if decision.approved else None
    window = await count(run, "guard"), await size_at_start(run)
    hold = Hold(parked.reason) if parked else over_limit(run.target.guard, *window)
    if hold is None:
        return counted(run, "guard", name)
    since = parked.since if parked else run.now
    await run.commit([run.store.park(Held(ident, name, change, hold.reason, since))])
    return None


async def release_deletions(run: Run, titles: Iterable[str]) -> list[Command]:
    """Return the commands that let go of held deletions of teams that are needed again, or gone."""
    idents = [parked_id("delete", "t:" + title) for title in titles]
    held, decided = await run.store.parked_of(idents), await run.store.decisions(idents)
    return [command for ident in {**held, **decided} for command in run.store.unpark(ident)]


async def _team_window(run: Run, team: str) -> tuple[int, int]:
    """Return how many a team lost in the window, and its size when the window was first looked at."""
    key = run.store.key("teamsizes")
    size = int(await run.worker.store.call("SCARD", run.store.roster_key(team)))
    row = await run.worker.store.call("HGET", key, team)
    at, _, then = (row or "0:0").partition(":")
    lost = await count(run, f"losses:{team}")
    if int(at) >= _start(run) and lost:
        return lost, max(int(then), size)
    await run.commit([("HSET", key, team, f"{run.now}:{size + lost}")])
    return lost, size + lost


async def release(run: Run, plans: list[MemberPlan]) -> list[Command]:
    """Return the commands that let go of what is held without a cause any more."""
    idents = [
        *(removal_id(plan.wanted.email) for plan in plans if not (plan.removal or plan.pending)),
        *(invite_id(plan.wanted.email) for plan in plans if not _invites(plan)),
        *(parked_id("role", plan.wanted.email) for plan in plans if not _lowers(plan)),
    ]
    held, decided = await run.store.parked_of(idents), await run.store.decisions(idents)
    commands = [command for ident in {**held, **decided} for command in run.store.unpark(ident)]
    return commands + await _release_teams(run, plans)


def _invites(plan: MemberPlan) -> bool:
    return any(isinstance(change, Invite) for change in plan.changes)


def _lowers(plan: MemberPlan) -> bool:
    return any(isinstance(change, SetRole) and change.lowers for change in plan.changes)


async def _release_teams(run: Run, plans: list[MemberPlan]) -> list[Command]:
    """Let go of those who do not leave a team any more: a decision about them is used up, too."""
    leaves = {plan.wanted.email: {parked_id("team", ident) for ident in plan.leave} for plan in plans}
    held = {ident: each for ident, each in (await run.store.parked()).items() if each.emails}
    teams = {parked_id("team", ident) for plan in plans for ident in plan.binding.teams}
    decided = await run.store.decisions(teams | held.keys())
    commands: list[Command] = []
    for ident in sorted(held.keys() | decided.keys()):
        named = {*(held[ident].emails if ident in held else ())}
        named |= {*(decided[ident].emails if ident in decided else ())}
        back = {email for email in named if ident not in leaves.get(email, {ident})}
        if back:
            commands += _without(run, ident, held.get(ident), decided.get(ident), back)
    return commands
