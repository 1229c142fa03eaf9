"""[[sources]]: who may tell the bridge something, and how that is verified."""

import re
from collections.abc import Iterator
from typing import Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from bridge.settings.field_map import FieldMap
from bridge.settings.outgoing import Outgoing
from bridge.settings.secret import Secret
from bridge.settings.values import HttpUrl, Name, NetworkRange, ProblemsError, Span

SourceKind = Literal["okta-workflows", "okta-event-hooks", "jackson", "workos", "standard-webhooks", "scim"]
SOURCE_KINDS = get_args(SourceKind)


class SourceSettings(Outgoing):
    """One of [[sources]]."""

    name: Name = Field(examples=["okta"])
    kind: SourceKind = Field(examples=["okta-workflows"])
    secrets: tuple[Secret, ...] = Field((), examples=[["env:OKTA_SECRET"]])
    directory: Name | None = Field(None, examples=["okta"])
    targets: tuple[str, ...] | None = Field(None, examples=[["docs"]])
    tolerance: Span | None = Field(None, gt=0, examples=["5m"])
    networks: tuple[NetworkRange, ...] = Field((), examples=[["203.0.113.0/24"]])
    auth: Literal["bearer", "basic", "header", "hmac", "jwt"] = Field("bearer", examples=["bearer"])
    header: str | None = Field(None, pattern=r"^[A-Za-z0-9-]+$", examples=["X-Api-Key"])
    jwks_url: HttpUrl | None = Field(None, examples=["https://acme.okta.com/oauth2/default/v1/keys"])
    key: Secret | None = Field(None, examples=["env:JWT_KEY"])
    issuer: str | None = Field(None, examples=["https://acme.okta.com/oauth2/default"])
    audience: str | None = Field(None, examples=["directory-bridge"])
    subject: str | None = Field(None, min_length=1, examples=["0oa1flow"])
    client_id: str | None = Field(None, min_length=1, examples=["0oa1flow"])
    scope: str | None = Field(None, pattern=r"^\S+$", examples=["directory.write"])
    body: Literal["bridge", "jackson", "workos"] = Field("bridge", examples=["bridge"])
    map: FieldMap | None = None
    provision_on: Literal["activate", "create"] = Field("activate", examples=["activate"])
    application: str | None = Field(None, pattern=r"^0oa[A-Za-z0-9]+$", examples=["0oa1gitbook"])
    api_url: HttpUrl | None = Field(None, examples=["https://acme.okta.com"])
    api_token: Secret | None = Field(None, examples=["env:OKTA_API_TOKEN"])
    silent_after: Span = Field(7 * 86400.0, ge=0, examples=["7d"])

    @property
    def directory_name(self) -> str:
        """The directory this source speaks of."""
        return self.directory or self.name

    @property
    def all_secrets(self) -> tuple[Secret, ...]:
        """What its deliveries may be verified with, each once: the secrets, and the key of JWTs."""
        return tuple(dict.fromkeys((*self.secrets, self.key) if self.key else self.secrets))

    @property
    def shared_secrets(self) -> tuple[Secret, ...]:
        """What it shares with its sender alone: of `all_secrets` those that are no public keys."""
        return tuple(each for each in self.all_secrets if "-----BEGIN" not in each.reveal())

    @property
    def tolerance_seconds(self) -> float:
        """How old a signed timestamp may be. Workflows waits 5 minutes before its retry, so 8 there."""
        return self.tolerance or (480.0 if self.kind == "okta-workflows" else 300.0)

    @property
    def is_thin(self) -> bool:
        """Its events name people and groups, and do not say all that the directory knows of them."""
        return self.kind == "okta-event-hooks"

    @property
    def reads_back(self) -> bool:
        """What its events do not say is read from the directory's own API."""
        return self.is_thin and self.api_url is not None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        problems = list(_jwt_problems(self)) if self.kind == "okta-workflows" and self.auth == "jwt" else []
        needs_secret = self.kind != "okta-workflows" or self.auth != "jwt"
        if needs_secret and not self.secrets:
            problems.append(f'secrets: is missing: write secrets = ["env:{_env_name(self.name)}_SECRET"]')
        if self.kind == "okta-workflows" and self.auth == "header" and not self.header:
            problems.append('header: is missing, auth = "header" needs its name: write header = "X-Api-Key"')
        if self.kind == "standard-webhooks":
            problems += _key_problems(self.secrets)
        problems += [*_api_problems(self), *_map_problems(self), *_way_problems(self)]
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
    if not (source.subject or source.client_id or source.scope):
        yield (
            'client_id: is missing, auth = "jwt" needs it, or subject or scope, since every client of the '
            'issuer gets tokens: write client_id = "…"'
        )


def _key_problems(secrets: tuple[Secret, ...]) -> Iterator[str]:
    for number, secret in enumerate(secrets):
        try:
            secret.reveal_key()
        except ValueError as error:
            yield f"secrets[{number}]: {error}: write the secret as the sender shows it, whsec_<base64>"


def _api_problems(source: SourceSettings) -> Iterator[str]:
    keys = ("application", "api_url", "api_token")
    if not source.is_thin:
        given = [key for key in keys if getattr(source, key) is not None]
        yield from (f'{key}: is for kind = "okta-event-hooks": remove it' for key in given)
        return
    if source.api_token and not source.api_url:
        yield 'api_url: is missing, api_token needs it: write api_url = "https://acme.okta.com"'
    if source.api_url and not source.api_token:
        name = _env_name(source.name)
        yield f'api_token: is missing, api_url needs it: write api_token = "env:{name}_API_TOKEN"'
    host, path = urlsplit(source.api_url or "").hostname or "", urlsplit(source.api_url or "").path
    if "-admin.okta" in host:
        right = host.replace("-admin.okta", ".okta")
        yield f'api_url: is the address of the Admin Console: write api_url = "https://{right}"'
    elif path:
        yield f'api_url: has the path "{path}": write the organisation\'s address alone, "https://{host}"'


def _map_problems(source: SourceSettings) -> Iterator[str]:
    right = source.kind == "okta-workflows" or (
        source.kind == "standard-webhooks" and source.body == "bridge"
    )
    if source.map and not right:
        yield (
            'map: is for kind = "okta-workflows", and "standard-webhooks" with body = "bridge": remove it, '
            "other kinds have a shape of their own"
        )


def _way_problems(source: SourceSettings) -> Iterator[str]:
    given = [key for key in ("proxy", "ca") if getattr(source, key) is not None]
    if not (source.api_url or source.jwks_url):
        yield from (f"{key}: is for api_url and jwks_url, of which there is none: remove it" for key in given)


def _env_name(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
