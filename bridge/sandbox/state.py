"""What the stand-in's organisation holds: members, teams, accounts. Pure; nothing of HTTP.

Rules are from GitBook's OpenAPI document and docs; where those say nothing the harder reading is taken.
"""

import random
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

Clock = Callable[[], float]  # unix seconds
Role = Literal["admin", "create", "edit", "review", "comment", "read"]
TeamRole = Literal["owner", "member"]
ROLES: tuple[str, ...] = get_args(Role)
TEAM_ROLES: tuple[str, ...] = get_args(TeamRole)


class RefusedError(Exception):
    """A call that GitBook would refuse. `status` is the HTTP status, `message` goes into the error body."""

    def __init__(self, status: int, message: str) -> None:
        """`status`: 400, 401, 403, 404 or 429."""
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Member:
    """A member. `role` None is a guest; `joined`, `last_seen` in unix seconds; `spaces` is a count.

    `number` grows with each joining and keeps lists in order when times are equal.
    """

    id: str
    email: str
    name: str
    role: str | None
    sso: bool
    joined: float
    number: int
    last_seen: float | None = None
    disabled: bool = False
    spaces: int = 0


@dataclass(slots=True)
class Team:
    """A team. `members` maps member ids to `owner` or `member`; `spaces` is a count."""

    id: str
    title: str
    created: float
    number: int
    members: dict[str, str] = field(default_factory=dict)
    spaces: int = 0


@dataclass(frozen=True, slots=True)
class Invited:
    """What came of an invite: ids now members, how many were new, addresses that got no SSO."""

    users: list[str]
    new: int
    failed_sso: list[str]


@dataclass(frozen=True, slots=True)
class TeamChange:
    """The body of a team's bulk update; each key is a member id or an e-mail. Removing wins over adding."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)

    def named(self) -> set[str]:
        """Everybody it names."""
        return {*self.add, *self.remove, *self.roles}


class State:
    """One organisation. `clock` gives unix seconds; `chance` makes the ids and shuffles."""

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        """Start empty."""
        self.members: dict[str, Member] = {}
        self.teams: dict[str, Team] = {}
        self.accounts: dict[str, str] = {}
        self.pending: dict[str, str | None] = {}
        self._clock = clock
        self._chance = chance
        self._number = 0

    def join(self, email: str, role: str | None, *, sso: bool = False, name: str = "") -> Member:
        """Make them a member; who was one before has the same id again."""
        email = email.lower()
        account = self.accounts.setdefault(email, self._id(28))
        name = name or email.partition("@")[0].replace(".", " ").title()
        member = Member(account, email, name, role, sso, self._clock(), self._next())
        self.pending.pop(email, None)
        self.members[account] = member
        return member

    def change(self, member: Member, **fields: object) -> Member:
        """Give the member other values in these fields."""
        self.members[member.id] = changed = replace(member, **fields)  # type: ignore[arg-type]
        return changed

    def leave(self, key: str) -> bool:
        """Remove a member by id, out of all teams as well. False: was none."""
        for team in self.teams.values():
            team.members.pop(key, None)
        return self.members.pop(key, None) is not None

    def member(self, key: str) -> Member:
        """Return the member of this id or e-mail. Raises RefusedError 404."""
        member = self.find(key)
        if member is None:
            raise RefusedError(404, "User not found in the organization")
        return member

    def find(self, key: str) -> Member | None:
        """Return the member of this id or e-mail, None without one."""
        return self.members.get(self.accounts.get(key.lower(), key))

    def names(self, key: str) -> set[str]:
        """Return every name of whom the key means: as given, the account's id, the e-mail."""
        account = self.accounts.get(key.lower(), key)
        return {key, account, *(email for email, known in self.accounts.items() if known == account)}

    def invite(
        self,
        wanted: Mapping[str, str | None],
        *,
        sso: bool,
        pending: Callable[[str], bool],
        unlinked: Callable[[str], bool],
    ) -> Invited:
        """Invite each e-mail with its role.

        Members stay as they are, but for SSO. `pending`: invited, not a member before they accept.
        `unlinked`: a member, but not for SSO, since they belong to another organisation.
        """
        users, failed, new = [], [], 0
        for email, role in wanted.items():
            member = self.find(email)
            waiting = member is None and pending(email)
            linked = sso and not waiting and not unlinked(email)
            new += member is None
            if sso and not linked:
                failed.append(email)
            if waiting:
                self.pending[email] = role
                continue
            member = member or self.join(email, role)
            self.change(member, sso=member.sso or linked)
            users.append(member.id)
        self._chance.shuffle(users)
        return Invited(users, new, failed)

    def team(self, key: str) -> Team:
        """Return the team of this id. Raises RefusedError 404."""
        if key not in self.teams:
            raise RefusedError(404, "Team not found")
        return self.teams[key]

    def create_team(self, title: str, members: Iterable[str] = ()) -> Team:
        """Create a team of these member ids, whether or not the title is taken. Raises RefusedError 404."""
        ids = [self.member(key).id for key in members]
        team = Team(self._id(20), title, self._clock(), self._next(), dict.fromkeys(ids, "member"))
        self.teams[team.id] = team
        return team

    def update_team(self, team: Team, change: TeamChange) -> None:
        """Change all of it or nothing. Raises RefusedError 404 when somebody to add is no member.

        Removing a former member is fine; somebody who never was one is a 404 as well.
        """
        add = [self.member(key).id for key in change.add]
        roles = {self.member(key).id: role for key, role in change.roles.items()}
        remove = [self._account(key) for key in change.remove]
        team.members = {**dict.fromkeys(add, "member"), **team.members, **roles}
        for key in remove:
            team.members.pop(key, None)

    def teams_of(self, key: str) -> list[Team]:
        """Return the teams the member id is in."""
        return [team for team in self.teams.values() if key in team.members]

    def _account(self, key: str) -> str:
        account = self.accounts.get(key.lower(), key)
        if account not in self.members and account not in self.accounts.values():
            raise RefusedError(404, "User not found in the organization")
        return account

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _id(self, length: int) -> str:
        return "".join(self._chance.choices(string.ascii_letters + string.digits, k=length))
