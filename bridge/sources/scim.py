"""Identity providers that speak SCIM 2.0 to the bridge itself, with a bearer token (RFC 6750).

What they write comes in at `/scim/{source}/v2` (`bridge.scim`), not as webhooks: this proves who speaks.
"""

from typing import NoReturn

from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, UnreadableError, UnverifiedError
from bridge.sources.signatures import equals_any, raw_header

KIND = "scim"


class Scim:
    """One configured provider."""

    def __init__(self, settings: SourceSettings) -> None:
        """`settings`: its secrets are read at every request, so a rotation needs no restart."""
        self._settings = settings

    async def verify(self, delivery: Delivery) -> None:
        """Compare the bearer token with every secret, in constant time. Raises UnverifiedError."""
        scheme, _, token = delivery.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise UnverifiedError("there is no Authorization: Bearer header")
        if not equals_any(self._settings.secrets, raw_header(token.strip())):
            raise UnverifiedError("no secret is what was sent")

    def parse(self, delivery: Delivery, signed_at: int | None) -> NoReturn:
        """Say where SCIM is spoken. Raises UnreadableError."""
        name = self._settings.name
        raise UnreadableError(f"this is a SCIM source: give your provider /scim/{name}/v2 as its base URL")
