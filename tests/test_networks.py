"""Who speaks, also behind proxies, and whether they may."""

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.networks import MOST_HOPS, Gate, client_of, parse_address, parse_network

OFFICE = (parse_network("203.0.113.0/24"), parse_network("2001:db8::/32"))
PROXIES = (parse_network("10.0.0.0/8"), parse_network("127.0.0.1"))


def scope(peer: str | None, *forwarded: str, name: str = "x-forwarded-for") -> dict[str, Any]:
    """A request from a peer, with these headers besides another."""
    headers = [(name.encode(), value.encode("latin-1")) for value in forwarded]
    return {"client": (peer, 1) if peer else None, "headers": [(b"host", b"bridge.test"), *headers]}


def admits(gate: Gate, *words: Any, **more: Any) -> bool:
    """Whether a request may come in."""
    return gate.objection(scope(*words, **more)) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("203.0.113.7/24", 'write "203.0.113.0/24"'),
        ("2001:db8::1/32", 'write "2001:db8::/32"'),
        ("203.0.113.0/33", "is not a network"),
        ("acme.test", "is not a network"),
        ("", "is not a network"),
        ("0x7f000001", "is not a network"),
    ],
)
def test_wrong_network_is_named(text: str, says: str) -> None:
    """The message says what it is and what to write."""
    with pytest.raises(ValueError, match=says) as told:
        parse_network(text)
    assert text in str(told.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        ("203.0.113", None),
        ("203.0.113.007", None),
    ],
)
def test_addresses_as_proxies_write_them(text: str, address: str | None) -> None:
    """With a port, in brackets, IPv4 in IPv6's clothes; what is none is none."""
    assert parse_address(text) == (ip_address(address) if address else None)


def test_only_the_listed_networks_come_in() -> None:
    """IPv4, IPv6, and IPv4 as a socket of both shows it."""
    gate = Gate(OFFICE)
    assert admits(gate, "203.0.113.9")
    assert admits(gate, "::ffff:203.0.113.9")
    assert admits(gate, "2001:db8:1::9")
    assert not admits(gate, "198.51.100.9")
    assert not admits(gate, "2001:db9::9")


def test_objection_tells_operators_the_address() -> None:
    """So that they can add it to the list."""
    assert Gate(OFFICE).objection(scope("198.51.100.9")) == "198.51.100.9 is in none of the source's networks"


def test_header_of_a_stranger_is_not_read() -> None:
    """Only a trusted proxy is believed: anybody else can write any header."""
    assert not admits(Gate(OFFICE), "198.51.100.9", "203.0.113.9")
    assert not admits(Gate(OFFICE, PROXIES), "198.51.100.9", "203.0.113.9")
    assert admits(Gate(OFFICE, PROXIES), "203.0.113.9", "198.51.100.9")


def test_header_is_read_from_the_right() -> None:
    """What stands to the left of the first stranger is only what that stranger says."""
    gate = Gate(OFFICE, PROXIES)
    assert admits(gate, "10.0.0.1", "203.0.113.9")
    assert admits(gate, "10.0.0.1", "198.51.100.9, 203.0.113.9")
    assert not admits(gate, "10.0.0.1", "203.0.113.9, 198.51.100.9")
    assert admits(gate, "10.0.0.1", "203.0.113.9, 10.0.0.3,10.0.0.2")


def test_several_headers_are_one_list() -> None:
    """A proxy may add a header of its own instead of a comma (RFC 9110, 5.3)."""
    gate = Gate(OFFICE, PROXIES)
    assert not admits(gate, "10.0.0.1", "203.0.113.9", "198.51.100.9")
    assert admits(gate, "10.0.0.1", "198.51.100.9", "203.0.113.9")


def test_other_headers_do_not_count() -> None:
    """One header, the one that proxies write; not what somebody else might pass on."""
    for name in ("x-real-ip", "forwarded", "x-client-ip"):
        assert not admits(Gate(OFFICE, PROXIES), "10.0.0.1", "203.0.113.9", name=name)


@pytest.mark.parametrize("hop", ["", "unknown", "203.0.113.9.", "203.0.113.9 10.0.0.1", "\xff"])
def test_what_is_no_address_comes_from_nowhere(hop: str) -> None:
    """Where the nearest hop cannot be read, nothing left of it counts."""
    assert Gate(OFFICE, PROXIES).objection(scope("10.0.0.1", f"203.0.113.9, {hop}")) == (
        "its address cannot be told"
    )


def test_proxy_itself_may_be_listed() -> None:
    """Without the header, or with none but proxies in it, the farthest proxy is who speaks."""
    gate = Gate(PROXIES[1:], PROXIES)
    assert admits(gate, "127.0.0.1")
    assert not admits(gate, "10.0.0.1")
    assert admits(gate, "10.0.0.1", "127.0.0.1, 10.0.0.2")


def test_peer_without_address_is_nobody() -> None:
    """The other end of a Unix socket is neither in a network nor a trusted proxy."""
    everyone = (parse_network("0.0.0.0/0"), parse_network("::/0"))
    assert not admits(Gate(everyone, everyone), None, "203.0.113.9")


def test_number_of_hops_is_bounded() -> None:
    """A long list of proxies costs no more than a short one, and hides nobody."""
    hops = ["10.0.0.1"] * (MOST_HOPS - 1)
    assert admits(Gate(OFFICE, PROXIES), "10.0.0.1", ",".join(["203.0.113.9", *hops]))
    assert not admits(Gate(OFFICE, PROXIES), "10.0.0.1", ",".join(["203.0.113.9", "10.0.0.1", *hops]))


@given(st.lists(st.text(alphabet=st.characters(max_codepoint=255), max_size=40), max_size=5), st.booleans())
def test_no_header_lets_a_stranger_in(forwarded: list[str], proxied: bool) -> None:
    """Whatever the header says, the last hop that a proxy wrote decides; nothing raises."""
    stranger = "198.51.100.9"
    if proxied:
        assert not admits(Gate(OFFICE, PROXIES), "10.0.0.1", *forwarded, stranger)
    else:
        assert client_of(ip_address(stranger), forwarded, PROXIES) == ip_address(stranger)
