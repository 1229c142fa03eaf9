"""E-mail addresses: how two are told apart, and which are not what people see."""

import unicodedata

import idna

_UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}  # control, format, unassigned, private, spaces


def normalise_email(text: str | None) -> str | None:
    """Return an address as members are told apart by: stripped and in lower case; None for an empty one.

    Only characters in their plain form are put in lower case: the Kelvin sign would become a k, and so its
    owner somebody else.
    """
    stripped = (text or "").strip()
    if stripped.isascii():
        return stripped.lower() or None
    return "".join(map(_lower, stripped)) or None


def _lower(char: str) -> str:
    lower = char.lower()
    return lower if len(lower) == 1 and unicodedata.normalize("NFKC", char) == char else char


def disguise(email: str) -> str | None:
    """Return in words why an address is not what people see when they read it, None where it is.

    `email`: as `normalise_email` returns it. People would approve one address and invite another one:
    characters that cannot be seen, characters that are compared like others (Unicode's compatibility forms
    and case folding), domains that are not written as IDNA 2008 (RFC 5891) writes them.
    """
    if email.isascii() and email.isprintable() and "xn--" not in email:
        return None
    for char in email:
        if unicodedata.category(char) in _UNSEEN:
            return f"it holds {_name(char)}, which people cannot see"
    for char in email:
        if _folded(char) != char:
            return f"it holds {_name(char)}, which is compared like {_folded(char)!r}"
    if _folded(email) != email:
        return "it is not in the composed form (NFC) of its characters"
    return _domain_problem(email.rpartition("@")[2])


def _folded(text: str) -> str:
    """Return a text as programs compare it that know no case: by way of capitals, too (the dotless i)."""
    folded = unicodedata.normalize("NFKC", text).upper().casefold()
    return unicodedata.normalize("NFKC", folded)


def _domain_problem(domain: str) -> str | None:
    """Return why a domain is not as IDNA writes it: in its own letters, or as `xn--` for them."""
    if domain.isascii() and "xn--" not in domain:
        return None
    try:
        ours = idna.decode(domain)
        same = idna.encode(ours).decode() == domain or ours == domain
    except (idna.IDNAError, UnicodeError):
        same = False
    return None if same else "its domain is no internationalised domain as RFC 5891 writes it"


def _name(char: str) -> str:
    return f"U+{ord(char):04X}"
