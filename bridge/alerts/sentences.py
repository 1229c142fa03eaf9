"""What is said to people: one sentence without anybody's name, with the command to look with."""

from collections.abc import Mapping
from datetime import UTC, datetime

from bridge.alerts.conditions import SOURCE, Condition, Subject

# What a sender does after a 4xx, by the kind of the source (docs/alerts.md has where that is known from).
_OKTA = "Okta does not repeat them: what they told is lost."
_REPEATS = {
    "okta-workflows": _OKTA,
    "okta-event-hooks": _OKTA,
    "jackson": "Jackson repeats them for some seconds only: then what they told is lost.",
    "workos": "WorkOS repeats them for up to 3 days.",
}
_REPEATS_UNKNOWN = "What their sender does not repeat is lost."
_COUNTED = {
    "parked": ("change is", "changes are"),
    "dead": ("person or team is", "people or teams are"),
    "refused": ("delivery was", "deliveries were"),
    "orphaned": ("person stays active", "people stay active"),
    "ended": ("person stays active", "people stay active"),
    "stuck": ("event waits", "events wait"),
    "clock": ("process runs", "processes run"),
    "dead_letter": ("event", "events"),
}
_NEW = {
    "parked": "{name}: {count} held for approval since {since}: see `bridge parked`",
    "dead": "{name}: {count} given up since {since}: see `bridge dead`",
    "rejected": (
        "{name}: {api} rejects the token since {since}; {waits} until a valid one is in place (no restart): "
        "see `bridge check`"
    ),
    "unavailable": (
        "{name}: {api} does not answer as it should since {since}; nothing is lost, it is tried again and "
        "again: see `bridge status`"
    ),
    "refused": (
        "{name}: {count} refused since {since}: `bridge status` says why. {repeats} Put it right, then load "
        "the directory again (docs/alerts.md)"
    ),
    "silent": (
        "{name}: nothing was delivered since {since}; is the sender still on? Try `bridge source test {name}`"
    ),
    "orphaned": (
        "{name}: no source speaks for this directory, seen since {since}; {count} in it and will not be "
        "removed when they leave: see `bridge directory list`"
    ),
    "ended": (
        "{name}: the sender has ended this connection, seen since {since}; {count} in it and will not be "
        "removed when they leave: let it go with `bridge directory forget {name}`"
    ),
    "stale": (
        "The data in Redis are not those that were there last, seen since {since}: what they alone would "
        "remove or invite is held: see `bridge status`"
    ),
    "stuck": "No event is processed since {since}, {count}: see `bridge status` and the workers' logs",
    "dead_letter": (
        "{count} could not be processed, since {since}, and what they tell is not done: see `bridge events "
        "--state dead_letter`"
    ),
    "clock": (
        "{count} on a machine whose clock is not Redis', since {since}; one of them is wrong: see `bridge "
        "status`, and set both by NTP"
    ),
}
_NEVER = (
    "{name}: nothing was ever delivered, since {since}; is the sender on? Try `bridge source test {name}`"
)
_MORE = {
    "parked": "{name}: {new} more held for approval, {number} in all: see `bridge parked`",
    "dead": "{name}: {new} more given up, {number} in all: see `bridge dead`",
    "dead_letter": (
        "{new} more events could not be processed, {number} in all: see `bridge events --state dead_letter`"
    ),
}
_OVER = {
    "dead_letter": "No event is left that could not be processed",
    "parked": "{name}: nothing is held for approval any more",
    "dead": "{name}: nobody and nothing is given up any more",
    "rejected": "{name}: {api} takes the token again",
    "unavailable": "{name}: {api} answers again; what waited follows now",
    "refused": "{name}: nothing was refused for an hour; {count} since {since}",
    "silent": "{name}: deliveries come again",
    "orphaned": "{name}: a source speaks for the directory again, or nobody is active in it",
    "ended": "{name}: the connection tells something again, or nobody is active in it",
    "stale": "The data in Redis count again",
    "stuck": "Events are processed again",
    "clock": "The clocks of all machines agree with Redis' again",
}
_UNWATCHED = "{name}: no longer watched ({kind}): the configuration has changed"


def say_new(condition: Condition, source_kind: str = "") -> str:
    """Return that something holds; `source_kind`: of the source it is about."""
    never = condition.kind == "silent" and not condition.number
    words = _words(condition.kind, condition.subject, condition.since, condition.number)
    repeats = _REPEATS.get(source_kind, _REPEATS_UNKNOWN)
    return (_NEVER if never else _NEW[condition.kind]).format(**words, repeats=repeats)


def say_more(condition: Condition, new: int) -> str:
    """Return that there are `new` items beside those that were told before."""
    words = _words(condition.kind, condition.subject, condition.since, condition.number)
    return _MORE[condition.kind].format(**words, new=new)


def say_over(kind: str, subject: Subject, since: int, number: int, watched: bool) -> str:
    """Return that it is over; `number`: how many it were; not `watched`: nobody looks any more."""
    return (_OVER[kind] if watched else _UNWATCHED).format(**_words(kind, subject, since, number))


def _words(kind: str, subject: Subject, since: int, number: int) -> Mapping[str, str]:
    one, many = _COUNTED.get(kind, ("", ""))
    is_source = subject.about == SOURCE
    return {
        "kind": kind,
        "name": subject.name or subject.about,
        "number": str(number),
        "count": f"{number} {one if number == 1 else many}",
        "since": minute(since),
        "api": "the directory's API" if is_source else "the target",
        "waits": "what events leave open is not read" if is_source else "nothing is changed there",
    }


def minute(at: int) -> str:
    """Return unix ms for people: the minute in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
