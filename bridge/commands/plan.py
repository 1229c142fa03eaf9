"""`bridge plan`: what would be done now, and why."""

import math
from functools import partial
from typing import Any

from bridge.commands.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    err,
    load,
    opened_store,
    out,
    print_json,
    print_table,
    run_async,
    unix_ms,
)
from bridge.plan.steps import Plan
from bridge.planning import make_plan
from bridge.rate_limit_headers import LONGEST_WAIT
from bridge.settings import Settings
from bridge.store.journal import Journal
from bridge.store.targets import TargetStore, target_id
from bridge.targets.base import TargetError
from bridge.targets.gitbook import gitbook_of


async def _plans(settings: Settings) -> tuple[int, dict[str, Plan | str]]:
    """Return how many events are not processed yet, and for each target its plan or why there is none."""
    plans: dict[str, Plan | str] = {}
    async with opened_store(settings) as store:
        accepted, folded = await Journal(store).counters()
        for target in settings.targets:
            client = gitbook_of(target)
            client.patience, client.before_wait = LONGEST_WAIT, partial(_tell_wait, target.name)
            try:
                known = TargetStore(store, target_id(target))
                plans[target.name] = await make_plan(settings, target, known, client, unix_ms())
            except TargetError as error:
                plans[target.name] = error.message
            finally:
                await client.close()
        return accepted - folded, plans


def _tell_wait(name: str, seconds: float) -> None:
    err.print(f"{name}: the limit for reading is used up: waiting for {math.ceil(seconds)} s", markup=False)


def plan(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show what would be done now and why; in dry-run mode this is what was not done."""
    settings = load(config)
    pending, plans = run_async(_plans(settings))
    if json:
        print_json(
            {"pending": pending, "targets": {name: _json(settings, name, p) for name, p in plans.items()}}
        )
        return
    if pending:
        err.print(
            f"{pending} event(s) are not processed yet: is `bridge run` (or a worker) up?", style="yellow"
        )
    for name, each in plans.items():
        _show(settings, name, each)


def _json(settings: Settings, name: str, plan: Plan | str) -> dict[str, Any]:
    target = settings.target(name)
    head = {"mode": target.mode if target else None}
    return head | ({"error": plan} if isinstance(plan, str) else plan.as_json())


def _show(settings: Settings, name: str, plan: Plan | str) -> None:
    target = settings.target(name)
    if isinstance(plan, str):
        err.print(f"{name}: cannot be planned now: {plan}", style="red", markup=False)
        return
    if plan.steps:
        rows = [(step.change.describe(), step.change.why, step.back) for step in plan.steps]
        print_table(f"{name} ({target.mode if target else ''})", ("change", "why", "held back because"), rows)
    head = f"{name}: {len(plan.steps)} change(s), {plan.calls} call(s), "
    out.print(f"{head}{plan.seats_in_words}.", markup=False, soft_wrap=True)
    for note in plan.notes:
        out.print(f"  note: {note}", markup=False)
