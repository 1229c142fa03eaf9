"""The demo: a whole installation on this machine, and a story told to it by signed webhooks.

`async with running_demo() as demo:` starts the GitBook sandbox in this process and `bridge run` (receiver,
worker, embedded Valkey) as a child, all in a temporary folder; `await demo.play(step)` sends one step's
events and waits until they are applied. At the end nothing is left: no process, no file.
"""

import asyncio
import hmac
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from bridge.commands.status import read_status
from bridge.sandbox import Sandbox, running_sandbox
from bridge.settings import Settings, read_settings
from bridge.store.redis import STORE_ERRORS, Store, open_store
from bridge.store.targets import TargetStore, target_id
from bridge.supervised import SUPERVISED
from bridge.supervisor import bridge_command

START_SECONDS = 30.0
STEP_SECONDS = 10.0
STOP_SECONDS = 15.0
_POLL = 0.02
_LOG_LINES = 15
_LONGEST_TEMP = 60  # bytes; a socket's path must stay below 100
OWNER = "owner@acme.test"
LOG = "bridge.log"

_CONFIG = """\
[redis]
url = "embedded"
data_dir = "data"

[receiver]
port = {port}

[[sources]]
name = "okta"
kind = "okta-workflows"
auth = "hmac"
secrets = ["file:okta.secret"]

[[targets]]
name = "docs"
api_url = "{api_url}"
organization = "acme"
token = "file:gitbook.token"
mode = "apply"

[[targets.teams]]
group = "*"

[[targets.roles]]
group = "Editors"
role = "edit"
"""


