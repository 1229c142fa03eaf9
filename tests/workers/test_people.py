"""People become members, change and go."""

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.plan.members import State
from bridge.settings import Role
from bridge.targets.base import Invited
from tests.workers.world import DAY, HOUR, MINUTE, World, address

ALLOW = {"admin_grants": "allow"}
ROLES = {
    "guard": ALLOW,
    "roles": [{"group": "Editors", "role": "edit"}, {"group": "Admins", "role": "admin"}],
}


async def test_a_joiner_is_invited_and_put_into_the_teams(world: World) -> None:
    """One invite and one team call, whatever the number of events."""
    await world.group("g1", "Writers")
    await world.hire("ana")
    await world.add("g1", "ana")
    await world.settle()
    assert world.members() == {"ana": "read"}
    assert world.teams() == {"Writers": {"ana"}}
    assert world.writes() == ["POST invites", "PUT teams"]
    assert world.sandbox.members()["ana@acme.test"].sso


async def test_a_mover_changes_teams(world: World) -> None:
    """Out of one team and into the other."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.group("g2", "Editors", "bo")
    await world.settle()
    await world.take_out("g1", "ana")
    await world.add("g2", "ana")
    await world.settle()
    assert world.teams() == {"Writers": {"bo"}, "Editors": {"ana", "bo"}}


@pytest.mark.parametrize("how", ["inactive", "deleted"])
async def test_a_leaver_is_removed(world: World, how: str) -> None:
    """Inactive or deleted: no member any more, and in no team."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    await (world.active("ana", False) if how == "inactive" else world.fire("ana"))
    await world.settle()
    assert world.members() == {"bo": "read"}
    assert world.teams() == {"Writers": {"bo"}}
    assert await world.due() == []


async def test_an_inactive_user_comes_back_with_the_groups_they_still_have(world: World) -> None:
    """Active again means a member again."""
    await world.hire("ana")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await world.active("ana", False)
    await world.settle()
    assert world.members() == {}
    await world.active("ana", True)
    await world.settle()
    assert world.members() == {"ana": "read"}
    assert world.teams() == {"Writers": {"ana"}}


async def test_a_deleted_user_comes_back_without_groups(world: World) -> None:
    """Deletion ends the memberships; a late "added" of before does not bring them back."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    before = world.now
    await world.settle()
    await world.fire("ana")
    await world.settle()
    await world.tell("group.user_added", ("ana", "ana@acme.test", None), ("g1", None), at=before)
    await world.settle()
    assert "ana" not in world.members()
    await world.hire("ana")
    await world.settle()
    assert (world.members(), world.teams()) == ({"ana": "read", "bo": "read"}, {"Writers": {"bo"}})


async def test_many_joiners_take_few_calls(world: World) -> None:
    """250 joiners and 2 groups: 3 batches of invites, 2 teams."""
    names = [f"p{number}" for number in range(250)]
    await world.hire(*names)
    await world.group("g1", "Odd", *names[1::2])
    await world.group("g2", "Even", *names[::2])
    await world.settle()
    assert set(world.members()) == set(names)
    assert {title: len(who) for title, who in world.teams().items()} == {"Odd": 125, "Even": 125}
    assert sorted(world.writes()) == ["POST invites"] * 3 + ["PUT teams"] * 2


# roles


async def test_the_first_role_rule_wins_and_goes_back_to_the_default(world: World) -> None:
    """Rules are looked at in their order; without one it is the default role."""
    world.configure(**ROLES)
    await world.hire("ana", "bo")
    await world.group("g1", "Editors", "ana")
    await world.group("g2", "Admins", "ana", "bo")
    await world.settle()
    assert world.members() == {"ana": "edit", "bo": "admin"}
    await world.take_out("g1", "ana")
    await world.take_out("g2", "bo")
    await world.settle()
    assert world.members() == {"ana": "admin", "bo": "read"}


async def test_a_role_from_before_is_kept_until_a_rule_names_it(world: World) -> None:
    """Who was a member before keeps their role; once a rule has named them it is like anyone's."""
    world.configure(**ROLES)
    world.sandbox.seed_member("ana@acme.test", "create")
    await world.hire("ana")
    await world.settle()
    assert (world.members(), world.writes()) == ({"ana": "create"}, [])
    world.sleep(DAY)  # before that a lower role is held
    await world.group("g1", "Editors", "ana")
    await world.settle()
    assert world.members() == {"ana": "edit"}
    await world.take_out("g1", "ana")
    await world.settle()
    assert world.members() == {"ana": "read"}


