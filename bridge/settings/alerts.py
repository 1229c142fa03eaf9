"""[[alerts]]: who is told when something needs a person, and of what."""

import re
from collections.abc import Iterator
from typing import Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from bridge.settings.outgoing import Outgoing
from bridge.settings.secret import Secret
from bridge.settings.values import Name, ProblemsError, Span, is_http_url

AlertKind = Literal["slack", "standard-webhooks"]
ConditionKind = Literal[
    "parked", "dead", "rejected", "unavailable", "refused", "silent", "orphaned", "ended", "stale", "stuck",
    "clock", "dead_letter",
]  # fmt: skip
CONDITION_KINDS: tuple[ConditionKind, ...] = get_args(ConditionKind)


class AlertSettings(Outgoing):
    """One of [[alerts]]."""

    name: Name = Field(examples=["ops"])
    kind: AlertKind = Field(examples=["slack"])
    url: Secret = Field(examples=["env:SLACK_URL"])
    secret: Secret | None = Field(None, examples=["env:ALERTS_SECRET"])
    on: tuple[ConditionKind, ...] = Field(CONDITION_KINDS, examples=[["parked", "refused"]])
    unavailable_after: Span = Field(900.0, ge=0, examples=["15m"])

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: Secret) -> Secret:
        if not is_http_url(value.reveal()):  # what it is stays untold: who knows it can write to the channel
            raise ValueError("does not hold an http(s) URL")
        return value

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What it has of secrets."""
        return (self.url, self.secret) if self.secret else (self.url,)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        problems = list(_secret_problems(self))
        if not self.on:
            problems.append(
                'on: is empty, so nothing is ever told: write on = ["parked"], or remove it for all'
            )
        if problems:
            raise ProblemsError(problems)
        return self


def _secret_problems(alert: AlertSettings) -> Iterator[str]:
    if alert.kind != "standard-webhooks":
        if alert.secret:
            yield 'secret: is for kind = "standard-webhooks": remove it'
        return
    name = re.sub(r"[^A-Z0-9]", "_", alert.name.upper())
    if alert.secret is None:
        yield f'secret: is missing, messages are signed with it: write secret = "env:{name}_SECRET"'
        return
    try:
        alert.secret.reveal_key()
    except ValueError as error:
        yield f"secret: {error}: write whsec_<base64>, of 24 to 64 random bytes"
