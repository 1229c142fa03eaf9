"""Calls about teams and who is in them. Statuses are those of GitBook's OpenAPI document."""

from bridge.sandbox import calls, shapes
from bridge.sandbox.calls import Answer, Ask
from bridge.sandbox.faults import named
from bridge.sandbox.paging import listing
from bridge.sandbox.sandbox import Sandbox
from bridge.sandbox.state import RefusedError, Team


def list_teams(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET teams: 200, oldest first; `title` is contained, in any case; `owner` is a member id."""
    title, owner = ask.query.get("title", "").lower(), ask.query.get("owner")
    found = [
        team
        for team in sandbox.state.teams.values()
        if title in team.title.lower() and (owner is None or team.members.get(owner) == "owner")
    ]
    return Answer(
        200,
        listing(
            found,
            lambda team: (team.created, team.number),
            shapes.team,
            ask.query,
            faults=sandbox.faults,
        ),
    )


def create_team(sandbox: Sandbox, ask: Ask) -> Answer:
    """PUT teams: 201, 404 for an id that is no member's. It creates a second team of the same title too."""
    body = ask.body()
    title, members = calls.title(body), calls.strings(body, "members")
    sandbox.forbid(*members)
    if any("@" in key for key in members):
        raise RefusedError(400, "members: must be member ids")
    return Answer(201, shapes.team(sandbox.state.create_team(title, members)))


def get_team(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET a team: 200, 404."""
    return Answer(200, shapes.team(_team(sandbox, ask)))


def rename_team(sandbox: Sandbox, ask: Ask) -> Answer:
    """PATCH a team: 200, 404."""
    team = _team(sandbox, ask)
    team.title = calls.title(ask.body())
    return Answer(200, shapes.team(team))


def delete_team(sandbox: Sandbox, ask: Ask) -> Answer:
    """DELETE a team: 205, 204 did not exist."""
    return Answer(205 if sandbox.state.teams.pop(ask.ids["team"], None) else 204)


def list_team_members(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET a team's members: 200, 404; who joined the organisation first comes first."""
    team, state = _team(sandbox, ask), sandbox.state
    return Answer(
        200,
        listing(
            [state.members[key] for key in team.members],
            lambda member: (member.joined, member.number),
            lambda member: shapes.team_member(member, team.members[member.id], state, sandbox.url),
            ask.query,
            faults=sandbox.faults,
        ),
    )


def update_team_members(sandbox: Sandbox, ask: Ask) -> Answer:
    """PUT a team's members: 204; 404, with nothing changed, when somebody named is not to be found."""
    team, change = _team(sandbox, ask), calls.team_change(ask.body())
    sandbox.forbid(*change.named())
    gone = sandbox.faults.team_404
    if gone and any(named(gone, *sandbox.state.names(key)) for key in change.named()):
        raise RefusedError(404, "User not found in the organization")
    sandbox.state.update_team(team, change)
    return Answer(204)


def put_team_member(sandbox: Sandbox, ask: Ask) -> Answer:
    """PUT one member of a team: 204, 404; the body `{"role"}` is optional."""
    team, key = _team(sandbox, ask), ask.ids["user"]
    sandbox.forbid(key)
    if key not in sandbox.state.members:
        raise RefusedError(404, "Member not found")
    body = ask.body() if ask.raw else {}
    team.members[key] = calls.team_role(body) if "role" in body else team.members.get(key, "member")
    return Answer(204)


def delete_team_member(sandbox: Sandbox, ask: Ask) -> Answer:
    """DELETE one member of a team: 205, 204 was not in it, 404."""
    team, key = _team(sandbox, ask), ask.ids["user"]
    sandbox.forbid(key)
    return Answer(205 if team.members.pop(key, None) else 204)


def _team(sandbox: Sandbox, ask: Ask) -> Team:
    return sandbox.state.team(ask.ids["team"])
