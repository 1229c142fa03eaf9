"""A storm: two directories, two targets that fail in every way, and a rig whose every part is hurt."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.sandbox import running_sandbox
from bridge.sandbox.calls import Call
from bridge.sandbox.faults import NextFault
from tests.chaos.oracle import RESIDENTS, Company, Rules, There, differences, work_out
from tests.chaos.rig import PROCESSES, SEED, Rig
from tests.chaos.witness import LATENCY, Witness

BURST, PAUSE = 30, 0.25  # events that come at once, and seconds until the next ones
MOST_OPEN = 200  # events that were not answered yet: more are not handed to the senders
_LEAD = 600_000  # ms by which the directories' clocks are behind, so that no event lies ahead of its arrival
_KEPT = 1000  # calls that a target remembers
_READS, _WRITES = 0.05, 0.25  # how many of them fail
_LATE = (4.0, 9.0)  # seconds until a call takes effect that was given up
_SPELLS = ("429", "503", "reset", "hang", "rejected_token", "organization_gone")
_SINGLE = (*("500", "502", "503", "504", "not_json", "truncated") * 2, *("reset",) * 8, "hang")
_LULL = 0.1  # the last of all events come slowly, and nothing is killed any more, but calls still fail
_BETWEEN = (100, 300)  # events that are answered between one hurt and the next
_HURT = ("serve", "valkey", "worker", "worker", "caller", "caller", "freeze", "freeze", "freeze")

_MORE = """
[[targets.roles]]
group = "Editors"
role = "edit"

[[targets]]
name = "wiki"
api_url = "{url}"
organization = "acme"
timeout = "2s"
token = "env:GITBOOK_TOKEN"
mode = "apply"
default_role = "comment"

[targets.members]
groups = ["Guild"]

[[targets.teams]]
group = "*ers"

[[targets.teams]]
group = "Docs"
team = "Handbook"

[[targets.roles]]
group = "Docs"
role = "review"

[targets.guard]
max_removals = 100000
max_removal_percent = 100
team_max_removal_percent = 100

[[sources]]
name = "jackson"
kind = "jackson"
tolerance = "24h"
secrets = ["env:JACKSON_SECRET"]
"""

DOCS = Rules("", lambda name: {name}, lambda names: "edit" if "Editors" in names else "read")
WIKI = Rules(
    "Guild",
    lambda name: {"Handbook"} if name == "Docs" else {name} if name.endswith("ers") else set(),
    lambda names: "review" if "Docs" in names else "comment",
)


class Stormy(Witness):
    """A target whose calls fail in every way while `storming`.

    `total`: calls; `failed`: how many of them failed, `lately`: how many took effect seconds after.
    """

    def __init__(self, seed: int) -> None:
        """`seed`: of its ids and its weather."""
        super().__init__(seed)
        self.storming, self.total, self.failed, self.lately = False, 0, 0, 0
        self._chance = random.Random(seed)

    def record(self, call: Call) -> None:
        """Keep the newest calls only."""
        super().record(call)
        self.total += 1
        del self.calls[:-_KEPT]

    def fault_for(self, call: Call) -> NextFault | None:
        """Return what becomes of a call; most of those that change something take effect all the same."""
        if spell := super().fault_for(call):
            self.failed += 1
            return spell
        if not self.storming or self._chance.random() > (_READS if call.method == "GET" else _WRITES):
            return None
        self.failed += 1
        fault, how = self._chance.choice(_SINGLE), self._chance.choice(["not", "after", "late", "late"])
        if call.method == "GET" or how == "not":
            return NextFault(fault)
        if how == "after":
            return NextFault(fault, after=True)
        self.lately += 1
        return NextFault(fault, late=True, delay=self._chance.uniform(*_LATE))

    async def spells(self) -> None:
        """Let spells in which all calls fail come and go until it is cancelled."""
        try:
            while True:
                await asyncio.sleep(self._chance.uniform(10, 30))
                spell, length = self._chance.choice(_SPELLS), self._chance.uniform(0.3, 2)
                fault = {spell: True} if "_" in spell else {"always": spell}
                self.inject(**fault, retry_after=1 if spell == "429" else None)
                await asyncio.sleep(length)
                self.heal()
                self.inject(latency=LATENCY)
        finally:
            self.heal()
            self.inject(latency=LATENCY)

    def there(self) -> There:
        """Return what it has, without the token's owner."""
        mine = self.owner.email
        roles = {email: member.role or "guest" for email, member in self.members().items() if email != mine}
        return There(roles, self.team_list())


