"""`bridge check`: is everything in place? It reads everywhere and changes nothing."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from bridge.commands.common import DEFAULT_CONFIG, Config, Json, fail, print_json
from bridge.commands.findings import Finding, bad, good, print_findings, warn
from bridge.commands.unsafe import find_unsafe
from bridge.directories.base import DirectoryError, LimitedError, RejectedError
from bridge.directories.okta import okta_of
from bridge.embedded import server_binary
from bridge.logs import mask_email, mask_secrets
from bridge.operators.orphans import read_directories
from bridge.settings import (
    CONDITION_KINDS,
    AlertSettings,
    RedisSettings,
    Settings,
    SettingsError,
    SourceSettings,
    TargetSettings,
    read_settings,
)
from bridge.sources.base import UnavailableError
from bridge.sources.tokens import KeySet, key_set_of
from bridge.store.clock import Clock, differences_commands, differs, read_differences, say_difference
from bridge.store.durability import SAFE, read_config, replica_risks, risks
from bridge.store.epoch import OLD, EpochFile, judge, look, read_stale
from bridge.store.journal import Journal
from bridge.store.redis import STORE_ERRORS, Store, open_store
from bridge.targets.base import (
    CredentialsRejectedError,
    RateLimitedError,
    RefusedError,
    RemoteOrganization,
    RemoteUser,
    TargetError,
)
from bridge.targets.gitbook import GitBook, address_doubt, gitbook_of

_SECONDS = 5.0  # for one answer
_SKEW_MOST = 2.0  # seconds
_LOOKS = ("token", "organization", "rights", "members", "teams")  # in this order


Strict = Annotated[bool, typer.Option("--strict", help="Fail for warnings, too.")]


def check(config: Config = DEFAULT_CONFIG, json: Json = False, strict: Strict = False) -> None:
    """Check the configuration, Redis, every target and the rights of its token."""
    try:
        settings = read_settings(config)
    except SettingsError as error:
        fail(str(error), 2)
    findings = asyncio.run(examine(settings, config))
    if strict:
        findings = [replace(each, ok=each.ok and not each.warning) for each in findings]
    failed = sum(not each.ok for each in findings)
    if json:
        print_json([asdict(each) for each in findings])
    else:
        print_findings(findings)
    raise typer.Exit(1 if failed else 0)


async def examine(settings: Settings, path: Path) -> list[Finding]:
    """Return what was found, in the order of the file."""
    redis, sources, targets = await asyncio.gather(
        _reach_redis(settings, path),
        asyncio.gather(*(_look_at_source(source, settings) for source in settings.sources)),
        asyncio.gather(*(_reach_target(each, settings.logs.personal_data) for each in settings.targets)),
    )
    alerts = (_alert(alert) for alert in settings.alerts)
    rules = (finding for target in settings.targets for finding in _look_at_rules(target, settings))
    return [*_config(settings, path), *redis, *chain(*sources), *chain(*targets), *rules, *alerts]


def _config(settings: Settings, path: Path) -> Iterable[Finding]:
    sources, targets = len(settings.sources), len(settings.targets)
    yield good("config", f"{path}: {sources} source(s), {targets} target(s)")
    if not sources:
        yield warn("sources", "there is none: nobody can send events")
    if not targets:
        yield warn("targets", "there is none: events are stored, and that is all")
    for target in settings.targets if sources else ():
        if not settings.directories_of(target.name):
            yield warn(f"target.{target.name}", "no source tells it anything: see `targets` of the sources")
    yield from find_unsafe(settings, path)


def _alert(alert: AlertSettings) -> Finding:
    """Nothing is sent to it here; where it is stays untold, since that may be a secret."""
    place = "in the file" if alert.url.is_inline else alert.url.reference
    what = "all conditions" if set(alert.on) == set(CONDITION_KINDS) else ", ".join(alert.on)
    try_it = f"`bridge alerts test {alert.name}` sends a message"
    return good(f"alert.{alert.name}", f"{alert.kind}, its url is {place}; told of {what}; {try_it}")


def _source(source: SourceSettings, settings: Settings) -> Finding:
    how = f"{source.kind} ({source.auth})" if source.kind == "okta-workflows" else source.kind
    host = f"http://{settings.receiver.host}:{settings.receiver.port}"
    is_scim = source.kind == "scim"
    place = f"{host}/scim/{source.name}/v2" if is_scim else f"POST {host}/webhooks/{source.name}"
    name = f"source.{source.name}"
    if settings.targets and not settings.targets_of(source.directory_name):
        return warn(name, f"{how}, {place}: no target listens to it (targets = [])")
    return good(name, f"{how}, {place}")


async def _look_at_source(source: SourceSettings, settings: Settings) -> list[Finding]:
    """Return what is to be said of a source, and of what it asks: an API if its events are thin, keys."""
    api = [await _reach_api(source)] if source.is_thin else []
    keys = key_set_of(source) if source.auth == "jwt" else None
    return [_source(source, settings), *api, *([await _reach_keys(source, keys)] if keys else [])]


async def _reach_keys(source: SourceSettings, keys: KeySet) -> Finding:
    name = f"source.{source.name}.keys"
    try:
        await keys.find("")
    except UnavailableError as error:
        return bad(name, f"{error}: is jwks_url right?")
    return good(name, f"the keys of {source.jwks_url} can be read")


async def _reach_api(source: SourceSettings) -> Finding:
    """See whether what the events do not tell can be read."""
    name = f"source.{source.name}.api"
    if not (source.api_url and source.api_token):
        return warn(
            name,
            "there is none: the login counts as the e-mail address, and a changed address is not seen: "
            "set api_url and api_token (docs/senders/okta-event-hooks.md)",
        )
    client = okta_of(source, _SECONDS)
    try:
        await client.ping()
    except LimitedError as error:
        return warn(name, f"{error.message}: check again in a minute")
    except RejectedError as error:
        token = source.api_token
        place = "sources.api_token" if token.is_inline else token.reference
        return bad(name, f"{source.api_url}: {error.message}: put a valid token into {place}")
    except DirectoryError as error:
        return bad(name, f"{source.api_url}: {error.message}: is api_url right, and can it be reached?")
    finally:
        await client.close()
    return good(name, f"{source.api_url} takes the token; users and groups can be read")


# Redis


async def _reach_redis(settings: Settings, path: Path) -> list[Finding]:
    """Return what is to be said of Redis, and of the directories that it knows."""
    store = open_store(settings.redis, _SECONDS)
    try:
        found = await _look_at_redis(settings.redis, store)
        if len(found) == 1:
            return found
        return [*found, *await _data(settings, path, store), *await _directories(settings, store)]
    except STORE_ERRORS as error:
        return [bad("redis", f"it does not answer any more: {_said(error)}")]
    finally:
        await store.close()


async def _data(settings: Settings, path: Path, store: Store) -> list[Finding]:
    """Tell when the data are not those that were there last, whether or not a worker has seen it yet."""
    seen = await look(store)
    stale = read_stale(seen.text) or judge(EpochFile(path, settings).read(), seen)
    if stale is None:
        return []
    return [warn("redis.data", stale.reason) if stale.kind == OLD else bad("redis.data", stale.reason)]


async def _directories(settings: Settings, store: Store) -> list[Finding]:
    """Return a warning for each directory that no source speaks for, with people in it who stay."""
    found = await read_directories(settings, store)
    return [warn(f"directory.{each.name}", each.reason) for each in found.values() if each.reason]


async def _look_at_redis(redis: RedisSettings, store: Store) -> list[Finding]:
    embedded = redis.url == "embedded"
    place = f"embedded, in {redis.data_dir}" if embedded else mask_secrets(redis.url)
    try:
        await store.call("PING")
    except STORE_ERRORS as error:
        if embedded:
            return [_not_started(redis)]
        return [bad("redis", f"{place}: {_said(error)}: is it up, and is redis.url right?")]
    if reason := await Journal(store).not_ready():
        return [bad("redis", f"{place}: {mask_secrets(reason)}")]
    found = [good("redis", f"{place}: it answers and stores"), await _durability(redis, store)]
    return found + await _clocks(store)


async def _clocks(store: Store) -> list[Finding]:
    """Return a warning where a machine's clock is not Redis'. Raises one of STORE_ERRORS."""
    clock = Clock()
    await clock.sync(store)
    told = read_differences(*await store.calls(differences_commands(store, clock())))
    clocks = {"this machine": clock.ahead / 1000} | told
    wrong = [f"{name}'s is {say_difference(ahead)}" for name, ahead in clocks.items() if differs(ahead)]
    return [warn("redis.clock", f"clocks differ: {'; '.join(wrong)}: set both by NTP")] if wrong else []


def _said(error: Exception) -> str:
    return mask_secrets(str(error)) or type(error).__name__


def _not_started(redis: RedisSettings) -> Finding:
    """The embedded Valkey lives only while `bridge run` does; could it be started?"""
    if problem := _cannot_start(redis):
        return bad("redis", f"embedded, not running, and cannot be started: {problem}")
    return good("redis", f"embedded, not running: `bridge run` starts it; its data goes to {redis.data_dir}")


def _cannot_start(redis: RedisSettings) -> str | None:
    try:
        binary = server_binary()
    except Exception as error:  # whatever stands in the way is told
        return str(error)
    if not os.access(binary, os.X_OK):
        return f"{binary} cannot be executed"
    there = next(folder for folder in (redis.data_dir, *redis.data_dir.parents) if folder.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return f"{there} is no folder this user can write to: set another redis.data_dir"
    return None


async def _durability(redis: RedisSettings, store: Store) -> Finding:
    """Tell whether Redis keeps what it is given."""
    told, found = await read_config(store), replica_risks(redis)
    if told is None:
        wanted = ", ".join(f"{name} {value}" for name, value in SAFE.items())
        found.append(f"it does not tell its settings: make sure of {wanted}")
    else:
        found += risks(told)
    if found:
        return warn("redis.durability", "; ".join(found))
    return good("redis.durability", "what it has accepted is on disk; nothing is evicted")


# targets


def _look_at_rules(target: TargetSettings, settings: Settings) -> Iterator[Finding]:
    """Yield what is dangerous, or hardly meant, in a target's rules."""
    told = [each for each in settings.sources if each.targets is None or target.name in each.targets]
    directories = sorted({source.directory_name for source in told})
    if len(directories) > 1:
        yield from _admins_of_any(target, directories)
    for number, entry in enumerate(target.members.groups):
        front, slash, _ = entry.partition("/")
        unknown = target.members.parse_group(entry)[0] is None
        if slash and unknown and re.fullmatch(r"[a-z0-9][a-z0-9._-]*", front):
            what = f'"{entry}" is taken for the name of a group: no directory is called "{front}"'
            yield warn(f"target.{target.name}.members", f"members.groups[{number}]: {what}")


