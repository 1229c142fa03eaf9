"""What waits for a person, and what a person decided."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Held:
    """A change that waits for a person, or is given up.

    `since`: unix ms; `token`: of the news it answers (see `plan.members.Wanted`); `final`: not even an
    approval lets it through; `emails`: whom a change of a team is about; `kind`: see `Change.verb`.
    """

    id: str
    object: str
    change: str
    reason: str
    since: int
    attempts: int = 0
    token: str = ""
    final: bool = False
    emails: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a held change, of a team: about one of its people.

    `until`: unix seconds, 0 for no end.
    """

    approved: bool
    by: str
    at: int
    why: str = ""
    until: float = 0.0
    token: str = ""

    def stands(self, token: str, now: int) -> bool:
        """Tell whether it still answers this news (`now`: unix ms)."""
        return self.token == token and not (self.until and self.until * 1000 <= now)
