"""Calls that were to make a team and had no clear end: they may take effect late, or did already."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.targets.base import RemoteTeam

CLOCK_SLACK = 5_000  # ms a target's clock may be off when telling whose team a new one is


@dataclass(frozen=True, slots=True)
class Making:
    """What was asked for under one title, while the end of any call is not clear.

    `since`: when the first call began, unix ms by the target's clock; `lost`: how many have no clear end;
    `members`: ids of those whom any of them was to put in; `left`: why a team that may be of one of them
    is left alone; `looks`: how often a team was looked for since the last call.
    """

    since: int
    lost: int = 0
    members: tuple[str, ...] = ()
    left: str = ""
    looks: int = 0

    def made(self, team: RemoteTeam) -> bool:
        """Tell whether one of the calls can have made a team: it came after the first of them began."""
        return _created_ms(team) >= self.since - CLOCK_SLACK

    def ended(self) -> "Making | None":
        """Return what is left when the end of one call is clear."""
        return replace(self, lost=self.lost - 1, left="") if self.lost > 1 else None


def begun(before: Making | None, now: int, members: Collection[str]) -> Making:
    """Return what is known when one more call begins; it has no clear end until there is one.

    `now`: unix ms by the target's clock, since that is the one by which a team has come before or after it.
    """
    before = before or Making(now)
    everybody = tuple(sorted({*before.members, *members}))
    return replace(before, lost=before.lost + 1, members=everybody, looks=0)


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
