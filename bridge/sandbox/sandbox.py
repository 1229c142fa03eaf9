"""The sandbox: one organisation, its limits, its faults and the calls it has had."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Any, TypeVar

from bridge.sandbox.calls import Call
from bridge.sandbox.faults import Faults, NextFault, named
from bridge.sandbox.limits import Limiter, Limits
from bridge.sandbox.state import Clock, Member, RefusedError, State, Team

T = TypeVar("T")


class Pulse:
    """Wakes everybody who waits, as often as it is rung. Only for the loop that the sandbox runs in."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake those who wait now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Return at the next ring."""
        await self._event.wait()


class Sandbox:
    """A GitBook organisation in memory, with a token whose owner is an admin.

    Read and set freely: `faults`, `limits` (a new value starts new windows), `skew` (seconds its clock is
    ahead of ours), `token`. `state` holds members and teams, `calls` what was called, in order of arrival,
    `saml` the labels of the SAML providers, `late` the calls that are still to take effect. `url` is where
    it is served, up to and with /v1.
    """

    def __init__(
        self,
        organization: str = "acme",
        token: str = "gb_api_sandbox",  # noqa: S107 # a made-up token for a made-up organisation
        *,
        owner: str = "",
        limits: Limits | None = None,
        skew: float = 0.0,
        clock: Clock = time.time,
        seed: int | None = None,
    ) -> None:
        """`owner`: e-mail, else owner@<organization>.test. `seed`: makes ids and shuffles repeatable."""
        self.organization = organization
        self.token = token
        self.skew = skew
        self.url = "http://sandbox.test/v1"
        self.calls: list[Call] = []
        self.saml: list[str] = []
        self.clock = clock
        self.created = self.now()
        self.state = State(self.now, random.Random(seed))
        self.owner = self.state.join(owner or f"owner@{organization}.test", "admin")
        self.late: set[asyncio.Task[Any]] = set()
        self._limiter = Limiter(limits or Limits())
        self._faults = Faults()
        self._switched = Pulse()
        self._arrived = Pulse()

    def now(self) -> float:
        """Return unix seconds by the sandbox's own clock."""
        return self.clock() + self.skew

    # -- what goes wrong

    @property
    def faults(self) -> Faults:
        """What is switched on."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._switched.ring()

    def inject(self, **fields: Any) -> Faults:
        """Switch on these faults as well. Raises ValueError for a field or value that is none."""
        self.faults = self.faults.merged(fields)
        return self.faults

    def heal(self) -> None:
        """Switch off every fault."""
        self.faults = Faults()

    def fault_for(self, call: Call) -> NextFault | None:
        """Return what becomes of the call; a `next` fault is used up by it."""
        fault, self._faults = self._faults.take(call.line)
        return fault

    async def switched(self) -> None:
        """Return when the faults are next set, merged or healed."""
        await self._switched.wait()

    def carry_out(self, wait: Awaitable[None], handle: Callable[[], T]) -> "asyncio.Task[T]":
        """Handle a call after a wait, whatever becomes of its client; until then it is in `late`."""

        async def later() -> T:
            await wait
            return handle()

        task = asyncio.create_task(later())
        self.late.add(task)
        task.add_done_callback(self.late.discard)
        return task

    # -- limits

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._limiter.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._limiter = Limiter(limits)

    @property
    def limiter(self) -> Limiter:
        """Counts the calls."""
        return self._limiter

    # -- seeding

    def seed_member(
        self, email: str, role: str | None = "read", *, sso: bool = False, name: str = "", spaces: int = 0
    ) -> Member:
        """Make somebody a member without any call; `role` None is a guest."""
        return self.state.change(self.state.join(email, role, sso=sso, name=name), spaces=spaces)

    def seed_team(self, title: str, members: Iterable[str] = (), *, spaces: int = 0) -> Team:
        """Create a team of members (e-mails or ids) without any call. Raises RefusedError 404."""
        team = self.state.create_team(title, members)
        team.spaces = spaces
        return team

    def accept(self, email: str) -> Member:
        """Let somebody with a pending invite accept it. Raises RefusedError 404 without one."""
        if email.lower() not in self.state.pending:
            raise RefusedError(404, f"No pending invite for {email}")
        return self.state.join(email, self.state.pending[email.lower()])

    # -- looking

    def members(self) -> dict[str, Member]:
        """Return the members by e-mail (lower case), the token's owner among them."""
        return {member.email: member for member in self.state.members.values()}

    def teams(self) -> dict[str, set[str]]:
        """Return each title with its members' e-mails; teams of one title are taken together."""
        found: dict[str, set[str]] = {}
        for title, emails in self.team_list():
            found.setdefault(title, set()).update(emails)
        return found

    def team_list(self) -> list[tuple[str, set[str]]]:
        """Return every team, oldest first; a team created twice is in it twice."""
        return [(team.title, self._emails(team)) for team in self.state.teams.values()]

    def record(self, call: Call) -> None:
        """Keep the call and wake who waits for it."""
        self.calls.append(call)
        self._arrived.ring()

    def calls_like(self, match: str) -> list[Call]:
        """Return the calls whose "METHOD /path" has the regular expression in it."""
        return [call for call in self.calls if re.search(match, call.line)]

    async def called(self, match: str, times: int = 1) -> Call:
        """Wait until so many calls like this have arrived (answered or not); return the last of them."""
        while len(found := self.calls_like(match)) < times:
            await self._arrived.wait()
        return found[times - 1]

    def report(self) -> dict[str, Any]:
        """Return all it holds, JSON-able."""
        return {
            "organization": self.organization,
            "members": [asdict(member) for member in self.state.members.values()],
            "teams": [
                {"id": team.id, "title": team.title, "members": sorted(self._emails(team))}
                for team in self.state.teams.values()
            ],
            "pending": sorted(self.state.pending),
        }

    def forbid(self, *keys: str) -> None:
        """Raise RefusedError 403 when a fault forbids one of those whom the keys mean."""
        forbidden = self.faults.forbidden
        if forbidden and any(named(forbidden, *self.state.names(key)) for key in keys):
            raise RefusedError(403, "You are not allowed to change this member")

    def _emails(self, team: Team) -> set[str]:
        return {self.state.members[key].email for key in team.members}
