"""One table for all, and places to measure in."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from bridge.embedded import EmbeddedValkey
from bridge.sandbox import Sandbox
from tests.bench.load import SECRET
from tests.bench.table import Table
from tests.e2e.place import Place, free_port

JACKSON = f'[[sources]]\nname = "jackson"\nkind = "jackson"\nsecrets = ["{SECRET.decode()}"]\n\n'


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """The figures of this run: printed and written at its end."""
    made = Table()
    yield made
    made.write()
    print(f"\n\n{made.text()}\n")


class Bench(ExitStack):
    """Places and processes that end with the test."""

    def place(self, sandbox: Sandbox) -> Place:
        """Return a place with a Jackson source beside the usual one."""
        folder = self.enter_context(tempfile.TemporaryDirectory(prefix="bb-"))
        place = Place(Path(folder), sandbox)
        place.rewrite("[[targets]]\n", f"{JACKSON}[[targets]]\n")
        place.rewrite('mode = "apply"', 'mode = "apply"\ntimeout = "10s"')
        self.callback(place.end)
        return place

    def receiver(self, fsync: str) -> Place:
        """Return a place where `bridge serve` runs, beside a Valkey of its own."""
        place = self.place(Sandbox())
        self.enter_context(EmbeddedValkey(place.folder / "data", fsync))
        place.start("serve")
        wait_for(f"http://127.0.0.1:{place.port}/readyz")
        return place

    def app(self, *words: str) -> int:
        """Start one of `tests.bench.apps` and return its port."""
        port = free_port()
        self.process("tests.bench.apps", words[0], str(port), *words[1:])
        wait_for(f"http://127.0.0.1:{port}/")
        return port

    def process(self, module: str, *words: str, env: dict[str, str] | None = None) -> "subprocess.Popen[str]":
        """Start a module of these tests."""
        command, root = [sys.executable, "-m", module, *words], Path(__file__).parents[2]
        started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=env)
        self.callback(_end, started)
        return started


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    process.wait()
    if process.stdout:
        process.stdout.close()


def wait_for(url: str) -> None:
    """Wait until something answers there."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            if httpx.get(url, trust_env=False).status_code < 500:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


@pytest.fixture
def bench() -> Iterator[Bench]:
    """What is started in it ends with the test."""
    with Bench() as made:
        yield made
