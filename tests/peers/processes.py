"""The counterparts as processes: Jackson behind its control port, and Prism with GitBook's spec."""

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.peers.spec import NODE_MODULES

HERE = Path(__file__).parent
PRISM = NODE_MODULES / "@stoplight" / "prism-cli" / "dist" / "index.js"
START = 60.0  # seconds a counterpart may take to come up


class PeerError(Exception):
    """A counterpart did not start, or could not do what it was told."""


class Process:
    """A program that is stopped by its pid, whatever happened; what it writes goes to a log file."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        env: dict[str, str] | None = None,
        *,
        talks: bool = False,
    ) -> None:
        """Start `command`; `env` is added to our own environment, in which no proxy is set.

        `talks`: its stdout is kept for `first_line`, not written to the log.
        """
        inherited = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        self.log = log
        with log.open("ab") as written:
            self._popen = subprocess.Popen(
                [str(part) for part in command],
                cwd=HERE,
                env={**inherited, **(env or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if talks else written,
                stderr=written,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it is still there."""
        return self._popen.poll() is None

    def first_line(self, seconds: float = START) -> str:
        """Wait for the first line on stdout. Raises PeerError when none comes."""
        assert self._popen.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._popen.stdout, selectors.EVENT_READ)
            if selector.select(seconds) and (line := self._popen.stdout.readline()):
                return line.decode()
        raise PeerError(f"it printed nothing within {seconds:.0f} s: {self.last_words()}")

    def last_words(self, characters: int = 2000) -> str:
        """Return the end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-characters:]

    def stop(self, seconds: float = 10.0) -> int:
        """SIGTERM, and SIGKILL to what has not ended then, children too; return its exit code."""
        self._popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.communicate(timeout=seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.communicate()
        return self._popen.returncode


class Jackson:
    """A real Jackson, told what to do over its control port (see jackson.mjs)."""

    def __init__(self, log: Path, batch: int = 0) -> None:
        """Start it; `batch` = 0 sends each event within its SCIM call, else `process` sends arrays."""
        self.batch = batch
        self._process = Process(["node", HERE / "jackson.mjs", str(batch)], log, talks=True)
        try:
            port = json.loads(self._process.first_line())["port"]
        except BaseException:
            self._process.stop()
            raise
        # A SCIM call lasts as long as the webhook's tries: 4 times 20 s, and 3 s between them.
        self._control = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=100, trust_env=False)

    def __enter__(self) -> Self:
        """Return itself, running."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._control.close()
        self._process.stop()

    def directory(self, webhook_url: str, webhook_secret: str, kind: str = "okta-scim-v2") -> str:
        """Make a directory and return its id."""
        told = {"webhook_url": webhook_url, "webhook_secret": webhook_secret, "type": kind}
        made: str = self._ask("/directory", told)["id"]
        return made

    def scim(self, directory: str, method: str, resource: str, body: Any = None) -> dict[str, Any]:
        """Make a SCIM call on "Users", "Groups/<id>" …; return the resource. Raises PeerError if refused."""
        kind, _, ident = resource.partition("/")
        told = {"directory": directory, "method": method, "resourceType": kind, "body": body or {}}
        answer = self._ask("/scim", {**told, "resourceId": ident} if ident else told)
        if answer["status"] >= 300:
            raise PeerError(f"{method} {resource}: {answer}")
        data: dict[str, Any] = answer["data"] or {}
        return data

    def process(self) -> int:
        """Batch mode: send what waits, until nothing does; return the number of webhooks it took."""
        sent: int = self._ask("/process", {})["sent"]
        return sent

    def failures(self) -> list[str]:
        """Return the promises that broke with nobody waiting for them."""
        failures: list[str] = self._ask("/failures", {})["failures"]
        return failures

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._control.post(path, json=body)
        if answer.status_code != 200:
            raise PeerError(f"{path} {body}: {answer.text}: {self._process.last_words()}")
        told: dict[str, Any] = answer.json()
        return told


class Prism:
    """Prism, answering every request from the spec's examples and refusing what the spec does not allow."""

    def __init__(self, document: Path, log: Path) -> None:
        """Start it with an OpenAPI file whose paths begin with /v1."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/v1"
        command = ["node", str(PRISM), "mock", "-h", "127.0.0.1", "-p", str(port), str(document)]
        self._process = Process(command, log)
        try:
            self._wait()
        except BaseException:
            self._process.stop()
            raise

    def stop(self) -> None:
        """Stop it."""
        self._process.stop()

    def _wait(self) -> None:
        end = time.monotonic() + START
        while time.monotonic() < end and self._process.running:
            try:
                httpx.get(f"{self.url}/user", timeout=5, trust_env=False)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise PeerError(f"Prism did not come up: {self._process.last_words()}")


def free_port() -> int:
    """Return a loopback port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
