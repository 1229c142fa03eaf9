"""Calls that were to make a team and had no clear end: they may take effect late, or did already."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.targets.base import RemoteTeam

CLOCK_SLACK = 5_000  # ms a target's clock may be off when telling whose team a new one is


@dataclass(frozen=True, slots=True)
class Making:
    """What was asked for under one title, while the end of any call is not clear.

    `since`, `last`: when the first and the last call began, unix ms, `since` not by less than the target's
    clock; `lost`: how many have no clear end;
    `members`: ids of those whom any of them was to put in; `left`: why a team that may be of one of them
    is left alone.
    """

    since: int
    last: int
    lost: int = 0
    members: tuple[str, ...] = ()
    left: str = ""

    def made(self, team: RemoteTeam) -> bool:
        """Tell whether one of the calls can have made a team: it came after the first of them began."""
        return _created_ms(team) >= self.since - CLOCK_SLACK

    def ended(self) -> "Making | None":
        """Return what is left when the end of one call is clear."""
        return replace(self, lost=self.lost - 1, left="") if self.lost > 1 else None


def begun(before: Making | None, now: int, members: Collection[str], ahead: int = 0) -> Making:
    """Return what is known when one more call begins; it has no clear end until there is one.

    `ahead`: how many ms the target's clock is ahead of ours (`now`, unix ms), 0 where it is behind: so a team
    that somebody made before is never taken for one of the call's, whichever clock is wrong.
    """
    before = before or Making(now + ahead, now)
    everybody = tuple(sorted({*before.members, *members}))
    return replace(before, last=now, lost=before.lost + 1, members=everybody)


def not_ours(making: Making, team: RemoteTeam, inside: Collection[str], owner: str) -> str | None:
    """Return why a team may not be taken for one that a lost call has made, None when it is one.

    `inside`: ids of its members; `owner`: of the token, whom the target may have put in by itself.
    """
    if team.spaces:
        return f"has {team.spaces} space(s)"
    if strangers := set(inside) - {*making.members, owner}:
        return f"has {len(strangers)} member(s) whom the bridge did not put there"
    return None


def _created_ms(team: RemoteTeam) -> float:
    try:
        return datetime.fromisoformat(team.created_at).timestamp() * 1000
    except ValueError:
        return 0.0