class DemoError(Exception):
    """The demo cannot go on; the text says why, with the last lines of its log."""


Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens in the directory, and what must come of it.

    `roles`: every member's e-mail with the role; `teams`: every title with its members' e-mails;
    `repeated`: how many of the events were sent before.
    """

    event: str
    told: str
    sends: tuple[Event, ...]
    roles: Mapping[str, str]
    teams: Mapping[str, set[str]]
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step.

    `calls`: "METHOD /path" of each that writes; `reads`: how many only read; `names`: e-mails and titles
    by the ids that stand in paths; `missing`: what was not applied.
    """

    step: Step
    calls: list[str]
    reads: int
    roles: dict[str, str]
    teams: dict[str, set[str]]
    milliseconds: float
    names: dict[str, str]
    missing: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return what `bridge demo --json` prints of it."""
        return {
            "event": self.step.event,
            "sent": [event["event"] for event in self.step.sends],
            "calls": self.calls,
            "reads": self.reads,
            "members": sorted(self.roles),
            "teams": sorted(self.teams),
            "milliseconds": round(self.milliseconds, 1),
        }


# the story

_ANA = {"id": "00u1", "email": "ana@acme.test", "first_name": "Ana", "last_name": "Ng", "active": True}
_BEN = {"id": "00u2", "email": "ben@acme.test", "first_name": "Ben", "last_name": "Oz", "active": True}
_CLEO = {"id": "00u3", "email": "cleo@acme.test", "first_name": "Cleo", "last_name": "Rey", "active": True}
_WRITERS, _EDITORS = {"id": "00g1", "name": "Writers"}, {"id": "00g2", "name": "Editors"}


def _event(name: str, user: Event | None = None, group: Event | None = None, **more: str) -> Event:
    parts = {"user": user, "group": group}
    return {"event": name, **more, **{key: part for key, part in parts.items() if part}}


def _everyone(**roles: str) -> dict[str, str]:
    return {OWNER: "admin"} | {f"{name}@acme.test": role for name, role in roles.items()}


def _team(*names: str) -> set[str]:
    return {f"{name}@acme.test" for name in names}


_BACK = _event("user.updated", _CLEO, id="evt-cleo-is-back")
STORY = (
    Step(
        "a group",
        "The group Writers is made. Nobody is in it yet, so there is nothing to do at GitBook.",
        (_event("group.created", group=_WRITERS),),
        _everyone(),
        {},
    ),
    Step(
        "a joiner",
        "Ana starts work and is put into Writers: she is invited, and the team is made with her in it.",
        (_event("user.created", _ANA), _event("group.user_added", _ANA, _WRITERS)),
        _everyone(ana="read"),
        {"Writers": _team("ana")},
    ),
    Step(
        "two joiners",
        "Ben and Cleo start work; four events in one delivery need one invite and one change of the team.",
        (
            _event("user.created", _BEN),
            _event("user.created", _CLEO),
            _event("group.user_added", _BEN, _WRITERS),
            _event("group.user_added", _CLEO, _WRITERS),
        ),
        _everyone(ana="read", ben="read", cleo="read"),
        {"Writers": _team("ana", "ben", "cleo")},
    ),
    Step(
        "a mover",
        "Ben changes to Editors: he changes teams, and a role rule lets him edit.",
        (
            _event("group.created", group=_EDITORS),
            _event("group.user_removed", _BEN, _WRITERS),
            _event("group.user_added", _BEN, _EDITORS),
        ),
        _everyone(ana="read", ben="edit", cleo="read"),
        {"Writers": _team("ana", "cleo"), "Editors": _team("ben")},
    ),
    Step(
        "a renamed group",
        "Writers are called Authors now: the team keeps its members and gets the new name.",
        (_event("group.updated", group={"id": "00g1", "name": "Authors"}),),
        _everyone(ana="read", ben="edit", cleo="read"),
        {"Authors": _team("ana", "cleo"), "Editors": _team("ben")},
    ),
    Step(
        "a deactivated person",
        "Cleo is deactivated: she loses her membership and frees a paid seat.",
        (_event("user.updated", {**_CLEO, "active": False}),),
        _everyone(ana="read", ben="edit"),
        {"Authors": _team("ana"), "Editors": _team("ben")},
    ),
    Step(
        "a reactivated person",
        "Cleo is active again: she is invited again, and has her team back.",
        (_BACK,),
        _everyone(ana="read", ben="edit", cleo="read"),
        {"Authors": _team("ana", "cleo"), "Editors": _team("ben")},
    ),
    Step(
        "a repeated delivery",
        "The sender repeats its last delivery, as senders do: it is recognised, and nothing happens.",
        (_BACK,),
        _everyone(ana="read", ben="edit", cleo="read"),
        {"Authors": _team("ana", "cleo"), "Editors": _team("ben")},
        repeated=1,
    ),
    Step(
        "a leaver",
        "Ben leaves for good: his membership is removed, and he is out of every team.",
        (_event("user.deleted", {"id": "00u2", "email": "ben@acme.test"}),),
        _everyone(ana="read", cleo="read"),
        {"Authors": _team("ana", "cleo"), "Editors": set()},
    ),
    Step(
        "a deleted group",
        "Editors is deleted: its team is empty and was made by the bridge, so it goes, too.",
        (_event("group.deleted", group=_EDITORS),),
        _everyone(ana="read", cleo="read"),
        {"Authors": _team("ana", "cleo")},
    ),
)


# the installation


class Demo:
    """A running installation. `url`: its receiver; `secret_file`: what its webhooks are signed with."""

    def __init__(self, folder: Path, settings: Settings, sandbox: Sandbox, store: Store) -> None:
        """`folder`: where all its files are."""
        self.sandbox = sandbox
        self.url = f"http://127.0.0.1:{settings.receiver.port}"
        self.secret_file = folder / "okta.secret"
        self._settings = settings
        self._store = store
        self._log = folder / LOG
        self._client = httpx.AsyncClient(timeout=5, trust_env=False)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()
        await self._store.close()

    async def play(self, step: Step) -> Outcome:
        """Send a step's events, signed, and wait until they are applied, or STEP_SECONDS have passed."""
        names, before, began = self.names(), len(self.sandbox.calls), time.perf_counter()
        problems = await self._send(step)
        if not problems:
            problems = await self._applied(step, began + STEP_SECONDS)
        took = time.perf_counter() - began
        calls = self.sandbox.calls[before:]
        writes = [call.line for call in calls if call.method != "GET"]
        roles = {email: member.role or "guest" for email, member in self.sandbox.members().items()}
        reads, names = len(calls) - len(writes), names | self.names()
        return Outcome(step, writes, reads, roles, self.sandbox.teams(), took * 1000, names, problems)

    def names(self) -> dict[str, str]:
        """Return e-mails and titles by their ids."""
        state = self.sandbox.state
        titles = {team.id: team.title for team in state.teams.values()}
        return titles | {ident: email for email, ident in state.accounts.items()}

    async def _send(self, step: Step) -> list[str]:
        """Post the events as one signed delivery; return what was wrong with the answer."""
        body, now = orjson.dumps(step.sends), str(int(time.time()))
        secret = self.secret_file.read_text(encoding="utf-8").strip()
        digest = hmac.digest(secret.encode(), f"{now}.".encode() + body, "sha256").hex()
        headers = {"X-Bridge-Timestamp": now, "X-Bridge-Signature": f"v1={digest}"}
        wanted = {"accepted": len(step.sends) - step.repeated, "duplicates": step.repeated}
        try:
            answer = await self._client.post(f"{self.url}/webhooks/okta", content=body, headers=headers)
        except httpx.HTTPError as error:
            return [f"the receiver did not answer: {type(error).__name__}"]
        if answer.status_code != 200 or answer.json() != wanted:
            return [f"the receiver answered {answer.status_code} {answer.text[:200]}"]
        return []

    async def _applied(self, step: Step, deadline: float) -> list[str]:
        """Wait until GitBook is as it should be and nothing is under way; return what is missing."""
        while True:
            missing = self._differences(step)
            missing = missing or await self._unsettled()
            if not missing:
                return []
            if time.perf_counter() > deadline:
                return missing + await self._stuck()
            await asyncio.sleep(_POLL)

    def _differences(self, step: Step) -> list[str]:
        roles = {email: member.role for email, member in self.sandbox.members().items()}
        wanted, found = dict(step.roles), self.sandbox.teams()
        problems = [] if roles == wanted else [f"members should be {wanted}, and are {roles}"]
        return problems + ([] if found == step.teams else [f"teams should be {step.teams}, and are {found}"])

    async def _unsettled(self) -> list[str]:
        try:
            status = await read_status(self._settings, self._store)
        except STORE_ERRORS as error:
            return [f"Valkey does not answer: {type(error).__name__}"]
        rows = [status["journal"]["pending"], *(status["targets"]["docs"][key] for key in ("due", "running"))]
        return [f"still under way: {status}"] if any(rows) else []

    async def _stuck(self) -> list[str]:
        """Return what is held or given up, with the reasons."""
        target = TargetStore(self._store, target_id(self._settings.targets[0]))
        try:
            held = [*(await target.parked()).values(), *(await target.dead()).values()]
        except STORE_ERRORS:
            return []
        return [f"{each.change}: {each.reason}" for each in held]

    async def has_console(self) -> bool:
        """Tell whether the operators' pages are there."""
        with suppress(httpx.HTTPError):
            return (await self._client.get(f"{self.url}/console", follow_redirects=True)).is_success
        return False

    async def started(self, child: asyncio.subprocess.Process) -> None:
        """Wait until receiver and worker are up. Raises DemoError when they do not come up."""
        deadline = time.perf_counter() + START_SECONDS
        while not (await self._ready() and await self._working()):
            if child.returncode is not None:
                raise DemoError(f"`bridge run` ended with {child.returncode}\n{self.log_tail()}")
            if time.perf_counter() > deadline:
                raise DemoError(f"`bridge run` is not up after {START_SECONDS:.0f} s\n{self.log_tail()}")
            await asyncio.sleep(_POLL)

    async def _ready(self) -> bool:
        with suppress(httpx.HTTPError):
            return (await self._client.get(f"{self.url}/readyz")).is_success
        return False

    async def _working(self) -> bool:
        with suppress(*STORE_ERRORS):
            return int((await read_status(self._settings, self._store))["workers"]) > 0
        return False

    def log_tail(self) -> str:
        """Return the last lines of what the processes logged; of long ones both ends."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        short = (line if len(line) < 400 else f"{line[:150]} ... {line[-240:]}" for line in lines)
        return "\n".join(short)


@asynccontextmanager
async def running_demo() -> AsyncIterator[Demo]:
    """Start it all, and end it all. Raises DemoError when it does not come up."""
    sandbox = Sandbox("acme", secrets.token_urlsafe(16), owner=OWNER)
    with _temporary_folder() as folder:
        async with running_sandbox(sandbox):
            settings = _write_config(folder, sandbox)
            demo = Demo(folder, settings, sandbox, open_store(settings.redis))
            try:
                async with _bridge_run(folder) as child:
                    await demo.started(child)
                    yield demo
            finally:
                await demo.close()


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    usual = tempfile.gettempdir()
    base = "/tmp" if len(os.fsencode(usual)) > _LONGEST_TEMP else usual  # noqa: S108 - mkdtemp makes it safe
    folder = Path(tempfile.mkdtemp(prefix="bridge-demo-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _bridge_run(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `bridge run` in a session of its own, so that Ctrl-C reaches us alone; end it with us."""
    child = await _launch(folder)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            child.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), STOP_SECONDS)
        if child.returncode != 0:  # it may have left children behind
            with suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()


async def _launch(folder: Path) -> asyncio.subprocess.Process:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("BRIDGE_")}
    with (folder / LOG).open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *bridge_command("run", "-c", str(folder / "bridge.toml")),
            stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, cwd=folder,
            env={**environment, SUPERVISED: "1"},
        )  # fmt: skip


def _write_config(folder: Path, sandbox: Sandbox) -> Settings:
    for name, text in (("okta.secret", secrets.token_urlsafe(24)), ("gitbook.token", sandbox.token)):
        (folder / name).touch(0o600)
        (folder / name).write_text(text, encoding="utf-8")
    config = folder / "bridge.toml"
    config.write_text(_CONFIG.format(port=_free_port(), api_url=sandbox.url), encoding="utf-8")
    return read_settings(config)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
