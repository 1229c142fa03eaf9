"""The guard: what must wait for a person, with the numbers that say why.

After Entra's accidental-deletion threshold, octoDNS' unsafe plans and Google's per-group limits.

How many removals go on by themselves:

1. `limit` is the larger of `max_removals` and `max_removal_percent` of the members at the window's start;
   `used` is how many removals the window has counted.
2. People who leave in one step are judged together. They go at once if `used`, they included, is at most half
   of the limit (rounded up), and nobody is waiting for others.
3. Else they wait for others of their wave: until `gather` after the first of it came, whoever comes later. So
   a drip cannot put it off for ever. Where the limit is used up already nobody waits: they are held at once.
4. Then the wave is judged as one: it goes if `used` and all of it are at most the limit. Else all of it is
   held (`on_limit = "hold-wave"`), or what is beyond, in the order of the addresses ("hold-rest").
5. A call that is repeated is not counted again. What was approved is not counted, nor is what is held.

How many are taken out of teams by themselves within a window:

1. A team may not lose more than `team_max_removal_percent` of its members, if those are at least
   `team_min_removals`.
2. Nor may all teams together, by the same two figures: the losses of all against the members of all.
3. Nor may a team of five or more lose all of its members.

Who leaves the organisation is no loss of a team. Whose group was deleted counts for the first rule alone.
With 100 percent none of the rules holds anybody.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from bridge.plan.adopted import why_not_removed
from bridge.plan.changes import Remove
from bridge.plan.held import Held
from bridge.plan.members import MemberPlan
from bridge.plan.scope import email_matches
from bridge.settings import GuardSettings

EMPTIED = 5  # members of the smallest team that may not lose all of them
_NO_SEAT = "the organisation has as many members as max_members allows"


@dataclass(frozen=True, slots=True)
class Fresh:
    """What was read from the target just now about someone who is to lose something.

    `is_owner`: the token is theirs; `is_admin`; `last_admin`: there is no other one.
    """

    is_owner: bool = False
    is_admin: bool = False
    last_admin: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a change waits. `final`: not even an approval lets it through."""

    reason: str
    final: bool = False


def never(fresh: Fresh) -> Hold | None:
    """Return why someone may not lose their membership or admin role, whoever approves."""
    if fresh.is_owner:
        return Hold("the bridge's own token is theirs: make a token of another admin first", final=True)
    if fresh.last_admin:
        return Hold("the last admin of the organisation: make another admin first", final=True)
    return None


@dataclass(frozen=True, slots=True)
class Case:
    """A removal, with all that a reason to hold it may look at. `now`: unix ms."""

    guard: GuardSettings
    plan: MemberPlan
    removal: Remove
    fresh: Fresh
    now: int

    def within_window(self, at: int) -> bool:
        """Tell whether a moment (unix ms, 0 for never) is younger than the guard's window."""
        return bool(at) and self.now - at < self.guard.window * 1000


def _doubted(case: Case) -> str | None:
    return case.plan.wanted.doubt or None


def _moved(case: Case) -> str | None:
    if case.removal.moved_to:
        return "the user's address changed; the old account may hold content: approve to remove it"
    return None


def _is_admin(case: Case) -> str | None:
    if case.fresh.is_admin:
        return "an admin of the organisation is removed only when a person approves"
    return None


def _was_admin(case: Case) -> str | None:
    """Whoever is lowered first and deleted then must not slip through as nobody in particular."""
    binding = case.plan.binding
    if case.within_window(binding.admin_at):
        return (
            f"was an admin of the organisation within {_hours(case.guard.window)}: "
            "removed only when a person approves"
        )
    if binding.role_before == "admin":
        return "was an admin before the directory named them: removed only when a person approves"
    return None


def _protected(case: Case) -> str | None:
    if email_matches(case.guard.protect, case.removal.object):
        return "on the guard's protect list: removed only when a person approves"
    return None


def _outvoted(case: Case) -> str | None:
    if case.plan.wanted.outvoted:
        return (
            "active only in a connection of the directory that has ended: approve to remove them, "
            "or let the old connection go (bridge directory list)"
        )
    return None


def _not_brought(case: Case) -> str | None:
    return why_not_removed(case.guard, case.plan, case.now)


# Why a removal waits for a person whatever its number; the first that holds is the one people read.
REASONS: tuple[Callable[[Case], str | None], ...] = (
    _doubted, _moved, _is_admin, _was_admin, _protected, _outvoted, _not_brought,
)  # fmt: skip


