"""Okta Event Hooks: the fixed header, and what System Log events mean."""

import json
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory.events import DirectoryEvent, EventName, GroupNews, News, UserNews, stamp_body
from bridge.directory.fold import Mirror, fold
from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, Parsed, SourceError, UnreadableError, UnverifiedError
from bridge.sources.okta_event_hooks import MEANINGS, OktaEventHooks
from bridge.sources.registry import make_source

NOW = 1_795_319_083_036
PUBLISHED, TOLD = "2026-01-31T09:30:00.250Z", 1_769_851_800_250


def settings(**more: Any) -> SourceSettings:
    """A [[sources]] table of this kind."""
    table = {"name": "hooks", "kind": "okta-event-hooks", "secrets": ["Basic one", "two"]}
    return SourceSettings.model_validate(table | more)


SOURCE = OktaEventHooks(settings())


def delivery(body: bytes = b"{}", **headers: str) -> Delivery:
    """A delivery that arrives at NOW; `_` in a header's name stands for `-`."""
    return Delivery({name.replace("_", "-"): value for name, value in headers.items()}, body, NOW)


def target(kind: str, ident: Any, alternate: Any, name: Any) -> dict[str, Any]:
    """A target as Okta writes it."""
    return {"id": ident, "type": kind, "alternateId": alternate, "displayName": name, "detailEntry": None}


USER = target("User", "00u1", "ana@acme.test", "Ana Ng")
GROUP = target("UserGroup", "00g1", "unknown", "Writers")
APP_USER = target("AppUser", "0ua1", "ana@acme.test", "Ana Ng")
APP = target("AppInstance", "0oa1", "GitBook", "GitBook")
ANA, WRITERS, GITBOOK = (
    UserNews("00u1", "ana@acme.test"),
    GroupNews("00g1", "Writers"),
    GroupNews("0oa1", "GitBook"),
)


def log_event(kind: Any, *targets: Any, **more: Any) -> dict[str, Any]:
    """A System Log event, as in Okta's documentation."""
    return {
        "uuid": "ab62c0bc-2837-11eb-9823-9fb8f750c5a9",
        "published": PUBLISHED,
        "eventType": kind,
        "version": "0",
        "actor": target("User", "00u2", "okta.admin@acme.test", "Okta Admin"),
        "outcome": {"result": "SUCCESS", "reason": None},
        "target": list(targets),
        **more,
    }


def envelope(*events: Any) -> bytes:
    """A delivery's body."""
    return json.dumps(
        {
            "eventType": "com.okta.event_hook",
            "eventTypeVersion": "1.0",
            "cloudEventsVersion": "0.1",
            "source": "https://acme.okta.test/api/v1/eventHooks/who7hphp39JoHLni81d7",
            "eventId": "85b60edb-4263-4e13-993b-818e26201052",
            "data": {"events": list(events)},
            "eventTime": "2026-01-31T09:30:37.093Z",
            "contentType": "application/json",
        }
    ).encode()


def parse(*events: Any, source: OktaEventHooks = SOURCE) -> Parsed:
    """Parse a delivery of these events."""
    return source.parse(delivery(envelope(*events)), None)


def only(parsed: Parsed) -> News:
    """The one element there is, without its key."""
    (news,) = parsed.news
    return News(news.name, news.user, news.group, news.told, news.directory_id)


@pytest.mark.parametrize("value", ["Basic one", "two"])
async def test_any_secret_verifies(value: str) -> None:
    """Verbatim: with whatever scheme was typed into Okta. No time is signed."""
    assert await make_source(settings()).verify(delivery(authorization=value)) is None


async def test_header_of_one_s_own() -> None:
    """Then Authorization proves nothing."""
    source = OktaEventHooks(settings(header="X-Hook-Key"))

    await source.verify(delivery(x_hook_key="two"))
    for other in (delivery(authorization="two"), delivery(x_hook_key="one"), delivery()):
        with pytest.raises(UnverifiedError):
            await source.verify(other)


@given(st.text())
async def test_other_values_are_refused(value: str) -> None:
    """Neither the secret behind a scheme, nor without its own, nor anything else."""
    for each in (value, f"Bearer {value}", "one", "Bearer two", "basic one", "two ", ""):
        if each not in ("Basic one", "two"):
            with pytest.raises(UnverifiedError):
                await SOURCE.verify(delivery(authorization=each))
    with pytest.raises(UnverifiedError, match="there is no Authorization header"):
        await SOURCE.verify(delivery())


