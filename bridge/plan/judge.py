"""The guard's judgement of a plan: what goes on, what waits for a person, what stays as one decided.

The worker acts on it and `bridge plan` shows it, so that both always say the same.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.plan.accounts import Account
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
from bridge.plan.held import Decision, Held
from bridge.plan.members import NOBODY, MemberPlan
from bridge.settings import GuardSettings

PENDING_REASON = "pending invite: revoke it in GitBook (its API cannot)"
FORGOTTEN_REASON = "their removal was rejected, and then their directory was forgotten: decide again"


@dataclass(frozen=True, slots=True)
class Record:
    """What is written down of held changes, by id; `now`: unix ms."""

    parked: Mapping[str, Held] = field(default_factory=dict)
    decided: Mapping[str, Decision] = field(default_factory=dict)
    now: int = 0

    def standing(self, ident: str, token: str = "") -> Decision | None:
        """Return a decision that still answers this news."""
        decision = self.decided.get(ident)
        return decision if decision and decision.stands(token, self.now) else None


@dataclass(frozen=True, slots=True)
class Window:
    """What the guard has counted in its window, and how many there were when it began."""

    counted: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Stakes:
    """Who may not lose something, as read just now: the token's owner and all admins (member ids)."""

    owner: str = ""
    admins: frozenset[str] = frozenset()

    def fresh(self, accounts: Collection[Account]) -> Fresh:
        """Return what protects these accounts of one person, whose roles were read before."""
        idents = {account.id for account in accounts}
        listed = bool(idents & self.admins)
        is_admin = listed or any(account.role == "admin" for account in accounts)
        return Fresh(self.owner in idents, is_admin, listed and self.admins <= idents)

    def without(self, accounts: Collection[Account]) -> "Stakes":
        """Return what is left when these accounts are no admins any more."""
        return replace(self, admins=self.admins - {account.id for account in accounts})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one change: it waits (`hold`), or a person decided, or it goes on by itself.

    `admin`: an admin would lose something, so the next one is to be judged after it is done.
    """

    hold: Hold | None = None
    decision: Decision | None = None
    admin: bool = False

    @property
    def excepted(self) -> bool:
        """A person wants it not to happen."""
        return self.decision is not None and not self.decision.approved

    @property
    def goes(self) -> bool:
        """It is to be done now."""
        return self.hold is None and not self.excepted


def removal_id(email: str) -> str:
    """Return the id under which a person's removal is held."""
    return parked_id("remove", email)


def invite_id(email: str) -> str:
    """Return the id under which an invite is held."""
    return parked_id("invite", email)


def role_id(email: str) -> str:
    """Return the id under which a lower role is held."""
    return parked_id("role", email)


def team_id(team: str) -> str:
    """Return the id under which the losses of a team are held."""
    return parked_id("team", team)


def leaving_id(held: str, email: str) -> str:
    """Return the id of what a person decided about one of those whom a held loss of a team names."""
    return parked_id("leave", f"{held} {email}")


def deletion_id(title: str) -> str:
    """Return the id under which the deletion of a team is held."""
    return parked_id("delete", "t:" + title)


def judge_removals(
    guard: GuardSettings, leaving: Sequence[MemberPlan], record: Record, stakes: Stakes, window: Window
) -> Iterator[Verdict]:
    """Judge removals one after the other: what goes on counts for those behind it.

    What waits stays so until it is approved, rejected, or no longer wanted.
    """
    removed = window.counted
    for plan in leaving:
        ident, fresh = removal_id(plan.wanted.email), stakes.fresh(plan.binding.accounts)
        decision = record.standing(ident, plan.wanted.token)
        if decision and not decision.approved:
            yield Verdict(None, decision)
            continue
        here = replace(window, counted=removed)
        hold = _judge_removal(guard, plan, fresh, record, decision, here)
        hold = hold or _excepted_before(record, ident, plan.wanted.token if decision is None else "")
        yield Verdict(hold, decision, fresh.is_admin)
        if hold is None:
            stakes = stakes.without(plan.binding.accounts)
            removed += decision is None  # approved removals are not counted


