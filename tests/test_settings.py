"""The configuration: every mistake is named, all together, and no secret shows itself."""

import logging
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from bridge.settings import (
    Secret,
    Settings,
    SettingsError,
    inline_secrets,
    parse_settings,
    parse_span,
    read_settings,
)

HIDDEN = "hunter2-is-no-secret"
SOURCE = {"name": "okta", "kind": "okta-workflows", "secrets": [HIDDEN]}
TARGET = {"name": "docs", "organization": "acme", "token": HIDDEN}


def source(**keys: Any) -> dict[str, Any]:
    """A file with one source, changed; None takes a key out."""
    return {"sources": [{key: value for key, value in {**SOURCE, **keys}.items() if value is not None}]}


def target(**keys: Any) -> dict[str, Any]:
    """A file with one target, changed; None takes a key out."""
    return {"targets": [{key: value for key, value in {**TARGET, **keys}.items() if value is not None}]}


def parse(raw: dict[str, Any], folder: Path = Path("/etc/bridge")) -> Settings:
    """The settings of a file."""
    return parse_settings(raw, folder / "bridge.toml")


def problems(raw: dict[str, Any]) -> list[str]:
    """What is wrong with a file."""
    with pytest.raises(SettingsError) as caught:
        parse(raw)
    return caught.value.problems


# -- defaults


def test_an_empty_file() -> None:
    """It has every default, and starts nothing that listens to the world."""
    settings = parse({})
    assert (settings.redis.url, settings.redis.prefix) == ("embedded", "bridge")
    assert (settings.receiver.host, settings.receiver.port, settings.receiver.max_body) == (
        "127.0.0.1", 8080, 2_000_000,
    )  # fmt: skip
    assert (settings.operators, settings.sources, settings.targets) == (None, (), ())


def test_a_target_plans_unless_told_to_apply() -> None:
    """Dry run, SSO, nobody marked who was there before, a guard."""
    made = parse(target()).targets[0]
    assert (made.mode, made.kind, made.api_url) == ("dry-run", "gitbook", "https://api.gitbook.com/v1")
    assert (made.sso, made.sso_existing, made.default_role, made.timeout) == (True, False, "read", 10)
    assert made.guard.model_dump() == {
        "window": 86_400, "max_removals": 10, "max_removal_percent": 5, "team_max_removal_percent": 50,
        "team_min_removals": 10, "max_invites": 0, "max_members": 0, "admin_grants": "hold",
        "gather": 5.0, "on_limit": "hold-wave", "adopt_teams": "hold", "protect": (),
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "seconds"), [("okta-workflows", 480), ("jackson", 300)])
def test_tolerances(kind: str, seconds: float) -> None:
    """Workflows waits five minutes before it tries again."""
    assert parse(source(kind=kind)).sources[0].tolerance_seconds == seconds
    assert parse(source(kind=kind, tolerance="90s")).sources[0].tolerance_seconds == 90


def test_what_thin_events_leave_open_is_read_from_the_directory() -> None:
    """Of those of a directory, the first source that says where; the token is read again with the others."""
    hooks = {"name": "hooks", "kind": "okta-event-hooks", "secrets": ["hooks-secret"], "directory": "okta"}
    api = {"api_url": "https://acme.okta.com/", "api_token": HIDDEN}
    settings = parse({"sources": [SOURCE, {**hooks, "name": "old", "secrets": ["old"]}, {**hooks, **api}]})
    (flow, old, new) = settings.sources
    assert (flow.is_thin, old.is_thin, old.reads_back, new.reads_back) == (False, True, False, True)
    assert settings.reader_of("okta") is new
    assert settings.reader_of("corp") is None
    assert new.api_url == "https://acme.okta.com"
    assert "sources[2].api_token" in inline_secrets(settings)


