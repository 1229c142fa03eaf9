"""A real Jackson, the real bridge, a GitBook: people join, move and leave by SCIM, and GitBook follows.

Each test runs with one webhook per event (sync) and with arrays (batch).
"""

import time
from typing import Any

import pytest

from tests.peers.scene import Scene, scim_user

pytestmark = pytest.mark.peers


def add(*idents: str) -> dict[str, Any]:
    """Return the PATCH operation that adds members to a group."""
    return {"op": "add", "path": "members", "value": [{"value": ident} for ident in idents]}


def remove(ident: str) -> dict[str, Any]:
    """Return the PATCH operation that takes a member out of a group, as Okta writes it."""
    return {"op": "remove", "path": f'members[value eq "{ident}"]'}


def rename(name: str) -> dict[str, Any]:
    """Return the PATCH operation that renames a group, as Entra writes it."""
    return {"op": "replace", "path": "displayName", "value": name}


def okta_rename(group: str, name: str) -> dict[str, Any]:
    """Return the PATCH operation that renames a group, as Okta writes it."""
    return {"op": "replace", "value": {"id": group, "displayName": name}}


def okta_active(*, active: bool) -> dict[str, Any]:
    """Return the PATCH operation by which Okta switches a user on or off."""
    return {"op": "replace", "value": {"active": active}}


def entra_active(*, active: bool) -> dict[str, Any]:
    """Return the PATCH operation by which Entra ID (without its flag) does: the value is a string."""
    return {"op": "Replace", "path": "active", "value": str(active)}


def test_people_come_change_go_and_come_back(scene: Scene) -> None:
    """Creating invites, a new surname does nothing, inactive and deleted remove, and each way back works."""
    ana, ben, cara = scene.user("ana"), scene.user("ben"), scene.user("cara")
    scene.expect({"ana", "ben", "cara"})

    writes = scene.writes()
    scene.scim("PUT", f"Users/{ana}", scim_user("ana", surname="Nguyen"))
    scene.expect({"ana", "ben", "cara"})
    assert scene.writes() == writes

    scene.patch(f"Users/{ben}", okta_active(active=False))
    scene.patch(f"Users/{cara}", entra_active(active=False))
    scene.expect({"ana"})

    scene.patch(f"Users/{ben}", okta_active(active=True))
    scene.patch(f"Users/{cara}", entra_active(active=True))
    scene.expect({"ana", "ben", "cara"})

    scene.scim("DELETE", f"Users/{ben}")
    scene.expect({"ana", "cara"})
    assert scene.user("ben") != ben
    scene.expect({"ana", "ben", "cara"})

    scene.scim("DELETE", f"Users/{cara}")
    scene.user("cara")
    scene.expect({"ana", "ben", "cara"})


def test_an_inactive_user_is_not_invited(scene: Scene) -> None:
    """Someone created inactive is no member until they are switched on."""
    ana = scene.user("ana", active=False)
    scene.user("ben")
    scene.expect({"ben"})

    scene.patch(f"Users/{ana}", okta_active(active=True))
    scene.expect({"ana", "ben"})


def test_an_address_that_is_none_holds_nobody_up(scene: Scene) -> None:
    """A user whose userName stands in for the e-mail and is no address is not invited; the others are."""
    body = scim_user("svc-print")
    scene.scim("POST", "Users", {**body, "userName": "svc-print", "emails": []})
    ana = scene.user("ana")
    writers = scene.group("Writers")
    scene.patch(f"Groups/{writers}", add(ana))

    scene.expect({"ana"}, {"Writers": {"ana"}}, dead=None)


def test_a_changed_address_invites_the_new_one_and_parks_the_old(scene: Scene) -> None:
    """The new address becomes a member in the same team; the old one's removal waits for a person."""
    ana = scene.user("ana")
    writers = scene.group("Writers")
    scene.patch(f"Groups/{writers}", add(ana))
    scene.expect({"ana"}, {"Writers": {"ana"}})

    scene.scim("PUT", f"Users/{ana}", scim_user("anna"))

    scene.expect({"ana", "anna"}, {"Writers": {"ana", "anna"}}, parked=1)


def test_teams_follow_their_groups(scene: Scene) -> None:
    """Adding, removing, renaming and all of it in one request end in the team that the group asks for."""
    ana, ben, cara = scene.user("ana"), scene.user("ben"), scene.user("cara")
    everybody = {"ana", "ben", "cara"}
    writers = scene.group("Writers")
    scene.expect(everybody)

    scene.patch(f"Groups/{writers}", add(ana, ben))
    scene.expect(everybody, {"Writers": {"ana", "ben"}})
    team = scene.team_ids("Writers")

    scene.patch(f"Groups/{writers}", add(ana))
    scene.patch(f"Groups/{writers}", remove(ben))
    scene.expect(everybody, {"Writers": {"ana"}})

    scene.patch(
        f"Groups/{writers}", {"op": "replace", "value": {"id": writers, "displayName": "Tech Writers"}}
    )
    scene.expect(everybody, {"Tech Writers": {"ana"}}, absent=("Writers",))

    scene.patch(f"Groups/{writers}", add(cara), remove(ana), rename("Docs Guild"))
    scene.expect(everybody, {"Docs Guild": {"cara"}}, absent=("Writers", "Tech Writers"))
    assert scene.team_ids("Docs Guild") == team

    scene.scim("DELETE", f"Groups/{writers}")
    scene.expect(everybody, absent=("Docs Guild",))


