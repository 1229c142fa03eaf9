"""What an identifier of a directory, a user or a group may hold."""

import unicodedata


def hidden_character(text: str) -> str | None:
    """Return the first control character (Unicode's category Cc) of a text as U+XXXX, None without one.

    The store separates identifiers by such characters, so no identifier may hold one.
    """
    if text.isprintable():  # nearly always, and far quicker
        return None
    found = (char for char in text if unicodedata.category(char) == "Cc")
    return next((f"U+{ord(char):04X}" for char in found), None)