def test_an_api_token_is_read_again(tmp_path: Path) -> None:
    """On SIGHUP; one that cannot be read any more stays, and is told."""
    file = tmp_path / "token"
    file.write_text("old")
    hooks = {
        "name": "hooks",
        "kind": "okta-event-hooks",
        "secrets": ["hooks-secret"],
        "api_token": "file:token",
    }
    settings = parse({"sources": [{**hooks, "api_url": "https://acme.okta.com"}]}, tmp_path)
    token = settings.sources[0].api_token
    assert token
    file.write_text("new")
    assert (settings.reload_secrets(), token.reveal()) == ([], "new")
    file.unlink()
    assert "cannot be read" in settings.reload_secrets()[0]
    assert token.reveal() == "new"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"api_token": "x"}, "api_url: is missing, api_token needs it"),
        (
            {"api_url": "https://acme.okta.com"},
            'api_token: is missing, api_url needs it: write api_token = "env:OKTA_API_TOKEN"',
        ),
        (
            {"api_url": "https://acme-admin.okta.com", "api_token": "x"},
            'api_url: is the address of the Admin Console: write api_url = "https://acme.okta.com"',
        ),
        ({"api_url": "https://acme.okta.com/api/v1", "api_token": "x"}, 'api_url: has the path "/api/v1"'),
        ({"api_url": "acme.okta.com", "api_token": "x"}, "api_url: is not an http(s) URL"),
        ({"application": "GitBook"}, 'write application = "0oa1gitbook"'),
        ({"kind": "jackson", "application": "0oa1"}, 'application: is for kind = "okta-event-hooks"'),
        ({"kind": "jackson", "api_url": "https://a.test", "api_token": "x"}, "api_token: is for kind ="),
    ],
)
def test_mistakes_about_the_api_of_okta(keys: dict[str, Any], problem: str) -> None:
    """Each says what to write instead."""
    told = problems(source(**{"kind": "okta-event-hooks", **keys}))
    assert any(problem in line for line in told), told


# -- single mistakes


