"""`bridge init`."""

import shutil
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bridge.cli import app
from bridge.commands.init import signed_curl
from bridge.settings import Settings, parse_settings, read_settings
from bridge.sources.base import Delivery
from bridge.sources.registry import make_source

TOKEN = "gb_api_do_not_show_me"


def run_init(folder: Path, *words: str, answers: str = "") -> tuple[int, str]:
    """Run `bridge init` on a configuration in the folder; its exit code and all it printed."""
    result = CliRunner().invoke(app, ["init", "-c", str(folder / "bridge.toml"), *words], input=answers)
    return result.exit_code, result.output


def made(folder: Path, *words: str) -> Settings:
    """Return the settings that `bridge init --yes` writes with these flags."""
    code, output = run_init(folder, "--yes", "--organization", "acme", "--token", TOKEN, *words)
    assert code == 0, output
    return read_settings(folder / "bridge.toml")


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("flags", "name", "kind", "auth"),
    [
        (("--sender", "okta-workflows"), "okta", "okta-workflows", "bearer"),
        (("--sender", "okta-workflows", "--auth", "basic"), "okta", "okta-workflows", "basic"),
        (("--sender", "okta-workflows", "--auth", "header"), "okta", "okta-workflows", "header"),
        (("--sender", "okta-workflows", "--auth", "hmac"), "okta", "okta-workflows", "hmac"),
        (("--sender", "okta-event-hooks"), "okta", "okta-event-hooks", "bearer"),
        (("--sender", "jackson"), "jackson", "jackson", "bearer"),
        (("--sender", "scim"), "idp", "scim", "bearer"),
    ],
)
def test_writes_a_file_that_can_be_used(
    tmp_path: Path, flags: tuple[str, ...], name: str, kind: str, auth: str
) -> None:
    """Whatever the sender, what it writes is read without a complaint."""
    source = made(tmp_path, *flags).sources[0]
    assert (source.name, source.kind, source.auth) == (name, kind, auth)


def test_starts_in_dry_run(tmp_path: Path) -> None:
    """Nothing is changed at GitBook before somebody says so."""
    assert made(tmp_path).targets[0].mode == "dry-run"


def test_the_scope_is_what_the_flags_say(tmp_path: Path) -> None:
    """Groups and domains may be repeated, and may hold anything."""
    flags = ("--groups", "GitBook Users", "--groups", 'a "quoted" \\ one', "--domains", "acme.test")
    members = made(tmp_path, *flags).targets[0].members
    assert members.groups == ("GitBook Users", 'a "quoted" \\ one')
    assert members.domains == ("acme.test",)


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Each secret is a file of mode 0600 in a folder of mode 0700."""
    made(tmp_path)
    folder = tmp_path / "bridge.secrets"
    assert mode_of(folder) == 0o700
    assert {each.name: mode_of(each) for each in folder.iterdir()} == {
        "okta": 0o600, "gitbook": 0o600, ".gitignore": 0o600,
    }  # fmt: skip


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Neither the terminal nor the configuration gets to know a secret."""
    _, output = run_init(tmp_path, "--yes", "--organization", "acme", "--token", TOKEN)
    secret = (tmp_path / "bridge.secrets" / "okta").read_text().strip()
    assert len(secret) > 32
    for text in (output, (tmp_path / "bridge.toml").read_text()):
        assert TOKEN not in text
        assert secret not in text


def test_tells_url_secret_and_next_steps(tmp_path: Path) -> None:
    """People learn what to paste, where the secret is, and how to go on."""
    _, output = run_init(tmp_path, "--yes", "--organization", "acme", "--token", TOKEN)
    for text in (
        "http://127.0.0.1:8080/webhooks/okta",
        "https://",
        str(tmp_path / "bridge.secrets" / "okta"),
        "bridge check",
        "bridge run",
        "bridge plan",
        'mode = "apply"',
    ):
        assert text in output


def test_overwrites_nothing(tmp_path: Path) -> None:
    """A second time it names what is there, and leaves all as it was."""
    made(tmp_path)
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    code, output = run_init(tmp_path, "--yes", "--organization", "other", "--token", "another")
    assert code == 1
    assert "bridge.toml" in output
    assert "--force" in output
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_force_keeps_the_secret_that_the_sender_knows(tmp_path: Path) -> None:
    """--force writes configuration and token again; the sender need not be told a new secret."""
    before = made(tmp_path).sources[0].secrets[0].reveal()
    code, _ = run_init(tmp_path, "--yes", "--force", "--organization", "other", "--token", "another")
    after = read_settings(tmp_path / "bridge.toml")
    assert code == 0
    assert after.targets[0].organization == "other"
    assert after.targets[0].token.reveal() == "another"
    assert after.sources[0].secrets[0].reveal() == before


def test_force_makes_a_secret_of_the_form_that_is_needed(tmp_path: Path) -> None:
    """A bearer's secret is no `user:password`."""
    made(tmp_path)
    secret = made(tmp_path, "--force", "--auth", "basic").sources[0].secrets[0].reveal()
    assert secret.startswith("bridge:")


