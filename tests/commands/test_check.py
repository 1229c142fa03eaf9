"""`bridge check`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm
from tenacity import wait_none
from typer.testing import CliRunner

from bridge.cli import app
from bridge.commands.check import examine
from bridge.commands.findings import Finding
from bridge.embedded import EmbeddedValkey
from bridge.sandbox import Sandbox, running_sandbox
from bridge.settings import RedisSettings, parse_settings
from bridge.store.redis import Store
from tests.directories.fake_okta import TOKEN, FakeOkta, running_okta
from tests.e2e.place import free_port
from tests.proxies import running_api

BRIDGE = Path(sys.executable).with_name("bridge")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A GitBook that is well."""
    async with running_sandbox() as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, redis_settings: RedisSettings, sandbox: Sandbox) -> dict[str, Any]:
    """A configuration in which all is in place."""
    (tmp_path / "token").write_text(sandbox.token)
    (tmp_path / "secret").write_text("hush-hush-hush-hush")
    (tmp_path / "hooks").write_text("hush-hooks-hush-hooks")
    return {
        "redis": {"data_dir": str(redis_settings.data_dir), "prefix": redis_settings.prefix},
        "sources": [{"name": "okta", "kind": "okta-workflows", "secrets": ["file:secret"]}],
        "targets": [
            {"name": "docs", "api_url": sandbox.url, "organization": "acme", "token": "file:token"},
        ],
    }


async def found(tmp_path: Path, config: dict[str, Any]) -> dict[str, Finding]:
    """Return the findings by name."""
    path = tmp_path / "bridge.toml"
    return {each.name: each for each in await examine(parse_settings(config, path), path)}


async def test_all_is_well(tmp_path: Path, config: dict[str, Any]) -> None:
    """Every part has its line, and none fails."""
    findings = await found(tmp_path, config)
    assert list(findings) == [
        "config", "redis", "redis.durability", "source.okta", "target.docs.token",
        "target.docs.organization", "target.docs.rights", "target.docs.members", "target.docs.teams",
    ]  # fmt: skip
    assert all(each.ok for each in findings.values())


async def test_a_source_is_shown_with_its_address(tmp_path: Path, config: dict[str, Any]) -> None:
    """People see where the sender has to send."""
    finding = (await found(tmp_path, config))["source.okta"]
    assert "http://127.0.0.1:8080/webhooks/okta" in finding.detail


@pytest.mark.parametrize(("whole", "shown"), [(False, "o***@acme.test"), (True, "owner@acme.test")])
async def test_tells_whose_token_it_is(
    tmp_path: Path, config: dict[str, Any], whole: bool, shown: str
) -> None:
    """The address is masked unless logs.personal_data says otherwise."""
    config["logs"] = {"personal_data": whole}
    assert (await found(tmp_path, config))["target.docs.token"].detail.endswith(f" {shown}")


