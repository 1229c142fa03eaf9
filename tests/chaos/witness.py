"""A sandbox that remembers what the bridge did to it needlessly or wrongly."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

from bridge.sandbox import Member, Sandbox, Team
from bridge.sandbox.state import Invited, State, TeamChange

LATENCY = 0.02


class Memory(State):
    """`removed`: addresses of members who were removed; `repeats`: writes that changed nothing."""

    removed: list[str]
    repeats: int

    def leave(self, key: str) -> bool:
        """Note whom it was."""
        if member := self.members.get(key):
            self.removed.append(member.email)
        return super().leave(key)

    def invite(self, wanted: Mapping[str, str | None], **options: Any) -> Invited:
        """Note an invite of none but members."""
        before = [self.find(email) for email in wanted]
        came = super().invite(wanted, **options)
        self.repeats += before == [self.find(email) for email in wanted]
        return came

    def change(self, member: Member, **fields: object) -> Member:
        """Note a role that was there already."""
        self.repeats += fields == {"role": member.role}
        return super().change(member, **fields)

    def update_team(self, team: Team, change: TeamChange) -> None:
        """Note an update that did not change who is in it."""
        before = dict(team.members)
        super().update_team(team, change)
        self.repeats += before == team.members

    def create_team(self, title: str, members: Iterable[str] = ()) -> Team:
        """Note a title that was there already."""
        self.repeats += any(team.title == title for team in self.teams.values())
        return super().create_team(title, members)


class Witness(Sandbox):
    """A sandbox with such a memory, which takes a moment for each call."""

    memory: Memory

    def __init__(self, seed: int) -> None:
        """`seed`: of its ids."""
        super().__init__("acme", "sandbox-token-of-the-tests")
        self.state = self.memory = Memory(self.now, random.Random(seed))
        self.memory.removed, self.memory.repeats = [], 0
        self.owner = self.state.join("owner@acme.test", "admin")
        self.inject(latency=LATENCY)

    @property
    def repeats(self) -> int:
        """How many writes changed nothing."""
        return self.memory.repeats + sum(c.status == 204 for c in self.calls if c.method == "DELETE")
