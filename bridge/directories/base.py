"""What a directory's own API has to offer, and the one question its errors answer: what then?"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class DirectoryError(Exception):
    """A call that did not tell what it should. `message`: the directory's own words, or ours."""

    def __init__(self, message: str) -> None:
        """`message` names no secret and no person."""
        super().__init__(message)
        self.message = message


class LimitedError(DirectoryError):
    """Again at `until` (unix seconds). It says nothing about the object and counts as no try."""

    def __init__(self, until: float) -> None:
        """`until`: by our clock."""
        super().__init__("the directory's rate limit is used up")
        self.until = until


class UnavailableError(DirectoryError):
    """Again later: 5xx, no answer, or an answer that nobody can read."""

    def __init__(self, message: str, until: float = 0.0) -> None:
        """`until`: not before (unix seconds, by our clock), as the directory asks for; 0: it does not."""
        super().__init__(message)
        self.until = until


class RejectedError(DirectoryError):
    """Again when the token works: it is not taken, or `api_url` is not the organisation's."""


class ForbiddenError(DirectoryError):
    """The token may not read this; whether it may read anything is for `ping` to tell."""


class RefusedError(DirectoryError):
    """Not again as it is: the directory takes this identifier for none."""


@dataclass(frozen=True, slots=True)
class DirectoryUser:
    """A user as the directory has them now. None: it says nothing of that field."""

    id: str
    email: str | None
    active: bool | None


@dataclass(frozen=True, slots=True)
class DirectoryGroup:
    """A group as the directory has it now."""

    id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What was found, None for nothing of that id.

    `at`: unix ms, a moment before the call was sent, by the directory's clock where ours is ahead of
    it. So what happens after the reading counts as newer.
    """

    found: T | None
    at: int


class Directory(Protocol):
    """What can be asked. Each raises DirectoryError."""

    async def ping(self) -> None:
        """Is the directory there, does it take the token, and may the token read users and groups?"""

    async def user(self, ident: str) -> Reading[DirectoryUser]:
        """Read one user."""

    async def group(self, ident: str) -> Reading[DirectoryGroup]:
        """Read one group."""

    async def close(self) -> None:
        """Close the connections."""
