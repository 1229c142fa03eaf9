"""The truth that chaos is measured against: a company whose directory goes on changing, and its events."""

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridge.directory.events import GroupNews, UserNews
from tests.e2e.truth import ACTS, Directory

USERS, GROUPS = 40, 8
RESIDENTS = 6  # the first users: they never leave, so nobody may ever remove them
_LEAD = 600_000  # ms by which the directory's clock is behind, so that no event lies ahead of its arrival


@dataclass(frozen=True, slots=True)
class Told:
    """One event as its sender keeps it until it was answered 200. `at`: unix ms."""

    number: int
    name: str
    at: int
    user: UserNews | None
    group: GroupNews | None

    def okta(self) -> dict[str, Any]:
        """Return it as a flow of Okta Workflows sends it."""
        moment = datetime.fromtimestamp(self.at / 1000, UTC).isoformat(timespec="milliseconds")
        head = {"id": f"e{self.number}", "event": self.name, "occurred_at": moment}
        parts = {"user": self.user and _user(self.user), "group": self.group and _group(self.group)}
        return head | {key: value for key, value in parts.items() if value}

    def jackson(self) -> dict[str, Any]:
        """Return it as Jackson sends it; its time is in the signature."""
        group = _group(self.group) if self.group else {}
        if self.user is None:
            return {"event": self.name, "data": group}
        return {"event": self.name, "data": _user(self.user) | ({"group": group} if group else {})}


def _user(news: UserNews) -> dict[str, Any]:
    fields = {"id": news.id, "email": news.email, "active": news.active}
    return {key: value for key, value in fields.items() if value is not None}


def _group(news: GroupNews) -> dict[str, Any]:
    return {"id": news.id} | ({"name": news.name} if news.name else {})


class Company(Directory):
    """tests/e2e/truth.py's directory, with more people; `told` holds its events in order."""

    def __init__(self, seed: int) -> None:
        """The residents come first."""
        super().__init__("sim", now=int(time.time() * 1000) - _LEAD)
        self.told: list[Told] = []
        self._chance = random.Random(seed)
        for number in range(RESIDENTS):
            self.act("user_comes", number, 0, 0)

    def live(self) -> None:
        """Let one thing happen: somebody joins, moves or leaves, or a group changes."""
        what, user = self._chance.choice(ACTS), self._chance.randrange(USERS)
        if user < RESIDENTS and what in ("user_turns", "user_goes"):
            what = "joins"
        self.act(what, user, self._chance.randrange(GROUPS), self._chance.randrange(10))

    def user_comes(self, uid: str, _gid: str, pick: int) -> None:
        """A user is created, or told again; now and then with another address."""
        name = "user.updated" if uid in self.users else "user.created"
        self.users.setdefault(uid, {"active": True})
        moved = pick == 9 and not is_resident(uid)
        self._email(uid, f"{uid}.new@acme.test" if moved else f"{uid}@acme.test")
        self.tell(name, UserNews(uid, self.users[uid]["email"], self.users[uid]["active"]))

    def tell(self, name: str, user: UserNews | None = None, group: GroupNews | None = None) -> None:
        """Remember the event for the senders."""
        self.told.append(Told(len(self.told), name, self.now, user, group))


def is_resident(uid: str) -> bool:
    """Tell whether a user, or their address, is one of those who never leave."""
    name = uid.partition("@")[0]
    return name[1:].isdecimal() and int(name[1:]) < RESIDENTS
