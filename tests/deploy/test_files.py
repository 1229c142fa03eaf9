"""The files of a deployment, as linters and schemas see them."""

import re
import subprocess
from configparser import ConfigParser

import pytest

from tests.deploy.places import DEPLOY, ROOT, compose, dockerfile, image_command, last, tool

_REGISTRY = re.compile(r"^[^/]*[.:][^/]*/")  # a first part with a dot or a port is a host


def run(*command: str) -> str:
    """Run a linter; what it says when it finds anything, else nothing."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return (done.stdout + done.stderr) if done.returncode else ""


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    """Neither errors nor advice."""
    assert run(tool("hadolint"), str(DEPLOY / "Dockerfile")) == ""


def test_compose_file_follows_its_specification() -> None:
    """The JSON schema of the Compose specification accepts it."""
    checker = tool("check-jsonschema")
    file = str(DEPLOY / "compose.yaml")
    assert run(checker, "--builtin-schema", "vendor.compose-spec", file) == ""


def test_yaml_is_clean() -> None:
    """yamllint, strict."""
    assert run(tool("yamllint"), "-s", str(DEPLOY)) == ""


def test_systemd_accepts_the_unit() -> None:
    """No unknown settings; only the program's own absence is told."""
    told = run(tool("systemd-analyze"), "verify", str(DEPLOY / "systemd" / "directory-bridge.service"))
    assert [line for line in told.splitlines() if "is not executable" not in line] == []


def test_unit_runs_a_command_there_is_and_is_fenced_in() -> None:
    """It starts `bridge run` as a user of its own, who may write to its data only."""
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read(DEPLOY / "systemd" / "directory-bridge.service", encoding="utf-8")
    service = unit["Service"]

    assert service["ExecStart"].split()[1:] == ["run", "--config", "/etc/bridge/bridge.toml"]
    assert service["User"] == "bridge"
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["KillMode"] == "mixed"


def test_image_is_built_in_two_steps_and_runs_as_nobody_special() -> None:
    """What builds stays behind; the last user is not root; commands are lists, so that SIGTERM arrives."""
    assert len([rest for name, rest in dockerfile() if name == "FROM"]) == 2
    assert last("USER").split(":")[0] not in ("root", "0")
    assert image_command() == ["bridge", "run"]
    assert "/readyz" in last("HEALTHCHECK")


def test_image_installs_exactly_what_is_locked() -> None:
    """pip takes the constraints, and all that is copied into the build is there."""
    steps = [rest for name, rest in dockerfile() if name == "RUN" and "pip install" in rest]
    assert all("-c constraints.txt" in step for step in steps)
    assert len(steps) == 1
    copied = [rest.split()[:-1] for name, rest in dockerfile() if name == "COPY" and "--from" not in rest]
    assert [source for sources in copied for source in sources if not (ROOT / source).exists()] == []


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml", "Caddyfile"])
def test_no_registry_is_named(file: str) -> None:
    """Images come from wherever the machine gets its images."""
    text = (DEPLOY / file).read_text(encoding="utf-8")
    images = re.findall(r"^\s*(?:FROM|image:)\s+(\S+)", text, re.MULTILINE)
    assert [image for image in images if _REGISTRY.match(image)] == []
    assert not re.search(r"--(?:extra-)?index-url|PIP_INDEX_URL|https?://(?!127\.0\.0\.1)", text)


def test_only_the_proxy_is_reached_from_outside() -> None:
    """No other service publishes a port, and the store's network leads nowhere."""
    services = compose()["services"]
    assert [name for name, service in services.items() if service.get("ports")] == ["proxy"]
    assert compose()["networks"]["store"] == {"internal": True}
    assert services["valkey"]["networks"] == ["store"]


def test_healthcheck_and_proxy_call_the_port_the_image_exposes() -> None:
    """8080, the receiver's default, in all three."""
    assert last("EXPOSE") == "8080"
    assert ":8080/readyz" in last("HEALTHCHECK")
    assert compose()["services"]["proxy"]["environment"]["BRIDGE_UPSTREAM"] == "web:8080"
