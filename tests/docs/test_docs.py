"""The documents are true: bodies are taken, configurations are read, commands and links are there."""

import re
import shlex
import time
import tomllib
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.core import TyperGroup
from typer.main import get_command

from bridge.cli import app
from bridge.intake import JournalStore
from bridge.receiver import create_app
from bridge.settings import SOURCE_KINDS, Settings, parse_settings
from bridge.sources.base import Playable
from bridge.sources.registry import make_source
from bridge.store.journal import Journal

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
KEY = "dGhlcmU="  # a secret that is one for every kind
INFO_STRINGS = {"json", "toml", "sh", "text"}
NEEDED: dict[str, dict[str, Any]] = {
    "sources": {"name": "other", "kind": "okta-workflows", "secrets": [KEY]},
    "targets": {"name": "docs", "organization": "acme", "token": KEY},
}
BRIDGE = get_command(app)
assert isinstance(BRIDGE, TyperGroup)
COMMANDS = BRIDGE.commands


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block. `kind`: the first word of its info string; `rest`: the others."""

    place: str
    kind: str
    rest: str
    text: str


def fences(kind: str | None = None) -> list[Fence]:
    """The fenced blocks of all pages, or those of one kind."""
    return [fence for page in PAGES for fence in _fences(page) if kind in (None, fence.kind)]


def _fences(page: Path) -> Iterator[Fence]:
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        kind, _, rest = found[1].strip().partition(" ")
        place = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}"
        yield Fence(place, kind, rest.strip(), found[2])


def key_of(name: str) -> str:
    """A secret of its own for each name, in base64 as Standard Webhooks wants it."""
    return b64encode(f"secret {name}".encode()).decode()


def _mapped() -> Iterator[dict[str, Any]]:
    """The sources of the pages that have a map: their bodies are shown under their names."""
    for fence in fences("toml"):
        for source in tomllib.loads(fence.text).get("sources", []):
            if "map" in source:
                yield {**source, "secrets": [key_of(source["name"])]}


SOURCES = Settings.model_validate(
    {
        "sources": [
            {"name": "okta-workflows", "kind": "okta-workflows", "secrets": ["okta-workflows-secret"]},
            {"name": "okta-event-hooks", "kind": "okta-event-hooks", "secrets": ["okta-event-hooks-secret"]},
            {"name": "jackson", "kind": "jackson", "secrets": ["jackson-secret"]},
            {"name": "workos", "kind": "workos", "secrets": ["workos-secret"]},
            {"name": "standard-webhooks", "kind": "standard-webhooks", "secrets": [KEY]},
            *_mapped(),
        ]
    }
)


def name_of(thing: Any) -> str:
    """What a case is called in pytest's output."""
    return thing.place if isinstance(thing, Fence) else str(thing)


def test_every_fence_says_what_it_is() -> None:
    """JSON names its sender; nothing slips past these tests under another name."""
    assert [fence.place for fence in fences() if fence.kind not in INFO_STRINGS] == []
    known = {source.name for source in SOURCES.sources}
    assert [fence.place for fence in fences("json") if fence.rest not in known] == []


# bodies


@asynccontextmanager
async def receiver(journal: Journal) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the receiver over a Valkey of the test's own."""

    @asynccontextmanager
    async def open_journal() -> AsyncIterator[JournalStore]:
        yield journal

    application = create_app(SOURCES, open_journal)
    transport = httpx.ASGITransport(application)
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(transport=transport, base_url="http://bridge.test") as client,
    ):
        yield client


def signed(name: str, body: bytes) -> dict[str, str]:
    """The headers with which the sender of a source proves itself."""
    settings = SOURCES.source(name)
    assert settings
    source = make_source(settings)
    assert isinstance(source, Playable)
    return source.sign(body, int(time.time() * 1000))


@pytest.mark.parametrize("fence", fences("json"), ids=name_of)
async def test_bodies_are_accepted(fence: Fence, journal: Journal) -> None:
    """Each JSON body is answered 200 by the receiver, and all that is in it is stored."""
    body = fence.text.encode()
    async with receiver(journal) as client:
        answer = await client.post(f"/webhooks/{fence.rest}", content=body, headers=signed(fence.rest, body))

    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] >= 1
    assert answer.json().keys() == {"accepted", "duplicates"}
    assert await journal.counters() == (answer.json()["accepted"], 0)