async def test_who_takes_over_an_address_inherits_nothing(world: World) -> None:
    """The kept role was another user's."""
    world.sandbox.seed_member("ana@acme.test", "create")
    await world.hire("ana")
    await world.settle()
    await world.tell("user.updated", ("ana", "ana.ng@acme.test", None))
    await world.tell("user.created", ("ana2", "ana@acme.test", True))
    await world.settle()
    assert world.members() == {"ana": "read", "ana.ng": "create"}


async def test_guests(world: World) -> None:
    """The role "guest" is null at GitBook, in invites and in changes."""
    world.configure(default_role="guest", **ROLES)
    await world.hire("ana")
    await world.settle()
    assert world.members() == {"ana": "guest"}
    await world.group("g1", "Editors", "ana")
    await world.settle()
    await world.take_out("g1", "ana")
    await world.settle()
    assert world.members() == {"ana": "guest"}


# SSO


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, False), ({"sso_existing": True}, True), ({"sso": False, "sso_existing": True}, False)],
)
async def test_members_from_before_are_marked_only_when_asked(
    world: World, options: dict[str, Any], expected: bool
) -> None:
    """GitBook cannot undo the mark."""
    world.configure(**options)
    world.sandbox.seed_member("ana@acme.test")
    await world.hire("ana")
    await world.settle()
    assert world.sandbox.members()["ana@acme.test"].sso is expected


async def test_who_cannot_be_an_sso_user_is_not_marked_again_and_again(world: World) -> None:
    """`failedSSOEmails` are members and stay as they are."""
    world.sandbox.inject(failed_sso=["*"])
    await world.hire("ana", "bo")
    await world.settle()
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    assert not world.sandbox.calls_like("/sso$")
    assert world.teams() == {"Writers": {"ana", "bo"}}
    note = "no SSO user: GitBook says they belong to another organisation"
    assert (await world.plan()).notes == [f"{name}@acme.test: {note}" for name in ("ana", "bo")]
    await world.fire("ana")
    await world.settle()
    assert len((await world.plan()).notes) == 1


async def test_without_sso_people_are_invited_as_they_are(world: World) -> None:
    """`sso = false`."""
    world.configure(sso=False)
    await world.hire("ana")
    await world.settle()
    assert not world.sandbox.members()["ana@acme.test"].sso


# addresses


async def test_an_address_change_invites_the_new_one_and_parks_the_old_one(world: World) -> None:
    """Same role, same teams; the old account may hold content, so it goes when a person approves."""
    world.configure(**ROLES)
    await world.hire("ana")
    await world.group("g1", "Editors", "ana")
    await world.settle()
    await world.tell("user.updated", ("ana", "a.ng@acme.test", None))
    await world.settle()
    assert world.members() == {"ana": "edit", "a.ng": "edit"}
    assert world.teams() == {"Editors": {"ana", "a.ng"}}
    assert "address changed" in (await world.parked())["m:ana"]
    await world.approve()
    await world.settle()
    assert (world.members(), await world.parked()) == ({"a.ng": "edit"}, {})