def _admins_of_any(target: TargetSettings, directories: list[str]) -> Iterator[Finding]:
    """Yield the rules by which each of several directories can make admins: a group's name is enough."""
    name, any_of = f"target.{target.name}.roles", f"any of {', '.join(directories)}"
    for number, rule in enumerate(target.roles):
        if rule.role == "admin" and rule.directory is None:
            what = f'roles[{number}]: group "{rule.group}" of {any_of} makes admins'
            yield bad(name, f'{what}: add the right one to the rule, such as directory = "{directories[0]}"')
    if target.default_role == "admin":
        what = f'default_role: "admin" is for everyone whom {any_of} names'
        yield bad(name, f"{what}: write a lesser role, and a [[targets.roles]] table with a directory")


async def _reach_target(target: TargetSettings, personal_data: bool) -> list[Finding]:
    findings, skews = [], []
    client = gitbook_of(target, _SECONDS)
    try:
        async for each in _look_at_target(target, client, personal_data):
            findings.append(each)  # what was found before a fault counts
            skews.append(client.ahead)
    except TargetError as error:
        skews.append(client.ahead)
        findings.append(_fault(target, f"target.{target.name}.{_LOOKS[len(findings)]}", error))
    finally:
        await client.close()
    return findings + _clock(target, skews)


