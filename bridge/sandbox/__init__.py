"""A stand-in for the part of GitBook's API that provisioning needs: stateful, rate-limited, faulty on demand.

    async with running_sandbox(Sandbox(limits=Limits(Limit(60, 60)))) as sandbox:
        ...  # call sandbox.url with sandbox.token, then look at sandbox.members()

It keeps nothing on disk. Written from GitBook's OpenAPI document (@gitbook/api 0.202.0) and docs.
"""

from bridge.sandbox.app import create_app
from bridge.sandbox.calls import Call
from bridge.sandbox.faults import Faults, NextFault
from bridge.sandbox.limits import Limit, Limits
from bridge.sandbox.runner import running_sandbox, serve
from bridge.sandbox.sandbox import Sandbox
from bridge.sandbox.state import Clock, Member, RefusedError, Team

__all__ = [
    "Call",
    "Clock",
    "Faults",
    "Limit",
    "Limits",
    "Member",
    "NextFault",
    "RefusedError",
    "Sandbox",
    "Team",
    "create_app",
    "running_sandbox",
    "serve",
]
