"""GitBook's API as it is (its OpenAPI document, `@gitbook/api` 0.202.0), typed."""

import asyncio
import time
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from bridge.directory.addresses import normalise_email
from bridge.outbound import Route
from bridge.paths import path_segment
from bridge.rate_limit_headers import retry_after, told_time
from bridge.settings import Role, Secret, TargetSettings
from bridge.targets.base import (
    CredentialsRejectedError,
    Invited,
    NoAnswerError,
    Page,
    RateLimitedError,
    RefusedError,
    RemoteMember,
    RemoteOrganization,
    RemoteTeam,
    RemoteUser,
    Removal,
    TargetError,
    UnavailableError,
    UnconfirmedError,
)
from bridge.targets.budget import Budgets

T = TypeVar("T")
PATIENCE = 2.0  # seconds a call waits for its limit by itself; beyond, the worker has other things to do
READ, INVITES, MEMBERS, TEAMS = "read", "invites", "members", "teams"
# What these say is about the way there or the moment, and never about the object, whoever says it:
# proxy authentication, time-outs, misdirected, locked, too early, the client has gone (RFC 9110, 4918, 8470).
_PASSING = (407, 408, 421, 423, 425, 499)


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it went: `status` is 0 when no answer came; `seconds` it took."""

    kind: str
    method: str
    path: str
    status: int
    seconds: float


class GitBook:
    """One organisation at GitBook, with one person's token."""

    def __init__(
        self,
        api_url: str,
        organization: str,
        token: Secret,
        timeout: float = 10.0,
        client: httpx.AsyncClient | None = None,
        route: Route | None = None,
    ) -> None:
        """`timeout`: seconds for one call, from the check before it to its end; `route`: None for straight.

        `patience`, to be set: how many seconds a call that reads waits until the limit lets it, for whoever
        cannot come back later; `before_wait` is told how many seconds it is going to wait.
        """
        self._root = f"{api_url}/orgs/{organization}"
        self._api_url = api_url
        self._token = token
        self._timeout = timeout
        self._route = route or Route()
        self._client = client or self._route.open_client(timeout)
        self._owner: tuple[str, str] | None = None
        self.budgets = Budgets()
        self.ahead = 0.0  # seconds, by its last answer: GitBook's clock before ours (behind: below 0)
        self.before_call: Callable[[], Awaitable[None]] = _nothing
        self.after_call: Callable[[Call], None] = lambda _: None
        self.clock: Callable[[], float] = time.time
        self.patience = 0.0
        self.before_wait: Callable[[float], None] = lambda _: None

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    # members

    async def ping(self) -> None:
        """Read one member: is GitBook there, and does it take the token?"""
        await self.members(limit=1)

    async def owner(self) -> str:
        """Return the id of the user whose token it is (read once for each token)."""
        token = self._token.reveal()
        if self._owner is None or self._owner[0] != token:
            self._owner = (token, (await self.user()).id)
        return self._owner[1]

    async def user(self) -> RemoteUser:
        """Return whose token it is, read afresh."""
        answer = await self._read(f"{self._api_url}/user")
        return RemoteUser(_text(answer, "id"), normalise_email(answer.get("email")))

    async def organization(self) -> RemoteOrganization:
        """Return the organisation, as the token's owner may see it."""
        answer = await self._read(self._root)
        rights = answer.get("permissions")
        admin = isinstance(rights, dict) and rights.get("admin") is True
        return RemoteOrganization(_text(answer, "title"), admin)

    async def members(
        self, search: str | None = None, role: Role | None = None, page: str | None = None, limit: int = 1000
    ) -> Page[RemoteMember]:
        """List members, the newest first; `search` looks into names and addresses, so compare the address."""
        query = {"limit": str(limit), "search": search, "role": role, "page": page}
        return _page(await self._read(f"{self._root}/members", query), _listed_member)

    async def member(self, ident: str) -> RemoteMember:
        """Read one member. Raises RefusedError(404) when there is none of that id."""
        return _member(await self._read(f"{self._root}/members/{_part(ident)}"))

    async def invite(self, people: Sequence[tuple[str, Role]], sso: bool) -> Invited:
        """Make people members. The answer's ids are in no order and name no address."""
        emails = [{"email": email, "role": _role_out(role)} for email, role in people]
        answer = await self._call(INVITES, "POST", f"{self._root}/invites", {"emails": emails, "sso": sso})
        failed = _texts(answer, "failedSSOEmails") if answer.get("failedSSOEmails") else ()
        return Invited(_texts(answer, "users"), frozenset(normalise_email(each) or "" for each in failed))

    async def remove(self, member: str) -> Removal:
        """Take a member out: 205 removed, 204 was none; 202 only asks the admins to do it."""
        url = f"{self._root}/members/{_part(member)}"
        status = await self._done(MEMBERS, "DELETE", url, also=(202,))
        return Removal.REQUESTED if status == 202 else Removal.DONE

    async def set_role(self, member: str, role: Role) -> None:
        """Change a member's role; a guest's role is null."""
        url = f"{self._root}/members/{_part(member)}"
        shown = _member(await self._call(MEMBERS, "PATCH", url, {"role": _role_out(role)}))
        _confirm(shown.id == member, "about another member")
        _confirm(shown.role == role, f"but the role is still {shown.role}")

    async def mark_sso(self, member: str) -> None:
        """Let a member sign in by SSO. GitBook cannot undo it."""
        shown = _member(await self._call(MEMBERS, "POST", f"{self._root}/members/{_part(member)}/sso"))
        _confirm(shown.id == member, "about another member")
        _confirm(shown.sso, "but they are still no SSO user")

    # teams

    async def teams(self, title: str | None = None, page: str | None = None) -> Page[RemoteTeam]:
        """List teams; `title` finds all that contain it, whatever the case."""
        query = {"limit": "1000", "title": title, "page": page}
        return _page(await self._read(f"{self._root}/teams", query), _team)

    async def team(self, ident: str) -> RemoteTeam:
        """Read one team."""
        return _team(await self._read(f"{self._root}/teams/{_part(ident)}"))

    async def team_members(self, ident: str, page: str | None = None) -> Page[RemoteMember]:
        """List a team's members."""
        answer = await self._read(
            f"{self._root}/teams/{_part(ident)}/members", {"limit": "1000", "page": page}
        )
        return _page(answer, lambda row: _listed_member(row["organization"]))

    async def create_team(self, title: str, members: Sequence[str]) -> RemoteTeam:
        """Make a team. Not idempotent: never repeated here, look the title up after an unclear end.

        A team that the answer shows with fewer members than it was made with is such an end, too.
        """
        body = {"title": title, "members": list(members)}
        made = _team(await self._call(TEAMS, "PUT", f"{self._root}/teams", body, repeat=False))
        _confirm(_same_title(made.title, title), f"but the new team's title is {made.title}")
        _confirm(made.members >= len(set(members)), f"but the new team has {made.members} member(s)")
        return made

    async def rename_team(self, ident: str, title: str) -> None:
        """Change a team's title."""
        shown = _team(
            await self._call(TEAMS, "PATCH", f"{self._root}/teams/{_part(ident)}", {"title": title})
        )
        _confirm(shown.id == ident, "about another team")
        _confirm(shown.title.strip() == title.strip(), f"but the team's title is still {shown.title}")

    async def update_team(self, ident: str, add: Sequence[str], remove: Sequence[str]) -> None:
        """Add and take out members in one call. One unknown member fails it as a whole."""
        body = {name: list(who) for name, who in (("add", add), ("remove", remove)) if who}
        await self._done(TEAMS, "PUT", f"{self._root}/teams/{_part(ident)}/members", body)

    async def delete_team(self, ident: str) -> None:
        """Delete a team; one that is not there any more is fine."""
        await self._done(TEAMS, "DELETE", f"{self._root}/teams/{_part(ident)}")

    # the wire

    async def _read(self, url: str, query: Mapping[str, str | None] | None = None) -> dict[str, Any]:
        while True:
            try:
                return _json(await self._send(READ, "GET", url, query=query))
            except RateLimitedError as error:
                wait = error.until - self.clock()
                if not self.patience or wait > self.patience:
                    raise
            self.before_wait(wait)
            await asyncio.sleep(max(wait, 0.0))

    async def _call(
        self, kind: str, method: str, url: str, body: object = None, repeat: bool = True
    ) -> dict[str, Any]:
        return _json(await self._send(kind, method, url, body=body, repeat=repeat))

    async def _done(
        self, kind: str, method: str, url: str, body: object = None, also: tuple[int, ...] = ()
    ) -> int:
        """Send a request whose answer has no body; only its status tells that it was done."""
        status = (await self._send(kind, method, url, body=body)).status_code
        if status not in (204, 205, *also):
            raise UnavailableError(f"GitBook answered {status}, which does not say that it was done")
        return status

    async def _send(
        self,
        kind: str,
        method: str,
        url: str,
        query: Mapping[str, str | None] | None = None,
        body: object = None,
        repeat: bool = True,
    ) -> httpx.Response:
        """Send one request, and again at once after a passing fault where that is harmless."""
        params = {name: value for name, value in (query or {}).items() if value is not None}
        request = self._client.build_request(method, url, params=params, json=body)
        attempts = AsyncRetrying(
            stop=stop_after_attempt(3 if repeat else 1),
            wait=wait_random_exponential(multiplier=0.1, max=1),
            retry=retry_if_exception(_is_passing),
            reraise=True,
        )
        try:
            answer: httpx.Response = await attempts(self._once, kind, request)
        except TargetError as error:
            error.unclear = error.unclear or attempts.statistics["attempt_number"] > 1
            raise
        return answer

    async def _once(self, kind: str, request: httpx.Request) -> httpx.Response:
        await self._await_budget(kind)
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        deadline = asyncio.get_running_loop().time() + self._timeout  # a process may freeze behind the check
        await self.before_call()
        started, answer = time.perf_counter(), None
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.sleep(0)  # past the deadline nothing is sent any more
                answer = await self._client.send(request)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise NoAnswerError(f"no answer: {self._route.describe(error)}") from None
        finally:
            status = answer.status_code if answer is not None else 0
            self.after_call(
                Call(kind, request.method, request.url.path, status, time.perf_counter() - started)
            )
        self.budgets.seen(kind, answer.status_code, answer.headers, self.clock())
        self.ahead = clock_skew(answer.headers, self.clock()) or 0.0
        self._judge(kind, answer)
        return answer

    async def _await_budget(self, kind: str) -> None:
        wait = self.budgets.wait(kind, self.clock())
        if wait > PATIENCE:
            raise RateLimitedError(kind, self.clock() + wait)
        if wait > 0:
            await asyncio.sleep(wait)

    def _judge(self, kind: str, answer: httpx.Response) -> None:
        """Raise what the status means, but for success.

        A verdict about token or object is GitBook's only in its own words. What has another shape is of a
        proxy or a firewall between, and what it says passes: nothing is given up, or taken for gone, for it.
        """
        status = answer.status_code
        if 200 <= status < 300:
            return
        if status == 429:
            raise RateLimitedError(kind, self.clock() + self.budgets.wait(kind, self.clock()))
        if status < 400:
            raise UnavailableError(_redirection(answer))
        if status >= 500 or status in _PASSING:
            wait = retry_after(answer.headers, self.clock()) if status == 503 else None
            raise UnavailableError(f"GitBook answered {status}", self.clock() + wait if wait else 0.0)
        message = _message(answer)
        if message is None:
            raise UnavailableError(
                f"the answer was {status}, not in GitBook's words: by a proxy or a firewall between?"
            )
        if status == 401:
            raise CredentialsRejectedError("GitBook does not take the token (401)")
        raise RefusedError(status, message)


