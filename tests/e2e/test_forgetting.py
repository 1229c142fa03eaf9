"""A directory that is given up, and a person who wants to be erased, from the command line to GitBook."""

import json
from collections.abc import Callable
from typing import Any

from bridge.sandbox import Sandbox
from tests.e2e.place import Place, event, group, user

MakePlace = Callable[..., Place]
POLIS = '[[sources]]\nname = "polis"\nkind = "okta-workflows"\nsecrets = ["polis-token"]\n'


async def bridge(place: Place, *words: str) -> Any:
    """What a command prints as JSON."""
    return json.loads(await place.run(*words, "--json"))


async def start(place: Place) -> None:
    """Start the bridge."""
    place.start()
    await place.ready()


async def test_a_directory_goes_and_a_person_after_it(make_place: MakePlace, sandbox: Sandbox) -> None:
    """Who was in it alone is removed; all of it is deleted. A leaver is erased, from files on disk, too."""
    place = make_place()
    place.rewrite("[[targets]]\n", f"{POLIS}\n[[targets]]\n")
    await start(place)
    await place.send(
        event("group.user_added", user("ana"), group("Writers")), event("user.created", user("bo"))
    )
    zoe = {"id": "p-zoe", "email": "zoe@acme.test", "active": True}
    both = {"id": "p-bo", "email": "bo@acme.test", "active": True}
    joined = [event("user.created", zoe), event("user.created", both)]
    await place.send_as("polis", "polis-token", *joined)
    await place.until_members("ana", "bo", "zoe")
    await place.until(place.settled, "not settled")
    place.stop()
    place.rewrite(POLIS, "")
    await start(place)
    await place.until(place.settled, "not settled")
    assert "zoe@acme.test" in sandbox.members()
    told = await bridge(place, "directory", "forget", "polis", "--yes", "--by", "boss")
    assert told["targets"]["docs"]["removed"] == 1
    await place.until_members("ana", "bo")

    async def deleted() -> bool:
        return [row["directory"] for row in await bridge(place, "directory", "list")] == ["okta"]

    await place.until(deleted, "the directory is not deleted")
    await place.until(place.settled, "not settled")
    assert set(sandbox.members()) - {sandbox.owner.email} == {"ana@acme.test", "bo@acme.test"}
    entries = (await bridge(place, "erase", "zoe@acme.test", "--yes", "--by", "boss"))["entries"]
    assert entries["evidence"] >= 2
    assert "mirror" not in entries, "it went with the directory"
    deeds = await bridge(place, "audit")
    assert {"forgot", "erased"} <= {row["kind"] for row in deeds}
    assert "zoe@acme.test" not in json.dumps(deeds)
    await place.send(event("user.updated", user("ana", active=False)))
    await place.until_members("bo")
    await place.until(place.settled, "not settled")
    await bridge(place, "erase", "ana@acme.test", "--yes", "--by", "boss")
    place.stop()
    files = [file for file in place.folder.rglob("*") if file.is_file() and file != place.config]
    found = [
        file.name for file in files if b"ana@acme.test" in file.read_bytes() or b"00uana" in file.read_bytes()
    ]
    assert found == []
