"""Which kind of sender is made by what: a new one is its file and a line here."""

import time
from collections.abc import Callable

from bridge.settings import SourceSettings
from bridge.sources.base import Source
from bridge.sources.jackson import Jackson
from bridge.sources.okta_event_hooks import OktaEventHooks
from bridge.sources.okta_workflows import OktaWorkflows
from bridge.sources.scim import Scim
from bridge.sources.standard_webhooks import StandardWebhooks
from bridge.sources.tokens import Tokens
from bridge.sources.workos import WorkOS

_KINDS: dict[str, Callable[[SourceSettings], Source]] = {
    "jackson": Jackson,
    "okta-event-hooks": OktaEventHooks,
    "okta-workflows": OktaWorkflows,
    "scim": Scim,
    "standard-webhooks": StandardWebhooks,
    "workos": WorkOS,
}


def make_source(settings: SourceSettings, clock: Callable[[], float] = time.time) -> Source:
    """Return the sender that a [[sources]] table describes. Raises KeyError for a kind that is not built.

    `clock`: unix seconds, of tokens that end; what is signed with a time is held against its arrival.
    """
    if settings.kind == "okta-workflows":
        return OktaWorkflows(settings, Tokens(settings, clock=clock))
    return _KINDS[settings.kind](settings)
