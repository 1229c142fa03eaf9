"""Members who were there before a directory named them: who may take what they have.

A directory that did not bring somebody may neither evict nor demote them by itself: not while it has known
them for less than the guard's window, and never where another directory knows them and did not let them in.
Pure functions, no I/O.
"""

from bridge.plan.changes import SetRole
from bridge.plan.members import MemberBinding, MemberPlan
from bridge.plan.people import directory_of
from bridge.settings import GuardSettings


def why_not_removed(guard: GuardSettings, plan: MemberPlan, now: int) -> str | None:
    """Return why somebody whom the bridge did not invite is not removed unasked (`now`: unix ms)."""
    if is_young(guard, plan.binding, now):
        return _young(guard, "removed")
    # Who was let in by nobody is wanted by nobody: each directory that knows them says so.
    if plan.binding.ours or not plan.binding.named_by:
        return None
    others = plan.wanted.known_by - {*plan.binding.named_by}
    return _known(others, "removed") if others else None


def why_not_lowered(guard: GuardSettings, plan: MemberPlan, change: SetRole, now: int) -> str | None:
    """Return why somebody whom the bridge did not invite does not get a lower role unasked.

    Who takes over an address never had the role themselves, and loses it.
    """
    if change.taken_over or plan.binding.ours:
        return None
    if is_young(guard, plan.binding, now):
        return _young(guard, "given a lower role")
    by = {directory_of(change.group)} if change.group else {*plan.binding.named_by}
    others = plan.wanted.known_by - by
    return _known(others, "given a lower role") if others else None


def is_young(guard: GuardSettings, binding: MemberBinding, now: int) -> bool:
    """Tell whether a member whom the bridge did not invite is known for less than the guard's window."""
    return not binding.ours and bool(binding.adopted) and now - binding.adopted < guard.window * 1000


def _young(guard: GuardSettings, what: str) -> str:
    return (
        f"was a member before a directory named them, less than {guard.window / 3600:g} h ago: "
        f"{what} only when a person approves"
    )


def _known(others: frozenset[str], what: str) -> str:
    names = " and ".join(sorted(others))
    return f"was a member before, and {names} knows them too: {what} only when a person approves"
