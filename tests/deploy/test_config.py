"""deploy/bridge.toml: every key there is, with its default, in a file that can be used as it is."""

import base64
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from bridge.settings import Settings, parse_settings, read_settings
from tests.certificates import Authority
from tests.deploy.places import DEPLOY

FILE = DEPLOY / "bridge.toml"
_HIDDEN = re.compile(r'^# (?=\[|[a-z_."*]+ = )', re.MULTILINE)
FREE = {"sources.map.events"}  # tables whose keys are the sender's
ORDER = ["redis", "receiver", "operators", "logs", "retention", "sources", "targets", "alerts"]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file's text, with its secrets where it says they are; the folder it stands in."""
    for name in re.findall(r"\"env:([A-Z_]+)\"", FILE.read_text(encoding="utf-8")):
        key = base64.b64encode(name.encode()).decode()  # as a key has to be, and each its own
        monkeypatch.setenv(name, "https://there.test" if name.endswith("_URL") else key)
    Authority(tmp_path)  # makes the company-ca.pem
    token = tmp_path / "gitbook"
    token.write_text("there", encoding="utf-8")
    text = FILE.read_text(encoding="utf-8").replace("file:/run/secrets/gitbook", f"file:{token}")
    (tmp_path / "bridge.toml").write_text(text, encoding="utf-8")
    return tmp_path


def shown() -> dict[str, Any]:
    """The file with nothing commented out."""
    return tomllib.loads(_HIDDEN.sub("", FILE.read_text(encoding="utf-8")))


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section a field holds, looking through tuple[...] and `| None`."""
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def keys_of(model: type[BaseModel], path: str = "") -> set[str]:
    """Every key of the settings, as a path: `targets.guard.window`."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = section_of(field.annotation)
        found |= keys_of(inner, f"{path}{name}.") if inner else {path + name}
    return found


def keys_in(table: Any, path: str = "") -> set[str]:
    """Every key of a parsed file, as a path."""
    found: set[str] = set()
    for name, value in table.items():
        if path + name in FREE:
            found.add(path + name)
            continue
        inner = value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]
        for each in inner:
            found |= keys_in(each, f"{path}{name}.") if isinstance(each, dict) else {path + name}
    return found


def test_no_key_is_forgotten_and_none_is_made_up() -> None:
    """The keys in the file, the commented ones too, are those of the settings."""
    assert keys_of(Settings) == keys_in(shown())


def test_it_is_readable_as_it_is(secrets: Path) -> None:
    """With its secrets there it is a configuration, in dry-run mode."""
    settings = read_settings(secrets / "bridge.toml")

    assert [source.name for source in settings.sources] == ["polis", "okta"]
    assert [target.mode for target in settings.targets] == ["dry-run"]
    assert settings.operators is None


def test_it_is_readable_with_nothing_commented_out(secrets: Path) -> None:
    """What is commented out is right, too: its lines are examples that work, with the Redis they are for."""
    text = _HIDDEN.sub("", (secrets / "bridge.toml").read_text(encoding="utf-8"))
    text = text.replace('url = "embedded"', 'url = "rediss+sentinel://h1:26379,h2:26379/service/0"')
    settings = parse_settings(tomllib.loads(text), secrets / "bridge.toml")

    assert settings.operators is not None
    assert all(settings.targets_of(source.directory_name) for source in settings.sources)


@pytest.mark.parametrize("section", ["redis", "receiver", "logs", "retention"])
def test_plain_sections_show_their_defaults(secrets: Path, section: str) -> None:
    """A section that is left out means the same as the one shown."""
    raw = tomllib.loads((secrets / "bridge.toml").read_text(encoding="utf-8"))
    shown_there = getattr(parse_settings({section: raw[section]}, secrets / "bridge.toml"), section)
    assert getattr(parse_settings({}, secrets / "bridge.toml"), section) == shown_there


def test_targets_show_their_defaults(secrets: Path) -> None:
    """Of a target only its name, organisation, token, teams and roles have to be written."""
    raw = tomllib.loads((secrets / "bridge.toml").read_text(encoding="utf-8"))
    whole = raw["targets"][0]
    needed = {key: whole[key] for key in ("name", "organization", "token", "roles")}
    needed["teams"] = [{"group": "*"}]
    whole["roles"][0].pop("directory")  # of a source that is not in this file
    path = secrets / "bridge.toml"

    assert parse_settings({"targets": [needed]}, path) == parse_settings({"targets": [whole]}, path)


def test_lines_that_are_no_default_say_so() -> None:
    """Every line whose key must be written is marked: example."""
    needed = {"name", "secrets", "organization", "token", "group", "role"}
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    unmarked = [line for line in lines if line.partition(" =")[0] in needed and "# example" not in line]
    assert unmarked == []


def test_sections_are_in_the_order_of_the_interface() -> None:
    """People find them where they look."""
    assert list(shown()) == ORDER
