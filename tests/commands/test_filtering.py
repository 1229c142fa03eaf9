"""The options that every listing shares."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from bridge.commands.filtering import make_filter, parse_when, tell_more
from bridge.operators.filters import Filter
from bridge.operators.pages import Page
from bridge.settings import Settings, parse_settings

NOW = 1_795_000_000_000
HOUR = 3_600_000


@pytest.fixture
def settings() -> Settings:
    """Two sources, one target."""
    sources = [{"name": name, "kind": "jackson", "secrets": [f"{name}-secret"]} for name in ("okta", "polis")]
    targets = [{"name": "docs", "organization": "acme", "token": "x"}]
    return parse_settings({"sources": sources, "targets": targets}, Path("/nowhere/bridge.toml"))


def test_what_is_asked_for(settings: Settings) -> None:
    """Nothing means anything."""
    assert make_filter(settings) == Filter()
    wanted = make_filter(
        settings, sources=["okta"], targets=["docs"], kinds=["user", "group.created"], states=["dead"],
        text="ana", since="2026-01-01", until="2026-01-02T00:00:00Z", limit=7, after="okta/1-0",
        known_kinds=["user.created", "group.created"], known_states=["dead"],
    )  # fmt: skip
    first = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
    assert wanted == Filter(
        frozenset({"okta"}), frozenset({"docs"}), frozenset({"user", "group.created"}),
        frozenset({"dead"}), "ana", first, first + 24 * HOUR, 7, "okta/1-0",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"sources": ["okat"]}, "--source okat: there is none of that name: write okta, polis"),
        ({"targets": ["wiki"]}, "--target wiki: there is none of that name: write docs"),
        ({"kinds": ["users"]}, "--kind users: there is none of that name: write user, user.created"),
        ({"states": ["done"]}, "--state done: there is none of that name: write parked"),
        (
            {"since": "yesterday"},
            "--since yesterday: is no time: write RFC 3339 such as 2026-01-31T09:30:00Z",
        ),
        ({"until": "2026-02-30"}, "--until 2026-02-30: is no time"),
        ({"since": "1d", "until": "2d"}, "--until 2d: is not later than --since 1d"),
        ({"after": "ana@acme.test"}, "ana@acme.test is not an id: copy one from a list"),
    ],
)
def test_what_is_wrong_is_named_with_the_way_out(
    settings: Settings, option: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with 2."""
    with pytest.raises(typer.Exit) as ended:
        make_filter(settings, known_kinds=["user.created"], known_states=["parked"], **option)
    assert ended.value.exit_code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", 0),
        ("2h", NOW - 2 * HOUR),
        ("1.5h", NOW - HOUR * 3 // 2),
        ("2026-11-18T12:26:40Z", 1_795_004_800_000),
        ("2026-11-18t14:26:40.25+02:00", 1_795_004_800_250),
        ("2026-11-18 12:26:40z", 1_795_004_800_000),
        ("2026-11-18", 1_794_960_000_000),
        ("99999d", 1),
    ],
)
def test_moments(text: str, moment: int) -> None:
    """RFC 3339, a day in UTC, or how long ago."""
    assert parse_when("--since", text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["2026", "12:00", "2026-11-18T12:26", "2026-11-18T12:26:40", "-2h", "10", "9999-99-99"]
)
def test_what_could_mean_several_moments_is_refused(text: str) -> None:
    """A time of day without its zone, say."""
    with pytest.raises(ValueError, match=r"--since .*: is no time"):
        parse_when("--since", text, NOW)


def test_a_page_that_ended_early_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Until when was looked, where rows are few; on stderr, so that JSON stays JSON."""
    tell_more(Page(["row"]), Filter())
    assert capsys.readouterr() == ("", "")
    tell_more(Page(["row"], "okta/1794960000000-0", 1_794_960_000_000), Filter())
    out, told = capsys.readouterr()
    assert (out, told.strip()) == (
        "", "Looked at rows down to 2026-11-18T00:00:00.000Z; go on with --after okta/1794960000000-0",
    )  # fmt: skip
    tell_more(Page(["row"], "okta/1794960000000-0", 1_794_960_000_000), Filter(limit=1))
    assert capsys.readouterr().err.strip() == "There may be more: go on with --after okta/1794960000000-0"
