"""The library's storage for one request: reads from the shelf, and writes that go in with their events."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from scim2_models import (
    NotFoundException,
    NotImplementedException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    SearchRequest,
    TooManyException,
    UniquenessException,
)
from scim2_server.storage import AsyncScimStorage, SearchPage

from bridge.directory.events import News
from bridge.scim.filters import asked_members, lookups
from bridge.scim.members import MemberChange
from bridge.scim.news import tell_end, tell_members, tell_resource, tell_unknown
from bridge.scim.recorder import Recorder
from bridge.scim.resources import Group, Member
from bridge.scim.rows import Row, group_identity, new_id, read_fields, size_beside
from bridge.scim.shelf import Shelf
from bridge.sources.base import Notice
from bridge.store.commit import Transaction

MOST_WALKED = 10_000  # resources that a filter without an index may look at
MOST_CHANGES = 1000  # members who come, and who go, in one transaction
_SLICE = 500


class LostRaceError(Exception):
    """Somebody else changed the resource meanwhile: the request is to be served again, from its start."""


class Resources(AsyncScimStorage):
    """What one request sees and does."""

    def __init__(self, shelf: Shelf, recorder: Recorder, change: MemberChange | None = None) -> None:
        """`change`: what the request says of a group's members."""
        self._shelf = shelf
        self._recorder = recorder
        self._change = change
        self._seen: dict[str, Row] = {}
        self.recorded = 0  # events

    @property
    def has_change(self) -> bool:
        """Tell whether the request says anything of members."""
        return self._change is not None and (self._change.whole or bool(self._change.told))

    # reads

    def is_active(self, ident: str | None) -> bool:
        """Tell whether the user that `get` returned is active, whatever that attribute says."""
        return self._seen[ident or ""].active

    async def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        """Return a resource without its memberships; what was read is what an update replaces."""
        row = await self._shelf.row(_kind(resource_type), resource_id)
        if row is None:
            raise NotFoundException(detail=f"There is no {resource_type.name} of that id")
        self._seen[row.id] = row
        return row.resource()

    async def search(
        self,
        resource_types: list[ResourceType],
        search_request: SearchRequest[Any],
        *,
        position: Any = None,
    ) -> SearchPage:
        """Return one page, by time of creation, without memberships."""
        if len(resource_types) != 1:
            raise NotImplementedException(detail="Search in /Users or in /Groups")
        kind = _kind(resource_types[0])
        start, count = search_request.start_index_0 or 0, search_request.count or 0
        if search_request.filter is None:
            rows = await self._shelf.listed(kind, start, count)
            return SearchPage(await self._shelf.count(kind), [row.resource() for row in rows])
        found = await self._filtered(kind, search_request.filter)
        return SearchPage(len(found), found[start : start + count])

    async def _filtered(self, kind: str, wanted: Any) -> list[Resource[Any]]:
        asked = asked_members(wanted.ast)
        places = lookups(kind, wanted.ast)
        if places is None:
            return await self._walk(kind, wanted, asked)
        idents = await self._shelf.found(kind, places)
        if len(idents) > MOST_WALKED:
            raise _too_many()
        rows = await self._shelf.rows(kind, idents)
        rows.sort(key=lambda row: (row.created, row.id))
        return await self._matching(rows, wanted, asked)

    async def _walk(self, kind: str, wanted: Any, asked: set[str]) -> list[Resource[Any]]:
        total = await self._shelf.count(kind)
        if total > MOST_WALKED:
            raise _too_many()
        found: list[Resource[Any]] = []
        for start in range(0, total, _SLICE):
            rows = await self._shelf.listed(kind, start, _SLICE)
            found += await self._matching(rows, wanted, asked)
        return found

    async def _matching(self, rows: Iterable[Row], wanted: Any, asked: set[str]) -> list[Resource[Any]]:
        """Return those that match; of a group's members those that the filter asks about are known."""
        found = []
        for number, row in enumerate(rows):
            if number % 50 == 49:
                await asyncio.sleep(0)  # deliveries to other sources must not wait
            resource = row.resource()
            if isinstance(resource, Group) and asked:
                members = await self._shelf.members_among(row.id, asked)
                resource.members = [Member(value=one) for one in members]
            if wanted.match(resource):
                found.append(resource)
        return found

    # writes

    async def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        """Store a new resource, or an inactive user who comes back under the same externalId.

        Okta creates again who was deactivated, reactivated and assigned anew, and gives up at a 409. A group
        is there if one has the same externalId or, where none is told, the same name: that is a 409
        (Microsoft's validator asks for it, and Entra would go on with two groups).
        """
        kind, now = _kind(resource_type), self._recorder.clock()
        fields = read_fields(resource)
        if kind == "User":
            fields.setdefault("active", True)
        row = Row(kind, new_id(kind), fields, 1, now, now, fields.get("active", True))
        if kind == "User" and (back := await self._returning(row)):
            return await self._store(back, self._seen[back.id])
        if kind == "Group" and await self._shelf.found(kind, [group_identity(fields)]):
            raise UniquenessException(detail="There is a group of that externalId, or of that name")
        return await self._store(row, None)

    async def _returning(self, row: Row) -> Row | None:
        """Return the stored user whom a new one is, None when there is none. Raises UniquenessException."""
        holder = await self._shelf.holder(row)
        if not holder:
            return None
        stored = await self._shelf.row("User", holder)
        told = row.fields.get("externalId")
        if stored is None or stored.active or not told or told != stored.fields.get("externalId"):
            raise _taken()
        self._seen[stored.id] = stored
        return _next(stored, row.fields, self._recorder.clock())

    async def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        """Store the new state of what `get` returned. Who is not told to be active or not stays so."""
        before = self._seen_as(resource.id, expected_version)
        return await self._store(_next(before, read_fields(resource), self._recorder.clock()), before)

    async def delete(
        self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None
    ) -> None:
        """Delete what `get` returned, with its memberships."""
        row = self._seen_as(resource_id, expected_version)
        transaction = Transaction(self._shelf.store)
        transaction.require(self._shelf.row_key(row), row.text)
        others = await self._shelf.others(row.kind, row.id)
        transaction.add_all(self._shelf.drop(row))
        transaction.add_all(self._shelf.leave(row, others[:MOST_CHANGES]))
        await self._commit(transaction, [tell_end(row)], row.modified)
        for start in range(MOST_CHANGES, len(others), MOST_CHANGES):
            await self._shelf.store.calls(self._shelf.leave(row, others[start : start + MOST_CHANGES]))

    def _seen_as(self, ident: str | None, version: str | None) -> Row:
        row = self._seen[ident or ""]
        if version is not None and version != row.etag:
            raise PreconditionFailedException
        return row

    async def _store(self, row: Row, before: Row | None) -> Resource[Any]:
        """Store a resource with its events, and return it.

        Of many changes of members so many go in at once as keep Redis busy for a moment only. Each part is
        whole in itself, so the repeat of a request that failed between two of them tells the rest.
        """
        came, went = await self._difference(row, before)
        if before and not (came or went) and row.fields == before.fields:
            return before.resource()
        beside = row.beside
        if row.kind == "Group":
            beside = size_beside(int(row.beside or 0) + len(came) - len(went))
        await self._store_part(row, before, came[:MOST_CHANGES], went[:MOST_CHANGES])
        for start in range(MOST_CHANGES, max(len(came), len(went)), MOST_CHANGES):
            part = slice(start, start + MOST_CHANGES)
            before = replace(row, text=row.encode())
            row = _next(before, before.fields, self._recorder.clock())
            await self._store_part(row, before, came[part], went[part])
        return replace(row, beside=beside).resource()

    async def _store_part(self, row: Row, before: Row | None, came: list[str], went: list[str]) -> None:
        transaction = Transaction(self._shelf.store)
        transaction.require(self._shelf.row_key(row), before.text if before else "")
        if before is None and row.kind == "Group":
            transaction.require(self._shelf.index_key("Group", *group_identity(row.fields)), "")
        await self._claim_name(transaction, row, before)
        transaction.add_all(self._shelf.put(row, before))
        transaction.add_all(self._shelf.regroup(row.id, came, went))
        users = await self._shelf.there("User", [*came, *went])
        joined, left = [one for one in came if one in users], [one for one in went if one in users]
        news = [*tell_resource(row, before), *tell_members(row.id, joined, left)]
        notices = tell_unknown(row, [one for one in came if one not in users])
        await self._commit(transaction, news, before.modified if before else 0, notices)

    async def _difference(self, row: Row, before: Row | None) -> tuple[list[str], list[str]]:
        if self._change is None or row.kind != "Group":
            return [], []
        if before is None:
            return self._change.difference(())
        if self._change.whole:
            return self._change.difference(dict.fromkeys(await self._shelf.others("Group", row.id)))
        return self._change.difference(await self._shelf.members_among(row.id, self._change.told))

    async def _claim_name(self, transaction: Transaction, row: Row, before: Row | None) -> None:
        if row.kind != "User":
            return
        holder = await self._shelf.holder(row)
        if holder not in ("", row.id):
            raise _taken()
        transaction.require(self._shelf.name_key(row), holder)

    async def _commit(
        self, transaction: Transaction, news: list[News], after: int, notices: Sequence[Notice] = ()
    ) -> None:
        """Store all of it and the events, or nothing. Raises LostRaceError, STORE_ERRORS."""
        self._recorder.record(transaction, news, max(self._recorder.clock(), after + 1), notices)
        if not await transaction.run():
            raise LostRaceError
        await self._recorder.ensure_stored()
        self.recorded += len(news)


def _next(before: Row, fields: dict[str, Any], now: int) -> Row:
    return replace(
        before,
        fields=fields,
        version=before.version + 1,
        modified=max(now, before.modified + 1),
        active=fields.get("active", before.active),
        text="",
    )


def _kind(resource_type: ResourceType) -> str:
    return str(resource_type.name)


def _taken() -> UniquenessException:
    return UniquenessException(detail="userName is taken by another user")


def _too_many() -> TooManyException:
    return TooManyException(
        detail=f"The filter has no index and would look at more than {MOST_WALKED} resources: "
        "ask for userName, externalId, emails.value, displayName of a group, or members.value with eq"
    )
