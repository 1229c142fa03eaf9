"""What a value of the file may be, and how a table of them is checked."""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from bridge.networks import Network, parse_network

_SIZES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_SPANS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"


class ProblemsError(ValueError):
    """What is wrong with a table. `problems`: one line each, beginning with its key in the table."""

    def __init__(self, problems: list[str]) -> None:
        """`problems` as in SettingsError, without the way to the table."""
        super().__init__("; ".join(problems))
        self.problems = problems


class Section(BaseModel):
    """A table of the file: unknown keys are mistakes, nothing changes after it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _size(value: Any) -> Any:
    match = re.fullmatch(r"(\d+)\s*(B|KB|MB|GB)", str(value).strip().upper())
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not match:
        raise ValueError("is not a size")
    return int(match[1]) * _SIZES[match[2]]


def parse_span(value: Any) -> float:
    """Return a length of time such as "5m" in seconds. Raises ValueError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", str(value).strip().lower())
    if not match:
        raise ValueError("is not a length of time")
    return float(match[1]) * _SPANS[match[2]]


def is_http_url(value: str) -> bool:
    """Tell whether a text is an http(s) URL with a host."""
    return bool(re.fullmatch(r"https?://[^\s/]\S*", value)) and port_of(value) is not None


def _http_url(value: str) -> str:
    if not is_http_url(value):
        raise ValueError("is not an http(s) URL")
    return value.rstrip("/")


def port_of(url: str) -> int | None:
    """Return the port of a URL (0 without one), None when there is no host or the port is none."""
    try:
        parts = urlsplit(url)
        return (parts.port or 0) if parts.hostname else None
    except ValueError:
        return None


def _network(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError('is not a text: write a network such as "203.0.113.0/24"')
    return parse_network(value)


def _glob(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return value


Size = Annotated[int, BeforeValidator(_size)]
Span = Annotated[float, BeforeValidator(parse_span)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
NetworkRange = Annotated[Network, BeforeValidator(_network)]
Glob = Annotated[str, AfterValidator(_glob)]
Name = Annotated[str, Field(pattern=_NAME, examples=["docs"])]
Percent = Annotated[float, Field(ge=0, le=100)]


def options(names: Any) -> str:
    return ", ".join(f'"{name}"' for name in sorted(names)) or "(there are none)"
