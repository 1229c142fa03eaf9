"""What the receiver would make of a body: `bridge source try`. Nothing is verified and nothing is stored."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from bridge.directory.events import News
from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, Parsed, Source, UnreadableError
from bridge.sources.bodies import load_json
from bridge.sources.field_map import MapReader

_MEANINGLESS = "it is fine, and means nothing to the bridge"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a body. `event`: in the bridge's words, of an "event" only; `reason`: of the others.

    `missing`: for each key of the source's map that found nothing why it did not.
    """

    index: int
    outcome: Literal["event", "refused", "ignored"]
    event: Mapping[str, Any] | None = None
    reason: str | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a whole body. `status`: what the receiver would answer; `reason`: when it is not 200."""

    status: int
    reason: str | None
    elements: tuple[Element, ...]

    @property
    def is_readable(self) -> bool:
        """True when no element would be refused."""
        return self.status == 200 and all(one.outcome != "refused" for one in self.elements)

    def as_json(self) -> dict[str, Any]:
        """Return it as `bridge source try --json` prints it."""
        return {"readable": self.is_readable, **asdict(self)}


def try_body(settings: SourceSettings, source: Source, body: bytes, now: int) -> Trial:
    """Read a body as if it had been sent and verified at `now`, unix milliseconds."""
    try:
        parsed = source.parse(Delivery({}, body, now), now)
    except UnreadableError as error:
        return Trial(error.status, error.reason, ())
    return Trial(200, None, tuple(_elements(settings, parsed, body)))


def _elements(settings: SourceSettings, parsed: Parsed, body: bytes) -> list[Element]:
    """Return the elements in their order; the news are those that are neither refused nor ignored."""
    refused = {one.index: one.reason for one in parsed.refused}
    notices = {one.index: one.text for one in parsed.notices}
    news = iter(parsed.news)
    whole = load_json(body)
    found = []
    for index in range(len(parsed.news) + len(parsed.refused) + parsed.ignored):
        if index in refused:
            found.append(Element(index, "refused", reason=refused[index]))
        elif index in parsed.ignored_at:
            found.append(Element(index, "ignored", reason=notices.get(index, _MEANINGLESS)))
        else:
            item = next(news)
            raw = whole[index] if isinstance(whole, list) else whole
            found.append(Element(index, "event", _describe(item), missing=_missing(settings, item, raw)))
    return found


def _describe(item: News) -> dict[str, Any]:
    user = item.user and {"id": item.user.id, "email": item.user.email, "active": item.user.active}
    told = None if item.told is None else datetime.fromtimestamp(item.told / 1000, UTC)
    at = told and told.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    parts = {"directory_id": item.directory_id or None, "user": user, "group": _describe_group(item)}
    known = {key: value for key, value in parts.items() if value is not None}
    return {"event": item.name.value, "occurred_at": at, **known}


def _describe_group(item: News) -> dict[str, Any] | None:
    if item.group is None:
        return None
    members = {} if item.group.members is None else {"members": list(item.group.members)}
    return {"id": item.group.id, "name": item.group.name, **members}


def _missing(settings: SourceSettings, item: News, raw: Mapping[str, Any]) -> tuple[str, ...]:
    if settings.map is None:
        return ()
    parts = [part for part, told in (("user", item.user), ("group", item.group)) if told]
    return tuple(MapReader(settings.map).missing(raw, parts))
