"""Where an operator works on one target: what is known of it, its history, and the audit of all."""

from dataclasses import dataclass

from bridge.settings import Settings
from bridge.store.audit import Audit
from bridge.store.history import History
from bridge.store.redis import Store
from bridge.store.targets import TargetStore, target_id


@dataclass(frozen=True, slots=True)
class Desk:
    """One target, by its `name` in the configuration."""

    name: str
    target: TargetStore
    history: History
    audit: Audit


def open_desks(settings: Settings, store: Store) -> dict[str, Desk]:
    """Return the desks of all targets, by their names."""
    targets = {each.name: TargetStore(store, target_id(each)) for each in settings.targets}
    audit = Audit(store)
    return {
        name: Desk(name, target, History(target, settings.retention), audit)
        for name, target in targets.items()
    }
