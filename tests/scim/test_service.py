"""What a provider writes it reads at once, in the dialects that Okta, Entra ID and others speak."""

import asyncio
from typing import Any

import pytest

from bridge.scim.service import MOST_TRIES
from bridge.store.commit import Transaction
from tests.scim.provider import ENTERPRISE, ERROR, GROUP, PATCH, USER, Provider, members, person


async def email_told(idp: Provider) -> tuple[str | None, bool | None]:
    """The address and the state in the newest user event."""
    user = next(one.user for one in reversed(await idp.events()) if one.user and one.name.is_user)
    return user.email, user.active


async def test_created_user_is_read_at_once_and_told(idp: Provider) -> None:
    """201 with id, meta and location; the journal has the event when the answer comes."""
    answer = await idp.send("POST", "/Users", person("ana", name={"givenName": "Ana", "familyName": "Ng"}))
    created = answer.json()

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/scim+json"
    assert answer.headers["location"] == created["meta"]["location"]
    assert created["meta"]["location"] == f"http://bridge.acme.test/scim/idp/v2/Users/{created['id']}"
    assert created["name"] == {"givenName": "Ana", "familyName": "Ng"}
    assert await idp.read(f"/Users/{created['id']}") == created
    assert await idp.told() == [("user.created", created["id"], None)]
    assert await email_told(idp) == ("ana@acme.test", True)


async def test_a_group_that_is_there_is_409_uniqueness(idp: Provider, second: Provider) -> None:
    """By its externalId, or by its name where none is told; also when two are created at once."""

    def group(name: str, **fields: str) -> dict[str, Any]:
        return {"schemas": [GROUP], "displayName": name, **fields}

    first = await idp.create("/Groups", group("Editors", externalId="g1"))
    for taken in (group("Editors", externalId="g1"), group("Others", externalId="g1"), group("eDITORS")):
        answer = await idp.send("POST", "/Groups", taken, 409)
        assert answer.json()["scimType"] == "uniqueness"
    await idp.create("/Groups", group("Editors", externalId="g2"))
    await idp.send("DELETE", f"/Groups/{first}", expect=204)
    await idp.create("/Groups", group("Editors", externalId="g1"))
    both = [who.send("POST", "/Groups", group("Racers")) for who in (idp, second, idp, second)]
    answers = await asyncio.gather(*both)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_taken_user_name_is_409_uniqueness(idp: Provider) -> None:
    """Also in other letters; by POST, PUT and PATCH; nothing is stored."""
    first, second = await idp.user("ana"), await idp.user("bea")
    before = await idp.told()
    again = await idp.send("POST", "/Users", person("x", userName="ANA@acme.test"), 409)
    put = await idp.send("PUT", f"/Users/{second}", person("ana"), 409)
    patch = await idp.patch(
        f"/Users/{second}", {"op": "replace", "path": "userName", "value": "ana@acme.test"}, expect=409
    )

    for answer in (again, put, patch):
        assert answer.json()["scimType"] == "uniqueness"
        assert answer.json()["schemas"] == [ERROR]
    assert before == await idp.told()
    assert await idp.found("/Users", 'userName eq "Ana@Acme.test"') == {first}


SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
ONELOGIN = {  # as OneLogin's own log and its template "SCIM Provisioner with SAML (Core)" have it
    "schemas": ["urn:scim:schemas:core:2.0", "urn:scim:schemas:extension:enterprise:2.0"],
    "userName": "olga@acme.test", "name": {"familyName": "Ng", "givenName": "Olga", "formatted": "Olga Ng"},
    "title": "Writer", "emails": {"value": "olga@acme.test", "type": "work", "primary": True},
}  # fmt: skip


async def test_onelogin_is_taken_at_its_word(idp: Provider) -> None:
    """Schemas of a draft, one address without a list; what is read-only is passed over in PUT."""
    ident = (await idp.send("POST", "/Users", ONELOGIN, 201)).json()["id"]
    body = ONELOGIN | {"id": "other", "meta": {"created": "", "lastModified": ""}, "active": False}
    answer = await idp.send("PUT", f"/Users/{ident}", body, 200)
    assert (answer.json()["id"], answer.json()["active"]) == (ident, False)


