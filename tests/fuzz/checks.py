"""What must hold whatever arrives: each check takes any bytes and raises only when the bridge is wrong.

They are run by hypothesis in `make test` and, guided by coverage, by `make fuzz`.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache

import jwt

from bridge.directory.events import stamp_body
from bridge.intake import build_submission
from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, UnreadableError, UnverifiedError
from bridge.sources.moments import parse_moment
from tests.fuzz.readers import READERS
from tests.fuzz.scim import check_scim, scim_seeds
from tests.fuzz.senders import CLAIMS, NEW, NOW, OLD, Headers, Sender, make_senders
from tests.fuzz.wire import Wire

Check = Callable[[bytes], None]
FIRST_MOMENT, LAST_MOMENT = 946_684_800_000, 253_402_300_800_000  # the years 2000 and 10,000
SETTINGS = SourceSettings.model_validate({"name": "one", "kind": "jackson", "secrets": [OLD]})
TOLERANCE = 480_000  # milliseconds: the longest of all kinds


@cache
def senders() -> list[Sender]:
    """All senders, made once."""
    return make_senders()


def verified(sender: Sender, headers: Headers, body: bytes, arrived: int = NOW) -> tuple[bool, int | None]:
    """Return whether a delivery is believed, and the signed time. None of the schemes waits for anything."""
    try:
        sender.source.verify(Delivery(headers, body, arrived)).send(None)
    except StopIteration as end:
        return True, end.value
    except UnverifiedError:
        return False, None
    raise AssertionError("a verifier waits")


def check_body(data: bytes) -> None:
    """Any body can be read or gets a reason, and what was read can be stored."""
    sender, body = _pick(data)
    try:
        parsed = sender.source.parse(Delivery(sender.sign(body), body, NOW), NOW)
    except UnreadableError as error:
        assert error.status in (400, 422)
        assert 0 < len(error.reason) < 2000
        return
    stamps = stamp_body(parsed.news, NOW)
    submission = build_submission(SETTINGS, parsed, stamps, NOW, "0123456789abcdef")
    assert len(submission.entries) == len(parsed.news)
    assert all(len(one.directory.encode()) < 5000 for one in submission.entries)
    assert len(parsed.news) + len(parsed.refused) + parsed.ignored > 0


def check_unsigned(data: bytes) -> None:
    """Nobody without a secret is believed, whatever stands in the headers."""
    sender, rest = _pick(data)
    value, _, body = rest.partition(b"\n")
    if NEW.encode() in value or OLD.encode() in value:
        return
    text = value.decode("latin-1")
    for name in (*sender.sign(b""), "authorization", "x-api-key"):
        headers = {**dict.fromkeys(sender.sign(b""), text), name: text}
        assert not verified(sender, headers, body)[0], (sender.name, headers)


def check_forgery(data: bytes) -> None:
    """A delivery that was signed and then changed is not believed, nor is one that comes at a wrong time.

    The first bytes choose sender, body, header and lateness; the rest says what is changed.
    """
    data = data.ljust(6, b"\0")
    sender = senders()[data[0] % len(senders())]
    body = sender.bodies[data[1] % len(sender.bodies)]
    headers = sender.sign(body)
    name = sorted(headers)[data[2] % len(headers)]
    late = int.from_bytes(data[3:5], signed=True) * 50
    edits = list(_edits(data[6:]))
    if data[5] % 2:
        changed, told = edit(body, edits), headers
    else:
        changed, told = body, {**headers, name: edit(headers[name].encode(), edits).decode("latin-1")}
    believed, signed_at = verified(sender, told, changed, NOW + late)
    if believed:
        _assert_no_lie(sender, body, changed, headers, told)
        assert signed_at in (None, NOW)
        assert signed_at is None or abs(late) <= TOLERANCE


def _assert_no_lie(sender: Sender, body: bytes, changed: bytes, headers: Headers, told: Headers) -> None:
    if sender.signs:
        assert changed == body, (sender.name, "another body is believed")
        assert _signature(headers).lower() in " ".join(told.values()).lower(), (sender.name, told)
        return
    for name, value in headers.items():
        assert _credentials(told[name]) == _credentials(value), (sender.name, told)


def _signature(headers: Headers) -> str:
    """Return the whole signature: 32 bytes in hex or base64."""
    (found,) = re.findall(r"[0-9a-f]{64}|[A-Za-z0-9+/]{43}=", " ".join(headers.values()))
    return str(found)


def _credentials(value: str) -> str:
    """Return what proves a sender: without the scheme and, of a token, only what is signed."""
    scheme, _, rest = value.strip().partition(" ")
    text = rest.strip() if scheme.lower() in ("bearer", "basic") else value
    return text.rpartition(".")[0] if text.startswith("eyJ") else text


def check_moment(data: bytes) -> None:
    """A text is a moment between 2000 and 9999, or none."""
    found = parse_moment(data.decode("utf-8", "replace"))
    assert found is None or FIRST_MOMENT <= found < LAST_MOMENT


def check_wire(data: bytes) -> None:
    """Whatever is sent over a connection: no 5xx but 501, no exception, problems for errors, and it ends."""
    wire = wires()
    for answer in answers_in(wire.send(data)):
        status, kind, body = answer
        assert 200 <= status < 500 or status == 501, answer  # 501: another transfer coding (RFC 9112, 6.1)
        assert status == 200 or kind == b"application/problem+json", answer
        assert len(body) < 70_000 if status == 200 else len(body) < 500


@cache
def wires() -> Wire:
    """The receiver without a network, made once."""
    return Wire()


def answers_in(written: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield status, content type and body of each answer. 100 Continue is none; HEAD's have no body."""
    rest = written
    while rest:
        head, end, rest = rest.partition(b"\r\n\r\n")
        assert end, written[:200]
        status = int(head.split(b" ", 2)[1])
        if status == 100:
            continue
        fields = dict(re.findall(rb"(?m)^([a-z-]+): (.*?)\r?$", head))
        length = 0 if rest.startswith(b"HTTP/1.1 ") else int(fields[b"content-length"])
        yield status, fields[b"content-type"], rest[:length]
        rest = rest[length:]


