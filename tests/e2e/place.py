"""A bridge as its users run it: the installed command, real HTTP, a real Valkey, the sandbox for GitBook."""

import asyncio
import contextlib
import hashlib
import hmac
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson

from bridge.commands.status import read_status
from bridge.sandbox import Sandbox, running_sandbox
from bridge.settings import Settings, read_settings
from bridge.store.redis import open_store

BRIDGE = Path(sys.executable).parent / "bridge"
SECRET = "flow-secret-of-the-tests"
DEADLINE = 30.0
P = TypeVar("P", bound="Place")
NO_GUARD = "max_removals = 100000\nmax_removal_percent = 100\nteam_max_removal_percent = 100"

CONFIG = """
[redis]
url = "{redis}"
data_dir = "data"

[receiver]
port = {port}

[[sources]]
name = "okta"
kind = "okta-workflows"
auth = "hmac"
secrets = ["env:FLOW_SECRET"]

[[targets]]
name = "docs"
api_url = "{api_url}"
organization = "acme"
token = "env:GITBOOK_TOKEN"
mode = "{mode}"

[[targets.teams]]
group = "*"

[targets.guard]
{guard}
"""


def free_port() -> int:
    """Return a port nobody listens on, and that no outgoing connection is given meanwhile."""
    while True:
        port = random.randint(10_000, 30_000)  # Linux takes those of outgoing connections from 32768 on
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of an okta-workflows delivery with auth = "hmac"."""
    stamp = str(int(time.time()))
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Bridge-Timestamp": stamp, "X-Bridge-Signature": f"v1={mac}"}


def user(name: str, **fields: Any) -> dict[str, Any]:
    """Return a user of the Okta Workflows body."""
    return {"id": f"00u{name}", "email": f"{name}@acme.test", "active": True, **fields}


def group(name: str) -> dict[str, Any]:
    """Return a group of the Okta Workflows body."""
    return {"id": f"00g{name}", "name": name}


def event(
    name: str, who: dict[str, Any] | None = None, where: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return an Okta Workflows body."""
    parts = {"event": name, "user": who, "group": where}
    return {key: value for key, value in parts.items() if value is not None}


class Place:
    """A folder with a configuration, and the processes started from it."""

    def __init__(
        self,
        folder: Path,
        sandbox: Sandbox,
        mode: str = "apply",
        guard: str = NO_GUARD,
        redis: str = "embedded",
    ) -> None:
        """Write the configuration; nothing runs yet."""
        self.folder, self.sandbox, self.port = folder, sandbox, free_port()
        self.config = folder / "bridge.toml"
        self.env = {**os.environ, "FLOW_SECRET": SECRET, "GITBOOK_TOKEN": sandbox.token}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        text = CONFIG.format(port=self.port, api_url=sandbox.url, mode=mode, guard=guard, redis=redis)
        self.config.write_text(text, encoding="utf-8")

    @property
    def settings(self) -> Settings:
        """The configuration as it is now."""
        os.environ.update(FLOW_SECRET=SECRET, GITBOOK_TOKEN=self.sandbox.token)
        return read_settings(self.config)

    def rewrite(self, old: str, new: str) -> None:
        """Change the configuration."""
        text = self.config.read_text(encoding="utf-8")
        assert old in text
        self.config.write_text(text.replace(old, new), encoding="utf-8")

    def start(self, command: str = "run", name: str = "") -> None:
        """Start `bridge run`, `serve` or `worker`, or a program in Python (a path that ends in .py)."""
        words = [sys.executable, command] if command.endswith(".py") else [BRIDGE, command, "-c"]
        with (self.folder / f"{name or command}.log").open("ab") as log:
            self.processes[name or command] = subprocess.Popen(
                [*words, self.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.env, cwd=self.folder, start_new_session=True,
            )  # fmt: skip

    async def ready(self) -> None:
        """Wait until the receiver can store an event."""
        await self.until(self._is_ready, "the receiver is not ready")

    async def _is_ready(self) -> bool:
        async with httpx.AsyncClient(trust_env=False) as client:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200
        return False

    def kill(self, name: str = "run") -> None:
        """kill -9 a process and all it started."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes.pop(name).wait()
        if name == "run":
            self._kill_valkey()

    def _kill_valkey(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.folder / "data" / "valkey.pid").read_text(encoding="utf-8"))
            os.kill(pid, signal.SIGKILL)

    def stop(self) -> dict[str, int]:
        """SIGTERM to all that runs; return their exit codes."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        codes = {name: process.wait(20) for name, process in self.processes.items()}
        self.processes = {}
        return codes

    def end(self) -> None:
        """Leave nothing behind, whatever happened."""
        for name in list(self.processes):
            with contextlib.suppress(ProcessLookupError):
                self.kill(name)

    async def send(self, *bodies: Any) -> None:
        """POST each body, signed, one after the other; each must be answered 200."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            for body in bodies:
                raw = orjson.dumps(body)
                url = f"http://127.0.0.1:{self.port}/webhooks/okta"
                answer = await client.post(url, content=raw, headers=signed(raw))
                assert answer.status_code == 200, answer.text

    async def send_as(self, source: str, token: str, *bodies: Any) -> None:
        """POST each body as another source, which knows a bearer token; each must be answered 200."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            for body in bodies:
                url = f"http://127.0.0.1:{self.port}/webhooks/{source}"
                answer = await client.post(url, json=body, headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code == 200, answer.text

    async def status(self) -> dict[str, Any]:
        """Return what `bridge status --json` prints."""
        store = open_store(self.settings.redis)
        try:
            return await read_status(self.settings, store)
        finally:
            await store.close()

    async def settled(self) -> bool:
        """Tell whether nothing is pending, due or running."""
        try:
            status = await self.status()
        except Exception:
            return False
        targets = status["targets"].values()
        return not (status["journal"]["pending"] or any(t["due"] or t["running"] for t in targets))

    async def until(self, holds: Callable[[], Any], what: str, seconds: float = DEADLINE) -> None:
        """Look again and again until something holds; fail after the deadline."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = holds()
            if await answer if asyncio.iscoroutine(answer) else answer:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"after {seconds} s: {what}\n{self.log()[-3000:]}")

    async def until_members(self, *names: str) -> None:
        """Wait until exactly these people are members beside the owner, and nothing is left to do."""
        wanted = {f"{name}@acme.test" for name in names} | {self.sandbox.owner.email}
        await self.until(lambda: set(self.sandbox.members()) == wanted, f"members are not {wanted}")
        await self.until(self.settled, "not settled")

    async def run(self, *words: str, code: int = 0) -> str:
        """Run a command of the bridge; return what it prints on stdout."""
        done = await asyncio.to_thread(self._run, [str(BRIDGE), *words, "-c", str(self.config)])
        assert code == done.returncode, done.stderr + done.stdout
        return done.stdout

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, text=True, env=self.env, cwd=self.folder, timeout=60, check=False
        )

    def log(self) -> str:
        """Return all that the processes logged."""
        return "\n".join(path.read_text(encoding="utf-8") for path in sorted(self.folder.glob("*.log")))


@asynccontextmanager
async def running_place(make: Callable[[Path, Sandbox], P]) -> AsyncIterator[P]:
    """Start receiver and worker in a place of their own, beside a sandbox."""
    with tempfile.TemporaryDirectory(prefix="be-") as folder:
        async with running_sandbox(Sandbox("acme", "sandbox-token-of-the-tests")) as sandbox:
            place = make(Path(folder), sandbox)
            place.start("run")
            try:
                await place.ready()
                yield place
            finally:
                place.end()
