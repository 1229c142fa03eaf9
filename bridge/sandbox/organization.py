"""Calls about the caller, the organisation and its sign-in. Statuses as in GitBook's OpenAPI document."""

from typing import Any

from bridge.sandbox import shapes
from bridge.sandbox.calls import Answer, Ask
from bridge.sandbox.paging import listing
from bridge.sandbox.sandbox import Sandbox


def get_user(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET user: 200, the token's owner."""
    return Answer(200, shapes.user(sandbox.owner, sandbox.url))


def list_organizations(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET orgs: 200, this one or none."""
    there = [] if sandbox.faults.organization_gone else [_organization(sandbox)]
    return Answer(200, listing(there, lambda item: (item["id"], 0), lambda item: item, ask.query))


def get_organization(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET an organisation: 200, 404."""
    return Answer(200, _organization(sandbox))


def list_saml(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET saml: 200, the seeded providers."""
    return Answer(
        200, listing(_providers(sandbox), lambda item: (item["id"], 0), lambda item: item, ask.query)
    )


def list_sso(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET sso: 200, not paged."""
    return Answer(200, {"items": [shapes.login(provider) for provider in _providers(sandbox)]})


def list_link_invites(sandbox: Sandbox, ask: Ask) -> Answer:
    """GET link-invites: 200, always empty; e-mail invites are not listed anywhere in GitBook's API."""
    nothing: list[dict[str, Any]] = []
    return Answer(200, listing(nothing, lambda item: (item["id"], 0), lambda item: item, ask.query))


def _providers(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [
        shapes.saml_provider(label, number, sandbox.created, sandbox.organization, sandbox.url)
        for number, label in enumerate(sandbox.saml, start=1)
    ]


def _organization(sandbox: Sandbox) -> dict[str, Any]:
    owner = sandbox.state.find(sandbox.owner.id)
    admin = owner is not None and owner.role == "admin"
    return shapes.organization(sandbox.organization, sandbox.created, admin, sandbox.url)
