"""Shell completion: names come from the configuration alone, whether or not anything runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge import cli

BRIDGE = Path(sys.executable).parent / "bridge"
CONFIG = """
[redis]
url = "redis://127.0.0.1:1"
[[sources]]
name = "okta"
kind = "okta-workflows"
secrets = ["env:NOT_SET_HERE"]
[[sources]]
name = "polis"
kind = "jackson"
secrets = ["env:NOT_SET_HERE"]
[[targets]]
name = "docs"
organization = "acme"
token = "env:NOT_SET_HERE"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose secrets are not there, and no Redis either."""
    path = tmp_path / "bridge.toml"
    path.write_text(CONFIG)
    return path


def complete(line: str, config: Path | None = None) -> list[str]:
    """What bash would offer at the end of a line."""
    words = line.split(" ")
    env = {key: value for key, value in os.environ.items() if key != "BRIDGE_CONFIG"}
    env |= {
        "_BRIDGE_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    env |= {"BRIDGE_CONFIG": str(config)} if config else {}
    return subprocess.run([BRIDGE], env=env, capture_output=True, text=True, check=True).stdout.split()


def test_names_of_the_configuration(config: Path) -> None:
    """Of sources and targets, wherever the configuration is told."""
    assert complete("bridge events --source ", config) == ["okta", "polis"]
    assert complete("bridge events --source o", config) == ["okta"]
    assert complete("bridge source test ", config) == ["okta", "polis"]
    assert complete("bridge pause ", config) == ["docs"]
    assert complete(f"bridge queue -c {config} --target ") == ["docs"]
    assert complete("bridge events --source ", config.parent / "none.toml") == []


def test_words_the_commands_know() -> None:
    """Commands, options, kinds and states."""
    assert complete("bridge ev") == ["events", "event"]
    assert complete("bridge events --fo") == ["--follow"]
    assert complete("bridge events --kind user.") == ["user.created", "user.deleted", "user.updated"]
    assert complete("bridge queue --state p") == ["parked"]


@pytest.mark.parametrize(
    ("env", "asked"),
    [
        ({"COMP_WORDS": "bridge\nevents\n--fo"}, "events"),
        ({"COMP_WORDS": "bridge\nevents\n"}, "events"),
        ({"COMP_WORDS": "bridge\nevent"}, ""),
        ({"COMP_WORDS": "bridge\n"}, ""),
        ({"_TYPER_COMPLETE_ARGS": "bridge events "}, "events"),
        ({"_TYPER_COMPLETE_ARGS": "bridge events --so"}, "events"),
        ({"_TYPER_COMPLETE_ARGS": "bridge eve"}, ""),
        ({}, ""),
    ],
)
def test_only_the_command_that_is_completed_is_imported(
    env: dict[str, str], asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them where it is the command itself that is completed."""
    made: list[list[str]] = []
    monkeypatch.setattr(cli, "make_app", lambda names: lambda: made.append(list(names)))
    for name in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (env | {"_BRIDGE_COMPLETE": "complete_bash"}).items():
        monkeypatch.setenv(name, value)
    cli.main()
    assert made == [[asked] if asked else list(cli.COMMANDS)]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_can_be_shown(shell: str) -> None:
    """With the variable that `bridge` looks at."""
    env = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [BRIDGE, "--show-completion", shell], env=env, capture_output=True, text=True, check=True
    )
    assert f"_BRIDGE_COMPLETE=complete_{shell}" in done.stdout
    assert {"bash": "COMP_WORDS"}.get(shell, "_TYPER_COMPLETE_ARGS") in done.stdout
