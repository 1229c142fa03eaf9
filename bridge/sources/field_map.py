"""A body of any shape, read by the map of [sources.map] into the bridge's own.

Reasons name keys of the map, expressions and names of fields: what a person who builds a flow needs, and
nothing of what was sent.
"""

from collections.abc import Collection, Mapping
from typing import Any

from jmespath.exceptions import JMESPathTypeError
from jmespath.visitor import TreeInterpreter

from bridge.directory.events import EVENT_NAMES, EventName
from bridge.settings.field_map import IGNORE, OTHERS, Expression, FieldMap
from bridge.sources.base import UnreadableError
from bridge.sources.bodies import ElementError, as_object, keys_of, kind_of
from bridge.sources.moments import epoch_text

MOST_STEPS = 300_000  # for one body: about half a second

_CHAINS = ("subexpression", "index_expression", "pipe")
_WORDS = {"true": True, "false": False, "": None}
_TOO_MUCH = "the map takes too much work for this body: send fewer events at once"


class _TooMuchError(Exception):
    """The expressions have taken all the steps a body may take."""


class _Interpreter(TreeInterpreter):
    """JMESPath, with an end to its work and one rule of its own.

    Work: each node visited is a step, and so is each item of a list and each 64 characters of a text that
    come out of it. So what a body makes projections do is bounded, whatever its shape.

    The rule: what is said of a field that is not there (`status == 'ACTIVE'`, `!disabled`) is null and
    neither true nor false, or a body that does not speak of the status would put people out or let them in.
    It does not hold within the brackets of a filter, nor for a comparison with `null` itself.
    """

    def __init__(self, steps: int = MOST_STEPS) -> None:
        super().__init__()
        self._left = steps
        self._filters = 0

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        value = super().visit(node, *args, **kwargs)
        items = len(value) if isinstance(value, list) else len(value) >> 6 if isinstance(value, str) else 0
        self._left -= 1 + items
        if self._left < 0:
            raise _TooMuchError
        return value

    def visit_filter_projection(self, node: Any, value: Any) -> Any:
        self._filters += 1
        try:
            return super().visit_filter_projection(node, value)
        finally:
            self._filters -= 1

    def visit_comparator(self, node: Any, value: Any) -> Any:
        return None if self._lacks(node, value) else super().visit_comparator(node, value)

    def visit_not_expression(self, node: Any, value: Any) -> Any:
        return None if self._lacks(node, value) else super().visit_not_expression(node, value)

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        unsaid = node["value"] in ("contains", "starts_with", "ends_with") and self._lacks(node, value)
        return None if unsaid else super().visit_function_expression(node, value)

    def _lacks(self, node: Any, value: Any) -> bool:
        operands = [child for child in node["children"] if child["type"] != "literal"]
        with_null = any(child["type"] == "literal" and child["value"] is None for child in node["children"])
        return not (self._filters or with_null) and any(self.visit(each, value) is None for each in operands)


