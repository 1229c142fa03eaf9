"""Building blocks to prove a sender."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.settings import Secret
from bridge.sources.signatures import (
    StampedSignature,
    equals_any,
    is_fresh,
    parse_digits,
    parse_stamped,
    raw_header,
    signed_by_any,
)

OLD, NEW = Secret("the-old-secret"), Secret("the-new-sécret")


def sign(secret: Secret, message: bytes) -> bytes:
    """The hex HMAC-SHA256 that a sender with that secret makes."""
    return hmac.new(secret.reveal().encode(), message, "sha256").hexdigest().encode()


def test_any_secret_verifies() -> None:
    """While a secret is being changed, a signature by either is good."""
    for secret in (OLD, NEW):
        assert signed_by_any((OLD, NEW), b"body", sign(secret, b"body"))


@pytest.mark.parametrize(
    "signature", [b"", b"00", b"\xff" * 64, sign(OLD, b"other"), sign(OLD, b"body")[:-2]]
)
def test_other_signatures_do_not_verify(signature: bytes) -> None:
    """Nothing but the whole signature of this very body is good."""
    assert not signed_by_any((OLD, NEW), b"body", signature)


def test_secret_that_matched_counts_it() -> None:
    """The others do not, nor does any for what is not verified: so an old one can be taken away."""
    old, new = Secret("the-old-secret"), Secret("the-new-secret")
    assert signed_by_any((old, new), b"body", sign(new, b"body"))
    assert equals_any((old, new), b"the-new-secret")
    assert not signed_by_any((old, new), b"body", sign(new, b"other"))
    assert not equals_any((old, new), b"neither")
    assert (old.matches, new.matches) == (0, 2)


def test_every_secret_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also behind one that matched, and with `compare_digest`: the time tells nothing of which it was."""
    compared: list[bytes] = []
    real = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for text in (b"the-old-secret", b"the-new-s\xc3\xa9cret", b"neither"):
        equals_any((OLD, NEW), text)
        signed_by_any((OLD, NEW), b"body", sign(OLD, text))
    assert len(compared) == 12


def test_no_secret_verifies_nothing() -> None:
    """Without a secret nobody is proven."""
    assert not signed_by_any((), b"body", sign(OLD, b"body"))
    assert not equals_any((), b"")


def test_equals_any_compares_utf8() -> None:
    """A secret outside ASCII is compared by its UTF-8 bytes, which a header carries as Latin-1 text."""
    assert equals_any((OLD, NEW), raw_header("the-new-sécret".encode().decode("latin-1")))
    assert not equals_any((OLD, NEW), b"the-new-secret")


def test_stamped_header_is_read() -> None:
    """Time, its digits as they were signed, and the signature, with a space or without."""
    assert parse_stamped("t=0042,s=ab", "s") == StampedSignature(42, b"0042", b"ab")
    assert parse_stamped("t=42, v1=cd", "v1") == StampedSignature(42, b"42", b"cd")


@pytest.mark.parametrize(
    "header",
    [
        "",
        ",,,",
        "nonsense",
        "t=1",
        "s=ab",
        "t=,s=ab",
        "t=1,s=",
        "t=-1,s=ab",
        "t=+1,s=ab",
        "t=1.5,s=ab",
        "t=1_0,s=ab",
        "t=now,s=ab",
        "t=é,s=ab",
        "t=\u0661,s=ab",
        "t=\u00b2,s=ab",
        f"t={'9' * 400},s=ab",
        "t=1,t=2,s=ab",
        "t=1,v1=ab",
        "t=1,s=" + "a" * 2000,
        "=,=,=",
        "t",
    ],
)
def test_hostile_stamped_header_is_nothing(header: str) -> None:
    """What is not of the form is None, never an exception."""
    assert parse_stamped(header, "s") is None


@given(st.text())
def test_no_header_raises(header: str) -> None:
    """Whatever stands in a header, nothing is raised, and nothing verifies."""
    stamped = parse_stamped(header, "s")
    assert not signed_by_any((OLD,), b"body", stamped.signature if stamped else raw_header(header))
    assert not equals_any((OLD,), raw_header(header))
    assert parse_digits(header) is None or header.isdigit()


@pytest.mark.parametrize(
    ("signed", "fresh"),
    [(1_000_000, True), (700_000, True), (1_300_000, True), (699_999, False), (1_300_001, False)],
)
def test_tolerance_holds_both_ways(signed: int, fresh: bool) -> None:
    """A time may be 300 s old or 300 s ahead, to the millisecond."""
    assert is_fresh(signed, 1_000_000, 300.0) is fresh
