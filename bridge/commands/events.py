"""`bridge events`: what directories told and what was refused of it, also as it arrives."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

import typer

from bridge.commands.common import (
    DEFAULT_CONFIG,
    Config,
    Json,
    brief_moment,
    err,
    fail,
    json_text,
    load,
    moment,
    opened_store,
    out,
    plain,
    print_json,
    print_table,
    run_async,
)
from bridge.commands.filtering import (
    After,
    Limit,
    Since,
    Sources,
    Targets,
    Text,
    Until,
    kind_option,
    make_filter,
    state_option,
    tell_more,
)
from bridge.directory.events import UserNews
from bridge.logs import mask_secrets
from bridge.operators.events import KINDS, STATES, EventLog, LoggedEvent
from bridge.operators.filters import Filter
from bridge.operators.follow import Follower
from bridge.operators.pages import Page
from bridge.settings import Settings
from bridge.store.faults import describe_error
from bridge.store.redis import STORE_ERRORS

Follow = Annotated[bool, typer.Option("--follow", help="Go on with what arrives, until Ctrl-C.")]
_COLUMNS = ("id", "stored at", "event", "state")
_PATIENCE = 1000  # ms between two looks for new directories, or for a Redis that went away


def events(
    *,
    sources: Sources = None,
    targets: Targets = None,
    kinds: Annotated[list[str] | None, kind_option(KINDS)] = None,
    states: Annotated[list[str] | None, state_option(STATES)] = None,
    text: Text = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 50,
    after: After = "",
    follow: Follow = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show what directories told, the newest first, with what was refused; or what arrives from now on."""
    settings = load(config)
    wanted = make_filter(
        settings, sources=sources, targets=targets, kinds=kinds, states=states, text=text, since=since,
        until=until, limit=limit, after=after, known_kinds=KINDS, known_states=STATES,
    )  # fmt: skip
    if follow and (until or after):
        fail("--follow goes on from --since, or from now: leave out --until and --after", 2)
    if follow:
        _follow(settings, wanted, _say_json if json else _say)
        return
    page = run_async(_read(settings, wanted))
    if json:
        print_json([describe(each) for each in page.rows])
    elif page.rows:
        print_table("Events, the newest first (UTC)", _COLUMNS, [_cells(each) for each in page.rows])
    else:
        out.print("No such events.")
    tell_more(page, wanted)


async def _read(settings: Settings, wanted: Filter) -> Page[LoggedEvent]:
    async with opened_store(settings) as store:
        return await EventLog(settings, store).page(wanted)


def describe(event: LoggedEvent) -> dict[str, Any]:
    """Return an event as JSON shows it."""
    user, group = event.user, event.group
    members = None if group is None or group.members is None else len(group.members)
    return {
        "id": event.id, "at": moment(event.at), "happened_at": moment(event.happened_at),
        "source": event.source, "directory": event.directory, "kind": event.kind,
        "user": {"id": user.id, "email": user.email, "active": user.active} if user else None,
        "group": {"id": group.id, "name": group.name, "members": members} if group else None,
        "delivery": event.delivery, "state": event.state, "reason": event.reason,
    }  # fmt: skip


def _about(event: LoggedEvent) -> str:
    names = [user_words(event.user)] if event.user else []
    if event.group:
        names.append(event.group.name or event.group.id)
    return " in ".join(names) or event.reason


def user_words(user: UserNews) -> str:
    """Return a user and whether they are active, if that was told."""
    name = user.email or user.id
    return name if user.active is None else f"{name} ({'active' if user.active else 'inactive'})"


def _cells(event: LoggedEvent) -> list[object]:
    what = f"{event.kind} {_about(event)}".strip()
    return [event.id, brief_moment(event.at), what, event.state.replace("_", " ")]


# as they arrive


def _follow(settings: Settings, wanted: Filter, say: Callable[[LoggedEvent], None]) -> None:
    with suppress(KeyboardInterrupt):  # it is how one ends it
        asyncio.run(_watch(settings, wanted, say))


async def _watch(settings: Settings, wanted: Filter, say: Callable[[LoggedEvent], None]) -> None:
    async with opened_store(settings) as store:
        follower, away = Follower(EventLog(settings, store), wanted), False
        while True:
            try:
                arrived = await follower.next(_PATIENCE)
            except STORE_ERRORS as error:
                _tell_away(error, away)
                arrived, away = [], True
                await asyncio.sleep(_PATIENCE / 1000)
            else:
                away = False
            for event in arrived:
                say(event)


def _tell_away(error: Exception, told: bool) -> None:
    if not told:
        text = f"Redis does not answer ({mask_secrets(describe_error(error))}): waiting for it"
        err.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _say_json(event: LoggedEvent) -> None:
    typer.echo(json_text(describe(event)))


def _say(event: LoggedEvent) -> None:
    typer.echo("  ".join(plain(cell) for cell in [*_cells(event)[1:], event.id] if cell))
