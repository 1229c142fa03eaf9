"""What a real Jackson sends, seen by a receiver that only writes it down."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.peers.processes import Jackson

pytestmark = pytest.mark.peers

SECRET = "whsec-of-the-tests"


class Sink:
    """A receiver that keeps every body, answers `answers` in turn, and 200 when there are none left."""

    def __init__(self) -> None:
        """Start listening on a loopback port, in a thread."""
        self.bodies: list[tuple[str, bytes]] = []
        self.answers: list[int] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                sink.bodies.append((self.headers["BoxyHQ-Signature"], raw))
                self.send_response(sink.answers.pop(0) if sink.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def stop(self) -> None:
        """End the thread and close the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def names(self) -> list[str]:
        """Return the names of the events, arrays flattened, as they came."""
        bodies = [json.loads(raw) for _, raw in self.bodies]
        return [e["event"] for body in bodies for e in (body if isinstance(body, list) else [body])]


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A receiver of our own."""
    running = Sink()
    yield running
    running.stop()


def user(name: str) -> dict[str, Any]:
    """Return the SCIM body of a user."""
    address = f"{name}@acme.test"
    names = {"givenName": name.title(), "familyName": "Ñg"}
    emails = [{"primary": True, "value": address, "type": "work"}]
    return {"userName": address, "name": names, "emails": emails, "active": True}


def test_each_event_is_one_signed_object_sent_within_the_scim_call(jackson_sync: Jackson, sink: Sink) -> None:
    """Sync mode posts a JSON object per event, signed over the raw bytes, before SCIM answers."""
    directory = jackson_sync.directory(sink.url, SECRET)

    ana = jackson_sync.scim(directory, "POST", "Users", user("ana"))
    group = jackson_sync.scim(directory, "POST", "Groups", {"displayName": "Writers"})
    add = {"Operations": [{"op": "add", "path": "members", "value": [{"value": ana["id"]}]}]}
    jackson_sync.scim(directory, "PATCH", f"Groups/{group['id']}", add)

    assert sink.names() == ["user.created", "group.created", "group.user_added"]
    for header, raw in sink.bodies:
        assert isinstance(json.loads(raw), dict)
        time, signature = (part.split("=")[1] for part in header.split(","))
        signed = hmac.new(SECRET.encode(), time.encode() + b"." + raw, hashlib.sha256).hexdigest()
        assert signed == signature
    assert jackson_sync.failures() == []


def test_batches_are_arrays_in_the_order_of_the_events(jackson_batch: Jackson, sink: Sink) -> None:
    """Batch mode keeps events until it is told to send them, and posts arrays of up to its size."""
    directory = jackson_batch.directory(sink.url, SECRET)
    for number in range(7):
        jackson_batch.scim(directory, "POST", "Users", user(f"u{number}"))
    assert sink.bodies == []

    assert jackson_batch.process() == 2

    bodies = [json.loads(raw) for _, raw in sink.bodies]
    assert [len(body) for body in bodies] == [5, 2]
    assert [f"u{n}@acme.test" for n in range(7)] == [e["data"]["email"] for body in bodies for e in body]
    assert jackson_batch.failures() == []


def test_a_batch_answered_202_is_sent_again_at_once(jackson_batch: Jackson, sink: Sink) -> None:
    """Only exactly 200 is a delivery in batch mode: the reason for the receiver's exactly 200."""
    directory = jackson_batch.directory(sink.url, SECRET)
    jackson_batch.scim(directory, "POST", "Users", user("ana"))
    sink.answers = [202, 202]

    assert jackson_batch.process() == 3

    assert sink.names() == ["user.created"] * 3