async def _look_at_target(
    target: TargetSettings, client: GitBook, personal_data: bool
) -> AsyncIterator[Finding]:
    """Yield one finding for each of _LOOKS. Raises TargetError at the first that fails."""
    name = f"target.{target.name}"
    user = await client.user()
    yield good(f"{name}.token", f"{target.api_url} takes it; it is the token of {_who(user, personal_data)}")
    organization = await client.organization()
    mode = "dry-run: nothing is written" if target.mode == "dry-run" else "apply: changes are made"
    yield good(f"{name}.organization", f"{target.organization}: {organization.title} ({mode})")
    yield _rights(f"{name}.rights", organization)
    await client.ping()
    yield good(f"{name}.members", "can be listed")
    await client.teams()
    yield good(f"{name}.teams", "can be listed")


def _who(user: RemoteUser, personal_data: bool) -> str:
    if user.email is None:
        return f"user {user.id}"
    return user.email if personal_data else mask_email(user.email)


def _rights(name: str, organization: RemoteOrganization) -> Finding:
    if organization.admin:
        return good(name, "its owner is an admin of the organisation")
    return warn(
        name,
        "its owner is no admin of the organisation: removals would only be requests (202) that an admin "
        "has to confirm, and invites may be refused: use an admin's token",
    )


def _fault(target: TargetSettings, name: str, error: TargetError) -> Finding:
    if isinstance(error, RateLimitedError):
        return warn(name, f"{error.message}: check again in a minute")
    if isinstance(error, CredentialsRejectedError):
        place = "targets.token" if target.token.is_inline else target.token.reference
        return bad(name, f"{error.message}: put a valid one into {place}")
    if isinstance(error, RefusedError) and (doubt := address_doubt(target.api_url)):
        return bad(name, f"{error.message} ({error.status}): {doubt}")
    if isinstance(error, RefusedError):
        return bad(
            name,
            f"{error.message} ({error.status}): is targets.organization = {target.organization!r} right, "
            "and does the token's owner belong to it?",
        )
    return bad(name, f"{target.api_url}: {error.message}: is targets.api_url right?")


def _clock(target: TargetSettings, skews: list[float]) -> list[Finding]:
    skew = min(skews, key=abs, default=0.0)  # a slow answer only makes it look worse
    if abs(skew) <= _SKEW_MOST:
        return []
    side = "ahead of" if skew > 0 else "behind"
    return [
        warn(
            f"target.{target.name}.clock",
            f"its clock is {abs(skew):.0f} s {side} this machine's: check the time here (NTP)",
        )
    ]
