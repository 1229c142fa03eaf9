"""Erasing people: the keyed hash that stands for somebody, and what keeps late news from bringing them back.

The hash is an HMAC-SHA256 (RFC 2104) with a random key that is made on first use and lies in Redis. Whoever
has the key and an address can tell whether a record is about it; nobody else can, not even by trying all
addresses there are.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import orjson

from bridge.directory.events import DirectoryEvent
from bridge.store.mirror import Command
from bridge.store.redis import Store

_DIGITS = 32  # of the hash that are kept: 128 bits
_IDENT = re.compile(
    r"\b[0-9a-f]{10}\b"
)  # what an id of a held change looks like (bridge.plan.guard.parked_id)


class Marker:
    """Makes the hashes."""

    def __init__(self, key: str) -> None:
        """`key`: hex digits."""
        self._key = bytes.fromhex(key)

    def _digest(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:_DIGITS]

    def person(self, email: str) -> str:
        """Return what stands for an address (normalised) wherever somebody was erased."""
        return f"erased-{self._digest(email)}"

    def user(self, ident: str) -> str:
        """Return what stands for a directory's id of a user."""
        return self._digest(f"user {ident}")


async def open_marker(store: Store) -> Marker:
    """Return the installation's; its key is made when there is none. Raises one of STORE_ERRORS."""
    key = store.key("erasure")
    await store.call("SET", key, secrets.token_hex(32), "NX")
    return Marker(await store.call("GET", key))


class Hint:
    """Tells fast that a JSON text may have one of some texts in it; where it says no, there is none."""

    def __init__(self, words: Collection[str]) -> None:
        """`words`: in any case."""
        self._words = [orjson.dumps(each.lower()).decode()[1:-1] for each in words]

    def may_be_in(self, text: str) -> bool:
        """Tell whether it is worth looking closely."""
        lower = text.lower()
        return any(word in lower for word in self._words)


class Scrub:
    """Finds addresses, and ids that are made of them, in what is kept; puts the hash in their place."""

    def __init__(self, marker: Marker, emails: Collection[str], idents: Collection[str] = ()) -> None:
        """`idents`: of held changes; they are hashes without a key, so an address can be tried on them."""
        words = [rf"(?<![\w.+%-]){re.escape(each)}(?![\w-]|\.\w)" for each in sorted(emails)]
        self._pattern = re.compile("|".join(words), re.IGNORECASE) if words else None
        self._hint = Hint(emails)
        self._idents = frozenset(idents)
        self._marker = marker

    def finds(self, value: Any) -> bool:
        """Tell whether a text, or anything made of texts, has one of them in it."""
        return bool(self.clean(value) != value)

    def clean(self, value: Any) -> Any:
        """Return the same without them."""
        if isinstance(value, str):
            text = self._pattern.sub(self._hash, value) if self._pattern else value
            return _IDENT.sub(self._hide, text)
        if isinstance(value, list):
            return [self.clean(each) for each in value]
        if isinstance(value, dict):
            return {self.clean(key): self.clean(each) for key, each in value.items()}
        return value

    def clean_json(self, text: str) -> str:
        """Return a JSON text without them; it is the very same where there are none."""
        if not self._hint.may_be_in(text) and self._idents.isdisjoint(_IDENT.findall(text)):
            return text
        try:
            before = orjson.loads(text)
        except ValueError:
            return str(self.clean(text))
        after = self.clean(before)
        return text if after == before else orjson.dumps(after).decode()

    def _hash(self, found: re.Match[str]) -> str:
        return self._marker.person(found[0].lower())

    def _hide(self, found: re.Match[str]) -> str:
        return "erased" if found[0] in self._idents else found[0]


class Erased:
    """The users of a directory who were erased, each with the stamp of the newest news that went with them.

    It stands in for their tombstones: what is not newer brings nobody back, however late it comes.
    """

    def __init__(self, marker: Marker, stamps: Mapping[str, int]) -> None:
        """`stamps`: by `Marker.user`."""
        self._marker = marker
        self._stamps = stamps

    def covers(self, event: DirectoryEvent) -> bool:
        """Tell whether an event is older than its user's erasure."""
        if event.user is None or not self._stamps:
            return False
        return event.stamp <= self._stamps.get(self._marker.user(event.user.id), -1)


async def read_erased(store: Store, directory: str) -> Erased:
    """Return those of a directory. Raises one of STORE_ERRORS."""
    rows = await store.call("HGETALL", _erased_key(store, directory))
    if not rows:
        return Erased(Marker(""), {})
    return Erased(await open_marker(store), {name: int(stamp) for name, stamp in rows.items()})


def put_erased(
    store: Store, directory: str, stamps: Mapping[str, int], marker: Marker, seconds: int
) -> Iterator[Command]:
    """Return the commands that remember users who are erased; `stamps`: by id; `seconds`: for how long."""
    key = _erased_key(store, directory)
    for ident, stamp in sorted(stamps.items()):
        yield "HSET", key, marker.user(ident), stamp
    if stamps:
        yield "EXPIRE", key, seconds


def _erased_key(store: Store, directory: str) -> str:
    return store.key("erased", directory)
