"""Redis does not let the bridge work: it is said before anything waits for it, with what is missing."""

import asyncio
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from bridge.embedded import EmbeddedValkey, server_binary
from bridge.settings import RedisSettings
from bridge.store.journal import Journal
from bridge.store.redis import STORE_ERRORS, open_store
from bridge.store.rights import hindrance
from tests.e2e.place import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedValkey]:
    """A Valkey whose users a test may change."""
    with tempfile.TemporaryDirectory(prefix="bv-") as folder, EmbeddedValkey(Path(folder), "everysec") as one:
        yield one


Answer = Callable[..., "str | None"]


@pytest.fixture
def answer(server: EmbeddedValkey) -> Answer:
    """What is missing for a user with some rules."""

    def ask(*rules: str) -> str | None:
        admin = redis.Redis(unix_socket_path=str(server.socket))
        admin.execute_command("ACL", "SETUSER", "app", "reset", "on", ">pw", *rules)  # type: ignore[no-untyped-call]
        admin.close()
        return asyncio.run(look(f"unix://app:pw@{server.socket}"))

    return ask


async def look(url: str) -> str | None:
    """Ask as this user."""
    store = open_store(RedisSettings(url=url, prefix="bridge"))
    try:
        return await Journal(store).not_ready()
    finally:
        await store.close()


def documented() -> list[str]:
    """The rules that docs/security.md gives."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    words = text.partition("ACL SETUSER bridge ")[2].partition("```")[0].replace("\\\n", " ").split()
    return [word for word in words if word not in ("on", ">SECRET")]


def test_the_documented_rights_are_enough(answer: Answer) -> None:
    """All of them, and no command without one."""
    assert answer(*documented()) is None


@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        (["-info"], "INFO"),
        (["-eval", "-evalsha"], "scripts (EVAL, EVALSHA)"),
        (["-xadd"], "XADD on bridge:probe:…:stream"),
        (["-zinterstore"], "ZINTERSTORE"),
        (["-watch"], "transactions (WATCH, MULTI, EXEC)"),
        (["resetkeys", "~bridge:*"], "PSETEX on arq:job:bridge:…"),
    ],
)
def test_a_missing_right_is_named(answer: Answer, rules: list[str], missing: str) -> None:
    """With the command or the key, and the way out."""
    told = answer(*documented(), *rules)
    assert told
    assert told.startswith("Redis refuses ")
    assert missing in told
    assert "docs/security.md#rights-in-redis" in told


def test_it_leaves_nothing_behind(server: EmbeddedValkey, answer: Answer) -> None:
    """But for the key that told for a minute that Redis stores."""
    admin: Any = redis.Redis(unix_socket_path=str(server.socket), decode_responses=True)
    answer(*documented(), "-unlink")
    assert -1 not in {admin.ttl(key) for key in admin.keys("*")}
    admin.flushall()
    answer(*documented())
    assert admin.keys("*") == ["bridge:probe"]
    admin.close()


@pytest.mark.parametrize(
    ("text", "way_out"),
    [
        ("unknown command 'ZMSCORE', with args beginning with: 'a'", "Redis 6.2 or newer"),
        ("syntax error", "Redis 6.2 or newer"),
        ("MOVED 5798 127.0.0.1:7001", "a Redis cluster cannot be used"),
        (
            "Script attempted to access keys that do not hash to the same slot",
            "a Redis cluster cannot be used",
        ),
        ("This instance has cluster support disabled", "a Redis cluster cannot be used"),
    ],
)
async def test_the_way_out_fits(
    text: str, way_out: str, monkeypatch: pytest.MonkeyPatch, redis_settings: RedisSettings
) -> None:
    """Old versions and clusters, in their own words (Redis 5 and 7)."""
    store = open_store(redis_settings)

    async def calls(commands: list[object], one_by_one: bool) -> list[object]:
        return [redis.exceptions.ResponseError(text), *commands[1:]] if one_by_one else []

    monkeypatch.setattr(store, "calls", calls)
    told = await hindrance(store)
    assert told
    assert way_out in told
    await store.close()


def test_a_cluster_cannot_be_used() -> None:
    """Our scripts and transactions are about many keys: said at once, also by a cluster that is whole."""
    with tempfile.TemporaryDirectory(prefix="bv-") as folder:
        socket = Path(folder) / "valkey.sock"
        command = [
            server_binary(), "--port", str(free_port()), "--bind", "127.0.0.1", "--unixsocket", str(socket),
            "--dir", folder, "--cluster-enabled", "yes", "--save", "", "--appendonly", "yes",
        ]  # fmt: skip
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
            try:
                assert "a Redis cluster cannot be used" in asyncio.run(whole_cluster(f"unix://{socket}"))
            finally:
                running.terminate()


async def whole_cluster(url: str) -> str:
    """Give a cluster of one all slots, and return what is said of it."""
    store = open_store(RedisSettings(url=url, prefix="bridge"))
    try:
        while True:
            try:
                await store.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
                break
            except STORE_ERRORS:
                await asyncio.sleep(0.01)  # until it listens
        while "cluster_state:ok" not in await store.call("CLUSTER", "INFO"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return str(await hindrance(store))
    finally:
        await store.close()
