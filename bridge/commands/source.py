"""`bridge source try`, `bridge source test`: does a sender fit, before it sends for real?"""

import asyncio
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.text import Text

from bridge.commands.common import DEFAULT_CONFIG, Config, Json, fail, load, out, print_json, unix_ms
from bridge.commands.filtering import complete_sources
from bridge.commands.findings import Finding, bad, good, print_findings, warn
from bridge.commands.probe import UNTRIED, local_address, make_delivery, make_query, probe
from bridge.settings import Settings, SourceSettings
from bridge.sources.base import Playable, Source
from bridge.sources.bodies import load_json
from bridge.sources.registry import make_source
from bridge.sources.trial import Element, Trial, try_body

Name = Annotated[
    str, typer.Argument(help="The source's name.", show_default=False, autocompletion=complete_sources)
]
File = Annotated[str, typer.Argument(help="A body that it sends; - for standard input.", show_default=False)]

_MOST = 5  # elements that a finding speaks of
_BY_PROVIDER = "not tried: the provider's own test of the connection does"
_MARKS = {"event": ("✓", "green"), "ignored": ("-", "yellow"), "refused": ("✗", "red")}

source = typer.Typer(help="Try out a sender.", no_args_is_help=True, rich_markup_mode=None)


@source.command("try")
def try_(name: Name, file: File, config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show what would be made of a body. Nothing is sent, and nothing is stored."""
    settings = load(config)
    wanted = _wanted(settings, name)
    body = _read(file)
    trial = _try(settings, wanted, make_source(wanted), body)
    if json:
        print_json({"source": name, "kind": wanted.kind, **trial.as_json()})
    else:
        _print_trial(trial)
    raise typer.Exit(0 if trial.is_readable else 1)


@source.command("test")
def test(
    name: Name,
    config: Config = DEFAULT_CONFIG,
    url: Annotated[str | None, typer.Option(help="The bridge's public address, or the whole URL.")] = None,
    file: Annotated[
        str | None, typer.Option(help="A body that your sender sends; - for standard input.")
    ] = None,
    json: Json = False,
) -> None:
    """Play the sender to the running receiver. Nothing is stored, and no target is touched."""
    settings = load(config)
    wanted = _wanted(settings, name)
    address = url or local_address(settings)
    if address is None:
        fail("receiver.port is 0, so the system chooses it: give the address with --url", 2)
    findings = asyncio.run(_test(settings, wanted, address, None if file is None else _read(file)))
    if json:
        print_json([asdict(each) for each in findings])
    else:
        print_findings(findings)
    raise typer.Exit(0 if all(each.ok for each in findings) else 1)


def _wanted(settings: Settings, name: str) -> SourceSettings:
    found = settings.source(name)
    if found is None:
        names = ", ".join(each.name for each in settings.sources) or "(there are none)"
        fail(f'there is no source "{name}": write one of {names}', 2)
    return found


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        fail(f"{file}: cannot be read ({error.strerror})", 2)


# try


def _try(settings: Settings, wanted: SourceSettings, source: Source, body: bytes) -> Trial:
    limit = settings.receiver.max_body
    if len(body) > limit:
        return Trial(413, f"the body has {len(body)} bytes, more than {limit} (receiver.max_body)", ())
    return try_body(wanted, source, body, unix_ms())


def _print_trial(trial: Trial) -> None:
    if trial.reason:
        out.print(Text(f"✗ {trial.status}: {trial.reason}", "red"), soft_wrap=True)
    for element in trial.elements:
        mark, style = _MARKS[element.outcome]
        out.print(Text(mark, style), Text(f"{element.index}  {_describe(element)}"), soft_wrap=True)
        for line in element.missing:
            out.print(Text(f"     {line}", "yellow"), soft_wrap=True)


def _describe(element: Element) -> str:
    if element.event is None:
        return f"{element.outcome}: {element.reason}"
    at = element.event["occurred_at"] or "when it arrives"
    told = {key: value for key, value in element.event.items() if key not in ("event", "occurred_at")}
    parts = (f"{key} {_words(value)}" for key, value in told.items())
    return f"{element.event['event']}: {', '.join(parts)}; {at}"


def _words(value: Any) -> str:
    """Return a value, or an object's fields, as somebody reads them."""
    if not isinstance(value, dict):
        return str(value)
    told = (f"{key}={orjson.dumps(each).decode()}" for key, each in value.items() if each is not None)
    return " ".join(told)


# test


async def _test(
    settings: Settings, wanted: SourceSettings, address: str, body: bytes | None
) -> list[Finding]:
    """Return five findings: reachability, signature, clock, parsing, mapping."""
    if wanted.kind == "scim":
        reached = await probe(wanted, make_query(wanted, address))
        return [*reached[:-1], warn("parsing", _BY_PROVIDER), warn("mapping", _BY_PROVIDER)]
    source = make_source(wanted)
    if not isinstance(source, Playable):
        fail(f"a sender of the kind {wanted.kind} cannot be played", 2)
    tried = _example(wanted, source) if body is None else body
    trial = None if tried is None else _try(settings, wanted, source, tried)
    sent = None if tried is None or trial is None or trial.status in (400, 413) else load_json(tried)
    request = make_delivery(source, address, wanted.name, sent, unix_ms())
    return [*await probe(wanted, request), _mapping(trial)]


def _example(wanted: SourceSettings, source: Playable) -> bytes | None:
    """Return a body of the kind's own shape; none where a map says that bodies have another one."""
    return None if wanted.map else orjson.dumps(source.example())


def _mapping(trial: Trial | None) -> Finding:
    """Say what the body is in the bridge's words, as this configuration reads it."""
    if trial is None:
        return warn("mapping", UNTRIED)
    wrong = [f"{one.index}: {one.reason}" for one in trial.elements if one.outcome == "refused"]
    if trial.reason or wrong:
        return bad("mapping", trial.reason or _few(wrong))
    told = [_describe(one) for one in trial.elements]
    gaps = [line for one in trial.elements for line in one.missing]
    return warn("mapping", _few([*told, *gaps])) if gaps else good("mapping", _few(told))


def _few(lines: list[str]) -> str:
    more = [f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return "; ".join([*lines[:_MOST], *more])
