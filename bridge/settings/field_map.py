"""[sources.map]: where in a body of somebody else's the bridge's own fields are.

Each value is a JMESPath expression (https://jmespath.org/specification.html), compiled with the file.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

import jmespath
from jmespath.exceptions import IncompleteExpressionError, LexerError, ParseError
from jmespath.functions import Functions
from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from bridge.directory.events import EVENT_NAMES
from bridge.settings.values import ProblemsError, Section

LONGEST_EXPRESSION = 500  # characters: a longer one belongs into the sender
IGNORE = "ignore"
OTHERS = "*"  # in [sources.map.events]: every name that has no line of its own

EventWord = Literal[
    "user.created", "user.updated", "user.deleted", "group.created", "group.updated", "group.deleted",
    "group.user_added", "group.user_removed", "ignore",
]  # fmt: skip

_QUOTES = ' (a name with other characters than letters, digits and _ needs quotes: profile."first-name")'
_PATHS = ("subexpression", "index_expression")


class Expression:
    """A JMESPath expression. `text`: as written; `tree`: as compiled, nodes of type, value and children."""

    __slots__ = ("text", "tree")

    def __init__(self, text: str) -> None:
        """Compile it. Raises ValueError with the place of what is wrong."""
        self.text = text
        self.tree = _compile(text)
        for node in _nodes(self.tree):
            _check(text, node)

    def __repr__(self) -> str:
        """Show it as written."""
        return f"Expression({self.text!r})"

    def __eq__(self, other: object) -> bool:
        """Two are equal when they are written alike."""
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        """Hash by the text."""
        return hash(self.text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic make one from its text."""
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(min_length=1, max_length=LONGEST_EXPRESSION),
            serialization=core_schema.to_string_ser_schema(),
        )


def _compile(text: str) -> Mapping[str, Any]:
    try:
        tree: Mapping[str, Any] = jmespath.compile(text).parsed
    except IncompleteExpressionError:
        raise ValueError(f"is not JMESPath: it ends too early, after column {len(text)}") from None
    except LexerError as error:
        hint = _QUOTES if error.message.startswith("Unknown") else ""
        place = f"column {error.lexer_position + 1}"
        raise ValueError(f"is not JMESPath: {place}: {error.message}{hint}") from None
    except ParseError as error:
        place = f"column {error.lex_position + 1}"
        found = f'"{error.token_value}"' if error.token_value else "its end"
        raise ValueError(f"is not JMESPath: {place}: {found} cannot stand here") from None
    except (ValueError, RecursionError):
        raise ValueError("is not JMESPath") from None
    return tree


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a node and all below it."""
    yield node
    for child in _children(node):
        yield from _nodes(child)


def _children(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [child for child in node.get("children", ()) if isinstance(child, Mapping)]


def _check(text: str, node: Mapping[str, Any]) -> None:
    """Raise ValueError for what could never work: the library finds it when it is evaluated, or never."""
    children = _children(node)
    if node["type"] == "function_expression":
        _check_call(text, node["value"], len(children))
    if node["type"] in _PATHS and children[0]["type"] == "not_expression":
        raise ValueError(
            f"column {text.find('!') + 1}: ! holds for the name next to it alone, and true has no fields: "
            "put the path into brackets, as in !(profile.disabled)"
        )


def _check_call(text: str, name: str, arguments: int) -> None:
    place = f"column {text.find(name + '(') + 1}"
    known = Functions.FUNCTION_TABLE.get(name)
    if known is None:
        raise ValueError(f"is not JMESPath: {place}: there is no function {name}()")
    signature = known["signature"]
    any_more = bool(signature) and bool(signature[-1].get("variadic"))
    if arguments < len(signature) or (arguments > len(signature) and not any_more):
        raise ValueError(f"is not JMESPath: {place}: {name}() takes {len(signature)} argument(s)")


def _quote_name(value: Any) -> Any:
    """Let each of the eight names stand for itself: as a path nobody's body has it."""
    return f"'{value}'" if isinstance(value, str) and value in EVENT_NAMES else value


def _quote_boolean(value: Any) -> Any:
    return f"`{str(value).lower()}`" if isinstance(value, bool) else value


class UserMap(Section):
    """[sources.map.user]. The names are read by nothing yet."""

    id: Expression | None = Field(None, examples=["profile.id"])
    email: Expression | None = Field(None, examples=["profile.email"])
    first_name: Expression | None = Field(None, examples=["profile.firstName"])
    last_name: Expression | None = Field(None, examples=["profile.lastName"])
    active: Annotated[Expression | None, BeforeValidator(_quote_boolean)] = Field(
        None, examples=["profile.status == 'ACTIVE'"]
    )


class GroupMap(Section):
    """[sources.map.group]"""

    id: Expression | None = Field(None, examples=["team.id"])
    name: Expression | None = Field(None, examples=["team.name"])


class FieldMap(Section):
    """[sources.map]: what it does not name is not read."""

    event: Annotated[Expression, BeforeValidator(_quote_name)] = Field(examples=["type"])
    id: Expression | None = Field(None, examples=["message_id"])
    occurred_at: Expression | None = Field(None, examples=["time"])
    user: UserMap = UserMap()
    group: GroupMap = GroupMap()
    events: dict[str, EventWord] = Field({}, examples=[])

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not (self.user.id or self.user.email or self.group.id or self.group.name):
            raise ProblemsError(['user.id: is missing: write user.id = "…", or user.email, group.id …'])
        return self
