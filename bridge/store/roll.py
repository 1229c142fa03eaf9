"""Which targets and sources this installation has had: what was taken out of the config is still known.

Nothing here ever walks all keys, so what is kept of a target or source that nobody names any more is found
by this alone.
"""

from bridge.settings import Settings
from bridge.store.journal import Journal
from bridge.store.mirror import Command, directory_name
from bridge.store.redis import Store
from bridge.store.targets import TargetStore, target_id


async def enrol(store: Store, settings: Settings) -> None:
    """Write down the targets and sources of a configuration. Raises one of STORE_ERRORS."""
    commands: list[Command] = [("SADD", store.key("targets"), target_id(each)) for each in settings.targets]
    commands += [("SADD", _sources_key(store, each.directory_name), each.name) for each in settings.sources]
    if commands:
        await store.calls(commands)


async def all_targets(store: Store, settings: Settings) -> list[TargetStore]:
    """Return every target that there is or was."""
    known = set(await store.call("SMEMBERS", store.key("targets")))
    return [TargetStore(store, ident) for ident in sorted(known | set(map(target_id, settings.targets)))]


async def former_sources(store: Store, settings: Settings, directory: str) -> list[str]:
    """Return the names of the sources that spoke for a directory and are in the configuration no more.

    `directory`: its configured name. A source that is older than this record is called like its directory.
    """
    known = set(await store.call("SMEMBERS", _sources_key(store, directory)))
    return sorted((known | {directory}) - {source.name for source in settings.sources})


async def all_sources(store: Store, settings: Settings) -> list[tuple[str, str]]:
    """Return every source that there is or was, with the configured name of its directory."""
    found = {(source.name, source.directory_name) for source in settings.sources}
    names = {directory_name(each) for each in await Journal(store).directories()}
    for directory in sorted(names):
        found |= {(source, directory) for source in await former_sources(store, settings, directory)}
    return sorted(found)


def strike(store: Store, directory: str) -> Command:
    """Return the command that forgets which sources a directory had."""
    return ("DEL", _sources_key(store, directory))


def _sources_key(store: Store, directory: str) -> str:
    return store.key("sources", directory)