@pytest.mark.parametrize(
    ("kind", "targets", "expected"),
    [
        ("user.lifecycle.activate", [USER], (EventName.USER_UPDATED, True, None)),
        ("user.lifecycle.reactivate", [USER], (EventName.USER_UPDATED, True, None)),
        ("user.lifecycle.unsuspend", [USER], (EventName.USER_UPDATED, True, None)),
        ("user.lifecycle.deactivate", [USER], (EventName.USER_UPDATED, False, None)),
        ("user.lifecycle.suspend", [USER], (EventName.USER_UPDATED, False, None)),
        ("user.lifecycle.delete.initiated", [USER], (EventName.USER_DELETED, None, None)),
        ("user.account.update_profile", [USER], (EventName.USER_UPDATED, None, None)),
        ("group.user_membership.add", [USER, GROUP], (EventName.USER_ADDED, None, WRITERS)),
        ("group.user_membership.remove", [USER, GROUP], (EventName.USER_REMOVED, None, WRITERS)),
        ("application.user_membership.add", [APP_USER, APP, USER], (EventName.USER_ADDED, None, GITBOOK)),
        (
            "application.user_membership.remove",
            [APP_USER, APP, USER],
            (EventName.USER_REMOVED, None, GITBOOK),
        ),
    ],
)
def test_events_about_users(
    kind: str, targets: list[Any], expected: tuple[EventName, bool | None, GroupNews | None]
) -> None:
    """Targets are told apart by their type, in whatever order they stand."""
    name, active, group = expected
    for order in permutations(targets):
        news = only(parse(log_event(kind, *order)))
        assert News(name, UserNews("00u1", "ana@acme.test", active), group, TOLD) == news


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("group.lifecycle.create", EventName.GROUP_CREATED),
        ("group.lifecycle.delete", EventName.GROUP_DELETED),
        ("group.profile.update", EventName.GROUP_UPDATED),
    ],
)
def test_events_about_groups(kind: str, name: EventName) -> None:
    """The name is the displayName; the alternateId is always "unknown"."""
    assert News(name, None, WRITERS, TOLD) == only(parse(log_event(kind, GROUP)))


def test_created_user_has_no_seat_before_activation() -> None:
    """A pre-hire is known but inactive; with provision_on = "create" they are active."""
    created = log_event("user.lifecycle.create", USER)
    early = OktaEventHooks(settings(provision_on="create"))

    news = only(parse(created))
    assert (EventName.USER_CREATED, UserNews("00u1", "ana@acme.test", False)) == (news.name, news.user)
    assert News(EventName.USER_CREATED, UserNews("00u1", "ana@acme.test", True), None, TOLD) == only(
        parse(created, source=early)
    )


@pytest.mark.parametrize("order", list(permutations([0, 1, 2])))
@pytest.mark.parametrize("alone", [True, False])
def test_activation_wins_over_the_creation_of_the_same_moment(order: tuple[int, ...], alone: bool) -> None:
    """In any order, in one delivery or in several: the user ends up active and in the group."""
    told = [
        log_event("user.lifecycle.create", USER),
        log_event("user.lifecycle.activate", USER),
        log_event("group.user_membership.add", USER, GROUP),
    ]
    bodies = [[told[at]] for at in order] if alone else [[told[at] for at in order]]
    mirror = Mirror()
    for body in bodies:
        news = parse(*body).news
        stamps = stamp_body(news, NOW)
        fold(mirror, [DirectoryEvent(n.name, s, n.user, n.group) for n, s in zip(news, stamps, strict=True)])

    user, group = mirror.users["00u1"], mirror.groups["00g1"]
    assert user.active
    assert mirror.memberships["00g1", "00u1"].holds(user, group)


@pytest.mark.parametrize(
    "login", ["ana", "unknown", "acme\\ana", "ana@localhost", "", None, 7, "x" * 400 + "@acme.test"]
)
def test_login_that_is_no_address(login: Any) -> None:
    """It is left out, and the rest counts."""
    told = log_event("user.lifecycle.deactivate", target("User", "00u1", login, "Ana"))
    assert UserNews("00u1", None, False) == only(parse(told)).user


def test_only_the_configured_application_counts() -> None:
    """Another one's assignments are ignored; without one configured, each application is a group."""
    source = OktaEventHooks(settings(application="0oa1"))
    other = target("AppInstance", "0oa2", "Slack", "Slack")
    for change in ("add", "remove"):
        kind = f"application.user_membership.{change}"
        parsed = parse(
            log_event(kind, APP_USER, APP, USER), log_event(kind, APP_USER, other, USER), source=source
        )
        assert ([news.group for news in parsed.news], parsed.ignored) == ([GITBOOK], 1)
    told = parse(log_event("group.user_membership.add", USER, GROUP), source=source)
    assert [news.group for news in told.news] == [WRITERS]
    assert len(parse(log_event("application.user_membership.add", APP_USER, other, USER)).news) == 1


