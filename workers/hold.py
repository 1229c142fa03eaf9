"""The guard at work: what is counted, what waits for a person, and what a person decided."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.plan.changes import AdoptTeam, DeleteTeam, Invite, Remove, SetRole, UpdateTeamMembers
from bridge.plan.guard import Hold, waits_for_seat
from bridge.plan.held import Decision, Held
from bridge.plan.judge import (
    Leaving,
    Losses,
    Record,
    Stakes,
    Verdict,
    Window,
    adoption_id,
    deletion_id,
    grant_id,
    invite_id,
    judge_adoption,
    judge_deletion,
    judge_frozen_invites,
    judge_grant,
    judge_invites,
    judge_lowering,
    judge_removals,
    judge_teams,
    leaving_id,
    losses_of_ended,
    removal_id,
    role_id,
    role_token,
    team_id,
)
from bridge.plan.members import MemberBinding, MemberPlan, State, Wanted
from bridge.plan.teams import TeamBinding
from bridge.store import counts
from bridge.store.mirror import Command
from bridge.store.targets import GATHERING
from bridge.targets.lists import told_total
from workers.acts import DONE, PARKED, RELEASED, Act, act_of, held_before
from workers.listings import seat_list
from workers.proofs import gone_by_now
from workers.run import Run

LOOK_AGAIN = 3_600_000  # ms, for what GitBook shows only when somebody looks
REQUESTED_REASON = "removal requested; an organisation admin must confirm it, or use an admin's token"


@dataclass(slots=True)
class Guarded:
    """What may go on, and the commands that write down what may not.

    `approved`: who a person let go; `told`: what had been held about someone, for the evidence.
    """

    go: list[MemberPlan] = field(default_factory=list)
    approved: set[str] = field(default_factory=set)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
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
    if not any(binding.is_admin for binding in at_stake):
        return Stakes(owner)
    page = await run.read(run.client.members(role="admin", limit=1000))
    return Stakes(owner, frozenset(member.id for member in page.items))


async def guard_removals(run: Run, plans: list[MemberPlan]) -> Guarded:
    """Sort removals into those that may go on and those that wait, for a person or for others."""
    result = Guarded()
    leaving = [plan for plan in plans if plan.removal or plan.pending]
    if not leaving:
        return result
    idents = [removal_id(plan.wanted.email) for plan in leaving]
    record = await counts.record_of(run.store, idents, run.now)
    stakes = await _read_stakes(run, [plan.binding for plan in leaving if plan.removal])
    window = await counts.removals(run.store, run.target.guard, run.now)
    verdicts = judge_removals(run.target.guard, leaving, record, stakes, window)
    any_admin = False
    leaving = await _with_first_time(run, leaving)
    result.commands += _note_leaving(run, leaving)
    result.commands += _note_gathering(run, leaving, verdicts, window, record.now)
    for plan, ident, verdict in zip(leaving, idents, verdicts, strict=True):
        email = plan.wanted.email
        if verdict.excepted and verdict.decision:
            result.commands += [*_look_at_end(run, verdict.decision, [email]), *stays(run, [email])]
        elif verdict.until:
            run.look_again(["m:" + email], verdict.until)
        elif verdict.admin and any_admin:  # one at a time: who is the last one is read afresh
            run.look_again(["m:" + email], run.now)
        elif verdict.hold:
            result.commands += _park(run, plan, ident, verdict.hold, record.parked.get(ident))
        else:
            any_admin = any_admin or verdict.admin
            result.go.append(plan)
            result.approved |= {email} if verdict.decision else set()
            result.told[email] = held_before(record.parked.get(ident), verdict.decision)
    return result


def _note_gathering(
    run: Run, leaving: Sequence[MemberPlan], verdicts: Sequence[Verdict], window: Window, now: int
) -> list[Command]:
    """Write down who waits until when, and who may go on: then a repeated call is not counted twice.

    Of a wave that is too large for one step the others are still to come: who is held stays a part of it.
    """
    key, ends = run.store.key(GATHERING), window.gathering
    here = {plan.wanted.email for plan in leaving}
    unfinished = {end for email, end in ends.items() if email not in here}
    goes: list[Any] = []
    held: list[str] = []
    for plan, verdict in zip(leaving, verdicts, strict=True):
        email = plan.wanted.email
        if verdict.until or (verdict.goes and not verdict.decision):
            goes += [verdict.until or now, email]
        elif email in ends and (ends[email] > now or ends[email] not in unfinished):
            held.append(email)
    commands: list[Command] = [("ZADD", key, "NX", *goes)] if goes else []
    return commands + ([("ZREM", key, *held)] if held else [])


async def _with_first_time(run: Run, plans: list[MemberPlan]) -> list[MemberPlan]:
    """Return the plans with the time at which the directory said first that somebody is to go.

    Where it is not known by what shut them out (a group has a name that the scope does not know, say), it is
    that of the news that made us look.
    """
    rows = await run.worker.store.call("HMGET", run.store.key("leaving"), *(p.wanted.email for p in plans))
    news = {name[2:]: work.news for name, work in run.works.items()}
    return [
        _left(plan, int(row or 0) or plan.wanted.since or news.get(plan.wanted.email, 0))
        for plan, row in zip(plans, rows, strict=True)
    ]


def _left(plan: MemberPlan, since: int) -> MemberPlan:
    wanted, removal = replace(plan.wanted, since=since), plan.removal
    return replace(plan, wanted=wanted, changes=(replace(removal, since=since),) if removal else plan.changes)


def _note_leaving(run: Run, plans: Iterable[MemberPlan]) -> list[Command]:
    """Write down since when somebody is to go, as the directory said it first: it may say so again."""
    key = run.store.key("leaving")
    return [("HSETNX", key, plan.wanted.email, plan.wanted.since or run.now) for plan in plans]


def stays(run: Run, emails: Iterable[str]) -> list[Command]:
    """Return the commands that let go of that: they are gone, or are not to go any more."""
    names = sorted(emails)
    if not names:
        return []
    return [("HDEL", run.store.key("leaving"), *names), ("ZREM", run.store.key(GATHERING), *names)]


def _look_at_end(run: Run, decision: Decision, emails: Iterable[str]) -> list[Command]:
    """Have people looked at again when their exception ends."""
    ends = math.ceil(decision.until * 1000)
    return [run.store.look("m:" + email, ends) for email in emails if ends]


def _park(run: Run, plan: MemberPlan, ident: str, hold: Hold, before: Held | None) -> list[Command]:
    email = plan.wanted.email
    change = plan.removal.describe() if plan.removal else f"revoke the invite of {email}"
    held = Held(
        ident, "m:" + email, change, hold.reason, run.now, 0, plan.wanted.token, hold.final,
        kind=Remove.verb,
    )  # fmt: skip
    requested = hold.reason == REQUESTED_REASON  # an admin may confirm it at any time
    look = [("ZADD", run.store.key("pending"), run.now + LOOK_AGAIN, email)] if requested else []
    return [*_hold(run, held, before, plan.wanted.why_not), *look]


def _hold(run: Run, held: Held, before: Held | None, why: str = "") -> list[Command]:
    """Return the commands that let a change wait for a person; the first time it is told as well."""
    if before:
        held = replace(held, since=before.since)
    else:
        log = run.worker.log
        log.warning("object.parked", target=run.target.name, object=held.object[2:], reason=held.reason)
    known = before.emails if before else ()
    names = [] if before else [held.object]
    names += ["m:" + email for email in held.emails if email not in known]
    act = Act(held.kind, held.change, why)
    return [run.store.park(held), *(run.note(name, act, PARKED, held.reason) for name in names)]


def _released(run: Run, held: Iterable[Held]) -> list[Command]:
    """Return the commands that write down that changes wait no more: their cause is gone."""
    return [run.note(each.object, Act(each.kind, each.change), RELEASED) for each in held]


def park_requested(run: Run, plan: MemberPlan) -> list[Command]:
    """GitBook answered 202: nobody was removed."""
    return _park(run, plan, removal_id(plan.wanted.email), Hold(REQUESTED_REASON), None)


@dataclass(slots=True)
class Lowered:
    """Lower roles that may be set, in their order.

    `told`: by e-mail, what had been held about it; `settled`: of whom nothing is held any more then.
    """

    go: list[SetRole] = field(default_factory=list)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)


async def guard_lowering(run: Run, lowered: Sequence[tuple[MemberPlan, SetRole]]) -> Lowered:
    """Return those lower roles that may be set.

    Never that of the token's owner or of the last admin, as they are now: what was known may be old.
    """
    result = Lowered()
    if not lowered:
        return result
    owner = await run.read(run.client.owner())
    page = await run.read(run.client.members(role="admin", limit=1000))
    stakes = Stakes(owner, frozenset(member.id for member in page.items))
    record = await counts.record_of(run.store, [role_id(plan.wanted.email) for plan, _ in lowered], run.now)
    verdicts = judge_lowering(run.target.guard, lowered, record, stakes)
    commands: list[Command] = []
    admin, held_here = "", set[str]()
    for (plan, change), verdict in zip(lowered, verdicts, strict=True):
        email, parked = change.object, record.parked.get(role_id(change.object))
        if verdict.excepted and verdict.decision:
            commands += _look_at_end(run, verdict.decision, [email])
        elif verdict.admin and not verdict.hold and admin not in ("", email):
            run.look_again(["m:" + email], run.now)  # one at a time: who is last is read afresh
            held_here.add(email)
        elif verdict.hold:
            held_here.add(email)
            held = Held(
                role_id(email), "m:" + email, change.describe(), verdict.hold.reason, run.now,
                token=role_token(plan, change), final=verdict.hold.final, kind=change.verb,
            )  # fmt: skip
            commands += _hold(run, held, parked, change.why)
        else:
            admin = email if verdict.admin else admin
            result.go.append(replace(change, was="admin") if verdict.admin else change)
            result.told[email] = held_before(parked, verdict.decision)
    result.settled = {change.object for change in result.go} - held_here  # another account may be held
    await run.commit(commands)
    return result


def role_lowered(run: Run, email: str) -> list[Command]:
    """Return the commands that let go of it: somebody has got the lower role that was held or decided."""
    return run.store.unpark(role_id(email))


async def guard_frozen_invites(run: Run, invites: list[Invite], wanted: Mapping[str, Wanted]) -> list[Invite]:
    """Return the invites without those of people for whom the data may not act: these wait for a person."""
    if not any(wanted[each.object].frozen for each in invites):
        return invites
    idents = [invite_id(each.object) for each in invites]
    record = await counts.record_of(run.store, idents, run.now)
    go: list[Invite] = []
    commands: list[Command] = []
    verdicts = judge_frozen_invites(invites, wanted, record)
    for ident, invite, verdict in zip(idents, invites, verdicts, strict=True):
        if verdict.hold:
            held = Held(
                ident, "m:" + invite.object, invite.describe(), verdict.hold.reason, run.now,
                token=wanted[invite.object].token, kind=invite.verb,
            )  # fmt: skip
            commands += _hold(run, held, record.parked.get(ident), invite.why)
        elif verdict.goes:
            go.append(invite)
    await run.commit(commands)
    return go


async def guard_invites(
    run: Run, invites: list[Invite], tokens: Mapping[str, str]
) -> tuple[list[Invite], dict[str, dict[str, Any]]]:
    """Return those invites that may go on under `max_invites` and `max_members`.

    And what had been held about each. Raises TargetError when the members cannot be counted.
    """
    guard = run.target.guard
    if not invites or not (guard.max_invites or guard.max_members):
        return invites, {}
    idents = [invite_id(each.object) for each in invites]
    record = await counts.record_of(run.store, idents, run.now)
    invited = await counts.count(run.store, counts.INVITES, _start(run))
    members = await _count_seats(run, invites) if guard.max_members else 0
    verdicts = judge_invites(guard, invites, tokens, record, invited, members)
    go: list[Invite] = []
    told: dict[str, dict[str, Any]] = {}
    commands: list[Command] = []
    for ident, invite, verdict in zip(idents, invites, verdicts, strict=True):
        if verdict.hold:
            held = Held(
                ident, "m:" + invite.object, invite.describe(), verdict.hold.reason, run.now,
                token=tokens[invite.object], kind=invite.verb,
            )  # fmt: skip
            commands += _hold(run, held, record.parked.get(ident), invite.why)
            if waits_for_seat(held):  # somebody may be removed by hand at any time
                commands.append(("ZADD", run.store.key("pending"), run.now + LOOK_AGAIN, invite.object))
        elif verdict.goes:
            go.append(invite)
            told[invite.object] = held_before(record.parked.get(ident), verdict.decision)
    await run.commit(commands)
    return go, told


async def _count_seats(run: Run, invites: Iterable[Invite]) -> int:
    """Return how many members there are, with those who are invited and not listed yet."""
    listed = told_total(await run.read(run.client.members(limit=1)))
    if listed is None:
        seats = seat_list(run)
        listed = len(await run.read(seats.read_all()))
        await seats.drop()  # the next ones are counted anew
    return listed + await counts.coming(run.store, {invite.object for invite in invites})


async def seats_freed(run: Run) -> list[Command]:
    """Return the commands that have those looked at who wait for a seat."""
    if not run.target.guard.max_members:
        return []
    waiting = [held.object for held in (await run.store.parked()).values() if waits_for_seat(held)]
    return run.store.mark(waiting, run.now)


async def guard_grants(run: Run, plans: Iterable[MemberPlan]) -> dict[str, dict[str, Any]]:
    """Hold what would make somebody an admin until a person has approved it.

    Returns what had been held about those who become one now, by e-mail.
    """
    asked = {grant_id(plan.wanted.email): plan for plan in plans if plan.grant or plan.makes_admin}
    if not asked:
        return {}
    record = await counts.record_of(run.store, list(asked), run.now)
    told: dict[str, dict[str, Any]] = {}
    commands: list[Command] = []
    for ident, plan in asked.items():
        email, parked = plan.wanted.email, record.parked.get(ident)
        if plan.grant is None:
            decision = record.decided.get(ident)
            told[email] = held_before(parked, decision if decision and decision.approved else None)
            continue
        verdict, change = judge_grant(plan.grant, record), plan.grant.change
        if verdict.hold:
            held = Held(
                ident, "m:" + email, change.describe(), verdict.hold.reason, run.now,
                token=plan.grant.token, kind=change.verb,
            )  # fmt: skip
            before = parked if parked and parked.token == held.token else None
            commands += _hold(run, held, before, change.why)
        elif verdict.excepted and verdict.decision:
            commands += _look_at_end(run, verdict.decision, [email])
    await run.commit(commands)
    return told


def granted(run: Run, email: str) -> Command:
    """Return the command that lets go of it: they are an admin. The approval is remembered."""
    return ("HDEL", run.store.key("parked"), grant_id(email))


async def guard_teams(
    run: Run,
    plans: Mapping[str, MemberPlan],
    teams: Mapping[str, TeamBinding],
    leaves: Mapping[str, Collection[str]],
) -> dict[str, Leaving]:
    """Sort out who may leave their teams now; the others wait for a person, or stay as one has decided.

    `leaves`: who is to leave, by the title of the team; so is what is returned.
    """
    named = {title: teams[title].id or "" for title in sorted(leaves)}
    ids = [team_id(team) for team in named.values()]
    parked = await run.store.parked_of(ids)
    idents = [*ids]
    for title, ident in zip(named, ids, strict=True):
        waiting = parked[ident].emails if ident in parked else ()
        idents += [leaving_id(ident, email) for email in {*leaves[title], *waiting}]
    record = await counts.record_of(run.store, idents, run.now)
    bound = [team.id for team in teams.values() if team.id]
    total = await counts.all_losses(run.store, bound, _start(run))
    windows = {team: await counts.losses(run.store, team, _start(run)) for team in named.values()}
    losses = []
    for title, team in named.items():
        ended = losses_of_ended(title, teams[title], (plans[email].wanted for email in leaves[title]))
        losses.append(Losses(team, frozenset(leaves[title]), ended, windows[team].window))
    judged = judge_teams(run.target.guard, losses, record, total)
    commands: list[Command] = []
    for title, team in named.items():
        if windows[team].fresh:
            size = windows[team].window.size
            commands.append(("HSET", run.store.key("teamsizes"), team, f"{run.now}:{size}"))
        commands += _hold_losses(run, title, team, judged[team], record)
    await run.commit(commands)
    return {title: judged[team] for title, team in named.items()}


def _hold_losses(run: Run, title: str, team: str, leaving: Leaving, record: Record) -> list[Command]:
    """Return the commands that let people stay in a team until a person decides, or as one has."""
    ident, commands = team_id(team), list[Command]()
    for email in sorted(leaving.excepted):
        commands += _look_at_end(run, record.decided[leaving_id(ident, email)], [email])
    if leaving.hold:
        held = Held(
            ident, "t:" + title, f"take {len(leaving.held)} member(s) out of team {title}",
            leaving.hold.reason, run.now, emails=tuple(sorted(leaving.held)), kind=UpdateTeamMembers.verb,
        )  # fmt: skip
        commands += _hold(run, held, record.parked.get(ident))
    return commands


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
    """Return the commands that count the deletion of a team; None when it waits."""
    name, ident = "t:" + title, deletion_id(title)
    record = await counts.record_of(run.store, [ident], run.now)
    verdict = judge_deletion(
        run.target.guard, title, record, await counts.removals(run.store, run.target.guard, run.now)
    )
    if verdict.until:
        run.look_again([name], verdict.until)
        return None
    if verdict.goes:
        return [] if verdict.decision else counted(run, counts.REMOVALS, name)
    if verdict.hold:
        held = Held(ident, name, change, verdict.hold.reason, run.now, kind=DeleteTeam.verb)
        await run.commit(_hold(run, held, record.parked.get(ident)))
    return None


async def guard_adoption(run: Run, change: AdoptTeam) -> list[Command] | None:
    """Return the commands that let go of what was held about an adoption; None when it may not be.

    Then the title is looked at now and then: the team may have gone, or its strangers.
    """
    title, name, ident = change.object, "t:" + change.object, adoption_id(change.object)
    record = await counts.record_of(run.store, [ident], run.now)
    verdict = judge_adoption(run.target.guard, title, change.id, change.strangers, record)
    before, decision = record.parked.get(ident), verdict.decision
    if verdict.goes:
        act = act_of(change, held_before(before, decision))
        told = [run.note(name, act, DONE)] if before or decision or change.strangers else []
        return [*told, *(run.store.unpark(ident) if before or ident in record.decided else [])]
    ends = [decision.until * 1000] if decision and decision.until else []
    look = run.store.look(name, math.ceil(min([run.now + LOOK_AGAIN, *ends])))
    held: list[Command] = []
    if verdict.hold:
        waits = Held(
            ident, name, change.describe(), verdict.hold.reason, run.now, token=change.id, kind=change.verb
        )
        held = _hold(run, waits, before if before and before.token == change.id else None, change.why)
    await run.commit([*held, look])
    return None


async def adoptions(run: Run, titles: Iterable[str]) -> set[str]:
    """Return those of these titles of which the adoption of a team is held, or was decided about."""
    idents = {adoption_id(title): title for title in titles}
    record = await counts.record_of(run.store, list(idents), run.now) if idents else Record()
    return {idents[ident] for ident in {**record.parked, **record.decided}}


async def release_teams(run: Run, needed: Iterable[str], unneeded: Iterable[str] = ()) -> list[Command]:
    """Return the commands that let go of what is held about teams without a cause any more.

    `needed`: titles of teams that are not to be deleted, or gone; `unneeded`: that no team is adopted for.
    """
    return await _let_go(run, [*map(deletion_id, needed), *map(adoption_id, unneeded)])


async def _let_go(run: Run, idents: list[str], remembered: Sequence[str] = ()) -> list[Command]:
    """Let go of what is held and decided; of `remembered` ids what was decided stays."""
    held, decided = await run.store.parked_of([*idents, *remembered]), await run.store.decisions(idents)
    gone = [ident for ident in {**held, **decided} if ident not in remembered]
    commands = [command for ident in gone for command in run.store.unpark(ident)]
    commands += [("HDEL", run.store.key("parked"), ident) for ident in held if ident in remembered]
    return commands + _released(run, held.values())


async def release(run: Run, plans: list[MemberPlan]) -> list[Command]:
    """Return the commands that let go of what is held without a cause any more."""
    idents = [
        *(removal_id(plan.wanted.email) for plan in plans if not (plan.removal or plan.pending)),
        *(invite_id(plan.wanted.email) for plan in plans if not _invites(plan)),
        *(role_id(plan.wanted.email) for plan in plans if not _lowers(plan)),
    ]
    commands = await gone_by_now(run, plans)
    commands += stays(run, (plan.wanted.email for plan in plans if not (plan.removal or plan.pending)))
    grants = [plan for plan in plans if not (plan.grant or plan.makes_admin)]
    left = {grant_id(plan.wanted.email) for plan in grants if _has_left(plan)}
    stay = {grant_id(plan.wanted.email) for plan in grants} - left
    commands += await _let_go(run, [*idents, *sorted(left)], sorted(stay))
    return commands + await _release_teams(run, plans)


def _has_left(plan: MemberPlan) -> bool:
    """Tell whether somebody is gone altogether: what was approved of them is no longer remembered."""
    return plan.binding.state is State.ABSENT and not plan.wanted.member


def _invites(plan: MemberPlan) -> bool:
    return any(isinstance(change, Invite) for change in plan.changes)


def _lowers(plan: MemberPlan) -> bool:
    return any(isinstance(change, SetRole) and change.lowers for change in plan.changes)


async def _release_teams(run: Run, plans: list[MemberPlan]) -> list[Command]:
    """Let go of those who do not leave a team any more: a decision about them is used up, too."""
    leaves = {plan.wanted.email: {team_id(ident) for ident in plan.leave} for plan in plans}
    held = {ident: each for ident, each in (await run.store.parked()).items() if each.emails}
    there = {(team_id(team), plan.wanted.email) for plan in plans for team in plan.binding.teams}
    decided = await run.store.decisions([leaving_id(*pair) for pair in there])
    there = {pair for pair in there if leaving_id(*pair) in decided}
    there |= {(ident, email) for ident, each in held.items() for email in each.emails}
    back: dict[str, set[str]] = defaultdict(set)
    for ident, email in there:
        if ident not in leaves.get(email, {ident}):
            back[ident].add(email)
    commands = [
        command for ident in sorted(back) for command in _without(run, ident, held.get(ident), back[ident])
    ]
    return commands + [
        run.note("m:" + email, Act(held[ident].kind, held[ident].change), RELEASED)
        for ident in sorted(back)
        for email in sorted(back[ident] & set(held[ident].emails if ident in held else ()))
    ]