def _judge_removal(
    guard: GuardSettings,
    plan: MemberPlan,
    fresh: Fresh,
    record: Record,
    decision: Decision | None,
    window: Window,
) -> Hold | None:
    removal, parked = plan.removal, record.parked.get(removal_id(plan.wanted.email))
    if plan.pending or removal is None:
        return Hold(PENDING_REASON)
    if final := never(fresh):
        return final
    if decision:
        return None
    if hold := needs_person(guard, plan, fresh, record.now):
        return hold
    held = parked and plan.wanted.token in (
        parked.token,
        NOBODY,
    )  # a forgotten directory frees nobody, either
    if parked and held and not _outdated(parked, removal):
        return Hold(parked.reason)
    return over_limit(guard, window.counted, window.size)


def _excepted_before(record: Record, ident: str, token: str) -> Hold | None:
    """Who decided that somebody stays meant it, and did not take back when their directory was forgotten."""
    before = record.decided.get(ident)
    lasts = before and not before.approved and not (before.until and before.until * 1000 <= record.now)
    return Hold(FORGOTTEN_REASON) if lasts and token == NOBODY else None


def _outdated(parked: Held, removal: Remove) -> bool:
    """Tell whether what someone was held for is not so any more.

    Whose address changed and who then left altogether is a leaver like any other, and so is whose
    invite was accepted.
    """
    moved = "address changed" in parked.reason
    return parked.reason == PENDING_REASON or (moved and not removal.moved_to)


def judge_lowering(changes: Sequence[SetRole], stakes: Stakes) -> Iterator[Verdict]:
    """Judge lower roles one after the other: never the token's owner, never the last admin."""
    for change in changes:
        if change.was != "admin":
            yield Verdict()
            continue
        here = [Account(change.id, change.was, False)]
        hold = never(stakes.fresh(here))
        yield Verdict(hold, None, admin=True)
        if hold is None:
            stakes = stakes.without(here)


def judge_invites(
    guard: GuardSettings, invites: Sequence[Invite], tokens: Mapping[str, str], record: Record, invited: int
) -> Iterator[Verdict]:
    """Judge invites under `max_invites`, one after the other; `tokens`: of the news, by e-mail."""
    for invite in invites:
        ident = invite_id(invite.object)
        decision, waits = record.standing(ident, tokens[invite.object]), record.parked.get(ident)
        hold = over_invites(guard, invited) or (Hold(waits.reason) if waits else None)
        verdict = Verdict(None if decision or not guard.max_invites else hold, decision)
        yield verdict
        invited += verdict.goes and decision is None


@dataclass(frozen=True, slots=True)
class Leaving:
    """Who of those who leave a team may do so now: `free` to go, or `approved` and not counted (e-mails).

    `held` wait for a person, because of `hold`; `excepted` stay, as a person decided.
    """

    free: frozenset[str] = frozenset()
    approved: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    excepted: frozenset[str] = frozenset()
    hold: Hold | None = None


def judge_team(
    guard: GuardSettings, team: str, emails: Collection[str], record: Record, window: Window
) -> Leaving:
    """Sort out who may leave a team now. While some are held, whoever else leaves waits with them."""
    ident = team_id(team)
    parked = record.parked.get(ident)
    decided = {email: record.standing(leaving_id(ident, email)) for email in emails}
    approved = frozenset(email for email, each in decided.items() if each and each.approved)
    excepted = frozenset(email for email, each in decided.items() if each and not each.approved)
    leaving, waits = frozenset(emails) - approved - excepted, _waiting(parked, record)
    hold = over_team_limit(guard, len(leaving), window.counted, window.size)
    hold = Hold(parked.reason) if parked and waits else hold
    if hold and leaving:
        return Leaving(frozenset(), approved, leaving | waits, excepted, hold)
    return Leaving(leaving, approved, frozenset(), excepted)


def _waiting(parked: Held | None, record: Record) -> frozenset[str]:
    """Return whom a held loss names and nobody has decided about."""
    emails = parked.emails if parked else ()
    return frozenset(
        email for email in emails if parked and not record.standing(leaving_id(parked.id, email))
    )


def judge_deletion(guard: GuardSettings, title: str, record: Record, window: Window) -> Verdict:
    """Judge the deletion of a team: it counts like the removal of a member."""
    ident = deletion_id(title)
    decision, parked = record.standing(ident), record.parked.get(ident)
    if decision:
        return Verdict(None, decision)
    return Verdict(Hold(parked.reason) if parked else over_limit(guard, window.counted, window.size))