async def test_user_name_with_a_blank_is_taken_already(idp: Provider) -> None:
    """It gives the same address."""
    await idp.user("ana")
    await idp.send("POST", "/Users", {"userName": "ana@acme.test "}, 409)


async def test_group_without_members_shows_an_empty_list(idp: Provider) -> None:
    """A client that reads before it adds (authentik, before July 2026) adds nobody otherwise."""
    ident = await idp.group("Writers")
    assert (await idp.read(f"/Groups/{ident}"))["members"] == []
    assert (await idp.read("/Groups"))["Resources"][0]["members"] == []
    assert "members" not in await idp.read(f"/Groups/{ident}", excludedAttributes="members")


async def test_page_behind_the_last_one_is_empty(idp: Provider) -> None:
    """However far behind; what is no number of any list is refused."""
    await idp.user("ana")
    for start in (201, 10**14):
        found = await idp.read("/Users", startIndex=str(start))
        assert (found["totalResults"], found.get("Resources", [])) == (1, [])
    for key in ("startIndex", "count"):
        for number in (2**63, 10**30, -(10**30)):
            await idp.send("GET", "/Users", None, 400, **{key: str(number)})
            await idp.send("POST", "/Users/.search", {"schemas": [SEARCH], key: 10**18}, 400)


async def test_answer_without_content_has_no_length(idp: Provider) -> None:
    """RFC 9110, 8.6."""
    ident = await idp.group("Writers")
    answer = await idp.send("DELETE", f"/Groups/{ident}", None, 204)
    assert {"content-length", "content-type"}.isdisjoint(answer.headers)


async def test_user_name_is_free_again(idp: Provider) -> None:
    """After its user took another one, and after they were deleted."""
    ana = await idp.user("ana")
    await idp.patch(f"/Users/{ana}", {"op": "replace", "path": "userName", "value": "ann@acme.test"})
    bea = await idp.user("bea", userName="ana@acme.test")
    await idp.send("DELETE", f"/Users/{ana}", None, 204)
    cai = await idp.user("cai", userName="ann@acme.test")

    assert await idp.found("/Users", 'userName eq "ana@acme.test"') == {bea}
    assert await idp.found("/Users", 'userName eq "ann@acme.test"') == {cai}


OFF: list[dict[str, Any]] = [
    {"op": "replace", "value": {"active": False}},  # Okta
    {"op": "Replace", "path": "active", "value": "False"},  # Entra without its compliance flag
    {"op": "Replace", "path": "active", "value": False},  # Entra with it
    {"op": "Add", "value": {"active": "False"}},
    {"op": "Replace", "path": "active", "value": [{"$ref": None, "value": "False"}]},  # old jobs of Entra
    {"op": "replace", "path": f"{USER}:active", "value": False},
    {"OP": "REPLACE", "Path": "Active", "Value": "false"},
]


@pytest.mark.parametrize("operation", OFF)
async def test_deactivation_in_every_dialect(idp: Provider, operation: dict[str, Any]) -> None:
    """The user is told inactive, and stays to be found."""
    ana = await idp.user("ana")
    answer = await idp.patch(f"/Users/{ana}", operation)

    assert answer.status_code == 200
    assert answer.json()["active"] is False
    assert await email_told(idp) == ("ana@acme.test", False)
    assert await idp.found("/Users", 'userName eq "ana@acme.test"') == {ana}


async def test_rehire_of_an_inactive_user(idp: Provider) -> None:
    """Found by filter, made active by PUT or by PATCH; a repeat changes and tells nothing."""
    ana = await idp.user("ana", active=False)
    await idp.send("PUT", f"/Users/{ana}", person("ana"), 200)
    assert await email_told(idp) == ("ana@acme.test", True)
    await idp.patch(f"/Users/{ana}", OFF[0])
    await idp.patch(f"/Users/{ana}", {"op": "replace", "value": {"active": True}})
    told = await idp.told()
    await idp.patch(f"/Users/{ana}", {"op": "replace", "value": {"active": True}})

    assert await email_told(idp) == ("ana@acme.test", True)
    assert told == await idp.told()