class Storm(Rig):
    """A rig with two of each. `docs`, `wiki`: its targets."""

    def __init__(self, folder: Path, docs: Stormy, wiki: Stormy) -> None:
        """Nothing runs yet."""
        super().__init__(folder, docs, PROCESSES, more=_MORE.format(url=wiki.url))
        self.docs, self.wiki = docs, wiki
        now = int(time.time() * 1000) - _LEAD
        self.companies = [Company(name, SEED, now) for name in ("okta", "jackson")]
        self._handed = dict.fromkeys(("okta", "jackson"), 0)

    async def blow(self, events: int) -> None:
        """Let the companies live until they have told of so many events, while everything is hurt."""
        targets = (self.docs, self.wiki)
        for target in targets:
            target.storming = True
        hurting = [asyncio.create_task(each) for each in (*(t.spells() for t in targets), self._hurt())]
        try:
            await self._live(events * (1 - _LULL), BURST, hurting)
        finally:
            for task in hurting:
                task.cancel()
            await asyncio.gather(*hurting, return_exceptions=True)
        await self._live(events, BURST // 6, ())  # so that each thing is done before the next, and calls fail
        for target in targets:
            target.storming = False

    async def _live(self, events: float, burst: int, meanwhile: Iterable[asyncio.Task[None]]) -> None:
        """Tell on until there were so many events; what goes on meanwhile may not fail."""
        while self.senders.sent < events:
            for _ in range(burst if self.senders.open < MOST_OPEN else 0):
                self.chance.choice(self.companies).live()
            self.tell()
            for task in meanwhile:
                if task.done():
                    task.result()
            await asyncio.sleep(PAUSE)

    def tell(self) -> None:
        """Hand to the senders what has happened, each directory by its own source."""
        for company in self.companies:
            for event in company.told[self._handed[company.name] :]:
                self.senders.hand(event, company.name)
            self._handed[company.name] = len(company.told)

    async def _hurt(self) -> None:
        """Kill and freeze whatever there is, whenever some more events were answered."""
        while True:
            enough = self.senders.answered + self.chance.randint(*_BETWEEN)
            while self.senders.answered < enough:  # noqa: ASYNC110 - it goes by events, not by time
                await asyncio.sleep(0.05)
            await asyncio.sleep(self.chance.uniform(0, 1))
            match self.chance.choice(_HURT):
                case "valkey":
                    self.strike(self.valkey_pid())
                case "worker":
                    self.strike(self.processes[f"worker-{self.chance.randint(1, 3)}"].pid)
                case "caller":
                    if pid := await self.holder(self.chance.randrange(2)):
                        await asyncio.sleep(self.chance.uniform(0, 0.05))  # it calls most of the time
                        self.strike(pid)
                case "freeze":
                    await self._freeze()
                case name:
                    self.strike(self.processes[name].pid)

    async def _freeze(self) -> None:
        """Freeze who holds a lease, for longer than it lasts at times, or else the receiver or Valkey."""
        what = self.chance.choice(["holder", "holder", "serve", "valkey"])
        if what == "holder":
            pid, most = await self.holder(self.chance.randrange(2)), 7.0
        else:
            pid, most = (self.valkey_pid() if what == "valkey" else self.processes["serve"].pid), 2.5
        if pid:
            with self.frozen(pid):
                await asyncio.sleep(self.chance.uniform(0.3, most))

    # the end

    def losses(self) -> list[str]:
        """Return what is not as the events say, and who was removed though they never left."""
        stay = {f"u{number}@acme.test" for number in range(RESIDENTS)}
        wrong = [f"docs: {email} was removed" for email in self.docs.memory.removed if email in stay]
        told = [event for company in self.companies for event in company.told]
        for name, target, rules in (("docs", self.docs, DOCS), ("wiki", self.wiki, WIKI)):
            wrong += [f"{name}: {each}" for each in differences(work_out(told, rules), target.there())]
        return wrong

    async def calm(self, seconds: float) -> None:
        """Wait until nothing takes effect late any more, and then until all is right, or for so long."""
        await self.until(lambda: not self.senders.open, "not answered", seconds)
        await self.until(lambda: not (self.docs.late or self.wiki.late), "still late", 60)
        with contextlib.suppress(AssertionError):
            await self.until(self._is_right, "not right", seconds)

    async def _is_right(self) -> bool:
        await asyncio.sleep(0.5)
        return await self.quiet() and not self.losses()


@asynccontextmanager
async def running_storm(folder: Path) -> AsyncIterator[Storm]:
    """Run a rig between two directories and two targets."""
    docs, wiki = Stormy(SEED), Stormy(SEED + 1000)
    async with running_sandbox(docs), running_sandbox(wiki):
        rig = Storm(folder, docs, wiki)
        async with rig.running():
            yield rig
