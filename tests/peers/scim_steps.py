"""Steps of the suites that vendors publish for SCIM servers: a request each, and what its answer must be."""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

Check = tuple[str, str, Any]  # where in the answer's JSON ("" for its text), how it is held, against what

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `{{name}}` in `call` and `body` stands for what a step before has kept.

    `call`: method and path; `status`: None for any; `body`: an object, or a text that is sent as it is;
    `keeps`: by name, where it is in the answer; `token`: None for the right one.
    """

    title: str
    call: str
    status: int | None = None
    checks: tuple[Check, ...] = ()
    body: Any = None
    keeps: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None


async def play(base: str, token: str, steps: Iterable[Step], names: Mapping[str, Any]) -> list[str]:
    """Send the steps one after the other; return what they find wrong, as "title: what".

    `base`: of the SCIM service; `names`: what the steps find ready.
    """
    known, wrong = dict(names), list[str]()
    async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
        for step in steps:
            answer = await _send(http, base, token, step, known)
            wrong += [f"{step.title}: {one}" for one in _faults(step, answer, known)]
            for name, place in step.keeps.items():
                known[name] = look(_json(answer), place)
    return wrong


async def _send(
    http: httpx.AsyncClient, base: str, token: str, step: Step, known: Mapping[str, Any]
) -> httpx.Response:
    method, path = fill(step.call, known).split(" ", 1)
    headers = {"Authorization": step.token or f"Bearer {token}", "Accept": "application/scim+json"}
    text = step.body if isinstance(step.body, str) or step.body is None else json.dumps(step.body)
    if text is not None:
        headers["Content-Type"] = "application/scim+json; charset=utf-8"
    content = None if text is None else fill(text, known).encode()
    return await http.request(method, base + path, content=content, headers=headers)


def fill(text: str, known: Mapping[str, Any]) -> str:
    """Put in what `{{name}}` stands for; `{{$guid}}` is a new UUID each time."""
    return re.sub(
        r"\{\{([^}]+)\}\}",
        lambda found: str(uuid.uuid4() if found[1] == "$guid" else known[found[1]]),
        text,
    )


def _faults(step: Step, answer: httpx.Response, known: Mapping[str, Any]) -> Iterator[str]:
    if step.status not in (None, answer.status_code):
        yield f"{answer.status_code} for {step.status}"
    found = _json(answer)
    for place, how, told in step.checks:
        value = look(found, place) if place else answer.text
        wanted = fill(told, known) if isinstance(told, str) else told
        if not HOLDS[how](value, wanted):
            yield f"{place} {how} {wanted}".strip()


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def look(found: Any, place: str) -> Any:
    """Return what stands at a place such as `Resources[0].name.givenName`, None where there is nothing."""
    for key in re.findall(r"[^.\[\]]+", place):
        if isinstance(found, list):
            found = found[int(key)] if int(key) < len(found) else None
        else:
            found = found.get(key) if isinstance(found, dict) else None
    return found


HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "is": lambda value, wanted: bool(value == wanted),
    "has": lambda value, wanted: value is not None and wanted in value,
    "lacks": lambda value, wanted: value is None or wanted not in value,
    "is there": lambda value, _: value not in (None, "", [], {}),
    "is absent": lambda value, _: value is None,
    "is a number": lambda value, _: isinstance(value, int) and not isinstance(value, bool),
    "is a list": lambda value, _: isinstance(value, list),
}
