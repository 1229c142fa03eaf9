"""The connection to a sender's own directory, within one of ours: it may end, and come again by a new id."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from bridge.directory.events import DirectoryEvent, EventName, negative

ENDS = {EventName.CONNECTION_DELETED: "deleted", EventName.CONNECTION_DEACTIVATED: "deactivated"}


class Connection(Struct, frozen=True):
    """What is known of one connection. Stamps, 0 for none.

    `ended_at`: when it was last told to have ended; `alive_at`: the newest sign of life after that;
    `how` it ended: "deleted" or "deactivated".
    """

    ended_at: int = 0
    alive_at: int = 0
    how: str = ""

    @property
    def ended(self) -> bool:
        """True when it has ended, and nothing has come of it since."""
        return self.ended_at > self.alive_at


def fold_connection(before: Connection, events: Iterable[DirectoryEvent]) -> Connection:
    """Return what is known of a connection after more of its events.

    Whatever happens there after its end shows that it lives; but not what takes something away, which may
    be part of the end. Nothing is remembered of a connection that never ended.
    """
    ended_at, alive_at, how = before.ended_at, before.alive_at, before.how
    for event in events:
        if event.name in ENDS:
            if negative(event.stamp) > ended_at:
                ended_at, how = negative(event.stamp), ENDS[event.name]
        elif not event.takes_away:
            alive_at = max(alive_at, event.stamp)
    if not ended_at:
        return before
    return Connection(ended_at, alive_at if alive_at > ended_at else before.alive_at, how)


def encode_connection(connection: Connection) -> list[Any]:
    """Return it as the short JSON list that Redis keeps."""
    return [connection.ended_at, connection.alive_at, connection.how]


def decode_connection(row: list[Any]) -> Connection:
    """Return what `encode_connection` wrote."""
    return Connection(*row)
