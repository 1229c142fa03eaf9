"""[[targets]]: where people and teams are kept, who of them, and within which limits."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from bridge.settings.outgoing import Outgoing
from bridge.settings.secret import Secret
from bridge.settings.values import Glob, HttpUrl, Name, Percent, ProblemsError, Section, Span

Role = Literal["admin", "create", "edit", "review", "comment", "read", "guest"]


class TeamRule(Section):
    """One of [[targets.teams]]."""

    group: Glob = Field(examples=["*"])
    team: Glob = Field("{group}", examples=["{group}"])
    directory: Name | None = Field(None, examples=["okta"])


class RoleRule(Section):
    """One of [[targets.roles]]."""

    group: Glob = Field(examples=["GitBook Admins"])
    role: Role = Field(examples=["admin"])
    directory: Name | None = Field(None, examples=["okta"])


class MemberScope(Section):
    """[targets.members]"""

    groups: tuple[Glob, ...] = Field((), examples=[["GitBook Users"]])
    domains: tuple[str, ...] = Field((), examples=[["acme.test"]])
    exclude: tuple[Glob, ...] = Field((), examples=[["svc-*@acme.test"]])
    _directories: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def know_directories(self, names: Mapping[str, str]) -> None:
        """Take over which directories there are: by their own names, and by those of their sources."""
        self._directories = dict(names)

    def parse_group(self, entry: str) -> tuple[str | None, str]:
        """Return an entry of `groups` as a directory (None: any) and a pattern for its groups.

        What stands before the first "/" is a directory only where one, or a source, has that name: a
        group's own name may have a "/" in it, too.
        """
        front, slash, rest = entry.partition("/")
        if slash and rest and front in self._directories:
            return self._directories[front], rest
        return None, entry


class GuardSettings(Section):
    """[targets.guard]"""

    window: Span = Field(86400.0, gt=0, examples=["24h"])
    max_removals: int = Field(10, ge=0, examples=[10])
    max_removal_percent: Percent = Field(5, examples=[5])
    team_max_removal_percent: Percent = Field(50, examples=[50])
    team_min_removals: int = Field(10, ge=0, examples=[10])
    max_invites: int = Field(0, ge=0, examples=[0])
    max_members: int = Field(0, ge=0, examples=[0])
    admin_grants: Literal["hold", "allow"] = Field("hold", examples=["hold"])
    gather: Span = Field(5.0, ge=0, examples=["5s"])
    on_limit: Literal["hold-wave", "hold-rest"] = Field("hold-wave", examples=["hold-wave"])
    adopt_teams: Literal["hold", "allow"] = Field("hold", examples=["hold"])
    protect: tuple[Glob, ...] = Field((), examples=[["cto@acme.test"]])


class TargetSettings(Outgoing):
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
