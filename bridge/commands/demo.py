"""Being written."""


def demo() -> None:
    """Being written."""
