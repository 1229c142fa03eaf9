"""`bridge source try`: what would be made of a body; and what both commands say of wrong arguments."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from bridge.cli import app
from tests.commands.senders import HIRED, config, listener, rewrite

__all__ = ["config", "listener"]  # fixtures

Try = Callable[..., Result]


@pytest.fixture
def try_(config: Path) -> Try:
    """Run `bridge source try` on a body."""

    def run(name: str, body: Any, *words: str) -> Result:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return CliRunner().invoke(app, ["source", "try", name, "-", *words, "-c", str(config)], input=raw)

    return run


def test_a_body_is_shown_in_the_bridge_s_words(try_: Try) -> None:
    """What would be stored: ids, address, state, and when; names are not."""
    user = {"id": "00u1", "email": "ana@acme.test", "active": True, "first_name": "Ana"}
    body = {"event": "user.created", "occurred_at": "2026-01-31T09:30:00Z", "user": user}
    done = try_("okta", body, "--json")

    assert done.exit_code == 0
    assert orjson.loads(done.stdout) == {
        "source": "okta", "kind": "okta-workflows", "readable": True, "status": 200, "reason": None,
        "elements": [{
            "index": 0, "outcome": "event", "reason": None, "missing": [],
            "event": {
                "event": "user.created", "occurred_at": "2026-01-31T09:30:00.000Z",
                "user": {"id": "00u1", "email": "ana@acme.test", "active": True},
            },
        }],
    }  # fmt: skip


def test_a_map_is_tried(try_: Try) -> None:
    """With what it found nothing for, and why."""
    done = try_("hr", {"type": "employee.hired", "person": {"number": 7, "mail": "ana@acme.test"}})

    assert done.exit_code == 0
    assert 'user.created: user id="7" email="ana@acme.test"; when it arrives' in done.stdout
    assert """the map says "person.status == 'ACTIVE'", and there is no "status" in person""" in done.stdout


def test_each_element_stands_alone(try_: Try) -> None:
    """Refused and ignored ones are shown between the others; one that is refused makes it exit 1."""
    done = try_("hr", [{"type": "employee.paid"}, HIRED, {"type": "employee.hired", "person": {}}], "--json")
    told = orjson.loads(done.stdout)

    assert done.exit_code == 1
    assert told["readable"] is False
    assert [each["outcome"] for each in told["elements"]] == ["ignored", "event", "refused"]
    assert told["elements"][1]["event"]["user"]["id"] == "7"
    assert 'there is no "number" in person' in told["elements"][2]["reason"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 400, "the body is not JSON"),
        ({"event": "user.created"}, 422, "user is missing"),
        (b" " * 2001, 413, "the body has 2001 bytes, more than 2000 (receiver.max_body)"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_as_the_receiver_would(
    try_: Try, body: Any, status: int, reason: str
) -> None:
    """Its status and its reason."""
    done = try_("okta", body)
    assert done.exit_code == 1
    assert f"{status}: {reason}" in done.stdout


def test_notices_are_told(try_: Try) -> None:
    """The end of a directory is ignored, and why that is worth knowing is said."""
    body = {"event": "dsync.deleted", "tenant": "acme", "product": "docs", "data": {"name": "Acme Okta"}}
    done = try_("polis", body)
    assert done.exit_code == 0
    assert 'ignored: the directory "Acme Okta" was deleted at the sender' in done.stdout


def test_every_kind_can_be_tried(try_: Try) -> None:
    """Each reads its own envelope."""
    target = [{"id": "00g1", "type": "UserGroup", "displayName": "Writers"}]
    event = {"eventType": "group.lifecycle.create", "outcome": {"result": "SUCCESS"}, "target": target}
    done = try_("hooks", {"data": {"events": [{"eventType": "user.session.start"}, event]}}, "--json")

    assert [each["outcome"] for each in orjson.loads(done.stdout)["elements"]] == ["ignored", "event"]
    put = {"id": "g", "name": "Writers", "raw": {"members": [{"value": "u1"}]}}
    done = try_("polis", {"event": "group.updated", "directory_id": "d", "data": put}, "--json")
    told = orjson.loads(done.stdout)["elements"][0]["event"]
    assert told["group"]["members"] == ["u1"]
    assert told["directory_id"] == "d"


def test_scim_has_no_bodies_to_try(try_: Try) -> None:
    """It says where SCIM is spoken."""
    done = try_("idp", {"schemas": []})
    assert done.exit_code == 1
    assert "/scim/idp/v2" in done.stdout


def test_a_file_is_read(config: Path, tmp_path: Path) -> None:
    """Its name in place of -."""
    (tmp_path / "body.json").write_text(json.dumps(HIRED))
    words = ["source", "try", "hr", str(tmp_path / "body.json"), "-c", str(config)]
    assert CliRunner().invoke(app, words).exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["try", "nobody", "-"], 'there is no source "nobody": write one of okta, signed, '),
        (["test", "nobody"], 'there is no source "nobody": write one of okta, signed, '),
        (["try", "hr", "missing.json"], "missing.json: cannot be read (No such file or directory)"),
        (["test", "hr", "--file", "missing.json"], "missing.json: cannot be read"),
    ],
)
def test_what_is_not_there_is_2(config: Path, words: list[str], told: str) -> None:
    """A source or a file; the names that there are are shown."""
    done = CliRunner().invoke(app, ["source", *words, "-c", str(config)])
    assert done.exit_code == 2
    assert told in done.stderr


def test_a_wrong_map_is_2(config: Path) -> None:
    """With its key and its place."""
    rewrite(config, '"person.mail"', '"person."')
    done = CliRunner().invoke(app, ["source", "try", "hr", "-", "-c", str(config)], input="{}")
    assert done.exit_code == 2
    assert "sources[6].map.user.email: is not JMESPath: column 8" in done.stderr
