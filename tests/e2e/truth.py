"""The truth: a directory that does what directories do, the events it tells, and what GitBook should have."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.directory.events import DirectoryEvent, EventName, GroupNews, UserNews, make_stamp
from bridge.sandbox import Sandbox

EMAILS = [f"{name}@acme.test" for name in ("ana", "bo", "cy", "di", "eve")]
NAMES = ["Writers", "Editors", "Docs", "Guild"]
STRANGER = "stranger@else.test"  # whom no directory ever names; whoever was there before is one
START = 1_790_000_000_000


@dataclass
class Directory:
    """A directory that only does what a directory can do, and the events it tells of it."""

    name: str = "sim"
    now: int = START
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    inside: set[tuple[str, str]] = field(default_factory=set)
    former: dict[str, set[str]] = field(default_factory=dict)
    events: list[DirectoryEvent] = field(default_factory=list)

    def act(self, what: str, user: int, group: int, pick: int) -> None:
        """Do one thing, if it can be done now, and tell it."""
        self.now += 1 + pick
        getattr(self, what)(f"u{user}", f"g{group}", pick)

    def tell(self, name: str, user: UserNews | None = None, group: GroupNews | None = None) -> None:
        """Remember the event; the stamp's time is the directory's."""
        event = EventName(name)
        stamp = make_stamp(self.now, 0, False)
        self.events.append(DirectoryEvent(event, stamp, user, group, self.name, f"d{len(self.events)}"))

    def user_comes(self, uid: str, _gid: str, pick: int) -> None:
        """A user is created, or told again."""
        name = "user.updated" if uid in self.users else "user.created"
        self.users.setdefault(uid, {"active": True})
        self._email(uid, EMAILS[pick % len(EMAILS)])
        self.tell(name, UserNews(uid, self.users[uid]["email"], self.users[uid]["active"]))

    def user_turns(self, uid: str, _gid: str, pick: int) -> None:
        """A user is deactivated or activated."""
        if uid in self.users:
            self.users[uid]["active"] = bool(pick % 2)
            self.tell("user.updated", UserNews(uid, None, self.users[uid]["active"]))

    def user_goes(self, uid: str, _gid: str, _pick: int) -> None:
        """A user is deleted; no membership of theirs is told to end."""
        if self.users.pop(uid, None):
            self.inside = {(u, g) for u, g in self.inside if u != uid}
            self.tell("user.deleted", UserNews(uid))

    def group_comes(self, _uid: str, gid: str, pick: int) -> None:
        """A group is created or renamed."""
        name = "group.updated" if gid in self.groups else "group.created"
        self.groups[gid] = NAMES[pick % len(NAMES)]
        self.tell(name, group=GroupNews(gid, self.groups[gid]))

    def group_goes(self, _uid: str, gid: str, _pick: int) -> None:
        """A group is deleted; no membership in it is told to end."""
        if self.groups.pop(gid, None):
            self.inside = {(u, g) for u, g in self.inside if g != gid}
            self.tell("group.deleted", group=GroupNews(gid))

    def joins(self, uid: str, gid: str, pick: int) -> None:
        """A user is added to a group; what is not there yet is created before."""
        if uid not in self.users:
            self.user_comes(uid, gid, pick)
            self.now += 1
        if gid not in self.groups:
            self.group_comes(uid, gid, pick)
            self.now += 1
        self.inside.add((uid, gid))
        user = self.users[uid]
        told = UserNews(uid, user["email"], user["active"]) if pick % 2 else UserNews(uid)
        self.tell("group.user_added", told, GroupNews(gid))

    def leaves(self, uid: str, gid: str, _pick: int) -> None:
        """A user is removed from a group."""
        if uid in self.users and gid in self.groups:
            self.inside.discard((uid, gid))
            self.tell("group.user_removed", UserNews(uid), GroupNews(gid))

    def end(self) -> None:
        """The connection is deleted; of nobody in it anything is told."""
        self.now += 1
        self.tell("connection.deleted")

    def take_over(self, other: "Directory") -> None:
        """The same company is connected again: everybody and every group is told of once more."""
        self.now = other.now
        for uid, user in other.users.items():
            self.now += 1
            self.users[uid] = {"active": user["active"]}
            self._email(uid, user["email"])
            self.tell("user.created", UserNews(uid, user["email"], user["active"]))
        for gid, name in other.groups.items():
            self.now += 1
            self.groups[gid] = name
            self.tell("group.created", group=GroupNews(gid, name))
        for uid, gid in sorted(other.inside):
            self.now += 1
            self.inside.add((uid, gid))
            self.tell("group.user_added", UserNews(uid), GroupNews(gid))

    # what happens less often

    def user_moves(self, uid: str, _gid: str, pick: int) -> None:
        """A user's address changes, and nothing else is told; it is written with capitals and spaces."""
        if uid in self.users:
            self._email(uid, EMAILS[pick % len(EMAILS)])
            self.tell("user.updated", UserNews(uid, f" {self.users[uid]['email'].upper()} "))

    def users_swap(self, uid: str, gid: str, pick: int) -> None:
        """A user and the next one get each other's address, one after the other."""
        other = f"u{int(uid[1:]) + 1}"
        if uid in self.users and other in self.users:
            mine, theirs = self.users[uid]["email"], self.users[other]["email"]
            for who, email in ((uid, theirs), (other, mine)):
                self._email(who, email)
                self.tell("user.updated", UserNews(who, email))
                self.now += pick % 2  # or both at once

    def groups_swap(self, _uid: str, gid: str, pick: int) -> None:
        """A group and the next one get each other's name."""
        other = f"g{int(gid[1:]) + 1}"
        if gid in self.groups and other in self.groups:
            mine, theirs = self.groups[gid], self.groups[other]
            for which, name in ((gid, theirs), (other, mine)):
                self.groups[which] = name
                self.tell("group.updated", group=GroupNews(which, f" {name} "))
                self.now += pick % 2

    def group_replaced(self, uid: str, gid: str, pick: int) -> None:
        """A group goes, perhaps renamed before, and the next one gets the name and the members it had."""
        other = f"g{int(gid[1:]) + 1}"
        if gid not in self.groups or other in self.groups:
            return
        name, members = self.groups[gid], sorted(u for u, g in self.inside if g == gid)
        if pick % 3:
            self.group_comes(uid, gid, pick)
            self.now += 1
        self.group_goes(uid, gid, pick)
        self.now += 1
        self.groups[other] = name
        self.tell("group.created", group=GroupNews(other, name))
        for member in members[pick % 2 :]:
            self.now += 1
            self.joins(member, other, 0)

    def echo(self, uid: str, _gid: str, pick: int) -> None:
        """A sender tells of a user who is deleted already; no update brings them back."""
        if uid in self.former and uid not in self.users:
            self.former[uid].add(EMAILS[pick % len(EMAILS)])
            self.tell("user.updated", UserNews(uid, EMAILS[pick % len(EMAILS)], True))

    def ties(self, uid: str, gid: str, pick: int) -> None:
        """Two events of one moment contradict each other: what takes away wins, and the later address."""
        self.joins(uid, gid, pick)
        self.now += 1
        tie = (self._tie_membership, self._tie_life, self._tie_active, self._tie_email, self._tie_group)
        tie[pick % len(tie)](uid, gid)

    def _tie_membership(self, uid: str, gid: str) -> None:
        self.inside.discard((uid, gid))
        self.tell("group.user_removed", UserNews(uid), GroupNews(gid))
        self.tell("group.user_added", UserNews(uid), GroupNews(gid))

    def _tie_life(self, uid: str, gid: str) -> None:
        self.user_goes(uid, gid, 0)
        self.tell("user.created", UserNews(uid, min(self.former[uid]), True))

    def _tie_active(self, uid: str, _gid: str) -> None:
        self.users[uid]["active"] = False
        for active in (False, True):
            self.tell("user.updated", UserNews(uid, None, active))

    def _tie_email(self, uid: str, _gid: str) -> None:
        for email in ("eve@acme.test", "ana@acme.test"):
            self._email(uid, email)
            self.tell("user.updated", UserNews(uid, email))
        self._email(uid, "eve@acme.test")

    def _tie_group(self, uid: str, gid: str) -> None:
        name = self.groups[gid]
        self.group_goes(uid, gid, 0)
        self.tell("group.created", group=GroupNews(gid, name))

    def _email(self, uid: str, email: str) -> None:
        self.former.setdefault(uid, set()).add(email)
        self.users[uid]["email"] = email

    # what GitBook should have

    def groups_of(self, uid: str) -> set[str]:
        """The names of a user's groups, while the user is active."""
        held = {self.groups[g] for u, g in self.inside if u == uid}
        return held if self.users[uid]["active"] else set()

    def members(self, scope: str | None) -> dict[str, set[str]]:
        """Each address that must be a member, with the names of the groups behind it."""
        out: dict[str, set[str]] = {}
        for uid, user in self.users.items():
            names = self.groups_of(uid)
            if user["active"] and (scope is None or scope in names):
                out.setdefault(user["email"], set()).update(names)
        return out

    def may_stay(self, scope: str | None) -> set[str]:
        """Former addresses of members: their removal is held for a person."""
        wanted = self.members(scope)
        return {
            email
            for uid, user in self.users.items()
            if user["email"] in wanted and user["active"]
            for email in self.former[uid] - {user["email"]}
        }

    def group_names(self) -> set[str]:
        """The names of the groups that exist."""
        return set(self.groups.values())


