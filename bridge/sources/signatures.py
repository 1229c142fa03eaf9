"""Building blocks to prove a sender: constant time, over raw bytes, against every secret.

None of them raises on anything a stranger can put into a header. The secret that matched counts it
(`Secret.matches`), by an addition that is the same for all of them.
"""

import hmac
import re
from collections.abc import Iterable

from msgspec import Struct

from bridge.settings import Secret

_DIGITS = re.compile(r"[0-9]{1,16}", re.ASCII)
_LONGEST_HEADER = 1024


class StampedSignature(Struct, frozen=True):
    """A header of the form `t=<digits>,s=<hex>`.

    `time`: the digits' value, in whatever unit the sender counts; `digits`: as they were signed.
    """

    time: int
    digits: bytes
    signature: bytes


def raw_header(value: str) -> bytes:
    """Return the bytes of a header, which ASGI servers decode as Latin-1."""
    return value.encode("latin-1", "replace")


def parse_digits(text: str) -> int | None:
    """Return the number that up to 16 ASCII digits make, None for anything else."""
    return int(text) if _DIGITS.fullmatch(text) else None


def parse_stamped(header: str, name: str) -> StampedSignature | None:
    """Read `t=<digits>,<name>=<hex>`, a space after the comma or not; None when it is anything else."""
    if len(header) > _LONGEST_HEADER:
        return None
    time, _, rest = header.strip().partition(",")
    key, _, signature = rest.lstrip().partition("=")
    digits = time.removeprefix("t=")
    value = parse_digits(digits)
    if value is None or not time.startswith("t=") or key != name or not signature:
        return None
    return StampedSignature(value, digits.encode("ascii"), raw_header(signature))


def signed_by_any(secrets: Iterable[Secret], message: bytes, signature: bytes) -> bool:
    """Tell whether the signature is the lower-case hex HMAC-SHA256 of the message by any of the secrets.

    The key is the secret's UTF-8 text. All of them are compared, so the time tells nothing.
    """
    found = False
    for secret in secrets:
        expected = hmac.digest(secret.reveal().encode(), message, "sha256").hex().encode()
        matches = hmac.compare_digest(expected, signature)
        secret.matches += matches
        found |= matches
    return found


def equals_any(secrets: Iterable[Secret], given: bytes) -> bool:
    """Tell whether what was sent is the UTF-8 text of any of the secrets. All of them are compared."""
    found = False
    for secret in secrets:
        matches = hmac.compare_digest(secret.reveal().encode(), given)
        secret.matches += matches
        found |= matches
    return found


def is_fresh(signed_at: int, now: int, tolerance: float) -> bool:
    """Tell whether two unix times in milliseconds are at most `tolerance` seconds apart, either way."""
    return abs(now - signed_at) <= tolerance * 1000


def describe_age(signed_at: int, now: int, tolerance: float) -> str:
    """Say how far a signed time (both unix milliseconds) is outside the tolerance (seconds)."""
    seconds = (now - signed_at) / 1000
    way = "ago" if seconds > 0 else "in the future"
    return f"it was signed {abs(seconds):.0f} s {way}: more than the tolerance of {tolerance:.0f} s"
