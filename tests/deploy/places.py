"""Where the files of a deployment are, what is written in them, and programs that run them for real."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import pytest
import yaml

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PATIENCE = 30.0  # seconds that anything may take to come up, or to end
SECRET = "a-secret-of-this-test"
CONFIG = """
[redis]
url = "{redis}"
data_dir = "{folder}"

[receiver]
port = {port}

[[sources]]
name = "okta"
kind = "okta-workflows"
secrets = ["{secret}"]

[[targets]]
name = "docs"
organization = "acme"
api_url = "http://127.0.0.1:9/v1"
token = "of-nobody"
"""


def tool(name: str) -> str:
    """Return the path of a program that a development package brings; skip the test without it."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_config(folder: Path, redis: str, port: int) -> Path:
    """Write a small configuration and return its path."""
    path = folder / "bridge.toml"
    path.write_text(CONFIG.format(redis=redis, folder=folder, port=port, secret=SECRET), encoding="utf-8")
    return path


def wait_until(look: Callable[[], T], what: str) -> T:
    """Look again and again until there is something to see, and return it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.02)
    return found


def is_ready(port: int) -> bool:
    """Tell whether a receiver on this port says that it is ready."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    return False


def is_running(pid: int) -> bool:
    """Tell whether there is a process of that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def post_event(port: int) -> httpx.Response:
    """Send one event as a flow would."""
    body = {"event": "group.created", "group": {"id": "test", "name": "Test"}}
    headers = {"Authorization": f"Bearer {SECRET}"}
    return httpx.post(
        f"http://127.0.0.1:{port}/webhooks/okta", json=body, headers=headers, trust_env=False, timeout=10
    )


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a program: ours, with the installed commands found first, and `more`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("BRIDGE_")}
    return {**kept, "PATH": path, **more}


def status(config: Path) -> dict[str, Any]:
    """Return what `bridge status --json` prints."""
    command = ["bridge", "status", "--json"]
    done = subprocess.run(
        command, env=environment(BRIDGE_CONFIG=str(config)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


class Program:
    """A program that runs while the block does; its lines go to a file."""

    def __init__(
        self, command: Sequence[str], log: Path, variables: dict[str, str], cwd: Path = ROOT
    ) -> None:
        """`variables`: added to its environment."""
        self._command, self._log, self._cwd = [*command], log, cwd
        self._environment = environment(**variables)

    def __enter__(self) -> Self:
        """Start it in a session of its own, found by its PATH."""
        found = shutil.which(self._command[0], path=self._environment["PATH"])
        assert found, f"there is no {self._command[0]}"
        with self._log.open("ab") as log:
            self.popen = subprocess.Popen(
                [found, *self._command[1:]], cwd=self._cwd, env=self._environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and by force what is left of it."""
        self.stop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, as whoever runs it would send; return how it ended."""
        self.popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(PATIENCE)
        if self.popen.poll() is None:
            self.popen.kill()
        return self.popen.wait()

    def lines(self) -> str:
        """Return what it has written."""
        return self._log.read_text(encoding="utf-8", errors="replace")


# what is written in the files


def dockerfile() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with their arguments, in order."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    pairs = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(name.upper(), rest.strip()) for name, _, rest in pairs]


def last(instruction: str) -> str:
    """Return the argument that counts of an instruction of the Dockerfile."""
    return [rest for name, rest in dockerfile() if name == instruction][-1]


def image_command(command: list[str] | None = None) -> list[str]:
    """Return what a container of our image runs; `command`: instead of the image's own."""
    entry: list[str] = json.loads(last("ENTRYPOINT"))
    own: list[str] = json.loads(last("CMD"))
    return entry + (own if command is None else command)


def compose() -> dict[str, Any]:
    """Return compose.yaml."""
    told: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return told


def find_program(name: str, checks: str) -> str:
    """Return a program's path; skip the test without it, but in CI it has to be there. `checks`: what."""
    path = shutil.which(name)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"{name} is not installed, and CI is where {checks} is checked")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path
