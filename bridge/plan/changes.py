"""The changes a plan is made of: values, with an order, so that a plan never wobbles."""

from dataclasses import dataclass, field
from typing import ClassVar

from bridge.settings import Role

VERBS = (
    "remove", "role", "invite", "sso", "adopt-team", "create-team", "rename-team", "team-members",
    "delete-team",
)  # fmt: skip
INVITES_AT_ONCE = 100  # GitBook states no limit; a refused batch is halved


@dataclass(frozen=True, slots=True)
class Change:
    """One change at the target. `object`: the e-mail or the title it is about; `why`: in words."""

    object: str
    why: str
    rank: ClassVar[int] = 99
    verb: ClassVar[str] = ""  # the kind of its calls, in the history and in metrics

    @property
    def kind(self) -> str:
        """Return its name, as people and JSON see it."""
        return type(self).__name__

    @property
    def sort_key(self) -> tuple[int, str]:
        """Removals first, then what lowers a role, invites, roles, teams; then by object."""
        return self.rank, self.object

    def describe(self) -> str:
        """Return it in words."""
        return f"{self.kind} {self.object}"


def _whom(email: str, account: str) -> str:
    return f"{email} (account {account})" if account else email


@dataclass(frozen=True, slots=True)
class Remove(Change):
    """Take a member out of the organisation, with all their accounts: `id` and `others`.

    `since`: unix ms, when they left by the directory, 0 unknown.
    """

    id: str = ""
    moved_to: str | None = None
    since: int = field(default=0, compare=False)
    others: tuple[str, ...] = ()
    rank: ClassVar[int] = 0
    verb: ClassVar[str] = "remove"

    def describe(self) -> str:
        """Return it in words."""
        accounts = f" ({len(self.others) + 1} accounts)" if self.others else ""
        return f"remove member {self.object}{accounts}"


@dataclass(frozen=True, slots=True)
class SetRole(Change):
    """Give a member another role.

    `group`: ref of the one whose rule gives it, "" the default role, None neither; `users`: refs of those
    to whom it is given; `account`: its id, where it is another account of theirs; `taken_over`: the one they
    lose was another user's, whose address they have now.
    """

    id: str = ""
    role: Role = "read"
    was: Role = "read"
    lowers: bool = False
    account: str = ""
    group: str | None = field(default=None, compare=False)
    users: tuple[str, ...] = field(default=(), compare=False)
    taken_over: bool = field(default=False, compare=False)
    rank: ClassVar[int] = 3
    verb: ClassVar[str] = "role"

    @property
    def sort_key(self) -> tuple[int, str]:
        """What lowers a role goes before all that gives."""
        return (1 if self.lowers else 3), self.object

    def describe(self) -> str:
        """Return it in words."""
        return f"set role of {_whom(self.object, self.account)} from {self.was} to {self.role}"


@dataclass(frozen=True, slots=True)
class Invite(Change):
    """Make someone a member. `since`: unix ms, when the directory says they came, 0: unknown."""

    role: Role = "read"
    sso: bool = True
    kept: bool = False
    since: int = field(default=0, compare=False)
    rank: ClassVar[int] = 2
    verb: ClassVar[str] = "invite"

    def describe(self) -> str:
        """Return it in words."""
        return f"invite {self.object} as {self.role}" + (" (SSO)" if self.sso else "")


@dataclass(frozen=True, slots=True)
class MarkSSO(Change):
    """Let a member sign in by SSO. `account`: see `SetRole`."""

    id: str = ""
    account: str = ""
    rank: ClassVar[int] = 4
    verb: ClassVar[str] = "sso"

    def describe(self) -> str:
        """Return it in words."""
        return f"mark {_whom(self.object, self.account)} as SSO user"


@dataclass(frozen=True, slots=True)
class AdoptTeam(Change):
    """Use a team that is there already for the groups of its title: no call, but their people get in.

    `id`: the team's; `strangers`: how many of its members no directory has named.
    """

    id: str = ""
    strangers: int = 0
    rank: ClassVar[int] = 6
    verb: ClassVar[str] = "adopt-team"

    def describe(self) -> str:
        """Return it in words."""
        whom = f", which has {self.strangers} member(s) whom no directory named" if self.strangers else ""
        return f"adopt team {self.object}{whom}"


@dataclass(frozen=True, slots=True)
class CreateTeam(Change):
    """Make a team with its first members (e-mails)."""

    members: tuple[str, ...] = ()
    rank: ClassVar[int] = 7
    verb: ClassVar[str] = "create-team"

    def describe(self) -> str:
        """Return it in words."""
        return f"create team {self.object} with {len(self.members)} member(s)"


@dataclass(frozen=True, slots=True)
class RenameTeam(Change):
    """Give a team the new name of its group."""

    id: str = ""
    was: str = ""
    rank: ClassVar[int] = 5
    verb: ClassVar[str] = "rename-team"

    def describe(self) -> str:
        """Return it in words."""
        return f"rename team {self.was} to {self.object}"


@dataclass(frozen=True, slots=True)
class UpdateTeamMembers(Change):
    """Add and take out members (e-mails) of one team."""

    id: str = ""
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    rank: ClassVar[int] = 8
    verb: ClassVar[str] = "team-members"

    def describe(self) -> str:
        """Return it in words."""
        return f"team {self.object}: add {len(self.add)}, take out {len(self.remove)}"


@dataclass(frozen=True, slots=True)
class DeleteTeam(Change):
    """Delete a team that the bridge made and nobody needs."""

    id: str = ""
    rank: ClassVar[int] = 9
    verb: ClassVar[str] = "delete-team"

    def describe(self) -> str:
        """Return it in words."""
        return f"delete team {self.object}"
