"""One step of a directory's history, as each kind of sender tells it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

What = Literal[
    "hired", "moved", "suspended", "resumed", "left", "made", "renamed", "ended", "added", "removed"
]  # fmt: skip

_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_DIRECTORY = "directory_01ECAZ4NV9QMV47GW873HDCX74"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens in a directory. `text`: the name or address that is new by it."""

    what: What
    user: str = ""
    group: str = ""
    text: str = ""


@dataclass
class Known:
    """What the directory knew just before a step: addresses, names of groups, and who is active."""

    emails: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    active: dict[str, bool] = field(default_factory=dict)

    def follow(self, step: Step) -> None:
        """Take a step."""
        if step.what == "hired":
            self.emails[step.user] = f"{step.user}@acme.test"
        if step.what == "moved":
            self.emails[step.user] = step.text
        if step.what in ("made", "renamed"):
            self.names[step.group] = step.text
        if step.what in ("hired", "resumed", "suspended", "left"):
            self.active[step.user] = step.what in ("hired", "resumed")


@dataclass(frozen=True, slots=True)
class Moment:
    """A step with its time (unix milliseconds), and what is known once it is taken."""

    step: Step
    at: int
    email: str | None
    name: str | None
    active: bool

    @property
    def rfc3339(self) -> str:
        """The time as JSON bodies have it."""
        return datetime.fromtimestamp(self.at / 1000, UTC).isoformat(timespec="milliseconds")


def moment(step: Step, at: int, known: Known) -> Moment:
    """Return a step as of now."""
    email, name = known.emails.get(step.user), known.names.get(step.group)
    return Moment(step, at, email, name, known.active.get(step.user, True))


Write = Callable[[Moment], dict[str, Any]]

_EVENTS = {
    "hired": "user.created", "moved": "user.updated", "suspended": "user.updated",
    "resumed": "user.updated", "left": "user.deleted", "made": "group.created",
    "renamed": "group.updated", "ended": "group.deleted", "added": "group.user_added",
    "removed": "group.user_removed",
}  # fmt: skip


def flow(now: Moment) -> dict[str, Any]:
    """What the flow of our guide sends; a leaver is deactivated there, and only their id is told."""
    step = now.step
    event = "user.updated" if step.what == "left" else _EVENTS[step.what]
    told: dict[str, Any] = {"event": event, "id": f"{now.at}", "occurred_at": now.rfc3339}
    if step.user:
        told["user"] = {"id": f"00u{step.user}"}
    if step.what in ("hired", "moved", "resumed"):
        told["user"]["email"] = now.email
    if step.what in ("hired", "suspended", "resumed", "left"):
        told["user"]["active"] = now.active
    if step.group:
        told["group"] = {"id": f"00g{step.group}", "name": now.name}
    return told


def jackson(now: Moment) -> dict[str, Any]:
    """What Jackson sends: the user whole each time, a group with the list that PATCHes leave stale."""
    step = now.step
    raw = {"displayName": now.name, "members": list[str]()}
    group = {"id": f"g-{step.group}", "name": now.name, "raw": raw}
    user = {
        "id": f"u-{step.user}", "first_name": step.user.title(), "last_name": "Ng", "email": now.email,
        "active": now.active, "raw": {"active": now.active},
    }  # fmt: skip
    data = {**user, **({"group": group} if step.group else {})} if step.user else group
    head = {"tenant": "acme", "product": "docs", "directory_id": "2287826c-c603-4f66-8457-936cb2442fab"}
    return {"event": _EVENTS[step.what], **head, "data": data}


def workos(now: Moment) -> dict[str, Any]:
    """What WorkOS sends: a state for each user, and both within a membership."""
    step = now.step
    state = "active" if now.active else "suspended" if step.what == "suspended" else "inactive"
    user = {"id": f"directory_user_{step.user}", "email": now.email, "state": state}
    group = {"id": f"directory_group_{step.group}", "name": now.name}
    data = {"user": user, "group": group} if step.user and step.group else user if step.user else group
    return {
        "id": f"event_{now.at}", "event": f"dsync.{_EVENTS[step.what]}", "created_at": now.rfc3339,
        "data": {"directory_id": _DIRECTORY, **data},
    }  # fmt: skip


_HOOKS = {
    "hired": ("user.lifecycle.create", "user.lifecycle.activate"),
    "moved": ("user.account.update_profile",), "suspended": ("user.lifecycle.suspend",),
    "resumed": ("user.lifecycle.unsuspend",), "left": ("user.lifecycle.deactivate",),
    "made": ("group.lifecycle.create",), "renamed": ("group.profile.update",),
    "ended": ("group.lifecycle.delete",), "added": ("group.user_membership.add",),
    "removed": ("group.user_membership.remove",),
}  # fmt: skip


