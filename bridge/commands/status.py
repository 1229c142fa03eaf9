"""`bridge status`: the queue at a glance."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from bridge.commands.apis import api_lines, describe_api
from bridge.commands.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    load,
    moment,
    opened_store,
    out,
    plain,
    print_json,
    print_table,
    run_async,
    unix_ms,
)
from bridge.operators.health import JournalHealth, SourceHealth, TargetHealth, read_health
from bridge.operators.orphans import DirectoryHealth
from bridge.operators.waits import Wait, read_waits
from bridge.settings import Settings, SourceSettings
from bridge.store.clock import differs, say_difference
from bridge.store.epoch import Stale
from bridge.store.listings import Listing
from bridge.store.notices import KeptNotice, read_notices
from bridge.store.redis import Store
from bridge.store.targets import TargetStore, target_id


async def read_status(settings: Settings, store: Store) -> dict[str, Any]:
    """Return the status as INTERFACE.md has it. Raises one of STORE_ERRORS."""
    health = await read_health(settings, store, unix_ms())
    notices = await read_notices(store, health.sources)
    targets = {}
    for target in settings.targets:
        waits = await read_waits(TargetStore(store, target_id(target)), health.at)
        row = _describe_target(health.targets[target.name], health.directories.values(), health.stale)
        targets[target.name] = row | {"waits": [_describe_wait(wait) for wait in waits]}
    return {
        "journal": _describe_journal(health.journal),
        "data": _describe_data(health.stale),
        "targets": targets,
        "workers": health.workers,
        "clocks": dict(health.clocks),
        "sources": {
            source.name: _describe_source(source, health.sources[source.name], notices[source.name])
            for source in settings.sources
        },
        "directories": {
            name: _describe_directory(directory) for name, directory in health.directories.items()
        },
    }


def _describe_journal(journal: JournalHealth) -> dict[str, Any]:
    names = ("accepted", "folded", "pending", "unresolved", "too_old", "dead_letters")
    return {name: getattr(journal, name) for name in names}


def _describe_data(stale: Stale | None) -> dict[str, Any]:
    """Return whether the data are those that were there last."""
    if stale is None:
        return {"state": "ok", "reason": None, "since": None}
    return {"state": stale.kind, "reason": stale.reason, "since": moment(stale.since)}


def _describe_target(
    target: TargetHealth, directories: Iterable[DirectoryHealth], stale: Stale | None
) -> dict[str, Any]:
    """Return its row; where it is well the reason may still say what is not."""
    resumes = moment(target.resumes_at * 1000)
    found = [stale.reason] if stale else []
    found += [f"directory {each.name}: {each.reason}" for each in directories if target.name in each.targets]
    reasons = [target.reason] if target.reason else found
    reasons += [target.reading.describe()] if target.reading else []
    told = {"state": target.state, "reason": "; ".join(reasons) or None, "resumes_at": resumes}
    return asdict(target.counts) | told | {"reading": _describe_reading(target.reading)}


def _describe_reading(listing: Listing | None) -> dict[str, Any] | None:
    """Return which long list is being read, how many of its pages were read, and how many it has."""
    if listing is None:
        return None
    return {"list": listing.what, "page": listing.page, "pages": listing.pages or None}


def _describe_wait(wait: Wait) -> dict[str, Any]:
    return {"object": wait.object, "since": moment(wait.since), "reason": wait.reason, "others": wait.others}


def _describe_directory(directory: DirectoryHealth) -> dict[str, Any]:
    row = {"sources": list(directory.sources), "reason": directory.reason}
    silent = {"active": directory.active, "targets": list(directory.targets)}
    return row if directory.sources else row | silent


def _describe_source(
    source: SourceSettings, health: SourceHealth, notices: list[KeptNotice]
) -> dict[str, Any]:
    labels = [secret.label(number) for number, secret in enumerate(source.all_secrets)]
    told = health.front
    row = {
        "last_delivery": moment(told.delivered),
        "refused": told.refused.count,
        "last_refused": moment(told.refused.at),
        "reason": told.refused.reason or None,
        "secrets": [{"secret": label, "last_used": moment(told.secrets.get(label))} for label in labels],
        "notices": [{"at": moment(notice.at), "text": notice.text} for notice in notices],
    }
    return row | ({"api": describe_api(health.api)} if health.api else {})


async def _status(settings: Settings) -> dict[str, Any]:
    async with opened_store(settings) as store:
        return await read_status(settings, store)


def status(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show what is waiting, running, held for approval and given up."""
    told = run_async(_status(load(config)))
    if json:
        print_json(told)
        return
    journal = told["journal"]
    out.print(
        f"Events: {journal['accepted']} accepted, {journal['folded']} processed, "
        f"{journal['pending']} pending, {journal['unresolved']} unresolved. Workers: {told['workers']}."
    )
    for process, ahead in told["clocks"].items():
        if differs(ahead):
            line = f"{process}: its machine's clock is {say_difference(ahead)}: set both by NTP"
            out.print(line, markup=False, highlight=False, soft_wrap=True)
    if journal["too_old"]:
        out.print(
            f"{journal['too_old']} event(s) were refused: they had happened too long ago (retention.journal)."
        )
    if journal["dead_letters"]:
        line = (
            f"{journal['dead_letters']} event(s) could not be processed, and what they tell is not done: see "
            "`bridge events --state dead_letter`"
        )
        out.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    if told["data"]["reason"]:
        out.print(told["data"]["reason"], style="red", markup=False, highlight=False, soft_wrap=True)
    _print_targets(told["targets"])
    _print_sources(told["sources"])
    for name, row in told["directories"].items():
        if row["reason"] and not row["targets"]:  # those that count on it have it as their reason
            out.print(f"directory {name}: {row['reason']}", markup=False, highlight=False, soft_wrap=True)