def test_login_is_not_taken_for_the_address_where_that_can_be_read() -> None:
    """With an API configured the address comes from there: nobody is invited by a login that is none."""
    source = OktaEventHooks(settings(api_url="https://acme.okta.test", api_token="x"))
    for kind, targets in (
        ("user.lifecycle.create", [USER]),
        ("user.lifecycle.activate", [USER]),
        ("group.user_membership.add", [USER, GROUP]),
    ):
        told = only(parse(log_event(kind, *targets), source=source)).user
        assert told is not None
        assert (told.id, told.email) == ("00u1", None)


@pytest.mark.parametrize(
    "event",
    [
        log_event("user.session.start", USER),
        log_event("group.application_assignment.add", GROUP, APP),
        log_event("user.lifecycle.deactivate", USER, outcome={"result": "FAILURE", "reason": "x"}),
        log_event("user.lifecycle.deactivate", USER, outcome={"result": "SKIPPED"}),
        log_event("user.lifecycle.deactivate", USER, outcome={"result": "deny"}),
        log_event("user.lifecycle.deactivate", outcome={"result": "FAILURE"}),
        log_event("", target=None),
    ],
)
def test_other_events_and_failures_are_ignored(event: Any) -> None:
    """Only what succeeded has happened; they are counted."""
    parsed = parse(event, log_event("group.lifecycle.create", GROUP))
    assert (len(parsed.news), len(parsed.refused), parsed.ignored) == (1, 0, 1)
    assert parse(event).ignored == 1


UNREADABLE_OUTCOMES = [
    ({"outcome": None}, "outcome is null"),
    ({"outcome": "FAILURE"}, "outcome is a string"),
    ({"outcome": {"result": None}}, "outcome.result is null"),
    ({"outcome": {"result": "UNKNOWN"}}, 'outcome.result is "UNKNOWN"'),
]


@pytest.mark.parametrize(("more", "found"), UNREADABLE_OUTCOMES)
@pytest.mark.parametrize(
    "leaver",
    [
        log_event("user.lifecycle.deactivate", USER),
        log_event("user.lifecycle.suspend", USER),
        log_event("user.lifecycle.delete.initiated", USER),
        log_event("group.user_membership.remove", USER, GROUP),
    ],
)
def test_leaver_whose_outcome_cannot_be_read_is_taken(leaver: Any, more: Any, found: str) -> None:
    """A leaver who keeps access is worse than one who is removed too early; operators see it."""
    parsed = parse({**leaver, **more})
    assert only(parsed) == only(parse(leaver))
    assert [note.text for note in parsed.notices] == [f"{found}: it is taken as done, since somebody leaves"]


@pytest.mark.parametrize(("more", "found"), UNREADABLE_OUTCOMES)
@pytest.mark.parametrize(
    "other",
    [
        log_event("user.lifecycle.activate", USER),
        log_event("group.user_membership.add", USER, GROUP),
        log_event("group.lifecycle.delete", GROUP),
    ],
)
def test_other_events_whose_outcome_cannot_be_read_are_refused(other: Any, more: Any, found: str) -> None:
    """Visibly: "not for us" and "cannot tell" are two answers. A group's end is many people's."""
    with pytest.raises(UnreadableError, match=f"{found}: whether it was done cannot be told"):
        parse({**other, **more})


def test_assignment_whose_application_cannot_be_read_is_refused() -> None:
    """It may be the configured one, so it is not ignored as another one's."""
    source = OktaEventHooks(settings(application="0oa1"))
    nameless = target("AppInstance", None, "GitBook", "GitBook")
    with pytest.raises(UnreadableError, match=r"target\[AppInstance\].id is missing"):
        parse(log_event("application.user_membership.remove", APP_USER, nameless, USER), source=source)


@pytest.mark.parametrize("more", [{"published": "soon"}, {"published": []}, {"uuid": []}])
def test_odd_time_or_id_keeps_no_leaver_in(more: Any) -> None:
    """The event counts from its arrival, or has no key, and operators see it."""
    parsed = parse(log_event("user.lifecycle.suspend", USER, **more))
    news = only(parsed)
    assert news.user is not None
    assert (news.user.active, news.told) == (False, None if "published" in more else TOLD)
    (notice,) = parsed.notices
    assert next(iter(more)) in notice.text
    with pytest.raises(UnreadableError):
        parse(log_event("user.lifecycle.activate", USER, **more))


def test_many_events_in_one_delivery() -> None:
    """Each stands alone, in order, and has a time and a key of its own."""
    parsed = parse(
        log_event("group.lifecycle.create", GROUP, uuid="1", published="2026-01-31T09:30:00.000Z"),
        7,
        log_event("user.session.start"),
        log_event("user.lifecycle.activate", uuid="2"),
        log_event("group.user_membership.add", USER, GROUP, uuid="3", published="2026-01-31T09:30:01.000Z"),
    )

    assert [news.name for news in parsed.news] == [EventName.GROUP_CREATED, EventName.USER_ADDED]
    assert [news.told for news in parsed.news] == [1_769_851_800_000, 1_769_851_801_000]
    assert [(one.index, one.reason) for one in parsed.refused] == [
        (1, "data.events[1] is a number: send an object"),
        (3, "target names no User"),
    ]
    assert parsed.ignored == 1