def test_leavers_lose_their_teams_and_only_reactivation_gives_them_back(scene: Scene) -> None:
    """Reactivated, a person is in the groups they were in; deleted and created anew, in none of them.

    Jackson sends no `group.user_removed` for a user who is deleted while in a group.
    """
    ana, ben, cara = scene.user("ana"), scene.user("ben"), scene.user("cara")
    writers, readers = scene.group("Writers"), scene.group("Readers")
    scene.patch(f"Groups/{writers}", add(ana, ben))
    scene.patch(f"Groups/{readers}", add(ben, cara))
    scene.expect({"ana", "ben", "cara"}, {"Writers": {"ana", "ben"}, "Readers": {"ben", "cara"}})

    scene.patch(f"Users/{ben}", okta_active(active=False))
    scene.expect({"ana", "cara"}, {"Writers": {"ana"}, "Readers": {"cara"}})
    scene.patch(f"Users/{ben}", okta_active(active=True))
    scene.expect({"ana", "ben", "cara"}, {"Writers": {"ana", "ben"}, "Readers": {"ben", "cara"}})

    scene.scim("DELETE", f"Users/{ben}")
    scene.expect({"ana", "cara"}, {"Writers": {"ana"}, "Readers": {"cara"}})
    again = scene.user("ben")
    scene.expect({"ana", "ben", "cara"}, {"Writers": {"ana"}, "Readers": {"cara"}})

    scene.patch(f"Groups/{readers}", add(again), remove(cara))
    scene.scim("DELETE", f"Groups/{writers}")
    scene.expect({"ana", "ben", "cara"}, {"Readers": {"ben"}}, absent=("Writers",))

    scene.scim("DELETE", f"Users/{again}")
    scene.scim("DELETE", f"Groups/{readers}")
    scene.expect({"ana", "cara"}, absent=("Writers", "Readers"))


def test_a_provider_that_only_puts_lists_is_followed(scene: Scene) -> None:
    """With PUT the members come as a list in `group.updated` alone, and no membership event ever follows."""
    ana, ben, cara = scene.user("ana"), scene.user("ben"), scene.user("cara")
    everybody = {"ana", "ben", "cara"}
    writers = scene.group("Writers")

    def put(name: str, *idents: str) -> None:
        members = [{"value": ident} for ident in idents]
        scene.scim("PUT", f"Groups/{writers}", {"displayName": name, "members": members})

    put("Writers", ana, ben)
    scene.expect(everybody, {"Writers": {"ana", "ben"}})

    put("Writers", ben, cara)
    scene.expect(everybody, {"Writers": {"ben", "cara"}})

    put("Tech Writers", cara)
    scene.expect(everybody, {"Tech Writers": {"cara"}}, absent=("Writers",))

    put("Tech Writers")
    scene.expect(everybody)

    put("Tech Writers", ana)
    scene.expect(everybody, {"Tech Writers": {"ana"}})


def test_lists_that_are_stale_do_not_undo_what_events_said(scene: Scene) -> None:
    """After a PUT, Jackson's list stays as it was, and every later event of the group carries it along."""
    ana, ben, cara = scene.user("ana"), scene.user("ben"), scene.user("cara")
    everybody = {"ana", "ben", "cara"}
    writers = scene.group("Writers")
    members = [{"value": ana}, {"value": ben}]
    scene.scim("PUT", f"Groups/{writers}", {"displayName": "Writers", "members": members})
    scene.expect(everybody, {"Writers": {"ana", "ben"}})

    scene.patch(f"Groups/{writers}", remove(ben), add(cara))
    scene.expect(everybody, {"Writers": {"ana", "cara"}})

    scene.patch(f"Groups/{writers}", rename("Tech Writers"))
    scene.expect(everybody, {"Tech Writers": {"ana", "cara"}}, absent=("Writers",))


def test_a_member_nobody_knows_holds_nobody_up(scene: Scene) -> None:
    """Jackson tells of an unknown member without any `data`; what stands beside it is done.

    It waits 3 s before it sends again what was not answered 2xx, so a quick end means a 200.
    """
    ana = scene.user("ana")
    writers = scene.group("Writers")

    started = time.monotonic()
    scene.patch(f"Groups/{writers}", add("00000000-0000-4000-8000-000000000000", ana))
    assert time.monotonic() - started < 3

    scene.expect({"ana"}, {"Writers": {"ana"}})
