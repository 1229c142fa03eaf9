"""Okta's API, asked over real HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bridge.directories.base import (
    DirectoryError,
    DirectoryGroup,
    DirectoryUser,
    ForbiddenError,
    LimitedError,
    RefusedError,
    RejectedError,
    UnavailableError,
)
from bridge.directories.okta import Okta, okta_of
from bridge.settings import Secret, SourceSettings
from tests.directories.fake_okta import TOKEN, FakeOkta

NOW = 1_795_319_083.25


@pytest.fixture
async def client(okta: FakeOkta) -> AsyncIterator[Okta]:
    """A client that may call; the time stands still for both."""
    okta.clock = lambda: NOW
    made = Okta(okta.url, Secret(TOKEN), timeout=0.3)
    made.clock = lambda: NOW
    yield made
    await made.close()


async def test_a_user_is_read_with_their_address(okta: FakeOkta, client: Okta) -> None:
    """The profile's e-mail, not the login; the time is that before the call."""
    okta.hire("ana")
    reading = await client.user("00uana")
    assert DirectoryUser("00uana", "ana@acme.test", True) == reading.found
    assert int(NOW * 1000) == reading.at


@pytest.mark.parametrize(
    ("status", "active", "early"),
    [
        ("STAGED", False, True),
        ("PROVISIONED", True, True),
        ("ACTIVE", True, True),
        ("RECOVERY", True, True),
        ("PASSWORD_EXPIRED", True, True),
        ("LOCKED_OUT", True, True),
        ("SUSPENDED", False, False),
        ("DEPROVISIONED", False, False),
        ("SOMETHING_NEW", None, None),
        (None, None, None),
    ],
)
async def test_what_a_status_means(
    okta: FakeOkta, client: Okta, status: Any, active: bool | None, early: bool | None
) -> None:
    """Only who is staged, suspended or deactivated has no seat; `early`: with provision_on = "create"."""
    okta.hire("ana", status)
    reading = await client.user("00uana")
    assert reading.found
    assert reading.found.active is active
    table = {
        "name": "hooks",
        "kind": "okta-event-hooks",
        "secrets": ["hooks-secret"],
        "provision_on": "create",
    }
    eager = okta_of(SourceSettings.model_validate(table | {"api_url": okta.url, "api_token": TOKEN}))
    reading = await eager.user("00uana")
    await eager.close()
    assert reading.found
    assert reading.found.active is early


@pytest.mark.parametrize("profile", [None, {}, {"email": None}, {"email": "ana"}, {"email": 7}, []])
async def test_an_address_that_is_none_is_left_out(okta: FakeOkta, client: Okta, profile: Any) -> None:
    """The rest counts."""
    okta.users["00uana"] = {"id": "00uana", "status": "ACTIVE", "profile": profile}
    assert DirectoryUser("00uana", None, True) == (await client.user("00uana")).found


async def test_a_group_is_read_with_its_name(okta: FakeOkta, client: Okta) -> None:
    """For renames, of which events do not tell the new name for certain."""
    okta.group("00gw", "Writers")
    assert DirectoryGroup("00gw", "Writers") == (await client.group("00gw")).found


async def test_who_is_not_there_is_no_error(client: Okta) -> None:
    """A 404 with Okta's own code; what it means is for others to say."""
    assert (await client.user("00ubo")).found is None
    assert (await client.group("00gx")).found is None


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (401, RejectedError),
        ("html", RejectedError),
        (403, ForbiddenError),
        (400, RefusedError),
        (408, UnavailableError),
        (425, UnavailableError),
        (302, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
        (429, LimitedError),
        ("hang", UnavailableError),
    ],
)
async def test_what_an_answer_means(
    okta: FakeOkta, client: Okta, fault: Any, error: type[DirectoryError]
) -> None:
    """Each is one of the errors; none names the person that Okta's text names."""
    okta.hire("ana")
    okta.fault = fault
    with pytest.raises(error) as caught:
        await client.user("00uana")
    assert type(caught.value) is error
    assert "ana" not in caught.value.message
    assert TOKEN not in caught.value.message


