"""Why a call had no answer, in words that say what to look at."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator

import httpx

# A connection ended before its answer came: mostly a kept one, which the server closed just then. What only
# reads may be sent again by another one.
CLOSED = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)

_LONGEST_WORD = 80  # characters of a proxy's own words
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)  # X509_V_ERR_*: nobody who is trusted has signed it
_UNDER_WAY = (ssl.SSLWantReadError, ssl.SSLWantWriteError)  # how a time-out finds TLS, no fault of it
_OTHER_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH: OpenSSL's text names the host


def describe_failure(error: BaseException, proxy: str = "") -> str:
    """Return why a call failed, and what may help.

    `error`: what httpx, or a time-out around it, raised; `proxy`: what the proxy on the way is called, ""
    without one. The text names no other host.
    """
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, _UNDER_WAY):
            return _describe_tls(cause)
    if isinstance(error, httpx.ProxyError):
        return _describe_proxy(proxy, str(error))
    for cause in causes:
        if isinstance(cause, OSError) and (said := _describe_os(cause, proxy or "it")):
            return said
    if isinstance(error, httpx.ConnectTimeout):
        return f"{proxy or 'it'} does not answer in time: is a firewall between?"
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "it does not answer in time"
    return "the connection was closed" if isinstance(error, CLOSED) else type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and what it came of, from the outside in."""
    yield error
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _causes(inner)
    if cause := error.__cause__ or error.__context__:
        yield from _causes(cause)


def _describe_tls(error: ssl.SSLError) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        reason = (error.reason or "for no reason").replace("_", " ").lower()
        return f"TLS fails ({reason}): is it spoken there?"
    if error.verify_code in _OTHER_NAME:
        return "its certificate is another host's"
    said = f"its certificate is not trusted ({error.verify_message})"
    if error.verify_code in _UNKNOWN_ISSUER:
        said += ": if your company signs it, give the file of its CA by the key `ca`"
    return said


def _describe_proxy(proxy: str, words: str) -> str:
    words = re.sub(r"[^ -~]+", " ", words)[:_LONGEST_WORD]
    login = ": it wants a user and a password" if words.startswith("407") else ""
    return f"{proxy} does not let it through ({words}){login}"


def _describe_os(error: OSError, it: str) -> str | None:
    if isinstance(error, socket.gaierror):
        return f"{'its host' if it == 'it' else it} is not known to the DNS"
    if isinstance(error, ConnectionRefusedError):
        return f"{it} refuses the connection: does anything listen there?"
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return f"there is no route to {it} ({os.strerror(error.errno)})"
    return None
