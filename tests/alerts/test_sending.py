"""One message on its way: a real receiver on loopback."""

import asyncio
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path

import pytest

from bridge.alerts import sending
from bridge.alerts.conditions import TARGET, Subject
from bridge.alerts.messages import NEW, Message
from bridge.alerts.sending import LONGEST_WAIT, Answer, UndeliveredError, open_client, send
from bridge.settings import AlertSettings, parse_settings
from tests.alerts.receiver import Receiver, running

NOW = 1_790_000_000
MESSAGE = Message("msg_1", "", "parked", Subject(TARGET, "docs"), NEW, NOW * 1000, "docs: 1 change is held")


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    """A receiver that is well; nobody waits between attempts."""
    monkeypatch.setattr(sending, "wait_random_exponential", lambda **_: lambda _state: 0.0)
    async with running(Receiver()) as made:
        yield made


REFUSED = "no answer: it refuses the connection: does anything listen there?"


def slack(url: str, folder: Path = Path("/nowhere")) -> AlertSettings:
    """The settings of a receiver at an address."""
    raw = {"name": "ops", "kind": "slack", "url": url}
    return parse_settings({"alerts": [raw]}, folder / "bridge.toml").alerts[0]


async def post(alert: AlertSettings, attempts: int = 2) -> Answer:
    """Send the message."""
    async with open_client(alert) as client:
        return await send(client, alert, MESSAGE, attempts, lambda: NOW)


async def refusal(alert: AlertSettings) -> UndeliveredError:
    """Send it in vain."""
    with pytest.raises(UndeliveredError) as caught:
        await post(alert)
    return caught.value


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_what_is_2xx_has_arrived(receiver: Receiver, status: int) -> None:
    """Nothing else has."""
    receiver.always = status
    assert (await post(slack(receiver.url))).status == status
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("status", "attempts"), [(302, 1), (400, 1), (404, 1), (410, 1), (429, 1), (500, 2), (503, 2)]
)
async def test_what_is_worth_another_attempt(receiver: Receiver, status: int, attempts: int) -> None:
    """A server's fault is; and no redirect is followed."""
    receiver.always = status
    receiver.answers = [(status, {"location": receiver.url}, "")] * 2
    assert (await refusal(slack(receiver.url))).reason == f"it answered {status}"
    assert len(receiver.got) == attempts


async def test_a_passing_fault_passes(receiver: Receiver) -> None:
    """Then it has arrived."""
    receiver.answers = [502]
    assert (await post(slack(receiver.url))).status == 200


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("30", 30), ("0", 0), ("999999", LONGEST_WAIT), ("soon", 0), ("-5", 0), ("", 0),
        (formatdate(NOW + 60, usegmt=True), 60), (formatdate(NOW - 60, usegmt=True), 0),
    ],
)  # fmt: skip
async def test_a_receiver_may_ask_for_time(receiver: Receiver, asked: str, wait: float) -> None:
    """In seconds or with a date, up to an hour."""
    receiver.answers = [(429, {"retry-after": asked}, "rate_limited")]
    assert (await refusal(slack(receiver.url))).wait == wait


async def test_a_503_that_says_when_is_not_repeated_at_once(receiver: Receiver) -> None:
    """The ledger waits as long."""
    receiver.answers = [(503, {"retry-after": "30"}, "")] * 2
    assert ((await refusal(slack(receiver.url))).wait, len(receiver.got)) == (30, 1)


async def test_what_it_says_is_told(receiver: Receiver) -> None:
    """A word of it, on one line; no page, no addresses, no secrets."""
    alert = slack(receiver.url)
    for headers, text, told in (
        ({}, "channel_is_archived", " (channel_is_archived)"),
        ({}, "a\r\nb\x1b[31m" + "c" * 999, f" (a b [31m{'c' * 72})"),
        ({"content-type": "text/html"}, "<html>", ""),
        ({}, f"no {receiver.url} for ana@acme.test", " (no *** for a***@acme.test)"),
        ({}, "who is hush-hush-path?", " (who is ***?)"),
        ({}, "x" * 75 + "hush-hush-path", f" ({'x' * 75}***)"),
    ):
        receiver.answers = [(410, headers, text)]
        assert (await refusal(alert)).reason == f"it answered 410{told}"


async def test_one_that_does_not_answer(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is not waited for for long."""
    monkeypatch.setattr(sending, "SECONDS", 0.05)
    receiver.hold = asyncio.Event()
    assert (await refusal(slack(receiver.url))).reason.startswith("no answer")
    assert len(receiver.got) == 2


async def test_one_that_is_not_there() -> None:
    """Its address is not told."""
    async with running(Receiver()) as gone:
        alert = slack(gone.url)
    error = await refusal(alert)
    assert error.reason == REFUSED
    assert error.__suppress_context__


@pytest.mark.parametrize(
    "text", ["no url", "ftp://h/x", "https://", "http://[::1", "https://h:port/", "http://\x01"]
)
async def test_an_address_that_is_none_any_more(tmp_path: Path, text: str) -> None:
    """A rotation may have put in anything."""
    (tmp_path / "url").write_text("https://h.test/")
    alert = slack("file:url", tmp_path)
    (tmp_path / "url").write_text(text)
    alert.url.reload()
    error = await refusal(alert)
    assert error.reason in ("its url does not hold an http(s) URL", REFUSED)
