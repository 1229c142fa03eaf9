"""A real Jackson, the installed bridge as a process, and our GitBook: what SCIM asks for must come true."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from bridge.sandbox import Sandbox
from tests.peers.processes import START, Jackson, Process, free_port

BRIDGE = Path(sys.executable).parent / "bridge"
SETTLE = 30.0  # seconds until what SCIM asked for must be true
SECRET = "whsec-of-the-tests"

CONFIG = """
[redis]
url = "embedded"
data_dir = "data"

[receiver]
port = {port}

[[sources]]
name = "polis"
kind = "jackson"
secrets = ["env:POLIS_SECRET"]

[[targets]]
name = "docs"
api_url = "{api_url}"
organization = "{organization}"
token = "env:GITBOOK_TOKEN"
mode = "apply"

[[targets.teams]]
group = "*"
team = "{{group}}"

[targets.guard]
max_removals = 100000
max_removal_percent = 100
team_max_removal_percent = 100
"""


class Bridge:
    """`bridge run` with an embedded Valkey in a folder of its own."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        """Start it and wait until it can store an event."""
        port = free_port()
        self.config = folder / "bridge.toml"
        self.config.write_text(
            CONFIG.format(port=port, api_url=sandbox.url, organization=sandbox.organization), encoding="utf-8"
        )
        self.url = f"http://127.0.0.1:{port}"
        self._env = {"POLIS_SECRET": SECRET, "GITBOOK_TOKEN": sandbox.token}
        self._process = Process([BRIDGE, "run", "-c", self.config], folder / "bridge.log", self._env)
        try:
            self._wait()
        except BaseException:
            self._process.stop()
            raise

    def status(self) -> dict[str, Any]:
        """Return `bridge status --json`."""
        command = [str(BRIDGE), "status", "--json", "-c", str(self.config)]
        env = {**os.environ, **self._env}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, f"bridge status: {done.stderr or done.stdout}"
        status: dict[str, Any] = json.loads(done.stdout)
        return status

    def last_words(self) -> str:
        """Return the end of its log."""
        return self._process.last_words()

    def stop(self) -> int:
        """SIGTERM; return its exit code."""
        return self._process.stop(20)

    def _wait(self) -> None:
        end = time.monotonic() + START
        while time.monotonic() < end and self._process.running:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the bridge did not come up: {self.last_words()}")


class Scene:
    """The three together: what a person does at the identity provider, and what must become of it."""

    def __init__(self, jackson: Jackson, bridge: Bridge, sandbox: Sandbox) -> None:
        """Make a directory at Jackson that tells the bridge."""
        self._jackson, self._bridge = jackson, bridge
        self._sandbox_url = sandbox.url.removesuffix("/v1") + "/sandbox"
        self._before = self._members()
        self.directory = jackson.directory(f"{bridge.url}/webhooks/polis", SECRET)

    # -- at the identity provider

    def user(self, name: str, **fields: Any) -> str:
        """Create name@acme.test and return the id Jackson gave it."""
        ident: str = self.scim("POST", "Users", scim_user(name, **fields))["id"]
        return ident

    def group(self, name: str) -> str:
        """Create a group and return its id."""
        body = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": name,
            "members": [],
        }
        ident: str = self.scim("POST", "Groups", body)["id"]
        return ident

    def patch(self, resource: str, *operations: dict[str, Any]) -> None:
        """PATCH a user or group with these operations."""
        schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
        self.scim("PATCH", resource, {"schemas": schemas, "Operations": list(operations)})

    def scim(self, method: str, resource: str, body: Any = None) -> dict[str, Any]:
        """Make any SCIM call."""
        return self._jackson.scim(self.directory, method, resource, body)

    # -- at GitBook

    def expect(
        self,
        names: set[str],
        teams: dict[str, set[str]] | None = None,
        absent: tuple[str, ...] = (),
        parked: int = 0,
        dead: int | None = 0,
    ) -> None:
        """Wait until the bridge has settled and GitBook has these members and teams, and stays so.

        A team whose group has nobody in it may be there, empty, or not; those named in `absent` may not.
        `parked` and `dead` are the counts then; None: any.
        """
        if self._jackson.batch:
            self._jackson.process()
        wanted_teams = sorted((title, sorted(_addresses(inside))) for title, inside in (teams or {}).items())
        wanted = {"members": _addresses(names), "teams": wanted_teams, "absent": set()}
        told = {"parked": parked, "dead": dead, "waiting": 0, "state": "ok"}
        counts = {key: count for key, count in told.items() if count is not None}
        self._until(lambda: self._seen(absent), wanted, counts)

    def writes(self) -> list[str]:
        """Return the calls so far that change something, as "METHOD /path"."""
        calls = self._look("calls")
        return [f"{call['method']} {call['path']}" for call in calls if call["method"] != "GET"]

    def team_ids(self, title: str) -> list[str]:
        """Return the ids of the teams with this title."""
        return [team["id"] for team in self._look("state")["teams"] if team["title"] == title]

    def _members(self) -> set[str]:
        return {member["email"] for member in self._look("state")["members"]}

    def _seen(self, absent: tuple[str, ...]) -> dict[str, Any]:
        teams = self._look("state")["teams"]
        return {
            "members": self._members() - self._before,
            "teams": sorted((team["title"], team["members"]) for team in teams if team["members"]),
            "absent": {team["title"] for team in teams if team["title"] in absent},
        }

    def _look(self, at: str) -> Any:
        """Return what the sandbox tells of itself: over HTTP, since it lives in another thread."""
        answer = httpx.get(f"{self._sandbox_url}/{at}", timeout=10, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def _until(self, see: Callable[[], Any], wanted: Any, counts: dict[str, Any]) -> None:
        """Poll until all is so; what is seen must still be so after the bridge has said that it settled."""
        end = time.monotonic() + SETTLE
        while True:
            late = time.monotonic() > end
            if see() == wanted or late:
                status = self._bridge.status()
                told = {key: status["targets"]["docs"][key] for key in counts}
                if late or (is_settled(status) and told == counts):
                    break
            time.sleep(0.05)
        about = f"{status} {self._bridge.last_words()}"
        assert see() == wanted, about
        assert is_settled(status), about
        assert told == counts, about


def is_settled(status: dict[str, Any]) -> bool:
    """Return whether nothing waits to be read or worked on."""
    targets = status["targets"].values()
    return not (status["journal"]["pending"] or any(t["due"] or t["running"] for t in targets))


def scim_user(name: str, *, surname: str = "Ng", active: bool = True) -> dict[str, Any]:
    """Return the SCIM body of name@acme.test, as Okta writes it."""
    address = f"{name}@acme.test"
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": address,
        "name": {"givenName": name.title(), "familyName": surname},
        "emails": [{"primary": True, "value": address, "type": "work"}],
        "displayName": f"{name.title()} {surname}",
        "locale": "en-US",
        "externalId": f"00u-{name}",
        "groups": [],
        "active": active,
    }


def _addresses(names: set[str]) -> set[str]:
    return {f"{name}@acme.test" for name in names}