NO_KEY = "there is no such key: remove it, or look for a misspelling"
NO_REDIS, NO_SPAN, NO_URL = "is not an address of a Redis", "is not a length of time", "is not an http(s) URL"
MISTAKES: list[tuple[dict[str, Any], str, str, str]] = [  # file, key, what is wrong, what to write instead
    ({"retention": {"journal": "soon"}}, "retention.journal", NO_SPAN, 'journal = "30d"'),
    (
        {"retention": {"journal_size": "big"}},
        "retention.journal_size",
        "is not a size",
        'journal_size = "1GB"',
    ),
    (
        {"redis": {"ca": "none.pem"}},
        "redis.ca",
        "the file /etc/bridge/none.pem cannot be read",
        'ca = "company-ca.pem"',
    ),
    (
        {"redis": {"sentinel_password": "x"}},
        "redis.sentinel_password",
        "is for Sentinel",
        "or remove it",
    ),
    (
        {"redis": {"url": "rediss+sentinel://h1/s/0?ssl_check_hostname=false", "sentinel_user": "x"}},
        "redis.sentinel_password",
        "is missing",
        'write sentinel_password = "env:SENTINEL_PASSWORD"',
    ),
    ({"receiver": {"port": "http"}}, "receiver.port", "input should be a valid integer", "port = 8080"),
    ({"receiver": {"port": 70000}}, "receiver.port", "input should be less than or equal", "port = 8080"),
    ({"receiver": {"max_body": "2 cats"}}, "receiver.max_body", "is not a size", 'max_body = "2MB"'),
    ({"receiver": {"max_body": True}}, "receiver.max_body", "is not a size", 'max_body = "2MB"'),
    (
        {"receiver": {"trusted_proxies": ["10.0.0.0/8", "10.0.0.1/8"]}},
        "receiver.trusted_proxies[1]",
        '"10.0.0.1/8" is an address within a network',
        'write "10.0.0.0/8"',
    ),
    (source(networks=["acme"]), "sources[0].networks[0]", '"acme" is not a network', '"203.0.113.0/24"'),
    (source(networks=["::1", 7]), "sources[0].networks[1]", "is not a text", '"203.0.113.0/24"'),
    ({"receiver": {"max_body": 0}}, "receiver.max_body", "input should be greater", 'max_body = "2MB"'),
    ({"receiver": 7}, "receiver", "input should be a valid dictionary", ""),
    ({"receivers": {}}, "receivers", NO_KEY, ""),
    ({"receiver": {"prot": 1}}, "receiver.prot", NO_KEY, ""),
    ({"redis": {"url": "localhost"}}, "redis.url", "string should match", 'url = "embedded"'),
    ({"redis": {"url": "redis://h:http"}}, "redis.url", NO_REDIS, 'url = "embedded"'),
    ({"redis": {"url": "redis+sentinel://h1,:1/s"}}, "redis.url", NO_REDIS, 'url = "embedded"'),
    ({"redis": {"url": "redis+sentinel://h1/s/db"}}, "redis.url", NO_REDIS, 'url = "embedded"'),
    ({"redis": {"prefix": "a:b"}}, "redis.prefix", "string should match", 'prefix = "bridge"'),
    ({"logs": {"level": "loud"}}, "logs.level", "input should be 'debug', ", 'level = "info"'),
    (source(name=None), "sources[0].name", "is missing", 'name = "okta"'),
    (source(name="Okta!"), "sources[0].name", "string should match", 'name = "okta"'),
    (source(kind="okta"), "sources[0].kind", "input should be 'okta-workflows', ", 'kind = "okta-workflows"'),
    (source(secrets=None), "sources[0].secrets", "is missing", 'secrets = ["env:OKTA_SECRET"]'),
    (source(secrets=[""]), "sources[0].secrets[0]", "string should", 'secrets = ["env:OKTA_SECRET"]'),
    (source(secrets=["env:NO_SUCH"]), "sources[0].secrets[0]", "the environment variable NO_SUCH is", ""),
    (source(secrets=["file:none"]), "sources[0].secrets[0]", "the file /etc/bridge/none cannot be read", ""),
    (source(tolerance=300), "sources[0].tolerance", NO_SPAN, 'tolerance = "5m"'),
    (source(tolerance="0s"), "sources[0].tolerance", "input should be greater", 'tolerance = "5m"'),
    (source(auth="header"), "sources[0].header", "is missing", 'header = "X-Api-Key"'),
    (source(kind="standard-webhooks", secrets=["%"]), "sources[0].secrets[0]", "is not base64: write ", ""),
    (source(targets=["docs"]), "sources[0].targets", 'no target is named "docs": write one of (there ', ""),
    (target(organization=None), "targets[0].organization", "is missing", 'organization = "acme"'),
    (target(organization="a/b"), "targets[0].organization", "string should", 'organization = "acme"'),
    (target(token=None), "targets[0].token", "is missing", 'token = "env:GITBOOK_TOKEN"'),
    (target(kind="gitlab"), "targets[0].kind", '"gitlab" is not in this version', 'kind = "gitbook"'),
    (target(api_url="gitbook.test"), "targets[0].api_url", NO_URL, 'api_url = "https://api.gitbook.com/v1"'),
    (target(api_url="https://a b"), "targets[0].api_url", NO_URL, ""),
    (target(api_url="https://a:b/v1"), "targets[0].api_url", NO_URL, ""),
    (target(default_role="owner"), "targets[0].default_role", "input should be", 'default_role = "read"'),
    (target(roles=[{"group": "A"}]), "targets[0].roles[0].role", "is missing", 'role = "admin"'),
    (target(teams=[{"group": " "}]), "targets[0].teams[0].group", "is empty", 'group = "*"'),
    (
        target(guard={"max_removal_percent": 101}),
        "targets[0].guard.max_removal_percent",
        "input should",
        "= 5",
    ),
    (
        target(guard={"max_removal_percent": float("nan")}),
        "targets[0].guard.max_removal_percent",
        "input",
        "",
    ),
    (
        target(guard={"admin_grants": "ask"}),
        "targets[0].guard.admin_grants",
        "input should be 'hold' or 'allow'",
        'admin_grants = "hold"',
    ),
    (target(guard={"max_members": -1}), "targets[0].guard.max_members", "input should be", "max_members = 0"),
    (target(guard={"window": "a day"}), "targets[0].guard.window", NO_SPAN, 'window = "24h"'),
    (target(guard={"gather": "soon"}), "targets[0].guard.gather", NO_SPAN, 'gather = "5s"'),
    (
        target(guard={"on_limit": "hold"}),
        "targets[0].guard.on_limit",
        "input should be 'hold-wave' or 'hold-rest'",
        'on_limit = "hold-wave"',
    ),
    (target(members={"groups": "A"}), "targets[0].members.groups", "input should be a valid tuple", ""),
]