async def test_a_kept_role_moves_along_two_quick_address_changes(world: World) -> None:
    """Even if nobody was ever invited by the address in between."""
    world.sandbox.seed_member("ana@acme.test", "create")
    await world.hire("ana")
    await world.settle()
    await world.tell("user.updated", ("ana", "x@acme.test", None))
    await world.tell("user.updated", ("ana", "c@acme.test", None))
    await world.settle()
    assert world.members() == {"ana": "create", "c": "create"}


async def test_a_chain_of_addresses(world: World) -> None:
    """Ana gets Bo's address, Bo a new one: one address is new, one old, nobody is removed unasked."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await world.tell("user.updated", ("ana", "bo@acme.test", None))
    await world.tell("user.updated", ("bo", "cy@acme.test", None))
    await world.settle()
    assert set(world.members()) == {"ana", "bo", "cy"}
    assert world.teams() == {"Writers": {"ana", "bo"}}
    assert set(await world.parked()) == {"m:ana"}


async def test_a_swap_of_addresses_removes_nobody(world: World) -> None:
    """The addresses are what members are: each gets the other's teams."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana")
    await world.group("g2", "Readers", "bo")
    await world.settle()
    await world.tell("user.updated", ("ana", "bo@acme.test", None))
    await world.tell("user.updated", ("bo", "ana@acme.test", None))
    await world.settle()
    assert world.members() == {"ana": "read", "bo": "read"}
    assert world.teams() == {"Writers": {"bo"}, "Readers": {"ana"}}
    assert (world.removals(), await world.parked()) == (0, {})


async def test_two_users_with_one_address_are_one_member(world: World) -> None:
    """The union of their teams, and a member as long as one of them is active."""
    await world.tell("user.created", ("u1", "Ana@acme.test", True))
    await world.tell("user.created", ("u2", "ana@ACME.test ", True))
    await world.group("g1", "Writers", "u1")
    await world.group("g2", "Readers", "u2")
    await world.settle()
    assert world.teams() == {"Writers": {"ana"}, "Readers": {"ana"}}
    await world.fire("u1")
    await world.settle()
    assert world.teams() == {"Writers": set(), "Readers": {"ana"}}
    await world.fire("u2")
    await world.settle()
    assert world.members() == {}


async def test_something_that_is_no_address_is_given_up_with_a_reason(world: World) -> None:
    """It would fail for ever; an address makes it due again."""
    await world.tell("user.created", ("u1", "ana", True))
    await world.hire("bo")
    await world.settle()
    assert world.members() == {"bo": "read"}
    assert "not an e-mail address" in (await world.dead())["m:ana"]
    await world.tell("user.updated", ("u1", "ana@acme.test", None))
    await world.settle()
    assert (set(world.members()), await world.dead()) == ({"ana", "bo"}, {})


# the scope


async def test_excluded_people_are_never_touched(world: World) -> None:
    """Neither invited nor removed, whatever the directory says."""
    world.configure(members={"exclude": ["svc-*@acme.test"]})
    world.sandbox.seed_member("svc-old@acme.test")
    await world.hire("svc-new", "svc-old")
    await world.settle()
    await world.fire("svc-old", "svc-new")
    await world.settle()
    assert (world.members(), world.writes()) == ({"svc-old": "read"}, [])


async def test_members_outside_the_scope_are_untouched(world: World) -> None:
    """Who was never named inside the scope is not the bridge's to remove."""
    world.configure(members={"groups": ["GitBook Users"]})
    for name in ("ana", "bo", "cy"):
        world.sandbox.seed_member(f"{name}@acme.test")
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "GitBook Users", "cy")
    await world.settle()
    await world.fire("ana")
    await world.active("bo", False)
    await world.settle()
    assert (set(world.members()), await world.parked()) == ({"ana", "bo", "cy"}, {})


