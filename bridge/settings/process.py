"""The tables that say how the bridge itself runs."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from bridge.outbound import ESCAPE, has_unescaped_login
from bridge.settings.outgoing import CertificateFile
from bridge.settings.secret import Secret
from bridge.settings.values import NetworkRange, ProblemsError, Section, Size, Span, port_of


def _told(value: Any, info: ValidationInfo) -> Any:
    """Return what `env:NAME` or `file:PATH` holds: an address may have a password in it."""
    return Secret(value, info.context or Path()).reveal() if isinstance(value, str) else value


def _redis_url(value: str) -> str:
    scheme, _, rest = value.partition("://")
    if has_unescaped_login(value):
        raise ValueError(ESCAPE)
    if scheme in ("redis+sentinel", "rediss+sentinel"):
        hosts, _, path = rest.rpartition("@")[2].partition("?")[0].partition("/")
        database = path.partition("/")[2]
        right = all(port_of(f"//{host}") is not None for host in hosts.split(","))
        right = right and (not database or database.isdecimal())
    else:
        right = scheme in ("embedded", "unix") or port_of(value) is not None
    if not right:
        raise ValueError("is not an address of a Redis")
    return value


_SENTINEL = ("redis+sentinel://", "rediss+sentinel://")
_TLS = ("rediss://", "rediss+sentinel://")


def _usual_replicas(given: dict[str, Any]) -> int:
    """Return how many replicas hold an event where nothing is written: behind Sentinel one fails over."""
    return int(str(given.get("url", "")).startswith(_SENTINEL))


class RedisSettings(Section):
    """[redis]"""

    url: Annotated[str, BeforeValidator(_told), AfterValidator(_redis_url)] = Field(
        "embedded",
        examples=["embedded"],
        pattern=r"^(embedded$|(rediss?|unix|rediss?\+sentinel)://.+)",
        repr=False,  # it may hold a password
    )
    data_dir: Path = Field(Path("./data"), examples=["./data"])
    prefix: str = Field("bridge", pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["bridge"])
    replicas: int = Field(default_factory=_usual_replicas, ge=0, examples=[1])
    ca: CertificateFile | None = Field(None, examples=["company-ca.pem"])
    sentinel_user: str | None = Field(None, min_length=1, examples=["bridge"])
    sentinel_password: Secret | None = Field(None, examples=["env:SENTINEL_PASSWORD"])

    @model_validator(mode="after")
    def _complete(self) -> Self:
        problems = []
        if self.ca and not self.uses_tls:
            problems.append('ca: is for TLS: write url = "rediss://…", or remove it')
        if not self.fails_over:
            given = [key for key in ("sentinel_user", "sentinel_password") if getattr(self, key)]
            problems += [
                f'{key}: is for Sentinel: write url = "redis+sentinel://…", or remove it' for key in given
            ]
        elif self.sentinel_user and not self.sentinel_password:
            problems.append(
                "sentinel_password: is missing, sentinel_user needs it: "
                'write sentinel_password = "env:SENTINEL_PASSWORD"'
            )
        if problems:
            raise ProblemsError(problems)
        return self

    @property
    def uses_tls(self) -> bool:
        """Tell whether Redis, and its sentinels, are reached by TLS."""
        return self.url.startswith(_TLS)

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
