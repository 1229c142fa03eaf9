"""The ledgers of alerts: one hash for each receiver of messages."""

from collections.abc import Iterable, Mapping

import msgspec

from bridge.alerts.conditions import Seen
from bridge.alerts.ledger import Failure, Ledger
from bridge.alerts.messages import Message
from bridge.store.mirror import Command
from bridge.store.redis import Store

_KEPT_SECONDS = 30 * 86400  # after nobody looked at it any more
_MESSAGES = ("said", "sending")
_FAILURE = "failure"


class AlertStore:
    """The ledger of one receiver, by its name in the configuration."""

    def __init__(self, store: Store, name: str) -> None:
        """`store`: the bridge's own."""
        self.store = store
        self.key = store.key("alerts", name)

    async def read(self) -> Ledger:
        """Return it. Raises one of STORE_ERRORS."""
        return _ledger(await self.store.call("HGETALL", self.key))

    def save(self, before: Ledger, after: Ledger) -> list[Command]:
        """Return the commands that make it another; none when it is the same."""
        old, new = _fields(before), _fields(after)
        changed = {name: value for name, value in new.items() if old.get(name) != value}
        gone = [name for name in old if name not in new]
        rows = [word for name, value in changed.items() for word in (name, msgspec.json.encode(value))]
        commands: list[Command] = [("HSET", self.key, *rows)] if rows else []
        return [*commands, *([("HDEL", self.key, *gone)] if gone else [])]

    def keep(self) -> Command:
        """Return the command that keeps it while somebody looks at it."""
        return ("EXPIRE", self.key, _KEPT_SECONDS)


async def failing_since(store: Store, names: Iterable[str]) -> dict[str, int]:
    """Return since when messages do not reach each receiver: unix ms, 0 for those they reach."""
    known = list(names)
    rows = await store.calls([("HGET", AlertStore(store, name).key, _FAILURE) for name in known])
    return {
        name: msgspec.json.decode(row, type=Failure).since if row else 0
        for name, row in zip(known, rows, strict=True)
    }


def _fields(ledger: Ledger) -> dict[str, Message | Seen | Failure]:
    fields: dict[str, Message | Seen | Failure] = {
        **{f"said {key}": each for key, each in ledger.said.items()},
        **{f"sending {key}": each for key, each in ledger.sending.items()},
        **{f"seen {key}": each for key, each in ledger.seen.items()},
    }
    return fields | ({_FAILURE: ledger.failure} if ledger.failure else {})


def _ledger(rows: Mapping[str, str]) -> Ledger:
    said, sending = (_messages(rows, f"{what} ") for what in _MESSAGES)
    seen = {
        name.removeprefix("seen "): msgspec.json.decode(row, type=Seen)
        for name, row in rows.items()
        if name.startswith("seen ")
    }
    failure = msgspec.json.decode(rows[_FAILURE], type=Failure) if _FAILURE in rows else None
    return Ledger(said, sending, seen, failure)


def _messages(rows: Mapping[str, str], head: str) -> dict[str, Message]:
    return {
        name.removeprefix(head): msgspec.json.decode(row, type=Message)
        for name, row in rows.items()
        if name.startswith(head)
    }
