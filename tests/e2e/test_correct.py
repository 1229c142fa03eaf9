"""The truth arrives over HTTP in any order, and GitBook ends in it: one process of each kind, real time."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.sandbox import Sandbox
from tests.e2e.place import NO_GUARD, Place, event, group, user

MakePlace = Callable[..., Place]
TIGHT = "max_removals = 2\nmax_removal_percent = 0\nmax_invites = 6\non_limit = 'hold-rest'"
SECOND_SOURCE = """[[sources]]
name = "second"
kind = "okta-workflows"
auth = "bearer"
secrets = ["a-second-secret-of-the-tests"]
directory = "okta"

[[targets]]"""


async def started(make_place: MakePlace, **options: Any) -> Place:
    """A bridge that runs."""
    place = make_place(**options)
    place.start()
    await place.ready()
    return place


def ago(seconds: float, body: dict[str, Any]) -> dict[str, Any]:
    """An event that happened so long ago; before 0: in the future, by a wrong clock."""
    moment = datetime.now(UTC) - timedelta(seconds=seconds)
    return {**body, "occurred_at": moment.isoformat(timespec="milliseconds")}


def emails(*names: str) -> set[str]:
    """Their addresses."""
    return {f"{name}@acme.test" for name in names}


async def test_any_order_of_a_life_ends_in_the_same(make_place: MakePlace, sandbox: Sandbox) -> None:
    """Created again before deleted, a membership of before the deletion, a removal told twice, shuffled."""
    place = await started(make_place)
    ana, bo, writers = user("ana"), user("bo"), group("Writers")
    bodies = [
        ago(90, event("group.created", where=writers)),
        ago(80, event("user.created", ana)),
        ago(70, event("group.user_added", {"id": ana["id"]}, writers)),
        ago(60, event("user.deleted", {"id": ana["id"]})),
        ago(50, event("user.created", ana)),
        ago(80, event("user.created", bo)),
        ago(70, event("group.user_added", {"id": bo["id"]}, {"id": writers["id"]})),
        ago(40, event("user.updated", {"id": bo["id"], "active": False})),
        ago(30, event("user.updated", {"id": bo["id"], "active": True})),
    ]
    sent = [*bodies, *bodies]
    random.Random(5).shuffle(sent)
    await place.send(*sent)
    await place.until_members("ana", "bo")
    assert {"Writers": emails("bo")} == sandbox.teams()
    gone = ago(20, event("user.deleted", {"id": bo["id"]}))
    await place.send(gone, gone)
    await place.until_members("ana")
    await place.send(ago(75, event("group.user_added", bo, writers)), ago(25, event("user.updated", bo)))
    await place.until_members("ana")


async def test_a_clock_years_ahead_freezes_nobody(make_place: MakePlace) -> None:
    """What is told from the future happened when it arrived, so that what comes after it counts."""
    place = await started(make_place)
    await place.send(ago(-400_000_000, event("user.created", user("ana"))))
    await place.until_members("ana")
    await place.send(ago(-800_000_000, event("user.deleted", {"id": "00uana"})))
    await place.until_members()
    await place.send(event("user.created", user("ana")))
    await place.until_members("ana")


async def test_at_one_moment_what_takes_away_wins(make_place: MakePlace, sandbox: Sandbox) -> None:
    """Whichever of the two is delivered first."""
    place = await started(make_place)
    moment = {"occurred_at": ago(30, {})["occurred_at"]}
    added, removed = (
        event(f"group.user_{what}", user("ana"), group("Docs")) for what in ("added", "removed")
    )
    on, off = ({**user(name), "active": active} for name, active in (("bo", True), ("bo", False)))
    await place.send({**added, **moment}, {**removed, **moment})
    await place.send({**event("user.updated", off), **moment}, {**event("user.updated", on), **moment})
    await place.send(event("group.user_added", user("cy"), group("Docs")))
    await place.until_members("ana", "cy")
    assert {"Docs": emails("cy")} == sandbox.teams()


async def test_two_users_of_one_address_in_either_order(make_place: MakePlace, sandbox: Sandbox) -> None:
    """Re-created under a new id: while one of them is there the address stays, however it is spelled."""
    place = await started(make_place)
    old, new = {"id": "old", "email": "Ana@acme.test "}, {"id": "new", "email": "ana@ACME.test"}
    await place.send(
        event("user.created", old), event("user.deleted", {"id": "old"}), event("user.created", new)
    )
    await place.until_members("ana")
    bo_old, bo_new = {"id": "b1", "email": "bo@acme.test"}, {"id": "b2", "email": "bo@acme.test"}
    await place.send(event("user.created", bo_old))
    await place.until_members("ana", "bo")
    await place.send(event("user.created", bo_new), event("user.deleted", {"id": "b1"}))
    await place.until_members("ana", "bo")
    assert [] == sandbox.calls_like("^DELETE")
    await place.send(event("user.deleted", {"id": "b2"}))
    await place.until_members("ana")


async def test_who_takes_over_an_address_inherits_no_right(make_place: MakePlace, sandbox: Sandbox) -> None:
    """The role was the first one's from before, and moves with them; the teams are those of the groups."""
    sandbox.seed_member("ana@acme.test", "create")
    place = await started(make_place)
    await place.send(event("group.user_added", user("ana"), group("Writers")))
    await place.until(lambda: sandbox.teams().get("Writers") == emails("ana"), "not in the team")
    await place.send(event("user.updated", {"id": "00uana", "email": "ang@acme.test"}))
    await place.send(event("user.created", {"id": "other", "email": "ana@acme.test"}))
    await place.until_members("ana", "ang")
    await place.until(lambda: sandbox.members()["ana@acme.test"].role == "read", "the role was inherited")
    await place.until(lambda: sandbox.teams()["Writers"] == emails("ang"), "the team was inherited")
    assert "create" == sandbox.members()["ang@acme.test"].role


