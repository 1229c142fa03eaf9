"""What of SCIM reads what a provider writes: bodies, paths of members, filters."""

from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
from pydantic import ValidationError
from scim2_models import Group, SCIMException, SearchRequest, User

from bridge.scim.bodies import load_object, split_patch, split_resource
from bridge.scim.filters import asked_members, lookups, refuse_long

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
OPERATIONS = [
    {"op": "Add", "path": "members", "value": [{"value": "u1"}, {"value": "u2", "display": "Ana"}]},
    {"op": "remove", "path": 'members[value eq "u1"]'},
    {"op": "Remove", "path": "members", "value": [{"value": "u2"}]},
    {"op": "replace", "value": {"displayName": "Writers", "members": []}},
    {"op": "Replace", "path": "active", "value": [{"$ref": None, "value": "False"}]},
]
FILTERS = [
    'userName eq "ana@acme.test"',
    'emails[type eq "work" and value co "@acme"].value sw "a" or not (active eq true)',
    'members.value eq "u1" and displayName pr',
    'externalId eq "1" and meta.lastModified gt "2026-01-31T09:30:00Z"',
]
BODIES = [
    orjson.dumps({"schemas": [PATCH], "Operations": OPERATIONS}),
    orjson.dumps({"displayName": "Writers", "members": [{"value": "u1"}]}),
]


def _read_filter(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    refuse_long(text)
    for kind in (User, Group):
        wanted = SearchRequest[kind](filter=text).filter  # type: ignore[valid-type]
        assert wanted is not None
        asked_members(wanted.ast)
        lookups(kind.__name__, wanted.ast)
        wanted.match(_examples()[kind])


@cache
def _examples() -> dict[type, Any]:
    return {User: User(user_name="ana@acme.test", active=True), Group: Group(display_name="Writers")}


READERS: tuple[Callable[[bytes], object], ...] = (
    lambda data: split_patch(load_object(data), has_members=True),
    lambda data: split_patch(load_object(data), has_members=False),
    lambda data: split_resource(load_object(data)),
    _read_filter,
)


def check_scim(data: bytes) -> None:
    """Whatever a provider writes can be read, or is its mistake in SCIM's terms. The first byte: a reader."""
    try:
        READERS[(data[0] if data else 0) % len(READERS)](data[1:])
    except (SCIMException, ValidationError):
        return


def scim_seeds() -> list[bytes]:
    """Return bodies for every reader, and filters."""
    bodies = [bytes([number]) + body for number in range(3) for body in BODIES]
    return bodies + [b"\3" + text.encode() for text in FILTERS]
