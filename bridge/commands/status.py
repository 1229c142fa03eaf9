"""`bridge status`: the queue at a glance."""

import time
from dataclasses import asdict
from typing import Any

from bridge.commands.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    load,
    moment,
    out,
    print_json,
    print_table,
    run_async,
)
from bridge.settings import Settings
from bridge.store.journal import Journal
from bridge.store.mirror import MirrorStore
from bridge.store.redis import Store, open_store
from bridge.store.targets import Pause, TargetState, TargetStore, target_id

_WORKER_ALIVE_MS = 10_000


async def read_status(settings: Settings, store: Store) -> dict[str, Any]:
    """Return the status as INTERFACE.md has it. Raises one of STORE_ERRORS."""
    now = int(time.time() * 1000)
    journal = Journal(store)
    accepted, folded = await journal.counters()
    unresolved = await MirrorStore(store).unresolved(await journal.directories())
    alive = await store.call("ZCOUNT", store.key("workers"), now - _WORKER_ALIVE_MS, "+inf")
    targets = {}
    for target in settings.targets:
        targets[target.name] = await _read_target(TargetStore(store, target_id(target)), now)
    counts = {"accepted": accepted, "folded": folded, "pending": accepted - folded, "unresolved": unresolved}
    return {"journal": counts, "targets": targets, "workers": alive}


async def _read_target(store: TargetStore, now: int) -> dict[str, Any]:
    counts, state = asdict(await store.counts(now)), await store.state()
    if state.state == "rate_limited" and state.resumes_at * 1000 <= now:
        state = TargetState()
    if pause := await store.paused():
        state = TargetState("paused", _why(pause))
    resumes = moment(state.resumes_at * 1000)
    return counts | {"state": state.state, "reason": state.reason, "resumes_at": resumes}


def _why(pause: Pause) -> str:
    return f"paused by {pause.by}" + (f": {pause.why}" if pause.why else "")


async def _status(settings: Settings) -> dict[str, Any]:
    store = open_store(settings.redis)
    try:
        return await read_status(settings, store)
    finally:
        await store.close()


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
    columns = ("state", "due", "running", "waiting", "parked", "dead", "members")
    rows = [(name, *(row[column] for column in columns)) for name, row in told["targets"].items()]
    print_table("Targets", ("target", *columns), rows)
    for name, row in told["targets"].items():
        if row["reason"]:
            until = f" (tries again at {row['resumes_at']})" if row["resumes_at"] else ""
            out.print(f"{name}: {row['reason']}{until}", markup=False, highlight=False)
        if row["parked"]:
            out.print(
                f"{name}: {row['parked']} change(s) held for approval: see `bridge parked`", markup=False
            )
        if row["dead"]:
            out.print(f"{name}: {row['dead']} object(s) given up: see `bridge dead`", markup=False)