@dataclass
class Directories:
    """Several directories that one target follows; the connection of one may have ended for another."""

    each: Sequence[Directory]
    ended: Directory | None = None
    successor: Directory | None = None

    def members(self, scope: str | None) -> dict[str, set[str]]:
        """Each address that must be a member; people of one address are one."""
        out: dict[str, set[str]] = {}
        living = set[str]()
        for directory in self.each:
            for email, names in directory.members(scope).items():
                out.setdefault(email, set()).update(names)
                if directory is not self.ended:
                    living.add(email)
        if self.successor:  # nobody stays by what has ended alone, where the next connection knows them
            known = {email for emails in self.successor.former.values() for email in emails}
            out = {email: names for email, names in out.items() if email in living or email not in known}
        return out

    def may_stay(self, scope: str | None) -> set[str]:
        """Former addresses of members."""
        return {email for directory in self.each for email in directory.may_stay(scope)}

    def group_names(self) -> set[str]:
        """The names of the groups that exist."""
        return {name for directory in self.each for name in directory.group_names()}


ACTS = [
    "user_comes",
    "user_comes",
    "user_turns",
    "user_goes",
    "group_comes",
    "group_goes",
    "joins",
    "joins",
    "joins",
    "leaves",
]
RARE = ["user_moves", "users_swap", "groups_swap", "group_replaced", "echo", "ties"]


