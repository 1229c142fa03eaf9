"""Bodies of writes, made ready for the library: members taken out, dialects it does not know put straight."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from scim2_models import InvalidPathException, InvalidSyntaxException, InvalidValueException

from bridge.scim.members import (
    MOST_MEMBERS,
    MemberChange,
    apply_operation,
    is_group_schema,
    is_plain,
    names_members,
    read_members,
)
from bridge.sources.bodies import encoding_fault

MOST_OPERATIONS = 100  # of one PATCH, besides those on members
LONGEST_PATH = 2000  # characters of a path or filter
LONGEST_PATHS = 20_000  # of all in one PATCH that take the library's grammar: 3 s for 2 MB of them
MOST_VALUES = 1000  # in a body, besides members: the library took 14 s for 2 MB of addresses
DEEPEST = 20  # objects and lists within one another
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_DRAFTS = "urn:scim:schemas:core:"
_NOTHING = {"op": "replace", "value": {}}

Object = dict[str, Any]


def load_object(body: bytes) -> Object:
    """Return the JSON object that a body is. Raises InvalidSyntaxException."""
    try:
        loaded = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = encoding_fault(body)
        raise InvalidSyntaxException(detail=f"The body is not JSON{told and ': '}{told}") from None
    if not isinstance(loaded, dict):
        raise InvalidSyntaxException(detail="The body is not an object")
    if _is_deep(loaded):
        raise InvalidSyntaxException(detail=f"The body is nested deeper than {DEEPEST} levels")
    return loaded


def _is_deep(value: Any) -> bool:
    return any(depth >= DEEPEST for depth, _ in enumerate(_levels(value)))


def _levels(value: Any) -> Iterator[list[Any]]:
    """Yield the values in an object or list, then those in the objects and lists among them, and so on."""
    level = [value]
    while level:
        inner = [each for one in level for each in (one.values() if isinstance(one, dict) else one)]
        yield inner
        level = [each for each in inner if isinstance(each, dict | list)]


def dump_body(body: Object) -> bytes:
    """Return a body without members as JSON. Raises what `refuse_many_values` does."""
    refuse_many_values(body)
    return orjson.dumps(body)


def refuse_many_values(body: Object) -> None:
    """Raise InvalidValueException for a body with more than MOST_VALUES values, at any depth."""
    count = 0
    for values in _levels(body):
        count += len(values)
        if count > MOST_VALUES:
            raise InvalidValueException(detail=f"The body has more than {MOST_VALUES} values besides members")


def plain_resource(body: Object, schema: str) -> Object:
    """Return a whole resource (POST, PUT) as the library takes it. `schema`: the URN of its kind.

    What is read-only is left out, whatever it says (RFC 7644 3.5.1). Senders of drafts and of SCIM 1.1 name
    the schemas of these (OneLogin: `urn:scim:schemas:core:1.0`), and give one address without a list.
    """
    out = {key: value for key, value in body.items() if key.lower() not in ("id", "meta")}
    for key, value in out.items():
        match key.lower():
            case "schemas" if _names_draft(value):
                out[key] = [schema]
            case "emails" if isinstance(value, Mapping):
                out[key] = [value]
            case "username" if isinstance(value, str):
                out[key] = value.strip()
    return out


def _names_draft(schemas: Any) -> bool:
    """Tell whether no schema is named, or one of a draft's or of SCIM 1.1."""
    if schemas is None:
        return True
    return isinstance(schemas, list) and any(str(one).lower().startswith(_DRAFTS) for one in schemas)


def split_resource(body: Object) -> tuple[bytes, MemberChange]:
    """Return a whole group (POST, PUT) without its members, and these as the change to exactly them.

    A group that says nothing of members keeps those it has (RFC 7644 3.5.1 leaves that to the server): an
    omission must not empty a team. Raises InvalidValueException.
    """
    change = MemberChange()
    rest = {}
    for key, value in _without_schema(body).items():
        if names_members(key):
            change.replace(read_members(value))
        else:
            rest[key] = value
    return dump_body(rest), change


def _without_schema(values: Mapping[str, Any]) -> Object:
    """Return a group's attributes with those that stand under its schema's URN among the others."""
    out: Object = {}
    for key, value in values.items():
        out |= value if is_group_schema(key) and isinstance(value, Mapping) else {key: value}
    return out


