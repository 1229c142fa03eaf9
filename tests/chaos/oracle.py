"""What targets should have, worked out from the events alone; nothing here is the bridge's.

An event is what a directory told: a name, a time, and what it says of a user and of a group, in plain words.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

USERS, GROUPS = 60, 12
RESIDENTS = 6  # the first users of each directory: they never leave, so nobody may ever remove them
SHARED = 15  # the first users of both directories have the same addresses
TITLES = ("Writers", "Editors", "Docs", "Guild", "Poets", "Printers", "Support", "Ops")
_OFTEN = (
    ["come", "come", "turn", "go", "group_come", "group_come", "group_go"]
    + ["join"] * 7 + ["leave"] * 4 + ["move"]
)  # fmt: skip
_OPPOSITE = {
    "come": "go", "go": "come", "join": "leave", "leave": "join", "turn": "turn",
    "group_come": "group_go", "group_go": "group_come", "move": "move",
}  # fmt: skip
_REGRET = 0.4  # how many things that happen undo what happened a moment ago
_RECENT = 60
Part = dict[str, Any] | None  # what an event says of its user or group


@dataclass(frozen=True, slots=True)
class Event:
    """One event as its sender keeps it until it was answered 200. `at`: unix ms."""

    directory: str
    number: int
    name: str
    at: int
    user: Part = None
    group: Part = None

    def okta(self) -> dict[str, Any]:
        """Return it as a flow of Okta Workflows sends it."""
        moment = datetime.fromtimestamp(self.at / 1000, UTC).isoformat(timespec="milliseconds")
        body = {"id": f"{self.directory}{self.number}", "event": self.name, "occurred_at": moment}
        return body | {key: part for key, part in (("user", self.user), ("group", self.group)) if part}

    def jackson(self) -> dict[str, Any]:
        """Return it as Jackson sends it; its time is in the signature."""
        if self.user is None:
            return {"event": self.name, "data": self.group}
        return {"event": self.name, "data": self.user | ({"group": self.group} if self.group else {})}


class Company:
    """A directory that goes on changing, at random, as directories do; `told` holds its events in order."""

    def __init__(self, name: str, seed: int, now: int) -> None:
        """The residents come first. `now`: unix ms of the first event."""
        self.name, self.now, self.told = name, now, list[Event]()
        self._chance = random.Random(f"{name} {seed}")
        self._users: dict[str, dict[str, Any]] = {}
        self._groups: set[str] = set()
        self._recent: list[tuple[str, str, str]] = []
        for number in range(RESIDENTS):
            self._come(f"{name}-u{number}", f"{name}-g{number}")

    def live(self) -> None:
        """Let one thing happen: somebody comes, moves, joins, leaves or goes, or a group changes."""
        if self._recent and self._chance.random() < _REGRET:
            what, user, group = self._recent.pop(self._chance.randrange(len(self._recent)))
            what = _OPPOSITE[what]
        else:
            what = self._chance.choice(_OFTEN)
            user = f"{self.name}-u{self._chance.randrange(USERS)}"
            group = f"{self.name}-g{self._chance.randrange(GROUPS)}"
            self._recent = [*self._recent[1 - _RECENT :], (what, user, group)]
        stays = int(user.rpartition("u")[2]) < RESIDENTS and what in ("turn", "go", "move")
        getattr(self, "_join" if stays else f"_{what}")(user, group)

    def _tell(self, name: str, user: Part = None, group: Part = None) -> None:
        self.now += self._chance.randint(1, 4)
        self.told.append(Event(self.name, len(self.told), name, self.now, user, group))

    def _come(self, uid: str, _gid: str) -> None:
        name = "user.updated" if uid in self._users else "user.created"
        fields = self._users.setdefault(uid, {"id": uid, "email": self._address(uid), "active": True})
        self._tell(name, dict(fields))

    def _address(self, uid: str) -> str:
        number = int(uid.rpartition("u")[2])
        return f"u{number}@acme.test" if number < SHARED else f"{uid}@acme.test"

    def _turn(self, uid: str, _gid: str) -> None:
        if uid in self._users:
            self._users[uid]["active"] = self._chance.random() < 0.6
            self._tell("user.updated", {"id": uid, "active": self._users[uid]["active"]})

    def _move(self, uid: str, _gid: str) -> None:
        if uid in self._users:
            new = self._chance.random() < 0.5
            self._users[uid]["email"] = f"{uid}.new@acme.test" if new else self._address(uid)
            self._tell("user.updated", {"id": uid, "email": self._users[uid]["email"]})

    def _go(self, uid: str, _gid: str) -> None:
        if self._users.pop(uid, None):
            self._tell("user.deleted", {"id": uid})

    def _group_come(self, _uid: str, gid: str) -> None:
        name = "group.updated" if gid in self._groups else "group.created"
        self._groups.add(gid)
        self._tell(name, None, {"id": gid, "name": self._chance.choice(TITLES)})

    def _group_go(self, _uid: str, gid: str) -> None:
        if gid in self._groups:
            self._groups.discard(gid)
            self._tell("group.deleted", None, {"id": gid})

    def _join(self, uid: str, gid: str) -> None:
        if uid not in self._users:
            self._come(uid, gid)
        if gid not in self._groups:
            self._group_come(uid, gid)
        user = dict(self._users[uid]) if self._chance.random() < 0.3 else {"id": uid}
        self._tell("group.user_added", user, {"id": gid})

    def _leave(self, uid: str, gid: str) -> None:
        if uid in self._users and gid in self._groups:
            self._tell("group.user_removed", {"id": uid}, {"id": gid})


@dataclass
class _State:
    """A directory after some of its events."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    inside: set[tuple[str, str]] = field(default_factory=set)
    former: dict[str, set[str]] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Let one event have happened."""
        uid = event.user["id"] if event.user else ""
        gid = event.group["id"] if event.group else ""
        if event.name == "user.deleted":
            self.users.pop(uid, None)
            self.inside = {pair for pair in self.inside if pair[0] != uid}
        elif event.name == "group.deleted":
            self.groups.pop(gid, None)
            self.inside = {pair for pair in self.inside if pair[1] != gid}
        elif event.name == "group.user_removed":
            self.inside.discard((uid, gid))
        elif event.name == "group.user_added":
            self.inside.add((uid, gid))
        if event.user and uid and event.name != "user.deleted":
            self._know(uid, event.user, event.name == "user.created")
        if event.group and event.group.get("name"):
            self.groups[gid] = event.group["name"]

    def _know(self, uid: str, told: dict[str, Any], created: bool) -> None:
        if created or uid in self.users:
            self.users[uid] = {**self.users.get(uid, {}), **told}
        if told.get("email"):
            self.former.setdefault(uid, set()).add(told["email"])


@dataclass(frozen=True)
class Rules:
    """What a target's configuration says. `scope`: name of the group whose people are members, "" for all.

    `titles`: the teams of a group of some name; `role`: of somebody who is in groups of some names.
    """

    scope: str
    titles: Callable[[str], set[str]]
    role: Callable[[set[str]], str]


@dataclass(frozen=True)
class Truth:
    """What a target should have. `members`: role by address; `teams`: addresses by title.

    `may_stay`: former addresses of members, whose removal waits for a person; `groups`: titles with a group.
    """

    members: dict[str, str]
    teams: dict[str, set[str]]
    may_stay: set[str]
    groups: set[str]


def work_out(told: Iterable[Event], rules: Rules) -> Truth:
    """Return what a target should have after these events of any number of directories."""
    states: dict[str, _State] = {}
    for event in sorted(told, key=lambda each: (each.directory, each.at)):
        states.setdefault(event.directory, _State()).take(event)
    groups: dict[str, set[str]] = {}
    for state in states.values():
        for email, names in _members_of(state, rules.scope):
            groups.setdefault(email, set()).update(names)
    teams: dict[str, set[str]] = {}
    for email, names in groups.items():
        for title in {title for name in names for title in rules.titles(name)}:
            teams.setdefault(title, set()).add(email)
    return Truth(
        {email: rules.role(names) for email, names in groups.items()},
        teams,
        {email for state in states.values() for email in _former(state, groups)},
        {
            title
            for state in states.values()
            for name in state.groups.values()
            for title in rules.titles(name)
        },
    )


def _members_of(state: _State, scope: str) -> Iterable[tuple[str, set[str]]]:
    for uid, user in state.users.items():
        names = {state.groups[gid] for who, gid in state.inside if who == uid and gid in state.groups}
        if user["active"] and (not scope or scope in names):
            yield user["email"], names


def _former(state: _State, members: dict[str, set[str]]) -> Iterable[str]:
    for uid, user in state.users.items():
        if user["active"] and user["email"] in members:
            yield from state.former[uid] - {user["email"]}


@dataclass(frozen=True)
class There:
    """What a target has. `members`: role by address; `teams`: title and addresses of each."""

    members: dict[str, str]
    teams: list[tuple[str, set[str]]]


def differences(truth: Truth, there: There) -> list[str]:
    """Return what is not as it should be, in words."""
    out = [f"{email} is no member" for email in sorted(truth.members.keys() - there.members.keys())]
    strangers = there.members.keys() - truth.members.keys() - truth.may_stay
    out += [f"{email} is still a member" for email in sorted(strangers)]
    for email, role in sorted(truth.members.items()):
        if there.members.get(email, role) != role:
            out.append(f"{email} has the role {there.members[email]}, not {role}")
    titles = [title for title, _ in there.teams]
    out += [f"team {title} is there twice" for title in sorted(set(titles)) if titles.count(title) > 1]
    inside = dict(there.teams)
    for title in sorted(truth.teams.keys() | inside.keys()):
        wanted, have = truth.teams.get(title, set()), inside.get(title, set())
        out += [f"{email} is not in team {title}" for email in sorted(wanted - have)]
        out += [f"{email} is still in team {title}" for email in sorted(have - wanted - truth.may_stay)]
        if title in inside and not have and title not in truth.groups:
            out.append(f"team {title} is still there, and nobody needs it")
    return out