def needs_person(guard: GuardSettings, plan: MemberPlan, fresh: Fresh, now: int) -> Hold | None:
    """Return why a removal needs a person's approval, whatever its number; None without a removal.

    `plan`: of the leaver, with what is known of them; `now`: unix ms.
    """
    if plan.removal is None:
        return None
    case = Case(guard, plan, plan.removal, fresh, now)
    for reason in REASONS:
        if text := reason(case):
            return Hold(text)
    return None


def removal_limit(guard: GuardSettings, members: int) -> int:
    """Return how many removals a window takes; `members`: known at its start."""
    share = members * Decimal(str(guard.max_removal_percent)) / 100  # a float would lose one now and then
    return max(guard.max_removals, int(share))


def over_limit(guard: GuardSettings, removed: int, members: int) -> Hold | None:
    """Return why one more removal must wait after `removed` in this window."""
    limit = removal_limit(guard, members)
    if removed < limit:
        return None
    return Hold(
        f"{removed} removals within {_hours(guard.window)} are the limit ({limit}: the larger of "
        f"max_removals = {guard.max_removals} and {guard.max_removal_percent:g} % of {members} members)"
    )


def at_once(guard: GuardSettings, members: int) -> int:
    """Return how many removals of a window do not wait for others; `members`: known at its start."""
    return (removal_limit(guard, members) + 1) // 2


def over_wave(guard: GuardSettings, wave: int, removed: int, members: int) -> Hold | None:
    """Return why a wave of so many removals must wait as a whole after `removed` in this window."""
    limit = removal_limit(guard, members)
    if removed + wave <= limit:
        return None
    if removed >= limit:
        return over_limit(guard, removed, members)
    before = f" and {removed} before within {_hours(guard.window)}" if removed else ""
    return Hold(
        f"a wave of {wave} removals{before} goes beyond the limit of {_hours(guard.window)} ({limit}: the "
        f"larger of max_removals = {guard.max_removals} and {guard.max_removal_percent:g} % of {members} "
        "members), so all of it is held"
    )


def over_invites(guard: GuardSettings, invited: int) -> Hold | None:
    """Return why one more invite must wait after `invited` in this window."""
    if not guard.max_invites or invited < guard.max_invites:
        return None
    return Hold(f"{invited} invites within {_hours(guard.window)} are the limit (max_invites)")


def over_members(guard: GuardSettings, members: int) -> Hold | None:
    """Return why nobody may be invited while an organisation has so many members."""
    if not guard.max_members or members < guard.max_members:
        return None
    return Hold(f"{_NO_SEAT} ({guard.max_members}): released when there is a seat, or a person approves")


def waits_for_seat(held: Held) -> bool:
    """Tell whether an invite waits for a seat: then it goes on by itself when there is one."""
    return held.reason.startswith(_NO_SEAT)


def over_team_limit(guard: GuardSettings, losses: int, lost: int, size: int) -> Hold | None:
    """Return why `losses` more members may not leave a team that lost `lost` of `size` in this window."""
    return _over_share(guard, "the team", losses, lost, size)


def over_all_teams(guard: GuardSettings, losses: int, lost: int, size: int) -> Hold | None:
    """Return why `losses` more members may not leave their teams, which lost `lost` of `size` before."""
    return _over_share(guard, "all teams together", losses, lost, size)


def _over_share(guard: GuardSettings, who: str, losses: int, lost: int, size: int) -> Hold | None:
    total = lost + losses
    share = size * guard.team_max_removal_percent / 100
    if guard.team_max_removal_percent >= 100 or total <= share or total < guard.team_min_removals:
        return None
    return Hold(
        f"{who} would lose {total} of {size} members within {_hours(guard.window)}, more than "
        f"team_max_removal_percent = {guard.team_max_removal_percent:g}"
    )


def empties_team(guard: GuardSettings, losses: int, lost: int, size: int) -> Hold | None:
    """Return why a team that lost `lost` of `size` in this window may not lose the others (`losses`), too."""
    if guard.team_max_removal_percent >= 100 or not losses or size < EMPTIED or lost + losses < size:
        return None
    return Hold(f"the team would lose all of its {size} members within {_hours(guard.window)}")


def over_adoption(guard: GuardSettings, strangers: int) -> Hold | None:
    """Return why a team with members whom no directory named is not adopted by itself (`adopt_teams`)."""
    if not strangers or guard.adopt_teams == "allow":
        return None
    return Hold(
        f"the team is there already, and no directory named {strangers} of its members: "
        "approve to let its group's people in"
    )


def parked_id(kind: str, subject: str) -> str:
    """Return the id of a parked item: the same for the same object, whenever it is planned."""
    return hashlib.blake2b(f"{kind} {subject}".encode(), digest_size=5).hexdigest()


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:g} h"
