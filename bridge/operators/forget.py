"""Directories: which there are, and forgetting one that no source of the configuration speaks for."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from msgspec import structs

from bridge.directory.events import (
    DirectoryEvent,
    EventName,
    GroupNews,
    UserNews,
    encode_event,
    make_stamp,
)
from bridge.directory.groups import decode_group
from bridge.directory.users import decode_user
from bridge.following import followed
from bridge.plan.changes import DeleteTeam, Remove, SetRole, UpdateTeamMembers
from bridge.plan.steps import Plan
from bridge.planning import plan_without
from bridge.settings import Settings, TargetSettings
from bridge.store.audit import Audit, Deed
from bridge.store.commit import Transaction
from bridge.store.departures import Departure, Departures, read_departures
from bridge.store.journal import Entry, Journal
from bridge.store.mirror import directory_name, read_ended
from bridge.store.redis import Store
from bridge.store.targets import TargetStore, target_id
from bridge.targets.gitbook import gitbook_of

PREVIEW_PATIENCE = 120.0  # seconds that a preview waits for the target's limit, each time
_SLICE = 2000
_TRIES = 5
_FORGET = "bridge:forget"  # no source can be called that


class NotForgottenError(Exception):
    """A directory cannot be forgotten; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class DirectoryView:
    """A directory by its configured name, with all that senders call by ids of their own within it.

    `sources`: of the configuration, that speak for it; `targets`: that count on it; `users`, `groups`: that
    are there; `last_event`: unix ms of its arrival, 0 for none; `departure`: set while it is being forgotten;
    `ended`: of one connection alone, whose name has the sender's id behind it: how it ended.
    """

    name: str
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    users: int = 0
    active: int = 0
    groups: int = 0
    last_event: int = 0
    departure: Departure | None = None
    ended: str = ""


@dataclass(frozen=True, slots=True)
class Losses:
    """What people lose at one target at once, and what waits for a person's approval first.

    `removed`, `removals_held`, `lowered`: people; `leaving`: how many leave, by team; `deleted`: teams;
    `held`: changes that wait, removals among them.
    """

    plan: Plan
    removed: tuple[str, ...] = ()
    removals_held: tuple[str, ...] = ()
    lowered: tuple[str, ...] = ()
    leaving: Mapping[str, int] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    held: int = 0

    @property
    def figures(self) -> dict[str, int]:
        """Return how many of each there are."""
        return {
            "removed": len(self.removed),
            "removals_held": len(self.removals_held),
            "lowered": len(self.lowered),
            "leaving_teams": sum(self.leaving.values()),
            "teams_deleted": len(self.deleted),
            "held": self.held,
        }


# which there are


async def list_directories(settings: Settings, store: Store) -> list[DirectoryView]:
    """Return all directories there are data of, that the configuration names, or that a target counts on.

    A connection that the sender has ended is one of its own, behind its directory, while somebody is in it.
    """
    journals, departures = await Journal(store).directories(), await read_departures(store)
    ended = await read_ended(store)
    counting = {target.name: await _counted(settings, target, store) for target in settings.targets}
    names = {directory_name(each) for each in journals} | {s.directory_name for s in settings.sources}
    names |= {name for each in counting.values() for name in each} | departures.by_name.keys()
    views = []
    for name in sorted(names):
        mine = sorted(each for each in journals if directory_name(each) == name)
        sources = tuple(sorted(s.name for s in settings.sources if s.directory_name == name))
        targets = tuple(target for target, each in counting.items() if name in each)
        users, active, groups, last = await _figures(store, mine)
        departure = departures.by_name.get(name)
        views.append(DirectoryView(name, sources, targets, users, active, groups, last, departure))
        for each in (journal for journal in mine if journal in ended and sources):
            users, active, groups, last = await _figures(store, [each])
            if users or groups:
                how = ended[each].how
                views.append(DirectoryView(each, (), targets, users, active, groups, last, None, how))
    return views


async def _counted(settings: Settings, target: TargetSettings, store: Store) -> set[str]:
    """Return the directories that a target counts on, or did and has not let go of yet."""
    known = TargetStore(store, target_id(target))
    return await followed(settings, target, known) | set(await store.call("SMEMBERS", known.key("followed")))


async def _figures(store: Store, journals: Iterable[str]) -> tuple[int, int, int, int]:
    """Return how many users there are, how many active, how many groups, and the last event's time."""
    users = active = groups = last = 0
    for journal in journals:
        for row in (await _rows(store, store.key("users", journal))).values():
            user = decode_user(row)
            users, active = users + user.exists, active + user.active
        rows = await _rows(store, store.key("groups", journal))
        groups += sum(decode_group(row).exists for row in rows.values())
        newest = await store.call("XREVRANGE", Journal(store).key(journal), "+", "-", "COUNT", 1)
        last = max(last, int(newest[0][0].partition("-")[0]) if newest else 0)
    return users, active, groups, last


async def _rows(store: Store, key: str) -> dict[str, list[Any]]:
    """Return what a hash holds, read in slices."""
    found: dict[str, str] = {}
    cursor, first = 0, True
    while first or cursor:
        cursor, rows = await store.call("HSCAN", key, cursor, "COUNT", _SLICE)
        cursor, first = int(cursor), False
        found |= rows
    return {ident: orjson.loads(row) for ident, row in found.items()}


