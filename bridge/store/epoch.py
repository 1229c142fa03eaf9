"""Whether the data in Redis are those that were there last: an older copy, or somebody else's, may not act.

The data have an id, the epoch, and a beat: the last moment a worker lived in them, by Redis' own clock.
Workers remember both, and keep them in a small file outside of Redis. What is found to be old is noted in
Redis: then nothing is taken from or given to people of whom nothing was told since (see `bridge.plan.doubt`).
"""

import contextlib
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from bridge.plan.doubt import UNTOLD
from bridge.settings import Settings
from bridge.store.commit import Transaction
from bridge.store.journal import Journal
from bridge.store.mirror import directory_name
from bridge.store.redis import Store
from bridge.store.roll import all_targets

EMPTIED, FOREIGN, RESTORED, OLD, LOST = "emptied", "foreign", "restored", "old", "lost"
LAG = 60_000  # ms that a beat may be behind what was known of it: a failover may lose some
OLD_AFTER = 86_400_000  # ms without a beat and an event
_TEXTS = {
    EMPTIED: "Redis has lost all that this bridge had there: who has left may still be a member",
    FOREIGN: "the data in Redis were written by another installation",
    RESTORED: "the data in Redis are an older copy: {hours} h that were here before are missing in it",
    OLD: "nothing was stored or done for {hours} h",
    LOST: "{events} accepted event(s) are not in the event log any more",
}
_WAY_OUT = (
    "; removals and invites of whom nothing was told since are held: load the directories again, decide "
    "about what is held, then `bridge data trust` (docs/operating.md, After a restore)"
)


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of the data.

    `beat`: unix ms; `accepted`: how many events had been by a time that no failover takes back any more;
    `counted`: how many at `counted_at`, which will be that time.
    """

    epoch: str
    beat: int = 0
    accepted: int = 0
    counted: int = 0
    counted_at: int = 0

    def goes_on(self, epoch: str, beat: int) -> bool:
        """Tell whether data with this epoch and beat are these, and as new."""
        return epoch == self.epoch and self.beat - beat <= LAG

    def after(self, beat: int, accepted: int) -> "Known":
        """Return what is remembered after a beat, by when so many events were accepted."""
        if beat - self.counted_at <= LAG:
            return replace(self, beat=beat)
        return Known(self.epoch, beat, self.counted, accepted, beat)


@dataclass(frozen=True, slots=True)
class Stale:
    """Why the data may not act by themselves. `since`: unix ms; `reason`: in words, with the way out."""

    kind: str
    since: int
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What Redis tells. Times in unix ms by its clock: `last`: of the last event that was accepted.

    `text`: of what was noted to be stale, "" for nothing; `accepted`: how many events were; `missing`: how
    many of them are neither folded nor there (less than 0: the counters fell).
    """

    epoch: str = ""
    beat: int = 0
    last: int = 0
    now: int = 0
    text: str = ""
    accepted: int = 0
    missing: int = 0


def judge(known: Known | None, seen: Seen) -> Stale | None:
    """Return what is wrong with the data; None when they go on from what is known, or are new to us.

    Data without an epoch and a file that does not know them are of an installation that is older than epochs,
    or of none yet.
    """
    if known and not seen.epoch:
        return _stale(EMPTIED, seen)
    if known and known.epoch != seen.epoch:
        return _stale(FOREIGN, seen)
    if known and known.beat - seen.beat > LAG:
        return _stale(RESTORED, seen, known.beat - seen.beat)
    if lost := abs(seen.missing) or max(0, known.accepted - seen.accepted if known else 0):
        return _stale(LOST, seen, events=lost)
    idle = seen.now - max(seen.beat, seen.last)
    return _stale(OLD, seen, idle) if seen.beat and idle > OLD_AFTER else None


def _stale(kind: str, seen: Seen, span: int = 0, events: int = 0) -> Stale:
    text = _TEXTS[kind].format(hours=round(span / 3_600_000, 1), events=events)
    return Stale(kind, seen.now, text + _WAY_OUT)


async def look(store: Store) -> Seen:
    """Return what Redis tells. Raises one of STORE_ERRORS."""
    journal = Journal(store)
    names = sorted(await journal.directories())
    epoch, beat, text, now, *rows = await store.calls([
        *(("GET", store.key(what)) for what in ("epoch", "beat", "stale")), ("TIME",),
        *(("XREVRANGE", journal.key(name), "+", "-", "COUNT", 1) for name in names),
    ])  # fmt: skip
    last = max((int(found[0][0].partition("-")[0]) for found in rows if found), default=0)
    seconds, micros = now
    at = int(seconds) * 1000 + int(micros) // 1000
    counted = map(int, await store.run("count_missing", store.prefix, 0))
    return Seen(epoch or "", int(beat or 0), last, at, text or "", *counted)


