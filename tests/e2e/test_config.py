"""The configuration is an input: what it says differently is planned and applied."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson

from bridge.sandbox import Sandbox, running_sandbox
from tests.e2e.place import BRIDGE, Place, event, group, signed, user

MakePlace = Callable[..., Place]


async def _started(place: Place) -> None:
    place.start()
    await place.ready()


async def test_a_changed_role_rule_replans_everyone(make_place: MakePlace, sandbox: Sandbox) -> None:
    """A role rule that is added counts for people who came long before."""
    place = make_place()
    await _started(place)
    await place.send(
        event("group.user_added", user("ana"), group("Writers")), event("user.created", user("bo"))
    )
    await place.until_members("ana", "bo")
    place.stop()
    place.rewrite("[targets.guard]", '[[targets.roles]]\ngroup = "Writ*"\nrole = "edit"\n\n[targets.guard]')
    await _started(place)
    await place.until(lambda: sandbox.members()["ana@acme.test"].role == "edit", "ana has her old role")
    assert "read" == sandbox.members()["bo@acme.test"].role


async def test_a_changed_team_glob_replans_everyone(make_place: MakePlace, sandbox: Sandbox) -> None:
    """A team rule that gives other titles renames the team, and its members stay in it."""
    place = make_place()
    await _started(place)
    await place.send(event("group.user_added", user("ana"), group("Writers")))
    await place.until(lambda: sandbox.teams() == {"Writers": {"ana@acme.test"}}, "no team")
    await place.until(place.settled, "not settled")
    place.stop()
    place.rewrite('group = "*"', 'group = "W*"\nteam = "Docs {group}"')
    await _started(place)
    wanted = {"Docs Writers": {"ana@acme.test"}}
    await place.until(lambda: sandbox.teams() == wanted, "the team has its old title")


async def test_a_new_target_gets_everyone(make_place: MakePlace) -> None:
    """A target that is added is filled from what is known already, without a single new event."""
    place = make_place()
    await _started(place)
    await place.send(event("group.user_added", user("ana"), group("Writers")))
    await place.until_members("ana")
    place.stop()
    async with running_sandbox(Sandbox("handbook", "sandbox-token-of-the-tests")) as second:
        more = place.config.read_text(encoding="utf-8").split("[[targets]]")[1]
        more = more.replace('"docs"', '"handbook"').replace('"acme"', '"handbook"')
        more = more.replace(place.sandbox.url, second.url)
        place.config.write_text(
            place.config.read_text(encoding="utf-8") + "[[targets]]" + more, encoding="utf-8"
        )
        await _started(place)
        await place.until(lambda: second.teams() == {"Writers": {"ana@acme.test"}}, "the new target is empty")
        place.stop()


async def test_from_init_to_applied(folder: Path, sandbox: Sandbox) -> None:
    """init, check, a signed event, plan in dry-run mode, apply: the way an administrator goes."""
    env = {"GITBOOK_TOKEN": sandbox.token}
    place = Place(folder, sandbox)
    place.env |= env
    place.config.unlink()
    await place.run(
        "init", "--sender", "okta-workflows", "--auth", "hmac", "--organization", "acme",
        "--api-url", sandbox.url, "--token", sandbox.token, "--yes",
    )  # fmt: skip
    text = place.config.read_text(encoding="utf-8")
    assert 'mode = "dry-run"' in text
    assert sandbox.token not in text
    place.rewrite("port = 8080", f"port = {place.port}")
    await place.run("check")
    place.start()
    await place.ready()
    secret = place.settings.sources[0].secrets[0].reveal()
    raw = orjson.dumps(event("user.created", user("ana")))
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://127.0.0.1:{place.port}/webhooks/{place.settings.sources[0].name}"
        answer = await client.post(url, content=raw, headers=signed(raw, secret))
    assert {"accepted": 1, "duplicates": 0} == answer.json()
    await place.until(place.settled, "not settled")
    plan = json.loads(await place.run("plan", "--json"))["targets"]
    changes = [(each["kind"], each["object"]) for target in plan.values() for each in target["changes"]]
    assert [("Invite", "ana@acme.test")] == changes
    assert [] == [call for call in sandbox.calls if call.method != "GET"]
    place.stop()
    place.rewrite('mode = "dry-run"', 'mode = "apply"')
    place.start()
    await place.until_members("ana")
    assert {"run": 0} == place.stop()
    assert os.access(BRIDGE, os.X_OK)
