"""[[sources]]: who may tell the bridge something, and how that is verified."""

import re
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from bridge.settings.secret import Secret
from bridge.settings.values import HttpUrl, Name, ProblemsError, Section, Span, options

SourceKind = Literal["okta-workflows", "okta-event-hooks", "jackson", "workos", "standard-webhooks", "scim"]
SOURCE_KINDS_BUILT = ("okta-workflows", "okta-event-hooks", "jackson", "workos", "standard-webhooks")


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
                f'kind: "{self.kind}" is not in this version: write one of {options(SOURCE_KINDS_BUILT)}'
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


def _env_name(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
