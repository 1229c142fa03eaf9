"""`t=<unix MILLIseconds>,<key>=<hex HMAC-SHA256 of "{t}.{raw body}">`: how Jackson, Polis and WorkOS sign."""

import hmac

from bridge.settings import SourceSettings
from bridge.sources.base import Delivery, UnverifiedError
from bridge.sources.signatures import describe_age, is_fresh, parse_stamped, signed_by_any


def check_stamped(delivery: Delivery, header: str, key: str, settings: SourceSettings) -> int:
    """Return the signed time, unix milliseconds, of a delivery that any of the secrets signed.

    `header`: in lower case; `key`: what stands before the signature in it. Raises UnverifiedError.
    """
    if header not in delivery.headers:
        raise UnverifiedError(f"there is no {header} header")
    stamped = parse_stamped(delivery.headers[header], key)
    if stamped is None:
        raise UnverifiedError(f"the {header} header is not of the form t=<milliseconds>,{key}=<hex>")
    if not is_fresh(stamped.time, delivery.arrived, settings.tolerance_seconds):
        raise UnverifiedError(describe_age(stamped.time, delivery.arrived, settings.tolerance_seconds))
    if not signed_by_any(settings.secrets, stamped.digits + b"." + delivery.body, stamped.signature):
        raise UnverifiedError(f"no secret makes the signature in {header}")
    return stamped.time


def sign_stamped(body: bytes, now: int, key: str, settings: SourceSettings) -> str:
    """Return the header of a body that is signed at `now`, unix milliseconds, with the first secret."""
    secret = settings.secrets[0].reveal().encode()
    return f"t={now},{key}={hmac.digest(secret, b'%d.' % now + body, 'sha256').hex()}"
