"""The tables that say how the bridge itself runs."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from bridge.settings.secret import Secret
from bridge.settings.values import NetworkRange, Section, Size, Span, port_of


def _told(value: Any, info: ValidationInfo) -> Any:
    """Return what `env:NAME` or `file:PATH` holds: an address may have a password in it."""
    return Secret(value, info.context or Path()).reveal() if isinstance(value, str) else value


def _redis_url(value: str) -> str:
    scheme, _, rest = value.partition("://")
    login, at, _ = rest.rpartition("@")
    if at and not login.startswith("/") and re.search(r"[\s@/#?\[\]]", login):
        raise ValueError(
            "has a user or password with a character that must be escaped: write %40 for @, %2F for /, "
            "%23 for #, %3F for ?, %20 for a blank"
        )
    if scheme == "redis+sentinel":
        hosts, _, path = rest.rpartition("@")[2].partition("/")
        database = path.partition("/")[2]
        right = all(port_of(f"//{host}") is not None for host in hosts.split(","))
        right = right and (not database or database.isdecimal())
    else:
        right = scheme in ("embedded", "unix") or port_of(value) is not None
    if not right:
        raise ValueError("is not an address of a Redis")
    return value


_SENTINEL = "redis+sentinel://"


def _usual_replicas(given: dict[str, Any]) -> int:
    """Return how many replicas hold an event where nothing is written: behind Sentinel one fails over."""
    return int(str(given.get("url", "")).startswith(_SENTINEL))


class RedisSettings(Section):
    """[redis]"""

    url: Annotated[str, BeforeValidator(_told), AfterValidator(_redis_url)] = Field(
        "embedded",
        examples=["embedded"],
        pattern=r"^(embedded$|(redis|rediss|unix|redis\+sentinel)://.+)",
        repr=False,  # it may hold a password
    )
    data_dir: Path = Field(Path("./data"), examples=["./data"])
    prefix: str = Field("bridge", pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["bridge"])
    replicas: int = Field(default_factory=_usual_replicas, ge=0, examples=[1])

    @property
    def fails_over(self) -> bool:
        """Tell whether another server may take over, with what it has been told by then."""
        return self.url.startswith(_SENTINEL)

    @property
    def socket(self) -> Path:
        """Where the embedded Valkey listens."""
        return self.data_dir / "valkey.sock"


class ReceiverSettings(Section):
    """[receiver]"""

    host: str = Field("127.0.0.1", examples=["127.0.0.1"])
    port: int = Field(8080, ge=0, le=65535, examples=[8080])
    processes: int = Field(1, ge=1, le=64, examples=[1])
    max_body: Size = Field(2_000_000, gt=0, examples=["2MB"])
    trusted_proxies: tuple[NetworkRange, ...] = Field((), examples=[["10.0.0.0/8"]])


class OperatorSettings(Section):
    """[operators]"""

    host: str = Field("127.0.0.1", examples=["127.0.0.1"])
    port: int = Field(8081, ge=0, le=65535, examples=[8081])


class LogSettings(Section):
    """[logs]"""

    level: Literal["debug", "info", "warning", "error"] = Field("info", examples=["info"])
    personal_data: bool = Field(False, examples=[False])


class RetentionSettings(Section):
    """[retention]"""

    journal: Span = Field(30 * 86400.0, gt=0, examples=["30d"])
    journal_size: Size = Field(1_000_000_000, gt=0, examples=["1GB"])
    history: Span = Field(30 * 86400.0, gt=0, examples=["30d"])
    evidence: Span = Field(400 * 86400.0, gt=0, examples=["400d"])