async def test_one_directory_told_by_two_sources(make_place: MakePlace, sandbox: Sandbox) -> None:
    """Joined by one, left by the other: the later word counts, whoever says it."""
    place = make_place()
    place.rewrite("[[targets]]\n", SECOND_SOURCE + "\n")
    place.start()
    await place.ready()
    await place.send(ago(60, event("group.user_added", user("ana"), group("Docs"))))
    await place.until(lambda: sandbox.teams() == {"Docs": emails("ana")}, "not in the team")
    left, late = (
        ago(s, event(f"group.user_{n}", user("ana"), group("Docs")))
        for s, n in ((30, "removed"), (45, "added"))
    )
    await place.send_as("second", "a-second-secret-of-the-tests", left, late)
    await place.until(lambda: sandbox.teams() == {"Docs": set()}, "still in the team")
    await place.send(ago(10, event("user.updated", user("ana"))))
    await place.until_members("ana")


async def test_groups_that_swap_names_and_share_a_team(make_place: MakePlace, sandbox: Sandbox) -> None:
    """Two groups are one team, one group is two, and two change names: the people are where they belong."""
    place = make_place()
    place.rewrite(
        '[[targets.teams]]\ngroup = "*"',
        '[[targets.teams]]\ngroup = "*"\n\n[[targets.teams]]\ngroup = "Sales *"\nteam = "Sales"',
    )
    place.start()
    await place.ready()
    north, south = {"id": "g1", "name": "Sales North"}, {"id": "g2", "name": "Sales South"}
    await place.send(
        *(event("group.user_added", user(who), where) for who, where in (("ana", north), ("bo", south)))
    )
    all_of = {"Sales": emails("ana", "bo"), "Sales North": emails("ana"), "Sales South": emails("bo")}
    await place.until(lambda: sandbox.teams() == all_of, "not the teams of the rules")
    await place.send(
        *(
            event("group.updated", where={"id": g, "name": n})
            for g, n in (("g1", "Sales South"), ("g2", "Sales North"))
        )
    )
    swapped = all_of | {"Sales North": emails("bo"), "Sales South": emails("ana")}
    await place.until(lambda: sandbox.teams() == swapped, "not swapped")
    await place.until(place.settled, "not settled")
    assert len(sandbox.team_list()) == 3


async def test_strangers_are_left_alone_and_a_team_of_the_title_is_adopted(
    make_place: MakePlace, sandbox: Sandbox
) -> None:
    """Also when the answer to the making of another team is lost. A person is asked before, and once."""
    sandbox.seed_member("guest@else.test", "create")
    adopted, other = (sandbox.seed_team(title, ["guest@else.test"]).id for title in ("Docs", "Board"))
    sandbox.inject(next=[{"match": "PUT .*/teams$", "fault": "reset", "after": True}])
    place = await started(make_place)
    await place.send(
        event("group.user_added", user("ana"), group("Docs")),
        event("group.user_added", user("ana"), group("New")),
    )
    guest = {"guest@else.test"}
    await place.until(lambda: sandbox.teams().get("New") == emails("ana"), "the rest does not flow")
    await place.until(place.settled, "not settled")
    assert sandbox.teams()["Docs"] == guest
    [row] = json.loads(await place.run("parked", "--json"))
    assert (row["kind"], row["object"]) == ("team", "Docs")
    plan = json.loads(await place.run("plan", "--json"))["targets"]["docs"]
    [step] = [step for step in plan["changes"] if step["kind"] == "AdoptTeam" and step["held"]]
    assert (step["object"], step["held"]) == ("Docs", row["reason"])
    await place.run("approve", row["id"], "--why", "it is ours")
    await place.until(
        lambda: sandbox.teams() == {"Docs": emails("ana") | guest, "Board": guest, "New": emails("ana")},
        "wrong teams",
    )
    await place.send(event("group.deleted", where=group("Docs")), event("group.deleted", where=group("New")))
    await place.until(lambda: sandbox.teams() == {"Docs": guest, "Board": guest}, "not taken out")
    await place.until(place.settled, "not settled")
    assert [adopted, other] == [*sandbox.state.teams]
    assert "create" == sandbox.members()["guest@else.test"].role
    assert [] == sandbox.calls_like(sandbox.members()["guest@else.test"].id)


