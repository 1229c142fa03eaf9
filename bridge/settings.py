"""The configuration: one TOML file, read once at the start into one frozen object.

Every mistake is reported, all together, each with its key and what to write instead.
"""

import base64
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

Role = Literal["admin", "create", "edit", "review", "comment", "read", "guest"]
SourceKind = Literal["okta-workflows", "okta-event-hooks", "jackson", "workos", "standard-webhooks", "scim"]
SOURCE_KINDS_BUILT = ("okta-workflows", "okta-event-hooks", "jackson", "workos", "standard-webhooks")

_SIZES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_SPANS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"


class SettingsError(Exception):
    """The configuration cannot be used. `problems`: one line for each mistake."""

    def __init__(self, path: Path | str, problems: list[str]) -> None:
        """`path`: the file; `problems`: each names a key, what is wrong and what to write instead."""
        super().__init__(
            f"{path}: {len(problems)} problem(s)\n" + "\n".join(f"  {line}" for line in problems)
        )
        self.problems = problems


class ProblemsError(ValueError):
    """What is wrong with a table. `problems`: one line each, beginning with its key in the table."""

    def __init__(self, problems: list[str]) -> None:
        """`problems` as in SettingsError, without the way to the table."""
        super().__init__("; ".join(problems))
        self.problems = problems


class Secret:
    """A secret or token: `env:NAME`, `file:PATH`, or the text itself. It shows itself to nobody."""

    __slots__ = ("_folder", "_value", "reference")

    def __init__(self, reference: str, folder: Path = Path()) -> None:
        """`reference` as written in the file; `folder`: what its relative paths are relative to.

        Raises ValueError when it leads nowhere.
        """
        self.reference = reference
        self._folder = folder
        self._value = ""
        self.reload()

    def reload(self) -> None:
        """Read it again, as after a rotation. Raises ValueError when it leads nowhere."""
        self._value = _resolve(self.reference, self._folder)

    def reveal(self) -> str:
        """Return the secret itself: for the comparison or the header that needs it, nowhere else."""
        return self._value

    def reveal_key(self) -> bytes:
        """Return the bytes behind `whsec_<base64>` (Standard Webhooks; the prefix may be missing).

        Raises ValueError when it is not base64, or empty.
        """
        text = self._value.removeprefix("whsec_").rstrip("=")
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except ValueError:
            raise ValueError("is not base64") from None
        if not key:
            raise ValueError("is empty")
        return key

    @property
    def is_inline(self) -> bool:
        """True when the secret stands in the file itself."""
        return not self.reference.startswith(("env:", "file:"))

    def __repr__(self) -> str:
        """Show where it comes from, never what it is."""
        return "Secret(in the file)" if self.is_inline else f"Secret({self.reference})"

    def __eq__(self, other: object) -> bool:
        """Two secrets are equal when they come from the same place."""
        return isinstance(other, Secret) and self.reference == other.reference

    def __hash__(self) -> int:
        """Hash by where it comes from."""
        return hash(self.reference)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic make one from its text; the validation's context is the folder."""
        return core_schema.with_info_after_validator_function(
            lambda text, info: cls(text, info.context or Path()),
            core_schema.str_schema(min_length=1),
            serialization=core_schema.to_string_ser_schema(),
        )


def _resolve(reference: str, folder: Path) -> str:
    if reference.startswith("env:"):
        value = os.environ.get(reference[4:], "").strip()
        if not value:
            raise ValueError(f"the environment variable {reference[4:]} is not set")
        return value
    if reference.startswith("file:"):
        path = folder / reference[5:]
        try:
            value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the file {path} cannot be read: {type(error).__name__}") from None
        if not value:
            raise ValueError(f"the file {path} is empty")
        return value
    return reference


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


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]\S*", value) or _port_of(value) is None:
        raise ValueError("is not an http(s) URL")
    return value.rstrip("/")


def _port_of(url: str) -> int | None:
    """Return the port of a URL (0 without one), None when there is no host or the port is none."""
    try:
        parts = urlsplit(url)
        return (parts.port or 0) if parts.hostname else None
    except ValueError:
        return None


def _redis_url(value: str) -> str:
    scheme, _, rest = value.partition("://")
    if scheme == "redis+sentinel":
        hosts, _, path = rest.rpartition("@")[2].partition("/")
        database = path.partition("/")[2]
        right = all(_port_of(f"//{host}") is not None for host in hosts.split(","))
        right = right and (not database or database.isdecimal())
    else:
        right = scheme in ("embedded", "unix") or _port_of(value) is not None
    if not right:
        raise ValueError("is not an address of a Redis")
    return value