async def test_leaving_the_scope_is_leaving(world: World) -> None:
    """Out of the group that provisions, out of GitBook; back in it, back."""
    world.configure(members={"groups": ["GitBook Users"], "domains": ["acme.test"]}, teams=[])
    await world.hire("ana", "bo@else.test")
    await world.group("g1", "GitBook Users", "ana", "bo@else.test")
    await world.settle()
    assert world.members() == {"ana": "read"}
    await world.take_out("g1", "ana")
    await world.settle()
    assert world.members() == {}
    await world.add("g1", "ana")
    await world.settle()
    assert world.members() == {"ana": "read"}


# invites that wait


async def test_a_pending_invite_is_watched_and_never_sent_again(world: World) -> None:
    """Not due, looked for hourly; once they accept they get their teams."""
    world.configure(sso=False)
    world.sandbox.inject(pending_invites=["ana@*"])
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana", "bo")
    await world.settle()
    assert (world.members(), await world.due()) == ({"bo": "read"}, [])
    for _ in range(5):
        world.sleep(30 * MINUTE)
        await world.settle()
    await world.add("g1", "ana")
    await world.settle()
    assert len(world.sandbox.calls_like("POST .*/invites")) == 1
    world.sandbox.accept("ana@acme.test")
    world.sleep(HOUR)
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo"}}


async def test_one_bad_address_in_a_batch_is_found_and_the_others_are_invited(world: World) -> None:
    """The batch is halved until the culprit stands alone."""
    names = [f"p{number:02}" for number in range(20)]
    world.sandbox.inject(bad_addresses=["p13@*"])
    await world.hire(*names)
    await world.settle()
    assert set(world.members()) == set(names) - {"p13"}
    assert await world.dead() == {"m:p13": "emails: one of the addresses cannot be invited"}
    assert await world.due() == []


async def test_an_invite_whose_answer_was_lost_is_ours(world: World) -> None:
    """Read as there, not invited twice; and the role is no role from before."""
    world.sandbox.inject(next=[{"match": "POST .*/invites", "fault": "reset", "after": True, "times": 3}])
    await world.hire("ana")
    await world.settle()
    binding = (await world.docs.members(["ana@acme.test"]))["ana@acme.test"]
    assert (binding.state, binding.ours, binding.kept) == (State.KNOWN, True, False)
    world.configure(default_role="comment")
    await world.settle()
    assert world.members() == {"ana": "comment"}


async def test_a_lookup_that_fails_after_the_invite_is_made_up_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People who were invited are not left without their teams until an hourly look."""
    client = world.worker.client(world.settings.targets[0])
    invite = client.invite

    async def invite_and_break(people: Sequence[tuple[str, Role]], sso: bool) -> Invited:
        answer = await invite(people, sso)
        world.sandbox.inject(next=[{"match": "GET .*/members$", "fault": "503", "times": 3}])
        return answer

    monkeypatch.setattr(client, "invite", invite_and_break)
    await world.hire("ana", "bo", "cy")
    await world.group("g1", "Writers", "ana", "bo", "cy")
    started = world.now
    await world.settle()
    assert world.teams() == {"Writers": {"ana", "bo", "cy"}}
    assert world.now - started < 20_000


async def test_an_address_that_is_taken_away_works_no_longer(world: World) -> None:
    """Its user is a user still, and in their groups; whoever gets the address gets none of these."""
    await world.hire("ana", "bo")
    await world.group("g1", "Writers", "ana")
    await world.settle()
    await world.tell("user.updated", ("ana", "", True))
    await world.settle()
    assert (world.members(), world.teams()) == ({"bo": "read"}, {"Writers": set()})
    [removed] = [row for row in await world.past.rows(100) if row["change"].startswith("remove")]
    assert removed["why"] == "the user has no address in the directory any more"
    await world.tell("user.updated", ("bo", address("ana"), None))
    await world.settle()
    await world.approve()
    await world.settle()
    assert (world.members(), world.teams()) == ({"ana": "read"}, {"Writers": set()})
    await world.tell("user.updated", ("ana", address("cy"), None))
    await world.settle()
    assert world.teams() == {"Writers": {"cy"}}
