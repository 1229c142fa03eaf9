"""What one receiver has been told, and what it is to be told next: values and pure functions.

Nothing here is an outbox: a message is made from the difference between what holds and what was said, and of
each condition there is one at a time, so a receiver that is away for weeks finds no more than that.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from bridge.alerts.conditions import Condition, Found, Seen, condition_key
from bridge.alerts.messages import MORE, NEW, OVER, Message
from bridge.alerts.sentences import say_more, say_new, say_over

BACKOFF_FIRST, BACKOFF_MOST = 5_000, 300_000  # ms between two attempts
LONGEST_PAUSE = 7_200_000  # ms; twice what a receiver may ask for: what is further ahead is a wrong clock's


@dataclass(frozen=True, slots=True)
class Failure:
    """Messages do not get through. `since`, `retry_at`: unix ms; `attempts`: since then, in vain."""

    since: int
    attempts: int
    retry_at: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The state of one receiver, by the conditions' keys.

    `said`: the last message of what holds by what it was told; `sending`: messages that are not delivered;
    `seen`: see `bridge.alerts.conditions`.
    """

    said: Mapping[str, Message] = field(default_factory=dict)
    sending: Mapping[str, Message] = field(default_factory=dict)
    seen: Mapping[str, Seen] = field(default_factory=dict)
    failure: Failure | None = None

    def due(self, now: int) -> list[Message]:
        """Return what is to be sent now, what failed least often first."""
        if self.failure and now < self.failure.retry_at <= now + LONGEST_PAUSE:
            return []
        return sorted(self.sending.values(), key=lambda each: (each.attempts, each.at, each.key))


def new_id() -> str:
    """Return a message's id."""
    return f"msg_{secrets.token_hex(12)}"


def follow(
    ledger: Ledger,
    found: Found,
    now: int,
    source_kinds: Mapping[str, str],
    make_id: Callable[[], str] = new_id,
) -> Ledger:
    """Return the ledger after a look, with the messages that it makes necessary. `now`: unix ms.

    `source_kinds`: the kind of each source. What is being sent goes first, whatever holds by now.
    """
    said = {key: _still(each, found.conditions.get(key)) for key, each in ledger.said.items()}
    sending = dict(ledger.sending)
    for key in sorted(found.conditions.keys() | said.keys()):
        if key in sending or key in found.unsure:
            continue
        holds, before = found.conditions.get(key), said.get(key)
        message = _message(holds, before, found, now, source_kinds)
        if message:
            sending[key] = replace(message, id=make_id())
    return replace(ledger, said=said, sending=sending, seen=found.seen)


def _still(said: Message, holds: Condition | None) -> Message:
    """What is gone is told again when it comes back."""
    return replace(said, items=said.items & holds.items) if holds and said.items - holds.items else said


def _message(
    holds: Condition | None, said: Message | None, found: Found, now: int, source_kinds: Mapping[str, str]
) -> Message | None:
    """Return what is to be said of one condition, without an id, or None when all is said."""
    if holds is None:
        return _over(said, found, now) if said else None
    new = holds.items - (said.items if said else frozenset())
    if said and not new:
        return None
    text = say_more(holds, len(new)) if said else say_new(holds, source_kinds.get(holds.subject.name, ""))
    key = condition_key(holds.kind, holds.subject)
    phase = MORE if said else NEW
    return Message(
        "", key, holds.kind, holds.subject, phase, now, text, holds.since, holds.number,
        len(new) if said else holds.number, holds.items,
    )  # fmt: skip


def _over(said: Message, found: Found, now: int) -> Message:
    counted = found.seen.get(said.key, Seen()).number
    number = max(said.number, counted)
    text = say_over(said.kind, said.subject, said.since, number, said.key in found.watched)
    return replace(
        said, phase=OVER, at=now, text=text, number=number, new=0, items=frozenset(), attempts=0
    )  # fmt: skip


def delivered(ledger: Ledger, message: Message) -> Ledger:
    """Return the ledger after a receiver has said that it has a message."""
    said = {key: each for key, each in ledger.said.items() if key != message.key}
    sending = {key: each for key, each in ledger.sending.items() if key != message.key}
    if message.phase != OVER:
        said[message.key] = message
    return replace(ledger, said=said, sending=sending, failure=None)


def failed(ledger: Ledger, message: Message, now: int, reason: str, wait: int = 0) -> Ledger:
    """Return the ledger after an attempt in vain. `now`: unix ms; `wait`: ms, as the receiver wants it."""
    before = ledger.failure or Failure(now, 0, 0, "")
    pause = max(wait, min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** min(before.attempts, 16)))
    failure = Failure(before.since, before.attempts + 1, now + pause, reason)
    tried = replace(message, attempts=message.attempts + 1)
    return replace(ledger, sending={**ledger.sending, message.key: tried}, failure=failure)