async def begin(store: Store, known: Known | None) -> Known:
    """Take the data up: note what is wrong with them, and return what to remember.

    `known`: what was remembered of them, None for nothing. Raises one of STORE_ERRORS.
    """
    while True:
        seen = await look(store)
        stale = judge(known, seen)
        epoch = seen.epoch or (known.epoch if known else secrets.token_hex(8))
        beat = max(seen.beat, seen.now)
        transaction = Transaction(store)
        transaction.require(store.key("epoch"), seen.epoch)
        transaction.require(store.key("stale"), seen.text)
        transaction.add("SET", store.key("epoch"), epoch)
        transaction.add("SET", store.key("beat"), beat)
        if stale and not seen.text:
            transaction.add("SET", store.key("stale"), orjson.dumps(asdict(stale)))
        if await transaction.run():
            if seen.missing:  # only now that it is noted
                await store.run("count_missing", store.prefix, 1)
            return Known(epoch, beat, 0, seen.accepted - seen.missing, beat)


async def live(store: Store, known: Known) -> Known:
    """Tell that a worker lives in the data; where they are not those it knows, take them up anew."""
    words = (store.prefix, known.epoch, known.beat - LAG, known.accepted)
    _, beat, written, accepted = await store.run("beat", *words)
    return known.after(int(beat), int(accepted)) if int(written) else await begin(store, known)


def read_stale(text: str | None) -> Stale | None:
    """Return what was noted, from what Redis holds."""
    return Stale(**orjson.loads(text)) if text else None


async def end_when_heard(store: Store, settings: Settings) -> bool:
    """Let data that only rested go on once each directory of a source was heard; tell whether they do."""
    text = await store.call("GET", store.key("stale"))
    stale = read_stale(text)
    if stale is None or stale.kind != OLD:
        return False
    journal, heard = Journal(store), set[str]()
    for name in sorted(await journal.directories()):
        if await store.call("XRANGE", journal.key(name), stale.since, "+", "COUNT", 1):
            heard.add(directory_name(name))
    if any(source.directory_name not in heard for source in settings.sources):
        return False
    return await trust(store, settings, text)


async def trust(store: Store, settings: Settings, text: str, also: Iterable[tuple[object, ...]] = ()) -> bool:
    """Let the data act again, and everyone be planned anew; False when something else is noted by now.

    `text`: of what was noted; `also`: commands of the same transaction.
    """
    transaction = Transaction(store)
    transaction.require(store.key("stale"), text)
    transaction.add("DEL", store.key("stale"))
    for target in await all_targets(store, settings):
        transaction.add("DEL", target.key("plan"))
        transaction.add("RING", "converge", target.id, 0)
    transaction.add_all(also)
    return await transaction.run()


class EpochFile:
    """What is remembered outside of Redis: beside the configuration, and in an embedded Valkey's folder.

    Where neither may be written nothing is remembered from one start to the next; that is no fault.
    """

    def __init__(self, config: Path, settings: Settings) -> None:
        """`config`: the configuration file."""
        self._prefix = settings.redis.prefix
        self._paths = [config.resolve().with_suffix(".epoch")]
        if settings.redis.url == "embedded":
            self._paths.append(settings.redis.data_dir / "epoch")

    def read(self) -> Known | None:
        """Return what was written last."""
        found = [known for path in self._paths if (known := self._rows(path).get(self._prefix))]
        return max(found, key=lambda known: known.beat, default=None)

    def write(self, known: Known) -> None:
        """Remember it wherever that is possible."""
        for path in self._paths:
            rows = self._rows(path) | {self._prefix: known}
            text = orjson.dumps({prefix: asdict(row) for prefix, row in sorted(rows.items())})
            part = path.with_name(f"{path.name}.{os.getpid()}")
            try:
                part.write_bytes(text + b"\n")
                part.replace(path)
            except OSError:
                with contextlib.suppress(OSError):
                    part.unlink()

    def _rows(self, path: Path) -> dict[str, Known]:
        try:
            return {str(prefix): Known(**row) for prefix, row in orjson.loads(path.read_bytes()).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def stale_doubt(stale: Stale | None, event: str) -> str:
    """Return why a person may not be changed by stale data, "" when they may.

    `event`: the last event about them, `{directory}/{stream id}`, "" for none.
    """
    if stale is None:
        return ""
    told = int(event.rpartition("/")[2].partition("-")[0] or 0)
    return "" if told >= stale.since else stale.reason.partition("; ")[0] + ": " + UNTOLD
