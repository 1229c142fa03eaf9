"""Groups and their members: the difference becomes events, in one transaction with the resource."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bridge.directory.events import stamp_time
from bridge.scim.rows import decode_row
from bridge.store.notices import read_notices
from bridge.store.redis import Store
from tests.scim.provider import GROUP, PATCH, Provider, members, user_id

ANA, BEA, CAI = user_id("ana"), user_id("bea"), user_id("cai")
ADDED, REMOVED = "group.user_added", "group.user_removed"


async def changes(idp: Provider, since: int) -> set[tuple[str, str | None]]:
    """The membership events behind the first `since` events."""
    return {(name, user) for name, user, _ in (await idp.told())[since:] if name in (ADDED, REMOVED)}


async def test_group_is_told_with_its_members(idp: Provider) -> None:
    """Its creation before those who are in it, all in one order of time."""
    await idp.know(ANA, BEA)
    writers = await idp.group("Writers", ANA, BEA)
    events = await idp.events()

    assert [(one.name.value, one.user.id if one.user else None) for one in events] == [
        ("group.created", None), (ADDED, ANA), (ADDED, BEA),
    ]  # fmt: skip
    assert {one.group.id for one in events if one.group} == {writers}
    assert events[0].stamp < min(one.stamp for one in events[1:])


DIALECTS: list[tuple[list[dict[str, Any]], set[str]]] = [
    ([{"op": "add", "path": "members", "value": members(CAI)}], {ANA, BEA, CAI}),
    ([{"op": "Add", "path": "members", "value": members(ANA)}], {ANA, BEA}),
    ([{"op": "add", "path": "members", "value": {"value": CAI, "display": "Cai"}}], {ANA, BEA, CAI}),
    ([{"op": "add", "value": {"members": members(CAI)}}], {ANA, BEA, CAI}),
    ([{"op": "add", "path": f"{GROUP}:members", "value": members(CAI)}], {ANA, BEA, CAI}),
    ([{"op": "remove", "path": f'members[value eq "{ANA}"]'}], {BEA}),
    ([{"op": "Remove", "path": f'Members[ Value EQ "{ANA}" ]'}], {BEA}),
    ([{"op": "remove", "path": f'members[value eq "{ANA}" or value eq "{BEA}"]'}], set()),
    ([{"op": "Remove", "path": "members", "value": members(ANA)}], {BEA}),
    ([{"op": "Remove", "path": "members", "value": members("usr_nobody")}], {ANA, BEA}),
    ([{"op": "Remove", "path": "members", "value": []}], {ANA, BEA}),
    ([{"op": "remove", "value": {"members": members(ANA)}}], {BEA}),
    ([{"op": "remove", "path": "members"}], set()),
    ([{"op": "replace", "path": "members", "value": members(BEA, CAI)}], {BEA, CAI}),
    ([{"op": "replace", "path": "members", "value": []}], set()),
    ([{"op": "replace", "path": "members", "value": None}], set()),
    ([{"op": "replace", "value": {"id": "x", "displayName": "Writers", "members": members(CAI)}}], {CAI}),
    (
        [
            {"op": "remove", "path": "members"},
            {"op": "add", "path": "members", "value": members(ANA, CAI)},
            {"op": "remove", "path": f'members[value eq "{CAI}"]'},
        ],
        {ANA},
    ),
]


@pytest.mark.parametrize(("operations", "wanted"), DIALECTS)
async def test_patches_of_members(idp: Provider, operations: list[dict[str, Any]], wanted: set[str]) -> None:
    """Read back at once, and told as who came and who went."""
    await idp.know(ANA, BEA, CAI)
    writers = await idp.group("Writers", ANA, BEA)
    before = len(await idp.told())
    if operations[0].get("value", {}) and "id" in operations[0]["value"]:
        operations = [{**operations[0], "value": {**operations[0]["value"], "id": writers}}]
    await idp.patch(f"/Groups/{writers}", *operations)

    assert wanted == await idp.members(writers)
    told = {(ADDED, one) for one in wanted - {ANA, BEA}} | {(REMOVED, one) for one in {ANA, BEA} - wanted}
    assert told == await changes(idp, before)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "members"},
        {"op": "replace", "path": "members"},
        {"op": "add", "path": 'members[value eq "x"]', "value": members("x")},
        {"op": "add", "path": "members", "value": [{"display": "no id"}]},
        {"op": "add", "path": "members", "value": [{"value": 5}]},
        {"op": "add", "path": "members", "value": members("x" * 1001)},
        {"op": "remove", "path": 'members[display eq "x"]'},
        {"op": "remove", "path": 'members[value eq "x"].display'},
        {"op": "remove", "path": 'members[value ne "x"]'},
        {"op": "remove", "path": "members["},
        {"op": "remove", "path": "members[" + "(" * 1900},
    ],
)
async def test_what_cannot_be_said_of_members_is_400(idp: Provider, operation: dict[str, Any]) -> None:
    """Nobody comes or goes by a guess."""
    writers = await idp.group("Writers", ANA)
    answer = await idp.patch(f"/Groups/{writers}", operation, expect=400)

    assert answer.json()["scimType"] in {"invalidPath", "invalidFilter", "invalidValue"}
    assert await idp.members(writers) == {ANA}


async def test_put_tells_the_difference(idp: Provider) -> None:
    """Who is in both lists is not told again; a list that is not sent changes nobody."""
    await idp.know(ANA, BEA, CAI)
    writers = await idp.group("Writers", ANA, BEA)
    before = len(await idp.told())
    body = {"schemas": [GROUP], "displayName": "Authors"}
    answer = await idp.send("PUT", f"/Groups/{writers}", {**body, "members": members(BEA, CAI)}, 200)

    assert {one["value"] for one in answer.json()["members"]} == {BEA, CAI}
    assert await changes(idp, before) == {(ADDED, CAI), (REMOVED, ANA)}
    assert "group.updated" in [name for name, _, _ in (await idp.told())[before:]]
    await idp.send("PUT", f"/Groups/{writers}", body, 200)
    assert await idp.members(writers) == {BEA, CAI}
    await idp.send("PUT", f"/Groups/{writers}", {**body, "members": []}, 200)
    assert await idp.members(writers) == set()


async def test_repeats_are_harmless(idp: Provider) -> None:
    """A request that is sent again after an unclear answer changes and tells nothing."""
    await idp.know(ANA, BEA)
    writers = await idp.group("Writers", ANA)
    add = {"op": "add", "path": "members", "value": members(BEA)}
    await idp.patch(f"/Groups/{writers}", add)
    version = (await idp.read(f"/Groups/{writers}"))["meta"]
    told = await idp.told()
    await idp.patch(f"/Groups/{writers}", add)
    await idp.patch(f"/Groups/{writers}", {"op": "remove", "path": 'members[value eq "nobody"]'})

    assert told == await idp.told()
    assert version == (await idp.read(f"/Groups/{writers}"))["meta"]


async def test_groups_within_groups_are_kept_and_not_told(idp: Provider) -> None:
    """The bridge's groups hold people."""
    await idp.know(ANA)
    inner = await idp.group("Inner")
    outer = await idp.group("Outer", inner, ANA)

    assert await idp.members(outer) == {inner, ANA}
    assert [user for name, user, _ in await idp.told() if name == ADDED] == [ANA]


