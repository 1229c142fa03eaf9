"""The embedded Valkey: one machine's Redis, its data on disk, for one process at a time."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.embedded import EmbeddedError, EmbeddedValkey
from bridge.settings import RedisSettings
from bridge.store.redis import STORE_ERRORS, Store, open_store

# A `bridge run` in small: starts the server, writes, says so, and waits to be killed.
_OWNER = """
import sys, pathlib, socket
from bridge.embedded import EmbeddedValkey
valkey = EmbeddedValkey(pathlib.Path(sys.argv[1]))
valkey.start()
link = socket.socket(socket.AF_UNIX)
link.connect(str(valkey.socket))
link.sendall(b"SET bridge:a kept\\r\\n")
print(link.recv(64).decode().strip(), valkey.process.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose path is short enough for a socket."""
    return tmp_path_factory.mktemp("v") / "data"


@contextmanager
def killed_owner(folder: Path) -> Iterator[int]:
    """The server of a process that was killed with `kill -9`: its pid. It ends with the block at last."""
    command = [sys.executable, "-c", _OWNER, str(folder)]
    owner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout
        answer, pid = owner.stdout.readline().split()
        assert answer == "+OK"
        owner.kill()
        owner.wait()
    try:
        yield int(pid)
    finally:
        if alive(int(pid)):
            os.kill(int(pid), signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether a process that may not be ours to wait for is still there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def stopped(valkey: EmbeddedValkey) -> Iterator[EmbeddedValkey]:
    """Stop it at the end, started or not."""
    try:
        yield valkey
    finally:
        valkey.stop()


def store_of(folder: Path) -> Store:
    """A store in it."""
    return open_store(RedisSettings(data_dir=folder))


async def write(folder: Path, value: str) -> None:
    """Write something that has to last."""
    store = store_of(folder)
    await store.call("SET", store.key("a"), value)
    await store.close()


async def read(folder: Path) -> str | None:
    """Read it."""
    store = store_of(folder)
    value = await store.call("GET", store.key("a"))
    await store.close()
    return None if value is None else str(value)


async def test_it_keeps_what_was_written(folder: Path) -> None:
    """From one start to the next; stopping twice does no harm."""
    with EmbeddedValkey(folder) as valkey:
        await write(folder, "one")
        assert valkey.process
    assert valkey.process.returncode == 0
    valkey.stop()
    with EmbeddedValkey(folder):
        assert await read(folder) == "one"


async def test_it_writes_to_disk_before_it_answers(folder: Path) -> None:
    """And lets no key go when memory is short."""
    with EmbeddedValkey(folder):
        store = store_of(folder)
        names = ("appendonly", "appendfsync", "maxmemory-policy", "port")
        told = [await store.call("CONFIG", "GET", name) for name in names]
        await store.close()
    assert told == [
        [name, value] for name, value in zip(names, ("yes", "always", "noeviction", "0"), strict=True)
    ]


def test_only_its_user_may_reach_it(folder: Path) -> None:
    """The socket and the folder are nobody else's."""
    with EmbeddedValkey(folder) as valkey:
        assert stat.S_IMODE(valkey.socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_data_in_use_is_refused(folder: Path) -> None:
    """With what to do; the one that runs goes on, and its data can be had once it has stopped."""
    with EmbeddedValkey(folder):
        await write(folder, "one")
        with pytest.raises(EmbeddedError) as caught:
            EmbeddedValkey(folder).start()
        assert str(caught.value) == (
            f"{folder} is in use by another `bridge run`: stop it, or set another redis.data_dir"
        )
        assert await read(folder) == "one"
    with EmbeddedValkey(folder):
        assert await read(folder) == "one"


async def test_data_survives_kill_9_of_the_server(folder: Path) -> None:
    """What was answered is on disk."""
    with stopped(EmbeddedValkey(folder)) as valkey:
        valkey.start()
        await write(folder, "one")
        assert valkey.process
        valkey.process.kill()
        valkey.process.wait()
    with EmbeddedValkey(folder):
        assert await read(folder) == "one"


async def test_a_server_left_behind_is_taken_over(folder: Path) -> None:
    """Its process was killed with `kill -9`: it ends in good order, and nothing is lost."""
    with killed_owner(folder) as pid:
        assert alive(pid)
        with EmbeddedValkey(folder) as valkey:
            assert valkey.process
            assert (await read(folder), alive(pid)) == ("kept", False)


async def test_a_server_left_behind_that_hangs_is_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not answer and might wake up later: what it stored is kept, and it is surely gone."""
    monkeypatch.setattr("bridge.embedded._PATIENCE", 0.2)
    with killed_owner(folder) as pid:
        os.kill(pid, signal.SIGSTOP)
        with EmbeddedValkey(folder) as valkey:
            assert valkey.process
            assert (await read(folder), alive(pid)) == ("kept", False)


async def test_a_server_left_behind_that_wakes_up_ends_first(folder: Path) -> None:
    """It hangs for longer than it is waited for an answer, and was told to end before."""
    with killed_owner(folder) as pid:
        os.kill(pid, signal.SIGSTOP)
        waking = asyncio.get_running_loop().call_later(3, os.kill, pid, signal.SIGCONT)
        valkey = EmbeddedValkey(folder)
        await asyncio.to_thread(valkey.start)
        with stopped(valkey):
            assert (await read(folder), alive(pid)) == ("kept", False)
        waking.cancel()


@pytest.mark.parametrize("gone", ["lock", "valkey.sock", "valkey.pid"])
async def test_deleted_files_let_no_second_server_in(folder: Path, gone: str) -> None:
    """The first one runs: its data stays its own, whichever small file was deleted."""
    with EmbeddedValkey(folder) as valkey:
        assert valkey.process
        (folder / gone).unlink()
        with pytest.raises(EmbeddedError, match="is in use by another `bridge run`"):
            EmbeddedValkey(folder).start()
        assert alive(valkey.process.pid)
        assert servers_in(folder) == [valkey.process.pid]


@pytest.mark.parametrize("gone", [("lock",), ("lock", "valkey.sock"), ("lock", "valkey.pid")])
async def test_a_server_left_behind_is_found_without_its_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch, gone: tuple[str, ...]
) -> None:
    """By its socket, or by its note; it holds a lock of its own either way."""
    monkeypatch.setattr("bridge.embedded._PATIENCE", 0.2)
    with killed_owner(folder) as pid:
        os.kill(pid, signal.SIGSTOP)
        for name in gone:
            (folder / name).unlink()
        with EmbeddedValkey(folder) as valkey:
            assert valkey.process
            assert servers_in(folder) == [valkey.process.pid]
            assert await read(folder) == "kept"


async def test_a_server_that_nobody_can_find_keeps_others_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it has ended: it may be in another container that shares the folder."""
    monkeypatch.setattr("bridge.embedded._PATIENCE", 0.2)
    with killed_owner(folder) as pid:
        for name in ("lock", "valkey.sock", "valkey.pid"):
            (folder / name).unlink()
        with pytest.raises(EmbeddedError, match="a Valkey of an earlier run does not end"):
            EmbeddedValkey(folder).start()
        assert servers_in(folder) == [pid]
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not alive(pid))
        with EmbeddedValkey(folder):
            assert await read(folder) == "kept"


async def test_a_server_of_an_earlier_version_is_ended_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was started without a lock of its own, and hangs."""
    monkeypatch.setattr("bridge.embedded._PATIENCE", 0.2)
    older = EmbeddedValkey(folder)
    folder.mkdir()  # noqa: ASYNC240 # nothing else runs in this loop
    older._launch()
    assert older.process
    await write(folder, "kept")
    older.process.send_signal(signal.SIGSTOP)
    with EmbeddedValkey(folder):
        assert servers_in(folder) != [older.process.pid]
        assert await read(folder) == "kept"
    older.process.wait()


def servers_in(folder: Path) -> list[int]:
    """The processes of all servers that work in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            name = (place / "comm").read_text(encoding="utf-8")
            if name.startswith("valkey") and (place / "cwd").samefile(folder) and alive(int(place.name)):
                found.append(int(place.name))
        except OSError:
            continue
    return found


async def test_a_socket_left_behind(folder: Path) -> None:
    """Nobody listens there any more."""
    folder.mkdir()  # noqa: ASYNC240 # nothing else runs in this loop
    (folder / "valkey.sock").touch()
    with EmbeddedValkey(folder):
        assert await read(folder) is None


def test_a_path_that_is_too_long_for_a_socket(folder: Path) -> None:
    """It says so, with what to do, and leaves the folder free."""
    deep = folder / ("x" * 120)
    with pytest.raises(EmbeddedError) as caught:
        EmbeddedValkey(deep).start()
    assert str(caught.value) == (
        f"{deep / 'valkey.sock'}: the path is too long for a socket: choose a shorter redis.data_dir"
    )


def test_data_that_cannot_be_read(folder: Path) -> None:
    """It does not start, says where to look, and leaves the folder free."""
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("rubbish\n")
    for _ in range(2):
        with pytest.raises(EmbeddedError) as caught:
            EmbeddedValkey(folder).start()
        assert str(caught.value) == f"the embedded Valkey did not start: see {folder / 'valkey.log'}"


# -- the watcher


async def answers(folder: Path, value: str) -> bool:
    """Whether it can be asked, and has what was written."""
    try:
        return await read(folder) == value
    except STORE_ERRORS:
        return False


async def until(condition: Callable[[], object]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(30):
        while True:
            holds = condition()
            if await holds if asyncio.iscoroutine(holds) else holds:
                return
            await asyncio.sleep(0.01)


def kill(valkey: EmbeddedValkey) -> int:
    """kill -9; return the pid that it had."""
    assert valkey.process
    valkey.process.kill()
    return valkey.process.pid


async def test_a_server_that_ends_is_started_again(folder: Path) -> None:
    """With all it held, as often as it ends, and without anybody asking."""
    with EmbeddedValkey(folder) as valkey:
        await write(folder, "one")
        for _ in range(2):
            pid = kill(valkey)
            await until(lambda: valkey.process and valkey.process.pid != pid)  # noqa: B023 # in this round
            await until(lambda: answers(folder, "one"))
        assert stat.S_IMODE(valkey.socket.stat().st_mode) == 0o600


async def test_a_start_that_fails_is_tried_again(folder: Path) -> None:
    """A full disk, data that cannot be read: once that is over, it runs."""
    manifest = folder / "appendonlydir" / "appendonly.aof.manifest"
    with EmbeddedValkey(folder) as valkey:
        await write(folder, "one")
        good = manifest.read_bytes()
        manifest.write_bytes(b"rubbish")
        first = kill(valkey)
        await until(lambda: valkey.process and valkey.process.pid != first)
        second = valkey.process.pid if valkey.process else 0
        await until(lambda: valkey.process and valkey.process.pid != second)
        manifest.write_bytes(good)
        await until(lambda: answers(folder, "one"))


async def test_a_stop_comes_before_a_start_that_is_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started any more, and the folder is free."""
    ended: list[str] = []
    monkeypatch.setattr("bridge.embedded._PAUSE_FIRST", 60.0)
    monkeypatch.setattr("bridge.embedded._PAUSE_MOST", 60.0)
    with capture_logs() as lines:
        with EmbeddedValkey(folder) as valkey:
            pid = kill(valkey)
            await until(lambda: lines)
            ended += [line["event"] for line in lines]
        assert valkey.process
        assert (ended, valkey.process.pid, alive(pid)) == (["process.restarts"], pid, False)
    with EmbeddedValkey(folder):
        assert await read(folder) is None


def modes(folder: Path) -> dict[str, str]:
    """Who may do what with the folder and all in it."""
    return {path.name: oct(path.stat().st_mode & 0o777) for path in (folder, *folder.iterdir())}


def test_nobody_else_may_look_into_the_data(folder: Path) -> None:
    """Nor into a folder that is there and open, with files of an earlier version."""
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    (folder / "valkey.log").write_text("old\n", encoding="utf-8")
    (folder / "valkey.log").chmod(0o644)
    with EmbeddedValkey(folder, "everysec"):
        found = modes(folder)
        assert {mode[-2:] for mode in found.values()} == {"00"}
        assert found["data"] == found["appendonlydir"] == "0o700"
        assert found["valkey.log"] == "0o600"


def test_a_folder_for_other_things_too_is_left_alone(folder: Path) -> None:
    """With a warning: somebody else may need what is in it."""
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "notes.txt").write_text("of somebody", encoding="utf-8")
    (folder / "notes.txt").chmod(0o644)
    with capture_logs() as logs, EmbeddedValkey(folder, "everysec"):
        found = modes(folder)
    assert (found["data"], found["notes.txt"], found["appendonlydir"]) == ("0o755", "0o644", "0o700")
    assert [each["event"] for each in logs] == ["data.readable"]
