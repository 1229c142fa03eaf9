"""What a request says of a group's members, read from its body before the library sees it.

The library would hold every member as an object and copy the whole group for each PATCH: seconds for 20,000.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from scim2_models import InvalidFilterException, InvalidPathException, InvalidValueException, Path
from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator, ValuePath

from bridge.directory.identifiers import hidden_character
from bridge.sources.bodies import LONGEST_TEXT

MOST_MEMBERS = 50_000  # that one request may name
_URN = "urn:ietf:params:scim:schemas:core:2.0:Group"
_NAME = rf"(?:{re.escape(_URN)}:)?members"
_TERM = r'value +eq +"([^"\\\x00-\x1f]*)"'
_PLAIN = re.compile(rf"{_NAME}\[ *{_TERM}(?: +or +{_TERM})* *\]", re.IGNORECASE | re.ASCII)
_IDS = re.compile(_TERM, re.IGNORECASE | re.ASCII)
_MEMBERS = re.compile(rf"{_NAME}\s*(?=$|[\[.])", re.IGNORECASE)


@dataclass(slots=True)
class MemberChange:
    """What becomes of the members: those before (or nobody, when `whole`), then who is told of.

    `told`: True for who is a member from now on, False for who is not.
    """

    whole: bool = False
    told: dict[str, bool] = field(default_factory=dict)

    def replace(self, members: Iterable[str]) -> None:
        """From now on these and nobody else."""
        self.whole, self.told = True, dict.fromkeys(members, True)

    def tell(self, members: Iterable[str], member: bool) -> None:
        """These are members from now on, or are not."""
        self.told.update(dict.fromkeys(members, member))

    def difference(self, before: Collection[str]) -> tuple[list[str], list[str]]:
        """Return who comes and who goes, in the order they were named.

        `before`: all members when `whole`, else at least those of them that are told of.
        """
        came = [one for one, member in self.told.items() if member and one not in before]
        if self.whole:
            return came, [one for one in before if not self.told.get(one)]
        return came, [one for one, member in self.told.items() if not member and one in before]


def is_plain(path: str) -> bool:
    """Tell whether a path is read at once; all others with a filter go through the library's grammar."""
    return "[" not in path or bool(_PLAIN.fullmatch(_plain_path(path)))


def names_members(path: str) -> bool:
    """Tell whether a PATCH path is about a group's members."""
    return bool(_MEMBERS.match(path.strip()))


def is_group_schema(key: str) -> bool:
    """Tell whether a key is the URN of a group's schema, under which its attributes may stand."""
    return key.lower() == _URN.lower()


def read_members(value: Any) -> list[str]:
    """Return the ids in a value of `members`; null is nobody. Raises InvalidValueException.

    A list or an object that was made a text once more is read as what it was.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise InvalidValueException(detail="members is a text: send a list") from None
    if value is None:
        return []
    listed = value if isinstance(value, list) else [value]
    if len(listed) > MOST_MEMBERS:
        raise InvalidValueException(detail=f"members has more than {MOST_MEMBERS} values: send fewer at once")
    return [_read_member(one) for one in listed]


def _read_member(member: Any) -> str:
    if isinstance(member, Mapping):
        member = next((one for key, one in member.items() if key.lower() == "value"), None)
    if not isinstance(member, str) or not member.strip():
        raise InvalidValueException(detail='a member has no id: send {"value": "<id>"}')
    if len(member) > LONGEST_TEXT:
        raise InvalidValueException(detail=f"members.value has more than {LONGEST_TEXT} characters")
    if found := hidden_character(member):
        raise InvalidValueException(detail=f"members.value holds {found}: send it without control characters")
    return member


def apply_operation(change: MemberChange, op: str, path: str, value: Any, told: bool) -> None:
    """Add one PATCH operation on `members` to a change.

    `op` in lower case; `told`: whether the operation has a value at all. Raises a SCIMException.
    A path that goes on behind `members` without a filter is of an attribute of every member, not of members.
    """
    selected = list(_selected(_plain_path(path))) if "[" in path else None
    if selected is None and "." in path.rpartition(":")[2]:
        raise InvalidPathException(
            detail=f'{op} members: send the path as members or members[value eq "<id>"]'
        )
    match op:
        case "add" if selected is None and value is not None:
            change.tell(read_members(value), True)
        case "replace" if selected is None and told:
            change.replace(read_members(value))
        case "remove" if selected is not None:
            change.tell(selected, False)
        case "remove" if value is None:
            change.replace(())
        case "remove":  # Entra names those to remove here; an empty list names nobody
            change.tell(read_members(value), False)
        case _:
            raise InvalidPathException(detail=f"{op} members: send a value, and no filter in the path")


def _plain_path(path: str) -> str:
    """Return a path with a filter without the blanks that some senders write before the bracket."""
    attribute, bracket, rest = path.strip().partition("[")
    return attribute.rstrip() + bracket + rest


def _selected(path: str) -> Iterator[str]:
    """Return the ids in `members[value eq "…" or …]`."""
    if _PLAIN.fullmatch(path):
        return iter(_IDS.findall(path))
    node = Path(path).ast
    if not isinstance(node, ValuePath) or node.sub_attr:
        raise InvalidPathException(detail='members: send the path as members[value eq "<id>"]')
    return _values(node.val_filter)


def _values(node: FilterNode) -> Iterator[str]:
    match node:
        case LogicalExpr(op=LogicalOperator.or_):
            for term in node.terms:
                yield from _values(term)
        case Comparison(op=CompareOperator.eq, value=str(value)) if str(node.attr_path).lower() == "value":
            yield value
        case _:
            raise InvalidFilterException(detail='members can be selected by value eq "<id>" only')