@dataclass(frozen=True)
class Rules:
    """What a configuration says of teams and roles, and the same once more in the words of this model."""

    teams: list[dict[str, str]]
    roles: list[dict[str, str]]
    titles: Callable[[str], set[str]]
    role: Callable[[set[str]], str]


def _first(names: set[str]) -> str:
    return "comment" if "Docs" in names else "review" if names & {"Writers", "Editors"} else "read"


PLAIN = Rules(
    [{"group": "*"}],
    [{"group": "Editors", "role": "edit"}],
    lambda name: {name},
    lambda names: "edit" if "Editors" in names else "read",
)
# One group is several teams, two groups are one team, somebody is named by several role rules.
MANY = Rules(
    [{"group": "*"}, {"group": "[WE]*", "team": "Desk"}, {"group": "Docs", "team": "Writers"}],
    [{"group": "Docs", "role": "comment"}, {"group": "*ers", "role": "review"},
     {"group": "*ors", "role": "review"}, {"group": "Editors", "role": "admin"}],
    lambda name: {name, *(["Desk"] if name[0] in "WE" else []), *(["Writers"] if name == "Docs" else [])},
    _first,
)  # fmt: skip


def gaps(
    sandbox: Sandbox,
    truth: Directory | Directories,
    scope: str | None,
    rules: Rules = PLAIN,
    adopted: Iterable[str] = (),
) -> list[str]:
    """What differs between GitBook and the truth, in words. `adopted`: ids of teams from before."""
    wanted, stay = truth.members(scope), truth.may_stay(scope)
    mine = {sandbox.owner.email, STRANGER}
    there = {email: member for email, member in sandbox.members().items() if email not in mine}
    out = [f"{email} is not a member" for email in wanted.keys() - there.keys()]
    out += [f"{email} is still a member" for email in there.keys() - wanted.keys() - stay]
    for email, names in wanted.items():
        role = rules.role(names)
        if email in there and there[email].role != role:
            out.append(f"{email} is {there[email].role}, not {role}")
    return out + _team_gaps(sandbox, wanted, stay, rules) + _empty_teams(sandbox, truth, rules, adopted)


def _team_gaps(sandbox: Sandbox, wanted: dict[str, set[str]], stay: set[str], rules: Rules) -> list[str]:
    teams = {title.strip(): emails for title, emails in sandbox.team_list()}
    out = [] if len(teams) == len(sandbox.team_list()) else ["a team exists twice"]
    for title in {title for name in NAMES for title in rules.titles(name)}:
        inside = {
            email for email, names in wanted.items() if any(title in rules.titles(name) for name in names)
        }
        have = teams.get(title, set()) - {STRANGER}
        out += [f"{email} is not in {title}" for email in inside - have]
        out += [f"{email} must not be in {title}" for email in have - inside - stay]
    return out


def _empty_teams(
    sandbox: Sandbox, truth: Directory | Directories, rules: Rules, adopted: Iterable[str]
) -> list[str]:
    needed = {title for name in truth.group_names() for title in rules.titles(name)}
    return [
        f"team {team.title} is still there"
        for team in sandbox.state.teams.values()
        if not team.members and team.title.strip() not in needed and team.id not in adopted
    ]
