"""The way out: the proxy to an API, whom TLS trusts there, and connections that are kept."""

import os
import re
import ssl
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import httpx

from bridge.no_answer import describe_failure

# Seconds that one is kept without a call. Servers and balancers end it after 5 s at the least, and tell so
# at a bad moment or, behind a firewall, not at all: then a call that may not be repeated, as one that makes
# a team, is in doubt. Calls that belong together follow each other much faster.
KEPT_SECONDS = 3.0

_PROXIES = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one API.

    `proxy`: its URL, maybe with a password, None for straight; `ca`: a PEM file of certificates that are
    trusted besides the usual ones.
    """

    proxy: str | None = field(default=None, repr=False)
    ca: Path | None = None

    def open_client(self, timeout: float) -> httpx.AsyncClient:
        """Return a client that goes this way and follows no redirect. `timeout`: seconds, for each step."""
        trust = _trust(self.ca, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        tls = trust if self.proxy and self.proxy.startswith("https:") else None  # to the proxy itself
        return httpx.AsyncClient(
            timeout=timeout,
            trust_env=False,  # what it says of proxies is in `proxy` already
            verify=trust,
            proxy=httpx.Proxy(self.proxy, ssl_context=tls) if self.proxy else None,
            limits=httpx.Limits(keepalive_expiry=KEPT_SECONDS),
        )

    def describe(self, error: BaseException) -> str:
        """Return why a call had no answer, and what may help. It names the proxy's host, no other."""
        return describe_failure(error, f"the proxy {host_and_port(self.proxy)}" if self.proxy else "")


def find_route(url: str, proxy: str | None = None, ca: Path | None = None) -> Route:
    """Return the way to a URL: by `proxy`, else by the one that the environment names for it.

    HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY are read as Python's own urllib reads them. This machine
    itself is never behind a proxy of the environment.
    """
    return Route(proxy or _proxy_of_environment(url), ca)


def find_proxy_fault(proxy: str) -> str | None:
    """Return what is wrong with a proxy's URL, None when it can be used. The text holds nothing of it."""
    scheme, divider, rest = proxy.partition("://")
    if has_unescaped_login(proxy):
        return ESCAPE
    right = bool(divider) and scheme in _PROXIES and not rest.partition("/")[2]
    if not right or not _is_url(proxy):
        return "is no proxy's address: write http://host:port, or https:// or socks5://"
    return None


def _is_url(text: str) -> bool:
    """Tell whether a text is a URL with a host to both who read it here: urllib alone takes `[::1]=1080`."""
    try:
        return bool(httpx.URL(text).host and host_and_port(text))
    except httpx.InvalidURL:
        return False


def find_environment_fault() -> str | None:
    """Return what is wrong with the proxies that the environment names, None when nothing is."""
    for scheme, proxy in getproxies().items():
        if scheme in ("http", "https", "all") and (fault := find_proxy_fault(_with_scheme(proxy))):
            return f"the environment's {scheme.upper()}_PROXY {fault}"
    return None


ESCAPE = (
    "has a user or password with a character that must be escaped: write %40 for @, %2F for /, %23 for #, "
    "%3F for ?, %20 for a blank"
)


def has_unescaped_login(url: str) -> bool:
    """Tell whether user or password of a URL hold what ends them too early (RFC 3986, 3.2.1)."""
    login, at, _ = url.partition("://")[2].rpartition("@")
    return bool(at) and not login.startswith("/") and bool(re.search(r"[\s@/#?\[\]]", login))


def read_certificates(path: Path) -> None:
    """See whether a file holds certificates. Raises ValueError, saying what to write instead."""
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ValueError(f"the file {path} holds no certificate: write the path of a PEM file") from None
    except OSError as error:
        raise ValueError(f"the file {path} cannot be read: {type(error).__name__}") from None


def is_here(host: str) -> bool:
    """Tell whether a host is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@lru_cache(maxsize=16)
def _trust(ca: Path | None, _file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Return whom TLS trusts: this machine's certificates, or those that the environment names, and `ca`'s.

    OpenSSL itself reads SSL_CERT_FILE and SSL_CERT_DIR (here only what the cache knows it by). Without them
    certifi's are there, too: a small container has none of its own.
    """
    context = ssl.create_default_context()
    if not (_file or _folder):
        context.load_verify_locations(certifi.where())
    if ca is not None:
        context.load_verify_locations(ca)
    return context


def _proxy_of_environment(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:  # no address at all: whoever calls it says so
        return None
    host = parts.hostname or ""
    if is_here(host) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return _with_scheme(proxy) if proxy else None


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"  # the environment often has host:port alone


def host_and_port(url: str) -> str:
    """Return where a URL leads, without its login; "" when that is nowhere."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{port}" if port else host
