"""Which networks a source's deliveries may come from, also behind proxies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MOST_HOPS = 32  # addresses of X-Forwarded-For that are looked at
_FORWARDED = b"x-forwarded-for"


def parse_network(text: str) -> Network:
    """Return the network: `203.0.113.0/24`, `2001:db8::/32`, or one address. Raises ValueError."""
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        wider = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'"{text[:60]}" is not a network: write one such as "203.0.113.0/24"') from None
    raise ValueError(f'"{text}" is an address within a network: write "{wider}"')


def parse_address(text: str) -> Address | None:
    """Return an address, None when it is none. A port after it, as some proxies write it, is left out.

    An IPv4 address in IPv6's clothes (`::ffff:203.0.113.9`) is the IPv4 address.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def is_within(address: Address, networks: Iterable[Network]) -> bool:
    """Tell whether any of the networks holds the address."""
    return any(address in network for network in networks)


def client_of(peer: Address | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    """Return who speaks, None when that cannot be told.

    `peer`: the other end of the connection, None where it has no address (a Unix socket). `forwarded`: the
    values of all X-Forwarded-For headers, in order. They count only where the peer is a trusted proxy, and
    are read from the right, where the nearest proxy wrote: the first who is no trusted proxy is the client,
    and what stands to the left of it is only what that client says.
    """
    if peer is None or not is_within(peer, trusted):
        return peer
    found: Address | None = peer
    for hop in reversed(",".join(forwarded).rsplit(",", MOST_HOPS)[-MOST_HOPS:] if forwarded else []):
        found = parse_address(hop)
        if found is None or not is_within(found, trusted):
            break
    return found


@dataclass(frozen=True, slots=True)
class Gate:
    """The networks of one source. `trusted`: the proxies that are believed."""

    networks: tuple[Network, ...]
    trusted: tuple[Network, ...] = ()

    def objection(self, scope: Mapping[str, Any]) -> str | None:
        """Return why a request (its ASGI scope) may not come in, for the operators; None when it may."""
        forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == _FORWARDED]
        peer = scope.get("client")
        client = client_of(parse_address(peer[0]) if peer else None, forwarded, self.trusted)
        if client is None:
            return "its address cannot be told"
        return None if is_within(client, self.networks) else f"{client} is in none of the source's networks"