def test_every_kind_of_event_is_shown() -> None:
    """Somebody who builds a flow finds a body for each event that a flow sends."""
    text = "".join(fence.text for fence in fences("json") if fence.rest == "okta-workflows")
    shown = set(re.findall(r'"event": "([a-z._]+)"', text))
    users, groups = {"user.created", "user.updated"}, {"group.created", "group.updated", "group.deleted"}
    assert users | groups | {"group.user_added", "group.user_removed"} <= shown


# configurations


@pytest.mark.parametrize("fence", fences("toml"), ids=name_of)
def test_configurations_are_accepted(fence: Fence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each TOML block is a configuration once the tables that a whole one needs are added."""
    for name in re.findall(r'"env:(\w+)"', fence.text):
        monkeypatch.setenv(name, "https://there.test" if name.endswith("_URL") else key_of(name))
    for name in re.findall(r'"file:([^"]+)"', fence.text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(key_of(name), encoding="utf-8")
    raw = tomllib.loads(fence.text)
    for section, needed in NEEDED.items():
        raw.setdefault(section, [needed])
    assert parse_settings(raw, tmp_path / "bridge.toml").targets


def test_reference_lists_every_key() -> None:
    """docs/configuration.md has a row for each key that deploy/bridge.toml shows."""
    shown = re.findall(
        r"^(?:# )?([a-z_.]+) = ", (ROOT / "deploy" / "bridge.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert set(shown) == set(re.findall(r"`([a-z_.]+)`", "".join(rows)))


# commands


def commands() -> list[tuple[str, str]]:
    """Every `bridge …` command in the documents, with its place: of blocks, and of code in sentences."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = [fence.text for fence in _fences(page) if fence.kind == "sh"]
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        lines = [line.strip() for block in blocks for line in block.splitlines()]
        lines += re.findall(r"`([^`\n]+)`", prose)
        found += [(str(page.relative_to(ROOT)), line) for line in lines if line.startswith("bridge ")]
    return sorted(set(found))


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_exist_with_their_options(page: str, line: str) -> None:
    """What the documents tell people to type is understood."""
    _, name, *words = shlex.split(re.split(r"  #| < ", line)[0])
    command = COMMANDS.get(name)
    if isinstance(command, TyperGroup) and words:
        name = f"{name} {words[0]}"
        command = command.commands.get(words[0])
    assert command, f"{page}: there is no command `bridge {name}`"
    known = {option for parameter in command.params for option in parameter.opts}
    known |= {"--help"}
    assert [word for word in words if re.match("--?[a-z]", word) and word not in known] == []


def test_every_command_is_documented() -> None:
    """None is missing from the documents."""
    told = {words[1] for words in (line.split() for _, line in commands())}
    told |= {" ".join(words[1:3]) for words in (line.split() for _, line in commands())}
    within = {
        f"{name} {inner}"
        for name, command in COMMANDS.items()
        if isinstance(command, TyperGroup)
        for inner in command.commands
    }
    assert (COMMANDS.keys() | within) - told == set()


def test_make_targets_exist() -> None:
    """`make …` in the documents names a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    lines = re.findall(r"^make ([a-z ]+?)(?:  |$)", text, re.MULTILINE) + re.findall(
        r"`make ([a-z ]+)`", text
    )
    assert {word for line in lines for word in line.split()} - targets == set()


# links


def links(page: Path) -> list[str]:
    """The relative links of a page."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings become."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_resolve(page: Path) -> None:
    """Files are there, and so are the headings within them."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(there), f"{page.name}: {link}"


def test_files_and_tests_that_are_named_exist() -> None:
    """`tests/…` and `bridge/…` in the documents are there."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"`((?:tests|bridge|workers|deploy|docs)/[\w./-]+)`", text))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_tests_that_are_named_are_there() -> None:
    """`tests/…/test_x.py::test_y` in the documents is a test, so that what is said to be proved is."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"`(tests/[\w./-]+)::(\w+)`", text))
    assert named
    missing = [
        f"{path}::{name}"
        for path, name in sorted(named)
        if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []


def test_readme_lists_the_kinds_of_this_version() -> None:
    """The table of senders is what the settings accept."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.partition("\n## Senders\n")[2].partition("\n## ")[0]
    assert set(SOURCE_KINDS) == set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)) - {"kind"}
