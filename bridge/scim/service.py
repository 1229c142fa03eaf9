"""One source's SCIM service: the library's protocol over our storage, and the memberships beside it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

from pydantic import ValidationError
from scim2_models import (
    Error,
    InvalidValueException,
    PatchOp,
    Resource,
    ResourceType,
    ResponseParameters,
    SCIMException,
)
from scim2_server.conditions import Conditions
from scim2_server.handler import AsyncScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.routing import Operation, Target
from scim2_server.service import ScimService

from bridge.scim.bodies import (
    dump_body,
    load_object,
    plain_resource,
    refuse_many_values,
    split_patch,
    split_resource,
)
from bridge.scim.filters import refuse_long
from bridge.scim.members import MemberChange
from bridge.scim.recorder import Recorder
from bridge.scim.resources import MODELS, PROVIDER, Group, User
from bridge.scim.rows import beside_of, etag, kind_of
from bridge.scim.shelf import SIDES, Shelf
from bridge.scim.storage import LostRaceError, Resources
from bridge.store.departures import read_departures

MOST_TRIES = 20
_DIGITS = 15  # of a number that JSON, Redis and the library all take
MOST_SHOWN = 50_000  # memberships in one answer that lists several resources

_CHANGES = (Operation.replace, Operation.patch, Operation.delete)


class _Protocol(ScimService):
    """The library's, but a changed user is shown: Okta and Entra document 200 with the user for it."""

    def patch_response(
        self, base_url: str, resource: Resource[Any], response_parameters: ResponseParameters[Any]
    ) -> ScimResponse:
        if isinstance(resource, Group):
            return super().patch_response(base_url, resource, response_parameters)
        return self.replacement_response(base_url, resource, response_parameters)

    def error_response(self, exception: Exception) -> ScimResponse:
        """Return an error without the validator's own text, which holds a link to its documentation."""
        cause = exception.__cause__
        if isinstance(cause, ValidationError) and str(cause) in str(exception):
            found = Error.from_validation_errors(cause)[0]
            exception = InvalidValueException(detail=found.detail)
        response = super().error_response(exception)
        told = response.body or {}
        told["detail"] = str(told.get("detail", "")).removeprefix("Value error, ")
        return response


class _Handler(AsyncScimHandler):
    """The library's, but a write that changes only members, which it does not see, is stored too.

    A user who is put without `active` stays as they were, and is shown so: a provider may look at it, or ask
    for `active eq true` (RFC 7644 3.5.1 lets a server assign what is not told).
    """

    def __init__(self, service: ScimService, storage: Resources) -> None:
        super().__init__(service, storage)
        self._resources = storage

    async def replace_resource(
        self,
        resource_type: ResourceType,
        current: Resource[Any],
        replacement: Resource[Any],
        conditions: Conditions,
    ) -> Resource[Any]:
        if isinstance(replacement, User) and replacement.active is None:
            replacement.active = self._resources.is_active(current.id)
        replaced = self.service.apply_replacement(current, replacement, conditions)
        return await self._update(resource_type, current, replaced)

    async def patch_resource(
        self, resource_type: ResourceType, resource_id: str, patch_op: "PatchOp[Any]", conditions: Conditions
    ) -> Resource[Any]:
        current = await self.storage.get(resource_type, resource_id)
        patched = self.service.apply_patch(current, patch_op, conditions)
        return await self._update(resource_type, current, patched)

    async def _update(
        self, resource_type: ResourceType, current: Resource[Any], changed: Resource[Any] | None
    ) -> Resource[Any]:
        if changed is None and not self._resources.has_change:
            return current
        return await self.storage.update(resource_type, changed or current)


