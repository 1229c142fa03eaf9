"""The part of a step that makes people members, or not: reading, planning, inviting, removing."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.plan.changes import INVITES_AT_ONCE, Invite, MarkSSO, Remove, SetRole
from bridge.plan.doubt import doubted
from bridge.plan.judge import grant_id, invite_id, removal_id
from bridge.plan.members import (
    ADMIN,
    MemberBinding,
    MemberPlan,
    State,
    Wanted,
    may_become_admin,
    plan_member,
    role_set,
    want,
)
from bridge.plan.people import Person
from bridge.plan.reading import Inviting, before_moving, former_addresses, must_read
from bridge.plan.teams import TeamBinding
from bridge.settings import Role
from bridge.store import counts
from bridge.store.counts import INVITES, REMOVALS
from bridge.store.listings import MEMBERS
from bridge.store.mirror import Command
from bridge.store.targets import Cause
from bridge.store.work import Work
from bridge.targets.base import Invited, RefusedError, Removal, TargetError
from workers import hold
from workers.acts import GONE, Act, act_of
from workers.look import read_members, read_some_members
from workers.run import Run, UnfinishedError, leave_teams, member_object

_LOOK_AGAIN_FIRST = 30_000  # ms, for pending invites


@dataclass(slots=True)
class People:
    """The people of one step: what is wanted of them, and the work they came from.

    `unread`: those who could not be read at the target now, `unread_because`: what has stopped that.
    """

    wanted: dict[str, Wanted] = field(default_factory=dict)
    persons: dict[str, Person] = field(default_factory=dict)
    plans: dict[str, MemberPlan] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    unread_because: TargetError | None = None

    def set_aside(self, emails: Sequence[str], error: TargetError | None) -> None:
        """Leave people out of this step."""
        self.unread, self.unread_because = list(emails), error
        for email in emails:
            del self.wanted[email], self.persons[email]


async def wanted_people(run: Run, works: Sequence[Work]) -> People:
    """Work out what is wanted of the people that work is due for. It asks the mirror, not the target."""
    emails = [work.object[2:] for work in works]
    persons = await run.worker.mirror.people(emails, run.names)
    return People(
        {person.email: want(person, run.target) for person in persons},
        {person.email: person for person in persons},
    )


async def plan_people(run: Run, people: People) -> None:
    """Read whom the plan depends on at the target, and plan for those who could be read.

    Raises TargetError when nobody could.
    """
    known = await run.store.members(people.wanted)
    doubts = await run.store.unknown([member_object(email) for email in people.wanted])
    unread = [
        email
        for email, wanted in people.wanted.items()
        if must_read(wanted, known.get(email), member_object(email) in doubts)
    ]
    leaving = {email for email in unread if not people.wanted[email].member}
    read, error = await read_some_members(run, unread, leaving)
    known |= read
    people.set_aside([email for email in unread if email not in read], error)
    people.wanted = doubted(people.wanted, people.persons, known, run.counts, run.untold)
    teams = await run.store.teams()
    before = await _before(run, people)
    absent = MemberBinding(State.ABSENT)
    approved = await counts.approved_grants(run.store, [
        email for email, wanted in people.wanted.items()
        if may_become_admin(wanted, run.target, known.get(email), before.get(email))
    ])  # fmt: skip
    for email, wanted in people.wanted.items():
        plan = plan_member(
            wanted, known.get(email, absent), run.target, teams, before.get(email), approved.get(email, "")
        )
        people.plans[email] = _without_forgotten(plan, run.names)
    await run.commit(_noticed(run, people, known))


def _without_forgotten(plan: MemberPlan, names: Collection[str]) -> MemberPlan:
    """Return a plan whose binding names none but the directories that are followed (`names`)."""
    named_by = tuple(name for name in plan.binding.named_by if name in names)
    return replace(plan, binding=replace(plan.binding, named_by=named_by))


async def _before(run: Run, people: People) -> dict[str, MemberBinding]:
    """Return for people whose address is new the binding of the one they had."""
    former = former_addresses(people.persons.values())
    bindings = await run.store.members({address for _, address in former})
    return before_moving(former, people.wanted, bindings)


def _noticed(run: Run, people: People, known: dict[str, MemberBinding]) -> list[Command]:
    """Write down what planning itself found out."""
    return [
        run.store.put_member(email, plan.binding)
        for email, plan in people.plans.items()
        if email in known and plan.binding != known[email]
    ]


async def apply_people(run: Run, people: People) -> None:
    """Remove, lower, invite, set roles and mark, in this order."""
    plans = list(people.plans.values())
    await run.commit(await hold.release(run, plans))
    granted = await hold.guard_grants(run, plans)
    await _remove_all(run, plans)
    await _lower_all(run, people)
    await _invite_all(run, people, granted)
    for change in _higher_roles(plans):
        await _set_role(run, people, change, granted.get(change.object))
    for mark in (change for plan in plans for change in plan.changes if isinstance(change, MarkSSO)):
        await _mark_sso(run, people, mark)
    for plan in plans:
        if plan.impossible:
            email = plan.wanted.email
            act = Act(Invite.verb, f"invite {email}")
            await run.bury(member_object(email), act, plan.impossible, asked=False)


def _higher_roles(plans: Iterable[MemberPlan]) -> list[SetRole]:
    changes = (each for plan in plans for each in plan.changes if isinstance(each, SetRole))
    return sorted((each for each in changes if not each.lowers), key=lambda change: change.sort_key)


async def _lower_all(run: Run, people: People) -> None:
    """Set the lower roles that the guard lets through."""
    lowered = [(plan, change) for plan in people.plans.values() for change in plan.lowerings]
    lowered.sort(key=lambda each: each[1].sort_key)
    try:
        allowed = await hold.guard_lowering(run, lowered)
    except TargetError as error:
        await run.fault([member_object(change.object) for _, change in lowered], error)
        return
    last = {change.object: change for change in allowed.go}
    for change in allowed.go:
        email = change.object
        done = change is last[email] and email in allowed.settled
        ended = hold.role_lowered(run, email) if done else []
        await _set_role(run, people, change, allowed.told.get(email), ended)


# removals


async def _remove_all(run: Run, plans: list[MemberPlan]) -> None:
    leaving = sorted((p for p in plans if p.removal or p.pending), key=lambda plan: plan.wanted.email)
    try:
        guarded = await hold.guard_removals(run, leaving)
    except TargetError as error:
        await run.fault([member_object(plan.wanted.email) for plan in leaving], error)
        return
    await run.commit(guarded.commands)
    for plan in guarded.go:
        if plan.removal:
            act = act_of(plan.removal, guarded.told.get(plan.wanted.email))
            await _remove(run, plan, plan.removal, act, plan.wanted.email in guarded.approved)
    if guarded.go:
        await run.commit(await hold.seats_freed(run))


async def _remove(run: Run, plan: MemberPlan, removal: Remove, act: Act, approved: bool) -> None:
    name, email = member_object(removal.object), removal.object
    teams = await run.store.teams()

    def gone(answer: Removal) -> list[Command]:
        if answer is Removal.REQUESTED:
            return hold.park_requested(run, plan)
        return _forgotten(run, email, plan.binding, teams)

    intent = [] if approved else hold.counted(run, REMOVALS, email)
    try:
        await run.attempt([name], act, lambda: _remove_accounts(run, removal), gone, intent)
    except RefusedError as error:
        await _remove_refused(run, plan, removal, act, error)


async def _remove_accounts(run: Run, removal: Remove) -> Removal:
    """Take out all accounts of a person: they have lost access when the last of them is gone.

    The one by which they are known goes last, so that they are found if a call before it fails.
    """
    answer = Removal.DONE
    for ident in (*removal.others, removal.id):
        answer = await run.client.remove(ident)
        if answer is Removal.REQUESTED:
            return answer
    return answer


async def _remove_refused(run: Run, plan: MemberPlan, removal: Remove, act: Act, error: RefusedError) -> None:
    """A 404 is no removal: only the list of members tells whether they are gone."""
    name = member_object(removal.object)
    if error.status != 404:
        await refused(run, name, act, error)
        return
    try:
        after = await read_members(run, [removal.object])
    except TargetError as fault:
        await run.fault([name], fault)
        return
    if after[removal.object].state is State.KNOWN:
        await refused(run, name, act, error)
        return
    gone = run.row(name, act, GONE, error.message, run.causes.get(name, Cause()))
    forgotten = _forgotten(run, removal.object, plan.binding, await run.store.teams())
    await run.commit([*forgotten, *run.past.prove(gone)])


def _forgotten(run: Run, email: str, binding: MemberBinding, teams: dict[str, TeamBinding]) -> list[Command]:
    """Return what is written when someone is gone."""
    commands = [
        run.store.put_member(email, MemberBinding(State.ABSENT)),
        ("ZREM", run.store.key("pending"), email),
        ("SREM", run.store.key("no_sso"), email),
    ]
    commands += [*run.store.unpark(removal_id(email)), *hold.stays(run, [email])]
    commands += run.store.unpark(grant_id(email))  # who comes back is asked about again
    return commands + leave_teams(run, email, binding, teams)


# invites


async def _invite_all(run: Run, people: People, granted: Mapping[str, Mapping[str, Any]]) -> None:
    wanted = [
        change for plan in people.plans.values() for change in plan.changes if isinstance(change, Invite)
    ]
    tokens = {email: wanted.token for email, wanted in people.wanted.items()}
    wanted = await hold.guard_frozen_invites(run, wanted, people.wanted)
    try:
        invites, held = await hold.guard_invites(
            run, sorted(wanted, key=lambda change: change.sort_key), tokens
        )
    except TargetError as error:
        await run.fault([member_object(change.object) for change in wanted], error)
        return
    told = {each.object: {**granted.get(each.object, {}), **held.get(each.object, {})} for each in invites}
    sent: list[Invite] = []
    for start in range(0, len(invites), INVITES_AT_ONCE):
        batch = invites[start : start + INVITES_AT_ONCE]
        sent += await _invite(run, people, batch, told)
    await _look_for_invited(run, people, [each for each in sent if each.object not in run.known_now])


async def _invite(
    run: Run, people: People, batch: list[Invite], told: Mapping[str, Mapping[str, Any]]
) -> list[Invite]:
    """Invite some people at once; a batch that is refused is halved until the culprit stands alone."""
    names = [member_object(invite.object) for invite in batch]
    asked: list[tuple[str, Role]] = [(invite.object, invite.role) for invite in batch]
    acts = {member_object(each.object): act_of(each, told.get(each.object)) for each in batch}
    act = acts[names[0]] if len(batch) == 1 else Act(Invite.verb, f"invite {len(batch)} people", each=acts)
    counting = [command for each in batch for command in hold.counted(run, INVITES, each.object)]
    counting += [run.store.invite(each.object, _inviting(people, each)) for each in batch]
    try:
        answer = await run.attempt(
            names,
            act,
            lambda: run.client.invite(asked, run.target.sso),
            lambda a: _invited(run, people, batch, a),
            counting,
        )
    except RefusedError as error:
        if len(batch) > 1:
            middle = len(batch) // 2
            halves = (batch[:middle], batch[middle:])
            return [each for half in halves for each in await _invite(run, people, half, told)]
        await refused(run, names[0], act, error)
        return []
    return batch if answer else []


def _inviting(people: People, invite: Invite) -> Inviting:
    planned = people.plans[invite.object].binding
    return Inviting(invite.kept, invite.since, planned.kept_role, planned.first_holders)


def _invited(run: Run, people: People, batch: list[Invite], answer: Invited) -> list[Command]:
    """Write down what an invite's answer shows: one id for one address is theirs, else look them up."""
    commands: list[Command] = []
    for invite in batch:
        email, failed = invite.object, invite.object in answer.failed_sso
        binding = replace(
            people.plans[email].binding, state=State.INVITED, id=None, role=invite.role,
            sso=invite.sso and not failed, ours=True, kept=invite.kept, failed_sso=failed, admitted=True,
        )  # fmt: skip
        commands += [("SADD", run.store.key("no_sso"), email)] if failed else []
        if len(batch) == 1 and len(answer.ids) == 1:
            binding = replace(binding, state=State.KNOWN, id=answer.ids[0])
            run.known_now[email] = binding
        else:  # looked up next; until then in doubt, so that a crash between does not leave it at that
            commands.append(("ZADD", run.store.key("pending"), run.now + _LOOK_AGAIN_FIRST, email))
            commands += run.store.doubt([member_object(email)])
        commands += [run.store.put_member(email, binding), run.store.invited(email)]
        commands += run.store.unpark(invite_id(email))
        commands += [hold.granted(run, email)] if invite.role == ADMIN else []
    return commands