def _print_targets(targets: dict[str, Any]) -> None:
    columns = ("state", "due", "running", "waiting", "parked", "dead", "members")
    rows = [(name, *(row[column] for column in columns)) for name, row in targets.items()]
    print_table("Targets", ("target", *columns), rows)
    for name, row in targets.items():
        if row["reason"]:
            until = f" (tries again at {row['resumes_at']})" if row["resumes_at"] else ""
            out.print(f"{name}: {row['reason']}{until}", markup=False, highlight=False)
        if row["parked"]:
            out.print(
                f"{name}: {row['parked']} change(s) held for approval: see `bridge parked`", markup=False
            )
        if row["unclear"]:
            told = (
                f"{name}: a call about {row['unclear']} people and teams had no clear end: they are watched"
            )
            out.print(told, markup=False, highlight=False, soft_wrap=True)
        for wait in row["waits"]:
            others = f" and {wait['others']} other(s) have" if wait["others"] else " has"
            text = f"{name}: {wait['object']}{others} waited since {wait['since']}: {wait['reason']}"
            out.print(plain(text), markup=False, highlight=False, soft_wrap=True)
        if row["dead"]:
            out.print(f"{name}: {row['dead']} object(s) given up: see `bridge dead`", markup=False)


def _print_sources(sources: dict[str, Any]) -> None:
    columns = ("last_delivery", "refused", "last_refused")
    rows = [(name, *(row[column] for column in columns)) for name, row in sources.items()]
    print_table("Sources", ("source", "last delivery", "not let in", "last time"), rows)
    for name, row in sources.items():
        if row["reason"]:
            out.print(f"{name}: last not let in because {row['reason']}", markup=False, highlight=False)
        for secret in row["secrets"] if len(row["secrets"]) > 1 else ():
            used = f"last used {secret['last_used']}" if secret["last_used"] else "not used yet"
            out.print(f"{name}: the secret {secret['secret']} was {used}", markup=False, highlight=False)
        for line in api_lines(name, row["api"]) if "api" in row else ():
            out.print(line, markup=False, highlight=False, soft_wrap=True)
        for notice in row["notices"]:
            out.print(f"{name}: {notice['text']} ({notice['at']})", markup=False, highlight=False)
