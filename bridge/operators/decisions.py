"""What is held for a person's approval, or was given up, and what an operator decides about it.

Every action is written down with who, when and why in its own transaction: in the target's history and in
the audit. It is done only while what the operator saw still is so; whoever comes too late is told.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.operators.desks import Desk
from bridge.operators.filters import Filter
from bridge.operators.objects import kind_of, plain_name
from bridge.operators.origins import Origin, origins_of
from bridge.plan.changes import VERBS, AdoptTeam
from bridge.plan.held import Decision, Held
from bridge.plan.judge import leaving_id
from bridge.store.audit import Audit, Deed
from bridge.store.commit import Transaction
from bridge.store.mirror import MirrorStore
from bridge.store.targets import MEMBER, TEAM

KINDS = ("member", "team", *VERBS)  # what it is about, or what is to be done
HELD, APPROVED = "held", "approved"
STATES = (HELD, APPROVED)
_LOOKED_BACK = 1000  # deeds, for who was faster


@dataclass(frozen=True, slots=True)
class Case:
    """A change of one target that waits for a person, or was given up.

    `approved`: what somebody decided that the worker has not carried out yet; `event`: the id of the one
    that last spoke of whom it is about, `source`: who told that; "" for none, or when it is not kept.
    """

    target: str
    held: Held
    approved: Decision | None = None
    event: str = ""
    source: str = ""

    @property
    def kind(self) -> str:
        """Return whether it is about a "member" or a "team"."""
        return kind_of(self.held.object)

    @property
    def name(self) -> str:
        """Return the e-mail or the team's title."""
        return plain_name(self.held.object)

    @property
    def state(self) -> str:
        """Return "held", or "approved" when the worker is to do it."""
        return APPROVED if self.approved else HELD


@dataclass(frozen=True, slots=True)
class Late:
    """Why an action came too late for what has this `id`; `change`: what it was, in words.

    `what`: approved, rejected or retried (`by` whom and `at`, unix ms), "changed", or "gone": its cause is.
    """

    id: str
    target: str
    change: str
    what: str
    by: str = ""
    at: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action came to: what was done, what was too late, and ids under which there is nothing."""

    done: Sequence[Case] = ()
    late: Sequence[Late] = ()
    unknown: Sequence[str] = ()


# what there is


async def parked(desks: Mapping[str, Desk], wanted: Filter, now: int) -> list[Case]:
    """Return what waits for a person: by target, the longest held first. Raises one of STORE_ERRORS.

    `now`: unix ms. `wanted`: see KINDS and STATES; its times are those since when something is held.
    """
    cases: list[Case] = []
    for name, desk in desks.items():
        if wanted.admits(target=name):
            held = list((await desk.target.parked()).values())
            approved = await _approved(desk, held, now)
            cases += await _with_events(desk, [Case(name, each, approved.get(each.id)) for each in held])
    return _select(cases, wanted)


async def dead(desks: Mapping[str, Desk], wanted: Filter) -> list[Case]:
    """Return what was given up: by target, the longest ago first. Raises one of STORE_ERRORS."""
    cases: list[Case] = []
    for name, desk in desks.items():
        if wanted.admits(target=name):
            given_up = (await desk.target.dead()).values()
            cases += await _with_events(desk, [Case(name, each) for each in given_up])
    return _select(cases, wanted)


async def _with_events(desk: Desk, cases: Sequence[Case]) -> list[Case]:
    origins = await origins_of(desk.target, {case.held.object for case in cases})
    told = [origins.get(case.held.object, Origin()) for case in cases]
    return [
        replace(case, event=each.event, source=each.source) for case, each in zip(cases, told, strict=True)
    ]


def _select(cases: Iterable[Case], wanted: Filter) -> list[Case]:
    chosen = (case for case in cases if _admits(wanted, case))
    return sorted(chosen, key=lambda each: (each.target, each.held.since, each.held.object))[: wanted.limit]


def _admits(wanted: Filter, case: Case) -> bool:
    held = case.held
    texts = (case.name, held.id, held.change, held.reason, *held.emails)
    what = (case.kind, held.kind)
    return any(
        wanted.admits(
            source=case.source, target=case.target, kind=kind, state=case.state, at=held.since, texts=texts
        )
        for kind in what
    )


async def _approved(desk: Desk, held: Collection[Held], now: int) -> dict[str, Decision]:
    """Return the standing approvals of held changes by their ids; a team's only if all of it is approved."""
    decided = await desk.target.decisions([ident for each in held for ident in _about(each)])
    found = {}
    for each in held:
        answers = [decided.get(ident) for ident in _about(each)]
        standing = [it for it in answers if it and it.approved and it.stands(each.token, now)]
        if len(standing) == len(answers):
            found[each.id] = max(standing, key=lambda decision: decision.at)
    return found


