"""Which directories count for a target: those it is told of, and those that nobody has let go of yet."""

from bridge.settings import Settings, TargetSettings
from bridge.store.departures import departures_key, parse_departures
from bridge.store.targets import TargetStore


async def followed(settings: Settings, target: TargetSettings, store: TargetStore) -> set[str]:
    """Return the configured names of the directories whose people count for a target.

    One that no source of the config speaks for any more still counts: its people stay until it is
    forgotten on purpose (`bridge.operators.forget`).
    """
    names = settings.directories_of(target.name)
    key = departures_key(store.store)
    text, before = await store.store.calls([("GET", key), ("SMEMBERS", store.key("followed"))])
    departures = parse_departures(key, text)
    silent = set(before) - {source.directory_name for source in settings.sources} - departures.by_name.keys()
    return (names | silent) - departures.begun


def silent(settings: Settings, names: set[str]) -> list[str]:
    """Return what is to be said of directories that count though nobody speaks for them."""
    return [
        f"directory {name}: no source speaks for it any more, and its people stay until you let it go: "
        f"bridge directory forget {name}"
        for name in sorted(names - {source.directory_name for source in settings.sources})
    ]
