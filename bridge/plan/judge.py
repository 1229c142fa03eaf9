"""The guard's judgement of a plan: what goes on, what waits for a person, what stays as one decided.

The worker acts on it and `bridge plan` shows it, so that both always say the same.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bridge.plan.accounts import Account
from bridge.plan.adopted import why_not_lowered
from bridge.plan.changes import Invite, Remove, SetRole
from bridge.plan.doubt import is_over
from bridge.plan.guard import (
    Fresh,
    Hold,
    at_once,
    empties_team,
    needs_person,
    never,
    over_adoption,
    over_all_teams,
    over_invites,
    over_limit,
    over_members,
    over_team_limit,
    over_wave,
    parked_id,
    removal_limit,
    waits_for_seat,
)
from bridge.plan.held import Decision, Held
from bridge.plan.members import NOBODY, Grant, MemberPlan, Wanted
from bridge.plan.teams import TeamBinding
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
    """What the guard has counted in its window, and how many there were when it began.

    `names`: of what was counted. `gathering`: by e-mail, when the wave of a removal is, or was, to be judged
    (unix ms); also of removals that went on and are not done yet.
    """

    counted: int = 0
    size: int = 0
    names: frozenset[str] = frozenset()
    gathering: Mapping[str, int] = field(default_factory=dict)

    def wave_ends(self, now: int) -> int:
        """Return when the wave that gathers now is to be judged, 0 for none (unix ms)."""
        return min((end for end in self.gathering.values() if end > now), default=0)


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

    `admin`: an admin would lose something, so the next one is to be judged after it is done. `until`: it
    waits so long for others of its wave (unix ms), and then this is what becomes of it if nobody else comes.
    """

    hold: Hold | None = None
    decision: Decision | None = None
    admin: bool = False
    until: int = 0

    @property
    def excepted(self) -> bool:
        """A person wants it not to happen."""
        return self.decision is not None and not self.decision.approved

    @property
    def goes(self) -> bool:
        """It is to be done, now or when its wave is judged."""
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


def grant_id(email: str) -> str:
    """Return the id under which it is held that somebody becomes an admin."""
    return parked_id("grant", email)


def team_id(team: str) -> str:
    """Return the id under which the losses of a team are held."""
    return parked_id("team", team)


def leaving_id(held: str, email: str) -> str:
    """Return the id of what a person decided about one of those whom a held loss of a team names."""
    return parked_id("leave", f"{held} {email}")


def deletion_id(title: str) -> str:
    """Return the id under which the deletion of a team is held."""
    return parked_id("delete", "t:" + title)


def adoption_id(title: str) -> str:
    """Return the id under which the adoption of a team is held; its token is the team's own id."""
    return parked_id("adopt", "t:" + title)


def judge_removals(
    guard: GuardSettings, leaving: Sequence[MemberPlan], record: Record, stakes: Stakes, window: Window
) -> list[Verdict]:
    """Judge removals together, as `bridge.plan.guard` says; `leaving`: in the order of their addresses.

    What is held stays so until it is approved, rejected, or no longer wanted.
    """
    verdicts: dict[str, Verdict] = {}
    for plan in leaving:
        email, fresh = plan.wanted.email, stakes.fresh(plan.binding.accounts)
        if verdict := _judge_alone(guard, plan, fresh, record):
            verdicts[email] = verdict
            stakes = stakes.without(plan.binding.accounts) if verdict.goes else stakes
    emails = [plan.wanted.email for plan in leaving]
    verdicts |= _judge_wave(guard, emails, verdicts.keys(), window, record.now)
    return [verdicts[email] for email in emails]


def _judge_alone(guard: GuardSettings, plan: MemberPlan, fresh: Fresh, record: Record) -> Verdict | None:
    """Judge one removal by itself; None when only the number of removals can hold it."""
    ident, token = removal_id(plan.wanted.email), plan.wanted.token
    decision = record.standing(ident, token)
    if decision and not decision.approved:
        return Verdict(None, decision)
    hold = _judge_removal(guard, plan, fresh, record, decision)
    if decision:
        return Verdict(hold, decision, fresh.is_admin)
    hold = hold or _excepted_before(record, ident, token)
    return Verdict(hold, None, fresh.is_admin) if hold else None