async def test_it_says_why_a_target_is_not_reached(
    tmp_path: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy, the DNS, or nobody there: each is looked for elsewhere."""
    monkeypatch.setattr("bridge.targets.gitbook.wait_random_exponential", lambda **_: wait_none())
    nowhere = free_port()
    refused = "refuses the connection: does anything listen there?"
    for keys, why in (
        ({"api_url": f"http://127.0.0.1:{nowhere}/v1"}, f"it {refused}"),
        ({"api_url": "https://api.invalid/v1"}, "its host is not known to the DNS"),
        ({"proxy": f"http://bridge:word@127.0.0.1:{nowhere}"}, f"the proxy 127.0.0.1:{nowhere} {refused}"),
    ):
        target = config["targets"][0] | keys
        told = (await found(tmp_path, config | {"targets": [target]}))["target.docs.token"]
        assert not told.ok
        assert told.detail == f"{target['api_url']}: no answer: {why}: is targets.api_url right?"


async def test_keys_of_tokens_are_looked_at(tmp_path: Path, config: dict[str, Any]) -> None:
    """Without them no delivery is let in; what keeps them away is told."""
    source = {
        "name": "flows", "kind": "okta-workflows", "auth": "jwt", "issuer": "https://acme.okta.test",
        "audience": "bridge", "client_id": "0oa1", "jwks_url": f"http://127.0.0.1:{free_port()}/keys",
    }  # fmt: skip
    config["sources"] = [source]
    told = (await found(tmp_path, config))["source.flows.keys"]
    assert (told.ok, "cannot be read: it refuses the connection" in told.detail) == (False, True)
    one = ECAlgorithm.to_jwk(generate_private_key(SECP256R1()).public_key(), as_dict=True)
    async with running_api(orjson.dumps({"keys": [one]})) as api:
        source["jwks_url"] = api.url
        told = (await found(tmp_path, config))["source.flows.keys"]
    assert (told.ok, told.detail) == (True, f"the keys of {api.url} can be read")


async def test_no_secret_is_shown(tmp_path: Path, config: dict[str, Any], sandbox: Sandbox) -> None:
    """No line has the token, a secret, or the password of Redis in it."""
    sandbox.inject(rejected_token=True)
    config["redis"] = {"url": "redis://bridge:pass-word@127.0.0.1:1/0"}
    findings = await found(tmp_path, config)
    for secret in (sandbox.token, "hush-hush-hush-hush", "pass-word"):
        assert secret not in repr(findings)


# rules


async def test_an_admin_rule_of_any_of_two_directories_is_refused(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    """Whoever may name a group in one of them would make admins; one directory, or a named one, is fine."""
    rule = {"group": "Admins", "role": "admin"}
    config["targets"][0] |= {"roles": [{"group": "Editors", "role": "edit"}, rule]}
    assert "target.docs.roles" not in await found(tmp_path, config)
    config["sources"].append({"name": "hr", "kind": "okta-workflows", "secrets": ["another"]})
    finding = (await found(tmp_path, config))["target.docs.roles"]
    assert (finding.ok, finding.detail) == (
        False,
        'roles[1]: group "Admins" of any of hr, okta makes admins: add the right one to the rule, '
        'such as directory = "hr"',
    )
    rule["directory"] = "okta"
    assert "target.docs.roles" not in await found(tmp_path, config)
    config["targets"][0]["default_role"] = "admin"
    finding = (await found(tmp_path, config))["target.docs.roles"]
    assert (finding.ok, "everyone whom any of hr, okta names" in finding.detail) == (False, True)
    config["sources"][1]["targets"] = []
    assert "target.docs.roles" not in await found(tmp_path, config)


async def test_a_group_with_a_directory_in_front_that_there_is_not(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    """It may be a group's own name; it may be a slip."""
    config["targets"][0]["members"] = {"groups": ["okta/Staff", "R&D/Core", "otka/Staff"]}
    finding = (await found(tmp_path, config))["target.docs.members"]
    assert (finding.ok, "can be listed" in finding.detail) == (True, False)
    assert finding.detail.startswith('members.groups[2]: "otka/Staff" is taken for the name of a group')


# Okta's API


@pytest.fixture
async def okta(config: dict[str, Any]) -> AsyncIterator[FakeOkta]:
    """An Okta whose event hooks are configured, with its API."""
    async with running_okta() as running:
        config["sources"].append({"name": "hooks", "kind": "okta-event-hooks", "secrets": ["file:hooks"]})
        config["sources"][1] |= {"api_url": running.url, "api_token": TOKEN}
        yield running


async def test_an_api_behind_a_source_is_tried(
    tmp_path: Path, config: dict[str, Any], okta: FakeOkta
) -> None:
    """One line below its source."""
    findings = await found(tmp_path, config)
    finding = findings["source.hooks.api"]
    assert (finding.ok, finding.warning) == (True, False)
    assert "users and groups can be read" in finding.detail
    assert list(findings).index("source.hooks.api") == list(findings).index("source.hooks") + 1
    assert TOKEN not in repr(findings)


@pytest.mark.parametrize(
    ("fault", "ok", "detail"),
    [
        (401, False, "put a valid token into sources.api_token"),
        (403, False, "does not let the token read users"),
        ("html", False, "is api_url right?"),
        (503, False, "Okta answered 503: is api_url right, and can it be reached?"),
        (429, True, "check again in a minute"),
    ],
)
async def test_an_api_that_does_not_answer_as_it_should(
    tmp_path: Path, config: dict[str, Any], okta: FakeOkta, fault: Any, ok: bool, detail: str
) -> None:
    """It says what to put right."""
    okta.fault = fault
    finding = (await found(tmp_path, config))["source.hooks.api"]
    assert finding.ok is ok
    assert detail in finding.detail


async def test_event_hooks_without_an_api_are_warned_about(tmp_path: Path, config: dict[str, Any]) -> None:
    """What cannot be known without it."""
    config["sources"][0]["kind"] = "okta-event-hooks"
    finding = (await found(tmp_path, config))["source.okta.api"]
    assert (finding.ok, finding.warning) == (True, True)
    assert "a changed address is not seen" in finding.detail


# Redis


async def test_warns_when_redis_may_lose_events(tmp_path: Path, config: dict[str, Any]) -> None:
    """The tests' Valkey writes to disk once a second only: that is worth a warning, not a failure."""
    finding = (await found(tmp_path, config))["redis.durability"]
    assert (finding.ok, finding.warning) == (True, True)
    assert "appendfsync is everysec" in finding.detail


async def test_warns_when_redis_does_not_tell(
    tmp_path: Path, config: dict[str, Any], store: Store, valkey_server: EmbeddedValkey
) -> None:
    """Where CONFIG is not permitted, as at many providers, people are told what to make sure of."""
    user = store.prefix
    await store.call("ACL", "SETUSER", user, "on", ">pass-word", "~*", "+@all", "-config")
    config["redis"] |= {"url": f"unix://{user}:pass-word@{valkey_server.socket}"}
    findings = await found(tmp_path, config)
    await store.call("ACL", "DELUSER", user)
    assert findings["redis"].ok
    assert findings["redis.durability"].warning
    assert "appendonly yes" in findings["redis.durability"].detail


async def test_an_embedded_valkey_need_not_be_up(tmp_path: Path, config: dict[str, Any]) -> None:
    """`bridge run` starts it; that it is not there yet is no failure."""
    config["redis"] = {"data_dir": "data"}
    finding = (await found(tmp_path, config))["redis"]
    assert finding.ok
    assert "`bridge run` starts it" in finding.detail
    assert not (tmp_path / "data").exists()


async def test_a_data_dir_that_cannot_be_made_fails(tmp_path: Path, config: dict[str, Any]) -> None:
    """What `bridge run` would stumble over is told before."""
    (tmp_path / "data").write_text("a file")
    config["redis"] = {"data_dir": "data"}
    finding = (await found(tmp_path, config))["redis"]
    assert not finding.ok
    assert "redis.data_dir" in finding.detail


async def test_a_redis_that_is_not_there_fails(tmp_path: Path, config: dict[str, Any]) -> None:
    """The rest is looked at all the same."""
    config["redis"] = {"url": "redis://127.0.0.1:1/0"}
    findings = await found(tmp_path, config)
    assert not findings["redis"].ok
    assert findings["target.docs.teams"].ok


# targets


async def test_a_rejected_token_fails(tmp_path: Path, config: dict[str, Any], sandbox: Sandbox) -> None:
    """It says where to put a new one."""
    sandbox.inject(rejected_token=True)
    finding = (await found(tmp_path, config))["target.docs.token"]
    assert not finding.ok
    assert "file:token" in finding.detail


async def test_an_organisation_out_of_sight_fails(
    tmp_path: Path, config: dict[str, Any], sandbox: Sandbox
) -> None:
    """It names the key and asks whose token it is."""
    sandbox.inject(organization_gone=True)
    finding = (await found(tmp_path, config))["target.docs.organization"]
    assert not finding.ok
    assert "targets.organization" in finding.detail


async def test_a_target_that_is_down_fails(tmp_path: Path, config: dict[str, Any], sandbox: Sandbox) -> None:
    """It says what came back."""
    sandbox.inject(always="503")
    finding = (await found(tmp_path, config))["target.docs.token"]
    assert not finding.ok
    assert "503" in finding.detail


async def test_a_list_that_cannot_be_read_fails(
    tmp_path: Path, config: dict[str, Any], sandbox: Sandbox
) -> None:
    """What was found before still counts."""
    sandbox.inject(next=[{"fault": "403", "match": "/teams"}])
    findings = await found(tmp_path, config)
    assert findings["target.docs.members"].ok
    assert not findings["target.docs.teams"].ok


async def test_warns_when_the_owner_is_no_admin(
    tmp_path: Path, config: dict[str, Any], sandbox: Sandbox
) -> None:
    """Their removals would only be requests."""
    sandbox.state.change(sandbox.owner, role="edit")
    finding = (await found(tmp_path, config))["target.docs.rights"]
    assert (finding.ok, finding.warning) == (True, True)
    assert "202" in finding.detail


async def test_warns_when_the_limit_is_used_up(
    tmp_path: Path, config: dict[str, Any], sandbox: Sandbox
) -> None:
    """A 429 says nothing against the configuration."""
    sandbox.inject(always="429", retry_after=30)
    finding = (await found(tmp_path, config))["target.docs.token"]
    assert (finding.ok, finding.warning) == (True, True)


@pytest.mark.parametrize(("skew", "side"), [(60, "ahead of"), (-60, "behind")])
async def test_warns_when_the_clocks_differ(
    tmp_path: Path, config: dict[str, Any], sandbox: Sandbox, skew: int, side: str
) -> None:
    """A wrong clock here makes signatures look old."""
    sandbox.skew = skew
    finding = (await found(tmp_path, config))["target.docs.clock"]
    assert finding.warning
    assert side in finding.detail


async def test_an_address_that_leads_elsewhere_is_blamed_itself(
    tmp_path: Path, config: dict[str, Any], sandbox: Sandbox
) -> None:
    """Not the organisation, which nobody can find there."""
    config["targets"][0]["api_url"] = f"{sandbox.url}/api"  # in GitBook's own words it has nothing there
    told = [each.detail for each in (await found(tmp_path, config)).values() if not each.ok]
    assert any("is targets.api_url = " in each and "GitBook's ends in /v1" in each for each in told)
    assert not any("organization" in each for each in told)


async def test_every_target_is_looked_at(tmp_path: Path, config: dict[str, Any]) -> None:
    """One that fails does not hide another."""
    config["targets"].append(
        {"name": "lost", "api_url": "http://127.0.0.1:1", "organization": "x", "token": "t"}
    )
    findings = await found(tmp_path, config)
    assert findings["target.docs.teams"].ok
    assert not findings["target.lost.token"].ok


# the configuration


async def test_warns_of_inline_secrets(tmp_path: Path, config: dict[str, Any]) -> None:
    """A secret in the file itself works, but should not stay there."""
    config["sources"][0]["secrets"] = ["hush-hush-hush-hush"]
    finding = (await found(tmp_path, config))["secrets"]
    assert finding.warning
    assert "sources[0].secrets" in finding.detail


async def test_warns_of_a_source_nobody_listens_to(tmp_path: Path, config: dict[str, Any]) -> None:
    """Its events would be stored, and that is all."""
    config["sources"][0]["targets"] = []
    assert (await found(tmp_path, config))["source.okta"].warning


async def test_warns_when_there_is_nothing_to_do(tmp_path: Path, config: dict[str, Any]) -> None:
    """Neither sources nor targets are needed to read the file, but without them nothing happens."""
    config["sources"], config["targets"] = [], []
    findings = await found(tmp_path, config)
    assert findings["sources"].warning
    assert findings["targets"].warning


def test_a_wrong_file_exits_2(tmp_path: Path) -> None:
    """All its mistakes are printed, each with its key."""
    (tmp_path / "bridge.toml").write_text("[receiver]\nport = 99999\nhots = 1\n")
    result = CliRunner().invoke(app, ["check", "-c", str(tmp_path / "bridge.toml")])
    assert result.exit_code == 2
    assert "receiver.port" in result.output
    assert "receiver.hots" in result.output


# the command


async def run_check(tmp_path: Path, config: dict[str, Any], *flags: str) -> tuple[int | None, str]:
    """Run `bridge check` as a person does; its exit code and what it printed."""
    sources, targets = config["sources"][0], config["targets"][0]
    tables = {"[redis]": config["redis"], "[[sources]]": sources, "[[targets]]": targets}
    lines = [
        line
        for name, table in tables.items()
        for line in (name, *(f"{key} = {orjson.dumps(value).decode()}" for key, value in table.items()))
    ]
    (tmp_path / "bridge.toml").write_text("\n".join(lines))
    process = await asyncio.create_subprocess_exec(
        BRIDGE, "check", "-c", tmp_path / "bridge.toml", *flags, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    return process.returncode, printed.decode()


async def test_prints_a_line_for_each(tmp_path: Path, config: dict[str, Any]) -> None:
    """✓ for what is well, ! for what to know, and 0 at the end."""
    code, printed = await run_check(tmp_path, config)
    assert code == 0
    assert "✓ target.docs.token" in printed
    assert "! redis.durability" in printed
    assert "All is in place" in printed


async def test_exits_1_when_one_fails(tmp_path: Path, config: dict[str, Any], sandbox: Sandbox) -> None:
    """✗ for what fails."""
    sandbox.inject(rejected_token=True)
    code, printed = await run_check(tmp_path, config)
    assert code == 1
    assert "✗ target.docs.token" in printed


async def test_strict_fails_for_warnings(tmp_path: Path, config: dict[str, Any]) -> None:
    """As a pipeline wants it that lets nothing go live that is not safe."""
    code, printed = await run_check(tmp_path, config, "--strict")
    assert code == 1
    assert "✗ redis.durability" in printed
    assert "✓ target.docs.token" in printed


async def test_prints_json(tmp_path: Path, config: dict[str, Any], sandbox: Sandbox) -> None:
    """`--json` prints a list of name, ok and detail, with the same exit code."""
    sandbox.inject(organization_gone=True)
    code, printed = await run_check(tmp_path, config, "--json")
    rows = orjson.loads(printed)
    assert code == 1
    assert [row["name"] for row in rows if not row["ok"]] == ["target.docs.organization"]
    assert all(isinstance(row["detail"], str) for row in rows)
