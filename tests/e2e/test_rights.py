"""A Redis user with the rights that docs/security.md gives, and one with too few."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from bridge.embedded import EmbeddedValkey
from tests.e2e.place import Place, event, user
from tests.store.test_rights import documented


@pytest.fixture
def valkey() -> Iterator[EmbeddedValkey]:
    """A Valkey whose users a test may change."""
    with tempfile.TemporaryDirectory(prefix="bv-") as folder, EmbeddedValkey(Path(folder), "everysec") as one:
        yield one


async def test_the_documented_rights_are_enough_for_all(
    make_place: Callable[..., Place], valkey: EmbeddedValkey
) -> None:
    """Receiver, worker and arq itself: with one right too few they say so, and go on once it is given."""
    with redis.Redis(unix_socket_path=str(valkey.socket)) as admin:
        admin.execute_command("ACL", "SETUSER", "bridge", "on", ">pw", *documented(), "-zadd")
        place = make_place(redis=f"unix://bridge:pw@{valkey.socket}")
        place.start()
        await place.until(lambda: "worker.cannot_work" in place.log(), "the worker says what is missing")
        told = await place.run("check", code=1)
        assert "ZADD" in told
        assert "docs/security.md#rights-in-redis" in told
        assert "pw" not in place.log().replace("pw@", "")
        admin.execute_command("ACL", "SETUSER", "bridge", "+zadd")
        await place.ready()
        await place.send(event("user.created", user("ana")))
        await place.until_members("ana")
    log = place.log()
    assert "NOPERM" not in log.partition("target.call")[2]
    assert "NoPermission" not in log.partition("target.call")[2]