async def test_ids_that_no_user_has_are_shown_and_not_told(idp: Provider, store: Store) -> None:
    """They would be unresolved for ever, since no event tells more. The provider reads what it wrote."""
    ana = await idp.user("ana")
    writers = await idp.group("Writers", ana, "00u1ana", user_id("nobody"))

    assert await idp.members(writers) == {ana, "00u1ana", user_id("nobody")}
    assert [user for name, user, _ in await idp.told() if name == ADDED] == [ana]
    [notice] = (await read_notices(store, ["idp"]))["idp"]
    assert notice.text.startswith('the group "Writers" names members by ids that no user has')
    before = await idp.told()
    await idp.patch(f"/Groups/{writers}", {"op": "remove", "path": 'members[value eq "00u1ana"]'})
    assert (await idp.members(writers), await idp.told()) == ({ana, user_id("nobody")}, before)


async def test_a_user_s_version_changes_with_their_groups(idp: Provider) -> None:
    """And a group's with who is deleted; alike where it is read, listed, answered, and asked for."""
    ana, bea = await idp.user("ana"), await idp.user("bea")
    writers = await idp.group("Writers")
    seen = [await versions(idp, "Users", ana)]
    await idp.patch(f"/Groups/{writers}", {"op": "add", "path": "members", "value": members(ana, bea)})
    seen.append(await versions(idp, "Users", ana))
    readers = await idp.group("Readers", ana)
    seen.append(await versions(idp, "Users", ana))
    await idp.send("DELETE", f"/Groups/{readers}", None, 204)
    seen.append(await versions(idp, "Users", ana))
    assert (len(set(seen)), seen[1]) == (3, seen[3])

    group = await versions(idp, "Groups", writers)
    await idp.send("DELETE", f"/Users/{bea}", None, 204)
    after = await versions(idp, "Groups", writers)
    assert group != after
    body = {"schemas": [GROUP], "displayName": "Writers", "members": []}
    put = await idp.send("PUT", f"/Groups/{writers}", body, 200)
    assert put.json()["meta"]["version"] == await versions(idp, "Groups", writers) != after


