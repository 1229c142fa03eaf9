"""The evidence of what the bridge did not see happen: who got in, or is gone, as a reading shows."""

from collections.abc import Collection, Iterable

from bridge.plan.changes import Invite, Remove
from bridge.plan.judge import removal_id
from bridge.plan.members import MemberPlan, State, Wanted
from bridge.store.mirror import Command
from bridge.store.targets import Cause
from workers.acts import DONE, GONE, Act, held_before
from workers.run import Run, member_object


async def got_in(run: Run, emails: Collection[str]) -> list[Command]:
    """Return the commands that prove that an invite whose end was not clear has made people members."""
    inviting = await run.store.inviting(emails)
    commands: list[Command] = []
    for email in emails:
        since = inviting[email].since if email in inviting else 0
        act = Act(Invite.verb, f"invite {email}", "named by the directory", since)
        commands += _prove(run, email, act, DONE, "found after a call without a clear end")
    return commands


async def gone_by_now(run: Run, plans: Iterable[MemberPlan]) -> list[Command]:
    """Return the commands that prove that those who had to go, or were members, are gone.

    Somebody has removed them by hand, or a call of ours did whose end was not clear. Whoever had to go, or
    was found to be gone, was noted, held, or decided about: call it before that is let go.
    """
    gone = [plan.wanted for plan in plans if _is_gone(plan)]
    if not gone:
        return []
    times = await run.worker.store.call("HMGET", run.store.key("leaving"), *(each.email for each in gone))
    idents = [removal_id(each.email) for each in gone]
    parked, decided = await run.store.parked_of(idents), await run.store.decisions(idents)
    commands: list[Command] = []
    for wanted, ident, noted in zip(gone, idents, times, strict=True):
        held, decision = parked.get(ident), decided.get(ident)
        if noted or (not wanted.member and (held or decision)):
            told = held_before(held, decision if decision and decision.approved else None)
            act = Act(
                Remove.verb, f"remove member {wanted.email}", wanted.why_not, _since(wanted, noted), told=told
            )
            commands += _prove(run, wanted.email, act, GONE, "was not there any more")
    return commands


def _is_gone(plan: MemberPlan) -> bool:
    return plan.binding.state is State.ABSENT and not plan.wanted.excluded


def _since(wanted: Wanted, noted: str | None) -> int:
    """Return since when somebody was to go, unix ms; 0 for who was not, or where it is not known.

    They are noted when a reading shows that they are gone, too: what the directory said is earlier then.
    """
    if wanted.member:
        return 0
    return min((each for each in (int(noted or 0), wanted.since) if each), default=0)


def _prove(run: Run, email: str, act: Act, outcome: str, reason: str) -> list[Command]:
    name = member_object(email)
    return run.past.prove(run.row(name, act, outcome, reason, run.causes.get(name, Cause())))
