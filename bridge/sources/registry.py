"""Which kind of sender is made by what: a new one is its file and a line here."""

from collections.abc import Callable

from bridge.settings import SourceSettings
from bridge.sources.base import Source
from bridge.sources.jackson import Jackson
from bridge.sources.okta_workflows import OktaWorkflows

_KINDS: dict[str, Callable[[SourceSettings], Source]] = {
    "jackson": Jackson,
    "okta-workflows": OktaWorkflows,
}


def make_source(settings: SourceSettings) -> Source:
    """Return the sender that a [[sources]] table describes. Raises KeyError for a kind that is not built."""
    return _KINDS[settings.kind](settings)
