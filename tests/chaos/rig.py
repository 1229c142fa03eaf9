"""A bridge of several processes and its Valkey, what starts them again, and ways to hurt them."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from bridge.embedded import EmbeddedValkey
from bridge.store.redis import STORE_ERRORS, Store, open_store
from bridge.store.targets import target_id
from tests.chaos.company import Company, is_resident
from tests.chaos.senders import JACKSON_SECRET, Senders
from tests.chaos.witness import LATENCY, Witness
from tests.e2e.place import Place
from tests.e2e.truth import gaps

SEED = int(os.environ.get("CHAOS_SEED", "1"))
SECONDS = float(os.environ.get("CHAOS_SECONDS", "10"))  # of load in the longest scenario
AWAY = min(30.0, SECONDS / 2)  # seconds without Valkey
RATE = 40.0  # things that happen in the company, a second
END = 60.0  # seconds until all must be right
STORM = int(os.environ.get("CHAOS_STORM", "10000"))  # events of the storm
PROCESSES = {"serve": "serve", "worker-1": "worker", "worker-2": "worker", "worker-3": "worker"}

_MORE = """
[[targets.roles]]
group = "Editors"
role = "edit"

[[sources]]
name = "jackson"
kind = "jackson"
directory = "okta"
tolerance = "2h"
secrets = ["env:JACKSON_SECRET"]
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What one scenario came to; `losses`: differences from the truth, and removals of people who stay."""

    scenario: str
    events: int
    answered: int
    kills: int
    losses: int
    repeats: int
    seconds: float


ROWS: list[Row] = []


class Server(Protocol):
    """A Redis that can be started and stopped."""

    def start(self) -> None:
        """Start it and wait until it can be used."""

    def stop(self) -> None:
        """End it."""

    @property
    def process(self) -> "subprocess.Popen[bytes] | None":
        """The process that holds the data."""


class Rig(Place):
    """The processes of `commands` (name → command) over one Valkey, in an empty folder.

    `valkey`: None when `bridge run` brings its own. `surprises`: processes that ended and were not struck.
    """

    sandbox: Witness

    def __init__(
        self,
        folder: Path,
        sandbox: Witness,
        commands: dict[str, str],
        valkey: Server | None = None,
        url: str = "",
        more: str = _MORE,
    ) -> None:
        """Nothing runs yet. `valkey`: a Redis of another kind, found under `url`; `more`: configuration."""
        own = "run" in commands.values()
        url = url or ("embedded" if own else f"unix://{folder}/data/valkey.sock")
        super().__init__(folder, sandbox, redis=url)
        self.rewrite('organization = "acme"', 'organization = "acme"\ntimeout = "2s"')
        self.config.write_text(self.config.read_text(encoding="utf-8") + more, encoding="utf-8")
        self.env["JACKSON_SECRET"] = os.environ["JACKSON_SECRET"] = JACKSON_SECRET
        self.valkey: Server | None = valkey or (None if own else EmbeddedValkey(folder / "data"))
        self.commands = commands
        self.company = Company(SEED)
        self.senders = Senders(self.port, SEED)
        self.chance = random.Random(SEED)
        self.surprises: list[str] = []
        self.kills = 0
        self.handed = 0
        self._struck: set[int] = set()
        self._began = time.monotonic()
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """Its Redis."""
        self._store = self._store or open_store(self.settings.redis, 2)
        return self._store

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Rig"]:
        """Run everything while the block lasts."""
        if self.valkey:
            await asyncio.to_thread(self.valkey.start)
        for name, command in self.commands.items():
            self.start(command, name)
        keeper = asyncio.create_task(self._keep())
        try:
            await self.ready()
            async with self.senders.running():
                yield self
        finally:
            keeper.cancel()
            self.end()
            if self._store:
                await self._store.close()
            if self.valkey:
                await asyncio.to_thread(self.valkey.stop)

    async def _keep(self) -> None:
        """Be the supervisor: start again what has ended."""
        while True:
            for name, process in list(self.processes.items()):
                if process.poll() is not None:
                    if process.pid not in self._struck:
                        self.surprises.append(f"{name} ended by itself with {process.returncode}")
                    self.start(self.commands[name], name)
            await asyncio.sleep(0.05)

    # hurting

    def strike(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal that ends a process; one that is gone already does not count."""
        self._struck.add(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            self.kills += 1

    def valkey_pid(self) -> int:
        """Return Valkey's process."""
        if self.valkey and self.valkey.process:
            return self.valkey.process.pid
        return int((self.folder / "data" / "valkey.pid").read_text(encoding="utf-8"))

    def children(self, name: str) -> list[int]:
        """Return the processes that a process has started, Valkey left out."""
        pid = self.processes[name].pid
        text = "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
        return [int(word) for word in text.split() if int(word) != self.valkey_pid()]

    async def holder(self, target: int = 0) -> int | None:
        """Return the process that holds a target's lease."""
        key = self.store.key("lease", f"converge:{target_id(self.settings.targets[target])}")
        with contextlib.suppress(*STORE_ERRORS):
            token = await self.store.call("GET", key)
            return int(token.split(" ", 1)[1].split("-")[-2]) if token else None
        return None

    async def deferred(self) -> bool:
        """Tell whether a worker has put off what another's call may still change, and has let it be."""
        key = self.store.key("work", target_id(self.settings.targets[0]))
        return bool(await self.store.call("ZCOUNT", key, f"({time.time() * 1000 + 1000}", "+inf"))

    @contextlib.contextmanager
    def frozen(self, pid: int) -> Iterator[None]:
        """Freeze a process while the block lasts."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        self.kills += 1
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def restart(self) -> None:
        """SIGTERM to all, which must end well within 10 s; then start them again."""
        ending, self.processes = self.processes, {}
        began = time.monotonic()
        for process in ending.values():
            process.send_signal(signal.SIGTERM)
            self.kills += 1
        try:
            codes = [await asyncio.to_thread(process.wait, 20) for process in ending.values()]
        except BaseException:
            self.processes = ending
            raise
        assert {0} == set(codes), dict(zip(ending, codes, strict=True))
        assert time.monotonic() - began < 10
        for name, command in self.commands.items():
            self.start(command, name)
        await self.ready()

    # living

    def tell(self) -> None:
        """Hand to the senders what has happened."""
        for told in self.company.told[self.handed :]:
            self.senders.hand(told)
        self.handed = len(self.company.told)

    async def live(self, until: Callable[[], Any]) -> None:
        """Let the company go on until something holds."""
        while not until():
            self.company.live()
            self.tell()
            await asyncio.sleep(1 / RATE)

    async def live_for(self, seconds: float) -> None:
        """Let the company go on for so long."""
        end = time.monotonic() + seconds
        await self.live(lambda: time.monotonic() >= end)

    async def readiness(self) -> int:
        """Return what /readyz answers, 0 for nothing."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            with contextlib.suppress(httpx.TransportError):
                return (await client.get(f"http://127.0.0.1:{self.port}/readyz")).status_code
        return 0

    # the end

    async def quiet(self) -> bool:
        """Tell whether nothing is pending, due, running or to be looked at again."""
        try:
            status = await self.status()
        except STORE_ERRORS:
            return False
        doing = [
            t[what] for t in status["targets"].values() for what in ("due", "running", "waiting", "dead")
        ]
        return not any((status["journal"]["pending"], *doing))

    def losses(self) -> list[str]:
        """Return what is not as the directory has it, and who was removed though they never left."""
        wrong = [f"{email} was removed" for email in self.sandbox.memory.removed if is_resident(email)]
        return wrong + gaps(self.sandbox, self.company, None)

    async def ends_right(self, scenario: str) -> None:
        """Wait until all was answered and applied; write the row; hold the end against the truth."""
        stuck: list[str] = []
        for holds, what in ((lambda: not self.senders.open, "not answered"), (self.quiet, "not applied")):
            try:
                await self.until(holds, what, END)
            except AssertionError as error:
                stuck.append(f"{error}\n{await self.status()}")
        losses, senders = self.losses(), self.senders
        spent = time.monotonic() - self._began
        ROWS.append(
            Row(
                scenario, senders.sent, senders.answered, self.kills, len(losses), self.sandbox.repeats, spent
            )
        )
        assert [] == stuck
        assert [] == losses
        accepted = (await self.status())["journal"]["accepted"]
        assert senders.sent == senders.answered == accepted, "an event was answered 200 and not stored once"
        assert {429} >= set(senders.refused("okta")), senders.answers
        assert {503} >= set(senders.refused("jackson")), senders.answers
        assert [] == self.surprises

    def heal(self) -> None:
        """End the sandbox's faults."""
        self.sandbox.heal()
        self.sandbox.inject(latency=LATENCY)
