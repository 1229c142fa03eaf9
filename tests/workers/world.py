"""A directory, a worker and GitBook's stand-in over real HTTP, with one clock that a test turns."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from tenacity import wait_none

from bridge.directory.events import (
    DirectoryEvent,
    EventName,
    GroupNews,
    UserNews,
    encode_event,
    make_stamp,
)
from bridge.operators.decisions import write_decision
from bridge.operators.desks import Desk, open_desks
from bridge.plan.held import Decision, Held
from bridge.plan.steps import Plan
from bridge.planning import make_plan
from bridge.sandbox import Sandbox, running_sandbox
from bridge.settings import RedisSettings, Settings, parse_settings
from bridge.store.history import History
from bridge.store.journal import Entry, Journal, Submission
from bridge.store.redis import Store
from bridge.store.targets import MOST_LOOKS, TargetState, TargetStore, target_id
from bridge.store.work import LONGEST_REST_MS
from bridge.targets import gitbook
from bridge.targets.gitbook import GitBook
from workers import converge
from workers.context import Worker
from workers.converge import converge_target
from workers.fold import fold_directory

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
MOST_STEPS = 60  # of one job; more of them is an object that is due again at once for ever
MOST_TURNS = 120
WRITES = "^(POST|PUT|PATCH|DELETE) "


class HotLoopError(AssertionError):
    """Something is due again and again without an end."""


class World:
    """What a test plays with. Times are unix ms; people are named by the part before @acme.test."""

    def __init__(self, redis: RedisSettings, store: Store, sandbox: Sandbox, now: list[int]) -> None:
        self.redis, self.store, self.sandbox, self.now_ms = redis, store, sandbox, now
        self.journal = Journal(store)
        self.workers: list[Worker] = []
        self.target: dict[str, Any] = {"mode": "apply", "teams": [{"group": "*"}], "timeout": "1s"}
        self.sources: list[dict[str, Any]] = [
            {"name": "okta", "kind": "okta-workflows", "secrets": ["okta-secret"]}
        ]
        self.retention: dict[str, Any] = {}
        self.steps, self.most_steps, self.tick = 0, MOST_STEPS, 1
        self.on_step: Callable[[], Awaitable[None]] | None = None
        self.told = 0
        self.settings = self._settings()
        self.worker = self.new_worker()

    # the configuration

    def _settings(self) -> Settings:
        target = {"name": "docs", "api_url": self.sandbox.url, "organization": "acme"}
        target |= {"token": self.sandbox.token} | self.target
        redis = {"url": "embedded", "data_dir": str(self.redis.data_dir), "prefix": self.redis.prefix}
        raw = {"redis": redis, "sources": self.sources, "targets": [target], "retention": self.retention}
        return parse_settings(raw, Path("/nowhere/bridge.toml"))

    def configure(self, **target: Any) -> None:
        """Start a new worker with other settings of the target."""
        self.target |= target
        self.settings = self._settings()
        self.worker = self.new_worker()

    def new_worker(self) -> Worker:
        """Return a process of its own, as far as anybody can tell."""
        worker = Worker(self.settings, self.store, clock=lambda: self.now)
        self.workers.append(worker)
        return worker

    async def close(self) -> None:
        """Close the clients."""
        for worker in self.workers:
            for client in worker.clients.values():
                await client.close()

    @property
    def id(self) -> str:
        """What the target is known as in Redis."""
        return target_id(self.settings.targets[0])

    @property
    def docs(self) -> TargetStore:
        """What is known of the target."""
        return TargetStore(self.store, self.id)

    @property
    def past(self) -> History:
        """What was done there."""
        return History(self.docs, self.settings.retention)

    @property
    def desk(self) -> Desk:
        """Where an operator works on it."""
        return open_desks(self.settings, self.store)["docs"]

    # time

    @property
    def now(self) -> int:
        """The time, unix ms."""
        return self.now_ms[0]

    def sleep(self, milliseconds: int) -> None:
        """Let time pass."""
        self.now_ms[0] += milliseconds

    # the directory

    async def tell(
        self,
        name: str,
        user: tuple[str, str | None, bool | None] | None = None,
        group: tuple[str, str | None] | tuple[str, str | None, tuple[str, ...]] | None = None,
        *,
        directory: str = "okta",
        at: int | None = None,
    ) -> None:
        """Append one event to the journal."""
        self.told += 1
        self.sleep(1)
        event = DirectoryEvent(
            EventName(name), make_stamp(self.now if at is None else at, 0, False),
            UserNews(*user) if user else None, GroupNews(*group) if group else None,
            directory, f"d{self.told}", self.now,
        )  # fmt: skip
        entry = Entry(directory, None, orjson.dumps(encode_event(event)))
        await self.journal.accept([Submission(directory, [entry])])

    async def hire(self, *names: str) -> None:
        """Create users; the id is the name."""
        for name in names:
            await self.tell("user.created", (name, address(name), True))

    async def bury(self, *names: str) -> None:
        """Hire people whose addresses GitBook refuses."""
        self.sandbox.inject(bad_addresses=[address(name) for name in names])
        await self.hire(*names)
        await self.settle()
        self.sandbox.heal()

    async def active(self, name: str, active: bool) -> None:
        """Switch a user on or off."""
        await self.tell("user.updated", (name, None, active))

    async def fire(self, *names: str) -> None:
        """Delete users."""
        for name in names:
            await self.tell("user.deleted", (name, None, None))

    async def group(self, ident: str, name: str, *members: str) -> None:
        """Create a group, or give it another name, and add users to it."""
        await self.tell("group.created", group=(ident, name))
        await self.add(ident, *members)

    async def rename(self, ident: str, name: str) -> None:
        """Give a group another name."""
        await self.tell("group.updated", group=(ident, name))

    async def add(self, group: str, *names: str) -> None:
        """Add users to a group."""
        for name in names:
            await self.tell("group.user_added", (name, None, None), (group, None))

    async def take_out(self, group: str, *names: str) -> None:
        """Take users out of a group."""
        for name in names:
            await self.tell("group.user_removed", (name, None, None), (group, None))

    # the work

    async def fold(self, worker: Worker | None = None) -> None:
        """Fold every journal."""
        for directory in sorted(await self.journal.directories()):
            await fold_directory(worker or self.worker, directory)

    async def converge(self, worker: Worker | None = None) -> None:
        """Let one job look at the target once."""
        self.steps = 0
        await converge_target(worker or self.worker, self.id)

    async def turn(self) -> None:
        """Fold, let the burst of news end, converge."""
        await self.fold()
        self.sleep(200)
        await self.converge()

    async def settle(self, most: int = HOUR) -> None:
        """Fold and converge until nothing is due or backs off, turning the clock on by `most` at most."""
        end = self.now + most
        for _ in range(MOST_TURNS):
            await self.turn()
            following = await self._next_time()
            if following is None or following > end:
                return
            self.sleep(max(0, following - self.now))
        raise HotLoopError("nothing settles")

    async def look_to_the_end(self) -> None:
        """Let so much time pass that nobody looks for calls without a clear end any more."""
        for _ in range(MOST_LOOKS + 1):
            self.sleep(LONGEST_REST_MS)
            await self.settle()

    async def _next_time(self) -> int | None:
        state = await self.docs.state()
        first = await self.store.call("ZRANGE", self.docs.key("work"), 0, 0, "WITHSCORES")
        down = state.state in ("unavailable", "credentials_rejected")
        times = [int(float(first[1]))] if first else []
        return max([*times, *([int(state.resumes_at * 1000) + 1] if down else [])], default=None)

    # people's decisions

    async def decide(self, approved: bool, *objects: str, until: int = 0, why: str = "because") -> None:
        """Approve or reject what is held about these objects ("m:ana"); without any, all that is held."""
        decision = Decision(approved, "boss", self.now, why, until / 1000)
        for held in (await self.docs.parked()).values():
            if not objects or short(held.object) in objects:
                assert await write_decision(self.desk, held, decision)

    async def approve(self, *objects: str) -> None:
        """Approve."""
        await self.decide(True, *objects)

    async def reject(self, *objects: str, until: int = 0) -> None:
        """Reject, until a time if one is given."""
        await self.decide(False, *objects, until=until)

    # looking

    def members(self) -> dict[str, str]:
        """Names and roles of the members, without the token's owner."""
        mine = self.sandbox.owner.email
        return {short(e): m.role or "guest" for e, m in self.sandbox.members().items() if e != mine}

    def teams(self) -> dict[str, set[str]]:
        """Teams and the names of who is in them; two teams of one title are a failure."""
        found = self.sandbox.team_list()
        assert len({title for title, _ in found}) == len(found), "a team is there twice"
        return {title: {short(email) for email in emails} for title, emails in found}

    def writes(self) -> list[str]:
        """The calls so far that change something, without what stands before the noun."""
        return [call.line.replace("/v1/orgs/acme/", "") for call in self.sandbox.calls_like(WRITES)]

    def removals(self) -> int:
        """How many members were asked to be removed."""
        return len(self.sandbox.calls_like("^DELETE .*/members/"))

    async def parked(self) -> dict[str, str]:
        """What is held, and why."""
        return {short(held.object): held.reason for held in (await self.docs.parked()).values()}

    async def held(self, name: str) -> Held:
        """One held item."""
        return next(held for held in (await self.docs.parked()).values() if short(held.object) == name)

    async def dead(self) -> dict[str, str]:
        """What was given up, and why."""
        return {short(name): held.reason for name, held in (await self.docs.dead()).items()}

    async def state(self) -> TargetState:
        """How the target is doing."""
        return await self.docs.state()

    async def due(self) -> list[str]:
        """All objects on the work list, due or not."""
        return [short(name) for name in await self.store.call("ZRANGE", self.docs.key("work"), 0, -1)]

    async def plan(self) -> Plan:
        """What `bridge plan` shows."""
        target = self.settings.targets[0]
        client = GitBook(target.api_url, target.organization, target.token)
        try:
            return await make_plan(self.settings, target, self.docs, client, self.now)
        finally:
            await client.close()