def test_key_is_the_uuid() -> None:
    """The same in another delivery and beside others; without a uuid nothing is a repeat."""
    one = log_event("group.lifecycle.create", GROUP)
    first, second = parse(one, {**one, "uuid": "2"}).news
    (again,) = parse(one).news
    (none,) = parse({**one, "uuid": None}).news

    assert first.key == again.key != second.key
    assert first.key is not None
    assert len(first.key) == 16
    assert none.key is None


def test_event_without_a_time_happened_when_it_arrived() -> None:
    """Nothing is made up."""
    assert only(parse(log_event("group.lifecycle.create", GROUP, published=None))).told is None
    assert only(parse(log_event("user.lifecycle.create", USER, published=None))).told is None


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (log_event(None, USER), "eventType is null: send a System Log event .it has uuid"),
        (log_event("user.lifecycle.suspend", target=None), "target is null: send a list"),
        (log_event("user.lifecycle.suspend", APP_USER, GROUP, 7), "target names no User"),
        (log_event("group.user_membership.add", USER), "target names no UserGroup"),
        (log_event("application.user_membership.add", USER, GROUP), "target names no AppInstance"),
        (
            log_event("user.lifecycle.suspend", USER, {**USER, "id": "00u2"}),
            "target names 2 of type User: which one is meant",
        ),
        (log_event("user.lifecycle.suspend", {**USER, "id": None}), r"target\[User\].id is missing"),
        (log_event("group.profile.update", {**GROUP, "id": {}}), r"target\[UserGroup\].id is an object"),
        (log_event("user.lifecycle.activate", USER, published="soon"), "published is not a time"),
        (log_event("user.lifecycle.activate", USER, uuid=[]), "uuid is a list"),
    ],
)
def test_events_that_cannot_be_read(event: Any, reason: str) -> None:
    """The reason names the field, and where the event stood."""
    with pytest.raises(
        UnreadableError, match=rf"none of the 1 elements .*data\.events\[0\]: {reason}"
    ) as caught:
        parse(event)
    assert caught.value.status == 422


def test_same_target_twice_is_one() -> None:
    """Only different ones leave open who is meant."""
    told = only(parse(log_event("user.lifecycle.suspend", USER, USER)))
    assert UserNews("00u1", "ana@acme.test", False) == told.user


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "not JSON"),
        (b"\xff", 400, "not JSON"),
        (b"[]", 422, "the body is a list"),
        (b"{}", 422, "data is null"),
        (b'{"data": {}}', 422, "data.events is null: send a list"),
        (b'{"data": {"events": {}}}', 422, "data.events is an object"),
        (b'{"data": {"events": []}}', 422, "data.events is empty"),
    ],
)
def test_envelopes_that_cannot_be_read(body: bytes, status: int, reason: str) -> None:
    """The reason names the field."""
    with pytest.raises(UnreadableError, match=reason) as caught:
        SOURCE.parse(delivery(body), None)
    assert status == caught.value.status


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "type", "alternateId", "displayName", "result"]), inner)
    ),
    max_leaves=20,
)
TARGETS = st.fixed_dictionaries(
    {"type": st.sampled_from(["User", "UserGroup", "AppInstance"]) | JSON},
    optional={"id": JSON, "alternateId": JSON, "displayName": JSON},
)
EVENTS = st.fixed_dictionaries(
    {
        "eventType": st.sampled_from(sorted(MEANINGS)) | JSON,
        "outcome": st.just({"result": "SUCCESS"}) | JSON,
        "target": st.lists(TARGETS | JSON, max_size=4) | JSON,
    },
    optional={"uuid": JSON, "published": st.just(PUBLISHED) | JSON},
)


@given(st.lists(EVENTS | JSON, max_size=5))
def test_no_event_raises_anything_else(events: list[Any]) -> None:
    """Every element is news, refused or ignored; or the whole is unreadable."""
    try:
        parsed = parse(*events)
    except SourceError as error:
        assert isinstance(error, UnreadableError)
    else:
        assert len(events) == len(parsed.news) + len(parsed.refused) + parsed.ignored


@given(st.binary() | JSON.map(lambda body: json.dumps({"data": body}).encode()))
def test_no_body_raises_anything_else(body: bytes) -> None:
    """Whatever stands in for an envelope, the answer is a reason."""
    with pytest.raises(UnreadableError):
        SOURCE.parse(delivery(body), None)
