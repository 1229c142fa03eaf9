"""GitBook's objects as JSON, with every field that its OpenAPI document (0.202.0) requires.

`url` is the API's address, up to and with /v1. Times are RFC 3339 in UTC, with milliseconds.
"""

from datetime import UTC, datetime
from typing import Any

from bridge.sandbox.state import Member, State, Team

Json = dict[str, Any]
_ORGANIZATION_RIGHTS = (
    "view",
    "access",
    "admin",
    "ownTeam",
    "createContent",
    "createOpenAPISpec",
    "viewBilling",
    "listMembers",
    "listTeams",
    "listIntegrations",
    "listInstallations",
    "installIntegration",
)
_SPACE_RIGHTS = (
    "view",
    "access",
    "admin",
    "viewInviteLinks",
    "edit",
    "triggerGitSync",
    "comment",
    "merge",
    "review",
    "installIntegration",
)
_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nc2FuZGJveA==\n-----END CERTIFICATE-----"


def moment(time: float) -> str:
    """Return unix seconds as RFC 3339."""
    text = datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def user(member: Member, url: str) -> Json:
    """Return a User."""
    return {
        "object": "user",
        "id": member.id,
        "displayName": member.name,
        "email": member.email,
        "urls": {"location": f"{url}/users/{member.id}"},
    }


def organization_member(member: Member, state: State, url: str) -> Json:
    """Return an OrganizationMember; `spaces`, `teams` and `sites` are counts."""
    seen = {} if member.last_seen is None else {"lastSeenAt": moment(member.last_seen)}
    return {
        "object": "member",
        "id": member.id,
        "role": member.role,
        "user": user(member, url),
        "disabled": member.disabled,
        "joinedAt": moment(member.joined),
        **seen,
        "sso": member.sso,
        "spaces": member.spaces,
        "teams": len(state.teams_of(member.id)),
        "sites": 0,
    }


def team(item: Team) -> Json:
    """Return an OrganizationTeam."""
    return {
        "object": "team",
        "id": item.id,
        "title": item.title,
        "members": len(item.members),
        "spaces": item.spaces,
        "createdAt": moment(item.created),
        "permissions": {"admin": True, "view": True},
    }


def team_member(member: Member, role: str, state: State, url: str) -> Json:
    """Return an OrganizationTeamMember."""
    return {
        "organization": organization_member(member, state, url),
        "team": {"role": role},
        "permissions": {"view": True},
    }


def organization(name: str, created: float, admin: bool, url: str) -> Json:
    """Return an Organization; `admin` tells whether the token's owner is one."""
    rights = dict.fromkeys(_ORGANIZATION_RIGHTS, True)
    return {
        "object": "organization",
        "id": name,
        "title": f"{name} (sandbox)",
        "createdAt": moment(created),
        "plan": "enterprise_2024",
        "type": "business",
        "emailDomains": [],
        "defaultRole": "read",
        "sso": False,
        "inviteLinks": True,
        "mergeRules": {"type": "none"},
        "trial": {"status": "none", "count": 0},
        "urls": {"location": f"{url}/orgs/{name}", "app": f"https://app.gitbook.com/o/{name}"},
        "permissions": {**rights, "admin": admin, "viewBilling": admin},
    }


def space_access(number: int, member: Member, organization: str, url: str) -> Json:
    """Return a MemberContentPermission: the member's space of that number."""
    name = f"{member.id}-{number}"
    return {
        "permission": member.role or "read",
        "space": {
            "object": "space",
            "id": name,
            "title": f"Space {number}",
            "emoji": "1f4d8",
            "organization": organization,
            "visibility": "private",
            "revision": f"revision-{name}",
            "createdAt": moment(member.joined),
            "updatedAt": moment(member.joined),
            **dict.fromkeys(("comments", "changeRequests", "changeRequestsOpen", "changeRequestsDraft"), 0),
            "mergeRules": {"type": "inherit"},
            "defaultLevel": "inherit",
            "urls": {"location": f"{url}/spaces/{name}", "app": f"https://app.gitbook.com/s/{name}"},
            "permissions": dict.fromkeys(_SPACE_RIGHTS, True),
        },
    }


def saml_provider(label: str, number: int, created: float, organization: str, url: str) -> Json:
    """Return an active OrganizationSAMLProvider; `label` has 1 to 30 characters."""
    name, idp = f"saml-{number}", f"https://idp.{organization}.test"
    return {
        "object": "saml-provider",
        "id": name,
        "label": label,
        "ssoURL": f"{idp}/sso",
        "entityID": idp,
        "certificate": _CERTIFICATE,
        "defaultRole": "read",
        "createdAt": moment(created),
        "status": "active",
        "service": {
            "acsURL": f"{url}/saml/{name}/acs",
            "startURL": f"{url}/saml/{name}/start",
            "entityID": f"{url}/saml/{name}",
        },
        "urls": {"location": f"{url}/orgs/{organization}/saml/{name}"},
    }


def login(provider: Json) -> Json:
    """Return the OrganizationSSOProviderLogin of a SAML provider."""
    return {"id": provider["id"], "label": provider["label"], "startURL": provider["service"]["startURL"]}