async def _look_for_invited(run: Run, people: People, sent: list[Invite]) -> None:
    """Find the ids of those just invited. Who is not listed yet is looked for again later."""
    names = [invite.object for invite in sent]
    read, error = await _read_invited(run, names)
    run.known_now |= read
    if error:
        await run.fault([member_object(email) for email in names if email not in read], error)
    for email, binding in run.known_now.items():
        if email in people.plans:
            holders = people.wanted[email].holders
            bound = replace(binding, holders=holders)
            people.plans[email] = replace(people.plans[email], binding=bound)
            if binding.state is State.KNOWN:
                await run.commit([run.store.put_member(email, bound)])
    run.known_now = {}


async def _read_invited(
    run: Run, emails: Sequence[str]
) -> tuple[dict[str, MemberBinding], TargetError | None]:
    """Read as many of them as can be read now: in another slice when this one has ended."""
    if emails and run.over:
        return {}, UnfinishedError(MEMBERS)
    try:
        return await read_some_members(run, emails, newest=True)
    except TargetError as error:
        return {}, error


async def watch_pending(run: Run) -> None:
    """Look for people who were invited and are not listed yet; whose time it is. Never invite them again.

    What else is to be looked at by now for another reason than news is put on the work list.
    """
    key, looks = run.store.key("pending"), run.store.key("looks")
    emails, names = await run.worker.store.calls(
        [("ZRANGEBYSCORE", each, "-inf", run.now, "LIMIT", 0, 1000) for each in (key, looks)]
    )
    if names:
        await run.commit([*run.store.mark(names, run.now), ("ZREM", looks, *names)])
    if not emails:
        return
    before = await run.store.members(emails)
    waiting = [email for email in emails if email in before and before[email].state is State.INVITED]
    try:
        after, error = await read_some_members(run, waiting)
    except TargetError as fault:
        after, error = {}, fault
    left = [email for email in waiting if email not in after]
    again = run.now + (error.wait if isinstance(error, UnfinishedError) else _LOOK_AGAIN_FIRST)
    commands: list[Command] = [("ZADD", key, again, email) for email in left]
    for email in emails:
        if email in left:
            continue
        if email in after and after[email].state is State.INVITED:
            commands.append(("ZADD", key, run.now + hold.LOOK_AGAIN, email))
        else:
            commands.append(("ZREM", key, email))
            commands += run.store.mark([member_object(email)], run.now)
    await run.commit(commands)
    if error:
        await run.fault([], error)


