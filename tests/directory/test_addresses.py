"""Addresses: how two are told apart, and which are not what people see."""

import pytest

from bridge.directory.addresses import disguise, normalise_email


@pytest.mark.parametrize(
    ("text", "email"),
    [
        (" Ana@ACME.test ", "ana@acme.test"),
        ("ÄNA@acme.test", "äna@acme.test"),
        ("straße@acme.test", "straße@acme.test"),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
def test_addresses_are_stripped_and_lower_cased(text: str | None, email: str | None) -> None:
    """Not case-folded: ß stays ß."""
    assert email == normalise_email(text)


@pytest.mark.parametrize("char", ["\u212a", "\u212b", "\u0130", "\uff21", "\u2126"])
def test_nobody_becomes_somebody_else_in_lower_case(char: str) -> None:
    """Kelvin, Angstrom and Ohm sign, the dotted I and wide letters stay what they are."""
    assert normalise_email(f"B{char}@acme.test") == f"b{char}@acme.test"


@pytest.mark.parametrize(
    "email",
    [
        "ana@acme.test", "o'neil+x@acme.test", "müller@acme.test", "иван@acme.test", "张伟@acme.test",
        "ana@bücher.test", "ana@xn--bcher-kva.test", "ana@xn--fa-hia.test",
    ],
)  # fmt: skip
def test_addresses_that_are_what_people_see(email: str) -> None:
    """Of any script; internationalised domains in either form."""
    assert disguise(email) is None


@pytest.mark.parametrize(
    ("email", "why"),
    [
        ("ana\u200b@acme.test", "it holds U+200B, which people cannot see"),
        ("ana@ac\u00adme.test", "it holds U+00AD, which people cannot see"),
        ("\u202eana@acme.test", "it holds U+202E, which people cannot see"),
        ("ana\x1f@acme.test", "it holds U+001F, which people cannot see"),
        ("ana\u2003ng@acme.test", "it holds U+2003, which people cannot see"),
        ("bar\u212aer@acme.test", "it holds U+212A, which is compared like 'k'"),
        ("\u017fam@acme.test", "it holds U+017F, which is compared like 's'"),
        ("b\u0131ll@acme.test", "it holds U+0131, which is compared like 'i'"),
        ("straße@acme.test", "it holds U+00DF, which is compared like 'ss'"),
        ("ana@\uff41cme.test", "it holds U+FF41, which is compared like 'a'"),
        ("mu\u0308ller@acme.test", "it is not in the composed form (NFC) of its characters"),
        ("ana@xn--a.test", "its domain is no internationalised domain as RFC 5891 writes it"),
        ("ana@xn--acme-.test", "its domain is no internationalised domain as RFC 5891 writes it"),
        ("ana@❤.test", "its domain is no internationalised domain as RFC 5891 writes it"),
    ],
)
def test_addresses_in_disguise(email: str, why: str) -> None:
    """Whoever reads them takes them for another one."""
    assert disguise(email) == why
