"""Erasing a person: everything that is kept of them goes, and a keyed hash stands for them in the evidence.

Who may still get in somewhere, or has something under way, is not erased: nobody would remember then that
they have to go. It is done while nobody folds or plans: under the leases of all directories and targets.
What finds a person is deleted last, so after a crash it can be done again.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import orjson
from redis.exceptions import ResponseError

from bridge.directory.events import DirectoryEvent, encode_event
from bridge.operators.erasable import (
    NotErasedError,
    Subject,
    UnknownPersonError,
    find_subject,
    hindrances,
    tells_of,
)
from bridge.settings import Settings
from bridge.store.audit import Audit, Deed
from bridge.store.commit import Transaction
from bridge.store.dead_letters import drop_dead_letters
from bridge.store.erasure import Hint, Marker, Scrub, open_marker, put_erased
from bridge.store.history import History, read_row
from bridge.store.journal import Journal, read_event
from bridge.store.lease import Lease, acquire
from bridge.store.mirror import directory_name
from bridge.store.redis import Store
from bridge.store.roll import all_sources, all_targets
from bridge.store.streams import Fields, Revision, carry_out, revise
from bridge.store.targets import MEMBER, TargetStore
from bridge.store.traces import (
    Traces,
    counted,
    held_ids,
    known_teams,
    traces_at_target,
    traces_in_mirror,
    traces_on_shelf,
)

PATIENCE = 30.0  # seconds to wait for workers
_NAP = 0.05
_AT_ONCE = 200  # commands in one transaction


@dataclass(slots=True)
class Survey:
    """All that is kept of somebody, and what is to become of it.

    `streams`: what goes or changes in each place's streams; `parts`: what is found elsewhere, by place.
    """

    label: str
    streams: dict[str, list[Revision]] = field(default_factory=dict)
    parts: dict[str, list[Traces]] = field(default_factory=dict)
    stamps: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many entries there are, by place; places without any are left out."""
        counts: Counter[str] = Counter()
        for place, revisions in self.streams.items():
            counts[place] += sum(map(len, revisions))
        for place, parts in self.parts.items():
            counts[place] += sum(part.count for part in parts)
        return {place: count for place, count in counts.items() if count}


# what there is


async def survey(settings: Settings, store: Store, subject: Subject, marker: Marker) -> Survey:
    """Look for everything that is kept of a person. It writes nothing.

    It walks the event logs, the histories and the audit from end to end, in slices.
    """
    found = Survey(marker.person(subject.email))
    targets, idents = await all_targets(store, settings), held_ids(subject.emails, ())
    for target in targets:
        idents |= held_ids(subject.emails, await known_teams(target))
    scrub = Scrub(marker, subject.emails, idents)
    for journal in sorted(await Journal(store).directories()):
        await _survey_directory(store, journal, subject, found)
    for source, directory in await all_sources(store, settings):
        uids = {
            uid for each, ids in subject.users.items() if directory_name(each) == directory for uid in ids
        }
        shelf = await traces_on_shelf(store, source, uids, subject.emails)
        found.parts.setdefault("SCIM resources", []).append(shelf)
        await _survey_stream(store, store.key("refused", source), "refused deliveries", scrub, found)
    for target in targets:
        await _survey_target(settings, target, subject, marker, scrub, found)
    await _survey_stream(store, Audit(store).key, "audit", scrub, found)
    return found


async def _survey_directory(store: Store, journal: str, subject: Subject, found: Survey) -> None:
    uids, stamps = subject.users.get(journal, frozenset()), dict[str, int]()
    hint = Hint({*uids, *subject.emails})

    def judge(fields: Fields) -> Fields | None:
        event = read_event(fields) if hint.may_be_in(fields.get("e", "")) else None
        if event is None:
            return fields
        if event.user and event.user.id in uids:
            stamps[event.user.id] = max(event.stamp, stamps.get(event.user.id, 0))
        return _without(event, uids, subject.emails, fields)

    cursor = await Journal(store).cursor(journal)
    revision = await revise(store, Journal(store).key(journal), judge, cursor)
    found.streams.setdefault("event log", []).append(revision)
    notes = await counted(store, Traces(last=[*drop_dead_letters(store, journal, revision.gone)]))
    found.parts.setdefault("event log", []).append(notes)
    if uids:
        part = await traces_in_mirror(store, journal, uids, subject.emails)
        found.parts.setdefault("mirror", []).append(part)
        found.stamps[journal] = {uid: max(at, stamps.get(uid, 0)) for uid, at in part.stamps.items()}


def _without(
    event: DirectoryEvent, uids: Collection[str], emails: Collection[str], fields: Fields
) -> Fields | None:
    """Return a row of an event log without them: None if it is theirs, a member list without their ids."""
    if not tells_of(event, uids, emails):
        return fields
    if event.user or event.group is None:
        return None
    row = encode_event(event)
    row["g"][2] = [uid for uid in row["g"][2] if uid not in uids]
    return {**fields, "e": orjson.dumps(row).decode()}


