"""What both jobs are given: the configuration, the store, the targets' clients, the clock."""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from bridge.directories.base import Directory
from bridge.directories.okta import okta_of
from bridge.settings import Settings, SourceSettings, TargetSettings
from bridge.store.clock import Clock, machine_ms
from bridge.store.epoch import EpochFile, Known
from bridge.store.journal import Journal
from bridge.store.mirror import MirrorStore
from bridge.store.redis import Store
from bridge.store.targets import TargetStore, target_id
from bridge.targets.gitbook import GitBook, gitbook_of
from workers.tallies import Tallies

_DAYS_APART_MS = 86_400_000


@dataclass(slots=True)
class Worker:
    """One worker process.

    `stopping` is set when it is asked to end: jobs end at their next step; `calling`: what calls under
    way are about; `greeted`: targets that were
    looked at since the start; `walked`: how far each hash was looked through for what is over;
    `tallies`: what was counted and Redis does not know yet; `clock`: unix ms, of what is stored;
    `signing_clock`: unix seconds, told to those who compare it with a clock of their own; `known`: what is
    remembered of the data, None until they were taken up; `file`: where that is kept outside of Redis.
    """

    settings: Settings
    store: Store
    clock: Callable[[], int] = machine_ms
    signing_clock: Callable[[], float] = time.time
    name: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}")
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    clients: dict[str, GitBook] = field(default_factory=dict)
    readers: dict[str, Directory] = field(default_factory=dict)
    calling: set[tuple[str, str]] = field(default_factory=set)
    greeted: set[str] = field(default_factory=set)
    walked: dict[str, int] = field(default_factory=dict)
    tallies: Tallies = field(default_factory=Tallies)
    known: Known | None = None
    file: EpochFile | None = None
    log: structlog.stdlib.BoundLogger = field(default_factory=structlog.get_logger)

    @property
    def clocks_are_days_apart(self) -> bool:
        """True while this machine's clock and Redis' differ so much that nobody can say what is old."""
        return isinstance(self.clock, Clock) and abs(self.clock.ahead) > _DAYS_APART_MS

    @property
    def journal(self) -> Journal:
        """The journal."""
        return Journal(self.store)

    @property
    def mirror(self) -> MirrorStore:
        """The mirror."""
        return MirrorStore(self.store)

    def target(self, ident: str) -> TargetSettings | None:
        """Return the configured target of this id, None when it was taken out of the config."""
        return next((target for target in self.settings.targets if target_id(target) == ident), None)

    def targets_of(self, directory: str) -> list[TargetStore]:
        """Return the targets that follow a directory, by its configured name."""
        return [TargetStore(self.store, target_id(each)) for each in self.settings.targets_of(directory)]

    def client(self, target: TargetSettings) -> GitBook:
        """Return the target's client, made once for each process: it remembers the target's limits."""
        ident = target_id(target)
        if ident not in self.clients:
            client = gitbook_of(target)
            client.clock = lambda: self.clock() / 1000
            self.clients[ident] = client
        return self.clients[ident]

    def reader(self, source: SourceSettings) -> Directory:
        """Return the API behind a source, made once for each process: it remembers its limits."""
        if source.name not in self.readers:
            self.readers[source.name] = client = okta_of(source)
            client.clock = lambda: self.clock() / 1000
            client.after_call = lambda call: self.log.info(
                "directory.call", source=source.name, path=call.path, status=call.status,
                milliseconds=round(call.seconds * 1000),
            )  # fmt: skip
        return self.readers[source.name]

    async def tell_tallies(self) -> None:
        """Tell Redis what was counted; what it does not take is told the next time."""
        await self.tallies.tell(self.store, self.clients)

    async def close(self) -> None:
        """Close the clients and the store."""
        for client in self.clients.values():
            await client.close()
        for reader in self.readers.values():
            await reader.close()
        await self.store.close()
