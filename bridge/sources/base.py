"""What every kind of sender has to offer, and how it says no."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from bridge.directory.events import News


class SourceError(Exception):
    """A request that cannot be taken."""


class UnverifiedError(SourceError):
    """Who sent it is not proven. `reason` is for the operators; the sender always gets the same 401."""

    def __init__(self, reason: str) -> None:
        """`reason`: what is wrong, without any part of a secret or signature."""
        super().__init__(reason)
        self.reason = reason


class UnreadableError(SourceError):
    """It is verified, but nothing in it can be read. `status` is 400 (not JSON) or 422 (not of this kind)."""

    def __init__(self, reason: str, status: int = 422) -> None:
        """`reason`: which field is missing or wrong, and what to send instead. It is sent back."""
        super().__init__(reason)
        self.reason = reason
        self.status = status


class UnavailableError(SourceError):
    """It cannot be told now who sent it; a repeat may fare better. The sender is asked to come again."""

    def __init__(self, reason: str) -> None:
        """`reason`: what the proof needs and could not be reached, for the operators."""
        super().__init__(reason)
        self.reason = reason


class UntestableError(SourceError):
    """What a sender of this kind proves itself with is not here: `bridge source test` cannot play it."""

    def __init__(self, reason: str) -> None:
        """`reason`: who alone has it."""
        super().__init__(reason)
        self.reason = reason


class Delivery(Struct, frozen=True):
    """One request as it arrived: lower-case header names, the raw body, unix milliseconds."""

    headers: Mapping[str, str]
    body: bytes
    arrived: int


class Refused(Struct, frozen=True):
    """One element of a body that cannot be read: where it stood and why."""

    index: int
    reason: str


class Notice(Struct, frozen=True):
    """One element that changes nothing, but that operators have to know of. `text`: no personal data."""

    index: int
    text: str


class Noted(Struct, frozen=True):
    """One element that is let in, and what operators have to know of it. `notes`: no personal data."""

    news: News
    notes: tuple[str, ...]


class Parsed(Struct, frozen=True):
    """What one body holds.

    `ignored`: how many elements are fine but mean nothing to the bridge; `ignored_at`: where they stood.
    `notices`: what is shown to operators, of those and of others.
    """

    news: list[News] = []
    refused: list[Refused] = []
    ignored: int = 0
    ignored_at: Sequence[int] = ()
    notices: Sequence[Notice] = ()


class Source(Protocol):
    """A kind of sender, made once per configured source."""

    async def verify(self, delivery: Delivery) -> int | None:
        """Prove who sent it, over the raw bytes, in constant time, against every secret.

        The secret that matches counts it (`Secret.matches`): the functions in `signatures` see to both.
        Returns the signed time in unix milliseconds, None where the scheme has none.
        Raises UnverifiedError, or UnavailableError when that cannot be told now.
        """
        ...

    def parse(self, delivery: Delivery, signed_at: int | None) -> Parsed:
        """Read the verified body. Each element of a list stands alone.

        Raises UnreadableError when nothing in it can be read.
        """
        ...


@runtime_checkable
class Playable(Protocol):
    """What a kind offers beside, for `bridge source test` to play its sender."""

    def sign(self, body: bytes, now: int) -> dict[str, str]:
        """Return the headers with which its sender proves a body at `now`, unix milliseconds.

        The first of the source's secrets is used. Raises UntestableError when the sender's key is not here.
        """
        ...

    def example(self) -> Any:
        """Return a body such as this kind's sender sends, as JSON has it."""
        ...
