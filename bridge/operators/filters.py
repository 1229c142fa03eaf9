"""What an operator wants to see: the same words for every listing."""

from collections.abc import Iterable
from dataclasses import dataclass

ANY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows to show, the newest first. An empty set admits any; `text` is looked for in any case.

    `kinds`: exact, or what stands before the dot ("user" admits "user.created"). `since`, `until`: unix
    milliseconds, 0 for no end. `limit`: rows; `after`: the id of the last row that was shown already.
    """

    sources: frozenset[str] = ANY
    targets: frozenset[str] = ANY
    kinds: frozenset[str] = ANY
    states: frozenset[str] = ANY
    text: str = ""
    since: int = 0
    until: int = 0
    limit: int = 50
    after: str = ""

    def admits(
        self,
        *,
        source: str | None = None,
        target: str | None = None,
        kind: str | None = None,
        state: str | None = None,
        at: int | None = None,
        texts: Iterable[str | None] | None = None,
    ) -> bool:
        """Tell whether a row is wanted. What is None is not asked about; `at`: unix milliseconds."""
        return (
            _admits(self.sources, source)
            and _admits(self.targets, target)
            and (_admits(self.kinds, kind) or _admits(self.kinds, (kind or "").partition(".")[0]))
            and _admits(self.states, state)
            and (at is None or (at >= self.since and (not self.until or at < self.until)))
            and (
                not self.text
                or texts is None
                or any(self.text.lower() in text.lower() for text in texts if text)
            )
        )


def _admits(wanted: frozenset[str], name: str | None) -> bool:
    return not wanted or name is None or name in wanted
