"""A plan's changes and the sandbox's call log in the same words, so that they can be compared."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from bridge.plan.changes import (
    AdoptTeam,
    Change,
    CreateTeam,
    DeleteTeam,
    Invite,
    MarkSSO,
    Remove,
    RenameTeam,
    SetRole,
    UpdateTeamMembers,
)
from bridge.plan.steps import Plan
from bridge.sandbox.calls import Call
from tests.workers.world import WRITES, World


async def switched_on(world: World) -> tuple[Plan, Counter[str], Counter[str]]:
    """Settle in dry-run mode, plan, and apply; return the plan, what it shows, and what was called."""
    mark = len(world.sandbox.calls_like(WRITES))
    await world.settle()
    plan = await world.plan()
    assert mark == len(world.sandbox.calls_like(WRITES)), "a dry run has written"
    world.configure(mode="apply")
    log = Log(world)
    await world.settle()
    log.accounts |= Log(world).accounts
    made = [line for call in world.sandbox.calls_like(WRITES)[mark:] for line in log.lines(call)]
    return plan, shown(step.change for step in plan.steps if step.held is None), Counter(made)


def shown(changes: Iterable[Change]) -> Counter[str]:
    """Return what is to be called, by what it does; people invited together are one call each."""
    return Counter(line for change in changes for line in lines(change))


def lines(change: Change) -> list[str]:
    """Return one change in words that a call can be put into, too."""
    match change:
        case Invite():
            return [f"invite {change.object} {change.role}"]
        case Remove() | MarkSSO() | SetRole():
            verb = {"Remove": "remove", "MarkSSO": "mark", "SetRole": "role"}[change.kind]
            role = f" {change.role}" if isinstance(change, SetRole) else ""
            return [f"{verb} {change.object}{role}"]
        case _:
            return _of_teams(change)


def _of_teams(change: Change) -> list[str]:
    match change:
        case AdoptTeam():
            return []  # no call, but others become possible
        case CreateTeam():
            return [f"create {change.object} {sorted(change.members)}"]
        case RenameTeam():
            return [f"rename {change.was} {change.object}"]
        case UpdateTeamMembers():
            return [f"update {change.id} +{sorted(change.add)} -{sorted(change.remove)}"]
        case DeleteTeam():
            return [f"delete {change.id}"]
    raise AssertionError(change)


class Log:
    """The sandbox's call log in the same words; ids of members and titles of teams as they were then."""

    def __init__(self, world: World) -> None:
        self.accounts = {ident: email for email, ident in world.sandbox.state.accounts.items()}
        self.titles = {team.id: team.title for team in world.sandbox.state.teams.values()}

    def lines(self, call: Call) -> list[str]:
        """Return what one call that writes did."""
        parts, body = call.path.split("/")[4:], call.body or {}
        match call.method, parts:
            case "POST", ["invites"]:
                return [f"invite {each['email']} {each['role'] or 'guest'}" for each in body["emails"]]
            case _, ["members", ident, *_]:
                return [self._of_member(call.method, ident, body)]
            case _:
                return [self._of_team(call.method, parts[1:], body)]

    def _of_member(self, method: str, ident: str, body: dict[str, Any]) -> str:
        verb = {"DELETE": "remove", "PATCH": "role", "POST": "mark"}[method]
        role = f" {body['role'] or 'guest'}" if verb == "role" else ""
        return f"{verb} {self.accounts[ident]}{role}"

    def _of_team(self, method: str, parts: list[str], body: dict[str, Any]) -> str:
        match method, parts:
            case "PUT", []:
                return f"create {body['title']} {self.emails(body['members'])}"
            case "PATCH", [ident]:
                return f"rename {self.titles[ident]} {body['title']}"
            case "DELETE", [ident]:
                return f"delete {ident}"
            case _:
                add, remove = self.emails(body.get("add", ())), self.emails(body.get("remove", ()))
                return f"update {parts[0]} +{add} -{remove}"

    def emails(self, idents: Iterable[str]) -> list[str]:
        """Return whose ids these are."""
        return sorted(self.accounts[ident] for ident in idents)
