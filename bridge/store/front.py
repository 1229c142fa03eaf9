"""What the receivers tell about the front door: for each source, who came in and who did not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bridge.store.redis import Store

_USED = "used:"


@dataclass(frozen=True, slots=True)
class Refusals:
    """Deliveries of one source that were not let in: how many, when the last was (unix ms), and why."""

    count: int = 0
    at: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FrontNews:
    """What one receiver has to tell about one source since it last did. Times in unix milliseconds.

    `delivered`: the last delivery that was stored, 0 without one; `secrets`: by their labels (see
    `bridge.settings.Secret.label`), when they were last seen to verify one.
    """

    delivered: int = 0
    refused: Refusals = Refusals()
    secrets: Mapping[str, int] = field(default_factory=dict)


class FrontStore:
    """One hash for each source, of a size that does not depend on what strangers send."""

    def __init__(self, store: Store) -> None:
        """`store`: the bridge's own."""
        self._store = store

    async def tell(self, news: Mapping[str, FrontNews]) -> None:
        """Write news by source, in one round trip. Raises one of STORE_ERRORS."""
        commands: list[tuple[str | int, ...]] = []
        for source, told in news.items():
            if fields := _fields(told):
                commands.append(("HSET", self._key(source), *fields))
            if told.refused.count:
                commands.append(("HINCRBY", self._key(source), "refused", told.refused.count))
        await self._store.calls(commands)

    async def read(self, sources: Iterable[str]) -> dict[str, FrontNews]:
        """Return all that was told, by source. Raises one of STORE_ERRORS."""
        names = list(sources)
        rows = await self._store.calls([("HGETALL", self._key(name)) for name in names])
        return {name: _read(row) for name, row in zip(names, rows, strict=True)}

    def _key(self, source: str) -> str:
        return self._store.key("front", source)


def _fields(told: FrontNews) -> list[str | int]:
    fields: list[str | int] = ["delivered", told.delivered] if told.delivered else []
    if told.refused.count:
        fields += ["refused_at", told.refused.at, "reason", told.refused.reason]
    for label, at in told.secrets.items():
        fields += [_USED + label, at]
    return fields


def _read(row: Mapping[str, str]) -> FrontNews:
    refused = Refusals(int(row.get("refused", 0)), int(row.get("refused_at", 0)), row.get("reason", ""))
    secrets = {name.removeprefix(_USED): int(at) for name, at in row.items() if name.startswith(_USED)}
    return FrontNews(int(row.get("delivered", 0)), refused, secrets)
