"""The guard at work: what is counted, what waits for a person, and what a person decided."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.plan.changes import Invite, SetRole
from bridge.plan.guard import Hold
from bridge.plan.held import Decision, Held
from bridge.plan.judge import (
    Leaving,
    Stakes,
    deletion_id,
    invite_id,
    judge_deletion,
    judge_invites,
    judge_lowering,
    judge_removals,
    judge_team,
    leaving_id,
    removal_id,
    role_id,
    team_id,
)
from bridge.plan.members import MemberBinding, MemberPlan
from bridge.store import counts
from bridge.store.mirror import Command
from workers.run import Run

LOOK_AGAIN = 3_600_000  # ms, for what GitBook shows only when somebody looks
REQUESTED_REASON = "removal requested; an organisation admin must confirm it, or use an admin's token"


@dataclass(slots=True)
class Guarded:
    """What may go on, and the commands that write down what may not."""

    go: list[MemberPlan] = field(default_factory=list)
    approved: set[str] = field(default_factory=set)
    commands: list[Command] = field(default_factory=list)


def counted(run: Run, what: str, name: str) -> list[Command]:
    """Return the commands that count one more.

    It is counted with the intent, before the call: whatever becomes of the call, and of its worker, no more
    than the limit are ever asked for. What GitBook then answered (202: it only asked its admins; 404: there
    was nobody) does not take it back, which errs on the safe side and lasts no longer than the window.
    """
    key = run.store.key(what)
    return [("ZADD", key, run.now, name), ("ZREMRANGEBYSCORE", key, "-inf", f"({_start(run)}")]


def _start(run: Run) -> int:
    return counts.window_start(run.target.guard, run.now)


async def sample_size(run: Run) -> None:
    """Write down how many members are known, now and then, so that a window's start has its number.

    The newest number is kept right until it is old enough for another: after it there may be no work, and
    so nobody to write one, for days.
    """
    key = run.store.key("sizes")
    now, step = run.now, int(run.target.guard.window * 1000 / 48)
    last, size = await run.worker.store.calls([
        ("ZREVRANGE", key, 0, 0, "WITHSCORES"), ("HLEN", run.store.key("binding")),
    ])  # fmt: skip
    at = int(float(last[1])) if last and now - float(last[1]) < step else now
    sample = f"{at}:{size}"
    if last and last[0] == sample:
        return
    old = await run.worker.store.call("ZREVRANGEBYSCORE", key, _start(run), "-inf", "LIMIT", 1, 1)
    stale = [*old, *(last[:1] if at != now else ())]
    await run.commit([*(("ZREM", key, each) for each in stale), ("ZADD", key, at, sample)])


async def _read_stakes(run: Run, bindings: Iterable[MemberBinding]) -> Stakes:
    """Read what protects people from losing something; `bindings` were read just now."""
    at_stake = [binding for binding in bindings if binding.id]
    if not at_stake:
        return Stakes()
    owner = await run.read(run.client.owner())
    if not any(binding.role == "admin" for binding in at_stake):
        return Stakes(owner)
    page = await run.read(run.client.members(role="admin", limit=1000))
    return Stakes(owner, frozenset(member.id for member in page.items))


async def guard_removals(run: Run, plans: list[MemberPlan]) -> Guarded:
    """Sort removals into those that may go on and those that wait."""
    result = Guarded()
    leaving = [plan for plan in plans if plan.removal or plan.pending]
    if not leaving:
        return result
    idents = [removal_id(plan.wanted.email) for plan in leaving]
    record = await counts.record_of(run.store, idents, run.now)
    stakes = await _read_stakes(run, [plan.binding for plan in leaving if plan.removal])
    window = await counts.removals(run.store, _start(run))
    verdicts = judge_removals(run.target.guard, leaving, record, stakes, window)
    any_admin = False
    for plan, ident, verdict in zip(leaving, idents, verdicts, strict=True):
        email = plan.wanted.email
        if verdict.excepted and verdict.decision:
            result.commands += _look_at_end(run, verdict.decision, [email])
        elif verdict.admin and any_admin:  # one at a time: who is the last one is read afresh
            run.later["m:" + email] = run.now
        elif verdict.hold:
            result.commands += _park(run, plan, ident, verdict.hold, record.parked.get(ident))
        else:
            any_admin = any_admin or verdict.admin
            result.go.append(plan)
            result.approved |= {email} if verdict.decision else set()
    return result


def _look_at_end(run: Run, decision: Decision, emails: Iterable[str]) -> list[Command]:
    """Have people looked at again when their exception ends."""
    ends = math.ceil(decision.until * 1000)
    return [("ZADD", run.store.key("pending"), ends, email) for email in emails if ends]


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
    stakes = await _read_stakes(run, [MemberBinding(id=change.id, role=change.was) for change in was_admin])
    parked = await run.store.parked_of([role_id(change.object) for change in was_admin])
    allowed: list[SetRole] = []
    commands: list[Command] = []
    any_admin = False
    for change, verdict in zip(changes, judge_lowering(changes, stakes), strict=True):
        ident = role_id(change.object)
        if verdict.admin and any_admin:  # one at a time: who is the last one is read afresh
            run.later["m:" + change.object] = run.now
        elif verdict.hold:
            since = parked[ident].since if ident in parked else run.now
            reason = verdict.hold.reason
            held = Held(ident, "m:" + change.object, change.describe(), reason, since, final=True)
            commands.append(run.store.park(held))
        else:
            any_admin = any_admin or verdict.admin
            allowed.append(change)
            commands += run.store.unpark(ident)
    await run.commit(commands)
    return allowed


async def guard_invites(run: Run, invites: list[Invite], tokens: Mapping[str, str]) -> list[Invite]:
    """Return those invites that may go on under `max_invites`."""
    if not run.target.guard.max_invites:
        return invites
    idents = [invite_id(each.object) for each in invites]
    record = await counts.record_of(run.store, idents, run.now)
    invited = await counts.count(run.store, counts.INVITES, _start(run))
    verdicts = judge_invites(run.target.guard, invites, tokens, record, invited)
    go: list[Invite] = []
    commands: list[Command] = []
    for ident, invite, verdict in zip(idents, invites, verdicts, strict=True):
        if verdict.hold:
            since = record.parked[ident].since if ident in record.parked else run.now
            name, change = "m:" + invite.object, invite.describe()
            held = Held(ident, name, change, verdict.hold.reason, since, token=tokens[invite.object])
            commands.append(run.store.park(held))
        elif verdict.goes:
            go.append(invite)
    await run.commit(commands)
    return go


async def guard_team(run: Run, title: str, team: str, emails: Collection[str]) -> Leaving:
    """Sort out who may leave a team now; the others wait for a person, or stay as one has decided."""
    ident = team_id(team)
    parked = (await run.store.parked_of([ident])).get(ident)
    named = {*emails, *(parked.emails if parked else ())}
    record = await counts.record_of(run.store, [ident, *(leaving_id(ident, each) for each in named)], run.now)
    losses = await counts.losses(run.store, team, _start(run))
    leaving = judge_team(run.target.guard, team, emails, record, losses.window)
    commands: list[Command] = []
    if losses.fresh:
        commands.append(("HSET", run.store.key("teamsizes"), team, f"{run.now}:{losses.window.size}"))
    for email in sorted(leaving.excepted):
        commands += _look_at_end(run, record.decided[leaving_id(ident, email)], [email])
    if leaving.hold:
        commands.append(_park_team(run, title, ident, leaving.hold, leaving.held, parked))
    await run.commit(commands)
    return leaving


def _park_team(
    run: Run, title: str, ident: str, hold: Hold, emails: Collection[str], before: Held | None
) -> Command:
    since = before.since if before else run.now
    if before is None:
        run.worker.log.warning("object.parked", target=run.target.name, object=title, reason=hold.reason)
    change = f"take {len(emails)} member(s) out of team {title}"
    return run.store.park(Held(ident, "t:" + title, change, hold.reason, since, emails=tuple(sorted(emails))))


async def team_left(run: Run, team: str, emails: Sequence[str]) -> list[Command]:
    """Return the commands that let go of what was held and decided about people leaving a team."""
    ident = team_id(team)
    return _without(run, ident, (await run.store.parked_of([ident])).get(ident), emails)


def _without(run: Run, ident: str, held: Held | None, emails: Collection[str]) -> list[Command]:
    commands: list[Command] = [
        ("HDEL", run.store.key("decision"), leaving_id(ident, email)) for email in sorted(emails)
    ]
    if held and set(held.emails) & set(emails):
        stay = tuple(email for email in held.emails if email not in emails)
        change = f"take {len(stay)} member(s) out of team {held.object[2:]}"
        here = run.store.park(replace(held, emails=stay, change=change))
        commands.append(here if stay else ("HDEL", run.store.key("parked"), ident))
    return commands


async def guard_deletion(run: Run, title: str, change: str) -> list[Command] | None:
    """Return the commands that count the deletion of a team; None when it waits for a person."""
    name, ident = "t:" + title, deletion_id(title)
    record = await counts.record_of(run.store, [ident], run.now)
    verdict = judge_deletion(run.target.guard, title, record, await counts.removals(run.store, _start(run)))
    if verdict.goes:
        return [] if verdict.decision else counted(run, counts.REMOVALS, name)
    if verdict.hold:
        since = record.parked[ident].since if ident in record.parked else run.now
        await run.commit([run.store.park(Held(ident, name, change, verdict.hold.reason, since))])
    return None


async def release_deletions(run: Run, titles: Iterable[str]) -> list[Command]:
    """Return the commands that let go of held deletions of teams that are needed again, or gone."""
    idents = [deletion_id(title) for title in titles]
    held, decided = await run.store.parked_of(idents), await run.store.decisions(idents)
    return [command for ident in {**held, **decided} for command in run.store.unpark(ident)]


async def release(run: Run, plans: list[MemberPlan]) -> list[Command]:
    """Return the commands that let go of what is held without a cause any more."""
    idents = [
        *(removal_id(plan.wanted.email) for plan in plans if not (plan.removal or plan.pending)),
        *(invite_id(plan.wanted.email) for plan in plans if not _invites(plan)),
        *(role_id(plan.wanted.email) for plan in plans if not _lowers(plan)),
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
    leaves = {plan.wanted.email: {team_id(ident) for ident in plan.leave} for plan in plans}
    held = {ident: each for ident, each in (await run.store.parked()).items() if each.emails}
    stays = {(team_id(team), plan.wanted.email) for plan in plans for team in plan.binding.teams}
    decided = await run.store.decisions([leaving_id(*pair) for pair in stays])
    stays = {pair for pair in stays if leaving_id(*pair) in decided}
    stays |= {(ident, email) for ident, each in held.items() for email in each.emails}
    back: dict[str, set[str]] = defaultdict(set)
    for ident, email in stays:
        if ident not in leaves.get(email, {ident}):
            back[ident].add(email)
    return [
        command for ident in sorted(back) for command in _without(run, ident, held.get(ident), back[ident])
    ]