def between(**keys: Any) -> dict[str, Any]:
    """A file whose source "okta" speaks of the directory "corp"."""
    return {"sources": [{**SOURCE, "directory": "corp"}], "targets": [{**TARGET, **keys}]}


def test_directories_that_rules_name_are_there() -> None:
    """One that is not there would never match; a source's name is no directory's."""
    rules = [{"group": "A", "directory": "corp"}, {"group": "A", "directory": "crop"}]
    roles = [{"group": "A", "role": "edit", "directory": "okta"}]
    assert problems(between(teams=rules, roles=roles)) == [
        'targets[0].teams[1].directory: no source has the directory "crop": write one of "corp"',
        'targets[0].roles[0].directory: "okta" is a source, its directory has another name: '
        'write directory = "corp"',
    ]
    assert len(problems({"receiver": 7, **between(teams=rules, roles=roles)})) == 3


def test_groups_of_the_scope_with_a_directory_in_front() -> None:
    """Only what is the name of a directory, or of a source, stands in front; all else is the group's name."""
    groups = ["corp/Staff", "okta/id:g1", "hr/Staff", "R&D/Core", "corp/", "/corp", "corp/a/b"]
    scope = parse(between(members={"groups": groups})).targets[0].members
    assert [scope.parse_group(each) for each in groups] == [
        ("corp", "Staff"), ("corp", "id:g1"), (None, "hr/Staff"), (None, "R&D/Core"), (None, "corp/"),
        (None, "/corp"), ("corp", "a/b"),
    ]  # fmt: skip


@pytest.mark.parametrize(("raw", "key", "what", "instead"), MISTAKES)
def test_each_mistake_is_named(raw: dict[str, Any], key: str, what: str, instead: str) -> None:
    """With its key, what is wrong, and what to write instead."""
    [found] = problems(raw)
    assert found.startswith(f"{key}: {what}")
    assert ": write " in found or what in (NO_KEY, "input should be a valid dictionary")
    assert found.endswith(instead)