def test_asks_for_what_no_flag_says(tmp_path: Path) -> None:
    """Sender, organisation, scope, token, limits; an answer that is none is asked for again."""
    answers = (
        "nobody\njackson\nhttps://app.gitbook.com/o/Org123/s/x\nWriters, Editors\n\n\n20\nmany\n-1\n60\n"
    )
    code, output = run_init(tmp_path, answers=answers)
    assert code == 0, output
    settings = read_settings(tmp_path / "bridge.toml")
    assert settings.sources[0].kind == "jackson"
    assert settings.targets[0].organization == "Org123"
    assert settings.targets[0].members.groups == ("Writers", "Editors")
    assert (settings.targets[0].guard.max_invites, settings.targets[0].guard.max_members) == (20, 60)


def test_the_limits_are_what_the_flags_say(tmp_path: Path) -> None:
    """Of invites and of seats; without a flag there is none."""
    guard = made(tmp_path, "--max-invites", "30", "--max-members", "250").targets[0].guard
    assert (guard.max_invites, guard.max_members, guard.admin_grants) == (30, 250, "hold")
    guard = made(tmp_path, "--force").targets[0].guard
    assert (guard.max_invites, guard.max_members) == (0, 0)


def test_event_hooks_are_told_where_to_type_what(tmp_path: Path) -> None:
    """The two fields of Okta's form, a body that is accepted, and what an API token adds."""
    code, output = run_init(tmp_path, "--sender", "okta-event-hooks", "--organization", "acme", "--yes")
    assert code == 0, output
    assert "the hook's authentication secret; its authentication field is `Authorization`" in output
    assert "https://<your host>/webhooks/okta" in output
    text = (tmp_path / "bridge.toml").read_text()
    assert "# api_token = " in text
    (line,) = [line for line in output.splitlines() if line.startswith("b='")]
    body = line.removeprefix("b='").partition("'; t=")[0].encode()
    source = make_source(read_settings(tmp_path / "bridge.toml").sources[0])
    (news,) = source.parse(Delivery({}, body, 1), None).news
    assert (news.name, news.group and news.group.id) == ("group.created", "test")


def test_scim_providers_are_told_base_url_and_token(tmp_path: Path) -> None:
    """Where the bridge speaks SCIM, and in which file the bearer token is."""
    code, output = run_init(tmp_path, "--sender", "scim", "--organization", "acme", "--yes")
    assert code == 0, output
    assert "http://127.0.0.1:8080/scim/idp/v2" in output
    assert "https://<your host>/scim/idp/v2" in output
    assert str(tmp_path / "bridge.secrets" / "idp") in output
    assert "webhooks" not in output + (tmp_path / "bridge.toml").read_text()


def test_a_missing_token_can_be_put_in_later(tmp_path: Path) -> None:
    """Without a token the file for it is there, and people are told to fill it."""
    code, output = run_init(tmp_path, "--yes", "--organization", "acme")
    assert code == 0
    assert "put the GitBook token in there" in output
    assert (tmp_path / "bridge.secrets" / "gitbook").exists()


def test_a_token_file_is_referred_to(tmp_path: Path) -> None:
    """A token that lies in a file stays there."""
    (tmp_path / "token").write_text(TOKEN)
    flags = ("--yes", "--organization", "acme", "--token-file", str(tmp_path / "token"))
    assert run_init(tmp_path, *flags)[0] == 0
    assert read_settings(tmp_path / "bridge.toml").targets[0].token.reveal() == TOKEN
    assert not (tmp_path / "bridge.secrets" / "gitbook").exists()


def test_a_password_for_redis_makes_the_file_private(tmp_path: Path) -> None:
    """The address of a Redis may hold a password."""
    made(tmp_path, "--redis-url", "redis://bridge:hush@redis.test:6379/0")
    assert mode_of(tmp_path / "bridge.toml") == 0o600


def test_wrong_answers_are_all_named(tmp_path: Path) -> None:
    """Each mistake is told with its key, nothing is written, and the code is 2."""
    code, output = run_init(tmp_path, "--yes", "--organization", "a b", "--redis-url", "http://x")
    assert code == 2
    assert "targets[0].organization" in output
    assert "redis.url" in output
    assert list(tmp_path.iterdir()) == []


def test_an_organisation_is_needed(tmp_path: Path) -> None:
    """There is no default for it."""
    code, output = run_init(tmp_path, "--yes")
    assert code == 2
    assert "--organization" in output


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
@pytest.mark.parametrize("proof", ["bearer", "header", "hmac", "jackson", "okta-event-hooks"])
async def test_the_line_to_try_is_accepted(tmp_path: Path, proof: str) -> None:
    """The command line that people are given sends what the source takes for genuine."""
    (tmp_path / "secret file").write_text("hush-hush\n")
    line = signed_curl(proof, "http://bridge.test", tmp_path / "secret file", '{"event": "user.created"}')
    headers, body = _sent(line)
    raw: dict[str, Any] = {"name": "s", "kind": proof, "secrets": ["hush-hush"]}
    if proof not in ("jackson", "okta-event-hooks"):
        raw |= {"kind": "okta-workflows", "auth": proof, "header": "X-Api-Key"}
    source = make_source(parse_settings({"sources": [raw]}, tmp_path / "bridge.toml").sources[0])
    await source.verify(Delivery(headers, body, time.time_ns() // 1_000_000))


def _sent(line: str) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body that a command line would send: curl only tells its arguments."""
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}\n{line}"
    words = subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout.decode().split("\0")
    pairs = [word.partition(": ") for flag, word in pairwise(words) if flag == "-H"]
    return {name.lower(): value for name, _, value in pairs}, words[words.index("-d") + 1].encode()
