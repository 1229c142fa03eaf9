"""A bridge with a SCIM source as its users run it, and an identity provider's requests to it."""

import json
import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx

from bridge.sandbox import Sandbox
from bridge.settings import Settings
from tests.e2e.place import NO_GUARD, Place, running_place

TOKEN = "scim-token-of-the-tests"
SOURCE = """[[sources]]
name = "idp"
kind = "scim"
secrets = ["env:SCIM_TOKEN"]

"""


class ScimPlace(Place):
    """A place that an identity provider speaks SCIM to."""

    def __init__(self, folder: Path, sandbox: Sandbox, guard: str = NO_GUARD) -> None:
        """Write the configuration; nothing runs yet."""
        super().__init__(folder, sandbox, guard=guard)
        self.env["SCIM_TOKEN"] = TOKEN
        self.rewrite("[[targets]]", SOURCE + "[[targets]]")
        self.sent: list[tuple[str, str, int]] = []

    @property
    def settings(self) -> Settings:
        """The configuration as it is now."""
        os.environ["SCIM_TOKEN"] = TOKEN
        return super().settings

    @property
    def base(self) -> str:
        """What the provider has as its base URL."""
        return f"http://127.0.0.1:{self.port}/scim/idp/v2"

    async def say(self, method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        """Send a request as providers do, escaped as it is; return the answer's body."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/scim+json"}
        if body is not None:
            headers["Content-Type"] = "application/scim+json; charset=utf-8"
        content = None if body is None else json.dumps(body).encode()
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
            answer = await http.request(method, self.base + path, content=content, headers=headers)
        self.sent.append((method, path, answer.status_code))
        assert status == answer.status_code, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def teams(self) -> dict[str, set[str]]:
        """Return GitBook's teams with the addresses of who is in them."""
        return {title: set(people) for title, people in self.sandbox.teams().items()}


def running_scim(guard: str = NO_GUARD) -> AbstractAsyncContextManager[ScimPlace]:
    """Start receiver and worker beside a sandbox."""
    return running_place(lambda folder, sandbox: ScimPlace(folder, sandbox, guard))