async def versions(idp: Provider, kind: str, ident: str) -> str:
    """Return the version of a resource, which everything tells alike."""
    answer = await idp.send("GET", f"/{kind}/{ident}", None, 200)
    listed = await idp.read(f"/{kind}", filter=f'id eq "{ident}"', excludedAttributes="members,groups")
    told = {
        answer.json()["meta"]["version"],
        answer.headers["etag"],
        listed["Resources"][0]["meta"]["version"],
    }
    [version] = told
    idp.headers["If-None-Match"] = version
    await idp.send("GET", f"/{kind}/{ident}", None, 304)
    del idp.headers["If-None-Match"]
    return str(version)


async def test_deleted_user_leaves_their_groups(idp: Provider) -> None:
    """The user is gone from every group; one `user.deleted` says it all."""
    ana, bea = await idp.user("ana"), await idp.user("bea")
    groups = [await idp.group(name, ana, bea) for name in ("Writers", "Readers")]
    before = len(await idp.told())
    await idp.send("DELETE", f"/Users/{ana}", None, 204)

    assert [await idp.members(one) for one in groups] == [{bea}, {bea}]
    assert (await idp.told())[before:] == [("user.deleted", ana, None)]
    await idp.send("GET", f"/Users/{ana}", None, 404)
    assert await idp.found("/Users", 'emails.value eq "ana@acme.test"') == set()


async def test_deleted_group_leaves_its_members(idp: Provider) -> None:
    """Its members are no longer in it; a group of the same name is another one."""
    ana = await idp.user("ana")
    writers = await idp.group("Writers", ana)
    await idp.send("DELETE", f"/Groups/{writers}", None, 204)

    assert (await idp.told())[-1] == ("group.deleted", None, writers)
    assert "groups" not in await idp.read(f"/Users/{ana}")
    assert await idp.found("/Groups", 'displayName eq "Writers"') == set()
    assert writers != await idp.group("Writers")


async def test_nothing_is_left_of_what_is_deleted(idp: Provider, store: Store) -> None:
    """Neither rows nor indexes: SCIM's keys are those from before."""
    keys = f"{store.prefix}:scim:*"
    before = set(await store.call("KEYS", keys))
    ana = await idp.user("ana", externalId="00u1", displayName="Ana")
    writers = await idp.group("Writers", ana, "usr_unknown")
    await idp.patch(f"/Groups/{writers}", {"op": "replace", "value": {"displayName": "Authors"}})
    await idp.send("DELETE", f"/Groups/{writers}")
    await idp.send("DELETE", f"/Users/{ana}")

    assert before == set(await store.call("KEYS", keys))


async def test_patches_at_the_same_time_all_survive(idp: Provider) -> None:
    """Thirty people added and thirty taken out at once: the group, and the events in their order, say so."""
    came, went = [user_id(f"c{n}") for n in range(30)], [user_id(f"w{n}") for n in range(30)]
    await idp.know(*came, *went)
    writers = await idp.group("Writers", *went)
    adds = [{"op": "add", "path": "members", "value": members(one)} for one in came]
    removes = [{"op": "remove", "path": f'members[value eq "{one}"]'} for one in went]
    await asyncio.gather(*(idp.patch(f"/Groups/{writers}", one) for one in adds + removes))

    assert await idp.members(writers) == set(came)
    assert await replayed(idp) == set(came)


async def replayed(idp: Provider) -> set[str]:
    """Who is in the groups by the events alone, in the order of their stamps."""
    found: set[str] = set()
    for one in sorted(await idp.events(), key=lambda event: event.stamp):
        if one.user and one.name.is_membership:
            (found.add if one.name.value == ADDED else found.discard)(one.user.id)
    return found


