"""Data as a version of the bridge wrote them, in a file that people can read; and the organisation beside.

`python -m tests.store.older_data` writes the file of the version that is installed. It is kept as it is: what
comes later has to read it (tests/store/test_older_data.py).
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.embedded import EmbeddedValkey
from bridge.sandbox import Sandbox
from bridge.sandbox.state import Member, Team
from bridge.scim.rows import Row
from bridge.scim.shelf import Shelf
from bridge.settings import RedisSettings
from bridge.store.dead_letters import dead_letters_key
from bridge.store.redis import Store, open_store
from bridge.store.schema import prepare_schema
from tests.workers.world import DAY, HOUR, World, address, playing

FILE = Path(__file__).with_name("data") / "schema-1.json"
BEGAN = 2_500_000_000_000  # unix ms, in 2049: behind all that anybody marks by the real clock
PREFIX, TARGET = "@prefix@", "@target@"  # in place of those names, which differ from run to run
_PASSING = (":lease:", ":bell:", ":queue", ":rings", ":probe")
_READS = {
    "string": ("GET",), "hash": ("HGETALL",), "set": ("SMEMBERS",), "list": ("LRANGE", 0, -1),
    "zset": ("ZRANGE", 0, -1, "WITHSCORES"), "stream": ("XRANGE", "-", "+"),
}  # fmt: skip


async def tell_story(world: World) -> None:
    """Let there be something of everything: held, decided, given up, unresolved, deleted, not folded yet."""
    world.now_ms[0] = BEGAN
    await prepare_schema(world.store)
    world.configure(
        guard={"max_removals": 1, "max_removal_percent": 0},
        roles=[{"group": "Editors", "role": "edit"}, {"group": "Admins", "role": "admin"}],
    )
    await world.hire("ana", "bo", "cy", "di", "eve", "fay", "gil")
    await world.group("g1", "Writers", "ana", "bo", "cy")
    await world.group("g2", "Editors", "cy", "eve")
    await world.group("g3", "Admins", "di")
    await world.add("g1", "nobody")
    await world.settle()
    world.sandbox.state.join("sam@acme.test", "read")
    world.sleep(HOUR)
    await world.fire("bo")
    await world.settle()
    await world.fire("cy", "eve")
    await world.settle()
    await world.reject("m:eve", until=world.now + 30 * DAY)
    await world.settle()
    await world.tell("user.updated", ("fay", address("fay.ng"), True))
    await world.take_out("g1", "ana")
    await world.settle()
    await _give_up(world)
    await _set_aside(world)
    await _by_scim(world.store)
    world.sleep(DAY)
    await world.hire("hal")  # not folded yet
    await world.fire("gil")


async def _give_up(world: World) -> None:
    """GitBook refuses somebody."""
    world.sandbox.inject(bad_addresses=["ivo@acme.test"])
    await world.hire("ivo")
    await world.settle()
    world.sandbox.heal()


async def _set_aside(world: World) -> None:
    """An event is a dead letter."""
    [(ident, _)] = await world.store.call("XRANGE", world.journal.key("okta"), "-", "+", "COUNT", 1)
    await world.store.call("HSET", dead_letters_key(world.store, "okta"), ident, "the bridge fails at it")


async def _by_scim(store: Store) -> None:
    """A source of that kind has a user in a group."""
    shelf = Shelf(store, "idp")
    user = Row("User", "usr_" + "a" * 32, {"userName": "una@acme.test", "active": True}, 1, 1000, 1000)
    group = Row("Group", "grp_" + "b" * 32, {"displayName": "Readers"}, 2, 2000, 2000)
    for command in (*shelf.put(user, None), *shelf.put(group, None), *shelf.regroup(group.id, [user.id], [])):
        await store.call(*command)


async def write_down(world: World) -> dict[str, Any]:
    """Return all that is under the prefix, and the organisation."""
    keys = [key async for key in _keys(world.store)]
    rows = {}
    for key in sorted(keys):
        kind = await world.store.call("TYPE", key)
        word, *rest = _READS[kind]
        value = await world.store.call(word, key, *rest)
        rows[key] = [kind, await world.store.call("PTTL", key), sorted(value) if kind == "set" else value]
    state = world.sandbox.state
    organisation = {
        "members": [asdict(each) for each in state.members.values()],
        "teams": [asdict(each) for each in state.teams.values()], "accounts": state.accounts,
    }  # fmt: skip
    whole = {"now": world.now, "target": world.target, "organisation": organisation, "keys": rows}
    text = orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
    found: dict[str, Any] = orjson.loads(text.replace(world.store.prefix, PREFIX).replace(world.id, TARGET))
    return found


async def _keys(store: Store) -> Any:
    cursor = 0
    while True:
        cursor, keys = await store.call("SCAN", cursor, "MATCH", f"{store.prefix}:*", "COUNT", 1000)
        for key in keys:
            if not any(part in key for part in _PASSING):
                yield key
        cursor = int(cursor)
        if not cursor:
            return


async def take_up(world: World) -> None:
    """Put the file's data into a world that has none, an hour later."""
    told = orjson.loads(FILE.read_bytes())
    world.configure(**told["target"])
    text = orjson.dumps(told).decode().replace(PREFIX, world.store.prefix).replace(TARGET, world.id)
    whole = orjson.loads(text)
    world.now_ms[0] = whole["now"] + HOUR
    _fill(world.sandbox, whole["organisation"])
    for key, (kind, ttl, value) in whole["keys"].items():
        await world.store.calls(list(_restored(key, kind, ttl, value)))


def _fill(sandbox: Sandbox, told: dict[str, Any]) -> None:
    """Let an organisation have these members and teams besides the owner of its own token."""
    state, owner = sandbox.state, sandbox.owner
    for row in told["members"]:
        if row["email"] != owner.email:
            state.members[row["id"]] = Member(**row)
    state.teams = {row["id"]: Team(**row) for row in told["teams"]}
    state.accounts = told["accounts"] | {owner.email: owner.id}
    state._number = max(row["number"] for row in (*told["members"], *told["teams"]))


def _restored(key: str, kind: str, ttl: int, value: Any) -> Iterator[tuple[Any, ...]]:
    match kind:
        case "string":
            yield "SET", key, value
        case "hash":
            yield "HSET", key, *(word for pair in value.items() for word in pair)
        case "set":
            yield "SADD", key, *value
        case "list":
            yield "RPUSH", key, *value
        case "zset":
            yield "ZADD", key, *(word for pair in zip(value[1::2], value[::2], strict=True) for word in pair)
        case "stream":
            for ident, fields in value:
                yield "XADD", key, ident, *(word for pair in fields.items() for word in pair)
    if ttl > 0:
        yield "PEXPIRE", key, ttl


async def _write() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="bv-") as folder,
        EmbeddedValkey(Path(folder), "everysec") as server,
    ):
        settings = RedisSettings(data_dir=server.data_dir, prefix="t0123456789ab")
        store = open_store(settings)
        with pytest.MonkeyPatch.context() as patch:
            async with playing(settings, store, patch) as world:
                await tell_story(world)
                whole = await write_down(world)
        await store.close()
    option = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    await asyncio.to_thread(FILE.write_bytes, orjson.dumps(whole, option=option))


if __name__ == "__main__":
    sys.exit(asyncio.run(_write()))
