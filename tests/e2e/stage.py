"""One bridge for many senders: a source, a target and a GitBook organisation for each."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson

from bridge.embedded import EmbeddedValkey
from bridge.sandbox import Sandbox, running_sandbox
from tests.directories.fake_okta import FakeOkta, running_okta
from tests.e2e.dialects import Ask, Write
from tests.e2e.place import NO_GUARD, Place

GITBOOK_TOKEN = "sandbox-token-of-the-tests"
SOURCE = """
[[sources]]
name = "{name}"
kind = "{kind}"
secrets = ["env:{secret}"]
targets = ["{name}"]
{more}

[[targets]]
name = "{name}"
api_url = "{api_url}"
organization = "{name}"
token = "env:GITBOOK_TOKEN"
mode = "apply"

[[targets.teams]]
group = "*"

[[targets.roles]]
group = "Editors"
role = "edit"

[targets.guard]
{guard}
"""


@dataclass(frozen=True, slots=True)
class Sender:
    """One of them, and its organisation: both have its name. `more`: lines of its [[sources]] table.

    `write`: its bodies, or else `ask`: its SCIM requests. `tells_time`: no order of deliveries matters.
    `untold`, `guide`, `words`: what it cannot tell, and where our guide says so.
    """

    name: str
    kind: str
    more: str = ""
    write: Write | None = None
    ask: Ask | None = None
    tells_time: bool = True
    untold: str = ""
    guide: str = ""
    words: str = ""

    @property
    def secret(self) -> str:
        """The variable that holds its secret."""
        return self.name.upper().replace("-", "_") + "_SECRET"


@dataclass(frozen=True, slots=True)
class End:
    """What GitBook has: members with role (all by SSO), teams with their people, and who is held."""

    members: dict[str, str]
    teams: dict[str, set[str]]
    held: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook, signed: its repeats are the same."""

    body: bytes
    headers: dict[str, str]


@dataclass
class Stage:
    """The bridge, an organisation for each sender, and Okta's API."""

    place: Place
    gitbooks: dict[str, Sandbox]
    okta: FakeOkta
    http: httpx.AsyncClient
    told: dict[str, list[Delivery]] = field(default_factory=lambda: defaultdict(list))
    idents: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    async def ends(self) -> dict[str, End]:
        """Return what each organisation has now."""
        held: dict[str, set[str]] = {name: set() for name in self.gitbooks}
        for row in orjson.loads(await self.place.run("parked", "--json")):
            held[row["target"]].add(short(row["object"]))
        return {name: end_of(one, held[name]) for name, one in self.gitbooks.items()}

    async def settled(self) -> bool:
        """Tell whether nothing is left to read, to plan or to do."""
        api = (await self.place.status())["sources"]["hooks-and-api"]["api"]
        return not api["unread"] and await self.place.settled()


def short(email: str) -> str:
    """Return an address without its domain."""
    return email.removesuffix("@acme.test")


def end_of(gitbook: Sandbox, held: set[str]) -> End:
    """Return what an organisation has, without the token's owner."""
    members = [one for one in gitbook.members().values() if one.email != gitbook.owner.email]
    assert all(member.sso for member in members)
    teams = {title: {short(one) for one in people} for title, people in gitbook.teams().items()}
    return End({short(one.email): str(one.role) for one in members}, teams, held)


@asynccontextmanager
async def running_stage(folder: Path, senders: Sequence[Sender]) -> AsyncIterator[Stage]:
    """All of it for these senders; the secrets that the configuration names have to be in the environment."""
    async with AsyncExitStack() as stack:
        okta = await stack.enter_async_context(running_okta())
        gitbooks = {
            sender.name: await stack.enter_async_context(running_sandbox(Sandbox(sender.name, GITBOOK_TOKEN)))
            for sender in senders
        }
        parts = [table(sender, gitbooks[sender.name].url, okta.url) for sender in senders]
        place = await stack.enter_async_context(running_place(folder, gitbooks, parts))
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=20))
        yield Stage(place, gitbooks, okta, http)


@asynccontextmanager
async def running_place(
    folder: Path, gitbooks: dict[str, Sandbox], parts: Sequence[str]
) -> AsyncIterator[Place]:
    """A receiver, a worker and a Valkey between them."""
    place = Place(folder, next(iter(gitbooks.values())))
    head = f'[redis]\nurl = "embedded"\ndata_dir = "data"\n\n[receiver]\nport = {place.port}\n'
    place.config.write_text("".join([head, *parts]), encoding="utf-8")
    with EmbeddedValkey(folder / "data", "always"):
        try:
            place.start("serve")
            place.start("worker")
            await place.ready()
            yield place
            assert {"serve": 0, "worker": 0} == place.stop()
        finally:
            place.end()


def table(sender: Sender, api_url: str, okta_url: str) -> str:
    """Return a sender's part of the configuration."""
    more = sender.more.format(okta=okta_url)
    return SOURCE.format(
        name=sender.name, kind=sender.kind, secret=sender.secret, more=more, api_url=api_url, guard=NO_GUARD
    )