async def test_inactive_user_who_is_created_again_comes_back(idp: Provider) -> None:
    """Under the same externalId they keep their id, with 201; a stranger of that name is a 409."""
    ana = await idp.user("ana", externalId="00u1")
    await idp.patch(f"/Users/{ana}", OFF[0])
    await idp.send("POST", "/Users", person("ana", externalId="00u2"), 409)
    await idp.send("POST", "/Users", person("ana"), 409)

    assert ana == await idp.user("ana", externalId="00u1")
    assert await email_told(idp) == ("ana@acme.test", True)
    await idp.send("POST", "/Users", person("ana", externalId="00u1"), 409)


async def test_a_put_that_does_not_say_active_lets_nobody_back_in(idp: Provider) -> None:
    """An inactive user stays inactive, whatever else is written or taken away."""
    ana = await idp.user("ana", active=False)
    without = person("ana", displayName="Ana")
    del without["active"]
    assert (await idp.send("PUT", f"/Users/{ana}", without, 200)).json()["active"] is False
    assert await email_told(idp) == ("ana@acme.test", False)
    await idp.patch(f"/Users/{ana}", {"op": "replace", "path": "displayName", "value": "A"})
    await idp.patch(f"/Users/{ana}", {"op": "remove", "path": "active"})

    assert await email_told(idp) == ("ana@acme.test", False)


async def test_a_put_that_does_not_say_active_hides_nobody(idp: Provider) -> None:
    """OneLogin's templates never say it: the user is shown active, and found by those who ask for that."""
    ana = await idp.user("ana")
    put = await idp.send("PUT", f"/Users/{ana}", {"userName": "ana@acme.test", "displayName": "Ana"}, 200)
    assert put.json()["active"] is True
    assert await idp.found("/Users", 'userName eq "ana@acme.test" and active eq true') == {ana}


async def test_entra_patches(idp: Provider) -> None:
    """Capitals, paths with filters that match or do not, dotted keys, attributes that are not kept."""
    ana = await idp.user("ana", name={"givenName": "Ana"})
    answer = await idp.patch(
        f"/Users/{ana}",
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "new@acme.test"},
        {"op": "Add", "path": 'emails[type eq "home"].value', "value": "home@acme.test"},
        {"op": "Add", "path": 'phoneNumbers[type eq "work"].value', "value": "555"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Docs"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": [{"value": "x"}]},
        {"op": "Replace", "value": {"name.familyName": "Ng", f"{ENTERPRISE}:division": "d", "title": "Dr"}},
        {"op": "Remove", "path": "nickName"},
    )
    user = answer.json()

    assert {one["value"] for one in user["emails"]} == {"new@acme.test", "home@acme.test"}
    assert user["name"] == {"givenName": "Ana", "familyName": "Ng"}
    assert not {"phoneNumbers", "title", ENTERPRISE} & set(user)
    assert await email_told(idp) == ("new@acme.test", True)


async def test_put_with_unknown_attributes_and_schemas(idp: Provider) -> None:
    """What is not kept is no mistake."""
    ana = await idp.user("ana")
    told = person("ana", title="x", password="y", roles=[], groups=[], **{ENTERPRISE: {"department": "z"}})
    told["schemas"] = [USER, ENTERPRISE]
    told["displayName"] = "Ana"
    user = (await idp.send("PUT", f"/Users/{ana}", told, 200)).json()

    assert user["displayName"] == "Ana"
    assert not {"title", "password", ENTERPRISE} & set(user)


