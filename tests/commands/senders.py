"""A configuration of every kind of sender, for `bridge source`."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

CONFIG = """
[receiver]
port = {port}
max_body = "2KB"

[[sources]]
name = "okta"
kind = "okta-workflows"
secrets = ["file:first", "file:second"]

[[sources]]
name = "signed"
kind = "okta-workflows"
auth = "hmac"
secrets = ["file:signed"]

[[sources]]
name = "basic"
kind = "okta-workflows"
auth = "basic"
secrets = ["file:pair"]

[[sources]]
name = "keyed"
kind = "okta-workflows"
auth = "header"
header = "X-Api-Key"
secrets = ["file:keyed"]

[[sources]]
name = "tokens"
kind = "okta-workflows"
auth = "jwt"
key = "file:key"
issuer = "https://issuer.acme.test"
audience = "directory-bridge"
client_id = "flow"

[[sources]]
name = "theirs"
kind = "okta-workflows"
auth = "jwt"
jwks_url = "https://issuer.acme.test/keys"
issuer = "https://issuer.acme.test"
audience = "directory-bridge"
client_id = "flow"

[[sources]]
name = "hr"
kind = "okta-workflows"
secrets = ["file:hr"]

[sources.map]
event = "type"
user.id = "person.number"
user.email = "person.mail"
user.active = "person.status == 'ACTIVE'"

[sources.map.events]
"employee.hired" = "user.created"
"employee.paid" = "ignore"

[[sources]]
name = "near"
kind = "okta-workflows"
secrets = ["file:near"]
networks = ["203.0.113.0/24"]

[[sources]]
name = "idp"
kind = "scim"
secrets = ["file:idp"]

[[sources]]
name = "hooks"
kind = "okta-event-hooks"
secrets = ["file:hooks"]

[[sources]]
name = "polis"
kind = "jackson"
secrets = ["file:polis"]

[[sources]]
name = "workos"
kind = "workos"
secrets = ["file:workos"]

[[sources]]
name = "standard"
kind = "standard-webhooks"
secrets = ["file:standard"]
body = "workos"
"""
SECRETS = {
    "first": "hush-hush", "second": "hush-again", "pair": "flow:hush", "key": "k" * 32,
    "standard": "whsec_c3RhbmRhcmQta2V5",
    **{name: f"hush-{name}" for name in ("signed", "keyed", "hr", "near", "idp", "hooks", "polis", "workos")},
}  # fmt: skip
HIRED = {
    "type": "employee.hired",
    "person": {"number": 7, "mail": "ana@acme.test", "status": "ACTIVE"},
}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that nobody answers on, until somebody serves there."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        yield listening


@pytest.fixture
def config(tmp_path: Path, listener: socket.socket) -> Path:
    """A configuration of every kind of sender."""
    for name, secret in SECRETS.items():
        (tmp_path / name).write_text(secret)
    path = tmp_path / "bridge.toml"
    path.write_text(CONFIG.format(port=listener.getsockname()[1]))
    return path


def rewrite(config: Path, old: str, new: str) -> None:
    """Change the configuration in one place."""
    text = config.read_text()
    assert text.count(old) == 1
    config.write_text(text.replace(old, new))