@pytest.mark.parametrize("status", [400, 402, 405, 409, 413, 422, 451])
async def test_an_error_that_is_not_in_oktas_words_is_weather(status: int) -> None:
    """A proxy's page says nothing about an identifier: it is read again later."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text="<h1>blocked</h1>"))
    client = Okta("http://okta.test", Secret(TOKEN), client=httpx.AsyncClient(transport=transport))
    with pytest.raises(UnavailableError):
        await client.user("00uana")
    await client.close()


async def test_nobody_listens(client: Okta) -> None:
    """Again later."""
    gone = Okta("http://127.0.0.1:1", Secret(TOKEN))
    with pytest.raises(UnavailableError, match="no answer: it refuses the connection"):
        await gone.user("00uana")
    await gone.close()


@pytest.mark.parametrize("ident", ["me", "ana@corp.acme.test", "..", "", "00uana/lifecycle", "00uana?x=1"])
async def test_only_an_id_is_asked_for(okta: FakeOkta, client: Okta, ident: str) -> None:
    """A login is somebody too, and other texts are other paths: none gives a user."""
    okta.hire("ana")
    okta.users["me"] = okta.users["00uana"]
    try:
        reading = await client.user(ident)
    except DirectoryError:
        return
    assert reading.found is None


async def test_ping_reads_users_and_groups(okta: FakeOkta, client: Okta) -> None:
    """The token may read both, or it says which it may not."""
    await client.ping()
    assert [("/users", 200), ("/groups", 200)] == okta.calls
    okta.fault = 403
    with pytest.raises(RejectedError, match=r"does not let the token read users .403.: E0000006"):
        await client.ping()
    okta.fault = "html"
    with pytest.raises(RejectedError, match="is api_url right"):
        await client.ping()


async def test_a_changed_token_counts_at_once(okta: FakeOkta, client: Okta, tmp_path: Any) -> None:
    """As it is after SIGHUP."""
    (tmp_path / "token").write_text("old")
    secret = Secret("file:token", tmp_path)
    changed = Okta(okta.url, secret)
    with pytest.raises(RejectedError, match=r"does not take the token .401.: E0000011"):
        await changed.ping()
    (tmp_path / "token").write_text(TOKEN)
    secret.reload()
    await changed.ping()
    await changed.close()


async def test_the_limit_is_kept_without_a_429(okta: FakeOkta, client: Okta) -> None:
    """Three quarters of a window are used; then nothing is sent until it ends. Groups count apart."""
    okta.limit, okta.window = 8, 30
    okta.hire("ana")
    for _ in range(6):
        await client.user("00uana")
    with pytest.raises(LimitedError) as caught:
        await client.user("00uana")
    assert NOW + 29 <= caught.value.until <= NOW + 30
    assert (len(okta.calls), okta.statuses(429)) == (6, 0)
    await client.group("00gx")
    okta.clock = client.clock = lambda: NOW + 30
    await client.user("00uana")


async def test_a_429_is_waited_out(okta: FakeOkta, client: Okta) -> None:
    """Others have used the limit up."""
    okta.hire("ana")
    okta.use_up("users")
    with pytest.raises(LimitedError):
        await client.user("00uana")
    assert okta.statuses(429) == 1
    with pytest.raises(LimitedError):
        await client.user("00uana")
    assert okta.statuses(429) == 1


async def test_a_clock_of_ours_that_is_ahead_makes_no_reading_newer(okta: FakeOkta, client: Okta) -> None:
    """Else an event that happens after the reading would count as older, and a leaver would stay."""
    okta.hire("ana")
    okta.ahead = -5.0
    assert NOW - 5.25 <= (await client.user("00uana")).at / 1000 <= NOW - 4
    okta.ahead = 5.0  # behind: an event counts from its arrival then, by our clock
    assert int(NOW * 1000) == (await client.user("00uana")).at


def test_a_source_without_an_api() -> None:
    """There is nothing to make."""
    with pytest.raises(ValueError, match="has no API"):
        okta_of(
            SourceSettings.model_validate({"name": "h", "kind": "okta-event-hooks", "secrets": ["h-secret"]})
        )
