"""From the file to the settings, or to all its mistakes in words."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bridge.outbound import find_environment_fault
from bridge.settings.secret import Secret
from bridge.settings.values import ProblemsError
from bridge.settings.whole import Settings, clashes, tables


class SettingsError(Exception):
    """The configuration cannot be used. `problems`: one line for each mistake."""

    def __init__(self, path: Path | str, problems: list[str]) -> None:
        """`path`: the file; `problems`: each names a key, what is wrong and what to write instead."""
        super().__init__(
            f"{path}: {len(problems)} problem(s)\n" + "\n".join(f"  {line}" for line in problems)
        )
        self.problems = problems


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
    if fault := find_environment_fault():
        raise SettingsError(path, [fault])
    try:
        settings = Settings.model_validate(raw, context=path.resolve().parent)
    except ValidationError as error:
        problems = [line for item in error.errors() for line in _explain(item)]
        names = ("sources", "targets", "alerts")
        problems += clashes(*(tables(raw, name) for name in names))  # not looked at after others
        raise SettingsError(path, list(dict.fromkeys(problems))) from None
    data_dir = (path.resolve().parent / settings.redis.data_dir).resolve()
    return settings.model_copy(update={"redis": settings.redis.model_copy(update={"data_dir": data_dir})})


def inline_secrets(settings: Settings) -> list[str]:
    """Return the keys of secrets that stand in the file itself, to warn about."""
    keys = ["redis.sentinel_password"] if _is_inline(settings.redis.sentinel_password) else []
    for number, source in enumerate(settings.sources):
        if any(secret.is_inline for secret in source.secrets) or _is_inline(source.key):
            keys.append(f"sources[{number}].secrets")
        if _is_inline(source.api_token):
            keys.append(f"sources[{number}].api_token")
    keys += [f"targets[{n}].token" for n, target in enumerate(settings.targets) if target.token.is_inline]
    for number, alert in enumerate(settings.alerts):
        if alert.kind == "slack" and alert.url.is_inline:  # whoever knows it can write to the channel
            keys.append(f"alerts[{number}].url")
        if _is_inline(alert.secret):
            keys.append(f"alerts[{number}].secret")
    for name in ("sources", "targets", "alerts"):
        proxies = [table.proxy for table in getattr(settings, name)]
        keys += [f"{name}[{n}].proxy" for n, proxy in enumerate(proxies) if proxy and _is_open(proxy)]
    return keys


def _is_inline(secret: Secret | None) -> bool:
    return secret is not None and secret.is_inline


def _is_open(proxy: Secret) -> bool:
    """Tell whether a proxy's user and password stand in the file."""
    return proxy.is_inline and "@" in proxy.reveal()


def _explain(item: Any) -> list[str]:
    """Return one mistake in words: the key, what is wrong, what to write instead."""
    where = _where(item["loc"])
    text: str = item["msg"].removeprefix("Value error, ")
    error = item.get("ctx", {}).get("error")
    if item["type"] == "default_factory_not_called":  # what it depends on is wrong: that is told
        return []
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