async def test_filters(idp: Provider) -> None:
    """Those that providers ask by, alone and joined; strings compare as the schema says."""
    ana = await idp.user("ana", externalId="00u1", displayName="Ana Ng")
    bea = await idp.user("bea", externalId="00U1", active=False)
    writers, _ = await idp.group("Writers", ana, bea), await idp.group("Readers", bea)

    for text, wanted in (
        ('userName eq "ANA@acme.test"', {ana}),
        ('externalId eq "00u1"', {ana}),
        ('externalId eq "00u"', set()),
        (f'id eq "{bea}"', {bea}),
        ('emails.value eq "Bea@acme.test"', {bea}),
        ('emails eq "bea@acme.test"', {bea}),
        ('emails[type eq "work" and value eq "bea@acme.test"]', {bea}),
        ('emails[type eq "home"].value eq "bea@acme.test"', set()),
        ('displayName eq "ana ng"', {ana}),
        ('userName eq "ana@acme.test" and active eq true', {ana}),
        ('userName eq "bea@acme.test" and active eq true', set()),
        (f'userName eq "ana@acme.test" or id eq "{bea}"', {ana, bea}),
        ("active eq false", {bea}),
        ('userName sw "b" and not (active eq true)', {bea}),
        ("userName pr", {ana, bea}),
        ('userName eq "nobody@acme.test"', set()),
    ):
        assert wanted == await idp.found("/Users", text), text
    for text, wanted in (
        ('displayName eq "writers"', {writers}),
        (f'members.value eq "{ana}"', {writers}),
        (f'members eq "{ana}" and id eq "{writers}"', {writers}),
        (f'members[value eq "{ana}"]', {writers}),
        (f'displayName eq "Readers" and members.value eq "{ana}"', set()),
        (f'displayName eq "Writers" and not (members.value eq "{ana}")', set()),
        ('members.value eq "nobody"', set()),
    ):
        assert wanted == await idp.found("/Groups", text), text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/Users", "nonsense"),
        ("/Users", 'userName zz "x"'),
        ("/Users", 'shoeSize eq "44"'),
        ("/Users", 'groups.value eq "x"'),
        ("/Users", "(" * 900 + 'userName eq "x"' + ")" * 899),
        ("/Users", "(" * 1900),
        ("/Users", 'userName eq "x" or ' * 90),
        ("/Users", 'userName eq "' + "x" * 2000 + '"'),
        ("/Groups", "members pr"),
        ("/Groups", 'members.value sw "x"'),
        ("/Groups", 'members[value ne "x"]'),
    ],
)
async def test_filters_that_cannot_be_answered_are_400(idp: Provider, path: str, text: str) -> None:
    """With the scimType invalidFilter, by GET and by .search; never a 5xx."""
    by_query = await idp.send("GET", path, filter=text)
    by_body = await idp.send("POST", f"{path}/.search", {"filter": text})

    for answer in (by_query, by_body):
        assert answer.status_code == 400
        assert answer.json()["scimType"] == "invalidFilter"


async def test_deep_filters_are_answered(idp: Provider) -> None:
    """What is deep but right is no attack."""
    ana = await idp.user("ana")
    assert await idp.found("/Users", "(" * 300 + 'userName eq "ana@acme.test"' + ")" * 300) == {ana}


async def test_pages(idp: Provider) -> None:
    """In the order of creation, with the total on each page, and no more than 200 at once."""
    idents = [await idp.user(f"u{number}") for number in range(7)]
    first = await idp.read("/Users", startIndex="1", count="3")
    last = await idp.read("/Users", startIndex="6", count="3")
    none = await idp.read("/Users", count="0")
    beyond = await idp.read("/Users", startIndex="8", count="3")
    filtered = await idp.read("/Users", startIndex="2", count="2", filter="active eq true")

    assert [one["id"] for one in first["Resources"] + last["Resources"]] == idents[:3] + idents[5:]
    assert (first["totalResults"], first["startIndex"], first["itemsPerPage"]) == (7, 1, 3)
    assert (last["totalResults"], last["itemsPerPage"]) == (7, 2)
    assert (none["totalResults"], none.get("Resources", [])) == (7, [])
    assert (beyond["totalResults"], beyond["itemsPerPage"]) == (7, 0)
    assert (filtered["totalResults"], [one["id"] for one in filtered["Resources"]]) == (7, idents[1:3])
    config = await idp.read("/ServiceProviderConfig")
    assert config["filter"] == {"supported": True, "maxResults": 200}