# what forgetting one means


async def find_forgettable(settings: Settings, store: Store, name: str) -> DirectoryView:
    """Return a directory that may be forgotten. Raises NotForgottenError."""
    views = {view.name: view for view in await list_directories(settings, store)}
    if name not in views:
        there = ", ".join(sorted(views)) or "there are none"
        raise NotForgottenError(f"there is no directory {name}: {there}")
    if views[name].sources:
        sources = " and ".join(views[name].sources)
        raise NotForgottenError(
            f"{name} is still told of by the source {sources}: take that out of the configuration and start "
            "the bridge again first"
        )
    return views[name]


async def preview(settings: Settings, store: Store, view: DirectoryView, now: int) -> dict[str, Losses]:
    """Work out what forgetting a directory changes at each target that counts on it (`now`: unix ms).

    It reads the targets, and writes nothing anywhere. Raises TargetError.
    """
    found = {}
    for target in settings.targets:
        if target.name in view.targets:
            known = TargetStore(store, target_id(target))
            client = gitbook_of(target)
            client.patience = PREVIEW_PATIENCE
            try:
                plan = await plan_without(settings, target, known, client, now, view.name)
            finally:
                await client.close()
            found[target.name] = losses_of(plan)
    return found


def losses_of(plan: Plan) -> Losses:
    """Return what people lose by a plan."""
    now = [step.change for step in plan.steps if step.held is None]
    held = [step.change for step in plan.steps if step.held is not None]
    return Losses(
        plan,
        tuple(each.object for each in now if isinstance(each, Remove)),
        tuple(each.object for each in held if isinstance(each, Remove)),
        tuple(each.object for each in now if isinstance(each, SetRole) and each.lowers),
        {
            each.object: len(each.remove)
            for each in now
            if isinstance(each, UpdateTeamMembers) and each.remove
        },
        tuple(each.object for each in now if isinstance(each, DeleteTeam)),
        len(held),
    )


# forgetting it


async def forget_directory(
    settings: Settings, store: Store, view: DirectoryView, losses: dict[str, Losses], deed: Deed
) -> Departure:
    """Have a directory forgotten by the workers; nothing is called and nobody is removed by this itself.

    `deed`: who, when and why; it goes to the audit with the figures. One that is being forgotten already
    stays as whoever was first has it. Raises NotForgottenError when others keep changing the same.
    """
    if view.ended:
        return await _forget_connection(store, view, losses, deed)
    for _ in range(_TRIES):
        departures = await read_departures(store)
        if before := departures.by_name.get(view.name):
            return before
        departure = Departure(deed.at, deed.by, deed.why)
        if await _write(settings, store, view, losses, deed, departures, departure):
            return departure
    raise NotForgottenError("others are changing the same: try again")


async def _forget_connection(
    store: Store, view: DirectoryView, losses: dict[str, Losses], deed: Deed
) -> Departure:
    """Tell the directory's own event log that everybody and every group of an ended connection is deleted.

    Folding that is all there is to it, so the guard has its say, and a crash leaves a part for another try.
    """
    events = [
        DirectoryEvent(EventName.GROUP_DELETED, 0, None, GroupNews(ident))
        for ident, row in (await _rows(store, store.key("groups", view.name))).items()
        if decode_group(row).exists
    ]
    events += [
        DirectoryEvent(EventName.USER_DELETED, 0, UserNews(ident))
        for ident, row in (await _rows(store, store.key("users", view.name))).items()
        if decode_user(row).exists
    ]
    delivery, stamp = secrets.token_hex(8), make_stamp(deed.at, 0, False)
    told = []
    for event in events:
        told_now = structs.replace(event, stamp=stamp, source=_FORGET, delivery=delivery, received=deed.at)
        told.append(Entry(view.name, None, orjson.dumps(encode_event(told_now))))
    journal = Journal(store)
    for start in range(0, len(told), _SLICE):
        transaction = Transaction(store)
        journal.append_to(transaction, told[start : start + _SLICE], deed.at)
        await transaction.run()
    transaction = Transaction(store)
    transaction.add(*Audit(store).write(_full(view, losses, deed)))
    await transaction.run()
    return Departure(deed.at, deed.by, deed.why)


def _full(view: DirectoryView, losses: dict[str, Losses], deed: Deed) -> Deed:
    """Return the deed as the audit has it, with the figures."""
    figures = {"users": view.users, "active": view.active, "groups": view.groups}
    detail = figures | {"targets": {target: each.figures for target, each in losses.items()}}
    what = f"directory {view.name}"
    return replace(deed, action="forgot", object=view.name, what=what, detail=detail)


async def _write(
    settings: Settings,
    store: Store,
    view: DirectoryView,
    losses: dict[str, Losses],
    deed: Deed,
    departures: Departures,
    departure: Departure,
) -> bool:
    transaction = Transaction(store)
    departures.put(transaction, view.name, departure)
    transaction.add(*Audit(store).write(_full(view, losses, deed)))
    for target in settings.targets:
        transaction.add("RING", "converge", target_id(target), deed.at)
    return await transaction.run()
