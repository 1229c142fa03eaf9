"""Ids that others have told, as segments of a URL's path."""

import re
from urllib.parse import quote

_NOT_IN_IDS = re.compile(r"[/\\?#%\s\x00-\x1f\x7f]")


def path_segment(ident: str) -> str:
    """Return an id as one segment of a path.

    Raises ValueError for what is none: an empty text and dots alone lead to another object, the whole
    organisation say (RFC 3986, 5.2.4), and an escaped slash does behind some proxies.
    """
    if not ident.strip(".") or _NOT_IN_IDS.search(ident):
        raise ValueError("not an id")
    return quote(ident, safe="")