def _about(held: Held) -> dict[str, str]:
    """Return what a decision about a held change is kept under, and whom it is about, "" for all of it.

    About people who leave a team there is one decision each, so that a later one leaves earlier ones alone.
    """
    leaving = {leaving_id(held.id, email): email for email in held.emails}
    return leaving or {held.id: ""}


async def choose(desks: Mapping[str, Desk], cases: Iterable[Case], idents: Collection[str]) -> Outcome:
    """Return (as `done`) those cases that have these ids; of the others who was faster, if anybody."""
    found = [case for case in cases if case.held.id in idents]
    missing = set(idents) - {case.held.id for case in found}
    audits = [desk.audit for desk in desks.values()][:1] if missing else []  # they share one
    deeds = [deed for audit in audits for deed in await _deeds(audit) if deed.detail["id"] in missing]
    past = {deed.detail["id"]: deed for deed in reversed(deeds)}
    return Outcome(found, [_late(past[each]) for each in sorted(past)], sorted(missing - past.keys()))


async def _deeds(audit: Audit) -> list[Deed]:
    """Return what was decided about held changes, the newest first, as far as one looks back."""
    return [deed for _, deed in await audit.read(most=_LOOKED_BACK) if "id" in deed.detail]


def _late(deed: Deed) -> Late:
    return Late(deed.detail["id"], deed.target, deed.what, deed.action, deed.by, deed.at)


# what an operator does


async def decide(desks: Mapping[str, Desk], cases: Iterable[Case], decision: Decision) -> Outcome:
    """Approve or reject held changes as they were read. Raises one of STORE_ERRORS.

    `decision.at`: now, unix ms; its token is that of each held change. Nobody else's decision of the
    meantime is overruled; an approval that is not carried out yet may be rejected by whoever has seen it.
    """
    done: list[Case] = []
    late: list[Late] = []
    for case in cases:
        problem = await _decide(desks[case.target], case, decision)
        if problem:
            late.append(problem)
        else:
            done.append(case)
    return Outcome(done, late)


async def _decide(desk: Desk, case: Case, decision: Decision) -> Late | None:
    earlier = case.approved
    if earlier and decision.approved:
        return Late(case.held.id, case.target, case.held.change, "approved", earlier.by, earlier.at)
    if await write_decision(desk, case.held, decision, earlier):
        return None
    return await _who_was_faster(desk, case.held)


async def write_decision(desk: Desk, held: Held, decision: Decision, earlier: Decision | None = None) -> bool:
    """Write down what a person decided about a held change, and have it looked at at once.

    A rejected one is no longer held: it is an exception now, until its cause is gone or it ends.
    `earlier`: the approval that it overrules. False, and nothing is done, when it is not held like this any
    more, or somebody else has decided meanwhile.
    """
    target, about = desk.target, _about(held)
    answer = replace(decision, token=held.token)
    transaction = Transaction(target.store)
    if not await _require(transaction, desk, held, earlier, decision.at):
        return False
    for ident, email in about.items():
        transaction.add(*target.decide(ident, answer))
        if decision.until:
            name = MEMBER + email if email else held.object
            transaction.add(*target.look(name, int(decision.until * 1000)))
    if not decision.approved:
        transaction.add("HDEL", target.key("parked"), held.id)
    waiting = await _members_of(desk, held) if held.kind == AdoptTeam.verb else set[str]()
    objects = [held.object, *(MEMBER + email for email in sorted({*held.emails, *waiting}))]
    transaction.add_all(target.mark(objects, decision.at))
    transaction.add("RING", "converge", target.id, decision.at)
    outcome = "approved" if decision.approved else "rejected"
    detail = {"until": int(decision.until * 1000)} if decision.until else {}
    _write_down(
        transaction, desk, held, Deed(decision.at, decision.by, outcome, why=decision.why, detail=detail)
    )
    return await transaction.run()


