"""HTTP connections that are kept for the next call of an API."""

import httpx

# Seconds that one is kept without a call. Servers and balancers end it after 5 s at the least, and tell so
# at a bad moment or, behind a firewall, not at all: then a call that may not be repeated, as one that makes
# a team, is in doubt. Calls that belong together follow each other much faster.
KEPT_SECONDS = 3.0

# A connection ended before its answer came: mostly a kept one, which the server closed just then. What only
# reads may be sent again by another one.
CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)


def open_client(timeout: float) -> httpx.AsyncClient:
    """Return a client for one API; no proxy of the environment comes between. `timeout`: seconds."""
    limits = httpx.Limits(keepalive_expiry=KEPT_SECONDS)
    return httpx.AsyncClient(timeout=timeout, trust_env=False, limits=limits)