def hook(now: Moment) -> dict[str, Any]:
    """What an Event Hook sends: logins of those who were hired, never an address that is new."""
    step, targets = now.step, []
    if step.user:
        login = f"{step.user}@acme.test"
        targets.append(_target("User", f"00u{step.user}", login, step.user.title()))
    if step.group:
        targets.append(_target("UserGroup", f"00g{step.group}", "unknown", now.name))
    events = [
        {
            "uuid": f"{kind}-{now.at}", "published": now.rfc3339, "eventType": kind, "version": "0",
            "outcome": {"result": "SUCCESS", "reason": None}, "target": targets,
        }
        for kind in _HOOKS[step.what]
    ]  # fmt: skip
    return {
        "eventType": "com.okta.event_hook", "cloudEventsVersion": "0.1", "data": {"events": events},
    }  # fmt: skip


def thin_hook(now: Moment) -> dict[str, Any]:
    """The same of an Okta whose API may be read: its logins are no addresses, its names are stale."""
    whole = hook(now)
    for event in whole["data"]["events"]:
        for target in event["target"]:
            target["alternateId"] = target["alternateId"].replace("@acme.test", "@corp.acme.test")
            if now.step.what == "renamed":
                target["displayName"] = "As it was called before"
    return whole


def _target(kind: str, ident: str, alternate: str, name: str | None) -> dict[str, Any]:
    return {"id": ident, "type": kind, "alternateId": alternate, "displayName": name, "detailEntry": None}


# SCIM: requests and no bodies alone. `idents`: what the bridge called whom, by "ana" or "writers".

Request = tuple[str, str, dict[str, Any] | None]  # method, path below the base, body
Ask = Callable[[Moment, dict[str, str]], list[Request]]


def entra(now: Moment, idents: dict[str, str]) -> list[Request]:
    """What Entra ID asks for: PATCHes with capitals and texts; who leaves is disabled, then deleted."""
    step = now.step
    user, group = f"/Users/{idents.get(step.user)}", f"/Groups/{idents.get(step.group)}"
    member = [{"$ref": None, "value": idents.get(step.user)}]
    address = _replace('emails[type eq "work"].value', now.email), _replace("userName", now.email)
    active = _patch(user, _replace("active", str(now.active)))
    made = {"schemas": [_GROUP], "externalId": f"ext-{step.group}", "displayName": now.name}
    asked: dict[What, list[Request]] = {
        "hired": [("POST", "/Users", _person(now, externalId=f"ext-{step.user}"))],
        "moved": [_patch(user, *address)],
        "suspended": [active],
        "resumed": [active],
        "left": [active, ("DELETE", user, None)],
        "made": [("POST", "/Groups", made)],
        "renamed": [_patch(group, _replace("displayName", now.name))],
        "ended": [("DELETE", group, None)],
        "added": [_patch(group, {"op": "Add", "path": "members", "value": member})],
        "removed": [_patch(group, {"op": "Remove", "path": "members", "value": member})],
    }
    return asked[step.what]


def okta(now: Moment, idents: dict[str, str]) -> list[Request]:
    """What Okta asks for: users are put whole, who leaves is deactivated; of suspensions it says nothing."""
    step, ident = now.step, idents.get(now.step.user)
    user, group = f"/Users/{ident}", f"/Groups/{idents.get(step.group)}"
    profile = _person(now, externalId=f"00u{step.user}", password="1mz050nq")
    member = {"value": ident, "display": now.email}
    named = {"id": idents.get(step.group), "displayName": now.name}
    asked: dict[What, list[Request]] = {
        "hired": [("POST", "/Users", profile)],
        "moved": [("PUT", user, {**profile, "id": ident})],
        "suspended": [],
        "resumed": [],
        "left": [_patch(user, {"op": "replace", "value": {"active": False}})],
        "made": [("POST", "/Groups", {"schemas": [_GROUP], "displayName": now.name, "members": []})],
        "renamed": [_patch(group, {"op": "replace", "value": named})],
        "ended": [("DELETE", group, None)],
        "added": [_patch(group, {"op": "add", "path": "members", "value": [member]})],
        "removed": [_patch(group, {"op": "remove", "path": f'members[value eq "{ident}"]'})],
    }
    return asked[step.what]


def _person(now: Moment, /, **more: Any) -> dict[str, Any]:
    emails = [{"primary": True, "type": "work", "value": now.email}]
    return {"schemas": [_USER], "userName": now.email, "emails": emails, "active": True, **more}


def _patch(path: str, *operations: dict[str, Any]) -> Request:
    return "PATCH", path, {"schemas": [_PATCH], "Operations": list(operations)}


def _replace(path: str, value: str | None) -> dict[str, Any]:
    return {"op": "Replace", "path": path, "value": value}
