"""What the storm is measured against, by hand."""

import pytest

from tests.chaos.oracle import Company, Event, Rules, There, differences, work_out

PLAIN = Rules("", lambda name: {name}, lambda names: "edit" if "Editors" in names else "read")
ANA, BO = ({"id": name, "email": f"{name}@acme.test", "active": True} for name in ("ana", "bo"))
DOCS = {"id": "g1", "name": "Docs"}


def told(*events: tuple[object, ...]) -> list[Event]:
    """Events in order."""
    return [Event("hr", number, name, number, *rest) for number, (name, *rest) in enumerate(events)]  # type: ignore[arg-type]


BEGIN = [
    ("user.created", ANA), ("user.created", BO), ("group.created", None, DOCS),
    ("group.user_added", {"id": "ana"}, {"id": "g1"}),
]  # fmt: skip


def test_members_and_teams() -> None:
    """Who is active is a member, and in the teams of their groups."""
    truth = work_out(told(*BEGIN), PLAIN)
    assert truth.members == {"ana@acme.test": "read", "bo@acme.test": "read"}
    assert truth.teams == {"Docs": {"ana@acme.test"}}


@pytest.mark.parametrize(
    ("event", "members", "teams"),
    [
        (("user.deleted", {"id": "ana"}), {"bo"}, {}),
        (("user.updated", {"id": "ana", "active": False}), {"bo"}, {}),
        (("group.user_removed", {"id": "ana"}, {"id": "g1"}), {"ana", "bo"}, {}),
        (("group.deleted", None, {"id": "g1"}), {"ana", "bo"}, {}),
        (("group.updated", None, {"id": "g1", "name": "Ops"}), {"ana", "bo"}, {"Ops": {"ana"}}),
    ],
)
def test_what_ends_and_changes(
    event: tuple[object, ...], members: set[str], teams: dict[str, set[str]]
) -> None:
    """One more event."""
    truth = work_out(told(*BEGIN, event), PLAIN)
    assert set(truth.members) == {f"{name}@acme.test" for name in members}
    assert truth.teams == {title: {f"{name}@acme.test" for name in who} for title, who in teams.items()}


def test_a_new_life_has_no_groups() -> None:
    """Who was deleted and created again is in none of the groups of before."""
    truth = work_out(told(*BEGIN, ("user.deleted", {"id": "ana"}), ("user.created", ANA)), PLAIN)
    assert (len(truth.members), truth.teams) == (2, {})


def test_a_scope_and_a_former_address() -> None:
    """Only who is in the group is a member; the removal of a former address waits for a person."""
    move = ("user.updated", {"id": "ana", "email": "ana.new@acme.test"})
    truth = work_out(told(*BEGIN, move), Rules("Docs", PLAIN.titles, PLAIN.role))
    assert (set(truth.members), truth.may_stay) == ({"ana.new@acme.test"}, {"ana@acme.test"})


def test_differences() -> None:
    """Each kind."""
    there = There(
        {"ana@acme.test": "edit", "cy@acme.test": "read"},
        [("Docs", {"cy@acme.test"}), ("Ops", set()), ("Ops", set())],
    )
    assert differences(work_out(told(*BEGIN), PLAIN), there) == [
        "bo@acme.test is no member",
        "cy@acme.test is still a member",
        "ana@acme.test has the role edit, not read",
        "team Ops is there twice",
        "ana@acme.test is not in team Docs",
        "cy@acme.test is still in team Docs",
        "team Ops is still there, and nobody needs it",
    ]


def test_a_company_tells_only_what_can_be() -> None:
    """Times grow, and nobody is deleted, added or renamed who is not there."""
    company = Company("hr", 1, 0)
    for _ in range(3000):
        company.live()
    times = [event.at for event in company.told]
    assert times == sorted(set(times))
    assert len({event.name for event in company.told}) == 8
    truth = work_out(company.told, PLAIN)
    assert {f"u{number}@acme.test" for number in range(6)} <= truth.members.keys()
    assert truth.teams