async def test_the_guard_from_the_command_line(make_place: MakePlace, sandbox: Sandbox) -> None:
    """Held, kept over a restart, approved, rejected with an end, released: all with --json."""
    place = await started(make_place, guard=TIGHT)
    people = [f"p{n}" for n in range(6)]
    await place.send(*(event("user.created", user(name)) for name in people))
    await place.until_members(*people)
    await place.send(*(event("user.updated", user(name, active=False)) for name in people[:5]))
    await place.send(event("group.user_added", user("p5"), group("Docs")))
    await place.until(lambda: sandbox.teams() == {"Docs": emails("p5")}, "the rest does not flow")
    await place.until(place.settled, "not settled")
    assert len(sandbox.calls_like("^DELETE")) == 2
    held = {row["object"]: row for row in json.loads(await place.run("parked", "--json"))}
    assert len(held) == 3
    place.stop()
    place.start()
    await place.ready()
    await place.send(*(event("user.updated", user(name, active=False)) for name in people[:5]))
    await place.until(place.settled, "not settled")
    assert held == {row["object"]: row for row in json.loads(await place.run("parked", "--json"))}
    first, second, third = sorted(held)
    done = json.loads(await place.run("approve", held[first]["id"], "--json"))
    assert [first] == [row["object"] for row in done["decided"]]
    await place.run("reject", held[second]["id"], "--until", "30d", "--why", "on leave", "--json")
    await place.send(event("user.updated", user(third.partition("@")[0])))
    stay = [name.partition("@")[0] for name in (second, third)]
    await place.until_members(*stay, "p5")
    assert [] == json.loads(await place.run("parked", "--json"))
    assert 0 == json.loads(await place.run("status", "--json"))["targets"]["docs"]["parked"]
    await place.send(event("user.created", user("one-too-many")))
    await place.until(place.settled, "not settled")
    [row] = json.loads(await place.run("parked", "--json"))
    assert ("one-too-many@acme.test", "member") == (row["object"], row["kind"])


async def test_a_plan_shows_what_is_then_done(make_place: MakePlace, sandbox: Sandbox) -> None:
    """In dry-run mode nothing is written, whatever happens; then exactly what was shown.

    Who was a member before is known for longer than the window by then.
    """
    sandbox.seed_member("old@acme.test", "edit")
    place = await started(make_place, mode="dry-run", guard=f"{NO_GUARD}\nwindow = '50ms'")
    await place.send(
        event("user.created", user("old")), event("group.user_added", user("ana"), group("Docs")),
        event("group.user_added", user("bo"), group("Writers")),
        event("user.updated", user("old", active=False)),
        event("group.updated", where={"id": "00gDocs", "name": "Guides"}),
    )  # fmt: skip
    await place.until(place.settled, "not settled")
    plan = json.loads(await place.run("plan", "--json"))["targets"]["docs"]
    assert [] == sandbox.calls_like("^(POST|PUT|PATCH|DELETE)")
    kinds = [(each["kind"], each["object"]) for each in plan["changes"]]
    assert kinds == [
        ("Remove", "old@acme.test"), ("Invite", "ana@acme.test"), ("Invite", "bo@acme.test"),
        ("CreateTeam", "Guides"), ("CreateTeam", "Writers"),
    ]  # fmt: skip
    place.stop()
    place.rewrite('mode = "dry-run"', 'mode = "apply"')
    place.start()
    await place.until_members("ana", "bo")
    await place.until(
        lambda: sandbox.teams() == {"Guides": emails("ana"), "Writers": emails("bo")}, "no teams"
    )
    await place.until(place.settled, "not settled")
    assert plan["calls"] == len(sandbox.calls_like("^(POST|PUT|PATCH|DELETE)")) == 4
