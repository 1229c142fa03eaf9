"""A person as a plan sees them: everyone in the directories who has, or had, one e-mail address."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group that exists, or did. `ref` is unique over all directories, `id` within its own."""

    ref: str
    id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class UserView:
    """A directory user.

    `groups`: those they belong to now; `named`: all they were ever named in; `former`: addresses they had.
    """

    ref: str
    email: str | None
    active: bool
    exists: bool = True
    episode: int = 0
    groups: tuple[GroupView, ...] = ()
    named: tuple[GroupView, ...] = ()
    former: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """An address, the users who have it, and the users who had it before theirs changed."""

    email: str
    users: tuple[UserView, ...] = ()
    former: tuple[UserView, ...] = ()
