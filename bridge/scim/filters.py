"""Which resources a filter can match at all, told by the indexes, so that the usual ones load only these."""

from collections.abc import Iterator
from typing import Any

from scim2_models import InvalidFilterException
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

from bridge.scim.rows import Index, fold

LONGEST_FILTER = 2000  # characters

_FOLDED = {
    "User": {"username": "userName", "emails": "emails"},
    "Group": {"displayname": "displayName"},
}
_EXACT = {
    "User": {"id": "id", "externalid": "externalId"},
    "Group": {"id": "id", "externalid": "externalId", "members": "members"},
}


def lookups(kind: str, node: FilterNode) -> list[Index] | None:
    """Return where to look for all that a filter can match; None: in every resource."""
    match node:
        case LogicalExpr(op=LogicalOperator.and_):
            found = (lookups(kind, term) for term in node.terms)
            return next((one for one in found if one is not None), None)
        case LogicalExpr():
            every = [lookups(kind, term) for term in node.terms]
            return None if None in every else [one for found in every for one in found or ()]
        case ValuePath():
            return _within(kind, node.attr_path.attr, node.val_filter)
        case Comparison(op=CompareOperator.eq, value=str(value)):
            plain = (node.attr_path.sub_attr or "value").lower() == "value"
            return _lookup(kind, node.attr_path.attr, value) if plain else None
    return None


def _lookup(kind: str, attribute: str, value: str) -> list[Index] | None:
    name = attribute.lower()
    if name in _FOLDED[kind]:
        return [(_FOLDED[kind][name], fold(value))]
    return [(_EXACT[kind][name], value)] if name in _EXACT[kind] else None


def _within(kind: str, attribute: str, node: FilterNode) -> list[Index] | None:
    """The same for what stands in the brackets behind an attribute."""
    match node:
        case LogicalExpr(op=LogicalOperator.and_):
            found = (_within(kind, attribute, term) for term in node.terms)
            return next((one for one in found if one is not None), None)
        case Comparison(op=CompareOperator.eq, value=str(value)) if str(node.attr_path).lower() == "value":
            return _lookup(kind, attribute, value)
    return None


def asked_members(node: FilterNode) -> set[str]:
    """Return the members that a filter asks about.

    Raises InvalidFilterException for any question but whether somebody is one, and for one about `groups`.
    """
    return set(_asked(node, inside=False))


def _asked(node: FilterNode, inside: bool) -> Iterator[str]:
    match node:
        case LogicalExpr():
            for term in node.terms:
                yield from _asked(term, inside)
        case Not():
            yield from _asked(node.expr, inside)
        case ValuePath():
            yield from _asked(node.val_filter, inside or _is_membership(node.attr_path))
        case Comparison() if inside or _is_membership(node.attr_path):
            yield _asked_value(node)
        case Present() if inside or _is_membership(node.attr_path):
            raise _unanswerable()


def _is_membership(path: AttrPath) -> bool:
    if path.attr.lower() == "groups":
        raise InvalidFilterException(
            detail='groups cannot be asked for: ask /Groups for members.value eq "<id>"'
        )
    return path.attr.lower() == "members"


def _asked_value(node: Comparison) -> str:
    if node.op is not CompareOperator.eq or not isinstance(node.value, str):
        raise _unanswerable()
    return node.value


def _unanswerable() -> InvalidFilterException:
    return InvalidFilterException(detail='members can be asked for by members.value eq "<id>" only')


def refuse_long(text: Any) -> None:
    """Raise InvalidFilterException for a filter that is too long: reading one takes time."""
    if isinstance(text, str) and len(text) > LONGEST_FILTER:
        raise InvalidFilterException(detail=f"The filter has more than {LONGEST_FILTER} characters")