def _pick(data: bytes) -> tuple[Sender, bytes]:
    return senders()[(data[0] if data else 0) % len(senders())], data[1:]


Edit = tuple[int, int, bytes]  # how, where (of 65,536 parts), with what


def _edits(data: bytes) -> Iterator[Edit]:
    """Yield edits: each is a kind, a place of two bytes, a length, and that many bytes."""
    while len(data) >= 4:
        length = data[3] % 16
        yield data[0] % 3, int.from_bytes(data[1:3]), data[4 : 4 + length]
        data = data[4 + length :]


def edit(text: bytes, edits: list[Edit]) -> bytes:
    """Replace, insert or cut out."""
    for how, where, what in edits[:8]:
        at = where * (len(text) + 1) >> 16
        cut = at if how == 1 else at + max(1, len(what))
        text = text[:at] + (b"" if how == 2 else what) + text[cut:]
    return text


CHECKS: dict[str, Check] = {
    "body": check_body,
    "unsigned": check_unsigned,
    "forgery": check_forgery,
    "moment": check_moment,
    "scim": check_scim,
    "wire": check_wire,
    **{name: check for name, (check, _) in READERS.items()},
}


SEEDS: dict[str, list[bytes]] = {
    "scim": scim_seeds(),
    "moment": [b"2026-01-31T09:30:00.000Z", b"2026-01-31 09:30+02:00", b"1999-12-31T23:59:59Z"],
    **{name: seeds for name, (_, seeds) in READERS.items()},
}


def seeds(name: str) -> list[bytes]:
    """Return inputs to begin with: real bodies, valid headers, whole requests."""
    if name in SEEDS:
        return SEEDS[name]
    every = list(enumerate(senders()))
    if name == "wire":
        return [request(one, body) for _, one in every for body in one.bodies[:2]] + ODD_REQUESTS
    if name == "unsigned":
        return [
            bytes([number]) + value.encode() + b"\n" + body[:300]
            for number, one in every
            for body in one.bodies[:1]
            for value in (one.sign(b"another body").values() if one.signs else CREDENTIALS)
        ]
    if name == "forgery":
        return [
            bytes([number, 0, header, 0, 0, part]) + change
            for number, one in every
            for header in range(len(one.sign(b"")))
            for part in (0, 1)
            for change in (b"", b"\0\x80\0\1x", b"\1\xff\xff\1 ", b"\2\0\0\1x", b"\2\xf0\0\x0f" + b"x" * 15)
        ]
    return [bytes([number]) + body for number, one in every for body in one.bodies]


def request(sender: Sender, body: bytes) -> bytes:
    """Return a whole signed request as it goes over the wire."""
    lines = [f"{name}: {value}\r\n".encode() for name, value in sender.sign(body).items()]
    place = b"/webhooks/" + sender.name.replace(", ", "-").replace(" ", "-").encode()
    head = b"POST %s HTTP/1.1\r\nhost: bridge.test\r\ncontent-length: %d\r\n" % (place, len(body))
    return head + b"".join(lines) + b"\r\n" + body


CREDENTIALS = [  # of nobody; the last two are tokens: without a signature, and signed with a guess
    "Bearer secret",
    "Basic dXNlcjpwYXNzd29yZA==",
    f"Bearer {jwt.encode(CLAIMS, '', 'none')}",
    f"Bearer {jwt.encode(CLAIMS, 'a-guess-that-is-as-long-as-a-secret', 'HS256', {'kid': 'k1'})}",
]
ODD_REQUESTS = [
    b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /readyz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /webhooks/hooks HTTP/1.1\r\nHost: a\r\nX-Okta-Verification-Challenge: abc\r\n\r\n",
    b"HEAD /webhooks/jackson HTTP/1.0\r\n\r\n",
    b"POST /webhooks/flow-bearer HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
    b"2\r\n{}\r\n0\r\nA: b\r\n\r\n",
    b"POST /webhooks/jackson HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    b"POST http://bridge.test/webhooks/%6aackson?x HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n",
]
