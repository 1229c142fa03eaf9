"""A secret or token: where it is found, and what may be done with it."""

import base64
import contextlib
import os
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Secret:
    """A secret or token: `env:NAME`, `file:PATH`, or the text itself. It shows itself to nobody.

    `matches`: how often this process has found it to be the one that a sender used, see
    `bridge.sources.signatures`. While a secret is being changed, that tells which may be taken away.
    """

    __slots__ = ("_folder", "_value", "matches", "reference")

    def __init__(self, reference: str, folder: Path = Path()) -> None:
        """`reference` as written in the file; `folder`: what its relative paths are relative to.

        Raises ValueError when it leads nowhere.
        """
        self.reference = reference
        self._folder = folder
        self._value = ""
        self.matches = 0
        self.reload()

    def reload(self) -> None:
        """Read it again, as after a rotation. Raises ValueError when it leads nowhere."""
        self._value = _resolve(self.reference, self._folder)

    def refresh(self) -> None:
        """Read it again; one that cannot be read stays as it was."""
        with contextlib.suppress(ValueError):
            self.reload()

    def reveal(self) -> str:
        """Return the secret itself: for the comparison or the header that needs it, nowhere else."""
        return self._value

    def reveal_key(self) -> bytes:
        """Return the bytes behind `whsec_<base64>` (Standard Webhooks; the prefix may be missing).

        Raises ValueError when it is not base64, or empty.
        """
        text = self._value.removeprefix("whsec_").rstrip("=")
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except ValueError:
            raise ValueError("is not base64") from None
        if not key:
            raise ValueError("is empty")
        return key

    @property
    def is_inline(self) -> bool:
        """True when the secret stands in the file itself."""
        return not self.reference.startswith(("env:", "file:"))

    @property
    def file(self) -> Path | None:
        """The file that holds it, None when it stands elsewhere."""
        return self._folder / self.reference[5:] if self.reference.startswith("file:") else None

    def label(self, number: int) -> str:
        """Return what operators call it: its reference, or for one in the file its place (0 is the first)."""
        return f"no. {number + 1}, in the file" if self.is_inline else self.reference

    def __repr__(self) -> str:
        """Show where it comes from, never what it is."""
        return "Secret(in the file)" if self.is_inline else f"Secret({self.reference})"

    def __eq__(self, other: object) -> bool:
        """Two secrets are equal when they come from the same place."""
        return isinstance(other, Secret) and self.reference == other.reference

    def __hash__(self) -> int:
        """Hash by where it comes from."""
        return hash(self.reference)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Let pydantic make one from its text; the validation's context is the folder."""
        return core_schema.with_info_after_validator_function(
            lambda text, info: cls(text, info.context or Path()),
            core_schema.str_schema(min_length=1),
            serialization=core_schema.to_string_ser_schema(),
        )


def _resolve(reference: str, folder: Path) -> str:
    if reference.startswith("env:"):
        value = os.environ.get(reference[4:], "").strip()
        if not value:
            raise ValueError(f"the environment variable {reference[4:]} is not set")
        return value
    if reference.startswith("file:"):
        path = folder / reference[5:]
        try:
            value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the file {path} cannot be read: {type(error).__name__}") from None
        if not value:
            raise ValueError(f"the file {path} is empty")
        return value
    return reference
