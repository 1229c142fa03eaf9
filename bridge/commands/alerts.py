"""`bridge alerts`: what has been said to whom, and whether messages arrive."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from bridge.alerts.conditions import Subject
from bridge.alerts.ledger import Ledger, new_id
from bridge.alerts.messages import TEST, Message
from bridge.alerts.sending import UndeliveredError, open_client, send
from bridge.commands.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    fail,
    load,
    moment,
    opened_store,
    out,
    print_json,
    print_table,
    run_async,
    unix_ms,
)
from bridge.commands.filtering import complete_alerts
from bridge.commands.findings import Finding, bad, good, print_findings
from bridge.settings import AlertSettings, Settings
from bridge.store.alerts import AlertStore

alerts = typer.Typer(
    help="What was said to the receivers of alerts.", invoke_without_command=True, rich_markup_mode=None
)
Name = Annotated[
    str,
    typer.Argument(
        metavar="[NAME]", help="One receiver; without it all of them.", autocompletion=complete_alerts
    ),
]


@alerts.callback()
def show(context: typer.Context, config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show what holds by what each receiver was told, and which of them cannot be reached."""
    if context.invoked_subcommand:
        return
    rows = run_async(_read(load(config)))
    if json:
        print_json(rows)
    elif not rows:
        out.print("Nobody is told anything: there is no [[alerts]] in the configuration.", markup=False)
    else:
        _print(rows)


async def _read(settings: Settings) -> list[dict[str, Any]]:
    async with opened_store(settings) as store:
        return [_row(each, await AlertStore(store, each.name).read()) for each in settings.alerts]


def _row(alert: AlertSettings, ledger: Ledger) -> dict[str, Any]:
    failure = ledger.failure
    return {
        "name": alert.name,
        "kind": alert.kind,
        "on": list(alert.on),
        "said": [_message(each) for each in sorted(ledger.said.values(), key=lambda each: each.key)],
        "sending": [_message(each) for each in sorted(ledger.sending.values(), key=lambda each: each.key)],
        "failing": failure
        and {
            "since": moment(failure.since),
            "attempts": failure.attempts,
            "retry_at": moment(failure.retry_at),
            "reason": failure.reason,
        },
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "condition": message.kind,
        "about": message.subject.about,
        "name": message.subject.name or None,
        "phase": message.phase,
        "at": moment(message.at),
        "since": moment(message.since),
        "number": message.number,
        "text": message.text,
    }


def _print(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        said = [(each["at"], each["text"]) for each in row["said"]]
        if said:
            print_table(f"{row['name']} ({row['kind']}) was told", ("at", "text"), said)
        else:
            out.print(f"{row['name']} ({row['kind']}): nothing holds that it was told of", markup=False)
        if row["sending"]:
            waiting = [(each["at"], each["text"]) for each in row["sending"]]
            print_table(f"{row['name']} is to be told", ("at", "text"), waiting)
        if failing := row["failing"]:
            out.print(
                f"{row['name']}: {failing['reason']}; {failing['attempts']} attempt(s) since "
                f"{failing['since']}, the next at {failing['retry_at']}",
                style="red", markup=False, highlight=False,
            )  # fmt: skip


@alerts.command("test")
def test(name: Name = "", config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Send a message that says that it is a test, and tell what came back."""
    settings = load(config)
    wanted = [each for each in settings.alerts if name in ("", each.name)]
    if not wanted:
        names = ", ".join(each.name for each in settings.alerts) or "(there are none)"
        fail(f'there is no alert "{name}": write one of {names}' if name else "there is no [[alerts]]", 2)
    findings = asyncio.run(_try_all(wanted))
    if json:
        print_json([{"name": each.name, "ok": each.ok, "detail": each.detail} for each in findings])
    else:
        print_findings(findings)
    raise typer.Exit(0 if all(each.ok for each in findings) else 1)


async def _try_all(wanted: Sequence[AlertSettings]) -> list[Finding]:
    return list(await asyncio.gather(*(_try(each) for each in wanted)))


async def _try(alert: AlertSettings) -> Finding:
    text = "This is a test: what needs a person will be told here (bridge alerts test)"
    message = Message(new_id(), "", TEST, Subject(""), TEST, unix_ms(), text)
    name = f"alert.{alert.name}"
    try:
        async with open_client(alert) as client:
            answer = await send(client, alert, message, attempts=1)
    except UndeliveredError as error:
        return bad(name, f"{error.reason}: is {_place(alert)} right, and can it be reached?")
    return good(name, f"it answered {answer.status} after {answer.milliseconds} ms")


def _place(alert: AlertSettings) -> str:
    return "its url" if alert.url.is_inline else alert.url.reference