def test_secrets_of_two_sources_differ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Wherever they stand, and after they were read again; a public key may serve two."""
    monkeypatch.setenv("TOKEN_OF_TEST", HIDDEN)
    (tmp_path / "one").write_text("once")
    other = {**SOURCE, "name": "other"}
    wrong = "sources[1].secrets[0]: is a secret of sources[0] too"
    for secret in ("env:TOKEN_OF_TEST", HIDDEN):
        [found] = problems({"sources": [SOURCE, {**other, "secrets": [secret]}]})
        assert found.startswith(wrong)
        assert HIDDEN not in found
    settings = parse({"sources": [SOURCE, {**other, "secrets": ["file:one"]}]}, tmp_path)
    assert settings.reload_secrets() == []
    (tmp_path / "one").write_text(HIDDEN)
    [found] = settings.reload_secrets()
    assert found.startswith(wrong)
    public = {"auth": "jwt", "key": "-----BEGIN PUBLIC KEY-----", "issuer": "i", "audience": "a"}
    tokens = {"kind": "okta-workflows", "client_id": "c", **public}
    assert parse({"sources": [{"name": "a", **tokens}, {"name": "b", **tokens}]}).sources


def test_jwt_needs_four_things() -> None:
    """All that are missing are named; a secret is not among them."""
    found = problems(source(auth="jwt", secrets=None))
    assert [line.partition(":")[0] for line in found] == [
        "sources[0].key", "sources[0].issuer", "sources[0].audience", "sources[0].client_id",
    ]  # fmt: skip
    told = {"auth": "jwt", "secrets": None, "issuer": "https://i.test", "audience": "a", "scope": "s"}
    assert parse(source(**told, key=HIDDEN)).sources[0].secrets == ()
    assert parse(source(**told, jwks_url="https://i.test/keys")).sources[0].key is None


# -- all of them


def test_all_mistakes_are_told_at_once() -> None:
    """Also those between tables, when a table is wrong by itself."""
    raw = {
        "receiver": {"port": "http", "max_body": "much"},
        "sources": [
            {"name": "okta", "kind": "jackson", "targets": ["wiki"]},
            {"name": "okta", "kind": "okta-workflows", "secrets": [HIDDEN], "auth": "header"},
        ],
        "targets": [TARGET, {**TARGET, "mode": "now"}, {**TARGET, "name": "other"}],
    }
    keys = sorted(line.partition(": ")[0] for line in problems(raw))
    assert keys == [
        "receiver.max_body", "receiver.port",
        "sources[0].secrets", "sources[0].targets", "sources[1].header", "sources[1].name",
        "targets[1].mode", "targets[1].name", "targets[1].organization", "targets[2].organization",
    ]  # fmt: skip


def test_mistakes_between_tables() -> None:
    """A name that is taken, an organisation that is served already, a target that there is not; each once."""
    raw = {
        "sources": [{**SOURCE, "targets": ["docs", "wiki"]}, {**SOURCE, "secrets": ["other", HIDDEN]}],
        "targets": [TARGET, {**TARGET, "api_url": "https://api.gitbook.com/v1/"}],
    }
    assert problems(raw) == [
        'sources[1].name: "okta" is taken by sources[0]: write another name',
        'targets[1].name: "docs" is taken by targets[0]: write another name',
        'targets[1].organization: "acme" is the organisation of targets[0] already: '
        "write each organisation once",
        "sources[1].secrets[1]: is a secret of sources[0] too, so a delivery to one is taken by the other: "
        "write one that no other source has",
        'sources[0].targets: no target is named "wiki": write one of "docs"',
    ]


@pytest.mark.parametrize(
    "raw",
    [
        {"sources": "okta"},
        {"sources": ["okta"], "targets": [7]},
        {"sources": [{"name": ["a"], "targets": [{}]}], "targets": [{"name": {}, "organization": []}]},
        {"targets": {"name": "docs"}},
    ],
)
def test_files_of_another_shape(raw: dict[str, Any]) -> None:
    """They are mistakes like any other."""
    assert all(": " in line for line in problems(raw))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "the file does not exist: make one with `bridge init`"),
        (b"[redis", "the file is not TOML: "),
        (b"\xff", "the file cannot be read: UnicodeDecodeError"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """The message names the file."""
    path = tmp_path / "bridge.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read_settings(path)
    assert str(caught.value).startswith(f"{path}: 1 problem(s)\n  {problem}")


# -- values


@pytest.mark.parametrize(
    ("text", "size"), [("2MB", 2_000_000), ("512 kb", 512_000), ("7B", 7), (4096, 4096), ("1GB", 10**9)]
)
def test_sizes(text: str | int, size: int) -> None:
    """Powers of ten, as sizes of bodies are told everywhere."""
    assert parse({"receiver": {"max_body": text}}).receiver.max_body == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("90s", 90), ("1.5h", 5400), (" 5 M ", 300), ("7d", 604_800)],
)
def test_spans(text: str, seconds: float) -> None:
    """In the units people use."""
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "-5m", "m", "5 years", "1e3s", None, True])
def test_what_is_no_span(text: object) -> None:
    """A number alone might be anything."""
    with pytest.raises(ValueError, match="is not a length of time"):
        parse_span(text)


def test_urls_end_without_a_slash() -> None:
    """Paths are put behind them."""
    assert parse(target(api_url="http://127.0.0.1:8090/v1/")).targets[0].api_url == "http://127.0.0.1:8090/v1"


@pytest.mark.parametrize(
    "url",
    [
        "embedded", "redis://h", "redis://:p@h:6379/0", "rediss://u:p@h", "unix:///run/r.sock",
        "redis+sentinel://h1:26379,h2:26379/service/0", "redis+sentinel://u:p@h1,[::1]:26379/s",
    ],
)  # fmt: skip
def test_addresses_of_redis(url: str) -> None:
    """All kinds."""
    assert parse({"redis": {"url": url}}).redis.url == url


@pytest.mark.parametrize("password", ["p@ss", "p/ss", "p#ss", "p?ss", "p ss", "p[s]s", "@", "p\tss"])
@pytest.mark.parametrize(
    "form", ["redis://u:{}@h:6379/0", "unix://:{}@/run/r.sock", "redis+sentinel://:{}@h:1/s"]
)
def test_a_password_that_must_be_escaped(form: str, password: str) -> None:
    """It is said how, and nothing of it is shown."""
    with pytest.raises(SettingsError) as refused:
        parse({"redis": {"url": form.format(password)}})
    told = str(refused.value)
    assert "must be escaped: write %40 for @" in told
    assert "ss" not in told.replace("password", "").replace("address", "")
    escaped = form.format(quote(password, safe=""))
    assert parse({"redis": {"url": escaped}}).redis.url == escaped


def test_behind_sentinel_a_replica_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless something else is written down; also where the address is kept elsewhere."""
    sentinel = "redis+sentinel://h1:26379/service/0"
    monkeypatch.setenv("REDIS_URL", sentinel)
    assert [parse({"redis": {"url": url}}).redis.replicas for url in (sentinel, "env:REDIS_URL")] == [1, 1]
    assert [parse({"redis": {"url": url}}).redis.replicas for url in ("embedded", "redis://h")] == [0, 0]
    assert [parse({"redis": {"url": sentinel, "replicas": n}}).redis.replicas for n in (0, 2)] == [0, 2]


