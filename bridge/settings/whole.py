"""The whole file: its tables, and what has to be right between them."""

from collections.abc import Iterator
from typing import Any, Self

from pydantic import model_validator

from bridge.settings.alerts import AlertSettings
from bridge.settings.process import (
    LogSettings,
    OperatorSettings,
    ReceiverSettings,
    RedisSettings,
    RetentionSettings,
)
from bridge.settings.secret import Secret
from bridge.settings.sources import SourceSettings
from bridge.settings.targets import TargetSettings
from bridge.settings.values import ProblemsError, Section, options


class Settings(Section):
    """The whole file."""

    redis: RedisSettings = RedisSettings()
    receiver: ReceiverSettings = ReceiverSettings()
    operators: OperatorSettings | None = None
    logs: LogSettings = LogSettings()
    retention: RetentionSettings = RetentionSettings()
    sources: tuple[SourceSettings, ...] = ()
    targets: tuple[TargetSettings, ...] = ()
    alerts: tuple[AlertSettings, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        sources = [
            source.model_dump(include={"name", "targets", "directory"})
            | {"secrets": [secret.reveal() for secret in source.shared_secrets]}
            for source in self.sources
        ]
        shape = {*_PLACE, "name", "teams", "roles"}
        targets = [target.model_dump(include=shape) for target in self.targets]
        alerts = [alert.model_dump(include={"name"}) for alert in self.alerts]
        if problems := clashes(sources, targets, alerts):
            raise ProblemsError(problems)
        known = {source.name: source.directory_name for source in self.sources}
        known |= {name: name for name in known.values()}
        for target in self.targets:
            if target.members.groups:
                target.members.know_directories(known)
        return self

    def source(self, name: str) -> SourceSettings | None:
        """Return the source of that name."""
        return next((source for source in self.sources if source.name == name), None)

    def target(self, name: str) -> TargetSettings | None:
        """Return the target of that name."""
        return next((target for target in self.targets if target.name == name), None)

    def alert(self, name: str) -> AlertSettings | None:
        """Return the alert of that name."""
        return next((alert for alert in self.alerts if alert.name == name), None)

    def targets_of(self, directory: str) -> list[TargetSettings]:
        """Return the targets that follow a directory (by its configured name)."""
        told = [source for source in self.sources if source.directory_name == directory]
        return [t for t in self.targets if any(s.targets is None or t.name in s.targets for s in told)]

    def directories_of(self, target: str) -> set[str]:
        """Return the configured names of the directories that a target (by its name) is told of."""
        told = (source for source in self.sources if source.targets is None or target in source.targets)
        return {source.directory_name for source in told}

    def reader_of(self, directory: str) -> SourceSettings | None:
        """Return the source whose `api_url` a directory (by its configured name) is read back from."""
        told = (source for source in self.sources if source.directory_name == directory)
        return next((source for source in told if source.reads_back), None)

    def all_secrets(self) -> list[Secret]:
        """Return every secret, token and password there is."""
        found = [secret for source in self.sources for secret in (*source.all_secrets, source.api_token)]
        found += [secret for alert in self.alerts for secret in alert.secrets]
        found += [target.token for target in self.targets]
        found += [table.proxy for table in (*self.sources, *self.targets, *self.alerts)]
        found.append(self.redis.sentinel_password)
        return [secret for secret in found if secret]

    def reload_secrets(self) -> list[str]:
        """Read every secret and token again; return what could not be read (the old value stays)."""
        problems = []
        for secret in self.all_secrets():
            try:
                secret.reload()
            except ValueError as error:
                problems.append(str(error))
        shared = [{"secrets": [each.reveal() for each in s.shared_secrets]} for s in self.sources]
        return [*problems, *_same_secret(shared)]


_PLACE = ("kind", "api_url", "organization")  # what makes two targets the same


def tables(raw: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the tables of that name of a file that may be wrong in any way."""
    rows = raw.get(key)
    return [row if isinstance(row, dict) else {} for row in rows] if isinstance(rows, list | tuple) else []


def clashes(
    sources: list[dict[str, Any]], targets: list[dict[str, Any]], alerts: list[dict[str, Any]]
) -> list[str]:
    """Return what is wrong between tables, each of which may be right by itself.

    `secrets` of a source: the texts themselves, or where they cannot be read what stands in the file.
    """
    problems = [*_twice("sources", sources), *_twice("targets", targets), *_twice("alerts", alerts)]
    problems += [*_same_target(targets), *_same_secret(sources), *_unknown_directories(sources, targets)]
    known = {target["name"] for target in targets if isinstance(target.get("name"), str)}
    for number, source in enumerate(sources):
        told = source.get("targets")
        problems += [
            f'sources[{number}].targets: no target is named "{name}": write one of {options(known)}'
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


def _same_secret(sources: list[dict[str, Any]]) -> Iterator[str]:
    """Find secrets of two sources: what is signed for one of them would be taken by the other."""
    owners: dict[str, int] = {}
    for number, source in enumerate(sources):
        told = source.get("secrets")
        for place, text in enumerate(told if isinstance(told, list | tuple) else ()):
            owner = owners.setdefault(text, number) if isinstance(text, str) else number
            if owner != number:
                yield (
                    f"sources[{number}].secrets[{place}]: is a secret of sources[{owner}] too, so a delivery "
                    f"to one is taken by the other: write one that no other source has"
                )


def _same_target(targets: list[dict[str, Any]]) -> list[str]:
    usual = {key: TargetSettings.model_fields[key].default for key in _PLACE}
    places = [tuple(str((usual | row)[key]).rstrip("/") for key in _PLACE) for row in targets]
    return [
        f'targets[{number}].organization: "{place[-1]}" is the organisation of targets[{first}] already: '
        f"write each organisation once"
        for number, place in enumerate(places)
        if "organization" in targets[number] and (first := places.index(place)) != number
    ]


def _unknown_directories(sources: list[dict[str, Any]], targets: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with the directories that rules name: one that is not there never matches."""
    named = [(source.get("name"), source.get("directory") or source.get("name")) for source in sources]
    directories = {name: told for name, told in named if isinstance(name, str) and isinstance(told, str)}
    known = set(directories.values())
    for number, target in enumerate(targets):
        for key in ("teams", "roles"):
            for place, rule in enumerate(tables(target, key)):
                name = rule.get("directory")
                if isinstance(name, str) and name not in known:
                    where = f"targets[{number}].{key}[{place}].directory"
                    if name in directories:
                        right = f'directory = "{directories[name]}"'
                        yield f'{where}: "{name}" is a source, its directory has another name: write {right}'
                    else:
                        yield f'{where}: no source has the directory "{name}": write one of {options(known)}'
