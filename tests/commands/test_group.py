"""`bridge group`."""

from pathlib import Path

import orjson
import pytest

from tests.commands.conftest import Bridge, BridgeJson
from tests.workers.world import World


@pytest.fixture
def teams_bridge(bridge: Bridge, tmp_path: Path) -> Bridge:
    """Run a command with a configuration in which every group becomes a team."""
    config = tmp_path / "bridge.toml"
    config.write_text(config.read_text() + '[[targets.teams]]\ngroup = "*"\n')
    return bridge


async def test_no_such_group(world: World, bridge: Bridge) -> None:
    """Exit code 1, the name, and where to look."""
    done = await bridge("group", "Writers")
    assert (done.exit_code, done.stdout) == (1, "")
    assert 'nothing is known of a group "Writers": names are compared whole' in done.stderr
    assert '`bridge events --kind group --text "Writers"`' in done.stderr


async def test_several_groups_are_to_be_chosen_from(world: World, bridge: Bridge) -> None:
    """They are listed with what chooses each; also as JSON."""
    await world.group("g1", "Writers")
    await world.group("g2", "WRITERS")
    await world.settle()
    done = await bridge("group", "writers")
    assert done.exit_code == 0
    assert all(text in done.stdout for text in ("id:okta/g1", "id:okta/g2", "WRITERS"))
    assert "2 groups are called so: choose one of them, such as `bridge group id:okta/g1`" in done.stderr
    told = orjson.loads((await bridge("group", "writers", "--json")).stdout)
    assert [each["choose"] for each in told["matches"]] == ["id:okta/g1", "id:okta/g2"]
    assert (told["group"], told["members"], told["targets"], told["timeline"]) == (None, None, [], [])
    assert (await bridge("group", "id:okta/g2")).exit_code == 0


async def test_json(world: World, bridge_json: BridgeJson) -> None:
    """All of it is one object."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    told = await bridge_json("group", "Writers")
    assert list(told) == ["asked", "matches", "group", "members", "targets", "timeline", "older"]
    assert told["group"] == {
        "directory": "okta", "id": "g1", "name": "Writers", "exists": True, "choose": "id:okta/g1"
    }  # fmt: skip
    assert told["members"] == {
        "count": 1, "named": 1, "looked_at": 1,
        "shown": [{"id": "ana", "email": "ana@acme.test", "active": True}],
    }  # fmt: skip
    [place] = told["targets"]
    assert (place["target"], place["teams"], place["roles"]) == ("docs", [], [])
    assert [row["kind"] for row in told["timeline"]] == ["group.created", "group.user_added"]


async def test_a_team_as_json(world: World, teams_bridge: Bridge) -> None:
    """With the rule, what is known of it, and who is missing."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await world.add("g1", "bo")
    await world.fold()
    [place] = orjson.loads((await teams_bridge("group", "Writers", "--json")).stdout)["targets"]
    [team] = place["teams"]
    assert (team["team"], team["rule"], team["title"]) == ("Writers", 'teams[0]: group "*"', "Writers")
    assert (team["made_by_bridge"], team["known_members"]) == (True, 1)
    assert (team["missing"], team["extra"], team["all_compared"]) == (["bo@acme.test"], [], True)


async def test_text(world: World, teams_bridge: Bridge) -> None:
    """Members, the team with its rule, who is missing, and what happened."""
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Old writers")
    await world.tell("group.deleted", group=("g1", None))
    await world.group("g2", "Old writers", "ana", "cy")
    await world.settle()
    await world.add("g2", "bo")
    await world.active("cy", False)
    await world.fold()
    shown = " ".join((await teams_bridge("group", "old WRITERS")).output.split())
    for text in (
        "Old writers (okta/g2) exists",
        "another of this name was deleted: `bridge group id:okta/g1` tells of it",
        "members: 3 of 3 who were ever named in it ana@acme.test, bo@acme.test, cy@acme.test (inactive)",
        "docs (apply) scope: members.groups is empty: everyone whom the directory names",
        "roles: no rule names it",
        'team Old writers: teams[0]: group "*"; id ',
        "made; 2 known member(s)",
        "missing: bo@acme.test",
        "too many: cy@acme.test",
        "group.created group Old writers: processed source okta, okta/",
        "docs: create team Old writers with 2 member(s): done status 201, ",
    ):
        assert text in shown, text
    old = (await teams_bridge("group", "id:g1")).output
    assert "was deleted, and so are its memberships" in old
