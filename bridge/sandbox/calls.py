"""A call as it came in, its body checked, and what is answered."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from bridge.sandbox.state import ROLES, TEAM_ROLES, RefusedError, TeamChange

_ADDRESS = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\".]{2,}")
_TITLE_MAX = 64


@dataclass(slots=True)
class Call:
    """A call that was made: unix seconds by the caller's clock, and the path with its /v1.

    `body` is the parsed JSON, the text when it is none, None without a body. `status` is what was
    answered; 0: no answer yet, or none at all.
    """

    time: float
    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int = 0

    @property
    def line(self) -> str:
        """Return "METHOD /path", which faults and waiting match against."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a handler gets: the ids in the path, the query, the raw body."""

    ids: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes = b""

    def body(self) -> dict[str, Any]:
        """Return the body, an object. Raises RefusedError 400."""
        try:
            body = orjson.loads(self.raw)
        except ValueError:
            raise RefusedError(400, "the body is not JSON") from None
        if not isinstance(body, dict):
            raise RefusedError(400, "the body must be an object")
        return body

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """Return a query parameter. Raises RefusedError 400 when it is none of the choices."""
        return one_of(f"{name} (query)", self.query.get(name, default), choices)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with the JSON-able body, None without one."""

    status: int
    body: Any = None


def readable(raw: bytes) -> Any:
    """Return the body as a recorded call shows it."""
    try:
        return orjson.loads(raw) if raw else None
    except ValueError:
        return raw.decode("utf-8", "replace")


def error(status: int, message: str) -> dict[str, Any]:
    """Return GitBook's error body."""
    return {"error": {"code": status, "message": message}}


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return the value when it is one of the choices. Raises RefusedError 400."""
    if value not in choices:
        raise RefusedError(400, f"{name}: must be one of {', '.join(choices)}")
    return str(value)


def role(value: Any) -> str | None:
    """Return a member's role; null is a guest, the string "guest" is no role. Raises RefusedError 400."""
    return None if value is None else one_of("role", value, ROLES)


def team_role(value: Any) -> str:
    """Return the role in `{"role": ...}`. Raises RefusedError 400."""
    if not isinstance(value, dict):
        raise RefusedError(400, "role: must be in an object")
    return one_of("role", value.get("role"), TEAM_ROLES)


def title(body: dict[str, Any]) -> str:
    """Return the title, 1 to 64 characters. Raises RefusedError 400."""
    value = body.get("title")
    if not (isinstance(value, str) and 1 <= len(value) <= _TITLE_MAX):
        raise RefusedError(400, f"title: must have 1 to {_TITLE_MAX} characters")
    return value


def strings(body: dict[str, Any], name: str) -> tuple[str, ...]:
    """Return the list of strings of that name, () when it is absent. Raises RefusedError 400."""
    value = body.get(name, [])
    if not (isinstance(value, list) and all(isinstance(each, str) and each for each in value)):
        raise RefusedError(400, f"{name}: must be an array of strings")
    return tuple(value)


def flag(body: dict[str, Any], name: str) -> bool:
    """Return the boolean of that name, False when it is absent. Raises RefusedError 400."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise RefusedError(400, f"{name}: must be a boolean")
    return value


def invited(body: dict[str, Any]) -> dict[str, str | None]:
    """Return the role for each address of an invite, in lower case. Raises RefusedError 400."""
    emails, default = body.get("emails"), role(body.get("role", "read"))
    if not isinstance(emails, list):
        raise RefusedError(400, "emails: must be an array")
    return dict(_invitee(each, default) for each in emails)


def _invitee(value: Any, default: str | None) -> tuple[str, str | None]:
    if isinstance(value, dict):
        if not {"email", "role"} <= value.keys():
            raise RefusedError(400, "emails: an object needs email and role")
        value, default = value["email"], role(value["role"])
    if not (isinstance(value, str) and _ADDRESS.fullmatch(value)):
        raise RefusedError(400, "emails: not an e-mail address")
    return value.lower(), default


def team_change(body: dict[str, Any]) -> TeamChange:
    """Return a team's bulk update. Raises RefusedError 400."""
    roles = body.get("memberships", {})
    if not isinstance(roles, dict):
        raise RefusedError(400, "memberships: must be an object")
    roles = {key: team_role(value) for key, value in roles.items()}
    return TeamChange(strings(body, "add"), strings(body, "remove"), roles)
