"""A rig for each scenario, and the table of all of them at the end."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from bridge.sandbox import running_sandbox
from tests.chaos.rig import PROCESSES, ROWS, SECONDS, SEED, Rig
from tests.chaos.witness import Witness


class MakeRig(Protocol):
    """`async with running_rig() as rig`; `commands`: its processes; `token`: where its token is.

    `patience`: how long a call may take.
    """

    def __call__(
        self, commands: dict[str, str] = ..., token: str = ..., patience: str = ...
    ) -> AbstractAsyncContextManager[Rig]: ...


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="bc-") as name:
        yield Path(name)


@pytest.fixture
def running_rig(folder: Path) -> MakeRig:
    """Return what runs a rig with a sandbox of its own."""

    @asynccontextmanager
    async def run(
        commands: dict[str, str] = PROCESSES, token: str = "", patience: str = "2s"
    ) -> AsyncIterator[Rig]:
        async with running_sandbox(Witness(SEED)) as sandbox:
            assert isinstance(sandbox, Witness)
            rig = Rig(Path(tempfile.mkdtemp(dir=folder)), sandbox, commands)
            rig.rewrite('timeout = "2s"', f'timeout = "{patience}"')
            if token:
                rig.rewrite("env:GITBOOK_TOKEN", token)
            async with rig.running():
                yield rig

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what became of each scenario."""
    if not ROWS:
        return
    write = terminalreporter.write_line
    terminalreporter.section(f"chaos: CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS:g}")
    heads = ("scenario", "events", "answered 200", "kills", "losses", "repeats", "seconds")
    write("{:<46}{:>7}{:>14}{:>7}{:>8}{:>9}{:>9}".format(*heads))
    for row in sorted(ROWS, key=lambda row: row.scenario):
        write(
            f"{row.scenario:<46}{row.events:>7}{row.answered:>14}{row.kills:>7}"
            f"{row.losses:>8}{row.repeats:>9}{row.seconds:>9.1f}"
        )