@contextmanager
def on_another_day(world: World, jump: int) -> Iterator[None]:
    """Let the installation's clock be so many ms ahead while the block runs, or behind."""
    world.sleep(jump)
    world.sandbox.skew = -jump / 1000
    try:
        yield
    finally:
        world.sleep(-jump)
        world.sandbox.skew = 0.0


def address(name: str) -> str:
    """The address of a name."""
    return name if "@" in name else f"{name}@acme.test"


def short(text: str) -> str:
    """A text without the domain everybody has."""
    return text.removesuffix("@acme.test")


def counted(
    world: Callable[[], World], step: Callable[..., Awaitable[bool]]
) -> Callable[..., Awaitable[bool]]:
    """Wrap a step of the convergence: time passes with each, and there may not be too many of them."""

    async def stepped(*args: Any) -> bool:
        here = world()
        here.steps += 1
        here.sleep(here.tick)
        if here.on_step:
            await here.on_step()
        if here.steps > here.most_steps:
            raise HotLoopError(f"more than {here.most_steps} steps in one job")
        return await step(*args)

    return stepped


@asynccontextmanager
async def playing(redis: RedisSettings, store: Store, patch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Give a world without anybody but the token's owner; nothing in it waits for the real clock."""
    now = [
        time.time_ns() // 1_000_000 + 30 * DAY
    ]  # what commands mark is marked by the real clock: in the past
    patch.setattr(gitbook, "PATIENCE", 0.0)
    patch.setattr(gitbook, "wait_random_exponential", lambda **_: wait_none())
    patch.setattr(converge, "_NAP", 0.001)
    sandbox = Sandbox("acme", "gb_api_x", clock=lambda: now[0] / 1000)
    async with running_sandbox(sandbox):
        made = World(redis, store, sandbox, now)
        patch.setattr(converge, "_step", counted(lambda: made, converge._step))
        try:
            yield made
        finally:
            await made.close()