class Service:
    """What one source's provider talks to, once it is verified."""

    def __init__(self, shelf: Shelf, recorder: Recorder) -> None:
        """`shelf`: the resources of the source; `recorder`: the way into its journal."""
        self._shelf = shelf
        self._recorder = recorder
        self._protocol = _Protocol(PROVIDER)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def answer(self, request: ScimRequest) -> tuple[ScimResponse, int]:
        """Serve a request; return the answer and how many events it stored.

        Raises LostRaceError when others were faster again and again, or while what an earlier life of the
        directory left is being deleted (`bridge directory forget`), and STORE_ERRORS.
        """
        if (await read_departures(self._shelf.store)).holds_up(self._recorder.directory):
            raise LostRaceError
        try:
            target = self._protocol.match(request)
            change = self._prepare(request, target)
            if target.operation not in _CHANGES:
                return await self._serve(request, change)
            async with self._locks.setdefault(target.resource_id or "", asyncio.Lock()):
                return await self._serve(request, change)
        except SCIMException as error:
            return self._protocol.error_response(error), 0

    def _prepare(self, request: ScimRequest, target: Target) -> MemberChange | None:
        """Make the request's body ready for the library; return what it says of members."""
        self._refuse_question(request.query)
        match target.operation:
            case Operation.create | Operation.replace:
                kind = self._kind(target)
                body = plain_resource(load_object(request.body), str(MODELS[kind].__schema__))
                if kind == "Group":
                    request.body, change = split_resource(body)
                    return change
                request.body = dump_body(body)
            case Operation.patch:
                request.body, change = split_patch(load_object(request.body), self._kind(target) == "Group")
                return change
            case Operation.search_with_body:
                question = load_object(request.body)
                refuse_many_values(question)
                self._refuse_question(question)
        return None

    @staticmethod
    def _refuse_question(told: Mapping[str, Any]) -> None:
        """Raise a SCIMException for a filter that is too long, or a number that no list reaches."""
        for key, value in told.items():
            match key.lower():
                case "filter":
                    refuse_long(value)
                case "startindex" | "count" if len(str(value)) > _DIGITS:
                    raise InvalidValueException(detail=f"{key} has more than {_DIGITS} digits")

    def _kind(self, target: Target) -> str:
        return self._protocol.resource_type_at(target.endpoint or "").name or ""

    async def _serve(self, request: ScimRequest, change: MemberChange | None) -> tuple[ScimResponse, int]:
        for _ in range(MOST_TRIES):
            storage = Resources(self._shelf, self._recorder, change)
            try:
                response = await _Handler(self._protocol, storage).handle(request)
            except LostRaceError:
                continue
            await self._show_others(request, response)
            return response, storage.recorded
        raise LostRaceError

    # memberships in answers

    async def _show_others(self, request: ScimRequest, response: ScimResponse) -> None:
        """Put members and groups into the resources of an answer, where they are asked for."""
        body = response.body or {}
        shown = body.get("Resources", [body])
        told = load_object(request.body) if request.path.endswith("/.search") else request.query
        wanted = {kind: _wants(side, told) for kind, side in SIDES.items()}
        if "Resources" in body and wanted["Group"]:
            body["Resources"] = shown = await self._fitting(shown)
            body["itemsPerPage"] = len(shown)
        for kind, side in SIDES.items():
            resources = [one for one in shown if kind_of(str(one.get("id", ""))) == kind]
            idents = [one["id"] for one in resources]
            others = await self._shelf.others_of(kind, idents) if wanted[kind] else []
            _show(kind, side, resources, others)
            if "Resources" in body:  # one resource alone was read with its version
                known = [beside_of(kind, each) for each in others] or await self._shelf.beside(kind, idents)
                _complete_versions(resources, known)

    async def _fitting(self, resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return as many as have no more members together than an answer may show, at least one."""
        groups = [one["id"] for one in resources if kind_of(str(one.get("id", ""))) == "Group"]
        sizes = dict(zip(groups, await self._shelf.sizes(groups), strict=True))
        total = 0
        for number, one in enumerate(resources):
            total += sizes.get(one.get("id", ""), 0)
            if total > MOST_SHOWN and number:
                return resources[:number]
        return resources


def _show(kind: str, side: str, resources: Sequence[dict[str, Any]], others: Sequence[list[str]]) -> None:
    """Put memberships into resources; none where `others` is empty."""
    for resource, found in zip(resources, others, strict=False):
        if found or kind == "Group":  # a client may add nobody to a group that shows no members at all
            resource[side] = [{"value": ident} for ident in found]


def _complete_versions(resources: Sequence[dict[str, Any]], besides: Sequence[str]) -> None:
    """Put into the versions of listed resources what their memberships add (see `Row.beside`)."""
    for one, beside in zip(resources, besides, strict=True):
        if "version" in one.get("meta", {}):
            one["meta"]["version"] = etag(int(one["meta"]["version"][3:-1]), beside)


def _wants(side: str, told: Mapping[str, Any]) -> bool:
    """Tell whether an answer is to show the memberships; `told`: the request's parameters (RFC 7644 3.9)."""
    by_name = {key.lower(): value for key, value in told.items()}
    if named := _names(by_name.get("attributes")):
        return any(name.partition(".")[0] == side for name in named)
    return not {side, f"{side}.value"} & set(_names(by_name.get("excludedattributes")))


def _names(value: Any) -> list[str]:
    """Return attribute names in lower case, without their schemas."""
    told = value if isinstance(value, list) else str(value or "").split(",")
    return [name for one in told if (name := str(one).strip().lower().rpartition(":")[2])]
