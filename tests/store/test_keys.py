"""The catalogue of keys: nothing else is written, nothing in it is made up, and docs/design.md shows it."""

import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from bridge.store.keys import table
from tests.store.catalogued import KEYS, find_key
from tests.store.older_data import FILE, PREFIX

ROOT = Path(__file__).parents[2]
NAMES = {key.name for key in KEYS}
LITERAL = re.compile(r'\.key\(\s*"([a-z_:]+)"')
IN_LUA = re.compile(r"prefix \.\. ':([a-z_]+)")
OF_SCIM = {  # what follows a source's name: `Shelf.key`
    "row",
    "all",
    "name",
    "by",
    "members",
    "groups",
}


def literals() -> Iterator[tuple[str, str]]:
    """Every name that the code builds a key with, and where."""
    for package in ("bridge", "workers"):
        for path in (ROOT / package).rglob("*.py"):
            for name in LITERAL.findall(path.read_text(encoding="utf-8")):
                yield name, path.name
        for path in (ROOT / package).rglob("*.lua"):
            for name in IN_LUA.findall(path.read_text(encoding="utf-8")):
                yield name, path.name


def test_every_name_in_the_code_is_in_the_catalogue() -> None:
    """In Python and in Lua; arq's own job has a name of its own."""
    assert [each for each in literals() if each[0] not in NAMES | OF_SCIM | {"sweep"}] == []


def test_every_name_in_the_catalogue_is_in_the_code() -> None:
    """None is left over from before."""
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("bridge", "workers")
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".lua") and path.name != "keys.py"
    )
    assert [name for name in sorted(NAMES) if not re.search(rf"[\"':]{name}[\"':]", code)] == []


@pytest.mark.parametrize(("text", "row"), sorted(orjson.loads(FILE.read_bytes())["keys"].items()))
def test_what_was_written_is_of_the_type_that_it_says(text: str, row: list[object]) -> None:
    """Each key of a whole story."""
    key = find_key(text.removeprefix(f"{PREFIX}:"))
    assert key is not None, text
    assert key.kind == row[0]
    assert bool(key.scope) == (text.count(":") > 1)


def test_the_design_shows_it() -> None:
    """As it is: python -c 'from bridge.store.keys import table; print(table())'."""
    assert table() in (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
