"""An identity provider in the tests: its requests, and what the bridge has stored of them."""

from typing import Any

import httpx

from bridge.directory.events import DirectoryEvent
from bridge.scim.rows import Row
from bridge.scim.shelf import Shelf
from bridge.store.journal import START, Journal
from bridge.store.redis import Store

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def person(name: str, /, **fields: Any) -> dict[str, Any]:
    """Return a user as a provider creates one."""
    email = {"value": f"{name}@acme.test", "type": "work", "primary": True}
    return {"schemas": [USER], "userName": f"{name}@acme.test", "emails": [email], "active": True, **fields}


def members(*idents: str) -> list[dict[str, str]]:
    """Return ids as values of `members`."""
    return [{"value": ident} for ident in idents]


def user_id(name: object) -> str:
    """Return an id as the bridge gives them to users."""
    return f"usr_{name:0>32}"


class Provider:
    """Speaks to one source with its token."""

    def __init__(self, http: httpx.AsyncClient, store: Store, source: str, token: str) -> None:
        """`store`: where the receiver stores."""
        self._http = http
        self._store = store
        self.source = source
        self.base = f"/scim/{source}/v2"
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}

    async def send(
        self, method: str, path: str, body: Any = None, expect: int | None = None, **query: str
    ) -> httpx.Response:
        """Send a request; its answer must have that status, when one is told."""
        answer = (
            await self._http.request(method, self.base + path, json=body, params=query, headers=self.headers)
            if body is not None
            else await self._http.request(method, self.base + path, params=query, headers=self.headers)
        )
        if expect is not None:
            assert expect == answer.status_code, answer.text
        return answer

    async def create(self, path: str, body: dict[str, Any]) -> str:
        """Create a resource; return its id."""
        answer = await self.send("POST", path, body, 201)
        return str(answer.json()["id"])

    async def user(self, name: str, /, **fields: Any) -> str:
        """Create a user; return the id."""
        return await self.create("/Users", person(name, **fields))

    async def know(self, *idents: str) -> None:
        """Have users of these ids there, of whom nothing was told."""
        for ident in idents:
            row = Row("User", ident, {"userName": ident}, 1, 1, 1)
            await self._store.call("SET", Shelf(self._store, self.source).row_key(row), row.encode())

    async def group(self, name: str, *idents: str) -> str:
        """Create a group with members; return its id."""
        return await self.create(
            "/Groups", {"schemas": [GROUP], "displayName": name, "members": members(*idents)}
        )

    async def patch(
        self, path: str, *operations: dict[str, Any], expect: int | None = None
    ) -> httpx.Response:
        """Send a PATCH; it must be answered 200 or 204, unless another status is told."""
        answer = await self.send("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, expect)
        assert expect is not None or answer.status_code in (200, 204), answer.text
        return answer

    async def read(self, path: str, **query: str) -> dict[str, Any]:
        """Return a resource, or a list."""
        found: dict[str, Any] = (await self.send("GET", path, None, 200, **query)).json()
        return found

    async def members(self, group: str) -> set[str]:
        """Return who is in a group, as the provider reads it."""
        found = await self.read(f"/Groups/{group}")
        return {one["value"] for one in found.get("members", [])}

    async def found(self, path: str, text: str) -> set[str]:
        """Return the ids that a filter finds; their number must be what is told."""
        listed = await self.read(path, filter=text)
        assert listed["totalResults"] == len(listed["Resources"])
        return {one["id"] for one in listed["Resources"]}

    async def events(self) -> list[DirectoryEvent]:
        """Return all that the journal has."""
        rows = await Journal(self._store).read(self.source, START, 100_000)
        return [event for _, event in rows if event]

    async def told(self) -> list[tuple[str, str | None, str | None]]:
        """Return the same as names, users and groups."""
        return [
            (one.name.value, one.user.id if one.user else None, one.group.id if one.group else None)
            for one in await self.events()
        ]
