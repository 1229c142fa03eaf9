"""What works, and lets in or tells more than it should: found in the configuration alone."""

import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from bridge.commands.findings import Finding, warn
from bridge.outbound import is_here
from bridge.settings import Secret, Settings, SourceSettings, inline_secrets
from bridge.store.journal import SEEN_SECONDS

_SHORTEST = 16  # characters: fewer are found by trying
_SHORTEST_KEY = 24  # bytes: the specification of Standard Webhooks, "Signature scheme"
_MOUNTED = ("/run/secrets/", "/var/run/secrets/")  # by Docker or Kubernetes, for one container


def find_unsafe(settings: Settings, path: Path) -> Iterator[Finding]:
    """Yield a warning for each key, or file, that is not as safe as it can be. `path`: the configuration."""
    for key in inline_secrets(settings):
        yield warn("secrets", f"{key}: stands in the file itself: better write env:NAME or file:PATH")
    yield from _open_files(settings, path)
    yield from _plain_addresses(settings)
    for source in settings.sources:
        yield from _weak_proof(source)


def _open_files(settings: Settings, path: Path) -> Iterator[Finding]:
    files = [secret.file for secret in settings.all_secrets() if secret.file]
    if inline_secrets(settings):
        files.append(path)
    for file in dict.fromkeys(files):
        if not str(file).startswith(_MOUNTED) and _is_open_to_all(file.resolve()):
            yield warn("secrets", f"{file} can be read by every user of this machine: chmod o-r {file}")


def _is_open_to_all(file: Path) -> bool:
    """Tell whether everybody can read a file, and get to it."""
    try:
        reachable = all(folder.stat().st_mode & stat.S_IXOTH for folder in file.parents)
        return reachable and bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:  # it was there when it was read; who may not look is not everybody
        return False


def _plain_addresses(settings: Settings) -> Iterator[Finding]:
    """Find addresses without TLS: what proves who we are, or who others are, goes there for all to read."""
    sent = [(f"target.{each.name}", "api_url", each.api_url, "the token") for each in settings.targets]
    for source in settings.sources:
        name = f"source.{source.name}"
        sent.append((name, "api_url", source.api_url or "", "the token"))
        sent.append((name, "jwks_url", source.jwks_url or "", "whose tokens are taken"))
    told = [(f"alert.{each.name}", "url", each.url.reveal(), "what is told") for each in settings.alerts]
    for name, key, url, what in chain(sent, told):
        if url.startswith("http://") and not is_here(urlsplit(url).hostname or ""):
            yield warn(name, f"{key} has no TLS: {what} can be read and changed on the way: write https://")
    if "ssl_cert_reqs=none" in settings.redis.url:
        yield warn("redis", "its certificate is not looked at: whoever is between can be it: name its `ca`")


def _weak_proof(source: SourceSettings) -> Iterator[Finding]:
    name = f"source.{source.name}"
    for number, secret in enumerate(source.shared_secrets):
        if short := _shortness(source, secret):
            yield warn(name, f"secret {secret.label(number)}: {short}: make a longer one")
    if source.tolerance_seconds > SEEN_SECONDS:
        days = SEEN_SECONDS // 86400
        yield warn(
            name,
            f"tolerance is more than {days} days, as long as deliveries are remembered: an older one that "
            f"somebody sends again counts as new: write {days}d or less",
        )


def _shortness(source: SourceSettings, secret: Secret) -> str | None:
    """Return what is short about a secret, None when nothing is."""
    if source.kind == "standard-webhooks":
        length = len(secret.reveal_key())
        return f"it has {length} bytes, fewer than {_SHORTEST_KEY}" if length < _SHORTEST_KEY else None
    text = secret.reveal()
    if source.kind == "okta-workflows" and source.auth == "basic":
        text = text.partition(":")[2]
    return f"it has {len(text)} characters, fewer than {_SHORTEST}" if len(text) < _SHORTEST else None
