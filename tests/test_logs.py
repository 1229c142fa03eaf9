"""One pipeline for all log lines, which leaves people and secrets out."""

import io
import json
import logging
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.contextvars import bound_contextvars

from bridge.logs import configure_logs, mask_email, mask_secrets
from bridge.settings import LogSettings


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


def configured(stream: io.StringIO | None = None, **settings: Any) -> io.StringIO:
    """A stream that gets the lines."""
    out = stream or io.StringIO()
    configure_logs(LogSettings.model_validate(settings), out)
    return out


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The JSON lines in it."""
    return [json.loads(line) for line in stream.getvalue().rstrip("\n").split("\n")]


def test_lines_are_json() -> None:
    """Event, level, time and what was bound, one object a line."""
    out = configured()
    with bound_contextvars(delivery="ab12"):
        structlog.get_logger().info("stored", accepted=3)

    (line,) = lines(out)
    assert {"event": "stored", "accepted": 3, "delivery": "ab12", "level": "info"}.items() <= line.items()
    assert line["at"].endswith("Z")


def test_terminal_gets_readable_lines() -> None:
    """No JSON where a person reads."""
    out = configured(Terminal())
    structlog.get_logger().warning("not stored", bodies=2)
    assert "not stored" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_level_holds_for_ours_and_theirs() -> None:
    """Below the level nothing is written; requests of httpx only from warning on."""
    out = configured(level="info")
    structlog.get_logger().debug("ours")
    logging.getLogger("arq").debug("theirs")
    logging.getLogger("httpx").info("HTTP Request: GET https://api.test")
    logging.getLogger("arq").info("shown")
    assert [line["event"] for line in lines(out)] == ["shown"]


def test_library_lines_take_the_same_way() -> None:
    """uvicorn's and arq's lines are JSON with their logger's name and what is bound."""
    out = configured()
    with bound_contextvars(delivery="ab12"):
        logging.getLogger("uvicorn.error").warning("%s started for %s", "server", "ana@acme.test")

    (line,) = lines(out)
    expected = {"event": "server started for a***@acme.test", "logger": "uvicorn.error", "delivery": "ab12"}
    assert {**expected, "level": "warning"}.items() <= line.items()


def test_addresses_are_masked_wherever_they_are() -> None:
    """In the event, in values however deep, in keys, in objects and in tracebacks."""
    out = configured()
    try:
        raise ValueError("no seat for ana@acme.test")
    except ValueError:
        structlog.get_logger().exception(
            "ana@acme.test",
            nested={"ana@acme.test": [{"to": ("ana@acme.test",)}]},
            odd=RuntimeError("ana@acme.test"),
            url="https://api.test/members?search=ana%2Bx%40acme.test",
        )

    text = out.getvalue()
    assert "ana" not in text
    assert text.count("a***@acme.test") >= 5
    assert "a***%40acme.test" in text


def test_personal_data_is_shown_when_asked_for() -> None:
    """The setting is for an hour of looking; secrets stay out even then."""
    out = configured(personal_data=True)
    structlog.get_logger().info("seen", user="ana@acme.test", header="Bearer abcdefgh1234", token="t0psecret")
    assert "ana@acme.test" in out.getvalue()
    assert "abcdefgh1234" not in out.getvalue()
    assert "t0psecret" not in out.getvalue()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ana@acme.test", "a***@acme.test"),
        ("to <Ana.Ng+x@sub.acme.test>, b@acme.test.", "to <A***@sub.acme.test>, b***@acme.test."),
        ("zoë@acme.test", "z***@acme.test"),
        ("o'neil@acme.test", "o***@acme.test"),
        ("['ana@acme.test', 'o'neil@b.test']", "['a***@acme.test', 'o***@b.test']"),
        ("id 7 @ home", "id 7 @ home"),
        ("", ""),
    ],
)
def test_mask_email(text: str, masked: str) -> None:
    """The first letter and the domain stay, so that a person can still be found by who knows them."""
    assert masked == mask_email(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://user:pa55@r:6379/0", "redis://***@r:6379/0"),
        ("at redis://user:p@5/5#@r:6379/0, at last", "at redis://***@r:6379/0, at last"),
        ("unix://user:p@55@/run/r.sock, unix:///run/r@1", "unix://***@/run/r.sock, unix:///run/r@1"),
        ("https://user:p@55@acme.test/", "https://***@acme.test/"),
        ("authorization: Bearer eyJhbGciOi.J9", "authorization: Bearer ***"),
        ("https://acme.test/@ana", "https://acme.test/@ana"),
        ("a basic matter", "a basic matter"),
    ],
)
def test_mask_secrets(text: str, masked: str) -> None:
    """Logins in URLs and credentials after their scheme."""
    assert masked == mask_secrets(text)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["a" * 200_000, "@" * 200_000, "a@" * 100_000, "://" * 70_000, "a%40" * 50_000]
)
def test_masking_is_quick(text: str) -> None:
    """No text of a stranger's makes it slow."""
    mask_email(text)
    mask_secrets(text)


def test_it_may_be_called_again() -> None:
    """The last call counts, and no line is written twice."""
    first, second = configured(), configured()
    structlog.get_logger().info("one")
    logging.getLogger("arq").info("two")
    assert first.getvalue() == ""
    assert [line["event"] for line in lines(second)] == ["one", "two"]


VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(alphabet=st.characters()) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES)
def test_no_value_breaks_a_line(value: Any) -> None:
    """Whatever is logged, a line of JSON comes out."""
    out = configured()
    structlog.get_logger().info("odd", value=value)
    assert "odd" in str(lines(out)[0]["event"])
