"""The process commands of Procfile, Dockerfile and compose.yaml, run for real."""

import json
import os
import re
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import redis

from bridge.descriptors import MOST
from bridge.embedded import EmbeddedValkey
from tests.deploy.places import (
    ROOT,
    Program,
    compose,
    environment,
    free_port,
    image_command,
    is_ready,
    is_running,
    last,
    post_event,
    status,
    wait_until,
    write_config,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with TemporaryDirectory(prefix="bd-") as name:
        yield Path(name)


def works(config: Path, port: int) -> None:
    """The receiver takes an event, and a worker processes it."""
    wait_until(lambda: is_ready(port), "/readyz answers 200")
    assert post_event(port).json() == {"accepted": 1, "duplicates": 0}
    wait_until(lambda: status(config)["journal"]["folded"] == 1, "the event is processed")
    assert status(config)["workers"] >= 1


def test_honcho_runs_the_procfile_as_it_is(folder: Path) -> None:
    """`web` and `worker` share a Redis, and SIGTERM ends all of it."""
    port = free_port()
    with EmbeddedValkey(folder / "data") as valkey:
        config = write_config(folder, f"unix://{valkey.socket}", port)
        honcho = ["honcho", "-f", str(ROOT / "Procfile"), "start"]
        with Program(honcho, folder / "honcho.log", {"BRIDGE_CONFIG": str(config)}) as program:
            works(config, port)
            program.stop()
            pids = [int(pid) for pid in re.findall(r"started \(pid=(\d+)\)", program.lines())]
            assert len(pids) == 2
            wait_until(lambda: not any(is_running(pid) for pid in pids), "its processes end")
        assert status(config)["workers"] == 0
    assert not is_ready(port)


def test_procfile_takes_the_config_of_the_folder_too(folder: Path) -> None:
    """Without $BRIDGE_CONFIG it is ./bridge.toml."""
    port = free_port()
    with EmbeddedValkey(folder / "data") as valkey:
        config = write_config(folder, f"unix://{valkey.socket}", port)
        honcho = ["honcho", "-f", str(ROOT / "Procfile"), "-d", str(folder), "start"]
        with Program(honcho, folder / "honcho.log", {}, folder):
            works(config, port)


def test_what_the_processes_ask_of_the_system(folder: Path) -> None:
    """The receiver has a processor before the worker; both may open as many files as the system grants."""
    port = free_port()
    config = write_config(folder, "embedded", port)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        with Program(image_command(), folder / "run.log", {"BRIDGE_CONFIG": str(config)}, folder):
            works(config, port)
            receiver, worker = process_of(config, "serve"), process_of(config, "workers.main")
            nice = {pid: os.getpriority(os.PRIO_PROCESS, pid) for pid in (receiver, worker)}
            assert nice[worker] > nice[receiver]
            for pid in (receiver, worker):
                assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (min(hard, MOST), hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def process_of(config: Path, word: str) -> int:
    """Return the process that has a word and the configuration in its command."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().decode().split("\0")
        if word in words and str(config) in words:
            found.append(int(path.parent.name))
    [pid] = found
    return pid


def test_image_runs_everything_by_itself(folder: Path) -> None:
    """ENTRYPOINT and CMD start receiver, worker and Valkey; HEALTHCHECK tells when it is ready."""
    port = free_port()
    config = write_config(folder, "embedded", port)
    with Program(image_command(), folder / "run.log", {"BRIDGE_CONFIG": str(config)}, folder) as program:
        works(config, port)
        assert healthcheck(port) == 0
        assert program.stop() == 0
    assert healthcheck(port) != 0


def healthcheck(port: int) -> int:
    """Run the image's HEALTHCHECK against a port of the test's own; return its exit code."""
    options, _, command = last("HEALTHCHECK").partition("CMD ")
    words = [word.replace(":8080/", f":{port}/") for word in json.loads(command)]
    assert "--timeout" in options
    return subprocess.run(words, env=environment(), capture_output=True, check=False).returncode


def valkey_command(folder: Path) -> list[str]:
    """The command of compose's Valkey, with the embedded one's program, on a socket in the folder."""
    name, *options = compose()["services"]["valkey"]["command"]
    assert name == "valkey-server"
    place = ["--port", "0", "--unixsocket", str(folder / "valkey.sock"), "--dir", str(folder)]
    return [EmbeddedValkey(folder)._command()[0], *options, *place]


def test_compose_services_work_together(folder: Path) -> None:
    """The commands of `valkey`, `web` and `worker`: an event goes through, and SIGTERM ends each cleanly."""
    services, port = compose()["services"], free_port()
    config = write_config(folder, f"unix://{folder / 'valkey.sock'}", port)
    web, worker = (image_command(services[name]["command"]) for name in ("web", "worker"))
    variables = {"BRIDGE_CONFIG": str(config)}
    with Program(valkey_command(folder), folder / "valkey.log", {}):
        client: Any = redis.Redis(unix_socket_path=str(folder / "valkey.sock"), decode_responses=True)
        wait_until(lambda: (folder / "valkey.sock").exists() and client.ping(), "Valkey answers")
        with (
            Program(web, folder / "web.log", variables, folder) as receiving,
            Program(worker, folder / "worker.log", variables, folder) as working,
        ):
            works(config, port)
            assert [receiving.stop(), working.stop()] == [0, 0]
        keeps = ("appendonly", "appendfsync", "maxmemory-policy", "save")
        assert [client.config_get(key)[key] for key in keeps] == ["yes", "always", "noeviction", ""]
        client.close()
