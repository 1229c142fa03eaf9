"""What a target has to offer, what it answers with, and the one question its errors answer: what then?"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from bridge.settings import Role

T = TypeVar("T")


class TargetError(Exception):
    """A call that did not do what it should. `message`: the target's own words, or ours.

    `unclear`: an attempt before this answer may have done it all the same.
    """

    unclear = False

    def __init__(self, message: str) -> None:
        """`message` names no secret."""
        super().__init__(message)
        self.message = message


class RateLimitedError(TargetError):
    """Again at `until` (unix seconds). It says nothing about the object and counts as no try."""

    def __init__(self, kind: str, until: float) -> None:
        """`kind`: which calls must wait."""
        super().__init__(f"the limit for {kind} calls is used up")
        self.kind = kind
        self.until = until


class UnavailableError(TargetError):
    """Again later: 5xx, a redirect, no JSON, or a 4xx that is not the target's own word.

    What the call did is not known.
    """

    unclear = True

    def __init__(self, message: str, until: float = 0.0) -> None:
        """`until`: not before (unix seconds, by our clock), as the target asks for; 0: it does not."""
        super().__init__(message)
        self.until = until


class NoAnswerError(UnavailableError):
    """Again later: nothing came back, not even a status."""


class UnconfirmedError(TargetError):
    """Again later, and about this object alone: the answer looks like success and shows that it is none."""

    unclear = True


class CredentialsRejectedError(TargetError):
    """Again when the token works: 401, or an organisation that cannot be seen."""


class RefusedError(TargetError):
    """Not again as it is: a 4xx about this object, in the target's own words. `status`: the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        """`message`: the target's own."""
        super().__init__(message)
        self.status = status


class Removal(StrEnum):
    """What a removal's answer means."""

    DONE = "done"
    REQUESTED = "requested"


@dataclass(frozen=True, slots=True)
class RemoteUser:
    """The user whose token it is. `email`: None where the target tells none."""

    id: str
    email: str | None


@dataclass(frozen=True, slots=True)
class RemoteOrganization:
    """The organisation. `admin`: the token's owner may manage its members."""

    title: str
    admin: bool


@dataclass(frozen=True, slots=True)
class RemoteMember:
    """A member as the target lists them.

    `email` is stripped and lower-cased, None where it tells none; `joined`: when they became a member, in
    the target's own words, "" where it does not tell; `others`: further accounts that have the same
    address, written otherwise, where they were looked for.
    """

    id: str
    email: str | None
    role: Role
    sso: bool
    joined: str = ""
    others: tuple["RemoteMember", ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteTeam:
    """A team as the target lists it. `created_at`: RFC 3339 text."""

    id: str
    title: str
    members: int
    spaces: int
    created_at: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `next`: the cursor of the following one, None on the last.

    `total`: how many items the whole list has, None where the target does not tell.
    """

    items: tuple[T, ...]
    next: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Invited:
    """What an invite did: ids of members (in no order), and e-mails that became no SSO users."""

    ids: tuple[str, ...]
    failed_sso: frozenset[str]


class Target(Protocol):
    """The calls a plan is made of. Each raises TargetError."""

    async def ping(self) -> None:
        """Read one member: is the target there, and does it take the token?"""

    async def owner(self) -> str:
        """Return the id of the user whose token it is."""

    async def user(self) -> RemoteUser:
        """Return the user whose token it is."""

    async def organization(self) -> RemoteOrganization:
        """Return the organisation, with what the token's owner may do there."""

    async def members(
        self, search: str | None = None, role: Role | None = None, page: str | None = None, limit: int = 1000
    ) -> Page[RemoteMember]:
        """List members, the newest first."""

    async def member(self, ident: str) -> RemoteMember:
        """Read one member. Raises RefusedError(404) when there is none of that id."""

    async def invite(self, people: Sequence[tuple[str, Role]], sso: bool) -> Invited:
        """Make people members."""

    async def remove(self, member: str) -> Removal:
        """Take a member out. Raises RefusedError(404) when the target knows no such member."""

    async def set_role(self, member: str, role: Role) -> None:
        """Change a member's role. Raises UnconfirmedError when the answer shows another one."""

    async def mark_sso(self, member: str) -> None:
        """Let a member sign in by SSO. Raises UnconfirmedError when the answer shows that they cannot."""

    async def teams(self, title: str | None = None, page: str | None = None) -> Page[RemoteTeam]:
        """List teams, of all titles or those that contain the text."""

    async def team(self, ident: str) -> RemoteTeam:
        """Read one team."""

    async def team_members(self, ident: str, page: str | None = None) -> Page[RemoteMember]:
        """List a team's members."""

    async def create_team(self, title: str, members: Sequence[str]) -> RemoteTeam:
        """Make a team with these members (ids)."""

    async def rename_team(self, ident: str, title: str) -> None:
        """Change a team's title. Raises UnconfirmedError when the answer shows another one."""

    async def update_team(self, ident: str, add: Sequence[str], remove: Sequence[str]) -> None:
        """Add and take out members (ids) in one call."""

    async def delete_team(self, ident: str) -> None:
        """Delete a team."""
