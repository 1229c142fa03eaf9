"""A person as a plan sees them: everyone in the directories who has, or had, one e-mail address."""

from collections.abc import Mapping
from dataclasses import dataclass, field

BETWEEN = "\x1f"  # in references; no identifier holds it


def directory_of(ref: str) -> str:
    """Return the configured name of the directory that a user or group (by its reference) is of."""
    return ref.partition(BETWEEN)[0].partition(":")[0]


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group that exists, or did. `ref` is unique over all directories, `id` within its own.

    `directory`: the configured name of its directory.
    """

    ref: str
    id: str
    name: str | None
    directory: str = ""


@dataclass(frozen=True, slots=True)
class UserView:
    """A directory user.

    `groups`: those they belong to now; `named`: all they were ever named in; `former`: addresses they had.
    `directory`: its configured name; `ended`: the sender says that its connection has ended, so nothing more
    is told of them.
    Times in unix ms: `life_at`: of the news that they are active, inactive or deleted; `email_at`: of that
    of their address; `member_at`: by group (ref) of that which put them into it, `out_at` of that which
    ended it, whether they are active or not. `incomplete`: of a membership they are known to have had nothing
    is there, so it was lost.
    """

    ref: str
    email: str | None
    active: bool
    exists: bool = True
    episode: int = 0
    groups: tuple[GroupView, ...] = ()
    named: tuple[GroupView, ...] = ()
    former: tuple[str, ...] = ()
    life_at: int = field(default=0, compare=False)
    email_at: int = field(default=0, compare=False)
    member_at: Mapping[str, int] = field(default_factory=dict, compare=False)
    out_at: Mapping[str, int] = field(default_factory=dict, compare=False)
    directory: str = ""
    ended: bool = False
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """An address, the users who have it, and the users who had it before theirs changed."""

    email: str
    users: tuple[UserView, ...] = ()
    former: tuple[UserView, ...] = ()
