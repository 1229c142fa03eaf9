"""What all commands share: tables that fit."""

import orjson
import pytest

from bridge.commands import common

IDENT = "polis:dir_01ARZ3NDEKTSV4RRFFQ69G5FAV/1795319083036-0"
COLUMNS = ("id", "stored at", "event", "about", "state")


def shown(capsys: pytest.CaptureFixture[str], *rows: tuple[object, ...]) -> list[str]:
    """The lines of a table."""
    common.print_table("Events", COLUMNS, rows)
    return capsys.readouterr().out.splitlines()


@pytest.fixture(params=[80, 200])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A terminal of so many columns."""
    monkeypatch.setattr(common.out, "_width", request.param)
    return int(request.param)


def test_a_table_fits_and_what_is_long_folds(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The id is never broken; nothing is left out."""
    about = "ana@acme.test in The Writers of all the technical documentation"
    lines = shown(
        capsys, ("okta/1795319083036-0", "2026-11-22 20:05:33", "group.user_added", about, "processed")
    )
    assert max(map(len, lines)) <= width
    assert any("okta/1795319083036-0" in line for line in lines)
    cells = [line.split("│") for line in lines if "│" in line]
    assert "".join(row[3].strip() for row in cells).replace(" ", "") == about.replace(" ", "")


def test_a_long_id_gets_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where columns would be too narrow to read, a row is several lines."""
    monkeypatch.setattr(common.out, "_width", 80)
    lines = shown(capsys, (IDENT, "2026-11-22 20:05:33", "user.created", None, "processed"))
    assert lines == [
        "Events",
        IDENT,
        "  stored at: 2026-11-22 20:05:33",
        "  event: user.created",
        "  state: processed",
    ]
    monkeypatch.setattr(common.out, "_width", 40)
    assert shown(capsys, (IDENT * 2, "", "", "", ""))[1] == IDENT * 2


@pytest.mark.parametrize("odd", ["\x9b2J", "\x7f", "\u202e", "\u2028", "\U000e0041", "\x1b", "\u200b"])
def test_json_shows_what_a_terminal_would_obey(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Escaped, so that nothing is lost; what people write is not."""
    common.print_json({"name": f"{odd} Ünïcödé 東京 😀\n"})
    shown = capsys.readouterr().out
    assert all(each.isprintable() or each == "\n" for each in shown)
    assert "Ünïcödé 東京 😀" in shown
    assert orjson.loads(shown) == {"name": f"{odd} Ünïcödé 東京 😀\n"}


def test_names_from_outside_are_only_text(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither markup nor what moves a terminal's cursor."""
    lines = shown(capsys, ("okta/1-0", "", "", "[red]Writers[/] \x1b[2J", "[/]"))
    assert "[red]Writers[/]" in "".join(lines).replace(" ", "")
    assert "\x1b" not in "".join(lines)
