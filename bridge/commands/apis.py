"""What `bridge status` tells of the directories' own APIs, from which thin events are completed."""

from collections.abc import Iterator
from typing import Any

from bridge.commands.common import moment
from bridge.operators.health import NOT_CONFIGURED, ApiHealth


def describe_api(api: ApiHealth) -> dict[str, Any]:
    """Return how reading from an API goes, as the status has it; `state`: see docs/operating.md."""
    resumes = moment(api.resumes_at * 1000)
    return {"state": api.state, "reason": api.reason, "resumes_at": resumes, "unread": api.unread}


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
