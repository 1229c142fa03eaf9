"""Calls about members and invites. Statuses are those of GitBook's OpenAPI document."""

from bridge.sandbox import calls, shapes
from bridge.sandbox.calls import Answer, Ask
from bridge.sandbox.faults import named
from bridge.sandbox.paging import Place, listing
from bridge.sandbox.sandbox import Sandbox
from bridge.sandbox.state import ROLES, Member, RefusedError


def invite(sandbox: Sandbox, ask: Ask) -> Answer:
    """POST invites: 200 with ids in no order and no e-mails; `invited` stays 0 with sso."""
    body, faults = ask.body(), sandbox.faults
    wanted, sso = calls.invited(body), calls.flag(body, "sso")
    if any(named(faults.bad_addresses, email) for email in wanted):
        raise RefusedError(400, "emails: one of the addresses cannot be invited")
    sandbox.forbid(*wanted)
    came = sandbox.state.invite(
        wanted,
        sso=sso,
        pending=lambda email: named(faults.pending_invites, email),
        unlinked=lambda email: named(faults.failed_sso, email),
    )
    failed = {"failedSSOEmails": came.failed_sso} if came.failed_sso else {}
    return Answer(200, {"users": came.users, "invited": 0 if sso else came.new, **failed})


def list_members(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET members: 200; `search` is in display name or e-mail, `role` may be `guest`."""
    sort = ask.choice("sort", ("joinedAt", "lastSeenAt", "name"), "joinedAt")
    order = ask.choice("order", ("asc", "desc"), "desc")
    places = {"joinedAt": _by_joined, "lastSeenAt": _by_seen, "name": _by_name}
    found = [member for member in sandbox.state.members.values() if _fits(member, ask)]
    return Answer(
        200,
        listing(
            found,
            places[sort],
            lambda member: shapes.organization_member(member, sandbox.state, sandbox.url),
            ask.query,
            descending=order == "desc",
            faults=sandbox.faults,
        ),
    )


def get_member(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET a member: 200, 404."""
    return _shown(sandbox, _member(sandbox, ask))


def update_member(sandbox: Sandbox, ask: Ask) -> Answer:
    """PATCH a member: 200, 404; only the role can be changed, null makes a guest."""
    member, body = _member(sandbox, ask), ask.body()
    sandbox.forbid(member.id)
    role = calls.role(body["role"]) if "role" in body else member.role
    return _shown(sandbox, sandbox.state.change(member, role=role))


def remove_member(sandbox: Sandbox, ask: Ask) -> Answer:
    """DELETE a member: 205, 204 was none, 202 only asked the admins (the owner is no admin)."""
    key, owner = ask.ids["user"], sandbox.state.find(sandbox.owner.id)
    sandbox.forbid(key)
    if key not in sandbox.state.members:
        return Answer(204)
    if sandbox.faults.removal_202 or owner is None or owner.role != "admin":
        return Answer(202)
    sandbox.state.leave(key)
    return Answer(205)


def mark_sso(sandbox: Sandbox, ask: Ask) -> Answer:
    """POST a member's sso: 200, 404."""
    member = _member(sandbox, ask)
    sandbox.forbid(member.id)
    return _shown(sandbox, sandbox.state.change(member, sso=True))


def list_member_teams(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET a member's teams: 200 with the role in each; `title` is contained, in any case."""
    member, title = _member(sandbox, ask), ask.query.get("title", "").lower()
    found = [team for team in sandbox.state.teams_of(member.id) if title in team.title.lower()]
    return Answer(
        200,
        listing(
            found,
            lambda team: (team.created, team.number),
            lambda team: {"team": shapes.team(team), "member": {"role": team.members[member.id]}},
            ask.query,
        ),
    )


def list_member_spaces(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET a member's spaces: 200, as many as were seeded."""
    member = _member(sandbox, ask)
    order = ask.choice("order", ("asc", "desc"), "desc")
    return Answer(
        200,
        listing(
            range(1, member.spaces + 1),
            lambda number: (0, number),
            lambda number: shapes.space_access(number, member, sandbox.organization, sandbox.url),
            ask.query,
            descending=order == "desc",
        ),
    )


def _member(sandbox: Sandbox, ask: Ask) -> Member:
    member = sandbox.state.members.get(ask.ids["user"])
    if member is None:
        raise RefusedError(404, "Member not found")
    return member


def _shown(sandbox: Sandbox, member: Member) -> Answer:
    return Answer(200, shapes.organization_member(member, sandbox.state, sandbox.url))


def _fits(member: Member, ask: Ask) -> bool:
    search = ask.query.get("search", "").lower()
    role = ask.choice("role", (*ROLES, "guest"), member.role or "guest")
    return role == (member.role or "guest") and (
        search in member.email.lower() or search in member.name.lower()
    )


def _by_joined(member: Member) -> Place:
    return member.joined, member.number


def _by_seen(member: Member) -> Place:
    return member.last_seen or 0.0, member.number


def _by_name(member: Member) -> Place:
    return member.name.lower(), member.number
