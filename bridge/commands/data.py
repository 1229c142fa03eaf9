"""`bridge data`: whether what is stored may act, and letting it."""

import asyncio
from typing import Any

import typer

from bridge.commands.common import (
    DEFAULT_CONFIG,
    By,
    Config,
    Json,
    Why,
    fail,
    load,
    me,
    moment,
    opened_store,
    out,
    print_json,
    run_async,
    unix_ms,
)
from bridge.settings import Settings
from bridge.store.audit import Audit, Deed
from bridge.store.epoch import EpochFile, begin, read_stale, trust

data = typer.Typer(help="The data in Redis: are they those that were there last?", no_args_is_help=True)


@data.command("trust")
def trust_data(by: By = "", why: Why = "", config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Let data act again that are an older copy, or another installation's; what is held by then is free."""
    settings = load(config)
    told = run_async(_trust(settings, EpochFile(config, settings), by or me(), why))
    if json:
        print_json(told)
    elif told["was"] is None:
        out.print("The data are those that were there last: nothing was held for them.", highlight=False)
    else:
        out.print(f"The data act again since {told['at']}; everyone is planned anew.", highlight=False)


async def _trust(settings: Settings, file: EpochFile, by: str, why: str) -> dict[str, Any]:
    """Note what is wrong with the data if no worker has yet, and that somebody trusts them all the same."""
    async with opened_store(settings) as store:
        known = await begin(store, await asyncio.to_thread(file.read))
        await asyncio.to_thread(file.write, known)
        text = await store.call("GET", store.key("stale"))
        stale, now = read_stale(text), unix_ms()
        if stale is None:
            return {"was": None, "at": moment(now)}
        deed = Deed(now, by, "trusted", object="data", what=stale.reason.partition("; ")[0], why=why)
        if not await trust(store, settings, text, [Audit(store).write(deed)]):
            fail("somebody else was faster: see bridge audit")
        return {"was": stale.kind, "at": moment(now)}