async def test_attributes_and_excluded_attributes(idp: Provider) -> None:
    """Entra reads groups without their members."""
    ana = await idp.user("ana")
    writers = await idp.group("Writers", ana)
    without = await idp.read(f"/Groups/{writers}", excludedAttributes="members")
    only = await idp.read(f"/Groups/{writers}", attributes="members.value")
    listed = await idp.read("/Groups", excludedAttributes="members", filter='displayName eq "Writers"')
    searched = await idp.send("POST", "/Groups/.search", {"attributes": ["displayName"]}, 200)
    user = await idp.read(f"/Users/{ana}", attributes="userName,groups")

    assert (without["displayName"], "members" in without) == ("Writers", False)
    assert ("displayName" in only, only["members"]) == (False, members(ana))
    assert "members" not in listed["Resources"][0]
    assert "members" not in searched.json()["Resources"][0]
    assert user["groups"] == members(writers)
    assert set(user) == {"schemas", "id", "userName", "groups"}


async def test_etags(idp: Provider) -> None:
    """A version that is not the newest writes nothing, one that is known is not sent again."""
    ana = await idp.user("ana")
    path = f"/Users/{ana}"
    version = (await idp.send("GET", path)).headers["etag"]
    idp.headers["If-None-Match"] = version
    assert (await idp.send("GET", path)).status_code == 304
    del idp.headers["If-None-Match"]
    await idp.patch(path, OFF[0])
    idp.headers["If-Match"] = version
    assert (await idp.patch(path, {"op": "replace", "value": {"active": True}}, expect=412)).status_code
    assert await email_told(idp) == ("ana@acme.test", False)


async def test_discovery(idp: Provider) -> None:
    """What can be done and what is kept is told."""
    config = await idp.read("/ServiceProviderConfig")
    types = await idp.read("/ResourceTypes")
    schemas = await idp.read("/Schemas")

    supported = {key: value["supported"] for key, value in config.items() if "supported" in value}
    assert supported == {
        "patch": True, "bulk": False, "filter": True, "changePassword": False, "sort": False, "etag": True,
    }  # fmt: skip
    assert {one["endpoint"] for one in types["Resources"]} == {"/Users", "/Groups"}
    kept = {one["id"]: {each["name"] for each in one["attributes"]} for one in schemas["Resources"]}
    assert kept[USER] >= {"userName", "name", "displayName", "active", "emails", "groups"}
    assert "password" not in kept[USER]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Users/nobody", 404),
        ("GET", "/Users/grp_00000000000000000000000000000000", 404),
        ("DELETE", "/Users/usr_00000000000000000000000000000000", 404),
        ("GET", "/Nonsense", 404),
        ("GET", "/Users/a/b/c", 404),
        ("DELETE", "/Users", 405),
        ("POST", "/Bulk", 501),
        ("GET", "/Me", 501),
        ("GET", "/", 501),
    ],
)
async def test_what_is_not_there(idp: Provider, method: str, path: str, status: int) -> None:
    """A SCIM error that repeats its status (RFC 7644 3.12)."""
    answer = await idp.send(method, path)

    assert status == answer.status_code
    assert answer.headers["content-type"] == "application/scim+json"
    assert answer.json()["schemas"] == [ERROR]
    assert answer.json()["status"] == str(status)