def test_an_address_of_redis_may_be_kept_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold a password, so it is taken from the environment or a file, and is shown nowhere."""
    url = f"rediss://bridge:{HIDDEN}@h1:6380/2"
    (tmp_path / "redis").write_text(f"{url}\n")
    monkeypatch.setenv("REDIS_URL", url)
    for reference in ("file:redis", "env:REDIS_URL"):
        (tmp_path / "bridge.toml").write_text(f'[redis]\nurl = "{reference}"')
        settings = read_settings(tmp_path / "bridge.toml")
        assert settings.redis.url == url
        assert HIDDEN not in repr(settings)


@pytest.mark.parametrize(
    ("kept", "wrong"), [(f"{HIDDEN}@h1", "string should match"), (f"redis://:{HIDDEN}@h1:port", NO_REDIS)]
)
def test_an_address_kept_elsewhere_that_is_none(
    kept: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mistake is named, not what was found there; nor can it lead nowhere."""
    monkeypatch.setenv("REDIS_URL", kept)
    with pytest.raises(SettingsError, match=wrong) as caught:
        parse({"redis": {"url": "env:REDIS_URL"}})
    assert HIDDEN not in str(caught.value)
    monkeypatch.delenv("REDIS_URL")
    with pytest.raises(SettingsError, match=r"redis\.url: the environment variable REDIS_URL is not set"):
        parse({"redis": {"url": "env:REDIS_URL"}})


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the process was started."""
    (tmp_path / "secret").write_text(f"{HIDDEN}\n")
    (tmp_path / "bridge.toml").write_text(
        '[[targets]]\nname = "docs"\norganization = "a"\ntoken = "file:secret"'
    )
    monkeypatch.chdir("/")
    settings = read_settings(tmp_path / "bridge.toml")
    assert settings.redis.data_dir == tmp_path / "data"
    assert settings.redis.socket == tmp_path / "data" / "valkey.sock"
    assert settings.targets[0].token.reveal() == HIDDEN
    assert parse({"redis": {"data_dir": "/var/lib/bridge"}}).redis.data_dir == Path("/var/lib/bridge")


def test_settings_do_not_change() -> None:
    """They are read once."""
    settings = parse(target())
    with pytest.raises(ValidationError):
        settings.targets[0].mode = "apply"  # type: ignore[misc]


# -- who is who


def test_names_lead_to_tables() -> None:
    """None for a name that nothing has."""
    settings = parse({**source(), **target()})
    assert (settings.source("okta"), settings.source("x")) == (settings.sources[0], None)
    assert (settings.target("docs"), settings.target("x")) == (settings.targets[0], None)


def test_targets_of_a_directory() -> None:
    """Those that any of its sources names; a source that names none speaks for all."""
    settings = parse({
        "sources": [
            {**SOURCE, "name": "a", "directory": "acme", "targets": ["docs"]},
            {**SOURCE, "name": "b", "secrets": ["b"], "directory": "acme", "targets": []},
            {**SOURCE, "name": "c", "secrets": ["c"]},
        ],
        "targets": [TARGET, {**TARGET, "name": "wiki", "organization": "b"}],
    })  # fmt: skip
    names = {each: [t.name for t in settings.targets_of(each)] for each in ("acme", "c", "b", "none")}
    assert names == {"acme": ["docs"], "c": ["docs", "wiki"], "b": [], "none": []}


# -- secrets


def test_secrets_show_themselves_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the settings nor a part of them."""
    settings = parse({**source(key=HIDDEN), **target()})
    secret = settings.targets[0].token
    shown = [repr(settings), str(settings), repr(secret), str(secret), f"{secret}", f"{secret!r:>90}"]
    shown += [settings.model_dump_json(), str(settings.model_dump()), str(settings.model_dump(mode="json"))]
    with caplog.at_level(logging.DEBUG):
        logging.getLogger().error("%s %r", settings, secret)
    assert not [text for text in (*shown, caplog.text) if HIDDEN in text]
    assert secret.reveal() == HIDDEN