async def _survey_target(
    settings: Settings, target: TargetStore, subject: Subject, marker: Marker, scrub: Scrub, found: Survey
) -> None:
    history = History(target, settings.retention)
    part = await traces_at_target(target, history, subject.emails, subject.refs, marker)
    found.parts.setdefault("targets", []).append(part)
    names = {MEMBER + email for email in subject.emails}

    def judge(fields: Fields) -> Fields | None:
        text = scrub.clean_json(fields["c"])
        if text is fields["c"]:
            return fields
        return None if read_row(fields)["object"] in names else {**fields, "c": text}

    found.streams.setdefault("history", []).append(await revise(target.store, history.key, judge))
    await _survey_stream(target.store, history.evidence_key, "evidence", scrub, found)


async def _survey_stream(store: Store, key: str, place: str, scrub: Scrub, found: Survey) -> None:
    """Find rows of JSON in which addresses are to be replaced."""

    def judge(fields: Fields) -> Fields:
        return {name: scrub.clean_json(text) for name, text in fields.items()}

    found.streams.setdefault(place, []).append(await revise(store, key, judge))


# doing it


async def prepare(settings: Settings, store: Store, email: str, now: int) -> tuple[Subject, Survey]:
    """Return who would be erased, and what is kept of them. `now`: unix ms.

    Raises NotErasedError and one of STORE_ERRORS.
    """
    subject, marker = await find_subject(store, email), await open_marker(store)
    if reasons := await hindrances(settings, store, subject, now):
        raise NotErasedError("\n".join(f"{subject.email} cannot be erased yet: {each}" for each in reasons))
    found = await survey(settings, store, subject, marker)
    if not found.counts and not subject.users:
        raise UnknownPersonError(
            f"nothing is kept under this address; if its person was erased, {found.label} stands for them"
        )
    return subject, found


async def erase(settings: Settings, store: Store, email: str, deed: Deed) -> Survey:
    """Erase a person; return what that was. `deed`: who, when, why; it goes to the audit with the figures.

    Raises NotErasedError, LeaseLostError and one of STORE_ERRORS. It can be done again after any of them.
    """
    async with _alone(settings, store) as leases:
        subject, found = await prepare(settings, store, email, deed.at)
        for part in (each for parts in found.parts.values() for each in parts):
            await _write(store, leases, part)
        for revision in (each for revisions in found.streams.values() for each in revisions):
            _check(leases)
            await carry_out(store, revision)
        await _finish(settings, store, leases, subject, found, deed)
    await store.run("sweep", store.prefix, deed.at)  # for what came meanwhile
    await _rewrite_file(store)
    return found


async def _rewrite_file(store: Store) -> None:
    """Have Redis write its append-only file anew, where it may be told to: what was erased stands in it."""
    with contextlib.suppress(ResponseError):
        await store.call("BGREWRITEAOF")


async def _write(store: Store, leases: Iterable[Lease], part: Traces) -> None:
    step = len(part.first) if part.requires else _AT_ONCE
    for start in range(0, len(part.first), step):
        transaction = _under(store, leases)
        for key, value in part.requires:
            transaction.require(key, value)
        transaction.add_all(part.first[start : start + step])
        if not await transaction.run():
            raise NotErasedError("their record was changed at the same time: try again")


async def _finish(
    settings: Settings, store: Store, leases: Iterable[Lease], subject: Subject, found: Survey, deed: Deed
) -> None:
    """Delete what they are found by, and write down that it was done: all of it or none."""
    marker, kept = await open_marker(store), int(settings.retention.journal)
    transaction = _under(store, leases)
    for directory, stamps in sorted(found.stamps.items()):
        transaction.add_all(put_erased(store, directory, stamps, marker, kept))
    for part in (each for parts in found.parts.values() for each in parts):
        transaction.add_all(part.last)
    scrub = Scrub(marker, subject.emails)
    full = replace(
        deed, action="erased", object=MEMBER + found.label, what="everything that was kept of a person",
        by=scrub.clean(deed.by), why=scrub.clean(deed.why), detail={"entries": found.counts},
    )  # fmt: skip
    transaction.add(*Audit(store).write(full))
    if not await transaction.run():
        raise NotErasedError("a worker was faster: try again")


def _under(store: Store, leases: Iterable[Lease]) -> Transaction:
    """Return a transaction that runs only while all leases are ours."""
    transaction = Transaction(store)
    for lease in leases:
        transaction.require(lease.key, lease.token)
    return transaction


def _check(leases: Iterable[Lease]) -> None:
    for lease in leases:
        lease.check()


@asynccontextmanager
async def _alone(settings: Settings, store: Store) -> AsyncIterator[list[Lease]]:
    """Hold the leases of all targets and directories. Raises NotErasedError when a worker does not let go."""
    names = [f"converge:{target.id}" for target in await all_targets(store, settings)]
    names += [f"fold:{journal}" for journal in sorted(await Journal(store).directories())]
    async with AsyncExitStack() as stack:
        leases = []
        for name in names:
            lease = await _wait_for(store, name)
            stack.push_async_callback(lease.close)
            leases.append(lease)
        yield leases


async def _wait_for(store: Store, name: str) -> Lease:
    ends = asyncio.get_running_loop().time() + PATIENCE
    while True:
        if lease := await acquire(store, name, "erase"):
            return lease
        if asyncio.get_running_loop().time() >= ends:
            raise NotErasedError(f"the workers are busy with {name}: try again when bridge queue is empty")
        await asyncio.sleep(_NAP)