async def test_two_processes_lose_nothing(idp: Provider, second: Provider) -> None:
    """Two receivers over one Redis, without a lock in common, change one group again and again."""
    writers, both = await idp.group("Writers"), user_id("both")
    everybody = [user_id(at) for at in range(8)]
    await idp.know(both, *everybody)
    path = f"/Groups/{writers}"

    async def change(one: Provider, name: str) -> None:
        for turn in range(8):
            word = "add" if turn % 2 == 0 else "remove"
            await one.patch(path, {"op": word, "path": "members", "value": members(name, both)})
        await one.patch(path, {"op": "add", "path": "members", "value": members(name)})

    await asyncio.gather(*map(change, [idp, second] * 4, everybody))

    found = await idp.members(writers)
    assert found - {both} == set(everybody)
    assert found == await replayed(idp)


async def test_changes_of_different_attributes_both_survive(idp: Provider, second: Provider) -> None:
    """Nobody writes over what another has just written."""
    ana = await idp.user("ana")
    for turn in ("1", "2", "3", "4"):
        values = {"displayName": turn, "name.givenName": turn, "name.familyName": turn, "externalId": turn}
        await asyncio.gather(
            *(
                (idp, second)[at % 2].patch(f"/Users/{ana}", {"op": "replace", "path": path, "value": value})
                for at, (path, value) in enumerate(values.items())
            )
        )
        user = await idp.read(f"/Users/{ana}")
        assert (user["displayName"], user["externalId"]) == (turn, turn)
        assert user["name"] == {"givenName": turn, "familyName": turn}


async def test_what_is_written_later_is_told_as_later(idp: Provider, store: Store) -> None:
    """Also when the receiver that wrote before has a clock that is ahead."""
    ana = await idp.user("ana")
    key = f"{store.prefix}:scim:idp:row:User:{ana}"
    row = decode_row("User", ana, await store.call("GET", key))
    ahead = replace(row, modified=row.modified + 60_000)
    await store.call("SET", key, ahead.encode())
    await idp.patch(f"/Users/{ana}", {"op": "replace", "value": {"active": False}})

    assert stamp_time((await idp.events())[-1].stamp) > ahead.modified


async def test_one_user_name_goes_to_one_of_many(idp: Provider, second: Provider) -> None:
    """Created twenty times at once by two receivers: one 201, the others 409."""
    body = {"userName": "ana@acme.test"}
    answers = await asyncio.gather(*((idp, second)[n % 2].send("POST", "/Users", body) for n in range(20)))

    assert sorted(one.status_code for one in answers) == [201] + [409] * 19
    assert len(await idp.events()) == 1


async def test_large_groups(idp: Provider, store: Store) -> None:
    """1,900 members at once; a PATCH tells one, a PUT the difference; nothing is left in the end."""
    everybody = [user_id(number) for number in range(1900)]
    await idp.know(*everybody)
    body = {"schemas": [GROUP], "displayName": "All", "members": members(*everybody)}
    large = await idp.create("/Groups", body)
    before = len(await idp.told())
    await idp.patch(f"/Groups/{large}", {"op": "remove", "path": f'members[value eq "{everybody[0]}"]'})
    await idp.send("PUT", f"/Groups/{large}", {**body, "members": members(*everybody[2:])}, 200)

    assert before == 1901
    assert await changes(idp, before) == {(REMOVED, everybody[0]), (REMOVED, everybody[1])}
    assert await idp.members(large) == set(everybody[2:]) == await replayed(idp)
    await idp.patch(f"/Groups/{large}", {"op": "remove", "path": "members"})
    assert await replayed(idp) == set() == await idp.members(large)
    await idp.patch(f"/Groups/{large}", {"op": "add", "path": "members", "value": members(*everybody)})
    await idp.send("DELETE", f"/Groups/{large}", None, 204)
    left = await store.call("KEYS", f"{store.prefix}:scim:*")
    assert len(left) == len(everybody)  # their rows


async def test_many_operations_on_members_in_one_patch(idp: Provider) -> None:
    """Okta sends one for each member; the limit of operations is for the others."""
    everybody = [user_id(number) for number in range(500)]
    large = await idp.group("All", *everybody)
    operations = [{"op": "remove", "path": f'members[value eq "{one}"]'} for one in everybody[1:]]
    body = {"schemas": [PATCH], "Operations": operations}
    await idp.send("PATCH", f"/Groups/{large}", body, 204)

    assert await idp.members(large) == {everybody[0]}