def test_mistakes_do_not_show_secrets() -> None:
    """Though they stand in the same table, or are the mistake."""
    for raw in (
        target(token=[HIDDEN]), target(mode="now"), source(secrets=HIDDEN), source(secrets=[HIDDEN, 7]),
        source(kind="standard-webhooks", secrets=[f"{HIDDEN}%"]), source(auth=1), target(tokn=HIDDEN),
        {"redis": {"url": f"redis://:{HIDDEN}@h:port"}}, {"redis": {"url": f"http://:{HIDDEN}@h"}},
    ):  # fmt: skip
        with pytest.raises(SettingsError) as caught:
            parse(raw)
        assert HIDDEN not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"
        assert caught.value.__suppress_context__


def test_passwords_of_redis_do_not_show() -> None:
    """They stand within its address."""
    assert HIDDEN not in repr(parse({"redis": {"url": f"redis://:{HIDDEN}@h"}}))


def test_secrets_from_environment_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripped; what is shown is where they come from."""
    monkeypatch.setenv("TOKEN_OF_TEST", f" {HIDDEN} ")
    (tmp_path / "token").write_text(f"{HIDDEN}\n")
    for reference in ("env:TOKEN_OF_TEST", "file:token", f"file:{tmp_path / 'token'}"):
        secret = Secret(reference, tmp_path)
        assert (secret.reveal(), repr(secret), secret.is_inline) == (HIDDEN, f"Secret({reference})", False)
    assert (repr(Secret("x")), Secret("x").is_inline) == ("Secret(in the file)", True)


@pytest.mark.parametrize("content", [None, "", " \n", b"\xff"])
def test_secrets_that_lead_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes | None
) -> None:
    """Missing, empty, not text."""
    if isinstance(content, str):
        monkeypatch.setenv("TOKEN_OF_TEST", content)
        (tmp_path / "token").write_text(content)
    elif content is not None:
        (tmp_path / "token").write_bytes(content)
    for reference in ("env:TOKEN_OF_TEST", "file:token"):
        with pytest.raises(ValueError, match=r"TOKEN_OF_TEST|token"):
            Secret(reference, tmp_path)


def test_secrets_are_the_same_when_they_come_from_the_same_place() -> None:
    """Whatever they are at the moment."""
    assert Secret("a") == Secret("a")
    assert Secret("a") not in (Secret("b"), "a")
    assert len({Secret("a"), Secret("a")}) == 1


def test_reloading_keeps_what_it_cannot_replace(tmp_path: Path) -> None:
    """A file that is being changed must not stop a process that runs; what is wrong is told."""
    raw = {**source(secrets=["file:one", "text"], key="file:one"), **target(token="file:two")}
    (tmp_path / "one").write_text("old-1")
    (tmp_path / "two").write_text("old-2")
    settings = parse(raw, tmp_path)
    (tmp_path / "one").write_text("new-1")
    (tmp_path / "two").unlink()
    assert settings.reload_secrets() == [f"the file {tmp_path / 'two'} cannot be read: FileNotFoundError"]
    assert [secret.reveal() for secret in settings.sources[0].secrets] == ["new-1", "text"]
    assert settings.targets[0].token.reveal() == "old-2"
    (tmp_path / "two").write_text("new-2")
    assert settings.reload_secrets() == []
    assert settings.targets[0].token.reveal() == "new-2"


def test_secrets_in_the_file_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """By key, to warn about them."""
    monkeypatch.setenv("TOKEN_OF_TEST", HIDDEN)
    assert inline_secrets(parse({**source(), **target()})) == ["sources[0].secrets", "targets[0].token"]
    env = {**source(secrets=["env:TOKEN_OF_TEST"]), **target(token="env:TOKEN_OF_TEST")}
    assert inline_secrets(parse(env)) == []


def test_the_interfaces_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sources of a directory and a target with all its tables, as people write it."""
    for name in ("POLIS_SECRET", "OKTA_FLOW_SECRET", "GITBOOK_TOKEN"):
        monkeypatch.setenv(name, f"{HIDDEN} {name}")
    settings = parse(
        tomllib.loads("""
        [operators]
        port = 8081
        [[sources]]
        name = "polis"
        kind = "jackson"
        secrets = ["env:POLIS_SECRET"]
        directory = "acme"
        targets = ["docs"]
        tolerance = "5m"
        [[sources]]
        name = "okta"
        kind = "okta-workflows"
        auth = "bearer"
        directory = "acme"
        secrets = ["env:OKTA_FLOW_SECRET"]
        [[targets]]
        name = "docs"
        organization = "acme"
        token = "env:GITBOOK_TOKEN"
        mode = "apply"
        [targets.members]
        groups = ["GitBook Users"]
        [[targets.teams]]
        group = "*"
        [[targets.roles]]
        group = "GitBook Admins"
        role = "admin"
        [targets.guard]
        protect = ["cto@acme.test"]
    """)
    )
    assert {each.directory_name for each in settings.sources} == {"acme"}
    assert settings.operators
    assert settings.targets[0].teams[0].team == "{group}"
