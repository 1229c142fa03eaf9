"""What `bridge person` and `bridge group` share: options, and how a standing and a timeline are shown."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from bridge.commands.common import brief_moment, moment, out, plain
from bridge.commands.filtering import kind_option, state_option
from bridge.operators import events
from bridge.operators.events import LoggedEvent
from bridge.operators.standing import Standing
from bridge.operators.timeline import OUTCOMES, Entry, Timeline
from bridge.plan.changes import VERBS
from bridge.plan.held import Decision, Held
from bridge.plan.people import GroupView
from bridge.store.mirror import split_ref

KINDS = (*events.KINDS, *VERBS)
Kinds = Annotated[list[str] | None, kind_option(KINDS)]
States = Annotated[list[str] | None, state_option(OUTCOMES)]
_TIME = len("2026-01-31 09:30:00  ")


def group_id(group: GroupView) -> str:
    """Return a group's directory and id, as people choose it by."""
    return "/".join(split_ref(group.ref))


def say(text: str, indent: int = 0) -> None:
    """Print text that folds at spaces alone, so that ids stay whole; further lines are indented."""
    lines = textwrap.wrap(
        plain(text), out.width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    out.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def say_title(text: str) -> None:
    """Print what stands over a part of the answer."""
    out.print()
    out.print(plain(text), style="bold", highlight=False, markup=False, soft_wrap=True)


# how something stands


def standing_json(standing: Standing, now: int) -> dict[str, Any]:
    """Return what is the matter now, as JSON shows it."""
    running, waiting = standing.running, standing.waiting
    return {
        "states": standing.states(now),
        "next_at": moment(standing.work),
        "planned": standing.planned,
        "running": {"change": running.change, "since": moment(running.at)} if running else None,
        "waiting": {
            "attempts": waiting.attempts, "reason": waiting.reason, "since": moment(waiting.since)
        } if waiting else None,
        "parked": [_held_json(held) for held in standing.parked],
        "dead": _held_json(standing.dead) if standing.dead else None,
        "decided": [_decision_json(*each) for each in standing.decided],
        "event": standing.event,
    }  # fmt: skip


def _held_json(held: Held) -> dict[str, Any]:
    told = {"id": held.id, "change": held.change, "reason": held.reason}
    return told | {"since": moment(held.since), "attempts": held.attempts}


def _decision_json(about: str, decision: Decision) -> dict[str, Any]:
    return {
        "about": about, "approved": decision.approved, "by": decision.by, "at": moment(decision.at),
        "why": decision.why, "until": moment(decision.until * 1000),
    }  # fmt: skip


def standing_lines(standing: Standing, now: int) -> Iterable[str]:
    """Return what is the matter now in words, a line each."""
    yield from work_lines(standing, now)
    if waiting := standing.waiting:
        since = brief_moment(waiting.since)
        yield f"tried in vain {waiting.attempts} time(s) since {since}: {waiting.reason}"
    for held in standing.parked:
        yield f"held since {_told(held)} (bridge approve {held.id})"
    if dead := standing.dead:
        yield f"given up since {_told(dead)} (bridge retry {dead.id})"
    for about, decision in standing.decided:
        yield _decision_line(about, decision)


def work_lines(standing: Standing, now: int) -> Iterable[str]:
    """Return in words when something is to be done, a line each."""
    if running := standing.running:
        yield f"under way since {brief_moment(running.at)}: {running.change}"
    elif 0 < standing.work <= now:
        yield f"due since {brief_moment(standing.work)}"
    elif standing.work:
        yield f"looked at again at {brief_moment(standing.work)}"
    if standing.planned:
        yield "dry-run: it was only planned"


def _told(held: Held) -> str:
    return f"{brief_moment(held.since)}: {held.change}: {held.reason}"


def _decision_line(about: str, decision: Decision) -> str:
    word = "approved" if decision.approved else "rejected"
    text = f"{word} at {brief_moment(decision.at)} by {decision.by}"
    text += f", {about}" if about else ""
    text += f": {decision.why}" if decision.why else ""
    return text + (f" (until {brief_moment(decision.until * 1000)})" if decision.until else "")


# the timeline


def timeline_json(timeline: Timeline) -> dict[str, Any]:
    """Return the timeline and whether there is more before it, as JSON shows them."""
    return {"timeline": [_entry_json(entry) for entry in timeline.entries], "older": timeline.older}


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id, "at": moment(entry.at), "sort": entry.sort, "kind": entry.kind, "what": entry.text,
        "outcome": entry.outcome, "target": entry.target, "by": entry.by, "why": entry.why,
        "reason": entry.reason, "event": entry.event, "status": entry.status,
        "milliseconds": entry.milliseconds,
    }  # fmt: skip


def print_timeline(timeline: Timeline) -> None:
    """Print the timeline: of each entry when it was and what, then by whom and why."""
    say_title("What happened, the newest last (UTC)")
    if timeline.older:
        say("There is more before this: --limit shows more of it, --until and --since choose.")
    for entry in timeline.entries:
        say(f"{brief_moment(entry.at)}  {_what(entry)}: {entry.outcome.replace('_', ' ')}", _TIME)
        say(" " * _TIME + ", ".join(_about(entry)), _TIME)
    if not timeline.entries:
        say("Nothing is known of it.")


def _what(entry: Entry) -> str:
    told = f"{entry.kind} {entry.text}" if entry.sort == "event" else entry.text or entry.kind
    return f"{entry.target}: {told}" if entry.target else told


def _about(entry: Entry) -> Iterable[str]:
    if entry.by:
        yield f"source {entry.by}" if entry.sort == "event" else f"by {entry.by}"
    if entry.status:
        yield f"status {entry.status}"
    yield from (text for text in (entry.reason, entry.why) if text)
    if entry.sort == "event":
        yield entry.id
    elif entry.event:
        yield f"event {entry.event}"


def told_by(ident: str, found: Mapping[str, LoggedEvent]) -> str:
    """Return an event by its id, in words; "" for none."""
    if event := found.get(ident):
        return f"event {ident} ({event.kind}, source {event.source})"
    return f"event {ident}" if ident else ""
