"""The front door over real sockets: what strangers can do to a connection, and what they get for it."""

import asyncio
import gc
import time
import weakref
from collections.abc import AsyncIterator
from typing import cast

import pytest
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from bridge.connections import LONGEST_HEAD, MOST_AHEAD, MOST_FIELDS, Connection, JoinedWrites
from bridge.metrics import Metrics
from bridge.problems import Answer
from bridge.settings import Settings
from bridge.store.journal import Journal
from bridge.tallies import Tallies
from tests.door import (
    BODY,
    FLOW,
    GOOD,
    NEAR,
    OFFICE,
    POST,
    SOURCES,
    Place,
    assert_problem,
    length,
    receiver,
    serving,
    until,
)


@pytest.fixture
async def place(journal: Journal) -> AsyncIterator[Place]:
    """The receiver over a Valkey of the test's own, with its usual patience."""
    async with receiver(journal) as one:
        yield one


ODD = {
    "no request": (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    "no method": (b"FOO /webhooks/okta HTTP/1.1\r\n\r\n", 400),
    "HTTP/2 in clear text": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a proxy's CONNECT": (b"CONNECT elsewhere.test:443 HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n", 400),
    "NUL in the path": (GOOD.replace(b"okta", b"ok\0ta", 1), 400),
    "escaped NUL in the path": (GOOD.replace(b"okta", b"okta%00", 1), 404),
    "bytes over ASCII in the path": (GOOD.replace(b"okta", b"\xc3\xb6kta", 1), 400),
    "escapes that are none": (GOOD.replace(b"okta", b"%ff%zz", 1), 404),
    "an empty first part": (GOOD.replace(b"/webhooks", b"//webhooks", 1), 404),
    "an empty part within": (GOOD.replace(b"/okta", b"//okta", 1), 404),
    "a slash at the end": (GOOD.replace(b"okta", b"okta/", 1), 404),
    "dots": (GOOD.replace(b"/webhooks", b"/livez/../webhooks", 1), 404),
    "no source": (GOOD.replace(b"okta", b"", 1), 404),
    "a long path": (GOOD.replace(b"okta", b"a" * 60_000, 1), 404),
    "NUL in a header": (GOOD.replace(b"bridge.test", b"bridge\0test", 1), 400),
    "bytes over ASCII in a header's name": (GOOD.replace(b"Host", b"H\xc3\xb6st", 1), 400),
    "a space before the colon": (GOOD.replace(b"Host:", b"Host :", 1), 400),
    "a folded header": (GOOD.replace(b"bridge.test", b"bridge\r\n .test", 1), 400),
    "bare line feeds": (GOOD.replace(b"\r\n", b"\n"), 400),
    "bytes over ASCII in the secret": (GOOD.replace(b"flow-secret", b"\xff\xfe", 1), 401),
    "two lengths": (GOOD.replace(length(), length() + b"Content-Length: 3\r\n"), 400),
    "length and chunks": (GOOD.replace(length(), length() + b"Transfer-Encoding: chunked\r\n"), 400),
    "a length that is none": (GOOD.replace(length(), b"Content-Length: -3\r\n"), 400),
    "a length without end": (GOOD.replace(length(), b"Content-Length: 99999999999999999999999\r\n"), 400),
    "many fields": (GOOD.replace(b"Host", b"a: b\r\n" * MOST_FIELDS + b"Host", 1), 431),
    "a length over the limit": (GOOD.replace(length(), b"Content-Length: 200001\r\n"), 413),
    "an encoding of transfer": (GOOD.replace(length(), b"Transfer-Encoding: gzip\r\n"), 501),
    "two encodings of transfer": (GOOD.replace(length(), b"Transfer-Encoding: gzip, chunked\r\n"), 501),
    "no encoding of transfer": (GOOD.replace(length(), b"Transfer-Encoding: identity\r\n"), 501),
    "no host": (GOOD.replace(b"Host", b"Hose", 1), 400),
    "two hosts": (GOOD.replace(b"Host", b"Host: bridge.test\r\nHOST", 1), 400),
    "two hosts of HTTP/1.0": (GOOD.replace(b"Host", b"Host: a\r\nHOST", 1).replace(b"/1.1", b"/1.0", 1), 400),
    "HTTP/2.0 in the line": (GOOD.replace(b"/1.1", b"/2.0", 1), 400),
    "HTTP/0.9 in the line": (GOOD.replace(b"/1.1", b"/0.9", 1), 400),
    "an escaped slash": (GOOD.replace(b"/okta", b"%2Fokta", 1), 404),
    "an escaped slash in small letters": (GOOD.replace(b"/okta", b"%2fokta", 1), 404),
    "chunks that are none": (POST + FLOW + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "an upgrade with a body": (GOOD.replace(b"Host:", b"Upgrade: h2c\r\nConnection: Upgrade\r\nHost:"), 400),
    "no body": (POST + FLOW + b"\r\n", 400),
    "GET": (b"GET /webhooks/okta HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    "OPTIONS": (b"OPTIONS /webhooks/okta HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    "OPTIONS of all": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    "TRACE": (b"TRACE /webhooks/okta HTTP/1.1\r\nHost: a\r\nSecret: x\r\n\r\n", 405),
    "PUT": (GOOD.replace(b"POST", b"PUT", 1), 405),
    "WebSocket": (
        b"GET /webhooks/okta HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        405,
    ),
}


@pytest.mark.parametrize("what", ODD)
async def test_odd_request_is_a_problem_of_its_sender(
    place: Place, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """4xx, never 5xx; the next one is served; and what is no request is nothing to log."""
    data, status = ODD[what]
    assert_problem(await place.ask(data), status)
    assert (await place.ask(GOOD)).status == 200
    assert caplog.records == []


async def test_trace_sends_nothing_back(place: Place) -> None:
    """Nor does any other answer hold what was sent, but for Okta's challenge."""
    answer = await place.ask(ODD["TRACE"][0])
    assert b"Secret" not in answer.body


FINE = {
    "as it should be": GOOD,
    "HTTP/1.0": GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "the absolute form": GOOD.replace(b"/webhooks", b"http://elsewhere.test/webhooks", 1),
    "an escaped name": GOOD.replace(b"okta", b"%6fkta", 1),
    "a query": GOOD.replace(b"okta", b"okta?a=%ff", 1),
    "bytes over ASCII in a header": GOOD.replace(b"bridge.test", b"bridge.test\r\nX-A: \xff\xfe"),
    "chunks": POST + FLOW + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"%x;more=1\r\n%b\r\n" % (10, BODY[:10])
    + b"%x\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(BODY) - 10, BODY[10:]),
}  # fmt: skip


@pytest.mark.parametrize("what", FINE)
async def test_unusual_delivery_is_taken(place: Place, what: str) -> None:
    """What HTTP allows is allowed."""
    assert (await place.ask(FINE[what])).body == b'{"accepted": 1, "duplicates": 0}'


async def test_head_of_a_webhook_has_no_body(place: Place) -> None:
    """405, as for GET."""
    assert (await place.ask(b"HEAD /webhooks/okta HTTP/1.1\r\nHost: a\r\n\r\n", head=True)).status == 405


async def test_upgrade_of_a_request_without_body_is_not_granted(place: Place) -> None:
    """It is answered as it stands, and the connection ends: what follows could not be told apart."""
    async with place.client() as client:
        await client.send(b"GET /livez HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await client.ends()


async def test_body_lost_in_an_upgrade_is_not_an_empty_one(place: Place) -> None:
    """The parser takes it for what follows the upgrade: nothing was delivered, verified or kept."""
    assert (await place.ask(ODD["an upgrade with a body"][0])).status == 400
    await until(lambda: place.count("okta", "disconnected") == 1)
    assert (place.count("", "malformed"), place.count("okta", "unreadable")) == (1, 0)


async def test_requests_of_one_connection_are_answered_in_order(place: Place) -> None:
    """Also when they are sent at once; what follows and is no request ends it after their answers."""
    async with place.client() as client:
        await client.send(GOOD + b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" + GOOD + b"\x16\x03\x01")
        answers = [await client.answer() for _ in range(3)]
        assert [b"accepted" in answer.body for answer in answers] == [True, False, True]
        assert await client.ends()


async def test_wait_for_100_continue_is_answered(place: Place) -> None:
    """Only when the body is wanted: a length over the limit is refused at once."""
    async with place.client() as client:
        await client.send(POST + FLOW + length() + b"Expect: 100-continue\r\n\r\n")
        assert (await client.answer()).status == 100
        await client.send(BODY)
        assert (await client.answer()).status == 200
    refused = await place.ask(POST + b"Content-Length: 999999\r\nExpect: 100-continue\r\n\r\n")
    assert refused.status == 413


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"zstd"])
async def test_compressed_bodies_are_not_unpacked(place: Place, encoding: bytes) -> None:
    """A bomb of a few bytes stays a few bytes: they are no JSON."""
    body = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
    head = POST + FLOW + length(body) + b"Content-Encoding: " + encoding + b"\r\n\r\n"
    assert_problem(await place.ask(head + body), 400)


async def test_body_is_counted_while_it_comes(place: Place) -> None:
    """Chunks that tell no length in all are refused when they are too many, not when they end."""
    async with place.client() as client:
        await client.send(POST + FLOW + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        for _ in range(8):
            await client.send(chunk)
        assert_problem(await client.answer(), 413)
    assert place.count("okta", "too_large") == 1


async def test_length_that_lies_ends_in_time(journal: Journal) -> None:
    """Who promises more than they send is cut off, and nothing of it is taken for a body."""
    async with receiver(journal, body_seconds=0.2) as place, place.client() as client:
        await client.send(POST + FLOW + b"Content-Length: 1000\r\n\r\n" + BODY)
        assert_problem(await client.answer(), 408)
        assert await client.ends()
        assert place.count("okta", "slow") == 1
    assert await journal.counters() == (0, 0)


async def test_body_that_drips_is_cut_off(journal: Journal) -> None:
    """A byte now and then keeps nobody in."""
    async with receiver(journal, body_seconds=0.3) as place, place.client() as client:
        await client.send(POST + FLOW + b"Content-Length: 100000\r\n\r\n")
        answer = asyncio.create_task(client.answer())
        while not answer.done():
            await client.send(b" ")
            await asyncio.sleep(0.01)
        assert_problem(await answer, 408)


@pytest.mark.parametrize("start", [b"POST /web", POST + b"X-Slow: "])
async def test_head_that_drips_is_cut_off(journal: Journal, start: bytes) -> None:
    """A byte of a request's head now and then keeps nobody in."""
    async with receiver(journal, look_seconds=0.1) as place, place.client() as client:
        await client.send(start)
        answer = asyncio.create_task(client.answer())
        while not answer.done():
            await client.send(b"a")
            await asyncio.sleep(0.01)
        assert_problem(await answer, 408)
        assert place.count("", "slow") == 1


@pytest.mark.parametrize("start", [b"", b"\r\n\r\n"])
async def test_connection_that_asks_nothing_ends(journal: Journal, start: bytes) -> None:
    """Without a word: nothing was asked."""
    async with receiver(journal, look_seconds=0.1) as place, place.client() as client:
        await client.send(start)
        assert await client.ends()


async def test_rest_of_a_refused_body_is_not_waited_for(journal: Journal) -> None:
    """Who was answered and goes on sending is cut off, too."""
    async with receiver(journal, look_seconds=0.1) as place, place.client() as client:
        await client.send(POST + b"Content-Length: 999999\r\n\r\n")
        assert_problem(await client.answer(), 413)
        ends = asyncio.create_task(client.ends())
        while not ends.done():
            await client.send(b" ")
            await asyncio.sleep(0.01)
        assert await ends


async def test_connection_that_waits_for_its_next_request_is_left_alone(journal: Journal) -> None:
    """Senders keep connections: that several ask nothing, one after the other, does not end this one."""
    async with receiver(journal, look_seconds=0.05) as place, place.client() as client:
        await client.send(GOOD)
        assert (await client.answer()).status == 200
        for _ in range(4):
            async with place.client() as silent:
                assert await silent.ends()
        await client.send(GOOD)
        assert (await client.answer()).status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"POST /webhooks/" + b"a" * 10 * LONGEST_HEAD + b" HTTP/1.1\r\n\r\n",
        POST + b"X: " + b"a" * 10 * LONGEST_HEAD + b"\r\n\r\n",
        POST + b"X: a\r\n" * 2 * LONGEST_HEAD + b"\r\n",
        POST + b"a" * 10 * LONGEST_HEAD,
    ],
    ids=["path", "header", "headers", "name"],
)
async def test_long_head_is_refused(place: Place, head: bytes) -> None:
    """Before it is whole; nothing of it is kept. A path may be too long for the parser first."""
    async with place.client() as client:
        client.writer.write(head)
        assert_problem(await client.answer(), 431, 400)
        assert await client.ends()
    assert place.count("", "malformed") == 1


@pytest.mark.parametrize("rest", [b"0\r\nX-Trailer: ", b"1;extension="], ids=["trailer", "chunk extension"])
async def test_what_follows_a_body_is_bounded(place: Place, rest: bytes) -> None:
    """A trailer or a chunk's extension without end is no body, and is not kept for one."""
    async with place.client() as client:
        await client.send(POST + FLOW + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" + rest)
        ends = asyncio.create_task(client.ends())
        while not ends.done():
            await client.send(b"a" * 65_536)
        assert await ends
    assert place.count("okta", "disconnected") == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_client_that_reads_nothing_is_cut_off(version: bytes) -> None:
    """However much of its answer is left, and whether the connection ends with it or not."""
    asked = asyncio.Event()

    async def verbose(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked.set()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send(
                {"type": "http.response.body", "body": b"a" * 50_000_000, "more_body": version == b"1.1"}
            )
            if version == b"1.1":
                await send({"type": "http.response.body"})

    async with serving(verbose, Metrics(), 0.05) as place:
        place.server.config.timeout_keep_alive = 1  # seconds; of one that is answered nothing else ends it
        async with place.client() as client:
            await client.send(b"GET / HTTP/" + version + b"\r\nHost: a\r\n\r\n")
            await asked.wait()
            await until(lambda: not place.server.server_state.connections)


async def test_requests_that_are_sent_ahead_have_a_limit(place: Place) -> None:
    """Those that fit are answered in turn, and then the connection ends; others are served meanwhile."""
    ahead = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
    async with place.client() as client:
        sending = asyncio.create_task(client.send(ahead * 150_000))
        answers = 0
        while True:
            try:
                assert (await client.answer()).status == 200
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            answers += 1
            assert all(
                len(cast("Connection", each).pipeline) <= MOST_AHEAD
                for each in place.server.server_state.connections
            )
        await sending
    assert answers == 1 + MOST_AHEAD
    assert (await place.ask(GOOD)).status == 200


async def test_as_many_requests_as_fit_are_all_answered(place: Place) -> None:
    """And the connection goes on."""
    async with place.client() as client:
        for _ in range(3):
            await client.send(GOOD * (1 + MOST_AHEAD))
            for _ in range(1 + MOST_AHEAD):
                assert (await client.answer()).status == 200


async def test_what_was_sent_ahead_goes_with_its_connection() -> None:
    """Nothing of it is kept, nor carried out, once an answer shows that nobody is there any more."""
    begun, goes_on, asked = asyncio.Event(), asyncio.Semaphore(0), 0

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal asked
        assert scope["type"] == "http", "no lifespan"
        asked += 1
        begun.set()
        await goes_on.acquire()
        await Answer(200, b"{}").send(send)

    async with serving(app, Metrics(), 10.0) as place:
        async with place.client() as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 9)
            await begun.wait()
            [connection] = cast("set[Connection]", place.server.server_state.connections)
            assert len(connection.pipeline) == 8

        def is_gone() -> bool:
            goes_on.release()
            return not place.server.server_state.connections

        await until(is_gone)
        goes_on.release()  # to the one that was under way
        assert (len(connection.pipeline), asked < 9) == (0, True)


LEFT = {
    "requests ahead": b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * 99,
    "many fields": ODD["many fields"][0],
    "no request": ODD["no request"][0],
    "half a head": POST + b"X: a\r\n",
    "half a body": POST + b"Content-Length: 9999\r\n\r\n{}",
    "a refusal": GOOD.replace(b"flow-secret", b"wrong"),
    "a delivery": GOOD,
}


@pytest.mark.parametrize("what", LEFT)
async def test_what_a_connection_holds_goes_with_it(place: Place, what: str) -> None:
    """At once: garbage is collected after so many objects, and each may hold what a stranger has sent."""
    state = place.server.server_state
    gc.disable()
    try:
        async with place.client() as client:
            await until(lambda: bool(state.connections))
            [held] = [weakref.ref(one) for one in state.connections]
            await client.send(LEFT[what])
            if not what.startswith("half"):
                await client.reader.readline()
        await until(lambda: not state.connections and not state.tasks)
        await asyncio.sleep(0)
        assert held() is None
    finally:
        gc.enable()


async def test_bodies_that_are_being_read_have_a_limit_in_all(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers cannot fill the memory with halves of bodies; what comes at once is still taken."""
    monkeypatch.setattr("bridge.receiver.MOST_HELD", 0)  # so it is `max_body`
    async with receiver(journal) as place, place.client() as first, place.client() as second:
        half = POST + b"Content-Length: 200000\r\n\r\n" + b" " * 150_000
        await first.send(half)
        while place.count("okta", "not_stored") == 0:
            assert (await place.ask(GOOD)).status == 200
            await second.send(half)
            half = b" " * 1000
        assert (await second.answer()).status == 429
        first.writer.close()
        await until(lambda: place.count("okta", "disconnected") == 1)
        whole = POST + FLOW + b"Content-Length: 150000\r\n\r\n" + b" " * 150_000
        assert_problem(await place.ask(whole), 400)  # there is room again: it was read, and is no JSON


def stamped(header: str, name: str, digits: str = "", mac: str = "0" * 64) -> bytes:
    """A signature of Jackson's or WorkOS's form."""
    return f"{header}: t={digits or int(time.time() * 1000)},{name}={mac}\r\n".encode()


def standard(stamp: str, signature: str) -> bytes:
    """The headers of Standard Webhooks."""
    return f"webhook-id: m\r\nwebhook-timestamp: {stamp}\r\nwebhook-signature: {signature}\r\n".encode()


NOW = str(int(time.time()))
UNPROVEN = [
    ("okta", b""),
    ("okta", b"Authorization: Bearer wrong\r\n"),
    ("okta", b"Authorization: Bearer flow-secre\r\n"),
    ("okta", b"Authorization: Bearer flow-secret2\r\n"),
    ("okta", b"Authorization: Basic Zmxvdy1zZWNyZXQ=\r\n"),
    ("okta", b"Authorization: \xff\r\n"),
    ("basic", b"Authorization: Basic !!!\r\n"),
    ("basic", b"Authorization: Basic dXNlcjp3cm9uZw==\r\n"),
    ("hmac", f"X-Bridge-Timestamp: {NOW}\r\nX-Bridge-Signature: v1={'0' * 64}\r\n".encode()),
    ("hmac", f"X-Bridge-Timestamp: 1\r\nX-Bridge-Signature: v1={'0' * 64}\r\n".encode()),
    ("hooks", b"Authorization: wrong\r\n"),
    ("polis", stamped("boxyhq-signature", "s")),
    ("polis", stamped("ory-polis-signature", "s", "1")),
    ("polis", b"boxyhq-signature: nonsense\r\n"),
    ("workos", stamped("workos-signature", "v1")),
    ("std", standard(NOW, "v1,AAAA")),
    ("std", standard("1", "v1,AAAA")),
    ("std", standard(NOW, "v1a,AAAA v2,BBBB")),
]


async def test_every_refusal_is_the_same_to_the_byte(place: Place) -> None:
    """Whatever the source and the reason: status, headers and body, save for the time of day."""
    answers = set()
    for source, headers in UNPROVEN:
        answer = await place.ask(POST.replace(b"okta", source.encode()) + headers + length() + b"\r\n" + BODY)
        told = tuple(sorted((name, value) for name, value in answer.headers.items() if name != "date"))
        answers.add((answer.status, told, answer.body))
    assert len(answers) == 1
    assert answers.pop()[0] == 401
    assert sum(place.count(source, "unverified") for source in dict(UNPROVEN)) == len(UNPROVEN)


async def test_what_is_told_to_strangers_is_short(place: Place) -> None:
    """No answer without a secret is much longer than what asked for it."""
    for source, headers in UNPROVEN:
        answer = await place.ask(POST.replace(b"okta", source.encode()) + headers + length() + b"\r\n" + BODY)
        head = sum(len(name) + len(value) + 4 for name, value in answer.headers.items())
        assert head + len(answer.body) < 400


async def test_refused_strangers_are_told_to_operators(journal: Journal) -> None:
    """Counted for each source, with the last reason; the log stays quiet after the first of a second."""
    tallies = Tallies(Settings.model_validate({"sources": SOURCES}).sources, lambda: 5)
    with capture_logs() as logs:
        async with receiver(journal, tallies=tallies) as place:
            for _ in range(20):
                await place.ask(GOOD.replace(b"flow-secret", b"wrong"))
            await place.ask(POST + b"Content-Length: 999999\r\n\r\n")
            await place.ask(GOOD)
    news = tallies.news()["okta"]
    assert (news.refused.count, bool(news.delivered)) == (21, True)
    assert "200000 bytes" in news.refused.reason
    assert 1 <= len([line for line in logs if line["event"] == "not verified"]) < 20


async def test_source_is_not_there_for_other_networks(place: Place) -> None:
    """Not even with the secret: the answer is that to an unknown name, before a byte of the body is read."""
    office, nobody = POST.replace(b"okta", b"office"), POST.replace(b"okta", b"nobody")
    refused = await place.ask(office + OFFICE + length() + b"\r\n" + BODY)
    unknown = await place.ask(nobody + FLOW + length() + b"\r\n" + BODY)
    unread = await place.ask(office + OFFICE + b"Content-Length: 100\r\n\r\n")

    assert (refused.status, refused.body) == (404, unknown.body)
    assert {**refused.headers, "date": ""} == {**unknown.headers, "date": ""}
    assert unread.status == 404
    assert place.count("office", "outside") == 2


async def test_source_is_there_for_its_networks(place: Place) -> None:
    """Where the connection comes from one of them, the secret decides."""
    near = POST.replace(b"okta", b"near")
    assert (await place.ask(near + NEAR + length() + b"\r\n" + BODY)).status == 200
    assert (await place.ask(near + length() + b"\r\n" + BODY)).status == 401


async def test_challenge_is_not_answered_to_other_networks(place: Place) -> None:
    """As for an unknown name."""
    challenge = b"X-Okta-Verification-Challenge: abc\r\n\r\n"
    known = await place.ask(b"GET /webhooks/lists HTTP/1.1\r\nHost: a\r\n" + challenge)
    unknown = await place.ask(b"GET /webhooks/nobody HTTP/1.1\r\nHost: a\r\n" + challenge)
    assert (known.status, known.body) == (unknown.status, unknown.body) == (405, unknown.body)
    assert (await place.ask(b"GET /webhooks/hooks HTTP/1.1\r\nHost: a\r\n" + challenge)).status == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "status"),
    [
        ([], b"203.0.113.9", 404),
        (["127.0.0.1"], b"203.0.113.9", 200),
        (["127.0.0.1"], b"203.0.113.9, 198.51.100.1", 404),
        (["127.0.0.1", "198.51.100.0/24"], b"203.0.113.9, 198.51.100.1", 200),
        (["198.51.100.0/24"], b"203.0.113.9", 404),
    ],
)
async def test_forwarded_address_counts_from_trusted_proxies_only(
    journal: Journal, proxies: list[str], forwarded: bytes, status: int
) -> None:
    """Read from the right; from anybody else the header says nothing."""
    async with receiver(journal, trusted_proxies=proxies) as place:
        head = POST.replace(b"okta", b"office") + OFFICE + b"X-Forwarded-For: " + forwarded + b"\r\n"
        assert (await place.ask(head + length() + b"\r\n" + BODY)).status == status


# -- what is written


class Wire(asyncio.Transport):
    """A transport that only notes what happens to it."""

    def __init__(self) -> None:
        """Open."""
        super().__init__()
        self.events: list[object] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Note what is sent at once."""
        self.events.append(bytes(data))

    def close(self) -> None:
        """Note it."""
        self.events.append("closed")

    def abort(self) -> None:
        """Note it."""
        self.events.append("aborted")

    def is_closing(self) -> bool:
        """After `close` or `abort`."""
        return bool({"closed", "aborted"} & set(map(str, self.events)))


async def test_what_is_written_in_one_turn_goes_at_once() -> None:
    """Head and body of an answer; the next turn is another write."""
    wire = Wire()
    joined = JoinedWrites(wire, asyncio.get_running_loop())
    joined.write(b"head ")
    joined.write(b"body")
    assert [] == wire.events
    await asyncio.sleep(0)
    joined.write(b"more")
    await asyncio.sleep(0)
    assert [b"head body", b"more"] == wire.events


async def test_what_is_written_goes_before_the_end() -> None:
    """And after it nothing; who is cut off gets nothing more."""
    wire, cut = Wire(), Wire()
    joined = JoinedWrites(wire, asyncio.get_running_loop())
    joined.write(b"last")
    joined.close()
    joined.write(b"late")
    joined = JoinedWrites(cut, asyncio.get_running_loop())
    joined.write(b"lost")
    joined.abort()
    await asyncio.sleep(0)
    assert [b"last", "closed"] == wire.events
    assert ["aborted"] == cut.events
