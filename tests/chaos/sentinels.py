"""A primary, a replica and three sentinels that watch over them, as real processes."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from bridge.embedded import server_binary
from tests.e2e.place import free_port

SERVICE = "bridge"
DOWN_AFTER = 1000  # ms without an answer until a sentinel takes the primary for dead
_NODES = 2

_NODE = """
port {port}
bind 127.0.0.1
dir {folder}
appendonly yes
appendfsync always
save ""
repl-diskless-sync-delay 0
"""

_SENTINEL = """
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor {service} 127.0.0.1 {primary} 2
sentinel down-after-milliseconds {service} {down}
sentinel failover-timeout {service} 5000
"""


class Cluster:
    """What a Redis with Sentinel is."""

    def __init__(self, folder: Path, sentinels: int = 3) -> None:
        """Nothing runs yet. `folder`: an empty one; `sentinels`: how many, also none."""
        self._folder = folder
        self.ports = [free_port() for _ in range(_NODES)]
        self.sentinels = [free_port() for _ in range(sentinels)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """What to write for redis.url."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    def start(self) -> None:
        """Start all of it, and wait until every sentinel knows the replica and the other sentinels."""
        for port in self.ports:
            replica = f"replicaof 127.0.0.1 {self.ports[0]}\n" if port != self.ports[0] else ""
            self._write(port, _NODE + replica)
            self.run(port)
        _until(lambda: self._followed(self.ports[0]))
        for port in self.sentinels:
            self._write(port, _SENTINEL)
            self.run(port, "--sentinel")
        _until(lambda: all(self._knows_all(port) for port in self.sentinels))

    def stop(self) -> None:
        """End all of it."""
        for process in self._processes.values():
            process.kill()
            process.wait()

    def run(self, port: int, *words: str) -> None:
        """Start one of them, or start it again."""
        folder = self._folder / str(port)
        with (self._folder / f"{port}.log").open("ab") as log:
            self._processes[port] = subprocess.Popen(
                [server_binary(), str(folder / "conf"), *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The primary's."""
        port = self.primary()
        return self._processes[port] if port else None

    def set(self, port: int, name: str, value: str) -> None:
        """Change a setting of one of them."""
        assert self._ask(port, "CONFIG", "SET", name, value)

    def let_in(self, port: int, user: str, password: str) -> None:
        """Let one user into a sentinel (or a node), and nobody else."""
        assert self._ask(port, "ACL", "SETUSER", user, "on", f">{password}", "+@all", "allchannels", "~*")
        assert self._ask(port, "ACL", "SETUSER", "default", "off")

    def pid(self, port: int) -> int:
        """Return the process that listens there."""
        return self._processes[port].pid

    def primary(self) -> int | None:
        """Return the port of the primary of which most sentinels know."""
        told = [self._told(port) for port in self.sentinels]
        return next((port for port in self.ports if told.count(port) > len(told) // 2), None)

    def kill_primary(self) -> int:
        """kill -9; return its port."""
        port = self.primary()
        assert port
        os.kill(self._processes[port].pid, signal.SIGKILL)
        self._processes[port].wait()
        return port

    def replicated(self) -> bool:
        """Tell whether the primary has a replica that keeps up."""
        port = self.primary()
        return port is not None and self._followed(port)

    def _followed(self, port: int) -> bool:
        told = self._ask(port, "INFO", "replication") or {}
        return told.get("role") == "master" and told.get("slave0", {}).get("state") == "online"

    def _told(self, sentinel: int) -> int | None:
        address = self._ask(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(address[1]) if address else None

    def _knows_all(self, sentinel: int) -> bool:
        others = self._ask(sentinel, "SENTINEL", "SENTINELS", SERVICE) or []
        replicas = self._ask(sentinel, "SENTINEL", "REPLICAS", SERVICE) or []
        return len(others) == len(self.sentinels) - 1 and len(replicas) == _NODES - 1

    def _write(self, port: int, text: str) -> None:
        folder = self._folder / str(port)
        folder.mkdir()
        told = {"folder": folder, "service": SERVICE, "primary": self.ports[0], "down": DOWN_AFTER}
        (folder / "conf").write_text(text.format(port=port, **told), encoding="utf-8")

    def _ask(self, port: int, *words: str) -> Any:
        with contextlib.suppress(RedisError), Redis(port=port, socket_timeout=1) as client:
            return client.execute_command(*words)
        return None


def _until(holds: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "the sentinels do not come up"
        time.sleep(0.05)