class MapReader:
    """Reads the elements of one body."""

    def __init__(self, fields: FieldMap) -> None:
        """`fields`: the map of the source."""
        self._fields = fields
        self._interpreter = _Interpreter()

    def read(self, element: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the element in the bridge's own shape, None when its name is to be ignored.

        Raises ElementError, and UnreadableError when the body takes too much work.
        """
        name = self._name(element)
        if name is None:
            return None
        told: dict[str, Any] = {"event": name.value}
        told["id"] = self._find("id", self._fields.id, element)
        told["occurred_at"] = _moment(self._find("occurred_at", self._fields.occurred_at, element))
        if name.is_user or name.is_membership:
            told["user"] = self._part(name, element, "user", ("id", "email", "active"))
        if not name.is_user:
            told["group"] = self._part(name, element, "group", ("id", "name"))
        return told

    def missing(self, element: Mapping[str, Any], parts: Collection[str]) -> list[str]:
        """Return, for each key of the map that finds nothing in an element that can be read, why.

        `parts`: which of `user` and `group` its event is about.
        """
        return [
            self._gap(key, expression, element)
            for key, expression in _expressions(self._fields)
            if ("." not in key or key.partition(".")[0] in parts)
            and self._evaluate(key, expression, element) is None
        ]

    def _name(self, element: Mapping[str, Any]) -> EventName | None:
        expression = self._fields.event
        value = self._find("event", expression, element)
        if value is None:
            raise ElementError(self._gap("event", expression, element))
        theirs = str(value).lower() if isinstance(value, bool) else str(value).strip()
        usual = theirs if theirs in EVENT_NAMES else None
        name = self._fields.events.get(theirs) or usual or self._fields.events.get(OTHERS)
        if name is None:
            raise ElementError(
                f"event: {_says(expression)}, and that {kind_of(value)[2:]} is not in [sources.map.events]: "
                f'add it there, with one of {", ".join(EVENT_NAMES)}, or "{IGNORE}"'
            )
        return EVENT_NAMES.get(name)

    def _part(
        self, name: EventName, element: Mapping[str, Any], part: str, keys: tuple[str, ...]
    ) -> dict[str, Any]:
        """Return `user` or `group`. Raises ElementError when neither of the first two keys says which."""
        wanted = {f"{part}.{key}": getattr(getattr(self._fields, part), key) for key in keys}
        told = {key: self._find(path, wanted[path], element) for key, path in zip(keys, wanted, strict=True)}
        if told[keys[0]] in (None, "") and told[keys[1]] in (None, ""):
            gaps = [self._gap(path, each, element) for path, each in list(wanted.items())[:2] if each]
            either = f"{part}.{keys[0]} nor {part}.{keys[1]}"
            raise ElementError("; ".join(gaps) or f"a {name} has neither {either} in [sources.map]")
        return told

    def _find(self, key: str, expression: Expression | None, element: Mapping[str, Any]) -> Any:
        """Return what the expression finds, of a type that can be meant. Raises ElementError for others."""
        if expression is None:
            return None
        value = self._evaluate(key, expression, element)
        if key.endswith("active"):
            return _active(key, expression, value)
        if isinstance(value, dict | list) or (isinstance(value, bool) and key != "event"):
            raise ElementError(f"{key}: {_says(expression)}, which is {kind_of(value)}: make it a text")
        return value

    def _evaluate(self, key: str, expression: Expression, element: Mapping[str, Any]) -> Any:
        try:
            return self._interpreter.visit(expression.tree, element)
        except _TooMuchError:
            raise UnreadableError(_TOO_MUCH) from None
        except JMESPathTypeError as error:
            wanted = " or ".join(f"{each}" for each in error.expected_types)
            why = f"{error.function_name}() got {error.actual_type} and takes {wanted}"
        except Exception as error:  # functions stumble over odd numbers and deep structures in many ways
            why = f"it cannot be worked out ({type(error).__name__})"
        raise ElementError(f"{key}: {_says(expression)}: {why}")

    def _gap(self, key: str, expression: Expression, element: Mapping[str, Any]) -> str:
        """Say why an expression finds nothing."""
        try:
            why = self._explain(expression.tree, element, "")
        except _TooMuchError:
            raise UnreadableError(_TOO_MUCH) from None
        except Exception:  # a part of it may fail where the whole does not
            why = None
        return f"{key}: {_says(expression)}, and {why or 'that finds nothing'}"

    def _explain(self, node: Mapping[str, Any], value: Any, path: str) -> str | None:
        """Return where the first path of an expression ends, None where it has none that does."""
        kind, children = node["type"], node.get("children", ())
        if kind == "field":
            return _no_field(node["value"], value, path)
        if kind == "index":
            count = f"{len(value)} item(s)" if isinstance(value, list) else f"{kind_of(value)}, not a list"
            return f"{path or 'the body'} is {count}" if value is not None else None
        if kind.endswith("projection") or kind == "flatten":
            children = children[:1]
        for child in (each for each in children if isinstance(each, Mapping)):
            found = self._interpreter.visit(child, value)
            if found is None:
                return self._explain(child, value, path)
            if kind in _CHAINS:
                path, value = _longer(path, child), found
        return None


def _expressions(fields: FieldMap) -> list[tuple[str, Expression]]:
    """Return all expressions of a map that are read, by their keys."""
    every = {
        "event": fields.event, "id": fields.id, "occurred_at": fields.occurred_at,
        "user.id": fields.user.id, "user.email": fields.user.email, "user.active": fields.user.active,
        "group.id": fields.group.id, "group.name": fields.group.name,
    }  # fmt: skip
    return [(key, each) for key, each in every.items() if each]


def _says(expression: Expression) -> str:
    return f'the map says "{expression.text}"'


def _active(key: str, expression: Expression, value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else None
    if text not in _WORDS:
        found = f"{kind_of(value)} that is neither true nor false"
        raise ElementError(
            f"{key}: {_says(expression)}, which is {found}: compare it, as in status == 'ACTIVE'"
        )
    return _WORDS[text]


def _moment(value: Any) -> Any:
    """Return a time as it came, or as text where it is a number that can be one."""
    return (epoch_text(value) or value) if isinstance(value, int | float) else value


def _no_field(name: str, value: Any, path: str) -> str:
    where = path or "the body"
    if not isinstance(value, dict):
        return f"{where} is {kind_of(value)}, which has no fields"
    if name in value:
        return f'"{name}" in {where} is null'
    return f'there is no "{name}" in {where}; {keys_of(as_object(value, where))}'


def _longer(path: str, node: Mapping[str, Any]) -> str:
    """Return the path behind a step, in words where it is no plain path."""
    if node["type"] == "field":
        return f"{path}.{node['value']}".removeprefix(".")
    if node["type"] == "index":
        return f"{path}[{node['value']}]"
    if node["type"] not in _CHAINS:
        return "what it finds first"
    for child in node["children"]:
        path = _longer(path, child)
    return path
