"""`bridge demo`: see it work, without a configuration and without a network."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.commands.common import Json, err, out, print_json
from bridge.commands.init import signed_curl
from bridge.demo import STORY, Demo, DemoError, Event, Outcome, running_demo

_INTRODUCTION = """\
Directory Bridge keeps a GitBook organisation in step with a company's directory.

Everything you will see runs on this machine alone: a receiver for webhooks, a worker, a Valkey that keeps
what was accepted, and a stand-in for GitBook with an organisation that has one member, its owner.
A made-up directory now sends signed webhooks, as Okta Workflows would."""
_SEEN = """\
What you saw: each webhook was verified, stored, and only then answered. The worker compared what the
directory says with what GitBook has, and called GitBook for the difference only.

Next: `bridge init` writes a configuration for your own directory, in dry-run mode: it shows what it would
do and changes nothing until you say so."""


def demo(
    exit_: Annotated[bool, typer.Option("--exit", help="End after the story instead of staying up.")] = False,
    json: Json = False,
) -> None:
    """Watch joiners, a mover and a leaver go from signed webhooks to a stand-in for GitBook."""
    raise typer.Exit(asyncio.run(_until_told(_demo(exit_, json))))


async def _until_told(job: Awaitable[int]) -> int:
    """Return the job's exit code; SIGINT, SIGTERM and SIGHUP cancel it, and it cleans up behind itself."""
    task = asyncio.ensure_future(job)
    loop = asyncio.get_running_loop()

    told: list[int] = []

    def end(number: int) -> None:
        told.append(number)
        if len(told) == 1:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end, number)
    try:
        return await task
    except asyncio.CancelledError:
        return 128 + told[0]


async def _demo(ends: bool, json: bool) -> int:
    screen = err if json else out
    if not json:
        _say(out, _INTRODUCTION, "")
    try:
        async with _shown_starting(screen) as running:
            outcomes = await _play(running, json)
            missing = [f"{each.step.event}: {line}" for each in outcomes for line in each.missing]
            _close_story(outcomes, missing, json, running)
            if not ends and not missing:
                with suppress(asyncio.CancelledError):
                    await _stay(running, screen)
                _say(screen, "", "Stopping; nothing is left behind.")
            return 1 if missing else 0
    except DemoError as error:
        _say(err, f"The demo did not come up: {error}", style="red")
        return 1


@asynccontextmanager
async def _shown_starting(screen: Console) -> AsyncIterator[Demo]:
    """Start the demo with something to look at meanwhile."""
    async with AsyncExitStack() as stack:
        with screen.status("Starting Valkey, the receiver, the worker and the sandbox ..."):
            running = await stack.enter_async_context(running_demo())
        yield running


async def _play(running: Demo, json: bool) -> list[Outcome]:
    """Play the story up to its end, or to the first step that was not applied."""
    outcomes: list[Outcome] = []
    for number, step in enumerate(STORY, 1):
        outcomes.append(await running.play(step))
        if not json:
            _show(number, outcomes[-1])
        if outcomes[-1].missing:
            break
    return outcomes


def _show(number: int, outcome: Outcome) -> None:
    """Print one step: what came in, what was called, and how GitBook is afterwards."""
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    reads = f"({outcome.reads} more that only read)" if outcome.reads else ""
    rows = {
        "event in": "\n".join(_event_line(event) for event in outcome.step.sends),
        "calls made": "\n".join([*(_short(call, outcome.names) for call in outcome.calls), reads]).strip()
        or "none",
        "members": "\n".join(_role_lines(outcome.roles)),
        "teams": "\n".join(_team_line(*each) for each in sorted(outcome.teams.items())) or "none",
        "time": f"{outcome.milliseconds:.0f} ms from sending to applied",
    }
    for name, text in rows.items():
        table.add_row(name, Text(text))
    _say(out, f"{number}. {outcome.step.event.capitalize()}", style="bold")
    _say(out, outcome.step.told)
    out.print(table)
    out.print()


def _event_line(event: Event) -> str:
    user, group = event.get("user", {}), event.get("group", {})
    words = [event["event"], user.get("email", ""), group.get("name") or group.get("id", "")]
    words += ["active: no"] if user.get("active") is False else []
    return "  ".join(word for word in words if word)


def _short(call: str, names: Mapping[str, str]) -> str:
    method, _, path = call.replace("/v1/orgs/acme/", "").partition(" ")
    parts = (f"<{names[part]}>" if part in names else part for part in path.split("/"))
    return f"{method:<7}{'/'.join(parts)}"


def _role_lines(roles: Mapping[str, str]) -> Iterator[str]:
    for role in sorted(set(roles.values())):
        yield f"{role}: {', '.join(sorted(email for email in roles if roles[email] == role))}"


def _team_line(title: str, emails: set[str]) -> str:
    return f"{title}: {', '.join(sorted(emails)) or 'nobody'}"


def _close_story(outcomes: list[Outcome], missing: list[str], json: bool, running: Demo) -> None:
    if json:
        print_json([each.as_json() for each in outcomes])
    if missing:
        _say(err, "Not applied:", *missing, "", "The last lines of the log:", running.log_tail(), style="red")
    elif not json:
        events = sum(len(each.step.sends) for each in outcomes)
        calls = sum(len(each.calls) for each in outcomes)
        slowest = max(each.milliseconds for each in outcomes)
        total = f"{len(outcomes)} steps, {events} events, {calls} calls that change something"
        _say(out, f"All was applied: {total}, the slowest step in {slowest:.0f} ms.", "", style="green")
        _say(out, _SEEN)


async def _stay(running: Demo, screen: Console) -> None:
    """Stay up until somebody ends it, and show what is called."""
    body = '{"event": "user.created", "user": {"email": "dora@acme.test"}}'
    console = [f"  console   {running.url}/console"] if await running.has_console() else []
    switches = running.sandbox.url.removesuffix("/v1") + "/sandbox"
    _say(
        screen, "", "It stays up until Ctrl-C:", "",
        f"  receiver  {running.url}/webhooks/okta", *console,
        f"  sandbox   {switches}/state  (what it holds; also /calls, and /faults to make it fail)", "",
        "Send it an event of your own, signed:", "",
        signed_curl("hmac", f"{running.url}/webhooks/okta", running.secret_file, body), "",
    )  # fmt: skip
    seen = len(running.sandbox.calls)
    while True:
        await running.sandbox.called("", seen + 1)
        call = running.sandbox.calls[seen]
        seen += 1
        if call.method != "GET":
            _say(screen, f"  called    {_short(call.line, running.names())}")


def _say(screen: Console, *lines: str, style: str | None = None) -> None:
    screen.print("\n".join(lines), style=style, markup=False, highlight=False, soft_wrap=True)
    screen.file.flush()