async def retry(desks: Mapping[str, Desk], cases: Iterable[Case], by: str, why: str, now: int) -> Outcome:
    """Make what was given up due again (`now`: unix ms). Raises one of STORE_ERRORS."""
    done: list[Case] = []
    late: list[Late] = []
    for case in cases:
        desk = desks[case.target]
        if await write_retry(desk, case.held, by, why, now):
            done.append(case)
        else:
            late.append(await _who_was_faster(desk, case.held))
    return Outcome(done, late)


async def write_retry(desk: Desk, held: Held, by: str, why: str, now: int) -> bool:
    """Make what was given up due again, at once; the record keeps how often it was tried, and why in vain.

    A team that could not be made is made for its members, so those of its groups are looked at. False, and
    nothing is done, when it is not given up like this any more.
    """
    target = desk.target
    row = await target.store.call("HGET", target.key("dead"), held.object)
    if row is None or (await target.dead()).get(held.object) != held:
        return False
    objects = [held.object, *(MEMBER + email for email in sorted(await _members_of(desk, held)))]
    transaction = Transaction(target.store)
    transaction.require_field(target.key("dead"), held.object, row)
    transaction.add_all(target.revive(held.object))
    transaction.add_all(target.mark(objects, now))
    transaction.add("RING", "converge", target.id, now)
    detail = {"attempts": held.attempts}
    _write_down(transaction, desk, held, Deed(now, by, "retried", why=why, detail=detail))
    return await transaction.run()


async def _members_of(desk: Desk, held: Held) -> set[str]:
    """Return who was ever in the groups of a team that was given up, or is to be adopted."""
    team = (await desk.target.teams()).get(held.object[2:]) if held.object.startswith(TEAM) else None
    mirror = MirrorStore(desk.target.store)
    return {email for ref in (team.groups if team else ()) for email in await mirror.members_of(ref)}


# keeping to what was seen


async def _require(
    transaction: Transaction, desk: Desk, held: Held, earlier: Decision | None, now: int
) -> bool:
    """Let a transaction run only while a change is held, and decided about, as somebody saw it.

    What it requires is read before it is compared, so nothing can slip in between.
    """
    target, idents = desk.target, list(_about(held))
    row, decided = await target.store.calls([
        ("HGET", target.key("parked"), held.id), ("HMGET", target.key("decision"), *idents),
    ])  # fmt: skip
    same = (await target.parked_of([held.id])).get(held.id) == held
    if not same or (await _approved(desk, [held], now)).get(held.id) != earlier:
        return False
    transaction.require_field(target.key("parked"), held.id, row)
    for ident, decision in zip(idents, decided, strict=True):
        transaction.require_field(target.key("decision"), ident, decision or "")
    return True


async def _who_was_faster(desk: Desk, held: Held) -> Late:
    """Return what became of a change that is not as it was seen."""
    for deed in await _deeds(desk.audit):
        if (deed.target, deed.detail["id"]) == (desk.name, held.id) and deed.at >= held.since:
            return _late(deed)
    still = held.id in await desk.target.parked() or held.object in await desk.target.dead()
    return Late(held.id, desk.name, held.change, "changed" if still else "gone")


def _write_down(transaction: Transaction, desk: Desk, held: Held, deed: Deed) -> None:
    """Have the target's history and the audit tell of an action about a held change."""
    about = {"id": held.id, "reason": held.reason, "held_since": held.since, "emails": list(held.emails)}
    full = replace(
        deed, target=desk.name, object=held.object, what=held.change, detail={**about, **deed.detail}
    )
    transaction.add(*desk.history.record({
        "at": deed.at, "object": held.object, "kind": held.kind, "change": held.change,
        "outcome": deed.action, "by": deed.by, "why": deed.why, "reason": held.reason,
        "held_since": held.since, **deed.detail,
    }))  # fmt: skip
    transaction.add(*desk.audit.write(full))
