"""The porter: who may come near a source at all, and a record of whom the source did not believe."""

from collections.abc import Callable, Mapping
from typing import Any

from bridge.metrics import Metrics
from bridge.networks import Gate
from bridge.settings import Settings
from bridge.store.clock import ClockUnsetError, machine_ms
from bridge.tallies import Tallies

OUTSIDE = "outside"  # the outcome of a request from another network


class Porter:
    """One for all sources of a process."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        tallies: Tallies,
        clock: Callable[[], int] = machine_ms,
    ) -> None:
        """`metrics` and `tallies` are told of everyone who is turned away; `clock`: unix milliseconds."""
        self._clock = clock
        trusted = settings.receiver.trusted_proxies
        self._gates = {one.name: Gate(one.networks, trusted) for one in settings.sources if one.networks}
        self._metrics = metrics
        self._tallies = tallies
        self.has_gates = bool(self._gates)

    def turns_away(self, source: str, scope: Mapping[str, Any]) -> bool:
        """Tell whether a request (its ASGI scope) comes from where the source takes none, and count it."""
        gate = self._gates.get(source)
        objection = gate and gate.objection(scope)
        if objection:
            self._metrics.count_delivery(source, OUTSIDE)
            self.note(source, objection)
        return bool(objection)

    def note(self, source: str, reason: str) -> None:
        """Remember why a request was refused that nobody has proven to be a sender's."""
        try:
            now = self._clock()
        except ClockUnsetError:
            now = 0  # the count is told all the same
        self._tallies.refuse(source, reason, now)

    def let_in(self, source: str, at: int) -> None:
        """Remember that a delivery was stored; `at`: unix milliseconds."""
        self._tallies.deliver(source, at)