BAD: list[tuple[Any, str]] = [
    ({"userName": "ana@acme.test", "emails": "no list"}, "invalidValue"),
    ({"displayName": "no name"}, "invalidValue"),
    ({"userName": " "}, "invalidValue"),
    ({"userName": "x" * 1001}, "invalidValue"),
    ({"userName": "x", "name": {"givenName": "x" * 1001}}, "invalidValue"),
    ({"userName": "x", "emails": [{"value": f"{n}@acme.test"} for n in range(51)]}, "invalidValue"),
    ({"schemas": ["urn:x"], "userName": "x"}, "invalidSyntax"),
    ([], "invalidSyntax"),
    ("text", "invalidSyntax"),
    ({"userName": "x", "deep": [[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]}, "invalidSyntax"),
]


@pytest.mark.parametrize(("body", "kind"), BAD)
async def test_bad_users_are_400(idp: Provider, body: Any, kind: str) -> None:
    """With the type of the mistake, and nothing is stored."""
    answer = await idp.send("POST", "/Users", body, 400)

    assert kind == answer.json()["scimType"]
    assert await idp.events() == []


@pytest.mark.parametrize(
    "operations",
    [
        [],
        "text",
        [1],
        [{"op": "frobnicate", "path": "active", "value": True}],
        [{"op": "replace", "path": "active", "value": "maybe"}],
        [{"op": "replace", "path": "userName"}],
        [{"op": "replace", "path": 5, "value": 1}],
        [{"op": "replace", "path": "x" * 2001, "value": 1}],
        [{"op": "replace", "path": "emails[" * 50, "value": 1}],
        [{"op": "remove"}],
        [{"op": "remove", "path": "userName"}],
        [{"op": "replace", "path": "id", "value": "x"}],
        [{"op": "replace", "path": "displayName", "value": "x"}] * 101,
    ],
)
async def test_bad_patches_are_400(idp: Provider, operations: Any) -> None:
    """With a SCIM error, and nothing is changed."""
    ana = await idp.user("ana")
    answer = await idp.send("PATCH", f"/Users/{ana}", {"schemas": [PATCH], "Operations": operations}, 400)

    assert answer.json()["schemas"] == [ERROR]
    assert len(await idp.events()) == 1


@pytest.mark.parametrize(
    ("operation", "detail"),
    [
        (
            {"op": "replace", "path": "active", "value": "maybe"},
            "Input should be a valid boolean, unable to interpret input: active",
        ),
        (
            {"op": "replace", "value": {"emails": [{"value": ["x"]}]}},
            "Input should be a valid string: emails[0].value",
        ),
        ({"op": "add", "path": "bogus[", "value": 1}, "invalid syntax at column 6"),
    ],
)
async def test_a_mistake_is_told_in_a_sentence(idp: Provider, operation: dict[str, Any], detail: str) -> None:
    """Without the validator's own text, which leads to its documentation."""
    ana = await idp.user("ana")
    answer = await idp.patch(f"/Users/{ana}", operation, expect=400)
    assert answer.json()["detail"] == detail
    both = await idp.send("GET", "/Users", None, 400, attributes="userName", excludedAttributes="emails")
    assert both.json()["detail"] == "'attributes' and 'excluded_attributes' are mutually exclusive"


async def test_head_is_a_question_without_a_body(idp: Provider) -> None:
    """As GET, of whatever can be read."""
    ana = await idp.user("ana")
    for path in (f"/Users/{ana}", "/Users", "/Schemas", "/ServiceProviderConfig"):
        asked, told = await idp.send("GET", path, None, 200), await idp.send("HEAD", path, None, 200)
        assert told.headers.get("etag") == asked.headers.get("etag")
    await idp.send("HEAD", "/Users/usr_none", None, 404)


async def test_pages_of_large_groups_are_shorter(idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer shows so many members at most, and at least one group; the rest is on the next page."""
    monkeypatch.setattr("bridge.scim.service.MOST_SHOWN", 3)
    idents = [await idp.group(name, *(f"usr_{n}" for n in range(2))) for name in "abc"]
    large = await idp.group("large", *(f"usr_{n}" for n in range(9)))
    first = await idp.read("/Groups")
    last = await idp.read("/Groups", startIndex="4")
    without = await idp.read("/Groups", excludedAttributes="members")

    assert ([one["id"] for one in first["Resources"]], first["itemsPerPage"]) == (idents[:1], 1)
    assert first["totalResults"] == 4
    assert [(one["id"], len(one["members"])) for one in last["Resources"]] == [(large, 9)]
    assert without["itemsPerPage"] == 4


async def test_filters_that_would_look_at_too_many(idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those without an index are 400 with the scimType tooMany; those with one are answered."""
    monkeypatch.setattr("bridge.scim.storage.MOST_WALKED", 1)
    idents = [await idp.user(name) for name in ("ana", "bea")]
    answer = await idp.send("GET", "/Users", None, 400, filter="active eq true")

    assert answer.json()["scimType"] == "tooMany"
    assert await idp.found("/Users", 'userName eq "bea@acme.test"') == set(idents[1:])


async def test_a_race_that_is_lost_for_ever(idp: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried some times, then 503 asks the provider to come again."""
    ana = await idp.user("ana")
    tries = []

    async def lose(_transaction: Transaction) -> bool:
        tries.append(1)
        return False

    monkeypatch.setattr(Transaction, "run", lose)
    answer = await idp.send("DELETE", f"/Users/{ana}", None, 503)

    assert answer.headers["retry-after"]
    assert len(tries) == MOST_TRIES
