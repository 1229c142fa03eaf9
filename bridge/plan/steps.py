"""A whole plan as people see it: its changes in their order, and what holds some of them back."""

import math
from dataclasses import dataclass, field
from typing import Any

from bridge.plan.changes import INVITES_AT_ONCE, AdoptTeam, Change, Invite, Remove

GATHERS = "waits for others of its wave of removals (guard.gather)"


@dataclass(frozen=True, slots=True)
class Step:
    """One change, and why it is held back, if it is.

    `waits`: for what it waits before it is made, or held back, None where it does not.
    """

    change: Change
    held: str | None = None
    waits: str | None = None

    @property
    def back(self) -> str | None:
        """Return in words what keeps it from being made at once, None when nothing does."""
        return "; then ".join(each for each in (self.waits, self.held) if each) or None


@dataclass(slots=True)
class Plan:
    """All changes of one target, in the order in which they would be made.

    `notes`: what cannot be done, or is waited for, in words; `members`: how many the organisation has now,
    None where the target does not tell; `max_members`: how many it may have, 0 for any number.
    """

    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    members: int | None = None
    max_members: int = 0

    @property
    def calls(self) -> int:
        """How many calls that write it takes."""
        go = [step.change for step in self.steps if step.held is None]
        go = [change for change in go if not isinstance(change, AdoptTeam)]
        invites = sum(isinstance(change, Invite) for change in go)
        others = sum(len(change.others) for change in go if isinstance(change, Remove))
        return len(go) - invites + others + math.ceil(invites / INVITES_AT_ONCE)

    @property
    def seats(self) -> dict[str, int | None]:
        """How many paid seats it takes and frees, how many there are now (None: unknown), and may be."""
        go = [step.change for step in self.steps if step.held is None]
        added = sum(isinstance(change, Invite) for change in go)
        removed = sum(1 + len(change.others) for change in go if isinstance(change, Remove))
        return {
            "added": added, "removed": removed, "members": self.members, "max_members": self.max_members,
        }  # fmt: skip

    @property
    def seats_in_words(self) -> str:
        """The same in words."""
        seats = self.seats
        added, removed = seats["added"] or 0, seats["removed"] or 0
        text = f"seats +{added} -{removed}"
        if self.members is not None:
            text += f": {self.members} member(s) now, {self.members + added - removed} then"
        return text + (f" (max_members = {self.max_members})" if self.max_members else "")

    def as_json(self) -> dict[str, Any]:
        """Return it as `bridge plan --json` prints it."""
        steps = [
            {
                "kind": step.change.kind,
                "object": step.change.object,
                "change": step.change.describe(),
                "why": step.change.why,
                "held": step.held,
                "waits": step.waits,
            }
            for step in self.steps
        ]
        return {"changes": steps, "calls": self.calls, "seats": self.seats, "notes": self.notes}