def _judge_removal(
    guard: GuardSettings, plan: MemberPlan, fresh: Fresh, record: Record, decision: Decision | None
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
    if parked and held and not _outdated(parked, plan.wanted, removal):
        return Hold(parked.reason)
    return None


def _judge_wave(
    guard: GuardSettings, leaving: Sequence[str], judged: Collection[str], window: Window, now: int
) -> dict[str, Verdict]:
    """Judge by their number those who leave (e-mails) and were not judged alone."""
    ends = window.gathering
    free = [email for email in leaving if email not in judged]
    again = {email for email in free if email in window.names and 0 < ends.get(email, 0) <= now}
    new = [email for email in free if email not in again]
    ripe = {ends[email] for email in new if 0 < ends.get(email, 0) <= now}
    verdicts = dict.fromkeys(again, Verdict())
    until = 0 if ripe or not guard.gather else _gathers_until(guard, len(new), window, now)
    if until is None:
        return verdicts | dict.fromkeys(new, Verdict())
    here, waves = {*leaving, *window.names}, ripe or {until}
    elsewhere = sum(end in waves and email not in here for email, end in ends.items())
    for place, email in enumerate(new):
        if guard.on_limit == "hold-rest":
            hold = over_limit(guard, window.counted + place, window.size)
        else:
            hold = over_wave(guard, len(new) + elsewhere, window.counted, window.size)
        verdicts[email] = Verdict(hold, until=until)
    return verdicts


def _gathers_until(guard: GuardSettings, new: int, window: Window, now: int) -> int | None:
    """Return until when so many removals wait for others (unix ms), 0: they do not, None: they go at once."""
    if window.counted >= removal_limit(guard, window.size):
        return 0
    end = window.wave_ends(now)
    if not end and window.counted + new <= at_once(guard, window.size):
        return None
    return end or now + int(guard.gather * 1000)


def _excepted_before(record: Record, ident: str, token: str) -> Hold | None:
    """Who decided that somebody stays meant it, and did not take back when their directory was forgotten."""
    before = record.decided.get(ident)
    lasts = before and not before.approved and not (before.until and before.until * 1000 <= record.now)
    return Hold(FORGOTTEN_REASON) if lasts and token == NOBODY else None


def _outdated(parked: Held, wanted: Wanted, removal: Remove) -> bool:
    """Tell whether what someone was held for is not so any more.

    Whose address changed and who then left altogether is a leaver like any other, and so is whose
    invite was accepted, and of whom there is no doubt any more.
    """
    moved = "address changed" in parked.reason
    return (
        parked.reason == PENDING_REASON or is_over(parked.reason, wanted) or (moved and not removal.moved_to)
    )


def judge_lowering(
    guard: GuardSettings, lowered: Sequence[tuple[MemberPlan, SetRole]], record: Record, stakes: Stakes
) -> Iterator[Verdict]:
    """Judge lower roles one after the other: never the token's owner, never the last admin.

    Whom the bridge did not invite is not lowered by every directory that names them. What waits for a person
    stays so until it is decided, or nobody wants it any more. `stakes`: with all admins.
    """
    for plan, change in lowered:
        ident, here = role_id(change.object), [Account(change.id, change.was, False)]
        decision, parked = record.standing(ident, role_token(plan, change)), record.parked.get(ident)
        if decision and not decision.approved:
            yield Verdict(None, decision)
            continue
        fresh = stakes.fresh(here)
        hold = never(fresh) if fresh.is_admin else None
        if hold is None and decision is None:
            reason = parked.reason if parked and not parked.final else ""
            reason = reason or why_not_lowered(guard, plan, change, record.now) or ""
            hold = Hold(reason) if reason else None
        yield Verdict(hold, decision, fresh.is_admin)
        if hold is None:
            stakes = stakes.without(here)


def judge_grant(grant: Grant, record: Record) -> Verdict:
    """Judge that somebody is to become an admin: it is held until a person has decided."""
    decision = record.standing(grant_id(grant.change.object), grant.token)
    return Verdict(None if decision else Hold(grant.reason), decision)


def role_token(plan: MemberPlan, change: SetRole) -> str:
    """Return the token of the news that a lower role answers: another role is other news."""
    return f"{plan.wanted.token} {change.role}"


def judge_frozen_invites(
    invites: Sequence[Invite], wanted: Mapping[str, Wanted], record: Record
) -> Iterator[Verdict]:
    """Judge invites of people for whom the data may not act (see `plan.doubt`): they wait for a person."""
    for invite in invites:
        here = wanted[invite.object]
        decision = record.standing(invite_id(invite.object), here.token)
        yield Verdict(Hold(here.doubt) if here.frozen and not decision else None, decision)


def judge_invites(
    guard: GuardSettings,
    invites: Sequence[Invite],
    tokens: Mapping[str, str],
    record: Record,
    invited: int,
    members: int = 0,
) -> Iterator[Verdict]:
    """Judge invites under `max_invites` and `max_members`, one after the other.

    `tokens`: of the news, by e-mail; `invited`: so many were in the window; `members`: so many the
    organisation has, and will have when all who are invited have accepted.
    """
    for invite in invites:
        ident = invite_id(invite.object)
        decision, parked = record.standing(ident, tokens[invite.object]), record.parked.get(ident)
        waits = parked if guard.max_invites and parked and not waits_for_seat(parked) else None
        hold = over_invites(guard, invited) or (Hold(waits.reason) if waits else None)
        verdict = Verdict(None if decision else hold or over_members(guard, members), decision)
        yield verdict
        invited += verdict.goes and decision is None
        members += verdict.goes


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


@dataclass(frozen=True, slots=True)
class Losses:
    """Who is to leave a team (its id, e-mails), and what it has lost in the window.

    `ended`: those of them whose group was deleted.
    """

    team: str
    emails: frozenset[str]
    ended: frozenset[str] = frozenset()
    window: Window = Window()


def losses_of_ended(title: str, team: TeamBinding, leaving: Iterable[Wanted]) -> frozenset[str]:
    """Return (e-mails) who of those who leave a team do so because its group was deleted.

    A group that the rules do not map to the team any more was not.
    """
    if team.groups:
        return frozenset()
    return frozenset(wanted.email for wanted in leaving if title in wanted.named_titles)


def judge_teams(
    guard: GuardSettings, losses: Sequence[Losses], record: Record, total: Window
) -> dict[str, Leaving]:
    """Sort out who may leave their teams now, by the teams' ids. `total`: what all teams have lost.

    They are judged together: what is too much for all teams holds those of each. Who was held before, or
    has been decided about, does not count; who is held now for the sake of one team does.
    """
    found = {each.team: _judge_team(guard, each, record) for each in losses}
    asked = 0
    for each in losses:
        parked, here = record.parked.get(team_id(each.team)), found[each.team]
        before = parked.emails if parked else ()
        asked += len((here.free | here.held) & each.emails - each.ended - {*before})
    hold = over_all_teams(guard, asked, total.counted, total.size)
    for each in losses if hold else ():
        here = found[each.team]
        if emails := here.free - each.ended:
            found[each.team] = replace(here, free=here.free - emails, held=emails, hold=hold)
    return found


def _judge_team(guard: GuardSettings, losses: Losses, record: Record) -> Leaving:
    """Judge one team by itself. While some are held, whoever else leaves waits with them."""
    ident, window = team_id(losses.team), losses.window
    parked = record.parked.get(ident)
    decided = {email: record.standing(leaving_id(ident, email)) for email in losses.emails}
    approved = frozenset(email for email, each in decided.items() if each and each.approved)
    excepted = frozenset(email for email, each in decided.items() if each and not each.approved)
    leaving, waits = losses.emails - approved - excepted, _waiting(parked, record)
    hold = over_team_limit(guard, len(leaving), window.counted, window.size)
    hold = hold or empties_team(guard, len(leaving - losses.ended), window.counted, window.size)
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
    """Judge the deletion of a team: it counts like the removal of a member.

    Removals go first, so it waits while a wave of them gathers.
    """
    ident = deletion_id(title)
    decision, parked = record.standing(ident), record.parked.get(ident)
    if decision:
        return Verdict(None, decision)
    if parked:
        return Verdict(Hold(parked.reason))
    hold = over_limit(guard, window.counted, window.size)
    return Verdict(hold, until=window.wave_ends(record.now))


def judge_adoption(guard: GuardSettings, title: str, team: str, strangers: int, record: Record) -> Verdict:
    """Judge the adoption of a team (by its id) that has so many members whom no directory named.

    What somebody decided about this very team holds, whoever is in it by now.
    """
    decision = record.standing(adoption_id(title), team)
    return Verdict(None if decision else over_adoption(guard, strangers), decision)
