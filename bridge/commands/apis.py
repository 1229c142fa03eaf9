"""What `bridge status` tells of the directories' own APIs, from which thin events are completed."""

from collections.abc import Iterator
from typing import Any

from bridge.commands.common import moment
from bridge.settings import Settings
from bridge.store.reads import ReadState, ReadStore
from bridge.store.redis import Store

NOT_CONFIGURED = "not_configured"


async def read_apis(settings: Settings, store: Store, now: int) -> dict[str, dict[str, Any]]:
    """Return for each source whose events are thin how reading goes. Raises one of STORE_ERRORS.

    `unread`: how many people and groups there are of whom the events told less than the directory
    knows, and who were not read since; `state`: see docs/operating.md. `now`: unix ms.
    """
    told = {}
    for source in settings.sources:
        if source.is_thin:
            reads = ReadStore(store, source.directory_name)
            with_api = settings.reader_of(source.directory_name) is not None
            state = await reads.state() if with_api else ReadState(NOT_CONFIGURED)
            if state.state == "rate_limited" and not state.asleep(now):
                state = ReadState()
            told[source.name] = {
                "state": state.state,
                "reason": state.reason,
                "resumes_at": moment(state.resumes_at * 1000),
                "unread": await reads.count(),
            }
    return told


def api_lines(name: str, api: dict[str, Any]) -> Iterator[str]:
    """Return what is worth a line for people."""
    unread = f"{api['unread']} people and groups"
    if api["state"] == NOT_CONFIGURED and api["unread"]:
        yield (
            f"{name}: of {unread} only the login and what the events hold is known, no changed address: "
            "see api_url and api_token"
        )
    elif api["reason"]:
        until = f" (tries again at {api['resumes_at']})" if api["resumes_at"] else ""
        yield f"{name}: {unread} wait to be read from the directory: {api['reason']}{until}"