def gitbook_of(target: TargetSettings, timeout: float | None = None) -> GitBook:
    """Return a target's client. `timeout`: seconds for one call instead of the configured ones."""
    seconds = timeout or target.timeout
    route = target.route(target.api_url)
    return GitBook(target.api_url, target.organization, target.token, seconds, route=route)


def address_doubt(api_url: str) -> str:
    """Return why an address may lead nowhere, so that neither token nor organisation is blamed; else ""."""
    if api_url.rstrip("/").endswith("/v1"):
        return ""
    return f"is targets.api_url = {api_url} right? GitBook's ends in /v1"


def clock_skew(headers: Mapping[str, str], now: float) -> float | None:
    """Return how many seconds the target's clock is ahead of ours, None when it tells no time."""
    theirs = told_time(headers)
    return None if theirs is None else theirs - now


def _is_passing(error: BaseException) -> bool:
    """Tell whether a call is worth another attempt at once: not where the target says when to come again."""
    return isinstance(error, UnavailableError) and not error.until


async def _nothing() -> None:
    pass


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UnavailableError(
            f"GitBook answered {answer.status_code} with something that is not a JSON object"
        )
    if "error" in body:
        told = f": {message}" if (message := _error_text(body)) else ""
        raise UnavailableError(f"GitBook answered {answer.status_code} with an error{told}")
    return body