def _glob(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return value


Size = Annotated[int, BeforeValidator(_size)]
Span = Annotated[float, BeforeValidator(parse_span)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Glob = Annotated[str, AfterValidator(_glob)]
Name = Annotated[str, Field(pattern=_NAME, examples=["docs"])]
Percent = Annotated[float, Field(ge=0, le=100)]


class Section(BaseModel):
    """A table of the file: unknown keys are mistakes, nothing changes after it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class RedisSettings(Section):
    """[redis]"""

    url: Annotated[str, AfterValidator(_redis_url)] = Field(
        "embedded",
        examples=["embedded"],
        pattern=r"^(embedded$|(redis|rediss|unix|redis\+sentinel)://.+)",
        repr=False,  # it may hold a password
    )
    data_dir: Path = Field(Path("./data"), examples=["./data"])
    prefix: str = Field("bridge", pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["bridge"])
    replicas: int = Field(0, ge=0, examples=[0])

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


class SourceSettings(Section):
    """One of [[sources]]."""

    name: Name = Field(examples=["okta"])
    kind: SourceKind = Field(examples=["okta-workflows"])
    secrets: tuple[Secret, ...] = Field((), examples=[["env:OKTA_SECRET"]])
    directory: Name | None = Field(None, examples=["okta"])
    targets: tuple[str, ...] | None = Field(None, examples=[["docs"]])
    tolerance: Span | None = Field(None, gt=0, examples=["5m"])
    auth: Literal["bearer", "basic", "header", "hmac", "jwt"] = Field("bearer", examples=["bearer"])
    header: str | None = Field(None, pattern=r"^[A-Za-z0-9-]+$", examples=["X-Api-Key"])
    jwks_url: HttpUrl | None = Field(None, examples=["https://acme.okta.com/oauth2/default/v1/keys"])
    key: Secret | None = Field(None, examples=["env:JWT_KEY"])
    issuer: str | None = Field(None, examples=["https://acme.okta.com/oauth2/default"])
    audience: str | None = Field(None, examples=["directory-bridge"])
    body: Literal["bridge", "jackson", "workos"] = Field("bridge", examples=["bridge"])
    provision_on: Literal["activate", "create"] = Field("activate", examples=["activate"])

    @property
    def directory_name(self) -> str:
        """The directory this source speaks of."""
        return self.directory or self.name

    @property
    def tolerance_seconds(self) -> float:
        """How old a signed timestamp may be. Workflows waits 5 minutes before its retry, so 8 there."""
        return self.tolerance or (480.0 if self.kind == "okta-workflows" else 300.0)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind not in SOURCE_KINDS_BUILT:
            raise ProblemsError([
                f'kind: "{self.kind}" is not in this version: write one of {_options(SOURCE_KINDS_BUILT)}'
            ])  # fmt: skip
        problems = list(_jwt_problems(self)) if self.kind == "okta-workflows" and self.auth == "jwt" else []
        needs_secret = self.kind != "okta-workflows" or self.auth != "jwt"
        if needs_secret and not self.secrets:
            problems.append(f'secrets: is missing: write secrets = ["env:{_env_name(self.name)}_SECRET"]')
        if self.kind == "okta-workflows" and self.auth == "header" and not self.header:
            problems.append('header: is missing, auth = "header" needs its name: write header = "X-Api-Key"')
        if self.kind == "standard-webhooks":
            problems += _key_problems(self.secrets)
        if problems:
            raise ProblemsError(problems)
        return self


def _jwt_problems(source: SourceSettings) -> Iterator[str]:
    if not (source.jwks_url or source.key):
        yield (
            'key: is missing, auth = "jwt" needs one: write jwks_url = "https://…/keys" or key = "env:NAME"'
        )
    if not source.issuer:
        yield 'issuer: is missing, auth = "jwt" needs it: write issuer = "https://…"'
    if not source.audience:
        yield 'audience: is missing, auth = "jwt" needs it: write audience = "…"'


def _key_problems(secrets: tuple[Secret, ...]) -> Iterator[str]:
    for number, secret in enumerate(secrets):
        try:
            secret.reveal_key()
        except ValueError as error:
            yield f"secrets[{number}]: {error}: write the secret as the sender shows it, whsec_<base64>"


class TeamRule(Section):
    """One of [[targets.teams]]."""

    group: Glob = Field(examples=["*"])
    team: Glob = Field("{group}", examples=["{group}"])


class RoleRule(Section):
    """One of [[targets.roles]]."""

    group: Glob = Field(examples=["GitBook Admins"])
    role: Role = Field(examples=["admin"])


class MemberScope(Section):
    """[targets.members]"""

    groups: tuple[Glob, ...] = Field((), examples=[["GitBook Users"]])
    domains: tuple[str, ...] = Field((), examples=[["acme.test"]])
    exclude: tuple[Glob, ...] = Field((), examples=[["svc-*@acme.test"]])


class GuardSettings(Section):
    """[targets.guard]"""

    window: Span = Field(86400.0, gt=0, examples=["24h"])
    max_removals: int = Field(10, ge=0, examples=[10])
    max_removal_percent: Percent = Field(5, examples=[5])
    team_max_removal_percent: Percent = Field(50, examples=[50])
    team_min_removals: int = Field(10, ge=0, examples=[10])
    max_invites: int = Field(0, ge=0, examples=[0])
    protect: tuple[Glob, ...] = Field((), examples=[["cto@acme.test"]])


class TargetSettings(Section):
    """One of [[targets]]."""

    name: Name = Field(examples=["docs"])
    kind: Literal["gitbook", "gitlab"] = Field("gitbook", examples=["gitbook"])
    api_url: HttpUrl = Field("https://api.gitbook.com/v1", examples=["https://api.gitbook.com/v1"])
    organization: str = Field(pattern=r"^[A-Za-z0-9_-]+$", examples=["acme"])
    token: Secret = Field(examples=["env:GITBOOK_TOKEN"])
    mode: Literal["dry-run", "apply"] = Field("dry-run", examples=["dry-run"])
    sso: bool = Field(True, examples=[True])
    sso_existing: bool = Field(False, examples=[False])
    default_role: Role = Field("read", examples=["read"])
    timeout: Span = Field(10.0, gt=0, le=60, examples=["10s"])
    members: MemberScope = MemberScope()
    teams: tuple[TeamRule, ...] = ()
    roles: tuple[RoleRule, ...] = ()
    guard: GuardSettings = GuardSettings()

    @model_validator(mode="after")
    def _built(self) -> Self:
        if self.kind != "gitbook":
            raise ProblemsError([f'kind: "{self.kind}" is not in this version: write kind = "gitbook"'])
        return self


class Settings(Section):
    """The whole file."""

    redis: RedisSettings = RedisSettings()
    receiver: ReceiverSettings = ReceiverSettings()
    operators: OperatorSettings | None = None
    logs: LogSettings = LogSettings()
    retention: RetentionSettings = RetentionSettings()
    sources: tuple[SourceSettings, ...] = ()
    targets: tuple[TargetSettings, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        sources = [source.model_dump(include={"name", "targets"}) for source in self.sources]
        targets = [target.model_dump(include={*_PLACE, "name"}) for target in self.targets]
        if problems := _clashes(sources, targets):
            raise ProblemsError(problems)
        return self

    def source(self, name: str) -> SourceSettings | None:
        """Return the source of that name."""
        return next((source for source in self.sources if source.name == name), None)

    def target(self, name: str) -> TargetSettings | None:
        """Return the target of that name."""
        return next((target for target in self.targets if target.name == name), None)

    def targets_of(self, directory: str) -> list[TargetSettings]:
        """Return the targets that follow a directory (by its configured name)."""
        told = [source for source in self.sources if source.directory_name == directory]
        return [t for t in self.targets if any(s.targets is None or t.name in s.targets for s in told)]

    def reload_secrets(self) -> list[str]:
        """Read every secret and token again; return what could not be read (the old value stays)."""
        problems = []
        secrets = [s for source in self.sources for s in (*source.secrets, source.key)]
        for secret in (*secrets, *(target.token for target in self.targets)):
            try:
                if secret:
                    secret.reload()
            except ValueError as error:
                problems.append(str(error))
        return problems


def read_settings(path: Path) -> Settings:
    """Read and check a configuration file.

    Relative paths in it are relative to the file. Raises SettingsError with all its mistakes.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(path, ["the file does not exist: make one with `bridge init`"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(path, [f"the file cannot be read: {type(error).__name__}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(path, [f"the file is not TOML: {error}"]) from None
    return parse_settings(raw, path)


def parse_settings(raw: dict[str, Any], path: Path) -> Settings:
    """Check the parsed file. Raises SettingsError with all its mistakes."""
    try:
        settings = Settings.model_validate(raw, context=path.resolve().parent)
    except ValidationError as error:
        problems = [line for item in error.errors() for line in _explain(item)]
        problems += _clashes(_tables(raw, "sources"), _tables(raw, "targets"))  # not looked at after others
        raise SettingsError(path, list(dict.fromkeys(problems))) from None
    data_dir = (path.resolve().parent / settings.redis.data_dir).resolve()
    return settings.model_copy(update={"redis": settings.redis.model_copy(update={"data_dir": data_dir})})


def inline_secrets(settings: Settings) -> list[str]:
    """Return the keys of secrets that stand in the file itself, to warn about."""
    keys = []
    for number, source in enumerate(settings.sources):
        if any(secret.is_inline for secret in source.secrets) or (source.key and source.key.is_inline):
            keys.append(f"sources[{number}].secrets")
    return keys + [
        f"targets[{n}].token" for n, target in enumerate(settings.targets) if target.token.is_inline
    ]


def _explain(item: Any) -> list[str]:
    """Return one mistake in words: the key, what is wrong, what to write instead."""
    where = _where(item["loc"])
    text: str = item["msg"].removeprefix("Value error, ")
    error = item.get("ctx", {}).get("error")
    if isinstance(error, ProblemsError):
        return [f"{where}.{line}" if where else line for line in error.problems]
    if item["type"] == "extra_forbidden":
        return [f"{where}: there is no such key: remove it, or look for a misspelling"]
    example = _example(item["loc"])
    if item["type"] == "missing":
        return [f"{where}: is missing: write {example}" if example else f"{where}: is missing"]
    if ": write " in text:
        return [f"{where}: {text}"]
    return [f"{where}: {_lower(text)}" + (f": write {example}" if example else "")]


def _where(loc: tuple[str | int, ...]) -> str:
    out = ""
    for part in loc:
        out += f"[{part}]" if isinstance(part, int) else f".{part}"
    return out.removeprefix(".")


def _example(loc: tuple[str | int, ...]) -> str | None:
    """Return `key = value` as it might stand in the file, from the field's example."""
    model: Any = Settings
    field = None
    for part in loc:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if _is_section(model) else None
        if field is None:
            return None
        model = _inner(field.annotation)
    name = next((part for part in reversed(loc) if isinstance(part, str)), "")
    return f"{name} = {_toml(field.examples[0])}" if field is not None and field.examples else None


def _inner(annotation: Any) -> Any:
    """Return the section a field holds, looking through tuple[...] and `| None`."""
    candidates = (annotation, *getattr(annotation, "__args__", ()))
    return next((candidate for candidate in candidates if _is_section(candidate)), annotation)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _options(names: Any) -> str:
    return ", ".join(f'"{name}"' for name in sorted(names)) or "(there are none)"


_PLACE = ("kind", "api_url", "organization")  # what makes two targets the same


def _tables(raw: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the tables of that name of a file that may be wrong in any way."""
    rows = raw.get(key)
    return [row if isinstance(row, dict) else {} for row in rows] if isinstance(rows, list) else []


def _clashes(sources: list[dict[str, Any]], targets: list[dict[str, Any]]) -> list[str]:
    """Return what is wrong between tables, each of which may be right by itself."""
    problems = [*_twice("sources", sources), *_twice("targets", targets), *_same_target(targets)]
    known = {target["name"] for target in targets if isinstance(target.get("name"), str)}
    for number, source in enumerate(sources):
        told = source.get("targets")
        problems += [
            f'sources[{number}].targets: no target is named "{name}": write one of {_options(known)}'
            for name in (told if isinstance(told, list | tuple) else ())
            if isinstance(name, str) and name not in known
        ]
    return problems


def _twice(key: str, rows: list[dict[str, Any]]) -> list[str]:
    names = [row.get("name") for row in rows]
    return [
        f'{key}[{number}].name: "{name}" is taken by {key}[{names.index(name)}]: write another name'
        for number, name in enumerate(names)
        if isinstance(name, str) and names.index(name) != number
    ]


def _same_target(targets: list[dict[str, Any]]) -> list[str]:
    usual = {key: TargetSettings.model_fields[key].default for key in _PLACE}
    places = [tuple(str((usual | row)[key]).rstrip("/") for key in _PLACE) for row in targets]
    return [
        f'targets[{number}].organization: "{place[-1]}" is the organisation of targets[{first}] already: '
        f"write each organisation once"
        for number, place in enumerate(places)
        if "organization" in targets[number] and (first := places.index(place)) != number
    ]


def _env_name(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