def split_patch(body: Object, has_members: bool) -> tuple[bytes, MemberChange]:
    """Return a PATCH without what it says of members, and that.

    `has_members`: whether the resource is a group. Raises a SCIMException.
    """
    change, rest = MemberChange(), list[Object]()
    operations = _operations(body)
    _refuse_many_filters(operations)
    for operation in operations:
        left = _take_members(operation, change) if has_members else operation
        if left is not None:
            rest += [_plain_value(one) for one in _by_path(left)]
    if len(rest) > MOST_OPERATIONS:
        raise InvalidValueException(detail=f"There are more than {MOST_OPERATIONS} operations: send fewer")
    if len(change.told) > MOST_MEMBERS:
        raise InvalidValueException(detail=f"There are more than {MOST_MEMBERS} members: send fewer at once")
    return dump_body({"schemas": [_PATCH], "Operations": rest or [_NOTHING]}), change


def _refuse_many_filters(operations: list[Object]) -> None:
    """Raise InvalidPathException before filters are read that together would take long."""
    length = 0
    for operation in operations:
        value = operation.get("value")
        keys = value if isinstance(value, Mapping) and not operation.get("path") else ()
        paths = [path for path in (operation.get("path") or "", *keys) if not is_plain(path)]
        length += sum(map(len, paths))
    if length > LONGEST_PATHS:
        raise InvalidPathException(
            detail=f"The paths with filters have more than {LONGEST_PATHS} characters together: send fewer "
            'operations at once, or members[value eq "<id>"]'
        )


def _operations(body: Object) -> list[Object]:
    found = next((value for key, value in body.items() if key.lower() == "operations"), None)
    if not isinstance(found, list) or not found:
        raise InvalidSyntaxException(detail="Operations is missing, or no list with something in it")
    return [_operation(one) for one in found]


def _operation(value: Any) -> Object:
    """Return an operation with its keys as the RFC spells them, `op` in lower case."""
    if not isinstance(value, dict):
        raise InvalidSyntaxException(detail="An operation is not an object")
    operation = {key.lower(): one for key, one in value.items()}
    if isinstance(operation.get("op"), str):
        operation["op"] = operation["op"].lower()
    path = operation.get("path")
    if path is not None and (not isinstance(path, str) or len(path) > LONGEST_PATH):
        raise InvalidPathException(detail=f"A path is no text of at most {LONGEST_PATH} characters")
    if path == "":
        del operation["path"]
    return operation


def _take_members(operation: Object, change: MemberChange) -> Object | None:
    """Add what an operation says of members to the change; return what else it says, None for nothing."""
    op, path, value = operation.get("op"), operation.get("path"), operation.get("value")
    if op not in ("add", "replace", "remove"):
        return operation
    if path:
        if not names_members(path):
            return operation
        apply_operation(change, op, path, value, "value" in operation)
        return None
    if not isinstance(value, Mapping):
        return operation
    rest, values = {}, _without_schema(value)
    for key, one in values.items():
        if names_members(key):
            apply_operation(change, op, key, one, told=True)
        else:
            rest[key] = one
    return {**operation, "value": rest} if rest or len(rest) == len(values) else None


def _by_path(operation: Object) -> list[Object]:
    """Return an operation without a path with those of its keys that are paths as operations of their own."""
    value = operation.get("value")
    if operation.get("path") or not isinstance(value, Mapping):
        return [operation]
    paths = {key: one for key, one in value.items() if "[" in key and len(key) <= LONGEST_PATH}
    if not paths:
        return [operation]
    plain = {key: one for key, one in value.items() if key not in paths}
    split = [{**operation, "path": key, "value": one} for key, one in paths.items()]
    return [{**operation, "value": plain}, *split] if plain else split


def _plain_value(operation: Object) -> Object:
    """Unpack `[{"$ref": null, "value": "False"}]`, as old provisioning jobs of Entra write a value."""
    match operation:
        case {"path": str(path), "value": [{"value": str() | bool() as plain} as only]} if (
            path.lower().rpartition(":")[2] in _PLAIN and set(only) <= {"value", "$ref"}
        ):
            return {**operation, "value": plain}
    return operation


_PLAIN = frozenset({
    "active", "username", "displayname", "externalid", "name.givenname", "name.familyname", "name.formatted",
})  # fmt: skip