# single changes of members


async def _set_role(
    run: Run,
    people: People,
    change: SetRole,
    told: Mapping[str, Any] | None = None,
    ended: Iterable[Command] = (),
) -> None:
    """Set a role. `told`: what had been held about it; `ended`: what is written besides when it is set."""
    binding = people.plans[change.object].binding
    other = next((each for each in binding.others if each.id == change.account), None)
    if other:
        was = binding.with_other(replace(other, role=change.was), run.now)  # as it was read just now
        after = was.with_other(replace(other, role=change.role), run.now)
    else:
        after = role_set(replace(binding, role=change.was), change, run.now)
    release = [*ended, *([hold.granted(run, change.object)] if change.role == ADMIN else [])]
    act = act_of(change, told)
    await _change(
        run, people, act, change, after, lambda: run.client.set_role(change.id, change.role), release
    )


async def _mark_sso(run: Run, people: People, change: MarkSSO) -> None:
    binding = people.plans[change.object].binding
    other = next((each for each in binding.others if each.id == change.account), None)
    after = binding.with_other(replace(other, sso=True), run.now) if other else replace(binding, sso=True)
    await _change(run, people, act_of(change), change, after, lambda: run.client.mark_sso(change.id))


async def _change(
    run: Run,
    people: People,
    act: Act,
    change: SetRole | MarkSSO,
    after: MemberBinding,
    call: Callable[[], Awaitable[None]],
    release: Sequence[Command] = (),
) -> None:
    """Make one change of one member; `after` is what is known then, `release` lets go of what was held."""
    name, email = member_object(change.object), change.object
    if name in run.outdated:
        return

    def changed(_: object) -> list[Command]:
        people.plans[email] = replace(people.plans[email], binding=after)
        return [run.store.put_member(email, after), *release]

    try:
        await run.attempt([name], act, call, changed)
    except RefusedError as error:
        await refused(run, name, act, error)


async def refused(run: Run, name: str, act: Act, error: RefusedError, asked: str = "") -> None:
    """Decide after a 4xx about one object: look again, blame the token, or give the object up.

    `asked`: what such changes have in common, where one of them may have been looked at again already.
    """
    asked = asked or act.text
    if error.status in (404, 409) and (name, asked) not in run.retried:
        run.retried.add((name, asked))
        run.look_again([name], run.now)
        run.outdated.add(name)
        return
    if error.status == 403:
        try:
            await run.read(run.client.ping())
        except TargetError as fault:
            await run.fault([name], fault)
            return
    await run.bury(name, act, error.message)
