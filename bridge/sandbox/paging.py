"""Pages of a list. The cursor holds the place of the last item, so joiners and leavers shift nothing."""

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import orjson

from bridge.sandbox.faults import Faults
from bridge.sandbox.state import RefusedError

NO_FAULTS = Faults()
DEFAULT_LIMIT = 50  # GitBook's docs name no default
MAX_LIMIT = 1000

Item = TypeVar("Item")
Place = tuple[float | str, int]


def listing(
    items: Iterable[Item],
    place: Callable[[Item], Place],
    show: Callable[[Item], Any],
    query: Mapping[str, str],
    *,
    descending: bool = False,
    faults: Faults = NO_FAULTS,
) -> dict[str, Any]:
    """Return GitBook's List: `items`, `count` of all, and `next.page` unless this is the last page.

    Raises RefusedError 400 for a `limit` outside 0..1000 or a `page` that is no cursor of this list, or
    has expired by the faults.
    """
    limit, after = min(_limit(query), faults.page_size or MAX_LIMIT), _after(query)
    if after is not None and faults.expired_cursors:
        raise RefusedError(400, "page: the cursor has expired")
    ordered = sorted(items, key=place, reverse=descending)
    try:
        rest = [item for item in ordered if after is None or _beyond(place(item), after, descending)]
    except TypeError:
        raise RefusedError(400, "page: not a cursor of this list") from None
    answer: dict[str, Any] = {"items": [show(item) for item in rest[:limit]], "count": len(ordered)}
    if 0 < limit < len(rest):
        answer["next"] = {"page": _cursor(place(rest[limit - 1]))}
    return answer


def _beyond(place: Place, after: Place, descending: bool) -> bool:
    return place < after if descending else place > after


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_LIMIT):
        raise RefusedError(400, f"limit: must be a number from 0 to {MAX_LIMIT}")
    return int(text)


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode()


def _after(query: Mapping[str, str]) -> Place | None:
    if "page" not in query:
        return None
    try:
        key, number = orjson.loads(base64.urlsafe_b64decode(query["page"]))
    except (ValueError, TypeError):
        raise RefusedError(400, "page: not a cursor") from None
    return key, number
