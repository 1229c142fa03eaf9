"""What a call is to do, and how that is written into the history."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.plan.changes import Change, Invite, Remove
from bridge.plan.held import Decision, Held
from bridge.targets.base import Removal

PROVEN = (Remove.verb, Invite.verb)  # the changes whose evidence is kept
DONE, REQUESTED, FAILED, GONE = "done", "requested", "failed", "gone"
PARKED, RELEASED, DEAD = "parked", "released", "dead"


@dataclass(frozen=True, slots=True)
class Act:
    """What a call is to do. `kind`: see `Change.verb`; `text`, `why`: in words.

    `since`: see `bridge.store.history.History`; `each`: of single objects, where it is not the same for all;
    `told`: what else its rows tell, such as since when it was held.
    """

    kind: str
    text: str
    why: str = ""
    since: int = 0
    each: Mapping[str, "Act"] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)


def act_of(change: Change, told: Mapping[str, Any] | None = None) -> Act:
    """Return what a change is to do."""
    since = change.since if isinstance(change, Remove | Invite) else 0
    return Act(change.verb, change.describe(), change.why, since, told=told or {})


def held_before(held: Held | None, decision: Decision | None) -> dict[str, Any]:
    """Return what the row of a change tells that had been held: since when, why, and who approved it."""
    waited = {"held_since": held.since, "held_for": held.reason} if held else {}
    if decision is None:
        return waited
    approval = {"by": decision.by, "at": decision.at, "why": decision.why}
    return waited | {f"approved_{name}": value for name, value in approval.items()}


def outcome_of(result: object) -> str:
    """Return what a call that was answered well has brought about: GitBook's 202 removes nobody."""
    return REQUESTED if result is Removal.REQUESTED else DONE