def _confirm(shown: bool, otherwise: str) -> None:
    """Raise UnconfirmedError when the answer to a change does not show that it was made."""
    if not shown:
        raise UnconfirmedError(f"GitBook answered with success, {otherwise}")


def _same_title(shown: str, wanted: str) -> bool:
    """Compare the title of a team that was made: one written a little otherwise is not another team."""
    return _plain(shown) == _plain(wanted)


def _plain(title: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", title).casefold().split())


def _redirection(answer: httpx.Response) -> str:
    """Return what to say of a redirect: it is not followed, since the token is for `api_url` alone."""
    status = answer.status_code
    try:
        place = answer.request.url.join(answer.headers["location"])
        where = f" to {place.scheme}://{place.netloc.decode()}{place.path}"  # no query: it may hold a secret
    except (KeyError, httpx.InvalidURL, ValueError):
        where = ""
    return f"GitBook answered {status}, which leads elsewhere{where}: is targets.api_url right?"


def _message(answer: httpx.Response) -> str | None:
    """Return what GitBook says of an error, None when the answer has not GitBook's own shape.

    That is `{"error": {"code": <the status>, "message": "..."}}` (its OpenAPI document).
    """
    try:
        body = answer.json()
    except ValueError:
        return None
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return _error_text(body) if code == answer.status_code else None


def _error_text(body: dict[str, Any]) -> str | None:
    error = body.get("error")
    text = error.get("message") if isinstance(error, dict) else None
    return text[:300] if isinstance(text, str) else None


def _page(answer: dict[str, Any], read: Callable[[dict[str, Any]], T]) -> Page[T]:
    try:
        items = tuple(read(row) for row in answer["items"])
        following = (answer.get("next") or {}).get("page") or None
    except (KeyError, TypeError, AttributeError):
        raise UnavailableError("GitBook's list has another shape than its API document says") from None
    count = answer.get("count")  # "optional" by GitBook's OpenAPI document
    return Page(items, following, count if isinstance(count, int) and count >= 0 else None)


def _listed_member(row: dict[str, Any]) -> RemoteMember:
    """Read a member of a list; one without a user has no address, and does not spoil the others."""
    return _member({**row, "user": row.get("user") or {}})


def _member(row: dict[str, Any]) -> RemoteMember:
    try:
        role: Role = row["role"] or "guest"
        email, joined = normalise_email(row["user"].get("email")), str(row.get("joinedAt") or "")
        return RemoteMember(row["id"], email, role, bool(row["sso"]), joined)
    except (KeyError, TypeError, AttributeError):
        raise UnavailableError("GitBook's member has another shape than its API document says") from None


def _team(row: dict[str, Any]) -> RemoteTeam:
    try:
        return RemoteTeam(row["id"], row["title"], row["members"], row["spaces"], row["createdAt"])
    except KeyError as error:
        raise UnavailableError(f"GitBook's team has no {error}") from None


def _text(answer: dict[str, Any], key: str) -> str:
    value = answer.get(key)
    if not isinstance(value, str):
        raise TargetError(f"GitBook's answer has no {key}")
    return value


def _texts(answer: dict[str, Any], key: str) -> tuple[str, ...]:
    values = answer.get(key)
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise UnavailableError(f"GitBook's answer to an invite has no list of {key}")
    return tuple(values)


def _role_out(role: Role) -> str | None:
    return None if role == "guest" else role


def _part(ident: str) -> str:
    """Return an id as a part of a URL. Raises UnavailableError for what GitBook cannot have told as one."""
    try:
        return path_segment(ident)
    except (AttributeError, ValueError):
        raise UnavailableError("GitBook told an id that is none: nothing was asked about it") from None
